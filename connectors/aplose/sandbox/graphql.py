"""The GraphQL endpoint over HTTP: POST and GET, its status codes and its way with errors (fact sheet §5.2)."""

from __future__ import annotations

import json
from typing import Any

from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    OperationType,
    execute,
    get_operation_ast,
    parse,
    validate,
)
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors.aplose.sandbox.auth import Denied
from connectors.aplose.sandbox.fields import Context
from connectors.aplose.sandbox.schema import schema
from connectors.aplose.sandbox.web import Server, denied, details, page


async def endpoint(server: Server, request: Request) -> Response:
    """A wrong token is 401; no token is a 200 whose fields say "Unauthorized"."""
    try:
        user = server.tokens.user_of(request.headers.get("authorization"))
    except Denied as refused:
        return denied(refused)
    if request.method not in {"GET", "POST"}:
        return details(405, f'Method "{request.method}" not allowed.')
    given: Any = dict(request.query_params)
    if request.method == "POST":
        try:
            sent = json.loads(await request.body() or b"{}")
        except ValueError as error:
            return details(400, f"JSON parse error - {error}")
        if not isinstance(sent, dict):
            # Batches are not switched on upstream; a list trips the view.
            return page(500, "AttributeError at /api/graphql")
        given |= sent
    return run(schema(), given, Context(server.store, user), get=request.method == "GET")  # type: ignore[arg-type]


def run(known: GraphQLSchema, given: dict[str, Any], context: Any, *, get: bool = False) -> Response:
    """Errors without a path (syntax, validation, variables) are 400 and come without ``data``; others are 200."""
    query, variables = given.get("query"), given.get("variables") or {}
    if not query:
        return _wrong("Must provide query string.")
    if not isinstance(query, str):
        return page(500, "TypeError at /api/graphql")
    try:
        variables = json.loads(variables) if isinstance(variables, str) else variables
    except ValueError:
        return _wrong("Variables are invalid JSON.")
    try:
        document = parse(query)
    except GraphQLError as error:
        return _answer(ExecutionResult(None, [error]))
    if errors := validate(known, document):
        return _answer(ExecutionResult(None, errors))
    operation = get_operation_ast(document, given.get("operationName"))
    if get and operation is not None and operation.operation is not OperationType.QUERY:
        return _wrong(f"Can only perform a {operation.operation.value} operation from a POST request.", 405)
    result = execute(
        known,
        document,
        context_value=context,
        variable_values=variables,
        operation_name=given.get("operationName"),
    )
    assert isinstance(result, ExecutionResult)
    return _answer(result)


def _wrong(message: str, status: int = 400) -> Response:
    return JSONResponse({"errors": [{"message": message}]}, status)


def _answer(result: ExecutionResult) -> Response:
    errors = result.errors or []
    body: dict[str, Any] = {"errors": [error.formatted for error in errors]} if errors else {}
    if any(not error.path for error in errors):
        return JSONResponse(body, 400)
    return JSONResponse(body | {"data": result.data})
