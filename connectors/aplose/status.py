"""A status file (fact sheet §3) → pages: a recording a row, a task a cell."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

from connectors.aplose import ids
from connectors.aplose.dialect import Damage, Table, quoted
from connectors.aplose.paging import PageMaker, Progress, campaign_document
from connectors.aplose.people import People
from connectors.aplose.quick import quick
from connectors.aplose.starts import Starts
from connectors.aplose.survey import STEP, Survey
from connectors.aplose.traits import ANNOTATION, VERIFICATION
from connectors.aplose.values import feature
from connectors.documents import UNSET, Asset, InputType, Kind, Page, Phase, Ref, Task, TaskStatus
from connectors.errors import SkipRecord

STATUSES: Final[Mapping[str, TaskStatus]] = {
    "CREATED": TaskStatus.PENDING,
    "STARTED": TaskStatus.IN_PROGRESS,
    "FINISHED": TaskStatus.SUBMITTED,
}
_asset, _task = quick(Asset), quick(Task)
_NO_TASK: Final = frozenset({"", "UNASSIGNED"})
_KNOWN: Final = frozenset(STATUSES) | _NO_TASK
_WORD: Final = re.compile(r"[A-Z][A-Z_]*")
"""What a word of a server to come would look like; a column with other values is no annotator's."""


@dataclass(slots=True)
class StatusSurvey:
    """What a status file holds as a whole."""

    table: Table
    rows: int = 0
    damaged: int = 0
    first_damage: Damage | None = None
    annotators: tuple[tuple[int, str], ...] = ()
    extras: tuple[int, ...] = ()
    repeated: dict[str, int] = field(default_factory=dict)
    """How often a (dataset, filename) comes that comes more than once."""

    def steps(self) -> Iterator[None]:
        """Looks over the file. Raises ``SkipRecord`` where no column is an annotator's, ``OSError`` as it comes."""
        header = self.table.header
        dataset, filename = header.index("dataset"), header.index("filename")
        strange: set[int] = set()
        names: Counter[str] = Counter()
        with closing(self.table.open()) as lines:
            for record in quoted(lines, self.table.delimiter, len(header.columns)):
                if isinstance(record, Damage):
                    self.damaged += 1
                    self.first_damage = self.first_damage or record
                elif record:
                    self.rows += 1
                    names[_name(record[dataset], record[filename])] += 1
                    for index in header.unknown:
                        if record[index] not in _KNOWN and not _WORD.fullmatch(record[index].strip().upper()):
                            strange.add(index)
                if (self.rows + self.damaged) % STEP == 0:
                    yield
        self.repeated = {name: count for name, count in names.items() if count > 1}
        self._settle(strange)

    def _settle(self, strange: set[int]) -> None:
        header = self.table.header
        found: dict[str, int] = {}
        for index in header.unknown:
            name = header.columns[index].strip()
            if name and index not in strange:
                found.setdefault(name, index)
        self.annotators = tuple((index, name) for name, index in found.items())
        self.extras = tuple(index for index in header.unknown if index not in found.values())
        if strange and not found:
            raise SkipRecord(
                "neither a results nor a status export of APLOSE: no column but dataset and filename holds "
                f"{', '.join(sorted(_KNOWN - {''}))}",
                field=header.columns[min(strange)],
            )


def phases(statuses: Sequence[StatusSurvey], results: Sequence[Survey], told: Phase | None) -> list[Phase]:
    """The phase of each status file of a campaign: its columns are the users with files in that phase (§3).

    Told, or else: Annotation, unless a results file shows verification. Then one file is of Verification: the
    only one, or that whose annotators fit those who verify best.
    """
    if told is not None:
        return [told] * len(statuses)
    out = [ANNOTATION] * len(statuses)
    if statuses and any(survey.shows_verification for survey in results):
        verifying = frozenset().union(*(survey.verifying for survey in results))
        annotating = frozenset().union(*(survey.annotators for survey in results))
        out[max(range(len(statuses)), key=lambda n: (_fit(statuses[n], verifying, annotating), n))] = VERIFICATION
    return out


def _fit(survey: StatusSurvey, verifying: frozenset[str], annotating: frozenset[str]) -> float:
    names = {name for _, name in survey.annotators}
    return (len(names & verifying) - len(names & annotating)) / (len(names) or 1)


def pages(
    survey: StatusSurvey, campaign: str, starts: Starts, phase: Phase, *, part: str, progress: Progress
) -> Iterator[Page]:
    """The pages of a surveyed status file."""
    table = survey.table
    with closing(table.open()) as lines:
        maker = PageMaker(table, lines, progress)
        if maker.misfit(survey.rows, survey.damaged, survey.first_damage):
            yield maker.page()
            return
        people = People()
        for _, name in survey.annotators:
            people.meet(name, human=True)
        mapper = _StatusRows(survey, campaign, starts, phase)
        maker.documents.append(campaign_document(campaign, verification=phase is VERIFICATION))
        for number, cells in maker.rows(quoted(lines, table.delimiter, len(table.header.columns))):
            if cells:
                try:
                    maker.documents.extend(mapper.row(cells))
                except SkipRecord as skip:
                    maker.skip(skip.message, number, field=skip.field, raw=cells)
            if maker.full:
                yield maker.page()
        maker.documents.extend(people.documents(campaign, part))
        maker.decoding()
        yield maker.page()


class _StatusRows:
    def __init__(self, survey: StatusSurvey, campaign: str, starts: Starts, phase: Phase) -> None:
        self._survey, self._campaign, self._starts, self._phase = survey, campaign, starts, phase
        header = survey.table.header
        self._keys = header.keys
        self._dataset, self._filename = header.index("dataset"), header.index("filename")
        # The files of both phases list the same recordings, each with annotators of its own.
        self._facet = "status" if phase is ANNOTATION else "status-verification"
        self._places: Counter[str] = Counter()

    def row(self, cells: list[str]) -> Iterator[Asset | Task]:
        """The recording, whose ``raw`` is the row, and the tasks of those who are assigned."""
        dataset, filename = cells[self._dataset], cells[self._filename]
        if not filename:
            raise SkipRecord("the filename is empty", field="filename")
        asset = self._asset(dataset, filename)
        extra = {self._keys[index]: feature("", cells[index]) for index in self._survey.extras if cells[index]}
        yield _asset(
            external_id=asset,
            facet=self._facet,
            raw=dict(zip(self._keys, cells, strict=True)),
            campaign=self._campaign,
            name=filename,
            input_type=InputType.AUDIO,
            dataset=dataset,
            metadata=extra or UNSET,
        )
        for index, annotator in self._survey.annotators:
            word = cells[index]
            status = word.strip().upper()
            if status not in _NO_TASK:
                yield _task(
                    external_id=ids.task_id(asset, annotator, self._phase.name),
                    facet="status",
                    raw_of=Ref(Kind.ASSET, asset),
                    campaign=self._campaign,
                    asset=asset,
                    asset_name=filename,
                    phase=self._phase,
                    assignees=(annotator,),
                    status=STATUSES.get(status, TaskStatus.UNKNOWN),
                    native_status=word,
                )

    def _asset(self, dataset: str, filename: str) -> str:
        """Rows come in the order of starts (§3): recordings of one name are told apart by that where all are known."""
        asset = ids.asset_id(self._campaign, dataset, filename)
        name = _name(dataset, filename)
        count = self._survey.repeated.get(name, 1)
        if count == 1:
            return asset
        position = self._places[name]
        self._places[name] += 1
        starts = self._starts.several(dataset, filename)
        return ids.starting(asset, starts[position]) if len(starts) == count else ids.numbered(asset, position + 1)


def _name(dataset: str, filename: str) -> str:
    return f"{dataset}\0{filename}"
