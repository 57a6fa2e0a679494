"""Keyset cursors: where a page ended, by the values it was ordered by and the id, nulls included.

MongoDB sorts missing values first and ``$gt: null`` matches nothing, so a position on a null needs branches of
its own. A cursor carries a fingerprint of the question it belongs to and is refused by any other.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Final

import orjson

from schema.ports import BadCursor, Order

Filter = dict[str, Any]

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - the store's dates are naive UTC
_MILLISECOND: Final = timedelta(milliseconds=1)
MAX_LENGTH: Final = 4096


def order_keys(order: Sequence[Order]) -> tuple[Order, ...]:
    """The full sort: what was asked, first mention of a field counting, then the id in the last direction."""
    keys: dict[str, Order] = {}
    for one in order:
        keys.setdefault(one.path, one)
    if "_id" not in keys:
        keys["_id"] = Order("_id", descending=order[-1].descending if order else False)
    out = []
    for key in keys.values():
        out.append(key)
        if key.path == "_id":
            break
    return tuple(out)


def fingerprint(*question: object) -> str:
    """Short text that differs for different questions."""
    return blake2b(repr(question).encode("utf-8", "backslashreplace"), digest_size=6).hexdigest()


def encode(doc: Any, keys: Sequence[Order], mark: str) -> str:
    values = [_outgoing(lookup(doc, key.path)) for key in keys]
    return base64.urlsafe_b64encode(orjson.dumps([mark, *values])).decode().rstrip("=")


def decode(cursor: str, keys: Sequence[Order], mark: str) -> list[Any]:
    """The values a cursor holds. Raises ``BadCursor``."""
    if len(cursor) > MAX_LENGTH:
        raise BadCursor("the cursor is too long to be one of ours")
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        found = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        told, *values = found if isinstance(found, list) else [None]
        if told == mark and len(values) == len(keys) and isinstance(values[-1], str):
            return [_incoming(value) for value in values]
    except (UnicodeEncodeError, binascii.Error, orjson.JSONDecodeError, ValueError, OverflowError, TypeError):
        raise BadCursor("the cursor is not one of ours") from None
    if isinstance(told, str) and told != mark:
        raise BadCursor("the cursor belongs to another filter or order")
    raise BadCursor("the cursor is not one of ours")


def beyond(keys: Sequence[Order], values: Sequence[Any]) -> Filter:
    """Everything after a position in the order of ``keys``."""
    branches: list[Filter] = []
    same: Filter = {}
    for key, value in zip(keys, values, strict=True):
        later = _later(key, value)
        if later is not None:
            branches.extend(same | one for one in later)
        same = same | {key.path: value}
    return branches[0] if len(branches) == 1 else {"$or": branches}


def _later(key: Order, value: Any) -> list[Filter] | None:
    if value is None:
        return None if key.descending else [{key.path: {"$ne": None}}]
    if key.descending:
        below: list[Filter] = [{key.path: {"$lt": value}}]
        return below if key.path == "_id" else [*below, {key.path: None}]
    return [{key.path: {"$gt": value}}]


def lookup(doc: Any, path: str) -> Any:
    for name in path.split("."):
        doc = doc.get(name) if isinstance(doc, dict) else None
    return doc


def _outgoing(value: Any) -> Any:
    return {"ms": (value - _EPOCH) // _MILLISECOND} if isinstance(value, datetime) else value


def _incoming(value: Any) -> Any:
    if isinstance(value, dict):
        return _EPOCH + int(value["ms"]) * _MILLISECOND
    if isinstance(value, list):
        raise TypeError("no value of ours")
    return value
