"""Audits of Scale tasks: records, per-annotation errors under every name they may have, and what they point at."""

from datetime import UTC, datetime

import pytest

from connectors.contract import person_id
from connectors.documents import (
    UNSET,
    AuditErrorType,
    AuditOrigin,
    AuditResult,
    AuditSeverity,
    BoundingBox,
    Coordinate,
    CoordinateUnit,
    Kind,
    Ref,
    ReviewStatus,
    SubmissionKind,
    UnmappedValue,
)
from connectors.scale.audit_fields import AUDIT, ERROR
from connectors.scale.mapping import task_documents
from tests.connectors.scale.scale_files import of_kind, one, task

BOX = {"left": 1, "top": 2, "width": 3, "height": 4}
PIXELS = BoundingBox(left=1.0, top=2.0, width=3.0, height=4.0, unit=CoordinateUnit.PIXEL)


def audits(*records, **fields):
    return of_kind(Kind.AUDIT, task_documents(task(audits=list(records), **fields)))


def error(**said):
    (audit,) = audits({"audit_result": "rejected", "audit_per_annotation_errors": [said]})
    (found,) = audit.errors
    return found


def test_every_field_of_a_record_is_read():
    """The record of the documentation page, with an active time."""
    record = {
        "audited_by": "Mara.Voss@Example.com ",
        "audited_at": "2025-03-05T15:32:03.585Z",
        "audit_time_secs": 120,
        "audit_active_time_secs": 99.5,
        "audit_result": "accepted",
        "audit_source": "customer",
        "comments": ["fine", ""],
    }
    found = task_documents(task(audits=[record], project="P"))
    audit, person = one(Kind.AUDIT, found), one(Kind.ANNOTATOR, found)
    who = person_id("mara.voss@example.com")
    assert audit.external_id == f"67c6a0005ca1e00000000001/2025-03-05T15:32:03.585Z/{who}/customer"
    assert (audit.task, audit.campaign, audit.auditor) == ("67c6a0005ca1e00000000001", "P", who)
    assert (audit.result, audit.native_result) == (AuditResult.ACCEPTED, "accepted")
    assert audit.origin is AuditOrigin.CUSTOMER
    assert (audit.duration_seconds, audit.active_seconds) == (120.0, 99.5)
    assert audit.audited_at == datetime(2025, 3, 5, 15, 32, 3, 585000, UTC)
    assert audit.comments == ("fine",)
    assert audit.raw_of == Ref(Kind.TASK, "67c6a0005ca1e00000000001")
    assert (person.external_id, person.email) == (who, "mara.voss@example.com")


@pytest.mark.parametrize(("name", "alias"), [(name, alias) for name in AUDIT for alias in AUDIT[name]])
def test_each_name_of_a_record_field_is_read(name, alias):
    """Snake case as documented, camel case as Scale's own web app writes it."""
    value, attribute, wanted = {
        "by": ("a@example.com", "auditor", person_id("a@example.com")),
        "at": ("2025-03-05T15:32:03Z", "audited_at", datetime(2025, 3, 5, 15, 32, 3, tzinfo=UTC)),
        "seconds": (7, "duration_seconds", 7.0),
        "active_seconds": (6, "active_seconds", 6.0),
        "result": ("fixed", "result", AuditResult.FIXED),
        "source": ("customer", "origin", AuditOrigin.CUSTOMER),
        "errors": ([], "errors", ()),
        "comments": ("well done", "comments", ("well done",)),
    }[name]
    (audit,) = audits({alias: value})
    assert getattr(audit, attribute) == wanted


SAID = {
    "annotation": ("no-such-mark", "annotation_external_id", "no-such-mark"),
    "severity": ("critical", "severity", AuditSeverity.CRITICAL),
    "type": ("geometry", "type", AuditErrorType.GEOMETRY),
    "comment": ("too wide", "comment", "too wide"),
    "attribute": ("occluded", "attribute", "occluded"),
    "fixed": (True, "fixed", True),
    "original_label": ("car", "original_label", "car"),
    "fixed_label": ("truck", "fixed_label", "truck"),
    "frame": (12, "frame", 12),
    "reasons": (["glare", "rule 3"], "reasons", ("glare", "rule 3")),
    "original": (BOX, "original", PIXELS),
    "replacement": (BOX, "replacement", PIXELS),
    "label_index": (2, "label_index", 2),
    "locations": ([{"x": 1, "y": 2}, [3, 4]], "locations", (Coordinate(1.0, 2.0), Coordinate(3.0, 4.0))),
    "untied": (True, "untied", True),
}


@pytest.mark.parametrize(("name", "alias"), [(name, alias) for name in ERROR for alias in ERROR[name]])
def test_each_name_of_an_error_field_is_read(name, alias):
    """All fifteen fields of the fact sheet's §5.4, under every candidate for their names."""
    value, attribute, wanted = SAID[name]
    found = error(**{alias: value})
    assert getattr(found, attribute) == wanted
    others = {"native_severity", "native_type", attribute}
    empty = error()
    differing = {slot for slot in empty.__slots__ if getattr(found, slot) != getattr(empty, slot)}
    assert differing <= others


def test_the_alias_table_has_the_fifteen_fields_in_both_writings():
    """Every name of several words is there in snake and in camel case."""
    assert len(ERROR) == 15
    for names in (*AUDIT.values(), *ERROR.values()):
        for name in names:
            first, *rest = name.split("_")
            assert first + "".join(word.title() for word in rest) in names


@pytest.mark.parametrize(
    ("word", "severity"),
    [("default", "UNSPECIFIED"), ("Critical", "CRITICAL"), ("urgent", "UNSPECIFIED"), (None, "UNSPECIFIED")],
)
def test_severities(word, severity):
    """Critical is critical; the level nobody chose says nothing; the word itself is kept."""
    found = error(severity=word)
    assert (found.severity, found.native_severity) == (severity, word)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("missing", "MISSING"),
        ("extraneous", "EXTRANEOUS"),
        ("geometry", "GEOMETRY"),
        ("attribute", "ATTRIBUTE"),
        ("class", "LABEL"),
        ("ghost", "OTHER"),
    ],
)
def test_error_types(word, kind):
    """The five known types, and an unknown one with its word."""
    found = error(error_type=word)
    assert (found.type, found.native_type) == (kind, word)


def test_odd_errors_stay_visible():
    """A box without numbers stays as it is; an error that is no object is a comment."""
    assert error(task_box={"left": "1"}).original == UnmappedValue(shape="box", json={"left": "1"})
    (audit,) = audits({"audit_per_annotation_errors": ["sloppy", {"comment": {"de": "naja"}}]})
    assert [found.comment for found in audit.errors] == ["sloppy", '{"de": "naja"}']


@pytest.mark.parametrize(
    ("word", "result", "origin"),
    [("Accepted", "ACCEPTED", "PLATFORM"), ("disputed", "UNKNOWN", "PLATFORM"), (None, "UNKNOWN", "PLATFORM")],
)
def test_unknown_words_keep_their_word(word, result, origin):
    """Results and sources nobody has heard of."""
    (audit,) = audits({"audit_result": word, "audit_source": "vendor"})
    assert (audit.result, audit.native_result, audit.origin) == (result, word, origin)


def test_records_without_anything_get_ids_too():
    """Missing parts are dashes; equal records are counted from the oldest, so that a new one renames none."""
    record = {"audited_at": "2025-03-05T10:00:00Z", "audit_source": "scale"}
    older = [audit.external_id for audit in audits(record, record, {})]
    assert older == [
        "67c6a0005ca1e00000000001/2025-03-05T10:00:00Z/-/scale#2",
        "67c6a0005ca1e00000000001/2025-03-05T10:00:00Z/-/scale",
        "67c6a0005ca1e00000000001/-/-/-",
    ]
    assert [audit.external_id for audit in audits(record, record, record, {})][1:] == older


def test_a_record_that_is_no_object_is_a_bare_result():
    """Nothing in the list goes unseen."""
    first, second = audits("accepted", 7)
    assert (first.result, first.native_result) == (AuditResult.ACCEPTED, "accepted")
    assert (second.result, second.native_result) == (AuditResult.UNKNOWN, "7")


def test_an_auditor_without_an_address_is_a_name():
    """Also one person behind several audits is one annotator."""
    found = task_documents(task(audits=[{"audited_by": "QA team"}, {"audited_by": "QA team"}]))
    person = one(Kind.ANNOTATOR, found)
    assert (person.external_id, person.name, person.email) == ("QA team", "QA team", UNSET)


# --- what audits point at -----------------------------------------------------------------------------------------


def boxes(*uuids):
    return {"annotations": [{"uuid": uuid, "type": "box", "label": "car", **BOX} for uuid in uuids]}


def fixed(at, *errors, result="fixed"):
    return {
        "audited_by": "a@example.com",
        "audited_at": at,
        "audit_result": result,
        "audit_source": "customer",
        "audit_per_annotation_errors": list(errors),
    }


def test_an_error_points_at_the_newest_answer_that_has_its_annotation():
    """A mark that a fix took away is found in the answer that still had it."""
    found = audits(
        fixed("2025-03-05T10:00:00Z", *({"annotation_id": uuid} for uuid in ("u1", "u2", "u3"))),
        prior_responses=[boxes("u1", "u2")],
        response=boxes("u1"),
    )
    assert [error.annotation for error in found[0].errors] == [
        "67c6a0005ca1e00000000001/responses/1/u1",
        "67c6a0005ca1e00000000001/responses/0/u2",
        None,
    ]
    assert [error.annotation_external_id for error in found[0].errors] == ["u1", "u2", "u3"]


def test_an_error_of_a_frame_points_at_the_mark_of_that_frame():
    """Of a frame without a mark at the object's first one."""
    frames = [{"key": 5, **BOX}, {"key": 9, **BOX}]
    (audit,) = audits(
        fixed("2025-03-05T10:00:00Z", *({"annotation_id": "u", "frame_num": n} for n in (9, 7)), result="rejected"),
        response={"annotations": {"u": {"label": "car", "geometry": "box", "frames": frames}}},
    )
    start = "67c6a0005ca1e00000000001/responses/0/u"
    assert [error.annotation for error in audit.errors] == [f"{start}@9", f"{start}@5"]


def test_audits_tell_the_history_of_the_answers():
    """As many fixes as prior responses: each audit judges the answer of its time, a fix says what it left and who."""
    found = task_documents(
        task(
            prior_responses=[{"category": "a"}, {"category": "b"}],
            response={"category": "c"},
            audits=[
                fixed("2025-03-08T10:00:00Z", result="accepted"),
                fixed("2025-03-07T10:00:00Z"),
                fixed("2025-03-06T10:00:00Z"),
                fixed("2025-03-05T10:00:00Z", result="rejected"),
            ],
        )
    )
    judged = [(audit.submission[-1], audit.fixed_response) for audit in of_kind(Kind.AUDIT, found)]
    assert judged == [("2", None), ("1", {"category": "c"}), ("0", {"category": "b"}), ("0", None)]
    answers = of_kind(Kind.SUBMISSION, found)
    assert [answer.submission_kind for answer in answers] == [
        SubmissionKind.DEFAULT,
        SubmissionKind.FIX,
        SubmissionKind.FIX,
    ]
    assert [answer.author for answer in answers] == [None, person_id("a@example.com"), person_id("a@example.com")]
    assert [answer.submitted_at and answer.submitted_at.day for answer in answers] == [None, 6, 7]


@pytest.mark.parametrize(
    "fields",
    [
        {"response": {"category": "b"}},
        {"prior_responses": [{}, {}], "response": {"category": "b"}},
        {"prior_responses": [{"category": "a"}]},
    ],
)
def test_a_history_that_does_not_add_up_is_not_guessed(fields):
    """One fix, but not one prior response, or no current one: nothing is said about which answer was judged."""
    (audit,) = audits(fixed("2025-03-05T10:00:00Z"), **fields)
    assert (audit.submission, audit.fixed_response) == (None, None)


def test_a_verdict_from_before_the_answer_is_about_none_we_know():
    """A recalled task was answered anew: the old rejection is not about the new answer."""
    (audit,) = audits(fixed("2025-03-03T10:00:00Z", result="rejected"), response={"category": "b"})
    assert audit.submission is None


def test_the_documentations_example():
    """Newest audit accepted, status fixed: both are kept as Scale says them, neither follows from the other."""
    found = task_documents(
        {
            "task_id": "576ba74eec471ff9b01557cc",
            "created_at": "2021-06-22T09:09:34.752Z",
            "completed_at": "2021-06-23T09:10:02.798Z",
            "type": "imageannotation",
            "status": "completed",
            "params": {},
            "response": {"category": "big"},
            "customer_review_status": "fixed",
            "customer_review_comments": "Was small, actually is big",
            "prior_responses": [{"category": "small"}],
            "audits": [
                {
                    "audited_by": "auditor@example.com",
                    "audited_at": "2021-06-24T15:32:03.585Z",
                    "audit_time_secs": 120,
                    "audit_result": "accepted",
                    "audit_source": "customer",
                },
                {
                    "audited_by": "auditor@example.com",
                    "audited_at": "2021-06-23T10:01:02.352Z",
                    "audit_time_secs": 511,
                    "audit_result": "fixed",
                    "audit_source": "customer",
                },
            ],
        }
    )
    whole = one(Kind.TASK, found)
    assert whole.review_status is ReviewStatus.FIXED
    assert whole.review_comments == ("Was small, actually is big",)
    assert [audit.result for audit in of_kind(Kind.AUDIT, found)] == [AuditResult.ACCEPTED, AuditResult.FIXED]
    assert [(mark.label, mark.is_current) for mark in of_kind(Kind.ANNOTATION, found)] == [
        ("small", False),
        ("big", True),
    ]
    assert [answer.response for answer in of_kind(Kind.SUBMISSION, found)] == [
        {"category": "small"},
        {"category": "big"},
    ]
