"""The kit for sandboxes: faults on demand, a clock to move, a count of effects, and a server on loopback.

A platform's ``sandbox.py`` builds a ``Sandbox`` from its own Starlette app; everything under ``/_sandbox``
is the private control surface and never suffers a fault.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import random
import socket
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from connectors.sandbox_faults import ASGIApp, Fault, FaultKind, Faults, Message, Protocol, Receive, Scope, Send

__all__ = [
    "ASGIApp",
    "Clock",
    "Control",
    "Effect",
    "Fault",
    "FaultKind",
    "Message",
    "Receive",
    "Sandbox",
    "Scope",
    "Send",
    "load",
    "serve",
]


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

    def meet(self, method: str, path: str, body: bytes) -> Fault | None:
        """Counts a request and says which fault hits it, if one does."""
        self.requests[f"{method} {path}"] += 1
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
            routes=[
                Mount("/_sandbox", routes=_control_routes(self.control)),
                Mount("/", app=Faults(self.app, self.control.meet)),
            ]
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
    options: dict[str, Any] = {"log_level": "critical", "lifespan": "off", "timeout_graceful_shutdown": 1}
    config = uvicorn.Config(sandbox.asgi(), http=Protocol, **options | uvicorn_options)
    config.load()
    server = uvicorn.Server(config)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            while not server.started:
                thread.join(0.005)
                if not thread.is_alive():
                    raise RuntimeError(f"the {sandbox.name} sandbox did not start")
            yield f"{'https' if config.is_ssl else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True
            thread.join(5)


def _control_routes(control: Control) -> list[Route]:
    async def faults(request: Request) -> JSONResponse:
        if request.method == "DELETE":
            control.heal()
        elif request.method == "POST":
            control.inject(**await _arguments(request))
        return JSONResponse([asdict(fault) for fault in control.faults])

    async def clock(request: Request) -> JSONResponse:
        if request.method == "POST":
            asked = await _arguments(request)
            if "freeze" in asked:
                control.clock.freeze(asked["freeze"] and datetime.fromisoformat(asked["freeze"]))
            control.clock.advance(float(asked.get("seconds", 0)))
        return JSONResponse({"now": control.clock.now().isoformat()})

    async def effects(_: Request) -> JSONResponse:
        return JSONResponse([asdict(effect) for effect in control.effects])

    async def requests(_: Request) -> JSONResponse:
        return JSONResponse(dict(control.requests))

    async def actions(request: Request) -> JSONResponse:
        name = request.path_params["name"]
        if name not in control.actions:
            return JSONResponse({"error": f"no action {name}", "actions": sorted(control.actions)}, 404)
        result = control.actions[name](**await _arguments(request))
        if asyncio.iscoroutine(result):
            result = await result
        return JSONResponse(result)

    return [
        Route("/faults", _explained(faults), methods=["GET", "POST", "DELETE"]),
        Route("/clock", _explained(clock), methods=["GET", "POST"]),
        Route("/effects", effects),
        Route("/requests", requests),
        Route("/actions/{name}", _explained(actions), methods=["POST"]),
    ]


async def _arguments(request: Request) -> dict[str, Any]:
    """The JSON object of the body; no body is an empty one."""
    arguments = await request.json() if await request.body() else {}
    if not isinstance(arguments, dict):
        raise TypeError("the body must be a JSON object")
    return arguments


def _explained(handler: Callable[[Request], Awaitable[JSONResponse]]) -> Callable[[Request], Awaitable[JSONResponse]]:
    """What a test asked for and cannot have becomes a 400 that says why, not a bare 500."""

    async def answer(request: Request) -> JSONResponse:
        try:
            return await handler(request)
        except (TypeError, ValueError, LookupError) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)

    return answer
