"""What goes wrong in a sandbox on demand: the kinds of faults, and how each one reaches the client's socket."""

from __future__ import annotations

import asyncio
import os
import random
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Answer: TypeAlias = tuple[int, list[tuple[bytes, bytes]], bytes]

FaultKind: TypeAlias = Literal["status", "delay", "reset", "truncate", "stall", "html", "oversize"]


@dataclass(slots=True)
class Fault:
    """What shall go wrong, with which requests, and how often.

    ``status`` answers with a status and ``body``; ``delay`` waits ``seconds`` first; ``reset`` breaks the connection
    (TCP RST) without an answer; ``truncate`` announces the whole body, sends half and closes; ``stall`` sends half and
    then waits ``seconds``; ``html`` answers 200 with a page; ``oversize`` answers 200 with ``size`` bytes and a few.
    ``when="after"`` lets the platform act first and spoils only the answer: the change is made and the client cannot
    know. ``truncate`` and ``stall`` spoil the platform's own answer, so they always act first. The first fault that
    fits a request is the one that hits it.
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

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(f"no fault is called {self.kind!r}: {', '.join(get_args(FaultKind))}")
        if self.when not in ("before", "after"):
            raise ValueError(f"when is before or after, not {self.when!r}")

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


Choose: TypeAlias = Callable[[str, str, bytes], Fault | None]
"""Method, path and body of a request to the fault that hits it, if one does."""


class Faults:
    """ASGI middleware: reads each request whole, lets ``choose`` name a fault, and spoils accordingly."""

    def __init__(self, app: ASGIApp, choose: Choose) -> None:
        self._app = app
        self._choose = choose

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await _read(receive)
        if body is None:
            return
        fault = self._choose(scope["method"], scope["path"], body)
        replay = _replay(body, receive)
        if fault is None:
            await self._app(scope, replay, send)
        elif fault.kind == "delay" and fault.when == "before":
            await asyncio.sleep(fault.seconds)
            await self._app(scope, replay, send)
        else:
            answer: Answer = (200, [], b"{}")
            if fault.when == "after" or fault.kind in ("truncate", "stall"):
                answer = await _collect(self._app, scope, replay)
            if fault.kind == "reset":
                await _drop(scope, receive, reset=True)
            elif await _spoil(fault, answer, send):
                await _drop(scope, receive, reset=False)


async def _spoil(fault: Fault, answer: Answer, send: Send) -> bool:
    """Sends what is left of the answer; True: in the middle of the body, so that the connection must go."""
    status, headers, body = answer
    if fault.kind in ("truncate", "stall"):
        body = body or b"{}"
        await send({"type": "http.response.start", "status": status, "headers": _with_length(headers, len(body))})
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        if fault.kind == "stall":
            await asyncio.sleep(fault.seconds)
        return True
    if fault.kind == "delay":
        await asyncio.sleep(fault.seconds)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
    elif fault.kind == "html":
        page = b"<!doctype html><title>Welcome</title><p>Please sign in."
        await _answer(send, 200, page, {"content-type": "text/html"})
    elif fault.kind == "oversize":
        await _answer(send, 200, b'{"filler": "' + b"x" * fault.size + b'"}', {"content-type": "application/json"})
    else:
        await _answer(send, fault.status, fault.body.encode(), {"content-type": "application/json"} | fault.headers)
    return False


def _with_length(headers: list[tuple[bytes, bytes]], length: int) -> list[tuple[bytes, bytes]]:
    kept = [(name, value) for name, value in headers if name.lower() != b"content-length"]
    return [*kept, (b"content-length", str(length).encode())]


async def _answer(send: Send, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": _with_length(pairs, len(body))})
    await send({"type": "http.response.body", "body": body})


async def _read(receive: Receive) -> bytes | None:
    """The whole body; None when the client went away before its end, and then nothing may happen."""
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
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


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol; it shows the faults the connection they are to break."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"][_TRANSPORT] = self.transport


_TRANSPORT = "sandbox.transport"


async def _drop(scope: Scope, receive: Receive, *, reset: bool) -> None:
    """Closes the client's connection, and comes back when it is closed; without a server it raises."""
    transport = scope.get("state", {}).get(_TRANSPORT)
    if transport is None:
        raise ConnectionResetError("injected: the connection is closed")
    if reset:
        # With linger on and zero the kernel answers RST instead of an orderly end.
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass
