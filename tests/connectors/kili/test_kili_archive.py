"""Archives of unknown origin: each attack is refused with a reason, and the good rest is read."""

from __future__ import annotations

import io
import random
import stat
import struct
import warnings
import zipfile
import zlib
from typing import Any

import pytest
from kili_checks import ingest, source, zipped

from connectors.documents import Asset, SkippedRecord
from connectors.kili.archive import BombError, Limits, Member, is_zip, members

GOOD = b'{"id": "good", "externalId": "good", "labels": []}'


def listing(content: bytes, limits: Limits | None = None) -> list[Member | SkippedRecord]:
    return list(members(io.BytesIO(content), "x.zip", lambda _name: True, limits))


async def refused(content: bytes) -> list[tuple[str | None, str]]:
    """What the reader reports of an archive whose good asset it has read."""
    run = await ingest(source("x.zip", content))
    assert [only.external_id for only in run.of(Asset)] == ["good"]
    return [(record.where, record.reason) for record in run.skipped]


@pytest.mark.parametrize(
    "name",
    [
        "../data.json",
        "labels/../../up.json",
        "..\\data.json",
        "/etc/data.json",
        "\\\\host\\data.json",
        "C:/data.json",
        "c:data.json",
        "labels/..",
        "../",
    ],
)
async def test_names_that_lead_outside(name: str) -> None:
    """Parent folders, absolute names and drives are refused by name; backslashes count as slashes."""
    content = zipped({"labels/good.json": GOOD, name: b'{"id": "evil"}'})
    assert await refused(content) == [(f"x.zip/{name}", "the name leads out of the archive")]


async def test_name_with_nul() -> None:
    """A NUL hides the rest of a name from tools in C: refused by the whole name."""
    content = zipped({"labels/good.json": GOOD, "labels/a.json?.exe": b"{}"}).replace(b"a.json?.exe", b"a.json\0.exe")
    assert await refused(content) == [("x.zip/labels/a.json\0.exe", "the name leads out of the archive")]


async def test_symbolic_link() -> None:
    """A link is refused, wherever it points."""
    link = zipfile.ZipInfo("labels/link.json")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("labels/good.json", GOOD)
        archive.writestr(link, "../../secret.json")
    assert await refused(buffer.getvalue()) == [("x.zip/labels/link.json", "a symbolic link")]


async def test_encrypted_member() -> None:
    """An encrypted file is refused; the others are read."""
    content = bytearray(zipped({"labels/good.json": GOOD, "labels/secret.json": b"{}"}))
    for magic, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.rindex(magic)
        content[at + flags] |= 1
    assert await refused(bytes(content)) == [("x.zip/labels/secret.json", "encrypted")]


async def test_other_compressions() -> None:
    """Compressions that exports never use are refused: their decoders may want any amount of memory."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("labels/good.json", GOOD)
        archive.writestr("labels/lzma.json", b"{}", compress_type=zipfile.ZIP_LZMA)
    assert await refused(buffer.getvalue()) == [
        ("x.zip/labels/lzma.json", "compressed by method 14, which Kili's exports do not use")
    ]


async def test_repeated_names() -> None:
    """Of two files with one name the first is read and the other reported."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("labels/good.json", GOOD)
        archive.writestr("labels/good.json", b'{"id": "other"}')
    reason = "the archive holds this name more than once; the first one was read"
    assert await refused(buffer.getvalue()) == [("x.zip/labels/good.json", reason)]


async def test_damaged_member() -> None:
    """A member that does not inflate, or whose checksum is wrong, is reported where it lies; the next one is read."""
    for where in ("deflate", "checksum"):
        content = bytearray(
            zipped({"labels/a.json": b'{"id": "a", "x": "%s"}' % (b"a1b2" * 500), "labels/good.json": GOOD})
        )
        if where == "deflate":
            content[60:70] = b"\xff" * 10
        else:
            for magic, crc in ((b"PK\x03\x04", 14), (b"PK\x01\x02", 16)):
                at = content.index(magic)
                content[at + crc : at + crc + 4] = struct.pack("<I", 1)
        run = await ingest(source("x.zip", bytes(content)))
        assert "good" in [only.external_id for only in run.of(Asset)]
        assert len(run.skipped) == 1
        assert (run.skipped[0].where or "").startswith("x.zip/labels/a.json")


async def test_damaged_header_and_readme() -> None:
    """A member whose two names differ is reported, and so is a README: the assets are read without it."""
    content = zipped({"labels/a.json": b"{}", "labels/good.json": GOOD, "README.kili.txt": b"- Project name: x"})
    for name in (b"labels/a.json", b"README.kili.txt"):
        content = content.replace(name, b"?" * len(name), 1)
    assert [where for where, _ in await refused(content)] == ["x.zip/README.kili.txt", "x.zip/labels/a.json"]


@pytest.mark.parametrize(
    "content",
    [b"PK\x03\x04", b"PK\x03\x04" + b"\0" * 200, b"PK\x05\x06", zipped({"data.json": b"[]"})[:-30]],
)
async def test_bytes_that_only_begin_like_an_archive(content: bytes) -> None:
    """A cut or empty archive is one clear reason."""
    run = await ingest(source("x.zip", content))
    assert [(record.where, "zip" in record.reason) for record in run.skipped] == [("x.zip", True)]


async def test_archive_by_name_only() -> None:
    """A file named .zip that is none says so, whatever it is; a zip is one under any name."""
    for content in (b"<html>", b"[]", b"{}"):
        assert (await ingest(source("x.ZIP", content))).reasons == ["x.ZIP: named .zip, but no zip archive"]
    assert len((await ingest(source("x.bin", zipped({"data.json": b"[%s]" % GOOD})))).of(Asset)) == 1


# --- bombs ---------------------------------------------------------------------------------------------------

SMALL = Limits(ratio=50, free=100_000, total=2_000_000)


def drain(content: bytes, limits: Limits) -> int:
    total = 0
    for member in listing(content, limits):
        assert isinstance(member, Member)
        with member.open() as stream:
            while chunk := stream.read(10_000):
                total += len(chunk)
    return total


def test_bomb_of_one_member() -> None:
    """What comes out counts against what went in, beyond an allowance for small files."""
    with pytest.raises(BombError, match="compression bomb"):
        drain(zipped({"data.json": b" " * 1_000_000}), SMALL)
    assert drain(zipped({"data.json": b" " * 90_000}), SMALL) == 90_000


@pytest.mark.parametrize(("field", "claim"), [(20, 900_000), (24, 10)])
def test_archive_that_lies_about_its_sizes(field: int, claim: int) -> None:
    """The directory's word for the packed (20) and the unpacked size (24) opens no way around the limits."""
    content = bytearray(zipped({"data.json": b" " * 1_000_000}))
    at = content.index(b"PK\x01\x02") + field
    content[at : at + 4] = struct.pack("<I", claim)
    with pytest.raises(OSError, match=r"damaged in the archive|compression bomb"):
        drain(bytes(content), SMALL)


def test_bomb_of_many_members() -> None:
    """Members under the allowance add up, as do members that share the same bytes of the archive."""
    with pytest.raises(BombError):
        drain(zipped({f"labels/{number}.json": b" " * 90_000 for number in range(10)}), SMALL)
    noise = random.Random(1).randbytes(90_000)
    assert drain(zipped({f"labels/{number}.json": noise for number in range(10)}), SMALL) == 900_000


def test_total_ends_somewhere() -> None:
    """However well it looks packed, no archive gives more than the total."""
    with pytest.raises(BombError, match="more than 2000000 bytes"):
        drain(zipped({"data.json": bytes(2_100_000)}, zipfile.ZIP_STORED), SMALL)


async def test_bomb_ends_the_reading_and_keeps_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bomb is reported with its name; what was read before stays."""
    monkeypatch.setattr("connectors.kili.archive.Limits", lambda: SMALL)
    bomb = b'{"id": "bomb", "x": "' + b"a" * 1_000_000 + b'"}'
    run = await ingest(source("x.zip", zipped({"labels/good.json": GOOD, "labels/bomb.json": bomb})))
    assert [only.external_id for only in run.of(Asset)] == ["good"]
    assert len(run.skipped) == 1
    assert (run.skipped[0].where or "").startswith("x.zip/labels/bomb.json")
    assert "compression bomb" in run.skipped[0].reason


def test_memory_stays_flat_in_a_bomb() -> None:
    """Decompression is streamed: a read asks for no more than its chunk."""
    (member,) = listing(zipped({"data.json": b" " * 5_000_000}))
    assert isinstance(member, Member)
    with member.open() as stream:
        assert len(stream.read(1000)) == 1000


async def test_nothing_else_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Media and attachments are passed over without being opened."""
    opened: list[str] = []
    original = zipfile.ZipFile.open

    def spy(self: zipfile.ZipFile, name: Any, *args: Any, **named: Any) -> Any:
        opened.append(name.filename)
        return original(self, name, *args, **named)

    content = zipped({"assets/a.jpg": zlib.compress(b"x"), "labels/good.json": GOOD, "labels/good/J_a.pdf": b"%PDF"})
    monkeypatch.setattr(zipfile.ZipFile, "open", spy)
    assert await refused(content) == []
    assert opened == ["labels/good.json"]


def test_magic() -> None:
    """A zip is told by its first bytes."""
    assert [is_zip(content) for content in (zipped({"a": b""}), zipped({}), b"", b"P", b"[]")] == [
        True, True, False, False, False,
    ]  # fmt: skip
