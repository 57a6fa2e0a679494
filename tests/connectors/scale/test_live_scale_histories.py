"""Incremental equals full: over random histories of a Scale account, with faults, and syncs that stop anywhere.

The sandbox's clock is also the server's (its ``Date``), jumps ten seconds with every change, and there is no overlap:
so a watermark that is too late by one change shows.
"""

import contextlib
import itertools
from datetime import UTC, datetime
from email.utils import format_datetime
from unittest import mock
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, event, given, note
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from connectors.documents import Kind
from connectors.sandbox import serve
from connectors.scale.sandbox import create
from connectors.scale.sandbox import rules as sandbox_rules
from connectors.scale.sandbox.rules import ApiError
from gateway.store.store import Store
from gateway.sync import LiveSource, refresh, sync
from tests.connectors.scale import live_scale
from tests.connectors.scale.live_scale import NAME, Stopped, checkpoint, dead, living
from tests.connectors.scale.scale_client import Client

KINDS = ("imageannotation", "categorization", "textcollection")
FAULTS = (
    {"status": 500},
    {"status": 429},
    {"kind": "reset"},
    {"kind": "truncate"},
    {"kind": "html"},
)


class Timed:
    """Serves a sandbox with its own clock as the server's."""

    name = "timed"

    def asgi(self):
        return self

    async def __call__(self, scope, receive, send):
        async def dated(message):
            if message["type"] == "http.response.start":
                now = format_datetime(self.sandbox.control.clock.now(), usegmt=True)
                message = {**message, "headers": [*message["headers"], (b"date", now.encode())]}
            await send(message)

        await self.app(scope, receive, dated)

    def show(self, sandbox):
        self.sandbox, self.app = sandbox, sandbox.asgi()
        sandbox.control.clock.freeze(datetime(2026, 5, 1, 12, tzinfo=UTC))
        return Client(sandbox, self.url)


@pytest.fixture(scope="module")
def timed():
    one = Timed()
    with serve(one, date_header=False) as one.url:
        yield one


@pytest.fixture
async def stores(opened):
    """Two empty stores: one is kept up to date, the other gets one clean full sync."""
    databases = [opened.client[f"test_histories_{which}"] for which in ("kept", "clean")]
    for database in databases:
        await opened.client.drop_database(database.name)
        await Store(database).prepare()
    yield [Store(database) for database in databases]
    for database in databases:
        await opened.client.drop_database(database.name)


async def emptied(store):
    for name in await store.db.list_collection_names():
        await store.db[name].delete_many({})


# --- what may happen ----------------------------------------------------------------------------------------------

which = st.integers(0, 30)
changes = st.one_of(
    st.tuples(st.just("create"), st.sampled_from(KINDS), which, st.booleans()),
    st.tuples(st.just("complete"), which),
    st.tuples(st.just("complete"), which),
    st.tuples(st.just("error"), which),
    st.tuples(st.just("recall"), which),
    st.tuples(st.just("cancel"), which, st.booleans()),
    st.tuples(st.just("audit"), which, st.sampled_from(["accepted", "rejected", "fixed"]), st.booleans()),
    st.tuples(st.just("audit"), which, st.sampled_from(["accepted", "rejected", "fixed"]), st.booleans()),
    st.tuples(st.just("review"), which, st.sampled_from([None, "commented", "accepted"])),
    st.tuples(st.just("touch"), which),
    st.tuples(st.just("unique_id"), which, st.booleans()),
    st.tuples(st.just("metadata"), which, st.integers(0, 3)),
    st.tuples(st.just("tags"), which, st.lists(st.sampled_from("abc"), max_size=2)),
    st.tuples(st.just("params"), which, st.sampled_from(["Mark it.", "Mark it well."])),
    st.tuples(st.just("project"), which),
    st.tuples(st.just("archive"), which),
)
syncs = st.tuples(
    st.just("sync"),
    st.sampled_from([False, False, False, True]),
    st.sampled_from([None, 0, 1, 2, 2, 3, 3, 4]),
    st.sampled_from([None, None, *FAULTS]),
    st.lists(changes, max_size=3),
)
refreshes = st.tuples(st.just("refresh"), which)
rounds = st.tuples(st.lists(changes, min_size=1, max_size=5), syncs | refreshes).map(lambda both: [*both[0], both[1]])
FIRST = ("sync", True, None, None, [])
histories = st.lists(rounds, min_size=3, max_size=7).map(lambda parts: [FIRST, *itertools.chain(*parts)])


class World:
    """A sandbox under change. What cannot be now, does not happen."""

    def __init__(self, client):
        self.client = client
        self.act = client.act
        self.control = client.sandbox.control
        self.number = 0

    def tasks(self):
        return [task["task_id"] for task in self.act["list_tasks"]()]

    def change(self, name, *arguments):
        self.control.clock.advance(10)
        faults, self.control.faults[:] = list(self.control.faults), []  # they are for the source alone
        with contextlib.suppress(ApiError):
            getattr(self, name)(*arguments)
        self.control.faults[:] = faults

    def _task(self, which):
        tasks = self.tasks()
        return tasks[which % len(tasks)]

    def _project(self, which):
        names = sorted(project["name"] for project in self.client.get("/projects").json())
        return names[which % len(names)]

    def create(self, kind, which, complete):
        body = {"attachment": f"https://images.example.com/{kind}-{which % 4}.jpg", "metadata": {"n": which}}
        if which % 3:
            body["project"] = self._project(which)
            if which % 3 == 1:
                body["batch"] = f"batch of {body['project']}"
        self.act["create_task"](kind=kind, complete=complete, **body)

    def complete(self, which):
        self.act["complete_task"](task_id=self._task(which), silent=which % 7 == 0)

    def error(self, which):
        self.act["error_task"](task_id=self._task(which))

    def recall(self, which):
        self.act["recall_task"](task_id=self._task(which))

    def cancel(self, which, clear):
        self.act["cancel_task"](task_id=self._task(which), clear_unique_id=clear)

    def audit(self, which, result, by_scale):
        task = self.act["get_task"](task_id=self._task(which))
        fixed = {"response": {**(task.get("response") or {}), "fixed": which}} if result == "fixed" else {}
        # An audit of Scale's own that moves nothing leaves no trace to look for, except through a batch.
        who = {"source": "scale"} if by_scale and not self.still else {"comment": f"c{which}"}
        self.act["add_audit"](task_id=task["task_id"], result=result, by=f"r{which % 3}@example.org", **who, **fixed)

    def review(self, which, status):
        self.act["set_review_status"](task_id=self._task(which), status=status, comment=status)

    def touch(self, which):
        self.act["touch"](task_id=self._task(which))

    def unique_id(self, which, clear):
        path = f"/task/{self._task(which)}/unique_id"
        if clear:
            self.client.delete(path)
        else:
            self.client.post(path, json={"unique_id": f"u{which}"})

    def metadata(self, which, value):
        self.client.post(f"/task/{self._task(which)}/setMetadata", json={"value": value})

    def tags(self, which, tags):
        self.client.post(f"/task/{self._task(which)}/tags", json=tags)

    def params(self, which, instruction):
        name = quote(self._project(which), safe="")
        self.client.post(f"/projects/{name}/setParams", json={"instruction": instruction})

    def project(self, which):
        self.number += 1
        name = f"Project {self.number}"
        self.client.post("/projects", json={"type": KINDS[which % 3], "name": name, "params": {"instruction": "Look."}})
        self.client.post("/batches", json={"project": name, "name": f"batch of {name}"})

    def archive(self, which):
        self.act["archive"](project=self._project(which))

    still = False


class Busy:
    """A source on whose platform something happens between two pages, and whose pass may stop."""

    def __init__(self, platform, world, between, stop):
        self._platform, self._world, self._between, self._stop = platform, world, list(between), stop

    def __getattr__(self, name):
        return getattr(self._platform, name)

    async def fetch(self, since, *, full):
        number = 0
        async for page in self._platform.fetch(since, full=full):
            if number == self._stop:
                raise Stopped("stopped by the test")
            yield page
            number += 1
            if self._between:
                self._world.change(*self._between.pop(0))


async def follow(store, platform, world, history):
    """Carries a history out, with its syncs, into the store."""

    def busy(between=(), stop=None):
        return LiveSource(name=NAME, connector=live_scale.CONNECTOR, platform=Busy(platform, world, between, stop))

    for name, *arguments in history:
        if name == "sync":
            full, stop, fault, between = arguments
            if fault:
                world.control.inject(path="/v1/", rate=0.3, **fault)
            world.control.clock.advance(10)
            result = await sync(store, busy(between, stop), full=full)
            world.control.heal()
            note(f"{result.run['mode']} {result.state}")
            event(f"{result.run['mode']} {result.state}")
        elif name == "refresh":
            await refresh(store, busy(), [(Kind.TASK, world._task(arguments[0]))])
        else:
            world.change(name, *arguments)
    world.control.clock.advance(10)
    while (await sync(store, busy())).run["mode"] == "FULL" or "pass" in await checkpoint(store):
        world.control.clock.advance(10)
    world.control.clock.advance(1000)
    for _ in range(2):  # what was left of an interrupted pass, and one that begins now
        assert (await sync(store, busy())).state == "SUCCEEDED"


async def check(timed, stores, history, page_size, *, still):
    """Both stores hold the same living documents, and what is gone in one is not there in the other."""
    kept, clean = stores
    for store in stores:
        await emptied(store)
    nets = {"audited_batches_seconds": 30, "reviewed_tasks_seconds": 100}
    with timed.show(create(tasks=6)) as client:
        platform = live_scale.platform(client, page_size=page_size, overlap_seconds=0, **nets)
        try:
            world = World(client)
            world.project(0)
            world.still = still
            await follow(kept, platform, world, history)
            result = await sync(clean, LiveSource(name=NAME, connector=live_scale.CONNECTOR, platform=platform))
            assert result.state == "SUCCEEDED"
            found, wanted = await living(kept), await living(clean)
            assert found.keys() == wanted.keys()
            for key, document in wanted.items():
                assert found[key] == document
            assert not await dead(kept) & wanted.keys()
        finally:
            await platform.close()


RELAXED = hypothesis_settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@RELAXED
@given(history=histories, page_size=st.integers(1, 2))
async def test_incremental_equals_full(timed, stores, history, page_size):
    """A store kept by incremental syncs equals the store of one clean full sync, field by field."""
    await check(timed, stores, history, page_size, still=False)


@hypothesis_settings(RELAXED, max_examples=15)
@given(history=histories, page_size=st.integers(1, 2))
async def test_incremental_equals_full_where_audits_move_no_timestamp(timed, stores, history, page_size):
    """The same on a Scale whose audits leave ``updated_at`` alone: then the second nets have to find them."""
    real = sandbox_rules.audit

    def audit(task, result, **details):
        before = task["updated_at"]
        real(task, result, **details)
        task["updated_at"] = before
        return task

    with mock.patch.object(sandbox_rules, "audit", audit):
        await check(timed, stores, history, page_size, still=True)
