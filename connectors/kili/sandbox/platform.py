"""The sandbox's parts in one place, what a call carries, and how a refusal looks on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from graphql import GraphQLError

from connectors.kili.sandbox.bucket import Bucket
from connectors.kili.sandbox.changes import Changes, Touch
from connectors.kili.sandbox.events import EventLog
from connectors.kili.sandbox.marks import Marks
from connectors.kili.sandbox.schema import EventsFeed, Family
from connectors.kili.sandbox.store import Asset, Member, Project, Store, User
from connectors.kili.sandbox.webhooks import Webhooks
from connectors.sandbox import Control

PAGE_LIMIT = 100
"""Items of a page and of a mutation (fact sheet §5)."""

Responses: TypeAlias = Literal["inline", "url", "mixed"]
"""How a label's jsonResponse travels: as text, only through ``jsonResponseUrl``, or by URL once it is 30 s old."""

Role: TypeAlias = Literal["ADMIN", "TEAM_MANAGER", "REVIEWER", "LABELER"]
MANAGERS: tuple[Role, ...] = ("ADMIN", "TEAM_MANAGER")
REVIEWERS: tuple[Role, ...] = ("ADMIN", "TEAM_MANAGER", "REVIEWER")
EVERYBODY: tuple[Role, ...] = ("ADMIN", "TEAM_MANAGER", "REVIEWER", "LABELER")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What kind of Kili this is: versions and licences differ, and so do guesses about what nobody has seen."""

    family: Family = "both"
    events: EventsFeed = "on"
    touch: Touch = "state"
    responses: Responses = "mixed"
    link_seconds: float = 300.0
    mark_seconds: float = 2.0
    project_seconds: float = 1.0
    import_seconds: float = 0.5


class Platform:
    """Store, rules, trail, marks, bucket and webhooks, tied together."""

    def __init__(self, seed: int, control: Control, options: Options) -> None:
        self.options = options
        self.control = control
        self.store = Store(seed, control.clock.now)
        self.events = EventLog(self.store)
        self.marks = Marks(self.store, self.events, options.mark_seconds)
        self.changes = Changes(self.store, self.events, self.marks, options.touch)
        self.bucket = Bucket(self.store, f"bucket {seed}", options.link_seconds)
        self.webhooks = Webhooks(self.store, self.events)

    def member(self, project: Project, user: User) -> Member | None:
        return next((m for m in project.members if m.user is user and not m.deleted), None)

    def sees(self, user: User, project: Project) -> bool:
        """Organisation admins see every project, others those they are members of (fact sheet §15)."""
        return user.organization_role == "ADMIN" or self.member(project, user) is not None


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls, and how they reach us: the context of every resolver."""

    platform: Platform
    user: User
    base: str

    def project(self, project_id: str | None) -> Project:
        projects = self.platform.store.visible_projects()
        project = next((p for p in projects if p.id == project_id and self.platform.sees(self.user, p)), None)
        if project is None:
            raise failure("unexpectedRetrieving", f"No project {project_id} that you can access.")
        return project

    def asset(self, asset_id: str | None) -> Asset:
        asset = self.platform.store.assets.get(asset_id or "")
        if asset is None or not self.platform.sees(self.user, asset.project):
            raise failure("unexpectedRetrieving", f"No asset {asset_id} that you can access.")
        return asset

    def require(self, project: Project, roles: tuple[Role, ...]) -> None:
        if self.user.organization_role == "ADMIN":
            return
        member = self.platform.member(project, self.user)
        if member is None or member.role not in roles:
            raise failure("noOrganizationRights", f"Your role in {project.id} does not allow this.")


def failure(
    key: str, text: str, *, code: str = "OPERATION_RESOLUTION_FAILURE", context: dict[str, Any] | None = None
) -> GraphQLError:
    """An error as the platform words it: a key in brackets, prose, a trace; ``extensions`` always (fact sheet §4)."""
    extensions: dict[str, Any] = {"code": code}
    if context is not None:
        extensions["context"] = context
    return GraphQLError(
        f"[{key}] {text} -- This can be due to: the sandbox's rules | trace : false", extensions=extensions
    )


def at_most(count: int, what: str) -> None:
    if count > PAGE_LIMIT:
        raise failure("tooManyItems", f"{count} {what}: at most {PAGE_LIMIT} in one call.")
