"""MongoDB stands still under load: requests fail fast and clearly, and recover by themselves."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from connectors.documents import Page, Task
from gateway.store.connect import open_store
from gateway.store.embedded import EmbeddedMongo
from gateway.store.store import Store
from tests.conftest import mongo_settings
from tests.edge.conftest import edge_settings, fill, put, serving
from tests.edge.test_live import TASKS, connected, listening

QUESTION = "{ tasks(first: 3) { totalCount nodes { id } } }"


async def test_a_database_that_stands_still(tmp_path: Path) -> None:
    """While it stands, each request ends within its time with TIMEOUT or UNAVAILABLE; then all is as before."""
    with EmbeddedMongo(tmp_path / "mongo") as url:
        async with open_store(mongo_settings(url)) as opened:
            store = Store(opened.db)
            await store.prepare()
            await fill(store, "reef")
            pid = (await opened.client.admin.command("serverStatus"))["pid"]
            settings = edge_settings(limits={"operation_seconds": 2})
            async with serving(store, settings) as served, connected(served) as socket:
                await socket.init()
                await socket.subscribe("1", TASKS)
                await listening(served)
                assert (await served.data(QUESTION))["tasks"]["totalCount"] == 6
                os.kill(pid, signal.SIGSTOP)
                try:
                    loop = asyncio.get_running_loop()
                    began = loop.time()
                    failed = await asyncio.gather(*(served.post(QUESTION) for _ in range(20)))
                    assert loop.time() - began < 8
                    codes = {error["extensions"]["code"] for one in failed for error in one.json()["errors"]}
                    assert codes <= {"TIMEOUT", "UNAVAILABLE"}
                    assert (await served.client.get("/readyz")).status_code == 503
                    assert (await served.client.get("/healthz")).status_code == 200
                finally:
                    os.kill(pid, signal.SIGCONT)
                async with asyncio.timeout(30):
                    while "errors" in (await served.post(QUESTION)).json():
                        await asyncio.sleep(0.2)
                assert (await served.client.get("/readyz")).status_code == 200
                await put(store, "reef", Page(documents=[Task(external_id="t1", native_status="awake")]))
                told = await socket.receive(20)
                assert told["payload"]["data"]["taskChanged"]["id"] == "gid://reef/Task/t1"
