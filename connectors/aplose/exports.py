"""The exports of one campaign → pages of live documents: read by the reader of files, each thing stated once and whole.

A file says what it can and leaves the rest to others; a server is asked for everything. So here a task is what the
status export says, an annotation what the export of the Verification phase says where there is one (it holds both
phases' rows and all verdicts, §2), and what is not known is said to be unknown, so that a campaign read again leaves
nothing behind of what it was before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from connectors.aplose import ids, results, status
from connectors.aplose.dialect import examine
from connectors.aplose.starts import Starts
from connectors.aplose.status import StatusSurvey
from connectors.aplose.survey import Survey, Surveyor
from connectors.aplose.traits import PHASES, VERIFICATION
from connectors.aplose.values import EPOCH
from connectors.contract import Input
from connectors.documents import (
    JSON,
    UNSET,
    Annotation,
    Annotator,
    AnnotatorKind,
    AnyDocument,
    Asset,
    Campaign,
    Comment,
    Kind,
    Page,
    Phase,
    Submission,
    Task,
)
from connectors.errors import SkipRecord

CHILDREN: Final = frozenset({Kind.SUBMISSION, Kind.ANNOTATION, Kind.AUDIT, Kind.COMMENT})


class Remark(NamedTuple):
    """A comment on an annotation that has more of them than a row can hold (§8)."""

    key: str
    text: str
    author: str
    created_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One export of a campaign: where it came from and what it should be."""

    phase: Phase
    kind: str
    """``results`` or ``status``."""
    input: Input


@dataclass(slots=True)
class CampaignReader:
    """Reads the exports of one campaign. ``known`` are annotators that the server lists; ``remarks`` go by annotation.

    ``whole`` tells at the end whether every row of every export was read.
    """

    campaign: str
    exports: Sequence[Export]
    known: frozenset[str]
    redact: Callable[[JSON], JSON]
    remarks: Mapping[str, Sequence[Remark]] = field(default_factory=dict)
    whole: bool = True
    _starts: Starts = field(default_factory=Starts)
    _told: set[tuple[Kind, str]] = field(default_factory=set)

    async def pages(self) -> AsyncGenerator[Page, None]:
        """Raises ``SkipRecord`` for what is no export at all."""
        marks: list[tuple[Export, Survey]] = []
        states: list[tuple[Export, StatusSurvey]] = []
        for export in sorted(self.exports, key=lambda one: -one.phase.position):
            table = examine(export.input)
            if table.header.kind != export.kind:
                raise SkipRecord(f"{export.input.name}: a {table.header.kind} export came for {export.kind}")
            if export.kind == "results":
                surveyor = Surveyor(table, self._starts)
                await _walk(surveyor.steps())
                marks.append((export, surveyor.survey))
            else:
                survey = StatusSurvey(table)
                await _walk(survey.steps())
                states.append((export, survey))
        self._starts.settle()
        for export, state in states:
            listed = status.pages(state, self.campaign, self._starts, _known(export.phase), part="", progress=_nowhere)
            for page in listed:
                self.whole = self.whole and not page.skipped
                yield self._page(page, export)
                await asyncio.sleep(0)
        for export, mark in marks:
            read = results.pages(
                mark, self.campaign, self._starts, part="", told=_known(export.phase), progress=_nowhere
            )
            ended = False
            for page in read:
                ended = ended or page.completes is not None
                yield self._page(page, export)
                await asyncio.sleep(0)
            self.whole = self.whole and ended

    def _page(self, page: Page, export: Export) -> Page:
        documents = [said for document in page.documents for said in self._said(document, export)]
        return Page(documents=documents, skipped=page.skipped, records=page.records)

    def _said(self, document: AnyDocument, export: Export) -> Iterator[AnyDocument]:
        """The document as a live source states it; nothing where it was stated already."""
        if isinstance(document, Comment) and export.phase.name == VERIFICATION.name:
            # The same words by the same person on the same file, in two phases: an export does not tell them apart.
            document = replace(document, external_id=f"{document.external_id}/{export.phase.name}")
        key = (document.kind, document.external_id)
        if isinstance(document, Campaign) or key in self._told:
            return
        self._told.add(key)
        raw = self.redact(document.raw) if document.raw is not UNSET else UNSET
        match document:
            case Annotator():
                if document.external_id not in self.known:
                    yield Annotator(
                        external_id=document.external_id,
                        name=document.name,
                        email=None,
                        annotator_kind=AnnotatorKind.UNKNOWN,
                        expertise=None,
                    )
            case Asset():
                yield replace(
                    document,
                    facet="",
                    part=None,
                    raw=raw,
                    start_at=self._start(document),
                    metadata=document.metadata if document.metadata is not UNSET else None,
                )
            case Task():
                yield replace(
                    document,
                    facet="",
                    part=None,
                    assumed=frozenset(),
                    native_status=document.native_status if document.native_status is not UNSET else None,
                    raw_of=document.raw_of if document.raw_of is not UNSET else None,
                )
            case Annotation():
                yield replace(document, facet="", part=None, raw=raw)
                yield from self._more(document)
            case Submission():
                yield replace(document, facet="", part=None)
            case _:
                yield replace(document, facet="", part=None, raw=raw)

    def _start(self, asset: Asset) -> datetime | None:
        _, told, start = asset.external_id.rpartition("@")
        if told:
            return datetime.fromisoformat(start)
        found = self._starts.only(str(asset.dataset or ""), str(asset.name or ""))
        return None if found is None else EPOCH + timedelta(milliseconds=found)

    def _more(self, mark: Annotation) -> Iterator[Comment]:
        """Comments that the row had no room for."""
        for remark in self.remarks.get(str(mark.native_id), ()):
            yield Comment(
                external_id=f"{ids.part(self.campaign)}/comment-{remark.key}",
                raw_of=None,
                task=mark.task,
                asset=mark.asset,
                campaign=self.campaign,
                annotation=mark.external_id,
                author=remark.author,
                text=remark.text,
                created_at=remark.created_at,
            )


def _known(phase: Phase) -> Phase:
    """As files name it: when a phase ended is the campaign's business."""
    return PHASES[phase.name]


def _nowhere(read: int) -> tuple[int, int | None]:
    return 0, None


async def _walk(steps: Iterator[None]) -> None:
    for _ in steps:
        await asyncio.sleep(0)
