"""What is no export, what cannot be read, options: a clear report, and the good rest is kept."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

import pytest
from aplose_checks import file_source, ingest, row, source, table

from connectors.aplose import CONNECTOR
from connectors.contract import ImportOptions, Input
from connectors.discovery import discover
from connectors.documents import Annotation, Asset, Scope

GOOD = source("good_results.csv", table(row()))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "the file is empty; an export has at least its header line"),
        ("\ufeff", "the file is empty; an export has at least its header line"),
        (" \r\n\r\n", "the file is empty; an export has at least its header line"),
        ("\n" * 100 + "dataset,filename\n", "the file is empty; an export has at least its header line"),
        ('{"detail": "Not found."}', 'JSON, no CSV: {"detail": "Not found."}'),
        ("<!doctype html>", "a web page, no CSV: download it again with a login"),
        (b"PK\x03\x04rest", "a zip archive: unpack it first, this is no CSV"),
        (b"\x1f\x8bxx", "a gzip file: unpack it first, this is no CSV"),
        ("d,e,t,a,i,l", "this is no export but a server's refusal (login or rights): download it again"),
        (
            "name,age\nx,3\n",
            (
                "neither a results nor a status export of APLOSE: its first line should name the columns dataset, filename,"
                " start_time … annotation, annotator (or dataset, filename and annotators), but it is 'name, age'"
            ),
        ),
        ("dataset,filename,start_time,annotator\n", "a results export without the columns annotation"),
        ("filename,annotation,annotator\n", "a results export without the columns dataset, start_time"),
        ("x" * 2_000_000, "the first line has more than 1,048,576 characters: no header"),
        ("x" * 200_000 + "\n", None),
        (b"\0" * 5000, None),
        (bytes(range(1, 256)) * 20, None),
    ],
)
async def test_what_is_no_export(content: str | bytes, reason: str | None) -> None:
    """One report names the file and what it is or lacks; the file beside it is read."""
    run = await ingest(source("bad.csv", content), GOOD)
    assert len(run.skipped) == 1
    assert run.skipped[0].where == "bad.csv"
    assert reason is None or run.skipped[0].reason == reason
    assert len(run.of(Annotation)) == 1


async def test_a_header_alone_is_an_export() -> None:
    """A campaign without annotations: no report, and the campaign is there."""
    for text in (table(row()).partition("\r\n")[0], "dataset,filename,ana\r\n"):
        run = await ingest(source("x.csv", text))
        assert run.skipped == []
        assert [document.external_id for document in run.documents if document.kind.value != "Annotator"] == ["x"]


class Breaking(io.BytesIO):
    """Fails after so many bytes, as a disk or a network share does."""

    def __init__(self, data: bytes, good: int) -> None:
        super().__init__(data)
        self._good = good

    def read1(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= self._good:
            raise OSError(5, "Input/output error")
        return super().read1(min(8192, self._good - self.tell()))


async def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A directory, a file that is gone, one that vanishes between two looks, one that fails in the middle."""
    data = table(*(row(result_id=str(n)) for n in range(2000))).encode()

    def vanishing(after: int) -> Input:
        opened = 0

        def open_() -> BinaryIO:
            nonlocal opened
            opened += 1
            if opened > after:
                raise FileNotFoundError(2, "No such file or directory")
            return io.BytesIO(data)

        return Input(f"gone_{after}.csv", open_, len(data))

    opened = 0

    def half() -> BinaryIO:
        nonlocal opened
        opened += 1
        return io.BytesIO(data) if opened < 4 else Breaking(data, 100_000)

    missing = tmp_path / "missing.csv"
    run = await ingest(
        Input("folder", lambda: tmp_path.open("rb")),
        Input("missing.csv", lambda: missing.open("rb")),
        *(vanishing(after) for after in (1, 2, 3)),
        Input("half.csv", half, len(data)),
        GOOD,
    )
    assert [reason for reason in run.reasons if "half" not in reason] == [
        "folder: the file cannot be read: Is a directory",
        "missing.csv: the file cannot be read: No such file or directory",
        "gone_1.csv: the file cannot be read: No such file or directory",
        "gone_2.csv: the file cannot be read: No such file or directory",
        "gone_3.csv: the file cannot be read: No such file or directory",
    ]
    (broken,) = [record for record in run.skipped if "half" in str(record.where)]
    assert broken.reason == "reading stopped after this row: Input/output error"
    kept = [mark for mark in run.of(Annotation) if mark.campaign == "half"]
    assert broken.where == f"half.csv row {len(kept) + 1}"
    assert 0 < len(kept) < 2000
    assert [page.completes.campaign for page in run.pages if page.completes] == ["good"]


async def test_a_file_that_changes_between_two_looks_completes_nothing() -> None:
    """Rows that were there at the first look are not declared gone."""
    texts = iter([table(row(), row(annotation="B"))] * 3 + [table(row())] * 9)
    run = await ingest(Input("x.csv", lambda: io.BytesIO(next(texts).encode())))
    assert len(run.of(Annotation)) == 1
    assert run.reasons == ["x.csv: the file changed while it was read: read it again"]
    assert run.pages[-1].completes is None
    assert run.pages[-1].total is None


async def test_files_of_one_name_do_not_bury_each_other() -> None:
    """Two files of one campaign and base name complete parts of their own."""
    first, second = (source(f"{folder}/r.csv", table(row(result_id=key))) for folder, key in (("a", "1"), ("b", "2")))
    run = await ingest(first, second, campaign="gulf")
    scopes = [page.completes for page in run.pages if isinstance(page.completes, Scope)]
    assert [(scope.campaign, scope.part) for scope in scopes] == [("gulf", "r.csv"), ("gulf", "b/r.csv")]
    assert [(mark.native_id, mark.part) for mark in run.of(Annotation)] == [("1", "r.csv"), ("2", "b/r.csv")]


async def test_campaigns_of_one_run_stay_apart() -> None:
    """The same recording and row in two campaigns: nothing is shared but the people."""
    run = await ingest(*(source(f"{name}_results.csv", table(row(result_id="1"))) for name in ("a", "b")))
    assert [mark.external_id for mark in run.of(Annotation)] == ["a/1", "b/1"]
    assert [asset.external_id for asset in run.of(Asset)] == ["a/Gulf/a.wav", "b/Gulf/a.wav"]


async def test_progress_counts_the_bytes_of_all_files(tmp_path: Path) -> None:
    """Also of those that cannot be read: at the end everything is done."""
    path = tmp_path / "good_results.csv"
    path.write_text(table(row()), newline="")
    run = await ingest(source("bad.csv", "x,y\n"), file_source(path), source("good_status.csv", "dataset,filename\n"))
    total = 4 + path.stat().st_size + 17
    assert {page.total for page in run.pages} == {total}
    assert run.pages[-1].done == total


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fase": "Annotation"}, "aplose: unknown option 'fase'; there is phase"),
        ({"phase": "Review"}, "aplose: option phase is 'Review', it can be Annotation or Verification"),
    ],
)
async def test_options_that_mean_nothing_are_errors(options: dict[str, str], message: str) -> None:
    """A mistyped option must not pass for the default."""
    assert CONNECTOR.read is not None
    with pytest.raises(ValueError, match=message):
        await anext(CONNECTOR.read([GOOD], ImportOptions(options=options)))


async def test_no_files_no_pages() -> None:
    """Nothing to read is no error."""
    assert (await ingest()).pages == []


def test_the_connector_is_found() -> None:
    """By its name, with a reader and its options explained."""
    found = discover()["aplose"]
    assert found is CONNECTOR
    assert found.read_options.keys() == {"phase"}
