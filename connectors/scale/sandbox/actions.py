"""What a test may do to the sandbox behind its API: ``control.actions[name](…)``, or the same over ``/_sandbox``.

Actions are the platform's own doing, so they leave no ``Effect``: those count what clients caused.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from connectors.scale.sandbox import rules
from connectors.scale.sandbox.state import Account, Batch, Mode, World, answer
from connectors.scale.sandbox.store import Task

SAMPLE: Mapping[str, Any] = {
    "instruction": "Draw a box around each vessel.",
    "attachment": "https://images.example.com/quay.jpg",
    "attachment_type": "image",
    "geometries": {"box": {"objects_to_annotate": ["ferry", "kayak"], "min_width": 4, "min_height": 4}},
}
"""What a created task holds when a test does not care."""


def add_actions(account: Account) -> None:
    """Every public method of ``Actions`` becomes an action; the plain ones hold the account's lock."""
    for name, method in inspect.getmembers(Actions(account), inspect.ismethod):
        if not name.startswith("_"):
            account.control.action(method if inspect.iscoroutinefunction(method) else _locked(account, method))


def _locked(account: Account, method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def locked(**arguments: Any) -> Any:
        with account.lock:
            return method(**arguments)

    return locked


class Actions:
    """Raises ``MissingError``, ``NotNowError`` and ``InvalidError`` as the API would answer."""

    def __init__(self, account: Account) -> None:
        self._account = account

    # --- tasks ------------------------------------------------------------------------------------------------

    def get_task(self, task_id: str) -> Task:
        return self._account.locate(task_id)[1]

    def list_tasks(self, mode: Mode = "test") -> list[Task]:
        """Every task, oldest first."""
        return list(self._account.worlds[mode].tasks)

    def create_task(
        self, kind: str = "imageannotation", mode: Mode = "test", complete: bool = False, **body: Any
    ) -> Task:
        """A pending task, unless it shall be complete; ``body`` as the API takes it."""
        return self._account.create(self._account.worlds[mode], kind, {**SAMPLE, **body}, work=complete)

    def create_tasks(self, count: int, **arguments: Any) -> list[str]:
        return [self.create_task(**arguments)["task_id"] for _ in range(count)]

    def complete_task(self, task_id: str, response: Mapping[str, Any] | None = None, silent: bool = False) -> Task:
        """Without ``response`` a dummy one; ``silent``: the task completes with no response at all."""
        world, task = self._account.locate(task_id)
        given = response if response is not None else answer(task)
        return self._save(world, rules.complete(task, None if silent else given, self._account.now()), "completed")

    def error_task(
        self,
        task_id: str,
        error: str = "One or more attachments could not be downloaded.",
        attachments: Sequence[Mapping[str, Any]] | None = None,
    ) -> Task:
        world, task = self._account.locate(task_id)
        if attachments is None:
            attachments = [{"statusCode": 403, "url": task["params"].get("attachment", "")}]
        return self._save(world, rules.fail(task, error, attachments, self._account.now()), "error")

    def recall_task(self, task_id: str) -> Task:
        world, task = self._account.locate(task_id)
        return self._save(world, rules.recall(task, self._account.now()), "recall")

    def cancel_task(self, task_id: str, clear_unique_id: bool = False) -> Task:
        world, task = self._account.locate(task_id)
        now = self._account.now()
        return self._save(world, rules.cancel(task, clear_unique_id=clear_unique_id, now=now), None)

    def add_audit(
        self,
        task_id: str,
        result: str,
        *,
        source: str = "customer",
        comment: str | None = None,
        by: str | None = None,
        at: str | None = None,
        seconds: float | None = None,
        active_seconds: float | None = None,
        response: Mapping[str, Any] | None = None,
        errors: Sequence[Mapping[str, Any]] | None = None,
    ) -> Task:
        """A verdict given in Scale's own UI, by a customer or by ``scale``; ``fixed`` brings the new response."""
        if result not in ("accepted", "rejected", "fixed") or source not in ("customer", "scale"):
            raise rules.InvalidError(f"no audit is {result} by {source}")
        world, task = self._account.locate(task_id)
        details = {"comment": comment, "by": by, "at": at, "seconds": seconds, "active_seconds": active_seconds}
        return self._account.audit(world, task, result, source=source, response=response, errors=errors, **details)

    def set_review_status(self, task_id: str, status: str | None, comment: str | None = None) -> Task:
        """Moves only the status, which Scale's own example shows apart from the audits; None takes it away."""
        world, task = self._account.locate(task_id)
        task["customer_review_status"] = status
        if status is None:
            del task["customer_review_status"]
        if comment is not None:
            task["customer_review_comments"] = [*rules.comments(task), comment]
        return self._save(world, rules.touch(task, self._account.now()), "audit")

    def touch(self, task_id: str) -> Task:
        """An internal change of Scale's: it moves ``updated_at`` and nothing else."""
        world, task = self._account.locate(task_id)
        return self._save(world, rules.touch(task, self._account.now()), None)

    # --- account ----------------------------------------------------------------------------------------------

    def complete_batch(self, name: str, mode: Mode = "test") -> dict[str, Any]:
        world = self._account.worlds[mode]
        batch: Batch = world.batch(name)
        self._account.complete_batch(world, batch)
        return batch.shown()

    def archive(self, project: str | None = None, batch: str | None = None, mode: Mode = "test") -> None:
        """Nothing is ever deleted at Scale; this is as near as it comes."""
        world = self._account.worlds[mode]
        if project is not None:
            world.project(project).archived = True
        if batch is not None:
            world.batch(batch).archived = True

    def set_auditor(self, email: str) -> None:
        """Whom audits over the API are by."""
        self._account.auditor = email

    def disable_types(self, types: Collection[str]) -> None:
        """Creating these answers 402 from now on."""
        self._account.disabled_types = set(types)

    # --- callbacks --------------------------------------------------------------------------------------------

    def set_callback_url(self, url: str) -> None:
        """Where callbacks go of tasks that name no URL; its host may then be called. Empty: nowhere."""
        self._account.callbacks.default_url = url

    def set_callback_retries(self, tries: int = 20, seconds: float = 1.0) -> None:
        self._account.callbacks.tries, self._account.callbacks.seconds = tries, seconds

    def replay_callbacks(self, task_id: str | None = None, times: int = 1) -> int:
        """Sends again all callbacks that were sent (of one task): duplicates, late and stale ones."""
        return self._account.callbacks.replay(task_id, times)

    def list_callbacks(self, task_id: str | None = None) -> list[dict[str, Any]]:
        return [one.shown() for one in self._account.callbacks.log if task_id in (None, one.task_id)]

    async def wait_callbacks(self, seconds: float = 10) -> list[dict[str, Any]]:
        """Until no callback is under way or waiting for its next try; gives the log. Raises ``TimeoutError``."""
        await asyncio.to_thread(self._account.callbacks.wait, seconds)
        return self.list_callbacks()

    def _save(self, world: World, task: Task, event: str | None) -> Task:
        self._account.save(world, task, event=event)
        return task
