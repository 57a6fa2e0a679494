"""A place in a text of JSON values: what comes next, where it ends, what it says, and how to go on after damage.

After damage the next item is looked for behind the damaged one where its end is certain, else on the next line
that begins as the damaged item's line did. Once that was needed, no further item may reach beyond such a line
(a *fence*), so that each piece of the text is read at most a few times however often it is broken.
"""

from __future__ import annotations

import functools
import json
import re
import sys
from dataclasses import dataclass
from typing import Final

from connectors.documents import JSON
from connectors.jsonscan import Scanner
from connectors.jsonwindow import Window

_BLANK: Final = re.compile(rb"(?:[ \t\r\n\x1e]|\xef\xbb\xbf)*+")
_BOM: Final = b"\xef\xbb\xbf"
_SHOWN: Final = 200
"""Bytes of a damaged value that ``shown`` gives."""
_LINE: Final = 4096
"""Bytes that stay when a search for the next item reads on: the white space that begins a line has to fit in."""


@functools.lru_cache(maxsize=64)
def fence(indent: bytes | None, *, in_list: bool, strict: bool) -> re.Pattern[bytes]:
    """Finds the line on which the next item may begin; the group tells whether with the same indent.

    ``strict`` leaves out the lines which JSON itself may continue with an opening bracket.
    """
    before = rb"[^\[,:{\s][ \t\r]*" if strict else b""
    same = re.escape(indent or b"")
    return re.compile(before + rb"\n(%b)(?=[{\[])" % (same + b"|" if in_list and same else same))


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a value ends, or where it went wrong; ``certain`` if what follows ``end`` lies outside the value."""

    end: int
    reason: str | None = None
    certain: bool = True


class Cursor:
    """Positions are offsets in the window's text."""

    def __init__(self, window: Window, max_item: int, max_depth: int) -> None:
        self.window = window
        self.pos = 0
        self.indent: bytes | None = None
        """White space from the start of the line to ``pos``; None where something else stands between."""
        self.holding = False
        """The text before ``pos`` may be needed again."""
        self.certain = True
        """The last value's end is where the next one can begin."""
        self.lost = False
        """The list at hand cannot be read on, and that has been said."""
        self.repeated: list[list[tuple[str, JSON]]] = []
        """The members of those objects of the last value that repeat a name."""
        self._max_item = max_item
        self._max_depth = max_depth
        self._head = b""
        self._decoder = json.JSONDecoder(object_pairs_hook=self._object)
        self._peeked = -1
        self._known: tuple[int, Extent] | None = None
        self._fence: re.Pattern[bytes] | None = None
        self._fence_at = -1

    def peek(self) -> bytes | None:
        """The next byte that is not white space; moves there. None at the end of the text."""
        window, begin, blank = self.window, self.pos, b""
        while True:
            found = _BLANK.match(window.data, self.pos - window.base)
            assert found is not None, "it matches the empty string"
            blank = (blank + found.group())[-_LINE:]
            self.pos = window.base + found.end()
            rest = window.data[found.end() : found.end() + len(_BOM)]
            if rest and (rest == _BOM or not _BOM.startswith(rest)):
                break
            if not self.holding:
                window.floor = self.pos
            if not window.more():
                break
        if self.pos != self._peeked:
            _, newline, after = blank.rpartition(b"\n")
            self.indent = after if newline or begin == 0 else None
            self._peeked = self.pos
        return rest[:1] or None

    def back(self, pos: int, indent: bytes | None) -> None:
        """Returns to where ``peek`` has been before."""
        self.pos = self._peeked = pos
        self.indent = indent

    def extent(self, stop: int | None, ahead: re.Pattern[bytes] | None = None) -> Extent:
        """Scans the value at hand and no text beyond ``stop``.

        Once the value is over the limit what has been scanned is dropped, unless ``ahead`` is found in it: the
        beginning of another item, so this one was never closed.
        """
        start, window = self.pos, self.window
        if self._known is not None and self._known[0] == start:
            return self._known[1]
        scanner, pos, over = Scanner(), start, False
        while True:
            limit = window.end if stop is None else min(window.end, stop)
            pos = window.base + scanner.feed(window.data, pos - window.base, limit - window.base)
            if scanner.done or scanner.broken:
                break
            if not over and pos - start > self._max_item:
                over = True
                if ahead is not None and ahead.search(window.text(start, pos)):
                    return Extent(pos, f"never closed, or {self._too_large()}", certain=False)
                self._head = window.text(start, start + _SHOWN)
            if over:
                window.floor = pos
            if (stop is not None and window.end >= stop) or not window.more():
                if scanner.is_word:
                    break
                where = "the text ends" if limit == window.end else "the next item begins"
                return Extent(limit, f"{where} inside the item", certain=False)
        return self._judge(scanner, start, pos)

    def _judge(self, scanner: Scanner, start: int, end: int) -> Extent:
        if scanner.broken:
            return Extent(end, f"brackets do not match, {end - start} bytes into the item", certain=False)
        if end == start:
            found = chr(self.window.data[end - self.window.base])
            return Extent(end + 1, f"not JSON (unexpected {found!r})", certain=False)
        if end - start > self._max_item:
            return Extent(end, self._too_large())
        if scanner.depth > self._max_depth:
            return Extent(end, f"nested more than {self._max_depth} levels deep")
        return Extent(end)

    def _too_large(self) -> str:
        return f"larger than the limit of {self._max_item} bytes for one item"

    def keep(self, extent: Extent) -> None:
        """Saves the next scan of the value at hand."""
        self._known = (self.pos, extent)

    def parse(self, stop: int | None = None, ahead: re.Pattern[bytes] | None = None) -> tuple[JSON, str | None]:
        """The value at hand, or the reason why there is none; moves behind it."""
        start, extent = self.pos, self.extent(stop, ahead)
        self.pos, self.certain = extent.end, extent.certain
        if extent.reason is not None:
            self.repeated = []
            return None, extent.reason
        return self.decode(self.window.text(start, extent.end))

    def shown(self, start: int) -> str:
        """The beginning of the last value, which was at ``start``."""
        kept = self.window.base <= start
        head = self.window.text(start, start + _SHOWN) if kept else self._head
        return head.decode("utf-8", "replace")

    def decode(self, text: bytes) -> tuple[JSON, str | None]:
        """The value of a whole text, or the reason why there is none."""
        self.repeated = []
        try:
            return self._decoder.decode(text.decode()), None
        except UnicodeDecodeError as error:
            reason = f"not UTF-8 ({error.reason}, {error.start} bytes into the item)"
        except json.JSONDecodeError as error:
            reason = f"not JSON ({error.msg}, {error.pos} characters into the item)"
        except RecursionError:
            reason = "nested too deeply"
        except ValueError as error:
            reason = str(error)
        self.repeated = []
        return None, reason

    def _object(self, pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
        value = dict(pairs)
        if len(value) != len(pairs):
            self.repeated.append(pairs)
        return value

    # --- after damage ------------------------------------------------------------------------------------

    def recover(self, start: int, indent: bytes | None, ahead: re.Pattern[bytes], *, in_list: bool) -> None:
        """Moves to where the next item may begin, after the one at ``start`` could not be read."""
        window = self.window
        if not self.certain:
            at = self._search(ahead, start)
        elif start >= window.base:
            at = ahead.search(window.data, start - window.base, self.pos - window.base)
        else:
            return
        if at is not None:
            self.back(window.base + at.end(), at[1])
            self.lost = in_list and at[1] != indent
            self._fence = ahead
            self._fence_at = -1
        elif not self.certain:
            self.pos, self.lost = window.end, True

    @property
    def fenced(self) -> bool:
        """Brackets have failed since the last list that ended as it should."""
        return self._fence is not None

    def unfence(self) -> None:
        """The list has ended as it should: brackets can be trusted again."""
        self._fence = None

    def next_fence(self) -> int | None:
        """Where the item at hand has to end at the latest; None: no such limit."""
        if self._fence is None:
            return None
        start, limit = self.pos, self.pos + self._max_item
        if self._fence_at <= start:
            at = self._search(self._fence, start, limit)
            if at is not None:
                self._fence_at = self.window.base + at.end()
            elif self.window.end <= limit:
                self._fence_at = sys.maxsize
        return self._fence_at if self._fence_at > start else None

    def _search(self, ahead: re.Pattern[bytes], start: int, limit: int | None = None) -> re.Match[bytes] | None:
        """Reads on until ``ahead`` is found; keeps what was read only if there is a limit to it."""
        window = self.window
        at = max(start, window.base)
        while True:
            found = ahead.search(window.data, at - window.base)
            if found is not None:
                return found
            at = max(at, window.end - _LINE)
            if limit is None:
                window.floor = at
            if (limit is not None and window.end > limit) or not window.more():
                return None
