"""The gateway with compiled plans switched on answers over HTTP as it does without, the first time and every other."""

from __future__ import annotations

import dataclasses
from typing import Any

import httpx

from connectors.documents import Annotation, Campaign, Classification, Page, Task, TaskStatus
from gateway.app import create_app, create_edge
from gateway.engine import store_pages
from gateway.settings import ServerSettings
from gateway.store.leases import held
from gateway.store.store import Store
from tests.conftest import mongo_settings

ASKED = """query ($n: Int) { tasks(first: $n, orderBy: [{ field: EXTERNAL_ID, direction: DESC }]) { totalCount
  nodes { id status campaign { name } annotations(first: 1) { nodes { label value { __typename } } } } pageInfo { endCursor hasNextPage } } }"""
WRONG = '{ tasks(after: "no cursor of ours") { nodes { id } } }'


async def test_switched_on_it_answers_the_same(store: Store, mongo_url: str) -> None:
    """Data and errors are equal, and plans did answer."""

    async def pages() -> Any:
        marks = [
            Annotation(
                external_id=f"m{n}", task=f"t{n}", campaign="c", label="L", value=Classification(categories=("x",))
            )
            for n in range(5)
        ]
        tasks = [Task(external_id=f"t{n}", campaign="c", status=TaskStatus.COMPLETED) for n in range(5)]
        yield Page(documents=[Campaign(external_id="c", name="C"), *tasks, *marks])

    async with held(store.db, "sync:s", "test") as lease:
        await store_pages(store, pages(), source="s", mode="IMPORT", lease=lease)
    answers = []
    for compiled in (False, True):
        settings = dataclasses.replace(mongo_settings(mongo_url), server=ServerSettings(compiled=compiled))
        edge = create_edge(store, settings)
        transport = httpx.ASGITransport(create_app(edge), client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            told = []
            for _ in range(4):
                for body in (
                    {"query": ASKED, "variables": {"n": 2}},
                    {"query": ASKED, "variables": {"n": 9}},
                    {"query": WRONG},
                ):
                    answer = await client.post("/graphql", json=body)
                    told.append((answer.status_code, answer.json()))
        answers.append(told)
        if compiled:
            assert edge.operations.plans is not None
            assert edge.operations.plans.outcomes["compiled"] >= 4
        await edge.close()
    assert answers[0] == answers[1]
    assert answers[0][0][1]["data"]["tasks"]["totalCount"] == 5
