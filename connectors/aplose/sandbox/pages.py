"""The two kinds of lists in the server's GraphQL: pages of ``results`` and relations of ``edges`` (fact sheet §5.2)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from connectors.aplose.sandbox.store import Refusal

MOST = 100
ORDERS = {
    "AnnotationCampaignNode": ("name",),
    "AnnotationPhaseNode": ("phase",),
    "AnnotationSpectrogramNode": ("start",),
    "AnnotationTaskNode": ("start",),
    "SpectrogramNode": ("start",),
    "SpectrogramAnalysisNode": ("name",),
    "DatasetNode": ("name",),
}


@dataclass(frozen=True, slots=True)
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None = None
    end_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class ResultPage:
    """``everything`` is the filtered list before paging."""

    results: Sequence[Any]
    page_info: PageInfo
    everything: Sequence[Any]

    @property
    def total_count(self) -> int:
        return len(self.everything)


@dataclass(frozen=True, slots=True)
class Edge:
    node: Any
    cursor: str


@dataclass(frozen=True, slots=True)
class EdgePage:
    edges: Sequence[Edge]
    page_info: PageInfo


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?<!_)(?=[A-Z])", "_", name).lower()


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def order_by(items: list[Any], node: str, value: str | None) -> list[Any]:
    """``orderBy: "-name"``: only the names that the filter set offers."""
    if not value:
        return items
    name = snake(value.removeprefix("-"))
    if name not in ORDERS.get(node, ()):
        message = f"Select a valid choice. {value} is not one of the available choices."
        raise Refusal(json.dumps({"order_by": [{"message": message, "code": "invalid_choice"}]}))
    return _sorted(items, name, descending=value.startswith("-"))


def results(items: list[Any], arguments: dict[str, Any]) -> ResultPage:
    """No limit: everything; an offset without a limit is ignored; ``ordering`` is "field,asc" or "field,desc"."""
    ordering = arguments.get("ordering")
    if ordering:
        parts = ordering.split(",")
        if len(parts) != 2:
            problem = "not enough values to unpack" if len(parts) < 2 else "too many values to unpack"
            raise Refusal(f"{problem} (expected 2{f', got {len(parts)}' if len(parts) < 2 else ''})")
        items = _sorted(items, snake(parts[0]), descending=parts[1] == "desc")
    limit, offset = arguments.get("limit"), arguments.get("offset") or 0
    if limit is None:
        return ResultPage(items, PageInfo(has_next_page=False, has_previous_page=False), items)
    if limit <= 0:
        raise Refusal("Limit must be positive integer greater than 0")
    page = items[offset : offset + limit]
    last = max(-(-len(items) // limit), 1)
    number = min(-(-offset // limit) + 1, last)
    return ResultPage(page, PageInfo(has_next_page=number < last, has_previous_page=number > 1), items)


def edges(items: Sequence[Any], arguments: dict[str, Any], field_name: str) -> EdgePage:
    """A relay connection over positions; at most 100, and 100 where ``first`` is not given."""
    for name in ("first", "last"):
        asked = arguments.get(name)
        if asked is not None and asked > MOST:
            where = f"on the `{field_name}` connection exceeds the `{name}` limit"
            raise Refusal(f"Requesting {asked} records {where} of {MOST} records.")
    start = max(_position(arguments.get("after"), -1) + 1, 0) + (arguments.get("offset") or 0)
    stop = min(_position(arguments.get("before"), len(items)), len(items))
    begin, end = start, max(stop, start)
    if arguments.get("first") is not None or arguments.get("last") is None:
        first = MOST if arguments.get("first") is None else arguments["first"]
        end = min(end, begin + first)
    if arguments.get("last") is not None:
        begin = max(begin, end - arguments["last"])
    made = [Edge(node, _cursor(begin + index)) for index, node in enumerate(items[begin:end])]
    info = PageInfo(end < stop, begin > start, *((made[0].cursor, made[-1].cursor) if made else (None, None)))
    return EdgePage(made, info)


def _sorted(items: list[Any], name: str, *, descending: bool) -> list[Any]:
    """As PostgreSQL orders: nulls are the greatest; a relation counts by its id."""
    if items and not hasattr(items[0], name):
        raise Refusal(f"Cannot resolve keyword '{name}' into field.")

    def key(item: Any) -> tuple[bool, Any]:
        value = getattr(item, name)
        value = getattr(value, "id", value)
        return (value is None, 0 if value is None else value)

    return sorted(items, key=key, reverse=descending)


def _cursor(position: int) -> str:
    return base64.b64encode(f"arrayconnection:{position}".encode()).decode()


def _position(cursor: str | None, default: int) -> int:
    if not cursor:
        return default
    try:
        return int(base64.b64decode(cursor).decode().removeprefix("arrayconnection:"))
    except ValueError:
        return default
