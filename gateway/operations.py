"""Runs GraphQL operations, however they came: prepares them within limits, executes them, and words their errors."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    get_operation_ast,
    specified_rules,
    validate,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule
from strawberry.types.graphql import OperationType as StrawberryOperation

from gateway.store.problems import timed_out, unavailable
from gateway.store.reader import TooBroad
from schema.build import GatewaySchema
from schema.compiled import Plans
from schema.context import Context
from schema.errors import ErrorCode, Forbidden, RequestError
from schema.limits import Limits, Measure, check_variables, parse_bounded, too_expensive
from schema.ports import BadCursor, Viewer

log = structlog.get_logger(__name__)

MOST_ERRORS: Final = 10
_CACHED_CHARACTERS: Final = 1_000_000
_SUGGESTION: Final = re.compile(r" Did you mean .*?\?(?=$|\s)", re.DOTALL)
_OPEN_FIELDS: Final = frozenset({"viewer", "__typename", "__schema", "__type", "_service"})
_ALL_TYPES: Final = (StrawberryOperation.QUERY, StrawberryOperation.MUTATION, StrawberryOperation.SUBSCRIPTION)


@dataclass(frozen=True, slots=True)
class Parameters:
    """A well-formed GraphQL request."""

    query: str
    operation_name: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    extensions: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prepared:
    """An operation that may run: parsed, valid, and within the limits of shape."""

    document: DocumentNode
    operation: OperationDefinitionNode
    measure: Measure
    root: frozenset[str]

    @property
    def kind(self) -> OperationType:
        return self.operation.operation

    @property
    def name(self) -> str:
        return self.operation.name.value if self.operation.name else ""


class NotExecuted(Exception):
    """Nothing ran: a request error. ``status`` is what HTTP says about it."""

    def __init__(self, errors: Sequence[GraphQLError], status: int = 400) -> None:
        super().__init__(errors[0].message)
        self.errors = list(errors)
        self.status = status


@dataclass(frozen=True, slots=True)
class Answer:
    """``started``: the operation ran, so there is a ``data`` entry."""

    body: dict[str, Any]
    started: bool
    status: int = 200


class Operations:
    """All that transports share. Documents that are valid are remembered; texts that are not never are."""

    def __init__(
        self,
        schema: GatewaySchema,
        limits: Limits,
        *,
        introspection: bool = True,
        debug: bool = False,
        seconds: float = 10.0,
        compiled: bool = False,
    ) -> None:
        self._schema = schema
        self.plans = Plans(schema) if compiled else None
        self._limits = limits
        self._debug = debug
        self._hide = not introspection
        self._seconds = seconds
        self._rules = [*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule]
        if not introspection:
            self._rules.append(NoSchemaIntrospectionCustomRule)
        self._known: OrderedDict[str, tuple[DocumentNode, dict[str | None, Prepared]]] = OrderedDict()
        self._characters = 0

    # --- before anything runs -----------------------------------------------------------------------------------

    def prepare(self, parameters: Parameters) -> Prepared:
        """Raises ``NotExecuted``."""
        name = parameters.operation_name
        found = self._known.get(parameters.query)
        if found is not None:
            self._known.move_to_end(parameters.query)
            if name in found[1]:
                return found[1][name]
        try:
            document = found[0] if found else parse_bounded(parameters.query, self._limits)
            prepared = self._select(document, name)
            if found is None:
                self._validate(document)
        except GraphQLError as problem:
            raise NotExecuted([problem]) from None
        except RecursionError:
            raise NotExecuted([RequestError("the document nests too deeply")]) from None
        if found is None:
            found = self._remember(parameters.query, document)
        found[1][name] = prepared
        return prepared

    def _select(self, document: DocumentNode, name: str | None) -> Prepared:
        operation = get_operation_ast(document, name)
        if operation is None:
            known = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
            message = "the document has no operation"
            if known:
                message = "name the operation to run" if name is None else "the document has no operation of that name"
            raise NotExecuted([RequestError(message)], 422)
        measure = Measure(self._schema._schema, document, operation)  # noqa: SLF001 - the graphql-core schema
        measure.check_shape(self._limits)
        return Prepared(document, operation, measure, frozenset(n.name.value for n in measure.root_fields()))

    def _validate(self, document: DocumentNode) -> None:
        errors = validate(
            self._schema._schema,  # noqa: SLF001
            document,
            self._rules,
            max_errors=MOST_ERRORS,
            hide_suggestions=self._hide,
        )
        if errors:
            raise NotExecuted(errors)

    def _remember(self, text: str, document: DocumentNode) -> tuple[DocumentNode, dict[str | None, Prepared]]:
        found: tuple[DocumentNode, dict[str | None, Prepared]] = (document, {})
        self._known[text] = found
        self._characters += len(text)
        while self._characters > _CACHED_CHARACTERS:
            old, _ = self._known.popitem(last=False)
            self._characters -= len(old)
        return found

    def admit(self, prepared: Prepared, variables: Mapping[str, Any], viewer: Viewer) -> int:
        """Checks the right to read, and the cost, which it gives. Raises ``NotExecuted``."""
        if not viewer.may("read") and not prepared.root <= _OPEN_FIELDS:
            raise NotExecuted([Forbidden("read", "this operation")], 403)
        try:
            check_variables(variables, self._limits)
            cost = prepared.measure.cost(variables)
        except RequestError as problem:
            raise NotExecuted([problem]) from None
        if cost > self._limits.cost:
            raise NotExecuted([too_expensive(cost, self._limits)])
        return cost

    # --- running ------------------------------------------------------------------------------------------------

    async def run(self, prepared: Prepared, parameters: Parameters, context: Context) -> Answer:
        """Executes a query or a mutation. Raises ``NotExecuted`` when it may not run."""
        cost = self.admit(prepared, parameters.variables, context.viewer)
        context.prepared = prepared.document
        try:
            async with asyncio.timeout(self._seconds):
                data = await self._compiled(prepared, parameters, context)
                if data is not None:
                    return self._answer(ExecutionResult(data, None), cost)
                result = await self._schema.execute(
                    parameters.query,
                    variable_values=dict(parameters.variables) or None,
                    context_value=context,
                    operation_name=parameters.operation_name,
                    allowed_operation_types=_ALL_TYPES[:2],
                )
        except TimeoutError:
            raise NotExecuted([self._late(prepared)], 503) from None
        return self._answer(result, cost)

    async def _compiled(self, prepared: Prepared, parameters: Parameters, context: Context) -> Any:
        """The data by a compiled plan; None where there is none, and for everything that is not plain success."""
        if self.plans is None:
            return None
        return await self.plans.execute(
            parameters.query,
            parameters.operation_name,
            prepared.document,
            prepared.operation,
            parameters.variables,
            context,
        )

    async def stream(
        self, prepared: Prepared, parameters: Parameters, context: Context
    ) -> AsyncGenerator[Answer, None]:
        """Runs any operation; a subscription answers again and again. Raises ``NotExecuted`` when it may not run."""
        if prepared.kind is not OperationType.SUBSCRIPTION:
            yield await self.run(prepared, parameters, context)
            return
        cost = self.admit(prepared, parameters.variables, context.viewer)
        context.prepared = prepared.document
        results = await self._schema.stream(
            parameters.query,
            variable_values=dict(parameters.variables) or None,
            context_value=context,
            operation_name=parameters.operation_name,
            allowed_operation_types=_ALL_TYPES,
        )
        try:
            async for result in results:
                yield self._answer(result, cost)
        finally:
            await results.aclose()

    def _late(self, prepared: Prepared) -> RequestError:
        message = f"the operation took longer than {self._seconds:g} seconds"
        if prepared.kind is OperationType.MUTATION:
            message += "; it may have been done: repeat it with the same idempotency keys"
        return RequestError(message, ErrorCode.TIMEOUT)

    def _answer(self, result: Any, cost: int) -> Answer:
        body: dict[str, Any] = {}
        errors = result.errors or ()
        if errors:
            body["errors"] = self.formatted(errors)
        started = result.data is not None or any(error.path for error in errors) or not errors
        if started:
            body["data"] = result.data
        extensions = dict(result.extensions or {})
        extensions["cost"] = {"requested": cost, "limit": self._limits.cost}
        body["extensions"] = extensions
        return Answer(body, started, 200 if started else 400)

    # --- errors -------------------------------------------------------------------------------------------------

    def formatted(self, errors: Sequence[GraphQLError]) -> list[dict[str, Any]]:
        """Errors as a caller may see them, at most a few."""
        return [self._formatted(error) for error in errors[:MOST_ERRORS]]

    def _formatted(self, error: GraphQLError) -> dict[str, Any]:
        formatted: dict[str, Any] = dict(error.formatted)
        original = error.original_error
        while isinstance(original, GraphQLError) and original.original_error is not None:
            original = original.original_error
        if original is None or isinstance(original, RequestError):
            formatted.setdefault("extensions", {"code": ErrorCode.INVALID.value})
        else:
            code, message = self._meaning(original)
            formatted["message"] = message
            formatted["extensions"] = {"code": code.value}
            if code is ErrorCode.INTERNAL:
                formatted["extensions"] |= _request_id()
        if self._hide:
            formatted["message"] = _SUGGESTION.sub("", formatted["message"])
        return formatted

    def _meaning(self, problem: BaseException) -> tuple[ErrorCode, str]:
        if isinstance(problem, (BadCursor, TooBroad, GraphQLError)):
            return ErrorCode.INVALID, str(problem)
        if isinstance(problem, RecursionError):
            return ErrorCode.INVALID, "the request nests too deeply"
        if timed_out(problem):
            return ErrorCode.TIMEOUT, "MongoDB took too long to answer; ask for less, or filter more"
        if unavailable(problem):
            log.warning("MongoDB is unavailable", problem=type(problem).__name__)
            return ErrorCode.UNAVAILABLE, "the database cannot be reached now; try again"
        log.error("a resolver failed", exc_info=problem)
        if self._debug:
            return ErrorCode.INTERNAL, f"{type(problem).__name__}: {problem}"
        return ErrorCode.INTERNAL, "something went wrong here; it has been logged"


def _request_id() -> dict[str, str]:
    bound = structlog.contextvars.get_contextvars()
    return {"requestId": bound["request_id"]} if "request_id" in bound else {}
