"""A small platform that misbehaves on demand, and transports that reach it with a key that must never show."""

from __future__ import annotations

import asyncio
import base64
import gzip
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from connectors.sandbox import Control, Sandbox
from connectors.transport import Retries, Timeouts, Transport
from tests.connectors.fake_clock import FakeClock

KEY = "live_s3cr+t/k=y %é"
BASIC = base64.b64encode(f"user:{KEY}".encode()).decode()
ATTEMPTS = 3
LIMIT = 100_000
NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
HASTY = Timeouts(read=0.4, total=1.0)
"""For faults of time, with which the sandbox answers after two seconds or never."""
BOMB = gzip.compress(bytes(20_000_000))


def platform() -> Sandbox:
    control = Control()

    async def things(request: Request) -> Response:
        if request.method == "POST":
            control.effect("post", str((await request.json())["key"]))
        return JSONResponse({"things": ["a" * 50] * 20, "key": request.query_params.get("key")})

    async def packed(request: Request) -> Response:
        body = gzip.compress(b'{"things": 1}')
        return Response(
            {"bomb": BOMB, "half": body[:-6], "whole": body}[request.path_params["what"]],
            headers={"content-encoding": "gzip"},
            media_type="application/json",
        )

    async def text(request: Request) -> Response:
        body = {"half": '{"things": [1, 2', "deep": "[" * 100_000, "empty": "", "csv": "id,name\n1,a\n", "ok": "OK"}
        return PlainTextResponse(body[request.path_params["what"]])

    async def drip(_: Request) -> Response:
        async def drops() -> AsyncIterator[bytes]:
            for _ in range(40):
                yield b" "
                await asyncio.sleep(0.05)

        return StreamingResponse(drops(), media_type="application/json")

    async def graphql(request: Request) -> Response:
        body = await request.json()
        errors = [{"message": f"[noRights] {KEY} may not"}, {"message": "second"}]
        answers: dict[str, tuple[int, Any]] = {
            "good": (200, {"data": {"me": "you", "sent": sorted(body), "variables": body.get("variables")}}),
            "errors": (200, {"data": {"me": None}, "errors": errors}),
            "bad": (400, {"errors": errors}),
            "null": (200, {"data": None}),
            "odd": (200, {"data": {}, "errors": "not a list"}),
        }
        status, answer = answers[body["query"]]
        return JSONResponse(answer, status)

    async def redirect(request: Request) -> Response:
        return RedirectResponse(request.query_params["to"], 302)

    async def echo(request: Request) -> Response:
        return JSONResponse(
            {
                "headers": dict(request.headers),
                "url": str(request.url),
                "path": request.scope["raw_path"].decode(),
            },
            headers={"set-cookie": "session=1"},
        )

    routes = [
        Route("/things", things, methods=["GET", "POST"]),
        Route("/packed/{what}", packed, methods=["GET", "POST"]),
        Route("/text/{what}", text, methods=["GET", "POST"]),
        Route("/drip", drip, methods=["GET", "POST"]),
        Route("/graphql", graphql, methods=["POST"]),
        Route("/redirect", redirect, methods=["GET", "POST"]),
        Route("/echo/{rest:path}", echo),
        Route("/none", lambda _: Response(status_code=204)),
    ]
    return Sandbox(name="toy", app=Starlette(routes=routes), control=control, settings=lambda url: {"url": url})


@dataclass(frozen=True)
class Toy:
    """The platform, served; a clock; and transports that reach it."""

    url: str
    control: Control
    clock: FakeClock = field(default_factory=FakeClock)

    def connect(self, path: str = "", **options: Any) -> Transport:
        settings: dict[str, Any] = {
            "auth": httpx.BasicAuth("user", KEY),
            "secrets": [KEY],
            "timeouts": Timeouts(connect=10, read=10, write=10, pool=10, total=20),
            "retries": Retries(attempts=ATTEMPTS, base=1, ceiling=30, patience=120),
            "limit": LIMIT,
            "chance": random.Random(1),
            "now": NOW.timestamp,
            "clock": self.clock,
            "sleep": self.clock.sleep,
        }
        return Transport("toy", path if "://" in path else self.url + path, **(settings | options))
