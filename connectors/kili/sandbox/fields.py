"""Fields of the answers that are more than an attribute of a record: states, flags, links and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeAlias

from connectors.kili.sandbox.filters import member_status
from connectors.kili.sandbox.marks import category_counts, parse
from connectors.kili.sandbox.platform import Call
from connectors.kili.sandbox.store import HUMAN, Asset, Label, Notification, Project
from connectors.kili.sandbox.workflow import status_of

Field: TypeAlias = Callable[[Any, Call], Any]

STORED_AFTER = timedelta(seconds=30)


def is_stored(label: Label, call: Call) -> bool:
    """Whether the answer lies in the bucket already; then the inline text is empty (fact sheet §8)."""
    responses = call.platform.options.responses
    if responses == "inline" or label.response == "{}":
        return False
    return responses == "url" or call.platform.store.now() - label.updated_at >= STORED_AFTER


def is_latest(label: Label, *types: str) -> bool:
    """The author's newest label on the asset, among ``types`` if given; a model's labels are told apart by model."""
    rivals = [x for x in label.asset.labels if x.author is label.author and x.model_name == label.model_name]
    return next((x for x in reversed(rivals) if not types or x.label_type in types), None) is label


def is_last_for_step(label: Label) -> bool:
    """The newest human label of its step, with consensus of its author in the step; V1 counts types as steps."""
    return label in _last_for_steps(label.asset)


def latest_labels(asset: Asset) -> list[Label | None]:
    """The last labels of the last step that has any; a place that nobody has filled yet is null (fact sheet §6)."""
    last = _last_for_steps(asset)
    step = last[-1].step if last else None
    kind = last[-1].label_type if last else None
    found: list[Label | None] = [
        x for x in last if (x.step is step if asset.step is not None else x.label_type == kind)
    ]
    places = asset.project.min_consensus_size if asset.is_used_for_consensus and kind != "REVIEW" else 1
    return found + [None] * (places - len(found))


def _last_for_steps(asset: Asset) -> list[Label]:
    newest: dict[tuple[str, str], Label] = {}
    for label in asset.labels:
        if label.label_type in HUMAN and not label.is_ground_truth:
            step = label.label_type if label.step is None else label.step.id
            newest[(step, label.author.id if asset.is_used_for_consensus else "")] = label
    return sorted(newest.values(), key=lambda label: (label.created_at, label.id))


def _latest_label(asset: Asset, _: Call) -> Label | None:
    return next((x for x in reversed(asset.labels) if x.label_type in HUMAN), None)


def _current_step(asset: Asset, _: Call) -> dict[str, Any] | None:
    step = asset.step
    if step is None:
        return None
    group = step.group.name if step.group else None
    return {"id": step.id, "name": step.name, "type": step.type, "status": asset.step_status, "stepGroupName": group}


def _count_status(*statuses: str) -> Field:
    return lambda project, _: sum(status_of(asset) in statuses for asset in project.assets)


def _count_issues(kind: str, status: str) -> Field:
    return lambda project, _: sum(issue.type == kind and issue.status == status for issue in project.issues)


def _setting(name: str, default: Any) -> Field:
    return lambda project, _: project.settings.get(name, default)


def _mean_mark(name: str) -> Field:
    def field(project: Project, _: Call) -> float | None:
        marks = [mark for asset in project.assets if (mark := getattr(asset, name)) is not None]
        return round(sum(marks) / len(marks), 4) if marks else None

    return field


def _json_response(label: Label, call: Call) -> str:
    return "{}" if is_stored(label, call) else label.response


def _json_response_url(label: Label, call: Call) -> str | None:
    return call.platform.bucket.response_link(call.base, label) if is_stored(label, call) else None


def _total_seconds(label: Label, _: Call) -> int:
    mine = (x for x in label.asset.labels if x.author is label.author and x.created_at <= label.created_at)
    return sum(x.seconds_to_label or 0 for x in mine)


def _name(user: Any, _: Call) -> str:
    return f"{user.firstname} {user.lastname}"


def _notification_status(notification: Notification, call: Call) -> str:
    return "SUCCESS" if notification.done_at <= call.platform.store.now() else "PENDING"


def annotations_of(label: Label) -> Counter[str]:
    return category_counts(parse(label))


FIELDS: dict[str, dict[str, Field]] = {
    "User": {"name": _name, "organization": lambda _, call: call.platform.store.organization},
    "Organization": {"license": lambda *_: {"api": True, "uploadLocalData": True}},
    "ProjectUser": {
        "activated": lambda member, _: member.user.activated,
        "status": lambda member, _: member_status(member),
    },
    "Step": {
        "stepGroupId": lambda step, _: step.group.id if step.group else None,
        "stepCoverage": lambda step, _: step.coverage,
    },
    "Project": {
        "roles": lambda project, _: [member for member in project.members if not member.deleted],
        "canNavigateBetweenAssets": _setting("canNavigateBetweenAssets", default=True),
        "canSkipAsset": _setting("canSkipAsset", default=True),
        "useHoneyPot": _setting("useHoneyPot", default=False),
        "instructions": _setting("instructions", default=None),
        "metadataProperties": _setting("metadataProperties", default=None),
        "geospatialSettings": lambda *_: None,
        "dataConnections": lambda *_: [],
        "consensusMark": _mean_mark("consensus_mark"),
        "honeypotMark": _mean_mark("honeypot_mark"),
        "numberOfAssets": lambda project, _: len(project.assets),
        "numberOfRemainingAssets": _count_status("TODO", "ONGOING"),
        "numberOfReviewedAssets": _count_status("REVIEWED"),
        "numberOfSkippedAssets": lambda project, _: sum(asset.skipped for asset in project.assets),
        "numberOfOpenIssues": _count_issues("ISSUE", "OPEN"),
        "numberOfSolvedIssues": _count_issues("ISSUE", "SOLVED"),
        "numberOfOpenQuestions": _count_issues("QUESTION", "OPEN"),
        "numberOfSolvedQuestions": _count_issues("QUESTION", "SOLVED"),
    },
    "Asset": {
        "content": lambda asset, call: call.platform.bucket.content_link(call.base, asset),
        "status": lambda asset, _: status_of(asset),
        "currentStep": _current_step,
        "latestLabel": _latest_label,
        "latestLabels": lambda asset, _: latest_labels(asset),
        "toBeLabeledBy": lambda asset, _: asset.assignees,
        "locks": lambda asset, _: [] if asset.lock is None else [asset.lock],
        "ocrMetadata": lambda *_: None,
        "geospatialExportMetadata": lambda *_: None,
        "thumbnail": lambda *_: None,
        "duration": lambda *_: None,
    },
    "Label": {
        "assetId": lambda label, _: label.asset.id,
        "labelOf": lambda label, _: label.asset,
        "jsonResponse": _json_response,
        "jsonResponseUrl": _json_response_url,
        "numberOfAnnotations": lambda label, _: sum(annotations_of(label).values()),
        "totalSecondsToLabel": _total_seconds,
        "isLatestLabelForUser": lambda label, _: is_latest(label),
        "isLatestDefaultLabelForUser": lambda label, _: is_latest(label, "DEFAULT"),
        "isLatestReviewLabelForUser": lambda label, _: is_latest(label, "REVIEW"),
        "isLastForStep": lambda label, _: is_last_for_step(label),
        "isSentBackToQueue": lambda label, _: label.is_sent_back,
    },
    "Issue": {
        "assetId": lambda issue, _: issue.asset.id,
        "project": lambda issue, _: issue.asset.project,
        "hasBeenSeen": lambda *_: False,
        "assignee": lambda *_: None,
    },
    "Comment": {"authorIdUser": lambda comment, _: comment.author.id},
    "Notification": {
        "status": _notification_status,
        "url": lambda *_: None,
        "hasBeenSeen": lambda *_: False,
        "userID": lambda notification, _: notification.user.id,
    },
}
