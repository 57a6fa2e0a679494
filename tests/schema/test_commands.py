"""A query costs a bounded number of MongoDB commands, whatever the number of parents, and reads only what it selects."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandListener

from connectors.documents import (
    Annotation,
    Annotator,
    Asset,
    Audit,
    AuditResult,
    Campaign,
    Classification,
    Comment,
    Page,
    Submission,
    Task,
    TaskStatus,
)
from gateway.engine import store_pages
from gateway.store.leases import held
from gateway.store.store import Store
from schema.build import build
from schema.context import Context
from schema.ports import Viewer

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PARENTS = 50


class Watch(CommandListener):
    """Counts the commands that reach MongoDB, and keeps them."""

    def __init__(self) -> None:
        self.commands: list[Any] = []

    def started(self, event: Any) -> None:
        if event.command_name in ("find", "aggregate", "count", "getMore", "distinct"):
            self.commands.append(event.command)

    def succeeded(self, event: Any) -> None: ...

    def failed(self, event: Any) -> None: ...

    def names(self) -> Counter[str]:
        return Counter(next(iter(command)) for command in self.commands)


@pytest.fixture
async def seen(db: Any, mongo_url: str) -> Any:
    """A watched store with 50 tasks in 5 campaigns, each with answers, marks, audits and comments."""
    watch = Watch()
    client: Any = AsyncMongoClient(mongo_url, event_listeners=[watch])
    store = Store(client[db.name])
    await store.prepare()
    documents: list[Any] = [
        Annotator(external_id=f"p{n}", name=f"Person {n}", email=f"p{n}@example.org") for n in range(7)
    ]
    documents += [Campaign(external_id=f"c{n}", name=f"Campaign {n}") for n in range(5)]
    for n in range(PARENTS):
        asset, task, campaign, person = f"a{n}", f"t{n}", f"c{n % 5}", f"p{n % 7}"
        documents += [
            Asset(external_id=asset, name=f"asset {n}", campaign=campaign, raw={"n": n}),
            Task(
                external_id=task,
                campaign=campaign,
                asset=asset,
                assets=(asset,),
                status=TaskStatus.COMPLETED,
                assignees=(person,),
                created_at=NOW,
            ),
            Submission(
                external_id=f"{task}/0", task=task, campaign=campaign, author=person, is_current=True, response={"n": n}
            ),
            Comment(external_id=f"{task}/c", task=task, campaign=campaign, author=person, text="hm"),
            Audit(
                external_id=f"{task}/v",
                task=task,
                campaign=campaign,
                auditor="p0",
                result=AuditResult.ACCEPTED,
                audited_at=NOW,
            ),
        ]
        documents += [
            Annotation(
                external_id=f"{task}/{m}",
                task=task,
                asset=asset,
                campaign=campaign,
                author=person,
                label=f"L{m}",
                value=Classification(categories=("x",)),
            )
            for m in range(3)
        ]

    async def pages() -> Any:
        yield Page(documents=documents)

    async with held(store.db, "sync:s", "test") as lease:
        await store_pages(store, pages(), source="s", mode="IMPORT", lease=lease)
    await store.db["sources"].insert_one(
        {"_id": "s", "platform": "toy", "enabled": True, "health": "OK", "capabilities": {}}
    )
    watch.commands.clear()
    yield store, watch
    await client.close()


async def ask(store: Store, text: str) -> Any:
    context = Context(reader=store.reader, viewer=Viewer(scopes=frozenset({"admin"})))
    result = await build().execute(text, context_value=context)
    assert result.errors is None
    return result.data


DEEP = """
{ tasks(first: 50) { totalCount nodes {
    id source { name }
    campaign { name progress { total byAnnotator { annotator { name } total } } annotators { totalCount nodes { name } }
               assets(first: 2) { nodes { name tasks(first: 1) { nodes { id latestAudit { result } } } } } }
    asset { name provenance { raw syncRun { state } } annotations(first: 2) { totalCount nodes { label author { name } } } }
    submissions { response author { name } }
    annotations(first: 2, orderBy: [{ field: LABEL, direction: DESC }]) { nodes { label task { id } author { name identities { id } } replacedBy { id } } }
    comments { text author { name } }
    audits { totalCount nodes { result auditor { name } auditorEmail annotation { id } } }
    assignees { name }
} } }
"""


async def test_fifty_parents_cost_a_handful_of_commands(seen: Any) -> None:
    """Depth 4 over 50 parents: the number of commands is that of the relations, not of the parents (two may split by chance of timing)."""
    store, watch = seen
    data = await ask(store, DEEP)
    many = len(watch.commands)
    assert len(data["tasks"]["nodes"]) == PARENTS
    assert all(len(node["annotations"]["nodes"]) == 2 for node in data["tasks"]["nodes"])
    watch.commands.clear()
    await ask(store, DEEP.replace("tasks(first: 50)", "tasks(first: 1)"))
    assert abs(many - len(watch.commands)) <= 2
    assert many <= 30, watch.names()


async def test_only_selected_paths_are_read(seen: Any) -> None:
    """The projection of a list names what the selection needs, and nothing else."""
    store, watch = seen
    await ask(store, "{ tasks(first: 3) { nodes { id status campaign { name } } } }")
    finds = {command["find"]: command["projection"] for command in watch.commands}
    assert finds["tasks"] == {"_id": 1, "status": 1, "campaign": 1}
    assert finds["campaigns"] == {"_id": 1, "name": 1}


async def test_counting_happens_only_when_selected(seen: Any) -> None:
    """Without totalCount nothing is counted, and with nothing else no page is read."""
    store, watch = seen
    await ask(store, "{ tasks { nodes { id } } }")
    assert watch.names() == {"find": 1}
    watch.commands.clear()
    assert await ask(store, "{ tasks { totalCount } }") == {"tasks": {"totalCount": PARENTS}}
    assert watch.names() == {"aggregate": 1}


async def test_a_big_page_needs_one_round_trip(seen: Any) -> None:
    """A page above MongoDB's default batch of 101 comes in one answer."""
    store, watch = seen
    data = await ask(store, "{ annotations(first: 140) { nodes { id } } }")
    assert len(data["annotations"]["nodes"]) == 140
    assert watch.names() == {"find": 1}
