"""Subscriptions over Server-Sent Events, as the protocol of graphql-sse says it (distinct connections).

A stream ends with a reason when its token ends, when its client does not read, and when the process does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.auth import Identity
from gateway.edge import Edge
from gateway.operations import Answer, NotExecuted, Parameters, Prepared
from gateway.quotas import TooMany
from gateway.responses import dumps
from schema.errors import ErrorCode

KEEP_ALIVE_SECONDS: Final = 12.0
SEND_SECONDS: Final = 30.0

_HEADERS: Final = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store, no-transform",
    "x-accel-buffering": "no",
    "vary": "accept, authorization, origin",
}
_COMPLETE: Final = b"event: complete\ndata: \n\n"
_STILL_HERE: Final = b":\n\n"


def _next(body: Mapping[str, Any]) -> bytes:
    return b"event: next\ndata: " + dumps(body) + b"\n\n"


def _error(message: str, code: ErrorCode) -> bytes:
    return _next({"errors": [{"message": message, "extensions": {"code": code.value}}]})


class EventStream(Response):
    """One operation, answered event by event."""

    def __init__(
        self, edge: Edge, identity: Identity, authorization: str | None, prepared: Prepared, parameters: Parameters
    ) -> None:
        super().__init__(None, 200, _HEADERS)
        del self.headers["content-length"]
        self._edge = edge
        self._identity = identity
        self._authorization = authorization
        self._prepared = prepared
        self._parameters = parameters

    @staticmethod
    def of_errors(errors: Sequence[Mapping[str, Any]]) -> Response:
        """The stream that says why nothing ran."""
        return Response(_STILL_HERE + _next({"errors": errors}) + _COMPLETE, 200, _HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        leaving = asyncio.ensure_future(_gone(receive))
        try:
            async with aclosing(self._events(leaving)) as events:
                async for chunk in events:
                    async with asyncio.timeout(SEND_SECONDS):
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
            if not leaving.done():
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            return  # it does not read: without an end of the body the server closes the connection
        finally:
            leaving.cancel()

    async def _events(self, leaving: asyncio.Future[None]) -> AsyncGenerator[bytes, None]:
        yield _STILL_HERE
        try:
            with self._edge.subscribed(self._identity, self._prepared):
                async for chunk in self._answers(leaving):
                    yield chunk
        except NotExecuted as problem:
            yield _next({"errors": self._edge.operations.formatted(problem.errors)})
        except TooMany as problem:
            yield _error(problem.message, ErrorCode.RATE_LIMITED)
        yield _COMPLETE

    async def _answers(self, leaving: asyncio.Future[None]) -> AsyncGenerator[bytes, None]:
        ending = asyncio.ensure_future(self._edge.until_refused(self._identity, self._authorization))
        stream = self._edge.stream(self._prepared, self._parameters, self._identity.viewer)
        asked: asyncio.Future[Answer] | None = None
        try:
            while not leaving.done():
                asked = asked or asyncio.ensure_future(anext(stream))
                awaited: set[asyncio.Future[Any]] = {asked, ending, leaving}
                await asyncio.wait(awaited, timeout=KEEP_ALIVE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if asked.done():
                    try:
                        yield _next(asked.result().body)
                    except StopAsyncIteration:
                        return
                    asked = None
                elif ending.done():
                    yield _error(ending.result(), ErrorCode.UNAUTHENTICATED)
                    return
                else:
                    yield _STILL_HERE
        finally:
            ending.cancel()
            if asked is not None:
                asked.cancel()
                await asyncio.gather(asked, return_exceptions=True)
            await stream.aclose()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
