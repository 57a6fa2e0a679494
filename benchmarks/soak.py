"""Ten minutes of mixed load with 200 subscribers against one process: is memory flat, is every error explained?

    python benchmarks/soak.py [--seconds 600] [--subscribers 200] [--rate 20]

Prints JSON: requests by status, events, memory at the start and the end, and its slope over the second half.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import websockets

sys.path.insert(0, str(Path(__file__).parents[1]))

from connectors.documents import Page, Task, TaskStatus
from gateway.store.connect import open_store
from gateway.store.embedded import EmbeddedMongo
from gateway.store.store import Store
from tests.conftest import mongo_settings
from tests.edge.conftest import fill, put

QUESTIONS = (
    "{ tasks(first: 50) { nodes { id status campaign { name } asset { name } } pageInfo { endCursor } } }",
    "{ tasks(where: {status: {eq: PENDING}}, first: 9) { totalCount nodes { audits(first: 3) { nodes { id } } } } }",
    "{ campaigns { nodes { name progress { total byStatus { status count } } } } }",
    '{ node(id: "gid://reef/Task/t1") { ... on Task { id version } } }',
    "{ nothing }",
    '{ tasks(after: "forged") { nodes { id } } }',
)
SUBSCRIPTION = "subscription { taskChanged { id status } }"


async def main(seconds: float, subscribers: int, rate: float) -> None:
    with tempfile.TemporaryDirectory() as folder, EmbeddedMongo(Path(folder) / "mongo") as url:
        async with open_store(mongo_settings(url)) as opened:
            store = Store(opened.db)
            await store.prepare()
            for source in ("reef", "forest"):
                await fill(store, source, tasks=500)
            env = {**os.environ, "LABELGATE_MONGODB_URL": url, "LABELGATE_LOG__LEVEL": "warning",
                   "LABELGATE_LIMITS__REQUESTS_PER_MINUTE": "0"}  # fmt: skip
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "gateway.cli", "serve", "--port", "8765", env=env, cwd=Path(__file__).parents[1]
            )
            try:
                print(json.dumps(await _soak(store, process.pid, seconds, subscribers, rate), indent=2))
            finally:
                process.terminate()
                await process.wait()


async def _soak(  # noqa: PLR0915 - its jobs share what they count
    store: Store, pid: int, seconds: float, subscribers: int, rate: float
) -> dict[str, Any]:
    base = "http://127.0.0.1:8765"
    statuses: Counter[str] = Counter()
    events, memory = Counter[str](), []
    loop = asyncio.get_running_loop()
    end = 0.0

    async with httpx.AsyncClient(base_url=base, timeout=30) as client:
        for _ in range(200):
            try:
                if (await client.get("/readyz")).status_code == 200:
                    break
            except httpx.TransportError:
                await asyncio.sleep(0.2)
        end = loop.time() + seconds

        async def listen() -> None:
            uri = "ws://127.0.0.1:8765/graphql"
            while loop.time() < end:
                subprotocol = websockets.Subprotocol("graphql-transport-ws")
                async with websockets.connect(uri, subprotocols=[subprotocol]) as socket:
                    await socket.send('{"type":"connection_init"}')
                    payload = {"query": SUBSCRIPTION}
                    await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": payload}))
                    until = min(end, loop.time() + random.uniform(20, 120))
                    while loop.time() < until:
                        try:
                            message = await asyncio.wait_for(socket.recv(), 1)
                        except TimeoutError:
                            continue
                        except websockets.ConnectionClosed as problem:
                            events[f"closed {problem.rcvd and problem.rcvd.code}"] += 1
                            break
                        events[json.loads(message)["type"]] += 1

        async def ask() -> None:
            while loop.time() < end:
                query = random.choice(QUESTIONS)
                try:
                    found = await client.post("/graphql", json={"query": query})
                    statuses[str(found.status_code)] += 1
                except httpx.TransportError as problem:
                    statuses[type(problem).__name__] += 1
                await asyncio.sleep(random.expovariate(rate / 10))

        async def write() -> None:
            while loop.time() < end:
                names = random.sample(range(500), 5)
                status = random.choice([TaskStatus.PENDING, TaskStatus.COMPLETED, TaskStatus.IN_REVIEW])
                await put(store, "reef", Page(documents=[Task(external_id=f"t{n}", status=status) for n in names]))
                await asyncio.sleep(1)

        async def weigh() -> None:
            while loop.time() < end:
                lines = Path(f"/proc/{pid}/status").read_text().splitlines()  # noqa: ASYNC240 - no disk behind it
                kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
                memory.append((loop.time(), kilobytes / 1024))
                await asyncio.sleep(2)

        jobs = [write(), weigh(), *(listen() for _ in range(subscribers)), *(ask() for _ in range(10))]
        await asyncio.gather(*jobs)
    half = memory[len(memory) // 2 :]
    slope = statistics.linear_regression([t for t, _ in half], [m for _, m in half]).slope * 60
    return {
        "seconds": seconds,
        "subscribers": subscribers,
        "requests": dict(statuses),
        "events": dict(events),
        "memory_mb": {"first": round(memory[0][1], 1), "half": round(half[0][1], 1), "last": round(memory[-1][1], 1)},
        "slope_mb_per_minute_second_half": round(slope, 3),
    }


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=600)
    arguments.add_argument("--subscribers", type=int, default=200)
    arguments.add_argument("--rate", type=float, default=20)
    options = arguments.parse_args()
    asyncio.run(main(options.seconds, options.subscribers, options.rate))
