"""Pebble, the toy of docs/adding-a-platform.md: built from the page, and held to what every platform is held to."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

import connectors
from connectors.discovery import discover
from connectors.sandbox import load, serve
from connectors.transport import Retries
from gateway.audits import submit
from gateway.outbox import Outbox
from gateway.store.store import Store
from gateway.sync import LiveSource, sync
from schema.ports import NewAudit, Viewer
from tests.connector_suite import FileSuite

PAGE = Path(__file__).parents[3] / "docs" / "adding-a-platform.md"
BLOCK = re.compile(r"^`(connectors/pebble/\S+)`\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks() -> dict[str, str]:
    return dict(BLOCK.findall(PAGE.read_text()))


@pytest.fixture(scope="module", autouse=True)
def pebble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The package of the page, where the gateway finds connectors."""
    folder = tmp_path_factory.mktemp("toy")
    for name, code in blocks().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(code)
    connectors.__path__.append(str(folder / "connectors"))
    importlib.invalidate_caches()
    discover.cache_clear()
    yield
    connectors.__path__.remove(str(folder / "connectors"))
    for name in [name for name in sys.modules if name.startswith("connectors.pebble")]:
        del sys.modules[name]
    discover.cache_clear()


def test_the_toy_is_small() -> None:
    """Six files, and all of its code in fewer than 150 lines."""
    code = {name: text for name, text in blocks().items() if name.endswith(".py")}
    assert len(blocks()) == 6
    assert 100 < sum(len(text.splitlines()) for text in code.values()) < 150


class TestPebbleFiles(FileSuite):
    platform = "pebble"


@pytest.fixture
def live() -> Iterator[tuple[LiveSource, Any]]:
    connector = discover()["pebble"]
    sandbox = load(str(connector.sandbox))
    with serve(sandbox) as url:
        settings: Any = TypeAdapter(connector.settings).validate_python(sandbox.settings(url))
        assert connector.open is not None
        platform = connector.open(settings, retries=Retries(attempts=1))  # type: ignore[call-arg]
        yield LiveSource(name="toy", connector=connector, platform=platform), sandbox.control


async def test_it_syncs(live: tuple[LiveSource, Any], store: Store) -> None:
    """A full pass brings everything, an incremental one what is new, and the next full one takes back what is gone."""
    source, control = live
    assert (await sync(store, source)).run["counts"]["created"] == 16
    control.actions["remove"]("s2")
    assert (await sync(store, source)).run["counts"]["deleted"] == 0
    assert (await sync(store, source, full=True)).run["counts"]["deleted"] == 2
    assert await store.db["tasks"].count_documents({"deleted_at": None}) == 4
    await source.platform.close()


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_verdict_arrives_once(live: tuple[LiveSource, Any], store: Store, when: str) -> None:
    """The first answer is lost, before or after it took effect: one effect, and after the next sync one audit."""
    source, control = live
    await sync(store, source)
    control.inject(method="POST", when=when, times=1)
    audit = NewAudit(idempotency_key="k", task="gid://toy/Task/s3", result="REJECTED")
    (outcome,) = await submit(store, [audit], Viewer(name="ann", scopes=frozenset({"audit"})))
    assert outcome.audit is not None
    outbox = Outbox(store, {"toy": source}, first_pause=0.0, longest_pause=0.0)
    while (await store.db["audits"].find_one({}))["delivery"]["state"] != "DELIVERED":
        await outbox.turn()
    assert control.count("verdict", "s3") == 1
    await sync(store, source)
    audits = [audit async for audit in store.db["audits"].find({})]
    assert [(audit["result"], audit["echoed"]) for audit in audits] == [("REJECTED", True)]
    await source.platform.close()
