"""Opens MongoDB, the configured deployment or the embedded one, by motor or by PyMongo's own async client.

The gateway uses what both drivers share. Where they differ (who awaits what) the functions at the end speak for both.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar
from urllib.parse import unquote, urlsplit

import pymongo
from bson.timestamp import Timestamp
from pymongo import AsyncMongoClient
from pymongo.errors import (
    ConfigurationError,
    InvalidURI,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from gateway.settings import MongoSettings, Settings
from gateway.store.embedded import embedded
from gateway.store.errors import StoreError

__all__ = ["Changes", "Opened", "StoreError", "aggregate", "open_store", "transaction", "watch"]

T = TypeVar("T")
Change = Mapping[str, Any]

DEFAULT_DATABASE: Final = "labelgate"
_MONGODBS_OWN: Final = frozenset({"admin", "local", "config"})
_OLDEST_WIRE_VERSION: Final = 17  # MongoDB 6.0
_AUTHENTICATION_FAILED: Final = 18
_UNAUTHORIZED: Final = 13


@dataclass(frozen=True, slots=True)
class Opened:
    """An open deployment: ``client`` and ``db`` belong to the driver that the settings chose."""

    client: Any
    db: Any
    driver: str
    where: str
    """Hosts, or the data directory of the embedded MongoDB; no credentials."""
    version: str


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Opened]:
    """The deployment that the settings name, or our own for as long as the context lasts. Raises ``StoreError``."""
    mongodb = settings.mongodb
    async with AsyncExitStack() as stack:
        if mongodb.url is not None:
            url = mongodb.url.reveal()
            where = _hosts(url)
        else:
            directory = mongodb.data_dir / "mongo"
            url = await stack.enter_async_context(embedded(directory, cache_gb=mongodb.cache_gb))
            where = f"embedded in {directory}"
        yield await stack.enter_async_context(_connected(url, where, mongodb))


@asynccontextmanager
async def _connected(url: str, where: str, settings: MongoSettings) -> AsyncIterator[Opened]:
    client = _client(url, settings)
    try:
        with pymongo.timeout(settings.connect_timeout):
            version = await _checked(client, where)
        yield Opened(client, client[_database(url, settings)], settings.driver, where, version)
    finally:
        await _settled(client.close())


def _client(url: str, settings: MongoSettings) -> Any:
    """What the store promises (durable writes, bounded time) stands above the URL's own options."""
    if not url.startswith(("mongodb://", "mongodb+srv://")):  # else the drivers would take all of it for a host
        raise StoreError("The MongoDB URL is not valid: it must start with mongodb:// or mongodb+srv://")
    options: dict[str, Any] = {
        "appname": "labelgate",
        "w": "majority",
        "journal": True,
        "retryWrites": True,
        "retryReads": True,
        "tz_aware": False,
        "timeoutMS": int(settings.timeout * 1000),
        "maxPoolSize": settings.max_pool_size,
    }
    try:
        if settings.driver == "motor":
            from motor.motor_asyncio import AsyncIOMotorClient  # noqa: PLC0415 - whoever chose pymongo needs no motor

            return AsyncIOMotorClient(url, **options)
        return AsyncMongoClient(url, **options)
    except (ConfigurationError, InvalidURI, ValueError, TypeError) as problem:
        raise StoreError(f"The MongoDB URL is not valid: {_fault(url, problem)}") from None


def _fault(url: str, problem: Exception) -> str:
    """The driver's reason, unless it might quote a piece of a password."""
    if "@" in url or re.search("password|properties", url, re.IGNORECASE):
        return "check its form, and that user name and password are percent-encoded"
    return f"{problem}"


def _hosts(url: str) -> str:
    """The hosts of a URL: what may be shown of it."""
    hosts = unquote(url.partition("://")[2].rpartition("@")[2].partition("/")[0])
    return hosts if re.fullmatch(r"[\w.,:/\[\]-]+", hosts) else "the configured hosts"


def _database(url: str, settings: MongoSettings) -> str:
    """The name in the settings, else in the URL; MongoDB's own databases there only mean where users are kept."""
    named = settings.database or unquote(urlsplit(url).path.strip("/"))
    return DEFAULT_DATABASE if not named or named in _MONGODBS_OWN else named


async def _checked(client: Any, where: str) -> str:
    """Asks who is there; gives the version. Raises ``StoreError`` for a deployment that will not do."""
    try:
        hello = await client.admin.command("hello")
        version = str((await client.admin.command("buildInfo"))["version"])
    except ServerSelectionTimeoutError as problem:
        servers = client.topology_description.server_descriptions()
        kinds = {server.server_type_name for server in servers.values()}
        if kinds == {"RSGhost"}:
            raise StoreError(_refusal({"isreplicaset": True}, "", where) or "") from None
        raise StoreError(f"MongoDB cannot be reached ({where}): {_briefly(problem)}") from None
    except OperationFailure as problem:
        if problem.code in (_AUTHENTICATION_FAILED, _UNAUTHORIZED):
            raise StoreError(f"MongoDB refuses the credentials of its URL ({where}).") from None
        raise StoreError(f"MongoDB does not answer as it should ({where}): {_briefly(problem)}") from None
    except PyMongoError as problem:
        raise StoreError(f"MongoDB cannot be used ({where}): {_briefly(problem)}") from None
    refusal = _refusal(hello, version, where)
    if refusal:
        raise StoreError(refusal)
    return version


def _refusal(hello: Mapping[str, Any], version: str, where: str) -> str | None:
    """Why a deployment that answers will not do."""
    if hello.get("msg") != "isdbgrid" and not hello.get("setName"):
        if hello.get("isreplicaset"):
            return (
                f"The MongoDB replica set is not initiated ({where}). "
                "Run rs.initiate() once in mongosh, then start labelgate again."
            )
        return (
            f"This MongoDB is a standalone server ({where}). labelgate needs transactions and change streams, which "
            "only a replica set has; one member is enough. Start mongod with --replSet rs0 and run rs.initiate() once "
            "in mongosh, or leave LABELGATE_MONGODB_URL unset to use the embedded MongoDB."
        )
    if int(hello.get("maxWireVersion", 0)) < _OLDEST_WIRE_VERSION:
        return f"This MongoDB is too old ({where}): version {version}, and labelgate needs 6.0 or newer."
    return None


def _briefly(problem: Exception) -> str:
    """The first sentence of what a driver says; the rest is its picture of the topology."""
    return str(problem).partition(", Timeout:")[0].partition(" (configured timeouts:")[0][:400]


# --- what the drivers do differently --------------------------------------------------------------------------


async def _settled(result: Any) -> Any:
    """PyMongo's own async client awaits in more places than motor does."""
    return await result if hasattr(result, "__await__") else result


async def aggregate(target: Any, pipeline: Sequence[Mapping[str, Any]], **options: Any) -> list[dict[str, Any]]:
    """All documents that a pipeline gives; ``target`` is a database or a collection."""
    cursor = await _settled(target.aggregate(list(pipeline), **options))
    found: list[dict[str, Any]] = await cursor.to_list(None)
    return found


async def transaction(client: Any, body: Callable[[Any], Awaitable[T]], **options: Any) -> T:
    """Runs ``body(session)`` in a transaction, again from its start when MongoDB says that this is worth it."""
    async with await _settled(client.start_session()) as session:
        result: T = await session.with_transaction(body, **options)
        return result


@asynccontextmanager
async def watch(
    db: Any, pipeline: Sequence[Mapping[str, Any]] = (), *, idle_ms: int = 1000, **options: Any
) -> AsyncIterator[Changes]:
    """The database's changes from now on, or from ``resume_after`` and the like.

    ``idle_ms`` is how long one question waits for an answer; it must be less than the client's time limit.
    """
    if not options.keys() & {"resume_after", "start_after", "start_at_operation_time"}:
        now = (await db.command("ping"))["operationTime"]
        options["start_at_operation_time"] = Timestamp(
            now.time, now.inc + 1
        )  # motor opens a stream only when it is read
    stream = await _settled(db.watch(list(pipeline), max_await_time_ms=idle_ms, **options))
    changes = Changes(stream)
    try:
        yield changes
    finally:
        await changes.close()


class Changes:
    """An open change stream. A reader that is cancelled loses nothing: the next one gets the change."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._asked: asyncio.Future[Change | None] | None = None

    @property
    def resume_token(self) -> Any:
        """Where to go on later; it moves even while nothing happens. None before the first answer."""
        return getattr(self._stream, "resume_token", None)

    async def poll(self) -> Change | None:
        """The next change, or None when there was none for a while. Raises ``PyMongoError`` when it cannot go on."""
        if self._asked is None:
            self._asked = asyncio.ensure_future(self._stream.try_next())
        await asyncio.wait({self._asked})  # does not cancel it: motor's thread cannot be called back
        asked, self._asked = self._asked, None
        return asked.result()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Change:
        while self._stream.alive:
            change = await self.poll()
            if change is not None:
                return change
        raise StopAsyncIteration

    async def close(self) -> None:
        if self._asked is not None:
            with suppress(PyMongoError):
                await self._asked
        await self._stream.close()
