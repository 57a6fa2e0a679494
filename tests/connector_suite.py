"""The suite that every platform's reader of files has to pass, against a real MongoDB.

A platform's test module is two lines: a subclass that names the connector (and, if it likes, more paths).
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from connectors.contract import Connector, ImportOptions
from connectors.discovery import discover, sample_files
from connectors.documents import UNSET, Page
from connectors.ids import gid
from gateway.engine import store_pages
from gateway.imports import gathered, run_import
from gateway.sources import register
from gateway.store.codec import COLLECTIONS
from gateway.store.leases import held
from gateway.store.store import Store
from schema.jsontext import json_value

SHARED = Path(os.environ.get("LABELGATE_SAMPLES", Path(__file__).parents[2] / "shared" / "samples"))


async def snapshot(store: Store, *, keep: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
    """Everything that is stored of documents and payloads, without what tells one run from another."""
    dropped = {"fetched_at", "run", "deleted_at"} - set(keep)
    out = {}
    for name in (*COLLECTIONS.values(), "raws"):
        found = [doc async for doc in store.db[name].find({})]
        out[name] = {
            doc["_id"]: {k: v for k, v in doc.items() if k not in dropped} | {"gone": "deleted_at" in doc}
            for doc in found
        }
    return out


async def written(store: Store) -> dict[str, Any]:
    """Who wrote each document last: changes whenever anything is written."""
    out = {}
    for name in COLLECTIONS.values():
        async for doc in store.db[name].find({}, {"fetched_at": 1, "run": 1}):
            out[doc["_id"]] = (doc["fetched_at"], doc["run"])
    return out


class Stop(Exception):
    """Ends a run between two pages."""


class FileSuite:
    """Claims about reading files; ``groups`` are lists of files that belong together."""

    platform: ClassVar[str]

    @property
    def connector(self) -> Connector:
        return discover()[self.platform]

    def groups(self) -> list[list[Path]]:
        return [sample_files(self.connector)]

    async def pages(self, paths: list[Path]) -> AsyncIterator[Page]:
        assert self.connector.read is not None
        with gathered([str(path) for path in paths]) as (inputs, _):
            async for page in self.connector.read(inputs, ImportOptions()):
                yield page

    async def imported(self, store: Store, paths: list[Path]) -> Any:
        with gathered([str(path) for path in paths]) as (inputs, problems):
            return await run_import(store, self.connector, inputs, source="suite", problems=problems)

    async def test_reading_is_deterministic(self) -> None:
        """The same files give the same documents, in the same order, with the same ids."""
        for paths in self.groups():
            first = [page async for page in self.pages(paths)]
            assert [page async for page in self.pages(paths)] == first
            assert sum(len(page.documents) for page in first) > 0

    async def test_payloads_are_stored_unchanged(self, store: Store) -> None:
        """Every payload that the reader attaches is in the store, value for value; nothing else is."""
        for paths in self.groups():
            await store.db.client.drop_database(store.db.name)
            expected = {}
            async for page in self.pages(paths):
                for doc in page.documents:
                    if doc.raw is not UNSET:
                        expected[gid("suite", doc.kind.value, doc.external_id)] = doc.raw
            await self.imported(store, paths)
            stored = {doc["_id"]: json_value(doc["json"]) async for doc in store.db["raws"].find({})}
            assert stored == expected
            assert len(stored) > 0

    async def test_a_second_run_writes_nothing(self, store: Store) -> None:
        """Importing the same files again leaves every document as it was, and counts it as unchanged."""
        for paths in self.groups():
            await store.db.client.drop_database(store.db.name)
            first = await self.imported(store, paths)
            before, seen = await snapshot(store), await written(store)
            second = await self.imported(store, paths)
            assert await snapshot(store) == before
            assert await written(store) == seen
            counts = second.run["counts"]
            assert (counts["created"], counts["updated"], counts["deleted"]) == (0, 0, 0)
            assert counts["unchanged"] >= first.run["counts"]["created"]

    async def test_a_run_stopped_at_any_page_ends_like_a_clean_one(self, store: Store) -> None:
        """Stop after any page, run again: the store is that of one clean run."""
        for paths in self.groups():
            await store.db.client.drop_database(store.db.name)
            await self.imported(store, paths)
            clean = await snapshot(store)
            total = len([page async for page in self.pages(paths)])
            for stop in sorted({*range(min(total, 6)), total - 1}):
                await store.db.client.drop_database(store.db.name)
                await self.stopped(store, paths, stop)
                await self.imported(store, paths)
                assert await snapshot(store) == clean, f"stopped at page {stop} of {total}"

    async def stopped(self, store: Store, paths: list[Path], stop: int) -> None:
        async def some() -> AsyncIterator[Page]:
            number = 0
            async for page in self.pages(paths):
                if number == stop:
                    raise Stop
                yield page
                number += 1

        await register(store, "suite", self.connector.name, self.connector.capabilities)
        async with held(store.db, "sync:suite", "a process that dies") as lease:
            with pytest.raises(Stop):
                await store_pages(store, some(), source="suite", mode="IMPORT", lease=lease)

    async def test_the_run_is_told(self, store: Store) -> None:
        """The run says how many records it read and what became of the documents, kind by kind."""
        for paths in self.groups():
            await store.db.client.drop_database(store.db.name)
            result = await self.imported(store, paths)
            run = result.run
            assert run["state"] == "SUCCEEDED", [d async for d in store.db["skipped_records"].find({}, {"raw": 0})]
            assert run["progress"]["records"] > 0
            assert run["progress"]["done"] == run["progress"]["total"]
            assert run["counts"]["created"] == sum(kind.get("created", 0) for kind in run["kinds"].values())
