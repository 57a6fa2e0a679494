"""How the verdicts went: counts, rates and seconds, by whatever dimensions are asked for."""

from __future__ import annotations

from enum import Enum

import strawberry

from schema.data import computed, view
from schema.errors import RequestError
from schema.filters import AuditWhere
from schema.node import Info, Node
from schema.ports import EVERYTHING, AuditGroup, Query
from schema.reference import COLLECTION_OF_KIND
from schema.selection import node_paths

MOST_GROUPS = 1000


@strawberry.enum(description="What audits are grouped by. DAY and WEEK (ISO) are those of auditedAt in UTC.")
class AuditDimension(Enum):
    SOURCE = "SOURCE"
    CAMPAIGN = "CAMPAIGN"
    AUDITOR = "AUDITOR"
    AUTHOR = "AUTHOR"
    LABEL = "LABEL"
    RESULT = "RESULT"
    ERROR_TYPE = "ERROR_TYPE"
    DAY = "DAY"
    WEEK = "WEEK"


_KINDS = {
    AuditDimension.SOURCE: "Source",
    AuditDimension.CAMPAIGN: "Campaign",
    AuditDimension.AUDITOR: "Annotator",
    AuditDimension.AUTHOR: "Annotator",
}


@strawberry.type(description="One value that a group of audits shares.")
class StatKey:
    dimension: AuditDimension = strawberry.field(description="What it is a value of.")
    value: str | None = strawberry.field(
        description="The value: a global id, a name, a day such as 2026-11-22, a week such as 2026-W47; null if none."
    )

    @computed("The thing behind the id, where the value is one.")
    async def node(self, info: Info) -> Node | None:
        kind = _KINDS.get(self.dimension)
        if kind is None or self.value is None:
            return None
        collection = COLLECTION_OF_KIND[kind]
        doc = await info.context.loaders.document(collection, node_paths(info, kind)).load(self.value)
        found: Node | None = None if doc is None else view(collection, doc)
        return found


@strawberry.type(description="Counts, rates and times of a group of audits.")
class AuditStat:
    dimensions: strawberry.Private[list[AuditDimension]]
    group: strawberry.Private[AuditGroup]

    @computed("What the audits of this group share, in the order of groupBy.")
    def keys(self) -> list[StatKey]:
        pairs = zip(self.dimensions, self.group.keys, strict=True)
        return [StatKey(dimension=dimension, value=value) for dimension, value in pairs]

    @computed("How many audits.")
    def audits(self) -> int:
        return self.group.audits

    @computed("How many accepted.")
    def accepted(self) -> int:
        return self.group.accepted

    @computed("How many rejected.")
    def rejected(self) -> int:
        return self.group.rejected

    @computed("How many fixed.")
    def fixed(self) -> int:
        return self.group.fixed

    @computed("How many commented.")
    def commented(self) -> int:
        return self.group.commented

    @computed("Accepted, as a share of accepted, rejected and fixed; 0 if there are none.")
    def acceptance_rate(self) -> float:
        return self._share(self.group.accepted)

    @computed("Rejected, as a share of accepted, rejected and fixed; 0 if there are none.")
    def rejection_rate(self) -> float:
        return self._share(self.group.rejected)

    @computed("Fixed, as a share of accepted, rejected and fixed; 0 if there are none.")
    def fix_rate(self) -> float:
        return self._share(self.group.fixed)

    @computed("Median seconds of the audits that say how long they took; null if none does.")
    def median_seconds(self) -> float | None:
        return self.group.median_seconds

    @computed("Seconds of the audits that say how long they took, together; null if none does.")
    def total_seconds(self) -> float | None:
        return self.group.total_seconds

    def _share(self, part: int) -> float:
        verdicts = self.group.accepted + self.group.rejected + self.group.fixed
        return part / verdicts if verdicts else 0.0


async def audit_stats(info: Info, where: AuditWhere | None, group_by: list[AuditDimension]) -> list[AuditStat]:
    """The groups. Raises ``RequestError`` when there are too many."""
    viewer = info.context.viewer
    dimensions = list(dict.fromkeys(group_by))
    query = Query(
        "audits",
        where=where.predicate(viewer) if where else EVERYTHING,
        include_deleted=bool(where and where.include_deleted),
        sources=viewer.sources,
    )
    groups = await info.context.reader.audit_groups(query, [one.value for one in dimensions], MOST_GROUPS)
    if len(groups) > MOST_GROUPS:
        raise RequestError(f"more than {MOST_GROUPS} groups: filter more, or group by less", argument="groupBy")
    return [AuditStat(dimensions=dimensions, group=group) for group in groups]
