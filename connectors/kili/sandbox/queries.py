"""The root query fields: what is listed, what is counted, and by whom it may be seen (fact sheet §5 to §7).

Methods bear the names of the fields they answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from connectors.kili.sandbox.cache import Cache
from connectors.kili.sandbox.events import Event
from connectors.kili.sandbox.fields import annotations_of
from connectors.kili.sandbox.filters import Where, checks, compact, matching
from connectors.kili.sandbox.platform import Call, Platform, at_most, failure
from connectors.kili.sandbox.store import (
    ApiKey,
    Asset,
    Issue,
    Label,
    Member,
    Notification,
    Project,
    Record,
    User,
    position,
)

R = TypeVar("R", bound=Record)


class Queries:
    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._store = platform.store
        self._found: Cache[list[Any]] = Cache()

    # --- lists and their counts -------------------------------------------------------------------------------

    def viewer(self, call: Call) -> User:
        return call.user

    def apiKeys(self, call: Call, where: Where, skip: int, first: int) -> list[ApiKey]:
        return page(self._keys(call, where), skip, first)

    def countApiKeys(self, call: Call, where: Where) -> int:
        return len(self._keys(call, where))

    def projects(self, call: Call, where: Where, skip: int, first: int) -> list[Project]:
        return page(self._projects(call, where), skip, first)

    def countProjects(self, call: Call, where: Where) -> int:
        return len(self._projects(call, where))

    def assets(self, call: Call, where: Where, skip: int, first: int) -> list[Asset]:
        return page(self._assets(call, where), skip, first)

    def countAssets(self, call: Call, where: Where) -> int:
        return len(self._assets(call, where))

    def countAssetAnnotations(self, call: Call, where: Where) -> int:
        return sum(annotations_of(label).total() for asset in self._assets(call, where) for label in asset.labels)

    def labels(self, call: Call, where: Where, skip: int, first: int) -> list[Label]:
        return page(self._labels(call, where), skip, first)

    def countLabels(self, call: Call, where: Where) -> int:
        return len(self._labels(call, where))

    def issues(self, call: Call, where: Where, skip: int, first: int) -> list[Issue]:
        return page(self._issues(call, where), skip, first)

    def countIssues(self, call: Call, where: Where) -> int:
        return len(self._issues(call, where))

    def users(self, _call: Call, where: Where, skip: int, first: int) -> list[User]:
        return page(self._users(where), skip, first)

    def countUsers(self, _call: Call, where: Where) -> int:
        return len(self._users(where))

    def projectUsers(self, call: Call, where: Where, skip: int, first: int) -> list[Member]:
        return page(self._members(call, where), skip, first)

    def countProjectUsers(self, call: Call, where: Where) -> int:
        return len(self._members(call, where))

    def organizations(self, _call: Call, where: Where, skip: int, first: int) -> list[dict[str, str]]:
        at_most(first, "organizations")
        return self._organizations(where)[skip : skip + first]

    def countOrganizations(self, _call: Call, where: Where) -> int:
        return len(self._organizations(where))

    def notifications(self, call: Call, where: Where, skip: int, first: int) -> list[Notification]:
        return page(self._notifications(call, where), skip, first)

    def countNotifications(self, call: Call, where: Where) -> int:
        return len(self._notifications(call, where))

    # --- others -----------------------------------------------------------------------------------------------

    def events(self, call: Call, where: Where, pagination: Mapping[str, Any], order: str | None = None) -> list[Event]:
        if self._platform.options.events == "refused":
            raise failure("noOrganizationRights", "Your licence has no audit trail.")
        wanted = compact(where)
        if "projectId" in wanted:
            call.project(wanted["projectId"])
        elif call.user.organization_role != "ADMIN":
            raise failure("noOrganizationRights", "Events of all projects are for organisation admins.")
        at_most(pagination.get("first") or 0, "events")
        bounds = {key: wanted[key].start for key in ("createdAtGte", "createdAtLte") if key in wanted}
        return self._platform.events.find(wanted | bounds, pagination, order)

    def filterExistingAssets(self, call: Call, projectID: str, externalIDs: list[str]) -> list[str]:
        known = call.project(projectID).by_external_id
        return [external_id for external_id in externalIDs if external_id in known]

    def createUploadBucketSignedUrls(self, call: Call, filePaths: list[str] | None = None) -> list[str]:
        return [self._platform.bucket.upload_link(call.base, path) for path in filePaths or ()]

    # --- what is found ----------------------------------------------------------------------------------------

    def _keys(self, call: Call, where: Where) -> list[ApiKey]:
        """Only one's own keys can be listed (fact sheet §15)."""
        wanted = compact(where)
        mine = sorted((key for key in self._store.keys.values() if key.user is call.user), key=position)
        return [key for key in mine if wanted.get("key") in (None, key.key) and wanted.get("id") in (None, key.id)]

    def _projects(self, call: Call, where: Where) -> list[Project]:
        visible = [project for project in self._store.visible_projects() if self._platform.sees(call.user, project)]
        return matching(visible, checks("project", compact(where)))

    def _assets(self, call: Call, where: Where) -> list[Asset]:
        return self._find("asset", call, compact(where), self._asset_candidates, lambda asset: asset.project)

    def _labels(self, call: Call, where: Where) -> list[Label]:
        return self._find("label", call, compact(where), self._label_candidates, lambda label: label.asset.project)

    def _issues(self, call: Call, where: Where) -> list[Issue]:
        return self._find("issue", call, compact(where), self._issue_candidates, lambda issue: issue.asset.project)

    def _users(self, where: Where) -> list[User]:
        return matching(sorted(self._store.users.values(), key=position), checks("user", compact(where)))

    def _members(self, call: Call, where: Where) -> list[Member]:
        members = [member for project in self._projects(call, {}) for member in project.members]
        return matching(sorted(members, key=position), checks("member", compact(where)))

    def _organizations(self, where: Where) -> list[dict[str, str]]:
        wanted = compact(where).get("id")
        return [self._store.organization] if wanted in (None, self._store.organization["id"]) else []

    def _notifications(self, call: Call, where: Where) -> list[Notification]:
        wanted = compact(where).get("id")
        mine = (note for note in self._store.notifications.values() if note.user is call.user)
        return sorted((note for note in mine if wanted in (None, note.id)), key=position)

    def _find(
        self,
        kind: str,
        call: Call,
        where: dict[str, Any],
        candidates: Callable[[dict[str, Any]], list[Any]],
        project: Callable[[Any], Project],
    ) -> list[Any]:
        """Filters once for a run of pages: the result is kept until something is written or a project appears."""
        visible = self._store.visible_projects()

        def make() -> list[Any]:
            seen = {known for known in visible if self._platform.sees(call.user, known)}
            try:
                conditions = checks(kind, where)
            except ValueError as error:
                raise failure("invalidFilter", str(error)) from None
            return matching((record for record in candidates(where) if project(record) in seen), conditions)

        return self._found.get((kind, call.user.id, repr(where)), (self._store.changed, len(visible)), make)

    def _asset_candidates(self, where: dict[str, Any]) -> list[Asset]:
        named = _ids(where)
        if named is not None:
            return _known(self._store.assets, named)
        project = self._store.projects.get(where.get("project", {}).get("id", ""))
        if project is not None and "externalIdStrictlyIn" in where:
            return _ordered(
                project.by_external_id[name] for name in where["externalIdStrictlyIn"] if name in project.by_external_id
            )
        if "id" in where.get("project", {}):
            return project.assets if project is not None else []
        return _ordered(self._store.assets.values())

    def _label_candidates(self, where: dict[str, Any]) -> list[Label]:
        named = _ids(where)
        if named is not None:
            return _known(self._store.labels, named)
        on_asset = _ids(where.get("asset", {}))
        if on_asset is not None:
            return _ordered(label for asset in _known(self._store.assets, on_asset) for label in asset.labels)
        project_id = where.get("project", where.get("asset", {}).get("project", {})).get("id")
        if project_id is not None:
            return self._store.projects[project_id].labels if project_id in self._store.projects else []
        return _ordered(self._store.labels.values())

    def _issue_candidates(self, where: dict[str, Any]) -> list[Issue]:
        if "id" in where:
            return _known(self._store.issues, [where["id"]])
        on_asset = [where["asset"]["id"]] if "asset" in where else where.get("assetIn")
        if on_asset is not None:
            return _ordered(issue for asset in _known(self._store.assets, on_asset) for issue in asset.issues)
        project_id = where.get("project", {}).get("id")
        if project_id is not None:
            return self._store.projects[project_id].issues if project_id in self._store.projects else []
        return _ordered(self._store.issues.values())


def page(records: list[R], skip: int, first: int) -> list[R]:
    at_most(first, "items")
    return records[skip : skip + first]


def _ids(where: Mapping[str, Any]) -> list[str] | None:
    return [where["id"]] if "id" in where else where.get("idIn")


def _known(records: Mapping[str, R], ids: Iterable[str]) -> list[R]:
    return _ordered(records[each] for each in dict.fromkeys(ids) if each in records)


def _ordered(records: Iterable[R]) -> list[R]:
    return sorted(records, key=position)
