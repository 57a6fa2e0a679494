"""Writes a campaign for spreadsheets and notebooks, streamed: results and status as CSV, tasks in full as JSON Lines.

The CSVs have the columns that acoustic annotation tools exchange, so such a file can be imported again; what other
platforms say more (values, review status, audits and how far they travelled) stands in columns after them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson

from gateway.store.codec import Stored
from gateway.store.store import Store
from schema.jsontext import json_value

BATCH: Final = 500
FORMATS: Final[Mapping[str, str]] = {
    "results.csv": "text/csv; charset=utf-8",
    "status.csv": "text/csv; charset=utf-8",
    "tasks.jsonl": "application/x-ndjson",
}

_COLUMNS: Final = (
    "dataset",
    "filename",
    "annotation_id",
    "is_update_of_id",
    "start_time",
    "end_time",
    "start_frequency",
    "end_frequency",
    "annotation",
    "annotator",
    "annotator_expertise",
    "start_datetime",
    "end_datetime",
    "is_box",
    "type",
    "confidence_indicator_label",
    "confidence_indicator_level",
    "comments",
    "created_at_phase",
)
_MORE: Final = ("value", "attributes", "task_status", "task_review_status", "task_audits")
_VERDICTS: Final = {"ACCEPTED": "True", "REJECTED": "False"}


async def export(store: Store, campaign: str, form: str) -> AsyncIterator[bytes]:
    """The bytes of one of ``FORMATS`` for a campaign's global id; the caller has checked that it may be read."""
    write = {"results.csv": _results, "status.csv": _status, "tasks.jsonl": _tasks}[form]
    async for piece in write(store, campaign):
        yield piece


# --- results --------------------------------------------------------------------------------------------------


async def _results(store: Store, campaign: str) -> AsyncIterator[bytes]:
    auditors = await _auditors(store, campaign)
    names = list(auditors.values())
    yield _lines([[*_COLUMNS, *_MORE, *names]])
    alive = {"campaign": campaign, "deleted_at": None, "is_current": {"$ne": False}}
    async for marks in _batches(store, "annotations", alive):
        around = await _around(store, marks)
        yield _lines(_mark_row(mark, around, auditors) for mark in marks)
    async for comments in _batches(store, "comments", {"campaign": campaign, "deleted_at": None}):
        around = await _around(store, comments)
        yield _lines(_comment_row(comment, around, len(names)) for comment in comments)


def _mark_row(mark: Stored, around: _Around, auditors: Mapping[str, str]) -> list[Any]:
    asset, task = around.assets.get(mark.get("asset"), {}), around.tasks.get(mark.get("task"), {})
    value, span, band = mark.get("value") or {}, mark.get("time_span") or {}, mark.get("frequency_span") or {}
    confidence = mark.get("confidence") or {}
    audits = around.audits.get(mark.get("task"), ())
    form = _form(value)
    own = {
        audit.get("auditor"): _VERDICTS.get(audit["result"])
        for audit in audits
        if audit.get("annotation") == mark["_id"]
    }
    level, most = confidence.get("level"), confidence.get("max_level")
    return [
        asset.get("dataset"),
        asset.get("name") or task.get("asset_name"),
        mark.get("native_id") or mark["external_id"],
        _last(mark.get("replaces")),
        span.get("start"),
        span.get("end"),
        band.get("start"),
        band.get("end"),
        mark.get("label"),
        around.people.get(mark.get("author"), {}).get("name") or _last(mark.get("author")),
        around.people.get(mark.get("author"), {}).get("expertise"),
        _time(mark.get("start_at")),
        _time(mark.get("end_at")),
        None if form is None else int(form != "WEAK"),
        form,
        confidence.get("label"),
        None if level is None else f"{level:g}/{most:g}" if most is not None else f"{level:g}",
        mark.get("comment"),
        (task.get("phase") or {}).get("name"),
        None if form else orjson.dumps(value).decode(),
        orjson.dumps(json_value(mark["attributes"])).decode() if "attributes" in mark else None,
        task.get("status"),
        task.get("review_status"),
        orjson.dumps([_audit(audit, auditors) for audit in audits], default=str).decode() if audits else None,
        *(own.get(auditor) for auditor in auditors),
    ]


def _comment_row(comment: Stored, around: _Around, auditors: int) -> list[Any]:
    asset, task = around.assets.get(comment.get("asset"), {}), around.tasks.get(comment.get("task"), {})
    row: dict[str, Any] = {
        "dataset": asset.get("dataset"),
        "filename": asset.get("name") or task.get("asset_name"),
        "annotator": around.people.get(comment.get("author"), {}).get("name") or _last(comment.get("author")),
        "start_datetime": _time(asset.get("start_at")),
        "end_datetime": _time(asset.get("end_at")),
        "comments": comment.get("text"),
        "task_status": task.get("status"),
        "task_review_status": task.get("review_status"),
    }
    return [*(row.get(column) for column in (*_COLUMNS, *_MORE)), *([None] * auditors)]


def _form(value: Stored) -> str | None:
    """WEAK, POINT or BOX for a mark in a spectrogram; None for other shapes."""
    if value.get("type") != "TimeFrequencyBox":
        return None
    time = value.get("time")
    if time is None:
        return "WEAK"
    return "POINT" if time.get("end") is None else "BOX"


# --- status ---------------------------------------------------------------------------------------------------


async def _status(store: Store, campaign: str) -> AsyncIterator[bytes]:
    where = {"campaign": campaign, "deleted_at": None}
    people = sorted([one for one in await store.db["tasks"].distinct("assignees", where) if one is not None])
    named = await _by_id(store, "annotators", people, ("name",))
    yield _lines([["dataset", "filename", *(named.get(one, {}).get("name") or _last(one) for one in people)]])
    async for assets in _batches(store, "assets", where):
        ids = {"asset": {"$in": [asset["_id"] for asset in assets]}, "deleted_at": None}
        states: dict[tuple[str, str], str] = {}
        async for task in store.db["tasks"].find(ids, {"asset": 1, "assignees": 1, "status": 1, "native_status": 1}):
            for one in task.get("assignees") or ():
                states[task["asset"], one] = task.get("native_status") or task["status"]
        yield _lines(
            [
                asset.get("dataset"),
                asset.get("name"),
                *(states.get((asset["_id"], one), "UNASSIGNED") for one in people),
            ]
            for asset in assets
        )


# --- JSON Lines -----------------------------------------------------------------------------------------------


async def _tasks(store: Store, campaign: str) -> AsyncIterator[bytes]:
    async for tasks in _batches(store, "tasks", {"campaign": campaign, "deleted_at": None}):
        around = await _around(store, tasks)
        ids = [task["_id"] for task in tasks]
        marks = await _by_task(store, "annotations", ids)
        answers = await _by_task(store, "submissions", ids)
        for task in tasks:
            line = _plain(task) | {
                "asset": _plain(around.assets.get(task.get("asset"), {})) or None,
                "submissions": [_plain(one) for one in answers.get(task["_id"], ())],
                "annotations": [_plain(one) for one in marks.get(task["_id"], ())],
                "audits": [_plain(one) for one in around.audits.get(task["_id"], ())],
            }
            yield orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NAIVE_UTC)


_INTERNAL: Final = frozenset({"h", "weak", "said", "said_current", "raw_of", "part", "audit_seq", "response_of", "run"})
_JSON: Final = frozenset({"metadata", "response", "attributes", "fixed_response"})
_TRAVEL: Final = ("state", "attempts", "delivered_at", "reason")


def _plain(doc: Stored) -> dict[str, Any]:
    """A document for people's programs: `id` for `_id`, JSON texts as JSON, nothing of the store's own."""
    out: dict[str, Any] = {"id": doc["_id"]} if "_id" in doc else {}
    for name, value in doc.items():
        if name in _JSON:
            out[name] = json_value(value)
        elif name == "delivery":
            out[name] = {key: value[key] for key in _TRAVEL if key in value}
        elif name != "_id" and name not in _INTERNAL:
            out[name] = value
    return out


# --- what stands around ---------------------------------------------------------------------------------------


class _Around:
    """What a batch of documents refers to, read at once."""

    def __init__(self) -> None:
        self.assets: Mapping[Any, Stored] = {}
        self.tasks: Mapping[Any, Stored] = {}
        self.people: Mapping[Any, Stored] = {}
        self.audits: Mapping[Any, Sequence[Stored]] = {}


async def _around(store: Store, docs: Sequence[Stored]) -> _Around:
    out = _Around()
    tasks = sorted({doc["task"] for doc in docs if doc.get("task")} | {d["_id"] for d in docs if "audit_count" in d})
    out.assets = await _by_id(store, "assets", {doc["asset"] for doc in docs if doc.get("asset")}, None)
    out.tasks = await _by_id(store, "tasks", tasks, ("status", "review_status", "phase", "asset_name"))
    out.people = await _by_id(
        store, "annotators", {doc["author"] for doc in docs if doc.get("author")}, ("name", "expertise")
    )
    out.audits = await _by_task(store, "audits", tasks)
    return out


def _audit(audit: Stored, auditors: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": audit["_id"],
        "result": audit["result"],
        "auditor": auditors.get(audit.get("auditor", "")) or audit.get("auditor_name"),
        "annotation": _last(audit.get("annotation")),
        "comments": audit.get("comments") or [],
        "audited_at": _time(audit.get("audited_at")),
        "delivery": audit["delivery"]["state"],
    }


async def _auditors(store: Store, campaign: str) -> dict[str, str]:
    """Who judged single marks in a campaign, by id, with the name that heads their column."""
    where = {"campaign": campaign, "deleted_at": None, "annotation": {"$ne": None}}
    ids = sorted([one for one in await store.db["audits"].distinct("auditor", where) if one is not None])
    named = await _by_id(store, "annotators", ids, ("name",))
    return {id_: named.get(id_, {}).get("name") or str(_last(id_)) for id_ in ids}


async def _by_id(store: Store, collection: str, ids: Iterable[str], fields: Sequence[str] | None) -> dict[str, Stored]:
    projection = dict.fromkeys(fields, 1) if fields else None
    cursor = store.db[collection].find({"_id": {"$in": sorted(ids)}}, projection)
    return {doc["_id"]: doc async for doc in cursor}


async def _by_task(store: Store, collection: str, tasks: Sequence[str]) -> dict[str, list[Stored]]:
    out: dict[str, list[Stored]] = {}
    where = {"task": {"$in": list(tasks)}, "deleted_at": None}
    async for doc in store.db[collection].find(where, sort=[("task", 1), ("_id", 1)]):
        out.setdefault(doc["task"], []).append(doc)
    return out


async def _batches(store: Store, collection: str, where: Stored) -> AsyncIterator[list[Stored]]:
    batch: list[Stored] = []
    async for doc in store.db[collection].find(where, sort=[("_id", 1)], batch_size=BATCH):
        batch.append(doc)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _lines(rows: Iterable[Sequence[Any]]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerows([_safe(cell) for cell in row] for row in rows)
    return buffer.getvalue().encode("utf-8", "replace")


def _safe(cell: Any) -> Any:
    """Text that a spreadsheet would run as a formula is kept from it by an apostrophe."""
    if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") and not _is_number(cell):
        return "'" + cell
    return cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds") + "+00:00"


def _last(id_: str | None) -> str | None:
    """The external id in a global one."""
    return None if id_ is None else id_.split("/", 4)[4]
