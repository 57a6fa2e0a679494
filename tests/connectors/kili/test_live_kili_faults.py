"""What a live Kili source does when the platform misbehaves, over real sockets; and that it keeps its secrets."""

import json
import logging
import re
import time

import pytest

from connectors.documents import Kind
from connectors.errors import Refused, Retry, Unauthorized, Uncertain
from connectors.kili import problems
from connectors.kili.sandbox.events import EventLog
from connectors.kili.settings import Settings
from connectors.transport import Timeouts
from gateway.sync import refresh
from tests.connectors.kili.kili_live_kit import (
    HARBOUR,
    HOOK,
    REPAIRS,
    all_pages,
    checkpoint,
    differences,
    emptied,
    of_kind,
    rig,
    standing,
    synced,
)

PASSING = [
    {"status": 401},
    {"status": 408},
    {"status": 429},
    {"status": 429, "headers": {"retry-after": "0"}},
    {"status": 500},
    {"status": 502, "body": "<html>Bad gateway</html>"},
    {"status": 503, "body": "upstream connect error: reset reason: overflow"},
    {"status": 504},
    {"status": 521},
    {"kind": "reset"},
    {"kind": "truncate"},
    {"kind": "stall", "seconds": 2},
    {"kind": "html"},
    {"status": 200, "body": '{"data": null}'},
    {"status": 200, "body": '{"errors": [{"message": "Failed to fetch data connection"}], "data": {"data": null}}'},
    {
        "status": 200,
        "body": '{"errors": [{"message": "x", "path": ["data"], "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]}',
    },
]
LASTING = [
    ({"status": 401}, "PLATFORM_UNAUTHORIZED"),
    ({"status": 403}, "PLATFORM_UNAUTHORIZED"),
    ({"status": 200, "body": '{"errors": [{"extensions": {"code": "UNAUTHENTICATED"}}]}'}, "PLATFORM_UNAUTHORIZED"),
    ({"status": 400}, "PLATFORM_REFUSED"),
    ({"status": 404}, "PLATFORM_REFUSED"),
    ({"status": 409}, "PLATFORM_REFUSED"),
    ({"status": 413}, "PLATFORM_REFUSED"),
    ({"status": 302, "headers": {"location": "https://sso.example.com/"}}, "PLATFORM_REFUSED"),
    ({"status": 200, "body": '{"errors": [{"message": "[deprecated] gone"}], "data": {}}'}, "PLATFORM_REFUSED"),
    ({"status": 503}, "PLATFORM_UNAVAILABLE"),
    ({"status": 429, "headers": {"retry-after": "900"}}, "PLATFORM_UNAVAILABLE"),
]


def named(fault):
    fault = fault[0] if isinstance(fault, tuple) else fault
    return " ".join(str(value)[:40] for value in fault.values())


@pytest.mark.parametrize("fault", PASSING, ids=named)
async def test_a_fault_that_passes_costs_nothing_but_requests(store, fault):
    """Met by the project list, by pages of assets and by a download, it is asked again within the run."""
    async with rig(assets=10, responses="url") as made:
        source = made.open(timeouts=Timeouts(read=0.3))
        faults = [{"contains": "projects("}, {"contains": "assets(where: $where"}]
        if fault.get("status") not in (200, 401):
            faults.append({"path": "/bucket/"})
        for place in faults:
            made.control.inject(times=1, **place, **fault)
        assert (await synced(store, made, source=source)).state == "SUCCEEDED"
        assert [one.hits for one in made.control.faults] == [1] * len(faults)
        found = await standing(store)
        assert len(found["tasks"]) == 10
        await emptied(store)
        await synced(store, made)
        assert differences(found, await standing(store)) == []


@pytest.mark.parametrize("fault", LASTING, ids=named)
async def test_a_fault_that_stays_ends_the_run_and_loses_nothing(store, fault):
    """In the middle of a full pass: what is stored stays, nothing is taken for gone, and the pass goes on later."""
    async with rig(assets=10) as made:
        await synced(store, made, full=True)
        before = await standing(store)
        fault, code = fault
        made.control.inject(contains="assets(where: $where", **fault)
        source = made.open()
        result = await synced(store, made, full=True, source=source)
        assert (result.state, result.run["error"]["code"]) == ("FAILED", code)
        assert await standing(store) == before
        made.control.heal()
        result = await synced(store, made, source=made.open())
        assert result.state == "SUCCEEDED"
        assert await standing(store) == before


async def test_nobody_there_is_a_retry():
    """Connection refused: nothing happened."""
    async with rig(assets=2) as made:
        source = made.open(url="http://127.0.0.1:9/api/label/v2/graphql")
        with pytest.raises(Retry):
            await all_pages(source)


async def test_an_answer_that_cannot_be_fetched_is_never_an_empty_one(store):
    """A link that fails for good: its asset stays as it was and is reported; the others come; it is tried again."""
    async with rig(assets=12, responses="url", settings={"overlap_seconds": 30}) as made:
        made.control.clock.advance(4000)
        await synced(store, made, full=True)
        made.control.clock.advance(4000)
        first, second = [asset["id"] for asset in made.assets(HARBOUR)[:2]]
        labels = {asset: made.act("label", asset=asset, response={"N": {"text": "late"}}) for asset in (first, second)}
        made.control.inject(path=f"/bucket/labels/{labels[first]}", status=404)
        before = await store.db["tasks"].find_one({"external_id": first})
        result = await synced(store, made)
        assert result.state == "PARTIAL"
        skipped = await store.db["skipped_records"].find({}).to_list(None)
        assert [skip["external_id"] for skip in skipped] == [first]
        assert await store.db["tasks"].find_one({"external_id": first}) == before
        assert await store.db["submissions"].count_documents({"external_id": labels[first]}) == 0
        assert await store.db["submissions"].count_documents({"external_id": labels[second]}) == 1
        made.control.heal()
        made.control.clock.advance(4000)
        await synced(store, made)
        made.control.clock.advance(4000)
        await synced(store, made)
        assert await store.db["submissions"].count_documents({"external_id": labels[first]}) == 1


async def test_a_full_pass_with_an_unread_asset_takes_nothing_for_gone(store):
    """It has not seen everything; the next incremental pass asks for that asset again."""
    async with rig(assets=12, responses="url") as made:
        await synced(store, made, full=True)
        before = await standing(store)
        asset = next(each for each in made.assets(HARBOUR) if each["labels"])
        made.control.inject(path=f"/bucket/labels/{asset['labels'][0]['id']}", status=403)
        result = await synced(store, made, full=True)
        assert (result.state, await standing(store)) == ("PARTIAL", before)
        marks = (await store.db["sources"].find_one({"_id": "kili"}))["checkpoint"]["marks"]
        assert [mark["again"] for mark in marks.values()] == [[asset["id"]], [], []]
        made.control.heal()
        assert (await synced(store, made)).state == "SUCCEEDED"
        marks = (await store.db["sources"].find_one({"_id": "kili"}))["checkpoint"]["marks"]
        assert [mark["again"] for mark in marks.values()] == [[], [], []]


async def test_a_link_that_has_expired_is_asked_for_anew():
    """Links are short-lived: the first download is refused once, and the asset read again."""
    async with rig(assets=10, responses="url") as made:
        made.control.inject(path="/bucket/labels/", status=403, times=1)
        pages = await all_pages(made.source)
        assert len(of_kind(pages, Kind.TASK)) == 10
        assert all(not page.skipped for page in pages)


async def test_a_project_that_is_refused_by_itself_is_reported_and_the_others_are_read(store):
    """What was known of it stays, in full passes too; the others come and go on; later it is read again."""
    async with rig(assets=12) as made:
        await synced(store, made, full=True)
        before = await standing(store)
        refused = made.project(REPAIRS)
        no = {
            "message": "[noOrganizationRights] no",
            "path": ["data"],
            "extensions": {"code": "OPERATION_RESOLUTION_FAILURE"},
        }
        body = json.dumps({"errors": [no], "data": {"data": None}})
        label = made.act("label", asset=made.assets(HARBOUR)[0]["id"], response={"N": {"text": "new"}})
        for full in (False, True):
            made.control.inject(contains=f'"project":{{"id":"{refused}"}}', status=200, body=body)
            result = await synced(store, made, full=full)
            made.control.heal()
            assert result.state == "PARTIAL"
            assert await store.db["submissions"].count_documents({"external_id": label}) == 1
            kept = await standing(store)
            for name, docs in before.items():
                assert docs.keys() <= kept[name].keys()
        assert (await synced(store, made)).state == "SUCCEEDED"
        assert refused in (await store.db["sources"].find_one({"_id": "kili"}))["checkpoint"]["marks"]


async def test_a_server_that_wants_a_project_for_every_asset_is_asked_project_by_project():
    """Reading on demand knows ids only; whether Kili finds them without their project nobody outside has seen."""
    async with rig(assets=12) as made:
        asset = made.assets(REPAIRS)[0]["id"]
        body = json.dumps({"errors": [{"message": "[badRequest] where.project is needed", "path": ["data"]}]})
        made.control.inject(contains='"where":{"idIn"', status=200, body=body)
        page = await made.source.refresh([(Kind.ASSET, asset), (Kind.TASK, "nowhere")])
        assert [doc.external_id for doc in page.documents if doc.kind is Kind.TASK] == [asset]
        assert {ref.external_id for ref in page.gone} == {"nowhere"}
        assert made.control.faults[0].hits == 1


async def test_a_key_that_may_not_list_people_still_takes_nobody_for_gone(store):
    """People come from projects and labels then; those who were listed before stay."""
    async with rig(assets=12) as made:
        await synced(store, made, full=True)
        people = await store.db["annotators"].count_documents({"deleted_at": None})
        body = json.dumps({"errors": [{"message": "[noOrganizationRights] no", "path": ["data"]}]})
        made.control.inject(contains="users(where", status=200, body=body)
        assert (await synced(store, made, full=True)).state == "SUCCEEDED"
        assert await store.db["annotators"].count_documents({"deleted_at": None}) == people > 6


async def test_a_page_that_is_too_large_is_asked_for_in_halves():
    """A size limit below a page of assets: smaller pages, the same assets."""
    async with rig(assets=40, responses="inline") as made:
        wanted = set(of_kind(await all_pages(made.source), Kind.TASK))
        small = made.open(limit=60_000)
        assert set(of_kind(await all_pages(small), Kind.TASK)) == wanted


async def test_the_trail_that_repeats_itself_ends():
    """A server that ignores ``skip`` of events goes in circles: an error, no endless loop."""
    async with rig(assets=10) as made:
        since = checkpoint(await all_pages(made.source))
        for _ in range(130):
            made.act("create_assets", project=HARBOUR)
        real = EventLog.find
        try:
            EventLog.find = lambda self, where, pagination, order: real(self, where, {**pagination, "skip": 0}, order)
            with pytest.raises(Retry, match="circles"):
                await all_pages(made.source, since, full=False)
        finally:
            EventLog.find = real


async def test_a_server_of_another_age_is_asked_for_what_it_has():
    """Fields that a schema lacks are left out, and one that hides its schema is asked for what the SDK asks for."""
    async with rig(assets=6, family="old", events="off") as made:
        body = json.dumps({"errors": [{"message": "GraphQL introspection is not allowed"}]})
        wanted = of_kind(await all_pages(made.source), Kind.TASK)
        made.control.inject(contains="__schema", status=400, body=body)
        assert of_kind(await all_pages(made.open()), Kind.TASK).keys() == wanted.keys()
        (fault,) = made.control.faults
        assert fault.hits == 1


def test_errors_are_told_apart_by_what_to_do_next():
    """Fact sheet §4: refusals with their reason, unknown outcomes of writes, and proof that a write never ran."""
    locked = {
        "message": "[assetLocked] no | trace : stack",
        "extensions": {"context": {"reason": "AssetAlreadyLocked"}},
    }
    refused = problems.told([locked], write=True)
    assert (type(refused), refused.message, problems.lock_reason(refused)) == (
        Refused,
        "[assetLocked] no",
        "AssetAlreadyLocked",
    )
    broken = {"message": "x", "path": ["data"], "extensions": {"code": "INTERNAL_SERVER_ERROR"}}
    assert type(problems.told([broken], write=True)) is Uncertain
    assert type(problems.told([broken], write=False)) is Retry
    assert type(problems.told([broken | {"path": None}], write=True)) is Refused
    assert type(problems.told([{"message": "Invalid request made to Flagsmith API"}], write=True)) is Uncertain
    assert type(problems.told([{}], write=False)) is Refused
    assert type(problems.told([{"extensions": {"code": "UNAUTHENTICATED"}}], write=True)) is Unauthorized


async def test_no_secret_is_written_down(store, caplog):
    """After faults that repeat the key: not in logs, runs, payloads, errors, nor in how anything prints itself."""
    caplog.set_level(logging.DEBUG)
    async with rig(assets=10, responses="url") as made:
        leak = {"body": json.dumps({"error": f"bad key {made.key}", "header": f"X-API-Key: {made.key}", "hook": HOOK})}
        for status in (401, 403, 400, 500):
            made.control.inject(contains="projects(", status=status, **leak)
            result = await synced(store, made, source=made.open())
            assert result.state == "FAILED"
            made.control.heal()
        made.act("touch", asset=made.assets(HARBOUR)[0]["id"], metadata={"note": f"X-API-Key: {made.key}"})
        await synced(store, made)
        await refresh(store, made.live(), [(Kind.TASK, made.assets(REPAIRS)[0]["id"])])
        kept = [f"{made.source!r} {made.source._settings!r} {made.source._client.http!r} {caplog.text}"]
        for name in await store.db.list_collection_names():
            kept += [str(doc) async for doc in store.db[name].find({})]
        text = "\n".join(kept)
        assert "harbour" in text
        for secret in (made.key, HOOK):
            assert secret not in text
        assert re.search(r"signature=\w", text) is None
        assert Settings.__dataclass_fields__["api_key"].type == "Secret"


async def test_faults_and_kills_together_leave_what_one_clean_run_leaves(store):
    """A tenth of all requests fails in one way or another, and every run dies somewhere, until one is through."""
    async with rig(assets=30) as made:
        source = made.open(timeouts=Timeouts(read=0.3))
        for fault in ({"status": 503}, {"kind": "truncate"}, {"status": 429}, {"kind": "reset"}):
            made.control.inject(rate=0.03, **fault)
        begin = time.monotonic()
        result = await synced(store, made, full=True, killed_at=[0, 1, 2, 4, 3, 5], source=source)
        while result.state != "SUCCEEDED":
            assert time.monotonic() < begin + 60
            result = await synced(store, made, source=source)
        found = await standing(store)
        made.control.heal()
        await emptied(store)
        await synced(store, made)
        assert differences(found, await standing(store)) == []
