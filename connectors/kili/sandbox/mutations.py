"""The root mutation fields on labels, issues and the way of assets: both families (fact sheet §7).

Everything is checked before anything is changed. Each change that a client caused is counted in ``control.effects``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal

from connectors.kili.sandbox import workflow
from connectors.kili.sandbox.filters import Where, compact
from connectors.kili.sandbox.platform import EVERYBODY, MANAGERS, REVIEWERS, Call, Platform, Role, at_most, failure
from connectors.kili.sandbox.store import MODEL, Asset, Issue, Label, LabelType, Project, Step

Outcome = dict[str, list[dict[str, str]]]


class WorkMutations:
    def __init__(self, platform: Platform) -> None:
        self._store = platform.store
        self._changes = platform.changes
        self._effect = platform.control.effect
        self._events = platform.events

    # --- labels -----------------------------------------------------------------------------------------------

    def appendManyLabels(self, call: Call, data: Mapping[str, Any], where: Where) -> list[Label]:
        """Labels in the order given; all or none. ``where.idIn`` names an asset a label, ``assetID`` wins."""
        items = data["labelsData"]
        at_most(len(items), "labels")
        named = compact(where)
        ids = named.get("idIn") or [named.get("id")] * len(items)
        if len(ids) != len(items):
            raise failure("unexpectedRetrieving", f"{len(items)} labels for {len(ids)} assets.")
        kind: LabelType = data.get("labelType") or "DEFAULT"
        plans = [
            self._plan(call, call.asset(item.get("assetID") or asset_id), kind, item, data.get("stepId"))
            for item, asset_id in zip(items, ids, strict=True)
        ]
        for asset in {plan[0] for plan in plans}:
            if "id" in named.get("project", {}) and asset.project.id != named["project"]["id"]:
                raise failure("unexpectedRetrieving", f"Asset {asset.id} is not in {named['project']['id']}.")
        if data.get("overwrite"):
            for asset, fields in plans:
                self._changes.overwrite(asset, kind, fields["model_name"])
        return [self._label(asset, kind, fields) for asset, fields in plans]

    def appendToLabels(self, call: Call, data: Mapping[str, Any], where: Where) -> Label:
        kind: LabelType = data.get("labelType") or "DEFAULT"
        asset, fields = self._plan(call, call.asset(compact(where).get("id")), kind, data, None)
        return self._label(asset, kind, fields | {"skipped": bool(data.get("skipped"))})

    def createHoneypot(self, call: Call, data: Mapping[str, Any], where: Where) -> Label:
        """A REVIEW label as ground truth; it moves nothing."""
        asset = call.asset(compact(where).get("id"))
        call.require(asset.project, MANAGERS)
        response = _response(data.get("jsonResponse"))
        asset.is_honeypot = True
        return self._label(asset, "REVIEW", {"author": call.user, "response": response, "is_ground_truth": True})

    def deleteLabels(self, call: Call, ids: list[str]) -> list[str]:
        at_most(len(ids), "labels")
        labels = [self._store.labels[label_id] for label_id in dict.fromkeys(ids) if label_id in self._store.labels]
        for label in labels:
            call.require(label.asset.project, MANAGERS)
        for label in labels:
            self._changes.remove_label(label)
            self._effect("delete_label", label.asset.id, {"id": label.id})
        return [label.id for label in labels]

    def _plan(
        self, call: Call, asset: Asset, kind: LabelType, item: Mapping[str, Any], step_id: str | None
    ) -> tuple[Asset, dict[str, Any]]:
        call.require(asset.project, _ROLES.get(kind, EVERYBODY))
        author = self._store.users.get(item.get("authorID") or call.user.id)
        if author is None:
            raise failure("unexpectedRetrieving", f"No user {item['authorID']}.")
        if kind in MODEL and not item.get("modelName"):
            raise failure("missingModelName", f"A {kind} label needs a modelName.")
        referenced = item.get("referencedLabelId")
        if referenced is not None and referenced not in {label.id for label in asset.labels}:
            raise failure("unexpectedRetrieving", f"No label {referenced} on asset {asset.id}.")
        step = _step(asset.project, step_id)
        try:
            workflow.check(asset, kind, author, step)
        except workflow.LockedError as locked:
            context = {"reason": locked.reason, "assetId": asset.id}
            raise failure("assetLocked", f"Asset {asset.id} takes no {kind} label now.", context=context) from None
        seconds = item.get("secondsToLabel")
        return asset, {
            "author": author,
            "response": _response(item.get("jsonResponse")),
            "step": step,
            "model_name": item.get("modelName"),
            "seconds_to_label": None if seconds is None else round(seconds),
            "referenced_label_id": referenced,
        }

    def _label(self, asset: Asset, kind: LabelType, fields: dict[str, Any]) -> Label:
        label = self._changes.add_label(asset, label_type=kind, **fields)
        detail = {"id": label.id, "labelType": kind, "authorId": label.author.id, "jsonResponse": label.response}
        self._effect("label", asset.id, detail | {"referencedLabelId": label.referenced_label_id})
        return label

    # --- issues -----------------------------------------------------------------------------------------------

    def createIssues(self, call: Call, issues: list[Mapping[str, Any]], where: Where) -> list[Issue]:
        """An issue's asset follows from its label; a question names its asset."""
        at_most(len(issues), "issues")
        plans = [(self._issue_asset(call, item, compact(where)), item) for item in issues]
        created = []
        for asset, item in plans:
            kind: Literal["ISSUE", "QUESTION"] = item.get("type") or "ISSUE"
            marks = {"label_id": item.get("labelID"), "object_mid": item.get("objectMid")}
            issue = self._changes.add_issue(asset, call.user, kind, item.get("text"), **marks)
            detail = {"id": issue.id, "type": kind, "text": item.get("text"), "labelId": issue.label_id}
            self._effect("issue", asset.id, detail | {"objectMid": issue.object_mid})
            created.append(issue)
        return created

    def updatePropertiesInIssue(self, call: Call, data: Mapping[str, Any], where: Where) -> Issue:
        issue = self._store.issues.get(compact(where).get("id", ""))
        if issue is None:
            raise failure("unexpectedRetrieving", "No such issue that you can access.")
        call.require(issue.asset.project, EVERYBODY)
        if data.get("status") is not None and data["status"] != issue.status:
            self._changes.set_issue_status(issue, call.user, data["status"])
            self._effect("issue_status", issue.asset.id, {"id": issue.id, "status": issue.status})
        return issue

    def _issue_asset(self, call: Call, item: Mapping[str, Any], where: Where) -> Asset:
        label = self._store.labels.get(item.get("labelID") or "")
        if item.get("labelID") and label is None:
            raise failure("unexpectedRetrieving", f"No label {item['labelID']} that you can access.")
        asset = label.asset if label is not None else call.asset(item.get("assetId") or where.get("id"))
        call.require(asset.project, REVIEWERS if item.get("type") == "ISSUE" else EVERYBODY)
        if where.get("project", {}).get("id", asset.project.id) != asset.project.id:
            raise failure("unexpectedRetrieving", f"Asset {asset.id} is not in {where['project']['id']}.")
        return asset

    # --- the way of assets: the family since 26.2.1 --------------------------------------------------------------

    def sendAssetsBackToQueue(self, call: Call, where: Where) -> Outcome:
        return self._outcome(call, where, action="sendBackToQueue", roles=REVIEWERS, change=self._send_back)

    def addAssetsToReview(self, call: Call, where: Where) -> Outcome:
        return self._outcome(call, where, action="setToNextStep", roles=REVIEWERS, change=self._to_review)

    def deleteAssets(self, call: Call, where: Where) -> Outcome:
        return self._outcome(call, where, action="delete", roles=MANAGERS, change=self._delete, unknown="succeeded")

    def assignAssets(self, call: Call, where: Where, userIds: list[str]) -> Outcome:
        return self._outcome(
            call, where, action="assign", roles=MANAGERS, change=self._assign(userIds), userIds=userIds
        )

    def setAssetsPriority(self, call: Call, where: Where, priority: int) -> Outcome:
        return self._outcome(
            call, where, action="prioritize", roles=MANAGERS, change=self._prioritise(priority), priority=priority
        )

    # --- and the family up to 26.2.0 ----------------------------------------------------------------------------

    def sendBackAssetsToQueue(self, call: Call, where: Where) -> Project | None:
        return self._moved(self.sendAssetsBackToQueue(call, where))

    def addAllLabeledAssetsToReview(self, call: Call, where: Where) -> Project | None:
        there = {each for each in _ids(where) if each in self._store.assets and self._is_there(each)}
        return self._moved(self.addAssetsToReview(call, {"idIn": [each for each in _ids(where) if each not in there]}))

    def deleteManyFromDataset(self, call: Call, where: Where) -> Project | None:
        project = next((self._store.assets[each].project for each in _ids(where) if each in self._store.assets), None)
        return project if self.deleteAssets(call, where)["succeeded"] else None

    def assignAssetsToLabelers(self, call: Call, where: Where, userIds: list[str]) -> Project | None:
        return self._moved(self.assignAssets(call, where, userIds))

    def _moved(self, outcome: Outcome) -> Project | None:
        moved = outcome["succeeded"]
        return self._store.assets[moved[0]["assetId"]].project if moved else None

    def _outcome(
        self,
        call: Call,
        where: Where,
        *,
        action: str,
        roles: tuple[Role, ...],
        change: Callable[[Call, Asset], bool],
        unknown: str = "declined",
        **payload: Any,
    ) -> Outcome:
        """Each asset given lands in one list. The trail first tells what was asked, project by project."""
        ids = _ids(where)
        at_most(len(ids), "assets")
        known = [self._store.assets[each] for each in ids if each in self._store.assets]
        for project in dict.fromkeys(asset.project for asset in known):
            call.require(project, roles)
            asked = {"where": {"idIn": [asset.id for asset in known if asset.project is project]}, **payload}
            self._events.add(f"project.workflow.bulkAction.{action}.started", project, call.user, asked)
        outcome: Outcome = {"succeeded": [], "declined": [], "failed": []}
        for asset in known:
            reference = {"assetId": asset.id, "externalId": asset.external_id}
            details = self._store.failing.pop(asset.id, None)
            if details is not None:
                outcome["failed"].append(reference | {"details": details})
                continue
            outcome["succeeded" if change(call, asset) else "declined"].append(reference)
        outcome[unknown].extend({"assetId": each} for each in ids if each not in {asset.id for asset in known})
        return outcome

    def _send_back(self, call: Call, asset: Asset) -> bool:
        sent = self._changes.send_back(asset, call.user)
        if sent:
            self._effect("send_back", asset.id)
        return sent

    def _is_there(self, asset_id: str) -> bool:
        return workflow.status_of(self._store.assets[asset_id]) == "TO_REVIEW"

    def _to_review(self, call: Call, asset: Asset) -> bool:
        """An asset that is in review already is in the state that was asked for, as with deletions (inferred)."""
        if self._is_there(asset.id):
            return True
        moved = self._changes.to_review(asset, call.user)
        if moved:
            self._effect("to_review", asset.id)
        return moved

    def _delete(self, call: Call, asset: Asset) -> bool:
        self._changes.remove_asset(asset, call.user)
        self._effect("delete_asset", asset.id)
        return True

    def _assign(self, user_ids: list[str]) -> Callable[[Call, Asset], bool]:
        """Somebody at work on an asset stays assigned, so the asset is declined."""
        users = [self._store.users[each] for each in user_ids if each in self._store.users]

        def change(call: Call, asset: Asset) -> bool:
            if asset.lock is not None and asset.lock.author not in users:
                return False
            self._changes.assign(asset, call.user, users)
            self._effect("assign", asset.id, {"userIds": user_ids})
            return True

        return change

    def _prioritise(self, priority: int) -> Callable[[Call, Asset], bool]:
        def change(call: Call, asset: Asset) -> bool:
            if not workflow.may_prioritise(asset):
                return False
            self._changes.edit_asset(asset, call.user, {"priority": priority})
            self._effect("priority", asset.id, {"priority": priority})
            return True

        return change


_ROLES: dict[str, tuple[Role, ...]] = {"REVIEW": REVIEWERS, "PREDICTION": MANAGERS, "INFERENCE": MANAGERS}


def _ids(where: Where) -> list[str]:
    """The assets a where names, each once, in the order given."""
    named = compact(where)
    return list(dict.fromkeys(named.get("idIn") or ([named["id"]] if "id" in named else [])))


def _response(text: str | None) -> str:
    try:
        answer = json.loads(text or "{}")
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise failure("invalidJsonResponse", "jsonResponse has to be the text of a JSON object.")
    return text or "{}"


def _step(project: Project, step_id: str | None) -> Step | None:
    if step_id is None:
        return None
    step = next((step for step in project.steps if step.id == step_id), None)
    if step is None:
        raise failure("unexpectedRetrieving", f"No step {step_id} in {project.id}.")
    return step
