"""One pass over the projects of an account, as pages for the store: whole ones, and what changed in the others.

A project is read whole when it is new, when what decides how its assets are understood has changed, and when counts
say that something vanished of which nobody told. Only then, and in full passes, pages say what is complete.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from connectors.coerce import moment
from connectors.documents import JSON, AnyDocument, Kind, Page, Ref, Scope, SkippedRecord
from connectors.errors import Refused
from connectors.kili import passes
from connectors.kili.client import Client, stamp
from connectors.kili.passes import Mark, Pass, Place, Reading
from connectors.kili.problems import of_this_thing
from connectors.kili.reading import Assets, page_size
from connectors.kili.settings import Settings

log: Final = logging.getLogger(__name__)

WORK: Final = frozenset({Kind.ASSET, Kind.TASK, Kind.SUBMISSION, Kind.ANNOTATION, Kind.AUDIT, Kind.COMMENT})
"""What is in a project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Projects by id as the API gives them, and the documents for them and for people."""

    projects: Mapping[str, Mapping[str, JSON]]
    documents: Sequence[AnyDocument]
    skipped: Sequence[SkippedRecord]
    people: bool
    """All people were listed."""

    def total(self) -> int | None:
        counts = [project.get("numberOfAssets") for project in self.projects.values()]
        return sum(count for count in counts if isinstance(count, int)) if None not in counts else None


class Walk:
    """``pages`` goes through what is left of a pass."""

    def __init__(self, client: Client, settings: Settings, world: World, going: Pass) -> None:
        self._client = client
        self._assets = Assets(client)
        self._settings = settings
        self._world = world
        self._going = going
        self._total = world.total() if going.full else None

    async def pages(self) -> AsyncIterator[Page]:
        going, world = self._going, self._world
        going.spoiled = going.spoiled or bool(world.skipped)
        for project in [project for project in going.marks if project not in world.projects]:
            # Nothing of it is named in this pass, so all of it is gone.
            if not world.skipped and not going.full:
                yield Page(completes=Scope(kinds=WORK | {Kind.CAMPAIGN}, campaign=project))
                del going.marks[project]
        going.todo = [project for project in going.todo if project in world.projects]
        yield self._page(world.documents, skipped=world.skipped, records=len(world.projects))
        while going.todo:
            project = going.todo[0]
            try:
                changes = None if going.full else await self._look(project)
                async for page in self._changed(project, *changes) if changes else self._whole(project):
                    yield page
            except Refused as refusal:
                if not of_this_thing(refusal):
                    raise
                yield self._passed_by(project, refusal)
        kinds = WORK | {Kind.CAMPAIGN} | ({Kind.ANNOTATOR} if world.people else set())
        whole = going.full and not going.spoiled
        yield self._page(completes=Scope(kinds=kinds) if whole else None)

    # --- whole projects -----------------------------------------------------------------------------------------

    async def _whole(self, project: str) -> AsyncIterator[Page]:
        """Every asset. Stopped half-way it goes on there, unless the store must hear what is gone in one run."""
        going = self._going
        resumable = going.full or project not in going.marks
        reading = going.reading if resumable and going.reading and going.reading.project == project else None
        unbroken = going.full or reading is None
        reading = reading or Reading(project=project, mark=(await self._mark(project))[0])
        going.reading = reading if resumable else None
        while True:
            async for page in self._listed(reading):
                yield page
            until = {"project": {"id": project}, "createdAtLte": reading.mark.counted}
            counted = await self._client.count("assets", until)
            if counted <= reading.read:
                break
            if reading.repeated:
                reason = f"Kili counts {counted} assets and lists {reading.read} of them"
                reading.skipped += 1
                yield self._page(skipped=[SkippedRecord(reason=reason, where=f"project {project}")])
                break
            reading.place, reading.read, reading.repeated = Place(by_time=False), 0, True
        if not reading.skipped and unbroken:
            yield Page(completes=Scope(kinds=WORK, campaign=project), done=going.done, total=self._total)
        going.spoiled = going.spoiled or bool(reading.skipped)
        yield self._finish(project, reading.mark)

    async def _listed(self, reading: Reading) -> AsyncIterator[Page]:
        facts = self._world.projects[reading.project]
        limit = moment(reading.mark.counted)
        async for assets, place in self._assets.listed(reading.project, reading.place, page_size(facts)):
            batch = await self._assets.read(assets, facts)
            created = [moment(asset.get("createdAt")) for asset in assets]
            reading.read += sum(at is None or limit is None or at <= limit for at in created)
            reading.skipped += len(batch.skipped)
            reading.place = place or reading.place
            again = dict.fromkeys((*reading.mark.again, *batch.unread))
            reading.mark = replace(reading.mark, again=tuple(again)[: passes.MOST_AGAIN])
            self._going.done += len(assets)
            yield self._page(batch.documents, skipped=batch.skipped, records=len(assets))

    # --- what changed -------------------------------------------------------------------------------------------

    async def _look(self, project: str) -> tuple[Mark, list[str]] | None:
        """What to read of a project, and its next mark; None: all of it."""
        old = self._going.marks.get(project)
        if old is None or old.shape != passes.shape(self._world.projects[project]):
            return None
        mark, counts = await self._mark(project, old)
        if passes.stale(old, mark.at):
            return None
        found = await self._assets.changes(project, old, touched=counts["changed"] > 0)
        lost = old.assets - counts["assetsThen"]
        unlabelled = counts["labelsThen"] < old.labels
        recount = passes.due(old.whole, mark.at, self._settings.recount_seconds)
        if lost > len(found.deleted) or (unlabelled and (not found.deleted or recount)):
            log.info("project %s is read whole: something vanished of which nobody told", project)
            return None
        if unlabelled:
            mark = replace(mark, counted=old.counted, assets=counts["assetsThen"], labels=old.labels)
        moved = old.issues is None or old.issues != mark.issues
        if found.on_issues or moved or passes.due(old.swept, mark.at, self._settings.issues_seconds):
            found.assets |= dict.fromkeys(await self._assets.with_new_issues(project, old.since))
        else:
            mark = replace(mark, swept=old.swept)
        return replace(mark, whole=old.whole), list(found.assets)

    async def _changed(self, project: str, mark: Mark, ids: Sequence[str]) -> AsyncIterator[Page]:
        """Touched assets with everything in them; those that are no longer there are gone."""
        facts = self._world.projects[project]
        size = page_size(facts)
        again: list[str] = []
        for start in range(0, len(ids), size):
            asked = ids[start : start + size]
            batch = await self._assets.read(await self._assets.named(asked, project), facts)
            there = {asset.get("id") for asset in batch.assets}
            gone = [Ref(kind, name) for name in asked if name not in there for kind in (Kind.TASK, Kind.ASSET)]
            again += batch.unread
            self._going.done += len(asked)
            yield Page(
                documents=batch.documents,
                gone=gone,
                skipped=batch.skipped,
                records=len(asked),
                done=self._going.done,
            )
        yield self._finish(project, replace(mark, again=tuple(again)[: passes.MOST_AGAIN]))

    # --- shared -------------------------------------------------------------------------------------------------

    async def _mark(self, project: str, old: Mark | None = None) -> tuple[Mark, Mapping[str, int]]:
        """The mark for a reading that begins now, and what was counted for it."""
        at = self._client.at or datetime.now(UTC)
        since = passes.before(at, self._settings.overlap_seconds)
        since = max(since, old.since) if old else since
        changed = old.since if old else since
        counts = await self._client.probe(project, since=since, before=old.counted if old else since, changed=changed)
        facts = self._world.projects[project]
        now = stamp(at)
        mark = Mark(
            since=since,
            at=now,
            counted=since,
            assets=counts["assets"],
            labels=counts["labels"],
            issues=passes.issue_counts(facts),
            swept=now,
            whole=now,
            shape=passes.shape(facts),
        )
        return mark, counts

    def _passed_by(self, project: str, refusal: Refused) -> Page:
        """Kili does not show us this project now. What is known of it stays, and so does where to go on."""
        going = self._going
        going.todo.remove(project)
        going.reading, going.spoiled = None, True
        reason = f"the project cannot be read: {refusal.message}"
        return self._page(skipped=[SkippedRecord(reason=reason, where=f"project {project}", external_id=project)])

    def _finish(self, project: str, mark: Mark) -> Page:
        self._going.marks[project] = mark
        self._going.todo.remove(project)
        self._going.reading = None
        return self._page()

    def _page(
        self,
        documents: Sequence[AnyDocument] = (),
        *,
        skipped: Sequence[SkippedRecord] = (),
        records: int = 0,
        completes: Scope | None = None,
    ) -> Page:
        return Page(
            documents=documents,
            checkpoint=self._going.checkpoint(),
            completes=completes,
            skipped=skipped,
            records=records,
            done=self._going.done,
            total=self._total,
        )
