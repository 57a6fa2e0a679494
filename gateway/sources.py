"""The registry of sources in the store: what each is, what it can do, and how its last run went."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any

from connectors.contract import Capabilities
from gateway.store.codec import Stored
from gateway.store.driver import AFTER
from gateway.store.store import Store


class SourceTaken(ValueError):
    """A source of this name exists and belongs to another platform."""


async def register(
    store: Store, name: str, platform: str, capabilities: Capabilities, *, enabled: bool = True, live: bool = False
) -> Stored:
    """Makes the source known, or brings what is known up to date; an import leaves a live source as it is.

    Raises ``SourceTaken``.
    """
    facts = {"enabled": enabled, "live": live, "capabilities": _plain(capabilities)}
    new = {"platform": platform, "health": "NEVER_SYNCED"}
    change = {"$set": facts, "$setOnInsert": new} if live else {"$setOnInsert": facts | new}
    found: Stored = await store.db["sources"].find_one_and_update(
        {"_id": name}, change, upsert=True, return_document=AFTER
    )
    if found["platform"] != platform:
        raise SourceTaken(f"the source {name} belongs to {found['platform']}; choose another name for {platform}")
    return found


async def note_run(store: Store, name: str, run: Mapping[str, Any], *, now: datetime) -> None:
    """Keeps what a finished run says about the source's health."""
    state, error = run["state"], run.get("error") or {}
    change: Stored = {"last_run": run["_id"], "checked_at": now}
    if state in ("SUCCEEDED", "PARTIAL"):
        change["last_successful_sync"] = run["_id"]
        change["health"] = "OK" if state == "SUCCEEDED" else "DEGRADED"
    elif error.get("code") == "PLATFORM_UNAUTHORIZED":
        change["health"] = "UNAUTHORIZED"
    elif error.get("code") == "PLATFORM_UNAVAILABLE":
        change["health"] = "UNREACHABLE"
    elif state != "CANCELED":
        change["health"] = "DEGRADED"
    await store.db["sources"].update_one({"_id": name}, {"$set": change})


def _plain(capabilities: Capabilities) -> Stored:
    def value(item: Any) -> Any:
        if isinstance(item, Enum):
            return item.value
        return [value(one) for one in item] if isinstance(item, tuple) else item

    return {field.name: value(getattr(capabilities, field.name)) for field in dataclasses.fields(capabilities)}
