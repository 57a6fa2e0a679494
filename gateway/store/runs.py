"""SyncRuns: one document a run, kept true while it goes, and the records it had to skip."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from connectors.documents import SkippedRecord
from connectors.ids import gid, parse_gid
from gateway.store.codec import Stored, clean
from gateway.store.writer import Counts
from schema.jsontext import json_text

SKIPPED_KEPT: Final = 10_000
"""How many skipped records of one run are kept with their payload; all are counted."""


def new_run_id(source: str) -> str:
    """Sorts by start time: milliseconds in hexadecimal, then chance."""
    return gid(source, "SyncRun", f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(5)}")


def began(run: str) -> datetime:
    """When a run, or the first run of a pass that was resumed, began: its id tells."""
    parts = parse_gid(run)
    assert parts is not None
    return datetime.fromtimestamp(int(parts.external_id[:12], 16) / 1000, UTC).replace(tzinfo=None)


async def start(database: Any, source: str, mode: str, *, now: datetime, queued: str | None = None) -> str:
    """Opens a run (or the queued one); runs of the source that a dead process left open are closed as FAILED.

    Runs of single things (mode WEBHOOK) may go beside a sync, so they close nothing.
    """
    if mode != "WEBHOOK":
        error = {"code": "INTERNAL", "message": "interrupted: the process that ran it ended", "at": now}
        await database["sync_runs"].update_many(
            {"source": source, "state": "RUNNING", "mode": {"$ne": "WEBHOOK"}},
            {"$set": {"state": "FAILED", "finished_at": now, "error": error}},
        )
    if queued is not None:
        change = {"$set": {"state": "RUNNING", "started_at": now, "mode": mode}}
        await database["sync_runs"].update_one({"_id": queued}, change)
        return queued
    run = new_run_id(source)
    await database["sync_runs"].insert_one(_new(run, source, mode, "RUNNING", now))
    return run


async def queue(database: Any, source: str, mode: str, *, now: datetime, by: str) -> Stored:
    """A run that waits for a worker. One already waiting or running is given back as it is."""
    waiting = {"source": source, "state": {"$in": ["QUEUED", "RUNNING"]}, "mode": {"$ne": "WEBHOOK"}}
    found: Stored | None = await database["sync_runs"].find_one(waiting)
    if found is not None:
        return found
    run = _new(new_run_id(source), source, mode, "QUEUED", now) | {"requested_by": by}
    await database["sync_runs"].insert_one(run)
    return run


def _new(run: str, source: str, mode: str, state: str, now: datetime) -> Stored:
    return {
        "_id": run,
        "source": source,
        "mode": mode,
        "state": state,
        "started_at": now,
        "counts": {"created": 0, "updated": 0, "unchanged": 0, "deleted": 0, "skipped": 0, "requests": 0},
        "kinds": {},
        "progress": {"done": 0, "records": 0},
    }


async def add_page(
    database: Any,
    run: str,
    counts: Counts,
    *,
    skipped: Sequence[SkippedRecord] = (),
    skipped_before: int = 0,
    records: int = 0,
    done: int = 0,
    total: int | None = None,
    requests: int = 0,
    session: Any,
) -> None:
    """Adds what a page did, in the page's own transaction."""
    increments: dict[str, int] = {"progress.records": records, "counts.skipped": len(skipped)}
    if requests:
        increments["counts.requests"] = requests
    for word in ("created", "updated", "unchanged", "deleted"):
        counter = getattr(counts, word)
        increments[f"counts.{word}"] = counter.total()
        for kind, count in counter.items():
            increments[f"kinds.{kind.value}.{word}"] = count
    progress: Stored = {"progress.done": done} | ({"progress.total": total} if total is not None else {})
    await database["sync_runs"].update_one({"_id": run}, {"$inc": increments, "$set": progress}, session=session)
    kept = skipped[: max(0, SKIPPED_KEPT - skipped_before)]
    if kept:
        documents = [_skipped(run, skipped_before + n, record) for n, record in enumerate(kept)]
        await database["skipped_records"].insert_many(documents, session=session)


async def finish(database: Any, run: str, state: str, *, now: datetime, error: Stored | None = None) -> Stored:
    change: Stored = {"state": state, "finished_at": now} | ({"error": error} if error else {})
    await database["sync_runs"].update_one({"_id": run}, {"$set": change})
    found: Stored = await database["sync_runs"].find_one({"_id": run})
    return found


def _skipped(run: str, number: int, record: SkippedRecord) -> Stored:
    out: Stored = {"_id": f"{run}#{number:08d}", "run": run, "number": number, "reason": clean(record.reason)}
    for name in ("where", "field", "external_id"):
        value = getattr(record, name)
        if value is not None:
            out[name] = clean(value)
    if record.raw is not None:
        out["raw"] = json_text(record.raw)
    return out
