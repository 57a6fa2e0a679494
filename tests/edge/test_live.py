"""Live updates over WebSockets and Server-Sent Events: what is told, to whom, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import websockets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.documents import Page, Task, TaskStatus
from gateway.matching import fits
from gateway.store.store import Store
from gateway.tokens import Tokens
from gateway.watch import Hub
from schema.ports import EVERYTHING, AllOf, AnyOf, Compare, Fell, Not, Op, Related
from tests import oracle
from tests.edge.conftest import Served, edge_settings, put, serving
from tests.gateway import test_reader

PROTOCOL = websockets.Subprotocol("graphql-transport-ws")
TASKS = "subscription($w: TaskWhere) { taskChanged(where: $w) { id status source { name } campaign { name } } }"
AUDITS = "subscription { auditChanged { id result delivery { state } task { id } } }"
RUNS = "subscription { syncRunChanged { id state source { name } } }"
SUBMIT = """mutation { submitAudit(input: {idempotencyKey: "%s", task: {id: "gid://reef/Task/t1"}, result: ACCEPTED})
  { __typename } }"""


class Socket:
    """A client of graphql-transport-ws, message by message."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def send(self, **message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def receive(self, seconds: float = 8) -> dict[str, Any]:
        return json.loads(await asyncio.wait_for(self.connection.recv(), seconds))

    async def init(self, payload: Any = None) -> None:
        await self.send(type="connection_init", **({} if payload is None else {"payload": payload}))
        assert await self.receive() == {"type": "connection_ack"}

    async def subscribe(self, id_: str, query: str, variables: Any = None) -> None:
        await self.send(type="subscribe", id=id_, payload={"query": query, "variables": variables})

    async def closed(self, seconds: float = 8) -> tuple[int, str]:
        with contextlib.suppress(websockets.ConnectionClosed):
            async with asyncio.timeout(seconds):
                while True:
                    await self.connection.recv()
        return self.connection.close_code, self.connection.close_reason


@contextlib.asynccontextmanager
async def connected(served: Served, **more: Any) -> AsyncIterator[Socket]:
    more.setdefault("subprotocols", [PROTOCOL])
    async with websockets.connect(served.ws_url, **more) as connection:
        yield Socket(connection)


async def change(store: Store, *names: str, source: str = "reef", status: TaskStatus = TaskStatus.IN_REVIEW) -> None:
    tasks = [Task(external_id=name, status=status) for name in names]
    await put(store, source, Page(documents=tasks))


async def listening(served: Served, count: int = 1) -> None:
    while served.edge.hub.subscribers < count:
        await asyncio.sleep(0.01)
    await served.edge.hub.ready()


# --- what is told -----------------------------------------------------------------------------------------------------


async def test_a_changed_task_is_told(served: Served) -> None:
    """In full, with what it refers to, once for each change, to those whose filter it fits."""
    where = {"externalId": {"in": ["t1", "t2"]}, "campaignName": {"startsWith": "Reef"}, "platform": {"eq": "toy"}}
    async with connected(served) as socket:
        await socket.init()
        await socket.subscribe("1", TASKS, {"w": where})
        await listening(served)
        await change(served.edge.store, "t0", "t1", "t3")
        await change(served.edge.store, "t2", source="forest")
        first, second = await socket.receive(), await socket.receive()
        expected = {"status": "IN_REVIEW", "campaign": {"name": "Reef fish"}}
        assert first["payload"]["data"]["taskChanged"] == {
            "id": "gid://reef/Task/t1", "source": {"name": "reef"}, **expected,
        }  # fmt: skip
        assert second["payload"]["data"]["taskChanged"] == {
            "id": "gid://forest/Task/t2", "source": {"name": "forest"}, **expected,
        }  # fmt: skip
        with pytest.raises(TimeoutError):
            await socket.receive(0.5)
        await socket.send(type="complete", id="1")
        await asyncio.sleep(0.3)
        assert served.edge.hub.subscribers == 0


async def test_audits_and_runs_are_told(served: Served) -> None:
    """A verdict submitted here, and the runs that store pages."""
    async with connected(served) as socket:
        await socket.init()
        await socket.subscribe("a", AUDITS)
        await socket.subscribe("r", RUNS)
        await listening(served, 2)
        await served.data(SUBMIT % "one")
        told = await socket.receive()
        assert (told["id"], told["payload"]["data"]["auditChanged"]["result"]) == ("a", "ACCEPTED")
        assert told["payload"]["data"]["auditChanged"]["task"]["id"] == "gid://reef/Task/t1"
        await change(served.edge.store, "t1")
        states = [(await socket.receive())["payload"]["data"]["syncRunChanged"]["state"]]
        while states[-1] != "SUCCEEDED":
            states.append((await socket.receive())["payload"]["data"]["syncRunChanged"]["state"])
        assert set(states) <= {"RUNNING", "SUCCEEDED"}


async def test_queries_and_mutations_run_over_sockets_too(served: Served) -> None:
    """One result, then complete; what is not valid is an error and nothing else."""
    async with connected(served) as socket:
        await socket.init()
        await socket.subscribe("q", "{ viewer { name } }")
        assert (await socket.receive())["payload"]["data"] == {"viewer": {"name": "anonymous"}}
        assert await socket.receive() == {"id": "q", "type": "complete"}
        await socket.subscribe("q", "{ nothing }")
        error = await socket.receive()
        assert (error["type"], error["payload"][0]["extensions"]["code"]) == ("error", "INVALID")
        await socket.subscribe("q", "{ a: tasks(first: 500) { nodes { annotations(first: 500) { nodes { id } } } } }")
        assert (await socket.receive())["payload"][0]["extensions"]["code"] == "COST_EXCEEDED"
        await socket.subscribe("q", 'subscription { taskChanged(where: {createdAt: {gt: "x"}}) { id } }')
        assert (await socket.receive())["type"] == "error"
        await socket.send(type="ping")
        assert await socket.receive() == {"type": "pong"}


async def test_events_over_sse(served: Served) -> None:
    """The protocol of graphql-sse: next events, a comment first, complete at the end."""
    headers = {"accept": "text/event-stream", "content-type": "application/json"}
    body = {"query": TASKS}
    async with served.client.stream("POST", "/graphql", json=body, headers=headers) as stream:
        assert (stream.status_code, stream.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        lines = stream.aiter_lines()
        assert await anext(lines) == ":"
        await listening(served)
        await change(served.edge.store, "t1")
        assert [await anext(lines) for _ in range(2)] == ["", "event: next"]
        data = json.loads((await anext(lines)).removeprefix("data: "))
        assert data["data"]["taskChanged"]["id"] == "gid://reef/Task/t1"
    for _ in range(100):
        if served.edge.hub.subscribers == 0:
            break
        await asyncio.sleep(0.05)
    assert served.edge.hub.subscribers == 0
    found = await served.client.post("/graphql", json={"query": "{ viewer { name } }"}, headers=headers)
    assert found.text.split("\n\n")[1].startswith('event: next\ndata: {"data":{"viewer"')
    assert found.text.endswith("event: complete\ndata: \n\n")
    found = await served.client.post("/graphql", json={"query": "{ nothing }"}, headers=headers)
    assert (found.status_code, "event: complete" in found.text, '"errors"' in found.text) == (200, True, True)
    params = {"query": "{ viewer { name } }"}
    found = await served.client.get("/graphql", params=params, headers={"accept": "text/event-stream"})
    assert "event: next" in found.text


async def test_who_mentions_events_gets_json_for_queries(served: Served) -> None:
    """urql names text/event-stream in all its requests: a query is answered as JSON all the same."""
    accept = "application/graphql-response+json, application/json, text/event-stream, multipart/mixed"
    found = await served.post("{ viewer { name } }", headers={"accept": accept})
    assert found.headers["content-type"].startswith("application/graphql-response+json")


# --- who may ----------------------------------------------------------------------------------------------------------


async def test_close_codes(serve: Callable[..., Any]) -> None:
    """Each breach of the protocol has its code."""
    async with serve(limits={"head_seconds": 0.5}) as served:
        async with connected(served) as socket:
            assert await socket.closed() == (4408, "Connection initialisation timeout")
        async with connected(served) as socket:
            await socket.subscribe("1", TASKS)
            assert (await socket.closed())[0] == 4401
        async with connected(served) as socket:
            await socket.init()
            await socket.send(type="connection_init")
            assert (await socket.closed())[0] == 4429
        async with connected(served) as socket:
            await socket.init()
            await socket.subscribe("1", TASKS)
            await socket.subscribe("1", TASKS)
            assert await socket.closed() == (4409, "Subscriber for 1 already exists")
        for message in (
            "nonsense", "[]", "5", "{}", '{"type":"start"}', '{"type":"subscribe","id":""}',
            '{"type":"subscribe","id":"1"}', '{"type":"subscribe","id":"1","payload":"x"}', b"\x00", "[" * 5_000,
            '{"type":"complete"}',
        ):  # fmt: skip
            async with connected(served) as socket:
                await socket.init()
                await socket.connection.send(message)
                assert (await socket.closed())[0] == 4400, message
        async with connected(served) as socket:
            await socket.send(type="connection_init", payload="x")
            assert (await socket.closed())[0] == 4400
        async with connected(served, subprotocols=[websockets.Subprotocol("graphql-ws")]) as socket:
            assert (await socket.closed())[0] == 4406
        async with connected(served) as socket:
            await socket.init()
            await socket.connection.send("x" * 1_100_000)
            assert (await socket.closed())[0] == 1009
        with pytest.raises(websockets.InvalidStatus):
            async with connected(served, origin="https://evil.example"):
                pass


async def test_sockets_ask_for_tokens(filled: Store) -> None:
    """By header or by connection_init; a wrong one closes with a reason, and only one's own sources are told."""
    tokens = Tokens(filled.db)
    _, forest = await tokens.create("forest", ["read"], sources=["forest"])
    _, mute = await tokens.create("mute", ["audit"])
    async with serving(filled, edge_settings()) as served:
        for payload in (None, {"authorization": "Bearer nonsense"}, {"token": "x"}):
            async with connected(served) as socket:
                await socket.send(type="connection_init", payload=payload)
                code, reason = await socket.closed()
                assert (code, reason.split(":")[0]) == (4403, "Forbidden")
        for payload in ({"Authorization": f"Bearer {forest}"}, {"token": forest}, {"authorization": forest}):
            async with connected(served) as socket:
                await socket.init(payload)
        async with connected(served, additional_headers={"authorization": f"Bearer {forest}"}) as socket:
            await socket.init()
            await socket.subscribe("1", TASKS)
            await listening(served)
            await change(filled, "t1", source="reef")
            await change(filled, "t2", source="forest")
            assert (await socket.receive())["payload"]["data"]["taskChanged"]["id"] == "gid://forest/Task/t2"
        async with connected(served) as socket:
            await socket.init({"token": mute})
            await socket.subscribe("1", TASKS)
            assert (await socket.receive())["payload"][0]["extensions"]["requiredScope"] == "read"
        headers = {"accept": "text/event-stream"}
        assert (await served.client.post("/graphql", json={"query": TASKS}, headers=headers)).status_code == 401


async def test_a_token_that_ends_closes_its_sockets(filled: Store) -> None:
    """A socket and a stream outlive their token by no more than a moment."""
    _, text = await Tokens(filled.db).create("short", ["read"], lives=dt.timedelta(seconds=4))
    async with serving(filled, edge_settings()) as served:
        headers = {"accept": "text/event-stream", "authorization": f"Bearer {text}"}
        streaming = asyncio.create_task(served.client.post("/graphql", json={"query": TASKS}, headers=headers))
        async with connected(served) as socket:
            await socket.init({"token": text})
            await socket.subscribe("1", TASKS)
            assert await socket.closed() == (4403, "Forbidden: the token is expired")
        found = await streaming
        assert '"code":"UNAUTHENTICATED"' in found.text
        assert found.text.endswith("event: complete\ndata: \n\n")


async def test_floods_of_subscriptions_are_refused(serve: Callable[..., Any]) -> None:
    """A socket, and a token, hold only so many."""
    async with serve(limits={"subscriptions_per_socket": 5, "subscriptions": 8}) as served:
        async with connected(served) as one, connected(served) as other:
            for socket, allowed in ((one, 5), (other, 3)):
                await socket.init()
                for n in range(7):
                    await socket.subscribe(str(n), TASKS)
                refused = [await socket.receive() for _ in range(7 - allowed)]
                assert {message["payload"][0]["extensions"]["code"] for message in refused} == {"RATE_LIMITED"}
            assert served.edge.hub.subscribers == 8
        await asyncio.sleep(0.3)
        assert served.edge.hub.subscribers == 0


async def test_good_bye_is_said(filled: Store) -> None:
    """When the process ends, sockets close with a reason and streams complete with one, at once."""
    async with serving(filled, edge_settings()) as served:
        headers = {"accept": "text/event-stream"}
        streaming = asyncio.create_task(served.client.post("/graphql", json={"query": TASKS}, headers=headers))
        async with connected(served) as socket:
            await socket.init()
            await socket.subscribe("1", TASKS)
            await listening(served, 2)
            served.server.should_exit = True
            code, reason = await socket.closed()
            assert (code, "shutting down" in reason) == (1001, True)
        found = await streaming
        assert "shutting down" in found.text
        assert found.text.endswith("event: complete\ndata: \n\n")


# --- the hub ----------------------------------------------------------------------------------------------------------


async def follow(hub: Hub, found: list[Any], collection: str = "tasks", **more: Any) -> None:
    where, sources = more.pop("where", EVERYTHING), more.pop("sources", None)
    async for doc in hub.follow(collection, where, sources=sources, **more):
        found.append(doc["_id"])  # noqa: PERF401 - each as it comes


async def test_a_slow_subscriber_falls_alone(filled: Store) -> None:
    """Who does not read is dropped with a reason, and nobody else notices."""
    hub = Hub(filled, room=10)
    found: list[Any] = []
    quick = asyncio.create_task(follow(hub, found))
    slow = hub.follow("tasks", EVERYTHING, sources=None)
    first = asyncio.create_task(anext(slow))
    await asyncio.sleep(0)
    await hub.ready()
    await change(filled, "t0")
    await first
    await put(filled, "reef", Page(documents=[Task(external_id=f"n{n}") for n in range(50)]))
    while len(found) < 51:
        await asyncio.sleep(0.02)
    with pytest.raises(Fell, match="keep up"):
        [doc async for doc in slow]
    assert hub.subscribers == 1
    quick.cancel()
    await asyncio.gather(quick, return_exceptions=True)
    await hub.close()


async def test_the_stream_goes_on_where_it_broke(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What changes while the stream is broken is told when it is open again."""
    from gateway import watch as module

    broken = asyncio.Event()
    opened = 0
    original = module.watch

    @contextlib.asynccontextmanager
    async def breaking(*arguments: Any, **options: Any) -> AsyncIterator[Any]:
        nonlocal opened
        opened += 1
        async with original(*arguments, **options) as changes:
            poll = changes.poll

            async def failing() -> Any:
                if broken.is_set():
                    broken.clear()
                    await change(filled, "t5")
                    raise OSError("the primary is gone")
                return await poll()

            changes.poll = failing
            yield changes

    monkeypatch.setattr(module, "watch", breaking)
    hub = Hub(filled)
    found: list[Any] = []
    following = asyncio.create_task(follow(hub, found))
    await asyncio.sleep(0)
    await hub.ready()
    await change(filled, "t1")
    while found != ["gid://reef/Task/t1"]:
        await asyncio.sleep(0.02)
    broken.set()
    while "gid://reef/Task/t5" not in found:
        await asyncio.sleep(0.02)
    assert (opened, found, hub.trouble) == (2, ["gid://reef/Task/t1", "gid://reef/Task/t5"], None)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await hub.close()


async def test_what_was_missed_is_said(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the oplog no longer reaches back, subscribers are told to read again."""
    from gateway import watch as module

    hub = Hub(filled)
    following = asyncio.create_task(follow(hub, []))
    await asyncio.sleep(0)
    await hub.ready()
    monkeypatch.setattr(module, "history_lost", lambda problem: True)
    monkeypatch.setattr(Hub, "_take", lambda *_: (_ for _ in ()).throw(OSError("gone")))
    await change(filled, "t1")
    with pytest.raises(Fell, match="missed"):
        await asyncio.wait_for(following, 10)
    await hub.close()


async def test_many_changes_at_once_reach_everybody(filled: Store) -> None:
    """Two thousand changed tasks and fifty subscribers: each gets each."""
    hub = Hub(filled, room=5_000)
    found: list[list[Any]] = [[] for _ in range(50)]
    following = [asyncio.create_task(follow(hub, one)) for one in found]
    await asyncio.sleep(0)
    await hub.ready()
    for batch in range(4):
        tasks = [Task(external_id=f"m{batch}-{n}") for n in range(500)]
        await put(filled, "reef", Page(documents=tasks))
    async with asyncio.timeout(60):
        while any(len(one) < 2_000 for one in found):
            await asyncio.sleep(0.1)
    assert all(len(set(one)) == 2_000 for one in found)
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)
    await hub.close()


# --- filters in Python ------------------------------------------------------------------------------------------------


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_filters_mean_the_same_in_python(data: st.DataObject) -> None:
    """For random documents and filters, ``fits`` says what plain Python says in ``tests.oracle``."""
    values = st.one_of(
        test_reader.texts, test_reader.floats, test_reader.integers, test_reader.moments, st.booleans(), st.none()
    )
    doc = data.draw(
        st.fixed_dictionaries(
            {"a": values, "tags": st.lists(test_reader.texts, max_size=3), "other": st.sampled_from(["x", "y", None])}
        )
    )
    value = doc["a"]
    same_kind = st.nothing()
    for kind, strategy in ((str, test_reader.texts), (bool, st.booleans()), (dt.datetime, test_reader.finer)):
        if isinstance(value, kind):
            same_kind = strategy
            break
    else:
        if isinstance(value, (int, float)):
            same_kind = st.one_of(test_reader.floats, test_reader.integers)
    compares = [
        st.builds(Compare, st.just("a"), st.just(Op.NULL), st.booleans()),
        st.builds(
            Compare,
            st.just("tags"),
            st.sampled_from([Op.EQ, Op.NE, Op.CONTAINS, Op.STARTS_WITH, Op.GT, Op.LTE]),
            test_reader.texts,
            st.booleans(),
        ),
        st.builds(
            Compare,
            st.just("tags"),
            st.sampled_from([Op.IN, Op.NIN]),
            st.lists(test_reader.texts, max_size=3).map(tuple),
            st.booleans(),
        ),
        st.builds(
            lambda text: Related("other", "others", Compare("name", Op.EQ, text)), st.sampled_from(["one", "two", "no"])
        ),
    ]
    if value is not None:
        ops = [Op.EQ, Op.NE] if isinstance(value, bool) else [Op.EQ, Op.NE, Op.GT, Op.GTE, Op.LT, Op.LTE]
        compares.append(st.builds(Compare, st.just("a"), st.sampled_from(ops), same_kind))
    predicate = data.draw(
        st.recursive(
            st.one_of(*compares),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3).map(lambda parts: AllOf(tuple(parts))),
                st.lists(inner, max_size=3).map(lambda parts: AnyOf(tuple(parts))),
                inner.map(Not),
            ),
            max_leaves=6,
        )
    )
    others = [{"_id": "x", "name": "one"}, {"_id": "y", "name": "two"}]

    async def fetch(collection: str, ids: Any) -> Any:
        assert collection == "others"
        return {one["_id"]: one for one in others if one["_id"] in ids}

    assert await fits(doc, predicate, fetch) is oracle.fits(doc, predicate, {"others": others})


async def test_httpx_is_the_client_here(served: Served) -> None:
    """A stream that its client leaves without a word is cleaned up."""
    async with httpx.AsyncClient(base_url=served.url) as client:
        headers = {"accept": "text/event-stream"}
        async with client.stream("POST", "/graphql", json={"query": AUDITS}, headers=headers):
            await listening(served)
    async with asyncio.timeout(5):
        while served.edge.hub.subscribers:
            await asyncio.sleep(0.05)
