"""Sources: configured accounts and servers, what they can do and how they are."""

from __future__ import annotations

from typing import Any

import strawberry

from connectors.contract import AuditTarget, DeletionSupport
from connectors.documents import AuditResult
from connectors.ids import gid
from schema.comparators import SourceHealth
from schema.connections import Connection
from schema.fields import Backed, connection, link, part, stored
from schema.node import Node, embedded, shows
from schema.ports import Order
from schema.reference import Referable
from schema.sync import SyncRun


@strawberry.type(description="What the platform can do through this source; a client greys out what is false.")
class Capabilities(Backed):
    incremental: bool = stored("Syncs read only what changed.")
    deletions: DeletionSupport = stored("How deletions on the platform become known.")
    webhooks: bool = stored("The platform tells of changes.")
    refresh: bool = stored("Single objects can be read on demand.")
    audit_results: list[AuditResult] = stored(
        "Verdicts it takes. Empty: audits are kept here and never sent.", read=list
    )
    audit_target: AuditTarget = stored("What a verdict may be about.")
    audit_errors: bool = stored("Takes errors of single marks.")
    audit_fix: bool = stored("Takes corrected answers.")


def _source_gid(name: Any) -> str:
    return gid(name, "Source", name)


@shows("sources")
@strawberry.federation.type(
    keys=["id"], description="A configured connection: one account or server of one platform, or its exports."
)
class Source(Referable, Node):
    id: strawberry.ID = stored("Global id.", path="_id", read=_source_gid)
    name: str = stored("Short name from the configuration, e.g. scale-prod.", path="_id")
    platform: str = stored(
        "Connector name, e.g. scale, kili, aplose. A string, so that a new connector is no schema change."
    )
    enabled: bool = stored("False: it is neither read nor written.")
    capabilities: Capabilities = part("What it can do.", embedded(Capabilities))
    health: SourceHealth = stored("Whether it can be read now.")
    last_successful_sync: SyncRun | None = link(
        "The newest run that ended well.", "sync_runs", path="last_successful_sync"
    )
    sync_runs: Connection[SyncRun] = connection(
        "Its runs, newest first.", "sync_runs", "source", default_order=(Order("started_at", descending=True),)
    )
