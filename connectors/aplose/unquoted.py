"""Rows of servers before 2.0, which joined cells with commas and quoted nothing (fact sheet §2.7).

A comma in a comment makes too many cells and a line break too few. What must be a number, a time or a flag tells
where the cells belong, and a comment ends with its author.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Final

from connectors.aplose.dialect import Record, damaged
from connectors.aplose.layouts import Header
from connectors.aplose.lines import MOST, Lines, damage_of
from connectors.aplose.values import BOOLEANS, VERDICTS, level, moment, number

_TEXTS: Final = ("comments", "annotation", "confidence_indicator_label", "dataset", "filename")
"""Columns that may hold a comma, the likely ones first; names of users cannot."""
_NUMBERS: Final = ("start_time", "end_time", "start_frequency", "end_frequency")
_MOMENTS: Final = ("start_datetime", "end_datetime")
_TYPED: Final = (*_NUMBERS, *_MOMENTS, "is_box")
_MOST_COMMAS: Final = 255
_MOST_COMMAS_IN_TWO: Final = 24


class Unquoted:
    """Puts lines together to records. A row whose comment lacks its author may go on in the next line."""

    def __init__(self, lines: Lines, header: Header) -> None:
        self._lines = lines
        self._width = len(header.columns)
        self._unwritten = len(header.unknown)
        self._checks = [(header.index(name), check) for name, check in _checks() if header.has(name)]
        self._typed = tuple(header.at[name] for name in _TYPED if header.has(name))
        self._label = header.index("annotation")
        self._checks += [(index, VERDICTS.__contains__) for index in header.unknown]
        self._texts = [header.index(name) for name in _TEXTS if header.has(name)]
        self._comments = header.at.get("comments")
        self._named = (header.index("filename"), header.index("annotator"))

    def records(self) -> Iterator[Record]:
        held: list[str] = []
        for line in self._lines:
            self._lines.forget()
            if held and len(held) < MOST and not self._begins(line) and self._open(held[0]):
                held.append(line)
            else:
                yield from self._ended(held)
                held = [line]
        yield from self._ended(held)

    def _begins(self, line: str) -> bool:
        """Whether a line is the beginning of a row: whole, or cut by a line break in its comment."""
        cells = _split(line)
        return len(cells) == self._width or self._whole(cells) is not None or self._cut(cells) is not None

    def _open(self, line: str) -> bool:
        """Whether a row may go on: it is sound, and its comment does not end with its author yet."""
        cells = _split(line)
        whole = self._whole(cells) or self._cut(cells)
        if self._comments is None or whole is None or damage_of(line):
            return False
        comment, author = whole[self._comments], f" |- {whole[self._named[1]]}"
        return not comment.endswith(author) and f"{author} : " not in comment

    def _ended(self, held: list[str]) -> Iterator[Record]:
        """The row that these lines are. Lines after it that bring no author do not belong to it."""
        text = "".join(held)
        cells = _split(text)
        reason = damage_of(text)
        if not reason and len(held) > 1 and not self._authored(self._whole(cells)):
            yield from self._ended(held[:1])
            for line in held[1:]:
                yield from self._ended([line])
        elif reason:
            yield damaged(reason, cells)
        elif text.strip():
            whole = cells if len(cells) == self._width else self._whole(cells)
            yield whole or damaged(f"{len(cells)} fields where the header has {self._width}", cells)
        elif held:
            yield []

    def _authored(self, cells: list[str] | None) -> bool:
        return cells is not None and self._comments is not None and " |- " in cells[self._comments]

    def _cut(self, cells: list[str]) -> list[str] | None:
        """A row cut by a line break: the cells of verifiers are missing, they stand behind the comment."""
        return self._whole([*cells, *[""] * self._unwritten]) if self._unwritten else None

    def _whole(self, cells: list[str]) -> list[str] | None:
        """The cells with surplus commas put back into the texts they come from; None where that is no row."""
        surplus = len(cells) - self._width
        if not 0 <= surplus <= _MOST_COMMAS:
            return None
        return next((tried for tried in self._joined(cells, surplus) if self._fits(tried)), None)

    def _joined(self, cells: list[str], surplus: int) -> Iterator[list[str]]:
        """All ways to put the commas into one text, then into two."""
        for at in self._texts if surplus else [0]:
            yield _join(cells, at, surplus)
        if surplus > _MOST_COMMAS_IN_TWO:
            return
        for pair in combinations(self._texts, 2):
            one, other = sorted(pair)
            for commas in range(1, surplus):
                yield _join(_join(cells, one, commas), other, surplus - commas)

    def _fits(self, cells: list[str]) -> bool:
        """Servers leave cells of a mark empty only where it has no confidence; a task comment may have none at all."""
        filled = (*self._named, *self._typed) if cells[self._label] else self._named
        return all(cells[index] for index in filled) and all(
            not cells[index] or check(cells[index]) for index, check in self._checks
        )


def _split(text: str) -> list[str]:
    return text.rstrip("\r\n").split(",")


def _join(cells: list[str], at: int, commas: int) -> list[str]:
    return [*cells[:at], ",".join(cells[at : at + commas + 1]), *cells[at + commas + 1 :]]


def _checks() -> Iterator[tuple[str, Callable[[str], bool]]]:
    for name in _NUMBERS:
        yield name, _reads(number)
    for name in _MOMENTS:
        yield name, _reads(moment)
    yield "is_box", BOOLEANS.__contains__
    yield "confidence_indicator_level", _reads(level)


def _reads(read: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            read(text)
        except ValueError:
            return False
        return True

    return check
