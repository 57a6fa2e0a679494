"""Verdicts through GraphQL to a platform that fails, while workers and gateways are killed: one effect each, in order.

LABELGATE_VERDICTS sets how many (`make test-delivery` asks for 1,000 a platform).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.discovery import discover
from connectors.sandbox import load, serve
from gateway.store.store import Store

ROOT = Path(__file__).parents[2]
VERDICTS = int(os.environ.get("LABELGATE_VERDICTS", "60"))

SUBMIT = """mutation ($input: SubmitAuditInput!) { submitAudit(input: $input) {
  __typename ... on AuditSubmitted { audit { id } } ... on UserError { code message } } }"""


class Processes:
    """The gateway and two workers, killed and started again."""

    def __init__(self, config: Path, database: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._config = config
        self._environment = {**os.environ, "LABELGATE_MONGODB__DATABASE": database}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.kills = 0

    def command(self, *arguments: str) -> subprocess.Popen[bytes]:
        line = [sys.executable, "-m", "gateway.cli", "--config", str(self._config), *arguments]
        return subprocess.Popen(
            line, cwd=ROOT, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def start(self, name: str) -> None:
        what = ["serve", "--port", str(self.port)] if name == "gateway" else ["worker"]
        self.running[name] = self.command(*what)

    def kill(self, name: str) -> None:
        self.running[name].send_signal(signal.SIGKILL)
        self.running[name].wait()
        self.kills += 1
        self.start(name)

    def stop(self) -> None:
        for process in self.running.values():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()


@contextlib.contextmanager
def processes(config: Path, database: str) -> Iterator[Processes]:
    held = Processes(config, database)
    try:
        yield held
    finally:
        held.stop()


def toml(name: str, platform: str, table: dict[str, Any], url: str) -> str:
    lines = [
        "[mongodb]",
        f'url = "{url}"',
        "[limits]",
        "requests_per_minute = 0",
        "[worker]",
        "audit_lease_seconds = 6",
        "poll_seconds = 0.3",
        f"[sources.{name}]",
        f'platform = "{platform}"',
        "sync_every = 3600",
    ]
    for key, value in table.items():
        lines.append(f"{key} = {value}" if isinstance(value, (int, float)) else f'{key} = "{value}"')
    return "\n".join(lines) + "\n"


async def submitted(port: int, inputs: list[dict[str, Any]]) -> None:
    """Submits concurrently; a call that got no answer is sent again with its key, as a client would."""
    gate = asyncio.Semaphore(8)
    headers = {"graphql-require-preflight": "1"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10, headers=headers) as client:

        async def one(input_: dict[str, Any]) -> None:
            deadline = time.monotonic() + 90
            async with gate:
                while True:
                    with contextlib.suppress(httpx.HTTPError):
                        answer = await client.post("/graphql", json={"query": SUBMIT, "variables": {"input": input_}})
                        if answer.status_code == 200 and answer.json().get("data"):
                            result = answer.json()["data"]["submitAudit"]
                            assert result["__typename"] == "AuditSubmitted", result
                            return
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.2)

        await asyncio.gather(*(one(input_) for input_ in inputs))


PLATFORMS = {
    "scale": {"arguments": {"tasks": 120}, "settings": {"settle_seconds": 1}, "path": r"/audit$", "effect": "audit"},
}


@pytest.mark.parametrize("platform", sorted(PLATFORMS))
async def test_every_verdict_takes_effect_once(platform: str, store: Store, mongo_url: str, tmp_path: Path) -> None:
    """20 % 5xx (half after the change was made), 5 % lost answers, 5 % 429, kill -9 of everything: one effect a verdict."""
    case: dict[str, Any] = PLATFORMS[platform]
    connector = discover()[platform]
    assert connector.sandbox is not None
    sandbox = load(connector.sandbox, **case["arguments"])
    control = sandbox.control
    chance = random.Random(11)
    with serve(sandbox) as url, processes(tmp_path / "labelgate.toml", store.db.name) as held:
        table = {**sandbox.settings(url), **case["settings"]}
        (tmp_path / "labelgate.toml").write_text(toml("live", platform, table, mongo_url))
        assert held.command("sync").wait(timeout=120) == 0
        finished = {
            "source": "live",
            "status": {"$in": ["SUBMITTED", "IN_REVIEW", "COMPLETED"]},
            "review_status": "NOT_REVIEWED",
        }
        tasks = [doc["_id"] async for doc in store.db["tasks"].find(finished, {"_id": 1}, sort=[("_id", 1)], limit=40)]
        assert len(tasks) >= 5
        before = control.count(case["effect"])
        for fault in (
            {"kind": "status", "status": 500, "rate": 0.10},
            {"kind": "status", "status": 503, "rate": 0.11, "when": "after"},
            {"kind": "reset", "rate": 0.06, "when": "after"},
            {"kind": "status", "status": 429, "rate": 0.07, "headers": {"retry-after": "0"}},
        ):
            control.inject(method="POST", path=case["path"], **fault)
        for name in ("gateway", "worker 1", "worker 2"):
            held.start(name)
        inputs = [
            {
                "idempotencyKey": f"v{n}",
                "task": {"id": tasks[n % len(tasks)]},
                "result": chance.choice(["ACCEPTED", "REJECTED"]),
                "comment": f"verdict {n}",
            }
            for n in range(VERDICTS)
        ]
        sending = asyncio.create_task(submitted(held.port, inputs))
        deadline = time.monotonic() + 60 + VERDICTS * 0.6
        undone = {"origin": "GATEWAY", "delivery.state": {"$ne": "DELIVERED"}}
        next_kill = time.monotonic() + 4
        while not sending.done() or await store.db["audits"].count_documents(undone):
            states = Counter(
                [
                    doc["delivery"]["state"]
                    async for doc in store.db["audits"].find({"origin": "GATEWAY"}, {"delivery.state": 1})
                ]
            )
            assert time.monotonic() < deadline, states
            if time.monotonic() > next_kill and held.kills < 6:
                held.kill(chance.choice(["gateway", "worker 1", "worker 2"]))
                next_kill = time.monotonic() + chance.uniform(3, 6)
            await asyncio.sleep(0.5)
        await sending
        control.heal()
        effects = [effect for effect in control.effects if effect.name == case["effect"]][before:]
        assert len(effects) == VERDICTS
        order: dict[str, list[int]] = {}
        for effect in effects:
            order.setdefault(effect.key, []).append(int(str(effect.detail["comments"]).rpartition(" ")[2]))
        sent = (
            await store.db["audits"]
            .find({"origin": "GATEWAY"}, {"task": 1, "comments": 1, "seq": 1, "external_id": 1})
            .to_list(None)
        )
        expected: dict[str, list[int]] = {}
        for audit in sorted(sent, key=lambda audit: audit["seq"]):
            expected.setdefault(audit["task"].rpartition("/")[2], []).append(
                int(audit["comments"][0].rpartition(" ")[2])
            )
        assert order == expected
        assert len({audit["external_id"] for audit in sent}) == VERDICTS
        assert held.kills >= 1
