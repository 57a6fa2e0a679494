"""What filters and orderings mean, in plain Python: the yardstick for the MongoDB translation."""

from __future__ import annotations

from datetime import datetime
from functools import cmp_to_key
from typing import Any

from schema.ports import AllOf, AnyOf, Compare, Not, Op, Order, Predicate, Related


def fold_case(text: str) -> str:
    return "".join(c.casefold() if len(c.casefold()) == 1 else c for c in text)


def values_at(doc: dict[str, Any], path: str) -> list[Any]:
    """All values at a dotted path, through lists; none where the path leads nowhere."""
    found: list[Any] = [doc]
    for name in path.split("."):
        step: list[Any] = []
        for one in found:
            if isinstance(one, dict) and one.get(name) is not None:
                value = one[name]
                step.extend(value) if isinstance(value, list) else step.append(value)
        found = step
    return found


def fits(doc: dict[str, Any], predicate: Predicate, others: dict[str, list[dict[str, Any]]]) -> bool:
    match predicate:
        case AllOf(parts):
            return all(fits(doc, part, others) for part in parts)
        case AnyOf(parts):
            return any(fits(doc, part, others) for part in parts)
        case Not(part):
            return not fits(doc, part, others)
        case Related(path, collection, where):
            ids = values_at(doc, path)
            return any(other["_id"] in ids and fits(other, where, others) for other in others[collection])
        case Compare():
            return _compare(values_at(doc, predicate.path), predicate)
    raise AssertionError(predicate)


def _compare(values: list[Any], compare: Compare) -> bool:
    def key(value: Any) -> Any:
        return fold_case(value) if compare.ignore_case and isinstance(value, str) else value

    wanted = compare.value
    match compare.op:
        case Op.NULL:
            return (not values) is wanted
        case Op.EQ:
            return any(key(v) == key(wanted) for v in values)
        case Op.NE:
            return all(key(v) != key(wanted) for v in values)
        case Op.IN:
            return any(key(v) in [key(w) for w in wanted] for v in values)
        case Op.NIN:
            return all(key(v) not in [key(w) for w in wanted] for v in values)
        case Op.CONTAINS:
            return any(key(wanted) in key(v) for v in values)
        case Op.STARTS_WITH:
            return any(key(v).startswith(key(wanted)) for v in values)
        case Op.GT:
            return any(v > wanted for v in values)
        case Op.GTE:
            return any(v >= wanted for v in values)
        case Op.LT:
            return any(v < wanted for v in values)
        case Op.LTE:
            return any(v <= wanted for v in values)
    raise AssertionError(compare)


def ordered(docs: list[dict[str, Any]], order: tuple[Order, ...]) -> list[dict[str, Any]]:
    """Missing values first ascending and last descending; the id breaks ties in the last direction."""
    keys = [*order, Order("_id", order[-1].descending if order else False)]

    def compare(a: dict[str, Any], b: dict[str, Any]) -> int:
        for key in keys:
            x, y = (next(iter(values_at(doc, key.path)), None) for doc in (a, b))
            if x == y:
                continue
            less = y is not None if x is None else (y is not None and _less(x, y))
            return -1 if less is not key.descending else 1
        return 0

    return sorted(docs, key=cmp_to_key(compare))


def _less(x: Any, y: Any) -> bool:
    if isinstance(x, str):
        return x.encode("utf-8") < y.encode("utf-8")
    assert isinstance(x, (int, float, datetime))
    return bool(x < y)
