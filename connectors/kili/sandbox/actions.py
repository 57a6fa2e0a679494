"""What a test or the demo may make happen on the platform, as if somebody else had done it: no effect is counted.

Each is offered under its name by ``control.actions``; assets are named by id or by external id.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from connectors.kili.sandbox.platform import Platform
from connectors.kili.sandbox.store import Asset, Label, LabelType, Project, User
from connectors.kili.sandbox.webhooks import DEFAULT_HANDLERS, Style, Webhook
from connectors.kili.sandbox.workflow import status_of


def register(platform: Platform) -> None:
    actions = Actions(platform)
    for name in sorted(vars(Actions)):
        if not name.startswith("_"):
            platform.control.action(_whole(platform, getattr(actions, name)))


def _whole(platform: Platform, action: Callable[..., Any]) -> Callable[..., Any]:
    """Actions come from other threads than requests; each sees and leaves a whole state."""

    @functools.wraps(action)
    def locked(**arguments: Any) -> Any:
        with platform.store.lock:
            platform.marks.run()
            return action(**arguments)

    return locked


class Actions:
    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._store = platform.store
        self._changes = platform.changes

    # --- looking ------------------------------------------------------------------------------------------------

    def overview(self) -> dict[str, Any]:
        """Projects with their counts, everybody by e-mail, and how many hear of labels (webhooks are one)."""
        return {
            "projects": [
                {"id": project.id, "title": project.title, "workflowVersion": project.workflow_version}
                | {"assets": len(project.assets), "labels": len(project.labels), "issues": len(project.issues)}
                | {"steps": {step.name: step.id for step in project.steps}}
                for project in self._store.visible_projects()
            ],
            "users": {user.email: user.id for user in self._store.users.values()},
            "listeners": len(self._platform.events.label_listeners),
        }

    def list_assets(self, project: str, status: str | None = None) -> list[dict[str, Any]]:
        """Assets of a project in order, by id or title, with state, labels and issues."""
        return [
            {"id": asset.id, "externalId": asset.external_id, "status": status_of(asset)}
            | {"step": asset.step.name if asset.step else None, "stepStatus": asset.step_status if asset.step else None}
            | {"labels": [{"id": x.id, "labelType": x.label_type, "sentBack": x.is_sent_back} for x in asset.labels]}
            | {"issues": [{"id": x.id, "type": x.type, "status": x.status} for x in asset.issues]}
            for asset in self._project(project).assets
            if status in (None, status_of(asset))
        ]

    # --- assets -------------------------------------------------------------------------------------------------

    def create_assets(self, project: str, count: int = 1, prefix: str = "new") -> list[str]:
        target = self._project(project)
        first = len(target.by_external_id)
        made = [
            self._changes.add_asset(
                target, target.author, f"{prefix}-{first + index}", content="https://example.org/new"
            )
            for index in range(count)
        ]
        return [asset.id for asset in made]

    def delete_asset(self, asset: str) -> None:
        found = self._asset(asset)
        self._changes.remove_asset(found, found.project.author)

    def touch(self, asset: str, metadata: dict[str, Any] | None = None) -> None:
        """An edit of the asset itself: ``updatedAt`` moves."""
        found = self._asset(asset)
        fields = {} if metadata is None else {"json_metadata": json.dumps(metadata)}
        self._changes.edit_asset(found, found.project.author, fields)

    def lock(self, asset: str, author: str | None = None, reason: str = "AssetAlreadyLocked") -> None:
        self._changes.lock(self._asset(asset), None if author is None else self._user(author), reason)

    def unlock(self, asset: str) -> None:
        self._changes.unlock(self._asset(asset))

    def fail_next(self, asset: str, details: str = "write conflict") -> None:
        """The next action that a client asks of the asset ends under ``failed``, once: it may be tried again."""
        self._store.failing[self._asset(asset).id] = details

    def send_back(self, asset: str, author: str | None = None) -> bool:
        found = self._asset(asset)
        return self._changes.send_back(found, self._author(found, author))

    def add_to_review(self, asset: str, author: str | None = None) -> bool:
        found = self._asset(asset)
        return self._changes.to_review(found, self._author(found, author))

    def set_marks(
        self, asset: str, consensus: float | None = None, honeypot: float | None = None, inference: float | None = None
    ) -> None:
        """Marks that the platform computed anew: neither a label nor ``updatedAt`` tells."""
        found = self._asset(asset)
        found.consensus_mark, found.honeypot_mark, found.inference_mark = consensus, honeypot, inference
        self._store.changed += 1

    # --- labels and issues --------------------------------------------------------------------------------------

    def label(
        self,
        asset: str,
        label_type: LabelType = "DEFAULT",
        response: dict[str, Any] | None = None,
        author: str | None = None,
        model_name: str | None = None,
    ) -> str:
        """A label of any type, without asking whether the author may."""
        found = self._asset(asset)
        name = model_name or ("tide-detector-2" if label_type in ("PREDICTION", "INFERENCE") else None)
        text = json.dumps({} if response is None else response)
        return self._changes.add_label(found, self._author(found, author), label_type, text, model_name=name).id

    def edit_label(self, label: str, response: dict[str, Any], author: str | None = None) -> None:
        found = self._label(label)
        self._changes.edit_label(found, self._author(found.asset, author), json.dumps(response))

    def review(self, asset: str, response: dict[str, Any] | None = None, author: str | None = None) -> str:
        """A REVIEW label; without a response it repeats the last answer, which is an acceptance."""
        found = self._asset(asset)
        last = next((x for x in reversed(found.labels) if x.label_type in ("DEFAULT", "REVIEW")), None)
        text = json.dumps(response) if response is not None else last.response if last is not None else "{}"
        referenced = last.id if last is not None else None
        user = self._author(found, author)
        return self._changes.add_label(found, user, "REVIEW", text, referenced_label_id=referenced).id

    def delete_label(self, label: str) -> None:
        self._changes.remove_label(self._label(label))

    def create_issue(
        self,
        asset: str,
        text: str = "",
        type: Any = "ISSUE",  # noqa: A002  (the platform's word)
        object_mid: str | None = None,
        author: str | None = None,
    ) -> str:
        found = self._asset(asset)
        label = found.labels[-1].id if found.labels and type == "ISSUE" else None
        user = self._author(found, author)
        return self._changes.add_issue(found, user, type, text, label_id=label, object_mid=object_mid).id

    def resolve_issue(self, issue: str, status: str = "SOLVED") -> None:
        found = self._store.issues[issue]
        self._changes.set_issue_status(found, found.author, status)

    # --- projects and webhooks ----------------------------------------------------------------------------------

    def rename_project(self, project: str, title: str) -> None:
        found = self._project(project)
        found.title, found.updated_at = title, self._store.now()
        self._platform.events.add("project.settings.updated", found, found.author, {"fields": ["title"]})

    def set_webhook(
        self,
        url: str,
        header: str | None = None,
        style: Style = "handler",
        matcher: list[str] | None = None,
        project: str | None = None,
    ) -> str:
        """Registers or replaces the webhook ``actions`` for one project or all; ``style`` is how it is called."""
        events = () if style == "handler" else tuple(matcher or ("asset.*", "label.*", "project.*"))
        handlers = (*DEFAULT_HANDLERS, "onSendBackToQueue")
        hook = Webhook("actions", url, header, handlers, events, wrapped=style == "wrapped")
        hook.projects = set(self._store.projects) if project is None else {self._project(project).id}
        self._platform.webhooks.registered[hook.name] = hook
        return hook.name

    def replay_webhooks(self, last: int | None = None) -> int:
        return self._platform.webhooks.replay(last)

    def list_deliveries(self) -> list[dict[str, Any]]:
        return [asdict(delivery) for delivery in self._platform.webhooks.deliveries]

    # --- names --------------------------------------------------------------------------------------------------

    def _project(self, name: str) -> Project:
        for project in self._store.projects.values():
            if name in (project.id, project.title):
                return project
        raise KeyError(f"no project {name}")

    def _asset(self, name: str) -> Asset:
        if name in self._store.assets:
            return self._store.assets[name]
        for project in self._store.projects.values():
            if name in project.by_external_id:
                return project.by_external_id[name]
        raise KeyError(f"no asset {name}")

    def _label(self, label_id: str) -> Label:
        return self._store.labels[label_id]

    def _user(self, name: str) -> User:
        return next(user for user in self._store.users.values() if name in (user.id, user.email))

    def _author(self, asset: Asset, name: str | None) -> User:
        return asset.project.author if name is None else self._user(name)
