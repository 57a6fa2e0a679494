"""Gathers documents and reports of one file into pages; what is damaged is reported here, once for all files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from connectors.aplose.dialect import Damage, Record, Table
from connectors.aplose.lines import Lines
from connectors.aplose.traits import ANNOTATION, VERIFICATION
from connectors.documents import JSON, UNSET, AnyDocument, Campaign, InputType, Page, Scope, SkippedRecord

PAGE: Final = 2000
"""Documents and reports in a page."""
_NAMED: Final = 20
"""So many rows are reported one by one even if none of the file's rows fits its header."""

Progress = Callable[[int], tuple[int, int | None]]
"""From the bytes read of this file to ``done`` and ``total`` of a page."""


def campaign_document(name: str, *, verification: bool) -> Campaign:
    """The campaign as a file shows it. The facet keeps a file that shows less from fighting one that shows more."""
    return Campaign(
        external_id=name,
        facet="verification" if verification else "",
        name=name,
        input_type=InputType.AUDIO,
        phases=(ANNOTATION, VERIFICATION) if verification else UNSET,
    )


class PageMaker:
    """``documents`` may be shared with whoever maps rows. ``whole`` turns false with the first damage."""

    def __init__(self, table: Table, lines: Lines, progress: Progress) -> None:
        self.documents: list[AnyDocument] = []
        self.whole = True
        self._skipped: list[SkippedRecord] = []
        self._records = 0
        self._table = table
        self._lines = lines
        self._progress = progress

    @property
    def full(self) -> bool:
        return len(self.documents) + len(self._skipped) >= PAGE

    def rows(self, records: Iterable[Record]) -> Iterator[tuple[int, list[str]]]:
        """Numbers and cells as a spreadsheet counts rows; no cells where damage was reported instead."""
        number = first = self._table.preamble
        try:
            for number, record in enumerate(records, first + 1):
                if isinstance(record, Damage):
                    self.skip(record.reason, number, raw=list(record.cells))
                    self._records += 1
                    yield number, []
                elif record:
                    self._records += 1
                    yield number, record
        except OSError as error:
            self.skip(f"reading stopped after this row: {error.strerror or error}", number)

    def skip(self, reason: str, row: int | None = None, *, field: str | None = None, raw: JSON = None) -> None:
        """Reports what cannot be read."""
        self.whole = False
        self.note(reason, row, field=field, raw=raw)

    def note(self, reason: str, row: int | None = None, *, field: str | None = None, raw: JSON = None) -> None:
        """Reports what was read but should be known."""
        name = self._table.input.name
        where = name if row is None else f"{name} row {row}"
        self._skipped.append(SkippedRecord(reason=reason, where=where, field=field, raw=raw))

    def page(self, *, completes: Scope | None = None) -> Page:
        """The page so far; what comes next begins a new one."""
        done, total = self._progress(self._lines.position())
        page = Page(
            documents=tuple(self.documents),
            skipped=tuple(self._skipped),
            records=self._records,
            completes=completes,
            done=done,
            total=total,
        )
        self.documents.clear()
        self._skipped.clear()
        self._records = 0
        return page

    def misfit(self, rows: int, damaged: int, first: Damage | None) -> bool:
        """Whether no row fits the header; reports it once instead of for each row."""
        if rows or first is None or damaged <= _NAMED:
            return False
        expected = f"none of the {damaged:,} rows fits the header ({len(self._table.header.columns)} columns"
        self._records += damaged
        self.skip(
            f"{expected} separated by {self._table.delimiter!r}); the first: {first.reason}", raw=list(first.cells)
        )
        return True

    def decoding(self) -> None:
        """Reports lines that are not in the file's encoding; they were read all the same."""
        lines = self._lines
        if lines.undecodable:
            self.note(
                f"{lines.undecodable:,} lines are not valid {lines.encoding} (first line {lines.first_undecodable}) "
                f"and were read {lines.fallback}; nothing is left out"
            )
