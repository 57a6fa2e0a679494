"""The base of every filter and ordering input: fields that name a path, and how they become predicates.

``null`` is an error wherever it is no comparator of its own, so that a client's missing variable never widens a
filter. ``in: []`` and ``or: []`` fit nothing, ``nin: []`` and ``and: []`` fit everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Self

import strawberry
from strawberry import UNSET

from schema.errors import Forbidden, RequestError
from schema.ports import AllOf, AnyOf, Compare, Not, Op, Order, Predicate, Related, Viewer, all_of

FILTER: Final = "filter"
DEEPEST: Final = 12
LONGEST_LIST: Final = 500
LONGEST_TEXT: Final = 1000


@dataclass(frozen=True, slots=True)
class On:
    """The path that a field of a filter compares."""

    path: str
    through: str = ""
    """A collection: ``path`` holds an id there, and ``inner`` is the path to compare in it."""
    inner: str = ""
    scope: str = ""
    """Comparing needs this scope: an answer would tell what the viewer may not see."""


def on(path: str, description: str, *, through: str = "", inner: str = "", scope: str = "") -> Any:
    """A field of a filter that compares what stands at ``path``."""
    return strawberry.field(description=description, default=UNSET, metadata={FILTER: On(path, through, inner, scope)})


class Comparator:
    """Base of comparator inputs: each set operator must hold."""

    def on(self, path: str, argument: str) -> Predicate:
        return all_of(self._each(path, argument))

    def _each(self, path: str, argument: str) -> Iterator[Predicate]:
        ignore_case = bool(getattr(self, "ignore_case", False))
        for op in Op:
            value = getattr(self, _ATTRIBUTES.get(op, op.value), UNSET)
            if value is UNSET:
                continue
            if value is None:
                raise RequestError(
                    f"{argument}.{op.value} is null; leave it out, or use `null: true` for missing values",
                    argument=argument,
                )
            yield Compare(path, op, _plain(value, argument), ignore_case and op is not Op.NULL)


_ATTRIBUTES: Final = {Op.NE: "neq", Op.IN: "in_"}


def _plain(value: Any, argument: str) -> Any:
    if isinstance(value, list):
        if len(value) > LONGEST_LIST:
            raise RequestError(f"{argument} lists more than {LONGEST_LIST} values", argument=argument)
        return tuple(_plain(item, argument) for item in value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            raise RequestError(f"{argument} is longer than {LONGEST_TEXT} characters", argument=argument)
        if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            raise RequestError(f"{argument} holds a lone surrogate, which is no character", argument=argument)
    return value


class Where:
    """Base of filter inputs: each set field must hold."""

    and_: Any
    or_: Any
    not_: Any

    @property
    def include_deleted(self) -> bool:
        return getattr(self, "with_deleted", False) is True

    def predicate(self, viewer: Viewer, depth: int = 0) -> Predicate:
        """What the filter means. Raises ``RequestError`` for nulls, lists and nesting over the limits."""
        if depth > DEEPEST:
            raise RequestError(f"the filter nests more than {DEEPEST} levels deep", argument="where")
        if depth and self.include_deleted:
            raise RequestError(
                "includeDeleted counts for the whole list: set it at the top of the filter", argument="includeDeleted"
            )
        return all_of(self._parts(viewer, depth))

    def _parts(self, viewer: Viewer, depth: int) -> Iterator[Predicate]:
        definition = type(self).__strawberry_definition__  # type: ignore[attr-defined]
        for field in definition.fields:
            value = getattr(self, field.python_name, UNSET)
            where = field.metadata.get(FILTER)
            if value is UNSET or field.python_name == "with_deleted":
                continue
            name = field.graphql_name or field.python_name
            if value is None:
                raise RequestError(f"{name} is null; leave it out instead", argument=name)
            if where is None:
                yield self._logic(field.python_name, value, viewer, depth + 1)
            else:
                yield self._compare(where, value, name, viewer)

    def _logic(self, word: str, value: Any, viewer: Viewer, depth: int) -> Predicate:
        if word == "not_":
            inner: Predicate = value.predicate(viewer, depth)
            return Not(inner)
        if len(value) > LONGEST_LIST:
            raise RequestError(f"{word.rstrip('_')} lists more than {LONGEST_LIST} filters", argument=word.rstrip("_"))
        parts = tuple(one.predicate(viewer, depth) for one in value)
        return AllOf(parts) if word == "and_" else AnyOf(parts)

    def _compare(self, where: On, value: Any, name: str, viewer: Viewer) -> Predicate:
        if where.scope and not viewer.may(where.scope):
            raise Forbidden(where.scope, f"filtering by {name}")
        if not isinstance(value, Comparator):
            return Compare(where.path, Op.EQ, _plain(value, name))
        if not where.through:
            return value.on(where.path, name)
        return _through(where, value.on(where.inner, name))


def _through(where: On, predicate: Predicate) -> Predicate:
    """The same comparison about a related document; what holds for a missing one is said by its opposite."""
    match predicate:
        case AllOf(parts):
            return AllOf(tuple(_through(where, part) for part in parts))
        case Compare(path, Op.NE, value, ignore_case):
            return Not(Related(where.path, where.through, Compare(path, Op.EQ, value, ignore_case)))
        case Compare(path, Op.NIN, value, ignore_case):
            return Not(Related(where.path, where.through, Compare(path, Op.IN, value, ignore_case)))
        case Compare(path, Op.NULL, True):
            return Not(Related(where.path, where.through, Compare(path, Op.NULL, value=False)))
    return Related(where.path, where.through, predicate)


@strawberry.enum(description="Which way a key sorts. Missing values come first ascending, last descending.")
class Direction(Enum):
    ASC = "ASC"
    DESC = "DESC"


class OrderBy:
    """Base of ordering inputs: the value of the ``field`` enum is the path."""

    field: Any
    direction: Direction

    def order(self) -> Order:
        return Order(self.field.value, self.direction is Direction.DESC)


__all__ = ["Comparator", "Direction", "On", "OrderBy", "Self", "Where", "on"]
