"""Syncs one live source: under its lease, from its checkpoint, as a run; and reads single things on demand.

A full pass that was interrupted goes on where it stopped and still knows what it saw, so that only what a whole
pass did not name becomes a tombstone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from connectors.contract import Connector, PlatformSource, Refreshes
from connectors.documents import Kind, Page
from connectors.errors import ConnectorError
from gateway import sources
from gateway.engine import RunResult, Watcher, store_pages, utcnow
from gateway.imports import owner
from gateway.store import runs
from gateway.store.codec import Stored
from gateway.store.leases import held
from gateway.store.store import Store

LEASE_SECONDS: Final = 30.0


@dataclass(slots=True)
class LiveSource:
    """A configured source, opened: one client for as long as the process lives."""

    name: str
    connector: Connector
    platform: PlatformSource
    sync_every: float = 300.0
    full_every: float = 86_400.0
    secrets: Sequence[str] = ()

    async def register(self, store: Store) -> None:
        await sources.register(store, self.name, self.connector.name, self.platform.capabilities, live=True)


async def sync(
    store: Store,
    source: LiveSource,
    *,
    full: bool = False,
    run: str | None = None,
    watch: Watcher | None = None,
    lease_seconds: float = LEASE_SECONDS,
) -> RunResult:
    """Brings a source up to date. ``run`` is a queued run to use. Raises ``LeaseHeld`` when somebody else is at it."""
    async with held(store.db, f"sync:{source.name}", owner(), seconds=lease_seconds) as lease:
        await source.register(store)
        state: Stored = await store.db["sources"].find_one({"_id": source.name})
        unfinished = state.get("full_pass")
        checkpoint = state.get("checkpoint")
        whole = full or bool(unfinished) or checkpoint is None
        if whole and not unfinished:
            checkpoint = None
            unfinished = runs.new_run_id(source.name)
            change = {"$set": {"full_pass": unfinished}, "$unset": {"checkpoint": ""}}
            await store.db["sources"].update_one({"_id": source.name}, change)
        requests = getattr(source.platform, "requests", None)
        working = asyncio.create_task(
            store_pages(
                store,
                source.platform.fetch(checkpoint, full=whole),
                source=source.name,
                mode="FULL" if whole else "INCREMENTAL",
                lease=lease,
                pass_id=unfinished if whole else None,
                run=run,
                requests=requests if callable(requests) else (lambda: 0),
                watch=watch or (lambda page, counts: None),
            )
        )
        losing = asyncio.create_task(lease.lost.wait())
        try:
            await asyncio.wait({working, losing}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                working.cancel()
            result = await working
        finally:
            losing.cancel()
            if not working.done():
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)
        await source.register(store)  # some platforms say what they can only once they were asked
        if whole and result.state in ("SUCCEEDED", "PARTIAL"):
            done = {"$unset": {"full_pass": ""}, "$set": {"full_at": utcnow()}}
            await store.db["sources"].update_one({"_id": source.name, "full_pass": unfinished}, done)
        await sources.note_run(store, source.name, result.run, now=utcnow())
        return result


async def refresh(
    store: Store, source: LiveSource, refs: Sequence[tuple[Kind, str]], *, mode: str = "WEBHOOK"
) -> RunResult:
    """Reads the named things from the platform now and stores what came. Raises a ``ConnectorError``."""
    if not isinstance(source.platform, Refreshes):
        raise ConnectorError(f"{source.connector.title} cannot be asked for single things")
    page = await source.platform.refresh(refs)

    async def pages() -> AsyncIterator[Page]:
        yield page

    async with held(store.db, f"refresh:{source.name}:{owner()}:{id(page)}", owner(), seconds=LEASE_SECONDS) as lease:
        return await store_pages(store, pages(), source=source.name, mode=mode, lease=lease)


__all__ = ["LEASE_SECONDS", "LiveSource", "refresh", "sync"]
