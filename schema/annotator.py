"""Annotators: people and models that label or audit, as one platform knows them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime  # noqa: F401
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from connectors.documents import AnnotatorKind, Expertise
from schema.data import computed, view
from schema.fields import stored
from schema.filters import PEOPLE
from schema.node import Info, Ingested, Node, shows
from schema.ports import AuditGroup, Order, Query
from schema.reference import Referable

if TYPE_CHECKING:
    from schema.stats import AuditStat

LazyStat = Annotated["AuditStat", strawberry.lazy("schema.stats")]


def stat_of(group: AuditGroup) -> Any:
    from schema.stats import AuditStat as Stat  # noqa: PLC0415 - stats show annotators, annotators show stats

    return Stat(dimensions=[], group=replace(group, keys=()))


@shows("annotators")
@strawberry.federation.type(
    keys=["id", "sourceName externalId"],
    description="A person or model that labels or audits, as one platform knows them.",
)
class Annotator(Referable, Ingested, Node):
    name: str | None = stored("The name; null where the platform tells none.")
    email: str | None = stored(f"The e-mail address. Null without the scope {PEOPLE}.", scope=PEOPLE)
    kind: AnnotatorKind = stored(
        "Person, model or system; UNKNOWN where an export does not tell.", path="annotator_kind"
    )
    expertise: Expertise | None = stored("Expertise, where the platform records it (APLOSE).")

    @computed(f"The same person on other sources, joined by e-mail. Empty without the scope {PEOPLE}.", "email")
    async def identities(self, info: Info) -> list[Annotator]:
        email, context = self.doc.get("email"), info.context
        if email is None or not context.viewer.may(PEOPLE):
            return []
        everything = frozenset(
            {
                "source",
                "external_id",
                "name",
                "email",
                "annotator_kind",
                "expertise",
                "fetched_at",
                "raw_of",
                "run",
                "url",
            }
        )
        query = Query("annotators", order=(Order("_id"),), fields=everything, sources=context.viewer.sources)
        found = await context.loaders.children(query, "email").load(email)
        return [view("annotators", doc) for doc in found if doc["_id"] != self.doc["_id"]]

    @computed("How the audits of this annotator's work went, where the platform or the audit says whose work it was.")
    async def quality(self, info: Info) -> LazyStat | None:
        group = await info.context.loaders.quality().load(self.doc["_id"])
        return None if group is None else stat_of(group)
