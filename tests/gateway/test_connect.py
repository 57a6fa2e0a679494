"""The driver seam: what is refused and why, and that both drivers keep the same promises through it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.errors import OperationFailure, PyMongoError

from gateway.store import connect
from gateway.store.connect import Opened, StoreError, aggregate, open_store, transaction, watch
from gateway.store.embedded import EmbeddedMongo
from tests.conftest import mongo_settings
from tests.gateway.processes import own_mongod

pytestmark = pytest.mark.both_drivers


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, since a socket will be in it."""
    with tempfile.TemporaryDirectory(prefix="lg-") as name:
        yield Path(name)


async def refusal(url: str, driver: str) -> str:
    with pytest.raises(StoreError) as refused:
        async with open_store(mongo_settings(url, driver=driver, connect_timeout=3)):
            pass
    with warnings.catch_warnings():  # PyMongo 4.20 drops a socket when it is closed while it connects
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    return str(refused.value)


async def test_our_own_mongodb_is_used_without_a_url(folder: Path, driver: str) -> None:
    """Without a URL the embedded MongoDB serves, under the data directory; its database is named labelgate."""
    async with open_store(mongo_settings(None, driver=driver, data_dir=folder)) as opened:
        await opened.db.things.insert_one({"_id": 1})
        assert (opened.db.name, opened.driver, opened.where) == ("labelgate", driver, f"embedded in {folder / 'mongo'}")
        assert opened.version == "6.0.5"
        assert EmbeddedMongo(folder / "mongo").running() is not None
    assert EmbeddedMongo(folder / "mongo").running() is None


async def test_the_client_keeps_the_stores_promises(opened: Opened, mongo_url: str, driver: str) -> None:
    """Writes wait for the majority and the journal and are retried, time is limited, dates are naive; the URL cannot weaken it."""
    settings = mongo_settings(f"{mongo_url}&w=0&retryWrites=false&tz_aware=true", driver=driver, timeout=7)
    async with open_store(settings) as weak:
        assert weak.db.write_concern.document == {"w": "majority", "j": True}
        assert weak.client.options.retry_writes
        assert weak.client.options.timeout == 7
        assert not weak.client.codec_options.tz_aware
        # The client that MongoDB sees carries our name.
        found = await aggregate(weak.client.admin, [{"$currentOp": {}}, {"$match": {"appName": "labelgate"}}])
        assert found
    assert type(opened.client).__name__ == {"motor": "AsyncIOMotorClient", "pymongo": "AsyncMongoClient"}[driver]


async def test_a_standalone_server_is_refused(folder: Path, driver: str) -> None:
    """No transactions and change streams there: said so, with both ways out."""
    with own_mongod(folder) as url:
        said = await refusal(url, driver)
    assert "is a standalone server" in said
    assert "--replSet" in said
    assert "rs.initiate()" in said
    assert "LABELGATE_MONGODB_URL" in said


@pytest.mark.parametrize("suffix", ["", "/?directConnection=true"])
async def test_a_set_that_nobody_initiated_is_refused(folder: Path, driver: str, suffix: str) -> None:
    """Started with --replSet and no more: the missing command is named."""
    with own_mongod(folder, "--replSet", "rs0") as url:
        said = await refusal(url + suffix, driver)
    assert said.startswith("The MongoDB replica set is not initiated (")
    assert "Run rs.initiate() once in mongosh" in said


@pytest.mark.parametrize(
    ("hello", "expected"),
    [
        (
            {"setName": "rs0", "maxWireVersion": 13},
            "This MongoDB is too old (db): version 5.0.1, and labelgate needs 6.0",
        ),
        ({"msg": "isdbgrid", "maxWireVersion": 17}, None),
        ({"setName": "rs0", "maxWireVersion": 17}, None),
        ({"maxWireVersion": 25}, "is a standalone server"),
    ],
)
def test_what_a_server_must_be(hello: dict[str, Any], expected: str | None, driver: str) -> None:
    """Replica sets and routers of MongoDB 6.0 and newer."""
    said = connect._refusal(hello, "5.0.1", "db")
    assert said is None if expected is None else said is not None and expected in said


async def test_an_unreachable_server_is_told_soon(driver: str) -> None:
    """Nobody listens: host and reason within the time limit, no password."""
    said = await asyncio.wait_for(refusal("mongodb://me:pa55word@127.0.0.1:9/db?replicaSet=rs0", driver), 10)
    assert said.startswith("MongoDB cannot be reached (127.0.0.1:9): ")
    assert "Errno 111" in said
    assert "pa55word" not in said


async def test_wrong_credentials_are_told(mongo_url: str, driver: str) -> None:
    """A password that MongoDB refuses is not repeated."""
    said = await refusal(mongo_url.replace("mongodb://", "mongodb://me:pa55word@"), driver)
    assert said.startswith("MongoDB refuses the credentials of its URL")
    assert "pa55word" not in said


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://me:se/cret@host/db",
        "mongodb://me:se@cret@host:port",
        "http://me:secret@host",
        "mongodb://me:secret@",
        "secret@",
    ],
)
async def test_a_malformed_url_does_not_show_its_password(url: str, driver: str) -> None:
    """The driver's reason may quote a piece of a badly escaped password, so it is not repeated."""
    said = await refusal(url, driver)
    assert said in (
        "The MongoDB URL is not valid: check its form, and that user name and password are percent-encoded",
        "The MongoDB URL is not valid: it must start with mongodb:// or mongodb+srv://",
    )


async def test_a_malformed_url_without_secrets_says_why(driver: str) -> None:
    """Where nothing can leak, the driver's own reason helps."""
    assert "Port contains non-digit characters" in await refusal("mongodb://host:port/db", driver)


@pytest.mark.parametrize(
    ("path", "setting", "expected"),
    [
        ("/", None, "labelgate"),
        ("/reviews", None, "reviews"),
        ("/reviews", "other", "other"),
        ("/admin", None, "labelgate"),
    ],
)
async def test_the_database_is_named_by_settings_or_url(
    mongo_url: str, driver: str, path: str, setting: str | None, expected: str
) -> None:
    """The setting, else the URL, else labelgate; /admin in a URL only says where users are kept."""
    settings = mongo_settings(mongo_url.replace("/?", f"{path}?"), driver=driver, database=setting)
    async with open_store(settings) as opened:
        assert opened.db.name == expected


async def test_an_aggregation_gives_its_documents(db: Any) -> None:
    """More than one batch, of a collection and of a database."""
    await db.numbers.insert_many([{"_id": number} for number in range(1000)])
    found = await aggregate(db.numbers, [{"$match": {"_id": {"$gte": 10}}}, {"$sort": {"_id": 1}}])
    assert [doc["_id"] for doc in found] == list(range(10, 1000))
    assert await aggregate(db, [{"$documents": [{"a": 1}, {"a": 2}]}]) == [{"a": 1}, {"a": 2}]
    assert await aggregate(db.numbers, [{"$match": {"_id": -1}}]) == []


async def test_a_transaction_is_all_or_nothing(opened: Opened, db: Any) -> None:
    """Two collections change together; an exception undoes both and comes through."""

    async def good(session: Any) -> str:
        await db.a.insert_one({"_id": 1}, session=session)
        await db.b.insert_one({"_id": 1}, session=session)
        return "done"

    async def bad(session: Any) -> None:
        await db.a.insert_one({"_id": 2}, session=session)
        raise LookupError("no")

    assert await transaction(opened.client, good) == "done"
    with pytest.raises(LookupError):
        await transaction(opened.client, bad)
    assert (await db.a.count_documents({}), await db.b.count_documents({})) == (1, 1)


async def test_transactions_that_collide_are_repeated(opened: Opened, db: Any) -> None:
    """Twenty concurrent transactions add one each to one document: the sum is twenty."""
    await db.sums.insert_one({"_id": 1, "sum": 0})
    tries = 0

    async def add(session: Any) -> None:
        nonlocal tries
        tries += 1
        found = await db.sums.find_one({"_id": 1}, session=session)
        await db.sums.update_one({"_id": 1}, {"$set": {"sum": found["sum"] + 1}}, session=session)

    await asyncio.gather(*(transaction(opened.client, add) for _ in range(20)))
    assert (await db.sums.find_one({"_id": 1}))["sum"] == 20
    assert tries > 20


async def test_a_change_stream_tells_what_happens_from_the_moment_it_is_opened(db: Any) -> None:
    """Nothing from before, all from after, in order; filtered by its pipeline."""
    await db.c.insert_one({"_id": "before"})
    async with watch(db, [{"$match": {"ns.coll": "c"}}], idle_ms=100) as changes:
        await db.other.insert_one({"_id": "elsewhere"})
        await db.c.insert_one({"_id": 1})
        await db.c.update_one({"_id": 1}, {"$set": {"x": 2}})
        await db.c.delete_one({"_id": 1})
        seen = [await anext(changes) for _ in range(3)]
        assert [change["operationType"] for change in seen] == ["insert", "update", "delete"]
        assert await changes.poll() is None


async def test_a_quiet_change_stream_outlives_the_time_limit(mongo_url: str, driver: str) -> None:
    """Waiting for a change is no operation that takes too long."""
    async with open_store(mongo_settings(mongo_url, driver=driver, timeout=1)) as opened:
        db = opened.client[f"test_quiet_{driver}"]
        async with watch(db, idle_ms=300) as changes:
            waiting = asyncio.ensure_future(anext(changes))
            await asyncio.sleep(2.5)
            assert not waiting.done()
            await db.c.insert_one({"_id": 1})
            assert (await waiting)["documentKey"] == {"_id": 1}
        await opened.client.drop_database(db.name)


async def test_a_change_stream_resumes(db: Any) -> None:
    """From its token, also one from a quiet moment: what came in between is seen once."""
    async with watch(db, idle_ms=50) as changes:
        await db.c.insert_one({"_id": 1})
        await anext(changes)
        assert await changes.poll() is None
        token = changes.resume_token
    await db.c.insert_many([{"_id": 2}, {"_id": 3}])
    async with watch(db, idle_ms=50, resume_after=token) as changes:
        assert [(await anext(changes))["documentKey"]["_id"] for _ in range(2)] == [2, 3]


async def test_a_cancelled_reader_loses_no_change(db: Any) -> None:
    """Readers give up after a moment, again and again, while documents are written: each change is seen once."""
    seen: list[int] = []
    async with watch(db, idle_ms=200) as changes:

        async def write() -> None:
            for number in range(30):
                await db.c.insert_one({"_id": number})
                await asyncio.sleep(0.01)

        writing = asyncio.create_task(write())
        while len(seen) < 30:
            try:
                seen.append((await asyncio.wait_for(anext(changes), 0.003))["documentKey"]["_id"])
            except TimeoutError:
                continue
        await writing
    assert seen == list(range(30))


async def test_a_change_stream_that_cannot_go_on_says_so(db: Any) -> None:
    """A token that MongoDB does not take is an error, not silence."""
    with pytest.raises(OperationFailure):
        async with watch(db, idle_ms=50, resume_after={"_data": "8263"}) as changes:
            await anext(changes)


async def test_the_client_recovers_from_a_killed_mongod(folder: Path, driver: str) -> None:
    """mongod killed under a writer, a transaction and a change stream: all go on, nothing is lost or doubled."""
    async with open_store(mongo_settings(None, driver=driver, data_dir=folder)) as opened:
        seen: list[int] = []

        async def read(changes: connect.Changes) -> None:
            async for change in changes:
                seen.append(change["documentKey"]["_id"])
                if len(seen) == 100:
                    return

        async with watch(opened.db, [{"$match": {"operationType": "insert"}}], idle_ms=200) as changes:
            reading = asyncio.create_task(read(changes))
            for number in range(100):
                if number % 30 == 20:
                    running = EmbeddedMongo(folder / "mongo").running()
                    assert running is not None
                    os.kill(running.pid, signal.SIGKILL)
                if number % 2:
                    await opened.db.c.insert_one({"_id": number})
                else:

                    async def body(session: Any, number: int = number) -> None:
                        await opened.db.c.insert_one({"_id": number}, session=session)

                    await transaction(opened.client, body)
            await asyncio.wait_for(reading, 30)
        assert await opened.db.c.count_documents({}) == 100
    assert seen == list(range(100))


async def test_an_operation_ends_within_its_time_limit(mongo_url: str, driver: str) -> None:
    """A query that would take five seconds ends after one, with the driver's time-out."""
    async with open_store(mongo_settings(mongo_url, driver=driver, timeout=1)) as opened:
        collection = opened.client[f"test_slow_{driver}"].c
        await collection.insert_one({"_id": 1})
        began = asyncio.get_running_loop().time()
        with pytest.raises(PyMongoError) as late:
            await collection.find({"$where": "sleep(5000) || true"}).to_list(None)
        assert late.value.timeout
        assert asyncio.get_running_loop().time() - began < 3
        await asyncio.sleep(4)  # the server finishes its sleep
        await opened.client.drop_database(collection.database.name)
