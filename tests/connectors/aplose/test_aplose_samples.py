"""Every sample export, ours and the shared ones, is read whole and can be rebuilt from what the documents keep."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aplose_checks import (
    OURS,
    SHARED,
    assert_consistent,
    assert_counts,
    assert_resolved,
    assert_same_rows,
    csv_rows,
    file_source,
    ingest,
    is_results,
    needs_shared,
    row_payloads,
)

from connectors.documents import (
    Annotation,
    Annotator,
    AnnotatorKind,
    Asset,
    Audit,
    AuditResult,
    Comment,
    Confidence,
    Expertise,
    Kind,
    PhaseKind,
    Task,
    TaskStatus,
    TimeFrequencyBox,
)

REFUSALS = {"report_unauth.csv", "report_unknown.csv", "download_unauthenticated.csv"}
UNQUOTED = {"fehmarn_porpoises_results.csv"}
SAMPLES = sorted(OURS.glob("*.csv")) + sorted(SHARED.glob("*/*.csv"))
EXPORTS = [path for path in SAMPLES if path.name not in REFUSALS]


def named(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


@pytest.mark.parametrize("path", [path for path in EXPORTS if path.name not in UNQUOTED], ids=named)
async def test_a_sample_can_be_rebuilt(path: Path) -> None:
    """No row is skipped, and the rows kept are the file's, field for field; counts are those of the csv module."""
    run = await ingest(file_source(path))
    rows = csv_rows(path)
    assert run.skipped == []
    assert run.records == len(rows)
    assert_same_rows(row_payloads(run.documents), rows)
    if is_results(rows):
        assert_counts(run.documents, rows)
    assert_consistent(run.documents)
    assert_resolved(run.documents)


@pytest.mark.parametrize("path", EXPORTS, ids=named)
async def test_the_same_file_gives_the_same_pages(path: Path) -> None:
    """Reading is deterministic: documents, reports and their distribution over pages."""
    assert (await ingest(file_source(path))).pages == (await ingest(file_source(path))).pages


@needs_shared
@pytest.mark.parametrize(
    ("name", "rows", "delimiter"), [("APOCADO", 8742, ","), ("MADW", 3460, ";"), ("OHAGEODAMS", 911, ",")]
)
async def test_published_campaigns_are_whole(name: str, rows: int, delimiter: str) -> None:
    """Results and status together: as many marks as the published file has rows, all in one campaign."""
    folder = SHARED / "published"
    run = await ingest(file_source(folder / f"{name}_status.csv"), file_source(folder / f"{name}_results.csv"))
    with (folder / f"{name}_results.csv").open(newline="") as stream:
        assert sum(1 for _ in csv.reader(stream, delimiter=delimiter)) == rows + 1
    marks = run.of(Annotation)
    assert len(marks) == len({mark.external_id for mark in marks}) == rows
    assert {mark.campaign for mark in marks} == {name}
    assert run.skipped == []
    assert_consistent(run.documents)
    assert_resolved(run.documents)


@needs_shared
async def test_joins_of_published_files_are_as_good_as_their_names() -> None:
    """Tasks of results rows that the status file knows too: all of MADW, 641 rows of OHAGEODAMS, none of APOCADO (§3)."""
    joined = {}
    for name in ("MADW", "OHAGEODAMS", "APOCADO"):
        run = await ingest(
            *(file_source(SHARED / "published" / f"{name}_{kind}.csv") for kind in ("results", "status"))
        )
        known = {asset.external_id for asset in run.of(Asset) if asset.facet == "status"}
        joined[name] = sum(mark.asset in known for mark in run.of(Annotation))
    assert joined == {"MADW": 3460, "OHAGEODAMS": 641, "APOCADO": 0}


@needs_shared
async def test_full_duplicates_of_apocado_are_kept_apart() -> None:
    """APOCADO has no ids and two rows that are there twice: the second of each says so in its id (§2.1)."""
    run = await ingest(file_source(SHARED / "published" / "APOCADO_results.csv"))
    repeated = [mark for mark in run.of(Annotation) if mark.external_id.endswith("-2")]
    assert [mark.author for mark in repeated] == ["annotator2", "annotator2"]
    assert {mark.label for mark in repeated} == {"Whistle"}


@needs_shared
async def test_dates_that_were_levels_are_levels_again() -> None:
    """A spreadsheet made "01-janv" of "1/1" in 884 rows of OHAGEODAMS; the cell stays visible (§2.6)."""
    run = await ingest(file_source(SHARED / "published" / "OHAGEODAMS_results.csv"))
    levels = Counter(mark.confidence for mark in run.of(Annotation))
    assert levels == {
        Confidence(label="Sure", level=1.0, max_level=1.0): 884,
        Confidence(label="Not sure", level=0.0, max_level=1.0): 27,
    }
    repaired = [mark.attributes["repaired"] for mark in run.of(Annotation) if "repaired" in mark.attributes]
    assert repaired == [{"confidence_indicator_level": "01-janv"}] * 884


@needs_shared
async def test_one_name_with_93_starts_is_93_recordings() -> None:
    """The seed of 2.5.7 has 99 files called 50h_0.wav: the 93 with rows are told apart by their start (§2.1)."""
    folder = SHARED / "v2.5.7_seed"
    run = await ingest(file_source(folder / "results_phase1.csv"), file_source(folder / "status_phase1.csv"))
    starts = {asset.start_at for asset in run.of(Asset) if asset.facet == "results"}
    assert len(starts) == 93
    ids = {asset.external_id for asset in run.of(Asset) if asset.facet == "results"}
    assert len(ids) == 93
    assert all("/50h_0.wav@2012-10-0" in identifier for identifier in ids)
    listed = [asset.external_id for asset in run.of(Asset) if asset.facet == "status"]
    assert listed == [f"phase1/Test Dataset/50h_0.wav#{position}" for position in range(1, 100)]


@needs_shared
async def test_emails_of_version_1_leave_the_text() -> None:
    """1.8.9 writes the author's e-mail into task comments (§2.5): it goes to the annotator, and stays in the payload."""
    run = await ingest(file_source(SHARED / "1.8.9_seed" / "results_campaign1.csv"))
    assert {comment.text for comment in run.of(Comment)} == {"a comment"}
    nancy = run.one(Annotator, name="Nancy")
    assert (nancy.email, nancy.annotator_kind) == ("Nancy@osmose.xyz", AnnotatorKind.HUMAN)
    assert not any("@" in str(comment.author) for comment in run.of(Comment))


@needs_shared
async def test_both_phases_of_a_live_campaign_together() -> None:
    """Annotation and Verification export and both status files of one v3 campaign: nothing is stated in two ways."""
    folder = SHARED / "v3.4.1_live"
    names = ("status_V_archived", "results_A_archived", "results_V_archived", "status_A_archived")
    run = await ingest(*(file_source(folder / f"{name}.csv") for name in names), campaign="live")
    assert_consistent(run.documents)
    assert_resolved(run.documents)
    marks = run.of(Annotation)
    assert len({mark.external_id for mark in marks}) == 15
    assert Counter(mark.facet for mark in marks) == {"": 13, "verification": 15}
    assert len(run.of(Audit)) == 17
    assert len(run.of(Comment)) == 4
    phases = {task.native_status and task.phase and task.phase.name for task in run.of(Task) if task.facet == "status"}
    assert phases == {"Annotation", "Verification"}
    verifying = {
        task.assignees[0]
        for task in run.of(Task)
        if task.facet == "status" and task.phase is not None and task.phase.kind is PhaseKind.REVIEW
    }
    assert verifying == {"admin", "user3", "user4"}


@needs_shared
@pytest.mark.parametrize("name", sorted(REFUSALS))
async def test_a_refusal_saved_as_csv_says_so(name: str) -> None:
    """Servers answer a refused download with ``d,e,t,a,i,l``: no document, one report that names the file."""
    path = next(SHARED.glob(f"*/{name}"))
    run = await ingest(file_source(path))
    assert run.documents == []
    assert run.reasons == [f"{name}: this is no export but a server's refusal (login or rights): download it again"]


async def test_our_verification_sample() -> None:
    """The newest layout with verifiers: marks of both phases, verdicts, corrections, features and progress."""
    run = await ingest(*(file_source(path) for path in sorted(OURS.glob("iroise_winter_*.csv"))))
    assert run.skipped == []
    counts = Counter(document.kind for document in run.documents)
    assert counts[Kind.ANNOTATION] == 30
    assert counts[Kind.COMMENT] == 3
    rows = csv_rows(OURS / "iroise_winter_results.csv")
    expected = Counter(one[verifier] for one in rows for verifier in ("elin.vasseur", "tomas.brandt") if one[verifier])
    assert Counter(audit.native_result for audit in run.of(Audit)) == expected
    assert Counter(audit.result for audit in run.of(Audit)) == {
        AuditResult.ACCEPTED: expected["True"],
        AuditResult.REJECTED: expected["False"],
    }
    corrections = {mark.native_id: mark.replaces for mark in run.of(Annotation) if mark.replaces}
    assert corrections == {
        "61867": "iroise_winter/61843",
        "61868": "iroise_winter/61848",
        "61869": "iroise_winter/61853",
    }
    mark = run.one(Annotation, native_id="61856")
    assert mark.attributes["features"] == {
        "quantity": "SINGLE",
        "is_intensity_too_low": True,
        "does_overlap_other_signals": True,
        "start_frequency": 60.0,
        "end_frequency": 148.0,
        "relative_min_frequency_count": 1,
        "relative_max_frequency_count": 2,
        "steps_count": 0,
        "has_harmonics": True,
        "trend": "MOD",
        "sidebands": True,
        "subharmonics": False,
        "frequency_jumps": 3,
        "deterministic_chaos": False,
    }
    assert mark.start_at == datetime(2025, 1, 12, 8, 0, 33, 500000, tzinfo=UTC)
    progress = Counter(task.status for task in run.of(Task) if task.facet == "status")
    words = [
        one[name] for one in csv_rows(OURS / "iroise_winter_status.csv") for name in ("elin.vasseur", "tomas.brandt")
    ]
    assert progress == {
        TaskStatus.SUBMITTED: words.count("FINISHED"),
        TaskStatus.PENDING: words.count("CREATED"),
    }
    assert {task.phase.name for task in run.of(Task) if task.facet == "status" and task.phase} == {"Verification"}
    expertise = {(person.name, person.expertise or None) for person in run.of(Annotator) if person.expertise}
    assert expertise == {
        ("maelle.riou", Expertise.EXPERT),
        ("jonas_kerr", Expertise.NOVICE),
        ("elin.vasseur", Expertise.EXPERT),
        ("tomas.brandt", Expertise.AVERAGE),
    }
    assert_consistent(run.documents)
    assert_resolved(run.documents)


async def test_our_unquoted_sample() -> None:
    """A file of version 1.6: commas, quotes and line breaks stand bare in comments and all come back."""
    run = await ingest(*(file_source(path) for path in sorted(OURS.glob("fehmarn_*.csv"))))
    assert run.skipped == []
    assert len(run.of(Annotation)) == 20
    said = Counter(mark.comment for mark in run.of(Annotation) if mark.comment)
    assert said["boat engine starts\nthen silence, all clicks gone"] == 4
    assert said['"feeding buzz"? maybe, maybe not'] == 1
    written = (OURS / "fehmarn_porpoises_results.csv").read_text().split("\n", 1)
    rows = [document.raw for document in run.documents if isinstance(document, (Annotation, Comment))]
    assert "\n".join(",".join(one.values()) for one in rows) == written[1]
    assert [comment.text for comment in run.of(Comment)] == [
        "hydrophone cable hit by something, twice",
        "no clicks at all in this one",
    ]
    assert run.one(Annotator, name="birk", email="birk@porpoise.example.org").annotator_kind is AnnotatorKind.HUMAN
    assert_consistent(run.documents)


async def test_our_semicolon_sample() -> None:
    """A re-saved file with semicolons: points have a start only, marks of the whole file no bounds of their own."""
    run = await ingest(file_source(OURS / "southern_glider_results.csv"))
    by_type: dict[str, list[Annotation]] = {}
    for mark in run.of(Annotation):
        by_type.setdefault(mark.attributes["type"], []).append(mark)
    assert {name: len(marks) for name, marks in by_type.items()} == dict(
        Counter(one["type"] for one in csv_rows(OURS / "southern_glider_results.csv") if one["type"])
    )
    for mark in by_type["POINT"]:
        assert mark.end_at is None
        assert mark.time_span is not None
        assert mark.time_span.end is None
    assert all(mark.value == TimeFrequencyBox() for mark in by_type["WEAK"])
    assert all(mark.time_span is not None and mark.time_span.end == 3600.0 for mark in by_type["WEAK"])
