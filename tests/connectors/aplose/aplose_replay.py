"""Recorded exchanges of real APLOSE servers, played against the sandbox: sign in, send, compare.

Answers are compared whole: the same keys and the same values, ids included; only times, tokens, host names and the
order of lists that the real server leaves open may differ.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.aplose.sandbox.seed import ACCOUNT
from connectors.sandbox import Sandbox, serve

ROOT = Path(__file__).parents[3]
SHARED = Path(os.environ.get("LABELGATE_SAMPLES", ROOT.parent / "shared" / "samples")) / "aplose"
needs_samples = pytest.mark.skipif(not SHARED.is_dir(), reason="shared samples are not here")

PASSWORDS = {ACCOUNT[0]: ACCOUNT[1]}

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?(Z|\+00:00)")


def recorded(folder: str, name: str) -> dict[str, Any]:
    return json.loads((SHARED / folder / name).read_text(encoding="utf-8"))


def recordings(folder: str) -> list[str]:
    return sorted(path.name for path in (SHARED / folder).glob("[0-9]*.json"))


@dataclass
class Player:
    """One login per user; ``password`` is everybody's on a recorded server."""

    client: httpx.Client | InProcess
    sandbox: Sandbox
    password: str = ""
    tokens: dict[str, dict[str, str]] = field(default_factory=dict)

    def headers(self, user: str | None) -> dict[str, str]:
        if user is None:
            return {}
        if user not in self.tokens:
            given = {"username": user, "password": self.password or PASSWORDS.get(user, f"{user}-listens")}
            answer = self.client.post("/api/token/", json=given)
            assert answer.status_code == 200, answer.text
            self.tokens[user] = answer.json()
        return {"authorization": f"Bearer {self.tokens[user]['access']}"}

    def act(self, name: str, **arguments: Any) -> Any:
        """A control action, as a test that holds the sandbox makes it."""
        return self.sandbox.control.actions[name](**arguments)

    def gql(self, query: str, user: str | None = "gateway", **variables: Any) -> Any:
        """The data of a query that must not fail."""
        answer = self.post("/api/graphql", {"query": query, "variables": variables}, user)
        assert answer.status_code == 200, answer.text
        assert "errors" not in answer.json(), answer.text
        return answer.json()["data"]

    def gql_error(self, query: str, user: str | None = "gateway", **variables: Any) -> str:
        """The message of a query that fails with HTTP 200, as refusals do."""
        answer = self.post("/api/graphql", {"query": query, "variables": variables}, user)
        assert answer.status_code == 200, answer.text
        return answer.json()["errors"][0]["message"]

    def get(self, path: str, user: str | None = "admin", **headers: str) -> httpx.Response:
        return self.client.get(path, headers=self.headers(user) | headers)

    def post(self, path: str, body: Any, user: str | None = "admin", method: str = "POST") -> httpx.Response:
        return self.client.request(method, path, json=body, headers=self.headers(user))

    def replay(self, exchange: dict[str, Any]) -> httpx.Response:
        request, body = exchange["request"], exchange["request"]["body"]
        if body == {"refresh": "<JWT>"}:
            self.headers("admin")
            body = {"refresh": self.tokens["admin"]["refresh"]}
        if body is None:
            return self.get(request["path"], request["user"])
        return self.post(request["path"], body, request["user"], request["method"])


class InProcess:
    """The few calls of an HTTP client, straight into the application: starting a server for each test takes longer."""

    def __init__(self, sandbox: Sandbox) -> None:
        # With its own factory the runner leaves the event loop of the test session alone.
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        transport = httpx.ASGITransport(app=sandbox.asgi())
        self._client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8801")

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self._runner.run(self._client.request(method, path, **more))

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.request("POST", path, **more)

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()


@contextmanager
def player(sandbox: Sandbox) -> Iterator[Player]:
    """In this process."""
    client = InProcess(sandbox)
    try:
        yield Player(client, sandbox)
    finally:
        client.close()


@contextmanager
def socket_player(sandbox: Sandbox, password: str = "") -> Iterator[Player]:
    """Over a real socket."""
    with serve(sandbox) as url, httpx.Client(base_url=url) as client:
        yield Player(client, sandbox, password)


def compare(exchange: dict[str, Any], answer: httpx.Response, *, ordered: bool = True) -> None:
    """Fails with the path of the first difference."""
    assert answer.status_code == exchange["status"], answer.text[:500]
    kind = answer.headers.get("content-type", "").partition(";")[0]
    assert kind == exchange["content_type"]
    if "response" in exchange:
        alike(exchange["response"], answer.json(), "$", ordered=ordered)
    elif kind == "text/html":
        assert answer.text.startswith("<!DOCTYPE html>")
    else:
        assert answer.text == exchange["response_text"]


def alike(expected: Any, actual: Any, path: str = "$", *, ordered: bool = True) -> None:
    """The same keys and values; times and tokens only of the same form."""
    if isinstance(expected, dict):
        assert isinstance(actual, dict), path
        assert sorted(actual) == sorted(expected), path
        for name, value in expected.items():
            alike(value, actual[name], f"{path}.{name}", ordered=ordered)
    elif isinstance(expected, list):
        assert isinstance(actual, list), path
        assert len(actual) == len(expected), path
        pairs = zip(expected, actual, strict=True) if ordered else zip(_sorted(expected), _sorted(actual), strict=True)
        for index, (one, other) in enumerate(pairs):
            alike(one, other, f"{path}[{index}]", ordered=ordered)
    else:
        assert type(actual) is type(expected), f"{path}: {actual!r} is no {expected!r}"
        assert _masked(actual) == _masked(expected), path


def _sorted(rows: list[Any]) -> list[Any]:
    """Records by id, ids by themselves; other lists have an order."""

    def key(row: Any) -> int | None:
        row = row.get("node", row) if isinstance(row, dict) else row
        found = row.get("id") if isinstance(row, dict) else row
        return int(found) if str(found).isdecimal() else None

    keys = [key(row) for row in rows]
    return rows if None in keys else [row for _, row in sorted(zip(keys, rows, strict=True), key=lambda pair: pair[0])]


def _masked(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.count(".") == 2 and value.startswith("eyJ"):
        return "<JWT>"
    if TIME.fullmatch(value):
        # The recorded file times are exact; the times of writing are not.
        return value if value.startswith("2012") else ("<time>", value[-1])
    return re.sub(r"http://127\.0\.0\.1:\d+", "http://host", value)
