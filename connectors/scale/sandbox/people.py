"""Routes around the tasks that the SDK can also call: files, team, Studio, evaluation and training tasks (§2)."""

from __future__ import annotations

from typing import Any

from starlette.datastructures import FormData, UploadFile

from connectors.scale.sandbox import rules
from connectors.scale.sandbox.api import Api, Call
from connectors.scale.sandbox.projects import text
from connectors.scale.sandbox.state import Batch, MissingError, World
from connectors.scale.sandbox.types import TYPES

ROLES = ("labeler", "member", "manager", "admin")


def add_routes(api: Api) -> None:
    api.route("POST", "files/upload")(upload)
    api.route("POST", "files/import")(import_file)
    api.route("GET", "teams")(lambda call: list(call.account.teammates.values()))
    api.route("POST", "teams/invite")(set_role)
    api.route("POST", "teams/set_role")(set_role)
    api.route("POST", "evaluation_tasks/*")(quality_task)
    api.route("POST", "training_tasks/*")(quality_task)
    api.route("GET", "studio/assignments")(lambda call: call.account.assignments)
    api.route("POST", "studio/assignments/add")(assign)
    api.route("POST", "studio/assignments/remove")(unassign)
    api.route("GET", "studio/projects/*/groups")(lambda call, name: list(call.world.project(name).groups.values()))
    api.route("POST", "studio/projects/*/groups")(create_group)
    api.route("PUT", "studio/projects/*/groups/*")(update_group)
    api.route("GET", "studio/batches")(studio_batches)
    api.route("PUT", "studio/batches/*")(assign_batch)
    api.route("POST", "studio/batches/set_priorities")(set_priorities)
    api.route("POST", "studio/batches/reset_priorities")(reset_priorities)


# --- files ----------------------------------------------------------------------------------------------------


def upload(call: Call) -> dict[str, Any]:
    form = call.body
    file = form.get("file") if isinstance(form, FormData) else None
    if not isinstance(file, UploadFile):
        raise rules.InvalidError('Parameter is invalid, reason: "file" is required')
    kind = file.content_type or "application/octet-stream"
    return _keep(call, file.filename or "file", kind, file.size or 0, form.get("project_name"))


def import_file(call: Call) -> dict[str, Any]:
    said = call.fields()
    url = text(said, "file_url")
    return _keep(call, url.rsplit("/", 1)[-1], "application/octet-stream", 0, said.get("project_name"))


def _keep(call: Call, name: str, kind: str, size: int, project: Any) -> dict[str, Any]:
    now = call.account.now()
    file_id = call.world.new_id(now)
    kept = {
        "id": file_id,
        "attachment_url": f"scaledata://{file_id}/{name}",
        "created_at": now,
        "updated_at": now,
        "mime_type": kind,
        "size": size,
        "project_names": [project] if project else [],
    }
    call.world.files[file_id] = kept
    call.effect("file", file_id, name)
    return kept


# --- team -----------------------------------------------------------------------------------------------------


def set_role(call: Call) -> list[dict[str, Any]]:
    """Invites too: somebody unknown joins, somebody known changes role."""
    said = call.fields()
    role = text(said, "team_role")
    if role not in ROLES:
        raise rules.InvalidError(f'Parameter is invalid, reason: "team_role" must be one of {", ".join(ROLES)}')
    changed = []
    for email in _strings(said, "emails"):
        mate = call.account.teammates.setdefault(email, teammate(email, role))
        mate["role"] = role
        changed.append(mate)
        call.effect("set_role", email, role)
    return changed


def teammate(email: str, role: str) -> dict[str, Any]:
    first = email.partition("@")[0].partition(".")[0].title()
    return {"email": email, "role": role, "company": "Example", "firstName": first, "isStudioLabeler": role == ROLES[0]}


def assign(call: Call) -> dict[str, list[str]]:
    said = call.fields()
    emails, projects = _strings(said, "emails"), _strings(said, "projects")
    for email in emails:
        had = call.account.assignments.get(email, [])
        call.account.assignments[email] = [*had, *(name for name in projects if name not in had)]
    return {email: call.account.assignments[email] for email in emails}


def unassign(call: Call) -> dict[str, list[str]]:
    said = call.fields()
    emails, projects = _strings(said, "emails"), _strings(said, "projects")
    for email in emails:
        had = call.account.assignments.get(email, [])
        call.account.assignments[email] = [name for name in had if name not in projects]
    return {email: call.account.assignments[email] for email in emails}


# --- evaluation and training ----------------------------------------------------------------------------------


def quality_task(call: Call, kind: str) -> dict[str, Any]:
    """For Rapid projects: a task with a known answer, in no list of tasks."""
    said = call.fields()
    if kind not in TYPES:
        raise rules.InvalidError(f"{kind} is not a task type.")
    if "expected_response" not in said:
        raise rules.InvalidError('Parameter is invalid, reason: "expected_response" is required')
    now = call.account.now()
    return {"id": call.world.new_id(now), "type": kind, "created_at": now, **said}


# --- Studio ---------------------------------------------------------------------------------------------------


def create_group(call: Call, project_name: str) -> dict[str, Any]:
    project, said = call.world.project(project_name), call.fields()
    name = text(said, "name")
    group = {"id": call.world.new_id(call.account.now()), "name": name, "isSingleton": False}
    project.groups[name] = group | _workers(_strings(said, "emails"))
    return project.groups[name]


def update_group(call: Call, project_name: str, name: str) -> dict[str, Any]:
    groups, said = call.world.project(project_name).groups, call.fields()
    if name not in groups:
        raise MissingError(f"Group {name} not found.")
    left = set(_strings(said, "remove_emails"))
    had = [worker["email"] for worker in groups[name]["workers"]]
    emails = dict.fromkeys([*had, *_strings(said, "add_emails")])
    groups[name] |= _workers([email for email in emails if email not in left])
    return groups[name]


def _workers(emails: list[str]) -> dict[str, Any]:
    workers = [{"id": f"worker-{email.partition('@')[0]}", "email": email} for email in emails]
    return {"numWorkers": len(workers), "workers": workers}


def studio_batches(call: Call) -> list[dict[str, Any]]:
    """Pending batches in the order of their priority: numbered ones first, then by age."""
    world = call.world
    pending = [batch for batch in world.batches.values() if batch.status != "completed"]
    pending.sort(key=lambda one: (one.priority is None, one.priority, one.created_at, one.id))
    return [_studio_batch(world, batch) for batch in pending]


def assign_batch(call: Call, name: str) -> dict[str, Any]:
    batch = call.world.batch(name)
    batch.groups = _strings(call.fields(), "groups")
    return _studio_batch(call.world, batch)


def set_priorities(call: Call) -> list[dict[str, Any]]:
    named = call.fields().get("batches")
    if not isinstance(named, list) or not all(isinstance(one, dict) for one in named):
        raise rules.InvalidError('Parameter is invalid, reason: "batches" must be an array of objects')
    batches = [call.world.batch(text(one, "name")) for one in named]
    for place, batch in enumerate(batches, 1):
        batch.priority = place
    return studio_batches(call)


def reset_priorities(call: Call) -> list[dict[str, Any]]:
    for batch in call.world.batches.values():
        batch.priority = None
    return studio_batches(call)


def _studio_batch(world: World, batch: Batch) -> dict[str, Any]:
    counts = world.progress(batch.name)
    return {
        "id": batch.id,
        "name": batch.name,
        "projectId": world.project(batch.project).id,
        "projectName": batch.project,
        "batchType": "Production",
        "studioPriority": batch.priority,
        "total": counts.total(),
        "completed": counts["completed"],
        "groups": batch.groups,
    }


def _strings(said: dict[str, Any], name: str) -> list[str]:
    value = said.get(name) or []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise rules.InvalidError(f'Parameter is invalid, reason: "{name}" must be an array of strings')
    return value
