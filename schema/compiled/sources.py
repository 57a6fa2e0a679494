"""Where the answers of one field come from: the document itself, an attribute, or the field's own resolver."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from graphql import GraphQLResolveInfo

from schema.compiled.arguments import Arguments
from schema.compiled.steps import Answers, Run, Step, together
from schema.data import Part, Value, get


def stored(data: Value, path: str, completed: Step) -> Step:
    """A value at a path, as a ``ValueField`` reads it."""
    read = data.read

    async def work(docs: Sequence[Any], run: Run) -> Answers:
        if data.scope and not run.context.viewer.may(data.scope):
            return await completed.work([None] * len(docs), run)
        values = [doc.get(path) for doc in docs] if "." not in path else [get(doc, path) for doc in docs]
        if read is not None:
            values = [None if value is None else read(value) for value in values]
        return await completed.work(values, run)

    return Step(work, completed.waits)


def embedded(data: Part, path: str, completed: Step) -> Step:
    """Objects inside the document, as a ``PartField`` reads them."""
    wrap = data.wrap

    async def work(docs: Sequence[Any], run: Run) -> Answers:
        values = docs if path == "." else [get(doc, path) for doc in docs]
        if data.is_list:
            return await completed.work([[wrap(item) for item in value or ()] for value in values], run)
        return await completed.work([None if value is None else wrap(value) for value in values], run)

    return Step(work, completed.waits)


def attribute(name: str, completed: Step) -> Step:
    """An attribute of plain objects."""
    read = attrgetter(name)

    async def work(values: Sequence[Any], run: Run) -> Answers:
        return await completed.work(list(map(read, values)), run)

    return Step(work, completed.waits)


def resolved(
    info: GraphQLResolveInfo[Any], resolve: Any, arguments: Arguments, completed: Step, *, is_async: bool
) -> Step:
    """The field's own resolver, called for each value as the ordinary executor would."""

    async def work(values: Sequence[Any], run: Run) -> Answers:
        ours = info._replace(context=run.context, variable_values=run.variables)
        given = arguments(run)
        found = [resolve(value, ours, **given) for value in values]
        if is_async:
            found = await together(found)
        for one in found:
            if isinstance(one, Exception):
                raise one
        return await completed.work(found, run)

    return Step(work, is_async or completed.waits)
