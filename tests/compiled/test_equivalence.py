"""Compiled and ordinary execution answer alike: operations made from the schema, over healthy and corrupt documents."""

from __future__ import annotations

import os
from collections import Counter
from random import Random
from typing import Any

import orjson
import pytest
from graphql import get_operation_ast, parse, specified_rules, validate
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gateway.store.store import Store
from schema.build import build
from schema.compiled import Plans
from schema.context import Context
from schema.ports import Viewer
from tests.compiled.operations import Maker, Operation
from tests.compiled.worlds import SCHEMA, World

EXAMPLES = int(os.environ.get("LABELGATE_EQUIVALENCE", "100"))
VIEWERS = (
    Viewer(name="all", scopes=frozenset({"admin"})),
    Viewer(name="reads", scopes=frozenset({"read"})),
    Viewer(name="people of s", scopes=frozenset({"read", "people:read"}), sources=frozenset({"s"})),
)


async def fill(store: Store, world: World) -> None:
    for collection, documents in world.collections().items():
        await store.db[collection].delete_many({})
        await store.db[collection].insert_many(documents)


def context(store: Store, viewer: Viewer) -> Context:
    return Context(reader=store.reader, viewer=viewer)


async def ordinary(store: Store, operation: Operation, viewer: Viewer) -> Any:
    return await build().execute(
        operation.text, variable_values=operation.variables, context_value=context(store, viewer)
    )


async def compiled(store: Store, plans: Plans, operation: Operation, viewer: Viewer) -> Any:
    """What the plan answers at its second sight; None where it leaves that to the ordinary executor."""
    document = parse(operation.text)
    chosen = get_operation_ast(document)
    assert chosen is not None
    question = (operation.text, None, document, chosen, operation.variables)
    assert await plans.execute(*question, context(store, viewer)) is None
    return await plans.execute(*question, context(store, viewer))


async def check(store: Store, plans: Plans, operation: Operation, viewer: Viewer, seen: Counter[str]) -> None:
    """Whatever a plan answers is what the ordinary executor answers, byte for byte; errors are never a plan's."""
    problems = validate(SCHEMA, parse(operation.text), specified_rules)
    assert not problems, (operation.text, problems)
    expected = await ordinary(store, operation, viewer)
    found = await compiled(store, plans, operation, viewer)
    if expected.errors:
        seen["errors"] += 1
        assert found is None, operation
        return
    seen["compiled" if found is not None else "left"] += 1
    if found is not None:
        assert repr(found) == repr(expected.data), operation
        assert dumped(found) == dumped(expected.data), operation


def dumped(data: Any) -> bytes | str:
    try:
        return orjson.dumps(data)
    except TypeError as problem:
        return str(problem)


@pytest.mark.parametrize(("odd", "slips"), [(0, 0), (15, 0), (100, 0), (0, 60)], ids=["healthy", "odd", "broken", "refused"])
async def test_generated_operations_answer_alike(store: Store, odd: int, slips: int) -> None:
    """Data, key order and absence of errors agree; healthy documents are always answered by the plan."""
    await fill(store, World(Random(odd), odd))
    plans = Plans(build())
    seen: Counter[str] = Counter()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    @given(st.integers(0, 2**63), st.sampled_from(VIEWERS))
    async def alike(seed: int, viewer: Viewer) -> None:
        await check(store, plans, Maker(Random(seed), slips).operation(), viewer, seen)

    await alike.hypothesis.inner_test(1, VIEWERS[0])
    await run_all(alike)
    print(odd, slips, dict(seen))
    if not odd and not slips:
        assert seen["compiled"] == seen.total(), seen
    assert seen["compiled"] > seen.total() / 10, seen


async def run_all(test: Any) -> None:
    """Hypothesis calls plain functions: each example runs on the loop of this test."""
    import asyncio
    import threading

    loop = asyncio.get_running_loop()
    inner = test.hypothesis.inner_test

    def plain(**arguments: Any) -> None:
        asyncio.run_coroutine_threadsafe(inner(**arguments), loop).result()

    test.hypothesis.inner_test = plain
    await asyncio.to_thread(test)
