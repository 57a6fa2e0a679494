"""Reads single fields of Kili's objects: what is absent stays UNSET, what is unreadable is reported, nothing raises.

Kili sends JSON values as JSON text in some answers and as objects in others (fact sheet §3), so ``decoded`` takes both.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from connectors.documents import JSON, UNSET, AnyDocument, Maybe, SkippedRecord, UnsetType

T = TypeVar("T")

SHOWN = 80
"""How many characters of an unreadable value a message shows."""


@dataclass(slots=True)
class Mapped:
    """What one platform object became: its documents, parents first, and what could not be read."""

    documents: list[AnyDocument] = field(default_factory=list)
    skipped: list[SkippedRecord] = field(default_factory=list)

    def extend(self, other: Mapped) -> None:
        self.documents.extend(other.documents)
        self.skipped.extend(other.skipped)


def text(value: JSON) -> str | None:
    """A word or an id; numbers are written out, since ids (a ``mid``) may be integers (fact sheet §12)."""
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def number(value: JSON) -> float | None:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        result = float(value)
    except OverflowError:
        return None
    return result if math.isfinite(result) else None


def integer(value: JSON) -> int | None:
    """A whole number that fits 64 bits."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else None


def flag(value: JSON) -> bool | None:
    return value if isinstance(value, bool) else None


def moment(value: JSON) -> datetime | None:
    """An ISO-8601 time in UTC; Kili writes ``2022-03-18T14:23:40.221Z`` (fact sheet §6, timestamps)."""
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def decoded(value: JSON) -> JSON:
    """A JSON value that may have come as JSON text. Raises ``ValueError`` for text that is no JSON."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return json.loads(value)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def lenient(value: JSON) -> JSON:
    """Like ``decoded``; text that is no JSON stays the text it is."""
    try:
        return decoded(value)
    except ValueError:
        return value


def mapping(value: JSON) -> Mapping[str, JSON]:
    """The object that ``value`` is; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def stated(value: Maybe[T | None]) -> T | None:
    """The value where there is one."""
    return None if isinstance(value, UnsetType) else value


def show(value: JSON) -> str:
    """A value in a message: short, on one line."""
    shown = repr(value) if not isinstance(value, dict | list) else f"{type(value).__name__} of {len(value)}"
    return shown if len(shown) <= SHOWN else shown[:SHOWN] + "…"


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one object; ``where`` and ``external_id`` are for the messages in ``problems``."""

    record: Mapping[str, JSON]
    where: str
    external_id: str | None
    problems: list[SkippedRecord]

    def text(self, key: str) -> Maybe[str | None]:
        return self._read(key, text, "text")

    def number(self, key: str) -> Maybe[float | None]:
        return self._read(key, number, "a number")

    def integer(self, key: str) -> Maybe[int | None]:
        return self._read(key, integer, "a whole number")

    def flag(self, key: str) -> Maybe[bool | None]:
        return self._read(key, flag, "true or false")

    def moment(self, key: str) -> Maybe[datetime | None]:
        return self._read(key, moment, "an ISO-8601 date and time")

    def report(self, key: str, reason: str) -> None:
        self.problems.append(
            SkippedRecord(
                reason=f"{key}: {reason}",
                where=self.where,
                field=key,
                external_id=self.external_id,
                raw=self.record.get(key),
            )
        )

    def _read(self, key: str, convert: Callable[[JSON], T | None], expected: str) -> Maybe[T | None]:
        if key not in self.record:
            return UNSET
        value = self.record[key]
        if value is None or value == "":
            return None
        result = convert(value)
        if result is None:
            self.report(key, f"expected {expected}, found {show(value)}")
        return result
