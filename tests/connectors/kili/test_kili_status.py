"""Kili's workflow words become task states by one table; what it does not know stays visible."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.documents import UNSET, Phase, PhaseKind, TaskStatus
from connectors.kili.status import Progress, Step, progress, steps

S = TaskStatus
PROJECT = {
    "steps": [
        {"id": "1", "name": "Label", "type": "DEFAULT"},
        {"id": "2", "name": "Check", "type": "REVIEW"},
        {"id": "3", "name": "Sign off", "type": "REVIEW"},
    ]
}
TABLE = {
    # status: labeling step, review step before the last, last review step, step not known
    "TO_DO": (S.PENDING, S.IN_REVIEW, S.IN_REVIEW, S.PENDING),
    "IN_PROGRESS": (S.IN_PROGRESS, S.IN_REVIEW, S.IN_REVIEW, S.IN_PROGRESS),
    "DOING": (S.IN_PROGRESS, S.IN_REVIEW, S.IN_REVIEW, S.IN_PROGRESS),
    "PARTIALLY_DONE": (S.IN_PROGRESS, S.IN_REVIEW, S.IN_REVIEW, S.IN_PROGRESS),
    "REWORK": (S.IN_PROGRESS, S.IN_REVIEW, S.IN_REVIEW, S.IN_PROGRESS),
    "REDO": (S.IN_PROGRESS, S.IN_REVIEW, S.IN_REVIEW, S.IN_PROGRESS),
    "DONE": (S.SUBMITTED, S.IN_REVIEW, S.COMPLETED, S.SUBMITTED),
    "SKIPPED": (S.CANCELED, S.IN_REVIEW, S.COMPLETED, S.UNKNOWN),
    "PONDERING": (S.UNKNOWN, S.UNKNOWN, S.UNKNOWN, S.UNKNOWN),
}
CELLS = [
    (place, word, expected)
    for word, row in TABLE.items()
    for place, expected in zip(("Label", "Check", "Sign off", "Elsewhere"), row, strict=True)
]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("TODO", S.PENDING),
        ("ONGOING", S.IN_PROGRESS),
        ("LABELED", S.SUBMITTED),
        ("TO_REVIEW", S.IN_REVIEW),
        ("REVIEWED", S.COMPLETED),
        ("DONE", S.SUBMITTED),
        ("REDO", S.IN_PROGRESS),
        ("PONDERING", S.UNKNOWN),
    ],
)
def test_plain_status(word: str, expected: TaskStatus) -> None:
    """``status`` holds V1 words, and in exports of V2 projects at times a step's word."""
    assert progress({"status": word}) == Progress(expected, word)


@pytest.mark.parametrize(("place", "word", "expected"), CELLS)
def test_step_status(place: str, word: str, expected: TaskStatus) -> None:
    """A step's word means another thing in a labeling step, a review step and the last step."""
    found = progress({"status": "LABELED", "currentStep": {"name": place, "status": word}}, PROJECT)
    assert (found.status, found.native_status) == (expected, f"{place}: {word}")


def test_done_in_the_last_labeling_step() -> None:
    """Without review steps, done in the last labeling step is completed."""
    project = {"steps": [{"name": "A", "type": "DEFAULT"}, {"name": "B", "type": "DEFAULT"}]}
    assert progress({"currentStep": {"name": "A", "status": "DONE"}}, project).status is S.SUBMITTED
    assert progress({"currentStep": {"name": "B", "status": "DONE"}}, project).status is S.COMPLETED


def test_phase() -> None:
    """The phase is the step of the project; without the project nobody can say its kind."""
    asset = {"currentStep": {"name": "Check", "status": "TO_DO"}}
    assert progress(asset, PROJECT).phase == Phase(name="Check", kind=PhaseKind.REVIEW, position=1)
    assert progress(asset).phase is UNSET


def test_steps_of_groups() -> None:
    """In V3 projects names repeat between groups: the group decides, and without it an ambiguous step is not known."""
    project = {
        "stepGroups": [{"id": "g1", "name": "North"}, {"id": "g2", "name": "South"}],
        "steps": [
            {"name": "Work", "type": "DEFAULT", "stepGroupId": "g1"},
            {"name": "Work", "type": "REVIEW", "stepGroupId": "g2"},
        ],
    }
    assert [(step.group, step.last) for step in steps(project)] == [("North", False), ("South", True)]
    current = {"name": "Work", "status": "DONE", "stepGroupName": "South"}
    assert progress({"currentStep": current}, project) == Progress(
        S.COMPLETED, "South / Work: DONE", Phase(name="Work", kind=PhaseKind.REVIEW, position=1)
    )
    del current["stepGroupName"]
    assert progress({"currentStep": current}, project) == Progress(S.SUBMITTED, "Work: DONE")


@pytest.mark.parametrize(
    ("asset", "expected"),
    [
        ({"status": "TODO", "skipped": True}, S.CANCELED),
        ({"status": "ONGOING", "skipped": True}, S.CANCELED),
        ({"status": "LABELED", "skipped": True}, S.SUBMITTED),
        ({"status": "TODO", "skipped": False}, S.PENDING),
    ],
)
def test_skipped_assets(asset: dict[str, Any], expected: TaskStatus) -> None:
    """A skipped asset without an answer is canceled; an answer is not taken back by the flag."""
    assert progress(asset).status is expected


@pytest.mark.parametrize("asset", [{}, {"currentStep": None}, {"currentStep": {"name": "Check"}}])
def test_silence_states_nothing(asset: dict[str, Any]) -> None:
    """An export without status leaves the status that is known."""
    assert progress(asset, PROJECT) == Progress()


@pytest.mark.parametrize("project", [None, [], {"steps": None}, {"steps": [None, {"name": 5}, {"type": "REVIEW"}]}])
def test_damaged_projects(project: Any) -> None:
    """A project without usable steps is a project whose steps are not known."""
    assert [step for step in steps(project) if isinstance(step, Step) and step.phase.name != "5"] == []
    assert progress({"currentStep": {"name": "Check", "status": "DONE"}}, project).status is S.SUBMITTED
