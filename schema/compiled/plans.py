"""The plans of a process: made when an operation comes a second time, kept by size, run for whoever asks."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    get_variable_values,
    visit,
)
from graphql.execution.values import VariableValues
from graphql.language import Visitor
from strawberry.federation import Schema

from schema.compiled.compiler import compile_operation
from schema.compiled.steps import Run, Step
from schema.context import Context

Key = tuple[str, str | None]
_MOST_SEEN: Final = 1_000
_MOST_SHAPES: Final = 16
"""Plans of one operation, which differ in the Booleans of its directives."""
_CHARACTERS: Final = 20
"""So much text, with its syntax tree, takes the memory of a column."""


@dataclass(slots=True)
class _Operation:
    """What is known of one operation; ``document`` keeps alive the nodes that ``paths`` names by id."""

    document: DocumentNode
    switches: tuple[str, ...]
    """Variables that @skip and @include look at."""
    plans: dict[tuple[Any, ...], Step | None] = field(default_factory=dict)
    """None: not compilable."""
    paths: dict[Any, frozenset[str]] = field(default_factory=dict)
    size: int = 0


class Plans:
    """``most_columns`` bounds the memory: one column is about a kilobyte."""

    def __init__(self, schema: Schema, *, most_columns: int = 50_000) -> None:
        self._schema = schema
        self._most = most_columns
        self._columns = 0
        self._seen: OrderedDict[Key, None] = OrderedDict()
        self._known: OrderedDict[Key, _Operation] = OrderedDict()
        self.outcomes: Counter[str] = Counter()
        """How often a plan answered (compiled), none did (ordinary), or one gave up (unfit)."""

    async def execute(
        self,
        text: str,
        name: str | None,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        variables: Mapping[str, Any],
        context: Context,
    ) -> dict[str, Any] | None:
        """The ``data`` of a valid operation without errors; None when the ordinary executor has to run it."""
        coerced = self._coerced(operation, variables) if operation.operation is OperationType.QUERY else None
        known = self._operation((text, name), document) if coerced is not None else None
        plan = self._plan(known, operation, coerced) if known is not None and coerced is not None else None
        if known is None or coerced is None or plan is None:
            self.outcomes["ordinary"] += 1
            return None
        context.loaders.paths = known.paths
        try:
            answers = await plan.work([None], Run(context, coerced))
        except Exception:  # noqa: BLE001 - whatever it was, the ordinary executor will meet it and tell it
            self.outcomes["unfit"] += 1
            context.forget()
            return None
        self.outcomes["compiled"] += 1
        data: dict[str, Any] = answers[0]
        return data

    def _coerced(self, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> VariableValues | None:
        schema = self._schema._schema  # noqa: SLF001 - the graphql-core schema
        found = get_variable_values(schema, operation.variable_definitions or (), dict(variables))
        return None if isinstance(found, list) else found

    def _operation(self, key: Key, document: DocumentNode) -> _Operation | None:
        """What is known of an operation that came before; a text that comes once costs nothing but its place."""
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
            return known
        if key not in self._seen:
            self._seen[key] = None
            if len(self._seen) > _MOST_SEEN:
                self._seen.popitem(last=False)
            return None
        del self._seen[key]
        made = self._known[key] = _Operation(document, _switches(document))
        self._grow(made, 1 + len(key[0]) // _CHARACTERS)
        return made

    def _plan(self, known: _Operation, operation: OperationDefinitionNode, variables: VariableValues) -> Step | None:
        shape = tuple(variables.coerced.get(name) for name in known.switches)
        if shape not in known.plans:
            if len(known.plans) >= _MOST_SHAPES:
                return None
            try:
                known.plans[shape], size = compile_operation(self._schema, known.document, operation, variables)
                self._grow(known, size)
            except Exception:  # noqa: BLE001 - an operation that cannot be compiled can still be executed
                known.plans[shape] = None
        return known.plans[shape]

    def _grow(self, known: _Operation, columns: int) -> None:
        """Counts what an operation holds, and lets go of those that have not come for longest."""
        known.size += columns
        self._columns += columns
        while self._columns > self._most and self._known:
            self._columns -= self._known.popitem(last=False)[1].size


def _switches(document: DocumentNode) -> tuple[str, ...]:
    """The variables in directives of selections."""
    found: dict[str, None] = {}

    class Look(Visitor):
        def enter(self, node: Any, *_: Any) -> None:
            if isinstance(node, (FieldNode, FragmentSpreadNode, InlineFragmentNode)):
                for directive in node.directives or ():
                    for argument in directive.arguments or ():
                        if isinstance(argument.value, VariableNode):
                            found[argument.value.name.value] = None

    visit(document, Look())
    return tuple(found)
