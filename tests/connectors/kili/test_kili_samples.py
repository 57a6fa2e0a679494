"""Every sample export, ours and the shared ones, ingests whole and can be rebuilt from what the documents keep."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import make_kili_samples
import pytest
from kili_checks import (
    OURS,
    SHARED,
    Import,
    content_of,
    ingest,
    labels_of,
    leaves,
    mark_objects,
    needs_shared,
    path_source,
    rebuild,
)

from connectors.documents import (
    Annotation,
    Annotator,
    AnnotatorKind,
    Asset,
    Audit,
    AuditResult,
    BoundingBox,
    Campaign,
    Classification,
    CoordinateUnit,
    InputType,
    Point,
    Polygon,
    Polyline,
    Relation,
    Submission,
    SubmissionKind,
    Task,
    TaskStatus,
    TextSpan,
    Transcription,
    UnmappedValue,
)
from connectors.kili import CONNECTOR

NOT_EXPORTS = ("README.md", "test_resp_parsing.json", "test_resp_parsing_children.json")


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []


EXPORTS = [path for path in (*files_in(OURS), *files_in(SHARED)) if path.name not in NOT_EXPORTS]


async def read(path: Path) -> Import:
    return await ingest(path_source(path))


def test_connector_is_declared() -> None:
    """The declaration names the platform and the folder of its samples."""
    assert (CONNECTOR.name, CONNECTOR.title, CONNECTOR.samples) == (
        "kili",
        "Kili Technology",
        "connectors.kili.samples",
    )


def test_samples_are_what_their_script_writes() -> None:
    """The committed samples are reproducible, byte for byte."""
    assert {path.name: path.read_bytes() for path in files_in(OURS)} == make_kili_samples.files()


@needs_shared
def test_every_shared_sample_is_tried() -> None:
    """Nine of the twelve shared files are exports."""
    assert len(files_in(SHARED)) == 12
    assert len(EXPORTS) == 9 + 3


@pytest.mark.parametrize("path", EXPORTS, ids=lambda path: path.name)
async def test_objects_can_be_rebuilt(path: Path) -> None:
    """Field for field, every asset of the file, in its order; nothing is skipped."""
    run = await read(path)
    assert run.reasons == []
    assert rebuild(run.documents) == content_of(path)


@pytest.mark.parametrize("path", EXPORTS, ids=lambda path: path.name)
async def test_counts_agree_with_the_file(path: Path) -> None:
    """Assets, labels, reviews and authors number as plain json counts them; every mark of the file is an annotation."""
    run = await read(path)
    assets = content_of(path)
    labels = [label for asset in assets for label in labels_of(asset)]
    assert len(run.of(Asset)) == len(run.of(Task)) == run.records == len(assets)
    assert len(run.of(Submission)) == len(labels)
    assert Counter(s.native_kind for s in run.of(Submission)) == Counter(label["labelType"] for label in labels)
    people = {p.external_id for p in run.of(Annotator) if p.annotator_kind is AnnotatorKind.HUMAN}
    assert people == {label["author"]["id"] for label in labels}
    sent_back = sum(label.get("isSentBackToQueue") is True for label in labels)
    assert len(run.of(Audit)) == sent_back + sum(label["labelType"] == "REVIEW" for label in labels)
    mids = Counter(str(mark["mid"]) for label in labels for mark in mark_objects(label["jsonResponse"]))
    told = Counter(mark.native_id for mark in run.of(Annotation) if mark.native_id)
    assert all(told[mid] >= count for mid, count in mids.items())


@pytest.mark.parametrize("path", EXPORTS, ids=lambda path: path.name)
async def test_answers_are_whole(path: Path) -> None:
    """The response of a submission holds every leaf of the label's jsonResponse."""
    run = await read(path)
    told = Counter(repr(leaf) for submission in run.of(Submission) for leaf in leaves(submission.response))
    written = Counter(
        repr(leaf) for asset in content_of(path) for label in labels_of(asset) for leaf in leaves(label["jsonResponse"])
    )
    assert told == written


@pytest.mark.parametrize("path", EXPORTS, ids=lambda path: path.name)
async def test_references_meet(path: Path) -> None:
    """Every reference between documents of a file finds its document, and no two documents share an id and facet."""
    run = await read(path)
    names = {(document.kind.value, document.external_id) for document in run.documents}
    every = [(document.kind, document.external_id, document.facet) for document in run.documents]
    assert len(every) == len(set(every))
    for document in run.documents:
        wanted: list[tuple[str, Any]] = []
        if not isinstance(document, Campaign | Annotator):
            wanted.append(("Campaign", document.campaign))
        if isinstance(document, Task):
            wanted += [("Asset", document.asset), *(("Annotator", one) for one in document.assignees or ())]
        if isinstance(document, Submission | Annotation):
            wanted += [("Task", document.task), ("Annotator", document.author)]
        if isinstance(document, Annotation | Audit):
            wanted.append(("Submission", document.submission))
        if document.raw_of:
            wanted.append((document.raw_of.kind.value, document.raw_of.external_id))
        assert [pair for pair in wanted if pair[1] is not None and pair not in names] == []


# --- our own -------------------------------------------------------------------------------------------------


async def test_harbour_traffic() -> None:
    """Images: 20 assets through all V1 statuses, four kinds of label, verdicts, marks and models."""
    run = await read(OURS / "harbour-traffic.json")
    tasks, answers, marks = run.of(Task), run.of(Submission), run.of(Annotation)
    assert Counter(task.status for task in tasks) == dict.fromkeys(
        [
            TaskStatus.PENDING,
            TaskStatus.IN_PROGRESS,
            TaskStatus.SUBMITTED,
            TaskStatus.IN_REVIEW,
            TaskStatus.COMPLETED,
        ],
        4,
    )
    assert Counter(answer.submission_kind for answer in answers) == {
        SubmissionKind.PREDICTION: 20,
        SubmissionKind.AUTOSAVE: 16,
        SubmissionKind.DEFAULT: 18,
        SubmissionKind.REVIEW: 4,
    }
    assert sum(answer.is_current is True for answer in answers) == 16
    assert Counter(audit.result for audit in run.of(Audit)) == {
        AuditResult.REJECTED: 4,
        AuditResult.ACCEPTED: 2,
        AuditResult.FIXED: 2,
    }
    assert Counter(type(mark.value) for mark in marks)[BoundingBox] == 20 + 18 + 4
    assert Counter(type(mark.value) for mark in marks)[Polygon] == 18 + 4
    assert {asset.input_type for asset in run.of(Asset)} == {InputType.IMAGE}
    assert [task.honeypot_score for task in tasks if task.honeypot_score is not None] == [0.84, 0.84]
    assert {task.assignees for task in tasks} == {(), (make_kili_samples.PEOPLE["tomas"]["id"],)}
    assert {p.name for p in run.of(Annotator)} == {"Inês Rocha", "Tomas Berg", "Akua Mensah", "harbour-detector-v2"}


async def test_letters() -> None:
    """Texts: every entity's span holds its words, also behind the first thousand characters."""
    run = await read(OURS / "letters.json")
    texts = {asset["id"]: asset["content"] for asset in content_of(OURS / "letters.json")}
    spans = [mark for mark in run.of(Annotation) if isinstance(mark.value, TextSpan)]
    assert len(spans) == 10
    assert max(mark.value.start for mark in spans if isinstance(mark.value, TextSpan)) > 1000
    for mark in spans:
        assert isinstance(mark.value, TextSpan)
        assert texts[str(mark.asset)][mark.value.start : mark.value.end] == mark.value.text
    mids = {mark.native_id for mark in spans}
    relations = [mark.value for mark in run.of(Annotation) if isinstance(mark.value, Relation)]
    assert len(relations) == 4
    assert all({*relation.from_ids, *relation.to_ids} <= mids for relation in relations)
    assert sum(isinstance(mark.value, Transcription) for mark in run.of(Annotation)) == 4
    assert {asset.input_type for asset in run.of(Asset)} == {InputType.TEXT}


async def test_roadside() -> None:
    """Clips in an archive: the README's project, frames, and ``latestLabels`` with its null."""
    run = await read(OURS / "roadside.zip")
    (campaign,) = run.of(Campaign)
    assert (campaign.external_id, campaign.name) == ("cm8roadsideprojectqqqqqqq", "Roadside birds")
    assert campaign.description == "Where do storks cross the road?"
    assert [asset.name for asset in run.of(Asset)] == ["north/clip 01", "clip 02"]
    boxes = [mark.value for mark in run.of(Annotation) if isinstance(mark.value, BoundingBox)]
    assert sorted(box.frame or 0 for box in boxes) == [3, 3, 4, 4, 5, 5, 6, 6, 7, 7]
    assert len(run.of(Annotation)) == 20
    assert {asset.input_type for asset in run.of(Asset)} == {InputType.VIDEO}
    assert "None" not in str([person.name for person in run.of(Annotator)])


# --- the shared ones -----------------------------------------------------------------------------------------


@needs_shared
@pytest.mark.parametrize("name", NOT_EXPORTS)
async def test_what_is_no_export_says_why(name: str) -> None:
    """The other files of the samples give one reason each."""
    (path,) = SHARED.rglob(name)
    run = await read(path)
    expected = "neither JSON nor a zip archive" if name == "README.md" else "no asset: it has neither id nor externalId"
    assert (run.records, len(run.skipped)) == (0, 1)
    assert expected in run.skipped[0].reason


@needs_shared
async def test_shared_shapes() -> None:
    """The SDK's fixtures show each tool: their marks have the types that the tools make."""
    shapes = {}
    for name in ("image_project_assets", "geotiff_image_project_assets", "pdf_project_assets", "video_project_assets"):
        run = await read(SHARED / "sdk_export_fixtures" / f"{name}.json")
        shapes[name.partition("_")[0]] = Counter(type(mark.value) for mark in run.of(Annotation))
    assert shapes == {
        "image": {BoundingBox: 1, Polygon: 2, Polyline: 1, Point: 6, UnmappedValue: 1},
        "geotiff": {Polygon: 3, Polyline: 1, Point: 1},
        "pdf": {BoundingBox: 3, Classification: 1},
        "video": {BoundingBox: 2},
    }


@needs_shared
async def test_shared_details() -> None:
    """Degrees, pages, frames and real names of the fixtures arrive."""
    geo = await read(SHARED / "sdk_export_fixtures" / "geotiff_image_project_assets.json")
    units = {mark.value.unit for mark in geo.of(Annotation) if isinstance(mark.value, Polygon | Polyline | Point)}
    assert units == {CoordinateUnit.DEGREE}
    pdf = await read(SHARED / "sdk_export_fixtures" / "pdf_project_assets.json")
    pages = [mark.value.page for mark in pdf.of(Annotation) if isinstance(mark.value, BoundingBox)]
    assert pages == [1, 1, 2]
    video = await read(SHARED / "sdk_export_fixtures" / "video_project_assets.json")
    frames = [mark.value.frame for mark in video.of(Annotation) if isinstance(mark.value, BoundingBox)]
    assert frames == [11, 12]
    old = await read(SHARED / "ui_export_2021" / "ui_export_2021_bbox.json")
    assert [only.submission_kind for only in old.of(Submission)] == [SubmissionKind.DEFAULT]


@needs_shared
async def test_archives_of_the_sdk_hold_the_same_assets() -> None:
    """One asset per file, one file, and the latest labels only: the same three assets of one project."""
    runs = [await read(path) for path in sorted((SHARED / "sdk_export_zips").iterdir())]
    for run in runs:
        assert [(campaign.external_id, campaign.name) for campaign in run.of(Campaign)] == [("proj-1", "P1")]
        assert sorted(asset.external_id for asset in run.of(Asset)) == ["asset-1", "asset-2", "asset-3"]
    ids = [sorted(answer.external_id for answer in run.of(Submission)) for run in runs]
    assert ids[0] == ids[1] == ids[2], "labels without id are named alike in every layout"
