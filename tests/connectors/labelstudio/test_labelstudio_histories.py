"""Any history of changes, synced now and then and broken off now and then, ends in the store of one clean sync."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from connectors.sandbox import Control
from gateway.store.store import Store
from gateway.sync import LiveSource, sync
from tests.connector_suite import snapshot
from tests.connectors.labelstudio.labelstudio_claims import Stopping, clean_copy, living, synced
from tests.connectors.labelstudio.labelstudio_server import NAME, Server, box, sandbox_server


class History:
    """Changes that people, models and scripts make, drawn by chance."""

    def __init__(self, server: Server, seed: int) -> None:
        self.server, self.chance = server, random.Random(seed)
        self.author = server.user("ann@example.org")

    def listed(self, table: str) -> list[int]:
        project = self.projects()
        if table == "projects" or not project:
            return project
        found = self.server.ask("GET", "/api/tasks/", project=self.chance.choice(project), fields="all")["tasks"]
        if table == "tasks":
            return [task["id"] for task in found]
        if table == "drafts":
            return [one["id"] for task in found for one in self.server.ask("GET", f"/api/tasks/{task['id']}/drafts")]
        return [one["id"] for task in found for one in task["annotations"]]

    def projects(self) -> list[int]:
        return [one["id"] for one in self.server.ask("GET", "/api/projects/", page_size=100)["results"]]

    def step(self) -> None:
        """One change; nothing where there is nothing to change."""
        ask, chance = self.server.ask, self.chance
        verdict = {"last_action": chance.choice(["accepted", "rejected", "fixed_and_accepted"]), "last_created_by": 1}
        everything = {"selectedItems": {"all": True, "excluded": []}}
        bulk = ["predictions_to_annotations", "delete_tasks_annotations", "delete_tasks_predictions", "delete_tasks"]
        moves: list[tuple[int, str, Callable[[int], object]]] = [
            (4, "projects", lambda at: self.server.images(at, chance.randint(1, 4))),
            (
                2,
                "projects",
                lambda at: self.server.images(at, 2, predictions=[{"model_version": "m1", "result": [box()]}]),
            ),
            (
                1,
                "projects",
                lambda at: ask("PATCH", f"/api/projects/{at}/", {"maximum_annotations": chance.randint(1, 2)}),
            ),
            (1, "projects", lambda at: ask("PATCH", f"/api/projects/{at}/", {"skip_queue": "IGNORE_SKIPPED"})),
            (1, "projects", lambda at: ask("POST", "/api/dm/actions/", everything, id=chance.choice(bulk), project=at)),
            (1, "projects", lambda at: ask("DELETE", f"/api/projects/{at}/tasks/")),
            (1, "projects", lambda at: ask("DELETE", f"/api/projects/{at}/")),
            (1, "", lambda _: self.server.project(f"Project {chance.random()}")),
            (
                5,
                "tasks",
                lambda at: self.server.answer(
                    at, box(x=chance.randint(0, 50)), completed_by=chance.choice([1, self.author])
                ),
            ),
            (1, "tasks", lambda at: self.server.answer(at, was_cancelled=True)),
            (2, "tasks", lambda at: ask("POST", f"/api/tasks/{at}/drafts", {"result": [box("d")]})),
            (1, "tasks", lambda at: ask("PATCH", f"/api/tasks/{at}/", {"meta": {"lot": chance.random()}})),
            (2, "tasks", lambda at: ask("DELETE", f"/api/tasks/{at}/")),
            (2, "answers", lambda at: ask("PATCH", f"/api/annotations/{at}/", verdict)),
            (1, "answers", lambda at: ask("PATCH", f"/api/annotations/{at}/", {"ground_truth": True})),
            (1, "answers", lambda at: ask("PATCH", f"/api/annotations/{at}/", {"result": [box("n", "Person")]})),
            (1, "answers", lambda at: ask("POST", f"/api/annotations/{at}/convert-to-draft", {})),
            (1, "answers", lambda at: ask("DELETE", f"/api/annotations/{at}/")),
            (1, "drafts", lambda at: ask("DELETE", f"/api/drafts/{at}/")),
        ]
        _, table, move = chance.choices(moves, [weight for weight, _, _ in moves])[0]
        found = self.listed(table) if table else [0]
        if found:
            move(chance.choice(found))


@pytest.mark.parametrize("seed", range(12))
async def test_any_history_ends_like_a_clean_sync(seed: int, store: Store) -> None:
    """Changes between syncs and, while a pass is read, in the middle of it; passes broken off; then one that ends."""
    with sandbox_server() as server:
        assert isinstance(server.control, Control)
        history = History(server, seed)
        server.images(server.project(), 5, annotations=[{"result": [box()]}])
        source = server.source(page_size=3, sweep_seconds=0)
        for _ in range(6):
            for _ in range(history.chance.randint(0, 8)):
                history.step()
            broken = Stopping(source.platform, history.chance.randint(0, 6), between=history.step)
            await sync(store, LiveSource(name=NAME, connector=source.connector, platform=broken))
        await synced(store, source)
        if (await synced(store, source))["mode"] != "INCREMENTAL":
            pytest.fail("the last pass was to be one of changes")
        await source.platform.close()
        kept, clean = living(await snapshot(store)), living(await clean_copy(store, server))
        for name, docs in clean.items():
            assert kept[name].keys() == docs.keys(), name
            for key, doc in docs.items():
                assert kept[name][key] == doc
