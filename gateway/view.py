"""GraphQL over HTTP: negotiates, authenticates, checks and executes, and answers with the right type and status.

The GraphQL-over-HTTP draft of August 2026, save where the audits of npm graphql-http ask for another status: a
document or variables that are not valid get 400 where the draft prefers 422, and clients of ``application/json``
get 200 for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from functools import cache
from typing import Any, Final, TypeVar

from graphql import GraphQLError, OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from strawberry.http.ides import get_graphql_ide_html

from gateway.auth import Identity, Unauthenticated
from gateway.edge import Edge
from gateway.events import EventStream
from gateway.negotiation import EVENTS, HTML, LEGACY, RESPONSE, preferred
from gateway.operations import NotExecuted, Parameters, Prepared
from gateway.parameters import BadRequest, check_origin, read_parameters
from gateway.quotas import TooMany
from gateway.responses import answer
from schema.errors import ErrorCode

T = TypeVar("T")

_PARTIAL: Final = 294
"""The draft's own status for data beside errors, for its own media type alone."""


class GraphQLView:
    """The endpoint for HTTP; WebSockets come in by ``gateway.sockets``."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    async def __call__(self, request: Request) -> Response:
        ranked = preferred(request.headers.get("accept"))
        media = next((one for one in ranked if one in (RESPONSE, LEGACY)), RESPONSE)
        headers: dict[str, str] = {}
        try:
            if ranked[:1] == [HTML] and self._shows_graphiql(request):
                return HTMLResponse(_graphiql(), headers={"vary": "accept", "x-frame-options": "DENY"})
            self._check(request, ranked)
            identity = await self._edge.identify(request.headers.get("authorization"), request.headers.get("host", ""))
            with self._edge.quotas.request(identity.key) as quota:
                headers |= quota
                return await self._operate(request, identity, ranked, media, headers)
        except BadRequest as problem:
            return await _refusal(request, problem.message, problem.code, problem.status, media, problem.headers)
        except Unauthenticated as problem:
            challenge = {"www-authenticate": 'Bearer realm="labelgate"'}
            return await _refusal(request, str(problem), ErrorCode.UNAUTHENTICATED, 401, media, challenge)
        except TooMany as problem:
            return await _refusal(request, problem.message, ErrorCode.RATE_LIMITED, 429, media, problem.headers)
        except NotExecuted as problem:
            return await self._not_executed(request, problem.errors, problem.status, media, headers)
        except GraphQLError as problem:
            return await self._not_executed(request, [problem], 400, media, headers)

    def _check(self, request: Request, ranked: Sequence[str]) -> None:
        if request.method not in ("GET", "POST"):
            raise BadRequest(405, "use GET or POST", {"allow": "GET, POST"})
        if not set(ranked) - {HTML}:
            raise BadRequest(406, f"this endpoint answers {RESPONSE}, {LEGACY} or {EVENTS}")
        if request.method == "GET":
            check_origin(request, self._edge.origins)

    def _shows_graphiql(self, request: Request) -> bool:
        return self._edge.settings.server.graphiql and request.method == "GET" and "query" not in request.query_params

    async def _operate(
        self, request: Request, identity: Identity, ranked: Sequence[str], media: str, headers: Mapping[str, str]
    ) -> Response:
        edge, limits = self._edge, self._edge.settings.limits
        parameters = await read_parameters(request, edge.documents, most=limits.body_bytes, seconds=limits.body_seconds)
        try:
            prepared = edge.operations.prepare(parameters)
        except NotExecuted as problem:
            if ranked[0] == EVENTS:
                return EventStream.of_errors(edge.operations.formatted(problem.errors))
            raise
        if request.method == "GET" and prepared.kind is OperationType.MUTATION:
            raise BadRequest(405, "GET changes nothing: use POST", {"allow": "POST"})
        streams = EVENTS in ranked and prepared.kind is OperationType.SUBSCRIPTION
        if streams or ranked[0] == EVENTS:
            return EventStream(edge, identity, request.headers.get("authorization"), prepared, parameters)
        if prepared.kind is OperationType.SUBSCRIPTION:
            raise BadRequest(406, f"a subscription needs Accept: {EVENTS}, or a WebSocket (graphql-transport-ws)")
        return await self._execute(request, identity, prepared, parameters, media, headers)

    async def _execute(
        self,
        request: Request,
        identity: Identity,
        prepared: Prepared,
        parameters: Parameters,
        media: str,
        headers: Mapping[str, str],
    ) -> Response:
        work = self._edge.run(prepared, parameters, identity.viewer)
        if prepared.kind is OperationType.QUERY:
            work = _unless_gone(request, work)
        found = await work
        status = found.status
        if found.started and "errors" in found.body and media == RESPONSE:
            status = _PARTIAL
        return await answer(request, found.body, _legacy(status, media), media, headers)

    async def _not_executed(
        self, request: Request, errors: Sequence[GraphQLError], status: int, media: str, headers: Mapping[str, str]
    ) -> Response:
        body = {"errors": self._edge.operations.formatted(errors)}
        return await answer(request, body, _legacy(status, media), media, headers)


def _legacy(status: int, media: str) -> int:
    """Clients of ``application/json`` take every other status than 200 for a failure of the network."""
    return 200 if media == LEGACY and status in (400, 422) else status


async def _refusal(
    request: Request, message: str, code: ErrorCode, status: int, media: str, headers: Mapping[str, str]
) -> Response:
    body = {"errors": [{"message": message, "extensions": {"code": code.value}}]}
    return await answer(request, body, status, media, headers)


async def _unless_gone(request: Request, work: Awaitable[T]) -> T:
    """Does the work, and stops it when the client goes away: nobody would read the answer."""
    running = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({running, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            return running.result()
        raise BadRequest(499, "the client went away")
    finally:
        leaving.cancel()
        if not running.done():
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def _gone(request: Request) -> None:
    while True:
        try:
            message: Mapping[str, Any] = await request.receive()
        except ClientDisconnect:
            return
        if message["type"] == "http.disconnect":
            return


@cache
def _graphiql() -> str:
    return get_graphql_ide_html()
