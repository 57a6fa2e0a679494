"""Everything that can happen on the platform: one method a change, used by mutations, control actions and the seed.

Each method keeps the store, the workflow, the audit trail and the marks in step. Who may do what is asked elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from connectors.kili.sandbox import workflow
from connectors.kili.sandbox.events import EventLog
from connectors.kili.sandbox.marks import Marks
from connectors.kili.sandbox.store import (
    HUMAN,
    MODEL,
    Asset,
    Comment,
    Issue,
    Label,
    LabelType,
    Lock,
    Project,
    Step,
    Store,
    User,
)

Touch: TypeAlias = Literal["properties", "state", "labels"]
"""What moves ``Asset.updatedAt``: edits of the asset only, also its status or step, or also any label on it.

Whether a label does is undocumented (fact sheet §16), so a connector has to live with each."""


class Changes:
    def __init__(self, store: Store, events: EventLog, marks: Marks, touch: Touch) -> None:
        self.store = store
        self.events = events
        self.marks = marks
        self._touch = touch

    # --- assets -----------------------------------------------------------------------------------------------

    def add_asset(self, project: Project, user: User, external_id: str, **fields: Any) -> Asset:
        now = self.store.now()
        fields.setdefault("id", self.store.new_id())
        asset = Asset(project=project, external_id=external_id, created_at=now, updated_at=now, **fields)
        workflow.enter(asset)
        self.store.add_asset(asset)
        self.events.about("asset.created", asset, user)
        return asset

    def edit_asset(self, asset: Asset, user: User, fields: dict[str, Any]) -> None:
        """Sets fields of the record; names are ours, the event tells the platform's."""
        if "external_id" in fields:
            asset.project.by_external_id.pop(asset.external_id, None)
            asset.project.by_external_id[fields["external_id"]] = asset
        for name, value in fields.items():
            setattr(asset, name, value)
        self._touched(asset, "properties")
        self.events.about("asset.updated", asset, user, fields=[_camel(name) for name in fields])

    def remove_asset(self, asset: Asset, user: User) -> None:
        self.store.remove_asset(asset)
        self.events.about("asset.deleted", asset, user)

    def assign(self, asset: Asset, user: User, users: Iterable[User]) -> None:
        asset.assignees = list(users)
        self._touched(asset, "properties")
        self.events.about("asset.workflow.assigned", asset, user)

    def skip(self, asset: Asset, user: User) -> None:
        moves = workflow.skip(asset)
        self._touched(asset, "state")
        self.events.about("asset.skipped", asset, user, skipped=True, status=workflow.status_of(asset))
        self._moved(asset, user, moves)

    def unskip(self, asset: Asset, user: User) -> None:
        moves = workflow.unskip(asset)
        self._touched(asset, "state")
        self.events.about("asset.unskipped", asset, user)
        self._moved(asset, user, moves)

    def send_back(self, asset: Asset, user: User) -> bool:
        """False: declined. The labels that made the state are marked, the newest is told as rejected."""
        if not workflow.may_send_back(asset):
            return False
        moves = workflow.sent_back(asset)
        standing = [label for label in asset.labels if not (label.is_sent_back or label.is_ground_truth)]
        rejected = [label for label in standing if label.label_type in HUMAN]
        for label in rejected:
            label.is_sent_back = True
        if rejected and moves[0].after is not None:
            before = moves[0].before or moves[0].after
            self.events.about(
                "label.workflow.rejected",
                asset,
                user,
                labelId=rejected[-1].id,
                newStepId=moves[0].after.id,
                previousStepId=before.id,
            )
        self._moved(asset, user, moves)
        self.events.sent_back(asset)
        return True

    def to_review(self, asset: Asset, user: User) -> bool:
        """False: declined."""
        if not workflow.may_go_to_review(asset):
            return False
        moves = workflow.to_review(asset)
        if moves[0].after is not None and moves[0].before is not None:
            steps = {"newStepId": moves[0].after.id, "previousStepId": moves[0].before.id}
            self.events.about("asset.workflow.setToNextStep", asset, user, **steps)
        self._moved(asset, user, moves)
        return True

    def lock(self, asset: Asset, author: User | None, reason: str) -> None:
        asset.lock = Lock(self.store.new_id(), author, reason, self.store.now())
        self.events.about("asset.workflow.lock.created", asset, author or asset.project.author)

    def unlock(self, asset: Asset) -> None:
        user = asset.lock.author if asset.lock is not None and asset.lock.author else asset.project.author
        asset.lock = None
        self.events.about("asset.workflow.lock.deleted", asset, user)

    # --- labels -----------------------------------------------------------------------------------------------

    def add_label(
        self, asset: Asset, author: User, label_type: LabelType, response: str, step: Step | None = None, **fields: Any
    ) -> Label:
        """Adds without asking whether it may: ``workflow.check`` is for those who must ask."""
        now = self.store.now()
        late = step is not None and step is not asset.step
        on = (step or asset.step) if label_type in HUMAN or label_type == "AUTOSAVE" else None
        label = Label(
            self.store.new_id(), asset, author, label_type, response, created_at=now, updated_at=now, step=on, **fields
        )
        self.store.add_label(label)
        self._touched(asset, "labels")
        kind = "honeypot" if label.is_ground_truth else label_type.lower()
        if label_type != "AUTOSAVE":
            self.events.about(f"label.workflow.created.{kind}", asset, author, labelId=label.id)
        if not late and not label.is_ground_truth:
            self._moved(asset, author, _moves_for(asset, label_type))
        if label_type == "REVIEW":
            self.events.about("label.workflow.validated", asset, author, labelId=label.id)
        self.marks.expect(asset)
        self.events.saved(label)
        return label

    def edit_label(self, label: Label, user: User, response: str) -> None:
        """The same label with another answer: ``createdAt`` stays, so only the event tells (fact sheet §16)."""
        label.response = response
        label.updated_at = self.store.now()
        label.version += 1
        self._touched(label.asset, "labels")
        self.events.about("label.workflow.edited", label.asset, user, labelId=label.id)
        self.marks.expect(label.asset)
        self.events.saved(label)

    def overwrite(self, asset: Asset, label_type: LabelType, model_name: str | None) -> None:
        """Takes away what ``overwrite`` replaces: labels of the same type by the same model (fact sheet §11)."""
        for label in list(asset.labels):
            if label_type in MODEL and label.label_type == label_type and label.model_name == model_name:
                self.store.remove_label(label)

    def remove_label(self, label: Label) -> None:
        """Leaves no event: the catalogue has none for it."""
        self.store.remove_label(label)
        self._touched(label.asset, "labels")

    # --- issues -----------------------------------------------------------------------------------------------

    def add_issue(
        self,
        asset: Asset,
        author: User,
        kind: Literal["ISSUE", "QUESTION"],
        text: str | None,
        *,
        label_id: str | None = None,
        object_mid: str | None = None,
    ) -> Issue:
        now = self.store.now()
        asset.project.last_issue += 1
        issue = Issue(self.store.new_id(), kind, asset, author, asset.project.last_issue, now, now)
        issue.label_id, issue.object_mid = label_id, object_mid
        if text:
            issue.comments.append(Comment(self.store.new_id(), text, author, now))
        self.store.add_issue(issue)
        self.events.about(f"asset.{kind.lower()}.created", asset, author, **_named(issue), objectMid=object_mid)
        return issue

    def set_issue_status(self, issue: Issue, user: User, status: str) -> None:
        """Every transition is allowed; the catalogue has no event for an issue that is opened again."""
        if issue.status != status:
            issue.status = status
            issue.updated_at = self.store.now()
            self.store.changed += 1
            subject = {"SOLVED": "resolved", "CANCELLED": "cancelled"}.get(status)
            if subject is not None:
                self.events.about(f"asset.{issue.type.lower()}.{subject}", issue.asset, user, **_named(issue))

    # --- shared -----------------------------------------------------------------------------------------------

    def _touched(self, asset: Asset, cause: Touch) -> None:
        self.store.changed += 1
        order = ("properties", "state", "labels")
        if order.index(cause) <= order.index(self._touch):
            asset.updated_at = self.store.now()

    def _moved(self, asset: Asset, user: User, moves: list[workflow.Move]) -> None:
        for move in moves:
            self._touched(asset, "state")
            if move.after is None:
                self.events.about("asset.updated", asset, user, fields=["status"])
                continue
            if move.before is not None and move.before is not move.after:
                steps = {"newStepId": move.after.id, "previousStepId": move.before.id}
                self.events.about("asset.workflow.currentStep.changed", asset, user, **steps)
            status = {"stepId": move.after.id, "status": move.status}
            self.events.about("asset.workflow.currentStep.statusChanged", asset, user, **status)


def _moves_for(asset: Asset, label_type: str) -> list[workflow.Move]:
    transition = {"AUTOSAVE": workflow.drafted, "DEFAULT": workflow.labelled, "REVIEW": workflow.reviewed}
    return transition[label_type](asset) if label_type in transition else []


def _named(issue: Issue) -> dict[str, str]:
    return {"issueId" if issue.type == "ISSUE" else "questionId": issue.id}


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
