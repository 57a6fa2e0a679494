"""What is known of each project from the last pass, and what of the present one is done: a checkpoint, as values.

The watermark of a project is the time *at Kili* before its reading began, less the overlap: what changes later is
later than that. Beside it stand counts of what had been made by then. Nothing but a deletion makes them smaller, and
Kili has no event for a deleted label (fact sheet ``platforms/kili.md`` §14, §16).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Final, Self

from connectors.coerce import flag, integer, many, mapping, moment, text
from connectors.documents import JSON, Checkpoint
from connectors.kili.client import stamp

VERSION: Final = 1
MOST_AGAIN: Final = 1_000
STALE: Final = timedelta(days=7)
"""How long the audit trail is kept is unknown (§14): after so long a project is read whole."""

_SHAPE: Final = ("inputType", "jsonInterface", "workflowVersion", "steps", "stepGroups")
_ISSUES: Final = ("numberOfOpenIssues", "numberOfSolvedIssues", "numberOfOpenQuestions", "numberOfSolvedQuestions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far a project has been read. Times are Kili's, as text."""

    since: str
    """Changes from here on are still to be read."""
    at: str
    """When it was last looked at."""
    counted: str
    assets: int
    labels: int
    """How many there were, of those made until ``counted``."""
    issues: tuple[int, ...] | None
    """Open and solved issues and questions."""
    swept: str
    """When all issues were last looked through."""
    whole: str
    """When it was last read whole."""
    shape: str
    """A digest of what decides how its assets are understood."""
    again: tuple[str, ...] = ()
    """Assets that could not be read."""

    @classmethod
    def read(cls, said: JSON) -> Self | None:
        """None for what is no mark: the project is read whole then."""
        found = mapping(said)
        times = {name: _time(found.get(name)) for name in ("since", "at", "counted", "swept", "whole")}
        counts = {name: integer(found.get(name)) for name in ("assets", "labels")}
        issues = found.get("issues")
        if None in times.values() or None in counts.values():
            return None
        return cls(
            **times,  # type: ignore[arg-type]
            **counts,  # type: ignore[arg-type]
            issues=tuple(issues) if isinstance(issues, list) else None,
            shape=text(found.get("shape")) or "",
            again=tuple(map(str, many(found.get("again")))),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where to go on listing assets: by time of creation, so that a deletion moves nothing over to what was read."""

    after: str | None = None
    skip: int = 0
    by_time: bool = True
    """False: this server does not list by time of creation, so only ``skip`` counts."""


@dataclass(slots=True, kw_only=True)
class Reading:
    """A project that is being read whole. ``mark`` holds once it has been."""

    project: str
    mark: Mark
    place: Place = field(default_factory=Place)
    read: int = 0
    """Assets made until ``mark.counted``."""
    skipped: int = 0
    repeated: bool = False

    @classmethod
    def of(cls, said: JSON) -> Self | None:
        found, place = mapping(said), mapping(mapping(said).get("place"))
        project, mark = text(found.get("project")), Mark.read(found.get("mark"))
        if project is None or mark is None:
            return None
        return cls(
            project=project,
            mark=mark,
            place=Place(
                after=_time(place.get("after")),
                skip=integer(place.get("skip")) or 0,
                by_time=flag(place.get("by_time")) is not False,
            ),
            read=integer(found.get("read")) or 0,
            skipped=integer(found.get("skipped")) or 0,
            repeated=flag(found.get("repeated")) or False,
        )


@dataclass(slots=True, kw_only=True)
class Pass:
    """A pass under way: ``todo`` begins with the project being read."""

    full: bool
    todo: list[str]
    marks: dict[str, Mark]
    reading: Reading | None = None
    done: int = 0
    spoiled: bool = False
    """A record could not be read: the pass has not seen everything."""

    def checkpoint(self) -> Checkpoint:
        known: dict[str, JSON] = {
            "version": VERSION,
            "marks": {project: _plain(asdict(mark)) for project, mark in self.marks.items()},
        }
        if self.todo:
            known["pass"] = {
                "full": self.full,
                "todo": list(self.todo),
                "reading": _plain(asdict(self.reading)) if self.reading else None,
                "done": self.done,
                "spoiled": self.spoiled,
            }
        return known


def resume(checkpoint: Checkpoint | None, projects: Iterable[str], *, full: bool) -> Pass:
    """The pass to go on with, or a new one over ``projects``. A full one does not begin inside an incremental one."""
    known = checkpoint if checkpoint is not None and checkpoint.get("version") == VERSION else {}
    read = {project: Mark.read(said) for project, said in mapping(known.get("marks")).items()}
    marks = {project: mark for project, mark in read.items() if mark}
    said = mapping(known.get("pass"))
    if said and (said.get("full") or not full):
        return Pass(
            full=flag(said.get("full")) or False,
            todo=[str(project) for project in many(said.get("todo"))],
            marks=marks,
            reading=Reading.of(said.get("reading")),
            done=integer(said.get("done")) or 0,
            spoiled=flag(said.get("spoiled")) or False,
        )
    return Pass(full=full, todo=list(projects), marks={} if full else marks)


def shape(project: Mapping[str, JSON]) -> str:
    """Changes when the project's assets have to be read again, although none of them has changed."""
    told = json.dumps([project.get(name) for name in _SHAPE], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def issue_counts(project: Mapping[str, JSON]) -> tuple[int, ...] | None:
    """They change with every issue that is opened, solved, cancelled or opened again; None: not told."""
    counts = [integer(project.get(name)) for name in _ISSUES]
    return None if None in counts else tuple(count for count in counts if count is not None)


def due(last: str, now: str, seconds: float) -> bool:
    at, then = moment(now), moment(last)
    return at is None or then is None or at - then >= timedelta(seconds=seconds)


def stale(mark: Mark, now: str) -> bool:
    return due(mark.since, now, STALE.total_seconds())


def before(at: datetime, seconds: float) -> str:
    return stamp(at - timedelta(seconds=seconds))


def _time(value: JSON) -> str | None:
    at = moment(value)
    return stamp(at) if at else None


def _plain(value: dict[str, JSON]) -> JSON:
    """As JSON gives it back: lists for tuples."""
    return json.loads(json.dumps(value))
