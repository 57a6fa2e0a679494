"""The one place that translates Kili's workflow words into task states (fact sheet §10, documented meanings).

V1 projects have ``status``; V2 and V3 have ``currentStep{name status stepGroupName}``, whose word means another
thing in a labeling step than in a review step, and in the last step than before it:

===============  ===============================  ===================  =========================
step status      labeling step                    review step          step not known
===============  ===============================  ===================  =========================
TO_DO            PENDING                          IN_REVIEW            PENDING
IN_PROGRESS      IN_PROGRESS                      IN_REVIEW            IN_PROGRESS
PARTIALLY_DONE   IN_PROGRESS                      IN_REVIEW            IN_PROGRESS
REWORK           IN_PROGRESS                      IN_REVIEW            IN_PROGRESS
DONE             SUBMITTED; COMPLETED if last     IN_REVIEW; COMPLETED SUBMITTED
                                                  if last
SKIPPED          CANCELED                         IN_REVIEW; COMPLETED UNKNOWN
                                                  if last
===============  ===============================  ===================  =========================

DOING and REDO are the older names of IN_PROGRESS and REWORK. A review step that sampling skips is passed, not
abandoned, hence COMPLETED at the end. An asset with ``skipped`` that nobody has answered yet is CANCELED. Any other
word is UNKNOWN and stays readable in ``native_status``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from connectors.coerce import many, mapping, text
from connectors.documents import JSON, UNSET, Maybe, Phase, PhaseKind, TaskStatus

V1: Final[Mapping[str, TaskStatus]] = {
    "TODO": TaskStatus.PENDING,
    "ONGOING": TaskStatus.IN_PROGRESS,
    "LABELED": TaskStatus.SUBMITTED,
    "TO_REVIEW": TaskStatus.IN_REVIEW,
    "REVIEWED": TaskStatus.COMPLETED,
}

OLDER_WORDS: Final[Mapping[str, str]] = {"DOING": "IN_PROGRESS", "REDO": "REWORK"}

STEP_NOT_KNOWN: Final[Mapping[str, TaskStatus]] = {
    "TO_DO": TaskStatus.PENDING,
    "IN_PROGRESS": TaskStatus.IN_PROGRESS,
    "PARTIALLY_DONE": TaskStatus.IN_PROGRESS,
    "REWORK": TaskStatus.IN_PROGRESS,
    "DONE": TaskStatus.SUBMITTED,
    "SKIPPED": TaskStatus.UNKNOWN,
}
LABELING_STEP: Final = {**STEP_NOT_KNOWN, "SKIPPED": TaskStatus.CANCELED}
LAST_LABELING_STEP: Final = {**LABELING_STEP, "DONE": TaskStatus.COMPLETED}
REVIEW_STEP: Final = dict.fromkeys(STEP_NOT_KNOWN, TaskStatus.IN_REVIEW)
LAST_REVIEW_STEP: Final = {**REVIEW_STEP, "DONE": TaskStatus.COMPLETED, "SKIPPED": TaskStatus.COMPLETED}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an asset is; everything UNSET where it does not say."""

    status: Maybe[TaskStatus] = UNSET
    native_status: Maybe[str | None] = UNSET
    phase: Maybe[Phase | None] = UNSET


@dataclass(frozen=True, slots=True)
class Step:
    """A workflow step; names repeat between the groups of a V3 project."""

    phase: Phase
    group: str | None
    last: bool


def steps(project: JSON) -> list[Step]:
    """The steps of a project in the order it lists them, which is taken for the order of work."""
    project = mapping(project)
    groups = {text(mapping(g).get("id")): text(mapping(g).get("name")) for g in many(project.get("stepGroups"))}
    named = [step for step in many(project.get("steps")) if isinstance(step, dict) and text(step.get("name"))]
    return [
        Step(
            phase=Phase(
                name=text(step["name"]) or "",
                kind=PhaseKind.REVIEW if step.get("type") == "REVIEW" else PhaseKind.ANNOTATION,
                position=position,
            ),
            group=groups.get(text(step.get("stepGroupId"))),
            last=position == len(named) - 1,
        )
        for position, step in enumerate(named)
    ]


def progress(asset: Mapping[str, JSON], project: JSON = None) -> Progress:
    """Status, the platform's own word for it, and the phase of an asset; ``project`` tells what its steps are."""
    current = mapping(asset.get("currentStep"))
    word = text(current.get("status"))
    if word:
        found = _in_step(word, current, steps(project))
    elif "status" in asset:
        found = _plain(text(asset["status"]))
    else:
        return Progress()
    if asset.get("skipped") is True and found.status in (TaskStatus.PENDING, TaskStatus.IN_PROGRESS):
        return Progress(TaskStatus.CANCELED, found.native_status, found.phase)
    return found


def _plain(word: str | None) -> Progress:
    # Exports of V2 projects may hold a step's word in ``status`` (fact sheet §10).
    known = {**V1, **STEP_NOT_KNOWN}
    return Progress(known.get(OLDER_WORDS.get(word or "", word or ""), TaskStatus.UNKNOWN), word)


def _in_step(word: str, current: Mapping[str, JSON], known: Sequence[Step]) -> Progress:
    name, group = text(current.get("name")), text(current.get("stepGroupName"))
    matching = [step for step in known if step.phase.name == name and (group is None or step.group in (None, group))]
    step = matching[0] if len(matching) == 1 else None
    place = " / ".join(part for part in (group, name) if part)
    return Progress(
        status=_table(step).get(OLDER_WORDS.get(word, word), TaskStatus.UNKNOWN),
        native_status=f"{place}: {word}" if place else word,
        phase=step.phase if step else UNSET,
    )


def _table(step: Step | None) -> Mapping[str, TaskStatus]:
    if step is None:
        return STEP_NOT_KNOWN
    if step.phase.kind is PhaseKind.REVIEW:
        return LAST_REVIEW_STEP if step.last else REVIEW_STEP
    return LAST_LABELING_STEP if step.last else LABELING_STEP
