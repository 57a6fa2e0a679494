"""A live Scale account as a source: passes over its tasks, single ones on demand, callbacks and verdicts.

Nothing is ever deleted at Scale (fact sheet ``platforms/scale.md`` §1), and it has no tombstones. That a key no longer
sees a task, since it is another key or the account was tidied up, shows only in a full pass that read everything, or
when the task is asked for by its id.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

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
from connectors.documents import JSON, Campaign, Checkpoint, Kind, Page, Ref, SkippedRecord
from connectors.errors import Refused
from connectors.scale import callbacks, pages, passes
from connectors.scale.client import Client
from connectors.scale.delivery import ACCEPTED, Delivery
from connectors.scale.listing import Listing
from connectors.scale.mapping import task_documents
from connectors.scale.settings import Settings

log: Final = logging.getLogger(__name__)


class ScaleSource:
    """``contract.PlatformSource`` with every capability. ``options`` go to the HTTP kit."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        self._settings = settings
        self._client = Client(settings, **options)
        self._listing = Listing(self._client, largest=settings.page_size)
        self._delivery = Delivery(self._client, settings)

    @property
    def capabilities(self) -> Capabilities:
        """Callbacks are heard only where a key is set that tells Scale's from anybody's."""
        return Capabilities(
            incremental=True,
            deletions=DeletionSupport.INFERRED_ON_FULL_SYNC,
            webhooks=bool(self._settings.callback_keys()),
            refresh=True,
            audit_results=tuple(ACCEPTED),
            audit_target=AuditTarget.TASK,
        )

    def requests(self) -> int:
        """How many were sent so far."""
        return self._client.http.stats.requests

    async def check(self) -> Health:
        await self._client.check()
        key = self._settings.api_key.reveal()
        modes = {"live mode": key.startswith("live_"), "test mode": key.startswith("test_") or key.endswith("|test")}
        return Health(version="v1", account=next((mode for mode, fits in modes.items() if fits), None))

    async def close(self) -> None:
        await self._client.http.aclose()

    # --- reading ----------------------------------------------------------------------------------------------

    async def fetch(self, since: Checkpoint | None, *, full: bool) -> AsyncIterator[Page]:
        going = passes.under_way(since, full=full)
        if going is None:
            projects, skipped, began = await self._projects()
            going = passes.whole_pass(began, self._settings) if full else await self._changes(since, began)
            going = replace(going, skipped=len(skipped))
            for page in pages.pages(([project] for project in projects), skipped, going):
                yield page
        while not going.over:
            async with aclosing(self._listing.pages(going.todo[0], going.token)) as listing:
                async for found in listing:
                    records, skipped = pages.read(found.tasks, task_documents, "GET /tasks")
                    going = going.after(found.token, done=len(found.tasks), skipped=len(skipped))
                    total = found.total if going.full else None
                    for page in pages.pages(records, skipped, going, read=len(found.tasks), total=total):
                        yield page

    async def refresh(self, refs: Sequence[tuple[Kind, str]]) -> Page:
        """Tasks and projects. What else is asked for cannot be read by itself, and is reported as skipped."""
        asked = list(dict.fromkeys(refs))
        ids = [name for kind, name in asked if kind is Kind.TASK]
        tasks = dict(zip(ids, await asyncio.gather(*map(self._task, ids)), strict=True))
        records, skipped = pages.read(filter(None, tasks.values()), task_documents, "GET /task/{id}")
        gone = [Ref(Kind.TASK, name) for name, task in tasks.items() if task is None]
        if names := [name for kind, name in asked if kind is Kind.CAMPAIGN]:
            projects, unread, _ = await self._projects()
            known = {project.external_id: project for project in projects}
            records = [*([known[name]] for name in names if name in known), *records]
            gone += [Ref(Kind.CAMPAIGN, name) for name in names if name not in known]
            skipped += [one for one in unread if one.external_id in names]
        skipped += [
            SkippedRecord(reason=f"Scale cannot be asked for a single {kind.value.lower()}", external_id=name)
            for kind, name in asked
            if kind not in (Kind.TASK, Kind.CAMPAIGN)
        ]
        return Page(documents=pages.documents(records), gone=gone, skipped=skipped, records=len(asked))

    async def _task(self, task_id: str) -> JSON:
        # What is made of dots alone cannot stand in a URL, and is no task's id.
        return (await self._client.task(task_id))[0] if task_id.strip(".") else None

    async def _projects(self) -> tuple[list[Campaign], list[SkippedRecord], datetime]:
        """All projects, and the time at Scale before anything else was read."""
        listed, began = await self._client.projects(archived=False)
        archived, _ = await self._client.projects(archived=True)
        return *pages.campaigns(listed, archived), began

    async def _changes(self, since: Checkpoint | None, began: datetime) -> passes.Pass:
        before, batches = passes.marks(since), None
        if before.audits and passes.audits_due(before, began, self._settings):
            try:
                batches = await self._client.audited_batches(before.audits)
            except Refused as refusal:
                log.warning("audited batches cannot be asked for: %s", refusal.message)
        return passes.change_pass(before, began, self._settings, batches)

    # --- callbacks and verdicts ---------------------------------------------------------------------------------

    async def receive(self, call: WebhookCall) -> Hint | None:
        return callbacks.receive(call, self._settings.callback_keys())

    async def mark(self, audit: PushAudit, task: PushTask) -> Mapping[str, JSON]:
        return await self._delivery.mark(audit, task)

    async def push(self, audit: PushAudit, task: PushTask) -> Receipt:
        return await self._delivery.push(audit, task)

    async def find(self, audit: PushAudit, task: PushTask) -> Receipt | None:
        return await self._delivery.find(audit, task)
