"""The look over a results file before it is mapped: what no single row can tell.

Which unknown columns are verifiers, which names have several recordings, whether rows are quoted, who annotated and
who verified, and, in the oldest layouts, how long and how wide a mark of a whole file is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from connectors.aplose.dialect import Damage, Record, Table, quoted
from connectors.aplose.lines import Lines
from connectors.aplose.mending import Mender
from connectors.aplose.starts import Starts, start_of
from connectors.aplose.unquoted import Unquoted
from connectors.aplose.values import VERDICTS, Numbers, moment

STEP: Final = 2000
"""Rows between two chances for others to run."""


def records(lines: Lines, table: Table, *, plain: bool) -> Iterator[Record]:
    """The records of a table, quoted or as servers before 2.0 wrote them."""
    if plain:
        return Unquoted(lines, table.header).records()
    return quoted(lines, table.delimiter, len(table.header.columns))


@dataclass(slots=True)
class Survey:
    """What a results file holds as a whole."""

    table: Table
    plain: bool = False
    """Written without quoting."""
    rows: int = 0
    damaged: int = 0
    first_damage: Damage | None = None
    verifiers: tuple[int, ...] = ()
    extras: tuple[int, ...] = ()
    """Columns that nobody knows and that are no verifier's."""
    annotators: frozenset[str] = frozenset()
    """Authors of rows made in the Annotation phase, where rows say their phase."""
    verifying: frozenset[str] = frozenset()
    """Authors of rows made in the Verification phase, and verifiers."""
    made_in_verification: bool = False
    spans: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Longest end and highest frequency by dataset, where rows do not say what is a mark of the whole file."""

    @property
    def phased(self) -> bool:
        """Written by 2.4 or later, which know phases."""
        return self.table.header.has("created_at_phase")

    @property
    def shows_verification(self) -> bool:
        return self.phased and bool(self.verifiers or self.made_in_verification)

    @property
    def of_verification(self) -> bool:
        """An export of the Verification phase. In 2.4 and 2.5 the Annotation phase's may show its rows too (§2)."""
        if not self.phased:
            return False
        return bool(self.verifiers) or (self.made_in_verification and "annotation_id" in self.table.header.at)


class Surveyor:
    """Surveys one file: run ``steps`` to the end, then take ``survey``. Raises ``OSError`` when reading fails."""

    def __init__(self, table: Table, starts: Starts) -> None:
        self.survey = Survey(table)
        self._table = table
        self._starts = starts

    def steps(self) -> Iterator[None]:
        yield from self._look(self.survey)
        if self.survey.damaged and self._table.delimiter == "," and self._table.header.may_be_unquoted:
            other = Survey(self._table, plain=True)
            yield from self._look(other)
            if other.damaged < self.survey.damaged:
                self.survey = other

    def _look(self, survey: Survey) -> Iterator[None]:
        header = self._table.header
        look = _Look(survey, self._starts)
        lines = self._table.open()
        try:
            for record in records(lines, self._table, plain=survey.plain):
                if isinstance(record, Damage):
                    survey.damaged += 1
                    survey.first_damage = survey.first_damage or record
                elif record:
                    survey.rows += 1
                    record.append("")
                    look.row(record)
                if (survey.rows + survey.damaged) % STEP == 0:
                    yield
        finally:
            lines.close()
        look.conclude(header.unknown)


class _Look:
    def __init__(self, survey: Survey, starts: Starts) -> None:
        header = survey.table.header
        self._survey = survey
        self._starts = starts
        self._numbers = Numbers()
        self._mender = Mender(header)
        self._dataset = header.index("dataset")
        self._filename = header.index("filename")
        self._label = header.index("annotation")
        self._annotator = header.index("annotator")
        self._start_time = header.index("start_time")
        self._end_time = header.index("end_time")
        self._high = header.index("end_frequency")
        self._start_datetime = header.index("start_datetime")
        self._phase = header.index("created_at_phase")
        self._unknown = header.unknown
        self._dated = header.has("start_datetime") and header.has("start_time")
        self._bare = not header.has("type") and not header.has("is_box")
        self._words: dict[int, Counter[str]] = {index: Counter() for index in header.unknown}
        self._authors: dict[str, set[str]] = {"ANNOTATION": set(), "VERIFICATION": set()}

    def row(self, cells: list[str]) -> None:
        if self._dated and cells[self._start_datetime]:
            try:
                self._start(cells)
            except ValueError:
                self._start(self._mender.mend(cells)[0])
        authors = self._authors.get(cells[self._phase])
        if authors is not None:
            authors.add(cells[self._annotator])
        for index in self._unknown:
            word = cells[index]
            if word:
                self._words[index][word if word in VERDICTS else "other"] += 1
        if self._bare:
            self._span(cells)

    def conclude(self, unknown: tuple[int, ...]) -> None:
        survey = self._survey
        columns = survey.table.header.columns
        survey.verifiers = tuple(index for index in unknown if columns[index].strip() and self._judges(index))
        survey.extras = tuple(index for index in unknown if index not in survey.verifiers)
        survey.annotators = frozenset(self._authors["ANNOTATION"])
        survey.made_in_verification = bool(self._authors["VERIFICATION"])
        names = {columns[index].strip() for index in survey.verifiers}
        survey.verifying = frozenset(self._authors["VERIFICATION"] | names)

    def _judges(self, index: int) -> bool:
        """A verifier's column: True and False, or at least mostly so."""
        words = self._words[index]
        others = words["other"]
        return words.total() > 2 * others

    def _start(self, cells: list[str]) -> None:
        at = moment(cells[self._start_datetime])
        offset = self._numbers[cells[self._start_time]]
        if offset is None and not cells[self._label]:
            offset = 0.0
        start = None if at is None or offset is None else start_of(at, offset)
        if start is not None:
            self._starts.add(cells[self._dataset], cells[self._filename], start)

    def _span(self, cells: list[str]) -> None:
        try:
            end, high = self._numbers[cells[self._end_time]], self._numbers[cells[self._high]]
        except ValueError:
            return
        longest, highest = self._survey.spans.get(cells[self._dataset], (0.0, 0.0))
        self._survey.spans[cells[self._dataset]] = (max(longest, end or 0.0), max(highest, high or 0.0))
