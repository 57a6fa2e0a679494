"""The arguments of one field, coerced by graphql-core and converted by Strawberry, as a resolver gets them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, TypeAlias

from graphql import FieldNode, GraphQLField, get_argument_values, visit
from graphql.language import Visitor
from strawberry.federation import Schema
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

from schema.compiled.steps import Run

Arguments: TypeAlias = Callable[[Run], Mapping[str, Any]]
Convert: TypeAlias = Callable[[dict[str, Any]], Mapping[str, Any]]


def arguments(field: GraphQLField, node: FieldNode, convert: Convert = lambda given: given) -> Arguments:
    """Worked out once when no variable stands in them."""
    if _has_variables(node):
        return lambda run: convert(get_argument_values(field, node, run.variables))
    known = convert(get_argument_values(field, node))
    return lambda run: known


class Converter:
    """Strawberry's conversion, which asks anew for the name of every field of an input: here it is told from memory."""

    def __init__(self, schema: Schema) -> None:
        self._registry = schema.schema_converter.scalar_registry
        self._config = copy(schema.config)
        self._config.name_converter = _Names(schema.config.name_converter)  # type: ignore[assignment]

    def of(self, definition: StrawberryField) -> Convert:
        return lambda given: convert_arguments(
            given, definition.arguments, scalar_registry=self._registry, config=self._config
        )


class _Names:
    """A name converter that remembers; fields and arguments live as long as the schema."""

    def __init__(self, converter: Any) -> None:
        self._fields: dict[int, str] = {}
        self._convert = converter.from_field
        self.from_argument = converter.from_argument

    def from_field(self, field: Any) -> str:
        name = self._fields.get(id(field))
        if name is None:
            name = self._fields[id(field)] = self._convert(field)
        return name


def _has_variables(node: FieldNode) -> bool:
    found = False

    class Look(Visitor):
        def enter_variable(self, *_: Any) -> None:
            nonlocal found
            found = True

    for argument in node.arguments or ():
        visit(argument, Look())
    return found
