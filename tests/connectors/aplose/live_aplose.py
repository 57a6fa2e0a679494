"""The live connector against the sandbox, for tests: an opened source without waits, and what a store holds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any

from connectors.aplose import CONNECTOR
from connectors.aplose.live import AploseSource
from connectors.aplose.sandbox import create
from connectors.aplose.settings import Settings
from connectors.contract import PushAudit, PushTask, Secret
from connectors.documents import AnyDocument, Checkpoint, Kind, Page
from connectors.errors import Retry
from connectors.sandbox import Control, Sandbox, serve
from connectors.transport import Retries, Timeouts
from gateway.store.codec import COLLECTIONS
from gateway.store.store import Store
from gateway.sync import LiveSource, sync

NAME = "whales"
BOOKKEEPING = ("fetched_at", "run")
QUICK: dict[str, Any] = {
    "retries": Retries(attempts=4),
    "timeouts": Timeouts(connect=2, read=1.0, write=2, pool=10, total=10),
    "sleep": lambda seconds: asyncio.sleep(0),
}


@dataclass
class Served:
    """A sandbox on a socket."""

    sandbox: Sandbox
    url: str

    @property
    def control(self) -> Control:
        return self.sandbox.control

    def act(self, name: str, **arguments: Any) -> Any:
        """What somebody on the server does."""
        return self.control.actions[name](**arguments)

    def rows(self, campaign: int | None = None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.act("snapshot", campaign=campaign)
        return found

    def asked(self) -> int:
        """How many requests came since the last time."""
        count = sum(self.control.requests.values())
        self.control.requests.clear()
        return count

    def source(self, options: dict[str, Any] | None = None, **changes: Any) -> AploseSource:
        table: dict[str, Any] = self.sandbox.settings(self.url)
        table |= {"requests_per_minute": 1_000_000, "settle_seconds": 0.0, "download_timeout": 1.0} | changes
        table["password"] = Secret(table["password"])
        return AploseSource(Settings(**table), **QUICK | (options or {}))

    def live(self, options: dict[str, Any] | None = None, **changes: Any) -> LiveSource:
        return LiveSource(name=NAME, connector=CONNECTOR, platform=self.source(options, **changes))


@contextmanager
def served(**how: Any) -> Iterator[Served]:
    sandbox = create(**how)
    with serve(sandbox) as url:
        yield Served(sandbox, url)


async def documents(source: AploseSource, since: Checkpoint | None = None) -> dict[tuple[Kind, str], AnyDocument]:
    """What a full pass states, each thing once: stating it twice in different words is an error."""
    found: dict[tuple[Kind, str], AnyDocument] = {}
    async for page in source.fetch(since, full=True):
        assert page.skipped == (), page.skipped
        for document in page.documents:
            key = document.kind, document.external_id
            assert found.setdefault(key, document) == document
    return found


def of(found: dict[tuple[Kind, str], AnyDocument], kind: Kind) -> dict[str, Any]:
    return {name: document for (each, name), document in found.items() if each is kind}


class Stopping:
    """A source whose passes stop after so many pages, as a lost connection would; else it is the source's own."""

    def __init__(self, source: Any, pages: int) -> None:
        self._source = source
        self._pages = pages

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    async def fetch(self, since: Checkpoint | None, *, full: bool) -> AsyncIterator[Page]:
        left = self._pages
        async with aclosing(self._source.fetch(since, full=full)) as pages:
            async for page in pages:
                if not left:
                    raise Retry("stopped by the test")
                left -= 1
                yield page


def stopping(source: LiveSource, pages: int) -> LiveSource:
    platform: Any = Stopping(source.platform, pages)
    return LiveSource(name=source.name, connector=source.connector, platform=platform)


async def synced(store: Store, source: LiveSource, *, full: bool = False, state: str = "SUCCEEDED") -> Any:
    result = await sync(store, source, full=full)
    assert result.state == state, result.run.get("error")
    return result


async def living(store: Store) -> dict[str, Any]:
    """Every document that is there, with its payload, by id."""
    found: dict[str, Any] = {}
    for collection in COLLECTIONS.values():
        async for doc in store.db[collection].find({"deleted_at": None}):
            payload = await store.db["raws"].find_one({"_id": doc["_id"]})
            plain = {name: value for name, value in doc.items() if name not in BOOKKEEPING}
            found[doc["_id"]] = plain | ({"payload": json.loads(payload["json"])} if payload else {})
    return found


async def gone(store: Store) -> set[str]:
    """Global ids of all tombstones."""
    found: set[str] = set()
    for collection in (
        "campaigns",
        "assets",
        "tasks",
        "submissions",
        "annotations",
        "annotators",
        "audits",
        "comments",
    ):
        found |= {doc["_id"] async for doc in store.db[collection].find({"deleted_at": {"$ne": None}}, {"_id": 1})}
    return found


async def everything(store: Store) -> str:
    """All that is stored, as text."""
    out = []
    for collection in await store.db.list_collection_names():
        out += [repr(doc) async for doc in store.db[collection].find({})]
    return "\n".join(out)


def verdict(annotation: int, result: Any, *, campaign: int = 1, id: str = "a", **more: Any) -> PushAudit:  # noqa: A002
    return PushAudit(
        id=id, result=result, annotation=f"{campaign}/{annotation}", audited_at="2026-11-22T10:00:00Z", **more
    )


def task(campaign: int = 1) -> PushTask:
    return PushTask(external_id=f"{campaign}/x/y/z/Annotation", campaign=str(campaign))


def only_verdicts_differ(before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]], username: str) -> set[int]:
    """Ids of annotations on which this user's verdict differs; anything else that differs is an error."""
    kept = {row["id"]: row for row in after}
    assert [row["id"] for row in before] == list(kept)
    differing = set()
    for row in before:
        now = kept[row["id"]]
        mine = (row["validations"].get(username), now["validations"].get(username))
        if mine[0] is not mine[1]:
            differing.add(row["id"])
        others = [
            {name: value for name, value in each["validations"].items() if name != username} for each in (row, now)
        ]
        assert others[0] == others[1]
        assert {**row, "validations": None} == {**now, "validations": None}
    return differing
