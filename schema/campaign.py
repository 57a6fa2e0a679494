"""Campaigns: containers of work, and how far the work is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import strawberry

from connectors.documents import CampaignStatus, InputType, TaskStatus
from schema.annotator import Annotator
from schema.asset import Asset
from schema.connections import Connection, window
from schema.context import Context
from schema.data import computed, view
from schema.fields import connection, part, stored
from schema.filters import AssetOrder, AssetWhere, TaskOrder, TaskWhere
from schema.node import Info, Ingested, Node, embedded, shows
from schema.people import people_page
from schema.ports import StatusCounts
from schema.reference import Referable
from schema.selection import needed_paths, wants
from schema.task import Phase, Task


@strawberry.type(description="How many tasks have a status.")
class StatusCount:
    status: TaskStatus = strawberry.field(description="The status.")
    count: int = strawberry.field(description="How many.")


def _by_status(counts: Mapping[str, int]) -> list[StatusCount]:
    return [StatusCount(status=status, count=counts[status]) for status in TaskStatus if status in counts]


@strawberry.type(description="The tasks of one annotator in a campaign.")
class AnnotatorProgress:
    counts: strawberry.Private[StatusCounts]

    @computed("Who the tasks are assigned to.")
    async def annotator(self, info: Info) -> Annotator | None:
        assert self.counts.annotator is not None
        paths = needed_paths(info, "annotators")
        doc = await info.context.loaders.document("annotators", paths).load(self.counts.annotator)
        return None if doc is None else view("annotators", doc)

    @computed("How many tasks.")
    def total(self) -> int:
        return self.counts.total

    @computed("How many of them have an audit.")
    def audited(self) -> int:
        return self.counts.audited

    @computed("The same by status; statuses without tasks are left out.")
    def by_status(self) -> list[StatusCount]:
        return _by_status(self.counts.by_status)


@strawberry.type(description="How far a campaign is, counted now.")
class Progress:
    campaign: strawberry.Private[str]
    counts: strawberry.Private[StatusCounts]

    @computed("How many tasks.")
    def total(self) -> int:
        return self.counts.total

    @computed("The same by status; statuses without tasks are left out.")
    def by_status(self) -> list[StatusCount]:
        return _by_status(self.counts.by_status)

    @computed("How many tasks have an audit.")
    def audited(self) -> int:
        return self.counts.audited

    @computed("When this was counted.")
    def as_of(self) -> datetime:
        return datetime.now(UTC).replace(tzinfo=None)

    @computed("The same for each person that tasks are assigned to.")
    async def by_annotator(self, info: Info) -> list[AnnotatorProgress]:
        rows = await info.context.loaders.progress(per_annotator=True).load(self.campaign)
        return [AnnotatorProgress(counts=row) for row in rows if row.annotator is not None]


@shows("campaigns")
@strawberry.federation.type(
    keys=["id", "sourceName externalId"],
    description="A container of work. Scale project, Kili project, APLOSE campaign.",
)
class Campaign(Referable, Ingested, Node):
    name: str = stored("The name people know.")
    description: str | None = stored("What it is about.")
    status: CampaignStatus = stored("How far it is.")
    native_status: str | None = stored("The platform's own word for the status.")
    input_type: InputType = stored("What is labeled in it.")
    phases: list[Phase] = part(
        "Steps of work in order: APLOSE phases, Kili workflow steps. One ANNOTATION phase where the platform has none.",
        embedded(Phase),
        is_list=True,
    )
    label_set: list[str] | None = stored(
        "Names of the label classes, where the platform publishes its ontology.", read=list
    )
    created_at: datetime | None = stored("When it was made on the platform.")
    updated_at: datetime | None = stored("When it last changed on the platform.")
    tasks: Connection[Task] = connection("Its tasks.", "tasks", "campaign", where=TaskWhere, order_by=TaskOrder)
    assets: Connection[Asset] = connection("Its assets.", "assets", "campaign", where=AssetWhere, order_by=AssetOrder)

    @computed("How far it is, in tasks.")
    async def progress(self, info: Info) -> Progress:
        rows = await info.context.loaders.progress(per_annotator=False).load(self.doc["_id"])
        nothing = StatusCounts(annotator=None, total=0, audited=0, by_status={})
        return Progress(campaign=self.doc["_id"], counts=rows[0] if rows else nothing)

    @computed("The people and models who answered in it or have tasks assigned, by id.")
    async def annotators(
        self,
        info: Info,
        first: Annotated[int | None, strawberry.argument(description="How many, at most 500; 50 if not given.")] = None,
        after: Annotated[str | None, strawberry.argument(description="A cursor: only what comes after it.")] = None,
        last: Annotated[int | None, strawberry.argument(description="How many from the end, at most 500.")] = None,
        before: Annotated[str | None, strawberry.argument(description="A cursor: only what comes before it.")] = None,
    ) -> Connection[Annotator]:
        context: Context = info.context
        ids = await context.loaders.people().load(self.doc["_id"])
        page = people_page(ids, window({"first": first, "after": after, "last": last, "before": before}))
        if wants(info, "edges", "nodes"):
            paths = needed_paths(info, "annotators", in_connection=True)
            load = context.loaders.document("annotators", paths)
            found = await load.load_many([doc["_id"] for doc in page.docs])
            page.docs = [doc for doc in found if doc is not None]

        async def count() -> int:
            await asyncio.sleep(0)
            return len(ids)

        connected: Connection[Any] = Connection.of(page, "annotators", view, count)
        return connected
