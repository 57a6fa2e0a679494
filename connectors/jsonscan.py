"""Finds where a JSON value ends, in bytes that come piece by piece, without parsing it.

One regular expression jumps from bracket to bracket: strings, and objects and arrays that hold at most one
more level of them, pass in one step. Only brackets and strings are looked at: whether the rest is JSON, and
whether it has errors, is for ``json`` to say.
"""

from __future__ import annotations

import re
from typing import Final

_STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'


def _passing(inner: bytes) -> bytes:
    """Text up to the next bracket, with whole strings and ``inner`` in it."""
    return rb'[^"\[\]{}]*+(?:(?:' + inner + rb')[^"\[\]{}]*+)*+'


_FLAT: Final = _passing(_STRING)
_NESTED: Final = _passing(rb"%b|\{%b\}|\[%b\]" % (_STRING, _FLAT, _FLAT))
_SKIP: Final = re.compile(_passing(rb"%b|\{%b\}|\[%b\]" % (_STRING, _NESTED, _NESTED)), re.DOTALL)
_IN_STRING: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_WORD: Final = re.compile(rb'[^ \t\r\n\x1e,\[\]{}":]*+')

_QUOTE: Final = 0x22
_TO_CLOSE: Final = 2
"""From the code of an opening bracket to that of the one which closes it."""


class Scanner:
    """One value. ``feed`` it text from the value's first byte on until it is ``done`` or ``broken``."""

    __slots__ = ("_in_string", "_stack", "_started", "broken", "depth", "done", "is_word")

    def __init__(self) -> None:
        self.done = False
        self.broken = False
        """A bracket was closed by one of the other sort."""
        self.is_word = False
        """A number, ``true``, ``null`` or rubbish: ends where something else begins, or the text does."""
        self.depth = 0
        self._started = False
        self._in_string = False
        self._stack = bytearray()

    def feed(self, data: bytes, i: int, limit: int) -> int:
        """Goes on at ``data[i]``, not beyond ``limit``; gives the position to go on at, or the value's end."""
        if not self._started and i < limit:
            i = self._start(data[i], i)
        if self.is_word:
            i = _WORD.match(data, i, limit).end()  # type: ignore[union-attr]
            self.done = i < limit
            return i
        stack, skip = self._stack, _SKIP.match
        while i < limit:
            if self._in_string:
                i = _IN_STRING.match(data, i, limit).end()  # type: ignore[union-attr]
                if i >= limit or data[i] != _QUOTE:
                    return i
                i += 1
                self._in_string = False
                if not stack:
                    self.done = True
                    return i
            i = skip(data, i, limit).end()  # type: ignore[union-attr]
            if i >= limit:
                return i
            byte = data[i]
            i += 1
            if byte == _QUOTE:
                self._in_string = True
            elif byte in b"[{":
                stack.append(byte + _TO_CLOSE)
                self.depth = max(self.depth, len(stack))
            elif stack.pop() != byte:
                self.broken = True
                return i
            elif not stack:
                self.done = True
                return i
        return i

    def _start(self, first: int, i: int) -> int:
        self._started = True
        if first in b"[{":
            self._stack.append(first + _TO_CLOSE)
        elif first == _QUOTE:
            self._in_string = True
        else:
            self.is_word = True
            return i
        return i + 1
