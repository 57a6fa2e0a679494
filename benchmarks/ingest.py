"""I1: an APLOSE results CSV into MongoDB, against a plain insert_many of the very documents that it makes.

Each round runs, one after another: the import into an empty database, the same import again, and insert_many of the
same documents in batches of 2,000 into collections with the same indexes, and without any. Run it with
``python -m benchmarks.ingest [ROWS] [ROUNDS]``.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient

from benchmarks.exports import aplose_results
from gateway.store import indexes
from gateway.store.codec import COLLECTIONS
from gateway.store.embedded import EmbeddedMongo

BATCH = 2000
NAMES = (*COLLECTIONS.values(), "raws")


def imported(url: str, path: Path) -> tuple[float, float, dict[str, Any]]:
    """Seconds, peak resident megabytes and the run of one `labelgate ingest` process.

    The peak counts this process too, as it was when the other began: only the first round's is the import's own.
    """
    environment = {**os.environ, "LABELGATE_MONGODB_URL": url, "LABELGATE_MONGODB__DATABASE": "ours"}
    command = [sys.executable, "-m", "gateway.cli", "ingest", "aplose", str(path), "--json"]
    read, write = os.pipe()
    began = time.perf_counter()
    pid = os.posix_spawn(command[0], command, environment, file_actions=[(os.POSIX_SPAWN_DUP2, write, 1)])
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        told = stream.read()
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - began
    assert os.waitstatus_to_exitcode(status) == 0, told
    return seconds, usage.ru_maxrss / 1024, json.loads(told)


async def inserted(client: Any, documents: dict[str, list[Any]], *, indexed: bool) -> float:
    await client.drop_database("plain")
    database = client["plain"]
    if indexed:
        await indexes.ensure(database)
    began = time.perf_counter()
    for name, found in documents.items():
        for start in range(0, len(found), BATCH):
            await database[name].insert_many(found[start : start + BATCH], ordered=False)
    return time.perf_counter() - began


async def main(rows: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "campaign_results.csv"
        aplose_results(path, rows)
        with EmbeddedMongo(Path(folder) / "mongo", cache_gb=2.0) as url:
            client: Any = AsyncMongoClient(url, w="majority", journal=True)
            figures: dict[str, list[float]] = {}
            peak = 0.0
            for number in range(rounds):
                await client.drop_database("ours")
                first, memory, run = imported(url, path)
                again, more, second = imported(url, path)
                assert second["counts"]["created"] == second["counts"]["updated"] == 0
                if number == 0:
                    peak = max(memory, more)
                documents = {name: await client["ours"][name].find({}).to_list(None) for name in NAMES}
                plain = await inserted(client, documents, indexed=False)
                indexed = await inserted(client, documents, indexed=True)
                count = sum(map(len, documents.values()))
                del documents
                took = {
                    "first load": first,
                    "unchanged again": again,
                    "insert_many, indexed": indexed,
                    "insert_many, bare": plain,
                }
                for word, seconds in took.items():
                    figures.setdefault(word, []).append(rows / seconds)
                created = run["counts"]["created"]
                print(f"round {number + 1}: {created:,} documents ({count:,} with payloads)", file=sys.stderr)
            await client.close()
    print(f"{rows:,} rows, {rounds} rounds; rows per second, median [least, most]; peak {peak:.0f} MB")
    for word, rates in figures.items():
        print(f"  {word:22} {statistics.median(rates):9,.0f}  [{min(rates):,.0f}, {max(rates):,.0f}]")
    for word in ("insert_many, indexed", "insert_many, bare"):
        ratio = statistics.median(a / b for a, b in zip(figures["first load"], figures[word], strict=True))
        print(f"  first load / {word:22} {ratio:.2f}")
    ratio = statistics.median(a / b for a, b in zip(figures["unchanged again"], figures["first load"], strict=True))
    print(f"  unchanged again / first load        {ratio:.2f}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 500_000, int(sys.argv[2]) if len(sys.argv) > 2 else 3))
