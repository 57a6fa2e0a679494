"""Assets, projects, issues and users as documents; the object that came can be put together again."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kili_checks import asset, json_values, label, of, rebuild

from connectors.documents import (
    UNSET,
    Annotation,
    Annotator,
    Asset,
    Audit,
    BoundingBox,
    Campaign,
    CampaignStatus,
    Comment,
    CommentKind,
    CoordinateUnit,
    InputType,
    Kind,
    Phase,
    PhaseKind,
    Ref,
    Submission,
    Task,
    TaskStatus,
)
from connectors.errors import SkipRecord
from connectors.kili.fields import Mapped
from connectors.kili.issues import issue_documents
from connectors.kili.mapping import asset_documents
from connectors.kili.people import user_document
from connectors.kili.projects import project_document

BOX = {
    "mid": "m",
    "type": "rectangle",
    "categories": [{"name": "A"}],
    "boundingPoly": [{"normalizedVertices": [{"x": 0.1, "y": 0.1}, {"x": 0.2, "y": 0.2}]}],
}


def the(found: Mapped) -> tuple[Asset, Task]:
    (only,), (task,) = of(found.documents, Asset), of(found.documents, Task)
    return only, task


# --- assets --------------------------------------------------------------------------------------------------


def test_fields_of_an_asset() -> None:
    """Every field of the export documentation finds its place in the asset or its task."""
    told = asset(
        content="https://files.example.org/1.jpg",
        createdAt="2025-01-01T00:00:00.000Z",
        updatedAt="2025-01-02T01:00:00.500+01:00",
        honeypotMark=0.5,
        consensusMark=1,
        isHoneypot=True,
        isUsedForConsensus=False,
        jsonMetadata={"place": "Oulu"},
        priority=3,
        status="LABELED",
        totalSecondsToLabel=61,
        toBeLabeledBy=["user-1"],
        resolution={"width": 2, "height": 1},
    )
    only, task = the(asset_documents(told, campaign="c"))
    updated = datetime(2025, 1, 2, 0, 0, 0, 500_000, UTC)
    assert only == Asset(
        external_id="asset-1",
        assumed=frozenset({"input_type"}),
        raw=told,
        source_updated_at=updated,
        campaign="c",
        name="file 1.jpg",
        input_type=InputType.IMAGE,
        content_url="https://files.example.org/1.jpg",
        metadata={"place": "Oulu"},
        is_honeypot=True,
        used_for_consensus=False,
    )
    assert task == Task(
        external_id="asset-1",
        raw_of=Ref(Kind.ASSET, "asset-1"),
        children=frozenset({Kind.SUBMISSION, Kind.ANNOTATION, Kind.AUDIT}),
        source_updated_at=updated,
        campaign="c",
        asset="asset-1",
        assets=("asset-1",),
        asset_name="file 1.jpg",
        status=TaskStatus.SUBMITTED,
        native_status="LABELED",
        priority=3,
        assignees=("user-1",),
        labeling_seconds=61.0,
        consensus_score=1.0,
        honeypot_score=0.5,
        created_at=datetime(2025, 1, 1, tzinfo=UTC),
        updated_at=updated,
    )


def test_what_is_absent_is_not_stated() -> None:
    """An SDK export without marks and times leaves what is known from elsewhere; null says there is none."""
    only, task = the(asset_documents({"id": "a", "consensusMark": None}))
    assert (only.metadata, only.content_url, only.is_honeypot) == (UNSET, UNSET, UNSET)
    assert (task.status, task.created_at, task.priority, task.assignees) == (UNSET, UNSET, UNSET, UNSET)
    assert (task.honeypot_score, task.consensus_score) == (UNSET, None)
    assert task.children == frozenset()


def test_unreadable_fields_are_reported() -> None:
    """A field of the wrong type is named with file, asset and value; the asset stays."""
    told = asset(priority="high", updatedAt="yesterday", isHoneypot=1, totalSecondsToLabel={}, toBeLabeledBy="rosa")
    found = asset_documents(told, where="x.json, item 4")
    assert {(problem.field, problem.where, problem.external_id) for problem in found.skipped} == {
        (field, "x.json, item 4, asset asset-1", "asset-1")
        for field in ("priority", "updatedAt", "isHoneypot", "totalSecondsToLabel", "toBeLabeledBy")
    }
    assert "updatedAt: expected an ISO-8601 date and time, found 'yesterday'" in [p.reason for p in found.skipped]
    assert len(found.skipped) == 5
    assert the(found)[0].raw == told


@pytest.mark.parametrize("value", [None, 5, "text", [], {}, {"content": "x"}, {"id": ""}, {"id": True}])
def test_what_is_no_asset(value: Any) -> None:
    """An object without id and external id is refused with the place it stands at."""
    with pytest.raises(SkipRecord) as refusal:
        asset_documents(value, campaign="c", where="x.json, item 1")
    assert refusal.value.where == "x.json, item 1"


def test_asset_without_id_is_named_by_its_external_id() -> None:
    """External ids are unique within a project only, so the campaign is part of the name."""
    only, task = the(asset_documents({"externalId": "1.jpg"}, campaign="c"))
    assert (only.external_id, task.external_id, only.name) == ("c/1.jpg", "c/1.jpg", "1.jpg")


def test_asset_names_its_own_project() -> None:
    """``project{id}`` inside the asset goes before the campaign of the file."""
    assert the(asset_documents(asset(project={"id": "p"}), campaign="c"))[0].campaign == "p"


@pytest.mark.parametrize(
    ("content", "url"),
    [
        ("https://files.example.org/1.jpg", "https://files.example.org/1.jpg"),
        ("gs://bucket/1.jpg", "gs://bucket/1.jpg"),
        ("assets/1.jpg", None),
        ("See https://example.org for more", None),
        ("", None),
        (None, None),
    ],
)
def test_content_is_a_link_or_the_text_itself(content: Any, url: str | None) -> None:
    """Only a link is a content URL; the text of a TEXT project stays in the payload."""
    assert the(asset_documents(asset(content=content)))[0].content_url == url


@pytest.mark.parametrize(
    ("fields", "input_type"),
    [
        ({"geospatialExportMetadata": {}}, InputType.GEOSPATIAL),
        ({"jsonContent": [{"epsg": "EPSG4326", "useClassicCoordinates": False}]}, InputType.GEOSPATIAL),
        ({"jsonContent": [{"epsg": "EPSG4326", "useClassicCoordinates": True}]}, InputType.IMAGE),
        ({"pageResolutions": [{"pageNumber": 1}]}, InputType.DOCUMENT),
        ({"jsonMetadata": {"processingParameters": {"numberOfFrames": 4}}}, InputType.VIDEO),
        ({"content": "https://files.example.org/1.mp4?x=1"}, InputType.VIDEO),
        ({"externalId": "call.wav"}, InputType.AUDIO),
        ({"externalId": "note.txt"}, InputType.TEXT),
        ({"externalId": "x", "resolution": {"width": 1, "height": 1}}, InputType.IMAGE),
        ({"externalId": "x", "labels": [label(jsonResponse={"4": {"J": {"text": "x"}}})]}, InputType.VIDEO),
        ({"externalId": "x", "labels": [label(jsonResponse={"J": {"annotations": [BOX]}})]}, InputType.IMAGE),
        ({"externalId": "x"}, None),
    ],
)
def test_input_type_is_guessed_and_marked_so(fields: dict[str, Any], input_type: InputType | None) -> None:
    """Exports do not name the input type: the asset shows it, and a stated one goes before."""
    only, _ = the(asset_documents(asset(**fields)))
    assert only.input_type == (input_type or UNSET)
    assert only.assumed == (frozenset({"input_type"}) if input_type else frozenset())
    stated, task = the(asset_documents(asset(**fields), project={"id": "p", "inputType": "AUDIO"}))
    assert (stated.input_type, stated.assumed, task.type) == (InputType.AUDIO, frozenset(), "AUDIO")


@pytest.mark.parametrize(
    ("fields", "project", "unit"),
    [
        ({}, None, CoordinateUnit.NORMALIZED),
        ({}, {"inputType": "GEOSPATIAL"}, CoordinateUnit.DEGREE),
        ({"jsonContent": '[{"epsg": "EPSG4326"}]'}, {"inputType": "IMAGE"}, CoordinateUnit.DEGREE),
    ],
)
def test_unit_of_coordinates(fields: dict[str, Any], project: Any, unit: CoordinateUnit) -> None:
    """Geospatial projects and geotiff layers use degrees, everything else fractions."""
    told = asset(labels=[label(jsonResponse={"J": {"annotations": [BOX]}})], **fields)
    (mark,) = of(asset_documents(told, project=project).documents, Annotation)
    assert isinstance(mark.value, BoundingBox)
    assert mark.value.unit is unit


# --- putting together again ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels",
    [
        {"labels": [label(), label(id="x"), label()]},
        {"latestLabel": label()},
        {"latestLabel": None},
        {"latestLabels": [None, label(), None]},
        {"labels": [label(id="x"), label(id="y")], "latestLabel": label(id="y")},
        {"labels": [label(id="x")], "latestLabels": [{"id": "x"}, None]},
        {"labels": [label(id="x"), label(id="x"), label(id="x", labelType="REVIEW")]},
        {"labels": [{"submission": "x"}, {"verbatim": 1}, {}, "odd", 5, None]},
        {"labels": "odd", "latestLabel": [], "latestLabels": {}},
    ],
)
def test_asset_can_be_rebuilt(labels: dict[str, Any]) -> None:
    """Whatever stands under the keys of labels, payloads of asset and submissions give the object again."""
    told = {"id": "a", "externalId": "b", "extra": {"labels": [1]}} | labels
    before = copy.deepcopy(told)
    found = asset_documents(told)
    assert rebuild(found.documents) == [before]
    assert told == before, "mapping changes nothing of its input"


def test_label_told_twice_is_one_submission() -> None:
    """``latestLabel`` repeats a label of ``labels``; two different labels with one id are two."""
    told = asset(labels=[label(id="x"), label(id="y")], latestLabel=label(id="y"), latestLabels=[{"id": "x"}])
    assert [s.external_id for s in of(asset_documents(told).documents, Submission)] == ["x", "y"]
    twice = asset(labels=[label(id="x"), label(id="x", labelType="REVIEW")])
    assert [s.external_id for s in of(asset_documents(twice).documents, Submission)] == ["x", "x~2"]


def test_labels_that_are_none_are_reported() -> None:
    """A label that is no object is named by its place; null entries of ``latestLabels`` are Kili's own."""
    found = asset_documents(asset(labels=[label(), "odd"], latestLabels=[None]))
    assert [problem.reason for problem in found.skipped] == ["labels: labels[1]: expected a label, found 'odd'"]
    assert the(found)[1].children == frozenset()


KEYS = (
    "id externalId labels latestLabel latestLabels issues status currentStep skipped content jsonContent jsonMetadata "
    "toBeLabeledBy updatedAt priority project resolution jsonResponse author email name createdAt labelType modelName "
    "comments objectMid type JOB text isSentBackToQueue categories annotations"
)
keys = st.sampled_from(KEYS.split())
wild = st.recursive(
    json_values | st.sampled_from(["DEFAULT", "REVIEW", "2025-01-01T00:00:00Z", "{}", "[", "a@example.com", True]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6),
    max_leaves=40,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(keys, wild, max_size=8), st.dictionaries(keys, wild, max_size=3))
def test_any_asset_maps_and_can_be_rebuilt(told: dict[str, Any], project: dict[str, Any]) -> None:
    """No JSON makes the mapping fail, two documents never share an identity, and nothing of the object is lost."""
    told["id"] = "a"
    found = asset_documents(told, campaign="c", project=project)
    assert repr(rebuild(found.documents)) == repr([told])
    every = [(document.kind, document.external_id, document.facet) for document in found.documents]
    assert len(every) == len(set(every))
    assert all(external_id for _, external_id, _ in every)
    assert found == asset_documents(told, campaign="c", project=project) or "nan" in repr(told)


# --- projects, issues, users ---------------------------------------------------------------------------------

PROJECT = {
    "id": "p",
    "title": "Reefs",
    "description": "Corals",
    "inputType": "PDF",
    "archived": False,
    "createdAt": "2025-01-01T00:00:00.000Z",
    "updatedAt": "2025-02-01T00:00:00.000Z",
    "jsonInterface": '{"jobs": {"J": {"content": {"categories": {"A": {"name": "a"}, "B": {}}}}, "K": {"content": {}}}}',
    "steps": [{"name": "Label", "type": "DEFAULT"}, {"name": "Check", "type": "REVIEW"}],
    "workflowVersion": "V2",
}


def test_project_is_a_campaign() -> None:
    """Title, steps as phases, and category keys, since labels carry keys."""
    assert project_document(PROJECT) == Campaign(
        external_id="p",
        raw=PROJECT,
        name="Reefs",
        description="Corals",
        status=CampaignStatus.OPEN,
        native_status=None,
        input_type=InputType.DOCUMENT,
        phases=(
            Phase(name="Label", kind=PhaseKind.ANNOTATION, position=0),
            Phase(name="Check", kind=PhaseKind.REVIEW, position=1),
        ),
        label_set=("A", "B"),
        created_at=datetime(2025, 1, 1, tzinfo=UTC),
        updated_at=datetime(2025, 2, 1, tzinfo=UTC),
        source_updated_at=datetime(2025, 2, 1, tzinfo=UTC),
    )
    archived = project_document({"id": "p", "archived": True})
    assert (archived.status, archived.native_status, archived.name) == (CampaignStatus.ARCHIVED, "archived", "p")
    assert (archived.phases, archived.label_set) == (UNSET, UNSET)
    with pytest.raises(SkipRecord, match="without id"):
        project_document({"title": "Reefs"})


ISSUE = {
    "id": "i",
    "type": "ISSUE",
    "status": "OPEN",
    "assetId": "asset-1",
    "objectMid": "m",
    "createdAt": "2025-01-01T00:00:00.000Z",
    "comments": [
        {"id": "c1", "text": "Too wide", "authorIdUser": "user-2", "createdAt": "2025-01-01T00:00:01.000Z"},
        {"id": "c2", "text": "Done", "author": {"id": "user-1"}, "createdAt": "2025-01-01T00:00:02.000Z"},
    ],
}


def test_issue_and_replies() -> None:
    """The first comment is the issue with its kind and status, each reply a comment with its own author and time."""
    found = issue_documents(ISSUE, campaign="c", marks={"m": "x/J/m"})
    first, reply = of(found.documents, Comment)
    assert (first.external_id, first.comment_kind, first.native_status) == ("i", CommentKind.ISSUE, "OPEN")
    assert (first.text, first.author, first.annotation, first.task) == ("Too wide", "user-2", "x/J/m", "asset-1")
    assert (first.raw, first.raw_of) == (ISSUE, UNSET)
    assert (reply.external_id, reply.comment_kind, reply.native_status) == ("i/c2", CommentKind.COMMENT, None)
    assert (reply.text, reply.author, reply.raw_of) == ("Done", "user-1", Ref(Kind.COMMENT, "i"))
    assert reply.created_at == datetime(2025, 1, 1, 0, 0, 2, tzinfo=UTC)
    assert {person.external_id for person in of(found.documents, Annotator)} == {"user-1", "user-2"}


def test_question_without_comments() -> None:
    """A question is one comment even without text; one without id is reported."""
    (only,) = of(issue_documents({"id": "q", "type": "QUESTION"}, asset="a").documents, Comment)
    assert (only.comment_kind, only.text, only.task, only.native_status) == (CommentKind.QUESTION, "", "a", UNSET)
    nameless = issue_documents({"type": "QUESTION"})
    assert (nameless.documents, len(nameless.skipped)) == ([], 1)


def test_issues_inside_an_asset_find_their_mark() -> None:
    """An ``objectMid`` means the mark of the current answer, which edits share with older ones."""
    response = {"J": {"annotations": [BOX]}}
    old = label(id="old", jsonResponse=response)
    new = label(id="new", jsonResponse=response, createdAt="2025-03-01T00:00:00Z", labelType="REVIEW")
    found = asset_documents(asset(labels=[new, old], issues=[ISSUE, "odd"]))
    comments = of(found.documents, Comment)
    assert [comment.annotation for comment in comments] == ["new/J/m", "new/J/m"]
    assert {comment.raw_of for comment in comments} == {Ref(Kind.ASSET, "asset-1")}
    assert [problem.reason for problem in found.skipped] == ["issues: expected an issue, found 'odd'"]
    assert Kind.COMMENT not in the(found)[1].children
    assert Kind.COMMENT in the(asset_documents(asset(issues=[ISSUE])))[1].children


def test_repeated_issues_and_comments() -> None:
    """An issue told twice is reported once; two comments with one id stay two."""
    told = asset(issues=[ISSUE | {"comments": [{"id": "c", "text": text} for text in "xyz"]}, ISSUE])
    found = asset_documents(told)
    assert [(comment.external_id, comment.text) for comment in of(found.documents, Comment)] == [
        ("i", "x"),
        ("i/c", "y"),
        ("i/c~2", "z"),
    ]
    assert [problem.field for problem in found.skipped] == ["issues"]


def test_user_of_the_api() -> None:
    """A listed user keeps its payload; one without id and e-mail is nobody."""
    user = {"id": "u", "email": "rosa@example.com", "firstname": "Rosa", "lastname": "Aalto", "activated": True}
    person = user_document(user)
    assert person is not None
    assert (person.external_id, person.name, person.email, person.raw, person.facet) == (
        "u", "Rosa Aalto", "rosa@example.com", user, "",
    )  # fmt: skip
    assert user_document({"firstname": "Rosa"}) is None


def test_partial_views_of_a_person_are_facets() -> None:
    """An id alone and a full author are different facets, so reading both again changes nobody."""
    told = asset(labels=[label()], toBeLabeledBy=["user-1"])
    people = of(asset_documents(told).documents, Annotator)
    assert [(person.facet, person.name) for person in people] == [
        ("author+name+email", "Rosa Aalto"),
        ("author", UNSET),
    ]


def test_audits_come_after_what_they_judge() -> None:
    """Documents stand parents first: people, asset, task, submissions with their marks, audits, comments."""
    told = asset(labels=[label(), label(labelType="REVIEW", createdAt="2025-02-01T00:00:00Z")], issues=[ISSUE])
    kinds = [type(document) for document in asset_documents(told).documents]
    order = [Annotator, Asset, Task, Submission, Annotation, Audit, Comment]
    assert [kinds.index(kind) for kind in order] == sorted(kinds.index(kind) for kind in order)
    assert kinds.index(Audit) > max(i for i, kind in enumerate(kinds) if kind in (Submission, Annotation))
