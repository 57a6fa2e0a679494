"""What the Kili sandbox's seed promises, that any history keeps the store whole, and when marks come."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sandbox_kili_api import HARBOUR, NOTES, REPAIRS, grown, look, served, state

from connectors.kili.sandbox import create, workflow

REASONS = {
    "AlreadyHaveLabelOnCurrentStep",
    "AssetAlreadyAssigned",
    "AssetAlreadyLocked",
    "AssetInDoneStepStatus",
    "AssetInDoneStepStatusWithCorrectAction",
    "AssetInDoneStepStatusWithReviewAction",
    "AssetInNextStepWithCorrectAction",
    "AssetLockedNoReason",
    "BlockedByEnforceStepSeparation",
    "LabelNotEditable",
    "NotAssignedWithAssignAction",
    "NotInStepAssignees",
}


# --- the seed ----------------------------------------------------------------------------------------------------


def test_the_same_seed_is_the_same_platform():
    """Ids, states, labels and issues repeat with the seed and differ with another."""

    def picture(number):
        actions = create(seed=number, assets=60).control.actions
        return [actions["list_assets"](project=each) for each in (HARBOUR, REPAIRS, NOTES)]

    assert picture(3) == picture(3)
    assert picture(3) != picture(4)


@pytest.mark.parametrize("assets", [0, 1, 9, 40, 333])
def test_a_seed_has_as_many_assets_as_asked(assets):
    """Spread over the three projects; nothing counts as an effect, and no time lies in the future."""
    sandbox = create(assets=assets)
    assert sum(p["assets"] for p in sandbox.control.actions["overview"]()["projects"]) == assets
    assert sandbox.control.effects == []
    platform = grown(assets)
    assert all(label.created_at < platform.store.now() for label in platform.store.labels.values())


def test_the_seed_shows_every_state_type_and_mark():
    """All five statuses, the step statuses, label types, issue types and statuses, sent-back labels and marks."""
    store = grown(120).store
    assets, labels = store.assets.values(), store.labels.values()
    assert {workflow.status_of(a) for a in assets} == {"TODO", "ONGOING", "LABELED", "TO_REVIEW", "REVIEWED"}
    stepped = {a.step_status for a in assets if a.step is not None}
    assert stepped == {"TO_DO", "IN_PROGRESS", "PARTIALLY_DONE", "REWORK", "DONE", "SKIPPED"}
    assert {x.label_type for x in labels} == {"AUTOSAVE", "DEFAULT", "INFERENCE", "PREDICTION", "REVIEW"}
    assert {(i.type, i.status) for i in store.issues.values()} == {
        ("ISSUE", "OPEN"),
        ("ISSUE", "SOLVED"),
        ("QUESTION", "OPEN"),
    }
    assert any(x.is_sent_back for x in labels)
    assert any(a.honeypot_mark is not None for a in assets)
    assert any(a.consensus_mark is not None for a in assets)
    assert any(x.inference_mark is not None for x in labels)


# --- any history -------------------------------------------------------------------------------------------------

MOVES = st.lists(
    st.tuples(
        st.integers(0, 11),
        st.sampled_from(["AUTOSAVE", "DEFAULT", "PREDICTION", "REVIEW", "back", "review", "skip", "unskip", "delete"]),
        st.integers(0, 7),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(moves=MOVES)
def test_any_history_leaves_a_platform_that_agrees_with_itself(moves):
    """After random changes: indexes, order, flags and states fit together, and a refusal changed nothing."""
    platform = grown(12)
    store, changes = platform.store, platform.changes
    reasons = set()
    users, assets = list(store.users.values()), list(store.assets.values())
    for number, kind, author in moves:
        asset, user = assets[number], users[author]
        if asset.id not in store.assets:
            continue
        before = workflow.status_of(asset), asset.step, asset.step_status
        if kind == "back":
            moved = changes.send_back(asset, user)
        elif kind == "review":
            moved = changes.to_review(asset, user)
        elif kind in ("skip", "unskip"):
            getattr(changes, kind)(asset, user)
            continue
        elif kind == "delete":
            changes.remove_asset(asset, user)
            continue
        else:
            try:
                workflow.check(asset, kind, user, None)
            except workflow.LockedError as locked:
                reasons.add(locked.reason)
                continue
            changes.add_label(asset, user, kind, "{}")
            continue
        if not moved:
            assert before == (workflow.status_of(asset), asset.step, asset.step_status)
    assert reasons <= REASONS
    for project in store.projects.values():
        for records in (project.assets, project.labels, project.issues):
            keys = [(record.created_at, record.id) for record in records]
            assert keys == sorted(set(keys))
        assert sum(len(asset.labels) for asset in project.assets) == len(project.labels)
        assert len(project.by_external_id) == len(project.assets)
        for asset in project.assets:
            assert (asset.step in project.steps) is bool(project.steps)
            assert workflow.status_of(asset) in ("TODO", "ONGOING", "LABELED", "TO_REVIEW", "REVIEWED")
            assert not (asset.step_status == "REWORK" and asset.step is not None and asset.step.type == "REVIEW")
    assert sum(len(project.labels) for project in store.projects.values()) == len(store.labels)


# --- marks -------------------------------------------------------------------------------------------------------


def test_marks_come_later_and_without_a_new_label():
    """A second consensus answer is marked only after the delay; ``updatedAt`` does not tell, the trail does."""
    with served(mark_seconds=60) as (sandbox, api):
        overview = sandbox.control.actions["overview"]()
        asset = look(sandbox, REPAIRS, stepStatus="PARTIALLY_DONE")[0]["id"]
        labelers = [overview["users"][f"{name}@example.com"] for name in ("tomas.reyes", "aiko.lindqvist")]
        author = next(x["author"]["id"] for x in api.listed("label", {"asset": {"id": asset}}, "author {id}"))
        other = next(user for user in labelers if user != author)
        api.append(
            [asset], authorID_=other, jsonResponse_=json.dumps({"URGENCY_JOB": {"categories": [{"name": "LOW"}]}})
        )
        fields = "updatedAt consensusMark labels {consensusMark}"
        (before,) = api.listed("asset", {"id": asset}, fields)
        sandbox.control.clock.advance(61)
        (after,) = api.listed("asset", {"id": asset}, fields)
        assert before["consensusMark"] is None
        assert 0 <= after["consensusMark"] < 1
        assert [x["consensusMark"] for x in after["labels"]] == [after["consensusMark"]] * 2
        assert after["updatedAt"] == before["updatedAt"]
        where = {"projectId": overview["projects"][1]["id"], "event": "asset.analytics.consensus.computed"}
        query = "query($w: EventsWhere!) {data: events(where: $w, pagination: {}, order: desc) {payload}}"
        newest = api.ask(query, w=where)[0]["payload"]
        assert (newest["assetId"], newest["score"]) == (asset, after["consensusMark"])


def test_a_ground_truth_marks_the_labelers_answers():
    """``createHoneypot`` makes a REVIEW label that moves nothing; equal answers have mark 1, others less."""
    with served(mark_seconds=0) as (sandbox, api):
        same, different = [a["id"] for a in look(sandbox, HARBOUR, status="TODO")][:2]
        truth = '{"SEA_JOB": {"categories": [{"name": "FOG"}]}}'
        query = "mutation($j: String!, $a: ID!) {data: createHoneypot(data: {jsonResponse: $j}, where: {id: $a}) {labelType}}"
        for asset in (same, different):
            assert api.ask(query, j=truth, a=asset) == {"labelType": "REVIEW"}
            assert state(sandbox, asset, HARBOUR)[0] == "TODO"
        api.append([same], jsonResponse_=truth)
        api.append([different], jsonResponse_='{"SEA_JOB": {"categories": [{"name": "CALM"}]}}')
        marks = api.listed("asset", {"idIn": [same, different]}, "isHoneypot honeypotMark")
        assert marks == [{"isHoneypot": True, "honeypotMark": 1.0}, {"isHoneypot": True, "honeypotMark": 0.0}]


@pytest.mark.parametrize(("touch", "moved"), [("properties", "--p"), ("state", "-sp"), ("labels", "lsp")])
def test_what_moves_updated_at_is_an_option(touch, moved):
    """Nobody outside knows whether a label moves ``Asset.updatedAt``: a prediction, a status, an edit each may."""
    with served(touch=touch) as (sandbox, api):
        asset = look(sandbox, HARBOUR, status="TODO")[0]["id"]

        def updated():
            sandbox.control.clock.advance(10)
            return api.listed("asset", {"id": asset}, "updatedAt")[0]["updatedAt"]

        seen, last = "", updated()
        for letter, change in (
            ("l", lambda: api.append([asset], "PREDICTION", modelName_="m")),
            ("s", lambda: api.append([asset])),
            ("p", lambda: sandbox.control.actions["touch"](asset=asset)),
        ):
            change()
            now = updated()
            seen += letter if now > last else "-"
            last = now
        assert seen == moved
