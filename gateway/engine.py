"""Stores what a connector yields: page by page under a lease, as a run that anybody can watch.

Lease, pages, checkpoint with its page, tombstones after what a finished pass completes, then the end of the run.
Reading and mapping the next page overlaps with writing the last one.
"""

from __future__ import annotations

import asyncio
import contextlib
from array import array
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from connectors.documents import Kind, Page, Scope
from connectors.errors import ConnectorError, Refused, Unauthorized
from connectors.ids import gid
from gateway.store import runs
from gateway.store.codec import COLLECTIONS, Stored
from gateway.store.leases import Lease
from gateway.store.store import Store
from gateway.store.writer import Counts, Writer, seen_hash

_GONE_BATCH: Final = 1000

Watcher = Callable[[Page, Counts], None]


def utcnow() -> datetime:
    """Now in UTC without offset and with the store's precision, milliseconds."""
    now = datetime.now(UTC).replace(tzinfo=None)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


@dataclass(slots=True)
class RunResult:
    run: Stored
    counts: Counts = field(default_factory=Counts)

    @property
    def state(self) -> str:
        return str(self.run["state"])


async def store_pages(
    store: Store,
    pages: AsyncIterator[Page],
    *,
    source: str,
    mode: str,
    lease: Lease,
    pass_id: str | None = None,
    run: str | None = None,
    requests: Callable[[], int] = lambda: 0,
    watch: Watcher = lambda page, counts: None,
) -> RunResult:
    """Stores all pages as one run. A bad record leaves it PARTIAL, an expected error FAILED; anything else raises.

    ``run`` is a queued run that these pages carry out; without it a new one is opened.

    ``pass_id`` names the full pass these pages belong to, so that a resumed one still knows what it saw before.
    """
    run = await runs.start(store.db, source, mode, now=utcnow(), queued=run)
    job = _Job(store, source, run, lease, pass_id or run, requests, watch)
    error: Stored | None = None
    try:
        await job.consume(pages)
        await job.forget()
    except ConnectorError as problem:
        error = {"code": _code(problem), "message": problem.message, "at": utcnow()}
    except BaseException as problem:
        word = "CANCELED" if isinstance(problem, asyncio.CancelledError) else "FAILED"
        failure = {"code": "INTERNAL", "message": f"{type(problem).__name__}: see the log", "at": utcnow()}
        with contextlib.suppress(Exception):
            await asyncio.shield(runs.finish(store.db, run, word, now=utcnow(), error=failure))
        raise
    if error:
        state = "FAILED"
    elif job.skipped:
        state = "PARTIAL" if job.stored else "FAILED"
    else:
        state = "SUCCEEDED"
    return RunResult(await runs.finish(store.db, run, state, now=utcnow(), error=error), job.counts)


class _Job:
    def __init__(
        self,
        store: Store,
        source: str,
        run: str,
        lease: Lease,
        pass_id: str,
        requests: Callable[[], int],
        watch: Watcher,
    ) -> None:
        self._store = store
        self._source = source
        self._run = run
        self._lease = lease
        self._pass = pass_id
        self._began = runs.began(pass_id)
        self._requests = requests
        self._requests_told = requests()
        self._watch = watch
        self._writer = Writer(store.db, source=source, run=run)
        self.counts = Counts()
        self.skipped = 0
        self.stored = 0

    async def consume(self, pages: AsyncIterator[Page]) -> None:
        writing: asyncio.Task[None] | None = None
        try:
            async for page in pages:
                statements = self._writer.prepare(page)
                if writing is not None:
                    await writing
                writing = asyncio.create_task(self._write(page, statements))
                await asyncio.sleep(0)
                if page.completes is not None:
                    await writing
                    await self._complete(page.completes)
                    writing = None
            if writing is not None:
                await writing
        except BaseException:
            if writing is not None and not writing.done():
                with contextlib.suppress(Exception):
                    await writing
            raise
        finally:
            # A pass given up in the middle may hold files and connections.
            close = getattr(pages, "aclose", None)
            if close is not None:
                await close()

    async def _write(self, page: Page, statements: Any) -> None:
        now = utcnow()
        requests = self._requests()

        async def body(session: Any) -> Counts:
            await self._lease.confirm(session)
            counts = await self._writer.write(page, statements, now=now, session=session)
            await self._remember(page, statements, session)
            await runs.add_page(
                self._store.db,
                self._run,
                counts,
                skipped=page.skipped,
                skipped_before=self.skipped,
                records=page.records,
                done=page.done,
                total=page.total,
                requests=requests - self._requests_told,
                session=session,
            )
            return counts

        counts = await self._store.transaction(body)
        self._requests_told = requests
        self.counts.add(counts)
        self.skipped += len(page.skipped)
        self.stored += len(statements)
        self._watch(page, counts)

    async def _remember(self, page: Page, statements: Any, session: Any) -> None:
        """Keeps what this pass has seen, and the checkpoint, in the page's transaction."""
        seen: dict[str | None, dict[str, bytearray]] = {}
        for statement in statements:
            kinds = seen.setdefault(statement.document.part, {})
            kinds.setdefault(statement.document.kind.value, bytearray()).extend(seen_hash(statement.id))
        records = [
            {"pass": self._pass, "part": part, "at": utcnow()} | {kind: bytes(hashes) for kind, hashes in kinds.items()}
            for part, kinds in seen.items()
        ]
        if records:
            await self._store.db["seen"].insert_many(records, session=session)
        if page.checkpoint is not None:
            await self._store.db["sources"].update_one(
                {"_id": self._source}, {"$set": {"checkpoint": dict(page.checkpoint)}}, session=session
            )

    async def _complete(self, scope: Scope) -> None:
        """Tombstones what a finished pass did not see."""
        for kind in sorted(scope.kinds):
            seen = await self._seen(kind, scope.part)
            where: Stored = {"source": self._source, "deleted_at": None}
            if kind is Kind.AUDIT:
                where["origin"] = {"$ne": "GATEWAY"}
            if scope.campaign is not None:
                key = "_id" if kind is Kind.CAMPAIGN else "campaign"
                where[key] = gid(self._source, Kind.CAMPAIGN.value, scope.campaign)
            if scope.part is not None:
                where["part"] = scope.part
            alive = self._store.db[COLLECTIONS[kind]]
            if scope.part is not None and await alive.count_documents(where) == len(seen):
                continue
            gone = [
                (kind, doc["_id"])
                async for doc in alive.find(where, {"_id": 1}, batch_size=10_000)
                if int.from_bytes(seen_hash(doc["_id"]), "little") not in seen
            ]
            for start in range(0, len(gone), _GONE_BATCH):
                await self._bury(gone[start : start + _GONE_BATCH])

    async def forget(self) -> None:
        await self._store.db["seen"].delete_many({"pass": self._pass})

    async def _bury(self, gone: list[tuple[Kind, str]]) -> None:
        # What was made here (a fix laid over an answer), or read one by one while the pass went on, is not gone.
        kind = gone[0][0]
        ids = [id_ for _, id_ in gone]
        where: Stored = {"_id": {"$in": ids}, "origin": {"$ne": "GATEWAY"}, "fetched_at": {"$lt": self._began}}

        async def body(session: Any) -> Counts:
            await self._lease.confirm(session)
            cursor = self._store.db[COLLECTIONS[kind]].find(where, {"_id": 1}, session=session)
            really = [(kind, doc["_id"]) async for doc in cursor]
            counts = await self._writer.tombstone(really, now=utcnow(), session=session)
            await runs.add_page(self._store.db, self._run, counts, session=session)
            return counts

        self.counts.add(await self._store.transaction(body))

    async def _seen(self, kind: Kind, part: str | None) -> frozenset[int]:
        hashes = array("Q")
        where: Stored = {"pass": self._pass} | ({} if part is None else {"part": part})
        async for record in self._store.db["seen"].find(where, {kind.value: 1}):
            hashes.frombytes(record.get(kind.value, b""))
        return frozenset(hashes)


def _code(problem: ConnectorError) -> str:
    match problem:
        case Unauthorized():
            return "PLATFORM_UNAUTHORIZED"
        case Refused():
            return "PLATFORM_REFUSED"
    return "PLATFORM_UNAVAILABLE"
