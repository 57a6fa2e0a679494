"""Valid operations made from the schema: fragments, aliases, merged selections, directives, variables, filters, pages."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from random import Random
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)

from tests.compiled.worlds import NOW, SCHEMA, TEXTS, ids_of

DEEPEST = 5
UNSTEADY = {"asOf"}
"""Fields whose answer changes from one moment to the next."""
IDS = [
    *ids_of("Task"),
    *ids_of("Annotation")[:3],
    *ids_of("Campaign")[:2],
    "gid://s/Source/s",
    "gid://s/Task/gone",
    "x",
]


class Word(str):
    """An enum's value: no quotes in GraphQL."""

    __slots__ = ()


@dataclass
class Operation:
    text: str
    variables: dict[str, Any]


@dataclass
class Maker:
    """``slips`` is how many of a thousand arguments may be something that is refused."""

    random: Random
    slips: int = 0
    fragments: list[str] = field(default_factory=list)
    variables: dict[str, tuple[str, Any]] = field(default_factory=dict)
    counter: int = 0

    def operation(self) -> Operation:
        body = self._selection(SCHEMA.query_type, 0, at_least=1, alias=False)
        declared = ", ".join(f"${name}: {type_}" for name, (type_, _) in self.variables.items())
        head = f"query Q({declared})" if declared else "query Q"
        text = "\n".join([f"{head} {body}", *self.fragments])
        given = {name: value for name, (_, value) in self.variables.items() if value is not ...}
        return Operation(text, given)

    # --- selections -----------------------------------------------------------------------------------------------

    def _selection(self, type_: Any, depth: int, *, at_least: int = 1, alias: bool) -> str:
        said: list[str] = []
        for _ in range(self.random.randint(at_least, 2 if depth == 0 else 4)):
            kind = self.random.randrange(12)
            if kind == 0:
                said.append(f"{self._name('t', 2)}__typename{self._directives()}")
            elif kind == 1:
                said.append(
                    f"... {self._condition(type_)}{self._directives()} {self._selection(type_, depth, alias=alias)}"
                )
            elif kind == 2 and len(self.fragments) < 4:
                said.append(f"...{self._fragment(type_, depth, alias=alias)}{self._directives()}")
            elif is_abstract_type(type_) and kind < 9:
                member = self.random.choice(SCHEMA.get_possible_types(type_))
                said.append(f"... on {member.name} {self._selection(member, depth, alias=True)}")
            elif said and kind == 3:
                said.append(self.random.choice(said))
            elif not is_abstract_type(type_) or hasattr(type_, "fields"):
                said.append(self._field(type_, depth, alias=alias))
        return "{ " + " ".join(said or ["__typename"]) + " }"

    def _condition(self, type_: Any) -> str:
        if not self.random.randrange(3):
            return ""
        interfaces = list(getattr(type_, "interfaces", ()))
        return (
            f"on {type_.name}"
            if is_object_type(type_) or not interfaces
            else f"on {self.random.choice(interfaces).name}"
        )

    def _fragment(self, type_: Any, depth: int, *, alias: bool) -> str:
        name = self._name("F", 0)
        self.fragments.append("")
        place = len(self.fragments) - 1
        self.fragments[place] = f"fragment {name} on {type_.name} {self._selection(type_, depth, alias=alias)}"
        return name

    def _field(self, type_: Any, depth: int, *, alias: bool) -> str:
        fields = [
            (name, found)
            for name, found in type_.fields.items()
            if not name.startswith("_")
            and name not in UNSTEADY
            and (depth < DEEPEST or is_leaf_type(get_named_type(found.type)))
        ]
        if not fields:
            return "__typename"
        name, found = self.random.choice(fields)
        arguments = self._arguments(found)
        named = get_named_type(found.type)
        below = "" if is_leaf_type(named) else " " + self._selection(named, depth + 1, alias=False)
        must = alias or bool(found.args)
        return f"{self._name('a', 0 if must else 3)}{name}{arguments}{self._directives()}{below}"

    def _name(self, prefix: str, one_in: int) -> str:
        """A new alias (or nothing), or a new name."""
        if one_in and self.random.randrange(one_in + 1):
            return ""
        self.counter += 1
        return f"{prefix}{self.counter}" + ("" if prefix == "F" else ": ")

    def _directives(self) -> str:
        if self.random.randrange(8):
            return ""
        word = self.random.choice(("skip", "include"))
        value = self.random.random() < 0.5
        if self.random.randrange(2):
            return f" @{word}(if: {json.dumps(value)})"
        return f" @{word}(if: {self._variable('Boolean!', value)})"

    # --- arguments ------------------------------------------------------------------------------------------------

    def _arguments(self, field_: Any) -> str:
        said = []
        for name, argument in field_.args.items():
            if not is_non_null_type(argument.type) and self.random.randrange(3):
                continue
            said.append(f"{name}: {self._argument(name, argument.type)}")
        return f"({', '.join(said)})" if said else ""

    def _argument(self, name: str, type_: Any) -> str:
        value = self._window(name) if name in ("first", "last", "after", "before") else self._input(type_, 0)
        if self.random.randrange(4):
            return literal(value)
        if self._slips():
            value = None
        if not is_non_null_type(type_) and not self.random.randrange(6):
            return self._variable(str(type_), ...)
        return self._variable(str(type_), value)

    def _window(self, name: str) -> Any:
        if name in ("first", "last"):
            return self.random.choice((-1, 501)) if self._slips() else self.random.choice((0, 1, 2, 3))
        return "no cursor" if self._slips() else None

    def _input(self, type_: Any, depth: int, *, nullable: bool = True) -> Any:
        if is_non_null_type(type_):
            return self._input(type_.of_type, depth, nullable=False)
        if nullable and self._slips():
            return None
        if is_list_type(type_):
            return [self._input(type_.of_type, depth + 1) for _ in range(self.random.randint(0, 2))]
        if isinstance(type_, GraphQLInputObjectType):
            return self._input_object(type_, depth)
        if isinstance(type_, GraphQLEnumType):
            return Word(self.random.choice(list(type_.values)))
        return {
            "Int": lambda: self.random.choice((0, 1, 2)),
            "Float": lambda: self.random.choice((0.5, 1.5)),
            "Boolean": lambda: self.random.choice((True, False)),
            "ID": lambda: self.random.choice(IDS),
            "String": lambda: self.random.choice((*TEXTS, "s", "t", "toy", "LABEL")),
            "DateTime": lambda: NOW.isoformat() + "Z",
        }[type_.name]()

    def _input_object(self, type_: GraphQLInputObjectType, depth: int) -> dict[str, Any]:
        fields = type_.fields
        if type_.extensions["strawberry-definition"].is_one_of:
            name = self.random.choice(list(fields))
            return {name: self._input(fields[name].type, depth + 1, nullable=False)}
        wanted = {name for name, found in fields.items() if is_non_null_type(found.type) and not found.default}
        nests = {name for name, found in fields.items() if get_named_type(found.type) is type_}
        rest = [name for name in fields if name not in wanted and (depth < 4 or name not in nests)]
        if rest:
            wanted |= set(self.random.sample(rest, min(len(rest), self.random.choice((0, 1, 1, 2)))))
        if depth and "includeDeleted" in wanted and not self._slips():
            wanted.discard("includeDeleted")
        return {name: self._input(fields[name].type, depth + 1) for name in fields if name in wanted}

    def _variable(self, type_: str, value: Any) -> str:
        self.counter += 1
        self.variables[f"v{self.counter}"] = (type_, value)
        return f"$v{self.counter}"

    def _slips(self) -> bool:
        return self.slips > 0 and self.random.randrange(1000) < self.slips


def literal(value: Any) -> str:
    if isinstance(value, Word):
        return str(value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name}: {literal(one)}" for name, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
