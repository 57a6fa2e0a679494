"""The root mutation fields on projects, members, assets and webhooks (fact sheet §7)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

from connectors.kili.sandbox.bucket import MARK
from connectors.kili.sandbox.filters import Where, checks, compact, matching
from connectors.kili.sandbox.platform import EVERYBODY, MANAGERS, Call, Platform, at_most, failure
from connectors.kili.sandbox.store import Asset, Member, Notification, Project, Step
from connectors.kili.sandbox.webhooks import DEFAULT_HANDLERS, Webhook

_COLUMNS = {
    "title": "title",
    "description": "description",
    "archived": "archived",
    "jsonInterface": "json_interface",
    "minConsensusSize": "min_consensus_size",
    "consensusTotCoverage": "consensus_tot_coverage",
    "reviewCoverage": "review_coverage",
}
_ASSET_COLUMNS = {
    "externalId": "external_id",
    "content": "content",
    "jsonContent": "json_content",
    "jsonMetadata": "json_metadata",
    "priority": "priority",
    "consensusMark": "consensus_mark",
    "honeypotMark": "honeypot_mark",
    "isHoneypot": "is_honeypot",
    "isUsedForConsensus": "is_used_for_consensus",
    "resolution": "resolution",
    "pageResolutions": "page_resolutions",
}


class AdminMutations:
    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._store = platform.store
        self._changes = platform.changes
        self._events = platform.events
        self._effect = platform.control.effect

    # --- projects and members -----------------------------------------------------------------------------------

    def createProject(self, call: Call, data: Mapping[str, Any]) -> Project:
        """New projects have the multi-step workflow, and are seen a moment after they are made (fact sheet §10)."""
        if call.user.organization_role != "ADMIN":
            raise failure("noOrganizationRights", "Only organisation admins create projects.")
        now = self._store.now()
        project = Project(
            id=self._store.new_id(),
            title=data["title"],
            input_type=data.get("inputType") or "IMAGE",
            json_interface=data.get("jsonInterface") or '{"jobs": {}}',
            created_at=now,
            updated_at=now,
            author=call.user,
            description=data.get("description") or "",
            workflow_version="V2",
            visible_at=now + timedelta(seconds=self._platform.options.project_seconds),
        )
        project.steps = [
            Step(self._store.new_id(), "Default", "DEFAULT"),
            Step(self._store.new_id(), "Review", "REVIEW"),
        ]
        project.members.append(Member(self._store.new_id(), project, call.user, "ADMIN", now))
        self._store.projects[project.id] = project
        self._events.add("project.created", project, call.user)
        self._effect("project", project.id, {"title": project.title})
        return project

    def updatePropertiesInProject(self, call: Call, data: Mapping[str, Any], where: Where) -> Project:
        project = call.project(compact(where).get("id"))
        call.require(project, ("ADMIN",))
        given = {key: value for key, value in data.items() if value is not None}
        for key, value in given.items():
            if key in _COLUMNS:
                setattr(project, _COLUMNS[key], value)
            else:
                project.settings[key] = value
        project.updated_at = self._store.now()
        self._store.changed += 1
        self._events.add("project.settings.updated", project, call.user, {"fields": sorted(given)})
        self._effect("project_settings", project.id, given)
        return project

    def deleteProjectAsynchronously(self, call: Call, where: Where) -> str:
        project = call.project(compact(where).get("id"))
        call.require(project, ("ADMIN",))
        for asset in list(project.assets):
            self._store.remove_asset(asset)
        del self._store.projects[project.id]
        self._store.changed += 1
        self._events.add("project.deleted", project, call.user)
        self._effect("delete_project", project.id)
        return project.id

    def appendToRoles(self, call: Call, data: Mapping[str, Any], where: Where) -> Project:
        """Adds a member, or changes the role of one."""
        project = call.project(compact(where).get("id"))
        call.require(project, MANAGERS)
        user = next((u for u in self._store.users.values() if u.email == data["userEmail"].lower()), None)
        if user is None:
            raise failure("unexpectedRetrieving", f"Nobody has the address {data['userEmail']}.")
        member = self._platform.member(project, user)
        if member is None:
            project.members.append(Member(self._store.new_id(), project, user, data["role"], self._store.now()))
            self._events.add("project.member.created", project, call.user, {"userId": user.id})
        else:
            member.role = data["role"]
            self._events.add("project.member.updated", project, call.user, {"userId": user.id})
        return project

    def updatePropertiesInRole(self, call: Call, data: Mapping[str, Any], where: Where) -> Member:
        member = self._member(call, where)
        member.role = data["role"]
        self._events.add("project.member.updated", member.project, call.user, {"userId": member.user.id})
        return member

    def deleteFromRoles(self, call: Call, where: Where) -> Project:
        member = self._member(call, where)
        member.deleted = True
        self._events.add("project.member.deleted", member.project, call.user, {"userId": member.user.id})
        return member.project

    def _member(self, call: Call, where: Where) -> Member:
        everybody = (member for project in self._store.visible_projects() for member in project.members)
        found = [member for member in matching(everybody, checks("member", compact(where))) if not member.deleted]
        if len(found) != 1:
            raise failure("unexpectedRetrieving", f"{len(found)} members fit.")
        call.require(found[0].project, MANAGERS)
        return found[0]

    # --- assets -------------------------------------------------------------------------------------------------

    def appendManyAssets(self, call: Call, data: Mapping[str, Any], where: Where) -> list[Asset]:
        project = call.project(compact(where).get("id"))
        call.require(project, MANAGERS)
        count = len(data.get("externalIDArray") or data.get("contentArray") or ())
        at_most(count, "assets")
        rows = [_asset_row(data, index, self._store.new_id()) for index in range(count)]
        taken = [row["external_id"] for row in rows if row["external_id"] in project.by_external_id]
        if taken or len({row["external_id"] for row in rows}) < count:
            raise failure("alreadyExists", f"an entity Asset already exists with value {(taken or ['twice'])[0]}.")
        created = [self._changes.add_asset(project, call.user, **row) for row in rows]
        for asset in created:
            self._effect("asset", asset.id, {"externalId": asset.external_id})
        return created

    def appendManyAssetsAsynchronously(self, call: Call, data: Mapping[str, Any], where: Where) -> Notification:
        """The assets are there at once; that the import is done is told a moment later."""
        self.appendManyAssets(call, data, where)
        now = self._store.now()
        done = now + timedelta(seconds=self._platform.options.import_seconds)
        note = Notification(self._store.new_id(), call.user, "import", now, done)
        self._store.notifications[note.id] = note
        return note

    def updatePropertiesInAssets(self, call: Call, where: list[Where], data: list[Mapping[str, Any]]) -> list[Asset]:
        at_most(len(where), "assets")
        assets = [call.asset(compact(each).get("id")) for each in where]
        for asset in assets:
            call.require(asset.project, MANAGERS)
        for asset, given in zip(assets, data, strict=True):
            named = {column: given[key] for key, column in _ASSET_COLUMNS.items() if given.get(key) is not None}
            if named.get("external_id", asset.external_id) != asset.external_id:
                _refuse_taken(asset.project, named["external_id"])
            if given.get("toBeLabeledBy") is not None or given.get("shouldResetToBeLabeledBy"):
                named["assignees"] = [self._store.users[each] for each in given.get("toBeLabeledBy") or ()]
            self._changes.edit_asset(asset, call.user, named)
            self._effect("asset_properties", asset.id, sorted(named))
        return assets

    def setAssetConsensus(
        self,
        call: Call,
        projectId: str,
        isConsensus: bool,
        assetId: str | None = None,
        externalId: str | None = None,
    ) -> bool:
        project = call.project(projectId)
        call.require(project, MANAGERS)
        asset = project.by_external_id.get(externalId or "") if assetId is None else call.asset(assetId)
        if asset is None:
            raise failure("unexpectedRetrieving", f"No asset {externalId} in {projectId}.")
        self._changes.edit_asset(asset, call.user, {"is_used_for_consensus": isConsensus})
        self._effect("asset_properties", asset.id, ["is_used_for_consensus"])
        return isConsensus

    def skipAsset(self, call: Call, reason: str, where: Where) -> Asset:
        asset = call.asset(compact(where).get("id"))
        call.require(asset.project, EVERYBODY)
        if asset.is_used_for_consensus:
            raise failure("consensusAsset", "An asset used for consensus cannot be skipped.")
        self._changes.skip(asset, call.user)
        self._effect("skip", asset.id, {"reason": reason})
        return asset

    def unskipAsset(self, call: Call, projectId: str, assetId: str) -> str:
        asset = call.asset(assetId)
        call.require(call.project(projectId), EVERYBODY)
        self._changes.unskip(asset, call.user)
        self._effect("unskip", asset.id)
        return asset.id

    # --- webhooks -----------------------------------------------------------------------------------------------

    def createWebhook(self, call: Call, data: Mapping[str, Any]) -> str:
        if data["pluginName"] in self._platform.webhooks.registered:
            raise failure("alreadyExists", f"an entity Plugin already exists with value {data['pluginName']}.")
        return self._register(call, data, set())

    def updateWebhook(self, call: Call, data: Mapping[str, Any]) -> str:
        return self._register(call, data, self._webhook(call, data["pluginName"]).projects)

    def activatePluginOnProject(self, call: Call, where: Where) -> str:
        project = call.project(where["projectId"])
        self._webhook(call, where["pluginName"]).projects.add(project.id)
        return str(where["pluginName"])

    def deactivatePluginOnProject(self, call: Call, where: Where) -> str:
        self._webhook(call, where["pluginName"]).projects.discard(where["projectId"])
        return str(where["pluginName"])

    def deletePlugin(self, call: Call, where: Where) -> str:
        return self._platform.webhooks.registered.pop(self._webhook(call, where["pluginName"]).name).name

    def _register(self, call: Call, data: Mapping[str, Any], projects: set[str]) -> str:
        if call.user.organization_role != "ADMIN":
            raise failure("noOrganizationRights", "Only organisation admins have plugins.")
        name = str(data["pluginName"])
        self._platform.webhooks.registered[name] = Webhook(
            name,
            data["webhookUrl"],
            data.get("header"),
            data.get("handlerTypes") or DEFAULT_HANDLERS,
            data.get("eventMatcher") or (),
            projects=projects,
        )
        return name

    def _webhook(self, call: Call, name: str) -> Webhook:
        hook = self._platform.webhooks.registered.get(name)
        if hook is None or call.user.organization_role != "ADMIN":
            raise failure("unexpectedRetrieving", f"No plugin {name} that you can access.")
        return hook


def _asset_row(data: Mapping[str, Any], index: int, surrogate: str) -> dict[str, Any]:
    """One asset of the parallel arrays. Content that was uploaded is kept by its path in the bucket."""

    def at(name: str, default: Any) -> Any:
        values = data.get(name)
        return default if values is None or values[index] is None else values[index]

    content = at("contentArray", "")
    uploaded = content.partition("&id=")[2]
    return {
        "id": at("idArray", surrogate),
        "external_id": at("externalIDArray", surrogate),
        "content": MARK + unquote(uploaded) if uploaded else content,
        "json_content": at("jsonContentArray", ""),
        "json_metadata": at("jsonMetadataArray", "{}"),
        "is_honeypot": at("isHoneypotArray", default=False),
    }


def _refuse_taken(project: Project, external_id: str) -> None:
    if external_id in project.by_external_id:
        raise failure("alreadyExists", f"an entity Asset already exists with value {external_id}.")
