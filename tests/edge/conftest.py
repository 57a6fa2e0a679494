"""The gateway on a real port, over a real MongoDB, with two small sources and every kind of token."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
import pytest

from connectors.contract import Capabilities
from connectors.documents import Annotator, Asset, Campaign, Page, Task, TaskStatus
from gateway import sources
from gateway.app import create_app, create_edge
from gateway.edge import Edge
from gateway.edge_settings import AuthSettings, DocumentSettings, LimitSettings
from gateway.engine import store_pages
from gateway.serving import _config, _Server
from gateway.settings import LogSettings, MongoSettings, ServerSettings, Settings
from gateway.store.leases import held
from gateway.store.store import Store

RESPONSE = "application/graphql-response+json"


def edge_settings(
    *,
    server: Mapping[str, Any] | None = None,
    auth: Mapping[str, Any] | None = None,
    limits: Mapping[str, Any] | None = None,
    documents: Mapping[str, Any] | None = None,
) -> Settings:
    return Settings(
        file=None,
        mongodb=MongoSettings(),
        server=ServerSettings(**(server or {})),
        log=LogSettings(),
        sources={},
        auth=AuthSettings(**(auth or {})),
        limits=LimitSettings(**{"requests_per_minute": 0, **(limits or {})}),
        documents=DocumentSettings(**(documents or {})),
    )


@dataclass
class Served:
    """A gateway that listens."""

    edge: Edge
    url: str
    client: httpx.AsyncClient
    server: Any = None

    async def post(self, query: str, variables: Any = None, *, token: str | None = None, **more: Any) -> httpx.Response:
        headers = {"accept": RESPONSE, **more.pop("headers", {})}
        if token:
            headers["authorization"] = f"Bearer {token}"
        body = {"query": query, **({"variables": variables} if variables is not None else {}), **more}
        return await self.client.post("/graphql", json=body, headers=headers)

    async def data(self, query: str, variables: Any = None, *, token: str | None = None) -> Any:
        found = await self.post(query, variables, token=token)
        body = found.json()
        assert "errors" not in body, body["errors"]
        return body["data"]

    @property
    def ws_url(self) -> str:
        return self.url.replace("http://", "ws://") + "/graphql"

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)


@contextlib.asynccontextmanager
async def serving(store: Store, settings: Settings, live: Any = None) -> AsyncIterator[Served]:
    edge = create_edge(store, settings, live)
    server = _Server(_config(create_app(edge, live), settings, "127.0.0.1", 0), edge)
    server.config.load()
    task = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.01)
        if task.done():
            task.result()
    port = server.servers[0].sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            yield Served(edge, url, client, server)
    finally:
        server.should_exit = True
        await asyncio.wait_for(task, 15)


@pytest.fixture
def serve(store: Store) -> Callable[..., Any]:
    """``async with serve(limits={…}) as served``: a gateway with these settings."""

    def make(**sections: Any) -> Any:
        return serving(store, edge_settings(**sections))

    return make


@pytest.fixture
async def served(filled: Store) -> AsyncIterator[Served]:
    """A gateway with default settings over two small sources."""
    async with serving(filled, edge_settings()) as found:
        yield found


TASKS = 6


async def fill(store: Store, source: str, *, tasks: int = TASKS) -> None:
    """A campaign with tasks, assets and one person."""
    await sources.register(store, source, "toy", Capabilities())
    await put(store, source, small_page(tasks))


def small_page(tasks: int) -> Page:
    documents: list[Any] = [
        Campaign(external_id="c1", name="Reef fish", raw={"secret": "campaign"}),
        Annotator(external_id="p1", name="Ada Lind", email="ada@example.org"),
    ]
    for n in range(tasks):
        documents.append(Asset(external_id=f"a{n}", name=f"dive-{n}.jpg", campaign="c1"))
        documents.append(
            Task(
                external_id=f"t{n}",
                campaign="c1",
                asset=f"a{n}",
                asset_name=f"dive-{n}.jpg",
                status=TaskStatus.COMPLETED if n % 2 else TaskStatus.PENDING,
                native_status="done" if n % 2 else "open",
                assignees=("p1",),
                raw={"task": n},
            )
        )
    return Page(documents=documents)


async def put(store: Store, source: str, page: Page) -> None:
    async def pages() -> AsyncIterator[Page]:
        yield page

    async with held(store.db, f"sync:{source}", "test", seconds=30) as lease:
        result = await store_pages(store, pages(), source=source, mode="IMPORT", lease=lease)
    assert result.state == "SUCCEEDED", result.run


@pytest.fixture
async def filled(store: Store) -> Store:
    """The sources ``reef`` and ``forest``, alike but for their names."""
    await fill(store, "reef")
    await fill(store, "forest")
    return store


@dataclass
class Clock:
    """Time that stands still until it is told otherwise."""

    now: float = 1000.0
    at: datetime | None = None
    calls: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now
