"""Leases: who may do a thing now. One document a name; a holder that dies loses it when its time is up."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError


class LeaseHeld(Exception):
    """Somebody else holds the lease; ``owner`` says who."""

    def __init__(self, name: str, owner: str) -> None:
        super().__init__(f"{name} is held by {owner}")
        self.name = name
        self.owner = owner


class Lease:
    """A held lease. ``fence`` grows with every new holder, so that a late writer can be told from the present one."""

    def __init__(self, database: Any, name: str, owner: str, fence: int, seconds: float) -> None:
        self.name = name
        self.owner = owner
        self.fence = fence
        self.lost = asyncio.Event()
        self._leases = database["leases"]
        self._seconds = seconds

    async def renew(self) -> bool:
        """Extends the lease; False (and ``lost`` is set) when somebody took it over."""
        kept = await self._leases.update_one({"_id": self.name, "fence": self.fence}, _until(self._seconds))
        if not kept.matched_count:
            self.lost.set()
        return not self.lost.is_set()

    async def confirm(self, session: Any) -> None:
        """Makes a transaction fail when the lease has passed to somebody else. Raises ``LeaseHeld``."""
        found = await self._leases.update_one(
            {"_id": self.name, "fence": self.fence}, {"$inc": {"uses": 1}}, session=session
        )
        if not found.matched_count:
            self.lost.set()
            raise LeaseHeld(self.name, "somebody else")

    async def release(self) -> None:
        await self._leases.update_one({"_id": self.name, "fence": self.fence}, [{"$set": {"until": "$$NOW"}}])


async def acquire(database: Any, name: str, owner: str, *, seconds: float = 30) -> Lease:
    """Takes a lease that nobody holds. Raises ``LeaseHeld``."""
    ticket = secrets.token_hex(8)
    free = {"$lte": [{"$ifNull": ["$until", "$$NOW"]}, "$$NOW"]}
    taken = {
        "owner": owner,
        "ticket": ticket,
        "fence": {"$add": [{"$ifNull": ["$fence", 0]}, 1]},
        "until": _later(seconds),
    }
    update = [{"$set": {name: {"$cond": [free, value, f"${name}"]} for name, value in taken.items()}}]
    take = partial(
        database["leases"].find_one_and_update, {"_id": name}, update, upsert=True, return_document=ReturnDocument.AFTER
    )
    try:
        doc = await take()
    except DuplicateKeyError:  # two first comers at once: the document is there now
        doc = await take()
    if doc["ticket"] != ticket:
        raise LeaseHeld(name, doc["owner"])
    return Lease(database, name, owner, doc["fence"], seconds)


@contextlib.asynccontextmanager
async def held(database: Any, name: str, owner: str, *, seconds: float = 30) -> AsyncIterator[Lease]:
    """Holds a lease, renewed at a third of its time, and gives it back. Raises ``LeaseHeld``."""
    lease = await acquire(database, name, owner, seconds=seconds)

    async def keep() -> None:
        while True:
            await asyncio.sleep(seconds / 3)
            if not await lease.renew():
                return

    keeper = asyncio.create_task(keep())
    try:
        yield lease
    finally:
        keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper
        await lease.release()


def _until(seconds: float) -> list[dict[str, Any]]:
    return [{"$set": {"until": _later(seconds)}}]


def _later(seconds: float) -> dict[str, Any]:
    return {"$add": ["$$NOW", int(seconds * 1000)]}
