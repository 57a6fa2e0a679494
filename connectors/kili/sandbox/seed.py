"""The seeded platform: people, keys, an IMAGE project of the old workflow and two of the new ones, with their history.

Everything happens through ``Changes`` on a clock of its own, so states, marks, issues and the audit trail agree. The
same seed and size give the same platform, ids and times included.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Literal

from connectors.kili.sandbox import seed_content as content
from connectors.kili.sandbox.bucket import MARK
from connectors.kili.sandbox.platform import Platform
from connectors.kili.sandbox.store import ApiKey, Asset, Label, LabelType, Member, Project, Step, StepGroup, User

BEGIN = datetime(2026, 2, 2, 8, tzinfo=UTC)
HISTORY = timedelta(days=120)

ADMIN_KEY = "sandbox-key-of-the-gateway"
REVIEWER_KEY = "sandbox-key-of-a-reviewer"
LABELER_KEY = "sandbox-key-of-a-labeler"


def seed(platform: Platform, number: int, assets: int) -> None:
    """Fills an empty platform. Webhooks are not registered yet, and nothing here counts as an effect."""
    time = platform.store.time
    _Seed(platform, number, assets).grow()
    platform.store.time = time


class _Seed:
    def __init__(self, platform: Platform, number: int, assets: int) -> None:
        self._platform = platform
        self._store = platform.store
        self._changes = platform.changes
        self._chance = Random(f"kili seed {number}")
        self._count = assets
        self._at = BEGIN
        self._pace = min(200.0, HISTORY.total_seconds() / max(1, assets * 6))
        self._store.time = lambda: self._at

    def grow(self) -> None:
        self._people()
        sizes = [self._count * 5 // 10, self._count * 4 // 10]
        self._harbour(sizes[0])
        self._repairs(sizes[1])
        self._deliveries(self._count - sum(sizes))
        self._at += timedelta(hours=1)
        self._platform.marks.run(everything=True)

    def _tick(self) -> datetime:
        self._at += timedelta(seconds=self._pace * self._chance.uniform(0.5, 1.5))
        return self._at

    # --- people and projects ------------------------------------------------------------------------------------

    def _people(self) -> None:
        self._gateway = self._user("gateway", None, None, role="ADMIN", domain="example.org")
        self._owner = self._user("maren.holt", "Maren", "Holt", role="ADMIN")
        self._manager = self._user("ilya.brandt", "Ilya", "Brandt")
        self._reviewers = [self._user("noor.adeyemi", "Noor", "Adeyemi"), self._user("sunniva.berg", "Sunniva", "Berg")]
        self._labelers = [
            self._user("tomas.reyes", "Tomás", "Reyes"),
            self._user("aiko.lindqvist", "Aiko", "Lindqvist"),
            self._user("pascal.okoro", "Pascal", "Okoro", domain="example.org"),
        ]
        self._key(ADMIN_KEY, self._gateway)
        self._key(REVIEWER_KEY, self._reviewers[0])
        self._key(LABELER_KEY, self._labelers[0])

    def _user(
        self, name: str, first: str | None, last: str | None, *, role: str = "USER", domain: str = "example.com"
    ) -> User:
        user = User(self._store.new_id(), f"{name}@{domain}", first, last, self._tick(), organization_role=role)
        self._store.users[user.id] = user
        return user

    def _key(self, key: str, user: User) -> None:
        expires = self._platform.control.clock.now() + timedelta(days=3650)
        self._store.keys[key] = ApiKey(self._store.new_id(), f"key of {user.email}", key, user, self._tick(), expires)

    def _project(
        self, title: str, kind: str, interface: str, version: Literal["V1", "V2", "V3"], **more: Any
    ) -> Project:
        at = self._store.now()
        project = Project(
            id=self._store.new_id(),
            title=title,
            input_type=kind,
            json_interface=interface,
            created_at=at,
            updated_at=at,
            author=self._owner,
            workflow_version=version,
            min_consensus_size=2,
            **more,
        )
        roles = [(self._gateway, "ADMIN"), (self._owner, "ADMIN"), (self._manager, "TEAM_MANAGER")]
        roles += [(user, "REVIEWER") for user in self._reviewers] + [(user, "LABELER") for user in self._labelers]
        project.members = [Member(self._store.new_id(), project, user, role, self._tick()) for user, role in roles]
        self._store.projects[project.id] = project
        self._platform.events.add("project.created", project, self._owner)
        return project

    # --- the three projects -------------------------------------------------------------------------------------

    def _harbour(self, count: int) -> None:
        project = self._project(
            "Harbour traffic", "IMAGE", content.HARBOUR_INTERFACE, "V1", description="Vessels seen from two quays"
        )
        plots = [self._untouched, self._drafted, self._labelled, self._to_review, self._reviewed, self._sent_back]
        plots += [self._predicted, self._second_round, self._consensus, self._honeypot]
        self._fill(project, count, plots, self._harbour_asset)

    def _repairs(self, count: int) -> None:
        project = self._project(
            "Repair reports", "TEXT", content.REPAIR_INTERFACE, "V2", description="What broke, and what helped"
        )
        label = Step(self._store.new_id(), "Label", "DEFAULT")
        project.steps = [label, Step(self._store.new_id(), "Review", "REVIEW", send_back_step_id=label.id)]
        plots = [self._untouched, self._drafted, self._labelled, self._reviewed, self._sent_back, self._second_round]
        self._fill(project, count, [*plots, self._predicted, self._half_consensus, self._skipped], self._repair_asset)

    def _deliveries(self, count: int) -> None:
        project = self._project("Delivery notes", "PDF", content.DELIVERY_INTERFACE, "V3")
        groups = [StepGroup(self._store.new_id(), name) for name in ("Reading", "Release")]
        project.step_groups = groups
        project.steps = [
            Step(self._store.new_id(), "Label", "DEFAULT", groups[0]),
            Step(self._store.new_id(), "Check", "REVIEW", groups[0], coverage=50),
            Step(self._store.new_id(), "Sign-off", "REVIEW", groups[1], coverage=0),
        ]
        plots = [self._untouched, self._labelled, self._labelled, self._reviewed]
        self._fill(project, count, plots, self._delivery_asset)

    def _fill(
        self,
        project: Project,
        count: int,
        plots: Sequence[Callable[[Asset], None]],
        make: Callable[[Project, int], Asset],
    ) -> None:
        assets = [make(project, index) for index in range(count)]
        for index, asset in enumerate(assets):
            plots[index % len(plots)](asset)

    def _harbour_asset(self, project: Project, index: int) -> Asset:
        name = f"quay-{index:05d}.jpg"
        facts = {"camera": ("north", "south")[index % 2], "hour": index % 24}
        return self._asset(project, name, f"https://images.example.org/harbour/{name}", facts, resolution=_SCREEN)

    def _repair_asset(self, project: Project, index: int) -> Asset:
        name, path = f"report {index:05d}", f"texts/{project.id}/{index:05d}.txt"
        self._store.files[path] = ("text/plain; charset=utf-8", content.repair_text(self._chance).encode())
        return self._asset(project, name, MARK + path, {"yard": "Ørland"})

    def _delivery_asset(self, project: Project, index: int) -> Asset:
        name = f"notes/{index:05d}.pdf"
        pages = [{"pageNumber": 1, "width": 595, "height": 842, "rotation": 0}]
        return self._asset(project, name, f"https://files.example.org/{name}", {}, page_resolutions=pages)

    def _asset(self, project: Project, name: str, where: str, facts: dict[str, Any], **more: Any) -> Asset:
        self._tick()
        return self._changes.add_asset(
            project, self._manager, name, content=where, json_metadata=json.dumps(facts), **more
        )

    # --- what happens to an asset -------------------------------------------------------------------------------

    def _label(self, asset: Asset, author: User, kind: LabelType = "DEFAULT", **fields: Any) -> Label:
        fields.setdefault("seconds_to_label", self._chance.randrange(8, 240))
        fields.setdefault("response", json.dumps(self._answer(asset)))
        return self._changes.add_label(asset, author, kind, **fields)

    def _answer(self, asset: Asset) -> dict[str, Any]:
        at = self._tick()
        if asset.project.input_type == "IMAGE":
            return content.harbour_answer(at, self._chance)
        if asset.project.input_type == "PDF":
            return content.delivery_answer(at, self._chance)
        text = self._store.files[asset.content.removeprefix(MARK)][1].decode()
        return content.repair_answer(at, self._chance, text)

    def _labeler(self) -> User:
        return self._chance.choice(self._labelers)

    def _untouched(self, asset: Asset) -> None:
        asset.priority = self._chance.randrange(3)

    def _drafted(self, asset: Asset) -> None:
        self._label(asset, self._labeler(), "AUTOSAVE")

    def _labelled(self, asset: Asset) -> None:
        self._label(asset, self._labeler())

    def _to_review(self, asset: Asset) -> None:
        self._predicted(asset)
        self._labelled(asset)
        self._tick()
        self._changes.to_review(asset, self._manager)

    def _reviewed(self, asset: Asset) -> None:
        label = self._label(asset, self._labeler())
        fields = {"response": label.response, "referenced_label_id": label.id}
        self._tick()
        self._label(asset, self._chance.choice(self._reviewers), "REVIEW", **fields)

    def _sent_back(self, asset: Asset) -> None:
        label = self._label(asset, self._labeler())
        self._tick()
        job = next(iter(json.loads(label.response).values()))
        mark = job["annotations"][0]["mid"]
        text = self._chance.choice(("Box is too wide.", "Wrong class.", "One is missing at the left edge."))
        self._changes.add_issue(asset, self._reviewers[0], "ISSUE", text, label_id=label.id, object_mid=mark)
        self._tick()
        self._changes.send_back(asset, self._reviewers[0])

    def _second_round(self, asset: Asset) -> None:
        self._sent_back(asset)
        self._label(asset, self._labeler())
        self._changes.set_issue_status(asset.issues[-1], self._reviewers[1], "SOLVED")
        self._label(asset, self._reviewers[1], "REVIEW")

    def _predicted(self, asset: Asset) -> None:
        self._label(asset, self._manager, "PREDICTION", model_name="tide-detector-2", seconds_to_label=None)

    def _consensus(self, asset: Asset) -> None:
        asset.is_used_for_consensus = True
        for author in self._chance.sample(self._labelers, 2):
            self._label(asset, author)

    def _half_consensus(self, asset: Asset) -> None:
        asset.is_used_for_consensus = True
        self._label(asset, self._labeler())

    def _honeypot(self, asset: Asset) -> None:
        asset.is_honeypot = True
        self._label(asset, self._manager, "REVIEW", is_ground_truth=True)
        self._label(asset, self._manager, "INFERENCE", model_name="tide-detector-3", seconds_to_label=None)
        author = self._labeler()
        self._label(asset, author)
        self._changes.add_issue(asset, author, "QUESTION", "Does the pilot boat count as a vessel?")

    def _skipped(self, asset: Asset) -> None:
        self._tick()
        self._changes.skip(asset, self._labeler())


_SCREEN = {"width": 1920.0, "height": 1080.0}
