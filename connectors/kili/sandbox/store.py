"""The sandbox's memory: records, their indexes, and the one lock that every reader and writer holds.

Lists are kept in the platform's order, creation time and then id, so pages and counts agree by construction.
"""

from __future__ import annotations

import random
from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import RLock
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

LabelType: TypeAlias = Literal["AUTOSAVE", "DEFAULT", "INFERENCE", "PREDICTION", "REVIEW"]
HUMAN: frozenset[str] = frozenset({"DEFAULT", "REVIEW"})
MODEL: frozenset[str] = frozenset({"PREDICTION", "INFERENCE"})


@dataclass(slots=True, eq=False)
class User:
    id: str
    email: str
    firstname: str | None
    lastname: str | None
    created_at: datetime
    organization_role: str = "USER"
    activated: bool = True


@dataclass(slots=True, eq=False)
class ApiKey:
    id: str
    name: str
    key: str
    user: User
    created_at: datetime
    expiry_date: datetime
    revoked: bool = False


@dataclass(slots=True, eq=False)
class Member:
    id: str
    project: Project
    user: User
    role: str
    created_at: datetime
    starred: bool = False
    deleted: bool = False


@dataclass(slots=True, eq=False)
class StepGroup:
    id: str
    name: str


@dataclass(slots=True, eq=False)
class Step:
    id: str
    name: str
    type: Literal["DEFAULT", "REVIEW"]
    group: StepGroup | None = None
    assignees: list[User] = field(default_factory=list)
    coverage: int = 100
    """Percent of the assets that enter this step; 0: none by itself, they wait to be sent (fact sheet §10)."""
    send_back_step_id: str | None = None
    seen: int = 0
    """Assets that came to this step's door, for the sampling."""


@dataclass(slots=True, eq=False)
class Project:
    id: str
    title: str
    input_type: str
    json_interface: str
    created_at: datetime
    updated_at: datetime
    author: User
    description: str = ""
    workflow_version: Literal["V1", "V2", "V3"] = "V1"
    steps: list[Step] = field(default_factory=list)
    step_groups: list[StepGroup] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    min_consensus_size: int = 1
    consensus_tot_coverage: int = 0
    review_coverage: int = 0
    labelled: int = 0
    """Assets that were labelled so far, for V1's review sampling."""
    enforce_step_separation: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    archived: bool = False
    visible_at: datetime | None = None
    last_issue: int = 0
    assets: list[Asset] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    by_external_id: dict[str, Asset] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Lock:
    id: str
    author: User | None
    reason: str
    created_at: datetime


@dataclass(slots=True, eq=False)
class Asset:
    id: str
    project: Project
    external_id: str
    created_at: datetime
    updated_at: datetime
    content: str = ""
    json_content: str = ""
    json_metadata: str = "{}"
    status: str = "TODO"
    """V1's status; on V2 and V3 the state is ``step`` and ``step_status``."""
    step: Step | None = None
    step_status: str = "TO_DO"
    skipped: bool = False
    priority: int = 0
    is_honeypot: bool = False
    is_used_for_consensus: bool = False
    honeypot_mark: float | None = None
    consensus_mark: float | None = None
    inference_mark: float | None = None
    assignees: list[User] = field(default_factory=list)
    resolution: dict[str, float] | None = None
    page_resolutions: list[dict[str, float]] | None = None
    lock: Lock | None = None
    labels: list[Label] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Label:
    id: str
    asset: Asset
    author: User
    label_type: LabelType
    response: str
    """The jsonResponse as text, unchanged."""
    created_at: datetime
    updated_at: datetime
    step: Step | None = None
    model_name: str | None = None
    seconds_to_label: int | None = None
    referenced_label_id: str | None = None
    is_sent_back: bool = False
    is_ground_truth: bool = False
    skipped: bool = False
    honeypot_mark: float | None = None
    consensus_mark: float | None = None
    inference_mark: float | None = None
    version: int = 0


@dataclass(slots=True, eq=False)
class Comment:
    id: str
    text: str
    author: User
    created_at: datetime


@dataclass(slots=True, eq=False)
class Issue:
    id: str
    type: Literal["ISSUE", "QUESTION"]
    asset: Asset
    author: User
    issue_number: int
    created_at: datetime
    updated_at: datetime
    status: str = "OPEN"
    label_id: str | None = None
    object_mid: str | None = None
    comments: list[Comment] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Notification:
    id: str
    user: User
    message: str
    created_at: datetime
    done_at: datetime


class Record(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def created_at(self) -> datetime: ...


R = TypeVar("R", bound=Record)


def position(record: Record) -> tuple[datetime, str]:
    """The platform's order: creation time, then id (fact sheet §18 (4))."""
    return record.created_at, record.id


def place(records: list[R], record: R) -> None:
    insort(records, record, key=position)


def drop(records: list[R], record: R) -> None:
    del records[bisect_left(records, position(record), key=position)]


class Store:
    """Everything the platform knows. ``time`` gives its now; ``changed`` counts writes, for caches of filters."""

    def __init__(self, seed: int, time: Callable[[], datetime]) -> None:
        self.time = time
        self.lock = RLock()
        self.changed = 0
        self.organization = {"id": "", "name": "Tideline Labs"}
        self.users: dict[str, User] = {}
        self.keys: dict[str, ApiKey] = {}
        self.projects: dict[str, Project] = {}
        self.assets: dict[str, Asset] = {}
        self.labels: dict[str, Label] = {}
        self.issues: dict[str, Issue] = {}
        self.notifications: dict[str, Notification] = {}
        self.files: dict[str, tuple[str, bytes]] = {}
        """What was uploaded to the bucket: path → (content type, bytes)."""
        self.failing: dict[str, str] = {}
        """Assets whose next action is to end under ``failed``: id → details."""
        self._dice = random.Random(f"kili sandbox {seed}")
        self.organization["id"] = self.new_id()

    def now(self) -> datetime:
        """The platform's time, cut to the milliseconds that its answers show."""
        now = self.time().astimezone(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def new_id(self) -> str:
        """25 characters that begin with ``c``, as the platform's own ids (fact sheet §1)."""
        return "c" + "".join(self._dice.choices("0123456789abcdefghijklmnopqrstuvwxyz", k=24))

    def visible_projects(self) -> list[Project]:
        now = self.now()
        return sorted((p for p in self.projects.values() if p.visible_at is None or p.visible_at <= now), key=position)

    def add_asset(self, asset: Asset) -> None:
        self.assets[asset.id] = asset
        asset.project.by_external_id[asset.external_id] = asset
        place(asset.project.assets, asset)
        self.changed += 1

    def remove_asset(self, asset: Asset) -> None:
        for label in list(asset.labels):
            self.remove_label(label)
        for issue in asset.issues:
            del self.issues[issue.id]
            drop(asset.project.issues, issue)
        del self.assets[asset.id]
        asset.project.by_external_id.pop(asset.external_id, None)
        drop(asset.project.assets, asset)
        self.changed += 1

    def add_label(self, label: Label) -> None:
        self.labels[label.id] = label
        place(label.asset.labels, label)
        place(label.asset.project.labels, label)
        self.changed += 1

    def remove_label(self, label: Label) -> None:
        del self.labels[label.id]
        drop(label.asset.labels, label)
        drop(label.asset.project.labels, label)
        self.changed += 1

    def add_issue(self, issue: Issue) -> None:
        self.issues[issue.id] = issue
        place(issue.asset.issues, issue)
        place(issue.asset.project.issues, issue)
        self.changed += 1
