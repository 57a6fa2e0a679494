"""Around every request: an id that stands in its logs and its answer, one line of log, and its metrics."""

from __future__ import annotations

import time
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.log import request_context
from gateway.metrics import Metrics

log = structlog.get_logger("gateway.http")

_ROUTES: Final = ("/graphql", "/healthz", "/readyz", "/metrics", "/webhooks/", "/ingest/")
_METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"})
_QUIET: Final = frozenset({"/healthz", "/readyz", "/metrics"})
_SECURE: Final = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}


def route_of(path: str) -> str:
    """The route as a label: one of few."""
    return next(
        (route for route in _ROUTES if path == route or (route.endswith("/") and path.startswith(route))), "other"
    )


class Observed:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        with request_context(Headers(scope=scope).get("x-request-id")) as request_id:
            await self._observe(scope, receive, send, request_id)

    async def _observe(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        began = time.perf_counter()
        status = 0

        async def tagged(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                for name, value in _SECURE.items():
                    headers.setdefault(name, value)
            await send(message)

        route = route_of(scope["path"])
        try:
            await self._app(scope, receive, tagged)
        finally:
            seconds = time.perf_counter() - began
            method = scope.get("method", "WEBSOCKET")
            method = method if method in _METHODS or scope["type"] == "websocket" else "OTHER"
            self._metrics.requests.labels(route, method, str(status)).inc()
            if scope["type"] == "http":
                self._metrics.request_seconds.labels(route).observe(seconds)
            if route not in _QUIET:
                log.info("request", route=route, method=method, status=status, seconds=round(seconds, 4))
