"""The kit for sandboxes: faults on demand, a clock to move, a count of effects, and a server on loopback.

A platform's ``sandbox.py`` builds a ``Sandbox`` from its own Starlette app; everything under ``/_sandbox``
is the private control surface and never suffers a fault.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import random
import re
import socket
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

FaultKind: TypeAlias = Literal["status", "delay", "reset", "truncate", "stall", "html", "oversize"]


@dataclass(slots=True)
class Fault:
    """What shall go wrong, with which requests, and how often.

    ``status`` answers with a status and ``body``; ``delay`` waits ``seconds`` first; ``reset`` closes without an
    answer; ``truncate`` announces the whole body and sends half; ``stall`` sends half and then waits ``seconds``;
    ``html`` answers 200 with a page; ``oversize`` answers 200 with ``size`` bytes. ``when="after"`` lets the
    platform act first and spoils only the answer: the change is made and the client cannot know.
    """

    kind: FaultKind = "status"
    status: int = 500
    body: str = '{"error": "injected"}'
    headers: dict[str, str] = field(default_factory=dict)
    method: str = ""
    path: str = ""
    contains: str = ""
    when: Literal["before", "after"] = "before"
    times: int | None = None
    rate: float = 1.0
    seconds: float = 30.0
    size: int = 0
    hits: int = 0

    def fits(self, method: str, path: str, body: bytes, chance: random.Random) -> bool:
        if self.times is not None and self.hits >= self.times:
            return False
        if self.method and self.method.upper() != method:
            return False
        if self.path and not re.search(self.path, path):
            return False
        if self.contains and self.contains.encode() not in body:
            return False
        return self.rate >= 1.0 or chance.random() < self.rate


@dataclass(slots=True)
class Effect:
    """One lasting change that a client caused: what tests count."""

    name: str
    key: str
    at: str
    detail: Any = None


class Clock:
    """The platform's time: the real one, moved by ``advance`` or held by ``freeze``."""

    def __init__(self) -> None:
        self._offset = timedelta()
        self._frozen: datetime | None = None

    def now(self) -> datetime:
        return (self._frozen or datetime.now(UTC)) + self._offset

    def advance(self, seconds: float) -> None:
        self._offset += timedelta(seconds=seconds)

    def freeze(self, at: datetime | None) -> None:
        self._frozen = at
        self._offset = timedelta()


class Control:
    """The private side of a sandbox: tests hold it, and ``/_sandbox`` serves it to other processes."""

    def __init__(self, seed: int = 0) -> None:
        self.clock = Clock()
        self.faults: list[Fault] = []
        self.effects: list[Effect] = []
        self.requests: Counter[str] = Counter()
        self.chance = random.Random(seed)
        self.actions: dict[str, Callable[..., Any]] = {}
        """Named changes a test may make (``complete_task``, ``add_label`` …): sync or async, keyword arguments."""

    def inject(self, **fault: Any) -> Fault:
        self.faults.append(Fault(**fault))
        return self.faults[-1]

    def heal(self) -> None:
        self.faults.clear()

    def effect(self, name: str, key: str, detail: Any = None) -> None:
        self.effects.append(Effect(name, key, self.clock.now().isoformat(), detail))

    def count(self, name: str | None = None, key: str | None = None) -> int:
        return sum((name is None or e.name == name) and (key is None or e.key == key) for e in self.effects)

    def action(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Decorator: offers the function as ``POST /_sandbox/actions/<name>`` with its keyword arguments as JSON."""
        self.actions[function.__name__] = function
        return function

    def _choose(self, method: str, path: str, body: bytes) -> Fault | None:
        for fault in self.faults:
            if fault.fits(method, path, body, self.chance):
                fault.hits += 1
                return fault
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A platform in miniature: ``settings(url)`` gives the source's table in the configuration that reaches it."""

    name: str
    app: ASGIApp
    control: Control
    settings: Callable[[str], dict[str, Any]]

    def asgi(self) -> ASGIApp:
        """The whole application: control surface, then faults, then the platform."""
        return Starlette(
            routes=[Mount("/_sandbox", routes=_control_routes(self.control)), Mount("/", app=_Faults(self))]
        )


def load(target: str, **arguments: Any) -> Sandbox:
    """Builds the sandbox that ``module:function`` names."""
    module, _, function = target.partition(":")
    built = getattr(importlib.import_module(module), function)(**arguments)
    assert isinstance(built, Sandbox)
    return built


@contextlib.contextmanager
def serve(sandbox: Sandbox, port: int = 0, **uvicorn_options: Any) -> Iterator[str]:
    """Serves on 127.0.0.1 from a thread of its own and gives the base URL, without a slash at its end."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    config = uvicorn.Config(
        sandbox.asgi(), log_level="critical", lifespan="off", timeout_graceful_shutdown=1, **uvicorn_options
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
    thread.start()
    scheme = "https" if config.is_ssl else "http"
    try:
        while not server.started and thread.is_alive():
            thread.join(0.005)
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join(5)
        listener.close()


class _Faults:
    """ASGI middleware that spoils the requests the control's faults name."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._app = sandbox.app
        self._control = sandbox.control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await _read(receive)
        method, path = scope["method"], scope["path"]
        self._control.requests[f"{method} {path}"] += 1
        fault = self._control._choose(method, path, body)
        replay = _replay(body, receive)
        if fault is None:
            await self._app(scope, replay, send)
        elif fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
            await self._app(scope, replay, send)
        elif fault.when == "after" or fault.kind in ("truncate", "stall"):
            await _spoil(fault, await _collect(self._app, scope, replay), send)
        else:
            await _spoil(fault, (200, [], b"{}"), send)


Answer: TypeAlias = tuple[int, list[tuple[bytes, bytes]], bytes]


async def _spoil(fault: Fault, answer: Answer, send: Send) -> None:
    status, headers, body = answer
    if fault.kind == "reset":
        raise ConnectionResetError("injected: closed without an answer")
    if fault.kind in ("truncate", "stall"):
        body = body or b"{}"
        await send({"type": "http.response.start", "status": status, "headers": _with_length(headers, len(body))})
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        if fault.kind == "stall":
            await asyncio.sleep(fault.seconds)
        raise ConnectionResetError("injected: closed in the middle of the body")
    if fault.kind == "html":
        page = b"<!doctype html><title>Welcome</title><p>Please sign in."
        await _answer(send, 200, page, {"content-type": "text/html"})
    elif fault.kind == "oversize":
        await _answer(send, 200, b'{"filler": "' + b"x" * fault.size + b'"}', {"content-type": "application/json"})
    else:
        await _answer(send, fault.status, fault.body.encode(), {"content-type": "application/json"} | fault.headers)


def _with_length(headers: list[tuple[bytes, bytes]], length: int) -> list[tuple[bytes, bytes]]:
    kept = [(name, value) for name, value in headers if name.lower() != b"content-length"]
    return [*kept, (b"content-length", str(length).encode())]


async def _answer(send: Send, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": _with_length(pairs, len(body))})
    await send({"type": "http.response.body", "body": body})


async def _read(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _collect(app: ASGIApp, scope: Scope, receive: Receive) -> Answer:
    status, headers, chunks = 500, list[tuple[bytes, bytes]](), list[bytes]()

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            headers.extend(message.get("headers", []))
        elif message["type"] == "http.response.body":
            chunks.append(message.get("body", b""))

    await app(scope, receive, send)
    return status, headers, b"".join(chunks)


def _control_routes(control: Control) -> list[Route]:
    async def faults(request: Request) -> JSONResponse:
        if request.method == "DELETE":
            control.heal()
        elif request.method == "POST":
            control.inject(**await request.json())
        return JSONResponse([asdict(fault) for fault in control.faults])

    async def clock(request: Request) -> JSONResponse:
        if request.method == "POST":
            control.clock.advance(float((await request.json())["seconds"]))
        return JSONResponse({"now": control.clock.now().isoformat()})

    async def effects(request: Request) -> JSONResponse:
        return JSONResponse([asdict(effect) for effect in control.effects])

    async def requests(request: Request) -> JSONResponse:
        return JSONResponse(dict(control.requests))

    async def actions(request: Request) -> JSONResponse:
        name = request.path_params["name"]
        if name not in control.actions:
            return JSONResponse({"error": f"no action {name}", "actions": sorted(control.actions)}, 404)
        result = control.actions[name](**await request.json())
        if asyncio.iscoroutine(result):
            result = await result
        return JSONResponse(result)

    return [
        Route("/faults", faults, methods=["GET", "POST", "DELETE"]),
        Route("/clock", clock, methods=["GET", "POST"]),
        Route("/effects", effects),
        Route("/requests", requests),
        Route("/actions/{name}", actions, methods=["POST"]),
    ]
