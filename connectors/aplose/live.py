"""A live APLOSE server as a source: passes over its campaigns, campaigns on demand, and verdicts (v3).

Reads v1.12 to v3; what is written goes to v3 only (fact sheet ``platforms/aplose.md`` §6: a v2 server deletes other
people's work when a task comes back as it was read).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from connectors.aplose import listing_v2, listing_v3, passes
from connectors.aplose.campaigns import Campaigns
from connectors.aplose.client import Client, Version
from connectors.aplose.delivery import RESULTS, Delivery
from connectors.aplose.passes import Mark, Marks, Pass
from connectors.aplose.picking import Picker
from connectors.aplose.settings import Settings
from connectors.aplose.world import World
from connectors.coerce import mapping, text
from connectors.contract import AuditTarget, Capabilities, DeletionSupport, Health, PushAudit, PushTask, Receipt
from connectors.documents import JSON, AnyDocument, Checkpoint, Kind, Page, Ref, Scope, SkippedRecord
from connectors.errors import Refused, SkipRecord

BELOW: Final = frozenset({Kind.ASSET, Kind.TASK, Kind.SUBMISSION, Kind.ANNOTATION, Kind.AUDIT, Kind.COMMENT})
"""What a campaign's exports show all of."""
ALL: Final = BELOW | {Kind.CAMPAIGN, Kind.ANNOTATOR}
_PAGE: Final = 1000


class AploseSource:
    """``contract.PlatformSource``; takes audits where the server is v3. ``options`` go to the HTTP kit."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        self._settings = settings
        self._client = Client(settings, **options)
        self._delivery = Delivery(self._client, settings)

    @property
    def capabilities(self) -> Capabilities:
        """Which version answers is known from the first contact on; until then nothing is promised that v2 lacks.

        A verdict goes to a single annotation, in a campaign with an open Verification phase in which our account has
        a file range that covers the file. Others are refused when they are delivered.
        """
        reads = Capabilities(incremental=True, deletions=DeletionSupport.INFERRED_ON_FULL_SYNC, refresh=True)
        if self._client.version is not Version.V3:
            return reads
        return replace(reads, audit_results=RESULTS, audit_target=AuditTarget.ANNOTATION, audit_fix=True)

    def requests(self) -> int:
        """How many were sent so far."""
        return self._client.http.stats.requests

    async def check(self) -> Health:
        version, _ = await self._client.probe()
        if version is Version.V3:
            me = mapping((await self._client.query("{ currentUser { username } }")).get("currentUser"))
        else:
            me = mapping(await self._client.get("/api/user/self/", absent=(404,)))
        return Health(version=version.value, account=text(me.get("username")) or self._settings.username)

    async def close(self) -> None:
        await self._client.http.aclose()

    # --- passes -------------------------------------------------------------------------------------------------

    async def fetch(self, since: Checkpoint | None, *, full: bool) -> AsyncIterator[Page]:
        version, now = await self._client.probe()
        world = await self._world(version)
        going = passes.under_way(since, full=full)
        if going is None:
            watermark = (now - timedelta(seconds=self._settings.overlap_seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
            before = Marks() if full else passes.marks(since)
            going, gone = await self._plan(version, world, before, watermark, full=full or before.since is None)
        else:
            gone = passes.departed(going.marks.names, world.names)
            going = going.resumed(world)
        for page in _first_pages(world, gone, going):
            yield page
        total = len(going.todo)
        while going.todo:
            async with aclosing(self._campaign(version, world, going)) as pages:
                async for page, after in pages:
                    going = after
                    yield replace(page, done=total - len(going.todo), total=total)
        for page in _last_pages(world, going):
            yield page

    async def _campaign(self, version: Version, world: World, going: Pass) -> AsyncGenerator[tuple[Page, Pass], None]:
        """The pages of the campaign that comes next, each with the pass as it stands once the page is stored."""
        key = going.todo[0]
        # A campaign read in two goes may have lost something in between that the pass has seen.
        mark = None if going.begun and going.full else await self._mark(version, world, key)
        campaigns = Campaigns(self._client, world)
        try:
            async with aclosing(campaigns.pages(key)) as pages:
                async for page in pages:
                    going = replace(going, begun=True)
                    yield replace(page, checkpoint=going.checkpoint()), going
        except (Refused, SkipRecord) as problem:
            report = SkippedRecord(reason=problem.message, where=f"campaign {key}", external_id=key)
            failed = going.after(None, failed=True)
            yield Page(skipped=(report,), checkpoint=failed.checkpoint()), failed
            return
        if campaigns.whole and not going.full:
            # What is no longer there goes before the campaign counts as read, so a crash in between repeats both.
            kinds = BELOW if key in world.campaigns else BELOW | {Kind.CAMPAIGN}
            yield Page(completes=Scope(kinds=kinds, campaign=key), checkpoint=going.checkpoint()), going
        going = going.after(mark if campaigns.whole else None, failed=not campaigns.whole)
        yield Page(checkpoint=going.checkpoint()), going

    async def _world(self, version: Version) -> World:
        if version is Version.V3:
            return await listing_v3.world(self._client)
        return await listing_v2.world(self._client, version)

    async def _plan(
        self, version: Version, world: World, before: Marks, watermark: str, *, full: bool
    ) -> tuple[Pass, list[str]]:
        """A new pass, and who is gone since the last one."""
        total = await listing_v3.counted(self._client) if version is Version.V3 else None
        marks = Marks(since=watermark, total=total, names=world.names, campaigns=before.campaigns)
        if full or before.since is None:
            return Pass(full=full, todo=tuple(world.campaigns), marks=replace(marks, campaigns={})), []
        changed: set[str] = set()
        counts = None
        if version is Version.V3:
            phases = [step.key for campaign in world.campaigns.values() for step in campaign.phases]
            changed = await listing_v3.changed_phases(self._client, before.since, phases)
            if changed or total != before.total:
                counts = {key: await listing_v3.counted(self._client, key) for key in phases}
        todo = passes.plan(before, world, changed=changed, counts=counts)
        gone = passes.departed(before.names, world.names)
        return Pass(full=False, todo=todo, marks=replace(marks, since=max(watermark, before.since))), gone

    async def _mark(self, version: Version, world: World, key: str) -> Mark | None:
        campaign = world.campaigns.get(key)
        if campaign is None:
            return None
        counts = {}
        if version is Version.V3:
            counts = {step.key: await listing_v3.counted(self._client, step.key) for step in campaign.phases}
        return Mark(print=campaign.print, counts=counts)

    # --- on demand, and verdicts ----------------------------------------------------------------------------------

    async def refresh(self, refs: Sequence[tuple[Kind, str]]) -> Page:
        """Tasks, assets and campaigns: their campaigns are read anew, and what was not asked for is left out."""
        picker = Picker(refs)
        version, _ = await self._client.probe()
        world = await self._world(version)
        for key in picker.campaigns:
            campaigns = Campaigns(self._client, world)
            if key in world.campaigns:
                picker.campaign(world.campaigns[key].document)
            async with aclosing(campaigns.pages(key)) as pages:
                async for page in pages:
                    picker.take(page)
            picker.read(key, whole=campaigns.whole)
        return picker.page()

    async def mark(self, audit: PushAudit, task: PushTask) -> Mapping[str, JSON]:
        return await self._delivery.mark(audit, task)

    async def push(self, audit: PushAudit, task: PushTask) -> Receipt:
        return await self._delivery.push(audit, task)

    async def find(self, audit: PushAudit, task: PushTask) -> Receipt | None:
        return await self._delivery.find(audit, task)


def _first_pages(world: World, gone: Sequence[str], going: Pass) -> list[Page]:
    """Campaigns and people, as listed; a pass begins with them, and again when it goes on."""
    documents: list[AnyDocument] = [*(campaign.document for campaign in world.campaigns.values()), *world.people]
    chunks = [documents[start : start + _PAGE] for start in range(0, len(documents), _PAGE)] or [[]]
    pages = [Page(documents=chunk, records=len(chunk)) for chunk in chunks]
    left = tuple(Ref(Kind.ANNOTATOR, name) for name in gone)
    return [*pages[:-1], replace(pages[-1], gone=left, checkpoint=going.checkpoint())]


def _last_pages(world: World, going: Pass) -> list[Page]:
    """A full pass ends with what it saw all of; where a campaign could not be read, that is less than everything."""
    if not going.full:
        return [Page(checkpoint=going.finished())]
    if not going.failed:
        return [Page(completes=Scope(kinds=ALL), checkpoint=going.finished())]
    read = [key for key in world.campaigns if key not in going.failed]
    scopes = [Scope(kinds=BELOW, campaign=key) for key in read]
    return [
        *(Page(completes=scope, checkpoint=going.checkpoint()) for scope in scopes),
        Page(completes=Scope(kinds=frozenset({Kind.CAMPAIGN})), checkpoint=going.finished()),
    ]
