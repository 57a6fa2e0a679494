"""The sandbox's account: its two modes with their projects, batches and tasks, and every change of a task.

Routes and control actions both come through here, so that each change is stored, counted and called back once.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from connectors.sandbox import Control
from connectors.scale.sandbox import rules
from connectors.scale.sandbox.callbacks import Callbacks, Delivery
from connectors.scale.sandbox.store import Task, TaskStore, encode
from connectors.scale.sandbox.types import TYPES

Mode: TypeAlias = Literal["test", "live"]

API_KEYS: Final[Mapping[Mode, str]] = {"test": "test_labelgate_sandbox", "live": "live_labelgate_sandbox"}
CALLBACK_KEYS: Final[Mapping[Mode, str]] = {"test": "callback-key-test", "live": "callback-key-live"}
TEST_WORK_SECONDS: Final = 0.045
"""In test mode no human works: recorded tasks are complete 45 ms after they were made."""


class MissingError(rules.ApiError):
    """No such object in this mode of the account."""

    status = 404


class TakenError(rules.ApiError):
    """The name or unique id is in use."""

    status = 409


class NotEnabledError(rules.ApiError):
    """The account may not create this type of task."""

    status = 402


@dataclass(slots=True)
class Project:
    id: str
    name: str
    type: str
    created_at: str
    param_history: list[dict[str, Any]] = field(default_factory=list)
    rapid: bool = False
    studio: bool = False
    archived: bool = False
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("name", "type", "created_at", "param_history")}

    def params(self, version: int | None = None) -> dict[str, Any]:
        """What tasks inherit: the last version unless one is named; -1 names none."""
        if version == -1 or not self.param_history:
            return {}
        wanted = [one for one in self.param_history if version in (None, one["version"])]
        if not wanted:
            raise rules.InvalidError(f'Parameter is invalid, reason: "project_version" {version} does not exist')
        return {name: value for name, value in wanted[-1].items() if name not in ("version", "created_at")}


@dataclass(slots=True)
class Batch:
    id: str
    name: str
    project: str
    status: str
    created_at: str
    metadata: dict[str, Any] = field(default_factory=dict)
    callback: str = ""
    completed_at: str = ""
    last_audited_at: str = ""
    archived: bool = False
    groups: list[str] = field(default_factory=list)
    priority: int | None = None

    def shown(self) -> dict[str, Any]:
        names = ("name", "project", "status", "created_at", "metadata", "callback")
        return {name: getattr(self, name) for name in names}


class World:
    """One mode of the account; nothing of the other mode is seen in it."""

    def __init__(self, mode: Mode, chance: random.Random) -> None:
        self.mode: Mode = mode
        self.tasks = TaskStore()
        self.projects: dict[str, Project] = {}
        self.batches: dict[str, Batch] = {}
        self.files: dict[str, dict[str, Any]] = {}
        self.customer = f"{chance.getrandbits(96):024x}"
        self._machine = f"{chance.getrandbits(40):010x}"
        self._count = chance.getrandbits(20)

    def new_id(self, at: str) -> str:
        """A Mongo ObjectId: seconds, a machine's five bytes, a count."""
        self._count += 1
        return f"{int(datetime.fromisoformat(at).timestamp()):08x}{self._machine}{self._count & 0xFFFFFF:06x}"

    def project(self, name: str) -> Project:
        if name not in self.projects:
            raise MissingError(f"Project {name} not found.")
        return self.projects[name]

    def batch(self, name: str) -> Batch:
        if name not in self.batches:
            raise MissingError(f"Batch {name} not found.")
        return self.batches[name]

    def task(self, task_id: str) -> Task:
        task = self.tasks.get(task_id)
        if task is None:
            raise MissingError("Task with that ID not found.")
        return task

    def draft(self, kind: str, body: Mapping[str, Any], now: str) -> Task:
        """A pending task as the request asks for it, not yet stored."""
        rules.check_texts(body)
        body = dict(body)
        batch = _named(self.batch, body.get("batch"))
        if batch is not None and body.setdefault("project", batch.project) != batch.project:
            raise rules.InvalidError(f"Batch {batch.name} is not in project {body['project']}.")
        project = _named(self.project, body.get("project"))
        version = body.get("project_version")
        inherited = project.params(version) if project else {}
        task = rules.new_task(self.new_id(now), kind, body, inherited, now=now, is_test=self.mode == "test")
        if task.get("unique_id") and self.tasks.holder(task["unique_id"]):
            raise TakenError("A task with that unique_id already exists.")
        task["customerId"] = self.customer
        if project is not None:
            last = project.param_history[-1]["version"] if project.param_history else 0
            task |= {"projectId": project.id, "project_param_version": last if version is None else version}
        return task

    def progress(self, batch: str) -> Counter[str]:
        return Counter(self.tasks.statuses(batch))


def answer(task: Task) -> dict[str, Any] | None:
    """A dummy answer to the task, always the same for the same id."""
    make = TYPES[task["type"]].answer
    return make(task["params"], random.Random(task["task_id"])) if make else None


def _named(find: Callable[[str], Any], name: str | None) -> Any:
    """A project or batch that a task request names; an unknown one is a bad parameter, not a 404."""
    try:
        return find(name) if name else None
    except MissingError as error:
        raise rules.InvalidError(str(error)) from error


class Account:
    """Everything the sandbox remembers. Whoever changes it holds ``lock``."""

    def __init__(self, control: Control, seed: int) -> None:
        self.control = control
        self.lock = threading.RLock()
        self.worlds: dict[Mode, World] = {mode: World(mode, random.Random(f"{mode} {seed}")) for mode in API_KEYS}
        self.callbacks = Callbacks(self._settle)
        self.auditor = "auditor@example.com"
        self.disabled_types: set[str] = set()
        self.teammates: dict[str, dict[str, Any]] = {}
        self.assignments: dict[str, list[str]] = {}

    def now(self) -> str:
        return rules.stamp(self.control.clock.now())

    def locate(self, task_id: str) -> tuple[World, Task]:
        """The task in whichever mode it is. Raises ``MissingError``."""
        for world in self.worlds.values():
            task = world.tasks.get(task_id)
            if task is not None:
                return world, task
        raise MissingError(f"no task {task_id}")

    # --- changes ----------------------------------------------------------------------------------------------

    def create(self, world: World, kind: str, body: Mapping[str, Any], *, work: bool) -> Task:
        """``work``: it is completed at once, with a dummy answer, as in test mode."""
        if kind in self.disabled_types:
            raise NotEnabledError(f"{kind} is not enabled for this account.")
        task = world.draft(kind, body, self.now())
        if work:
            rules.complete(task, answer(task), rules.later(task["created_at"], TEST_WORK_SECONDS))
        self.save(world, task, event="completed" if work else None)
        return task

    def audit(self, world: World, task: Task, result: str, **details: Any) -> Task:
        now = self.now()
        details = {"at": now, "by": self.auditor} | {key: value for key, value in details.items() if value is not None}
        rules.audit(task, result, now=now, **details)
        if "batch" in task:
            batch = world.batch(task["batch"])
            batch.last_audited_at = max(batch.last_audited_at, details["at"])
        self.save(world, task, event="audit")
        return task

    def save(self, world: World, task: Task, *, event: str | None = None) -> None:
        """Stores the task; ``event`` also tells the callback URL."""
        world.tasks.put(task)
        url = task.get("callback_url") or self.callbacks.default_url
        if event is not None and url:
            told: dict[str, Any] = {"task_id": task["task_id"]}
            if "response" in task:
                told["response"] = task["response"]
            self.callbacks.send(task["task_id"], url, encode(told | {"task": task}), CALLBACK_KEYS[world.mode], event)

    def complete_batch(self, world: World, batch: Batch) -> None:
        """The body of a batch's callback is not documented: the batch object is our guess."""
        batch.status, batch.completed_at = "completed", self.now()
        if batch.callback:
            self.callbacks.send("", batch.callback, encode(batch.shown()), CALLBACK_KEYS[world.mode], "batch")

    def _settle(self, delivery: Delivery) -> None:
        """``callback_succeeded``: true after a 2xx, false when every try failed."""
        with self.lock:
            if not delivery.task_id:
                return
            world, task = self.locate(delivery.task_id)
            succeeded = delivery.state == "delivered"
            if task.get("callback_succeeded") is not succeeded:
                task["callback_succeeded"] = succeeded
                self.save(world, rules.touch(task, self.now()))
