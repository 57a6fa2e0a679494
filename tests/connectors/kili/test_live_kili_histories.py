"""Incremental equals full, whatever happened at the platform, with the audit trail and without."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.connectors.kili.kili_live_kit import HARBOUR, NOTES, REPAIRS, differences, emptied, rig, standing, synced

ANSWER = {"JOB": {"text": "seen again"}}
PROJECTS = st.sampled_from((HARBOUR, REPAIRS, NOTES))
SEEN = ("create", "delete", "label", "predict", "review", "send_back", "to_review", "issue", "issue_status", "unlabel")
UNSEEN_WITHOUT_EVENTS = ("edit",)
PAUSES = st.sampled_from((0, 1, 40, 900, 5000))


def steps(*names):
    change = st.tuples(st.sampled_from(names), PROJECTS, st.integers(0, 30), PAUSES)
    sync = st.tuples(st.just("sync"), st.lists(st.integers(0, 5), max_size=2))
    return st.lists(st.one_of(change, change, change, sync), min_size=6, max_size=18)


def change(made, what, project, number, pause):
    """One thing that happens at the platform, if it can happen to this asset."""
    made.control.clock.advance(pause)
    assets = made.assets(project)
    if what == "create":
        made.act("create_assets", project=project, count=1 + number % 3)
        return
    if what == "rename":
        made.act("rename_project", project=project, title=project)
        return
    if not assets:
        return
    asset = assets[number % len(assets)]
    name, labels, issues = asset["id"], asset["labels"], asset["issues"]
    match what:
        case "delete":
            made.act("delete_asset", asset=name)
        case "label":
            made.act("label", asset=name, response=ANSWER | {"N": {"text": str(number)}})
        case "predict":
            made.act("label", asset=name, label_type="PREDICTION", response=ANSWER)
        case "review" if labels:
            made.act("review", asset=name)
        case "send_back":
            made.act("send_back", asset=name)
        case "to_review":
            made.act("add_to_review", asset=name)
        case "issue":
            made.act("create_issue", asset=name, text="look here")
        case "issue_status" if issues:
            made.act("resolve_issue", issue=issues[-1]["id"], status=("OPEN", "SOLVED", "CANCELLED")[number % 3])
        case "unlabel" if labels:
            made.act("delete_label", label=labels[number % len(labels)]["id"])
        case "edit" if labels:
            made.act("edit_label", label=labels[-1]["id"], response={"E": {"text": str(number)}})


async def hold(store, history, **options):
    await emptied(store)
    async with rig(assets=12, settings={"overlap_seconds": 30, "recount_seconds": 0}, **options) as made:
        await synced(store, made, full=True)
        for step in history:
            if step[0] == "sync":
                await synced(store, made, killed_at=step[1])
            else:
                change(made, *step)
        result = await synced(store, made)
        kept = await standing(store)
        await emptied(store)
        made.control.clock.advance(3)
        clean = await synced(store, made, full=True, source=made.open())
        assert (result.state, clean.state) == ("SUCCEEDED", "SUCCEEDED")
        assert differences(kept, await standing(store)) == []


RUNS = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@given(history=steps(*SEEN, *UNSEEN_WITHOUT_EVENTS), touch=st.sampled_from(("properties", "state", "labels")))
@RUNS
async def test_incremental_syncs_with_the_audit_trail_equal_a_full_one(store, history, touch):
    """Everything that the trail tells, and deleted labels, which it does not tell, arrive, whatever moves
    ``updatedAt``; killed syncs go on."""
    await hold(store, history, events="on", touch=touch)


@given(history=steps(*SEEN))
@RUNS
async def test_incremental_syncs_without_the_audit_trail_equal_a_full_one(store, history):
    """Where the licence has no trail, times and counts find all but edits of labels that move no time."""
    await hold(store, history, events="refused")


@pytest.mark.parametrize("events", ["off", "refused"])
async def test_edited_labels_arrive_without_the_audit_trail_where_they_move_the_asset(store, events):
    """Whether a label moves ``updatedAt`` of its asset is undocumented; where it does, edits are seen."""
    await hold(
        store,
        [("label", HARBOUR, 3, 900), ("sync", []), ("edit", HARBOUR, 3, 900), ("edit", REPAIRS, 2, 900)],
        events=events,
        touch="labels",
    )


async def test_an_edit_that_moves_no_time_waits_for_the_full_sync(store):
    """The limit of a platform without trail: such an edit is not seen by an incremental sync, and by a full one it is."""
    async with rig(assets=12, events="refused", settings={"overlap_seconds": 30}) as made:
        asset = made.assets(HARBOUR)[0]
        made.act("label", asset=asset["id"], response=ANSWER)
        made.control.clock.advance(5000)
        await synced(store, made, full=True)
        made.control.clock.advance(5000)
        label = made.assets(HARBOUR)[0]["labels"][-1]["id"]
        made.act("edit_label", label=label, response={"E": {"text": "edited"}})
        made.control.clock.advance(5000)
        await synced(store, made)
        where = {"external_id": label}
        before = (await store.db["submissions"].find_one(where))["response"]
        await synced(store, made, full=True)
        after = (await store.db["submissions"].find_one(where))["response"]
        assert "edited" not in before
        assert "edited" in after
