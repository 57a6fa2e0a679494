"""Workers: one sync a source at a time, a dead worker's source is taken over, and wishes are carried out."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from connectors.discovery import discover
from connectors.sandbox import load, serve
from gateway.desk import Desk
from gateway.store.leases import LeaseHeld, acquire, held
from gateway.store.store import Store
from gateway.sync import sync
from gateway.worker import Worker
from schema.ports import Verdict, Viewer
from tests.connector_suite import snapshot
from tests.gateway.test_delivery import toml
from tests.toy_platform import ToyPlatform, live

ROOT = Path(__file__).parents[2]
ADMIN = Viewer(name="ann", scopes=frozenset({"admin"}))


async def eventually(check: Any, seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = await check()
        if found:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come to pass")


async def test_a_lease_has_one_holder_and_passes_on_when_its_time_is_up(store: Store) -> None:
    """While it is held others are told who has it; a holder that stops renewing loses it, and knows when it looks."""
    lease = await acquire(store.db, "x", "first", seconds=0.4)
    with pytest.raises(LeaseHeld, match="first"):
        await acquire(store.db, "x", "second", seconds=0.4)
    await asyncio.sleep(0.5)
    other = await acquire(store.db, "x", "second", seconds=5)
    assert other.fence == lease.fence + 1
    assert await lease.renew() is False
    assert lease.lost.is_set()
    with pytest.raises(LeaseHeld):
        await store.transaction(lease.confirm)
    async with held(store.db, "y", "first", seconds=0.3):
        await asyncio.sleep(0.8)
        with pytest.raises(LeaseHeld):
            await acquire(store.db, "y", "second")
    assert (await acquire(store.db, "y", "second")).owner == "second"


async def test_two_syncs_of_one_source_never_run_together(store: Store) -> None:
    """The second is refused while the first is at it."""
    platform = ToyPlatform(tasks=3)
    source = live(platform)
    outcomes = await asyncio.gather(*(sync(store, source) for _ in range(4)), return_exceptions=True)
    kinds = Counter(type(outcome).__name__ for outcome in outcomes)
    assert kinds == {"RunResult": 1, "LeaseHeld": 3}
    assert platform.calls.count("fetch") == 1


async def test_the_worker_syncs_what_is_due_and_what_is_asked_for(store: Store) -> None:
    """A new source is synced at once; startSync queues a run that the worker carries out; health tells of trouble."""
    platform = ToyPlatform(tasks=2)
    worker = Worker(store, {"toy": live(platform)}, poll=0.02)
    working = asyncio.create_task(worker.run())
    try:
        await eventually(lambda: store.db["tasks"].count_documents({}))
        await eventually(lambda: store.db["sources"].find_one({"next_sync_at": {"$ne": None}}))
        outcome = await Desk(store).start_sync("gid://toy/Source/toy", "FULL", ADMIN)
        assert outcome.verdict is Verdict.DONE
        run = await eventually(lambda: store.db["sync_runs"].find_one({"_id": outcome.run, "state": "SUCCEEDED"}))
        assert run["mode"] == "FULL"
        platform.down = True
        again = await Desk(store).start_sync("gid://toy/Source/toy", "INCREMENTAL", ADMIN)
        await eventually(lambda: store.db["sync_runs"].find_one({"_id": again.run, "state": "FAILED"}))
        await eventually(lambda: store.db["sources"].find_one({"health": "UNREACHABLE"}))
        assert await store.db["tasks"].count_documents({"deleted_at": None}) == 2
    finally:
        worker.stop()
        await working
    assert await store.db["workers"].count_documents({}) == 0


async def test_what_cannot_be_synced_says_so(store: Store) -> None:
    """startSync on imported files, on nothing, with a mode that is none, or without the scope is refused."""
    await sync(store, live(ToyPlatform(tasks=1)))
    await store.db["sources"].insert_one(
        {"_id": "files", "platform": "toy", "enabled": True, "live": False, "capabilities": {}}
    )
    desk = Desk(store)
    asked = [
        ("gid://files/Source/files", "FULL", ADMIN),
        ("gid://x/Source/x", "FULL", ADMIN),
        ("gid://toy/Source/toy", "IMPORT", ADMIN),
        ("gid://toy/Source/toy", "FULL", Viewer(scopes=frozenset({"read"}))),
    ]
    verdicts = [(await desk.start_sync(*one)).verdict for one in asked]
    assert verdicts == [Verdict.UNSUPPORTED, Verdict.NOT_FOUND, Verdict.CONFLICT, Verdict.FORBIDDEN]
    assert await store.db["sync_runs"].count_documents({"state": "QUEUED"}) == 0


async def test_a_killed_worker_is_succeeded_by_the_other(
    store: Store, opened: Any, mongo_url: str, tmp_path: Path
) -> None:
    """kill -9 of a worker in the middle of a sync: the other takes the source over and ends as one clean sync does."""
    connector = discover()["scale"]
    assert connector.sandbox is not None
    sandbox = load(connector.sandbox, tasks=1500)
    config = tmp_path / "labelgate.toml"
    with serve(sandbox) as url:
        text = toml("live", "scale", sandbox.settings(url) | {"page_size": 20}, mongo_url)
        config.write_text(text.replace("[worker]", "[worker]\nsync_lease_seconds = 3"))
        command = [sys.executable, "-m", "gateway.cli", "--config", str(config), "worker"]
        environment = {**os.environ, "LABELGATE_MONGODB__DATABASE": store.db.name}
        workers = [subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) for _ in range(2)]
        try:
            await eventually(lambda: store.db["tasks"].find_one({"external_id": {"$ne": None}}), 90)
            lease = await store.db["leases"].find_one({"_id": "sync:live"})
            first = int(lease["owner"].rpartition(":")[2])
            os.kill(first, signal.SIGKILL)
            assert await store.db["tasks"].count_documents({}) < 1500
            await eventually(
                lambda: store.db["sync_runs"].find_one({"source": "live", "state": "SUCCEEDED", "mode": "FULL"}), 180
            )
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
        owners = {run["state"] async for run in store.db["sync_runs"].find({"source": "live"})}
        assert owners == {"FAILED", "SUCCEEDED"}
        clean = Store(opened.client[store.db.name + "_clean"])
        await clean.prepare()
        source = connector.open(connector_settings(connector, sandbox.settings(url)))  # type: ignore[misc]
        from gateway.sync import LiveSource

        try:
            await sync(clean, LiveSource(name="live", connector=connector, platform=source))
            assert await snapshot(store) == await snapshot(clean)
        finally:
            await source.close()
            await opened.client.drop_database(clean.db.name)


def connector_settings(connector: Any, table: dict[str, Any]) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(connector.settings).validate_python(table)
