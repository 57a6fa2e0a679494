"""One real MongoDB for the whole run, shared by all workers; a database of its own for each test."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import hypothesis
import pytest

from gateway.settings import LogSettings, MongoSettings, ServerSettings, Settings
from gateway.store.connect import Opened, open_store
from gateway.store.embedded import EmbeddedMongo
from gateway.store.store import Store

hypothesis.settings.register_profile("dev", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "dev")

DRIVERS = ("motor", "pymongo")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "both_drivers: run the test with motor and with PyMongo's own async client")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker("both_drivers"):
        metafunc.parametrize("driver", DRIVERS)


@pytest.fixture
def driver() -> str:
    """The driver of ``db`` and ``store``; a test marked ``both_drivers`` runs with each."""
    return os.environ.get("LABELGATE_MONGODB__DRIVER", "motor")


@pytest.fixture(scope="session")
def mongo_url(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a replica set: ours, or what LABELGATE_MONGODB_URL names."""
    if url := os.environ.get("LABELGATE_MONGODB_URL"):
        yield url
        return
    base = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        base = base.parent  # the same for all workers: the first starts it, the others join
    with EmbeddedMongo(base / "mongo") as url:
        yield url


def mongo_settings(url: str | None, **mongodb: Any) -> Settings:
    return Settings(
        file=None,
        mongodb=MongoSettings(url=url, **mongodb),
        server=ServerSettings(),
        log=LogSettings(),
        sources={},
    )


@pytest.fixture(scope="session")
async def deployments(mongo_url: str) -> AsyncIterator[Callable[[str], Any]]:
    """``await deployments(driver)``: the run's deployment, opened once with each driver."""
    opened: dict[str, Opened] = {}
    async with AsyncExitStack() as stack:

        async def deployment(driver: str) -> Opened:
            if driver not in opened:
                opened[driver] = await stack.enter_async_context(open_store(mongo_settings(mongo_url, driver=driver)))
            return opened[driver]

        yield deployment


@pytest.fixture
async def opened(deployments: Callable[[str], Any], driver: str) -> Opened:
    """The open deployment of ``driver``; its ``db`` is shared, so take ``db`` to write."""
    found: Opened = await deployments(driver)
    return found


@pytest.fixture
async def db(opened: Opened) -> AsyncIterator[Any]:
    """An empty database of the test's own."""
    name = f"test_{secrets.token_hex(8)}"
    yield opened.client[name]
    await opened.client.drop_database(name)


@pytest.fixture(scope="session")
async def prepared(deployments: Callable[[str], Any]) -> AsyncIterator[Callable[[str], Any]]:
    """``await prepared(driver)``: a store with its indexes, emptied when it was used before.

    About a hundred indexes take two seconds to make, and a few milliseconds to empty.
    """
    name = f"test_{secrets.token_hex(8)}"
    stores: dict[str, tuple[Store, set[str]]] = {}

    async def store(driver: str) -> Store:
        if driver not in stores:
            new = Store((await deployments(driver)).client[f"{name}_{driver}"])
            await new.prepare()
            stores[driver] = (new, set(await new.db.list_collection_names()))
        found, collections = stores[driver]
        for collection in await found.db.list_collection_names():
            if collection in collections:
                await found.db[collection].delete_many({})
            else:
                await found.db[collection].drop()
        await found.prepare()  # a test may have dropped an index
        return found

    yield store
    for driver, (used, _) in stores.items():
        await (await deployments(driver)).client.drop_database(used.db.name)


@pytest.fixture
async def store(prepared: Callable[[str], Any], driver: str) -> Store:
    """An empty store with its indexes."""
    found: Store = await prepared(driver)
    return found
