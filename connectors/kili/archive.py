"""Opens a zip of unknown origin safely: what may be read is streamed, nothing is ever unpacked to disk.

Refused with a reason: names that leave the archive (``..``, absolute, drive letters), symbolic links, encrypted
members, compressions that Kili's exports do not use, repeated names, and compression bombs. A bomb is told by what
really comes out, not by what the directory of the archive claims.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, Final

from connectors.documents import SkippedRecord

HEAD: Final = 64
"""How many bytes ``is_zip`` wants to see; enough to tell JSON from other things too."""

_MAGIC: Final = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED: Final = 0x1
_OUTSIDE = re.compile(r"(?:^|/)\.\.(?:/|$)|^/|^[A-Za-z]:|\0")
_CHUNK: Final = 64 * 1024
_DAMAGE: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, struct.error)
"""What ``zipfile`` raises for archives that are not what their directory says."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may come out of an archive; beyond ``free`` bytes the ratio to what went in counts too.

    Indented JSON of interpolated video frames compresses some 60 times, a bomb of one layer up to 1,032 times.
    """

    ratio: int = 200
    free: int = 64 * 2**20
    total: int = 16 * 2**30


class BombError(OSError):
    """More comes out of an archive than any export holds."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive; ``packed`` is its share of the archive's bytes. Reading raises nothing but ``OSError``."""

    name: str
    packed: int
    open: Callable[[], BinaryIO]


def is_zip(head: bytes) -> bool:
    """Whether a file begins as a zip does."""
    return head.startswith(_MAGIC)


def members(
    stream: BinaryIO, name: str, wanted: Callable[[str], bool], limits: Limits | None = None
) -> Iterator[Member | SkippedRecord]:
    """The wanted files of an archive in its own order, and what had to be refused. Raises nothing for bad content.

    ``stream`` can seek and stays open as long as members are read.
    """
    try:
        archive = zipfile.ZipFile(stream)
        size = stream.seek(0, io.SEEK_END)
    except (*_DAMAGE, OSError) as error:
        yield SkippedRecord(reason=f"no readable zip archive: {error}", where=name)
        return
    meter = _Meter(size, limits or Limits())
    seen: set[str] = set()
    for info in archive.infolist():
        inside = info.orig_filename.replace("\\", "/")
        if info.is_dir() and not _OUTSIDE.search(inside):
            continue
        reason = _refusal(info, inside)
        if reason is None and not wanted(info.filename):
            continue
        if reason is None and info.filename in seen:
            reason = "the archive holds this name more than once; the first one was read"
        seen.add(info.filename)
        if reason:
            yield SkippedRecord(reason=reason, where=f"{name}/{info.orig_filename}")
        else:
            yield Member(info.filename, info.compress_size, _opener(archive, info, meter))


def _refusal(info: zipfile.ZipInfo, inside: str) -> str | None:
    if _OUTSIDE.search(inside):
        return "the name leads out of the archive"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "a symbolic link"
    if info.flag_bits & _ENCRYPTED:
        return "encrypted"
    if info.compress_type not in _METHODS:
        return f"compressed by method {info.compress_type}, which Kili's exports do not use"
    return None


def _opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo, meter: _Meter) -> Callable[[], BinaryIO]:
    def opened() -> BinaryIO:
        try:
            inner = archive.open(info)
        except _DAMAGE as error:
            raise OSError(f"damaged in the archive: {error}") from error
        return io.BufferedReader(_Metered(inner, info.compress_size, meter), _CHUNK)

    return opened


@dataclass(slots=True)
class _Meter:
    """Counts what has come out of the whole archive: members may overlap and claim the same bytes."""

    packed: int
    limits: Limits
    out: int = 0

    def count(self, size: int, member_out: int, member_packed: int) -> None:
        self.out += size
        limits = self.limits
        if self.out > limits.total:
            raise BombError(f"more than {limits.total} bytes come out of the archive")
        for out, packed in ((member_out, member_packed), (self.out, self.packed)):
            if out > limits.free and out > limits.ratio * packed:
                raise BombError(f"a compression bomb: {packed} bytes become more than {limits.ratio} times as many")


class _Metered(io.RawIOBase):
    def __init__(self, inner: IO[bytes], packed: int, meter: _Meter) -> None:
        super().__init__()
        self._inner = inner
        self._packed = packed
        self._meter = meter
        self._out = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._inner.read(len(buffer))
        except _DAMAGE as error:
            raise OSError(f"damaged in the archive: {error or type(error).__name__}") from error
        self._out += len(data)
        self._meter.count(len(data), self._out, self._packed)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._inner.close()
        super().close()
