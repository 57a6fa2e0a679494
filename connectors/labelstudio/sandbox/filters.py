"""The task list of the sandbox: data-manager filters, ordering and paging, with their quirks (fact sheet §3, §4)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from connectors.labelstudio.sandbox.state import STAMP, Fault, Row, State

_COLUMNS = {"id", "inner_id", "updated_at", "created_at", "is_labeled", "draft_exists", "total_annotations"}
_HEAVY = ("annotations", "predictions")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "equal": lambda one, other: bool(one == other),
    "greater": lambda one, other: bool(one > other),
    "less": lambda one, other: bool(one < other),
    "greater_or_equal": lambda one, other: bool(one >= other),
    "less_or_equal": lambda one, other: bool(one <= other),
}


def listing(state: State, query: Mapping[str, str], user: Row) -> Row:
    """The answer of ``GET /api/tasks/``."""
    project = int(query.get("project") or 0)
    state.get(state.projects, project, "Project")
    rows = [state.show_task(task, user=user) for task in state.tasks.values() if task["project"] == project]
    asked = _asked(query.get("query"))
    conditions = [_condition(item) for item in asked.get("filters", {}).get("items", ())]
    rows = [row for row in rows if all(condition(row) for condition in conditions)]
    for key in asked.get("ordering", ())[:1]:
        column = key.replace("tasks:", "").lstrip("-")
        if column not in _COLUMNS:
            raise Fault(500, f"Cannot resolve keyword '{column}' into field.")
        rows.sort(key=lambda row: row[column], reverse="-" in key)
    size, page = int(query.get("page_size") or 0), int(query.get("page") or 1)
    size = size if size > 0 else 100
    begin = (page - 1) * size
    if page > 1 and begin >= len(rows):
        raise Fault(404, "Invalid page.")
    return {
        "total": len(rows),
        "total_annotations": sum(row["total_annotations"] for row in rows),
        "total_predictions": sum(row["total_predictions"] for row in rows),
        "tasks": [_cut(row, query) for row in rows[begin : begin + size]],
    }


def _asked(text: str | None) -> Row:
    try:
        asked = json.loads(text or "{}")
    except ValueError:
        raise Fault(500, "Expecting value") from None
    return asked if isinstance(asked, dict) else {}


def _condition(item: Row) -> Callable[[Row], bool]:
    column, value = str(item.get("filter")).removeprefix("filter:tasks:"), item.get("value")
    if column not in _COLUMNS:
        raise Fault(500, f"Cannot resolve keyword '{column}' into field.")
    if item.get("type") == "Datetime":
        try:
            value = datetime.strptime(str(value), STAMP).replace(tzinfo=UTC).strftime(STAMP)
        except ValueError:
            raise Fault(500, f"time data '{value}' does not match format '{STAMP}'") from None
    compare = _COMPARE.get(str(item.get("operator")), _COMPARE["equal"])
    return lambda row: compare(row[column], value)


def _cut(row: Row, query: Mapping[str, str]) -> Row:
    """``include`` cuts tasks and, as the real one does, the annotations inside them."""
    names = set(filter(None, query.get("include", "").split(",")))
    if not names:
        return (
            row
            if query.get("fields") == "all"
            else {k: v for k, v in row.items() if k not in (*_HEAVY, "draft_exists")}
        )
    if query.get("fields") != "all":
        names -= {*_HEAVY, "draft_exists"}
    kept = {key: value for key, value in row.items() if key in names}
    if "annotations" in kept:
        kept["annotations"] = [
            {key: value for key, value in one.items() if key in names} for one in kept["annotations"]
        ]
    return kept
