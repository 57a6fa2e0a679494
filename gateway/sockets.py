"""GraphQL over WebSocket: the graphql-transport-ws protocol, with its close codes.

A socket ends with a reason when its token does, when its client does not read, and when the process does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, Final

import orjson
import structlog
from graphql import GraphQLError, OperationType
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from gateway.auth import Identity, Unauthenticated
from gateway.edge import Edge
from gateway.operations import NotExecuted, Parameters, Prepared
from gateway.parameters import BadRequest, parameters_of, same_origin
from gateway.quotas import TooMany
from gateway.responses import dumps
from schema.errors import ErrorCode

log = structlog.get_logger(__name__)

PROTOCOL: Final = "graphql-transport-ws"
SEND_SECONDS: Final = 30.0

_GOING_AWAY: Final = 1001
_BAD_MESSAGE: Final = 4400
_UNAUTHORIZED: Final = 4401
_FORBIDDEN: Final = 4403
_BAD_PROTOCOL: Final = 4406
_INIT_TIMEOUT: Final = 4408
_ID_TAKEN: Final = 4409
_TOO_MANY_INITS: Final = 4429


class Close(Exception):
    """Ends the socket with a code of the protocol and a reason of at most 123 bytes."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason.encode()[:120].decode(errors="ignore")


async def serve_socket(edge: Edge, websocket: WebSocket) -> None:
    """Speaks with one client until one of the two ends it."""
    origin = websocket.headers.get("origin")
    host = websocket.headers.get("host", "")
    if origin is not None and origin not in edge.origins and not same_origin(origin, host):
        await websocket.close(_FORBIDDEN)
        return
    if PROTOCOL not in websocket.scope["subprotocols"]:
        await websocket.accept()
        await websocket.close(_BAD_PROTOCOL, f"Subprotocol not acceptable: speak {PROTOCOL}")
        return
    await websocket.accept(PROTOCOL)
    with edge.metrics.sockets.track_inprogress():
        await _Socket(edge, websocket, host).run()


class _Socket:
    def __init__(self, edge: Edge, websocket: WebSocket, host: str) -> None:
        self._edge = edge
        self._websocket = websocket
        self._host = host
        self._authorization = websocket.headers.get("authorization")
        self._identity: Identity | None = None
        self._asked_in = False
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._failed: asyncio.Future[Close] = asyncio.get_running_loop().create_future()
        self._sending = asyncio.Lock()

    async def run(self) -> None:
        tasks: set[asyncio.Future[Any]] = {
            asyncio.create_task(self._receive()),
            asyncio.create_task(self._expect_init()),
            asyncio.create_task(self._say_goodbye()),
        }
        closing: Close | None = None
        try:
            while closing is None and tasks:
                done, _ = await asyncio.wait({*tasks, self._failed}, return_when=asyncio.FIRST_COMPLETED)
                if self._failed.done():
                    closing = self._failed.result()
                for task in done & tasks:
                    tasks.discard(task)
                    problem = task.exception()
                    if isinstance(problem, Close):
                        closing = closing or problem
                    elif isinstance(problem, WebSocketDisconnect):
                        return
                    elif problem is not None:
                        log.error("a socket failed", exc_info=problem)
                        closing = closing or Close(4500, "Internal server error")
        finally:
            pending = [*tasks, *self._operations.values()]
            for one in pending:
                one.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
            if closing is not None and self._websocket.application_state is WebSocketState.CONNECTED:
                await self._close(closing)

    async def _close(self, closing: Close) -> None:
        try:
            async with asyncio.timeout(5):
                await self._websocket.close(closing.code, closing.reason)
        except (TimeoutError, RuntimeError, WebSocketDisconnect):
            return

    def _fail(self, close: Close) -> None:
        if not self._failed.done():
            self._failed.set_result(close)

    async def _say_goodbye(self) -> None:
        await self._edge.closing.wait()
        raise Close(_GOING_AWAY, "this gateway process is shutting down: connect again")

    async def _expect_init(self) -> None:
        """Also watches the token once there is one."""
        await asyncio.sleep(self._edge.settings.limits.head_seconds)
        if not self._asked_in:
            raise Close(_INIT_TIMEOUT, "Connection initialisation timeout")

    # --- receiving ----------------------------------------------------------------------------------------------

    async def _receive(self) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1000))
            if message.get("text") is None:
                raise Close(_BAD_MESSAGE, "messages are text")
            try:
                content = orjson.loads(message["text"])
            except (orjson.JSONDecodeError, RecursionError):
                raise Close(_BAD_MESSAGE, "the message is not valid JSON") from None
            if not isinstance(content, dict):
                raise Close(_BAD_MESSAGE, "a message is a JSON object")
            await self._take(content)

    async def _take(self, message: Mapping[str, Any]) -> None:
        match message.get("type"):
            case "connection_init":
                await self._init(message.get("payload"))
            case "ping":
                await self._send({"type": "pong"})
            case "pong":
                pass
            case "subscribe":
                self._subscribe(_id(message), message.get("payload"))
            case "complete":
                task = self._operations.pop(_id(message), None)
                if task is not None:
                    task.cancel()
            case _:
                raise Close(_BAD_MESSAGE, "unknown type of message")

    async def _init(self, payload: Any) -> None:
        if self._asked_in:
            raise Close(_TOO_MANY_INITS, "Too many initialisation requests")
        self._asked_in = True
        if payload is not None and not isinstance(payload, dict):
            raise Close(_BAD_MESSAGE, "the payload of connection_init is an object")
        self._authorization = _authorization(payload or {}) or self._authorization
        try:
            self._identity = await self._edge.identify(self._authorization, self._host)
        except Unauthenticated as problem:
            raise Close(_FORBIDDEN, f"Forbidden: {problem}") from None
        await self._send({"type": "connection_ack"})
        watching = asyncio.create_task(self._watch_token(self._identity))
        self._operations[""] = watching

    async def _watch_token(self, identity: Identity) -> None:
        reason = await self._edge.until_refused(identity, self._authorization)
        self._fail(Close(_FORBIDDEN, f"Forbidden: {reason}"))

    # --- operations ---------------------------------------------------------------------------------------------

    def _subscribe(self, id_: str, payload: Any) -> None:
        if self._identity is None:
            raise Close(_UNAUTHORIZED, "Unauthorized")
        if not isinstance(payload, dict):
            raise Close(_BAD_MESSAGE, "the payload of subscribe is an object")
        if id_ in self._operations:
            raise Close(_ID_TAKEN, f"Subscriber for {id_} already exists")
        self._operations[id_] = asyncio.create_task(self._operate(id_, payload, self._identity))

    async def _operate(self, id_: str, payload: Mapping[str, Any], identity: Identity) -> None:
        edge = self._edge
        try:
            self._check_room()
            with edge.quotas.request(identity.key):
                parameters = parameters_of(payload, edge.documents)
                prepared = edge.operations.prepare(parameters)
                if prepared.kind is not OperationType.SUBSCRIPTION:
                    await self._answer(id_, prepared, parameters, identity)
            if prepared.kind is OperationType.SUBSCRIPTION:
                with edge.subscribed(identity, prepared):
                    await self._answer(id_, prepared, parameters, identity)
        except TooMany as problem:
            await self._end(id_, [_plain(problem.message, ErrorCode.RATE_LIMITED)])
        except BadRequest as problem:
            await self._end(id_, [_plain(problem.message, problem.code)])
        except NotExecuted as problem:
            await self._end(id_, edge.operations.formatted(problem.errors))
        except GraphQLError as problem:
            await self._end(id_, edge.operations.formatted([problem]))
        except Close as close:
            self._fail(close)
        except WebSocketDisconnect:
            return
        except Exception:
            log.exception("an operation of a socket failed")
            await self._end(id_, [_plain("something went wrong here; it has been logged", ErrorCode.INTERNAL)])
        else:
            await self._end(id_)

    def _check_room(self) -> None:
        most = self._edge.settings.limits.subscriptions_per_socket
        if len(self._operations) - 1 > most:  # one of them watches the token
            raise TooMany(f"more than {most} operations on this socket", {})

    async def _answer(self, id_: str, prepared: Prepared, parameters: Parameters, identity: Identity) -> None:
        """Sends each result; one that never started ends the operation as an error."""
        async with aclosing(self._edge.stream(prepared, parameters, identity.viewer)) as answers:
            async for found in answers:
                if not found.started:
                    await self._end(id_, found.body["errors"])
                    return
                await self._send({"id": id_, "type": "next", "payload": found.body})

    async def _end(self, id_: str, errors: list[dict[str, Any]] | None = None) -> None:
        """Says how an operation ended, unless the client ended it or heard it before."""
        if self._operations.get(id_) is not asyncio.current_task():
            return
        del self._operations[id_]
        try:
            if errors is None:
                await self._send({"id": id_, "type": "complete"})
            else:
                await self._send({"id": id_, "type": "error", "payload": errors})
        except Close as close:
            self._fail(close)

    async def _send(self, message: Mapping[str, Any]) -> None:
        try:
            async with self._sending, asyncio.timeout(SEND_SECONDS):
                await self._websocket.send_text(dumps(message).decode())
        except TimeoutError:
            raise Close(_BAD_MESSAGE, "this client does not read") from None
        except RuntimeError:  # it is closing
            raise WebSocketDisconnect from None


def _id(message: Mapping[str, Any]) -> str:
    id_ = message.get("id")
    if not isinstance(id_, str) or not 0 < len(id_) <= 128:
        raise Close(_BAD_MESSAGE, "an id is a string of 1 to 128 characters")
    return id_


def _authorization(payload: Mapping[str, Any]) -> str | None:
    """What a client gives as ``authorization`` (any letter case), or as ``token`` without the scheme."""
    for name, value in payload.items():
        if isinstance(value, str) and name.lower() == "authorization":
            return value if " " in value.strip() else f"Bearer {value.strip()}"
    token = payload.get("token")
    return f"Bearer {token}" if isinstance(token, str) else None


def _plain(message: str, code: ErrorCode) -> dict[str, Any]:
    return {"message": message, "extensions": {"code": code.value}}
