"""The three scalars of the schema: ``DateTime`` (a day or an instant), ``JSON`` (often text) and ``PageSize``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from graphql import GraphQLError, GraphQLScalarType, GraphQLSchema


@dataclass(frozen=True, slots=True)
class Moment:
    """A date as a filter gives it: documented as a day, sent by some as an instant (fact sheet §6)."""

    start: datetime
    day: bool = False


def show(at: datetime) -> str:
    """ISO 8601, UTC, milliseconds and Z: how every timestamp of the platform looks."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read(text: str) -> Moment:
    """Raises ``ValueError``."""
    at = datetime.fromisoformat(text)
    return Moment(at if at.tzinfo else at.replace(tzinfo=UTC), day=len(text) == 10)


def equip(schema: GraphQLSchema) -> None:
    """Teaches the schema's custom scalars to read and write."""
    _teach(schema, "DateTime", _write_moment, _read_moment)
    _teach(schema, "PageSize", _page_size, _page_size)


def _teach(schema: GraphQLSchema, name: str, write: Any, parse: Any) -> None:
    scalar = schema.type_map[name]
    assert isinstance(scalar, GraphQLScalarType)
    # graphql-core 3.3 has renamed these; the old names are still asked by some of its own utilities
    scalar.serialize = scalar.coerce_output_value = write  # type: ignore[method-assign]
    scalar.parse_value = scalar.coerce_input_value = parse  # type: ignore[method-assign]


def _write_moment(value: Any) -> str:
    return show(value) if isinstance(value, datetime) else str(value)


def _read_moment(value: Any) -> Moment:
    try:
        return read(value)
    except (TypeError, ValueError):
        raise GraphQLError(f"DateTime cannot represent {value!r}") from None


def _page_size(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise GraphQLError(f"PageSize cannot represent {value!r}")
    return value
