"""Compiled and ordinary execution answer alike: operations made from the schema, over healthy and corrupt documents."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gateway.operations import NotExecuted, Operations, Parameters, Prepared
from gateway.store.store import Store
from schema.build import build
from schema.compiled import Plans
from schema.context import Context
from schema.limits import Limits
from schema.ports import Viewer
from tests.compiled.operations import Maker, Operation
from tests.compiled.worlds import World

EXAMPLES = int(os.environ.get("LABELGATE_EQUIVALENCE", "400")) // 4
"""For each of four worlds."""
ANYTHING = Limits(depth=100, aliases=10_000, root_fields=1000, directives=10_000, fields=10**6)
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


async def compiled(store: Store, prepared: Prepared, operation: Operation, viewer: Viewer) -> Any:
    """What a plan answers at the operation's second sight; None where it leaves that to the ordinary executor."""
    plans = Plans(build())
    question = (operation.text, None, prepared.document, prepared.operation, operation.variables)
    assert await plans.execute(*question, context(store, viewer)) is None
    return await plans.execute(*question, context(store, viewer))


async def check(store: Store, operation: Operation, viewer: Viewer, seen: Counter[str]) -> None:
    """Whatever a plan answers is what the ordinary executor answers, byte for byte; errors are never a plan's."""
    try:
        prepared = Operations(build(), ANYTHING).prepare(Parameters(operation.text))
    except NotExecuted as problem:
        raise AssertionError((operation, problem.errors)) from problem
    expected = await ordinary(store, operation, viewer)
    found = await compiled(store, prepared, operation, viewer)
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


@dataclass
class Trial:
    """Documents in a store, how often arguments may be refused, and what became of the operations so far."""

    store: Store
    slips: int
    seen: Counter[str] = field(default_factory=Counter)


@pytest.fixture(params=[(0, 0), (15, 0), (100, 0), (0, 60)], ids=["healthy", "odd", "broken", "refused"])
async def trial(request: pytest.FixtureRequest, store: Store) -> AsyncIterator[Trial]:
    odd, slips = request.param
    await fill(store, World(Random(odd), odd))
    made = Trial(store, slips)
    yield made
    print(request.node.callspec.id, dict(made.seen))
    assert made.seen["compiled"] > made.seen.total() / 4
    if not odd:
        assert made.seen["left"] == 0


# graphql-core leaves resolvers of a failed selection unawaited.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:.*:pytest.PytestUnraisableExceptionWarning")
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
@given(seed=st.integers(0, 2**63), viewer=st.sampled_from(VIEWERS))
async def test_generated_operations_answer_alike(trial: Trial, seed: int, viewer: Viewer) -> None:
    """Data, key order and absence of errors agree; healthy documents are always answered by the plan."""
    operation = Maker(Random(seed), trial.slips).operation()
    await check(trial.store, operation, viewer, trial.seen)
