"""GraphQL over HTTP: media types, status codes, and what is refused before anything runs."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gateway.negotiation import EVENTS, HTML, LEGACY, preferred, takes_gzip
from tests.edge.conftest import RESPONSE, Served

Q = "{ viewer { name } }"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, [LEGACY]),
        ("", [LEGACY]),
        ("*/*", [LEGACY]),
        ("application/*", [RESPONSE]),
        ("application/json", [LEGACY]),
        ("application/graphql-response+json, application/json;q=0.9", [RESPONSE, LEGACY]),
        ("application/json;q=0.5, application/graphql-response+json", [RESPONSE, LEGACY]),
        ("*/*, application/graphql-response+json", [RESPONSE, LEGACY]),
        ("application/json;q=0, */*", [RESPONSE]),
        ("application/json; charset=latin-1", []),
        ('application/json; charset="UTF-8"', [LEGACY]),
        ("image/png", []),
        ("application/json;q=banana", []),
        ("text/event-stream", [EVENTS]),
        ("text/html,application/xhtml+xml,*/*;q=0.8", [HTML, LEGACY]),
    ],
)
def test_the_best_media_type_is_found(accept: str | None, expected: list[str]) -> None:
    """What the client prefers comes first; wildcards come after what is named."""
    assert preferred(accept) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [(None, False), ("gzip", True), ("gzip;q=0", False), ("br, gzip;q=0.5", True), ("*", True), ("identity", False)],
)
def test_gzip_is_used_where_it_is_taken(header: str | None, expected: bool) -> None:
    """``Accept-Encoding`` is read with its weights."""
    assert takes_gzip(header) is expected


CASES = [
    # body, status for graphql-response+json, status for json, data entry
    ({"query": Q}, 200, 200, True),
    ({"query": "{"}, 400, 200, False),
    ({"query": "{ nothing }"}, 400, 200, False),
    ({"query": "query ($id: ID!) { node(id: $id) { id } }", "variables": {}}, 400, 200, False),
    ({"query": "query A { viewer { name } } query B { viewer { name } }"}, 422, 200, False),
    ({"query": Q, "operationName": "Nope"}, 422, 200, False),
    ({"query": "fragment F on Query { __typename }"}, 422, 200, False),
    ({"query": ""}, 400, 200, False),
    ({}, 400, 400, False),
    ({"query": 7}, 400, 400, False),
    ({"query": Q, "variables": [1]}, 400, 400, False),
    ({"query": Q, "operationName": 3}, 400, 400, False),
    ({"query": Q, "extensions": "x"}, 400, 400, False),
    ([{"query": Q}], 400, 400, False),
    ("text", 400, 400, False),
    (None, 400, 400, False),
    (5, 400, 400, False),
    ({"query": Q, "variables": None, "operationName": None, "extensions": None, "more": 1}, 200, 200, True),
    ({"query": "{ tasks(first: 1, last: 1) { nodes { id } } }"}, 294, 200, True),
    ({"query": "subscription { taskChanged { id } }"}, 406, 406, False),
]


@pytest.mark.parametrize(("body", "status", "legacy", "data"), CASES)
async def test_status_codes(served: Served, body: Any, status: int, legacy: int, data: bool) -> None:
    """Each kind of request has its status in both media types, and a data entry only where something ran."""
    for media, expected in ((RESPONSE, status), (LEGACY, legacy)):
        headers = {"accept": media, "content-type": "application/json"}
        found = await served.client.post("/graphql", content=json.dumps(body), headers=headers)
        assert found.status_code == expected, found.text
        assert found.headers["content-type"] == f"{media}; charset=utf-8"
        assert ("data" in found.json()) is data
        assert ("errors" in found.json()) is (status != 200)


async def test_what_is_no_request_is_refused(served: Served) -> None:
    """Methods, media types, charsets and encodings that are not ours are refused with the header that helps."""

    async def send(method: str = "POST", **more: Any) -> httpx.Response:
        headers = {"content-type": "application/json", "accept": RESPONSE, **more.get("headers", {})}
        content = more.get("content", json.dumps({"query": Q}))
        return await served.client.request(method, "/graphql", content=content, headers=headers)

    assert (await send("PUT")).status_code == 405
    assert (await send("PUT")).headers["allow"] == "GET, POST"
    assert (await send(headers={"content-type": "text/plain"})).status_code == 415
    assert (await send(headers={"content-type": "application/x-www-form-urlencoded"})).status_code == 415
    assert (await send(headers={"content-type": "multipart/form-data; boundary=x"})).status_code == 415
    assert (await send(headers={"content-type": "application/json; charset=utf-16"})).status_code == 415
    assert (await send(headers={"content-encoding": "gzip"}, content=gzip.compress(b"{}"))).status_code == 415
    assert (await send(headers={"accept": "image/png"})).status_code == 406
    assert (await send(content=b"{nonsense")).status_code == 400
    assert (await send(content=b'{"query": "\\ud800"}')).status_code == 400
    assert (await send(content=b'"' + b"[" * 100_000)).status_code == 400
    assert (await send(content=b"[" * 100_000)).status_code == 400
    assert (await send(content=b'{"query":"' + b"\xff" + b'"}')).status_code == 400
    assert (await send(content=b'{"variables":{"n":' + b"9" * 5000 + b'},"query":"{viewer{name}}"}')).status_code in (
        200,
        400,
    )


async def test_get_runs_queries_only(served: Served) -> None:
    """GET answers queries; a mutation gets 405 and changes nothing."""

    async def get(headers: dict[str, str] | None = None, **params: str) -> httpx.Response:
        return await served.client.get("/graphql", params=params, headers={"accept": RESPONSE, **(headers or {})})

    found = await get(query="query($f: Int) { tasks(first: $f) { nodes { id } } }", variables='{"f": 2}')
    assert len(found.json()["data"]["tasks"]["nodes"]) == 2
    refused = await get(query='mutation { cancelAudit(id: "x") { __typename } }')
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert (await get(query=Q, variables="{")).status_code == 400
    assert (await get(query=Q, variables="[]")).status_code == 400
    assert (await get(query=Q, operationName="")).status_code == 200
    assert (await get()).status_code == 400


async def test_other_sites_cannot_ask(served: Served) -> None:
    """A GET that a foreign page can cause is refused; one with a header that browsers ask about is not."""
    params = {"query": Q}

    async def status(**headers: str) -> int:
        return (await served.client.get("/graphql", params=params, headers=headers)).status_code

    assert await status(accept="*/*") == 403
    assert await status(accept="image/avif,*/*") == 403
    assert await status(accept=RESPONSE, **{"sec-fetch-site": "cross-site"}) == 403
    assert await status(accept="*/*", **{"graphql-require-preflight": "1"}) == 200
    assert await status(accept="*/*", **{"apollo-require-preflight": "true"}) == 200
    assert await status(accept="*/*", **{"sec-fetch-site": "same-origin"}) == 200
    assert await status(accept="*/*", **{"sec-fetch-mode": "cors", "origin": "https://evil.example"}) == 403
    assert await status(accept="*/*", **{"sec-fetch-mode": "no-cors"}) == 403
    assert await status(accept=LEGACY) == 200


async def test_another_name_for_this_machine_is_refused(served: Served) -> None:
    """While no token is asked for, a page that points its own name here (DNS rebinding) gets nothing."""
    body = {"query": Q}
    found = await served.client.post("/graphql", json=body, headers={"host": "evil.example:8000"})
    assert found.status_code == 401
    for host in ("localhost:1", "127.0.0.1", "[::1]:8000"):
        assert (await served.client.post("/graphql", json=body, headers={"host": host})).status_code == 200


async def test_get_answers_carry_a_tag(served: Served) -> None:
    """The same answer again costs no bytes; answers with errors, and POSTs, are never kept."""
    params, headers = {"query": "{ tasks { nodes { id } } }"}, {"accept": RESPONSE}
    first = await served.client.get("/graphql", params=params, headers=headers)
    assert first.headers["cache-control"] == "private, no-cache"
    assert "authorization" in first.headers["vary"]
    again = await served.client.get(
        "/graphql", params=params, headers={**headers, "if-none-match": first.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    assert (await served.post(Q)).headers["cache-control"] == "no-store"
    wrong = await served.client.get("/graphql", params={"query": "{ nope }"}, headers=headers)
    assert "etag" not in wrong.headers


async def test_long_answers_are_compressed(served: Served) -> None:
    """Only for who takes it, and only where it is worth it."""
    query = "{ tasks { nodes { id source { name capabilities { incremental } } provenance { fetchedAt } } } }"
    plain = await served.post(query, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    packed = await served.post(query, headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json() == plain.json()
    assert "content-encoding" not in (await served.post(Q, headers={"accept-encoding": "gzip"})).headers


async def test_large_and_slow_bodies_are_cut(serve: Callable[..., Any]) -> None:
    """A body over the limit is refused before it is read, a slow one after its time, and the server goes on."""
    async with serve(limits={"body_bytes": 2000, "body_seconds": 0.5, "head_seconds": 0.5}) as served:
        found = await served.client.post("/graphql", content=b"x" * 3000, headers={"content-type": "application/json"})
        assert found.status_code == 413

        head = b"POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        chunked = b"transfer-encoding: chunked\r\n\r\n" + b"400\r\n" + b" " * 1024 + b"\r\n"
        assert b" 413 " in await _raw(served, head + chunked + chunked.partition(b"\r\n\r\n")[2])
        assert b" 408 " in await _raw(served, head + b"content-length: 100\r\n\r\n{")
        assert b" 408 " in await _raw(served, head)
        assert b" 408 " in await _raw(served, b"")
        assert b" 431 " in await _raw(served, head + b"x-a: " + b"a" * 70_000)
        assert (await served.post(Q)).status_code == 200


async def _raw(served: Served, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*served.address)
    writer.write(data)
    began = time.monotonic()
    try:
        found = await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()
    assert time.monotonic() - began < 3
    return found


async def test_a_client_that_leaves_stops_its_query(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The work is cancelled when nobody waits for it."""
    began, ended = asyncio.Event(), asyncio.Event()

    async def slow(*_: Any, **__: Any) -> Any:
        began.set()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            ended.set()
            raise

    monkeypatch.setattr(type(served.edge.reader), "sources", slow)
    _, writer = await asyncio.open_connection(*served.address)
    body = json.dumps({"query": "{ sources { name } }"}).encode()
    writer.write(
        b"POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        % len(body)
        + body
    )
    await asyncio.wait_for(began.wait(), 5)
    writer.close()
    await asyncio.wait_for(ended.wait(), 5)


async def test_idle_sockets_leave_room(serve: Callable[..., Any]) -> None:
    """Sockets that say nothing are closed in time, those over the limit at once, and requests are answered meanwhile."""
    async with serve(limits={"connections": 150, "head_seconds": 1.0}) as served:
        idle = []
        for _ in range(400):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(served.address)
            idle.append(one)
        await asyncio.sleep(2.5)
        assert (await served.post(Q)).status_code == 200
        for one in idle:
            one.close()


async def test_every_answer_has_a_request_id(served: Served) -> None:
    """The caller's own id comes back if it is decent; else one is made."""
    found = await served.post(Q, headers={"x-request-id": "abc-1"})
    assert found.headers["x-request-id"] == "abc-1"
    assert found.headers["x-content-type-options"] == "nosniff"
    found = await served.post(Q, headers={"x-request-id": "bad id\x7f"[:6]})
    assert found.headers["x-request-id"] != "bad id"


async def test_the_deadline_ends_an_operation(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation that takes too long is refused with a clear code."""
    async with serve(limits={"operation_seconds": 0.2}) as served:

        async def slow(*_: Any, **__: Any) -> Any:
            await asyncio.sleep(5)

        monkeypatch.setattr(type(served.edge.reader), "sources", slow)
        found = await served.post("{ sources { name } }")
        assert found.status_code == 503
        assert found.json()["errors"][0]["extensions"]["code"] == "TIMEOUT"


async def test_browsers_of_allowed_origins_may_ask(serve: Callable[..., Any]) -> None:
    """CORS is off until an origin is named."""
    preflight = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    async with serve(server={"cors_origins": ("https://review.example.org",)}) as served:
        ask = {"origin": "https://review.example.org", **preflight}
        found = await served.client.options("/graphql", headers=ask)
        assert found.headers["access-control-allow-origin"] == "https://review.example.org"
        found = await served.client.options("/graphql", headers={**ask, "origin": "https://evil.example"})
        assert "access-control-allow-origin" not in found.headers
    async with serve() as served:
        found = await served.client.options("/graphql", headers=ask)
        assert "access-control-allow-origin" not in found.headers
