"""Projects, members, assets and webhooks as a Kili client changes them, and everything that is refused untouched."""

import json
import time

import pytest
from sandbox_kili_api import HARBOUR, REPAIRS, grown, look, served

from connectors.kili.sandbox import workflow
from connectors.kili.sandbox.fields import annotations_of
from connectors.kili.sandbox.seed import LABELER_KEY, REVIEWER_KEY


@pytest.fixture(scope="module")
def platform():
    """One sandbox for calls that are refused."""
    with served(assets=60) as pair:
        yield pair


def kept(sandbox):
    """What a refused call must leave alone."""
    return sandbox.control.actions["overview"](), len(sandbox.control.effects)


LABEL = "mutation($d: AppendManyLabelsData!, $w: AssetWhere!) {data: appendManyLabels(data: $d, where: $w) {id}}"
ISSUE = "mutation($i: [IssueToCreate!]!, $w: AssetWhere!) {data: createIssues(issues: $i, where: $w) {id}}"
ASSETS = "mutation($d: AppendManyAssetsData!, $w: ProjectWhere!) {data: appendManyAssets(data: $d, where: $w) {id}}"
EDIT = "mutation($w: [AssetWhere!]!, $d: [AssetData!]!) {data: updatePropertiesInAssets(where: $w, data: $d) {id}}"
ROLE = "mutation($d: RoleData!, $w: ProjectUserWhere!) {data: updatePropertiesInRole(data: $d, where: $w) {role}}"
MEMBER = "mutation($d: AppendToRolesData!, $w: ProjectWhere!) {data: appendToRoles(data: $d, where: $w) {id}}"
HOOK = "mutation($d: WebhookData!) {data: createWebhook(data: $d)}"
ACTIVATE = "mutation($w: PluginOnProjectWhere!) {data: activatePluginOnProject(where: $w)}"


def test_what_cannot_be_is_refused_and_changes_nothing(platform):
    """Unknown things, wrong projects, missing models, bad JSON, too many items: an error of the platform each."""
    sandbox, api = platform
    asset, second = (each["id"] for each in look(sandbox, HARBOUR, status="LABELED")[:2])
    stranger = look(sandbox, REPAIRS)[0]["id"]
    label = look(sandbox, HARBOUR, id=second)[0]["labels"][0]["id"]
    harbour, repairs, _ = (p["id"] for p in sandbox.control.actions["overview"]()["projects"])

    def labels(*items, where=None, **data):
        return {"d": {"labelsData": list(items)} | data, "w": where or {"idIn": [asset] * len(items)}}

    cases = [
        (LABEL, labels({"authorID": "nobody"}), "unexpectedRetrieving"),
        (LABEL, labels({}, labelType="PREDICTION"), "missingModelName"),
        (LABEL, labels({"jsonResponse": "[1]"}), "invalidJsonResponse"),
        (LABEL, labels({"jsonResponse": "{"}), "invalidJsonResponse"),
        (LABEL, labels({"referencedLabelId": label}), "unexpectedRetrieving"),
        (LABEL, labels({}, stepId="no step"), "unexpectedRetrieving"),
        (LABEL, labels({}, {}, where={"idIn": [asset]}), "unexpectedRetrieving"),
        (LABEL, labels({}, where={"idIn": [asset], "project": {"id": repairs}}), "unexpectedRetrieving"),
        (LABEL, labels(*[{}] * 101), "tooManyItems"),
        (ISSUE, {"i": [{"type": "ISSUE", "labelID": "nope"}], "w": {}}, "unexpectedRetrieving"),
        (ISSUE, {"i": [{"type": "QUESTION"}], "w": {"project": {"id": harbour}}}, "unexpectedRetrieving"),
        (ISSUE, {"i": [{"assetId": stranger}], "w": {"project": {"id": harbour}}}, "unexpectedRetrieving"),
        (ISSUE, {"i": [{"assetId": asset}] * 101, "w": {}}, "tooManyItems"),
        (ASSETS, {"d": {"externalIDArray": ["quay-00001.jpg"]}, "w": {"id": harbour}}, "alreadyExists"),
        (ASSETS, {"d": {"externalIDArray": ["x", "x"]}, "w": {"id": harbour}}, "alreadyExists"),
        (ASSETS, {"d": {"externalIDArray": ["x"]}, "w": {"id": "nope"}}, "unexpectedRetrieving"),
        (EDIT, {"w": [{"id": asset}], "d": [{"externalId": "quay-00001.jpg"}]}, "alreadyExists"),
        (ROLE, {"d": {"role": "ADMIN"}, "w": {"project": {"id": harbour}}}, "unexpectedRetrieving"),
        (MEMBER, {"d": {"userEmail": "no@example.com", "role": "ADMIN"}, "w": {"id": harbour}}, "unexpectedRetrieving"),
        (ACTIVATE, {"w": {"pluginName": "nope", "projectId": harbour}}, "unexpectedRetrieving"),
    ]
    before = kept(sandbox)
    for query, variables, key in cases:
        (error,) = api.post(query, **variables).json()["errors"]
        assert (error["message"].split("]")[0], error["extensions"]["code"]) == (
            f"[{key}",
            "OPERATION_RESOLUTION_FAILURE",
        )
    assert kept(sandbox) == before


def test_roles_limit_what_a_key_may_change(platform):
    """A labeler makes no review, prediction, issue or asset; a reviewer no asset, member, webhook or project."""
    sandbox, api = platform
    asset = look(sandbox, HARBOUR, status="TO_REVIEW")[0]["id"]
    harbour = sandbox.control.actions["overview"]()["projects"][0]["id"]
    member = {"d": {"userEmail": "noor.adeyemi@example.com", "role": "ADMIN"}, "w": {"id": harbour}}
    calls = [
        (LABEL, {"d": {"labelType": "REVIEW", "labelsData": [{}]}, "w": {"idIn": [asset]}}, [LABELER_KEY]),
        (ISSUE, {"i": [{"type": "ISSUE", "assetId": asset}], "w": {}}, [LABELER_KEY]),
        (ASSETS, {"d": {"externalIDArray": ["x"]}, "w": {"id": harbour}}, [LABELER_KEY, REVIEWER_KEY]),
        (MEMBER, member, [LABELER_KEY, REVIEWER_KEY]),
        (HOOK, {"d": {"pluginName": "p", "webhookUrl": "http://x"}}, [LABELER_KEY, REVIEWER_KEY]),
        (
            "mutation($d: CreateProjectData!) {data: createProject(data: $d) {id}}",
            {"d": {"title": "t"}},
            [REVIEWER_KEY],
        ),
    ]
    before = kept(sandbox)
    for query, variables, keys in calls:
        for key in keys:
            (error,) = api.post(query, key=key, **variables).json()["errors"]
            assert error["message"].startswith("[noOrganizationRights]")
    assert kept(sandbox) == before


def test_who_is_no_member_sees_nothing():
    """A member who is removed finds no project, asset or label any more, at once; who is added again does."""
    with served() as (sandbox, api):
        harbour = sandbox.control.actions["overview"]()["projects"][0]["id"]

        def seen():
            query = "query($w: AssetWhere!) {assets: countAssets(where: $w) projects: countProjects(where: {})}"
            return api.post(query, key=REVIEWER_KEY, w={"project": {"id": harbour}}).json()["data"]

        who = {"project": {"id": harbour}, "user": {"email": "noor.adeyemi@example.com"}}
        assert seen() == {"assets": 20, "projects": 3}
        assert api.ask(ROLE, d={"role": "LABELER"}, w=who) == {"role": "LABELER"}
        api.ask("mutation($w: ProjectUserWhere!) {data: deleteFromRoles(where: $w) {id}}", w=who)
        assert seen() == {"assets": 0, "projects": 2}
        for role in ("REVIEWER", "TEAM_MANAGER"):
            api.ask(MEMBER, d={"userEmail": "Noor.Adeyemi@example.com", "role": role}, w={"id": harbour})
        assert seen() == {"assets": 20, "projects": 3}
        query = "query($w: ProjectUserWhere!) {data: projectUsers(where: $w, skip: 0, first: 9) {role user {email}}}"
        (member,) = api.ask(query, w={"deleted": False, "activeInProject": True, "status": "ACTIVATED", **who})
        assert member["role"] == "TEAM_MANAGER"


def test_assets_are_edited_assigned_and_renamed():
    """Only what is given changes; the old external id is free again; assignees are set and reset."""
    with served() as (sandbox, api):
        overview = sandbox.control.actions["overview"]()
        harbour, labeler = overview["projects"][0]["id"], overview["users"]["tomas.reyes@example.com"]
        asset = look(sandbox, HARBOUR)[0]["id"]
        fields = "externalId priority jsonMetadata toBeLabeledBy {email} isUsedForConsensus"
        (before,) = api.listed("asset", {"id": asset}, fields)
        data = {"externalId": "renamed", "priority": 4, "toBeLabeledBy": [labeler]}
        assert api.ask(EDIT, w=[{"id": asset}], d=[data]) == [{"id": asset}]
        assert api.count("asset", {"assigneeIn": [labeler]}) == 1
        by_name = {"p": harbour, "e": "renamed"}
        query = (
            "mutation($p: ID!, $e: String!) {data: setAssetConsensus(projectId: $p, externalId: $e, isConsensus: true)}"
        )
        assert api.ask(query, **by_name) is True
        (after,) = api.listed("asset", {"project": {"id": harbour}, "externalIdStrictlyIn": ["renamed"]}, fields)
        changed = {"externalId": "renamed", "priority": 4, "isUsedForConsensus": True}
        assert after == before | changed | {"toBeLabeledBy": [{"email": "tomas.reyes@example.com"}]}
        api.ask(EDIT, w=[{"id": asset}], d=[{"externalId": "renamed", "shouldResetToBeLabeledBy": True}])
        assert api.listed("asset", {"id": asset}, "toBeLabeledBy {email}") == [{"toBeLabeledBy": []}]
        assert api.ask(
            "query($p: ID!, $e: [String!]!) {data: filterExistingAssets(projectID: $p, externalIDs: $e)}",
            p=harbour,
            e=["quay-00000.jpg", "renamed", "quay-00001.jpg"],
        ) == ["renamed", "quay-00001.jpg"]
        query = 'mutation($w: AssetWhere!) {data: skipAsset(reason: "r", where: $w) {id}}'
        assert "[consensusAsset]" in api.post(query, w={"id": asset}).text


def test_an_asynchronous_import_is_done_when_its_notification_says_so():
    """PENDING, and SUCCESS once the time is over; only its maker has the notification."""
    with served(import_seconds=30) as (sandbox, api):
        harbour = sandbox.control.actions["overview"]()["projects"][0]["id"]
        query = """mutation($d: AppendManyAssetsAsynchronouslyData!, $w: ProjectWhere!)
            {data: appendManyAssetsAsynchronously(data: $d, where: $w) {id}}"""
        data = {"contentArray": ["https://x/1.mp4"], "externalIDArray": ["clip"], "uploadType": "NATIVE_VIDEO"}
        note = api.ask(query, d=data, w={"id": harbour})
        assert api.listed("notification", note, "status") == [{"status": "PENDING"}]
        sandbox.control.clock.advance(31)
        assert api.listed("notification", note, "status") == [{"status": "SUCCESS"}]
        query = "query($w: NotificationWhere!) {data: countNotifications(where: $w)}"
        assert api.post(query, key=REVIEWER_KEY, w=note).json() == {"data": {"data": 0}}
        assert api.ask(query, w=note) == 1


def test_webhooks_are_changed_switched_off_and_deleted():
    """An update keeps the projects; a webhook that is not active in a project, or is gone, is not called."""
    with served() as (sandbox, api):
        overview = sandbox.control.actions["overview"]()
        harbour = overview["projects"][0]["id"]
        asset = look(sandbox, HARBOUR)[0]["id"]
        where = {"pluginName": "p", "projectId": harbour}

        def calls():
            api.append([asset])
            return [delivery["url"] for delivery in sandbox.control.actions["list_deliveries"]()]

        api.ask(HOOK, d={"pluginName": "p", "webhookUrl": "http://127.0.0.1:9/a"})
        assert calls() == []
        api.ask(ACTIVATE, w=where)
        assert calls() == ["http://127.0.0.1:9/a"]
        update = "mutation($d: WebhookData!) {data: updateWebhook(data: $d)}"
        api.ask(update, d={"pluginName": "p", "webhookUrl": "http://127.0.0.1:9/b"})
        assert calls() == ["http://127.0.0.1:9/a", "http://127.0.0.1:9/b"]
        api.ask("mutation($w: PluginOnProjectWhere!) {data: deactivatePluginOnProject(where: $w)}", w=where)
        assert len(calls()) == 2
        api.ask(ACTIVATE, w=where)
        api.ask('mutation {data: deletePlugin(where: {pluginName: "p"})}')
        assert len(calls()) == 2


def test_a_new_project_is_seen_a_while_after_it_was_made():
    """Nobody finds it before its time; then it is empty, multi-step and last in the list."""
    with served(project_seconds=60) as (sandbox, api):
        made = api.ask('mutation {data: createProject(data: {title: "N", inputType: TEXT}) {id}}')["id"]
        assert api.count("project", {"id": made}) == 0
        assert api.count("asset", {"project": {"id": made}}) == 0
        sandbox.control.clock.advance(60)
        fields = "title workflowVersion numberOfAssets steps {name type}"
        steps = [{"name": "Default", "type": "DEFAULT"}, {"name": "Review", "type": "REVIEW"}]
        expected = {"title": "N", "workflowVersion": "V2", "numberOfAssets": 0, "steps": steps}
        assert api.listed("project", {}, fields)[-1] == expected


def test_steps_are_kept_apart_and_marks_counted_in_every_frame():
    """A send back without a step of its own goes to the labelling step before; a named later step is not editable;
    a label on an earlier step moves nothing; video answers count their marks in every frame."""
    platform = grown(80)
    project = list(platform.store.projects.values())[1]
    label, review = project.steps
    review.send_back_step_id = None
    done = next(asset for asset in project.assets if asset.step is review and asset.step_status == "DONE")
    author = done.labels[0].author
    workflow.check(done, "DEFAULT", author, label)
    platform.changes.add_label(done, author, "DEFAULT", "{}", step=label)
    assert (done.step, done.step_status, done.labels[-1].step) == (review, "DONE", label)
    assert platform.changes.send_back(done, author)
    assert (done.step, done.step_status) == (label, "REWORK")
    frames = {str(n): {"J": {"annotations": [{"categories": [{"name": "A"}]}]}} for n in range(3)}
    platform.changes.add_label(done, author, "DEFAULT", json.dumps(frames | {"assetLevel": {"K": "odd"}}))
    assert annotations_of(done.labels[-1]) == {"J.A": 3}


def test_a_big_platform_is_listed_in_linear_time():
    """Ten times the assets take less than thirty times the work to list, filter and follow."""

    def seconds(assets):
        with served(assets=assets) as (sandbox, api):
            project = {"id": sandbox.control.actions["overview"]()["projects"][0]["id"]}
            begin = time.process_time()
            assert len(api.listed("asset", {"project": project, "skipped": False}, "id labels {id}")) == assets // 2
            trail = "query($w: EventsWhere!, $p: EventPagination!) {data: events(where: $w, pagination: $p) {id}}"
            count = 0
            while page := api.ask(trail, w={"projectId": project["id"]}, p={"skip": count, "first": 100}):
                count += len(page)
            return time.process_time() - begin

    small, big = min(seconds(400) for _ in range(2)), seconds(4000)
    assert big < 30 * small
