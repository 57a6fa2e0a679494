"""A live Kili source over real sockets: what full and incremental passes read, say and cost; and reading on demand."""

import json

import httpx
import pytest

from connectors.contract import Hint, PlatformSource, ReceivesWebhooks, Refreshes, Secret, TakesAudits, WebhookCall
from connectors.documents import CampaignStatus, Kind, PhaseKind, TaskStatus
from connectors.errors import Unauthorized
from connectors.kili import CONNECTOR
from connectors.kili.sandbox.seed import LABELER_KEY, REVIEWER_KEY
from connectors.kili.settings import Settings
from gateway.settings import Settings as GatewaySettings  # noqa: F401 -- the table must be readable by the gateway
from gateway.source_settings import read_sources
from gateway.sync import refresh
from tests.connectors.kili.kili_live_kit import (
    HARBOUR,
    HOOK,
    NOTES,
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

ANSWER = {"JOB": {"text": "new"}}


def ask(made, query, **variables):
    headers = {"Authorization": f"X-API-Key: {made.key}"}
    with httpx.Client(trust_env=False) as http:
        answer = http.post(made.table["url"], json={"query": query, "variables": variables}, headers=headers).json()
    assert "errors" not in answer, answer
    return answer["data"]


def test_a_table_of_the_configuration_becomes_settings():
    """The key is a secret, the endpoint is Kili's cloud, and nonsense is refused."""
    found, wrong = read_sources({"k": {"platform": "kili", "api_key": "abc"}}, {"kili": CONNECTOR})
    assert wrong == []
    made = found["k"].settings
    assert (repr(made.api_key), made.base) == ("Secret('…')", "https://cloud.kili-technology.com/api/label/v2")
    assert made.requests_per_minute == 250
    with pytest.raises(ValueError, match="start from 1"):
        Settings(api_key=Secret("abc"), concurrency=0)


async def test_a_source_has_every_capability_and_knows_its_account():
    """Webhooks only with a secret; the account is the e-mail that the key belongs to."""
    async with rig(assets=4) as made:
        for port in (PlatformSource, Refreshes, TakesAudits, ReceivesWebhooks):
            assert isinstance(made.source, port)
        able = made.source.capabilities
        assert (able.incremental, able.webhooks, able.refresh, able.audit_errors, able.audit_fix) == (True,) * 5
        assert len(able.audit_results) == 4
        health = await made.source.check()
        assert health.account == "gateway@example.org"
        assert health.version.startswith("2.")
        assert made.source.requests() == 2
        with pytest.raises(Unauthorized):
            await made.open(key="not-a-key-of-anybody").check()


@pytest.mark.parametrize("responses", ["inline", "url", "mixed"])
async def test_a_full_pass_reads_everything_and_says_so(responses):
    """Projects, people, assets, labels and issues as the platform counts them, however answers travel."""
    async with rig(assets=130, responses=responses) as made:
        pages = await all_pages(made.source)
        listed = [asset for title in (HARBOUR, REPAIRS, NOTES) for asset in made.assets(title)]
        assert len(of_kind(pages, Kind.TASK)) == len(of_kind(pages, Kind.ASSET)) == len(listed) == 130
        assert set(of_kind(pages, Kind.SUBMISSION)) == {label["id"] for asset in listed for label in asset["labels"]}
        assert set(of_kind(pages, Kind.COMMENT)) == {issue["id"] for asset in listed for issue in asset["issues"]}
        assert {campaign.name for campaign in of_kind(pages, Kind.CAMPAIGN).values()} == {HARBOUR, REPAIRS, NOTES}
        assert all(not page.skipped for page in pages)
        assert all(submission.response for submission in of_kind(pages, Kind.SUBMISSION).values())
        completed = [page.completes for page in pages if page.completes]
        assert [scope.campaign for scope in completed[:-1]] == [made.project(t) for t in (HARBOUR, REPAIRS, NOTES)]
        assert completed[-1].campaign is None
        assert completed[-1].kinds == frozenset(Kind)
        assert pages[-1].completes is completed[-1]
        assert (pages[-1].done, pages[-1].total) == (130, 130)
        assert "jsonResponseUrl" not in json.dumps([s.raw for s in of_kind(pages, Kind.SUBMISSION).values()])


async def test_how_answers_travel_makes_no_difference(store):
    """Inline, as a link, or first one and then the other: the same store."""
    stores = []
    for responses in ("inline", "url", "mixed"):
        async with rig(assets=20, responses=responses) as made:
            await synced(store, made, full=True)
            stores.append(await standing(store))
            await emptied(store)
    hosts = [json.dumps(found, default=str, sort_keys=True).replace("\\", "") for found in stores]
    assert [len(found["submissions"]) for found in stores] == [len(stores[0]["submissions"])] * 3
    assert stores[0]["submissions"] == stores[1]["submissions"] == stores[2]["submissions"]
    assert stores[0]["annotations"] == stores[1]["annotations"] == stores[2]["annotations"]
    assert all("signature=" not in text for text in hosts)


async def test_states_of_each_workflow_version():
    """V1 statuses; steps of V2 and V3, which only the project can tell from each other."""
    async with rig(assets=60) as made:
        pages = await all_pages(made.source)
        tasks = of_kind(pages, Kind.TASK)
        natives = {}
        for task in tasks.values():
            natives.setdefault(task.campaign, {})[task.native_status] = task.status
        assert natives[made.project(HARBOUR)]["TO_REVIEW"] is TaskStatus.IN_REVIEW
        assert natives[made.project(HARBOUR)]["REVIEWED"] is TaskStatus.COMPLETED
        assert natives[made.project(REPAIRS)]["Review: DONE"] is TaskStatus.COMPLETED
        assert natives[made.project(REPAIRS)]["Label: REWORK"] is TaskStatus.IN_PROGRESS
        assert {kind for task in tasks.values() if task.phase for kind in [task.phase.kind]} == set(PhaseKind)
        assert any(native and native.startswith("Reading / Check") for native in natives[made.project(NOTES)])


async def test_a_pass_that_dies_before_any_page_goes_on_and_ends_alike(store):
    """Full and incremental: resumed at each of its pages, the store is that of one clean run."""
    async with rig(assets=24) as made:
        pages = await all_pages(made.source)
        await synced(store, made, full=True)
        clean = await standing(store)
        for number in range(len(pages)):
            await emptied(store)
            await synced(store, made, full=True, killed_at=[number])
            assert differences(await standing(store), clean) == []
        await emptied(store)
        await synced(store, made, full=True, killed_at=list(range(2, len(pages))))
        assert differences(await standing(store), clean) == []


async def test_nothing_new_costs_a_handful_of_requests():
    """A quiet pass lists projects and people, and asks each project for counts and its trail; it reads no asset."""
    async with rig(assets=40) as made:
        since = checkpoint(await all_pages(made.source))
        made.control.clock.advance(400)
        since = checkpoint(await all_pages(made.source, since, full=False))
        made.control.clock.advance(400)
        before = made.source.requests()
        pages = await all_pages(made.source, since, full=False)
        assert made.source.requests() - before == 3 + 2 * 3
        assert of_kind(pages, Kind.TASK) == {}
        assert all(page.completes is None for page in pages)


async def test_an_incremental_pass_reads_what_was_touched_and_no_more():
    """A label, an issue, an edit and a deletion: three assets are read, one is gone."""
    async with rig(assets=40) as made:
        since = checkpoint(await all_pages(made.source))
        made.control.clock.advance(4000)
        since = checkpoint(await all_pages(made.source, since, full=False))
        made.control.clock.advance(400)
        assets = [asset["id"] for asset in made.assets(HARBOUR)]
        made.act("label", asset=assets[0], response=ANSWER)
        made.act("create_issue", asset=assets[1], text="see there")
        made.act("touch", asset=assets[2], metadata={"camera": "east"})
        made.act("delete_asset", asset=assets[3])
        pages = await all_pages(made.source, since, full=False)
        assert set(of_kind(pages, Kind.TASK)) == set(assets[:3])
        gone = {(ref.kind, ref.external_id) for page in pages for ref in page.gone}
        assert gone == {(Kind.TASK, assets[3]), (Kind.ASSET, assets[3])}
        assert all(page.completes is None for page in pages)


async def test_a_deleted_label_that_no_event_tells_is_noticed_by_count(store):
    """Then the project is read whole, in one run, and what it no longer names is gone; the other projects are not."""
    async with rig(assets=40) as made:
        made.control.clock.advance(4000)
        await synced(store, made, full=True)
        made.control.clock.advance(4000)
        label = next(asset["labels"][0]["id"] for asset in made.assets(REPAIRS) if asset["labels"])
        made.act("delete_label", label=label)
        since = (await store.db["sources"].find_one({"_id": "kili"}))["checkpoint"]
        completed = [page.completes for page in await all_pages(made.source, since, full=False) if page.completes]
        assert [scope.campaign for scope in completed] == [made.project(REPAIRS)]
        await synced(store, made, killed_at=[2])
        gone = await store.db["submissions"].find({"deleted_at": {"$ne": None}}).to_list(None)
        assert [doc["external_id"] for doc in gone] == [label]


async def test_projects_come_change_and_go(store):
    """Renamed, with another interface, and deleted: the campaign follows, and everything in a deleted one goes."""
    async with rig(assets=30) as made:
        made.control.clock.advance(4000)
        await synced(store, made, full=True)
        made.control.clock.advance(4000)
        made.act("rename_project", project=REPAIRS, title="Repairs of May")
        harbour, notes = made.project(HARBOUR), made.project(NOTES)
        change = (
            "mutation($d: ProjectData!, $w: ProjectWhere!) {data: updatePropertiesInProject(data: $d, where: $w) {id}}"
        )
        ask(made, change, d={"jsonInterface": '{"jobs": {}}'}, w={"id": harbour})
        ask(made, "mutation($w: ProjectWhere!) {data: deleteProjectAsynchronously(where: $w)}", w={"id": notes})
        asked = made.source.requests()
        result = await synced(store, made)
        assert result.state == "SUCCEEDED"
        assert made.source.requests() - asked < 60
        names = {doc["name"]: "deleted_at" in doc async for doc in store.db["campaigns"].find({})}
        assert names == {HARBOUR: False, "Repairs of May": False, NOTES: True}
        for collection in ("tasks", "assets", "submissions", "annotations"):
            where = {"campaign": {"$regex": notes}}
            assert await store.db[collection].count_documents(where) > 0
            assert await store.db[collection].count_documents(where | {"deleted_at": None}) == 0
        kept = await standing(store)
        await emptied(store)
        await synced(store, made, full=True)
        assert differences(kept, await standing(store)) == []


async def test_assets_that_vanish_while_they_are_listed_hide_no_others():
    """Listing goes on by time of creation: deletions on pages already read move nothing over the edge."""
    async with rig(assets=300) as made:
        expected = {asset["id"] for asset in made.assets(HARBOUR)}
        found, deleted = set(), set()
        async for page in made.source.fetch(None, full=True):
            tasks = {doc.external_id for doc in page.documents if doc.kind is Kind.TASK} & expected
            found |= tasks
            for asset in sorted(tasks)[:20]:
                made.act("delete_asset", asset=asset)
                deleted.add(asset)
        assert len(deleted) > 50
        assert found == expected


async def test_a_reviewer_reads_the_same_assets(store):
    """A key of less rights sees the projects it is a member of; people are those that the projects name."""
    async with rig(assets=20) as made:
        for key in (REVIEWER_KEY, LABELER_KEY):
            pages = await all_pages(made.open(key=key))
            assert len(of_kind(pages, Kind.TASK)) == 20
            assert pages[-1].completes.campaign is None


async def test_single_things_are_read_on_demand(store):
    """An asset with everything in it, a project; what is not there is gone; what cannot be asked for is reported."""
    async with rig(assets=20) as made:
        await synced(store, made, full=True)
        asset = made.assets(HARBOUR)[0]["id"]
        label = made.act("label", asset=asset, response=ANSWER)
        made.act("rename_project", project=REPAIRS, title="Renamed")
        renamed = made.project("Renamed")
        wanted = [(Kind.TASK, asset), (Kind.ASSET, asset), (Kind.CAMPAIGN, renamed), (Kind.TASK, "nowhere")]
        result = await refresh(store, made.live(), [*wanted, (Kind.COMMENT, "x"), (Kind.CAMPAIGN, "none")])
        assert result.counts.created[Kind.SUBMISSION] == 1
        assert await store.db["submissions"].count_documents({"external_id": label, "is_current": True}) == 1
        assert (await store.db["campaigns"].find_one({"external_id": renamed}))["name"] == "Renamed"
        page = await made.source.refresh([*wanted, (Kind.COMMENT, "x"), (Kind.CAMPAIGN, "none")])
        assert {(ref.kind, ref.external_id) for ref in page.gone} == {
            (Kind.TASK, "nowhere"),
            (Kind.ASSET, "nowhere"),
            (Kind.CAMPAIGN, "none"),
        }
        assert [skip.reason for skip in page.skipped] == ["Kili cannot be asked for a single comment"]
        campaign = next(doc for doc in page.documents if doc.kind is Kind.CAMPAIGN)
        assert (campaign.name, campaign.status) == ("Renamed", CampaignStatus.OPEN)


def hook(body, secret=HOOK):
    return WebhookCall(headers={"authorization": secret}, body=json.dumps(body).encode())


async def test_webhooks_of_each_form_name_what_to_ask_for():
    """Handlers, bare events, and events in the handlers' envelope; what names nothing asks for an incremental run."""
    async with rig(assets=12) as made:
        asset = made.assets(HARBOUR)[0]["id"]
        for style in ("handler", "event", "wrapped"):
            made.act("set_webhook", url="http://127.0.0.1:9/none", header=HOOK, style=style)
            made.act("label", asset=asset, response=ANSWER)
            made.act("rename_project", project=HARBOUR, title=HARBOUR)
        seen = set()
        for delivery in made.act("list_deliveries"):
            hint = await made.source.receive(hook(delivery["body"], delivery["headers"]["Authorization"]))
            seen |= set(hint.refs)
            assert not hint.everything
            assert await made.source.receive(hook(delivery["body"])) == hint
        assert seen == {(Kind.TASK, asset), (Kind.CAMPAIGN, made.project(HARBOUR))}
        assert await made.source.receive(hook({"eventType": "onSomething"})) == Hint(everything=True)
        assert await made.source.receive(hook({"payload": {"asset_id": "../../x"}})) == Hint(everything=True)
        assert await made.source.receive(hook(["no object"])) is None
        for wrong in ("", HOOK + "x", "hök"):
            with pytest.raises(Unauthorized):
                await made.source.receive(hook({}, wrong))
