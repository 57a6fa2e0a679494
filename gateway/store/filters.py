"""Translates predicates into MongoDB filters that mean exactly what ``schema.ports`` says."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from bson.regex import Regex

from schema.ports import AllOf, AnyOf, Compare, Not, Op, Predicate

Filter = dict[str, Any]

NOTHING: Final[Filter] = {"$nor": [{}]}
_NEGATED: Final = {Op.NE: Op.EQ, Op.NIN: Op.IN}
_ALPHANUMERIC: Final = re.compile(r"[A-Za-z0-9]")


def translate(predicate: Predicate) -> Filter:
    """The filter for a predicate without ``Related`` parts (the reader resolves those first)."""
    match predicate:
        case Compare():
            return _compare(predicate)
        case AllOf(parts):
            filters = [part for part in map(translate, parts) if part]
            return _conjunction(filters)
        case AnyOf(parts):
            return {"$or": [translate(part) for part in parts]} if parts else NOTHING
        case Not(part):
            return {"$nor": [translate(part)]}
    raise TypeError(f"unresolved predicate {type(predicate).__name__}")


def _conjunction(filters: list[Filter]) -> Filter:
    if not filters:
        return {}
    merged: Filter = {}
    for one in filters:
        if any(key in merged for key in one):
            return {"$and": filters}
        merged |= one
    return merged


def _compare(compare: Compare) -> Filter:
    path, op, value = compare.path, compare.op, compare.value
    if op in _NEGATED:
        positive = _compare(Compare(path, _NEGATED[op], value, compare.ignore_case))
        return {"$nor": [positive]} if compare.ignore_case or isinstance(value, datetime) else {path: {f"${op}": value}}
    if op is Op.NULL:
        return _missing(path) if value else _present(path)
    if op is Op.IN:
        values = list(value)
        if compare.ignore_case:
            return {path: {"$in": [_pattern(one, "^", r"\z", ignore_case=True) for one in values]}}
        return {path: {"$in": values}}
    if op is Op.CONTAINS:
        return {path: {"$regex": _pattern(value, "", "", ignore_case=compare.ignore_case)}}
    if op is Op.STARTS_WITH:
        return {path: {"$regex": _pattern(value, "^", "", ignore_case=compare.ignore_case)}}
    if op is Op.EQ and compare.ignore_case and isinstance(value, str):
        return {path: {"$regex": _pattern(value, "^", r"\z", ignore_case=True)}}
    if isinstance(value, datetime):
        return _moment(path, op, value)
    return {path: value} if op is Op.EQ else {path: {f"${op}": value}}


LISTS: Final = frozenset({"assets", "assignees", "errors.type", "labels", "tags"})
"""Paths that lead to lists: an empty one has no value, so it counts as missing."""


def _missing(path: str) -> Filter:
    return {"$nor": [_present(path)]} if path in LISTS else {path: None}


def _present(path: str) -> Filter:
    return {path: {"$gte": ""}} if path in LISTS else {path: {"$ne": None}}


def _moment(path: str, op: Op, value: datetime) -> Filter:
    """Dates are stored in milliseconds; a bound between two of them must not be cut to the lower one."""
    rest = value.microsecond % 1000
    floor = value - timedelta(microseconds=rest)
    if not rest:
        return {path: floor} if op is Op.EQ else {path: {f"${op}": floor}}
    if op is Op.EQ:
        return NOTHING
    return {path: {"$gt" if op in (Op.GT, Op.GTE) else "$lte": floor}}


def _pattern(text: str, before: str, after: str, *, ignore_case: bool) -> Regex[str]:
    """A regular expression for literal text. Letter case is spelt out, so that Unicode means what Python says."""
    body = "".join(_letter(char) if ignore_case else _literal(char) for char in text)
    return Regex(f"{before}{body}{after}")


def _literal(char: str) -> str:
    if char == "\0":
        return r"\x00"
    return char if ord(char) > 127 or _ALPHANUMERIC.match(char) else "\\" + char


def _letter(char: str) -> str:
    variants = case_variants(char)
    return f"[{''.join(map(_literal, variants))}]" if len(variants) > 1 else _literal(char)


def fold_case(text: str) -> str:
    """What ignoreCase compares: each character's case folding, where that is one character."""
    return "".join(_fold(char) for char in text)


def _fold(char: str) -> str:
    folded = char.casefold()
    return folded if len(folded) == 1 else char


def case_variants(char: str) -> str:
    """All characters that ignoreCase takes for this one, itself included."""
    return _folding().get(_fold(char), char)


@cache
def _folding() -> Mapping[str, str]:
    groups: dict[str, list[str]] = defaultdict(list)
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        folded = _fold(char)
        if folded != char:
            groups[folded].append(char)
    return {folded: folded + "".join(others) for folded, others in groups.items()}
