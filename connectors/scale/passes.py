"""What is left to read, as a checkpoint says it: pure, and the same whether a pass begins or goes on.

A pass lists projects, and then tasks by one filter after another. A full pass has one listing, of everything. An
incremental one asks for what changed since the watermark and now and then, because nobody documents that an audit
moves ``updated_at`` (fact sheet ``platforms/scale.md`` §6), reads again the tasks of audited batches and all tasks
with a review status.

The watermark moves only when a pass has drained every page, since pages come by ``created_at`` and a half-read
listing proves nothing. It becomes the time *at Scale* when the pass began, less the overlap: what changes later is
later than that. The newest ``updated_at`` that a pass has met would not do, because a task on a page already read may
have changed before it; nor our own clock, which may be ahead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Self

from connectors.coerce import flag, integer, mapping, moment, text
from connectors.documents import JSON, Checkpoint
from connectors.scale.settings import Settings

VERSION: Final = 1
REVIEWED: Final = "accepted,rejected,fixed,commented"
MOST_BATCHES: Final = 100
"""When more batches were audited, they are left to the next reading of all reviewed tasks."""

Filters = Mapping[str, str]
"""Query parameters of ``GET /tasks``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Between two passes: how far changes, audits of batches and reviews have been seen, in Scale's time."""

    updated: str | None = None
    audits: str | None = None
    reviews: str | None = None

    @classmethod
    def read(cls, said: JSON) -> Self:
        """Times that are none count as not there: then everything is read."""
        found = mapping(said)
        return cls(**{name: stamp(at) if (at := moment(found.get(name))) else None for name in cls.__slots__})

    def json(self) -> dict[str, JSON]:
        return {name: value for name in self.__slots__ if (value := getattr(self, name)) is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """A pass under way. ``todo`` begins with the listing being read, ``token`` is the place in it."""

    full: bool
    todo: tuple[Filters, ...]
    then: Marks
    """Holds once the pass is over."""
    token: str | None = None
    done: int = 0
    skipped: int = 0
    """Records it could not read: it has not seen everything."""

    @property
    def over(self) -> bool:
        return not self.todo

    def after(self, token: str | None, *, done: int, skipped: int) -> Self:
        """When one more page has been read."""
        counts: dict[str, Any] = {"done": self.done + done, "skipped": self.skipped + skipped}
        return replace(self, token=token, todo=self.todo if token else self.todo[1:], **counts)

    def checkpoint(self) -> Checkpoint:
        if self.over:
            return {"version": VERSION, "marks": self.then.json()}
        under_way = {
            "full": self.full,
            "todo": [dict(filters) for filters in self.todo],
            "token": self.token,
            "done": self.done,
            "skipped": self.skipped,
        }
        return {"version": VERSION, "pass": under_way, "then": self.then.json()}


def marks(checkpoint: Checkpoint | None) -> Marks:
    """Where the next incremental pass begins."""
    return Marks.read((checkpoint or {}).get("marks")) if _readable(checkpoint) else Marks()


def under_way(checkpoint: Checkpoint | None, *, full: bool) -> Pass | None:
    """The pass to go on with. A full one that was asked for does not begin in the middle of an incremental one."""
    said = mapping((checkpoint or {}).get("pass"))
    todo = said.get("todo")
    if not _readable(checkpoint) or not isinstance(todo, list) or not todo or (full and not said.get("full")):
        return None
    return Pass(
        full=flag(said.get("full")) or False,
        todo=tuple({str(name): str(value) for name, value in mapping(filters).items()} for filters in todo),
        then=Marks.read((checkpoint or {}).get("then")),
        token=text(said.get("token")),
        done=integer(said.get("done")) or 0,
        skipped=integer(said.get("skipped")) or 0,
    )


def _readable(checkpoint: Checkpoint | None) -> bool:
    return checkpoint is not None and checkpoint.get("version") == VERSION


# --- beginning a pass -----------------------------------------------------------------------------------------


def whole_pass(began: datetime, settings: Settings) -> Pass:
    at = _before(began, settings)
    return Pass(full=True, todo=({},), then=Marks(updated=at, audits=at, reviews=at))


def audits_due(before: Marks, began: datetime, settings: Settings) -> bool:
    """Is it time to ask which batches were audited?"""
    return _due(before.audits, began, settings.audited_batches_seconds, settings)


def change_pass(before: Marks, began: datetime, settings: Settings, batches: Sequence[str] | None = None) -> Pass:
    """What changed since the last pass, ``batches`` that were audited (None: not asked), reviewed tasks if due."""
    at = _before(began, settings)
    if before.updated is None:
        return Pass(full=False, todo=({},), then=Marks(updated=at, audits=at, reviews=at))
    then = Marks(updated=max(at, before.updated), audits=before.audits, reviews=before.reviews)
    todo: list[Filters] = [{"updated_after": before.updated}]
    if batches is not None and len(batches) <= MOST_BATCHES:
        todo += [{"batch": name} for name in batches]
        then = replace(then, audits=at)
    if _due(before.reviews, began, settings.reviewed_tasks_seconds, settings):
        todo.append({"customer_review_status": REVIEWED})
        then = replace(then, audits=then.audits if batches is None else at, reviews=at)
    return Pass(full=False, todo=tuple(todo), then=then)


def stamp(at: datetime) -> str:
    """As Scale writes times (§1)."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _before(began: datetime, settings: Settings) -> str:
    return stamp(began - timedelta(seconds=settings.overlap_seconds))


def _due(last: str | None, began: datetime, every: float, settings: Settings) -> bool:
    at = moment(last)
    if not every or at is None:
        return bool(every)
    return began - at >= timedelta(seconds=every + settings.overlap_seconds)
