"""graphql-ws and graphql-sse, the clients that people use: they subscribe, resume, and are refused as they should be."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from connectors.documents import Page, Task
from gateway.store.store import Store
from gateway.tokens import Tokens
from tests.edge.conftest import Served, edge_settings, filled, put, serving  # noqa: F401 - fixtures


@contextlib.asynccontextmanager
async def changing(served: Served) -> AsyncIterator[str]:
    """A URL that changes a task each time it is read, for scripts that wait for changes."""
    count = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        await reader.readuntil(b"\r\n\r\n")
        count += 1
        task = Task(external_id="t1", native_status=f"state {count}")
        with contextlib.suppress(Exception):
            await put(served.edge.store, "reef", Page(documents=[task]))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


@pytest.fixture
async def guarded(filled: Store) -> AsyncIterator[tuple[Served, str]]:  # noqa: F811
    _, token = await Tokens(filled.db).create("client", ["read"])
    async with serving(filled, edge_settings()) as served:
        yield served, token


async def test_graphql_ws(node: Callable[..., Any], guarded: tuple[Served, str]) -> None:
    """Told before and after its socket was cut; a wrong token closes with 4403, a wrong query is an error."""
    served, token = guarded
    async with changing(served) as change:
        found = await node("subscribe_ws.mjs", served.ws_url, token, change)
    assert set(found["events"]) == {"gid://reef/Task/t1"}
    assert found["opened"] == 2
    assert (found["wrongToken"], found["wrongQuery"], found["query"]) == (4403, "INVALID", "complete")


async def test_graphql_sse(node: Callable[..., Any], guarded: tuple[Served, str]) -> None:
    """Told event by event; a wrong token gets 401, a wrong query is told in the stream."""
    served, token = guarded
    async with changing(served) as change:
        found = await node("subscribe_sse.mjs", f"{served.url}/graphql", token, change)
    assert found["events"] == ["gid://reef/Task/t1"] * len(found["events"])
    assert found["wrongToken"] == 401
    assert (found["wrongQuery"], found["query"]) == ("INVALID", {"viewer": {"name": "client"}})
