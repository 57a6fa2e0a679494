"""From a file to rows: delimiter, header and records, with what is damaged told apart from what is whole.

Servers from 2.0 on, and whatever re-saved a file, quote as Python's csv module does; ``unquoted`` reads older ones.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from connectors.aplose.layouts import Header, understand, understood
from connectors.aplose.lines import LONGEST, Lines, damage_of, encoding_of
from connectors.contract import Input
from connectors.errors import SkipRecord

DELIMITERS: Final = (",", ";", "\t", "|")
_SHOWN: Final = 500
_BLANK_LINES: Final = 20
_HINT: Final = re.compile(r"\ufeff?sep=(.)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Damage:
    """A record that cannot be read: why, and what is there."""

    reason: str
    cells: tuple[str, ...]
    field: str | None = None


Record: TypeAlias = list[str] | Damage
"""Cells, as many as the header has; none at all for a blank line; or damage."""


@dataclass(frozen=True, slots=True)
class Table:
    """An export whose header is understood. It can be opened as often as needed."""

    input: Input
    encoding: str
    delimiter: str
    header: Header
    preamble: int
    """Lines up to and including the header."""

    def open(self) -> Lines:
        """The lines after the header. Raises ``OSError`` when the file cannot be opened any more."""
        lines = Lines(self.input.open(), self.encoding)
        for _ in range(self.preamble):
            next(lines, None)
        lines.forget()
        return lines


def examine(source: Input) -> Table:
    """How a file is written. Raises ``SkipRecord`` for what is no export, ``OSError`` for what cannot be read."""
    with source.open() as stream:
        encoding = encoding_of(stream)
    lines = Lines(source.open(), encoding)
    try:
        hinted = ""
        for line in lines:
            if len(line) > LONGEST:
                raise SkipRecord(f"the first line has more than {LONGEST:,} characters: no header")
            hint = _HINT.fullmatch(line)
            if hint:
                hinted = hint[1]
            elif line.strip():
                delimiter, cells = _delimiter(line, hinted)
                return Table(source, encoding, delimiter, understand(cells), lines.number)
            if lines.number > _BLANK_LINES:
                break
    finally:
        lines.close()
    raise SkipRecord("the file is empty; an export has at least its header line")


def _delimiter(line: str, hinted: str) -> tuple[str, list[str]]:
    """The delimiter under which the most cells of the header are known names."""
    splits = [(delimiter, _cells(line, delimiter)) for delimiter in dict.fromkeys((hinted or ",", *DELIMITERS))]
    return max(splits, key=lambda split: understood(split[1]))


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return line.rstrip("\r\n").split(delimiter)


def quoted(lines: Lines, delimiter: str, width: int) -> Iterator[Record]:
    """The records of a quoted file.

    A quote that never closes swallows the lines after it, so a record that turns out wrong is taken back to its
    first line: that one is reported, the others are read anew.
    """
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        try:
            for cells in reader:
                if len(cells) == width and not lines.damage:
                    lines.forget()
                    yield cells
                else:
                    yield _judged(lines, cells, width, delimiter)
        except csv.Error as error:
            yield _first_line(lines, str(error), width, delimiter)
        else:
            return


def _judged(lines: Lines, cells: list[str], width: int, delimiter: str) -> Record:
    """A record of the wrong width, or with damaged lines in it."""
    if len(lines.taken) > 1:
        return _first_line(lines, _wrong_width(len(cells), width), width, delimiter)
    damage = lines.damage
    lines.forget()
    if damage:
        return damaged(damage, cells)
    if not any(cells) and len(cells) <= 1:
        return []
    return damaged(_wrong_width(len(cells), width), cells)


def _first_line(lines: Lines, reason: str, width: int, delimiter: str) -> Record:
    """Reads a record's first line without regard to quotes, and gives the others back."""
    first, *others = lines.taken
    lines.give_back(others)
    cells = first.rstrip("\r\n").split(delimiter)
    damage = damage_of(first)
    if len(cells) == width and not damage:
        return cells
    return damaged(damage or reason, cells)


def _wrong_width(found: int, width: int) -> str:
    return f"{found} fields where the header has {width}"


def damaged(reason: str, cells: list[str], field: str | None = None) -> Damage:
    """Damage with as much of the cells as is fit to be shown."""
    shown = [cell if len(cell) <= _SHOWN else cell[:_SHOWN] + "…" for cell in cells[:_SHOWN]]
    return Damage(reason, tuple(shown), field)
