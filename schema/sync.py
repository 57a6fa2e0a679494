"""SyncRuns: what a run read and changed, and what it had to skip."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from schema.audit import DeliveryError
from schema.comparators import SyncMode, SyncState
from schema.data import computed, get
from schema.errors import RequestError
from schema.fields import Backed, link, part, stored
from schema.jsontext import json_value
from schema.node import RAW, Info, LazySource, Node, embedded, shows
from schema.ports import Order, Query, Window
from schema.scalars import JSON


@strawberry.type(description="What a run did to documents of all kinds.")
class SyncCounts(Backed):
    created: int = stored("New here.")
    updated: int = stored("Changed.")
    unchanged: int = stored("Read and found the same; nothing was written.")
    deleted: int = stored("No longer on the platform.")
    skipped: int = stored("Records that could not be read.")
    requests: int = stored("Requests sent to the platform.")


@strawberry.type(description="How far a run is.")
class SyncProgress(Backed):
    records: int = stored("The platform's own records (rows, tasks, assets) read so far.")
    done: int = stored("Progress in the unit of total.")
    total: int | None = stored("Bytes or records in all; null while unknown.")


@strawberry.type(description="A record that could not be read; the run went on without it.")
class SkippedRecord(Backed):
    where: str | None = stored("File and row, or path and id.")
    field: str | None = stored("The column or key at fault.")
    external_id: str | None = stored("The platform's id, where it could be read.")
    reason: str = stored("What was wrong.")

    @computed(f"The record itself. Null without the scope {RAW}.", "raw")
    def raw(self, info: Info) -> JSON | None:
        text = self.doc.get("raw")
        return json_value(text) if text is not None and info.context.viewer.may(RAW) else None


@shows("sync_runs")
@strawberry.federation.type(keys=["id"], description="One reading of a source: a sync, an import, a webhook.")
class SyncRun(Node):
    source: LazySource = link("The source that was read.", "sources")
    mode: SyncMode = stored("What was read.")
    state: SyncState = stored("How it stands.")
    started_at: datetime = stored("When it began.")
    finished_at: datetime | None = stored("When it ended.")
    counts: SyncCounts = part("What it did.", embedded(SyncCounts))
    progress: SyncProgress = part("How far it is.", embedded(SyncProgress))
    error: DeliveryError | None = part("Why it failed.", embedded(DeliveryError))

    @computed("Records that could not be read, in the order they came; the run goes on without them.")
    async def skipped(
        self,
        info: Info,
        first: Annotated[int, strawberry.argument(description="How many, at most 500.")] = 20,
    ) -> list[SkippedRecord]:
        if not 0 <= first <= 500:
            raise RequestError("first is between 0 and 500", argument="first")
        query = Query(
            "skipped_records",
            order=(Order("_id"),),
            window=Window(first=first),
            fields=frozenset({"where", "field", "external_id", "reason", "raw"}),
        )
        page = await info.context.loaders.page(query, "run").load(get(self.doc, "_id"))
        return [SkippedRecord(doc=doc) for doc in page.docs]
