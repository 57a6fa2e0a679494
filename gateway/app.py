"""The composition root of the edge: one ASGI application from an open store and settings."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from gateway import downloads, health, uploads, webhooks
from gateway.auth import EVERYTHING, Authenticator, Unauthenticated
from gateway.desk import Desk
from gateway.documents import read_documents
from gateway.edge import Edge
from gateway.metrics import Metrics
from gateway.middleware import Observed
from gateway.operations import Operations
from gateway.quotas import Quotas
from gateway.settings import Settings
from gateway.sockets import serve_socket
from gateway.store.reader import Reader
from gateway.store.store import Store
from gateway.sync import LiveSource
from gateway.view import GraphQLView
from gateway.watch import Hub
from schema.build import build

__all__ = ["EVERYTHING", "create_app", "create_edge"]

_ALL_METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"]


def create_edge(
    store: Store,
    settings: Settings,
    live: Mapping[str, LiveSource] | None = None,
    *,
    metrics: Metrics | None = None,
) -> Edge:
    """Everything that requests share. Raises ``SettingsError`` for documents that cannot be read."""
    limits = settings.limits
    operations = Operations(
        build(),
        limits.of_operations(),
        introspection=settings.server.introspection,
        debug=settings.server.debug,
        seconds=limits.operation_seconds,
        compiled=settings.server.compiled,
    )
    return Edge(
        store=store,
        settings=settings,
        auth=Authenticator(store, settings.auth),
        operations=operations,
        documents=read_documents(settings.documents),
        quotas=Quotas(limits),
        hub=Hub(store, room=limits.subscription_buffer),
        desk=Desk(store, live),
        metrics=metrics or Metrics(),
        reader=Reader(store.db, max_time_ms=max(1, int(limits.operation_seconds * 1000))),
    )


def create_app(edge: Edge, live: Mapping[str, LiveSource] | None = None) -> Starlette:
    """The gateway as an ASGI application."""
    view = GraphQLView(edge)
    sources = live or {}

    async def graphql(request: Request) -> Response:
        return await view(request)

    async def socket(websocket: WebSocket) -> None:
        await serve_socket(edge, websocket)

    async def ready(_request: Request) -> Response:
        return await health.ready(edge)

    async def metrics(request: Request) -> Response:
        return await _metrics(edge, request)

    async def webhook(request: Request) -> Response:
        return await webhooks.receive(edge, sources, request)

    async def ingest(request: Request) -> Response:
        return await uploads.receive(edge, request)

    async def download(request: Request) -> Response:
        return await downloads.send(edge, request)

    return Starlette(
        routes=[
            Route("/", _home),
            Route("/graphql", graphql, methods=_ALL_METHODS),
            WebSocketRoute("/graphql", socket),
            Route("/healthz", health.alive),
            Route("/readyz", ready),
            Route("/metrics", metrics),
            Route("/webhooks/{source}", webhook, methods=["POST"]),
            Route("/ingest/{source}", ingest, methods=["POST"]),
            Route("/export/{form}", download),
        ],
        middleware=[
            Middleware(Observed, metrics=edge.metrics),
            *([_cors(edge)] if edge.origins else []),
        ],
    )


def _cors(edge: Edge) -> Middleware:
    return Middleware(
        CORSMiddleware,
        allow_origins=sorted(edge.origins),
        allow_methods=["GET", "POST"],
        allow_headers=["authorization", "content-type", "graphql-require-preflight", "apollo-require-preflight",
                       "x-apollo-operation-name", "x-request-id"],
        expose_headers=["etag", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "retry-after",
                        "x-request-id"],
        max_age=3600,
    )  # fmt: skip


async def _home(_request: Request) -> Response:
    return RedirectResponse("/graphql")


async def _metrics(edge: Edge, request: Request) -> Response:
    allowed = edge.settings.server.metrics
    if allowed == "off":
        return JSONResponse({"error": "metrics are off"}, 404)
    if allowed == "admin":
        try:
            identity = await edge.identify(request.headers.get("authorization"), request.headers.get("host", ""))
        except Unauthenticated as problem:
            return JSONResponse({"error": str(problem)}, 401, headers={"www-authenticate": "Bearer"})
        if not identity.viewer.may("admin"):
            return JSONResponse({"error": "metrics need the scope admin"}, 403)
    text = await edge.metrics.text(edge.store)
    return Response(text, headers={"content-type": "text/plain; version=0.0.4; charset=utf-8"})
