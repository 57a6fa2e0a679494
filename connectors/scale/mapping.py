"""One Scale task, or project, as documents: pure, total, and all that a page needs to say about it.

The task's payload is its ``raw``, unchanged, and the whole truth about its answers, marks and audits
(``children``): an upsert of the same task takes back those it no longer has. A task in ``error`` has no answer, only
an account of what went wrong in ``response`` (fact sheet ``platforms/scale.md`` §9); that stays in ``raw``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from connectors.coerce import flag, integer, many, mapping, moment, text
from connectors.documents import (
    JSON,
    AnyDocument,
    Campaign,
    CampaignStatus,
    InputType,
    Kind,
    Task,
    TaskStatus,
)
from connectors.errors import SkipRecord
from connectors.scale.annotations import annotation_documents
from connectors.scale.assets import asset_documents
from connectors.scale.audits import audit_documents, auditor, comments, records
from connectors.scale.labels import label_set
from connectors.scale.shapes import Place
from connectors.scale.submissions import answers, labeling_seconds, submission_documents
from connectors.scale.words import REVIEW_STATUS, TASK_STATUS, task_input

CHILDREN: Final = frozenset({Kind.SUBMISSION, Kind.ANNOTATION, Kind.AUDIT})
DASHBOARD: Final = "https://dashboard.scale.com/audit?taskId="
"""Deep link to a task (fact sheet §6)."""


def task_documents(task: JSON, *, campaign: str | None = None) -> list[AnyDocument]:
    """A task with its campaign, assets, auditors, answers, marks and audits, parents first.

    ``campaign`` names the project where the task names none. Raises ``SkipRecord`` for what is no task, and for the
    short form that ``limited_response`` gives (fact sheet §3): taken for the whole it would wipe out the rest.
    """
    if not isinstance(task, dict):
        raise SkipRecord("not a task: a JSON object is expected", raw=task)
    task_id = text(task.get("task_id"))
    if task_id is None:
        raise SkipRecord("not a task: it has no task_id", field="task_id", raw=task)
    if task.keys().isdisjoint(("type", "params", "created_at")):
        raise SkipRecord(
            "only a part of a task: type, params and created_at are missing", external_id=task_id, raw=task
        )
    campaign = _project(task) or campaign
    input_type = task_input(task)
    place = Place(task_type=(text(task.get("type")) or "").lower(), input_type=input_type)
    found = answers(task, task_id)
    assets = asset_documents(task, campaign)
    asset_ids = tuple(asset.external_id for asset in assets)
    submissions = submission_documents(task, task_id, campaign, found.all)
    annotations, locate = annotation_documents(task_id, campaign, found.all, asset_ids, place)
    audits = audit_documents(task, task_id, campaign, judged=found.judged, locate=locate, place=place)
    people = {who.external_id: who for record in records(task) if (who := auditor(record))}
    whole = Task(
        external_id=task_id,
        raw=task,
        children=CHILDREN,
        source_updated_at=moment(task.get("updated_at")),
        url=DASHBOARD + quote(task_id, safe="", errors="replace"),
        campaign=campaign,
        asset=asset_ids[0] if asset_ids else None,
        assets=asset_ids,
        asset_name=str(assets[0].name) if assets else None,
        batch=text(task.get("batch")),
        type=text(task.get("type")),
        status=_status(task),
        native_status=text(task.get("status")),
        priority=integer(task.get("priority")),
        review_status=REVIEW_STATUS.get((text(task.get("customer_review_status")) or "").lower()),
        review_comments=comments(task.get("customer_review_comments")),
        labeling_seconds=labeling_seconds(found.all[-1].response) if found.all and found.all[-1].is_current else None,
        tags=tuple(tag for one in many(task.get("tags")) if (tag := text(one))),
        metadata=task.get("metadata"),
        created_at=moment(task.get("created_at")),
        updated_at=moment(task.get("updated_at")),
        completed_at=moment(task.get("completed_at")),
    )
    stub = [campaign_stub(campaign, input_type)] if campaign else []
    return [*stub, *assets, *people.values(), whole, *submissions, *annotations, *audits]


def campaign_stub(name: str, input_type: InputType | None) -> Campaign:
    """All that a task knows of its project: its name, which is its id (fact sheet §1), and perhaps what it is about."""
    if input_type is None:
        return Campaign(external_id=name, facet="stub", name=name)
    return Campaign(external_id=name, facet="stub", assumed=frozenset({"input_type"}), name=name, input_type=input_type)


def project_document(project: JSON) -> Campaign:
    """A project as ``GET /projects`` gives it (fact sheet §2). Raises ``SkipRecord`` for what is none."""
    if not isinstance(project, dict):
        raise SkipRecord("not a project: a JSON object is expected", raw=project)
    name = text(project.get("name"))
    if name is None:
        raise SkipRecord("not a project: it has no name", field="name", raw=project)
    versions = [version for version in many(project.get("param_history")) if isinstance(version, dict)]
    params = versions[-1] if versions else {}
    archived = flag(project.get("archived"))
    changes = [moment(one.get("created_at")) for one in (project, *versions)]
    return Campaign(
        external_id=name,
        raw=project,
        name=name,
        description=text(params.get("instruction")),
        status=_CAMPAIGN_STATUS[archived],
        native_status="archived" if archived else None,
        input_type=task_input({"type": project.get("type"), "params": params}) or InputType.OTHER,
        label_set=label_set(params),
        created_at=moment(project.get("created_at")),
        updated_at=max((at for at in changes if at), default=None),
    )


_CAMPAIGN_STATUS: Final = {
    True: CampaignStatus.ARCHIVED,
    False: CampaignStatus.OPEN,
    None: CampaignStatus.UNKNOWN,
}


def _project(task: Mapping[str, JSON]) -> str | None:
    return text(task.get("project")) or text(mapping(task.get("project")).get("name"))


def _status(task: Mapping[str, JSON]) -> TaskStatus:
    """``work_started`` tells work in progress from waiting, inside ``pending`` (§4)."""
    status = TASK_STATUS.get((text(task.get("status")) or "").lower(), TaskStatus.UNKNOWN)
    if status is TaskStatus.PENDING and task.get("work_started") is True:
        return TaskStatus.IN_PROGRESS
    return status
