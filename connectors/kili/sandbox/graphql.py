"""A real GraphQL executor over the sandbox's schema: any alias, fragment and selection is answered.

Answers follow Apollo's habits, as the real server does (fact sheet §4): 200 with ``errors`` and a null field when a
resolver refuses, 400 when the document or the variables are wrong; every error has ``extensions``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import lru_cache
from inspect import isawaitable
from typing import Any, TypeAlias

from graphql import (
    DirectiveLocation,
    DocumentNode,
    ExecutionResult,
    GraphQLDeprecatedDirective,
    GraphQLDirective,
    GraphQLError,
    GraphQLIncludeDirective,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLSkipDirective,
    build_schema,
    execute_sync,
    parse,
    subscribe,
    validate,
)

from connectors.kili.sandbox.admin import AdminMutations
from connectors.kili.sandbox.fields import FIELDS, Field
from connectors.kili.sandbox.mutations import WorkMutations
from connectors.kili.sandbox.platform import Call, Platform
from connectors.kili.sandbox.queries import Queries
from connectors.kili.sandbox.scalars import equip
from connectors.kili.sandbox.schema import sdl, version

Answer: TypeAlias = tuple[int, dict[str, Any]]


class Engine:
    def __init__(self, platform: Platform) -> None:
        text = sdl(platform.options.family, platform.options.events)
        self.version = version(text)
        self._platform = platform
        self.schema = build_schema(text)
        equip(self.schema)
        self.schema.directives = _directives()
        _attach_fields(self.schema)
        _attach_roots(self.schema.query_type, [Queries(platform)])
        _attach_roots(self.schema.mutation_type, [WorkMutations(platform), AdminMutations(platform)])
        self._read = lru_cache(maxsize=512)(self._read_document)

    def run(self, body: Any, call: Call) -> Answer:
        """Status and body for one request. Queries and mutations wait for each other, so each sees a whole state."""
        if not isinstance(body, dict) or not isinstance(body.get("query"), str):
            return 400, {"errors": [_plain("POST body needs a query.", "BAD_REQUEST")]}
        document, errors = self._read(body["query"])
        if document is None:
            return 400, {"errors": errors}
        with self._platform.store.lock:
            self._platform.marks.run()
            result = execute_sync(
                self.schema,
                document,
                context_value=call,
                variable_values=body.get("variables") or {},
                operation_name=body.get("operationName"),
            )
        return _answer(result)

    async def stream(
        self, body: dict[str, Any], call: Call, listen: Callable[[str], AsyncIterator[Any]]
    ) -> AsyncIterator[dict[str, Any]]:
        """Answers of a subscription, one for each record that ``listen`` gives of a project."""
        document, errors = self._read(str(body.get("query")))
        if document is None:
            yield {"errors": errors}
            return
        result = subscribe(
            self.schema,
            document,
            context_value=call,
            variable_values=body.get("variables") or {},
            subscribe_field_resolver=lambda _source, _info, projectID: listen(projectID),
        )
        if isawaitable(result):
            result = await result
        if isinstance(result, ExecutionResult):
            yield _answer(result)[1]
            return
        async for item in result:
            yield _answer(item)[1]

    def _read_document(self, text: str) -> tuple[DocumentNode | None, list[dict[str, Any]]]:
        try:
            document = parse(text)
        except GraphQLError as error:
            return None, [_formatted(error, "GRAPHQL_PARSE_FAILED")]
        errors = validate(self.schema, document)
        if errors:
            return None, [_formatted(error, "GRAPHQL_VALIDATION_FAILED") for error in errors]
        return document, []


def _answer(result: ExecutionResult) -> Answer:
    if not result.errors:
        return 200, {"data": result.data}
    # without a path nothing was resolved: the variables were wrong
    asked = all(error.path is not None for error in result.errors)
    errors = [_formatted(error, "INTERNAL_SERVER_ERROR") for error in result.errors]
    return (200, {"errors": errors, "data": result.data}) if asked else (400, {"errors": errors})


def _formatted(error: GraphQLError, code: str) -> dict[str, Any]:
    return {**error.formatted, "extensions": {"code": code} | (error.extensions or {})}


def _plain(message: str, code: str) -> dict[str, Any]:
    return {"message": message, "extensions": {"code": code}}


def _directives() -> tuple[GraphQLDirective, ...]:
    """As a server of today declares them: the SDK's graphql-core 3.2 cannot read newer locations by introspection."""
    places = (
        DirectiveLocation.FIELD_DEFINITION,
        DirectiveLocation.ARGUMENT_DEFINITION,
        DirectiveLocation.INPUT_FIELD_DEFINITION,
        DirectiveLocation.ENUM_VALUE,
    )
    deprecated = GraphQLDirective(
        name="deprecated",
        locations=places,
        args=GraphQLDeprecatedDirective.args,
        description=GraphQLDeprecatedDirective.description,
    )
    return GraphQLIncludeDirective, GraphQLSkipDirective, deprecated


def _attach_fields(schema: GraphQLSchema) -> None:
    for name, kind in schema.type_map.items():
        if isinstance(kind, GraphQLObjectType) and not name.startswith("__"):
            for field_name, field in kind.fields.items():
                field.resolve = _computed(FIELDS.get(name, {}).get(field_name)) or _attribute(field_name)


def _attach_roots(kind: GraphQLObjectType | None, sources: list[Any]) -> None:
    assert kind is not None
    for name, field in kind.fields.items():
        method = next(getattr(source, name) for source in sources if hasattr(source, name))
        field.resolve = _root(method)


def _root(method: Callable[..., Any]) -> Callable[..., Any]:
    return lambda _source, info, **arguments: method(info.context, **arguments)


def _computed(field: Field | None) -> Callable[..., Any] | None:
    if field is None:
        return None
    return lambda source, info: field(source, info.context)


def _attribute(name: str) -> Callable[..., Any]:
    attribute = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)

    def resolve(source: Any, _info: Any, **_arguments: Any) -> Any:
        return source.get(name) if isinstance(source, dict) else getattr(source, attribute)

    return resolve
