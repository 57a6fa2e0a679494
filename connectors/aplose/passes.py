"""What is known of a server and what is left to read, as a checkpoint says it: pure, a pass begun or gone on with.

The unit of reading is a campaign: its exports come whole, so its deletions show, too. A full pass reads all of them;
an incremental one those whose mark differs from what the server shows now (``plan``):

* the listing's print: names, labels, phases and their ends, archive, files, who is assigned and how far he got;
* v3: annotations with a later ``last_updated_at``, and, as soon as anything was made or deleted anywhere, the number
  of annotations of each phase, in which a deletion shows.

Marks are taken before a campaign is read, so that what changes meanwhile is read again next time. What moves none
of them only a full pass finds: a task comment by somebody whose task was finished before, two changes of status that
cancel each other out for one annotator, and before v3 every change to annotations of finished tasks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Self

from connectors.aplose.world import World
from connectors.coerce import flag, integer, many, mapping, text
from connectors.documents import JSON, Checkpoint

VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A campaign as it was when it was read last. ``counts`` are annotations by phase; empty where nobody counts."""

    print: str
    counts: Mapping[str, int] = field(default_factory=dict)

    def json(self) -> JSON:
        return {"print": self.print, "counts": dict(self.counts)}

    @classmethod
    def read(cls, said: JSON) -> Self:
        counts = {
            name: found for name, n in mapping(mapping(said).get("counts")).items() if (found := integer(n)) is not None
        }
        return cls(print=str(mapping(said).get("print")), counts=counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What a finished pass leaves. ``since`` is the server's time, ``total`` all annotations of the server."""

    since: str | None = None
    total: int | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    campaigns: Mapping[str, Mark] = field(default_factory=dict)

    def json(self) -> dict[str, JSON]:
        return {
            "since": self.since,
            "total": self.total,
            "names": dict(self.names),
            "campaigns": {key: mark.json() for key, mark in self.campaigns.items()},
        }

    @classmethod
    def read(cls, said: JSON) -> Self:
        found = mapping(said)
        return cls(
            since=text(found.get("since")),
            total=integer(found.get("total")),
            names={name: str(value) for name, value in mapping(found.get("names")).items()},
            campaigns={key: Mark.read(mark) for key, mark in mapping(found.get("campaigns")).items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """A pass under way. ``marks`` are those of the campaigns read so far, with the pass's own ``since``.

    ``begun``: pages of the first campaign of ``todo`` were stored already.
    """

    full: bool
    todo: tuple[str, ...]
    marks: Marks
    failed: tuple[str, ...] = ()
    begun: bool = False

    def checkpoint(self) -> Checkpoint:
        under_way = {
            "full": self.full,
            "todo": list(self.todo),
            "failed": list(self.failed),
            "begun": self.begun,
        }
        return {"version": VERSION, "pass": under_way, "marks": self.marks.json()}

    def finished(self) -> Checkpoint:
        return {"version": VERSION, "marks": self.marks.json()}

    def resumed(self, world: World) -> Self:
        """Gone on with, later: campaigns read before somebody was renamed are to be read again next time."""
        known = {} if renamed(self.marks.names, world.names) else self.marks.campaigns
        return replace(self, marks=replace(self.marks, names=world.names, campaigns=known))

    def after(self, mark: Mark | None, *, failed: bool = False) -> Self:
        """When the first campaign of ``todo`` is done with; without a mark the next pass reads it again."""
        key = self.todo[0]
        known = {one: each for one, each in self.marks.campaigns.items() if one != key}
        if mark is not None:
            known[key] = mark
        return replace(
            self,
            todo=self.todo[1:],
            begun=False,
            failed=(*self.failed, key) if failed else self.failed,
            marks=replace(self.marks, campaigns=known),
        )


def marks(checkpoint: Checkpoint | None) -> Marks:
    return Marks.read((checkpoint or {}).get("marks")) if _readable(checkpoint) else Marks()


def under_way(checkpoint: Checkpoint | None, *, full: bool) -> Pass | None:
    """The pass to go on with. A full one that was asked for does not begin in the middle of an incremental one."""
    said = mapping((checkpoint or {}).get("pass"))
    if not _readable(checkpoint) or not said or (full and not flag(said.get("full"))):
        return None
    return Pass(
        full=flag(said.get("full")) or False,
        todo=tuple(str(key) for key in many(said.get("todo"))),
        failed=tuple(str(key) for key in many(said.get("failed"))),
        begun=flag(said.get("begun")) or False,
        marks=marks(checkpoint),
    )


def _readable(checkpoint: Checkpoint | None) -> bool:
    return checkpoint is not None and checkpoint.get("version") == VERSION


def renamed(before: Mapping[str, str], now: Mapping[str, str]) -> bool:
    """Somebody is called otherwise: rows name him, so all of them have to be read."""
    return any(name in now and now[name] != called for name, called in before.items())


def departed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Annotators that the server does not list any more."""
    return sorted(set(before.values()) - set(now.values()) - {""})


def plan(before: Marks, world: World, *, changed: Iterable[str], counts: Mapping[str, int] | None) -> tuple[str, ...]:
    """The campaigns to read: new ones, changed ones and those that are gone. ``changed`` are phases.

    ``counts`` are annotations by phase; None: nothing was made or deleted anywhere.
    """
    moved = set(changed)
    everything = renamed(before.names, world.names)
    out = [key for key in before.campaigns if key not in world.campaigns]
    for key, campaign in world.campaigns.items():
        mark = before.campaigns.get(key)
        phases = [step.key for step in campaign.phases]
        counted = None if counts is None else {phase: counts[phase] for phase in phases if phase in counts}
        differs = mark is None or mark.print != campaign.print or moved.intersection(phases)
        if everything or differs or (mark is not None and counted is not None and counted != mark.counts):
            out.append(key)
    return tuple(out)
