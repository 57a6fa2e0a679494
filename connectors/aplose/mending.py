"""The careful path: what a row's damaged cells must have been, and a note of each that cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from connectors.aplose.layouts import Header
from connectors.aplose.values import mended_moment, mended_number, moment, number
from connectors.documents import JSON

NUMBERS: Final = ("start_time", "end_time", "start_frequency", "end_frequency", "min_frequency", "max_frequency")
MOMENTS: Final = ("start_datetime", "end_datetime")


@dataclass(slots=True)
class Notes:
    """What was done to the cells of one row, for its ``attributes``."""

    repaired: dict[str, str] = field(default_factory=dict)
    """The text as it stood, by column."""
    unreadable: dict[str, str] = field(default_factory=dict)
    assumed_utc: list[str] = field(default_factory=list)
    """Columns whose time has no offset (§2.4)."""

    def attributes(self) -> dict[str, JSON]:
        notes = {"repaired": self.repaired, "unreadable": self.unreadable, "assumed_utc": self.assumed_utc}
        return {name: note for name, note in notes.items() if note}


class Mender:
    """Mends rows of one layout."""

    def __init__(self, header: Header) -> None:
        self._numbers = [(header.at[name], header.columns[header.at[name]]) for name in NUMBERS if header.has(name)]
        self._moments = [(header.at[name], header.columns[header.at[name]]) for name in MOMENTS if header.has(name)]

    def mend(self, cells: Sequence[str]) -> tuple[list[str], Notes]:
        """Cells that the strict readers take, empty where nothing can be read."""
        out, notes = list(cells), Notes()
        for index, column in self._numbers:
            out[index] = self._number(cells[index], column, notes)
        for index, column in self._moments:
            out[index] = self._moment(cells[index], column, notes)
        return out, notes

    def _number(self, text: str, column: str, notes: Notes) -> str:
        try:
            number(text)
        except ValueError:
            mended = mended_number(text)
            if mended is None:
                notes.unreadable[column] = text
                return ""
            if mended != text.strip():
                notes.repaired[column] = text
            return mended
        return text

    def _moment(self, text: str, column: str, notes: Notes) -> str:
        try:
            moment(text)
        except ValueError:
            mended = mended_moment(text)
            if mended is None:
                notes.unreadable[column] = text
                return ""
            if mended[1]:
                notes.assumed_utc.append(column)
            return mended[0]
        return text
