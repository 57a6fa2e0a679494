"""The worker: syncs sources when due or asked for, drains webhook hints and delivers audits, until told to stop.

Any number of workers may run: leases in MongoDB see to it that one source has one sync and one audit one delivery.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from connectors.errors import ConnectorError
from gateway import hints
from gateway.engine import utcnow
from gateway.imports import owner
from gateway.outbox import Outbox
from gateway.store.codec import Stored
from gateway.store.leases import LeaseHeld
from gateway.store.store import Store
from gateway.sync import LiveSource, sync

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Worker:
    """``poll`` is the pause, in seconds, between looks at the queues."""

    store: Store
    sources: Mapping[str, LiveSource]
    poll: float = 1.0
    lease_seconds: float = 30.0
    outbox: Outbox | None = None
    chance: random.Random = field(default_factory=random.Random)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Works until ``stop``. A sync under way ends at its next page, which keeps its checkpoint."""
        for source in self.sources.values():
            await source.register(self.store)
        outbox = self.outbox or Outbox(self.store, self.sources)
        loops = [self._loop(self._beat, 5.0), self._loop(outbox.turn, self.poll)]
        for source in self.sources.values():
            loops.append(self._loop(lambda source=source: self._tend(source), self.poll))  # type: ignore[misc]
            loops.append(self._loop(lambda source=source: hints.drain(self.store, source), self.poll))  # type: ignore[misc]
        tasks = [asyncio.create_task(loop) for loop in loops]
        await self.stopping.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.store.db["workers"].delete_one({"_id": owner()})

    def stop(self) -> None:
        self.stopping.set()

    async def _loop(self, work: Callable[[], Awaitable[object]], pause: float) -> None:
        """Repeats a piece of work; a failure is logged and the next round tries again, later and later."""
        failures = 0
        while True:
            try:
                await work()
                failures = 0
            except asyncio.CancelledError:
                raise
            except Exception:
                failures += 1
                log.exception("the worker goes on after a failure")
            await asyncio.sleep(self.chance.uniform(0.8, 1.2) * min(60.0, pause * 2 ** min(failures, 6)))

    async def _beat(self) -> None:
        """Says that this worker lives; /readyz of the gateways looks at it."""
        await self.store.db["workers"].update_one(
            {"_id": owner()}, {"$set": {"at": utcnow(), "sources": sorted(self.sources)}}, upsert=True
        )

    async def _tend(self, source: LiveSource) -> None:
        queued = await self.store.db["sync_runs"].find_one(
            {"source": source.name, "state": "QUEUED"}, sort=[("started_at", 1)]
        )
        state: Stored = await self.store.db["sources"].find_one({"_id": source.name}) or {}
        now = utcnow()
        if queued is None and state.get("next_sync_at") is not None and state["next_sync_at"] > now:
            return
        full_at = state.get("full_at")
        full = (
            queued["mode"] == "FULL"
            if queued
            else full_at is None or now - full_at > timedelta(seconds=source.full_every)
        )
        try:
            result = await sync(
                self.store,
                source,
                full=full,
                run=queued["_id"] if queued else None,
                lease_seconds=self.lease_seconds,
            )
        except LeaseHeld:
            return
        except ConnectorError as problem:
            log.warning("sync of %s: %s", source.name, problem.message)
            pause = source.sync_every
        else:
            pause = self._pause(source, result.run)
        later = utcnow() + timedelta(seconds=pause * self.chance.uniform(0.9, 1.1))
        await self.store.db["sources"].update_one({"_id": source.name}, {"$set": {"next_sync_at": later}})

    def _pause(self, source: LiveSource, run: Stored) -> float:
        """Until the next sync: longer while the platform refuses the credentials."""
        code = (run.get("error") or {}).get("code")
        return max(source.sync_every, 900.0) if code == "PLATFORM_UNAUTHORIZED" else source.sync_every
