"""Reads single JSON values of foreign making as what they should be; None where they are something else.

Nothing here raises, whatever JSON it is given.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime

from connectors.documents import JSON


def text(value: JSON) -> str | None:
    """A word or an id, not empty; whole numbers are written out."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, int) and not isinstance(value, bool):
        return json_words(value)
    return None


def number(value: JSON) -> float | None:
    """A finite number."""
    if type(value) is not int and type(value) is not float:
        return None
    try:
        result = float(value)
    except OverflowError:
        return None
    return result if math.isfinite(result) else None


def integer(value: JSON) -> int | None:
    """A whole number that fits 32 bits, which is what ``Int`` holds in GraphQL."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and -(2**31) <= value < 2**31 else None


def flag(value: JSON) -> bool | None:
    return value if isinstance(value, bool) else None


def mapping(value: JSON) -> Mapping[str, JSON]:
    """An object; an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def many(value: JSON) -> list[JSON]:
    """A list; a single value counts as a list of one, null as none."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def moment(value: JSON) -> datetime | None:
    """An ISO 8601 time in UTC; one without an offset is meant as UTC."""
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value.strip())
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def json_words(value: JSON) -> str:
    """A value as people read it: text as it is, anything else as JSON."""
    try:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        return "…"
