"""Status files (fact sheet §3): progress per recording and annotator, and the phase it belongs to."""

from __future__ import annotations

import pytest
from aplose_checks import assert_consistent, comment_row, ingest, row, source, table

from connectors.documents import (
    UNSET,
    Annotation,
    Annotator,
    AnnotatorKind,
    Asset,
    Campaign,
    Comment,
    Kind,
    Ref,
    Task,
    TaskStatus,
)


def status(*rows: str, names: str = "ana,bo") -> str:
    return "\r\n".join([f"dataset,filename,{names}", *rows]) + "\r\n"


async def test_words_of_progress() -> None:
    """UNASSIGNED is no task; the server's word is kept, and an unknown one is UNKNOWN."""
    run = await ingest(
        source("x_status.csv", status("g,a.wav,CREATED,STARTED", "g,b.wav,FINISHED,UNASSIGNED", "g,c.wav,PAUSED,"))
    )
    assert {task.external_id: (task.status, task.native_status) for task in run.of(Task)} == {
        "x/g/a.wav/ana/Annotation": (TaskStatus.PENDING, "CREATED"),
        "x/g/a.wav/bo/Annotation": (TaskStatus.IN_PROGRESS, "STARTED"),
        "x/g/b.wav/ana/Annotation": (TaskStatus.SUBMITTED, "FINISHED"),
        "x/g/c.wav/ana/Annotation": (TaskStatus.UNKNOWN, "PAUSED"),
    }
    assert [asset.external_id for asset in run.of(Asset)] == ["x/g/a.wav", "x/g/b.wav", "x/g/c.wav"]
    assert run.of(Asset)[2].raw == {"dataset": "g", "filename": "c.wav", "ana": "PAUSED", "bo": ""}
    task = run.of(Task)[0]
    assert (task.facet, task.raw, task.raw_of) == ("status", UNSET, Ref(Kind.ASSET, "x/g/a.wav"))
    assert {person.name: person.annotator_kind for person in run.of(Annotator)} == dict.fromkeys(
        ("ana", "bo"), AnnotatorKind.HUMAN
    )
    assert run.skipped == []


async def test_a_status_file_without_annotators() -> None:
    """A campaign that nobody is assigned to lists its files alone."""
    run = await ingest(source("x.csv", "dataset,filename\r\ng,a.wav\r\n"))
    assert len(run.of(Asset)) == 1
    assert run.of(Task) == []


async def test_columns_that_are_nobodys_progress() -> None:
    """They stay with the recording; a file that has only such columns is no status file."""
    run = await ingest(source("x.csv", "dataset,filename,duration,ana\r\ng,a.wav,900.5,CREATED\r\n"))
    assert run.one(Asset).metadata == {"duration": 900.5}
    assert [task.assignees for task in run.of(Task)] == [("ana",)]
    run = await ingest(source("x.csv", "dataset,filename,start,end\r\ng,a.wav,2024-01-01,2024-01-02\r\n"))
    assert run.documents == []
    assert run.skipped[0].field == "start"
    assert "no column but dataset and filename holds CREATED, FINISHED, STARTED, UNASSIGNED" in run.skipped[0].reason


async def test_an_annotator_called_annotator() -> None:
    """A name that is a column's elsewhere."""
    run = await ingest(source("x.csv", status("g,a.wav,CREATED,FINISHED", names="annotator,type")))
    assert [task.assignees for task in run.of(Task)] == [("annotator",), ("type",)]


async def test_results_and_status_meet() -> None:
    """The same recordings and tasks get the same ids, each file stating its own facet."""
    run = await ingest(
        source("gulf_status.csv", status("Gulf,a.wav,FINISHED,CREATED")), source("gulf_results.csv", table(row()))
    )
    assert [(task.external_id, task.facet) for task in run.of(Task)] == [
        ("gulf/Gulf/a.wav/ana/Annotation", "results"),
        ("gulf/Gulf/a.wav/ana/Annotation", "status"),
        ("gulf/Gulf/a.wav/bo/Annotation", "status"),
    ]
    assert {campaign.external_id for campaign in run.of(Campaign)} == {"gulf"}
    assert_consistent(run.documents)


async def test_repeated_names_meet_in_the_order_of_their_starts() -> None:
    """Where the status file lists as many recordings of a name as the results show starts; else they have numbers."""
    hours = [row(result_id=str(n), start_datetime=f"2024-05-01T1{n}:00:10.500+00:00") for n in (2, 0, 1)]
    three = status(*["Gulf,a.wav,FINISHED,CREATED"] * 3)
    run = await ingest(source("g_status.csv", three), source("g_results.csv", table(*hours)))
    listed = [asset.external_id for asset in run.of(Asset) if asset.facet == "status"]
    assert listed == [f"g/Gulf/a.wav@2024-05-01T1{n}:00:00.000Z" for n in (0, 1, 2)]
    assert {mark.asset for mark in run.of(Annotation)} == set(listed)
    run = await ingest(source("g_status.csv", three), source("g_results.csv", table(*hours[:2])))
    assert [asset.external_id for asset in run.of(Asset) if asset.facet == "status"] == [
        f"g/Gulf/a.wav#{n}" for n in (1, 2, 3)
    ]


A = table(row(result_id="1", annotator="ana"), row(result_id="2", annotator="bo"))
V = table(row(result_id="1", annotator="ana", vera="True"), row(result_id="2", annotator="bo", vera="False"))
OF_ANNOTATION = status("Gulf,a.wav,FINISHED,FINISHED")
OF_VERIFICATION = status("Gulf,a.wav,FINISHED,CREATED", names="vera,bo")


@pytest.mark.parametrize(
    ("files", "options", "phases"),
    [
        ({"g_status": OF_ANNOTATION}, {}, ["Annotation"]),
        ({"g_results": A, "g_status": OF_ANNOTATION}, {}, ["Annotation"]),
        ({"g_results": V, "g_status": OF_VERIFICATION}, {}, ["Verification"]),
        ({"g_results": V, "g_status": OF_VERIFICATION}, {"phase": "annotation"}, ["Annotation"]),
        ({"g_status": OF_ANNOTATION}, {"phase": "Verification"}, ["Verification"]),
        (
            {"g_status": OF_ANNOTATION, "g_status (1)": OF_VERIFICATION, "g_results": V},
            {},
            ["Annotation", "Verification"],
        ),
        (
            {"g_status": OF_VERIFICATION, "g_status (1)": OF_ANNOTATION, "g_results": V},
            {},
            ["Verification", "Annotation"],
        ),
        ({"g_results": table(row("A24", vera="True")), "g_status": OF_VERIFICATION}, {}, ["Annotation"]),
        ({"other_results": V, "g_status": OF_VERIFICATION}, {}, ["Annotation"]),
    ],
)
async def test_the_phase_of_a_status_file(files: dict[str, str], options: dict[str, str], phases: list[str]) -> None:
    """Told, or by the results of its campaign; of two files the one with the verifiers is of Verification (§3)."""
    run = await ingest(*(source(f"{name}.csv", text) for name, text in files.items()), **options)
    found = [
        task.phase.name
        for task in run.of(Task)
        if task.facet == "status" and task.assignees[0] in ("ana", "vera") and task.phase
    ]
    assert found == phases
    assert_consistent(run.documents)


async def test_task_comments_belong_to_the_phase_of_their_export() -> None:
    """Their rows do not say it (§2): verifiers' columns do, in version 3 rows of verification too, else it is told."""

    async def phase(*rows: dict[str, str], **options: str) -> str:
        run = await ingest(source("x.csv", table(*rows)), **options)
        return str(run.one(Comment).task).rpartition("/")[2]

    made = row("A36", created_at_phase="VERIFICATION")
    assert await phase(comment_row(), row()) == "Annotation"
    assert await phase(comment_row(vera=""), row(vera="True")) == "Verification"
    assert await phase(comment_row("A36"), made) == "Verification"
    assert await phase(comment_row(), row(created_at_phase="VERIFICATION")) == "Annotation"
    assert await phase(comment_row(), row(), phase="VERIFICATION") == "Verification"


async def test_status_rows_of_another_delimiter_are_one_report() -> None:
    """As for results."""
    run = await ingest(source("x.csv", "\r\n" + status(*["g;a.wav;CREATED;CREATED"] * 30)))
    assert run.documents == []
    assert len(run.skipped) == 1


async def test_a_big_status_file_comes_in_pages() -> None:
    """A page is bounded by its documents: recordings and their tasks."""
    run = await ingest(source("x.csv", status(*(f"g,{n}.wav,CREATED,FINISHED" for n in range(3000)))))
    assert len(run.of(Task)) == 6000
    assert max(len(page.documents) for page in run.pages) < 2010


async def test_damaged_status_rows() -> None:
    """Each is reported with its row, and the others are kept."""
    rows = ("g,a.wav,CREATED,CREATED", "g,b.wav", "g,,CREATED,CREATED", "", "g,d.wav,,")
    run = await ingest(source("x.csv", status(*rows)))
    assert [asset.name for asset in run.of(Asset)] == ["a.wav", "d.wav"]
    assert run.reasons == ["x.csv row 3: 2 fields where the header has 4", "x.csv row 4: the filename is empty"]
