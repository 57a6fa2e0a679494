"""What holds for any Scale task: mapping never fails, ids are unique and stable, references lead somewhere."""

import copy
import dataclasses
import json
import math
from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.documents import UNSET, Coordinate, Kind, Span
from connectors.scale.answers import _answer
from connectors.scale.audit_fields import AUDIT, ERROR
from connectors.scale.mapping import project_document, task_documents
from connectors.scale.shapes import Place
from connectors.scale.words import INPUT_TYPE
from tests.connectors.scale.scale_files import of_kind, task

ANSWER_KEYS = (
    *("annotations", "frames", "links", "category", "category_id", "choice", "fields", "repeatable_fields"),
    *("transcript", "duration", "alignment", "global_attributes", "is_customer_fix", "labelMapping", "labeled"),
    *("combined", "unlabeled", "uuid", "type", "geometry", "label", "attributes", "vertices", "x", "y", "left", "top"),
    *("width", "height", "start", "end", "text", "key", "response", "from", "to", "position", "page", "rotation"),
)
NAMES = st.sampled_from(ANSWER_KEYS) | st.text(max_size=4)
WORDS = st.sampled_from(
    ("box", "polygon", "point", "cuboid", "u", "u#2", "category", "", "é", "\ud800", "\0")
) | st.text(max_size=6)
NUMBERS = st.integers(-(10**30), 10**30) | st.floats() | st.integers(0, 3)
JSONS = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=25,
)
TIMES = st.sampled_from(("2025-03-05T10:00:00.000Z", "2025-03-05T10:00:00", "soon", None, 5))
ERRORS = st.dictionaries(st.sampled_from([name for names in ERROR.values() for name in names]), JSONS, max_size=5)
RECORDS = st.fixed_dictionaries(
    {},
    optional={
        "audited_by": st.sampled_from(("a@example.com", "A@example.com", "QA", "\ud800@x", None, 3)),
        "audited_at": TIMES,
        "audit_result": st.sampled_from(("accepted", "rejected", "fixed", "odd", None)),
        "audit_source": st.sampled_from(("customer", "scale", None)),
        "audit_per_annotation_errors": st.lists(ERRORS, max_size=3) | JSONS,
        **dict.fromkeys((AUDIT["seconds"][0], "comment"), JSONS),
    },
)
TASKS = st.builds(
    lambda known, more, kind: {**task(), **more, **known, "type": kind},
    st.fixed_dictionaries(
        {},
        optional={
            "response": JSONS,
            "prior_responses": st.lists(JSONS, max_size=3) | JSONS,
            "audits": st.lists(RECORDS, max_size=4) | JSONS,
            "params": st.dictionaries(st.sampled_from(("attachment", "attachments", "text")) | NAMES, JSONS) | JSONS,
            "status": st.sampled_from(("pending", "completed", "error", "canceled", "odd")),
            **dict.fromkeys(("created_at", "updated_at", "completed_at"), TIMES),
            **dict.fromkeys(("project", "batch", "tags", "priority", "customer_review_status"), JSONS),
            "customer_review_comments": JSONS,
        },
    ),
    st.dictionaries(st.text(min_size=1, max_size=5), JSONS, max_size=3),
    st.sampled_from([*INPUT_TYPE, "categorization", "textcollection", "odd"]),
)


def plain(value):
    """Compares NaN with NaN."""
    return json.dumps(value, sort_keys=True)


@settings(max_examples=80, deadline=None)
@given(TASKS)
def test_any_task_is_mapped_with_unique_ids_and_whole_references(payload):
    """Whatever the fields hold: one task with its payload untouched, no id twice, every reference inside the page."""
    before = copy.deepcopy(payload)
    found = task_documents(payload)
    assert plain(payload) == plain(before)
    ids = [(document.kind, document.external_id, document.facet) for document in found]
    assert len(set(ids)) == len(ids)
    assert all(external_id for _, external_id, _ in ids)
    (whole,) = of_kind(Kind.TASK, found)
    assert whole.raw is payload
    submissions = {each.external_id: each for each in of_kind(Kind.SUBMISSION, found)}
    annotations = {each.external_id for each in of_kind(Kind.ANNOTATION, found)}
    assets = {each.external_id for each in of_kind(Kind.ASSET, found)}
    people = {each.external_id for each in of_kind(Kind.ANNOTATOR, found)}
    assert set(whole.assets) == assets
    assert [each.position for each in submissions.values()] == list(range(len(submissions)))
    assert sum(each.is_current for each in submissions.values()) <= 1
    for mark in of_kind(Kind.ANNOTATION, found):
        assert mark.is_current is submissions[mark.submission].is_current
        assert mark.asset is None or mark.asset in assets
    for audit in of_kind(Kind.AUDIT, found):
        assert audit.submission is None or audit.submission in submissions
        assert audit.auditor is None or audit.auditor in people
        assert {error.annotation for error in audit.errors if error.annotation} <= annotations


@settings(max_examples=80, deadline=None)
@given(TASKS)
def test_mapping_twice_gives_the_same(payload):
    """Documents are a function of the payload: also of its copy through JSON text."""
    again = json.loads(json.dumps(payload))
    assert repr(task_documents(payload)) == repr(task_documents(again))


@settings(max_examples=80, deadline=None)
@given(TASKS)
def test_normalised_values_are_fit_for_the_store(payload):
    """Numbers are finite, whole numbers fit GraphQL's Int, times carry their offset, names are strings."""
    for document in task_documents(payload):
        for field in dataclasses.fields(document):
            if field.name not in {"raw", "metadata", "response", "attributes", "fixed_response"}:
                check(getattr(document, field.name))


def check(value):
    if value is UNSET or value is None:
        return
    if isinstance(value, float):
        assert math.isfinite(value)
    elif isinstance(value, int):
        assert -(2**31) <= value < 2**31
    elif isinstance(value, datetime):
        assert value.tzinfo is not None
    elif isinstance(value, tuple):
        for item in value:
            check(item)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            if field.name != "json":
                check(getattr(value, field.name))
    else:
        assert isinstance(value, str | frozenset | Coordinate | Span)


@settings(max_examples=80, deadline=None)
@given(TASKS, JSONS.filter(lambda value: value is not None))
def test_a_fix_renames_nothing(payload, fixed):
    """Pushing the response into the prior responses leaves every older id as it was."""
    payload = payload | {"status": "completed", "audits": []}
    if payload.get("response") is None:
        return
    older = payload.get("prior_responses")
    older = older if isinstance(older, list) else [] if older is None else [older]
    after = payload | {"prior_responses": [*older, payload["response"]], "response": fixed}
    for kind in (Kind.SUBMISSION, Kind.ANNOTATION):
        ids = [document.external_id for document in of_kind(kind, task_documents(payload))]
        assert [document.external_id for document in of_kind(kind, task_documents(after))][: len(ids)] == ids


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(NAMES, JSONS), st.text(min_size=1))
def test_any_project_is_mapped(more, name):
    """Whatever its history holds."""
    project = {**more, "name": name}
    assert project_document(project).raw is project
    assert project_document({"name": name, "param_history": [more]}).external_id == name


@settings(max_examples=200, deadline=None)
@given(NAMES, JSONS)
def test_no_answer_goes_unseen(key, value):
    """Whatever one key of a response holds: every word in it is in a mark (but for the combined image of masks)."""
    told = {"is_customer_fix": bool, "time_spent_in_seconds": int | float}
    if isinstance(value, told.get(key, ())) or "combined" in repr(value):
        return
    found = list(_answer(key, value, {key: value}, Place()))
    assert found or not leaves(value)
    shown = repr(found)
    for leaf in leaves(value):
        if isinstance(leaf, str):
            assert repr(leaf)[1:-1] in shown or json.dumps(leaf)[1:-1] in shown


def leaves(value):
    """Everything that is neither a container nor null nor an empty text."""
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in leaves(item)]
    return [] if value is None or value == "" else [value]
