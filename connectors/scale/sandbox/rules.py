"""How a task comes to be and changes: pure functions on task objects, after fact sheet §4, §5.2 and §7.

Where Scale's pages are silent the smallest change is made: a recalled task loses ``response`` and ``completed_at`` and
keeps its history; an audit by Scale's own people leaves the ``customer_…`` fields alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from connectors.scale.sandbox.store import Task, encode
from connectors.scale.sandbox.types import TYPES, missing

TOP_LEVEL: Final = ("project", "batch", "instruction", "callback_url", "metadata", "priority", "unique_id", "tags")
"""Request keys that become fields of the task; ``urgency`` too, with a default. The rest is ``params`` (§7)."""

HIDDEN: Final = ("urgency", "project_version")
TEXTS: Final = ("project", "batch", "instruction", "callback_url", "urgency")
MAX_TAGS: Final = 5
MAX_METADATA: Final = 10 * 1024

ERROR_FIELDS: Final[Mapping[str, str]] = {
    "annotation_id": "annotation_id",
    "severity": "severity",
    "error_type": "error_type",
    "comment": "comment",
    "attribute": "attribute",
    "is_fixed": "is_fixed",
    "task_label": "task_label",
    "audit_label": "audit_label",
    "frame_num": "frame_num",
    "reasons": "reasons",
    "task_box": "task_box",
    "audit_box": "audit_box",
    "label_index": "label_index",
    "error_locations": "error_locations",
    "is_missing_annotation": "is_missing_annotation",
}
"""Our words for the fields of ``audit_per_annotation_errors`` to the names the sandbox sends. The public names are not
known for sure (§5.4): correct them here, in the second column."""


class ApiError(ValueError):
    """A refusal, answered with its status."""

    status = 400


class NotNowError(ApiError):
    """The state of the task forbids the change."""


class InvalidError(ApiError):
    """A value that Scale would not take."""


def stamp(at: datetime) -> str:
    """Timestamps as Scale writes them: UTC, milliseconds, ``Z``."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def later(at: str, seconds: float) -> str:
    return stamp(datetime.fromisoformat(at) + timedelta(seconds=seconds))


def touch(task: Task, now: str) -> Task:
    """Every change moves ``updated_at``, never backwards."""
    task["updated_at"] = max(now, task["updated_at"])
    return task


# --- coming to be ---------------------------------------------------------------------------------------------


def new_task(
    task_id: str, kind: str, body: Mapping[str, Any], inherited: Mapping[str, Any], *, now: str, is_test: bool
) -> Task:
    """A pending task. ``inherited``: the parameters of its project. Raises ``InvalidError`` as §7 says."""
    rule = TYPES.get(kind)
    if rule is None:
        raise InvalidError(f"{kind} is not a task type.")
    own = {name: value for name, value in body.items() if name not in TOP_LEVEL and name not in HIDDEN}
    params = {**rule.defaults, **inherited, **own}
    instruction = body.get("instruction", params.pop("instruction", rule.instruction))
    if rule.needs and not any(params.get(name) for name in rule.needs):
        raise InvalidError(missing(rule.needs))
    task: Task = {
        "task_id": task_id,
        "created_at": now,
        "updated_at": now,
        "type": kind,
        "status": "pending",
        "instruction": instruction,
        "params": params,
        "is_test": is_test,
        "urgency": body.get("urgency", "standard"),
        "metadata": {},
        "processed_attachments": [],
        "work_started": False,
    }
    for name in TOP_LEVEL:
        if name != "instruction" and body.get(name) is not None:
            task[name] = body[name]
    check_metadata(task["metadata"])
    if "tags" in task:
        task["tags"] = check_tags(task["tags"])
    if "unique_id" in task:
        check_unique_id(task["unique_id"])
    if task.get("priority", 10) not in (10, 20, 30):
        raise InvalidError('Parameter is invalid, reason: "priority" must be one of 10, 20, 30')
    return task


def check_texts(body: Mapping[str, Any]) -> None:
    for name in TEXTS:
        if not isinstance(body.get(name, ""), str | None):
            raise InvalidError(f'Parameter is invalid, reason: "{name}" must be a string')
    geometries = body.get("geometries", {})
    if not isinstance(geometries, dict) or not all(isinstance(one, dict) for one in geometries.values()):
        raise InvalidError('Parameter is invalid, reason: "geometries" must be an object of objects')


def check_metadata(metadata: object) -> dict[str, Any]:
    if not isinstance(metadata, dict):
        raise InvalidError('Parameter is invalid, reason: "metadata" must be an object')
    if len(encode(metadata)) > MAX_METADATA:
        raise InvalidError('Parameter is invalid, reason: "metadata" is larger than 10KB')
    return metadata


def check_tags(tags: object) -> list[str]:
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise InvalidError('Parameter is invalid, reason: "tags" must be an array of strings')
    unique = list(dict.fromkeys(tags))
    if len(unique) > MAX_TAGS:
        raise InvalidError(f'Parameter is invalid, reason: "tags" must contain at most {MAX_TAGS} items')
    return unique


def check_unique_id(unique_id: object) -> str:
    if not isinstance(unique_id, str) or not unique_id:
        raise InvalidError('Parameter is invalid, reason: "unique_id" must be a non-empty string')
    return unique_id


# --- life -----------------------------------------------------------------------------------------------------


def complete(task: Task, response: Mapping[str, Any] | None, now: str) -> Task:
    if task["status"] not in ("pending", "error"):
        raise NotNowError(f"Task is {task['status']}.")
    task |= {"status": "completed", "completed_at": now, "work_started": True}
    if response is None:
        task.pop("response", None)
    else:
        fix = {"is_customer_fix": False} if TYPES[task["type"]].marks else {}
        task["response"] = {**response, **fix}
    return touch(task, now)


def fail(task: Task, message: str, attachments: Sequence[Mapping[str, Any]], now: str) -> Task:
    """``status: error``; the reason stands in ``response`` (page "Errors")."""
    if task["status"] != "pending":
        raise NotNowError(f"Task is {task['status']}.")
    task |= {"status": "error", "response": {"error": message, "attachments": [dict(one) for one in attachments]}}
    if task["params"].get("clear_unique_id_on_error"):
        task.pop("unique_id", None)
    return touch(task, now)


def recall(task: Task, now: str) -> Task:
    """Scale takes a completed task back to ``pending`` (page "Callbacks")."""
    if task["status"] != "completed":
        raise NotNowError(f"Task is {task['status']}.")
    task["status"] = "pending"
    task.pop("response", None)
    task.pop("completed_at", None)
    return touch(task, now)


def cancel(task: Task, *, clear_unique_id: bool, now: str) -> Task:
    if task["status"] == "canceled":
        return task
    if task["status"] != "pending":
        raise NotNowError(f"Task is {task['status']} and cannot be canceled.")
    task["status"] = "canceled"
    if clear_unique_id:
        task.pop("unique_id", None)
    return touch(task, now)


def audit(
    task: Task,
    result: str,
    *,
    at: str,
    now: str,
    by: str,
    source: str = "customer",
    comment: str | None = None,
    seconds: float = 0,
    active_seconds: float | None = None,
    response: Mapping[str, Any] | None = None,
    errors: Sequence[Mapping[str, Any]] | None = None,
) -> Task:
    """Applies a verdict as §5.2 and the page "Task audits" say. ``errors`` use our words of ``ERROR_FIELDS``."""
    if task["status"] != "completed":
        raise NotNowError("Only completed tasks can be audited.")
    if (result == "fixed") != (response is not None):
        raise InvalidError("A fixed audit brings a response, and no other does.")
    if comment and source != "customer":
        raise InvalidError("Only a customer's audit has a place for a comment.")
    record: dict[str, Any] = {"audited_by": by, "audited_at": at, "audit_time_secs": seconds}
    if active_seconds is not None:
        record["audit_active_time_secs"] = active_seconds
    record |= {"audit_result": result, "audit_source": source}
    if errors is not None:
        record["audit_per_annotation_errors"] = [
            {ERROR_FIELDS.get(name, name): value for name, value in error.items()} for error in errors
        ]
    older = task.get("audits", ())
    task["audits"] = sorted((record, *older), key=lambda one: str(one["audited_at"]), reverse=True)
    if response is not None:
        if "response" in task:
            task["prior_responses"] = [*task.get("prior_responses", ()), task["response"]]
        task["response"] = {**response, "is_customer_fix": source == "customer"}
    if source == "customer":
        task |= {
            "customer_review_status": result,
            "customer_reviewed_by": by,
            "customer_audited_at": at,
            "customer_audit_time_secs": seconds,
        }
        if comment:
            task["customer_review_comments"] = [*comments(task), comment]
    return touch(task, now)


def comments(task: Task) -> list[str]:
    """Scale's table says a string, its text an array: both are read, an array is written (§4)."""
    said = task.get("customer_review_comments") or []
    return [said] if isinstance(said, str) else list(said)
