"""Paginators: what to ask next, which records are new, and whether the platform's pages go in circles.

    pages = TokenPages("docs", token="next_token", size=100)
    async for tasks in walk(pages, lambda params: http.get_json("/tasks", {**filters, **params})):
        ...

A paginator does no I/O and keeps its place in public attributes, so that a checkpoint can name it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

from connectors.documents import JSON
from connectors.errors import ConnectorError, Retry
from connectors.verdicts import TooLarge

_STALE: Final = 3


class PagingLoop(Retry):
    """The platform gave the same page again, or promised more and did not say where."""


class Pages:
    """Base of all paginators. ``items`` is the place of the records in an answer, dotted; empty: it is the list."""

    def __init__(self, items: str, *, size: int, size_param: str, smallest: int = 1) -> None:
        self.more = True
        """There is another page to ask for."""
        self.size = size
        self._items = items
        self._size_param = size_param
        self._smallest = smallest

    @property
    def params(self) -> dict[str, Any]:
        """Parameters, or GraphQL variables, of the next request."""
        return {self._size_param: self.size}

    def take(self, answer: JSON) -> list[JSON]:
        """The new records of an answer; afterwards ``params`` asks for the next page."""
        raise NotImplementedError

    def shrink(self) -> bool:
        """Halves the page size, for answers that are too large. False: it is as small as it gets."""
        if self.size <= self._smallest:
            return False
        self.size = max(self._smallest, self.size // 2)
        return True

    def _records(self, answer: JSON) -> list[JSON]:
        records = pick(answer, self._items)
        if not isinstance(records, list):
            raise Retry(f"a page without a list at {self._items!r}: {type(records).__name__}")
        return records


class TokenPages(Pages):
    """Each page names the next by an opaque token. ``more`` is the place of a flag that must agree with it."""

    def __init__(
        self,
        items: str,
        *,
        token: str,
        param: str | None = None,
        more: str | None = None,
        size: int = 100,
        size_param: str = "limit",
        smallest: int = 1,
        start: str | None = None,
    ) -> None:
        super().__init__(items, size=size, size_param=size_param, smallest=smallest)
        self.token = start
        self._place = token
        self._param = param or token
        self._flag = more
        self._seen = {start}

    @property
    def params(self) -> dict[str, Any]:
        return super().params | ({self._param: self.token} if self.token is not None else {})

    def take(self, answer: JSON) -> list[JSON]:
        records = self._records(answer)
        token = pick(answer, self._place)
        if token in (None, ""):
            if self._flag and pick(answer, self._flag) is True:
                raise PagingLoop(f"a page says {self._flag!r} and has no {self._place!r}")
            self.token, self.more = None, False
            return records
        self.token = str(token)
        if self.token in self._seen:
            raise PagingLoop("paging goes in circles: the token of the next page came before")
        self._seen.add(self.token)
        return records


class _KeyedPages(Pages):
    """Pages by number or offset: they shift while the data change, so records are told apart by a key."""

    def __init__(self, items: str, *, key: str, size: int, size_param: str, smallest: int = 1) -> None:
        super().__init__(items, size=size, size_param=size_param, smallest=smallest)
        self._key: Final = key
        self._seen: set[str] = set()
        self._stale = 0
        self._first = True

    def _new(self, records: list[JSON]) -> list[JSON]:
        new, fresh = [], 0
        for record in records:
            key = pick(record, self._key)
            mark = json.dumps(record if key is None else [key], sort_keys=True)
            known = mark in self._seen
            self._seen.add(mark)
            fresh += not known
            # A record without its key cannot be told from others: better twice than not at all.
            if key is None or not known:
                new.append(record)
        # Shifting data may repeat a page or two; a platform that ignores the offset repeats them for ever.
        self._stale = self._stale + 1 if records and not fresh else 0
        if self._stale >= _STALE:
            raise PagingLoop(f"paging goes in circles: {_STALE} pages in a row brought nothing new")
        self._first = False
        return new


class OffsetPages(_KeyedPages):
    """Pages by ``offset`` or ``skip``. The next one starts after what came, whatever size the platform made of it.

    Listing ends with an empty page, or sooner where the platform tells: ``total`` and ``more`` are places in its
    answer, and ``short_is_last`` says that it always fills a page if it can. Deletions on the platform move records
    over to pages already read. ``overlap`` reads so many records again; a page that meets nothing known where it
    must is counted in ``gaps``: a pass with gaps has not seen everything.
    """

    def __init__(
        self,
        items: str,
        *,
        key: str,
        param: str = "offset",
        size: int = 100,
        size_param: str = "limit",
        smallest: int = 1,
        start: int = 0,
        overlap: int = 0,
        total: str | None = None,
        more: str | None = None,
        short_is_last: bool = False,
    ) -> None:
        super().__init__(items, key=key, size=size, size_param=size_param, smallest=max(smallest, overlap + 1))
        if overlap >= size:
            raise ValueError("overlap must be smaller than the page")
        self.offset = start
        self.gaps = 0
        self._begin = start
        self._param = param
        self._overlap = overlap
        self._total = total
        self._flag = more
        self._short_is_last = short_is_last

    @property
    def params(self) -> dict[str, Any]:
        return super().params | {self._param: self.offset}

    def take(self, answer: JSON) -> list[JSON]:
        records = self._records(answer)
        first = self._first
        new = self._new(records)
        if self._overlap and not first and len(new) == len(records):
            self.gaps += 1
        end = self.offset + len(records)
        total = pick(answer, self._total) if self._total else None
        self.more = not (
            len(records) <= (0 if first else self._overlap)
            or (isinstance(total, int) and end >= total)
            or (self._flag is not None and pick(answer, self._flag) is False)
            or (self._short_is_last and len(records) < self.size)
        )
        self.offset = max(self._begin, end - self._overlap) if self.more else end
        return new


class NumberedPages(_KeyedPages):
    """Pages by number. Ends with an empty page, an absent one (None), or where ``next`` or ``last`` in it say so."""

    def __init__(
        self,
        items: str,
        *,
        key: str,
        param: str = "page",
        size: int = 100,
        size_param: str = "page_size",
        start: int = 1,
        next: str | None = None,  # noqa: A002 -- the word of the field
        last: str | None = None,
    ) -> None:
        super().__init__(items, key=key, size=size, size_param=size_param)
        self.page = start
        self._param = param
        self._next = next
        self._last = last

    @property
    def params(self) -> dict[str, Any]:
        return super().params | {self._param: self.page}

    def shrink(self) -> bool:
        """Pages of another size have other numbers: only the first one can be asked for again."""
        return self._first and super().shrink()

    def take(self, answer: JSON) -> list[JSON]:
        records = [] if answer is None else self._records(answer)
        new = self._new(records)
        last = pick(answer, self._last) if self._last else None
        self.more = bool(records) and not (
            (self._next is not None and not pick(answer, self._next)) or (isinstance(last, int) and self.page >= last)
        )
        self.page += 1
        return new


async def walk(
    pages: Pages,
    fetch: Callable[[Mapping[str, Any]], Awaitable[JSON]],
    *,
    shrink_on: tuple[type[ConnectorError], ...] = (TooLarge,),
) -> AsyncIterator[list[JSON]]:
    """The new records page by page; answers that are too large are asked for again in smaller pages."""
    while pages.more:
        try:
            answer = await fetch(pages.params)
        except shrink_on:
            if not pages.shrink():
                raise
            continue
        yield pages.take(answer)


def pick(value: JSON, place: str) -> JSON:
    """What is at a dotted place, or None."""
    for name in place.split(".") if place else ():
        value = value.get(name) if isinstance(value, dict) else None
    return value
