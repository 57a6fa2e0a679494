"""Health, metrics, webhooks, uploads, trusted documents, and the end of the process."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.contract import Capabilities, Connector, Hint, WebhookCall
from connectors.documents import Kind
from connectors.errors import Unauthorized
from gateway.documents import read_documents
from gateway.engine import utcnow
from gateway.settings import SettingsError
from gateway.store.store import Store
from gateway.sync import LiveSource
from gateway.tokens import Tokens
from tests.edge.conftest import Served, edge_settings, serving

PREFLIGHT = {"graphql-require-preflight": "1"}


# --- health and metrics -----------------------------------------------------------------------------------------------


async def test_health(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alive is alive; ready needs MongoDB; workers are counted by their heartbeat."""
    assert (await served.client.get("/healthz")).json() == {"status": "ok"}
    store = served.edge.store
    await store.db["workers"].insert_one({"_id": "w1", "at": utcnow(), "sources": []})
    found = await served.client.get("/readyz")
    assert (found.status_code, found.json()) == (
        200, {"mongodb": "ok", "changes": "ok", "workers": 1, "status": "ok"},
    )  # fmt: skip

    async def broken(*_: Any, **__: Any) -> Any:
        raise OSError("secret host name")

    monkeypatch.setattr(type(store.db), "command", broken)
    found = await served.client.get("/readyz")
    assert (found.status_code, found.json()["mongodb"], "secret" in found.text) == (503, "OSError", False)
    assert (await served.client.get("/healthz")).status_code == 200


async def test_metrics(served: Served) -> None:
    """Requests, operations, costs, the outbox and sources; names of operations are bounded."""
    for n in range(130):
        await served.post(f"query Operation{n} {{ viewer {{ name }} }}")
    await served.post("query Wrong { nothing }")
    await served.client.get("/nowhere/" + "x" * 50)
    text = (await served.client.get("/metrics")).text
    assert 'labelgate_http_requests_total{method="POST",route="/graphql",status="200"} 130.0' in text
    assert 'labelgate_http_requests_total{method="GET",route="other",status="404"} 1.0' in text
    names = set(re.findall(r'labelgate_graphql_operations_total\{operation="([^"]*)"', text))
    assert len(names) == 101
    assert "other" in names
    assert 'labelgate_outbox_audits{state="PENDING"} 0.0' in text
    assert 'labelgate_source_health{health="NEVER_SYNCED",platform="toy",source="reef"} 1.0' in text
    for name in ("labelgate_graphql_cost_bucket", "labelgate_workers", "labelgate_sync_runs", "labelgate_hints"):
        assert name in text


async def test_metrics_are_for_those_who_may(filled: Store) -> None:
    """By default only the scope admin reads them; a setting opens or closes them."""
    _, reader = await Tokens(filled.db).create("reader", ["read"])
    _, admin = await Tokens(filled.db).create("admin", ["admin"])
    for allowed, expected in (("admin", [401, 403, 200]), ("open", [200] * 3), ("off", [404] * 3)):
        async with serving(filled, edge_settings(server={"metrics": allowed})) as served:
            codes = []
            for token in (None, reader, admin):
                headers = {"authorization": f"Bearer {token}"} if token else {}
                codes.append((await served.client.get("/metrics", headers=headers)).status_code)
            assert codes == expected


# --- webhooks ---------------------------------------------------------------------------------------------------------


class Calling:
    """A platform that signs its calls with a header."""

    capabilities = Capabilities(webhooks=True)

    async def receive(self, call: WebhookCall) -> Hint | None:
        if call.headers.get("x-signature") != "right":
            raise Unauthorized("the signature is wrong")
        refs = json.loads(call.body)["tasks"]
        return Hint(refs=[(Kind.TASK, one) for one in refs]) if refs else None

    async def check(self) -> Any: ...

    async def close(self) -> None: ...

    def fetch(self, since: Any, *, full: bool) -> Any: ...


def live(**platforms: Any) -> Mapping[str, LiveSource]:
    connector = Connector(name="toy", title="Toy", settings=dict)
    return {name: LiveSource(name=name, connector=connector, platform=one) for name, one in platforms.items()}


async def test_webhooks_become_hints(store: Store) -> None:
    """Calls are believed by their signature, one hint a thing; what is not believed leaves nothing behind."""
    async with serving(store, edge_settings(), live(reef=Calling())) as served:

        async def call(source: str, body: Any, signature: str = "right") -> httpx.Response:
            headers = {"x-signature": signature}
            return await served.client.post(f"/webhooks/{source}", content=body, headers=headers)

        for _ in range(3):
            assert (await call("reef", json.dumps({"tasks": ["t1", "t2"]}))).status_code == 202
        hints = {hint["_id"]: hint["calls"] async for hint in store.db["hints"].find({})}
        assert hints == {"gid://reef/Task/t1": 3, "gid://reef/Task/t2": 3}
        wrong, unknown = await call("reef", "{}", "wrong"), await call("nowhere", "{}")
        assert (wrong.status_code, unknown.status_code, wrong.content) == (401, 401, unknown.content)
        assert (await call("reef", b"x" * 5_000_001)).status_code == 413
        assert (await served.client.get("/webhooks/reef")).status_code == 405
        assert await store.db["hints"].count_documents({}) == 2


# --- uploads ----------------------------------------------------------------------------------------------------------

LINE = (
    '{{"task_id": "{0}", "type": "annotation", "project": "p", "status": "pending", "params": {{}}, '
    '"created_at": "2024-05-01T00:00:00.000Z"}}\n'
)


async def test_files_are_uploaded(store: Store, serve: Callable[..., Any]) -> None:
    """A form with files becomes one run; the answer says what it did."""
    content = "".join(LINE.format(f"u{n}") for n in range(3)) + "nonsense\n"
    async with serve() as served:
        files = {"file": ("tasks.jsonl", content.encode())}
        found = await served.client.post("/ingest/up?platform=scale", files=files, headers=PREFLIGHT)
        assert found.status_code == 200, found.text
        run = found.json()
        assert (run["state"], run["source"], run["mode"], len(run["skipped"])) == ("PARTIAL", "up", "IMPORT", 1)
        assert "tasks.jsonl" in run["skipped"][0]["where"]
        assert await store.db["tasks"].count_documents({"source": "up"}) == 3
        again = await served.client.post("/ingest/up", files=files, headers=PREFLIGHT)
        assert again.json()["counts"]["created"] == 0


async def test_uploads_are_refused(filled: Store) -> None:
    """Without a header of one's own, a scope, a source, files, or room; and nothing is written."""
    _, text = await Tokens(filled.db).create("reef", ["read", "sync"], sources=["reef"])
    _, reader = await Tokens(filled.db).create("reader", ["read"])
    files = {"file": ("a.jsonl", b"x" * 5_000)}
    settings = edge_settings(limits={"upload_bytes": 2_000, "body_seconds": 0.5})
    before = await filled.db["sync_runs"].count_documents({})
    async with serving(filled, settings) as served:

        async def status(path: str, token: str | None = text, **more: Any) -> int:
            headers = {"authorization": f"Bearer {token}"} if token else {}
            return (await served.client.post(path, headers=headers, **{"files": files, **more})).status_code

        assert await status("/ingest/reef?platform=scale", None) == 403
        assert (await served.client.post("/ingest/reef", files=files, headers=PREFLIGHT)).status_code == 401
        assert await status("/ingest/reef?platform=scale", reader) == 403
        assert await status("/ingest/forest?platform=scale") == 404
        assert await status("/ingest/..%2fx?platform=scale") == 404
        assert await status("/ingest/reef?platform=nothing") == 400
        assert await status("/ingest/reef?platform=scale") == 413
        assert await status("/ingest/reef?platform=scale", files={"file": ("a.jsonl", b"x")}) == 400
        assert await status("/ingest/reef?platform=scale", files=None, content=b"x") == 415
        reader_, writer = await asyncio.open_connection(*served.address)
        head = f"POST /ingest/reef?platform=scale HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {text}\r\n"
        writer.write(f"{head}content-type: multipart/form-data; boundary=x\r\ncontent-length: 900\r\n\r\n--x".encode())
        assert b" 408 " in await asyncio.wait_for(reader_.readuntil(b"\r\n"), 5)
        writer.close()
    assert await filled.db["sync_runs"].count_documents({}) == before


# --- trusted documents ------------------------------------------------------------------------------------------------

QUERY = "query Names { viewer { name } }"
HASH = hashlib.sha256(QUERY.encode()).hexdigest()


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    (tmp_path / "relay.json").write_text(json.dumps({"relay-1": QUERY}))
    operations = [{"id": "apollo-1", "name": "Names", "type": "query", "body": QUERY}]
    manifest = {"format": "apollo-persisted-query-manifest", "version": 1, "operations": operations}
    (tmp_path / "apollo.json").write_text(json.dumps(manifest))
    (tmp_path / "count.graphql").write_text("{ tasks { totalCount } }")
    return tmp_path


async def test_trusted_documents_run_by_id(serve: Callable[..., Any], manifests: Path) -> None:
    """By Relay's and Apollo's ids, by hash, over POST and GET; others are not found, and the words are Apollo's."""
    async with serve(documents={"folder": manifests}) as served:

        async def post(**body: Any) -> Any:
            found = await served.client.post("/graphql", json=body)
            return found.json()

        persisted = {"persistedQuery": {"version": 1, "sha256Hash": HASH}}
        for body in (
            {"documentId": "relay-1"}, {"documentId": "apollo-1"}, {"documentId": HASH},
            {"documentId": f"sha256:{HASH}"}, {"extensions": persisted}, {"query": QUERY, "extensions": persisted},
        ):  # fmt: skip
            assert (await post(**body))["data"] == {"viewer": {"name": "anonymous"}}
        headers = {"accept": "application/graphql-response+json"}
        found = await served.client.get("/graphql", params={"documentId": "relay-1"}, headers=headers)
        assert found.json()["data"] == {"viewer": {"name": "anonymous"}}
        unknown = {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}
        assert (await post(extensions=unknown))["errors"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_SUPPORTED"
        assert (await post(documentId="x"))["errors"][0]["extensions"]["code"] == "DOCUMENT_NOT_FOUND"
        assert "errors" in await post(query="{ viewer { name } }", extensions=unknown)
        assert "errors" in await post(query="{ viewer { name } }", documentId="relay-1")
        assert (await post(query="{ tasks { totalCount } }"))["data"] == {"tasks": {"totalCount": 0}}


async def test_nothing_but_trusted_documents(serve: Callable[..., Any], manifests: Path) -> None:
    """Where they are required, every other text is refused; a trusted text needs no id."""
    async with serve(documents={"folder": manifests, "mode": "required"}) as served:
        found = await served.post("{ viewer { scopes } }")
        assert (found.status_code, found.json()["errors"][0]["extensions"]["code"]) == (400, "DOCUMENT_NOT_TRUSTED")
        assert (await served.post(QUERY)).status_code == 200
        assert (await served.data("{ tasks { totalCount } }"))["tasks"]["totalCount"] == 0


def test_manifests_that_cannot_be_read_are_settings_problems(tmp_path: Path) -> None:
    """Each says which file, and nothing is served instead."""
    for sections, text in (
        ({"folder": tmp_path / "no"}, None),
        ({"folder": tmp_path, "mode": "required"}, None),
        ({"folder": tmp_path}, "{"),
        ({"folder": tmp_path}, '{"id": 5}'),
        ({"folder": tmp_path}, '{"format": "apollo-persisted-query-manifest", "operations": [1]}'),
    ):
        if text is not None:
            (tmp_path / "m.json").write_text(text)
        with pytest.raises(SettingsError):
            read_documents(edge_settings(documents=sections).documents)


# --- the end ----------------------------------------------------------------------------------------------------------


def start(arguments: Sequence[str], mongo_url: str, database: str) -> subprocess.Popen[bytes]:
    env = {
        **os.environ,
        "LABELGATE_MONGODB_URL": mongo_url,
        "LABELGATE_MONGODB__DATABASE": database,
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    return subprocess.Popen([sys.executable, "-m", "gateway.cli", *arguments], env=env, stderr=subprocess.PIPE)


async def up(url: str, process: subprocess.Popen[bytes]) -> None:
    async with httpx.AsyncClient() as client:
        for _ in range(300):
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            try:
                if (await client.get(f"{url}/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
    raise AssertionError("it does not come up")


@pytest.mark.parametrize("workers", [1, 2])
async def test_sigterm_cuts_nothing(mongo_url: str, opened: Any, unused: int, workers: int) -> None:
    """Under load, every request that was begun is answered, and the process ends within ten seconds."""
    database = f"test_{secrets.token_hex(8)}"
    process = start(["serve", "--port", str(unused), "--workers", str(workers)], mongo_url, database)
    url = f"http://127.0.0.1:{unused}"
    statuses: list[int] = []
    cut: list[str] = []
    try:
        await up(url, process)

        async def ask() -> None:
            async with httpx.AsyncClient(base_url=url, timeout=20) as client:
                while True:
                    try:
                        found = await client.post("/graphql", json={"query": "{ tasks { totalCount nodes { id } } }"})
                        statuses.append(found.status_code)
                    except httpx.ConnectError:
                        return
                    except httpx.TransportError as problem:
                        cut.append(repr(problem))
                        return

        async def stream() -> str:
            async with httpx.AsyncClient(base_url=url, timeout=20) as client:
                body, headers = {"query": "subscription { taskChanged { id } }"}, {"accept": "text/event-stream"}
                return (await client.post("/graphql", json=body, headers=headers)).text

        asking = [asyncio.create_task(ask()) for _ in range(8)]
        streaming = asyncio.create_task(stream())
        while len(statuses) < 8:
            await asyncio.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.to_thread(process.wait, 10)
        assert loop.time() - began < 10
        await asyncio.wait_for(asyncio.gather(*asking), 20)
        assert (await streaming).endswith("event: complete\ndata: \n\n")
        assert set(statuses) == {200}
        assert len(statuses) >= 8
        assert [one for one in cut if "ReadError" not in one and "RemoteProtocolError" not in one] == []
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
        await opened.client.drop_database(database)


@pytest.fixture
def unused() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def test_an_open_gateway_refuses_other_addresses(mongo_url: str, opened: Any, unused: int) -> None:
    """Without tokens it does not start on 0.0.0.0, and says what to do; the tokens command makes one."""
    database = f"test_{secrets.token_hex(8)}"
    try:
        process = start(["serve", "--host", "0.0.0.0", "--port", str(unused)], mongo_url, database)
        _, err = await asyncio.to_thread(process.communicate, None, 60)
        assert process.returncode == 1
        assert b"labelgate tokens create" in err
        process = start(["tokens", "create", "ci", "--scope", "read", "--expires", "1d"], mongo_url, database)
        await asyncio.to_thread(process.communicate, None, 60)
        assert process.returncode == 0
        assert await opened.client[database]["tokens"].count_documents({"name": "ci"}) == 1
    finally:
        await opened.client.drop_database(database)
