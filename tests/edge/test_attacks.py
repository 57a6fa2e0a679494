"""What must hold under attack: each is refused in bounded time and memory, with a clear code."""

from __future__ import annotations

import asyncio
import json
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from gateway.operations import NotExecuted, Operations, Parameters
from gateway.store.store import Store
from schema.build import build
from schema.limits import Limits
from tests.edge.conftest import RESPONSE, Served, edge_settings, serving

SECONDS = 2.5
"""Of the processor's time, client and server together; most take a few milliseconds."""

BIG = 10**6


def nested_or(levels: int) -> Any:
    where: Any = {"source": {"eq": "reef"}}
    for _ in range(levels):
        where = {"or": [where]}
    return where


def doubling(count: int) -> str:
    spreads = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(count))
    return f"{{ ...F0 }} {spreads} fragment F{count} on Query {{ __typename }}"


LIST = "query($w: TaskWhere) { tasks(where: $w) { totalCount } }"
CONTAINS = '{ tasks(where: {externalId: {contains: "%s"}}) { totalCount } }'

#: name: (query, variables, code, a word of the message)
ATTACKS: dict[str, tuple[str, Any, str, str]] = {
    "10,000 aliases": ("{" + " ".join(f"a{n}: __typename" for n in range(10_000)) + "}", None, "INVALID", ""),
    "1,000 aliases": ("{" + " ".join(f"a{n}: __typename" for n in range(1_000)) + "}", None, "INVALID", "aliases"),
    "root fields": (" ".join(["{", *["viewer { name }"] * 50, "}"]), None, "INVALID", "root fields"),
    "one field a thousand times": ("{ viewer {" + " name" * 2_500 + "} }", None, "INVALID", "fields"),
    "fields that are compared": ("{ viewer {" + " name" * 1_900 + "} }", None, "INVALID", "abort"),
    "depth 1,000": ("{" + "a{" * 1_000 + "b" + "}" * 1_001, None, "INVALID", "nested too deeply"),
    "depth 20": (
        "{tasks{nodes{campaign{" + "tasks{nodes{campaign{" * 6 + "id" + "}}}" * 6 + "}}}}",
        None, "INVALID", "levels",
    ),
    "a circle of fragments": (
        "{...A} fragment A on Query {...B} fragment B on Query {...A}", None, "INVALID", "spreads itself",
    ),
    "a fragment of itself": ("{...A} fragment A on Query {...A}", None, "INVALID", "spreads itself"),
    "doubling fragments": (doubling(18), None, "INVALID", "limit"),
    "doubling fragments, long": (doubling(300), None, "INVALID", ""),
    "1 MB of tokens": ("{" + " a" * 450_000 + "}", None, "INVALID", ""),
    "tokens": ("{" + " a" * 6_000 + "}", None, "INVALID", "token"),
    "comments": ("#\n" * 40_000 + "{viewer{name}}", None, "INVALID", ""),
    "directives on a field": ("{ viewer " + "@include(if: true) " * 900 + "{ name } }", None, "INVALID", ""),
    "directives all over": (
        "{ viewer {" + " ".join("name @skip(if: false)" for _ in range(100)) + "} }", None, "INVALID", "directives",
    ),
    "unknown directives": ("{ viewer " + "@x " * 1_300 + "{ name } }", None, "INVALID", "directives"),
    "many variables": (
        "query(" + " ".join(f"$a{n}: Int" for n in range(1_200)) + ") { viewer { name } }", None, "INVALID", "",
    ),
    "a page of ten million": ("{ tasks(first: 10000000) { nodes { id } } }", None, "INVALID", "between 0 and 500"),
    "a page below zero": ("{ tasks(first: -1) { nodes { id } } }", None, "INVALID", "between 0 and 500"),
    "an integer too large": ("{ tasks(first: 99999999999999999999) { nodes { id } } }", None, "INVALID", "Int"),
    "pages of pages of pages": (
        "{tasks(first:100){nodes{campaign{tasks(first:100){nodes{annotations(first:100){nodes{id}}}}}}}}",
        None, "COST_EXCEEDED", "objects",
    ),
    "pages by variables": (
        "query($n:Int=500){tasks(first:$n){edges{node{audits(first:$n){nodes{id}}}}}}",
        {"n": 500}, "COST_EXCEEDED", "objects",
    ),
    "pages by default variables": (
        "query($n:Int=500){tasks(first:$n){edges{node{audits(first:$n){nodes{id}}}}}}", None, "COST_EXCEEDED", "",
    ),
    "or, 1,000 deep, as variable": (LIST, {"w": nested_or(400)}, "INVALID", "levels deep"),
    "or, 50 deep, as variable": (LIST, {"w": nested_or(25)}, "INVALID", "levels deep"),
    "or, 1,000 deep, as literal": (
        "{tasks(where:" + "{or:[" * 1_000 + "]}" * 1_000 + "){totalCount}}", None, "INVALID", "",
    ),
    "or, 30 deep, as literal": (
        "{tasks(where:" + "{or:[" * 30 + "]}" * 30 + "){totalCount}}", None, "INVALID", "levels deep",
    ),
    "or, 5,000 wide": (LIST, {"w": {"or": [{"source": {"eq": "x"}}] * 5_000}}, "INVALID", "500 filters"),
    "in, 5,000 wide": (LIST, {"w": {"externalId": {"in": ["x"] * 5_000}}}, "INVALID", "500 values"),
    "a long text": (LIST, {"w": {"externalId": {"contains": "a" * 200_000}}}, "INVALID", "1000 characters"),
    "10,000 ids": ("query($i: [ID!]!) { nodes(ids: $i) { id } }", {"i": ["x"] * 10_000}, "INVALID", "500"),
    "5,000 representations": (
        "query($r: [_Any!]!) { _entities(representations: $r) { __typename } }",
        {"r": [{"__typename": "Task", "id": "x"}] * 5_000}, "INVALID", "1000",
    ),
    "a representation of nothing": (
        "query($r: [_Any!]!) { _entities(representations: $r) { __typename } }",
        {"r": [{"__typename": "Nope"}]}, "INVALID", "entity",
    ),
    "a representation that is a number": (
        "query($r: [_Any!]!) { _entities(representations: $r) { __typename } }", {"r": [5]}, "INVALID", "entity",
    ),
    "a representation with code in it": (
        "query($r: [_Any!]!) { _entities(representations: $r) { __typename } }",
        {"r": [{"__typename": "Task", "id": {"$ne": None}}]}, "INVALID", "strings",
    ),
    "a cursor that is none": ('{ tasks(after: "%%%") { nodes { id } } }', None, "INVALID", "cursor"),
    "a cursor of nothing": ('{ tasks(after: "") { nodes { id } } }', None, "INVALID", "cursor"),
    "a cursor of base64": ('{ tasks(after: "bm90aGluZw") { nodes { id } } }', None, "INVALID", "cursor"),
    "a cursor of bytes": ('{ tasks(after: "gICAgA") { nodes { id } } }', None, "INVALID", "cursor"),
    "a date of nonsense": (
        '{ tasks(where: {createdAt: {gt: "yesterday"}}) { totalCount } }', None, "INVALID", "RFC 3339",
    ),
    "an unknown enum as variable": (
        "query($d: Direction!) { tasks(orderBy: [{field: NAME, direction: $d}]) { totalCount } }",
        {"d": "ASCC"}, "INVALID", "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
async def test_attacks_are_refused(served: Served, name: str) -> None:
    """In bounded time, with a clear code, in few words, and without internals or suggestions of names."""
    query, variables, code, word = ATTACKS[name]
    began = time.process_time()
    found = await served.post(query, variables)
    seconds = time.process_time() - began
    body = found.json()
    assert found.status_code in (400, 413, 294)
    errors = body["errors"]
    assert {error.get("extensions", {}).get("code") for error in errors} == {code}, errors[:3]
    assert word.lower() in errors[0]["message"].lower()
    assert len(errors) <= 11
    assert len(found.content) < 20_000
    assert seconds < SECONDS
    for leak in ("Traceback", "padding", "codec", "pymongo", "graphql/", "site-packages"):
        assert leak not in found.text


async def test_a_large_attack_takes_little_memory(filled: Store) -> None:
    """The worst documents of one megabyte are judged within a few megabytes."""
    operations = Operations(build(), Limits())
    for query in ("{" + " a" * 450_000 + "}", doubling(900), "{" + "a{" * 3_000, "#" * BIG, '"' * BIG):
        tracemalloc.start()
        with pytest.raises(NotExecuted):
            operations.prepare(Parameters(query))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 30 * BIG, query[:20]


async def test_memory_of_documents_is_bounded(filled: Store) -> None:
    """A million different documents leave no more behind than the cache may hold."""
    operations = Operations(build(), Limits())
    for n in range(400):
        operations.prepare(Parameters("{ viewer { name } }" + " " * 9_000 + f"# {n}"))
    assert operations._characters <= 1_000_000
    assert len(operations._known) < 120


async def test_a_hundred_megabytes_are_not_read(served: Served) -> None:
    """A body over the limit ends by its length, before it is sent."""
    reader, writer = await asyncio.open_connection(*served.address)
    writer.write(
        b"POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        b"content-length: 100000000\r\n\r\n"
    )
    head = await asyncio.wait_for(reader.readuntil(b"\r\n"), 5)
    assert b" 413 " in head
    writer.close()


async def test_strange_characters_are_only_characters(served: Served) -> None:
    """Null bytes, dollar signs and surrogates in values find nothing and break nothing."""
    for text in ("\0", "a\0b", "$ne", "{$gt: ''}", "../..", "'; drop", "\u2028", "\uffff", "🐋" * 200, "(a+)+$" * 100):
        data = await served.data(LIST, {"w": {"externalId": {"contains": text}}})
        assert data["tasks"]["totalCount"] == 0
        data = await served.data("query($i: ID!) { node(id: $i) { id } }", {"i": f"gid://reef/Task/{text}"})
        assert data["node"] is None
    body = b'{"query": "query($i: ID!) { node(id: $i) { id } }", "variables": {"i": "\\ud800"}}'
    headers = {"content-type": "application/json", "accept": RESPONSE}
    assert (await served.client.post("/graphql", content=body, headers=headers)).status_code == 400
    found = await served.post('{ node(id: "\\uD83D") { id } }')
    assert found.status_code in (200, 400)
    assert "INTERNAL" not in found.text


async def test_cursors_belong_to_their_question(served: Served) -> None:
    """A cursor of another filter or order is refused."""
    data = await served.data("{ tasks(first: 1) { pageInfo { endCursor } } }")
    cursor = data["tasks"]["pageInfo"]["endCursor"]
    good = await served.data("query($a: String) { tasks(after: $a) { nodes { id } } }", {"a": cursor})
    assert len(good["tasks"]["nodes"]) == 11
    for query in (
        'query($a: String) { tasks(after: $a, where: {source: {eq: "reef"}}) { nodes { id } } }',
        "query($a: String) { tasks(after: $a, orderBy: [{field: PRIORITY}]) { nodes { id } } }",
        "query($a: String) { assets(after: $a) { nodes { id } } }",
    ):
        found = await served.post(query, {"a": cursor})
        assert found.json()["errors"][0]["extensions"]["code"] == "INVALID"


async def test_patterns_are_literal_and_quick(served: Served) -> None:
    """``contains`` with what would be an evil pattern is a plain search."""
    began = time.process_time()
    assert (await served.data(CONTAINS % ("(a|aa)+" * 100)))["tasks"]["totalCount"] == 0
    assert time.process_time() - began < SECONDS


@pytest.fixture
async def production(filled: Store) -> AsyncIterator[Served]:
    """What a server on a network gets by default."""
    settings = edge_settings(server={"host": "0.0.0.0"})
    assert (settings.server.introspection, settings.server.graphiql, settings.server.debug) == (False, False, False)
    async with serving(filled, settings) as served:
        yield served


async def test_production_tells_nothing_of_itself(production: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """No introspection, no GraphiQL, no suggestions, no details of errors, but an id to ask about."""
    found = await production.post("{ __schema { types { name } } }")
    assert (found.status_code, "introspection" in found.text) == (400, True)
    assert (await production.post('{ __type(name: "Task") { name } }')).status_code == 400
    page = await production.client.get("/graphql", headers={"accept": "text/html"})
    assert "<html" not in page.text
    for query, variables in (
        ("{ taskss { totalCount } }", None),
        ("{ tasks(wher: {}) { totalCount } }", None),
        ('{ tasks(where: {sourc: {eq: "x"}}) { totalCount } }', None),
        ("{ ... on Quer { __typename } }", None),
        ("query($d: Direction!) { tasks(orderBy: [{field: STATUS, direction: $d}]) { totalCount } }", {"d": "ASCC"}),
        ("query($w: TaskWhere) { tasks(where: $w) { totalCount } }", {"w": {"sourc": {"eq": "x"}}}),
    ):
        found = await production.post(query, variables)
        assert found.status_code == 400
        assert "Did you mean" not in found.text

    async def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("mongodb://user:password@host is broken")

    monkeypatch.setattr(type(production.edge.reader), "sources", broken)
    found = await production.post("{ sources { name } }", headers={"x-request-id": "ask-me"})
    [error] = found.json()["errors"]
    assert "password" not in found.text
    assert (error["extensions"]["code"], error["extensions"]["requestId"]) == ("INTERNAL", "ask-me")


async def test_development_helps(served: Served) -> None:
    """On loopback introspection and GraphiQL are on."""
    assert (await served.data("{ __schema { queryType { name } } }"))["__schema"]["queryType"]["name"] == "Query"
    page = await served.client.get("/graphql", headers={"accept": "text/html,*/*;q=0.5"})
    assert "graphiql" in page.text.lower()


async def test_cost_is_told(served: Served) -> None:
    """Each answer says what it cost: pages times what stands in them."""
    body = (
        await served.post("{ tasks(first: 10) { nodes { id asset { id } audits(first: 3) { nodes { id } } } } }")
    ).json()
    assert body["extensions"]["cost"] == {"requested": 1 + 10 * (1 + 1 + 1 + 3), "limit": 50_000}
    assert (await served.post("{ viewer { name } }")).json()["extensions"]["cost"]["requested"] == 1


async def test_quotas_are_kept(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests a minute and at once, each told in headers, refused with 429 and the time to wait."""
    async with serve(limits={"requests_per_minute": 5}) as served:
        answers = [await served.post("{ viewer { name } }") for _ in range(7)]
        assert [found.status_code for found in answers] == [200] * 5 + [429] * 2
        assert [found.headers["ratelimit-remaining"] for found in answers[:5]] == ["4", "3", "2", "1", "0"]
        assert int(answers[-1].headers["retry-after"]) in range(1, 14)
        assert answers[-1].json()["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
    async with serve(limits={"concurrent_requests": 3}) as served:
        gate = asyncio.Event()

        async def slow(*_: Any, **__: Any) -> Any:
            await gate.wait()
            return []

        monkeypatch.setattr(type(served.edge.reader), "sources", slow)
        asking = [asyncio.create_task(served.post("{ sources { name } }")) for _ in range(8)]
        await asyncio.sleep(0.5)
        gate.set()
        codes = sorted(found.status_code for found in await asyncio.gather(*asking))
        assert codes == [200] * 3 + [429] * 5
        assert (await served.post("{ viewer { name } }")).status_code == 200


async def test_deep_json_values_still_pass(served: Served) -> None:
    """Limits on nesting leave room for a corrected answer as a platform writes it."""
    answer: Any = 1
    for _ in range(40):
        answer = [answer]
    query = """mutation($f: JSON) { submitAudit(input: {idempotencyKey: "d", task: {id: "gid://reef/Task/t1"},
      result: FIXED, fixedResponse: $f}) { __typename ... on UserError { message } } }"""
    data = await served.data(query, {"f": answer})
    assert data["submitAudit"]["__typename"] in ("AuditSubmitted", "Invalid")
    json.dumps(data)
