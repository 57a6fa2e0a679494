"""Physical lines of a file that may be anything: bounded in length, decoded line by line, and able to be given back.

APLOSE writes UTF-8 (fact sheet §2.7); spreadsheets re-save as Windows-1252 or UTF-16, with or without a byte order
mark.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import deque
from typing import BinaryIO, Final

from connectors.errors import SkipRecord

LONGEST: Final = 1 << 20
"""Characters in a line. The longest real ones, status rows of hundreds of annotators, have some thousands."""
MOST: Final = 300
"""Lines in a record. A comment has at most 255 characters (§1), so it cannot run over more lines than that."""

_HEAD: Final = 4096
_BROKEN: Final = "\udcff"
"""In place of broken UTF-16: unlike U+FFFD no text holds it."""
_MARK: Final = "labelgate.aplose.mark"
codecs.register_error(_MARK, lambda error: (_BROKEN, error.end if isinstance(error, UnicodeDecodeError) else 0))
_NO_TEXT: Final = ((b"PK\x03\x04", "a zip archive: unpack it first"), (b"\x1f\x8b", "a gzip file: unpack it first"))


def encoding_of(stream: BinaryIO) -> str:
    """The encoding by the first bytes; raises ``SkipRecord`` for what cannot be an export."""
    head = stream.read(_HEAD)
    if not head.strip():
        raise SkipRecord("the file is empty; an export has at least its header line")
    for magic, what in _NO_TEXT:
        if head.startswith(magic):
            raise SkipRecord(f"{what}, this is no CSV")
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if start.startswith((b"{", b"[")):
        raise SkipRecord(f"JSON, no CSV: {start[:120].decode('utf-8', 'replace')}")
    if start.startswith(b"<"):
        raise SkipRecord("a web page, no CSV: download it again with a login")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if head[1::2].count(0) * 4 > len(head):
        return "utf-16-le"
    if head[::2].count(0) * 4 > len(head):
        return "utf-16-be"
    return "utf-8-sig"


def damage_of(line: str) -> str:
    """Why a line cannot be trusted; PostgreSQL keeps no NUL, so no server ever wrote one."""
    if len(line) > LONGEST:
        return f"a line of more than {LONGEST:,} characters"
    return "NUL bytes, which no export has: the file is damaged" if "\0" in line else ""


class Lines:
    """An iterator over lines with their ends. ``damage`` says why those since ``forget`` cannot be trusted."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream = stream
        self.encoding = "UTF-8" if encoding.startswith("utf-8") else "UTF-16"
        self.fallback = "as Windows-1252" if self.encoding == "UTF-8" else "with a mark in place of what is broken"
        errors = "surrogateescape" if self.encoding == "UTF-8" else _MARK
        self._text = io.TextIOWrapper(stream, encoding=encoding, errors=errors, newline="")
        self._readline = self._text.readline
        self._again: deque[str] = deque()
        self.taken: list[str] = []
        """The lines since ``forget``."""
        self.damage = ""
        self.number = 0
        """Lines read from the file so far."""
        self.undecodable = 0
        self.first_undecodable = 0

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._fresh()
        if "\0" in line or len(line) > LONGEST:
            self.damage = damage_of(line)
        self.taken.append(line)
        if len(self.taken) > MOST:
            raise csv.Error(f"a quoted field that runs over more than {MOST} lines")
        return line

    def forget(self) -> None:
        """The lines so far are dealt with."""
        self.taken.clear()
        self.damage = ""

    def give_back(self, lines: list[str]) -> None:
        """These come next, again."""
        self._again.extendleft(reversed(lines))
        self.forget()

    def position(self) -> int:
        """Bytes of the file read so far, as far as the stream can tell."""
        try:
            return self._stream.tell()
        except (OSError, ValueError):
            return 0

    def close(self) -> None:
        self._text.close()

    def _fresh(self) -> str:
        line = self._readline(LONGEST + 1)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) > LONGEST:
            self._drop_rest(line)
        return line if line.isascii() else self._decoded(line)

    def _drop_rest(self, line: str) -> None:
        while line and not line.endswith(("\n", "\r")):
            line = self._readline(LONGEST)

    def _decoded(self, line: str) -> str:
        """The line; where it is no UTF-8, read as Windows-1252 or, with bytes unknown there, as Latin-1."""
        try:
            line.encode()
        except UnicodeEncodeError:
            self.undecodable += 1
            self.first_undecodable = self.first_undecodable or self.number
        else:
            return line
        if self.encoding != "UTF-8":
            return line.replace(_BROKEN, "\ufffd")
        octets = line.encode("utf-8", "surrogateescape")
        try:
            return octets.decode("cp1252")
        except UnicodeDecodeError:
            return octets.decode("latin-1")
