"""The cache of plans: second sight, bounds, shapes of directives; and what a plan gives back to the ordinary executor."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

from gateway.operations import Operations, Parameters
from gateway.store.store import Store
from schema.build import build
from schema.compiled import Plans
from schema.context import Context
from schema.limits import Limits
from schema.ports import Viewer
from tests.compiled.worlds import World

ADMIN = Viewer(scopes=frozenset({"admin"}))


@pytest.fixture
async def world(store: Store) -> Store:
    for collection, documents in World(Random(7)).collections().items():
        await store.db[collection].insert_many(documents)
    return store


async def run(plans: Plans, store: Store, text: str, viewer: Viewer = ADMIN, **variables: Any) -> Any:
    prepared = Operations(build(), Limits()).prepare(Parameters(text))
    context = Context(reader=store.reader, viewer=viewer)
    return await plans.execute(text, None, prepared.document, prepared.operation, variables, context)


async def ordinary(store: Store, text: str, viewer: Viewer = ADMIN, **variables: Any) -> Any:
    context = Context(reader=store.reader, viewer=viewer)
    result = await build().execute(text, variable_values=variables, context_value=context)
    assert result.errors is None
    return result.data


async def test_an_operation_is_compiled_when_it_comes_again(world: Store) -> None:
    """The first sight of a text costs nothing but its place; the second is answered by a plan."""
    plans = Plans(build())
    text = "{ tasks(first: 2) { nodes { id status } totalCount } }"
    assert await run(plans, world, text) is None
    assert await run(plans, world, text) == await ordinary(world, text)
    assert plans.outcomes == {"ordinary": 1, "compiled": 1}


async def test_pages_follow_each_other_by_their_cursors(world: Store) -> None:
    """Cursors of a plan's pages lead on and back, filtered, ordered and nested."""
    plans = Plans(build())
    text = """query ($after: String, $before: String, $first: Int, $last: Int) {
      tasks(first: $first, last: $last, after: $after, before: $before,
            orderBy: [{ field: PRIORITY, direction: DESC }], where: { not: { status: { eq: ERROR } } }) {
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor node { id priority } } } }"""
    await run(plans, world, text)
    after = None
    seen: list[str] = []
    while True:
        given = {"first": 2, "after": after}
        found = await run(plans, world, text, **given)
        assert found == await ordinary(world, text, **given)
        page = found["tasks"]
        seen += [edge["node"]["id"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert len(set(seen)) == len(seen) > 2
    back = {"last": 2, "before": page["pageInfo"]["startCursor"]}
    assert await run(plans, world, text, **back) == await ordinary(world, text, **back)


async def test_directives_choose_among_the_plans_of_a_text(world: Store) -> None:
    """Each combination of the Booleans in directives has its plan; past sixteen the ordinary executor answers."""
    plans = Plans(build())
    text = "query (" + " ".join(f"$b{n}: Boolean!" for n in range(5)) + ") { tasks(first: 1) { nodes { id "
    text += " ".join(f"f{n}: status @include(if: $b{n})" for n in range(5)) + " } } }"
    await run(plans, world, text, **{f"b{n}": True for n in range(5)})
    for number in range(32):
        switches = {f"b{n}": bool(number >> n & 1) for n in range(5)}
        found = await run(plans, world, text, **switches)
        assert (found is not None) == (number < 16)
        if found is not None:
            assert found == await ordinary(world, text, **switches)


async def test_the_cache_is_bounded_whatever_comes(world: Store) -> None:
    """A thousand different texts, each sent twice, leave no more than the bound, and the last one is still known."""
    plans = Plans(build(), most_columns=500)
    for number in range(1_000):
        text = f"{{ a{number}: viewer {{ name scopes }} }}"
        await run(plans, world, text)
        assert await run(plans, world, text) is not None
    assert 0 < plans._columns <= 500
    assert plans._columns == sum(known.size for known in plans._known.values())
    assert await run(plans, world, text) is not None
    for number in range(3_000):
        await run(plans, world, f"{{ b{number}: __typename }}")
    assert len(plans._seen) <= 1_000
    assert await run(plans, world, text) is not None  # texts that come once push out no plan


async def test_concurrent_requests_share_plans_and_nothing_else(world: Store) -> None:
    """Many at once, with other variables and viewers, each get their own answer."""
    plans = Plans(build())
    text = "query ($n: Int!) { tasks(first: $n) { nodes { id provenance { raw } campaign { name } } } }"
    viewers = (ADMIN, Viewer(scopes=frozenset({"read"}), sources=frozenset({"s"})))
    await run(plans, world, text, n=1)
    asked = [(viewers[number % 2], number % 5) for number in range(40)]
    found = await asyncio.gather(*(run(plans, world, text, viewer, n=n) for viewer, n in asked))
    for (viewer, n), one in zip(asked, found, strict=True):
        assert one == await ordinary(world, text, viewer, n=n)
    assert plans.outcomes == {"ordinary": 1, "compiled": 40}


@pytest.mark.parametrize(
    "text",
    [
        "{ __schema { queryType { name } } }",
        "{ _service { sdl } }",
        "subscription { syncRunChanged { id } }",
        'mutation { cancelAudit(id: "x") { __typename } }',
    ],
)
async def test_what_is_not_reading_is_left_to_the_ordinary_executor(text: str, world: Store) -> None:
    """Introspection, federation, mutations and subscriptions are never compiled."""
    plans = Plans(build())
    for _ in range(3):
        assert await run(plans, world, text) is None
    assert set(plans.outcomes) == {"ordinary"}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"status": "NO SUCH WORD"}, "{ tasks { nodes { status } } }"),
        ({"status": None}, "{ tasks { nodes { status } } }"),
        ({"tags": 5}, "{ tasks { nodes { tags } } }"),
        ({"tags": ["a", None]}, "{ tasks { nodes { tags } } }"),
        ({"priority": 2**40}, "{ tasks { nodes { priority } } }"),
        ({"consensus_score": float("nan")}, "{ tasks { nodes { consensusScore } } }"),
        ({"created_at": "yesterday"}, "{ tasks { nodes { createdAt } } }"),
        ({"phase": "first"}, "{ tasks { nodes { phase { name } } } }"),
        ({"metadata": "{"}, "{ tasks { nodes { metadata } } }"),
        ({"source": "gone"}, "{ tasks { nodes { source { name } } } }"),
    ],
)
async def test_odd_documents_are_told_of_by_the_ordinary_executor(
    change: dict[str, Any], text: str, world: Store
) -> None:
    """A plan that meets a value that does not fit gives up; the ordinary executor names the field."""
    await world.db["tasks"].update_one({}, {"$set": change})
    plans = Plans(build())
    await run(plans, world, text)
    assert await run(plans, world, text) is None
    assert plans.outcomes == {"ordinary": 1, "unfit": 1}
    context = Context(reader=world.reader, viewer=ADMIN)
    assert (await build().execute(text, context_value=context)).errors


async def test_a_fragment_reads_what_each_of_its_places_needs(world: Store) -> None:
    """A field of a fragment that is merged with more elsewhere reads that too, in both executions."""
    ids = 'a: task(by: { id: "gid://s/Task/0" }) { ...F } b: task(by: { id: "gid://s/Task/0" }) { ...F campaign { status } }'
    text = f"{{ {ids} }} fragment F on Task {{ campaign {{ name }} }}"
    plans = Plans(build())
    await world.db["tasks"].update_one({"_id": "gid://s/Task/0"}, {"$set": {"campaign": "gid://s/Campaign/0"}})
    expected = await ordinary(world, text)
    assert expected["b"]["campaign"]["status"] is not None
    await run(plans, world, text)
    assert await run(plans, world, text) == expected
