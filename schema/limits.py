"""What one operation may ask: a bounded parser, and one walk that measures shape and cost before anything runs.

Fragments are measured once and remembered, so the walk is linear however they nest. Cost is derived from the
schema: an object costs 1, and a connection multiplies what stands in it by its page size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

import graphql.validation.rules.overlapping_fields_can_be_merged as overlapping
from graphql import (
    BooleanValueNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    parse,
)

from schema.connections import DEFAULT_PAGE, LARGEST_PAGE
from schema.errors import ErrorCode, RequestError

ASSUMED_LIST: Final = 5
"""How many objects a list without paging is taken to hold."""
_SIZED_BY: Final = ("ids", "representations", "items")
_HUGE: Final = 10**15

# Comparing repeated fields with each other is the one rule of the language whose work grows with its square.
overlapping.MAX_COMPLEXITY_BUDGET = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one operation; counts are of the operation with its fragments spread out."""

    text: int = 100_000
    tokens: int = 4_000
    depth: int = 16
    aliases: int = 60
    root_fields: int = 20
    directives: int = 60
    fields: int = 2_000
    value_depth: int = 32
    value_list: int = 1_000
    cost: int = 50_000


@dataclass(frozen=True, slots=True)
class Shape:
    """What a selection holds, its fragments spread out."""

    depth: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0

    def beside(self, other: Shape) -> Shape:
        return Shape(
            max(self.depth, other.depth),
            min(self.fields + other.fields, _HUGE),
            min(self.aliases + other.aliases, _HUGE),
            min(self.directives + other.directives, _HUGE),
        )


def parse_bounded(text: str, limits: Limits) -> DocumentNode:
    """Parses; raises ``GraphQLError`` for syntax, and ``RequestError`` for a document over the limits."""
    if len(text) > limits.text:
        raise RequestError(f"the document is longer than {limits.text} characters")
    document = parse(text, max_lexical_tokens=limits.tokens, max_comments=limits.tokens)
    for definition in document.definitions:
        _check_values(definition, limits)
    return document


def _check_values(node: Any, limits: Limits) -> None:
    """Literals nest in values; the parser already bounds how deep everything else nests by its tokens."""
    pending: list[tuple[Any, int]] = [(node, 0)]
    while pending:
        one, depth = pending.pop()
        if isinstance(one, (ListValueNode, ObjectValueNode)):
            depth += 1
            if depth > limits.value_depth:
                raise RequestError(f"a value nests more than {limits.value_depth} levels deep")
            if isinstance(one, ListValueNode) and len(one.values) > limits.value_list:
                raise RequestError(f"a list holds more than {limits.value_list} values")
        for key in one.keys:
            child = getattr(one, key, None)
            if isinstance(child, (tuple, list)):
                pending.extend((item, depth) for item in child)
            elif child is not None and hasattr(child, "keys"):
                pending.append((child, depth))


def check_variables(variables: Mapping[str, Any], limits: Limits) -> None:
    """Refuses variables that nest too deep for whoever walks them later."""
    level: list[Any] = list(variables.values())
    for _ in range(limits.value_depth * 2):
        level = [
            inner
            for value in level
            if isinstance(value, (list, dict))
            for inner in (value if isinstance(value, list) else value.values())
            if isinstance(inner, (list, dict))
        ]
        if not level:
            return
    raise RequestError(f"the variables nest more than {limits.value_depth * 2} levels deep")


class Measure:
    """Measures one operation of a parsed document."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> None:
        self._schema = schema
        self._operation = operation
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._shapes: dict[str, Shape | None] = {}

    def check_shape(self, limits: Limits) -> None:
        """Raises ``RequestError`` when the operation is over a limit, or its fragments go in a circle."""
        shape = self._shape(self._operation.selection_set)
        directives = shape.directives + len(self._operation.directives or ())
        root = len(self.root_fields())
        for what, found, allowed in (
            ("levels of fields", shape.depth, limits.depth),
            ("fields", shape.fields, limits.fields),
            ("aliases", shape.aliases, limits.aliases),
            ("directives", directives, limits.directives),
            ("root fields", root, limits.root_fields),
        ):
            if found > allowed:
                raise RequestError(f"the operation has {found} {what}; the limit is {allowed}")

    def root_fields(self) -> list[FieldNode]:
        """The fields of the operation itself, through fragments."""
        found: list[FieldNode] = []
        seen: set[str] = set()
        pending: list[Any] = list(self._operation.selection_set.selections)
        while pending:
            node = pending.pop()
            if isinstance(node, FieldNode):
                found.append(node)
            elif isinstance(node, InlineFragmentNode):
                pending.extend(node.selection_set.selections)
            elif node.name.value not in seen and node.name.value in self._fragments:
                seen.add(node.name.value)
                pending.extend(self._fragments[node.name.value].selection_set.selections)
        return found

    def _shape(self, selection_set: SelectionSetNode | None) -> Shape:
        if selection_set is None:
            return Shape()
        return reduce(Shape.beside, (self._one(node) for node in selection_set.selections), Shape())

    def _one(self, node: Any) -> Shape:
        directives = len(node.directives or ())
        if isinstance(node, FieldNode):
            inner = self._shape(node.selection_set)
            alias = int(node.alias is not None)
            return Shape(inner.depth + 1, inner.fields + 1, inner.aliases + alias, inner.directives + directives)
        inner = self._spread(node) if isinstance(node, FragmentSpreadNode) else self._shape(node.selection_set)
        return Shape(inner.depth, inner.fields, inner.aliases, inner.directives + directives)

    def _spread(self, node: FragmentSpreadNode) -> Shape:
        name = node.name.value
        if name in self._shapes:
            shape = self._shapes[name]
            if shape is None:
                raise RequestError(f"the fragment {name[:60]} spreads itself")
            return shape
        fragment = self._fragments.get(name)
        if fragment is None:
            return Shape()
        self._shapes[name] = None
        shape = self._shape(fragment.selection_set)
        self._shapes[name] = shape
        return shape

    def cost(self, variables: Mapping[str, Any]) -> int:
        """How many objects the answer may hold. The operation must be valid and free of circles."""
        root = self._schema.get_root_type(self._operation.operation)
        assert root is not None
        defaults = {node.variable.name.value: node.default_value for node in self._operation.variable_definitions or ()}
        return _Cost(self._schema, self._fragments, variables, defaults).of(self._operation.selection_set, root, 0)


class _Cost:
    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
        defaults: Mapping[str, ValueNode | None],
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._variables = variables
        self._defaults = defaults
        self._known: dict[tuple[str, int], int] = {}

    def of(self, selection_set: SelectionSetNode | None, named: GraphQLNamedType, page: int) -> int:
        """``page`` is the page size of the connection whose fields these are."""
        total = 0
        for node in selection_set.selections if selection_set else ():
            if isinstance(node, FieldNode):
                total += self._field(node, named, page)
            elif isinstance(node, InlineFragmentNode):
                total += self.of(node.selection_set, self._type(node.type_condition, named), page)
            elif isinstance(node, FragmentSpreadNode):
                key = (node.name.value, page)
                if key not in self._known:
                    fragment = self._fragments[node.name.value]
                    condition = self._type(fragment.type_condition, named)
                    self._known[key] = self.of(fragment.selection_set, condition, page)
                total += self._known[key]
        return min(total, _HUGE)

    def _type(self, condition: Any, otherwise: GraphQLNamedType) -> GraphQLNamedType:
        return self._schema.type_map.get(condition.name.value, otherwise) if condition else otherwise

    def _field(self, node: FieldNode, parent: Any, page: int) -> int:
        field = getattr(parent, "fields", {}).get(node.name.value)
        if field is None:  # __typename, __schema
            return 1 if node.name.value != "__typename" else 0
        named = get_named_type(field.type)
        if is_leaf_type(named):
            return 0
        if is_connection(named):
            return 1 + self.of(node.selection_set, named, self._page(node))
        times = 1
        if _is_list(field.type):
            sized = [self._length(node, name) for name in _SIZED_BY if name in field.args]
            times = page if page and is_connection(parent) else max([0, *sized]) if sized else ASSUMED_LIST
        return times * (1 + self.of(node.selection_set, named, 0))

    def _page(self, node: FieldNode) -> int:
        for argument in node.arguments or ():
            if argument.name.value in ("first", "last"):
                size = self._value(argument.value)
                if isinstance(size, int) and not isinstance(size, bool):
                    return max(0, min(size, LARGEST_PAGE))
        return DEFAULT_PAGE

    def _length(self, node: FieldNode, name: str) -> int:
        value = next((self._value(a.value) for a in node.arguments or () if a.name.value == name), None)
        return len(value) if isinstance(value, (list, tuple)) else 1

    def _value(self, node: ValueNode | None) -> Any:
        if isinstance(node, VariableNode):
            name = node.name.value
            return self._variables[name] if name in self._variables else self._value(self._defaults.get(name))
        if isinstance(node, IntValueNode):
            return int(node.value) if len(node.value) < 12 else LARGEST_PAGE
        if isinstance(node, ListValueNode):
            return node.values
        return None if isinstance(node, BooleanValueNode) else node


def is_connection(named: Any) -> bool:
    return isinstance(named, GraphQLObjectType) and "edges" in named.fields and "pageInfo" in named.fields


def _is_list(type_: Any) -> bool:
    return is_list_type(type_.of_type if is_non_null_type(type_) else type_)


def too_expensive(cost: int, limits: Limits) -> RequestError:
    error = RequestError(
        f"the operation may answer {min(cost, _HUGE)} objects; the limit is {limits.cost}. Ask for smaller pages",
        ErrorCode.COST_EXCEEDED,
    )
    assert error.extensions is not None
    error.extensions["cost"] = {"requested": cost, "limit": limits.cost}
    return error


__all__: Sequence[str] = ["ASSUMED_LIST", "Limits", "Measure", "check_variables", "parse_bounded", "too_expensive"]
