"""Relay connections over keyset pages: edges, nodes, pageInfo, and a count that runs only when asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Generic, TypeVar

import strawberry

from schema.data import computed
from schema.errors import RequestError
from schema.ports import Doc, Slice, Window

NodeType = TypeVar("NodeType")

DEFAULT_PAGE: Final = 50
LARGEST_PAGE: Final = 500


@strawberry.federation.type(shareable=True, description="Where a page lies in its list, as Relay defines it.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="More follow this page.")
    has_previous_page: bool = strawberry.field(description="Some come before this page.")
    start_cursor: str | None = strawberry.field(description="The first edge's cursor; null on an empty page.")
    end_cursor: str | None = strawberry.field(description="The last edge's cursor; null on an empty page.")


@strawberry.type(description="One item of a page with its position.")
class Edge(Generic[NodeType]):
    cursor: str = strawberry.field(description="Give it to `after` or `before`, with the same filter and order.")
    node: NodeType = strawberry.field(description="The item.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[NodeType]):
    page: strawberry.Private[Slice | None]
    collection: strawberry.Private[str]
    view: strawberry.Private[Callable[[str, Doc], Any]]
    count: strawberry.Private[Callable[[], Awaitable[int]]]

    @classmethod
    def of(
        cls,
        page: Slice | None,
        collection: str,
        view: Callable[[str, Doc], Any],
        count: Callable[[], Awaitable[int]],
    ) -> Connection[Any]:
        """``page`` may be None when nothing of it was selected."""
        return cls(page=page, collection=collection, view=view, count=count)

    @computed("The items with their cursors.")
    def edges(self) -> list[Edge[NodeType]]:
        assert self.page is not None
        return [Edge(cursor=self.page.cursor(doc), node=self.view(self.collection, doc)) for doc in self.page.docs]

    @computed("The items alone.")
    def nodes(self) -> list[NodeType]:
        assert self.page is not None
        return [self.view(self.collection, doc) for doc in self.page.docs]

    @computed("Where this page lies in the list.")
    def page_info(self) -> PageInfo:
        page = self.page
        assert page is not None
        return PageInfo(
            has_next_page=page.has_next,
            has_previous_page=page.has_previous,
            start_cursor=page.cursor(page.docs[0]) if page.docs else None,
            end_cursor=page.cursor(page.docs[-1]) if page.docs else None,
        )

    @computed("How many fit the filter on all pages. Counted only when selected.")
    async def total_count(self) -> int:
        return await self.count()


def window(arguments: Mapping[str, Any]) -> Window:
    """Relay's four arguments, checked. Raises ``RequestError``."""
    first, last = arguments.get("first"), arguments.get("last")
    if first is not None and last is not None:
        raise RequestError("give either first or last, not both", argument="last")
    for name, value in (("first", first), ("last", last)):
        if value is not None and not 0 <= value <= LARGEST_PAGE:
            raise RequestError(f"{name} is between 0 and {LARGEST_PAGE}; page on with cursors", argument=name)
    if first is None and last is None:
        first = DEFAULT_PAGE
    return Window(first=first, after=arguments.get("after"), last=last, before=arguments.get("before"))
