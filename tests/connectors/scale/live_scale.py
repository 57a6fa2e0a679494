"""The live connector against the sandbox, for tests: an opened source without waits, and what a store holds."""

import asyncio
import json
from datetime import timedelta

from connectors.coerce import moment
from connectors.contract import Secret
from connectors.errors import Retry
from connectors.scale import CONNECTOR
from connectors.scale.live import ScaleSource
from connectors.scale.passes import stamp
from connectors.scale.settings import Settings
from connectors.transport import Retries, Timeouts
from gateway.store.codec import COLLECTIONS
from gateway.sync import LiveSource, sync

NAME = "scale-test"
BOOKKEEPING = ("fetched_at", "run", "h", "weak")
"""When and by which run something was stored, hashes of what was stated, and which fields were only assumed."""

QUICK = {
    "retries": Retries(attempts=3),
    "timeouts": Timeouts(connect=2, read=0.4, write=2, pool=5, total=5),
    "sleep": lambda seconds: asyncio.sleep(0),
}


def settings(client, **changes):
    """The sandbox's own table; ``client`` is of ``scale_client``."""
    table = client.sandbox.settings(str(client.base_url).rstrip("/").removesuffix("/v1"))
    table |= {"settle_seconds": 0.0, "requests_per_minute": 1_000_000} | changes
    secrets = ("api_key", "callback_auth_key", "test_callback_auth_key")
    return Settings(**{name: Secret(value) if name in secrets else value for name, value in table.items()})


def platform(client, *, options=None, **changes):
    return ScaleSource(settings(client, **changes), **QUICK | (options or {}))


def live(source):
    return LiveSource(name=NAME, connector=CONNECTOR, platform=source)


class Stopped(Retry):
    """What ends a pass in a test, as a lost connection would."""


class Stopping:
    """A source whose passes stop after so many pages; everything else is the source's own."""

    def __init__(self, source, pages):
        self._source = source
        self._pages = pages

    def __getattr__(self, name):
        return getattr(self._source, name)

    async def fetch(self, since, *, full):
        left = self._pages
        async for page in self._source.fetch(since, full=full):
            if not left:
                raise Stopped("stopped by the test")
            left -= 1
            yield page


def stopping(source, pages):
    return LiveSource(name=source.name, connector=source.connector, platform=Stopping(source.platform, pages))


async def checkpoint(store):
    return (await store.db["sources"].find_one({"_id": NAME}))["checkpoint"]


async def age(store, seconds):
    """Makes the last pass so much longer ago."""
    marks = (await checkpoint(store))["marks"]
    older = {name: stamp(moment(at) - timedelta(seconds=seconds)) for name, at in marks.items()}
    await store.db["sources"].update_one({"_id": NAME}, {"$set": {"checkpoint.marks": older}})


async def living(store):
    """Every document that is there, with its payload, by collection and id."""
    found = {}
    for collection in COLLECTIONS.values():
        async for doc in store.db[collection].find({"deleted_at": None}):
            payload = await store.db["raws"].find_one({"_id": doc["_id"]})
            for name in BOOKKEEPING:
                doc.pop(name, None)
            found[collection, doc["_id"]] = doc | ({"payload": json.loads(payload["json"])} if payload else {})
    return found


async def dead(store):
    return {
        (collection, doc["_id"])
        for collection in COLLECTIONS.values()
        async for doc in store.db[collection].find({"deleted_at": {"$ne": None}}, {"_id": 1})
    }


async def synced(store, source, *, full=False, state="SUCCEEDED"):
    result = await sync(store, source, full=full)
    assert result.state == state, result.run.get("error")
    return result
