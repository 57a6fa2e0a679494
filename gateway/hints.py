"""Webhooks: what a platform says may have changed is kept as a hint, and the platform is asked again.

A hint is one document a thing, so that many calls about one task cost one question.
"""

from __future__ import annotations

import logging
from typing import Final

from connectors.contract import ReceivesWebhooks, WebhookCall
from connectors.documents import Kind
from connectors.errors import ConnectorError, Unauthorized
from connectors.ids import gid, parse_gid
from gateway.engine import utcnow
from gateway.store import runs
from gateway.store.store import Store
from gateway.sync import LiveSource, refresh

log = logging.getLogger(__name__)

BATCH: Final = 50


async def receive(store: Store, source: LiveSource, call: WebhookCall) -> int:
    """Keeps what a call hints at; gives how many things. Raises ``Unauthorized`` for a wrong secret."""
    if not isinstance(source.platform, ReceivesWebhooks):
        raise Unauthorized(f"{source.connector.title} sends no webhooks")
    hint = await source.platform.receive(call)
    if hint is None:
        return 0
    now = utcnow()
    if hint.everything:
        await runs.queue(store.db, source.name, "INCREMENTAL", now=now, by="webhook")
    for kind, external_id in hint.refs:
        key = gid(source.name, kind.value, external_id)
        change = {"$set": {"source": source.name, "at": now}, "$inc": {"calls": 1}}
        await store.db["hints"].update_one({"_id": key}, change, upsert=True)
    return len(hint.refs) + hint.everything


async def drain(store: Store, source: LiveSource) -> int:
    """Asks the platform about the oldest hinted things; gives how many. What cannot be read now stays a hint."""
    cursor = store.db["hints"].find({"source": source.name}, sort=[("at", 1)], limit=BATCH)
    hints = [hint async for hint in cursor]
    if not hints:
        return 0
    named = [parts for hint in hints if (parts := parse_gid(hint["_id"])) is not None]
    try:
        await refresh(store, source, [(Kind(parts.kind), parts.external_id) for parts in named])
    except ConnectorError as problem:
        log.warning("webhook hints of %s wait: %s", source.name, problem.message)
        return 0
    for hint in hints:  # a call that came meanwhile moved ``calls``: it is asked about again
        await store.db["hints"].delete_one({"_id": hint["_id"], "calls": hint["calls"]})
    return len(hints)
