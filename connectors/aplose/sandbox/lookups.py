"""Django lookups as query parameters: ``label__name=Boat``, ``created_at__gt=…``, ``annotator!=3`` (sheet §5.3)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import is_dataclass
from datetime import UTC, date, datetime
from functools import cache
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from connectors.aplose.sandbox.model import TRENDS, Features

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "exact": lambda found, wanted: found == wanted,
    "iexact": lambda found, wanted: str(found).casefold() == wanted.casefold(),
    "gt": lambda found, wanted: found > wanted,
    "gte": lambda found, wanted: found >= wanted,
    "lt": lambda found, wanted: found < wanted,
    "lte": lambda found, wanted: found <= wanted,
    "contains": lambda found, wanted: wanted in str(found),
    "icontains": lambda found, wanted: wanted.casefold() in str(found).casefold(),
    "startswith": lambda found, wanted: str(found).startswith(wanted),
    "istartswith": lambda found, wanted: str(found).casefold().startswith(wanted.casefold()),
    "endswith": lambda found, wanted: str(found).endswith(wanted),
    "in": lambda found, wanted: found in wanted,
    "range": lambda found, wanted: wanted[0] <= found <= wanted[1],
}
TEXTUAL = {"iexact", "contains", "icontains", "startswith", "istartswith", "endswith"}
LOOKUPS = {*COMPARISONS, "isnull"}

LETTERS = {"type", "phase", "annotator_expertise_level", "status"}
"""Columns that hold the first letter of what the API says."""
RENAMED = {"pk": "id", "annotation_comments": "comments"}
HIDDEN = {"cells", "tasks", "password"}


class UnknownField(Exception):
    """A parameter that names no field of the model."""


def select(model: type, rows: Iterable[Any], parameters: Iterable[tuple[str, str]]) -> list[Any]:
    """The rows that every known parameter lets pass; raises ``ValueError`` for values that fit no column."""
    kept = list(rows)
    for name, value in parameters:
        words = name.removesuffix("!").split("__")
        lookup = words.pop() if len(words) > 1 and words[-1] in LOOKUPS else "exact"
        try:
            attributes, kind = resolve(model, tuple(words))
        except UnknownField:
            continue
        test = _test(attributes, lookup, _value(kind, lookup, value))
        kept = [row for row in kept if test(row) != name.endswith("!")]
    return kept


@cache
def resolve(model: type, path: tuple[str, ...]) -> tuple[tuple[str, ...], type]:
    """Attributes to follow from a record and the type at their end; a relation's value is its id."""
    attributes: list[str] = []
    kind: type = model
    for word in path:
        if not is_dataclass(kind):
            raise UnknownField(word)
        columns = {name: hint for name, hint in get_type_hints(kind).items() if name not in HIDDEN} | {"type": str}
        name = RENAMED.get(word, word)
        name = name if name in columns else name.removesuffix("_id")
        if name not in columns or not hasattr(kind, name):
            raise UnknownField(word)
        attributes.append(name)
        kind = _target(columns[name])
    return tuple(attributes), int if is_dataclass(kind) else kind


def _target(hint: Any) -> type:
    """``X | None``, ``list[X]`` and ``dict[…, X]`` all lead to X."""
    while get_args(hint):
        options = [each for each in get_args(hint) if each is not NoneType]
        hint = options[-1] if get_origin(hint) is dict else options[0]
    assert isinstance(hint, type)
    return hint


def _value(kind: type, lookup: str, text: str) -> Any:
    """The parameter as JSON where it is some, in the column's type: as upstream's filter hands it to Django."""
    try:
        wanted = json.loads(text)
    except ValueError:
        wanted = text
    if lookup == "isnull":
        return bool(wanted)
    if wanted is None:
        if lookup != "exact":
            raise ValueError("Cannot use None as a query value")
        return None
    if lookup in TEXTUAL:
        return str(wanted)
    if lookup in {"in", "range"}:
        # What is no list is read letter by letter, which fits single digits and nothing else.
        return [_fit(kind, each, str(each)) for each in (wanted if isinstance(wanted, list) else text)]
    return _fit(kind, wanted, text)


def _fit(kind: type, wanted: Any, text: str) -> Any:
    if isinstance(wanted, (list, dict)):
        raise ValueError(f"{wanted!r} fits no column")  # noqa: TRY004 -- one error for all misfits
    if kind is datetime:
        found = datetime.fromisoformat(text)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    if kind is date:
        return date.fromisoformat(text)
    if kind is bool:
        truth = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}
        if str(wanted).lower() not in truth:
            raise ValueError(f"{wanted!r} value must be either True or False.")
        return truth[str(wanted).lower()]
    return kind(wanted)


def _test(attributes: tuple[str, ...], lookup: str, wanted: Any) -> Callable[[Any], bool]:
    if lookup == "isnull" or wanted is None:
        return lambda row: all(found is None for found in _walk(row, attributes)) == (wanted in {None, True})
    compare = COMPARISONS[lookup]
    return lambda row: any(found is not None and compare(found, wanted) for found in _walk(row, attributes))


def _walk(row: Any, attributes: tuple[str, ...]) -> list[Any]:
    """All values at the end of a path: a back-relation stands for each of its rows, a relation for its id."""
    found = [row]
    for name in attributes:
        found = [each for one in found if one is not None for each in _step(one, name)]
    return [getattr(each, "id", each) for each in found]


def _step(row: Any, name: str) -> Iterable[Any]:
    value = getattr(row, name)
    if isinstance(value, Mapping):
        return value.values()
    if isinstance(value, list):
        return value
    if isinstance(value, str) and name in LETTERS:
        return [value[:1]]
    return [TRENDS[value] if isinstance(row, Features) and name == "trend" and value else value]
