"""The subgraph: entities by either key in few commands, and what the SDL says of them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from pymongo import AsyncMongoClient, monitoring

from gateway.store.reader import Reader
from schema.build import sdl
from tests.edge.conftest import Served

ENTITIES = """query($r: [_Any!]!) { _entities(representations: $r) { __typename
  ... on Task { id externalId campaign { id name } } ... on Asset { title: name } ... on Annotator { name } } }"""


async def test_entities_are_batched(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred representations of three types, by either key, are one command a type, in the order asked."""
    asked: Counter[str] = Counter()
    original = type(served.edge.reader).by_ids

    async def counting(self: Any, collection: str, *arguments: Any) -> Any:
        asked[collection] += 1
        return await original(self, collection, *arguments)

    monkeypatch.setattr(type(served.edge.reader), "by_ids", counting)
    representations: list[dict[str, str]] = []
    for n in range(6):
        representations += [
            {"__typename": "Task", "id": f"gid://reef/Task/t{n}"},
            {"__typename": "Task", "sourceName": "forest", "externalId": f"t{n}"},
            {"__typename": "Asset", "id": f"gid://reef/Asset/a{n}"},
            {"__typename": "Annotator", "sourceName": "reef", "externalId": "p1"},
            {"__typename": "Task", "id": "gid://reef/Task/none"},
        ]
    data = await served.data(ENTITIES, {"r": representations})
    found = data["_entities"]
    assert asked == {"tasks": 1, "assets": 1, "annotators": 1, "campaigns": 1}
    assert [one and one["__typename"] for one in found] == ["Task", "Task", "Asset", "Annotator", None] * 6
    assert [one["externalId"] for one in found[0::5]] == [f"t{n}" for n in range(6)]
    assert {one["campaign"]["id"] for one in found[1::5]} == {"gid://forest/Campaign/c1"}


class Listener(monitoring.CommandListener):
    """Keeps the time limit of each reading command."""

    def __init__(self) -> None:
        self.limits: list[tuple[str, int | None]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in ("find", "aggregate", "count"):
            self.limits.append((event.command_name, event.command.get("maxTimeMS")))

    def succeeded(self, event: Any) -> None: ...

    def failed(self, event: Any) -> None: ...


async def test_commands_carry_a_time_limit(served: Served, mongo_url: str) -> None:
    """Each command of a request tells MongoDB when to give up: the limit reaches the server."""
    listener = Listener()
    client: Any = AsyncMongoClient(mongo_url, event_listeners=[listener], tz_aware=False)
    served.edge.reader = Reader(client[served.edge.store.db.name], max_time_ms=4_321)
    try:
        await served.data(
            "{ tasks(first: 2) { totalCount nodes { campaign { name progress { total } annotators { totalCount } }"
            " annotations(first: 1) { nodes { id } } submissions { id } provenance { raw } } } sources { name } }"
        )
    finally:
        await client.close()
    assert len(listener.limits) >= 8
    assert [one for one in listener.limits if one[1] != 4_321] == []


def test_the_sdl_names_keys_and_shares_page_info() -> None:
    """What other subgraphs rely on: both keys, PageInfo shareable, a version that today's tools take."""
    text = sdl()
    for name in ("Campaign", "Asset", "Task", "Submission", "Annotation", "Annotator", "Comment"):
        head = text[text.index(f"type {name} ") :].partition("{")[0]
        assert '@key(fields: "id")' in head
        assert '@key(fields: "sourceName externalId")' in head
    assert "type PageInfo @shareable" in text
    assert "federation/v2.9" in text
