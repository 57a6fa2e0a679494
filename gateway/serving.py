"""Runs the HTTP server: the store, the sources, the application, one process or several, and an orderly end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import click
import structlog
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.supervisors import Multiprocess

from gateway.app import create_app, create_edge
from gateway.edge import Edge, is_loopback
from gateway.log import configure
from gateway.metrics import Metrics
from gateway.protocol import Bounded, bounded
from gateway.runtime import live_sources, open_store
from gateway.settings import Settings, SettingsError, load
from gateway.store import monitor
from gateway.store.store import Store
from gateway.tokens import Tokens

log = structlog.get_logger(__name__)

GRACE_SECONDS: Final = 8
"""For requests under way after SIGTERM; orchestrators commonly kill after ten."""


async def serve(config: str | None, host: str | None, port: int | None, workers: int | None) -> None:
    """Serves as the settings say, in one process or in several, until SIGINT or SIGTERM."""
    settings = load(config)
    count = settings.server.workers if workers is None else workers
    if count > 1:
        serve_processes(config, host, port, count)  # blocks, and takes the signals: nothing else runs here
    else:
        await serve_forever(config, host, port)


async def serve_forever(config: str | None, host: str | None, port: int | None) -> None:
    """Serves in this process until SIGINT or SIGTERM."""
    settings = load(config)
    _log(settings)
    metrics = Metrics()
    monitor.listen(metrics.command)
    async with open_store(settings) as store:
        address = (host or settings.server.host, settings.server.port if port is None else port)
        await serve_store(store, settings, *address, metrics=metrics)


def _log(settings: Settings) -> None:
    configure(level=settings.log.level, format=settings.log.format, known_secrets=settings.secrets)


async def serve_store(
    store: Store, settings: Settings, host: str, port: int, *, metrics: Metrics | None = None
) -> None:
    """Serves an open store until SIGINT or SIGTERM. Raises ``SettingsError`` for an address that needs tokens."""
    await check_address(store, settings, host)
    async with _edge(store, settings, metrics) as (edge, app):
        server = _Server(_config(app, settings, host, port), edge)
        click.echo(f"GraphQL and GraphiQL: {_url(host, port)}   (Ctrl-C ends)", err=True)
        await server.serve()


async def check_address(store: Store, settings: Settings, host: str) -> None:
    """Raises ``SettingsError`` if others could reach an open gateway."""
    if is_loopback(host) or settings.auth.jwt or await Tokens(store.db).any():
        return
    raise SettingsError(
        f"refusing to listen on {host}: no tokens are configured, so everybody who reaches it could do everything. "
        "Listen on 127.0.0.1, or make a token: labelgate tokens create NAME --scope read"
    )


@asynccontextmanager
async def _edge(
    store: Store, settings: Settings, metrics: Metrics | None = None
) -> AsyncIterator[tuple[Edge, ASGIApp]]:
    async with live_sources(settings) as live:
        edge = create_edge(store, settings, live, metrics=metrics)
        try:
            yield edge, create_app(edge, live)
        finally:
            await edge.close()


def _config(app: Any, settings: Settings, host: str, port: int, **more: Any) -> uvicorn.Config:
    limits = settings.limits
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        ws="websockets-sansio",
        ws_max_size=limits.body_bytes,
        ws_ping_interval=20,
        ws_ping_timeout=20,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=20,
        backlog=2048,
        server_header=False,
        **{"lifespan": "off", "http": bounded(settings.limits), **more},
    )


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/graphql"


class _Server(uvicorn.Server):
    """Says good-bye to those who wait for more before uvicorn waits for them to leave."""

    def __init__(self, config: uvicorn.Config, edge: Edge) -> None:
        super().__init__(config)
        self._edge = edge

    async def shutdown(self, sockets: Any = None) -> None:
        await self._edge.close()
        await super().shutdown(sockets)


# --- several processes ------------------------------------------------------------------------------------------------

_CONFIG: Final = "LABELGATE_CONFIG"


def serve_processes(config: str | None, host: str | None, port: int | None, workers: int) -> None:
    """Serves with several processes that share one address; ends with SIGINT or SIGTERM.

    Each process opens MongoDB for itself and checks the address before it answers anything.
    """
    if config is not None:
        os.environ[_CONFIG] = config
    settings = load(config)
    host, port = host or settings.server.host, settings.server.port if port is None else port
    os.environ["LABELGATE_SERVER__HOST"] = host
    configured = _config(
        "gateway.serving:application",
        settings,
        host,
        port,
        lifespan="on",
        workers=workers,
        factory=True,
        http="gateway.protocol:Bounded",
    )
    click.echo(f"GraphQL: {_url(host, port)}, {workers} processes   (Ctrl-C ends)", err=True)
    Multiprocess(configured, sockets=[configured.bind_socket()]).run()


class _Application:
    """What each process runs: everything is opened when it starts and closed when it ends."""

    def __init__(self) -> None:
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        assert self._app is not None
        await self._app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        settings = load()
        _log(settings)
        Bounded.limits = settings.limits
        metrics = Metrics()
        monitor.listen(metrics.command)
        await receive()
        started = False
        try:
            async with open_store(settings) as store:
                await check_address(store, settings, settings.server.host)
                async with _edge(store, settings, metrics) as (edge, app):
                    self._app = app
                    _close_on_signals(edge)
                    await send({"type": "lifespan.startup.complete"})
                    started = True
                    await receive()
            await send({"type": "lifespan.shutdown.complete"})
        except Exception as problem:
            if started:
                raise
            log.exception("the process could not start")
            await send({"type": "lifespan.startup.failed", "message": str(problem)})


def _close_on_signals(edge: Edge) -> None:
    """uvicorn tells an application of its end only when all connections have left; streams leave when told."""
    loop = asyncio.get_running_loop()
    closing: set[asyncio.Task[None]] = set()

    for number in (signal.SIGINT, signal.SIGTERM):
        before = signal.getsignal(number)

        def on_signal(received: int, frame: Any, before: Any = before) -> None:
            loop.call_soon_threadsafe(lambda: closing.add(loop.create_task(edge.close())))
            if callable(before):
                before(received, frame)

        signal.signal(number, on_signal)


def application() -> ASGIApp:
    """For uvicorn's factory option, and for other ASGI servers."""
    return _Application()
