"""A live Kili source against a sandbox on a socket of its own, for tests; and what their stores hold."""

import random
from contextlib import asynccontextmanager, suppress

from connectors.contract import Secret
from connectors.kili import CONNECTOR
from connectors.kili.live import KiliSource
from connectors.kili.sandbox import create
from connectors.kili.settings import Settings
from connectors.sandbox import serve
from connectors.transport import Retries
from gateway.sync import LiveSource, sync
from tests.connector_suite import Stop, snapshot

HARBOUR, REPAIRS, NOTES = "Harbour traffic", "Repair reports", "Delivery notes"
QUICK = Retries(attempts=5, base=0.001, ceiling=0.005, patience=20)
HOOK = "hook-secret-of-the-tests"


class Rig:
    """``act`` makes things happen at the platform; ``source`` reads it, by the platform's clock."""

    def __init__(self, sandbox, url, options):
        self.sandbox, self.control, self.url = sandbox, sandbox.control, url
        table = sandbox.settings(url)
        self.key = table.pop("api_key")
        self.table = table
        self.sources = []
        self.source = self.open(**options)

    def open(self, retries=QUICK, key=None, timeouts=None, limit=64 * 1024 * 1024, **settings):
        settings = {"requests_per_minute": 1_000_000, "settle_seconds": 0, **self.table, **settings}
        made = Settings(api_key=Secret(key or self.key), webhook_secret=Secret(HOOK), **settings)
        chance, now = random.Random(7), lambda: self.control.clock.now().timestamp()
        self.sources.append(KiliSource(made, now=now, retries=retries, chance=chance, timeouts=timeouts, limit=limit))
        return self.sources[-1]

    def act(self, action, **arguments):
        return self.control.actions[action](**arguments)

    def assets(self, project):
        return self.act("list_assets", project=project)

    def live(self, name="kili", source=None):
        return LiveSource(name=name, connector=CONNECTOR, platform=source or self.source)

    def project(self, title):
        return next(each["id"] for each in self.act("overview")["projects"] if each["title"] == title)

    def asked(self, text):
        return sum(count for path, count in self.control.requests.items() if text in path)


@asynccontextmanager
async def rig(assets=20, seed=0, settings=None, **options):
    """The sandbox tells no ``Date``, so that its own clock, which tests move, is the platform's time."""
    sandbox = create(seed=seed, assets=assets, **options)
    with serve(sandbox, date_header=False) as url:
        made = Rig(sandbox, url, settings or {})
        try:
            yield made
        finally:
            for source in made.sources:
                await source.close()


class Killed:
    """A source whose process dies before the page of this number."""

    def __init__(self, source, page):
        self.source, self.page = source, page
        self.capabilities = source.capabilities

    async def fetch(self, since, *, full):
        left = self.page
        async for page in self.source.fetch(since, full=full):
            if not left:
                raise Stop
            left -= 1
            yield page


async def synced(store, rig, *, full=False, killed_at=(), name="kili", source=None):
    """Syncs until a pass is through; ``killed_at`` are the pages before which the first attempts die."""
    for page in killed_at:
        with suppress(Stop):
            await sync(store, rig.live(name, Killed(source or rig.source, page)), full=full)
        full = False
    return await sync(store, rig.live(name, source), full=full)


async def emptied(store):
    for name in await store.db.list_collection_names():
        await store.db[name].delete_many({})


async def standing(store):
    """What is not gone, without what tells one run from another."""
    found = await snapshot(store)
    alive = {
        name: {key: doc for key, doc in docs.items() if not doc["gone"]}
        for name, docs in found.items()
        if name != "raws"
    }
    ids = {key for docs in alive.values() for key in docs}
    return alive | {"raws": {key: doc for key, doc in found["raws"].items() if key in ids}}


def differences(kept, clean):
    """Where a store that was kept differs from a clean one; people whom nobody names any more may stay."""
    found = []
    for name in clean:
        keys = kept[name].keys() | clean[name].keys()
        for key in sorted(keys):
            if name in ("annotators", "raws") and key not in clean[name] and "/Annotator/" in key:
                continue
            if kept[name].get(key) != clean[name].get(key):
                found.append((key, kept[name].get(key), clean[name].get(key)))
    return found


async def all_pages(source, since=None, *, full=True):
    return [page async for page in source.fetch(since, full=full)]


def checkpoint(pages):
    return next(page.checkpoint for page in reversed(pages) if page.checkpoint is not None)


def of_kind(pages, kind):
    """Documents of a kind by external id."""
    return {doc.external_id: doc for page in pages for doc in page.documents if doc.kind is kind}
