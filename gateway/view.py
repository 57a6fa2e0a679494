"""GraphQL over HTTP: negotiates, checks the request, executes, and answers with the right type and status.

Follows the GraphQL-over-HTTP draft: ``application/graphql-response+json`` tells request errors by status, legacy
``application/json`` answers 200 to every well-formed request. GET runs queries only. Batches are refused.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from graphql import GraphQLError, OperationDefinitionNode, OperationType, get_operation_ast, parse
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from strawberry.federation import Schema
from strawberry.http.ides import get_graphql_ide_html
from strawberry.types.graphql import OperationType as StrawberryOperation

from schema.context import Context
from schema.errors import ErrorCode, RequestError
from schema.ports import BadCursor

log = logging.getLogger(__name__)

RESPONSE: Final = "application/graphql-response+json"
LEGACY: Final = "application/json"
HTML: Final = "text/html"


@dataclass(frozen=True, slots=True)
class Parameters:
    """A well-formed GraphQL request."""

    query: str
    operation_name: str | None
    variables: Mapping[str, Any] | None


class BadRequest(Exception):
    """A request that is no GraphQL request: ``status`` and a message for people."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


class GraphQLView:
    """The endpoint. ``context`` makes the request's context and may refuse it."""

    def __init__(
        self,
        schema: Schema,
        context: Callable[[Request], Awaitable[Context]],
        *,
        graphiql: bool = False,
        max_body: int = 1_000_000,
        debug: bool = False,
    ) -> None:
        self._schema = schema
        self._context = context
        self._graphiql = graphiql
        self._max_body = max_body
        self._debug = debug

    async def __call__(self, request: Request) -> Response:
        accepted = negotiate(request.headers.get("accept"))
        try:
            if request.method not in ("GET", "POST"):
                raise BadRequest(405, "use GET or POST", {"allow": "GET, POST"})
            if accepted == HTML:
                if self._graphiql and request.method == "GET" and "query" not in request.query_params:
                    return HTMLResponse(get_graphql_ide_html(), headers={"vary": "accept"})
                accepted = RESPONSE
            if accepted is None:
                raise BadRequest(406, f"this endpoint answers {RESPONSE} or {LEGACY}")
            parameters = await self._parameters(request)
            _check_operation(parameters, request.method)
            context = await self._context(request)
        except BadRequest as problem:
            body = {"errors": [{"message": problem.message, "extensions": {"code": ErrorCode.INVALID.value}}]}
            return _answer(body, problem.status, accepted or RESPONSE, problem.headers)
        except GraphQLError as problem:
            status = 400 if accepted == RESPONSE else 200
            return _answer({"errors": [problem.formatted]}, status, accepted or RESPONSE, {})
        return await self._execute(parameters, context, accepted)

    async def _execute(self, parameters: Parameters, context: Context, accepted: str) -> Response:
        result = await self._schema.execute(
            parameters.query,
            variable_values=dict(parameters.variables) if parameters.variables else None,
            context_value=context,
            operation_name=parameters.operation_name,
            allowed_operation_types=(StrawberryOperation.QUERY, StrawberryOperation.MUTATION),
        )
        body: dict[str, Any] = {}
        if result.errors:
            body["errors"] = [self._error(error) for error in result.errors]
        started = result.data is not None or any(error.path for error in result.errors or ())
        if started or not result.errors:
            body["data"] = result.data
        if result.extensions:
            body["extensions"] = result.extensions
        status = 200 if started or not result.errors or accepted == LEGACY else 400
        return _answer(body, status, accepted, {})

    def _error(self, error: GraphQLError) -> Mapping[str, Any]:
        """What a caller may know: our own messages and those of the language, never an exception's."""
        original = error.original_error
        if original is None or isinstance(original, RequestError):
            formatted = dict(error.formatted)
            formatted.setdefault("extensions", {"code": ErrorCode.INVALID.value})
            return formatted
        code, message = ErrorCode.INTERNAL, "something went wrong here; it has been logged"
        if isinstance(original, (BadCursor, GraphQLError)):
            code, message = ErrorCode.INVALID, str(original)
        else:
            log.error("resolver failed", exc_info=original)
        formatted = dict(error.formatted)
        formatted["message"] = f"{type(original).__name__}: {original}" if self._debug else message
        formatted["extensions"] = {"code": code.value}
        return formatted

    async def _parameters(self, request: Request) -> Parameters:
        if request.method == "GET":
            values = request.query_params
            return _checked(
                {
                    "query": values.get("query"),
                    "operationName": values.get("operationName") or None,
                    "variables": _json(values["variables"].encode(), "variables") if values.get("variables") else None,
                    "extensions": _json(values["extensions"].encode(), "extensions")
                    if values.get("extensions")
                    else None,
                }
            )
        _check_content_type(request.headers.get("content-type"))
        return _checked(_json(await self._body(request), "the body"))

    async def _body(self, request: Request) -> bytes:
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > self._max_body:
            raise BadRequest(413, f"the body is larger than {self._max_body} bytes")
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > self._max_body:
                    raise BadRequest(413, f"the body is larger than {self._max_body} bytes")
        except ClientDisconnect:
            raise BadRequest(400, "the client went away") from None
        return bytes(body)


def negotiate(accept: str | None) -> str | None:
    """The media type to answer with; None when the client takes none of ours."""
    if accept is None or not accept.strip():
        return RESPONSE
    best: tuple[float, int] | None = None
    chosen = None
    for position, part in enumerate(accept.split(",")):
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        charset = next((p[8:].strip('"') for p in parameters if p.startswith("charset=")), "utf-8")
        offered = {RESPONSE: RESPONSE, LEGACY: LEGACY, HTML: HTML, "*/*": RESPONSE, "application/*": RESPONSE}.get(
            media
        )
        if offered is None or quality <= 0 or charset not in ("utf-8", "utf8"):
            continue
        rank = (quality, -position)
        if best is None or rank > best:
            best, chosen = rank, offered
    return chosen


def _check_content_type(header: str | None) -> None:
    media, *parameters = (piece.strip().lower() for piece in (header or "").split(";"))
    if media != LEGACY:
        raise BadRequest(415, f"send the request as {LEGACY}", {"accept-post": LEGACY})
    charset = next((p[8:].strip('"') for p in parameters if p.startswith("charset=")), "utf-8")
    if charset not in ("utf-8", "utf8"):
        raise BadRequest(415, "send the request in UTF-8")


def _json(text: bytes, what: str) -> Any:
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, RecursionError):
        raise BadRequest(400, f"{what} is not valid JSON") from None


def _checked(values: Any) -> Parameters:
    if isinstance(values, list):
        raise BadRequest(400, "batches are not supported: send one request at a time")
    if not isinstance(values, dict):
        raise BadRequest(400, "the body is not a JSON object")
    query = values.get("query")
    if not isinstance(query, str):
        raise BadRequest(400, "query is missing, or is not a string")
    for name, kind, word in (
        ("operationName", str, "a string"),
        ("variables", dict, "an object"),
        ("extensions", dict, "an object"),
    ):
        if values.get(name) is not None and not isinstance(values[name], kind):
            raise BadRequest(400, f"{name} is not {word}")
    return Parameters(query, values.get("operationName"), values.get("variables"))


def _check_operation(parameters: Parameters, method: str) -> None:
    """Which operation runs must be clear, and GET must not change anything. Errors in the text are the executor's."""
    try:
        document = parse(parameters.query)
    except GraphQLError:
        return
    operation = get_operation_ast(document, parameters.operation_name)
    if operation is None:
        known = any(isinstance(node, OperationDefinitionNode) for node in document.definitions)
        if parameters.operation_name is not None:
            raise BadRequest(400, "the document has no operation of that name")
        raise BadRequest(400, "name the operation to run" if known else "the document has no operation")
    if method == "GET" and operation.operation is not OperationType.QUERY:
        raise BadRequest(405, "GET runs queries only: use POST", {"allow": "POST"})


def _answer(body: Mapping[str, Any], status: int, media: str, headers: Mapping[str, str]) -> Response:
    content = orjson.dumps(body, default=str, option=orjson.OPT_NON_STR_KEYS)
    return Response(
        content,
        status,
        {"content-type": f"{media}; charset=utf-8", "vary": "accept", "cache-control": "no-store"} | dict(headers),
    )
