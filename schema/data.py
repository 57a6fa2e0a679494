"""Where the data of a field lives: the declarations that stand in a field's metadata under ``DATA``.

``Value``  a value at a path of the document            ``Link``  another document, named by an id at a path
``Part``   an object (or list) inside the document      ``Many``  documents that name this one
``Computed``  a resolver of its own, with the paths it reads

Resolvers read them, projections are computed from them, and so is anything that executes queries another way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

import strawberry

from schema.ports import Doc, Order
from schema.where import OrderBy, Where

DATA: Final = "data"


@dataclass(frozen=True, slots=True)
class Value:
    """``path`` (the field's own name when empty) and a pure function from the stored value to the answer."""

    path: str = ""
    read: Callable[[Any], Any] | None = None
    scope: str | None = None
    """Without this scope the value is null."""


@dataclass(frozen=True, slots=True)
class Part:
    """An embedded object: ``wrap`` gives its type from the stored value. Path "." is the document itself."""

    wrap: Callable[[Doc], Any]
    path: str = ""
    is_list: bool = False
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """One document (or a list of them, in order) of ``collection`` by the ids at ``path``."""

    collection: str
    path: str = ""
    is_list: bool = False


@dataclass(frozen=True, slots=True)
class Many:
    """Documents of ``collection`` whose ``by`` holds this document's id, as a connection or a plain list."""

    collection: str
    by: str
    where: type[Where] | None = None
    order_by: type[OrderBy] | None = None
    default_order: tuple[Order, ...] = ()
    is_connection: bool = True


@dataclass(frozen=True, slots=True)
class Computed:
    """A resolver of its own that reads these paths."""

    needs: tuple[str, ...] = ()


Data: TypeAlias = Value | Part | Link | Many | Computed

_VIEWS: Final[dict[str, Callable[[Doc], Any]]] = {}


def view_of(collection: str, wrap: Callable[[Doc], Any]) -> None:
    """Registers the type that shows documents of a collection."""
    _VIEWS[collection] = wrap


def view(collection: str, doc: Doc) -> Any:
    return _VIEWS[collection](doc)


def needs(data: Data, name: str) -> tuple[str, ...]:
    """The paths of the parent document that a declaration reads."""
    match data:
        case Value(path) | Link(_, path):
            return (path or name,)
        case Part(_, path):
            return data.needs if path == "." else (path or name,)
        case Computed(paths):
            return paths
    return ()


def get(doc: Doc, path: str) -> Any:
    """The value at a dotted path; None where there is none."""
    if "." not in path:
        return doc.get(path)
    value: Any = doc
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


Resolver = TypeVar("Resolver", bound=Callable[..., Any])


def computed(description: str, *paths: str) -> Callable[[Resolver], Resolver]:
    """A field with a resolver of its own, which reads these paths of the document."""
    decorate: Callable[[Resolver], Resolver] = strawberry.field(
        description=description, metadata={DATA: Computed(paths)}
    )
    return decorate
