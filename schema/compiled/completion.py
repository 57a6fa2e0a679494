"""How values become answers of a GraphQL type: nulls, lists, objects, and objects whose type the value tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from schema.compiled.steps import Answers, Run, Step, Unfit
from schema.fields import Backed


def nullable(step: Step) -> Step:
    """Null for None."""

    async def work(values: Sequence[Any], run: Run) -> Answers:
        if None not in values:
            return await step.work(values, run)
        answers = iter(await step.work([value for value in values if value is not None], run))
        return [None if value is None else next(answers) for value in values]

    return Step(work, step.waits)


def required(step: Step) -> Step:
    """No value may be None."""

    async def work(values: Sequence[Any], run: Run) -> Answers:
        if None in values:
            raise Unfit
        return await step.work(values, run)

    return Step(work, step.waits)


def listed(step: Step) -> Step:
    """Each value is a list; the items of all of them are worked on as one."""

    async def work(values: Sequence[Any], run: Run) -> Answers:
        if not {list, tuple}.issuperset(map(type, values)):
            raise Unfit
        return regrouped(values, await step.work(list(chain.from_iterable(values)), run))

    return Step(work, step.waits)


def regrouped(groups: Sequence[Sequence[Any]], answers: Sequence[Any]) -> list[list[Any]]:
    """Answers for the items of all groups, put into lists like the groups."""
    return list(_cut(groups, answers))


def _cut(groups: Sequence[Sequence[Any]], answers: Sequence[Any]) -> Iterator[list[Any]]:
    start = 0
    for group in groups:
        end = start + len(group)
        yield list(answers[start:end])
        start = end


def shown_by(cls: type, step: Step) -> Step:
    """Each value is an instance of exactly this class; views of documents are worked on as their documents."""
    backed = issubclass(cls, Backed)

    async def work(values: Sequence[Any], run: Run) -> Answers:
        if not {cls}.issuperset(map(type, values)):
            raise Unfit
        return await step.work([value.doc for value in values] if backed else values, run)

    return Step(work, step.waits)


def one_of(steps: Mapping[type, Step]) -> Step:
    """The class of each value says which step is meant for it."""

    async def work(values: Sequence[Any], run: Run) -> Answers:
        answers: Answers = [None] * len(values)
        places: dict[type, list[int]] = {}
        for place, value in enumerate(values):
            places.setdefault(type(value), []).append(place)
        for cls, ours in places.items():
            step = steps.get(cls)
            if step is None:
                raise Unfit
            for place, answer in zip(ours, await step.work([values[place] for place in ours], run), strict=True):
                answers[place] = answer
        return answers

    return Step(work, any(step.waits for step in steps.values()))
