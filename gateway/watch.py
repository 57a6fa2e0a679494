"""Live updates: one change stream of the process, told to every subscriber whose filter a changed document fits.

Changes are read as ids, merged while they wait, and read in full once for all. A subscriber that does not keep up
is dropped with a reason; the stream goes on after a fail-over where it stopped.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from connectors.ids import parse_gid
from gateway.matching import fits
from gateway.store.connect import watch
from gateway.store.problems import history_lost
from gateway.store.store import Store
from schema.ports import Doc, Fell, Predicate

log = structlog.get_logger(__name__)

COLLECTIONS: Final = ("audits", "tasks", "sync_runs")
_PIPELINE: Final = (
    {"$match": {"ns.coll": {"$in": list(COLLECTIONS)}, "operationType": {"$in": ["insert", "update", "replace"]}}},
    {"$project": {"ns": 1, "documentKey": 1}},
)
_MERGE_SECONDS: Final = 0.02
_BATCH: Final = 500
_MOST_PENDING: Final = 5_000
_LINGER_SECONDS: Final = 10.0
_GRACE_SECONDS: Final = 1.0


@dataclass(eq=False, slots=True)
class _Subscriber:
    collection: str
    where: Predicate
    sources: frozenset[str] | None
    include_deleted: bool
    room: int
    waiting: deque[Doc] = field(default_factory=deque)
    some: asyncio.Event = field(default_factory=asyncio.Event)
    failure: str | None = None

    def fall(self, reason: str) -> None:
        self.failure = self.failure or reason
        self.waiting.clear()
        self.some.set()

    def put(self, doc: Doc) -> None:
        if self.failure is None and len(self.waiting) >= self.room:
            self.fall(
                f"this client does not keep up: {self.room} changes wait. Connect again, and read the present state"
            )
        if self.failure is None:
            self.waiting.append(doc)
            self.some.set()

    async def next(self) -> Doc:
        while not self.waiting:
            if self.failure is not None:
                raise Fell(self.failure)
            self.some.clear()
            await self.some.wait()
        return self.waiting.popleft()


class Hub:
    """``schema.ports.Changes`` over a store. It reads nothing while nobody subscribes."""

    def __init__(self, store: Store, *, room: int = 1_000) -> None:
        self._store = store
        self._room = room
        self._subscribers: set[_Subscriber] = set()
        self._pending: dict[tuple[str, str], None] = {}
        self._some = asyncio.Event()
        self._less = asyncio.Event()
        self._opened = asyncio.Event()
        self._work: asyncio.Task[None] | None = None
        self._closed = False
        self._token: Any = None
        self.trouble: str | None = None
        """What keeps the stream from being read now."""

    @property
    def subscribers(self) -> int:
        return len(self._subscribers)

    async def follow(
        self, collection: str, where: Predicate, *, sources: frozenset[str] | None, include_deleted: bool = False
    ) -> AsyncGenerator[Doc, None]:
        """As ``schema.ports.Changes`` says."""
        subscriber = _Subscriber(collection, where, sources, include_deleted, self._room)
        if self._closed:
            raise Fell(_GOING)
        self._subscribers.add(subscriber)
        try:
            if self._work is None or self._work.done():
                self._opened.clear()
                self._work = asyncio.create_task(self._run(), name="change stream")
            while True:
                yield await subscriber.next()
        finally:
            self._subscribers.discard(subscriber)

    async def ready(self) -> None:
        """Returns once the stream is open: what changes from then on is told."""
        await self._opened.wait()

    async def close(self) -> None:
        """Tells every subscriber that the process ends."""
        self._closed = True
        self._fall(_GOING)
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)

    def _fall(self, reason: str) -> None:
        for subscriber in self._subscribers:
            subscriber.fall(reason)

    # --- reading the stream --------------------------------------------------------------------------------------

    async def _run(self) -> None:
        telling = asyncio.create_task(self._tell_all())
        pause = 0.1
        idle_since: float | None = None
        loop = asyncio.get_running_loop()
        self._token = None
        try:
            while True:
                try:
                    options = {} if self._token is None else {"resume_after": self._token}
                    async with watch(self._store.db, _PIPELINE, idle_ms=1000, **options) as changes:
                        self._opened.set()
                        while True:
                            change = await changes.poll()
                            self.trouble, pause = None, 0.1
                            self._token = changes.resume_token or self._token
                            if change is not None:
                                await self._take(change["ns"]["coll"], str(change["documentKey"]["_id"]))
                            if self._subscribers:
                                idle_since = None
                            elif idle_since is None:
                                idle_since = loop.time()
                            elif loop.time() - idle_since > _LINGER_SECONDS:
                                return
                except Exception as problem:  # noqa: BLE001 - whatever ails the stream, it is opened again
                    self.trouble = type(problem).__name__
                    log.warning("the change stream broke and is opened again", problem=self.trouble)
                    if history_lost(problem):
                        self._token = None
                        self._fall("changes were missed. Connect again, and read the present state")
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, 5.0)
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    async def _take(self, collection: str, id_: str) -> None:
        if any(subscriber.collection == collection for subscriber in self._subscribers):
            self._pending[collection, id_] = None
            self._some.set()
        while len(self._pending) > _MOST_PENDING:
            self._less.clear()
            await self._less.wait()

    # --- telling ------------------------------------------------------------------------------------------------

    async def _tell_all(self) -> None:
        while True:
            await self._some.wait()
            await asyncio.sleep(_MERGE_SECONDS)
            self._some.clear()
            while self._pending:
                batch = [self._pending_pop() for _ in range(min(_BATCH, self._room, len(self._pending)))]
                self._less.set()
                try:
                    await self._tell(batch)
                except Exception as problem:  # noqa: BLE001 - MongoDB may be away for a while
                    log.warning("changed documents could not be read", problem=type(problem).__name__)
                    self._pending = dict.fromkeys(batch) | self._pending
                    await asyncio.sleep(0.5)

    def _pending_pop(self) -> tuple[str, str]:
        key = next(iter(self._pending))
        del self._pending[key]
        return key

    async def _tell(self, batch: list[tuple[str, str]]) -> None:
        wanted: dict[str, list[str]] = defaultdict(list)
        for collection, id_ in batch:
            source = parts.source if (parts := parse_gid(id_)) else None
            if any(_may(subscriber, collection, source) for subscriber in self._subscribers):
                wanted[collection].append(id_)
        for collection, ids in wanted.items():
            docs = [doc async for doc in self._store.db[collection].find({"_id": {"$in": ids}})]
            related = _Related(self._store)
            await self._make_room(collection, len(docs))
            for subscriber in list(self._subscribers):
                for doc in docs:
                    if not _may(subscriber, collection, doc.get("source")):
                        continue
                    if doc.get("deleted_at") is not None and not subscriber.include_deleted:
                        continue
                    if await fits(doc, subscriber.where, related.of(subscriber.sources)):
                        subscriber.put(doc)
                await asyncio.sleep(0)

    async def _make_room(self, collection: str, count: int) -> None:
        """A burst is no slowness: everybody gets a moment to read before who does not is dropped."""
        deadline = asyncio.get_running_loop().time() + _GRACE_SECONDS
        for subscriber in list(self._subscribers):
            if subscriber.collection == collection:
                while (  # noqa: ASYNC110 - a moment's patience, seldom, and never on the way of a quick reader
                    subscriber.failure is None
                    and len(subscriber.waiting) + count > subscriber.room
                    and asyncio.get_running_loop().time() < deadline
                ):
                    await asyncio.sleep(0.005)


def _may(subscriber: _Subscriber, collection: str, source: str | None) -> bool:
    return subscriber.collection == collection and (subscriber.sources is None or source in subscriber.sources)


class _Related:
    """Documents that changed ones name, each read once a batch."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._found: dict[tuple[str, str], Doc | None] = {}

    def of(self, sources: frozenset[str] | None) -> Any:
        async def fetch(collection: str, ids: Collection[str]) -> Mapping[str, Doc]:
            missing = [id_ for id_ in ids if (collection, id_) not in self._found]
            if missing:
                found = {doc["_id"]: doc async for doc in self._store.db[collection].find({"_id": {"$in": missing}})}
                self._found |= {(collection, id_): found.get(id_) for id_ in missing}
            docs = {id_: self._found[collection, id_] for id_ in ids}
            return {
                id_: doc
                for id_, doc in docs.items()
                if doc is not None and (sources is None or doc.get("source", id_) in sources)
            }

        return fetch


_GOING: Final = "this gateway process is shutting down. Connect again"
