"""Files as people have them: delimiters, encodings, damaged rows, lines without end, rows of version 1."""

from __future__ import annotations

import csv
import io
import tracemalloc

import pytest
from aplose_checks import Import, Row, comment_row, ingest, row, row_payloads, source, table

from connectors.aplose.lines import LONGEST, MOST
from connectors.contract import Input
from connectors.documents import Annotation, Comment

ROWS = [row(annotation="Fin whale", comments="é, ü — 鯨 |- ana"), row(annotation="Other"), comment_row()]


def labels(run: Import) -> list[str | None]:
    return [mark.label for mark in run.of(Annotation)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
async def test_dialects_and_encodings(delimiter: str, end: str, encoding: str) -> None:
    """Whatever a spreadsheet wrote, the rows are the same and nothing is reported."""
    run = await ingest(source("x.csv", table(*ROWS, delimiter=delimiter, end=end).encode(encoding)))
    assert row_payloads(run.documents) == ROWS
    assert run.skipped == []


async def test_everything_quoted_blank_lines_and_a_hint() -> None:
    """Excel's first line ``sep=;``, blank lines anywhere, empty columns at the end: all of it is only form."""
    text = table(*ROWS, delimiter=";", quoting=csv.QUOTE_ALL)
    run = await ingest(source("x.csv", "sep=;\r\n\r\n" + text.replace("\r\n", ";;\r\n\r\n")))
    assert [{k: v for k, v in raw.items() if k.strip("() 2")} for raw in row_payloads(run.documents)] == ROWS
    assert run.skipped == []


@pytest.mark.parametrize(("encoding", "text"), [("cp1252", "cœur — écho"), ("latin-1", "\x81 écho")])
async def test_files_of_other_encodings_are_read_and_reported(encoding: str, text: str) -> None:
    """Bytes that are no UTF-8 are Windows-1252, else Latin-1; one report says where they begin, and no row is lost."""
    rows = [row(), row(annotation=text), row(annotation=text)]
    run = await ingest(source("x.csv", table(*rows).encode(encoding)))
    assert labels(run) == ["Whistle", text, text]
    assert run.reasons == [
        "x.csv: 2 lines are not valid UTF-8 (first line 3) and were read as Windows-1252; nothing is left out"
    ]
    assert run.pages[-1].completes is not None


async def test_broken_utf_16_is_marked_and_reported() -> None:
    """Half a character stands for what is lost; U+FFFD that somebody wrote is nobody's damage."""
    data = table(row(annotation="x\ufffdy"), row(annotation="a#b")).encode("utf-16")
    assert labels(await ingest(source("x.csv", data))) == ["x\ufffdy", "a#b"]
    run = await ingest(source("x.csv", data.replace("#".encode("utf-16-le"), b"\x00\xd8")))
    assert labels(run) == ["x\ufffdy", "a\ufffdb"]
    assert run.reasons == [
        (
            "x.csv: 1 lines are not valid UTF-16 (first line 3) and were read with a mark in place of what is broken;"
            " nothing is left out"
        )
    ]


async def test_one_bad_byte_does_not_change_other_rows() -> None:
    """The decision is made line by line: the whole rest of a UTF-8 file stays UTF-8."""
    data = table(row(annotation="é"), row(annotation="#"), row(annotation="ü")).encode().replace(b"#", b"\xff")
    run = await ingest(source("x.csv", data))
    assert labels(run) == ["é", "ÿ", "ü"]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda line: line.rpartition(",")[0], "26 fields where the header has 27"),
        (lambda line: line + ",x", "28 fields where the header has 27"),
        (lambda line: line.replace("Whistle", "Whi\0stle"), "NUL bytes, which no export has: the file is damaged"),
        (lambda line: line.replace("ana", '"ana"x,'), "',' expected after '\"'"),
        (lambda line: line.replace("Whistle", '"Whistle'), None),
        (lambda line: line + "x" * LONGEST, f"a line of more than {LONGEST:,} characters"),
    ],
)
async def test_one_damaged_row_is_one_report(spoil: object, reason: str | None) -> None:
    """The others are kept; a quote that never closes is repaired where the row is whole without it."""
    lines = table(*(row(result_id=str(n)) for n in range(1, 6))).splitlines()
    lines[3] = spoil(lines[3])  # type: ignore[operator]
    run = await ingest(source("x.csv", "\r\n".join(lines) + "\r\n"))
    kept = ["1", "2", "4", "5"]
    if reason is None:
        kept.insert(2, "3")
        assert run.one(Annotation, native_id="3").label == '"Whistle'
    assert [mark.native_id for mark in run.of(Annotation)] == kept
    assert run.reasons == ([] if reason is None else [f"x.csv row 4: {reason}"])
    assert (run.pages[-1].completes is None) is (reason is not None)
    if run.skipped:
        assert len(str(run.skipped[0].raw)) < 2000


async def test_an_open_quote_takes_no_rows_with_it() -> None:
    """A quote opened in a comment and never closed: the rows after it are read anew, up to the file's end."""
    rows = [row(result_id=str(n), comments="x |- ana") for n in range(1000)]
    text = table(*rows).replace("x |- ana", '"open, x |- ana', 1)
    run = await ingest(source("x.csv", text))
    assert [mark.native_id for mark in run.of(Annotation)] == [str(n) for n in range(1, 1000)]
    assert [record.where for record in run.skipped] == ["x.csv row 2"]


async def test_a_row_of_two_lines_with_a_field_too_many() -> None:
    """Its lines are reported one by one, and the row after it is kept."""
    text = table(row(comments="first\nsecond |- ana"), row(annotation="Next")).replace(",ANNOTATION", ",,ANNOTATION", 1)
    run = await ingest(source("x.csv", text))
    assert labels(run) == ["Next"]
    assert [record.where for record in run.skipped] == ["x.csv row 2", "x.csv row 3"]
    assert run.reasons[0] == "x.csv row 2: 28 fields where the header has 27"


async def test_a_comment_may_run_over_many_lines() -> None:
    """Line breaks in a comment of 255 characters at most (§1)."""
    long = "\n" * (MOST - 50) + " |- ana"
    run = await ingest(source("x.csv", table(row(comments=long), row())))
    assert run.of(Annotation)[0].raw["comments"] == long
    assert len(run.of(Annotation)) == 2


async def test_a_cut_download_is_told() -> None:
    """The last row of a half file has too few fields, or ends inside quotes."""
    text = table(row(result_id="1"), row(result_id="2", comments="a, b |- ana"))
    for cut, reason in ((40, "fields where the header has 27"), (14, "unexpected end of data")):
        run = await ingest(source("x.csv", text[:-cut] if cut == 40 else text[: text.rindex("b |-")]))
        assert [mark.native_id for mark in run.of(Annotation)] == ["1"]
        assert run.skipped[0].where == "x.csv row 3"
        assert reason in run.skipped[0].reason


async def test_rows_of_another_delimiter_are_one_report() -> None:
    """A header that does not belong to its rows: not a hundred thousand reports, one."""
    head, _, body = table(*(row() for _ in range(100))).partition("\r\n")
    run = await ingest(source("x.csv", head + "\r\n" + body.replace(",", ";")))
    assert run.documents == []
    assert run.reasons == [
        (
            "x.csv: none of the 100 rows fits the header (27 columns separated by ',');"
            " the first: 1 fields where the header has 27"
        )
    ]


class Endless(io.RawIOBase):
    """So many bytes of one letter, made as they are read."""

    def __init__(self, head: bytes, size: int) -> None:
        self._head = head
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._head:
            count = min(len(buffer), len(self._head))
            buffer[:count], self._head = self._head[:count], self._head[count:]
            return count
        count = min(len(buffer), self._left)
        buffer[:count] = b"x" * count
        self._left -= count
        return count


@pytest.mark.parametrize("head", [b"", table(row()).encode()], ids=["as header", "as row"])
async def test_a_line_of_fifty_megabytes_needs_no_memory(head: bytes) -> None:
    """It is reported as too long and never held as a whole."""
    size = 50_000_000
    stream = Input("big.csv", lambda: io.BufferedReader(Endless(head, size)), len(head) + size)
    tracemalloc.start()
    try:
        run = await ingest(stream)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000
    assert len(run.of(Annotation)) == (1 if head else 0)
    assert "more than 1,048,576 characters" in run.reasons[0]
    assert len(run.skipped) == 1


async def test_reading_keeps_no_more_than_a_page() -> None:
    """Pages are bounded, whatever the file's size, and tell how far reading is."""
    rows = [row(result_id=str(n), filename=f"{n // 3}.wav", vera="True") for n in range(6000)]
    run = await ingest(source("x.csv", table(*rows)))
    assert max(len(page.documents) for page in run.pages) < 2100
    assert run.records == sum(page.records for page in run.pages) == 6000
    done = [page.done for page in run.pages]
    assert done == sorted(done)
    assert done[-1] == run.pages[-1].total
    assert len({mark.external_id for mark in run.of(Annotation)}) == 6000


# --- version 1 ------------------------------------------------------------------------------------------------------


def plain(*rows: Row) -> str:
    """As servers before 2.0 write: joined with commas, unquoted, without a line break at the end."""
    return "\n".join([",".join(rows[0]), *(",".join(one.values()) for one in rows)])


@pytest.mark.parametrize(
    "cells",
    [
        {"comments": "one, two, three |- ana"},
        {"comments": '"quoted" and, more |- ana'},
        {"comments": '" |- ana'},
        {"comments": "first\nsecond |- ana"},
        {"comments": "first, a\n\nthird, b |- ana"},
        {"comments": "\nlate |- ana"},
        {"annotation": "Bm, D call"},
        {"annotation": "Bm, D call", "comments": "a, b |- ana"},
        {"confidence_indicator_label": "sure, very", "confidence_indicator_level": "1/1"},
        {"dataset": "Gulf, south"},
    ],
)
async def test_commas_and_line_breaks_of_version_1(cells: Row) -> None:
    """Nothing is quoted (§2.7): commas go back to their text, lines to their comment, and the other rows stay."""
    rows = [
        row("A14"),
        row("A14", **cells),
        row("A14", comments="plain |- ana"),
        comment_row("A14", comments="a, b |- ana"),
    ]
    run = await ingest(source("x.csv", plain(*rows)))
    assert row_payloads(run.documents) == rows
    assert run.skipped == []


@pytest.mark.parametrize("layout", ["A8", "A10", "A11"])
async def test_commas_in_layouts_without_comments(layout: str) -> None:
    """Labels and datasets are the only texts there."""
    rows = [row(layout, annotation="Bm, D, call"), row(layout), row(layout, dataset="a,b")]
    run = await ingest(source("x.csv", plain(*rows)))
    assert row_payloads(run.documents) == rows


async def test_verifiers_stand_behind_an_unquoted_comment() -> None:
    """Their cells are counted from the end, also when the comment breaks the line before them (§2, §2.7)."""
    rows = [
        row("A14", comments="a, b |- ana", vera="True", victor=""),
        row("A14", comments="first\nsecond, third |- ana", vera="False", victor="True"),
        row("A14", vera="", victor="True"),
    ]
    run = await ingest(source("x.csv", plain(*rows)))
    assert row_payloads(run.documents) == rows
    assert run.skipped == []


async def test_emails_of_an_unquoted_comment() -> None:
    """The comment of 1.6 to 1.8 ends with an e-mail: the row is closed there."""
    rows = [comment_row("A14", comments="x, y |- ana : ana@example.org"), row("A14")]
    run = await ingest(source("x.csv", plain(*rows)))
    assert row_payloads(run.documents) == rows
    assert run.one(Comment).text == "x, y"


async def test_what_fits_nowhere_is_reported() -> None:
    """A line of version 1 that is no row and that brings no author to the row before it."""
    text = plain(row("A14", comments="a, b |- ana"), row("A14")) + "\nsome note"
    run = await ingest(source("x.csv", text))
    assert len(run.of(Annotation)) == 2
    assert run.reasons == ["x.csv row 4: 1 fields where the header has 14"]
    assert run.skipped[0].raw == ["some note"]


async def test_a_line_of_version_1_with_commas_beyond_reason() -> None:
    """Neither a row nor part of one: reported, and soon."""
    text = (
        plain(row("A14", comments="a, b |- ana"), row("A14"))
        + "\nGulf"
        + ",x" * 20
        + "\nGulf"
        + ",x" * 200
        + "\nGulf"
        + ",y" * 2000
    )
    run = await ingest(source("x.csv", text))
    assert len(run.of(Annotation)) == 2
    assert run.reasons == [
        f"x.csv row {n}: {m} fields where the header has 14" for n, m in ((4, 21), (5, 201), (6, 2001))
    ]


async def test_a_note_between_rows_of_the_oldest_layouts() -> None:
    """Without comments no row goes on in the next line."""
    run = await ingest(
        source("x.csv", plain(row("A8", annotation="a,b")) + "\nsome note\n" + ",".join(row("A8").values()))
    )
    assert labels(run) == ["a,b", "Whistle"]
    assert run.reasons == ["x.csv row 3: 1 fields where the header has 8"]


async def test_a_resaved_old_layout_is_quoted() -> None:
    """The layout of version 1 with quotes around commas: what quotes mean is decided by what fits."""
    rows = [row("A14", comments='a "b", c |- ana'), row("A14", comments="two\nlines, |- ana")]
    run = await ingest(source("x.csv", table(*rows, end="\n")))
    assert row_payloads(run.documents) == rows
