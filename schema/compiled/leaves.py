"""Scalars and enums, a column at a time: plain values pass as they are, others by graphql-core's own coercion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import isfinite
from types import NoneType
from typing import Any, Final

from graphql import GRAPHQL_MAX_INT, GRAPHQL_MIN_INT, GraphQLEnumType, GraphQLLeafType, Undefined

from schema.compiled.steps import Answers, Run, Step, Unfit

Fits = Callable[[Iterable[Any]], bool]


def _small(values: Iterable[Any]) -> bool:
    return all(GRAPHQL_MIN_INT <= value <= GRAPHQL_MAX_INT for value in values)


def _finite(values: Iterable[Any]) -> bool:
    return all(map(isfinite, values))


_PLAIN: Final[dict[str, tuple[type, Fits | None]]] = {
    "String": (str, None),
    "ID": (str, None),
    "Boolean": (bool, None),
    "Int": (int, _small),
    "Float": (float, _finite),
}
"""The type whose values are their own answer, and which of them are."""


def leaf(type_: GraphQLLeafType, *, nullable: bool) -> Step:
    """Answers of a scalar or an enum."""
    plain, fits = _plain(type_)
    types = frozenset({plain, NoneType} if nullable else {plain})
    coerce = type_.coerce_output_value

    async def work(values: Sequence[Any], run: Run) -> Answers:
        if types.issuperset(map(type, values)) and (fits is None or fits(v for v in values if v is not None)):
            return list(values)
        answers = [None if value is None else coerce(value) for value in values]
        nulls = answers.count(None)
        if any(answer is Undefined for answer in answers) or (nulls and (not nullable or nulls != values.count(None))):
            raise Unfit
        return answers

    return Step(work)


def _plain(type_: GraphQLLeafType) -> tuple[type | None, Fits | None]:
    if isinstance(type_, GraphQLEnumType):
        names = frozenset(name for name, value in type_.values.items() if value.value == name)
        return (str, names.issuperset)
    return _PLAIN.get(type_.name, (None, None))
