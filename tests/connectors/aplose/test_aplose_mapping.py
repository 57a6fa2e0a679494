"""What a row means: kinds of marks, time, features, comments, verdicts, people (fact sheet §2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from aplose_checks import assert_consistent, comment_row, ingest, mark, row, source, table

from connectors.aplose import places, traits
from connectors.aplose.layouts import LAYOUTS
from connectors.documents import (
    UNSET,
    Annotation,
    Annotator,
    AnnotatorKind,
    Asset,
    Audit,
    AuditResult,
    Campaign,
    Comment,
    Expertise,
    Kind,
    Ref,
    Scope,
    Span,
    Submission,
    Task,
    TaskStatus,
    TimeFrequencyBox,
    UnmappedValue,
)

BOX = TimeFrequencyBox(time=Span(10.5, 20.25), frequency=Span(100.0, 2000.0))


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_a_box_in_every_layout(layout: str) -> None:
    """The same mark comes out of each layout, as far as its columns say."""
    found = await mark(layout)
    assert (found.label, found.author, found.value) == ("Whistle", "ana", BOX)
    assert (found.time_span, found.frequency_span) == (Span(10.5, 20.25), Span(100.0, 2000.0))
    dated = "start_datetime" in LAYOUTS[layout]
    assert found.start_at == (datetime(2024, 5, 1, 10, 0, 10, 500000, tzinfo=UTC) if dated else None)
    assert found.raw == row(layout)
    assert found.part == "x.csv"


@pytest.mark.parametrize(
    ("cells", "value"),
    [
        ({"type": "WEAK", "is_box": "1"}, TimeFrequencyBox()),
        ({"type": "BOX", "is_box": "0"}, BOX),
        ({"type": "", "is_box": "0"}, TimeFrequencyBox()),
        ({"type": "", "is_box": "VRAI"}, BOX),
        ({"type": "POINT", "is_box": "1"}, TimeFrequencyBox(time=Span(10.5), frequency=Span(100.0))),
        ({"type": "", "is_box": "", "start_time": "", "start_frequency": ""}, TimeFrequencyBox()),
        ({"type": "LASSO"}, UnmappedValue(shape="LASSO", json={"time": [10.5, 20.25], "frequency": [100.0, 2000.0]})),
    ],
)
async def test_the_kind_of_mark(cells: dict[str, str], value: object) -> None:
    """``type`` counts before ``is_box``, which v3.0 writes wrong (§2.3); a new kind stays visible."""
    assert (await mark(**cells)).value == value


async def test_without_type_and_is_box_the_bounds_tell() -> None:
    """A8 and A10: weak is from the first to the last second and Hz of the dataset (§2.3)."""
    weak = {"start_time": "0", "end_time": "600", "start_frequency": "0", "end_frequency": "250.0"}
    rows = [
        row("A10", **weak),
        row("A10", **{**weak, "start_frequency": "1"}),
        row("A10", **{**weak, "end_time": "599"}),
    ]
    marks = (await ingest(source("x.csv", table(*rows)))).of(Annotation)
    assert [one.value == TimeFrequencyBox() for one in marks] == [True, False, False]


async def test_weak_marks_keep_their_span() -> None:
    """The value has no bounds; the annotation says what the row says."""
    found = await mark(type="WEAK")
    assert (found.time_span, found.frequency_span) == (Span(10.5, 20.25), Span(100.0, 2000.0))
    assert found.end_at == datetime(2024, 5, 1, 10, 0, 20, 250000, tzinfo=UTC)


async def test_a_point_ends_nowhere() -> None:
    """Up to v3.0.1 the end_datetime of a point is the end of its file (§2.4): points have a start only."""
    found = await mark(type="POINT", end_time="10.5", end_datetime="2024-05-01T10:15:00.000+00:00")
    assert (found.time_span, found.frequency_span, found.end_at) == (Span(10.5), Span(100.0), None)


@pytest.mark.parametrize(
    ("cells", "start", "attributes"),
    [
        ({"start_datetime": "1714557610500"}, datetime(2024, 5, 1, 10, 0, 10, 500000, tzinfo=UTC), {}),
        (
            {"start_datetime": "2024-05-01T10:00:10.5"},
            datetime(2024, 5, 1, 10, 0, 10, 500000, tzinfo=UTC),
            {"assumed_utc": ["start_datetime"]},
        ),
        ({"start_datetime": "soon"}, None, {"unreadable": {"start_datetime": "soon"}}),
    ],
)
async def test_time_traps(cells: dict[str, str], start: datetime | None, attributes: dict[str, object]) -> None:
    """Milliseconds, times without an offset, and what is no time (§2.4): the row is always kept."""
    found = await mark(**cells)
    assert found.start_at == start
    notes = {k: v for k, v in found.attributes.items() if k in ("assumed_utc", "unreadable", "repaired")}
    assert notes == attributes
    assert found.raw["start_datetime"] == cells["start_datetime"]


async def test_unreadable_cells_do_not_lose_the_row() -> None:
    """Each is named with its text, and the others are still there."""
    bad = {
        "start_time": "ten",
        "end_frequency": "nan",
        "is_box": "maybe",
        "type": "",
        "confidence_indicator_level": "high",
    }
    found = await mark(**bad, confidence_indicator_label="sure", signal_steps_count="two", signal_start_frequency="30")
    assert found.attributes["unreadable"] == {
        "start_time": "ten",
        "end_frequency": "nan",
        "is_box": "maybe",
        "confidence_indicator_level": "high",
        "signal_steps_count": "two",
    }
    assert found.attributes["features"] == {"start_frequency": 30.0}
    assert (found.time_span, found.frequency_span) == (None, Span(100.0))
    assert found.confidence is not None
    assert (found.confidence.label, found.confidence.level) == ("sure", None)


async def test_blanks_around_numbers_are_no_damage() -> None:
    """They change nothing, so nothing is said about them."""
    found = await mark(start_time=" 10.5 ")
    assert (found.time_span, "repaired" in found.attributes) == (Span(10.5, 20.25), False)


async def test_decimal_commas_are_repaired_visibly() -> None:
    """A file re-saved with semicolons by a French spreadsheet."""
    text = table(row(start_time="10,5", end_frequency="2000,25"), delimiter=";")
    found = (await ingest(source("x.csv", text))).one(Annotation)
    assert found.time_span == Span(10.5, 20.25)
    assert found.frequency_span == Span(100.0, 2000.25)
    assert found.attributes["repaired"] == {"start_time": "10,5", "end_frequency": "2000,25"}


async def test_attributes_have_types_and_no_empty_entries() -> None:
    """What the columns say beyond the mark, under their own names; features without their prefix."""
    found = await mark(
        "A36",
        annotator_expertise="EXPERT",
        min_frequency="100.0",
        max_frequency="2000.0",
        signal_quantity="SINGLE",
        signal_sidebands="False",
        signal_frequency_jumps="True",
    )
    assert found.attributes == {
        "type": "BOX",
        "is_box": True,
        "annotator_expertise": "EXPERT",
        "analysis": "fft",
        "created_at_phase": "ANNOTATION",
        "min_frequency": 100.0,
        "max_frequency": 2000.0,
        "features": {"quantity": "SINGLE", "sidebands": False, "frequency_jumps": True},
    }
    assert (await mark("A11")).attributes == {"is_box": True}


async def test_attributes_are_nobody_elses() -> None:
    """Rows with the same words do not share what a reader could change."""
    run = await ingest(source("x.csv", table(row(signal_trend="ASC"), row(signal_trend="ASC"))))
    first, second = run.of(Annotation)
    first.attributes["features"]["trend"] = first.attributes["type"] = "spoilt"
    assert (second.attributes["features"]["trend"], second.attributes["type"]) == ("ASC", "BOX")


async def test_derived_files() -> None:
    """Files made of exports: low and high frequency, no relative time, ``project``, microseconds, a score (§2)."""
    cells = {
        "project": "Casey2014",
        "filename": "2014-03-01T00-00-00_000.wav",
        "annotation": "bma",
        "annotator": "gavin",
        "low_frequency": "17.5",
        "high_frequency": "28.25",
        "start_datetime": "2014-03-01T00:05:00.123456+00:00",
        "end_datetime": "2014-03-01T00:05:20.000000+00:00",
        "score": "0.83",
    }
    run = await ingest(source("x.csv", table(cells)))
    found = run.one(Annotation)
    assert found.value == TimeFrequencyBox(frequency=Span(17.5, 28.25))
    assert found.start_at == datetime(2014, 3, 1, 0, 5, 0, 123456, tzinfo=UTC)
    assert found.attributes == {"extra": {"score": 0.83}}
    assert run.one(Asset).dataset == "Casey2014"
    assert run.one(Asset).start_at is UNSET


async def test_corrections_name_what_they_replace() -> None:
    """``is_update_of_id`` may point to a row that is not there (§2.1); both rows stay current."""
    found = await mark(result_id="6708", is_update_of_id="6706.0", created_at_phase="VERIFICATION")
    assert (found.native_id, found.replaces, found.is_current) == ("6708", "x/6706", UNSET)
    assert found.task == "x/Gulf/a.wav/ana/Verification"


async def test_verdicts() -> None:
    """A cell of a verifier's column is an audit of the mark by that person; an empty one is none (§4)."""
    rows = [
        row(result_id="1", vera="True", victor="False"),
        row(result_id="2", vera="", victor="FAUX"),
        row(result_id="3", vera="maybe", victor="True"),
        row(result_id="4", vera="True", victor=""),
    ]
    run = await ingest(source("x.csv", table(*rows)))
    audits = {audit.external_id: audit for audit in run.of(Audit)}
    assert {name: (audit.result, audit.native_result) for name, audit in audits.items()} == {
        "x/1/vera": (AuditResult.ACCEPTED, "True"),
        "x/1/victor": (AuditResult.REJECTED, "False"),
        "x/2/victor": (AuditResult.REJECTED, "FAUX"),
        "x/3/vera": (AuditResult.UNKNOWN, "maybe"),
        "x/3/victor": (AuditResult.ACCEPTED, "True"),
        "x/4/vera": (AuditResult.ACCEPTED, "True"),
    }
    audit = audits["x/1/victor"]
    assert (audit.annotation, audit.auditor, audit.author, audit.label) == ("x/1", "victor", "ana", "Whistle")
    assert audit.task == run.one(Annotation, native_id="1").task
    assert audit.audited_at is None
    assert audit.raw_of == Ref(Kind.ANNOTATION, "x/1")
    assert run.one(Annotator, name="vera").annotator_kind is AnnotatorKind.HUMAN


async def test_columns_of_other_things_are_no_verifiers() -> None:
    """A column with other values stays with the mark; an empty one says nothing."""
    run = await ingest(source("x.csv", table(row(score="0.5", empty=""), row(score="1", annotation="Other", empty=""))))
    assert run.of(Audit) == []
    assert [one.attributes["extra"] for one in run.of(Annotation)] == [{"score": 0.5}, {"score": 1}]
    assert {person.name for person in run.of(Annotator)} == {"ana"}


async def test_a_verifier_named_like_a_column() -> None:
    """The first column of a name is APLOSE's, the second a user's."""
    header = ",".join((*LAYOUTS["A27"], "type"))
    text = f"{header}\r\n{','.join(row().values())},True\r\n"
    run = await ingest(source("x.csv", text))
    assert run.one(Audit).auditor == "type"
    assert run.one(Annotation).raw == {**row(), "type (2)": "True"}


@pytest.mark.parametrize(
    "cells",
    [
        {},
        {"start_time": "0", "end_time": "900.000000", "start_frequency": "0", "end_frequency": "163840.0"},
        {"start_datetime": "", "end_datetime": ""},
    ],
)
async def test_task_comments_of_every_version(cells: dict[str, str]) -> None:
    """A row without a label is a task comment, also where its bounds are filled (1.10 to 1.12, §2.5)."""
    run = await ingest(source("x.csv", table(comment_row("A14", **cells))))
    comment = run.one(Comment)
    assert (comment.text, comment.author, comment.task) == ("loud", "ana", "x/Gulf/a.wav/ana/Annotation")
    assert comment.raw == comment_row("A14", **cells)
    assert run.of(Annotation) == run.of(Submission) == []
    assert run.one(Annotator, name="ana").annotator_kind is AnnotatorKind.HUMAN


async def test_several_comments_of_one_author_on_one_file() -> None:
    """They are several rows (§2.5), also when their text is the same."""
    run = await ingest(source("x.csv", table(comment_row(), comment_row(), comment_row(comments="soft |- ana"))))
    assert [one.text for one in run.of(Comment)] == ["loud", "loud", "soft"]
    assert len({one.external_id for one in run.of(Comment)}) == 3


async def test_comments_on_marks() -> None:
    """The author goes; another author than the mark's stays visible; comments without one are whole."""
    found = await mark(comments="a |- b |- ana")
    assert (found.comment, "comment_author" in found.attributes) == ("a |- b", False)
    found = await mark(comments="no |- vera")
    assert (found.comment, found.attributes["comment_author"]) == ("no", "vera")
    assert (await mark(comments="by hand")).comment == "by hand"


async def test_tasks_submissions_and_recordings() -> None:
    """One of each per recording, annotator and phase, however many rows; a task's status is an assumption."""
    rows = [row(result_id=str(n), annotator=name) for n, name in enumerate(("ana", "bo", "ana", "bo"))]
    run = await ingest(source("x.csv", table(*rows)))
    asset = run.one(Asset)
    assert (asset.external_id, asset.start_at) == ("x/Gulf/a.wav", datetime(2024, 5, 1, 10, tzinfo=UTC))
    assert [task.external_id for task in run.of(Task)] == ["x/Gulf/a.wav/ana/Annotation", "x/Gulf/a.wav/bo/Annotation"]
    for task, submission in zip(run.of(Task), run.of(Submission), strict=True):
        assert (task.status, task.assumed, task.facet) == (TaskStatus.SUBMITTED, {"status"}, "results")
        assert (submission.task, submission.external_id) == (task.external_id, f"{task.external_id}/results")
        assert submission.author == task.assignees[0]
        assert submission.is_current is True


async def test_recordings_of_one_name_are_told_apart_by_their_start() -> None:
    """Starts within a second are one recording's (§2.1); every recording of a name with several carries its start."""

    def at(start: datetime, offset: float, number: int) -> dict[str, str]:
        begin = (start + timedelta(seconds=offset)).isoformat(timespec="milliseconds")
        return row(result_id=str(number), start_time=str(offset), end_time=str(offset), start_datetime=begin)

    first, second = datetime(2024, 5, 1, 10, tzinfo=UTC), datetime(2024, 5, 1, 11, tzinfo=UTC)
    rows = [
        at(first, 10.0005, 1),
        at(second, 3.25, 2),
        at(first, 0.0, 3),
        comment_row(start_datetime=second.isoformat()),
    ]
    run = await ingest(source("x.csv", table(*rows, comment_row(start_datetime="", end_datetime=""))))
    one, other, unknown = (f"x/Gulf/a.wav{at}" for at in ("@2024-05-01T10:00:00.000Z", "@2024-05-01T11:00:00.000Z", ""))
    assert [document.asset for document in run.of(Annotation)] == [one, other, one]
    assert [document.asset for document in run.of(Comment)] == [other, unknown]
    assert {asset.external_id: asset.start_at or None for asset in run.of(Asset)} == {
        one: first,
        other: second,
        unknown: None,
    }


async def test_a_start_beyond_reason_is_no_start() -> None:
    """A relative time of years would put the recording into another age."""
    run = await ingest(source("x.csv", table(row(start_time="1e300"))))
    assert run.one(Asset).start_at is UNSET
    assert run.one(Annotation).time_span == Span(1e300, 20.25)


async def test_what_was_forgotten_is_stated_again_in_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory for places and words is bounded; however small, the documents are the same but for repetitions."""
    rows = [
        row(
            "A36",
            annotation_id=str(n),
            filename=f"{n % 7}.wav",
            annotator=f"p{n % 5}",
            signal_trend=f"t{n % 3}",
            type=kind,
        )
        for n, kind in enumerate(["BOX", "WEAK", "POINT"] * 20)
    ]
    content = source("x.csv", table(*rows))
    usual = await ingest(content)
    monkeypatch.setattr(places, "_REMEMBERED", 2)
    monkeypatch.setattr(traits, "MEMO", 2)
    forgetful = await ingest(content)
    assert len(forgetful.documents) > len(usual.documents)
    assert_consistent(forgetful.documents)
    assert list(dict.fromkeys((d.kind, d.external_id) for d in forgetful.documents)) == [
        (d.kind, d.external_id) for d in usual.documents
    ]
    assert forgetful.of(Annotation) == usual.of(Annotation)


async def test_many_annotators_of_one_recording_are_forgotten_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory for places is bounded by annotators as well as by recordings."""
    monkeypatch.setattr(places, "_REMEMBERED", 2)
    run = await ingest(source("x.csv", table(*(row(result_id=str(n), annotator=f"p{n % 20}") for n in range(60)))))
    assert len(run.of(Task)) > 20
    assert len({task.external_id for task in run.of(Task)}) == 20
    assert_consistent(run.documents)


async def test_the_same_words_in_both_phases_are_two_comments() -> None:
    """One person may comment a file alike as annotator and as verifier; the rows alone do not tell them apart."""
    run = await ingest(
        source("g_results.csv", table(row(), comment_row())),
        source("g_results (1).csv", table(row(vera="True"), comment_row())),
    )
    assert len({comment.external_id for comment in run.of(Comment)}) == 2
    assert_consistent(run.documents)


async def test_people_are_told_once_with_their_latest_expertise() -> None:
    """The row made last counts: that of the highest id, or without ids that of the latest recording."""
    with_ids = [
        row(result_id="9", annotator_expertise="EXPERT", start_datetime="2020-01-01T00:00:00.000+00:00"),
        row(result_id="3", annotator_expertise="NOVICE"),
        row(result_id="10", annotator_expertise=""),
    ]
    without = [
        row("A24", annotator_expertise="AVERAGE", start_datetime="2024-05-02T00:00:00.000+00:00"),
        row("A24", annotator_expertise="NOVICE"),
    ]
    for rows, expected in ((with_ids, Expertise.EXPERT), (without, Expertise.AVERAGE)):
        person = (await ingest(source("x.csv", table(*rows)))).one(Annotator)
        assert (person.external_id, person.expertise) == ("ana", expected)
        assert person.annotator_kind is AnnotatorKind.HUMAN


async def test_nobody_is_called_human_without_a_sign() -> None:
    """A detector's name looks like a user's (§2.2): the kind stays unsaid."""
    person = (await ingest(source("x.csv", table(row(annotator="PAMGuard"))))).one(Annotator)
    assert (person.annotator_kind, person.expertise) == (UNSET, UNSET)


async def test_the_campaign_shows_phases_when_the_file_does() -> None:
    """Phases are stated only by a file that shows verification; 2.1 to 2.3 knew verifiers but no phases."""
    plain = (await ingest(source("gulf_results.csv", table(row())))).one(Campaign)
    assert (plain.external_id, plain.name, plain.phases, plain.facet) == ("gulf", "gulf", UNSET, "")
    for rows in ([row(vera="True")], [row(created_at_phase="VERIFICATION")]):
        shown = (await ingest(source("x.csv", table(*rows)))).one(Campaign)
        assert [phase.name for phase in shown.phases or ()] == ["Annotation", "Verification"]
    assert (await ingest(source("x.csv", table(row("A24", vera="True"))))).one(Campaign).phases is UNSET


@pytest.mark.parametrize(
    "cells", [{"filename": ""}, {"annotator": ""}, {"annotation": "", "comments": "", "result_id": ""}]
)
async def test_rows_that_say_too_little_are_reported(cells: dict[str, str]) -> None:
    """Whose mark, of which file, and what: without one of these a row is reported with its cells, the others stay."""
    run = await ingest(source("x.csv", table(row(result_id="1"), row(**cells), row(result_id="2"))))
    assert [one.native_id for one in run.of(Annotation)] == ["1", "2"]
    (skipped,) = run.skipped
    assert (skipped.where, skipped.field) == ("x.csv row 3", next(iter(cells)))
    assert skipped.raw == list(row(**cells).values())


async def test_a_mark_that_lost_its_label_is_a_mark() -> None:
    """An id says so."""
    found = await mark(result_id="5", annotation="")
    assert (found.label, found.value) == (None, BOX)


async def test_a_whole_file_completes_its_part() -> None:
    """Only a file without damage says what is gone; a header alone says that nothing is left."""
    scope = Scope(
        kinds=frozenset({Kind.ANNOTATION, Kind.COMMENT, Kind.AUDIT}), campaign="gulf", part="gulf_results.csv"
    )
    for text in (table(row()), table(row()).partition("\r\n")[0]):
        run = await ingest(source("deep/gulf_results.csv", text))
        assert [page.completes for page in run.pages] == [scope]
    run = await ingest(source("gulf_results.csv", table(row(), row(filename=""))))
    assert [page.completes for page in run.pages] == [None]
