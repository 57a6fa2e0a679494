"""The scalars: DateTime with milliseconds and an offset, JSON passed through unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NewType

import strawberry
from graphql import GraphQLError
from strawberry.schema.types.scalar import DEFAULT_SCALAR_REGISTRY  # noqa: F401 - documents what is overridden

JSON = NewType("JSON", object)


def parse_datetime(text: object) -> datetime:
    """RFC 3339 to naive UTC. Raises ``GraphQLError`` for anything else, also for a missing offset."""
    if isinstance(text, str) and 10 < len(text) <= 40 and text.isascii():
        try:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is not None:
                return moment.astimezone(UTC).replace(tzinfo=None)
        except (ValueError, OverflowError):
            pass
    raise GraphQLError("a DateTime is an RFC 3339 date-time with offset, such as 2026-11-22T08:30:00Z")


def print_datetime(moment: datetime) -> str:
    """Naive UTC as the store keeps it, with milliseconds and Z."""
    return moment.isoformat(timespec="milliseconds") + "Z"


DATE_TIME: Final = strawberry.scalar(
    name="DateTime",
    description="RFC 3339 date-time, always with offset; the gateway answers in UTC with milliseconds.",
    specified_by_url="https://datatracker.ietf.org/doc/html/rfc3339",
    serialize=print_datetime,
    parse_value=parse_datetime,
)

JSON_SCALAR: Final = strawberry.scalar(
    name="JSON",
    description="Any JSON value. Used only where a platform's own shape is passed on unchanged.",
    specified_by_url="https://datatracker.ietf.org/doc/html/rfc8259",
    serialize=lambda value: value,
    parse_value=lambda value: value,
)

SCALARS: Final[Mapping[Any, Any]] = {datetime: DATE_TIME, JSON: JSON_SCALAR}
