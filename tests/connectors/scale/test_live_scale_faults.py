"""What a live Scale source does when the platform misbehaves, over real sockets; and that it keeps its secrets."""

import base64
import json
import logging

import pytest

from connectors.documents import Kind
from connectors.errors import Unauthorized
from connectors.scale import listing
from connectors.scale.sandbox import create
from connectors.scale.sandbox.state import API_KEYS, CALLBACK_KEYS
from gateway.sync import refresh
from tests.connectors.scale.live_scale import NAME, dead, living, synced

PASSING = [
    {"status": 408},
    {"status": 429},
    {"status": 429, "headers": {"retry-after": "1"}},
    {"status": 500},
    {"status": 502, "body": "<html>Bad gateway</html>"},
    {"status": 503},
    {"status": 504},
    {"status": 520, "body": "error code: 520"},
    {"kind": "reset"},
    {"kind": "truncate"},
    {"kind": "stall", "seconds": 2},
    {"kind": "html"},
]
FINAL = [
    ({"status": 401}, "PLATFORM_UNAUTHORIZED"),
    ({"status": 403}, "PLATFORM_UNAUTHORIZED"),
    ({"status": 400}, "PLATFORM_REFUSED"),
    ({"status": 404}, "PLATFORM_REFUSED"),
    ({"status": 409}, "PLATFORM_REFUSED"),
    ({"status": 413}, "PLATFORM_REFUSED"),
    ({"status": 302, "headers": {"location": "https://sso.example.com/"}}, "PLATFORM_REFUSED"),
]


def named(fault):
    return " ".join(str(value) for value in (fault[0] if isinstance(fault, tuple) else fault).values())


@pytest.mark.parametrize("fault", PASSING, ids=named)
async def test_a_fault_that_passes_costs_nothing_but_requests(scale, store, live, fault):
    """Met once by each route, it is asked again within the run; the store holds what it would hold without it."""
    source = live(scale, page_size=25)
    for path in ("/v1/projects", "/v1/tasks"):
        scale.sandbox.control.inject(path=path, times=1, **fault)
    await synced(store, source)
    assert [one.hits for one in scale.sandbox.control.faults] == [1, 1]
    found = await living(store)
    assert sum(kind == "tasks" for kind, _ in found) == 60
    await synced(store, source, full=True)
    assert await living(store) == found


@pytest.mark.parametrize("fault", PASSING, ids=named)
async def test_a_fault_that_stays_ends_the_run_and_loses_nothing(scale, store, live, fault):
    """In the middle of a pass: what was stored stays, readable as ever, and the pass goes on when the platform is well."""
    source = live(scale, page_size=25)
    await synced(store, source)
    before = await living(store)
    scale.sandbox.control.inject(path="/v1/tasks", **fault)
    result = await synced(store, source, full=True, state="FAILED")
    assert result.run["error"]["code"] == "PLATFORM_UNAVAILABLE"
    assert await living(store) == before
    scale.sandbox.control.heal()
    await synced(store, source)
    assert (await living(store), await dead(store)) == (before, set())


@pytest.mark.parametrize("fault", FINAL, ids=named)
async def test_a_refusal_ends_the_run_with_its_reason(scale, store, live, fault):
    """Asked once; the run says what it was, and nothing is taken away."""
    injected, code = fault
    source = live(scale)
    await synced(store, source)
    before = await living(store)
    scale.sandbox.control.inject(path="/v1/tasks", **injected)
    result = await synced(store, source, full=True, state="FAILED")
    assert result.run["error"]["code"] == code
    assert scale.sandbox.control.faults[0].hits == 1
    assert await living(store) == before


async def test_a_wrong_key_is_unauthorized(scale, platform):
    """The sandbox answers 401 to ``check`` and to everything else."""
    source = platform(scale, api_key="live_nobody")
    with pytest.raises(Unauthorized):
        await source.check()
    with pytest.raises(Unauthorized):
        await source.refresh([(Kind.TASK, "x")])


async def test_a_platform_that_does_not_listen_fails_the_run(scale, store, live):
    """Connection refused is a matter of time, not of the source."""
    result = await synced(store, live(scale, url="http://127.0.0.1:9/v1"), state="FAILED")
    assert result.run["error"]["code"] == "PLATFORM_UNAVAILABLE"


# --- the size of pages ------------------------------------------------------------------------------------------


async def test_pages_shrink_while_answers_are_too_large(stage, store, live):
    """With 60 kB an answer at most, the listing finds its size by halving and loses no task."""
    with stage.show(create(tasks=200)) as client:
        source = live(client, options={"limit": 60_000})
        await synced(store, source)
        assert sum(kind == "tasks" for kind, _ in await living(store)) == 200
        assert client.sandbox.control.requests["GET /v1/tasks"] > 6


async def test_a_task_that_is_too_large_by_itself_is_reported_and_the_others_are_kept(empty, store, live):
    """Its short form lets the pass go by; it is no tombstone, and is not stored as half a task."""
    ids = empty.act["create_tasks"](count=3)
    huge = empty.act["create_task"](instruction="word " * 40_000)["task_id"]
    ids += empty.act["create_tasks"](count=3)
    source = live(empty, options={"limit": 60_000})
    await synced(store, source, state="PARTIAL")
    found = await living(store)
    assert {doc["external_id"] for (kind, _), doc in found.items() if kind == "tasks"} == set(ids)
    skipped = await store.db["skipped_records"].find({}).to_list(None)
    assert [one["external_id"] for one in skipped] == [huge]


async def test_pages_shrink_while_they_fail_and_grow_back(scale, platform):
    """Two tries of a page, then half of it: 100, 50, 25; quick answers double it again."""
    source = platform(scale)
    scale.sandbox.control.inject(path="/v1/tasks", status=504, times=4)
    pages = [page async for page in source.fetch(None, full=True)]
    assert [page.records for page in pages] == [0, 25, 35]
    assert source._listing.size == 100


async def test_pages_shrink_while_they_are_slow(scale, platform):
    """A slow answer halves the next page, and nothing is read twice."""
    source = platform(scale, page_size=40)
    source._listing._slow = 0.15
    scale.sandbox.control.inject(path="/v1/tasks", kind="delay", seconds=0.2, times=1)
    pages = [page async for page in source.fetch(None, full=True)]
    assert [page.records for page in pages] == [0, 40, 20]


async def test_too_many_requests_shrink_no_page(scale, platform):
    """Smaller pages would be more requests; and a pause that Scale asks for is not waited out page by page."""
    source = platform(scale)
    scale.sandbox.control.inject(path="/v1/tasks", status=429)
    with pytest.raises(Exception, match="429"):
        [page async for page in source.fetch(None, full=True)]
    assert source._listing.size == 100
    assert scale.sandbox.control.requests["GET /v1/tasks"] == 4 * listing._TRIES.attempts == 8
    scale.sandbox.control.heal()
    scale.sandbox.control.inject(path="/v1/tasks", status=503, headers={"retry-after": "900"})
    with pytest.raises(Exception, match="503") as caught:
        [page async for page in source.fetch(None, full=True)]
    assert caught.value.after == 900
    assert scale.sandbox.control.faults[0].hits == 1


async def test_large_pages_become_several_of_the_store(empty, platform, monkeypatch):
    """Only the last has a checkpoint, so that a crash in between repeats the page."""
    monkeypatch.setattr("connectors.scale.pages.PAGE_DOCUMENTS", 10)
    empty.act["create_tasks"](count=7, complete=True)
    source = platform(empty)
    pages = [page async for page in source.fetch(None, full=True)][1:]
    assert len(pages) > 2
    assert [page.checkpoint is None for page in pages] == [True] * (len(pages) - 1) + [False]
    assert [page.completes is None for page in pages] == [True] * (len(pages) - 1) + [False]
    assert sum(d.kind is Kind.TASK for page in pages for d in page.documents) == 7


# --- secrets ------------------------------------------------------------------------------------------------------


async def test_secrets_are_nowhere(scale, store, live, caplog):
    """Neither the key, plain or as Basic sends it, nor signatures of links are in logs, errors, runs or payloads."""
    caplog.set_level(logging.DEBUG)
    key, callback = API_KEYS["test"], CALLBACK_KEYS["test"]
    basic = base64.b64encode(f"{key}:".encode()).decode()
    signed = "https://images.example.com/a.jpg?X-Amz-Signature=0123456789abcdef&X-Amz-Credential=AKIAEXAMPLE%2F2026&w=1"
    note = {"link": signed, "mistake": f"our key is {key}, {basic} and {callback}"}
    task = scale.act["create_task"](attachment=signed, metadata=note, complete=True)["task_id"]
    source = live(scale)
    scale.sandbox.control.inject(status=503, body=f"{{'Authorization': 'Basic {basic}'}} {key}", times=2)
    await synced(store, source)
    scale.sandbox.control.inject(status=400, body=json.dumps({"status_code": 400, "error": f"{key} {signed}"}))
    await synced(store, source, full=True, state="FAILED")
    with pytest.raises(Exception, match="400") as caught:
        await refresh(store, source, [(Kind.TASK, task)])
    said = [caplog.text, repr(caught.value), str(caught.value), repr(source), repr(source.platform._settings)]
    for collection in await store.db.list_collection_names():
        said += [str(doc) async for doc in store.db[collection].find()]
    everything = "\n".join(said)
    for secret in (key, basic, basic[:20], callback, "0123456789abcdef", "AKIAEXAMPLE"):
        assert secret not in everything
    stored = (await living(store))["tasks", f"gid://{NAME}/Task/{task}"]["payload"]
    assert stored["metadata"]["mistake"] == "our key is …, … and …"
    assert stored["metadata"]["link"].endswith("&w=1")
