"""Batches what many parents ask into one command each; lives as long as a request.

Loaders are told apart by the whole question, so fifty parents with the same selection and arguments share one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any

from strawberry.dataloader import DataLoader

from schema.ports import AuditGroup, Compare, Doc, Op, Query, Reader, Slice, StatusCounts


class _Shared(DataLoader[str, Any]):
    """What several wait for outlives the one that stops waiting: graphql-core cancels resolvers beside a failed one."""

    def load(self, key: str) -> Awaitable[Any]:
        return asyncio.shield(super().load(key))


class Loaders:
    def __init__(self, reader: Reader, sources: frozenset[str] | None) -> None:
        self._reader = reader
        self._sources = sources
        self._loaders: dict[Hashable, DataLoader[str, Any]] = {}
        self.paths: dict[tuple[tuple[int, ...], str], frozenset[str]] = {}
        """What selections need, by field nodes and collection."""

    def document(self, collection: str, fields: frozenset[str]) -> DataLoader[str, Doc | None]:
        return self._loader(
            ("document", collection, fields),
            lambda ids: self._reader.by_ids(collection, ids, fields, self._sources),
        )

    def page(self, query: Query, by: str) -> DataLoader[str, Slice]:
        return self._loader(("page", query, by), lambda ids: self._reader.pages_by(query, by, ids))

    def count(self, query: Query, by: str) -> DataLoader[str, int]:
        return self._loader(("count", query, by), lambda ids: self._reader.counts_by(query, by, ids))

    def children(self, query: Query, by: str) -> DataLoader[str, Sequence[Doc]]:
        return self._loader(("children", query, by), lambda ids: self._reader.all_by(query, by, ids))

    def raw(self) -> DataLoader[str, Any]:
        return self._loader(("raw",), self._reader.raws)

    def progress(self, *, per_annotator: bool) -> DataLoader[str, Sequence[StatusCounts]]:
        return self._loader(
            ("progress", per_annotator),
            lambda ids: self._reader.progress(ids, per_annotator=per_annotator),
        )

    def people(self) -> DataLoader[str, Sequence[str]]:
        return self._loader(("people",), self._reader.people)

    def quality(self) -> DataLoader[str, AuditGroup | None]:
        """Audits of the work of each annotator."""

        async def groups(authors: list[str]) -> Mapping[str, AuditGroup]:
            query = Query("audits", where=Compare("author", Op.IN, tuple(authors)), sources=self._sources)
            found = await self._reader.audit_groups(query, ["AUTHOR"], len(authors))
            return {str(group.keys[0]): group for group in found}

        return self._loader(("quality",), groups)

    def _loader(self, key: Hashable, read: Callable[[list[str]], Awaitable[Mapping[str, Any]]]) -> DataLoader[str, Any]:
        loader = self._loaders.get(key)
        if loader is None:

            async def load(ids: list[str]) -> list[Any]:
                found = await read(ids)
                return [found.get(id_) for id_ in ids]

            loader = self._loaders[key] = _Shared(load)
        return loader
