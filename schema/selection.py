"""Reads a GraphQL selection: which paths of the documents it needs, and which fields of a connection it names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    SelectionSetNode,
    get_named_type,
    is_abstract_type,
)

from schema.data import DATA, needs


def _raw(info: Any) -> Any:
    return info._raw_info  # noqa: SLF001 - Strawberry offers no other way to the AST


def selected(info: Any, *sets: SelectionSetNode | None) -> Iterator[FieldNode]:
    """Every field selected in these sets, through fragments. Directives are not looked at: more is read, never less."""
    for selection_set in sets:
        for node in selection_set.selections if selection_set else ():
            if isinstance(node, FieldNode):
                yield node
            elif isinstance(node, InlineFragmentNode):
                yield from selected(info, node.selection_set)
            elif isinstance(node, FragmentSpreadNode):
                yield from selected(info, info.fragments[node.name.value].selection_set)


def wants(info: Any, *names: str) -> bool:
    """Does the current field's selection name one of these fields?"""
    return names_one(_raw(info), *names)


def names_one(raw: Any, *names: str) -> bool:
    """The same for a field of graphql-core."""
    sets = (node.selection_set for node in raw.field_nodes)
    return any(node.name.value in names for node in selected(raw, *sets))


def needed_paths(info: Any, collection: str, *, in_connection: bool = False) -> frozenset[str]:
    """The paths of documents that the selection under the current field reads, ids of relations included."""
    raw = _raw(info)
    memo = info.context.loaders.paths
    # All its nodes tell a field: a fragment's may be merged with others in one place and stand alone in another.
    key = (tuple(map(id, raw.field_nodes)), collection)
    if key not in memo:
        memo[key] = paths_below(raw, in_connection=in_connection)
    return memo[key]  # type: ignore[no-any-return]


def paths_below(raw: Any, *, in_connection: bool = False) -> frozenset[str]:
    """The same for a field of graphql-core, without a memory."""
    sets = [node.selection_set for node in raw.field_nodes]
    named: Any = get_named_type(raw.return_type)
    if in_connection:
        nodes = [node for node in selected(raw, *sets) if node.name.value == "nodes"]
        edges = [node for node in selected(raw, *sets) if node.name.value == "edges"]
        inside = selected(raw, *(edge.selection_set for edge in edges))
        nodes += [node for node in inside if node.name.value == "node"]
        sets = [node.selection_set for node in nodes]
        named = get_named_type(named.fields["nodes"].type)
    return frozenset(_paths(raw, named, sets))


def _paths(info: Any, named: Any, sets: list[SelectionSetNode | None]) -> Iterator[str]:
    types = info.schema.get_possible_types(named) if is_abstract_type(named) else (named,)
    for node in selected(info, *sets):
        for type_ in types:
            yield from field_paths(type_, node.name.value)


def field_paths(type_: Any, name: str) -> tuple[str, ...]:
    """The paths that one GraphQL field of a type reads."""
    field = type_.fields.get(name)
    definition = field and field.extensions.get("strawberry-definition")
    if definition is None:
        return ()
    declared = definition.metadata.get(DATA)
    if declared is None:
        raise TypeError(f"{type_.name}.{name} does not say where its data lives")
    return needs(declared, definition.python_name)


def entity_paths(info: Any, name: str) -> frozenset[str]:
    """What the selection of ``_entities`` reads of one type."""
    raw = _raw(info)
    key = (tuple(map(id, raw.field_nodes)), f"entity {name}")
    memo = info.context.loaders.paths
    if key not in memo:
        type_ = raw.schema.type_map[name]
        memo[key] = frozenset(_paths(raw, type_, [node.selection_set for node in raw.field_nodes]))
    return memo[key]  # type: ignore[no-any-return]


_TYPE_NAMES = {"tasks": "Task", "audits": "Audit", "sync_runs": "SyncRun"}


def union_paths(info: Any, collection: str) -> frozenset[str]:
    """What the selection under a mutation's result reads of a collection's documents, wherever they stand in it."""
    raw = _raw(info)
    key = (tuple(map(id, raw.field_nodes)), f"union {collection}")
    memo = info.context.loaders.paths
    if key not in memo:
        if collection == "sources":
            memo[key] = frozenset({"capabilities"})
        else:
            type_ = raw.schema.type_map[_TYPE_NAMES[collection]]
            wrappers = list(selected(raw, *(node.selection_set for node in raw.field_nodes)))
            inner = list(selected(raw, *(node.selection_set for node in wrappers)))
            sets = [node.selection_set for node in (*wrappers, *inner)]
            memo[key] = frozenset(_paths(raw, type_, sets))
    return memo[key]  # type: ignore[no-any-return]


def node_paths(info: Any, name: str) -> frozenset[str]:
    """What the selection under the current field reads, taken as a selection of one type."""
    raw = _raw(info)
    return frozenset(_paths(raw, raw.schema.type_map[name], [node.selection_set for node in raw.field_nodes]))
