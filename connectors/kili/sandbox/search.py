"""The category search of label filters: ``JOB.CATEGORY.count <op> n`` with AND, OR and parentheses (fact sheet §6)."""

from __future__ import annotations

import operator
import re
from collections import Counter
from collections.abc import Callable
from typing import TypeAlias

Counts: TypeAlias = Counter[str]
Predicate: TypeAlias = Callable[[Counts], bool]

_OPERATORS: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq,
    ">=": operator.ge,
    "<=": operator.le,
    "<": operator.lt,
    ">": operator.gt,
}
_TOKEN = re.compile(r"\s*(?:(?P<mark>[()])|(?P<op>==|>=|<=|<|>)|(?P<word>[^\s()<>=]+))")


def compile_search(text: str) -> Predicate:
    """A predicate over a label's ``JOB.CATEGORY`` counts. Raises ``ValueError`` for what the grammar has not."""
    parser = _Parser(_tokens(text))
    predicate = parser.either()
    if parser.rest():
        raise ValueError(f"category search: unexpected {parser.rest()[0]!r}")
    return predicate


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"category search: cannot read {text[at:]!r}")
        tokens.append(match[0].strip())
        at = match.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    def rest(self) -> list[str]:
        return self._tokens[self._at :]

    def either(self) -> Predicate:
        parts = [self._both()]
        while self.rest()[:1] == ["OR"]:
            self._at += 1
            parts.append(self._both())
        return lambda counts: any(part(counts) for part in parts)

    def _both(self) -> Predicate:
        parts = [self._one()]
        while self.rest()[:1] == ["AND"]:
            self._at += 1
            parts.append(self._one())
        return lambda counts: all(part(counts) for part in parts)

    def _one(self) -> Predicate:
        if self.rest()[:1] == ["("]:
            self._at += 1
            inner = self.either()
            self._take(")")
            return inner
        name, sign, number = self._take(), self._take(), self._take()
        if not name.endswith(".count") or sign not in _OPERATORS or not number.isdecimal():
            raise ValueError(f"category search: {name} {sign} {number} is no JOB.CATEGORY.count <op> number")
        category, compare, limit = name.removesuffix(".count"), _OPERATORS[sign], int(number)
        return lambda counts: compare(counts[category], limit)

    def _take(self, expected: str | None = None) -> str:
        token = self.rest()[0] if self.rest() else ""
        if not token or (expected is not None and token != expected):
            raise ValueError(f"category search: {expected or 'more'} expected, found {token or 'the end'!r}")
        self._at += 1
        return token
