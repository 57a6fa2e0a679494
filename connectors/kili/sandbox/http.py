"""The sandbox over HTTP: the endpoint, its version, files, the bucket, and subscriptions (fact sheet §1, §2, §9)."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from connectors.kili.sandbox.graphql import Engine
from connectors.kili.sandbox.platform import Call, Platform
from connectors.kili.sandbox.store import Label, User

PREFIX = "/api/label/v2"
SCHEME = "X-API-Key: "


def application(platform: Platform) -> Starlette:
    web = _Web(platform)
    return Starlette(
        routes=[
            Route(f"{PREFIX}/graphql", web.graphql, methods=["POST"]),
            WebSocketRoute(f"{PREFIX}/graphql", web.socket),
            Route(f"{PREFIX}/version", web.version, methods=["GET"]),
            Route(f"{PREFIX}/files", web.file, methods=["GET"]),
            Route("/bucket/{path:path}", web.bucket, methods=["GET", "PUT"]),
        ]
    )


class _Web:
    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._engine = Engine(platform)

    async def graphql(self, request: Request) -> Response:
        user = self._user(request.headers.get("authorization"))
        if user is None:
            return _unauthorized()
        encoding = request.headers.get("content-encoding", "identity")
        if encoding not in ("identity", "gzip"):
            return PlainTextResponse("Unsupported Media Type", 415)
        raw = await request.body()
        try:
            body = json.loads(gzip.decompress(raw) if encoding == "gzip" else raw)
        except (ValueError, OSError, EOFError):
            return JSONResponse({"errors": [{"message": "No JSON.", "extensions": {"code": "BAD_REQUEST"}}]}, 400)
        status, answer = self._engine.run(body, self._call(user, request))
        return JSONResponse(answer, status)

    async def version(self, _: Request) -> Response:
        return JSONResponse({"version": self._engine.version})

    async def file(self, request: Request) -> Response:
        """Content that lies in the bucket, behind the key."""
        if self._user(request.headers.get("authorization")) is None:
            return _unauthorized()
        return self._content(request.query_params.get("id", ""))

    async def bucket(self, request: Request) -> Response:
        path = request.path_params["path"]
        expires, signature = (request.query_params.get(name, "") for name in ("expires", "signature"))
        if not self._platform.bucket.allows(path, expires, signature):
            return PlainTextResponse("<Error><Code>AccessDenied</Code></Error>", 403, media_type="application/xml")
        if request.method == "PUT":
            kind = request.headers.get("content-type", "application/octet-stream")
            self._platform.bucket.write(path, kind, await request.body())
            return Response(status_code=200)
        return self._content(path)

    def _content(self, path: str) -> Response:
        found = self._platform.bucket.read(path)
        if found is None:
            return PlainTextResponse("<Error><Code>NoSuchKey</Code></Error>", 404, media_type="application/xml")
        return Response(found[1], media_type=found[0])

    async def socket(self, socket: WebSocket) -> None:
        """``graphql-ws``, the old Apollo protocol: init, ack, start, data …, stop."""
        await socket.accept(subprotocol="graphql-ws" if "graphql-ws" in socket.scope["subprotocols"] else None)
        user: User | None = None
        streams: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                message = await _message(socket)
                kind, number = message.get("type"), str(message.get("id"))
                payload = message.get("payload") or {}
                if kind == "connection_init":
                    user = self._user(
                        payload.get("Authorization") or (payload.get("headers") or {}).get("Authorization")
                    )
                    if user is None:
                        await socket.send_json({"type": "connection_error", "payload": {"message": "Unauthorized"}})
                        break
                    await socket.send_json({"type": "connection_ack"})
                    await socket.send_json({"type": "ka"})
                elif kind == "start" and user is not None:
                    streams[number] = asyncio.create_task(
                        self._stream(socket, number, payload, self._call(user, socket))
                    )
                elif kind == "stop" and number in streams:
                    streams.pop(number).cancel()
                    await socket.send_json({"type": "complete", "id": number})
                elif kind == "connection_terminate":
                    break
        except WebSocketDisconnect:
            return
        finally:
            for stream in streams.values():
                stream.cancel()
        await socket.close()

    async def _stream(self, socket: WebSocket, number: str, payload: dict[str, Any], call: Call) -> None:
        with contextlib.ExitStack() as ending:
            async for answer in self._engine.stream(payload, call, functools.partial(self._hear, call, ending)):
                await socket.send_json({"type": "data", "id": number, "payload": answer})
            await socket.send_json({"type": "complete", "id": number})

    def _hear(self, call: Call, ending: contextlib.ExitStack, project_id: str) -> AsyncIterator[dict[str, Label]]:
        """Labels of a project from now on, as they are saved, from whatever thread."""
        loop, heard = asyncio.get_running_loop(), asyncio.Queue[Label]()
        listeners = self._platform.events.label_listeners

        def hear(label: Label) -> None:
            if label.asset.project.id == project_id and self._platform.sees(call.user, label.asset.project):
                loop.call_soon_threadsafe(heard.put_nowait, label)

        async def labels() -> AsyncIterator[dict[str, Label]]:
            while True:
                yield {"labelCreatedOrUpdated": await heard.get()}

        listeners.append(hear)
        ending.callback(listeners.remove, hear)
        return labels()

    def _user(self, authorization: str | None) -> User | None:
        """Whom the key belongs to; None for a key that is unknown, revoked or out of date."""
        text = authorization or ""
        key = self._platform.store.keys.get(text.removeprefix(SCHEME)) if text.startswith(SCHEME) else None
        if key is None or key.revoked or key.expiry_date <= self._platform.store.now():
            return None
        return key.user

    def _call(self, user: User, connection: HTTPConnection) -> Call:
        scheme = {"ws": "http", "wss": "https"}.get(connection.url.scheme, connection.url.scheme)
        return Call(self._platform, user, f"{scheme}://{connection.url.netloc}")


async def _message(socket: WebSocket) -> dict[str, Any]:
    """The SDK sends its JSON as text or as bytes."""
    event = await socket.receive()
    if event["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(event.get("code", 1005))
    message = json.loads(event.get("text") or event.get("bytes") or b"{}")
    return message if isinstance(message, dict) else {}


def _unauthorized() -> Response:
    """Before the body is read, so no GraphQL error (fact sheet §4: 401 is never processed)."""
    return PlainTextResponse("Unauthorized", 401)
