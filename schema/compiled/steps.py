"""What a plan is made of: steps that turn a list of values into as many answers, and objects made of such columns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from graphql.execution.values import VariableValues

from schema.context import Context


class Unfit(Exception):
    """Something a plan does not answer: the ordinary executor has to."""


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a plan."""

    context: Context
    variables: VariableValues


Answers: TypeAlias = list[Any]
Work: TypeAlias = Callable[[Sequence[Any], Run], Coroutine[Any, Any, Answers]]


@dataclass(frozen=True, slots=True)
class Step:
    """``work`` gives one answer for each value, or raises; ``waits`` when it may have to wait for a reader."""

    work: Work
    waits: bool = False


def before(prepare: Callable[[Sequence[Any]], Sequence[Any]], step: Step) -> Step:
    """The step, on values that are prepared first."""

    async def work(values: Sequence[Any], run: Run) -> Answers:
        return await step.work(prepare(values), run)

    return Step(work, step.waits)


def constant(answer: Any) -> Step:
    async def work(values: Sequence[Any], run: Run) -> Answers:
        return [answer] * len(values)

    return Step(work)


def objects(columns: Sequence[tuple[str, Step]]) -> Step:
    """One object for each value: the columns are worked out one by one, those that wait together."""
    names = tuple(name for name, _ in columns)
    ready = [(place, step.work) for place, (_, step) in enumerate(columns) if not step.waits]
    waiting = [(place, step.work) for place, (_, step) in enumerate(columns) if step.waits]

    async def work(values: Sequence[Any], run: Run) -> Answers:
        if not values or not names:
            return [{} for _ in values]
        found: list[Any] = [None] * len(names)
        for place, column in ready:
            found[place] = await column(values, run)
        answers = await together([column(values, run) for _, column in waiting])
        for (place, _), answer in zip(waiting, answers, strict=True):
            found[place] = answer
        return [dict(zip(names, row, strict=True)) for row in zip(*found, strict=True)]

    return Step(work, bool(waiting))


async def together(work: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
    """All results in order; when one fails the others are stopped."""
    if len(work) < 2:
        return [await one for one in work]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in work]
    return [task.result() for task in tasks]
