"""Routes of tasks: list, read, create, cancel, audit, and the small setters (fact sheet §2, §3, §5, §7)."""

from __future__ import annotations

from typing import Any

from connectors.scale.sandbox import rules
from connectors.scale.sandbox.api import Api, Call, Text
from connectors.scale.sandbox.state import TakenError
from connectors.scale.sandbox.store import Between, Filter, Task, decode, encode, read_token

STATUSES = ("pending", "completed", "canceled", "error")
REVIEWS = ("pending", "accepted", "fixed", "rejected", "commented")
LIMITED = ("task_id", "status", "metadata", "project", "otherVersion")


def add_routes(api: Api) -> None:
    api.route("GET", "tasks")(list_tasks)
    api.route("GET", "task/*")(lambda call, task_id: call.world.task(task_id))
    api.route("POST", "task/*")(create)
    api.route("POST", "task/*/cancel")(cancel)
    api.route("POST", "task/*/audit")(audit)
    api.route("POST", "task/*/unique_id")(set_unique_id)
    api.route("DELETE", "task/*/unique_id")(clear_unique_id)
    api.route("POST", "task/*/setMetadata")(set_metadata)
    for method in ("POST", "PUT", "DELETE"):
        api.route(method, "task/*/tags")(_tags(method))


# --- reading --------------------------------------------------------------------------------------------------


def list_tasks(call: Call) -> bytes:
    limit, offset = call.number("limit", 100, 1, 100), call.number("offset", 0, 0, 10**9)
    token = call.text("next_token")
    try:
        after = read_token(token) if token else None
    except ValueError as error:
        raise rules.InvalidError(f'Parameter is invalid, reason: "next_token": {error}') from error
    page = call.world.tasks.page(_filter(call), limit, after=after, offset=offset)
    rest: dict[str, Any] = {"total": page.total, "limit": limit, "offset": offset, "has_more": page.has_more}
    if page.next_token:
        rest["next_token"] = page.next_token
    if call.flag("limited_response"):
        texts = [encode(_limited(decode(text))) for text in page.texts]
    elif call.flag("include_attachment_url"):
        texts = [encode(_with_attachment(decode(text))) for text in page.texts]
    else:
        texts = page.texts
    return b'{"docs":[' + b",".join(texts) + b"]," + encode(rest)[1:]


def _filter(call: Call) -> Filter:
    status, reviews = call.text("status"), (call.text("customer_review_status") or "").split(",")
    if status is not None and status not in STATUSES:
        raise rules.InvalidError(f'Parameter is invalid, reason: "status" must be one of {", ".join(STATUSES)}')
    if unknown := set(reviews) - {*REVIEWS, ""}:
        raise rules.InvalidError(f'Parameter is invalid, reason: "customer_review_status" {", ".join(sorted(unknown))}')
    return Filter(
        project=call.text("project"),
        batch=call.text("batch"),
        status=status,
        type=call.text("type"),
        reviews=frozenset(reviews) - {""},
        unique_ids=frozenset(call.query.get("unique_id", ())),
        tags=frozenset(call.query.get("tags", ())),
        created=between(call, "start_time", "end_time"),
        completed=between(call, "completed_after", "completed_before"),
        updated=between(call, "updated_after", "updated_before"),
    )


def between(call: Call, low: str, high: str) -> Between | None:
    """Both bounds are called minimum and maximum value, so they are inclusive (§3)."""
    lower, upper = call.time(low, up=True), call.time(high, up=False)
    return Between(lower or "", upper or "~") if lower or upper else None


def _limited(task: Task) -> Task:
    return {name: task[name] for name in LIMITED if name in task}


def _with_attachment(task: Task) -> Task:
    """A presigned copy of the source file, under the name that public readers of live Scale tasks use."""
    source = task["params"].get("attachment")
    if isinstance(source, str):
        copy = f"https://attachments.example.com/{task['task_id']}?X-Amz-Expires=43200"
        task["attachmentS3Downloads"] = [{"attachmentURL": source, "s3URL": copy, "isConvertedImage": False}]
    return task


# --- changing -------------------------------------------------------------------------------------------------


def create(call: Call, kind: str) -> Task:
    """In test mode the task is completed at once; in live mode it waits for ``complete_task``."""
    task = call.account.create(call.world, kind, call.fields(), work=call.world.mode == "test")
    call.effect("create", task["task_id"], {"type": kind, "unique_id": task.get("unique_id")})
    return task


def cancel(call: Call, task_id: str) -> Task:
    task = call.world.task(task_id)
    was = task["status"]
    rules.cancel(task, clear_unique_id=bool(call.flag("clear_unique_id")), now=call.account.now())
    if was != task["status"]:
        call.account.save(call.world, task)
        call.effect("cancel", task_id)
    return task


def audit(call: Call, task_id: str) -> Text:
    """Accept or reject with a comment (§5.1). Nothing makes it idempotent: each call is one more audit.

    What Scale answers is not documented; the SDK expects that it may be no JSON, so it is ``OK``.
    """
    task, said = call.world.task(task_id), call.fields()
    accepted, comment = said.get("accepted"), said.get("comments")
    if not isinstance(accepted, bool):
        raise rules.InvalidError('Parameter is invalid, reason: "accepted" must be a boolean')
    if not isinstance(comment, str | None):
        raise rules.InvalidError('Parameter is invalid, reason: "comments" must be a string')
    result = "accepted" if accepted else "rejected"
    call.account.audit(call.world, task, result, comment=comment)
    call.effect("audit", task_id, {"result": result, "comments": comment, "audited_at": task["customer_audited_at"]})
    return Text("OK")


def set_unique_id(call: Call, task_id: str) -> Task:
    task, unique_id = call.world.task(task_id), rules.check_unique_id(call.fields().get("unique_id"))
    if call.world.tasks.holder(unique_id) not in (None, task_id):
        raise TakenError("A task with that unique_id already exists.")
    return _change(call, task, "unique_id", unique_id)


def clear_unique_id(call: Call, task_id: str) -> Task:
    return _change(call, call.world.task(task_id), "unique_id", None)


def set_metadata(call: Call, task_id: str) -> Task:
    return _change(call, call.world.task(task_id), "metadata", rules.check_metadata(call.fields()))


def _tags(method: str) -> Any:
    def change(call: Call, task_id: str) -> Task:
        task, named = call.world.task(task_id), call.items()
        had = task.get("tags", [])
        if method == "PUT":
            wanted = [*had, *named]
        elif method == "DELETE":
            wanted = [tag for tag in had if tag not in named]
        else:
            wanted = named
        return _change(call, task, "tags", rules.check_tags(wanted) if wanted or "tags" in task else None)

    return change


def _change(call: Call, task: Task, name: str, value: Any) -> Task:
    """Sets the field, or takes it away for None. What changes nothing leaves no trace."""
    if task.get(name) == value:
        return task
    task[name] = value
    if value is None:
        del task[name]
    call.account.save(call.world, rules.touch(task, call.account.now()))
    call.effect(name, task["task_id"], value)
    return task
