"""The Kili sandbox's state machine: V1, V2 and V3, locks, and the outcomes of both mutation families."""

from collections import Counter

import pytest
from sandbox_kili_api import HARBOUR, NOTES, REPAIRS, grown, look, served, state

from connectors.kili.sandbox import workflow

# --- V1 ----------------------------------------------------------------------------------------------------------


def test_v1_goes_from_todo_to_reviewed_and_back():
    """Draft, label, to review, review, send back, label again: the documented statuses in order."""
    with served() as (sandbox, api):
        asset = look(sandbox, HARBOUR, status="TODO")[0]["id"]
        seen = []

        def now():
            seen.append(state(sandbox, asset, HARBOUR)[0])

        for step in (
            lambda: api.append([asset], "PREDICTION", modelName_="m"),
            lambda: api.append([asset], "AUTOSAVE"),
            lambda: api.append([asset]),
            lambda: api.move("addAssetsToReview", [asset]),
            lambda: api.append([asset], "REVIEW"),
            lambda: api.move("sendAssetsBackToQueue", [asset]),
            lambda: api.append([asset]),
        ):
            step()
            now()
        assert seen == ["TODO", "ONGOING", "LABELED", "TO_REVIEW", "REVIEWED", "ONGOING", "LABELED"]
        labels = api.listed("label", {"asset": {"id": asset}}, "labelType isSentBackToQueue")
        assert [x["isSentBackToQueue"] for x in labels] == [False, False, True, True, False]


def test_v1_consensus_waits_for_enough_labelers():
    """A consensus asset is ONGOING after the first labeler and LABELED after the second; twice the same is one."""
    with served() as (sandbox, api):
        overview = sandbox.control.actions["overview"]()
        project, users = overview["projects"][0]["id"], overview["users"]
        asset = look(sandbox, HARBOUR, status="TODO")[0]["id"]
        query = "mutation($p: ID!, $a: ID!) {data: setAssetConsensus(projectId: $p, assetId: $a, isConsensus: true)}"
        assert api.ask(query, p=project, a=asset) is True
        seen = []
        for name in ("tomas.reyes@example.com", "tomas.reyes@example.com", "aiko.lindqvist@example.com"):
            api.append([asset], authorID_=users[name])
            seen.append(state(sandbox, asset, HARBOUR)[0])
        assert seen == ["ONGOING", "ONGOING", "LABELED"]


def test_review_coverage_sends_that_share_to_review():
    """With 25 %, one labelled asset in four goes to review by itself."""
    platform = grown(0)
    project, user = next(iter(platform.store.projects.values())), next(iter(platform.store.users.values()))
    project.review_coverage = 25
    for number in range(20):
        asset = platform.changes.add_asset(project, user, f"a{number}")
        platform.changes.add_label(asset, user, "DEFAULT", "{}")
    assert Counter(asset.status for asset in project.assets) == {"LABELED": 15, "TO_REVIEW": 5}


# --- V2 and V3 ---------------------------------------------------------------------------------------------------


def test_v2_walks_its_steps_and_comes_back_for_rework():
    """Label to Review, review to done, back to Label as REWORK, and through again."""
    with served() as (sandbox, api):
        asset = look(sandbox, REPAIRS, stepStatus="TO_DO", step="Label")[0]["id"]
        seen = []
        for step in (
            lambda: api.append([asset], "AUTOSAVE"),
            lambda: api.append([asset]),
            lambda: api.append([asset], "REVIEW"),
            lambda: api.move("sendAssetsBackToQueue", [asset]),
            lambda: api.append([asset]),
        ):
            step()
            seen.append(state(sandbox, asset, REPAIRS))
        assert seen == [
            ("ONGOING", "Label", "IN_PROGRESS"),
            ("TO_REVIEW", "Review", "TO_DO"),
            ("REVIEWED", "Review", "DONE"),
            ("ONGOING", "Label", "REWORK"),
            ("TO_REVIEW", "Review", "TO_DO"),
        ]


def test_v3_samples_its_check_and_rests_before_a_step_that_takes_none():
    """Every second asset is checked, the others are SKIPPED there; a checked one waits for somebody to send it on."""
    with served() as (sandbox, api):
        made = sandbox.control.actions["create_assets"](project=NOTES, count=4)
        api.append(made)
        stood = [state(sandbox, asset, NOTES) for asset in made]
        assert Counter(stood) == {("TO_REVIEW", "Check", "TO_DO"): 2, ("LABELED", "Check", "SKIPPED"): 2}
        checked = made[stood.index(("TO_REVIEW", "Check", "TO_DO"))]
        api.append([checked], "REVIEW")
        assert state(sandbox, checked, NOTES) == ("REVIEWED", "Check", "DONE")
        assert api.move("addAssetsToReview", [checked])["succeeded"] == [{"assetId": checked}]
        assert state(sandbox, checked, NOTES) == ("TO_REVIEW", "Sign-off", "TO_DO")
        skipped = made[stood.index(("LABELED", "Check", "SKIPPED"))]
        assert api.move("sendAssetsBackToQueue", [skipped])["declined"] == [{"assetId": skipped}]
        group = api.listed("asset", {"id": checked}, "currentStep {stepGroupName}")
        assert group == [{"currentStep": {"stepGroupName": "Release"}}]


def reason(answer):
    (error,) = answer["errors"]
    assert answer["data"] == {"data": None}
    return error["extensions"]["context"]["reason"]


def test_a_label_that_may_not_be_added_names_its_lock():
    """Each reachable reason, with nothing added and no effect."""
    with served(assets=80) as (sandbox, api):
        act = sandbox.control.actions
        users = act["overview"]()["users"]
        tomas, aiko = users["tomas.reyes@example.com"], users["aiko.lindqvist@example.com"]
        todo, other, third = [a["id"] for a in look(sandbox, REPAIRS, step="Label", stepStatus="TO_DO")][:3]
        done = look(sandbox, REPAIRS, step="Review", stepStatus="DONE")[0]["id"]
        waiting = look(sandbox, REPAIRS, step="Review", stepStatus="TO_DO")[0]["id"]
        review = act["overview"]()["projects"][1]["steps"]["Review"]
        before = act["overview"]()["projects"]
        (labeler,) = {
            x["author"]["id"] for x in api.listed("label", {"asset": {"id": waiting}}, "author {id}") if x["author"]
        }
        act["lock"](asset=other, author="aiko.lindqvist@example.com")
        act["lock"](asset=third, reason="AssetLockedNoReason")
        seen = [
            reason(api.append([done])),
            reason(api.append([done], "REVIEW")),
            reason(api.append([waiting])),
            reason(api.append([waiting], authorID_=labeler)),
            reason(api.append([todo], "REVIEW")),
            reason(api.append([todo], stepId=review)),
            reason(api.append([other], authorID_=tomas)),
            reason(api.append([third])),
        ]
        assert seen == [
            "AssetInDoneStepStatus",
            "AssetInDoneStepStatusWithReviewAction",
            "NotInStepAssignees",
            "AssetInNextStepWithCorrectAction",
            "NotInStepAssignees",
            "LabelNotEditable",
            "AssetAlreadyLocked",
            "AssetLockedNoReason",
        ]
        assert act["overview"]()["projects"] == before
        assert sandbox.control.effects == []
        assert "data" in api.append([other], authorID_=aiko)


def test_assignment_consensus_and_separation_lock_too():
    """AssetAlreadyAssigned, AlreadyHaveLabelOnCurrentStep and BlockedByEnforceStepSeparation."""
    platform = grown(80)
    project = list(platform.store.projects.values())[1]
    label, review = project.steps
    tomas, aiko = (u for u in platform.store.users.values() if u.firstname in ("Tomás", "Aiko"))

    def refused(asset, kind, author):
        with pytest.raises(workflow.LockedError) as locked:
            workflow.check(asset, kind, author, None)
        return locked.value.reason

    todo = next(a for a in project.assets if a.step is label and a.step_status == "TO_DO")
    todo.assignees = [tomas]
    assert refused(todo, "DEFAULT", aiko) == "AssetAlreadyAssigned"
    workflow.check(todo, "DEFAULT", tomas, None)
    half = next(a for a in project.assets if a.step_status == "PARTIALLY_DONE")
    assert refused(half, "DEFAULT", half.labels[-1].author) == "AlreadyHaveLabelOnCurrentStep"
    waiting = next(a for a in project.assets if a.step is review and a.step_status == "TO_DO")
    workflow.check(waiting, "REVIEW", waiting.labels[-1].author, None)
    project.enforce_step_separation = True
    assert refused(waiting, "REVIEW", waiting.labels[-1].author) == "BlockedByEnforceStepSeparation"


def test_a_batch_is_all_or_nothing():
    """One locked asset among three: an error, no label, no effect; without it, three labels in order."""
    with served(assets=80) as (sandbox, api):
        todo = [a["id"] for a in look(sandbox, REPAIRS, step="Label", stepStatus="TO_DO")][:3]
        sandbox.control.actions["lock"](asset=todo[2])
        assert reason(api.append(todo)) == "AssetAlreadyLocked"
        assert sandbox.control.effects == []
        sandbox.control.actions["unlock"](asset=todo[2])
        made = api.append(todo)["data"]["data"]
        assert [(e.key, e.detail["id"]) for e in sandbox.control.effects] == [
            (asset, label["id"]) for asset, label in zip(todo, made, strict=True)
        ]


def test_outcomes_put_each_asset_in_one_list():
    """Succeeded, declined, failed with details: every given asset once; a failed one may be tried again."""
    with served() as (sandbox, api):
        done = [a["id"] for a in look(sandbox, HARBOUR, status="LABELED")][:2]
        todo = look(sandbox, HARBOUR, status="TODO")[0]["id"]
        sandbox.control.actions["fail_next"](asset=done[1], details="timeout of the store")
        given = [done[0], done[1], todo, "nope", done[0]]
        outcome = api.move("sendAssetsBackToQueue", given)
        assert outcome == {
            "succeeded": [{"assetId": done[0]}],
            "declined": [{"assetId": todo}, {"assetId": "nope"}],
            "failed": [{"assetId": done[1], "details": "timeout of the store"}],
        }
        assert api.move("sendAssetsBackToQueue", [done[1]])["succeeded"] == [{"assetId": done[1]}]
        waiting = look(sandbox, HARBOUR, status="TO_REVIEW")[0]["id"]
        assert api.move("addAssetsToReview", [waiting])["succeeded"] == [{"assetId": waiting}]
        assert [e.key for e in sandbox.control.effects] == done


def test_the_older_family_answers_a_project_or_null():
    """``{id}`` of the project when an asset moved, null when none did."""
    with served(family="old") as (sandbox, api):
        project = sandbox.control.actions["overview"]()["projects"][0]["id"]
        done = look(sandbox, HARBOUR, status="LABELED")[0]["id"]
        todo = look(sandbox, HARBOUR, status="TODO")[0]["id"]
        assert api.move("sendBackAssetsToQueue", [todo], "id") is None
        assert api.move("sendBackAssetsToQueue", [done], "id") == {"id": project}
        assert api.move("addAllLabeledAssetsToReview", [done], "id") is None
        waiting = look(sandbox, HARBOUR, status="TO_REVIEW")[0]["id"]
        assert api.move("addAllLabeledAssetsToReview", [waiting], "id") is None
        assert api.move("deleteManyFromDataset", [done], "id") == {"id": project}
        assert [e.name for e in sandbox.control.effects] == ["send_back", "delete_asset"]
