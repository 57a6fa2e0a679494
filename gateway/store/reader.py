"""Answers the questions of ``schema.ports`` with MongoDB commands: a bounded number, whatever is asked.

Scope and deletion are added here and nowhere else, so no question can forget them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from gateway.store import keyset, stats
from gateway.store.connect import aggregate
from gateway.store.filters import NOTHING, Filter, translate
from schema.jsontext import json_value
from schema.ports import (
    AllOf,
    AnyOf,
    AuditGroup,
    Compare,
    Doc,
    Not,
    Op,
    Order,
    Predicate,
    Query,
    Related,
    Slice,
    StatusCounts,
)

_RELATED_MOST: Final = 20_000
_ALL_MOST: Final = 20_000
_LISTS: Final = frozenset({"assets", "assignees"})


class TooBroad(ValueError):
    """A filter over related documents fits more of them than one question may carry."""


class Reader:
    """``schema.ports.Reader`` over a database; ``max_time_ms`` bounds every command on the server."""

    def __init__(self, database: Any, *, max_time_ms: int = 10_000) -> None:
        self._db = database
        self._limit = max_time_ms

    async def page(self, query: Query) -> Slice:
        keys = keyset.order_keys(query.order)
        mark = _mark(query, keys)
        where = await self._where(query)
        size, backward = _size(query)
        where = _both(where, _position(query, keys, mark))
        cursor = self._db[query.collection].find(
            where,
            _projection(query.fields, keys),
            sort=_sort(keys, backward),
            limit=size + 1,
            batch_size=size + 2,
            max_time_ms=self._limit,
        )
        return _slice(await cursor.to_list(None), query, keys, mark)

    async def count(self, query: Query) -> int:
        where = await self._where(query)
        found: int = await self._db[query.collection].count_documents(where, maxTimeMS=self._limit)
        return found

    async def pages_by(self, query: Query, by: str, parents: Sequence[str]) -> Mapping[str, Slice]:
        keys = keyset.order_keys(query.order)
        mark = _mark(query, keys, by)
        where = _both(await self._where(query), _position(query, keys, mark))
        size, backward = _size(query)
        pipeline: list[Filter] = [
            {"$documents": [{"_id": parent} for parent in parents]},
            {
                "$lookup": {
                    "from": query.collection,
                    "localField": "_id",
                    "foreignField": by,
                    "pipeline": [
                        {"$match": where},
                        {"$sort": dict(_sort(keys, backward))},
                        {"$limit": size + 1},
                        {"$project": _projection(query.fields, keys)},
                    ],
                    "as": "doc",
                }
            },
            {"$unwind": "$doc"},
        ]
        found: dict[str, list[Doc]] = defaultdict(list)
        for row in await self._aggregate(self._db, pipeline):
            found[row["_id"]].append(row["doc"])
        return {parent: _slice(found[parent], query, keys, mark) for parent in parents}

    async def counts_by(self, query: Query, by: str, parents: Sequence[str]) -> Mapping[str, int]:
        ours: Filter = {by: {"$in": list(parents)}}
        pipeline: list[Filter] = [{"$match": _both(await self._where(query), ours)}]
        if by in _LISTS:
            pipeline += [{"$unwind": f"${by}"}, {"$match": ours}]
        pipeline.append({"$group": {"_id": f"${by}", "n": {"$sum": 1}}})
        counts = dict.fromkeys(parents, 0)
        for row in await self._aggregate(self._db[query.collection], pipeline):
            counts[row["_id"]] = row["n"]
        return counts

    async def by_ids(
        self, collection: str, ids: Sequence[str], fields: frozenset[str], sources: frozenset[str] | None
    ) -> Mapping[str, Doc]:
        where = _both({"_id": {"$in": list(ids)}}, _scope(sources, collection))
        cursor = self._db[collection].find(
            where, _projection(fields, ()), batch_size=len(ids) + 1, max_time_ms=self._limit
        )
        return {doc["_id"]: doc for doc in await cursor.to_list(None)}

    async def all_by(self, query: Query, by: str, parents: Sequence[str]) -> Mapping[str, Sequence[Doc]]:
        keys = keyset.order_keys(query.order)
        where = _both(await self._where(query), {by: {"$in": list(parents)}})
        cursor = self._db[query.collection].find(
            where,
            _projection(query.fields | {by}, keys),
            sort=_sort(keys, backward=False),
            limit=_ALL_MOST,
            batch_size=1000,
            max_time_ms=self._limit,
        )
        found: dict[str, list[Doc]] = {parent: [] for parent in parents}
        for doc in await cursor.to_list(None):
            held = keyset.lookup(doc, by)
            for parent in held if isinstance(held, list) else (held,):
                if parent in found:
                    found[parent].append(doc)
        return found

    async def raws(self, ids: Sequence[str]) -> Mapping[str, Any]:
        cursor = self._db["raws"].find({"_id": {"$in": list(ids)}}, max_time_ms=self._limit)
        return {doc["_id"]: json_value(doc["json"]) async for doc in cursor}

    async def progress(
        self, campaigns: Sequence[str], *, per_annotator: bool = False
    ) -> Mapping[str, Sequence[StatusCounts]]:
        where = {"campaign": {"$in": list(campaigns)}, "deleted_at": None}
        audited = {"$sum": {"$cond": [{"$gt": ["$audit_count", 0]}, 1, 0]}}
        who = "$assignees" if per_annotator else None
        pipeline: list[Filter] = [{"$match": where}]
        if per_annotator:
            pipeline.append({"$unwind": "$assignees"})
        group = {"campaign": "$campaign", "status": "$status", "annotator": who}
        pipeline.append({"$group": {"_id": group, "n": {"$sum": 1}, "audited": audited}})
        counts: dict[tuple[str, str | None], dict[str, int]] = defaultdict(dict)
        audits: dict[tuple[str, str | None], int] = defaultdict(int)
        for row in await self._aggregate(self._db["tasks"], pipeline):
            key = (row["_id"]["campaign"], row["_id"].get("annotator"))
            counts[key][row["_id"]["status"]] = row["n"]
            audits[key] += row["audited"]
        out: dict[str, list[StatusCounts]] = {campaign: [] for campaign in campaigns}
        for (campaign, annotator), by_status in sorted(counts.items(), key=lambda item: (item[0][0], item[0][1] or "")):
            total = sum(by_status.values())
            out[campaign].append(StatusCounts(annotator, total, audits[campaign, annotator], by_status))
        return out

    async def people(self, campaigns: Sequence[str]) -> Mapping[str, Sequence[str]]:
        ours = {"campaign": {"$in": list(campaigns)}, "deleted_at": None}
        found: dict[str, set[str]] = {campaign: set() for campaign in campaigns}
        for collection, who in (("submissions", "author"), ("tasks", "assignees")):
            pipeline: list[Filter] = [{"$match": ours}]
            if who in _LISTS:
                pipeline.append({"$unwind": f"${who}"})
            pipeline.append({"$group": {"_id": {"campaign": "$campaign", "who": f"${who}"}}})
            for row in await self._aggregate(self._db[collection], pipeline):
                if row["_id"].get("who") is not None:
                    found[row["_id"]["campaign"]].add(row["_id"]["who"])
        return {campaign: sorted(who) for campaign, who in found.items()}

    async def audit_groups(self, query: Query, dimensions: Sequence[str], most: int) -> Sequence[AuditGroup]:
        pipeline = stats.pipeline(await self._where(query), dimensions, most)
        rows = await self._aggregate(self._db["audits"], pipeline)
        return [stats.group_of(row, dimensions) for row in rows]

    async def sources(self, names: frozenset[str] | None) -> Sequence[Doc]:
        where: Filter = {} if names is None else {"_id": {"$in": sorted(names)}}
        cursor = self._db["sources"].find(where, {"checkpoint": 0}, sort=[("_id", 1)], max_time_ms=self._limit)
        return [doc async for doc in cursor]

    # --- filters ------------------------------------------------------------------------------------------------

    async def _where(self, query: Query) -> Filter:
        where = translate(await self._resolved(query.where, query.sources))
        if not query.include_deleted:
            where = _both(where, {"deleted_at": None})
        return _both(where, _scope(query.sources, query.collection))

    async def _resolved(self, predicate: Predicate, sources: frozenset[str] | None) -> Predicate:
        """The predicate with every ``Related`` part replaced by the ids it means."""
        match predicate:
            case AllOf(parts):
                return AllOf(tuple([await self._resolved(part, sources) for part in parts]))
            case AnyOf(parts):
                return AnyOf(tuple([await self._resolved(part, sources) for part in parts]))
            case Not(part):
                return Not(await self._resolved(part, sources))
            case Related(path, collection, where):
                inner = _both(translate(await self._resolved(where, sources)), _scope(sources, collection))
                cursor = self._db[collection].find(
                    inner, {"_id": 1}, limit=_RELATED_MOST + 1, batch_size=_RELATED_MOST + 2, max_time_ms=self._limit
                )
                ids = [doc["_id"] async for doc in cursor]
                if len(ids) > _RELATED_MOST:
                    raise TooBroad(f"the filter fits more than {_RELATED_MOST} {collection}; make it narrower")
                return Compare(path, Op.IN, tuple(ids))
        return predicate

    async def _aggregate(self, target: Any, pipeline: Sequence[Filter]) -> list[Any]:
        return await aggregate(target, pipeline, maxTimeMS=self._limit)


def _scope(sources: frozenset[str] | None, collection: str) -> Filter:
    """A source's own document names it by id."""
    return {} if sources is None else {"_id" if collection == "sources" else "source": {"$in": sorted(sources)}}


def _both(one: Filter, other: Filter) -> Filter:
    if not one or not other:
        return one or other
    return {"$and": [one, other]} if one.keys() & other.keys() else one | other


def _mark(query: Query, keys: Sequence[Order], by: str = "") -> str:
    return keyset.fingerprint(query.collection, query.where, keys, query.include_deleted, by)


def _position(query: Query, keys: Sequence[Order], mark: str) -> Filter:
    window = query.window
    where: Filter = {}
    if window.after is not None:
        where = keyset.beyond(keys, keyset.decode(window.after, keys, mark))
    if window.before is not None:
        backwards = [Order(key.path, not key.descending) for key in keys]
        where = _both(where, keyset.beyond(backwards, keyset.decode(window.before, keys, mark)))
    return where


def _size(query: Query) -> tuple[int, bool]:
    window = query.window
    return (window.last, True) if window.last is not None else (window.first or 0, False)


def _sort(keys: Sequence[Order], backward: bool) -> list[tuple[str, int]]:
    return [(key.path, -1 if key.descending != backward else 1) for key in keys]


def _projection(fields: Iterable[str], keys: Sequence[Order]) -> dict[str, int]:
    """Exactly these paths; one that lies inside another is already there with it."""
    wanted = sorted({"_id", *fields, *(key.path for key in keys)})
    out: dict[str, int] = {}
    for path in wanted:
        if not any(path.startswith(f"{outer}.") for outer in out):
            out[path] = 1
    return out


def _slice(found: list[Doc], query: Query, keys: Sequence[Order], mark: str) -> Slice:
    size, backward = _size(query)
    more = len(found) > size
    docs = found[:size]
    if backward:
        docs.reverse()
    return Slice(
        docs=docs,
        cursor=lambda doc: keyset.encode(doc, keys, mark),
        has_next=query.window.before is not None if backward else more,
        has_previous=more if backward else query.window.after is not None,
    )


__all__ = ["NOTHING", "Reader", "TooBroad"]
