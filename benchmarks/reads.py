"""Q1 to Q4 and Q6: CPU time per request of one server process, all variants interleaved in one run.

Run it with ``python -m benchmarks.reads [TASKS] [ROUNDS] [DRIVER]``. The gateway runs as in production: with a token,
limits, cost, metrics, request ids and logs. Times of the process are read from the system; ratios are what counts.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson
from pymongo import AsyncMongoClient

from benchmarks.queries import QUERIES, Asked
from benchmarks.seed import seed
from benchmarks.server import VARIANTS
from gateway.store.embedded import EmbeddedMongo
from gateway.tokens import Tokens

REQUESTS = {"Q1": 60, "Q2": 40, "Q3": 200, "Q4": 40, "Q6": 100}


class Server:
    """A variant in a process of its own."""

    def __init__(self, variant: str, url: str, token: str, driver: str) -> None:
        self.variant = variant
        self._headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        command = [sys.executable, "-m", "benchmarks.server", variant, str(self._port), url, "bench", driver]
        self._process = subprocess.Popen(command)
        self._wait()
        self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)

    def _wait(self) -> None:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", self._port), 1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise SystemExit(f"{self.variant} did not start")

    def ask(self, name: str, asked: Asked) -> bytes:
        body = orjson.dumps({"query": asked.text, "variables": asked.variables, "operationName": name})
        path = "/graphql/" if self.variant == "strawberry" else "/graphql"
        try:
            self._connection.request("POST", path, body, self._headers)
            response = self._connection.getresponse()
        except (BrokenPipeError, http.client.RemoteDisconnected):  # idle for too long
            self._connection.close()
            return self.ask(name, asked)
        content = response.read()
        assert response.status == 200, (self.variant, name, content[:500])
        assert b'"errors"' not in content[:20], (self.variant, name, content[:500])
        return content

    def cpu(self) -> float:
        """Seconds of CPU that the process has used."""
        threads = Path(f"/proc/{self._process.pid}/task").iterdir()
        return sum(int((one / "schedstat").read_text().split()[0]) for one in threads) / 1e9

    def measure(self, name: str, asked: Asked) -> float:
        """Milliseconds of CPU for one request."""
        count = REQUESTS[name]
        self.ask(name, asked)
        before = self.cpu()
        for _ in range(count):
            self.ask(name, asked)
        return (self.cpu() - before) / count * 1e3

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)


def checked(servers: list[Server]) -> None:
    """All variants answer the same data."""
    for name, asked in QUERIES.items():
        answers = {}
        for server in servers:
            for _ in range(8):
                body = json.loads(server.ask(name, asked))
            answers[server.variant] = body["data"]
        expected = answers["ordinary"]
        for variant, found in answers.items():
            same = plain(found) if variant == "strawberry" else found
            assert same == (plain(expected) if variant == "strawberry" else expected), (variant, name)


def plain(data: Any) -> Any:
    """Without what the plain schema prints in another way: dates."""
    if isinstance(data, dict):
        return {key: plain(value) for key, value in data.items() if not key.endswith("At")}
    return [plain(one) for one in data] if isinstance(data, list) else data


async def prepared(url: str, tasks: int) -> str:
    client: Any = AsyncMongoClient(url, w="majority", journal=True)
    await seed(client["bench"], tasks)
    _, token = await Tokens(client["bench"]).create("bench", ["read"])
    await client.close()
    return token


def main(tasks: int, rounds: int, driver: str) -> None:
    with tempfile.TemporaryDirectory() as folder, EmbeddedMongo(Path(folder) / "mongo", cache_gb=1.0) as url:
        token = asyncio.run(prepared(url, tasks))
        servers = [Server(variant, url, token, driver) for variant in VARIANTS]
        try:
            checked(servers)
            figures: dict[tuple[str, str], list[float]] = {}
            for _ in range(rounds):
                for name, asked in QUERIES.items():
                    for server in servers:
                        figures.setdefault((name, server.variant), []).append(server.measure(name, asked))
        finally:
            for server in servers:
                server.stop()
    report(figures, f"{tasks:,} tasks, {rounds} rounds, {driver}")


def report(figures: dict[tuple[str, str], list[float]], title: str) -> None:
    print(f"{title}; CPU per request in ms, median [least, most]; times less than plain Strawberry; times the limit")
    for name in QUERIES:
        plain_way = figures[name, "strawberry"]
        limit = figures[name, "handwritten"]
        for variant in VARIANTS:
            ours = figures[name, variant]
            less = statistics.median(a / b for a, b in zip(plain_way, ours, strict=True))
            over = statistics.median(a / b for a, b in zip(ours, limit, strict=True))
            middle = f"{statistics.median(ours):7.2f} [{min(ours):.2f}, {max(ours):.2f}]"
            print(f"  {name}  {variant:12} {middle:26} {less:6.1f} x less   {over:5.2f} x the limit")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    main(
        int(arguments[0]) if arguments else 200_000,
        int(arguments[1]) if len(arguments) > 1 else 7,
        arguments[2] if len(arguments) > 2 else "pymongo",
    )
