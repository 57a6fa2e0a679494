"""Reads single fields of Kili's objects: what is absent stays UNSET, what is unreadable is reported, nothing raises.

Kili sends JSON values as JSON text in some answers and as objects in others (fact sheet §3), so ``decoded`` takes both.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

from connectors.coerce import flag, integer, moment, number, text
from connectors.documents import JSON, UNSET, AnyDocument, Maybe, SkippedRecord, UnsetType

T = TypeVar("T")

SHOWN: Final = 80
"""How many characters of an unreadable value a message shows."""


@dataclass(slots=True)
class Mapped:
    """What one platform object became: its documents, parents first, and what could not be read."""

    documents: list[AnyDocument] = field(default_factory=list)
    skipped: list[SkippedRecord] = field(default_factory=list)

    def extend(self, other: Mapped) -> None:
        self.documents.extend(other.documents)
        self.skipped.extend(other.skipped)


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
