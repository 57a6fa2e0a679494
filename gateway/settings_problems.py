"""Says what is wrong with settings: which field, and why; never a value."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import ValidationError

Path: TypeAlias = tuple[str, ...]
Names: TypeAlias = Callable[[Path], Collection[str]]
"""The keys that a table, given by its path, may have."""

_BRANCHES = frozenset({"bool", "dict", "float", "int", "list", "none", "str", "tuple"})


class SettingsError(Exception):
    """The settings cannot be used: a line for each thing that is wrong."""


@dataclass(frozen=True, slots=True)
class Problem:
    path: Path
    reason: str


def problems(fault: ValidationError, names: Names, prefix: Path = ()) -> Iterator[Problem]:
    """What pydantic found, in sentences that follow the field's name."""
    for error in fault.errors(include_url=False, include_input=False):
        if error["type"] == "default_factory_not_called":  # another field, that is told, stood in its way
            continue
        # In the place of a key, pydantic may name the branch of a union that it tried.
        path = prefix + tuple(str(part) for part in error["loc"] if part not in _BRANCHES)
        yield Problem(path, _sentence(error["type"], error["msg"], error.get("ctx", {}), path, names))


def unknown(key: str, names: Collection[str]) -> str:
    """The sentence about a key that nobody knows, with the one that was likely meant."""
    near = difflib.get_close_matches(key, names, n=1)
    return "is not a setting; " + (f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(names))}")


def _sentence(kind: str, message: str, context: dict[str, Any], path: Path, names: Names) -> str:
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return unknown(path[-1], names(path[:-1]))
    if kind in ("literal_error", "enum"):
        return "must be " + str(context["expected"]).replace("'", "")
    for start, sentence in _EXPECTED.items():
        if kind.startswith(start):
            return sentence
    # Bounds, lengths, and the words of a validator of our own or of a connector.
    return re.sub(r"^\w+ should ", "must ", message.removeprefix("Value error, "))


_EXPECTED = {
    "int_": "must be a whole number",
    "float_": "must be a number",
    "bool_": "must be true or false",
    "string_type": "must be text",
    "list_": "must be a list",
    "tuple_": "must be a list",
    "model_": "must be a table",
    "dict_": "must be a table",
    "dataclass_": "must be a table",
}
