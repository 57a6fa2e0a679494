"""The plain way: Strawberry types with resolvers, DataLoaders and the driver, as its documentation shows.

It has no auth and no limits.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from enum import Enum
from typing import Annotated, Any

import strawberry
from starlette.applications import Starlette
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader

Doc = dict[str, Any]


@strawberry.enum
class TaskStatus(Enum):
    PENDING = "PENDING"
    COMPLETED = "COMPLETED"


@strawberry.type
class Campaign:
    id: strawberry.ID
    name: str
    status: str

    @strawberry.field
    async def progress(self, info: strawberry.Info) -> Progress:
        pipeline = [
            {"$match": {"campaign": self.id, "deleted_at": None}},
            {"$group": {"_id": "$status", "n": {"$sum": 1},
                        "audited": {"$sum": {"$cond": [{"$gt": ["$audit_count", 0]}, 1, 0]}}}},
        ]  # fmt: skip
        cursor = info.context["db"]["tasks"].aggregate(pipeline)
        rows = await (await cursor if hasattr(cursor, "__await__") else cursor).to_list(None)
        counts = {row["_id"]: row["n"] for row in rows}
        return Progress(
            total=sum(counts.values()),
            audited=sum(row["audited"] for row in rows),
            by_status=[StatusCount(status=one, count=counts[one.value]) for one in TaskStatus if one.value in counts],
        )

    @classmethod
    def of(cls, doc: Doc) -> Campaign:
        return cls(id=doc["_id"], name=doc["name"], status=doc["status"])


@strawberry.type
class StatusCount:
    status: TaskStatus
    count: int


@strawberry.type
class Progress:
    total: int
    audited: int
    by_status: list[StatusCount]


@strawberry.type
class Asset:
    id: strawberry.ID
    name: str
    input_type: str
    content_url: str | None


@strawberry.type
class Annotator:
    id: strawberry.ID
    name: str | None


@strawberry.type
class Audit:
    id: strawberry.ID
    result: str
    comments: list[str]
    audited_at: datetime | None
    auditor_id: strawberry.Private[str]

    @strawberry.field
    async def auditor(self, info: strawberry.Info) -> Annotator | None:
        doc = await info.context["people"].load(self.auditor_id)
        return Annotator(id=doc["_id"], name=doc.get("name")) if doc else None


@strawberry.type
class Confidence:
    level: float | None


@strawberry.type
class BoundingBox:
    left: float
    top: float
    width: float
    height: float
    unit: str


@strawberry.type
class Point:
    x: float
    y: float


Value = Annotated[BoundingBox | Point, strawberry.union("AnnotationValue")]


@strawberry.type
class Annotation:
    id: strawberry.ID
    label: str | None
    confidence: Confidence | None
    value: Value


@strawberry.type
class AuditConnection:
    nodes: list[Audit]


@strawberry.type
class AnnotationConnection:
    nodes: list[Annotation]


@strawberry.type
class Task:
    id: strawberry.ID
    external_id: str
    source_name: str
    asset_name: str | None
    batch: str | None
    type: str | None
    status: TaskStatus
    native_status: str | None
    priority: int | None
    tags: list[str]
    annotation_count: int
    labels: list[str]
    review_status: str
    created_at: datetime | None
    updated_at: datetime | None
    asset_id: strawberry.Private[str]
    campaign_id: strawberry.Private[str]

    @strawberry.field
    async def asset(self, info: strawberry.Info) -> Asset | None:
        doc = await info.context["assets"].load(self.asset_id)
        if doc is None:
            return None
        return Asset(id=doc["_id"], name=doc["name"], input_type=doc["input_type"], content_url=doc.get("content_url"))

    @strawberry.field
    async def campaign(self, info: strawberry.Info) -> Campaign | None:
        doc = await info.context["campaigns"].load(self.campaign_id)
        return Campaign.of(doc) if doc else None

    @strawberry.field
    async def audits(self, info: strawberry.Info, first: int = 50) -> AuditConnection:
        docs = await info.context["audits"].load(self.id)
        return AuditConnection(
            nodes=[
                Audit(
                    id=doc["_id"],
                    result=doc["result"],
                    comments=doc["comments"],
                    audited_at=doc.get("audited_at"),
                    auditor_id=doc["auditor"],
                )
                for doc in docs[:first]
            ]
        )

    @strawberry.field
    async def annotations(self, info: strawberry.Info, first: int = 50) -> AnnotationConnection:
        docs = await info.context["annotations"].load(self.id)
        return AnnotationConnection(
            nodes=[
                Annotation(
                    id=doc["_id"],
                    label=doc.get("label"),
                    confidence=Confidence(level=doc["confidence"]["level"]),
                    value=BoundingBox(**{k: v for k, v in doc["value"].items() if k != "type"}),
                )
                for doc in docs[:first]
            ]
        )

    @classmethod
    def of(cls, doc: Doc) -> Task:
        return cls(
            id=doc["_id"],
            external_id=doc["external_id"],
            source_name=doc["source"],
            asset_name=doc.get("asset_name"),
            batch=doc.get("batch"),
            type=doc.get("type"),
            status=TaskStatus(doc["status"]),
            native_status=doc.get("native_status"),
            priority=doc.get("priority"),
            tags=doc["tags"],
            annotation_count=doc["annotation_count"],
            labels=doc["labels"],
            review_status=doc["review_status"],
            created_at=doc.get("created_at"),
            updated_at=doc.get("updated_at"),
            asset_id=doc["asset"],
            campaign_id=doc["campaign"],
        )


@strawberry.type
class TaskConnection:
    nodes: list[Task]


@strawberry.input
class IDFilter:
    eq: strawberry.ID


@strawberry.input
class StatusFilter:
    eq: TaskStatus


@strawberry.input
class TaskWhere:
    campaign: IDFilter | None = None
    status: StatusFilter | None = None


@strawberry.input
class Ref:
    id: strawberry.ID


@strawberry.type
class Query:
    @strawberry.field
    async def tasks(self, info: strawberry.Info, first: int = 50, where: TaskWhere | None = None) -> TaskConnection:
        asked: Doc = {"deleted_at": None}
        if where and where.campaign:
            asked["campaign"] = where.campaign.eq
        if where and where.status:
            asked["status"] = where.status.eq.value
        cursor = info.context["db"]["tasks"].find(asked).sort("_id", 1).limit(first)
        return TaskConnection(nodes=[Task.of(doc) for doc in await cursor.to_list(None)])

    @strawberry.field
    async def task(self, info: strawberry.Info, by: Ref) -> Task | None:
        doc = await info.context["db"]["tasks"].find_one({"_id": by.id})
        return Task.of(doc) if doc else None

    @strawberry.field
    async def campaign(self, info: strawberry.Info, by: Ref) -> Campaign | None:
        doc = await info.context["db"]["campaigns"].find_one({"_id": by.id})
        return Campaign.of(doc) if doc else None


def _one(db: Any, collection: str) -> DataLoader[str, Doc | None]:
    async def load(ids: list[str]) -> list[Doc | None]:
        found = {doc["_id"]: doc for doc in await db[collection].find({"_id": {"$in": ids}}).to_list(None)}
        return [found.get(id_) for id_ in ids]

    return DataLoader(load)


def _of_task(db: Any, collection: str, order: list[tuple[str, int]]) -> DataLoader[str, list[Doc]]:
    async def load(ids: list[str]) -> list[list[Doc]]:
        cursor = db[collection].find({"task": {"$in": ids}, "deleted_at": None}).sort(order)
        found: dict[str, list[Doc]] = defaultdict(list)
        for doc in await cursor.to_list(None):
            found[doc["task"]].append(doc)
        return [found[id_] for id_ in ids]

    return DataLoader(load)


def create_app(db: Any) -> Starlette:
    class App(GraphQL[Any, Any]):
        async def get_context(self, request: Any, response: Any) -> Any:
            return {
                "db": db,
                "assets": _one(db, "assets"),
                "campaigns": _one(db, "campaigns"),
                "people": _one(db, "annotators"),
                "audits": _of_task(db, "audits", [("audited_at", -1), ("_id", -1)]),
                "annotations": _of_task(db, "annotations", [("_id", 1)]),
            }

    app = Starlette()
    app.mount("/graphql", App(strawberry.Schema(Query)))
    return app
