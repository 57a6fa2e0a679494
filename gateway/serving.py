"""Runs the HTTP server: the store, the application, uvicorn, and an orderly end."""

from __future__ import annotations

import click
import uvicorn

from gateway.app import create_app
from gateway.runtime import open_store
from gateway.settings import Settings, SettingsError, load
from gateway.store.store import Store

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


async def serve_forever(config: str | None, host: str | None, port: int | None) -> None:
    settings = load(config)
    async with open_store(settings) as store:
        await serve_store(store, settings, host or settings.server.host, settings.server.port if port is None else port)


async def serve_store(store: Store, settings: Settings, host: str, port: int) -> None:
    """Serves an open store until SIGINT or SIGTERM. Raises ``SettingsError`` for an address that needs tokens."""
    if host not in _LOOPBACK:
        raise SettingsError(
            f"refusing to listen on {host}: no tokens are configured, so everybody who reaches it could do everything. "
            "Listen on 127.0.0.1"
        )
    app = create_app(store, graphiql=settings.server.graphiql, debug=settings.server.debug)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=8,
            timeout_keep_alive=20,
            server_header=False,
        )
    )
    name = f"[{host}]" if ":" in host else host
    click.echo(f"GraphQL and GraphiQL: http://{name}:{port}/graphql   (Ctrl-C ends)", err=True)
    await server.serve()
