"""JSON kept as text: payloads and answers of unknown shape travel from platform to client without a second form."""

from __future__ import annotations

import json
import math
import re
import zlib
from typing import Any, Final

import orjson

_BIG: Final = 512 * 1024
_LONG_DIGITS: Final = re.compile(rb"\d{17}")


def json_text(value: Any) -> str | bytes:
    """JSON text of any value; zlib-compressed bytes when it is large (a document holds at most 16 MB)."""
    try:
        encoded = orjson.dumps(value)
        if b"null" in encoded and _has_nan(value):  # which orjson would write as null
            encoded = json.dumps(value).encode()
    except (TypeError, ValueError, RecursionError):
        encoded = json.dumps(value).encode()
    return encoded.decode() if len(encoded) < _BIG else zlib.compress(encoded, 6)


def _has_nan(value: Any) -> bool:
    """Is there a NaN or an infinity anywhere inside?"""
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, float):
            if not math.isfinite(one):
                return True
        elif isinstance(one, dict):
            pending.extend(one.values())
        elif isinstance(one, (list, tuple)):
            pending.extend(one)
    return False


def json_bytes(stored: str | bytes) -> bytes:
    """The JSON text of a stored value, as UTF-8."""
    return stored.encode() if isinstance(stored, str) else zlib.decompress(stored)


def json_value(stored: str | bytes) -> Any:
    """The value of a stored JSON text, exact for integers of any size."""
    text = json_bytes(stored)
    try:
        return json.loads(text) if _has_long_digits(text) else orjson.loads(text)
    except orjson.JSONDecodeError:  # lone surrogates, NaN: json wrote them, json reads them
        return json.loads(text)


def _has_long_digits(text: bytes) -> bool:
    return _LONG_DIGITS.search(text) is not None
