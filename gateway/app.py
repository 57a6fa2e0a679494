"""The composition root: one ASGI application from a store and settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from gateway.store.store import Store
from gateway.view import GraphQLView
from schema.build import build
from schema.context import Context
from schema.ports import Viewer

EVERYTHING = frozenset({"admin", "audit", "people:read", "raw:read", "read", "sync"})


def create_app(store: Store, *, graphiql: bool = True, max_body: int = 1_000_000, debug: bool = False) -> Starlette:
    """The gateway for loopback: whoever reaches it may do everything, so it must not be reachable from elsewhere."""

    async def context(request: Request) -> Context:
        return Context(reader=store.reader, viewer=Viewer(name="loopback", scopes=EVERYTHING))

    view = GraphQLView(build(), context, graphiql=graphiql, max_body=max_body, debug=debug)
    return Starlette(
        routes=[
            Route("/", _home),
            Route("/graphql", _endpoint(view), methods=["GET", "POST", "PUT", "DELETE", "PATCH"]),
            Route("/healthz", _alive),
            Route("/readyz", _ready(store)),
        ],
        middleware=[Middleware(GZipMiddleware, minimum_size=1024)],
    )


def _endpoint(view: GraphQLView) -> Callable[[Request], Awaitable[Response]]:
    async def graphql(request: Request) -> Response:
        return await view(request)

    return graphql


async def _home(_request: Request) -> Response:
    return RedirectResponse("/graphql")


async def _alive(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


def _ready(store: Store) -> Callable[[Request], Awaitable[Response]]:
    async def ready(_request: Request) -> Response:
        try:
            await store.db.command("ping")
        except Exception as problem:  # noqa: BLE001 - any failure means not ready
            return JSONResponse({"status": "unavailable", "mongodb": type(problem).__name__}, 503)
        return JSONResponse({"status": "ok", "mongodb": "ok"})

    return ready
