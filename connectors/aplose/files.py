"""Reads APLOSE exports: examines the files, puts those of one campaign together, and yields their pages.

Results come before status files: what phase a status file belongs to, and which recordings of one name it lists,
only the results of its campaign show.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from connectors.aplose import naming, results, status
from connectors.aplose.dialect import Table, examine
from connectors.aplose.starts import Starts
from connectors.aplose.status import StatusSurvey
from connectors.aplose.survey import Survey, Surveyor
from connectors.aplose.traits import PHASES
from connectors.contract import ImportOptions, Input
from connectors.documents import Page, Phase, SkippedRecord
from connectors.errors import SkipRecord

READ_OPTIONS: Final = {
    "phase": "phase that the status files and the task comments belong to, Annotation or Verification; "
    "without it the results files of the same campaign tell",
}


@dataclass(slots=True)
class _Run:
    """What all files of one run share."""

    total: int | None
    done: int = 0
    skipped: list[SkippedRecord] = field(default_factory=list)
    """Reports of whole files, for the next page."""

    def progress(self, read: int) -> tuple[int, int | None]:
        done = self.done + read
        return (done if self.total is None else min(done, self.total)), self.total

    def refuse(self, name: str, problem: SkipRecord | OSError) -> None:
        if isinstance(problem, SkipRecord):
            report = SkippedRecord(reason=problem.message, where=name, field=problem.field)
        else:
            report = SkippedRecord(reason=f"the file cannot be read: {problem.strerror or problem}", where=name)
        self.skipped.append(report)

    def page(self) -> Iterator[Page]:
        """The reports that wait, as a page of their own."""
        if self.skipped:
            done, total = self.progress(0)
            yield Page(skipped=tuple(self.skipped), done=done, total=total)
            self.skipped.clear()


async def read(inputs: Sequence[Input], options: ImportOptions) -> AsyncIterator[Page]:
    """Pages of every file that can be read, and reports of the others. Raises ``ValueError`` for a wrong option."""
    told = _told(options)
    sizes = [source.size for source in inputs]
    run = _Run(total=None if None in sizes else sum(size or 0 for size in sizes))
    tables: list[Table] = []
    for source in inputs:
        try:
            tables.append(examine(source))
        except (SkipRecord, OSError) as problem:
            run.refuse(source.name, problem)
            run.done += source.size or 0
    for page in run.page():
        yield page
    names = naming.campaigns([table.input.name for table in tables], options.campaign)
    campaigns: dict[str, list[Table]] = defaultdict(list)
    for name, table in zip(names, tables, strict=True):
        campaigns[name].append(table)
    for name, files in campaigns.items():
        async for page in _campaign(name, files, told, run):
            yield page


def _told(options: ImportOptions) -> Phase | None:
    unknown = sorted(options.options.keys() - READ_OPTIONS.keys())
    if unknown:
        raise ValueError(f"aplose: unknown option {unknown[0]!r}; there is {', '.join(READ_OPTIONS)}")
    word = options.options.get("phase")
    if word is None:
        return None
    if word.capitalize() not in PHASES:
        raise ValueError(f"aplose: option phase is {word!r}, it can be {' or '.join(PHASES)}")
    return PHASES[word.capitalize()]


async def _campaign(campaign: str, tables: Sequence[Table], told: Phase | None, run: _Run) -> AsyncIterator[Page]:
    parts = dict(zip(map(id, tables), naming.parts([table.input.name for table in tables]), strict=True))
    starts = Starts()
    surveys: list[Survey] = []
    statuses: list[StatusSurvey] = []
    for table in tables:
        try:
            if table.header.kind == "results":
                surveyor = Surveyor(table, starts)
                await _walk(surveyor.steps())
                surveys.append(surveyor.survey)
            else:
                survey = StatusSurvey(table)
                await _walk(survey.steps())
                statuses.append(survey)
        except (SkipRecord, OSError) as problem:
            run.refuse(table.input.name, problem)
    starts.settle()
    surveys.sort(key=lambda survey: bool(survey.verifiers))
    for result in surveys:
        pages = results.pages(result, campaign, starts, part=parts[id(result.table)], told=told, progress=run.progress)
        async for page in _stored(pages, result.table, run):
            yield page
    for state, phase in zip(statuses, status.phases(statuses, surveys, told), strict=True):
        pages = status.pages(state, campaign, starts, phase, part=parts[id(state.table)], progress=run.progress)
        async for page in _stored(pages, state.table, run):
            yield page
    for page in run.page():
        yield page


async def _walk(steps: Iterator[None]) -> None:
    for _ in steps:
        await asyncio.sleep(0)


async def _stored(pages: Iterator[Page], table: Table, run: _Run) -> AsyncIterator[Page]:
    """The pages of a file; one that has vanished since the survey is reported."""
    try:
        for page in pages:
            yield page
            await asyncio.sleep(0)
    except OSError as problem:
        run.refuse(table.input.name, problem)
    run.done += table.input.size or 0
