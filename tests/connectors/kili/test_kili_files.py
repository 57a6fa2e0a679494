"""Exports in every form become pages; what cannot be read says where and why; the good rest is kept."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from kili_checks import Import, asset, ingest, label, path_source, source, zipped

from connectors.contract import ImportOptions, Input
from connectors.documents import UNSET, Annotator, Asset, Campaign, InputType, Submission, Task
from connectors.kili import files
from connectors.kili.exports import name_of, read_readme

README = """Exported Labels from KILI
=========================

- Project name: Reefs
- Project identifier: cm1reefs
- Project description: Corals
of the south

- Project name: not this one
- Export date: 20250401-101500
- Exported format: kili
- Exported labels: normal
"""


def dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


def ids(run: Import) -> list[str]:
    return [only.external_id for only in run.of(Asset)]


# --- forms ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        dumped([asset(1), asset(2)]),
        b"\xef\xbb\xbf" + dumped([asset(1), asset(2)]),
        dumped(asset(1)) + b"\n" + dumped(asset(2)),
        json.dumps([asset(1), asset(2)], indent=4).encode("utf-16"),
        zipped({"data.json": dumped([asset(1), asset(2)])}),
        zipped({"labels/b.json": dumped(asset(1)), "labels/a/a.json": dumped(asset(2))}),
        zipped({"export/labels/b.json": dumped(asset(1)), "export/labels/a.json": dumped(asset(2))}),
    ],
)
async def test_forms(content: bytes) -> None:
    """An array, objects line by line, a zip with one file or one per asset, with or without a folder around it."""
    run = await ingest(source("reefs.bin", content))
    assert (ids(run), run.records, run.skipped) == (["asset-1", "asset-2"], 2, [])
    assert [campaign.external_id for campaign in run.of(Campaign)] == ["reefs"]
    assert {only.campaign for only in run.of(Asset)} == {"reefs"}


async def test_single_object() -> None:
    """One asset alone, as the files in an archive hold it."""
    assert ids(await ingest(source("one.json", dumped(asset(3))))) == ["asset-3"]


async def test_archive_without_seeking() -> None:
    """An archive from a pipe is spooled, since its directory stands at its end."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: Any) -> int:
            raise io.UnsupportedOperation

    content = zipped({"data.json": dumped([asset(1)])})
    run = await ingest(Input("-", lambda: Pipe(content)))
    assert ids(run) == ["asset-1"]
    assert run.of(Campaign)[0].name == "stdin"
    assert {page.total for page in run.pages} == {None}


# --- the project ---------------------------------------------------------------------------------------------


async def test_readme_names_the_project() -> None:
    """The README of the SDK's archives gives id, name and description, wherever it stands in the archive."""
    content = zipped({"labels/a.json": dumped(asset(1)), "README.kili.txt": README})
    (campaign,) = (await ingest(source("x.zip", content), campaign="mine")).of(Campaign)
    assert (campaign.external_id, campaign.name) == ("cm1reefs", "Reefs")
    assert campaign.description == "Corals\nof the south\n\n- Project name: not this one"
    assert campaign.raw == {"README.kili.txt": README}
    assert campaign.assumed == frozenset({"input_type"})


@pytest.mark.parametrize(("given", "name"), [("mine", "mine"), (None, "reefs 2025")])
async def test_campaign_without_readme(given: str | None, name: str) -> None:
    """Else the importer's word, else the file's stem, which is marked as assumed."""
    (campaign,) = (await ingest(source("in/reefs 2025.json", dumped([asset(1)])), campaign=given)).of(Campaign)
    assert (campaign.external_id, campaign.name) == (name, name)
    assert ("name" in campaign.assumed) is (given is None)
    assert (campaign.input_type, campaign.raw, campaign.facet) == (InputType.IMAGE, UNSET, "export")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("-", "stdin"),
        ("reefs.json", "reefs"),
        ("in/reefs.v2.zip", "reefs.v2"),
        ("out/reefs/data.json", "reefs"),
        ("data.json", "data"),
        ("out/reefs/labels/north/a.json", "reefs"),
        ("labels/a.json", "labels"),
    ],
)
def test_names_of_files(path: str, name: str) -> None:
    """The stem, or the folder of an unpacked archive."""
    assert name_of(path) == name


def test_readme_without_a_list() -> None:
    """Any text is a README; what it does not say is missing."""
    assert read_readme("") == read_readme("Hello\n- a: b") == {}
    assert read_readme("- Project name:   \n- Project identifier: x") == {"name": "", "id": "x"}


async def test_assets_may_name_their_project() -> None:
    """Assets that carry ``project{id title}`` make campaigns of their own, once each."""
    told = [asset(n, project={"id": f"p{n % 2}", "title": f"Project {n % 2}"}) for n in range(4)]
    run = await ingest(source("mixed.json", dumped([*told, asset(9)])))
    assert {(campaign.external_id, campaign.name) for campaign in run.of(Campaign)} == {
        ("p0", "Project 0"),
        ("p1", "Project 1"),
        ("mixed", "mixed"),
    }
    assert len(run.of(Campaign)) == 3
    assert [task.campaign for task in run.of(Task)] == ["p0", "p1", "p0", "p1", "mixed"]


# --- folders -------------------------------------------------------------------------------------------------


async def test_unpacked_archive() -> None:
    """In a folder with a README its project counts, and media and attachments are passed over silently."""
    run = await ingest(
        source("out/labels/a.json", dumped(asset(1))),
        source("out/labels/b/c.json", dumped(asset(2))),
        source("out/labels/a/JOB_scan.json", b'{"scan": 1}'),
        source("out/assets/a.jpg", b"\xff\xd8"),
        source("out/README.kili.txt", README.encode()),
        source("elsewhere/b.json", dumped(asset(3))),
    )
    assert [(only.external_id, only.campaign) for only in run.of(Asset)] == [
        ("asset-1", "cm1reefs"),
        ("asset-2", "cm1reefs"),
        ("asset-3", "b"),
    ]
    assert run.skipped == []


async def test_attachments_of_file_jobs() -> None:
    """A .json beside an asset of the same name is an attachment unless it holds an asset (external id with a slash)."""
    content = zipped(
        {
            "labels/a.json": dumped(asset(1)),
            "labels/a/FILE_JOB_report.json": b'{"pages": 3}',
            "labels/a/FILE_JOB_broken.json": b'{"pages": ',
            "labels/a/b.json": dumped(asset(2)),
            "labels/c/lonely.json": b'{"pages": 3}',
        }
    )
    run = await ingest(source("x.zip", content))
    assert ids(run) == ["asset-1", "asset-2"]
    assert [record.where for record in run.skipped] == ["x.zip/labels/c/lonely.json, item 1"]


async def test_other_formats_of_the_sdk() -> None:
    """An archive in another format says what it is."""
    content = zipped({"labels/a.txt": b"0 1 1", "README.kili.txt": README.replace("format: kili", "format: yolo_v8")})
    assert (await ingest(source("x.zip", content))).reasons == [
        "x.zip: the archive holds neither data.json nor labels/*.json (its README says format yolo_v8)"
    ]


# --- bad input -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"name,label\n1,2\n", "neither JSON nor a zip archive"),
        (b"\xff\xd8\xff\xe0", "neither JSON nor a zip archive"),
        (b"null", "neither JSON nor a zip archive"),
    ],
)
async def test_what_is_no_export(content: bytes, reason: str) -> None:
    """One reason for the whole file, with its name."""
    run = await ingest(source("x.json", content))
    assert (run.records, run.reasons) == (0, [f"x.json: {reason}"])


async def test_damage_stays_where_it_is() -> None:
    """Of three assets the damaged one is reported; a cut file keeps what was whole."""
    good, bad = dumped(asset(1)), b'{"id": "asset-2", "labels": [}'
    run = await ingest(source("x.json", b"[\n" + good + b",\n" + bad + b",\n" + dumped(asset(3)) + b"\n]"))
    assert ids(run) == ["asset-1", "asset-3"]
    assert len(run.skipped) == 1
    cut = await ingest(source("x.json", b"[" + good + b"," + good[:20]))
    assert (ids(cut), len(cut.skipped)) == (["asset-1"], 1)
    assert (cut.skipped[0].where or "").startswith("x.json")


async def test_values_that_are_no_assets() -> None:
    """Each is reported with its place in the file; the assets around it are read."""
    run = await ingest(source("x.json", dumped([5, asset(1), {"jobs": {}}, None, asset(2)])))
    assert ids(run) == ["asset-1", "asset-2"]
    assert [record.where for record in run.skipped] == [f"x.json, item {n}" for n in (1, 3, 4)]
    assert run.skipped[1].raw == {"jobs": {}}


async def test_folders_and_files_that_vanish(tmp_path: Path) -> None:
    """A folder, a missing file and a stream that breaks are reasons with the name, and the next input is read."""

    class Broken(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise OSError(5, "Input/output error")

    def missing() -> BinaryIO:
        return (tmp_path / "gone.json").open("rb")

    def folder() -> BinaryIO:
        return tmp_path.open("rb")

    run = await ingest(
        Input("gone.json", missing),
        Input("folder", folder),
        Input("broken.json", Broken),
        Input("README.kili.txt", missing),
        source("x.json", dumped([asset(1)])),
    )
    assert ids(run) == ["asset-1"]
    assert run.reasons == [
        "gone.json: cannot be read: No such file or directory",
        "folder: cannot be read: Is a directory",
        "broken.json: cannot be read: Input/output error",
        "README.kili.txt: cannot be read: No such file or directory",
    ]


async def test_one_id_for_two_assets() -> None:
    """Paging of the API repeats assets: the same again is no matter, another one with the same id is reported."""
    run = await ingest(source("x.json", dumped([asset(1), asset(1), asset(1, status="TODO"), asset(2)])))
    assert (ids(run), run.records) == (["asset-1", "asset-2"], 4)
    assert [(record.where, record.external_id) for record in run.skipped] == [("x.json, item 3", "asset-1")]
    later = await ingest(source("a.json", dumped([asset(1)])), source("b.json", dumped([asset(1, status="TODO")])))
    assert [task.native_status for task in later.of(Task)] == [UNSET, "TODO"]
    assert later.skipped == []


# --- pages ---------------------------------------------------------------------------------------------------


async def test_pages_are_bounded_by_assets() -> None:
    """A hundred assets a page; progress grows to the size of all inputs."""
    inputs = [source(f"{name}.json", dumped([asset(n, id=f"{name}{n}") for n in range(250)])) for name in "ab"]
    run = await ingest(*inputs)
    assert [page.records for page in run.pages] == [100, 100, 50, 100, 100, 50]
    done = [page.done for page in run.pages]
    assert done == sorted(done)
    assert done[-1] == run.pages[0].total == sum(one.size or 0 for one in inputs)
    assert {(page.completes, page.checkpoint) for page in run.pages} == {(None, None)}


async def test_progress_reaches_the_end() -> None:
    """Also when the last page was full before the file was over, and when the last input holds nothing to say."""
    content = dumped([asset(n) for n in range(100)])
    for inputs in ([source("x.json", content)], [source("d/README.kili.txt", b"-"), source("d/assets/a.png", b"\x89")]):
        run = await ingest(*inputs)
        assert run.pages[-1].done == run.pages[-1].total == sum(one.size or 0 for one in inputs)
        assert run.skipped == []


@pytest.mark.parametrize("limit", ["PAGE_DOCUMENTS", "PAGE_BYTES"])
async def test_pages_are_bounded_by_what_assets_hold(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Heavy assets, as videos are, fill a page earlier; an asset is never torn apart."""
    monkeypatch.setattr(files, limit, 50 if limit == "PAGE_DOCUMENTS" else 3_000)
    heavy = {"J": {"annotations": [{"point": {"x": 0, "y": 0}, "mid": f"{n}"} for n in range(40)]}}
    run = await ingest(source("x.json", dumped([asset(n, labels=[label(jsonResponse=heavy)]) for n in range(4)])))
    assert 2 <= len(run.pages) <= 4
    for page in run.pages:
        tasks = {document.external_id for document in page.documents if isinstance(document, Task)}
        answers = {document.task for document in page.documents if isinstance(document, Submission)}
        assert answers <= tasks


async def test_pages_of_archives_show_progress() -> None:
    """Inside an archive progress counts whole members, and ends at its size."""
    content = zipped({f"labels/{n}.json": dumped(asset(n)) for n in range(250)})
    run = await ingest(source("x.zip", content))
    done = [page.done for page in run.pages]
    assert done == sorted(done)
    assert 0 < done[0] < done[1] < len(content) == done[2]


async def test_people_and_campaigns_come_once() -> None:
    """However many labels name a person, a run states it once per facet, so a second run changes nothing."""
    told = [asset(n, labels=[label(), label(author={"id": "user-1"})]) for n in range(150)]
    run = await ingest(source("x.json", dumped(told)), source("y.json", dumped(told)), campaign="c")
    assert [(person.external_id, person.facet) for person in run.of(Annotator)] == [
        ("user-1", "author+name+email"),
        ("user-1", "author"),
    ]
    assert len(run.of(Campaign)) == 1
    first = run.pages[0].documents
    assert isinstance(first[0], Campaign)


async def test_second_reading_is_the_same() -> None:
    """The same file gives the same documents, pages and reports."""
    content = dumped([asset(n, labels=[label(), {"jsonResponse": "{"}]) for n in range(130)])
    assert await ingest(source("x.json", content)) == await ingest(source("x.json", content))


class Stream(io.RawIOBase):
    """A file that nobody holds whole: parts are made as they are read."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        super().__init__()
        self._parts = parts
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._left = self._left or next(self._parts, b"")
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size


async def test_memory_stays_flat() -> None:
    """Reading 6,000 assets, 20 MB, holds a few pages of them at a time."""
    told = dumped(asset(0, labels=[label(jsonResponse={"J": {"text": "x" * 3000}})]))

    def parts() -> Iterator[bytes]:
        for number in range(6_000):
            yield (b"," if number else b"[") + told.replace(b"asset-0", b"asset-%d" % number)
        yield b"]"

    large = Input("x.json", lambda: io.BufferedReader(Stream(parts())))
    records = 0
    tracemalloc.start()
    try:
        async for page in files.read([large], ImportOptions()):
            records += page.records
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert records == 6_000
    assert peak < 16 * 2**20


async def test_path(tmp_path: Path) -> None:
    """A file on disk reads as the same bytes do."""
    path = tmp_path / "x.json"
    path.write_bytes(dumped([asset(1)]))
    assert (await ingest(path_source(path))).documents == (await ingest(source("x.json", path.read_bytes()))).documents
