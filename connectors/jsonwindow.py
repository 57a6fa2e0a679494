"""A window that slides over a binary stream of text: UTF-8 bytes from ``floor`` on, offsets of the file kept.

UTF-16 and UTF-32 are recognised by their byte order mark or by the NUL bytes that RFC 4627 §3 describes, and
are turned into UTF-8 as they come; ``offset`` gives positions in the file as it is.
"""

from __future__ import annotations

import codecs
from typing import BinaryIO, Final

CHUNK: Final = 2**18

_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, ""),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NULS: Final[dict[tuple[bool, ...], str]] = {
    (False, True, True, True): "utf-32-le",
    (True, True, True, False): "utf-32-be",
    (False, True, False, True): "utf-16-le",
    (True, False, True, False): "utf-16-be",
}


class Window:
    """``data`` holds the text from ``base`` on; ``more`` drops what lies before ``floor``."""

    def __init__(self, stream: BinaryIO) -> None:
        self.data = b""
        self.base = 0
        self.floor = 0
        self._stream = stream
        self._ended = False
        self._encoding: str | None = None
        self._decoder: codecs.IncrementalDecoder | None = None
        self._known = (0, 0)
        """A position in the text and the offset in the file that belongs to it."""

    @property
    def end(self) -> int:
        return self.base + len(self.data)

    def text(self, start: int, end: int) -> bytes:
        return self.data[max(start - self.base, 0) : max(end - self.base, 0)]

    def more(self) -> bool:
        """Reads on; False at the end of the stream. Asks for as much as it holds, so growing costs linear time."""
        while not self._ended:
            size = max(CHUNK, self.end - self.floor)
            chunk = self._first() if self._encoding is None else self._stream.read(size)
            self._ended = not chunk
            text = self._decode(chunk) if self._decoder else chunk
            if text:
                self._slide()
                self.data += text
                return True
        return False

    def offset(self, position: int) -> int:
        """The byte offset in the file of a position in the text."""
        at, offset = self._known
        if not self._encoding:
            return offset + position - at
        if self.base <= at <= position:
            offset += len(
                self.text(at, position).decode("utf-8", "surrogatepass").encode(self._encoding, "surrogatepass")
            )
            self._known = (position, offset)
        return offset

    def _slide(self) -> None:
        if self._encoding and self._known[0] < self.floor:
            self.offset(self.floor)
        self.data = self.data[self.floor - self.base :]
        self.base = self.floor

    def _first(self) -> bytes:
        """The first chunk without its byte order mark; settles the encoding."""
        head = b""
        while len(head) < 2 * 4 and (piece := self._stream.read(CHUNK)):
            head += piece
        mark, encoding = next(((mark, name) for mark, name in _MARKS if head.startswith(mark)), (b"", None))
        if encoding is None:
            encoding = _NULS.get(tuple(byte == 0 for byte in head[:4]), "")
        self._encoding = encoding
        self._known = (0, len(mark))
        if encoding:
            self._decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
        return head[len(mark) :]

    def _decode(self, chunk: bytes) -> bytes:
        assert self._decoder is not None
        try:
            return self._decoder.decode(chunk, final=not chunk).encode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise OSError(f"not {self._encoding}: {error.reason}") from error
