"""Routes of projects and batches: names are their keys, and nothing of them is ever deleted (fact sheet §2)."""

from __future__ import annotations

from typing import Any

from connectors.scale.sandbox import rules
from connectors.scale.sandbox.api import Api, Call
from connectors.scale.sandbox.state import Batch, Project, TakenError
from connectors.scale.sandbox.store import Between
from connectors.scale.sandbox.tasks import between
from connectors.scale.sandbox.types import TYPES

WITH_TEMPLATE = ("textcollection", "chat")


def add_routes(api: Api) -> None:
    api.route("GET", "projects")(list_projects)
    api.route("POST", "projects")(create_project)
    api.route("GET", "projects/*")(lambda call, name: call.world.project(name).shown())
    api.route("POST", "projects/*/setParams")(set_params)
    api.route("POST", "projects/*/setOntology")(set_ontology)
    api.route("GET", "projects/*/taskTemplates")(template)
    api.route("GET", "batches")(list_batches)
    api.route("POST", "batches")(create_batch)
    api.route("GET", "batches/*")(lambda call, name: call.world.batch(name).shown())
    api.route("GET", "batches/*/status")(batch_status)
    api.route("POST", "batches/*/finalize")(finalize)
    api.route("POST", "batches/*/setMetadata")(set_batch_metadata)


# --- projects -------------------------------------------------------------------------------------------------


def list_projects(call: Call) -> list[Any]:
    """A bare array, without pages."""
    archived = call.flag("archived")
    return [one.shown() for one in call.world.projects.values() if archived in (None, one.archived)]


def create_project(call: Call) -> dict[str, Any]:
    said = call.fields()
    name, kind = text(said, "name"), text(said, "type")
    if kind not in TYPES:
        raise rules.InvalidError(f"{kind} is not a task type.")
    if name in call.world.projects:
        raise TakenError("A project with that name already exists.")
    params, now = _object(said, "params"), call.account.now()
    project = Project(
        id=call.world.new_id(now),
        name=name,
        type=kind,
        created_at=now,
        rapid=bool(said.get("rapid")),
        studio=bool(said.get("studio")),
    )
    if params:
        _append(project, params, now)
    call.world.projects[name] = project
    call.effect("create_project", name)
    return project.shown()


def set_params(call: Call, name: str) -> dict[str, Any]:
    """A new version; without ``patch`` it replaces every parameter, and values are always replaced whole."""
    project, params = call.world.project(name), dict(call.fields())
    if params.pop("patch", False):
        params = project.params() | params
    _append(project, params, call.account.now())
    call.effect("set_params", name, params)
    return project.shown()


def set_ontology(call: Call, name: str) -> dict[str, Any]:
    project, said = call.world.project(name), call.fields()
    if not isinstance(said.get("ontology"), list):
        raise rules.InvalidError('Parameter is invalid, reason: "ontology" must be an array')
    _append(project, project.params() | {"ontology": said["ontology"]}, call.account.now())
    call.effect("set_ontology", name)
    return project.shown()


def template(call: Call, name: str) -> dict[str, Any]:
    project = call.world.project(name)
    if project.type not in WITH_TEMPLATE:
        raise rules.InvalidError(f"Task templates are not supported for {project.type} projects.")
    return {
        "id": project.id,
        "version": len(project.param_history),
        "created_at": project.created_at,
        "updated_at": project.param_history[-1]["created_at"] if project.param_history else project.created_at,
        "template_variables": {"fields": project.params().get("fields", [])},
    }


def _append(project: Project, params: dict[str, Any], now: str) -> None:
    version = project.param_history[-1]["version"] + 1 if project.param_history else 0
    project.param_history.append(params | {"version": version, "created_at": now})


# --- batches --------------------------------------------------------------------------------------------------


def list_batches(call: Call) -> dict[str, Any]:
    """Newest first. The count goes under both names it has: ``totalDocs`` in Python's SDK, ``total`` in Node's."""
    limit, offset = call.number("limit", 100, 1, 100), call.number("offset", 0, 0, 10**9)
    bounds: list[tuple[str, Between | None]] = [
        ("created_at", between(call, "start_time", "end_time")),
        ("completed_at", between(call, "completed_after", "completed_before")),
        ("last_audited_at", between(call, "audited_after", "audited_before")),
    ]
    found = [
        batch
        for batch in sorted(call.world.batches.values(), key=lambda one: (one.created_at, one.id), reverse=True)
        if call.text("project") in (None, batch.project)
        and call.text("status") in (None, batch.status)
        and not (call.flag("exclude_archived") and batch.archived)
        and all(bound is None or bound.holds(getattr(batch, name)) for name, bound in bounds)
    ]
    return {
        "docs": [batch.shown() for batch in found[offset : offset + limit]],
        "totalDocs": len(found),
        "total": len(found),
        "limit": limit,
        "offset": offset,
        "has_more": offset + limit < len(found),
    }


def create_batch(call: Call) -> dict[str, Any]:
    said = call.fields()
    name, project_name = text(said, "name"), text(said, "project")
    if project_name not in call.world.projects:
        raise rules.InvalidError(f"Project {project_name} not found.")
    if name in call.world.batches:
        raise TakenError("A batch with that name already exists.")
    project, now = call.world.project(project_name), call.account.now()
    batch = Batch(
        id=call.world.new_id(now),
        name=name,
        project=project_name,
        status="staging" if project.rapid or project.studio else "in_progress",
        created_at=now,
        metadata=_object(said, "metadata"),
        callback=str(said.get("callback") or ""),
    )
    call.world.batches[name] = batch
    call.effect("create_batch", name)
    return batch.shown()


def batch_status(call: Call, name: str) -> dict[str, Any]:
    """Counts that are zero are left out."""
    return {"status": call.world.batch(name).status, **call.world.progress(name)}


def finalize(call: Call, name: str) -> dict[str, Any]:
    """Rapid and Studio: ``staging`` becomes ``in_progress``; anywhere else nothing happens, with 200."""
    batch = call.world.batch(name)
    if batch.status == "staging":
        batch.status = "in_progress"
        call.effect("finalize", name)
    return batch.shown()


def set_batch_metadata(call: Call, name: str) -> dict[str, Any]:
    batch = call.world.batch(name)
    batch.metadata = rules.check_metadata(call.fields())
    call.effect("batch_metadata", name, batch.metadata)
    return batch.shown()


# --- reading requests -----------------------------------------------------------------------------------------


def text(said: dict[str, Any], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str) or not value:
        raise rules.InvalidError(f'Parameter is invalid, reason: "{name}" is required')
    return value


def _object(said: dict[str, Any], name: str) -> dict[str, Any]:
    value = said.get(name) or {}
    if not isinstance(value, dict):
        raise rules.InvalidError(f'Parameter is invalid, reason: "{name}" must be an object')
    return value
