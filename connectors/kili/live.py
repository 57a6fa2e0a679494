"""A live Kili account as a source: passes over its projects, single assets on demand, webhooks and verdicts."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from connectors.coerce import mapping, text
from connectors.contract import (
    AuditTarget,
    Capabilities,
    DeletionSupport,
    Health,
    Hint,
    PushAudit,
    PushTask,
    Receipt,
    WebhookCall,
)
from connectors.documents import JSON, AnyDocument, AuditResult, Checkpoint, Kind, Page, Ref, SkippedRecord
from connectors.errors import Refused, SkipRecord
from connectors.kili import passes, queries, webhooks
from connectors.kili.client import PAGE, Client
from connectors.kili.delivery import Delivery
from connectors.kili.people import members, user_document
from connectors.kili.projects import project_document
from connectors.kili.reading import Assets, Batch
from connectors.kili.settings import Settings
from connectors.kili.walk import Walk, World

log: Final = logging.getLogger(__name__)

_READ_ALONE: Final = (Kind.TASK, Kind.ASSET, Kind.CAMPAIGN)


class KiliSource:
    """``contract.PlatformSource`` with every capability. ``options`` go to the client and the HTTP kit below it."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        self._settings = settings
        self._client = Client(settings, **options)
        self._assets = Assets(self._client)
        self._delivery = Delivery(self._client, self._assets, settings)

    @property
    def capabilities(self) -> Capabilities:
        """Webhooks are heard only where a secret is set that tells Kili's from anybody's."""
        return Capabilities(
            incremental=True,
            deletions=DeletionSupport.REPORTED,
            webhooks=self._settings.webhook_secret is not None,
            refresh=True,
            audit_results=(AuditResult.ACCEPTED, AuditResult.REJECTED, AuditResult.FIXED, AuditResult.COMMENTED),
            audit_target=AuditTarget.TASK,
            audit_errors=True,
            audit_fix=True,
        )

    def requests(self) -> int:
        """How many were sent so far."""
        return self._client.http.stats.requests

    async def check(self) -> Health:
        viewer = await self._client.viewer(fresh=True)
        return Health(version=await self._client.version(), account=text(viewer.get("email")))

    async def close(self) -> None:
        await self._client.http.aclose()

    # --- reading ----------------------------------------------------------------------------------------------

    async def fetch(self, since: Checkpoint | None, *, full: bool) -> AsyncIterator[Page]:
        """Projects and people are read at each start, since nothing can be understood without them."""
        world = await self._world()
        going = passes.resume(since, world.projects, full=full)
        async for page in Walk(self._client, self._settings, world, going).pages():
            yield page

    async def refresh(self, refs: Sequence[tuple[Kind, str]]) -> Page:
        """Assets with everything in them, and projects. What else is asked for is reported as skipped."""
        asked = list(dict.fromkeys(refs))
        wanted = list(dict.fromkeys(name for kind, name in asked if kind in (Kind.TASK, Kind.ASSET)))
        campaigns = [name for kind, name in asked if kind is Kind.CAMPAIGN]
        assets: list[Mapping[str, JSON]] = []
        for start in range(0, len(wanted), PAGE // 2):
            assets += await self._assets.anywhere(wanted[start : start + PAGE // 2])
        there = {text(asset.get("id")) for asset in assets}
        homes = {home: None for asset in assets if (home := text(mapping(asset.get("project")).get("id")))}
        projects = {name: await self._client.project(name) for name in dict.fromkeys((*campaigns, *homes))}
        documents, skipped, _ = _campaigns([found for name in campaigns if (found := projects[name])])
        for home in homes:
            of_home = [asset for asset in assets if text(mapping(asset.get("project")).get("id")) == home]
            batch: Batch = await self._assets.read(of_home, projects[home] or {"id": home})
            documents += batch.documents
            skipped += batch.skipped
        gone = [Ref(kind, name) for name in wanted if name not in there for kind in (Kind.TASK, Kind.ASSET)]
        gone += [Ref(Kind.CAMPAIGN, name) for name in campaigns if projects[name] is None]
        skipped += [
            SkippedRecord(reason=f"Kili cannot be asked for a single {kind.value.lower()}", external_id=name)
            for kind, name in asked
            if kind not in _READ_ALONE
        ]
        return Page(documents=documents, gone=gone, skipped=skipped, records=len(asked))

    async def _world(self) -> World:
        documents, skipped, projects = _campaigns(await self._client.projects())
        people = True
        try:
            users = await self._client.listed("users", queries.USER, {})
        except Refused as refusal:
            log.info("the users of the organisation cannot be listed: %s", refusal.message)
            users, people = [], False
        listed = [user_document(self._client.http.redact(mapping(user))) for user in users]
        documents += [person for person in listed if person]
        return World(projects=projects, documents=documents, skipped=skipped, people=people)

    # --- webhooks and verdicts ----------------------------------------------------------------------------------

    async def receive(self, call: WebhookCall) -> Hint | None:
        return webhooks.receive(call, self._settings.webhook_secret)

    async def mark(self, audit: PushAudit, task: PushTask) -> Mapping[str, JSON]:
        return await self._delivery.mark(audit, task)

    async def push(self, audit: PushAudit, task: PushTask) -> Receipt:
        return await self._delivery.push(audit, task)

    async def find(self, audit: PushAudit, task: PushTask) -> Receipt | None:
        return await self._delivery.find(audit, task)


def _campaigns(
    projects: Sequence[JSON],
) -> tuple[list[AnyDocument], list[SkippedRecord], dict[str, Mapping[str, JSON]]]:
    """Campaigns and the people they name; unreadable projects; projects by id. Counts are no part of a project:
    they would change it with every label."""
    documents: dict[tuple[Kind, str, str], AnyDocument] = {}
    skipped: list[SkippedRecord] = []
    known: dict[str, Mapping[str, JSON]] = {}
    for project in map(mapping, projects):
        plain = {name: value for name, value in project.items() if not name.startswith("numberOf")}
        try:
            campaign = project_document(plain)
        except SkipRecord as skip:
            skipped.append(SkippedRecord(reason=skip.message, where=skip.where, field=skip.field, raw=skip.raw))
            continue
        known[campaign.external_id] = project
        told: list[AnyDocument] = [campaign, *members(plain)]
        for document in told:
            documents[document.kind, document.external_id, document.facet] = document
    return list(documents.values()), skipped, known
