"""Scale samples: our own exports and the recordings of the fact sheet, counted, and rebuilt from the documents."""

import json
from pathlib import Path

import pytest

from connectors.documents import AuditResult, Kind, ReviewStatus, TaskStatus
from tests.connectors.scale.scale_files import OWN, SHARED, counts, documents, named, of_kind, of_path, pages

shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared samples are not here")

TASK_FILES = ("tide_pool_survey.jsonl", "tasks_page.json", "callback.json")


def source_tasks(path):
    """The tasks of a file, read by the json module alone."""
    text = path.read_text()
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines()]
    value = json.loads(text)
    body = value["response"]["body"] if "recorded_at" in value else value
    return body["docs"] if "docs" in body else [body.get("task", body)]


def own():
    return documents(*map(of_path, sorted(OWN.iterdir())))


# --- our own ---------------------------------------------------------------------------------------------------


def test_own_samples_are_read_whole():
    """Four files, nothing skipped, 25 tasks in 2 projects and outside of them, and this many of everything.

    The numbers of answers and marks were counted by hand.
    """
    found = pages(*map(of_path, sorted(OWN.iterdir())))
    assert [page.skipped for page in found] == [()] * 4
    assert sum(page.records for page in found) == 27
    assert counts(own()) == {
        "Campaign": 2 + 2,
        "Asset": 26,
        "Task": 25,
        "Submission": 25,
        "Annotation": 49,
        "Annotator": 7,
        "Audit": 17,
    }


@pytest.mark.parametrize("name", TASK_FILES)
def test_own_samples_can_be_rebuilt(name):
    """Each task's ``raw`` is the task of the file, field for field."""
    raws = {task.external_id: task.raw for task in of_kind(Kind.TASK, documents(of_path(OWN / name)))}
    assert raws == {task["task_id"]: task for task in source_tasks(OWN / name)}


def test_own_projects_can_be_rebuilt():
    """Each campaign's ``raw`` is the project of the file."""
    found = documents(of_path(OWN / "projects.json"))
    assert [campaign.raw for campaign in found] == json.loads((OWN / "projects.json").read_text())


def test_own_samples_show_every_state():
    """All statuses, all review states that Scale has, all results of audits, all types of errors."""
    found = own()
    tasks, audits = of_kind(Kind.TASK, found), of_kind(Kind.AUDIT, found)
    assert {task.status for task in tasks} == {
        TaskStatus.PENDING,
        TaskStatus.IN_PROGRESS,
        TaskStatus.COMPLETED,
        TaskStatus.CANCELED,
        TaskStatus.ERROR,
    }
    assert {task.review_status for task in tasks} == {
        None,
        ReviewStatus.ACCEPTED,
        ReviewStatus.REJECTED,
        ReviewStatus.FIXED,
    }
    assert {audit.result for audit in audits} == {AuditResult.ACCEPTED, AuditResult.REJECTED, AuditResult.FIXED}
    errors = [error for audit in audits for error in audit.errors]
    assert {error.native_type for error in errors} == {"missing", "extraneous", "geometry", "attribute", "class"}
    assert len({type(mark.value) for mark in of_kind(Kind.ANNOTATION, found)}) == 8


def test_every_error_of_the_samples_finds_its_annotation():
    """Also those that a fix has taken away, the mask ``label-2``, the video's frame and ``global``; but one is untied."""
    found = own()
    ids = {mark.external_id for mark in of_kind(Kind.ANNOTATION, found)}
    errors = [error for audit in of_kind(Kind.AUDIT, found) for error in audit.errors]
    assert len(errors) == 9
    assert [error.untied for error in errors if error.annotation is None] == [True]
    assert {error.annotation for error in errors if error.annotation} <= ids
    video = next(error for error in errors if error.frame == 20)
    assert video.annotation.endswith(f"{video.annotation_external_id}@20")


# --- the recordings and the documentation ------------------------------------------------------------------------


def shared_files():
    return sorted(SHARED.rglob("*.json")) if SHARED.is_dir() else []


@shared
@pytest.mark.parametrize("path", shared_files(), ids=lambda path: path.name)
def test_recorded_tasks_are_read_and_can_be_rebuilt(path: Path):
    """Every task of a recording becomes a task with the same ``raw``; every answer that is no task says so."""
    value = json.loads(path.read_text())
    body = value["response"]["body"] if "recorded_at" in value else value
    found = pages(named(body))
    tasks = [task for page in found for task in of_kind(Kind.TASK, page.documents)]
    skips = [skip for page in found for skip in page.skipped]
    if "error" in body or path.name == "docs_error_examples.json":
        assert tasks == []
        (skip,) = skips
        assert "not a task" in skip.reason
        assert skip.raw == body
    else:
        assert {task.external_id: task.raw for task in tasks} == {task["task_id"]: task for task in source_tasks(path)}
        assert skips == []


@shared
def test_a_recorded_exchange_says_what_it_is():
    """A cassette as it lies there is no export; the report says so and keeps it."""
    path = SHARED / "ruby_vcr_2019" / "comparison.json"
    (page,) = pages(of_path(path))
    assert page.documents == ()
    assert page.skipped[0].reason.startswith("a recorded exchange of request and response")
    assert page.skipped[0].where == "comparison.json, item 1"
    assert page.skipped[0].raw == json.loads(path.read_text())


@shared
def test_the_recordings_together():
    """14 different tasks; every one has marks but the two pointannotations, which were completed without a response."""
    bodies = [json.loads(path.read_text())["response"]["body"] for path in sorted((SHARED / "ruby_vcr_2019").iterdir())]
    found = documents(*(named(body, f"{n}.json") for n, body in enumerate(bodies) if "error" not in body))
    ids = {task.external_id for task in of_kind(Kind.TASK, found)}
    assert len(ids) == 14
    answered = {submission.task for submission in of_kind(Kind.SUBMISSION, found)}
    assert ids - answered == {"5c84d0f74d286e0056a9c39a", "5c8498e23beb09005d953d51"}
    marked = {mark.task for mark in of_kind(Kind.ANNOTATION, found)}
    assert marked == answered
