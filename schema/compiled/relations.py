"""Other documents: links, children and connections, each one command however many parents ask."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from types import NoneType
from typing import Any, TypeAlias

from schema.compiled.arguments import Arguments
from schema.compiled.completion import regrouped
from schema.compiled.steps import Answers, Run, Step, Unfit, together
from schema.connections import Connection
from schema.data import Link, Many, get, view
from schema.fields import asked
from schema.ports import Query, Slice

Page: TypeAlias = Slice | None
"""None where nothing of it is selected."""


def linked(data: Link, path: str, fields: frozenset[str], shown: Step, *, nullable: bool) -> Step:
    """The documents that ids name. ``shown`` answers documents; each is answered once."""

    async def work(docs: Sequence[Any], run: Run) -> Answers:
        held = [get(doc, path) for doc in docs]
        lists = [ids if ids is not None else () for ids in held] if data.is_list else [(id_,) for id_ in held]
        wanted = _texts(list(dict.fromkeys(chain.from_iterable(lists))))
        reader, sources = run.context.reader, run.context.viewer.sources
        found = await reader.by_ids(data.collection, wanted, fields, sources) if wanted else {}
        known = [id_ for id_ in wanted if id_ in found]
        answers = dict(zip(known, await shown.work([found[id_] for id_ in known], run), strict=True))
        if data.is_list:
            return [[answers[id_] for id_ in ids if id_ in answers] for ids in lists]
        if not nullable and not all(id_ in answers for id_ in held):
            raise Unfit
        return [answers.get(id_) for id_ in held]

    return Step(work, waits=True)


def _texts(ids: list[Any]) -> list[str]:
    if not {str, NoneType}.issuperset(map(type, ids)):
        raise Unfit
    return [id_ for id_ in ids if id_ is not None]


def children(data: Many, fields: frozenset[str], shown: Step) -> Step:
    """All documents that name each parent."""

    async def work(docs: Sequence[Any], run: Run) -> Answers:
        query = asked(data, {}, fields, run.context.viewer)
        parents = [doc["_id"] for doc in docs]
        found = await run.context.reader.all_by(query, data.by, list(dict.fromkeys(parents)))
        lists = [found[parent] for parent in parents]
        return regrouped(lists, await shown.work(list(chain.from_iterable(lists)), run))

    return Step(work, waits=True)


# --- connections ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pages:
    """What of a connection is selected. ``shown`` answers pairs of a page and a count, one for each parent."""

    shown: Step
    paged: bool
    counted: bool


def connected(data: Many, fields: frozenset[str], arguments: Arguments, pages: Pages) -> Step:
    """A page for each parent; of the whole collection where the declaration names no ``by``."""

    async def work(docs: Sequence[Any], run: Run) -> Answers:
        query = asked(data, arguments(run), fields, run.context.viewer)
        parents = [doc["_id"] for doc in docs] if data.by else [None] * len(docs)
        read = _by_parents if data.by else _of_all
        slices, counts = await read(query, data.by, list(dict.fromkeys(parents)), pages, run)
        return await pages.shown.work([(slices.get(one), counts.get(one)) for one in parents], run)

    return Step(work, waits=True)


Found: TypeAlias = tuple[Mapping[Any, Page], Mapping[Any, int]]


async def _by_parents(query: Query, by: str, parents: list[Any], pages: Pages, run: Run) -> Found:
    reader = run.context.reader
    work: list[Coroutine[Any, Any, Any]] = [reader.pages_by(query, by, parents)] if pages.paged else []
    work += [reader.counts_by(query, by, parents)] if pages.counted else []
    found = await together(work)
    return found[0] if pages.paged else {}, found[-1] if pages.counted else {}


async def _of_all(query: Query, by: str, parents: list[Any], pages: Pages, run: Run) -> Found:
    reader = run.context.reader
    work: list[Coroutine[Any, Any, Any]] = [reader.page(query)] if pages.paged else []
    work += [reader.count(query)] if pages.counted else []
    found = await together(work)
    return {None: found[0]} if pages.paged else {}, {None: found[-1]} if pages.counted else {}


def resolved_connections(shown: Step, *, counted: bool) -> Step:
    """Connections that a resolver made."""

    async def work(values: Sequence[Any], run: Run) -> Answers:
        if not {Connection}.issuperset(map(type, values)):
            raise Unfit
        counts = await together([value.count() for value in values]) if counted else [None] * len(values)
        return await shown.work([(v.page, n) for v, n in zip(values, counts, strict=True)], run)

    return Step(work, waits=True)


def nodes(shown: Step) -> Step:
    """The documents of pages."""

    async def work(pairs: Sequence[Any], run: Run) -> Answers:
        lists = [page.docs for page, _ in pairs]
        return regrouped(lists, await shown.work(list(chain.from_iterable(lists)), run))

    return Step(work, shown.waits)


def edges(shown: Step) -> Step:
    """``shown`` answers pairs of a page and one of its documents."""

    async def work(pairs: Sequence[Any], run: Run) -> Answers:
        lists = [[(page, doc) for doc in page.docs] for page, _ in pairs]
        return regrouped(lists, await shown.work(list(chain.from_iterable(lists)), run))

    return Step(work, shown.waits)


def page_infos(shown: Step) -> Step:
    """``shown`` answers what the connection itself says of a page."""

    async def work(pairs: Sequence[Any], run: Run) -> Answers:
        found = [Connection.of(page, "", view, _no_count).page_info() for page, _ in pairs]
        return await shown.work(found, run)

    return Step(work, shown.waits)


async def _no_count() -> int:
    raise Unfit
