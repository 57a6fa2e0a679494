"""From an operation to steps: one walk over the selection with graphql-core's own collection of fields.

What a field is, and where its data lives, is read from its definition. A field that says nothing of its data runs by
its own resolver; only what belongs to GraphQL itself (introspection, federation's entities) is not compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLResolveInfo,
    OperationDefinitionNode,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution.collect_fields import FieldDetails, FragmentDetails, collect_fields, collect_subfields
from graphql.execution.values import VariableValues
from strawberry.federation import Schema
from strawberry.types.field import StrawberryField

from schema.compiled import completion, relations, sources
from schema.compiled.arguments import Converter, arguments
from schema.compiled.leaves import leaf
from schema.compiled.steps import Step, before, constant, objects
from schema.connections import Connection
from schema.data import DATA, Link, Many, Part, Value, view
from schema.fields import Backed
from schema.selection import names_one, paths_below

_DEFINITION: Final = "strawberry-definition"
Grouped = Mapping[str, list[FieldDetails]]


class NotCompilable(Exception):
    """The ordinary executor runs this operation, always."""


def compile_operation(
    schema: Schema, document: DocumentNode, operation: OperationDefinitionNode, variables: VariableValues
) -> tuple[Step, int]:
    """The plan of a valid query, and how many columns it has. Of ``variables`` only those in directives matter.

    Raises ``NotCompilable``.
    """
    compiler = _Compiler(schema, document, operation, variables)
    return compiler.root(), compiler.columns


class _Compiler:
    def __init__(
        self, schema: Schema, document: DocumentNode, operation: OperationDefinitionNode, variables: VariableValues
    ) -> None:
        self._converter = Converter(schema)
        self._schema = schema._schema  # noqa: SLF001 - the graphql-core schema
        self._operation = operation
        self._variables = variables
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._details = {name: FragmentDetails(node) for name, node in self._fragments.items()}
        self.columns = 0

    # --- selections -----------------------------------------------------------------------------------------------

    def root(self) -> Step:
        query = self._schema.query_type
        assert query is not None
        found = collect_fields(self._schema, self._details, self._variables, query, self._operation)
        return self._objects(query, found.grouped_field_set)

    def _selected(self, type_: GraphQLObjectType, details: list[FieldDetails]) -> Grouped:
        found = collect_subfields(self._schema, self._details, self._variables, self._operation, type_, details)
        return found.grouped_field_set

    def _below(self, type_: GraphQLObjectType, details: list[FieldDetails]) -> Step:
        return self._objects(type_, self._selected(type_, details))

    def _objects(self, type_: GraphQLObjectType, grouped: Grouped) -> Step:
        return self._columns(type_, grouped, lambda details: self._field(type_, details))

    def _columns(
        self, type_: GraphQLObjectType, grouped: Grouped, column: Callable[[list[FieldDetails]], Step]
    ) -> Step:
        """One column for each key of the answer, in its order."""
        self.columns += len(grouped)
        return objects(
            [
                (key, constant(type_.name) if _name(details) == "__typename" else column(details))
                for key, details in grouped.items()
            ]
        )

    # --- fields ---------------------------------------------------------------------------------------------------

    def _field(self, parent: GraphQLObjectType, details: list[FieldDetails]) -> Step:
        name = _name(details)
        if name.startswith("_"):
            raise NotCompilable(name)
        field = parent.fields[name]
        definition: StrawberryField = field.extensions[_DEFINITION]
        info = self._info(parent, field, details)
        data = definition.metadata.get(DATA)
        own = definition.base_resolver is not None or definition.extensions
        path = getattr(data, "path", "") or definition.python_name
        match data:
            case Value() if not own:
                return sources.stored(data, path, self._completed(field.type, details))
            case Part() if not own:
                return sources.embedded(data, path, self._completed(field.type, details))
            case Link() | Many() if not own and (shown := self._related(data, field, details)):
                return self._relation(data, path, shown, definition, field, info, details)
            case None if definition.is_basic_field:
                return sources.attribute(definition.python_name, self._completed(field.type, details))
        return self._resolved(parent, definition, field, info, details)

    def _resolved(
        self,
        parent: GraphQLObjectType,
        definition: StrawberryField,
        field: GraphQLField,
        info: GraphQLResolveInfo[Any],
        details: list[FieldDetails],
    ) -> Step:
        given = arguments(field, info.field_nodes[0])
        completed = self._completed(field.type, details)
        step = sources.resolved(info, field.resolve, given, completed, is_async=definition.is_async)
        cls = _class(parent)
        return before(lambda docs: [cls(doc=doc) for doc in docs], step) if issubclass(cls, Backed) else step

    def _related(self, data: Link | Many, field: GraphQLField, details: list[FieldDetails]) -> Any:
        """The step that shows related documents, when it is certain which type shows them."""
        named: Any = get_named_type(field.type)
        if is_connection(named):
            shown = get_named_type(named.fields["nodes"].type)
            return self._pages(named, details) if _shows(shown, data.collection) else None
        return self._below(named, details) if _shows(named, data.collection) else None

    def _relation(
        self,
        data: Link | Many,
        path: str,
        shown: Any,
        definition: StrawberryField,
        field: GraphQLField,
        info: GraphQLResolveInfo[Any],
        details: list[FieldDetails],
    ) -> Step:
        if isinstance(data, Link):
            return relations.linked(data, path, paths_below(info), shown, nullable=not is_non_null_type(field.type))
        if not data.is_connection:
            return relations.children(data, paths_below(info), shown)
        given = arguments(field, info.field_nodes[0], self._converter.of(definition))
        paged = names_one(info, "edges", "nodes", "pageInfo")
        counted = self._counted(get_named_type(field.type), details)
        fields = paths_below(info, in_connection=True)
        return relations.connected(data, fields, given, relations.Pages(shown, paged=paged, counted=counted))

    # --- connections ----------------------------------------------------------------------------------------------

    def _pages(self, connection: Any, details: list[FieldDetails]) -> Step:
        """What a connection answers from pairs of a page and a count."""
        return self._columns(
            connection, self._selected(connection, details), lambda inner: self._of_page(connection, inner)
        )

    def _of_page(self, connection: Any, details: list[FieldDetails]) -> Step:
        named: Any = get_named_type(connection.fields[_name(details)].type)
        match _name(details):
            case "nodes":
                return relations.nodes(self._below(named, details))
            case "edges":
                grouped = self._selected(named, details)
                return relations.edges(self._columns(named, grouped, lambda inner: self._of_edge(named, inner)))
            case "pageInfo":
                return relations.page_infos(self._below(named, details))
            case "totalCount":
                return before(_counts, leaf(named, nullable=False))
        raise NotCompilable(_name(details))

    def _of_edge(self, edge: Any, details: list[FieldDetails]) -> Step:
        named: Any = get_named_type(edge.fields[_name(details)].type)
        match _name(details):
            case "cursor":
                return before(_cursors, leaf(named, nullable=False))
            case "node":
                return before(_docs, self._below(named, details))
        raise NotCompilable(_name(details))

    def _counted(self, connection: Any, details: list[FieldDetails]) -> bool:
        return any(_name(inner) == "totalCount" for inner in self._selected(connection, details).values())

    # --- values ---------------------------------------------------------------------------------------------------

    def _completed(self, type_: Any, details: list[FieldDetails], *, nullable: bool = True) -> Step:
        """From what a field resolves to, to its answer."""
        if is_non_null_type(type_):
            return self._completed(type_.of_type, details, nullable=False)
        if is_leaf_type(type_):
            return leaf(type_, nullable=nullable)
        step = self._composed(type_, details)
        return completion.nullable(step) if nullable else completion.required(step)

    def _composed(self, type_: Any, details: list[FieldDetails]) -> Step:
        if is_list_type(type_):
            return completion.listed(self._completed(type_.of_type, details))
        if is_connection(type_):
            return relations.resolved_connections(self._pages(type_, details), counted=self._counted(type_, details))
        if is_abstract_type(type_):
            members = self._schema.get_possible_types(type_)
            return completion.one_of({_class(one): self._shown(one, details) for one in members})
        return self._shown(type_, details)

    def _shown(self, type_: GraphQLObjectType, details: list[FieldDetails]) -> Step:
        return completion.shown_by(_class(type_), self._below(type_, details))

    def _info(
        self, parent: GraphQLObjectType, field: GraphQLField, details: list[FieldDetails]
    ) -> GraphQLResolveInfo[Any]:
        """What resolvers are told; context and variables come with each run, and no path: errors are not told here."""
        nodes = [detail.node for detail in details]
        unknown: Any = None
        return GraphQLResolveInfo(
            nodes[0].name.value, nodes, field.type, parent, unknown, self._schema, self._fragments, None,
            self._operation, unknown, unknown, unknown, None, unknown,
        )  # fmt: skip


def is_connection(type_: Any) -> bool:
    generic = _definition(type_) and _definition(type_).concrete_of
    return bool(generic and generic.origin is Connection)


def _definition(type_: Any) -> Any:
    return getattr(type_, "extensions", {}).get(_DEFINITION)


def _class(type_: Any) -> type:
    cls: type = _definition(type_).origin
    return cls


def _shows(type_: Any, collection: str) -> bool:
    return not is_abstract_type(type_) and type(view(collection, {})) is _class(type_)


def _name(details: Sequence[FieldDetails]) -> str:
    return details[0].node.name.value


def _counts(pairs: Sequence[Any]) -> list[Any]:
    return [count for _, count in pairs]


def _cursors(pairs: Sequence[Any]) -> list[Any]:
    return [page.cursor(doc) for page, doc in pairs]


def _docs(pairs: Sequence[Any]) -> list[Any]:
    return [doc for _, doc in pairs]


__all__ = ["NotCompilable", "compile_operation"]
