"""Takes what mutations submit: audits to the store, wishes for syncs to the queue, single things from the platforms."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

from connectors.documents import Kind
from connectors.errors import ConnectorError
from connectors.ids import Gid, parse_gid
from gateway import audits
from gateway.engine import utcnow
from gateway.store import runs
from gateway.store.store import Store
from gateway.sync import LiveSource, refresh
from schema.ports import NewAudit, Outcome, Verdict, Viewer

_REFRESHED = frozenset({Kind.TASK, Kind.ASSET, Kind.CAMPAIGN})


class Desk:
    """``schema.ports.Desk`` over a store. ``live`` holds the sources that this process can speak to."""

    def __init__(self, store: Store, live: Mapping[str, LiveSource] | None = None) -> None:
        self._store = store
        self._live = live or {}
        self._flights: dict[str, asyncio.Future[Outcome]] = {}

    async def submit(self, new: Sequence[NewAudit], viewer: Viewer, *, atomic: bool) -> Sequence[Outcome]:
        return await audits.submit(self._store, new, viewer, atomic=atomic)

    async def retry(self, audit: str, viewer: Viewer) -> Outcome:
        return await audits.retry(self._store, audit, viewer)

    async def cancel(self, audit: str, viewer: Viewer) -> Outcome:
        return await audits.cancel(self._store, audit, viewer)

    async def start_sync(self, source: str, mode: str, viewer: Viewer) -> Outcome:
        if not viewer.may("sync"):
            return Outcome(verdict=Verdict.FORBIDDEN, message="starting a sync needs the scope sync", scope="sync")
        parts = parse_gid(source)
        found = None
        if parts is not None and parts.kind == "Source" and (viewer.sources is None or parts.source in viewer.sources):
            found = await self._store.db["sources"].find_one({"_id": parts.source})
        if found is None:
            return Outcome(verdict=Verdict.NOT_FOUND, message="there is no such source", missing=source)
        if not found.get("live"):
            message = "this source is made of imported files: there is nothing to sync"
            return Outcome(verdict=Verdict.UNSUPPORTED, message=message, source=found["_id"])
        if mode not in ("FULL", "INCREMENTAL"):
            return Outcome(verdict=Verdict.CONFLICT, message="a sync is FULL or INCREMENTAL", path=("mode",))
        if not found["enabled"]:
            return Outcome(verdict=Verdict.CONFLICT, message="this source is disabled in the settings")
        run = await runs.queue(self._store.db, found["_id"], mode, now=utcnow(), by=viewer.name)
        return Outcome(verdict=Verdict.DONE, run=run["_id"])

    async def refresh(self, ids: Sequence[str], viewer: Viewer) -> Sequence[Outcome]:
        if not viewer.may("sync"):
            refused = Outcome(verdict=Verdict.FORBIDDEN, message="refreshing needs the scope sync", scope="sync")
            return [refused for _ in ids]
        wanted: dict[str, list[tuple[str, Gid]]] = defaultdict(list)
        flights: dict[str, asyncio.Future[Outcome]] = {}
        for id_ in dict.fromkeys(ids):
            parts = parse_gid(id_)
            if id_ in self._flights:
                flights[id_] = self._flights[id_]
                continue
            flights[id_] = asyncio.get_running_loop().create_future()
            problem = await self._obstacle(id_, parts, viewer)
            if problem is not None or parts is None:
                flights[id_].set_result(problem or Outcome(verdict=Verdict.NOT_FOUND, missing=id_))
            else:
                self._flights[id_] = flights[id_]
                wanted[parts.source].append((id_, parts))
        await asyncio.gather(*(self._fly(source, group) for source, group in wanted.items()))
        return [await flights[id_] for id_ in ids]

    async def _obstacle(self, id_: str, parts: Gid | None, viewer: Viewer) -> Outcome | None:
        missing = Outcome(verdict=Verdict.NOT_FOUND, message="there is no such thing", missing=id_)
        if parts is None or (viewer.sources is not None and parts.source not in viewer.sources):
            return missing
        if parts.kind not in _REFRESHED:
            return Outcome(verdict=Verdict.UNSUPPORTED, message="only tasks, assets and campaigns can be refreshed")
        if parts.source not in self._live:
            known = await self._store.db["sources"].find_one({"_id": parts.source}, {"_id": 1})
            if known is None:
                return missing
            return Outcome(verdict=Verdict.UNSUPPORTED, message="this source cannot be asked now", source=parts.source)
        if not self._live[parts.source].platform.capabilities.refresh:
            return Outcome(verdict=Verdict.UNSUPPORTED, message="this platform cannot be asked for single things")
        return None

    async def _fly(self, source: str, group: Sequence[tuple[str, Gid]]) -> None:
        refs = [(Kind(parts.kind), parts.external_id) for _, parts in group]
        outcome = Outcome(verdict=Verdict.CONFLICT, message="the platform could not be read")
        try:
            await refresh(self._store, self._live[source], refs)
            outcome = Outcome(verdict=Verdict.DONE)
        except ConnectorError as problem:
            outcome = Outcome(verdict=Verdict.CONFLICT, message=problem.message)
        finally:
            for id_, _ in group:
                self._flights.pop(id_).set_result(outcome)
