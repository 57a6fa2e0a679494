"""Syncs of a live Scale source over real sockets: passes, places to resume, what is gone, and the second nets."""

import json

import pytest

from connectors.contract import Marks, PlatformSource, ReceivesWebhooks, Refreshes, TakesAudits
from connectors.documents import Kind
from connectors.scale import CONNECTOR
from connectors.scale.live import ScaleSource
from connectors.scale.sandbox import create
from connectors.scale.sandbox import rules as sandbox_rules
from connectors.scale.sandbox.state import API_KEYS
from gateway.source_settings import read_sources
from gateway.sync import refresh, sync
from tests.connectors.scale import live_scale
from tests.connectors.scale.live_scale import NAME, age, checkpoint, dead, living, stopping, synced

TASKS = "GET /v1/tasks"


def asked(client, route=TASKS):
    """How often a route was asked since the last time."""
    return client.sandbox.control.requests.pop(route, 0)


async def test_a_full_sync_brings_every_task_with_what_belongs_to_it(scale, store, live):
    """60 tasks in pages of 25 cost two lists of projects and three pages, and the store holds each payload unchanged."""
    source = live(scale, page_size=25)
    result = await synced(store, source)
    assert (asked(scale, "GET /v1/projects"), asked(scale)) == (2, 3)
    assert result.run["mode"] == "FULL"
    assert result.run["counts"]["requests"] == 5
    assert result.run["progress"] == {"done": 60, "records": 60, "total": 60}
    found = await living(store)
    payloads = {doc["external_id"]: doc["payload"] for (kind, _), doc in found.items() if kind == "tasks"}
    assert payloads == {task["task_id"]: task for task in scale.act["list_tasks"]()}
    audits = sum(len(task.get("audits", ())) for task in payloads.values())
    assert sum(kind == "audits" for kind, _ in found) == audits > 20
    answers = sum(len(task.get("prior_responses", ())) for task in payloads.values())
    answers += sum("response" in task and task["status"] != "error" for task in payloads.values())
    assert sum(kind == "submissions" for kind, _ in found) == answers
    assert await dead(store) == set()


@pytest.mark.parametrize("pages", range(4))
async def test_a_full_pass_goes_on_where_it_stopped(scale, store, pages, live):
    """Stopped after any page, the pass goes on at that place, asks for no page twice, and knows what it saw before."""
    source = live(scale, page_size=25)
    await synced(store, stopping(source, pages), state="FAILED")
    scale.act["create_tasks"](count=2, complete=True)
    asked(scale)
    result = await synced(store, source)
    assert result.run["mode"] == "FULL"
    assert asked(scale) == 3 - max(0, pages - 1)
    # The new tasks stand before the first page: only who has not read that one meets them.
    fresh = pages < 2
    assert await dead(store) == set()
    assert sum(kind == "tasks" for kind, _ in await living(store)) == 60 + 2 * fresh
    await synced(store, source)
    assert sum(kind == "tasks" for kind, _ in await living(store)) == 62


async def test_an_incremental_sync_reads_what_changed(scale, store, live):
    """Two changed and one new task of 61 come in one page; a second look finds the same three within the overlap."""
    source = live(scale)
    await synced(store, source)
    tasks = scale.act["list_tasks"]()
    pending = next(task for task in tasks if task["status"] == "pending")
    scale.act["complete_task"](task_id=pending["task_id"])
    scale.act["touch"](task_id=tasks[5]["task_id"])
    new = scale.act["create_task"]()
    asked(scale)
    result = await synced(store, source)
    assert (result.run["mode"], result.run["progress"]["records"], asked(scale)) == ("INCREMENTAL", 3, 1)
    assert result.run["counts"]["requests"] == 3
    assert result.run["kinds"]["Task"]["updated"] == 2
    assert result.run["kinds"]["Task"]["created"] == 1
    again = await synced(store, source)
    assert again.run["progress"]["records"] == 3
    assert again.run["counts"]["updated"] == again.run["counts"]["created"] == 0
    assert ("tasks", f"gid://{NAME}/Task/{new['task_id']}") in await living(store)


async def test_the_watermark_moves_only_when_every_page_was_read(empty, store, live):
    """Stopped in the middle, an incremental pass goes on with its own filter, and keeps the old watermark until it ends.

    What changes meanwhile on a page that it has read is found by the pass after.
    """
    ids = empty.act["create_tasks"](count=6)
    source = live(empty, page_size=2, overlap_seconds=0)
    await synced(store, source)
    before = (await checkpoint(store))["marks"]
    for task in ids:
        empty.act["touch"](task_id=task)
    await synced(store, stopping(source, 2), state="FAILED")
    middle = await checkpoint(store)
    assert middle["pass"]["todo"] == [{"updated_after": before["updated"]}]
    assert "marks" not in middle
    empty.act["complete_task"](task_id=ids[-1])  # the newest: its page was read
    asked(empty)
    await synced(store, source)
    assert asked(empty) == 2
    assert (await checkpoint(store))["marks"]["updated"] >= before["updated"]
    await synced(store, source)
    done = (await living(store))["tasks", f"gid://{NAME}/Task/{ids[-1]}"]
    assert done["status"] == "COMPLETED"


async def test_a_change_behind_a_full_pass_is_found_by_the_next(empty, store, live):
    """A task that changes after its page was read is not lost, since the watermark is of the time the pass began."""
    ids = empty.act["create_tasks"](count=4)
    source = live(empty, page_size=2, overlap_seconds=0)
    await synced(store, stopping(source, 2), state="FAILED")
    empty.act["complete_task"](task_id=ids[-1])
    await synced(store, source)
    key = "tasks", f"gid://{NAME}/Task/{ids[-1]}"
    assert (await living(store))[key]["status"] == "PENDING"
    result = await synced(store, source)
    assert (result.run["mode"], (await living(store))[key]["status"]) == ("INCREMENTAL", "COMPLETED")


async def test_a_full_pass_asked_for_does_not_begin_in_the_middle_of_an_incremental_one(empty, store, live):
    """What an unfinished incremental pass left is no place in a full one."""
    ids = empty.act["create_tasks"](count=4)
    source = live(empty, page_size=2)
    await synced(store, source)
    empty.act["touch"](task_id=ids[0])
    await synced(store, stopping(source, 1), state="FAILED")
    asked(empty)
    result = await synced(store, source, full=True)
    assert (result.run["mode"], asked(empty)) == ("FULL", 2)
    since = {"version": 1, "pass": {"full": False, "todo": [{"batch": "x"}]}, "then": {}}
    pages = [page async for page in source.platform.fetch(since, full=True)]
    assert [page.completes is not None for page in pages] == [False, False, True]


async def test_a_place_that_scale_no_longer_knows_means_from_the_start(scale, store, live):
    """A refused token begins the listing anew instead of failing for ever; every task is there at the end."""
    source = live(scale, page_size=25)
    await synced(store, stopping(source, 2), state="FAILED")
    await store.db["sources"].update_one({"_id": NAME}, {"$set": {"checkpoint.pass.token": "stale"}})
    asked(scale)
    await synced(store, source)
    assert asked(scale) == 4
    assert sum(kind == "tasks" for kind, _ in await living(store)) == 60
    assert await dead(store) == set()


async def test_a_checkpoint_that_is_not_ours_reads_everything(scale, platform):
    """An incremental pass from a checkpoint of another version lists all tasks, and claims no completeness."""
    source = platform(scale)
    pages = [page async for page in source.fetch({"version": 99, "marks": {"updated": "2030-01-01"}}, full=False)]
    assert sum(page.records for page in pages) == 60
    assert [page.completes for page in pages] == [None, None]
    assert pages[-1].checkpoint["marks"].keys() == {"updated", "audits", "reviews"}


# --- modes, and what is gone --------------------------------------------------------------------------------------


async def test_each_key_sees_the_objects_of_its_own_mode(scale, store, live):
    """A live key finds nothing that the test key made: no task, no project, not by id either."""
    task = scale.act["list_tasks"]()[0]["task_id"]
    other = scale.act["create_task"](mode="live")
    source = live(scale, api_key=API_KEYS["live"])
    await synced(store, source)
    assert {key[1] for key in await living(store) if key[0] in ("tasks", "campaigns")} == {
        f"gid://{NAME}/Task/{other['task_id']}"
    }
    page = await source.platform.refresh([(Kind.TASK, task), (Kind.CAMPAIGN, "Harbour Vessels")])
    assert [(ref.kind, ref.external_id) for ref in page.gone] == [
        (Kind.TASK, task),
        (Kind.CAMPAIGN, "Harbour Vessels"),
    ]
    assert page.documents == []


async def test_what_disappears_is_gone_after_a_whole_pass_only(scale, store, live):
    """Nothing is deleted at Scale; under another key an incremental pass takes nothing away and a full one everything."""
    source = live(scale)
    await synced(store, source)
    before = await living(store)
    other = live(scale, api_key=API_KEYS["live"])
    await synced(store, other)
    assert await living(store) == before
    await synced(store, other, full=True)
    assert await living(store) == {}
    assert await dead(store) == set(before)
    await synced(store, source, full=True)
    assert await living(store) == before


async def test_a_pass_that_could_not_read_a_task_takes_nothing_away(scale, store, live):
    """A task that comes without its type and parameters is reported, and neither it nor another is taken for gone."""
    source = live(scale)
    await synced(store, source)
    before = await living(store)
    broken = {"docs": [{"task_id": scale.act["list_tasks"]()[0]["task_id"], "status": "completed"}], "has_more": False}
    scale.sandbox.control.inject(status=200, body=json.dumps(broken), path="/v1/tasks", times=1)
    await synced(store, source, full=True, state="PARTIAL")
    assert await living(store) == before
    skipped = await store.db["skipped_records"].find({}).to_list(None)
    assert [(one["external_id"], one["where"]) for one in skipped] == [
        (broken["docs"][0]["task_id"], f"GET /tasks: {broken['docs'][0]['task_id']}")
    ]


async def test_what_came_by_itself_during_a_full_pass_is_not_gone(empty, store, live):
    """A task made while the pass went on, and read because a callback named it, survives the end of the pass."""
    ids = empty.act["create_tasks"](count=4, complete=True)
    source = live(empty, page_size=2)
    await synced(store, stopping(source, 2), state="FAILED")
    new = empty.act["create_task"](complete=True)["task_id"]
    empty.act["add_audit"](task_id=ids[-1], result="accepted")
    await refresh(store, source, [(Kind.TASK, new), (Kind.TASK, ids[-1])])
    await synced(store, source)
    assert await dead(store) == set()
    found = await living(store)
    assert found["tasks", f"gid://{NAME}/Task/{new}"]["status"] == "COMPLETED"
    assert found["tasks", f"gid://{NAME}/Task/{ids[-1]}"]["review_status"] == "ACCEPTED"


# --- projects ---------------------------------------------------------------------------------------------------


async def test_projects_and_what_tasks_say_of_them_do_not_fight(scale, store, live):
    """Whichever comes first, the campaign is what the project says; archived ones are told by the list they are in."""
    scale.post("/projects", json={"type": "videoannotation", "name": "Tides", "params": {"instruction": "Follow it."}})
    source = live(scale)
    await synced(store, source)
    scale.act["archive"](project="Tides")
    scale.act["create_task"](kind="categorization", project="Tides", categories=["up"])
    await refresh(store, source, [(Kind.TASK, scale.act["list_tasks"]()[-1]["task_id"])])
    scale.post("/projects", json={"type": "categorization", "name": "Late", "params": {"instruction": "Tell it."}})
    late = scale.act["create_task"](kind="imageannotation", project="Late")
    await refresh(store, source, [(Kind.TASK, late["task_id"])])
    stub = (await living(store))["campaigns", f"gid://{NAME}/Campaign/Late"]
    assert (stub["status"], stub["input_type"]) == ("UNKNOWN", "IMAGE")
    await synced(store, source)
    found = await living(store)
    campaign = found["campaigns", f"gid://{NAME}/Campaign/Tides"]
    assert (campaign["status"], campaign["input_type"]) == ("ARCHIVED", "VIDEO")
    assert (campaign["native_status"], campaign["description"]) == ("archived", "Follow it.")
    campaign = found["campaigns", f"gid://{NAME}/Campaign/Late"]
    assert (campaign["status"], campaign["input_type"]) == ("OPEN", "OTHER")
    again = await synced(store, source, full=True)
    assert again.run["kinds"].get("Campaign", {}).get("updated", 0) == 0
    assert await living(store) == found


# --- the second nets ------------------------------------------------------------------------------------------------


@pytest.fixture
def still(monkeypatch):
    """A Scale whose audits leave ``updated_at`` alone, which no page rules out."""
    real = sandbox_rules.audit

    def audit(task, result, **details):
        before = task["updated_at"]
        real(task, result, **details)
        task["updated_at"] = before
        return task

    monkeypatch.setattr(sandbox_rules, "audit", audit)


def old_task(client, **body):
    """A task completed in 2025: no overlap reaches it."""
    client.sandbox.control.clock.freeze(sandbox_rules.datetime.fromisoformat("2025-03-01T12:00:00+00:00"))
    task = client.act["create_task"](complete=True, **body)["task_id"]
    client.sandbox.control.clock.freeze(None)
    return task


async def reviewed(store, task):
    return (await living(store))["tasks", f"gid://{NAME}/Task/{task}"]["review_status"]


async def test_an_audit_that_moves_no_timestamp_is_found_through_its_batch(scale, store, still, live):
    """The batch says when it was last audited; its tasks are read again, also for audits by Scale's own people."""
    task = old_task(scale, batch="cliff A", project="Bird Counts: cliffs/50% zoom")
    source = live(scale)
    await synced(store, source)
    in_batch = sum(one.get("batch") == "cliff A" for one in scale.act["list_tasks"]())
    scale.act["add_audit"](task_id=task, result="accepted", source="scale")
    await age(store, 890)
    assert (await synced(store, source)).run["progress"]["records"] == 0
    assert asked(scale, "GET /v1/batches") == 0
    await age(store, 20)
    assert (await synced(store, source)).run["progress"]["records"] == in_batch > 2
    assert await reviewed(store, task) == "ACCEPTED"


async def test_an_audit_that_moves_no_timestamp_is_found_by_reading_all_reviewed_tasks(scale, store, still, live):
    """Without a batch, the reading of everything that has a review status finds it, when it is time for one."""
    task = old_task(scale)
    source = live(scale)
    await synced(store, source)
    scale.act["add_audit"](task_id=task, result="rejected")
    await age(store, 21_590)
    assert (await synced(store, source)).run["progress"]["records"] == 0
    assert await reviewed(store, task) == "NOT_REVIEWED"
    await age(store, 20)
    with_status = sum(bool(one.get("customer_review_status")) for one in scale.act["list_tasks"]())
    assert (await synced(store, source)).run["progress"]["records"] == with_status
    assert await reviewed(store, task) == "REJECTED"


async def test_the_nets_can_be_taken_in(scale, store, still, live):
    """With both at 0 seconds, only a full pass finds such an audit."""
    task = old_task(scale)
    source = live(scale, audited_batches_seconds=0, reviewed_tasks_seconds=0)
    await synced(store, source)
    scale.act["add_audit"](task_id=task, result="rejected")
    await age(store, 10**6)
    assert (await synced(store, source)).run["progress"]["records"] == 0
    await synced(store, source, full=True)
    assert await reviewed(store, task) == "REJECTED"


async def test_the_nets_cost_nothing_until_they_are_due(scale, store, live):
    """Within their time, an incremental pass without changes is two lists of projects and one empty page."""
    source = live(scale)
    await synced(store, source)
    for _ in range(3):
        result = await synced(store, source)
        assert result.run["counts"]["requests"] == 3
    assert asked(scale, "GET /v1/batches") == 0


async def test_many_audited_batches_are_left_to_the_reading_of_all_reviewed_tasks(empty, store, still, live):
    """Over a hundred of them cost only their list; the audits are found when all reviewed tasks are read."""
    empty.post("/projects", json={"type": "imageannotation", "name": "P", "params": {"instruction": "i"}})
    tasks = []
    for number in range(101):
        empty.post("/batches", json={"project": "P", "name": f"b{number}"})
        tasks.append(old_task(empty, batch=f"b{number}"))
    source = live(empty)
    await synced(store, source)
    for task in tasks:
        empty.act["add_audit"](task_id=task, result="accepted")
    await age(store, 1000)
    mark = (await checkpoint(store))["marks"]["audits"]
    asked(empty)
    await synced(store, source)
    assert (asked(empty, "GET /v1/batches"), asked(empty)) == (2, 1)
    assert (await checkpoint(store))["marks"]["audits"] == mark
    await age(store, 21_600)
    await synced(store, source)
    assert (asked(empty, "GET /v1/batches"), asked(empty)) == (2, 3)
    assert (await checkpoint(store))["marks"]["audits"] > mark
    assert await reviewed(store, tasks[50]) == "ACCEPTED"


async def test_a_scale_without_the_filter_for_audited_batches_is_synced_all_the_same(scale, store, caplog, live):
    """The filter is known to one SDK only; where it is refused, the log says so and the pass goes on."""
    source = live(scale)
    await synced(store, source)
    await age(store, 1000)
    scale.sandbox.control.inject(status=400, path="/v1/batches")
    await synced(store, source)
    assert "audited batches cannot be asked for" in caplog.text


# --- declared, and on demand ----------------------------------------------------------------------------------------


async def test_the_connector_declares_what_it_does(scale, platform):
    """Settings of the sandbox open a source; it says honestly that fixes and errors of marks do not travel."""
    source = platform(scale)
    able = source.capabilities
    assert CONNECTOR.open is ScaleSource
    assert (able.audit_results, able.audit_target) == (("ACCEPTED", "REJECTED"), "TASK")
    assert (able.audit_errors, able.audit_fix, able.refresh, able.webhooks) == (False, False, True, True)
    assert (able.incremental, able.deletions) == (True, "INFERRED_ON_FULL_SYNC")
    assert not platform(scale, callback_auth_key="").capabilities.webhooks
    health = await source.check()
    assert (health.version, health.account) == ("v1", "test mode")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"url": "scale.example.com/v1"}, "must look like https://"),
        ({"page_size": 101}, "page_size is 1 to 100"),
        ({"page_size": 0}, "page_size is 1 to 100"),
        ({"concurrency": 0}, "start from 1"),
        ({"requests_per_minute": 0}, "start from 1"),
        ({"overlap_seconds": -1}, "negative"),
        ({"settle_seconds": -0.1}, "negative"),
    ],
)
def test_settings_that_make_no_sense_are_refused(scale, wrong, said):
    """Each with its reason, before a source is opened."""
    with pytest.raises(ValueError, match=said):
        live_scale.settings(scale, **wrong)


async def test_the_table_of_the_configuration_is_understood(scale):
    """What the sandbox names as its table opens a source through the gateway's own settings; a key never shows."""
    table = scale.sandbox.settings("http://127.0.0.1:9") | {"platform": "scale", "page_size": "50"}
    found, wrong = read_sources({"scale-test": table, "nokey": {"platform": "scale"}}, {"scale": CONNECTOR})
    assert [(problem.path, problem.reason) for problem in wrong] == [(("sources", "nokey", "api_key"), "is missing")]
    assert found["scale-test"].settings.page_size == 50
    assert API_KEYS["test"] not in repr(found)
    source = CONNECTOR.open(found["scale-test"].settings)
    assert all(isinstance(source, role) for role in (PlatformSource, Refreshes, TakesAudits, Marks, ReceivesWebhooks))
    await source.close()


async def test_single_things_are_read_on_demand(scale, platform):
    """Tasks with all that belongs to them, projects; unknown ones are gone, and an asset cannot be asked for."""
    task = next(task for task in scale.act["list_tasks"]() if task.get("prior_responses"))
    source = platform(scale)
    refs = [
        (Kind.TASK, task["task_id"]),
        (Kind.TASK, "ffffffffffffffffffffffff"),
        (Kind.TASK, ".."),
        (Kind.TASK, "a/b?c"),
        (Kind.CAMPAIGN, "Bird Counts: cliffs/50% zoom"),
        (Kind.CAMPAIGN, "nowhere"),
        (Kind.ASSET, "x"),
        (Kind.TASK, task["task_id"]),
    ]
    page = await source.refresh(refs)
    assert {(ref.kind, ref.external_id) for ref in page.gone} == {
        (Kind.TASK, "ffffffffffffffffffffffff"),
        (Kind.TASK, ".."),
        (Kind.TASK, "a/b?c"),
        (Kind.CAMPAIGN, "nowhere"),
    }
    assert [(one.external_id, one.reason) for one in page.skipped] == [
        ("x", "Scale cannot be asked for a single asset")
    ]
    kinds = [document.kind for document in page.documents]
    assert kinds.count(Kind.TASK) == 1
    assert kinds.count(Kind.AUDIT) == len(task["audits"])
    assert {d.external_id for d in page.documents if d.kind is Kind.CAMPAIGN and not d.facet} == {refs[4][1]}
    assert page.checkpoint is None


async def test_a_404_that_is_not_scales_own_takes_nothing_away(scale, store, live):
    """A web server that knows nothing of Scale's API says nothing about tasks."""
    source = live(scale)
    await synced(store, source)
    before = await living(store)
    scale.sandbox.control.inject(status=404, body="<html>not found</html>", path="/v1/task/")
    with pytest.raises(Exception, match="is the url right"):
        await refresh(store, source, [(Kind.TASK, scale.act["list_tasks"]()[0]["task_id"])])
    assert await living(store) == before


async def test_a_thousand_tasks_cost_ten_pages(stage, store, live):
    """Requests grow with pages, not with tasks, and what is known costs no write."""
    with stage.show(create(tasks=1000)) as client:
        source = live(client)
        result = await synced(store, source)
        assert result.run["counts"]["requests"] == 12
        again = await sync(store, source, full=True)
        assert again.run["counts"]["created"] == again.run["counts"]["updated"] == again.run["counts"]["deleted"] == 0
