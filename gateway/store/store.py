"""The store as the rest of the gateway knows it: a database, transactions, a reader, indexes in place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from gateway.store import indexes
from gateway.store.connect import transaction
from gateway.store.reader import Reader

T = TypeVar("T")


class Store:
    """Holds an open database of either driver."""

    def __init__(self, database: Any, *, max_time_ms: int = 10_000) -> None:
        self.db = database
        self.reader = Reader(database, max_time_ms=max_time_ms)

    async def prepare(self) -> None:
        """Brings collections and indexes into place; safe to call from many processes at once."""
        await indexes.ensure(self.db)

    async def transaction(self, body: Callable[[Any], Awaitable[T]]) -> T:
        """Runs ``body(session)`` in a transaction, again when MongoDB says that it is worth it."""
        return await transaction(self.db.client, body)
