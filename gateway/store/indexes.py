"""The indexes: one for every filter field and every ordering of the API, ended by the id that breaks ties.

Sharding, when one replica set is not enough: shard ``raws`` and the document collections by hashed ``_id`` where
reads are by id, or by ``{source, _id}`` where whole sources are read and synced; the second keeps a source's
pages together and every id names its source, so point reads go to one shard. Nothing here needs a unique
index besides ``_id``, which is what sharding by ``{source, _id}`` demands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pymongo import IndexModel

_COMMON: Final = ("source", "external_id")

FIELDS: Final[Mapping[str, Sequence[str]]] = {
    "campaigns": (*_COMMON, "name", "status", "input_type", "created_at", "updated_at"),
    "assets": (
        *_COMMON,
        "campaign",
        "name",
        "dataset",
        "input_type",
        "is_honeypot",
        "used_for_consensus",
        "start_at",
        "end_at",
    ),
    "tasks": (
        *_COMMON,
        "asset",
        "asset_name",
        "assets",
        "assignees",
        "batch",
        "phase.name",
        "type",
        "status",
        "native_status",
        "tags",
        "labels",
        "review_status",
        "audit_count",
        "last_audited_at",
        "consensus_score",
        "honeypot_score",
        "priority",
        "created_at",
        "updated_at",
        "completed_at",
    ),
    "submissions": ("task", "source"),
    "annotations": (
        *_COMMON,
        "task",
        "asset",
        "author",
        "label",
        "value.type",
        "confidence.level",
        "start_at",
        "end_at",
        "frequency_span.start",
        "frequency_span.end",
        "replaces",
    ),
    "annotators": (*_COMMON, "name", "email"),
    "audits": (
        *_COMMON,
        "task",
        "annotation",
        "label",
        "result",
        "origin",
        "auditor",
        "author",
        "errors.type",
        "audited_at",
        "delivery.state",
        "delivery.delivered_at",
    ),
    "comments": ("task", "asset"),
    "sync_runs": ("source", "state", "started_at"),
    "skipped_records": ("run",),
}

COMPOUND: Final[Mapping[str, Sequence[tuple[str, ...]]]] = {
    "tasks": (("campaign", "status"), ("campaign", "review_status")),
    "annotations": (("campaign", "label"),),
    "audits": (("campaign", "audited_at"), ("alias",), ("delivery.state", "delivery.next_attempt_at")),
    "submissions": (("campaign", "author"),),
    "comments": (("campaign",),),
}


def models(collection: str) -> list[IndexModel]:
    keys = [(field,) for field in FIELDS.get(collection, ())] + list(COMPOUND.get(collection, ()))
    return [IndexModel([(name, 1) for name in (*key, "_id")], name="_".join(key)) for key in keys]


async def ensure(database: Any) -> None:
    """Creates what is missing and drops what is ours and no longer wanted; cheap when nothing changed."""
    await database["seen"].create_indexes(
        [IndexModel([("pass", 1), ("part", 1)]), IndexModel([("at", 1)], expireAfterSeconds=14 * 86400)]
    )
    for collection in FIELDS:
        wanted = models(collection)
        names = {model.document["name"] for model in wanted}
        present: set[str] = set()
        async for index in _listed(await _indexes(database[collection])):
            present.add(index["name"])
        for stale in present - names - {"_id_"}:
            await database[collection].drop_index(stale)
        missing = [model for model in wanted if model.document["name"] not in present]
        if missing:
            await database[collection].create_indexes(missing)


async def _indexes(collection: Any) -> Any:
    found = collection.list_indexes()
    return await found if hasattr(found, "__await__") else found


async def _listed(cursor: Any) -> Any:
    async for index in cursor:
        yield index
