"""The fields of types that show stored documents: each says once where its data lives, and reads it from there."""

import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.field import StrawberryField

from schema.connections import Connection, window
from schema.context import Context
from schema.data import DATA, Link, Many, Part, Value, get, view
from schema.ports import EVERYTHING, Doc, Order, Query, Viewer
from schema.selection import needed_paths, wants
from schema.where import OrderBy, Where


@dataclasses.dataclass(kw_only=True)
class Backed:
    """An object that is a view of a stored document, or of an object inside one."""

    doc: strawberry.Private[Doc]


class DataField(StrawberryField):
    """A field that reads its document; never an argument of the type's constructor."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.init = self.repr = self.compare = False

    @property
    def data(self) -> Any:
        return self.metadata[DATA]


class ValueField(DataField):
    def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Any:
        data: Value = self.data
        value = get(source.doc, data.path or self.python_name)
        return value if value is None or data.read is None else data.read(value)


class ScopedValueField(ValueField):
    """A value that is null without a scope; it needs the context, so it is no basic field."""

    @property
    def is_basic_field(self) -> bool:
        return False

    def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Any:
        context: Context = info.context
        return super().get_result(source, info, args, kwargs) if context.viewer.may(self.data.scope) else None


class PartField(DataField):
    def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Any:
        data: Part = self.data
        value = source.doc if data.path == "." else get(source.doc, data.path or self.python_name)
        if data.is_list:
            return [data.wrap(item) for item in value or ()]
        return None if value is None else data.wrap(value)


class LinkField(DataField):
    @property
    def is_basic_field(self) -> bool:
        return False

    @property
    def is_async(self) -> bool:
        return True

    def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Awaitable[Any]:
        data: Link = self.data
        return _follow(data, get(source.doc, data.path or self.python_name), info)


async def _follow(data: Link, ids: Any, info: Any) -> Any:
    context: Context = info.context
    if ids is None:
        return [] if data.is_list else None
    load = context.loaders.document(data.collection, needed_paths(info, data.collection))
    if data.is_list:
        found = await load.load_many(ids)
        return [view(data.collection, doc) for doc in found if doc is not None]
    doc = await load.load(ids)
    return None if doc is None else view(data.collection, doc)


class ManyField(DataField):
    @property
    def is_basic_field(self) -> bool:
        return False

    @property
    def is_async(self) -> bool:
        return True

    def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Awaitable[Any]:
        data: Many = self.data
        if data.is_connection:
            return _connect(data, source.doc["_id"], info, kwargs)
        return _list(data, source.doc["_id"], info)


async def _connect(data: Many, parent: str, info: Any, arguments: Mapping[str, Any]) -> Connection[Any]:
    context: Context = info.context
    query = question(data, info, arguments)
    load = context.loaders
    page = await load.page(query, data.by).load(parent) if wants(info, "edges", "nodes", "pageInfo") else None
    return Connection.of(page, data.collection, view, lambda: load.count(query, data.by).load(parent))


async def _list(data: Many, parent: str, info: Any) -> list[Any]:
    context: Context = info.context
    query = question(data, info, {})
    return [view(data.collection, doc) for doc in await context.loaders.children(query, data.by).load(parent)]


def question(data: Many, info: Any, arguments: Mapping[str, Any]) -> Query:
    """The query that a connection's arguments and selection ask. Raises ``RequestError``."""
    fields = needed_paths(info, data.collection, in_connection=data.is_connection)
    return asked(data, arguments, fields, info.context.viewer)


def asked(data: Many, arguments: Mapping[str, Any], fields: frozenset[str], viewer: Viewer) -> Query:
    """The same from what the selection reads and who asks."""
    where: Where | None = arguments.get("where")
    order_by: Sequence[OrderBy] = arguments.get("order_by") or ()
    return Query(
        collection=data.collection,
        where=where.predicate(viewer) if where else EVERYTHING,
        order=tuple(one.order() for one in order_by) or data.default_order,
        window=window(arguments),
        fields=fields,
        include_deleted=bool(where and where.include_deleted),
        sources=viewer.sources,
    )


def stored(
    description: str, *, path: str = "", read: Callable[[Any], Any] | None = None, scope: str | None = None
) -> Any:
    """A value of the document."""
    cls = ScopedValueField if scope else ValueField
    return cls(description=description, metadata={DATA: Value(path, read, scope)})


def part(
    description: str,
    wrap: Callable[[Doc], Any],
    *,
    path: str = "",
    is_list: bool = False,
    needs: tuple[str, ...] = (),
) -> Any:
    """An object inside the document; path "." makes it a view of the document itself that reads ``needs``."""
    return PartField(description=description, metadata={DATA: Part(wrap, path, is_list, needs)})


def link(description: str, collection: str, *, path: str = "", is_list: bool = False) -> Any:
    """Another document by id; null when it is unknown here or outside the viewer's sources."""
    return LinkField(description=description, metadata={DATA: Link(collection, path, is_list)})


def children(description: str, collection: str, by: str, *, order: tuple[Order, ...] = ()) -> Any:
    """All documents that name this one, for relations that are small by nature."""
    data = Many(collection, by, default_order=order, is_connection=False)
    return ManyField(description=description, metadata={DATA: data})


def connection(
    description: str,
    collection: str,
    by: str,
    *,
    where: type[Where] | None = None,
    order_by: type[OrderBy] | None = None,
    default_order: tuple[Order, ...] = (),
) -> Any:
    """A Relay connection to the documents that name this one."""
    field = ManyField(description=description, metadata={DATA: Many(collection, by, where, order_by, default_order)})
    field.arguments = connection_arguments(where, order_by)
    return field


def connection_arguments(where: type[Where] | None, order_by: type[OrderBy] | None) -> list[StrawberryArgument]:
    """The arguments of every connection, described once."""

    def argument(name: str, annotation: Any, description: str) -> StrawberryArgument:
        return StrawberryArgument(name, None, StrawberryAnnotation(annotation), description=description, default=None)

    out = []
    if where is not None:
        out.append(argument("where", where | None, "Only those that fit all of this."))
    if order_by is not None:
        out.append(
            argument("order_by", list[order_by] | None, "First key first; the id always breaks ties.")  # type: ignore[valid-type]
        )
    return [
        *out,
        argument(
            "first",
            int | None,
            "How many, from the start or after `after`; 50 when neither first nor last is given, at most 500.",
        ),
        argument("after", str | None, "A cursor: only what comes after it."),
        argument("last", int | None, "How many, from the end or before `before`; at most 500."),
        argument("before", str | None, "A cursor: only what comes before it."),
    ]
