"""Whether a document fits a predicate, in Python: what ``gateway.store.filters`` says to MongoDB."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Final, TypeAlias

from gateway.store.filters import fold_case
from schema.ports import AllOf, AnyOf, Compare, Doc, Not, Op, Predicate, Related

Fetch: TypeAlias = Callable[[str, Collection[str]], Awaitable[Mapping[str, Doc]]]
"""Documents of a collection by id, those that the subscriber may see."""


async def fits(doc: Doc, predicate: Predicate, fetch: Fetch) -> bool:
    """Documents that others name are fetched only where the rest of the predicate leaves it open."""
    match predicate:
        case AllOf(parts):
            for part in parts:
                if not await fits(doc, part, fetch):
                    return False
            return True
        case AnyOf(parts):
            for part in parts:
                if await fits(doc, part, fetch):
                    return True
            return False
        case Not(part):
            return not await fits(doc, part, fetch)
        case Related(path, collection, where):
            ids = [value for value in values_at(doc, path) if isinstance(value, str)]
            found = await fetch(collection, ids) if ids else {}
            for other in found.values():
                if await fits(other, where, fetch):
                    return True
            return False
        case Compare():
            return _compare(values_at(doc, predicate.path), predicate)
    raise TypeError(f"no predicate: {type(predicate).__name__}")


def values_at(doc: Doc, path: str) -> list[Any]:
    """All values at a dotted path, through lists; none where it leads nowhere."""
    found: list[Any] = [doc]
    for name in path.split("."):
        step: list[Any] = []
        for one in found:
            value = one.get(name) if isinstance(one, Mapping) else None
            if isinstance(value, list):
                step.extend(value)
            elif value is not None:
                step.append(value)
        found = step
    return found


def _compare(values: list[Any], compare: Compare) -> bool:
    op, wanted = compare.op, compare.value
    if op is Op.NULL:
        return (not values) is wanted
    if op in (Op.NE, Op.NIN):
        return not _compare(values, Compare(compare.path, _OPPOSITE[op], wanted, compare.ignore_case))
    fold = fold_case if compare.ignore_case else str
    if op is Op.IN:
        among = {fold(one) if isinstance(one, str) else one for one in wanted}
        return any((fold(value) if isinstance(value, str) else value) in among for value in values)
    if isinstance(wanted, str):
        wanted = fold(wanted)
        return any(_TEXT[op](fold(value), wanted) for value in values if isinstance(value, str))
    return any(_same_kind(value, wanted) and _TEST[op](value, wanted) for value in values)


def _same_kind(value: Any, wanted: Any) -> bool:
    """MongoDB compares numbers with numbers and dates with dates, and nothing across."""
    if isinstance(wanted, bool) or isinstance(value, bool):
        return isinstance(wanted, bool) and isinstance(value, bool)
    if isinstance(wanted, (int, float)):
        return isinstance(value, (int, float))
    return isinstance(value, type(wanted))


_OPPOSITE: Final = {Op.NE: Op.EQ, Op.NIN: Op.IN}
_TEST: Final[Mapping[Op, Callable[[Any, Any], bool]]] = {
    Op.EQ: lambda value, wanted: bool(value == wanted),
    Op.GT: lambda value, wanted: bool(value > wanted),
    Op.GTE: lambda value, wanted: bool(value >= wanted),
    Op.LT: lambda value, wanted: bool(value < wanted),
    Op.LTE: lambda value, wanted: bool(value <= wanted),
}
_TEXT: Final[Mapping[Op, Callable[[str, str], bool]]] = {
    **_TEST,
    Op.CONTAINS: lambda value, wanted: wanted in value,
    Op.STARTS_WITH: lambda value, wanted: value.startswith(wanted),
}
