"""Pages over a sorted list of ids that is at hand: the annotators of a campaign."""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from schema.ports import BadCursor, Doc, Slice, Window


def people_page(ids: Sequence[str], window: Window) -> Slice:
    """The page of a sorted list of ids; documents hold the id alone. Raises ``BadCursor``."""
    low = bisect_right(ids, _decode(window.after)) if window.after is not None else 0
    high = bisect_left(ids, _decode(window.before)) if window.before is not None else len(ids)
    high = max(low, high)
    start, end = low, high
    if window.first is not None:
        end = min(high, low + window.first)
    else:
        start = max(low, high - (window.last or 0))
    return Slice(
        docs=[{"_id": id_} for id_ in ids[start:end]],
        cursor=_encode,
        has_next=end < len(ids) if window.first is not None else high < len(ids),
        has_previous=start > 0,
    )


def _encode(doc: Doc) -> str:
    return base64.urlsafe_b64encode(f"people:{doc['_id']}".encode()).decode().rstrip("=")


def _decode(cursor: str) -> str:
    try:
        text = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        raise BadCursor("the cursor is not one of ours") from None
    word, colon, id_ = text.partition(":")
    if word != "people" or not colon:
        raise BadCursor("the cursor belongs to another filter or order")
    return id_
