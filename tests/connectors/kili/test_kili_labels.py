"""Labels become submissions with the right author, order and currency, and reviews become audits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kili_checks import asset, label, of

from connectors.contract import person_id
from connectors.documents import (
    UNSET,
    Annotation,
    Annotator,
    AnnotatorKind,
    Audit,
    AuditOrigin,
    AuditResult,
    Kind,
    Submission,
    SubmissionKind,
    Task,
)
from connectors.kili.fields import Mapped
from connectors.kili.mapping import asset_documents
from connectors.kili.people import full_name

A = {"JOB": {"categories": [{"name": "A"}]}}
B = {"JOB": {"categories": [{"name": "B"}]}}


def mapped(*labels: Any, **fields: Any) -> Mapped:
    return asset_documents(asset(labels=list(labels), **fields), campaign="c")


def at(minute: int, kind: str = "DEFAULT", response: Any = None, **fields: Any) -> dict[str, Any]:
    numbered = {"id": f"{kind.lower()}-{minute}", "createdAt": f"2025-01-01T00:{minute:02d}:00.000Z"}
    return label(**numbered, labelType=kind, jsonResponse=A if response is None else response) | fields


def submissions(found: Mapped) -> list[Submission]:
    return of(found.documents, Submission)


def current(found: Mapped) -> list[str]:
    return [submission.external_id for submission in submissions(found) if submission.is_current]


# --- kinds, order, currency ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("native", "kind"),
    [
        ("DEFAULT", SubmissionKind.DEFAULT),
        ("REVIEW", SubmissionKind.REVIEW),
        ("PREDICTION", SubmissionKind.PREDICTION),
        ("INFERENCE", SubmissionKind.PREDICTION),
        ("AUTOSAVE", SubmissionKind.AUTOSAVE),
        ("SOMETHING_NEW", SubmissionKind.DEFAULT),
    ],
)
def test_kinds(native: str, kind: SubmissionKind) -> None:
    """Kili's five label types, and any later one, keep their own word."""
    (submission,) = submissions(mapped(at(1, native)))
    assert (submission.submission_kind, submission.native_kind) == (kind, native)


def test_fields_of_a_submission() -> None:
    """An answer keeps time, seconds, skip flag, the parsed response and the label itself."""
    told = at(5, secondsToLabel=12, skipped=True, jsonResponse=json.dumps(A), updatedAt="2025-01-01T00:06:00Z")
    (submission,) = submissions(mapped(told))
    assert submission.submitted_at is not None
    assert submission.submitted_at.isoformat() == "2025-01-01T00:05:00+00:00"
    assert submission.source_updated_at.isoformat() == "2025-01-01T00:06:00+00:00"
    assert (submission.labeling_seconds, submission.skipped, submission.response) == (12.0, True, A)
    assert (submission.task, submission.campaign, submission.author) == ("asset-1", "c", "user-1")
    assert submission.raw == told


def test_newest_answer_is_current() -> None:
    """Drafts and model output never are; order in the file does not matter, positions count by time."""
    found = mapped(at(9, "AUTOSAVE"), at(8, "PREDICTION"), at(3), at(1), at(7, "INFERENCE"))
    assert current(found) == ["default-3"]
    assert [(s.external_id, s.position) for s in submissions(found)] == [
        ("default-1", 0),
        ("default-3", 1),
        ("inference-7", 2),
        ("prediction-8", 3),
        ("autosave-9", 4),
    ]


@pytest.mark.parametrize("turn", [1, -1])
def test_review_goes_before_default_of_the_same_time(turn: int) -> None:
    """At equal times the review is the later word."""
    assert current(mapped(*[at(3), at(3, "REVIEW")][::turn])) == ["review-3"]


def test_model_output_alone_is_no_answer() -> None:
    """An asset with predictions only has no current submission."""
    assert current(mapped(at(1, "PREDICTION"), at(2, "AUTOSAVE"))) == []


def test_marks_follow_their_answer() -> None:
    """Marks of the current answer are current, those of replaced ones are not."""
    marks = of(mapped(at(1), at(2)).documents, Annotation)
    assert [(mark.submission, mark.is_current) for mark in marks] == [("default-1", False), ("default-2", True)]


def test_labels_without_time_keep_their_order() -> None:
    """The documentation's own example leaves out nearly everything: order in the file decides then."""
    found = mapped({"jsonResponse": A, "id": "x"}, {"jsonResponse": B, "id": "y"})
    assert [(s.external_id, s.position, s.is_current) for s in submissions(found)] == [("x", 0, False), ("y", 1, True)]
    assert submissions(found)[0].native_kind is UNSET


# --- ids -----------------------------------------------------------------------------------------------------


def test_labels_without_id_get_a_stable_one() -> None:
    """Asset, author, time and type name the label; the next label with the same four is counted."""
    first, again = [submissions(mapped(label(), label(jsonResponse=B)))[i].external_id for i in (0, 1)]
    assert first == submissions(mapped(label(modelName="ignored")))[0].external_id
    assert first.startswith("label-")
    assert again == f"{first}~2"


@pytest.mark.parametrize(
    "other",
    [
        {"createdAt": "2025-01-02T03:04:05.679Z"},
        {"labelType": "REVIEW"},
        {"author": {"id": "user-2"}},
        {"author": {"email": "rosa@example.com"}},
    ],
)
def test_each_part_of_the_surrogate_counts(other: dict[str, Any]) -> None:
    """Another time, type or author is another label; so is the same label on another asset."""
    own = submissions(mapped(label()))[0].external_id
    assert submissions(mapped(label(**other)))[0].external_id != own
    assert submissions(mapped(label(), id="asset-2"))[0].external_id != own


def test_surrogate_is_the_same_forever() -> None:
    """A known value: changing the rule would make every stored label new."""
    assert submissions(mapped(label()))[0].external_id == "label-901b6ff43761718ac8cf7576"


# --- people --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ({"name": "Rosa Aalto"}, "Rosa Aalto"),
        ({"firstname": "Rosa", "lastname": "Aalto"}, "Rosa Aalto"),
        ({"firstname": "Rosa", "lastname": None}, "Rosa"),
        ({"name": "None None", "firstname": None, "lastname": None}, None),
        ({"name": "None None", "firstname": "Rosa"}, "Rosa"),
        ({"name": "Rosa None"}, "Rosa"),
        ({"name": "", "email": "x@example.com"}, None),
    ],
)
def test_names(user: dict[str, Any], name: str | None) -> None:
    """``name``, else first and last name, and never the "None None" of the SDK."""
    assert full_name(user) == name


def test_author_known_by_mail_only() -> None:
    """Without a user id the e-mail gives the id, and does not show in it."""
    (person,) = of(mapped(label(author={"email": "Rosa@Example.com"})).documents, Annotator)
    assert person.external_id == person_id("rosa@example.com")
    assert (person.email, person.name, person.annotator_kind) == ("Rosa@Example.com", UNSET, AnnotatorKind.HUMAN)


@pytest.mark.parametrize("author", [None, {}, "rosa", 5])
def test_unknown_author(author: Any) -> None:
    """An anonymous label has no author and is kept."""
    found = mapped(label(author=author))
    assert submissions(found)[0].author is None
    assert of(found.documents, Annotator) == []


@pytest.mark.parametrize("kind", ["PREDICTION", "INFERENCE"])
def test_models_are_authors(kind: str) -> None:
    """The author of model output is the model; the uploader is known as a person and stays in the payload."""
    found = mapped(at(1, kind, modelName="reef-v3"))
    (submission,) = submissions(found)
    assert (submission.author, submission.model_name) == ("model:reef-v3", "reef-v3")
    assert {(p.external_id, p.annotator_kind) for p in of(found.documents, Annotator)} == {
        ("model:reef-v3", AnnotatorKind.MODEL),
        ("user-1", AnnotatorKind.HUMAN),
    }
    assert {mark.author for mark in of(found.documents, Annotation)} == {"model:reef-v3"}


def test_people_keep_their_label_although_a_model_is_named() -> None:
    """A DEFAULT label that names a model is still a person's; a prediction without a model is its uploader's."""
    assert submissions(mapped(at(1, modelName="reef-v3")))[0].author == "user-1"
    assert submissions(mapped(at(1, "PREDICTION", modelName=None)))[0].author == "user-1"


def test_assignees_by_id_mail_and_object() -> None:
    """An e-mail finds the person seen with it in the asset or the project; otherwise it names somebody new."""
    project = {"roles": [{"user": {"id": "user-9", "email": "nils@example.com"}}], "steps": [{"assignees": None}]}
    wanted = ["ROSA@example.com", "nils@example.com", "user-7", {"id": "user-8"}, "new@example.com", "user-7"]
    found = asset_documents(asset(labels=[label()], toBeLabeledBy=wanted), project=project)
    assert of(found.documents, Task)[0].assignees == (
        "user-1", "user-9", "user-7", "user-8", person_id("new@example.com"),
    )  # fmt: skip
    assert len({person.external_id for person in of(found.documents, Annotator)}) == 5


# --- responses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("response", ['{"JOB": ', "[]", "7", [], 7, True, '"text"'])
def test_malformed_response_keeps_the_answer(response: Any) -> None:
    """A response that is no object of jobs is reported with its place; the submission stays, and keeps it."""
    found = mapped(at(1, jsonResponse=response), at(2))
    assert [(s.external_id, s.response) for s in submissions(found)] == [("default-1", response), ("default-2", A)]
    (problem,) = found.skipped
    assert (problem.field, problem.external_id) == ("jsonResponse", "default-1")
    assert problem.where == "asset asset-1, label default-1"
    assert of(found.documents, Task)[0].children == frozenset(), "old marks of the label may still be right"


@pytest.mark.parametrize("response", [None, "", "null", {}, "{}"])
def test_empty_response_is_an_answer_without_marks(response: Any) -> None:
    """Nothing marked is no error."""
    found = mapped(at(1, jsonResponse=response))
    assert (len(submissions(found)), of(found.documents, Annotation), found.skipped) == (1, [], [])


def test_response_behind_a_link_is_reported() -> None:
    """An API row saved without its download must not look like an empty answer."""
    row = at(1)
    del row["jsonResponse"]
    (problem,) = mapped(row | {"jsonResponseUrl": "https://bucket.example.org/x"}).skipped
    assert problem.field == "jsonResponseUrl"


# --- audits --------------------------------------------------------------------------------------------------


def audits(*labels: dict[str, Any]) -> list[Audit]:
    return of(mapped(*labels).documents, Audit)


def test_accepting_review() -> None:
    """A review that repeats the answer accepts it; view state in the response does not count."""
    reviewer = {"id": "user-2"}
    review = at(5, "REVIEW", A | {"ROTATION_JOB": {"rotation": 90}}, author=reviewer, secondsToLabel=33)
    (audit,) = audits(at(1), review)
    assert (audit.external_id, audit.result, audit.native_result) == ("review-5/review", AuditResult.ACCEPTED, "REVIEW")
    assert (audit.submission, audit.author, audit.auditor) == ("default-1", "user-1", "user-2")
    assert (audit.task, audit.campaign, audit.origin) == ("asset-1", "c", AuditOrigin.PLATFORM)
    assert audit.audited_at is not None
    assert (audit.audited_at.minute, audit.duration_seconds, audit.fixed_response) == (5, 33.0, None)
    assert audit.raw_of is not None
    assert (audit.raw_of.kind, audit.raw_of.external_id) == (Kind.SUBMISSION, "review-5")


def test_fixing_review() -> None:
    """A review that differs fixes the answer and holds the fixed one; JSON text and object compare alike."""
    (audit,) = audits(at(1, jsonResponse=json.dumps(A)), at(5, "REVIEW", json.dumps(B)))
    assert (audit.result, audit.fixed_response) == (AuditResult.FIXED, B)


def test_review_judges_what_was_current() -> None:
    """A second review judges the first; model output and later labels are nobody's answer to judge."""
    found = audits(at(1), at(2, "PREDICTION"), at(3, "REVIEW", B), at(4, "REVIEW", B), at(5, response=B))
    assert [(audit.submission, audit.result) for audit in found] == [
        ("default-1", AuditResult.FIXED),
        ("review-3", AuditResult.ACCEPTED),
    ]


def test_review_names_what_it_judges() -> None:
    """``referencedLabelId`` goes before time."""
    (audit,) = audits(at(1), at(2, response=B), at(5, "REVIEW", A, referencedLabelId="default-1"))
    assert (audit.submission, audit.result) == ("default-1", AuditResult.ACCEPTED)


@pytest.mark.parametrize(
    "labels",
    [
        [at(5, "REVIEW")],
        [at(1, jsonResponse="{"), at(5, "REVIEW")],
        [at(1), at(5, "REVIEW", jsonResponse="{")],
        [at(1, jsonResponse=None), at(5, "REVIEW")],
    ],
)
def test_review_of_something_unknown(labels: list[dict[str, Any]]) -> None:
    """Where the judged answer or the review cannot be read, the verdict is unknown rather than guessed."""
    assert [audit.result for audit in audits(*labels)] == [AuditResult.UNKNOWN]


def test_review_too_deep_to_compare() -> None:
    """Answers nested deeper than Python compares are no reason to fail, nor to guess."""

    def deep() -> Any:
        value: Any = "end"
        for _ in range(100_000):
            value = [value]
        return {"JOB": {"odd": value}}

    assert [audit.result for audit in audits(at(1, jsonResponse=deep()), at(2, "REVIEW", deep()))] == [
        AuditResult.UNKNOWN
    ]


def test_sent_back_label_is_a_rejection() -> None:
    """A send back rejects; Kili tells neither when nor by whom."""
    (audit,) = audits(at(1, isSentBackToQueue=True), at(2))
    assert (audit.external_id, audit.result) == ("default-1/sent-back", AuditResult.REJECTED)
    assert (audit.submission, audit.author) == ("default-1", "user-1")
    assert (audit.auditor, audit.audited_at) == (None, None)
    assert audits(at(1, isSentBackToQueue=False)) == []


labels_strategy = st.lists(
    st.builds(
        at,
        st.integers(0, 5),
        st.sampled_from(["DEFAULT", "REVIEW", "PREDICTION", "AUTOSAVE", "INFERENCE"]),
        st.sampled_from([A, B, None, "{"]),
        isSentBackToQueue=st.booleans(),
        id=st.sampled_from([None, "one", "two", "three"]),
    ),
    max_size=7,
)


@given(labels_strategy)
def test_any_history_of_labels(labels: list[dict[str, Any]]) -> None:
    """At most one submission is current; ids and positions are each used once; audits point to submissions."""
    found = mapped(*labels)
    answers = submissions(found)
    assert len(current(found)) == (1 if any(s.submission_kind in ("DEFAULT", "REVIEW") for s in answers) else 0)
    assert sorted(s.position for s in answers) == list(range(len(answers)))
    names = {s.external_id for s in answers}
    assert len(names) == len(answers)
    assert all(audit.submission is None or audit.submission in names for audit in of(found.documents, Audit))
    every = [(document.kind, document.external_id, document.facet) for document in found.documents]
    assert len(every) == len(set(every))
