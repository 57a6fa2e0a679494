"""Tasks of Label Studio as documents: shapes, answers, verdicts, and what is not known."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.documents import (
    UNSET,
    Annotation,
    Asset,
    Audit,
    AuditResult,
    BoundingBox,
    Classification,
    Coordinate,
    CoordinateUnit,
    InputType,
    Kind,
    Point,
    Polygon,
    Relation,
    ReviewStatus,
    Span,
    Submission,
    SubmissionKind,
    Task,
    TaskStatus,
    TextSpan,
    TimeFrequencyBox,
    Transcription,
    UnmappedValue,
)
from connectors.errors import SkipRecord
from connectors.labelstudio.client import merged
from connectors.labelstudio.mapping import Context, project_document, task_documents
from connectors.labelstudio.shapes import labels, values
from tests.connectors.labelstudio.labelstudio_server import box

UNIT = CoordinateUnit.NORMALIZED


def answer(number: int, *result: Any, **more: Any) -> dict[str, Any]:
    made = f"2026-01-01T00:00:{number:02d}.000000Z"
    plain = {"id": number, "result": list(result), "completed_by": 2, "updated_by": 2, "was_cancelled": False}
    return plain | {"created_at": made, "updated_at": made, "lead_time": 1.5, "last_action": None} | more


def task(*answers: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": 7,
        "project": 3,
        "data": {"image": "https://files.example.org/a%20b.jpg"},
        "annotations": list(answers),
    } | more


def documents(said: Any, account: str | None = None) -> dict[type, list[Any]]:
    out: dict[type, list[Any]] = {}
    for doc in task_documents(said, {}, Context(account=account)):
        out.setdefault(type(doc), []).append(doc)
    return out


REGION: dict[str, Any] = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 15}


@pytest.mark.parametrize(
    ("item", "value"),
    [
        (
            {"type": "rectanglelabels", "value": REGION | {"rectanglelabels": ["Car"]}},
            BoundingBox(left=0.1, top=0.2, width=0.3, height=0.4, rotation=15, unit=UNIT),
        ),
        (
            {"type": "rectangle", "value": REGION},
            BoundingBox(left=0.1, top=0.2, width=0.3, height=0.4, rotation=15, unit=UNIT),
        ),
        (
            {"type": "labels", "value": REGION | {"labels": ["Car"]}},
            BoundingBox(left=0.1, top=0.2, width=0.3, height=0.4, rotation=15, unit=UNIT),
        ),
        (
            {"type": "polygonlabels", "value": {"points": [[0, 0], [50, 0], [50, 25]], "polygonlabels": ["Lake"]}},
            Polygon(rings=((Coordinate(0, 0), Coordinate(0.5, 0), Coordinate(0.5, 0.25)),), unit=UNIT),
        ),
        (
            {"type": "keypointlabels", "value": {"x": 25, "y": 75, "width": 1, "keypointlabels": ["Eye"]}},
            Point(at=Coordinate(0.25, 0.75), unit=UNIT),
        ),
        ({"type": "choices", "value": {"choices": ["day", "wet"]}}, Classification(categories=("day", "wet"))),
        ({"type": "textarea", "value": {"text": ["one", "two"]}}, Transcription(text="one\ntwo")),
        (
            {"type": "labels", "value": {"start": 3, "end": 9, "text": "larks!", "labels": ["B"]}},
            TextSpan(start=3, end=9, text="larks!"),
        ),
        (
            {"type": "labels", "original_length": 60, "value": {"start": 1, "end": 2.5, "channel": 0, "labels": ["S"]}},
            TimeFrequencyBox(time=Span(1.0, 2.5)),
        ),
        (
            {
                "type": "paragraphlabels",
                "value": {"start": "2", "end": "2", "startOffset": 1, "endOffset": 4, "text": "ark"},
            },
            TextSpan(start=1, end=4, text="ark"),
        ),
        (
            {
                "type": "hypertextlabels",
                "value": {
                    "start": "/p[1]",
                    "end": "/p[2]",
                    "startOffset": 1,
                    "endOffset": 4,
                    "globalOffsets": {"start": 11, "end": 44},
                },
            },
            TextSpan(start=11, end=44),
        ),
        (
            {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right"},
            Relation(from_ids=("a",), to_ids=("b",)),
        ),
    ],
)
def test_known_shapes(item: dict[str, Any], value: Any) -> None:
    """Each result type of image, text, audio and paragraphs becomes its value."""
    assert values(item) == [("", value)]


@pytest.mark.parametrize(
    "item",
    [
        {"type": "brushlabels", "value": {"format": "rle", "rle": [1, 2], "brushlabels": ["Sky"]}},
        {"type": "ellipselabels", "value": {"x": 1, "y": 2, "radiusX": 3, "radiusY": 4, "ellipselabels": ["O"]}},
        {"type": "labels", "value": {"x": 1, "y": 2, "radiusX": 3, "radiusY": 4, "labels": ["O"]}},
        {"type": "paragraphlabels", "value": {"start": "0", "end": "1", "startOffset": 4, "endOffset": 2}},
        {"type": "rectanglelabels", "value": {"x": 1, "y": "2", "width": 3, "height": 4}},
        {"type": "polygonlabels", "value": {"points": [[1, 2], [3]]}},
        {"type": "labels", "value": {"start": 9, "end": 3, "text": "?"}},
        {"type": "timeserieslabels", "value": {"start": 1, "end": 2, "instant": False}},
        {"type": "rating", "value": {"rating": 4}},
        {"type": "choices", "value": {"choices": []}},
        {"type": "videorectangle", "value": {"sequence": [{"frame": 1, "x": 1}]}},
        {},
    ],
)
def test_other_shapes_stay_as_they_are(item: dict[str, Any]) -> None:
    """What no shape fits, or what would lose something, is kept whole under its own word."""
    assert values(item) == [("", UnmappedValue(shape=item.get("type") or "result", json=item))]


def test_key_frames_are_marks_of_their_own() -> None:
    """Each key frame of a video is a box with its frame, and its id says which."""
    frame = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0, "enabled": True}
    value = {"sequence": [frame | {"frame": 1}, frame | {"frame": 26}], "labels": ["Lark"]}
    found = documents(task(answer(1, {"id": "v", "from_name": "box", "type": "videorectangle", "value": value})))[
        Annotation
    ]
    assert [(mark.external_id, mark.value.frame, mark.label) for mark in found] == [
        ("1/v/box@1", 1, "Lark"),
        ("1/v/box@26", 26, "Lark"),
    ]


def test_marks_of_one_region_have_ids_of_their_own() -> None:
    """Several controls on one region, and a repeated region, never share an id; the native id stays."""
    note = {
        "id": "r1",
        "from_name": "note",
        "type": "textarea",
        "value": {"text": ["hm"]},
        "meta": {"text": ["why"]},
        "score": 0.5,
    }
    found = documents(task(answer(1, box("r1"), note, box("r1"), {"type": "choices", "value": {"choices": ["x"]}}, 5)))[
        Annotation
    ]
    assert [mark.external_id for mark in found] == ["1/r1/label", "1/r1/note", "1/r1/label~2", "1/#3", "1/#4"]
    assert [mark.native_id for mark in found] == ["r1", "r1", "r1", None, None]
    assert (found[1].comment, found[1].confidence.level) == ("why", 0.5)
    assert found[4].value == UnmappedValue(shape="result", json={"value": 5})


def test_answers_of_several_people_stand_side_by_side() -> None:
    """All that were not skipped have current marks; the newest is the current answer; positions follow time."""
    found = documents(
        task(
            answer(4, box(), completed_by={"id": 5, "email": "x@example.org"}),
            answer(3, box(), was_cancelled=True),
            answer(1, box()),
            predictions=[answer(2, box(), model_version="m1")],
            drafts=[answer(5, box(), user="ann@example.org")],
        )
    )
    answers = found[Submission]
    assert [one.external_id for one in answers] == ["1", "prediction-2", "3", "4", "draft-5"]
    assert [one.position for one in answers] == [0, 1, 2, 3, 4]
    assert [one.is_current for one in answers] == [False, False, False, True, False]
    assert [one.skipped for one in answers] == [False, False, True, False, False]
    assert (answers[0].author, answers[3].author) == ("2", "5")
    assert (answers[1].submission_kind, answers[1].model_name) == (SubmissionKind.PREDICTION, "m1")
    assert [mark.is_current for mark in found[Annotation]] == [True, False, False, True, False]
    assert found[Task][0].children == {Kind.SUBMISSION, Kind.ANNOTATION, Kind.AUDIT}


def test_an_export_does_not_take_predictions_back() -> None:
    """Predictions that come as ids only leave the stored ones alone."""
    assert documents(task(answer(1, box()), predictions=[31]))[Task][0].children == {Kind.AUDIT}


@pytest.mark.parametrize(
    ("said", "status", "native"),
    [
        (task(is_labeled=False), TaskStatus.PENDING, None),
        (task(is_labeled=False, draft_exists=True), TaskStatus.IN_PROGRESS, "started"),
        (task(answer(1), is_labeled=False), TaskStatus.IN_PROGRESS, "started"),
        (task(answer(1), is_labeled=True), TaskStatus.COMPLETED, "labeled"),
        (task(answer(1)), TaskStatus.COMPLETED, "labeled"),
        (task(answer(1, was_cancelled=True), is_labeled=True), TaskStatus.CANCELED, "skipped"),
        (task(answer(1, was_cancelled=True), answer(2), is_labeled=True), TaskStatus.COMPLETED, "labeled"),
    ],
)
def test_status(said: dict[str, Any], status: TaskStatus, native: str | None) -> None:
    """Skipped, not started, begun and done follow from answers, drafts and ``is_labeled``."""
    found = documents(said)[Task][0]
    assert (found.status, found.native_status) == (status, native)


def test_verdicts() -> None:
    """A verdict is an audit of its answer; ours is named by the answer, another's by what it says and who said it."""
    said = task(
        answer(1, box(), last_action="accepted", last_created_by=3, updated_by=3),
        answer(2, box(), last_action="fixed_and_accepted", last_created_by=4, updated_by=4),
        answer(3, box(), last_action="submitted"),
        answer(4, box(), last_action="rejected", last_created_by=3, was_cancelled=True),
    )
    found = documents(said, account="4")
    assert [(one.external_id, one.result, one.auditor, one.submission) for one in found[Audit]] == [
        ("1/accepted/3", AuditResult.ACCEPTED, "3", "1"),
        ("2", AuditResult.FIXED, "4", "2"),
    ]
    assert found[Audit][1].fixed_response == [box()]
    assert found[Audit][0].audited_at is UNSET
    assert found[Task][0].review_status is ReviewStatus.MIXED


@pytest.mark.parametrize(
    ("by", "status"),
    [(3, ReviewStatus.REJECTED), (2, ReviewStatus.NOT_REVIEWED), (9, ReviewStatus.REJECTED)],
)
def test_a_later_change_by_the_author_ends_the_review(by: int, status: ReviewStatus) -> None:
    """The server leaves the verdict standing; what is there now nobody has reviewed."""
    said = task(answer(1, box(), last_action="rejected", last_created_by=3, updated_by=by))
    assert documents(said)[Task][0].review_status is status


def test_the_project_says_what_is_labelled() -> None:
    """Input type, place of the asset and label set come from the label configuration; an upload is below the server."""
    project: dict[str, Any] = {
        "id": 3,
        "title": "Larks",
        "task_number": 2,
        "finished_task_number": 2,
        "parsed_label_config": {
            "call": {
                "type": "Labels",
                "inputs": [{"type": "Audio", "value": "sound"}],
                "labels": ["Skylark", "Woodlark"],
            },
            "good": {"type": "Choices", "inputs": [{"type": "Audio", "value": "sound"}], "labels": ["yes", "Skylark"]},
        },
    }
    campaign = project_document(project, "http://ls.example.org")
    assert (campaign.input_type, campaign.label_set) == (InputType.AUDIO, ("Skylark", "Woodlark", "yes"))
    said = task(data={"cover": "https://files.example.org/c.png", "sound": "/data/upload/3/x-dawn.wav"})
    docs = task_documents(said, project, Context("http://ls.example.org"))
    asset = next(doc for doc in docs if isinstance(doc, Asset))
    assert (asset.input_type, asset.name) == (InputType.AUDIO, "x-dawn.wav")
    assert asset.content_url == "http://ls.example.org/data/upload/3/x-dawn.wav"
    assert docs[1].url == "http://ls.example.org/projects/3/data?task=7"


def test_without_a_project_the_file_name_tells() -> None:
    """An export has no label configuration: the first address in ``data`` is the asset."""
    asset = documents(task())[Asset][0]
    assert (asset.input_type, asset.name, asset.content_url) == (
        InputType.IMAGE,
        "a b.jpg",
        "https://files.example.org/a%20b.jpg",
    )
    assert documents(task(data={"text": "no / address in here"}))[Asset][0].name == "Task 7"


@pytest.mark.parametrize(
    "said", [None, 5, [], {}, {"id": 7}, {"annotations": []}, {"id": 1, "image": "x", "label": []}]
)
def test_what_is_no_task_is_skipped(said: Any) -> None:
    """Anything else, rows of JSON_MIN among them, is refused with its reason."""
    with pytest.raises(SkipRecord, match="not a task of Label Studio"):
        task_documents(said, {}, Context())


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "value",
                    "type",
                    "x",
                    "points",
                    "sequence",
                    "frame",
                    "start",
                    "end",
                    "labels",
                    "choices",
                    "meta",
                    "text",
                    "result",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)
FIELDS = ["annotations", "predictions", "drafts", "data", "meta", "project", "created_at", "updated_at", "is_labeled"]
ANSWER = [
    "id",
    "result",
    "completed_by",
    "last_action",
    "last_created_by",
    "updated_by",
    "was_cancelled",
    "created_at",
    "lead_time",
]
ANSWERS = st.lists(
    st.dictionaries(st.sampled_from(ANSWER), JSON_VALUES | st.sampled_from(["accepted", "rejected"])) | JSON_VALUES,
    max_size=3,
)


@given(st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES), ANSWERS, ANSWERS)
def test_the_mapping_is_total(said: dict[str, Any], answers: list[Any], others: list[Any]) -> None:
    """Whatever JSON stands where: documents or a ``SkipRecord``, ids that never repeat, the payload unchanged."""
    whole = {"id": 1} | said | {"annotations": answers, "drafts": others}
    before = json.dumps(whole)
    found = task_documents(whole, {}, Context(account="1"))
    assert json.dumps(whole) == before
    names = [(doc.kind, doc.external_id) for doc in found]
    assert len(names) == len(set(names))
    assert all(isinstance(name, str) and name for _, name in names)


@given(JSON_VALUES)
def test_labels_are_words(said: Any) -> None:
    """Labels of anything are a list of words."""
    assert all(isinstance(word, str) and word for word in labels({"type": "labels", "value": said}))


@given(st.sets(st.integers(1, 60)), st.sets(st.integers(1, 60)), st.integers(1, 6))
def test_ranges_hold_the_ids(some: set[int], others: set[int], gap: int) -> None:
    """Ranges of one id and longer ones, merged, hold exactly the ids; with a larger gap they hold them and the holes."""
    exact = merged([*merged([one] for one in some), *([one] for one in others)])
    assert {one for first, last in exact for one in range(first, last + 1)} == some | others
    loose = merged(([one] for one in some | others), gap=gap)
    assert all(later[0] - earlier[1] > gap for earlier, later in pairwise(loose))
    assert {one for first, last in loose for one in range(first, last + 1)} >= some | others
    assert {edge for one in loose for edge in one} <= some | others
