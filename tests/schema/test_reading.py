"""Looking things up: by id, by external id, as federation entities; what is not there, and what is not yours."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.documents import Annotation, Annotator, Asset, Campaign, Page, Task, TaskStatus, UnmappedValue
from gateway.engine import store_pages
from gateway.store.leases import held
from gateway.store.store import Store
from schema.build import build
from schema.context import Context
from schema.ports import Viewer

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


@pytest.fixture
async def filled(store: Store) -> Store:
    for source in ("one", "two"):
        documents = [
            Campaign(external_id="c", name=f"Campaign of {source}"),
            Asset(external_id="a/b c", name="asset", campaign="c", raw={"big": 2**80, "x": [None, "\ud800"]}),
            Task(
                external_id="t",
                campaign="c",
                asset="a/b c",
                assets=("a/b c",),
                status=TaskStatus.COMPLETED,
                created_at=NOW,
                raw={"t": 1},
            ),
            Annotator(external_id="p", name="Pat", email="pat@example.org"),
            Annotation(
                external_id="m",
                task="t",
                asset="a/b c",
                campaign="c",
                author="p",
                label="L",
                value=UnmappedValue(shape="odd", json={"k": [1]}),
            ),
        ]

        async def pages(documents: Any = documents) -> Any:
            yield Page(documents=documents)

        async with held(store.db, f"sync:{source}", "test") as lease:
            await store_pages(store, pages(), source=source, mode="IMPORT", lease=lease)
        await store.db["sources"].insert_one(
            {"_id": source, "platform": "toy", "enabled": True, "health": "OK", "capabilities": {}}
        )
    return store


async def ask(store: Store, text: str, *, viewer: Viewer | None = None, **variables: Any) -> Any:
    context = Context(reader=store.reader, viewer=viewer or Viewer(scopes=frozenset({"admin"})))
    result = await build().execute(text, variable_values=variables, context_value=context)
    assert result.errors is None, result.errors
    return result.data


async def test_every_kind_is_found_by_its_global_id(filled: Store) -> None:
    """node gives back what lists gave, for every type; external ids with spaces and slashes included."""
    data = await ask(
        filled,
        "{ tasks(first: 1) { nodes { id campaign { id } asset { id } source { id } provenance { syncRun { id } } annotations { nodes { id author { id } } } } } }",
    )
    task = data["tasks"]["nodes"][0]
    mark = task["annotations"]["nodes"][0]
    ids = {
        "Task": task["id"],
        "Campaign": task["campaign"]["id"],
        "Asset": task["asset"]["id"],
        "Source": task["source"]["id"],
        "SyncRun": task["provenance"]["syncRun"]["id"],
        "Annotation": mark["id"],
        "Annotator": mark["author"]["id"],
    }
    for kind, id_ in ids.items():
        assert await ask(filled, "query ($id: ID!) { node(id: $id) { __typename id } }", id=id_) == {
            "node": {"__typename": kind, "id": id_}
        }
    nodes = await ask(
        filled, "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=[*ids.values(), "gid://one/Task/none"]
    )
    assert nodes["nodes"] == [*({"id": id_} for id_ in ids.values()), None]


@pytest.mark.parametrize(
    "id_",
    [
        "",
        "x",
        "gid://",
        "gid://one",
        "gid://one/Task/",
        "gid://one/Nope/t",
        "gid://two/Task/none",
        "gid://one/Task/\0",
        "t",
    ],
)
async def test_what_leads_nowhere_is_null(id_: str, filled: Store) -> None:
    """An id that is unknown, malformed or of no kind is null without an error."""
    assert await ask(filled, "query ($id: ID!) { node(id: $id) { id } }", id=id_) == {"node": None}


async def test_external_ids_name_things(filled: Store) -> None:
    """@oneOf references: by global id or by source and external id, and the kind has to fit."""
    text = """{ task(by: { external: { source: "two", externalId: "t" } }) { id externalId sourceName }
      asset(by: { external: { source: "one", externalId: "a/b c" } }) { name }
      campaign(by: { id: "gid://one/Campaign/c" }) { name } wrong: campaign(by: { id: "gid://one/Task/t" }) { name } }"""
    assert await ask(filled, text) == {
        "task": {"id": "gid://two/Task/t", "externalId": "t", "sourceName": "two"},
        "asset": {"name": "asset"},
        "campaign": {"name": "Campaign of one"},
        "wrong": None,
    }


async def test_entities_by_both_keys(filled: Store) -> None:
    """Federation references by id and by sourceName and externalId; unknown ones are null."""
    text = (
        "query ($r: [_Any!]!) { _entities(representations: $r) { ... on Task { id status } ... on Campaign { name } } }"
    )
    data = await ask(
        filled,
        text,
        r=[
            {"__typename": "Task", "id": "gid://one/Task/t"},
            {"__typename": "Task", "sourceName": "two", "externalId": "t"},
            {"__typename": "Campaign", "sourceName": "two", "externalId": "c"},
            {"__typename": "Task", "sourceName": "two", "externalId": "none"},
        ],
    )
    assert data["_entities"] == [
        {"id": "gid://one/Task/t", "status": "COMPLETED"},
        {"id": "gid://two/Task/t", "status": "COMPLETED"},
        {"name": "Campaign of two"},
        None,
    ]


async def test_payloads_come_back_exactly(filled: Store) -> None:
    """raw keeps integers of any size and odd characters; unmapped values keep their shape; times keep milliseconds."""
    text = '{ task(by: { id: "gid://one/Task/t" }) { createdAt asset { provenance { raw } } annotations { nodes { value { ... on UnmappedValue { kind json } } } } } }'
    task = (await ask(filled, text))["task"]
    assert task["createdAt"] == "2026-01-02T03:04:05.678Z"
    assert task["asset"]["provenance"]["raw"] == {"big": 2**80, "x": [None, "\ud800"]}
    assert task["annotations"]["nodes"] == [{"value": {"kind": "odd", "json": {"k": [1]}}}]


async def test_scopes_hide_payloads_and_people(filled: Store) -> None:
    """Without raw:read and people:read the fields are null, and filters on e-mails are refused."""
    viewer = Viewer(scopes=frozenset({"read"}))
    text = '{ task(by: { id: "gid://one/Task/t" }) { provenance { raw } annotations { nodes { author { name email identities { id } } } } } }'
    task = (await ask(filled, text, viewer=viewer))["task"]
    assert task == {
        "provenance": {"raw": None},
        "annotations": {"nodes": [{"author": {"name": "Pat", "email": None, "identities": []}}]},
    }
    context = Context(reader=filled.reader, viewer=viewer)
    result = await build().execute(
        '{ annotators(where: { email: { contains: "@" } }) { totalCount } }', context_value=context
    )
    assert result.errors is not None
    assert result.errors[0].extensions == {"code": "FORBIDDEN", "requiredScope": "people:read"}


async def test_a_token_without_a_source_sees_nothing_of_it(filled: Store) -> None:
    """Lists, counts, look-ups, relations and entities all end at the sources of the viewer."""
    viewer = Viewer(scopes=frozenset({"admin"}), sources=frozenset({"one"}))
    text = """query ($r: [_Any!]!) { tasks { totalCount nodes { sourceName } } sources { name } syncRuns { totalCount }
      node(id: "gid://two/Task/t") { id } other: node(id: "gid://two/Source/two") { id }
      task(by: { external: { source: "two", externalId: "t" } }) { id } viewer { sources { name } }
      annotators { nodes { identities { id } } }
      _entities(representations: $r) { ... on Task { id } } }"""
    data = await ask(filled, text, viewer=viewer, r=[{"__typename": "Task", "sourceName": "two", "externalId": "t"}])
    assert data == {
        "tasks": {"totalCount": 1, "nodes": [{"sourceName": "one"}]},
        "sources": [{"name": "one"}],
        "syncRuns": {"totalCount": 1},
        "node": None,
        "other": None,
        "task": None,
        "viewer": {"sources": [{"name": "one"}]},
        "annotators": {"nodes": [{"identities": []}]},
        "_entities": [None],
    }


async def test_the_same_person_elsewhere(filled: Store) -> None:
    """Annotators with one e-mail on several sources know of each other."""
    data = await ask(filled, '{ annotators(where: { source: { eq: "one" } }) { nodes { identities { id } } } }')
    assert data == {"annotators": {"nodes": [{"identities": [{"id": "gid://two/Annotator/p"}]}]}}


def test_odd_payloads_can_be_sent() -> None:
    """An answer with integers over 64 bits, lone surrogates and NaN is valid JSON with the same values, NaN as null."""
    import json

    from gateway.responses import dumps

    body = {"data": {"raw": {"big": 2**80, "half": "\ud800", "nan": float("nan"), "ok": [1.5, None, True]}}}
    assert json.loads(dumps(body)) == {
        "data": {"raw": {"big": 2**80, "half": "\ud800", "nan": None, "ok": [1.5, None, True]}}
    }
