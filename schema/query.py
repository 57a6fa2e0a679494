"""The root of all reading: look-ups by id, lists with filters, and who is asking."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Annotated, Any

import strawberry
from strawberry.types.field import StrawberryField

from connectors.ids import gid, parse_gid
from schema.annotation import Annotation
from schema.annotator import Annotator
from schema.asset import Asset
from schema.audit import Audit
from schema.campaign import Campaign
from schema.connections import Connection
from schema.context import Context
from schema.data import DATA, Many, computed, view
from schema.errors import RequestError
from schema.fields import connection_arguments, question
from schema.filters import (
    AnnotationOrder,
    AnnotationWhere,
    AnnotatorOrder,
    AnnotatorWhere,
    AssetOrder,
    AssetWhere,
    AuditOrder,
    AuditWhere,
    CampaignOrder,
    CampaignWhere,
    TaskOrder,
    TaskWhere,
)
from schema.node import Info, Node
from schema.ports import Compare, Op, Order
from schema.reference import COLLECTION_OF_KIND
from schema.selection import needed_paths, wants
from schema.source import Source
from schema.stats import AuditDimension, AuditStat, audit_stats
from schema.sync import SyncRun
from schema.task import Task
from schema.viewer import Viewer
from schema.where import OrderBy, Where

MOST_NODES = 500

_EXTERNAL = "The name of the source, and the platform's own id."


@strawberry.input(description=_EXTERNAL)
class ExternalRef:
    source: str = strawberry.field(description="The name of the source.")
    external_id: str = strawberry.field(description="The platform's own id.")


@strawberry.input(one_of=True, description="Exactly one way to name a task.")
class TaskRef:
    id: strawberry.Maybe[strawberry.ID] = strawberry.field(description="The global id.")
    external: strawberry.Maybe[ExternalRef] = strawberry.field(description=_EXTERNAL)


@strawberry.input(one_of=True, description="Exactly one way to name a campaign.")
class CampaignRef:
    id: strawberry.Maybe[strawberry.ID] = strawberry.field(description="The global id.")
    external: strawberry.Maybe[ExternalRef] = strawberry.field(description=_EXTERNAL)


@strawberry.input(one_of=True, description="Exactly one way to name an asset.")
class AssetRef:
    id: strawberry.Maybe[strawberry.ID] = strawberry.field(description="The global id.")
    external: strawberry.Maybe[ExternalRef] = strawberry.field(description=_EXTERNAL)


def named(ref: TaskRef | CampaignRef | AssetRef, kind: str) -> str:
    """The global id that a reference means."""
    if ref.id is not None:
        return str(ref.id.value)
    assert ref.external is not None
    return gid(ref.external.value.source, kind, ref.external.value.external_id)


async def find_node(info: Info, id_: str, kind: str | None = None) -> Any:
    """The object with a global id, of any kind or of one; None for what is unknown, or not the viewer's to see."""
    parts = parse_gid(id_)
    if parts is None or (kind is not None and parts.kind != kind) or parts.kind not in COLLECTION_OF_KIND:
        return None
    collection = COLLECTION_OF_KIND[parts.kind]
    key = parts.source if parts.kind == "Source" else id_
    doc = await info.context.loaders.document(collection, needed_paths(info, collection)).load(key)
    return None if doc is None else view(collection, doc)


class RootConnection(StrawberryField):
    """A connection over a whole collection."""

    @property
    def is_basic_field(self) -> bool:
        return False

    @property
    def is_async(self) -> bool:
        return True

    def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Any:
        return _list(self.metadata[DATA], info, kwargs)


async def _list(data: Many, info: Any, arguments: Any) -> Connection[Any]:
    context: Context = info.context
    query = question(data, info, arguments)
    page = await context.reader.page(query) if wants(info, "edges", "nodes", "pageInfo") else None
    return Connection.of(page, data.collection, view, lambda: context.reader.count(query))


def listed(
    description: str,
    collection: str,
    where: type[Where] | None,
    order_by: type[OrderBy] | None,
    default_order: tuple[Order, ...] = (),
) -> Any:
    field = RootConnection(
        description=description, metadata={DATA: Many(collection, "", where, order_by, default_order)}
    )
    field.init = False
    field.arguments = connection_arguments(where, order_by)
    return field


_BY = Annotated[TaskRef, strawberry.argument(description="Which one.")]
_CAMPAIGN_BY = Annotated[CampaignRef, strawberry.argument(description="Which one.")]
_ASSET_BY = Annotated[AssetRef, strawberry.argument(description="Which one.")]


@strawberry.type(description="Everything there is to read.")
class Query:
    @computed("The thing with a global id; null for what is unknown or not yours to see.")
    async def node(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The global id.")],  # noqa: A002
    ) -> Node | None:
        found: Node | None = await find_node(info, str(id))
        return found

    @computed("Several things by global id, in the order asked, null where node would be.")
    async def nodes(
        self,
        info: Info,
        ids: Annotated[list[strawberry.ID], strawberry.argument(description="Global ids, at most 500.")],
    ) -> list[Node | None]:
        if len(ids) > MOST_NODES:
            raise RequestError(f"nodes takes at most {MOST_NODES} ids", argument="ids")
        return list(await _gather([find_node(info, str(id_)) for id_ in ids]))

    @computed("One task; null for what is unknown or not yours to see.")
    async def task(self, info: Info, by: _BY) -> Task | None:
        found: Task | None = await find_node(info, named(by, "Task"), "Task")
        return found

    @computed("One campaign; null for what is unknown or not yours to see.")
    async def campaign(self, info: Info, by: _CAMPAIGN_BY) -> Campaign | None:
        found: Campaign | None = await find_node(info, named(by, "Campaign"), "Campaign")
        return found

    @computed("One asset; null for what is unknown or not yours to see.")
    async def asset(self, info: Info, by: _ASSET_BY) -> Asset | None:
        found: Asset | None = await find_node(info, named(by, "Asset"), "Asset")
        return found

    @computed("The configured sources, by name.")
    async def sources(self, info: Info) -> list[Source]:
        return [Source(doc=doc) for doc in await info.context.reader.sources(info.context.viewer.sources)]

    campaigns: Connection[Campaign] = listed("Campaigns of all sources.", "campaigns", CampaignWhere, CampaignOrder)
    tasks: Connection[Task] = listed("Tasks of all sources.", "tasks", TaskWhere, TaskOrder)
    assets: Connection[Asset] = listed("Assets of all sources.", "assets", AssetWhere, AssetOrder)
    annotations: Connection[Annotation] = listed(
        "Annotations of all sources.", "annotations", AnnotationWhere, AnnotationOrder
    )
    annotators: Connection[Annotator] = listed(
        "People and models of all sources.", "annotators", AnnotatorWhere, AnnotatorOrder
    )
    audits: Connection[Audit] = listed(
        "Audits of all sources, newest first unless ordered otherwise.",
        "audits",
        AuditWhere,
        AuditOrder,
        (Order("audited_at", descending=True),),
    )

    @computed("Counts, rates and seconds of audits, grouped; at most 1000 groups, in the order of their keys.")
    async def audit_stats(
        self,
        info: Info,
        group_by: Annotated[list[AuditDimension], strawberry.argument(description="A group for each value of these.")],
        where: Annotated[
            AuditWhere | None, strawberry.argument(description="Only audits that fit all of this.")
        ] = None,
    ) -> list[AuditStat]:
        return await audit_stats(info, where, group_by)

    @computed("Runs of one source or of all, newest first.")
    async def sync_runs(
        self,
        info: Info,
        source: Annotated[strawberry.ID | None, strawberry.argument(description="Global id of a source.")] = None,
        first: Annotated[int | None, strawberry.argument(description="How many, at most 500; 50 if not given.")] = None,
        after: Annotated[str | None, strawberry.argument(description="A cursor: only what comes after it.")] = None,
        last: Annotated[int | None, strawberry.argument(description="How many from the end, at most 500.")] = None,
        before: Annotated[str | None, strawberry.argument(description="A cursor: only what comes before it.")] = None,
    ) -> Connection[SyncRun]:
        parts = parse_gid(str(source)) if source is not None else None
        data = Many("sync_runs", "", default_order=(Order("started_at", descending=True),))
        asked = question(data, info, {"first": first, "after": after, "last": last, "before": before})
        if source is not None:
            asked = replace(asked, where=Compare("source", Op.EQ, parts.source if parts else ""))
        context: Context = info.context
        page = await context.reader.page(asked) if wants(info, "edges", "nodes", "pageInfo") else None
        connected: Connection[Any] = Connection.of(page, "sync_runs", view, lambda: context.reader.count(asked))
        return connected

    @computed("Who is asking, and what they may do.")
    def viewer(self, info: Info) -> Viewer:
        return Viewer(who=info.context.viewer)


async def _gather(pending: list[Any]) -> list[Any]:
    return list(await asyncio.gather(*pending))


__all__ = ["AssetRef", "CampaignRef", "ExternalRef", "Query", "TaskRef", "named"]
