"""Reads JSON out of a binary stream item by item, in memory that does not grow with the file.

What counts as an item: each element of a top-level array; each element of a list under one of ``keys`` in a
top-level object (a page object: ``{"docs": [...], "total": 3}``); any other top-level value, so JSON Lines,
concatenated objects and a single object work too. These forms may follow each other in one file.

The extent of an item is found by a scanner over bytes that jumps from bracket to bracket with one regular
expression; ``json`` then parses the item alone. So damage stays where it is: an item that cannot be read is
reported and the next one is found again, behind its bracket or, where brackets no longer match, on the next
line that begins as the damaged item's line did.

Accepted beyond RFC 8259: byte order marks, UTF-16 and UTF-32, record separators (RFC 7464), surplus commas,
and ``NaN`` and ``±Infinity`` as floats. Integers are exact up to Python's limit of 4,300 digits. A name that
an object repeats keeps its last value, as everywhere; the lost ones are reported in a ``Problem``.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Final, TypeAlias

from connectors.documents import JSON
from connectors.jsoncursor import Cursor, fence
from connectors.jsonwindow import Window

MAX_ITEM: Final = 64 * 2**20
MAX_DEPTH: Final = 200
"""Levels of nesting beyond which a value is reported; parsers and databases after this one have such limits too."""


@dataclass(frozen=True, slots=True)
class Item:
    """``index`` counts from 0 and counts damaged items too. ``container`` is the page object around the item
    without its lists: one mapping for all its items, complete once the stream has passed its end.
    """

    value: JSON
    index: int
    end: int
    """Byte offset in the file after the item."""
    container: Mapping[str, JSON] | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """What could not be read; ``where`` names the file, the item (counted from 1) and a byte offset."""

    where: str
    reason: str
    raw: JSON = None
    """The beginning of the damaged text, or the values that a repeated name lost."""


def items(
    stream: BinaryIO,
    *,
    name: str,
    keys: tuple[str, ...] = (),
    max_item: int = MAX_ITEM,
    max_depth: int = MAX_DEPTH,
) -> Iterator[Item | Problem]:
    """Every item of the stream in order, and every reason why one is missing. Raises nothing for bad content.

    ``name`` is the file's name for messages, ``keys`` the names of page lists, ``max_item`` a size in bytes.
    """
    return _Reader(Window(stream), name, keys, max_item, max_depth).read()


_LOOKAHEAD: Final = 8 * 2**20
"""An object up to this size is searched for a page list's name before anybody takes it apart."""
_BROKEN_OFF: Final = (OSError, EOFError, zlib.error, zipfile.BadZipFile)
"""What streams raise in the middle: files, gzip, members of an archive."""

_Found: TypeAlias = Iterator[Item | Problem]


class _Reader:
    """One pass over one stream."""

    def __init__(self, window: Window, name: str, keys: tuple[str, ...], max_item: int, max_depth: int) -> None:
        self._window = window
        self._cursor = Cursor(window, max_item, max_depth)
        self._name = name
        self._keys = frozenset(keys)
        self._quoted_keys = [json.dumps(key).encode() for key in keys]
        self._max_item = max_item
        self._count = 0
        self._lines = False
        """The last value outside of lists stood on one line: JSON Lines, most likely."""

    def read(self) -> _Found:
        cursor = self._cursor
        try:
            if cursor.peek() is None:
                yield Problem(self._name, "the file is empty")
            last = b""
            while (byte := cursor.peek()) is not None:
                cursor.lost = False
                if byte == b"," and last in (b"{", b"["):
                    cursor.pos += 1
                    continue
                last = byte
                if byte == b"[":
                    yield from self._list(None)
                elif not (byte == b"{" and self._keys and (yield from self._page())):
                    yield from self._value()
        except _BROKEN_OFF as error:
            yield Problem(self._where(), f"the file cannot be read on: {error or type(error).__name__}")

    def _list(self, container: Mapping[str, JSON] | None) -> _Found:
        cursor = self._cursor
        cursor.holding = False
        cursor.pos += 1
        while (byte := cursor.peek()) not in (b"]", None):
            if byte == b",":
                cursor.pos += 1
                continue
            yield from self._value(container, in_list=True)
            if cursor.lost:
                return
        if byte is None:
            cursor.lost = True
            yield Problem(self._where(), "the text ends before its list is closed")
        else:
            cursor.pos += 1
            cursor.unfence()

    def _value(self, container: Mapping[str, JSON] | None = None, *, in_list: bool = False) -> _Found:
        cursor, window = self._cursor, self._window
        start, indent = cursor.pos, cursor.indent
        window.floor = start
        self._count += 1
        where = f"{self._name}, item {self._count}, byte {window.offset(start)}"
        rubbish = not in_list and window.text(start, start + 1) not in (b"{", b"[", b'"')
        ahead = fence(indent, in_list=in_list, strict=not (in_list or self._lines or rubbish or cursor.fenced))
        value, reason = cursor.parse(cursor.next_fence(), ahead)
        if reason is None:
            if not in_list:
                self._lines = b"\n" not in window.text(start, cursor.pos)
            yield Item(value, self._count - 1, window.offset(cursor.pos), container)
            for pairs in cursor.repeated:
                yield _repetition(where, pairs)
            return
        yield Problem(where, reason, cursor.shown(start))
        cursor.certain = cursor.certain and not rubbish
        cursor.recover(start, indent, ahead, in_list=in_list)

    # --- page objects --------------------------------------------------------------------------------------

    def _page(self) -> Generator[Item | Problem, None, bool]:
        """Reads a page object; False, with nothing read, if the object at hand has none of the lists."""
        cursor, start, indent = self._cursor, self._cursor.pos, self._cursor.indent
        self._window.floor = start
        stop = cursor.next_fence() or start + self._max_item
        if self._is_plain(stop):
            return False
        cursor.holding = True
        members = self._before_list(stop)
        cursor.holding = False
        if members is None:
            cursor.back(start, indent)
            return False
        container: dict[str, JSON] = {}
        for key, text in members:
            value, reason = cursor.decode(text)
            yield from self._put(container, key, value, reason)
        yield from self._list(container)
        while not cursor.lost and (byte := cursor.peek()) in (b",", b'"'):
            self._window.floor = cursor.pos
            if byte == b",":
                cursor.pos += 1
            elif not (yield from self._member(container)):
                break
        if cursor.lost:
            return True
        if cursor.peek() == b"}":
            cursor.pos += 1
            return True
        yield Problem(self._where(), "the object around the list is damaged or cut off here")
        cursor.certain = False
        cursor.recover(cursor.pos, None, fence(None, in_list=False, strict=False), in_list=False)
        return True

    def _is_plain(self, stop: int) -> bool:
        """Saves most objects from being taken apart: of modest size, and no page list's name anywhere inside."""
        start = self._cursor.pos
        extent = self._cursor.extent(min(stop, start + _LOOKAHEAD))
        text = self._window.text(start, extent.end)
        if extent.reason is not None or any(key in text for key in self._quoted_keys):
            return False
        self._cursor.keep(extent)
        return True

    def _before_list(self, stop: int) -> list[tuple[str, bytes]] | None:
        """Looks ahead for a page list: the members before it, unparsed; None if there is none."""
        cursor, members = self._cursor, list[tuple[str, bytes]]()
        cursor.pos += 1
        while (byte := cursor.peek()) in (b",", b'"'):
            if byte == b",":
                cursor.pos += 1
                continue
            key = self._key(stop)
            if key is None:
                return None
            if key in self._keys and cursor.peek() == b"[":
                return members
            start, extent = cursor.pos, cursor.extent(stop)
            if extent.reason is not None:
                return None
            members.append((key, self._window.text(start, extent.end)))
            cursor.pos = extent.end
        return None

    def _key(self, stop: int | None = None) -> str | None:
        """A member's name; moves to its value. None if there is no such thing here."""
        key, reason = self._cursor.parse(stop)
        if reason is not None or self._cursor.peek() != b":":
            return None
        self._cursor.pos += 1
        self._cursor.peek()
        return str(key)

    def _member(self, container: dict[str, JSON]) -> Generator[Item | Problem, None, bool]:
        """Reads a member after a page list, which may be a page list itself; False if no more can be read."""
        key = self._key()
        if key is None:
            return False
        if key in self._keys and self._cursor.peek() == b"[":
            yield from self._list(container)
            return True
        value, reason = self._cursor.parse()
        if reason is not None and not self._cursor.certain:
            return False
        yield from self._put(container, key, value, reason)
        return True

    def _put(self, container: dict[str, JSON], key: str, value: JSON, reason: str | None) -> _Found:
        if reason is not None:
            yield Problem(self._where(), f"{key!r} of the object around the list: {reason}")
            return
        repeated = self._cursor.repeated
        if key in container:
            repeated = [*repeated, [(key, container[key]), (key, value)]]
        container[key] = value
        for pairs in repeated:
            yield _repetition(self._where(), pairs)

    def _where(self) -> str:
        return f"{self._name}, byte {self._window.offset(self._cursor.pos)}"


def _repetition(where: str, pairs: list[tuple[str, JSON]]) -> Problem:
    lost: dict[str, list[JSON]] = {}
    for key, value in pairs:
        lost.setdefault(key, []).append(value)
    lost = {key: values[:-1] for key, values in lost.items() if len(values) > 1}
    names = ", ".join(repr(key) for key in lost)
    return Problem(where, f"an object names {names} more than once; the last value was kept", lost)
