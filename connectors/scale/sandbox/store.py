"""The sandbox's memory of tasks: one compact JSON text each, kept in the order Scale lists them.

Every distinct filter becomes a view, a sorted list of keys that each later change keeps up to date. So a page costs
what it holds, however many tasks there are, and its ``total`` costs nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

Task: TypeAlias = dict[str, Any]
"""A task object as the API shows it (fact sheet §4)."""

VIEWS = 64
"""Views kept at a time; the one that was used longest ago makes room."""


class Key(NamedTuple):
    """Where a task stands: Scale lists by ``created_at``; ids grow, so they settle ties."""

    created_at: str
    id: str


class Record(NamedTuple):
    """What filters ask of a task, and its JSON text."""

    key: Key
    status: str
    type: str
    project: str | None
    batch: str | None
    review: str | None
    unique_id: str | None
    tags: frozenset[str]
    completed_at: str
    updated_at: str
    text: bytes

    @classmethod
    def of(cls, task: Task) -> Record:
        # An unaudited completed task is what Scale's filter value `pending` ("ready to audit") finds.
        ready = "pending" if task["status"] == "completed" else None
        return cls(
            key=Key(task["created_at"], task["task_id"]),
            status=task["status"],
            type=task["type"],
            project=task.get("project"),
            batch=task.get("batch"),
            review=task.get("customer_review_status") or ready,
            unique_id=task.get("unique_id"),
            tags=frozenset(task.get("tags") or ()),
            completed_at=task.get("completed_at") or "",
            updated_at=task["updated_at"],
            text=encode(task),
        )


@dataclass(frozen=True, slots=True)
class Between:
    """Inclusive bounds on a timestamp; an absent timestamp lies within no bounds."""

    low: str = ""
    high: str = "~"

    def holds(self, value: str) -> bool:
        return bool(value) and self.low <= value <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """The filters of ``GET /tasks`` (fact sheet §3). Several tags mean any of them, as several unique ids must."""

    project: str | None = None
    batch: str | None = None
    status: str | None = None
    type: str | None = None
    reviews: frozenset[str] = frozenset()
    unique_ids: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    created: Between | None = None
    completed: Between | None = None
    updated: Between | None = None

    def fits(self, record: Record) -> bool:
        return not (
            (self.updated and not self.updated.holds(record.updated_at))
            or (self.project is not None and record.project != self.project)
            or (self.batch is not None and record.batch != self.batch)
            or (self.status is not None and record.status != self.status)
            or (self.type is not None and record.type != self.type)
            or (self.reviews and record.review not in self.reviews)
            or (self.unique_ids and record.unique_id not in self.unique_ids)
            or (self.tags and not self.tags & record.tags)
            or (self.created and not self.created.holds(record.key.created_at))
            or (self.completed and not self.completed.holds(record.completed_at))
        )


@dataclass(frozen=True, slots=True)
class Page:
    texts: list[bytes]
    total: int
    has_more: bool
    next_token: str | None


class TaskStore:
    """All tasks of one mode of the account."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}
        self._by_unique_id: dict[str, str] = {}
        self._keys: dict[Filter, list[Key]] = {Filter(): []}
        self._views: OrderedDict[Filter, list[Key]] = OrderedDict()

    def __iter__(self) -> Iterator[Task]:
        """Oldest first."""
        return (decode(self._records[key.id].text) for key in self._keys[Filter()])

    def get(self, task_id: str) -> Task | None:
        record = self._records.get(task_id)
        return None if record is None else decode(record.text)

    def holder(self, unique_id: str) -> str | None:
        """The id of the task that has the unique id."""
        return self._by_unique_id.get(unique_id)

    def put(self, task: Task) -> None:
        """Adds or replaces. ``created_at``, ``project`` and ``batch`` of a task never change."""
        record = Record.of(task)
        old = self._records.get(record.key.id)
        self._records[record.key.id] = record
        if old is None:
            for base in _bases(record):
                insort(self._keys.setdefault(base, []), record.key)
        elif old.unique_id is not None and old.unique_id != record.unique_id:
            del self._by_unique_id[old.unique_id]
        if record.unique_id is not None:
            self._by_unique_id[record.unique_id] = record.key.id
        for wanted, view in self._views.items():
            was, now = old is not None and wanted.fits(old), wanted.fits(record)
            if now and not was:
                insort(view, record.key)
            elif was and not now:
                del view[bisect_left(view, record.key)]

    def statuses(self, batch: str) -> Iterator[str]:
        return (self._records[key.id].status for key in self._keys.get(Filter(batch=batch), ()))

    def page(self, wanted: Filter, limit: int, *, after: Key | None = None, offset: int = 0) -> Page:
        """Newest first, from below ``after`` or else behind the first ``offset``."""
        view = self._view(wanted)
        end = max(0, len(view) - offset) if after is None else bisect_left(view, after)
        keys = view[max(0, end - limit) : end][::-1]
        has_more = end > limit
        return Page(
            texts=[self._records[key.id].text for key in keys],
            total=len(view),
            has_more=has_more,
            next_token=write_token(keys[-1]) if has_more else None,
        )

    def _view(self, wanted: Filter) -> list[Key]:
        if wanted in self._keys:
            return self._keys[wanted]
        view = self._views.pop(wanted, None)
        if view is None:
            view = [key for key in self._candidates(wanted) if wanted.fits(self._records[key.id])]
        self._views[wanted] = view
        if len(self._views) > VIEWS:
            self._views.popitem(last=False)
        return view

    def _candidates(self, wanted: Filter) -> Iterable[Key]:
        if wanted.unique_ids:
            holders = (self._by_unique_id.get(unique_id) for unique_id in wanted.unique_ids)
            return sorted(self._records[task_id].key for task_id in holders if task_id is not None)
        if wanted.batch is not None:
            return self._keys.get(Filter(batch=wanted.batch), ())
        if wanted.project is not None:
            return self._keys.get(Filter(project=wanted.project), ())
        return self._keys[Filter()]


def _bases(record: Record) -> Iterator[Filter]:
    yield Filter()
    if record.project is not None:
        yield Filter(project=record.project)
    if record.batch is not None:
        yield Filter(batch=record.batch)


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def encode(value: object) -> bytes:
    return _ENCODER.encode(value).encode()


def decode(text: bytes) -> Task:
    task = json.loads(text)
    assert isinstance(task, dict)
    return task


def write_token(key: Key) -> str:
    """``next_token`` as recorded from Scale (fact sheet §3): base64 of compact JSON that names the last task."""
    return base64.b64encode(encode({"id": key.id, "created_at": key.created_at})).decode()


def read_token(token: str) -> Key:
    """Raises ``ValueError`` for what ``write_token`` did not write."""
    try:
        said = json.loads(base64.b64decode(token, validate=True))
        return Key(str(said["created_at"]), str(said["id"]))
    except (binascii.Error, UnicodeDecodeError, json.JSONDecodeError, TypeError, KeyError) as error:
        raise ValueError("next_token is not one of ours") from error
