"""The GraphQL of v2.5.7 as far as it matters here: it exists, knows no phases, answers without a login (§5, §6)."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from typing import Any

from graphql import GraphQLObjectType, GraphQLResolveInfo, GraphQLSchema, build_schema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors.aplose.sandbox.graphql import run
from connectors.aplose.sandbox.model import Annotation
from connectors.aplose.sandbox.pages import ResultPage, results, snake
from connectors.aplose.sandbox.schema import teach
from connectors.aplose.sandbox.store import Store
from connectors.aplose.sandbox.web import Server

SDL = """
scalar DateTime
interface Node { id: ID! }
type PageInfoExtra { hasNextPage: Boolean! hasPreviousPage: Boolean! }
type ApiLabelNode implements Node { id: ID! name: String! }
type AnnotationResultNode implements Node {
  id: ID! startTime: Float endTime: Float startFrequency: Float endFrequency: Float label: ApiLabelNode!
  isUpdateOf: AnnotationResultNode createdAt: DateTime! lastUpdatedAt: DateTime! }
type AnnotationResultNodeNodeConnection {
  pageInfo: PageInfoExtra! results: [AnnotationResultNode]! totalCount: Int }
type Query {
  allApiAnnotationResults(limit: Int, offset: Int, ordering: String, before: String, after: String, first: Int,
    last: Int, id: ID, id_In: [ID]): AnnotationResultNodeNodeConnection }
"""


@cache
def schema_v2() -> GraphQLSchema:
    built = build_schema(SDL)
    teach(built, "DateTime", datetime.isoformat, datetime.fromisoformat)
    for kind in built.type_map.values():
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
            for field in kind.fields.values():
                field.resolve = _read
    assert built.query_type is not None
    built.query_type.fields["allApiAnnotationResults"].resolve = _all_results
    return built


def _read(source: Any, info: GraphQLResolveInfo[Any]) -> Any:
    return getattr(source, snake(info.field_name))


def _all_results(_: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> ResultPage:
    store: Store = info.context
    wanted = [arguments["id"]] if arguments.get("id") else arguments.get("id_In")
    rows: list[Annotation] = [r for r in store.annotations.values() if wanted is None or str(r.id) in wanted]
    return results(rows, arguments)


async def endpoint_v2(server: Server, request: Request) -> Response:
    """Tokens are not even looked at."""
    given: Any = dict(request.query_params)
    if request.method == "POST":
        try:
            sent = json.loads(await request.body() or b"{}")
        except ValueError:
            return JSONResponse({"errors": [{"message": "POST body sent invalid JSON."}]}, 400)
        if not isinstance(sent, dict):
            return JSONResponse({"errors": [{"message": "The received data is not a valid JSON query."}]}, 400)
        given |= sent
    return run(schema_v2(), given, server.store, get=request.method == "GET")
