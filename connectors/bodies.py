"""Reads the bodies of answers: unpacked within a limit, checked for completeness, into memory or an anonymous file."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import tempfile
import zlib
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, suppress
from types import TracebackType
from typing import BinaryIO, Final, Self, cast

import httpx

ACCEPT_ENCODING: Final = "gzip, deflate"

_PIECE: Final = 256 * 1024


class BodyError(Exception):
    """The body came, and is of no use."""


class OversizedBodyError(BodyError):
    """Larger than allowed; it was not read to its end."""


class BrokenBodyError(BodyError):
    """It cannot be unpacked."""


async def pieces(response: httpx.Response, limit: int) -> AsyncGenerator[bytes, None]:
    """The unpacked body, never more than ``limit`` bytes.

    httpx unpacks whatever one network read brings at once, so that 64 kB may become 64 MB, and takes the first half
    of a gzip body for all of it. Here unpacking stops at the limit and must come to its end.
    """
    inflate = _Inflate(response.headers.get("content-encoding", ""))
    total = 0
    async with aclosing(cast(AsyncGenerator[bytes, None], response.aiter_raw())) as network:
        async for raw in network:
            for piece in inflate.feed(raw):
                total += len(piece)
                if total > limit:
                    raise OversizedBodyError(f"larger than {limit:,} bytes")
                yield piece
    inflate.finish()


async def excerpt(response: httpx.Response, size: int, seconds: float) -> bytes:
    """The beginning of the body of an error answer, as far as it comes: its status says more than its defects."""
    begin = bytearray()
    with suppress(httpx.TransportError, BodyError, TimeoutError):
        async with asyncio.timeout(seconds), aclosing(pieces(response, sys.maxsize)) as body:
            async for piece in body:
                begin += piece[: size - len(begin)]
                if len(begin) >= size:
                    break
    return bytes(begin)


class _Inflate:
    """Unpacks gzip, in several members too, and deflate, with or without its zlib header."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding.strip().lower()
        if self._encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise BrokenBodyError(f"content encoding {self._encoding!r} was not asked for")
        self._unpacker = self._fresh(b"\x78")
        self._started = False

    def _fresh(self, begin: bytes) -> zlib._Decompress:
        if self._encoding.endswith("gzip"):
            return zlib.decompressobj(zlib.MAX_WBITS | 16)
        return zlib.decompressobj(zlib.MAX_WBITS if begin[0] & 0x0F == 0x08 else -zlib.MAX_WBITS)

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._encoding in ("", "identity"):
            yield data
            return
        full = False
        while data or full:
            if data and (not self._started or self._unpacker.eof):
                # Zeros may pad the end of gzip files; anything else there is the next member.
                data = data.lstrip(b"\0") if self._started else data
                if not data:
                    return
                self._unpacker = self._fresh(data)
                self._started = True
            try:
                piece = self._unpacker.decompress(data, _PIECE)
            except zlib.error as error:
                raise BrokenBodyError(f"damaged {self._encoding} body: {error}") from None
            yield piece
            data = self._unpacker.unused_data if self._unpacker.eof else self._unpacker.unconsumed_tail
            full = len(piece) == _PIECE and not self._unpacker.eof

    def finish(self) -> None:
        if self._started and not self._unpacker.eof:
            raise BrokenBodyError(f"the {self._encoding} body ends too early")


class Download:
    """A body in an anonymous file that vanishes with ``close`` or with the process.

    ``open`` gives an independent stream from the first byte each time, as ``contract.Input`` wants it.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 -- `close` ends it
        self.size = 0

    def write(self, piece: bytes) -> None:
        self._file.write(piece)
        self.size += len(piece)

    def clear(self) -> None:
        """Back to nothing: the next attempt starts from scratch."""
        self._file.seek(0)
        self._file.truncate()
        self.size = 0

    def open(self) -> BinaryIO:
        self._file.flush()
        return io.BufferedReader(_Window(self._file.fileno()), _PIECE)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class _Window(io.RawIOBase):
    """Reads a file that somebody else owns, with a position of its own."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: os.fstat(self._descriptor).st_size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = os.pread(self._descriptor, len(buffer), self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
