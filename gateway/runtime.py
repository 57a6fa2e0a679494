"""What a process holds while it runs: the open store, and the live sources with their clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from connectors.discovery import discover
from gateway.secret_fields import secrets_in
from gateway.settings import Settings, SourceSettings
from gateway.store import connect
from gateway.store.store import Store
from gateway.sync import LiveSource


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """The store that the settings name, with its indexes in place. Raises ``StoreError``."""
    async with connect.open_store(settings) as opened:
        store = Store(opened.db)
        await store.prepare()
        yield store


@asynccontextmanager
async def live_sources(
    settings: Settings, only: Iterable[str] | None = None
) -> AsyncIterator[Mapping[str, LiveSource]]:
    """The enabled sources that can be spoken to, opened; all of them closed at the end."""
    wanted = set(settings.sources) if only is None else set(only)
    async with AsyncExitStack() as stack:
        found: dict[str, LiveSource] = {}
        for name, source in settings.sources.items():
            opened = _open(source) if source.enabled and name in wanted else None
            if opened is not None:
                stack.push_async_callback(opened.platform.close)
                found[name] = opened
        yield found


def _open(source: SourceSettings) -> LiveSource | None:
    connector = discover()[source.platform]
    if connector.open is None:
        return None
    return LiveSource(
        name=source.name,
        connector=connector,
        platform=connector.open(source.settings),
        sync_every=source.sync_every or 300.0,
        secrets=tuple(secrets_in(source.settings)),
    )
