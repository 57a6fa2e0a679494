"""Where a row belongs: its recording, its task and the answer to it, each stated when it first comes up.

What was stated is remembered for a while only: stating it again is harmless, because it is always the same.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final, NamedTuple

from connectors.aplose import ids
from connectors.aplose.quick import quick
from connectors.aplose.starts import Starts
from connectors.aplose.values import EPOCH
from connectors.documents import (
    UNSET,
    AnyDocument,
    Asset,
    InputType,
    Phase,
    Submission,
    SubmissionKind,
    Task,
    TaskStatus,
)
from connectors.errors import SkipRecord

_asset, _task, _submission = quick(Asset), quick(Task), quick(Submission)
_ASSUMED: Final = frozenset({"status"})
"""That a task with rows was submitted is likely; a status file knows."""
_REMEMBERED: Final = 4000
"""Exports come in the order of recordings, so more would only cost memory."""


class Place(NamedTuple):
    """Ids of what a row stands in."""

    asset: str
    task: str
    submission: str


class Places:
    """The places of one results file. ``facet`` keeps apart what the exports of two phases say."""

    def __init__(self, campaign: str, starts: Starts, documents: list[AnyDocument], *, facet: str) -> None:
        self.campaign = campaign
        self._starts = starts
        self._documents = documents
        self._facet = facet
        self._several = starts.any_several()
        self._assets: dict[tuple[str, ...], str] = {}
        self._known: dict[tuple[str, ...], Place] = {}

    def find(self, dataset: str, filename: str, annotator: str, phase: str) -> Place | None:
        """The place of an earlier mark; None also where the recording's start is needed to tell."""
        return self._known.get((dataset, filename, annotator, phase))

    def is_one_of_several(self, dataset: str, filename: str) -> bool:
        return self._several and bool(self._starts.several(dataset, filename))

    def open(
        self, names: tuple[str, str], annotator: str, phase: Phase, *, start: int | None = None, answers: bool
    ) -> Place:
        """The place of a row; ``start`` is what the row shows of its recording's start.

        A row without a start, of a name that several recordings have, goes to a recording of that name alone.
        Raises ``SkipRecord`` where the row does not say whose or of which file it is.
        """
        if not names[1]:
            raise SkipRecord("the filename is empty", field="filename")
        if not annotator:
            raise SkipRecord("the annotator is empty", field="annotator")
        which: tuple[str, ...] = names
        if self.is_one_of_several(*names):
            start = None if start is None else self._starts.settled(*names, start)
            which = (*names, str(start))
        key = (*which, annotator, phase.name)
        place = self._known.get(key)
        if place is not None:
            return place
        asset = self._assets.get(which)
        if asset is None:
            asset = self._assets[which] = self._asset(names, start, told_apart=len(which) > len(names))
        task = ids.task_id(asset, annotator, phase.name)
        place = Place(asset, task, ids.submission_id(task))
        self._state(place, names[1], annotator, phase)
        if answers:
            self._answer(place, annotator)
            self._known[key] = place
        return place

    def _asset(self, names: tuple[str, str], start: int | None, *, told_apart: bool) -> str:
        if len(self._assets) >= _REMEMBERED:
            self._assets.clear()
            self._known.clear()
        asset = ids.asset_id(self.campaign, *names)
        if not told_apart:
            start = self._starts.only(*names)
        elif start is not None:
            asset = ids.starting(asset, start)
        self._documents.append(
            _asset(
                external_id=asset,
                facet=self._facet,
                campaign=self.campaign,
                name=names[1],
                input_type=InputType.AUDIO,
                dataset=names[0],
                start_at=UNSET if start is None else EPOCH + timedelta(milliseconds=start),
            )
        )
        return asset

    def _state(self, place: Place, filename: str, annotator: str, phase: Phase) -> None:
        self._documents.append(
            _task(
                external_id=place.task,
                facet=self._facet,
                assumed=_ASSUMED,
                campaign=self.campaign,
                asset=place.asset,
                asset_name=filename,
                phase=phase,
                assignees=(annotator,),
                status=TaskStatus.SUBMITTED,
            )
        )

    def _answer(self, place: Place, annotator: str) -> None:
        if len(self._known) >= 4 * _REMEMBERED:
            self._known.clear()
        self._documents.append(
            _submission(
                external_id=place.submission,
                task=place.task,
                campaign=self.campaign,
                author=annotator,
                submission_kind=SubmissionKind.DEFAULT,
                position=0,
                is_current=True,
            )
        )
