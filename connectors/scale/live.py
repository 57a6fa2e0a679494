"""A live Scale account as a source: passes over its tasks, single ones on demand, callbacks and verdicts.

Nothing is ever deleted at Scale (fact sheet ``platforms/scale.md`` §1), and it has no tombstones. A task that a key no
longer sees, since it is another key or the account was tidied up, is known as gone only by a full pass that read
everything, or when it is asked for by its id.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
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
from connectors.documents import (
    JSON,
    AnyDocument,
    Campaign,
    CampaignStatus,
    Checkpoint,
    Kind,
    Page,
    Ref,
    Scope,
    SkippedRecord,
)
from connectors.errors import Refused, SkipRecord
from connectors.scale import callbacks, passes
from connectors.scale.client import Client
from connectors.scale.delivery import ACCEPTED, Delivery
from connectors.scale.listing import Listing
from connectors.scale.mapping import project_document, task_documents
from connectors.scale.settings import Settings

KINDS: Final = frozenset({Kind.CAMPAIGN, Kind.ASSET, Kind.TASK, Kind.SUBMISSION, Kind.ANNOTATION, Kind.ANNOTATOR, Kind.AUDIT})
"""What a full pass sees all of."""

CAPABILITIES: Final = Capabilities(
    incremental=True,
    deletions=DeletionSupport.INFERRED_ON_FULL_SYNC,
    webhooks=True,
    refresh=True,
    audit_results=tuple(ACCEPTED),
    audit_target=AuditTarget.TASK,
)

PAGE_DOCUMENTS: Final = 5_000
"""A page of the store ends when it has so many; a page of Scale with large tasks becomes several."""


class ScaleSource:
    """``contract.PlatformSource`` with every capability. ``options`` go to the HTTP kit."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        self._settings = settings
        self._client = Client(settings, **options)
        self._listing = Listing(self._client, largest=settings.page_size)
        self._delivery = Delivery(self._client, settings)

    @property
    def capabilities(self) -> Capabilities:
        return replace(CAPABILITIES, webhooks=bool(self._settings.callback_keys()))

    def requests(self) -> int:
        """How many were sent so far."""
        return self._client.http.stats.requests

    async def check(self) -> Health:
        await self._client.check()
        key = self._settings.api_key.reveal()
        modes = {"live": key.startswith("live_"), "test": key.startswith("test_") or key.endswith("|test")}
        return Health(version="v1", account=next((f"{mode} mode" for mode, fits in modes.items() if fits), None))

    async def close(self) -> None:
        await self._client.http.aclose()

    # --- reading ----------------------------------------------------------------------------------------------

    async def fetch(self, since: Checkpoint | None, *, full: bool) -> AsyncIterator[Page]:
        going = passes.under_way(since, full=full)
        if going is None:
            documents, skipped, began = await self._projects()
            going = passes.whole_pass(began, self._settings) if full else await self._changes(since, began)
            going = replace(going, skipped=len(skipped))
            for page in _pages(([one] for one in documents), skipped, going):
                yield page
        while not going.over:
            async for found in self._listing.pages(going.todo[0], going.token):
                groups, skipped = _read(found.tasks, task_documents, "GET /tasks")
                going = going.after(found.token, done=len(found.tasks), skipped=len(skipped))
                for page in _pages(groups, skipped, going, records=len(found.tasks), total=found.total):
                    yield page

    async def refresh(self, refs: Sequence[tuple[Kind, str]]) -> Page:
        """Tasks and projects. What else is asked for cannot be read by itself, and is reported as skipped."""
        asked = dict.fromkeys(refs)
        ids = [name for kind, name in asked if kind is Kind.TASK]
        # A name of dots alone cannot stand in a URL, so nothing is called that.
        answers = await asyncio.gather(*(self._client.task(name) for name in ids if name.strip(".")))
        groups, skipped = _read([task for task, _ in answers if task], task_documents, "GET /task/{id}")
        tasks = {name for name, (task, _) in zip((i for i in ids if i.strip(".")), answers, strict=True) if task}
        gone = [Ref(Kind.TASK, name) for name in ids if name not in tasks]
        if names := {name for kind, name in asked if kind is Kind.CAMPAIGN}:
            projects, unread, _ = await self._projects()
            groups = [*([one] for one in projects if one.external_id in names), *groups]
            gone += [Ref(Kind.CAMPAIGN, name) for name in sorted(names - {one.external_id for one in projects})]
            skipped += [one for one in unread if one.external_id in names]
        skipped += [
            SkippedRecord(reason=f"Scale cannot be asked for a single {kind.value.lower()}", external_id=name)
            for kind, name in asked
            if kind not in (Kind.TASK, Kind.CAMPAIGN)
        ]
        documents = [document for part in _parts(groups, limit=None) for document in part]
        return Page(documents=documents, gone=gone, skipped=skipped, records=len(asked))

    async def _projects(self) -> tuple[list[Campaign], list[SkippedRecord], datetime]:
        """All projects, and the time at Scale before anything else was read.

        A project does not say whether it is archived; the list it is in does, unless it is in both.
        """
        listed, began = await self._client.projects(archived=False)
        archived, _ = await self._client.projects(archived=True)
        found: dict[str, Campaign] = {}
        skipped: list[SkippedRecord] = []
        for projects, status in ((listed, CampaignStatus.OPEN), (archived, CampaignStatus.ARCHIVED)):
            groups, unread = _read(projects, lambda project: [project_document(project)], "GET /projects")
            skipped += [one for one in unread if one not in skipped]
            for one in (group[0] for group in groups):
                if one.status is CampaignStatus.UNKNOWN and one.external_id not in found:
                    native = "archived" if status is CampaignStatus.ARCHIVED else None
                    found[one.external_id] = replace(one, status=status, native_status=native)
                else:
                    found[one.external_id] = one
        return list(found.values()), skipped, began

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
