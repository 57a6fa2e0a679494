"""Exports as files: our own, damaged ones, and those that the real server wrote."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import ImportOptions, Input
from connectors.discovery import sample_files
from connectors.documents import Annotator, Campaign, Kind, Page, UnmappedValue
from connectors.labelstudio import CONNECTOR
from connectors.labelstudio.files import PAGE_TASKS, read
from tests.connector_suite import SHARED

REAL = SHARED / "labelstudio"
real = pytest.mark.skipif(not REAL.is_dir(), reason="the server's own exports are not here")


def source(content: Any, name: str = "export.json") -> Input:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Input(name=name, open=lambda: io.BytesIO(data), size=len(data))


async def pages(*inputs: Input, campaign: str | None = None) -> list[Page]:
    return [page async for page in read(inputs, ImportOptions(campaign=campaign))]


def of_file(path: Path) -> Input:
    return Input(name=path.name, open=lambda: path.open("rb"), size=path.stat().st_size)


def kinds(found: list[Page]) -> Counter[Kind]:
    return Counter(kind for kind, _ in {(doc.kind, doc.external_id) for page in found for doc in page.documents})


async def test_our_samples_hold_what_they_say() -> None:
    """Seventeen tasks of two projects with every kind of mark; only three shapes stay unmapped."""
    found = await pages(*map(of_file, sample_files(CONNECTOR)))
    assert [page.skipped for page in found] == [[]] * len(found)
    assert kinds(found) == {
        Kind.CAMPAIGN: 2,
        Kind.ASSET: 17,
        Kind.TASK: 17,
        Kind.SUBMISSION: 18,
        Kind.ANNOTATION: 68,
        Kind.ANNOTATOR: 3,
        Kind.AUDIT: 8,
    }
    marks = [doc for page in found for doc in page.documents if doc.kind is Kind.ANNOTATION]
    assert Counter(type(mark.value).__name__ for mark in marks) == {
        "BoundingBox": 15,
        "Polygon": 11,
        "Point": 11,
        "Classification": 11,
        "Transcription": 12,
        "TimeFrequencyBox": 1,
        "TextSpan": 3,
        "Relation": 1,
        "UnmappedValue": 3,
    }
    unmapped = [mark.value.shape for mark in marks if isinstance(mark.value, UnmappedValue)]
    assert unmapped == ["paragraphlabels", "timelinelabels", "rating"]


async def test_damage_stays_where_it_is() -> None:
    """Rows of other exports, broken JSON and what is no task are told with file and item; the good rest is kept."""
    good = {"id": 1, "project": 2, "data": {}, "annotations": []}
    flat = {"id": 3, "image": "x.jpg", "label": [], "annotator": 1, "annotation_id": 4}
    broken = b"[" + json.dumps(good).encode() + b', {"id": 2, "annotations": nope}, ' + json.dumps(flat).encode() + b"]"
    found = await pages(source(broken), source(b"", "empty.json"), source({"tasks": [good | {"id": 9}]}, "page.json"))
    tasks = [doc.external_id for page in found for doc in page.documents if doc.kind is Kind.TASK]
    assert tasks == ["1", "9"]
    told = [(skip.where, skip.reason) for page in found for skip in page.skipped]
    assert [str(where).partition(",")[0] for where, _ in told] == ["export.json", "export.json", "empty.json"]
    assert "not a task of Label Studio" in told[1][1]


async def test_long_files_come_in_pages() -> None:
    """A page holds so many tasks, and progress ends at the size of the file."""
    tasks = [{"id": n, "project": 2, "data": {}, "annotations": []} for n in range(PAGE_TASKS * 2 + 1)]
    found = await pages(source(tasks))
    assert [page.records for page in found] == [PAGE_TASKS, PAGE_TASKS, 1]
    assert found[-1].done == found[-1].total == len(json.dumps(tasks))


async def test_names_come_from_where_they_can() -> None:
    """A campaign's name is the one given, else a stopgap that yields; people are ids, or objects with a name."""
    who = {"id": 5, "email": "ann@example.org", "first_name": "Ann", "last_name": "Otator"}
    said = {
        "id": 1,
        "project": 2,
        "data": {},
        "annotations": [{"id": 1, "result": [], "completed_by": who, "updated_by": 7}],
    }
    for given, assumed in (("Larks", {"input_type"}), (None, {"input_type", "name"})):
        (page,) = await pages(source([said]), campaign=given)
        campaign = next(doc for doc in page.documents if isinstance(doc, Campaign))
        assert (campaign.name, campaign.assumed) == (given or "Project 2", assumed)
        people = {doc.external_id: doc for doc in page.documents if isinstance(doc, Annotator)}
        assert (people["5"].name, people["5"].email, people["7"].facet) == ("Ann Otator", "ann@example.org", "stub")


@real
@pytest.mark.parametrize(
    ("name", "tasks", "submissions", "marks", "audits"),
    [
        ("export_img_JSON.json", 8, 13, 20, 2),
        ("export_img_JSON_all_tasks.json", 14, 14, 21, 2),
        ("export_ner_JSON.json", 3, 2, 1, 0),
        ("export_aud_JSON.json", 4, 1, 2, 0),
        ("export_img_snapshot.json", 6, 12, 20, 2),
    ],
)
async def test_exports_of_the_real_server(name: str, tasks: int, submissions: int, marks: int, audits: int) -> None:
    """Nothing is skipped, and the counts are those of the file."""
    found = await pages(of_file(REAL / name))
    said = json.loads((REAL / name).read_text())
    assert not [skip for page in found for skip in page.skipped]
    counts = kinds(found)
    assert counts[Kind.TASK] == len(said)
    answers = [one for task in said for key in ("annotations", "drafts") for one in task[key]]
    answers += [one for task in said for one in task["predictions"] if isinstance(one, dict)]
    assert counts[Kind.SUBMISSION] == len(answers)
    assert counts[Kind.ANNOTATION] == sum(len(one["result"]) for one in answers)
    assert (counts[Kind.TASK], counts[Kind.SUBMISSION], counts[Kind.ANNOTATION], counts[Kind.AUDIT]) == (
        tasks,
        submissions,
        marks,
        audits,
    )


@real
async def test_flat_exports_are_told_apart() -> None:
    """JSON_MIN rows have lost their regions' ids: each is reported, none is taken for a task."""
    found = await pages(of_file(REAL / "export_img_JSON_MIN.json"))
    rows = json.loads((REAL / "export_img_JSON_MIN.json").read_text())
    assert sum(len(page.skipped) for page in found) == len(rows)
    assert kinds(found) == {}
