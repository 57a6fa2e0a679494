"""What Kili's own SDK reads from the sandbox: unmodified, its checks on, in the SDKs' own environment."""

from collections import Counter

import pytest
from sandbox_kili_api import HARBOUR, REPAIRS, look
from sandbox_kili_runs import ROOT, need, run

from connectors.kili.sandbox import create


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """One process that only reads, and the sandbox it read."""
    sandbox = create(assets=80)
    sandbox.control.inject(kind="delay", seconds=0, contains="IntrospectionQuery")
    folder = tmp_path_factory.mktemp("read")
    answers = run(sandbox, folder, "handshake", "reads", "filters", "domain_reads", "export", "events")
    return sandbox, answers


# --- reading -----------------------------------------------------------------------------------------------------


def test_the_sdk_accepts_the_server_and_a_bad_key_is_refused(read):
    """With checks on, the client is built (viewer, version, introspection, key expiry), but not for a wrong key."""
    _, answers = read
    assert answers["handshake"]["version"] == "26.2.4"
    assert answers["handshake"]["viewer"]["email"] == "gateway@example.org"
    assert answers["handshake"]["bad_key"]["raised"] == "AuthenticationFailed"


def test_the_schema_is_fetched_once_for_all_clients(read):
    """The version route lets the SDK cache the schema: six clients were built, one introspection was made."""
    sandbox, _ = read
    assert sandbox.control.requests["GET /api/label/v2/version"] == 7
    assert sandbox.control.faults[0].hits == 1


def test_lists_and_counts_agree_with_the_platform(read):
    """Projects, assets, labels, issues, members and users: listed equals counted equals what the store has."""
    sandbox, answers = read
    truth = sandbox.control.actions["overview"]()
    reads = answers["reads"]
    assert reads["projects"] == [project["id"] for project in truth["projects"]]
    assert reads["count_projects"] == 3
    assert reads["users"] == [8, 8]
    assert [project["assets"] for project in truth["projects"]] == [40, 32, 8]
    for project in truth["projects"]:
        found = reads[project["id"]]
        assert found["assets"] == [asset["id"] for asset in look(sandbox, project["id"])]
        assert (found["count_assets"], len(found["labels"]), found["count_labels"]) == (
            project["assets"],
            project["labels"],
            project["labels"],
        )
        assert (len(found["issues"]), found["count_issues"]) == (project["issues"], project["issues"])
        assert (found["members"], found["count_members"]) == (8, 8)


def test_answers_travel_through_the_bucket_and_come_whole(read):
    """Seeded answers lie behind signed links; the SDK gets the same by assets and by labels, and none is empty."""
    sandbox, answers = read
    for project in sandbox.control.actions["overview"]()["projects"]:
        found = answers["reads"][project["id"]]
        assert found["responses"] == found["responses_with_assets"]
        assert len(found["responses"]) == project["labels"]
        assert all(found["responses"].values())
    assert sum(key.startswith("GET /bucket/labels/") for key in sandbox.control.requests) > 50


def test_default_fields_follow_the_workflow_version(read):
    """V1 assets are asked for a status, V2 and V3 ones for their current step (V3 with its group)."""
    sandbox, answers = read
    fields = [answers["reads"][p["id"]]["default_fields"] for p in sandbox.control.actions["overview"]()["projects"]]
    assert ["status" in each for each in fields] == [True, False, False]
    assert ["currentStep" in each for each in fields] == [False, True, True]
    assert answers["reads"]["interface"][0] == ["REMARK_JOB", "SEA_JOB", "VESSEL_JOB"]
    assert answers["reads"][answers["reads"]["projects"][0]]["metadata"] == {"camera": "north", "hour": 0}


def test_latest_labels_have_null_places(read):
    """An asset without label has one empty place, a consensus asset one for each answer that is still missing."""
    sandbox, answers = read
    texts = answers["reads"]["projects"][1]
    latest = dict(zip(answers["reads"][texts]["assets"], answers["reads"][texts]["latest"], strict=True))
    todo = look(sandbox, texts, status="TODO")[0]["id"]
    partly = next(a["id"] for a in look(sandbox, texts) if a["stepStatus"] == "PARTIALLY_DONE")
    assert latest[todo] == [None]
    assert [label is None for label in latest[partly]] == [False, True]


def test_filters_select_what_they_say(read):
    """Dates, exact and partial external ids, statuses, label types, search, metadata, steps, pages."""
    sandbox, answers = read
    found = answers["filters"]
    truth = look(sandbox, HARBOUR)
    assert [asset["id"] for asset in found["every"]] == [asset["id"] for asset in truth]
    assert found["since"] == [asset["id"] for asset in truth[10:]]
    assert found["exact"] == ["quay-00003.jpg"]
    assert found["part"] == [f"quay-0001{digit}.jpg" for digit in range(10)]
    assert found["reviewed"] == sum(asset["status"] == "REVIEWED" for asset in truth) == 8
    types = Counter(label["labelType"] for asset in truth for label in asset["labels"])
    with_prediction = sum(any(x["labelType"] == "PREDICTION" for x in asset["labels"]) for asset in truth)
    assert (found["predicted"], found["predictions"]) == (with_prediction, types["PREDICTION"]) == (8, 8)
    assert 0 < found["search"] < 40
    assert (found["north"], found["hours"]) == (20, 8)
    assert found["in_review"] == [{"name": "Review", "status": "DONE"}] * len(found["in_review"])
    assert found["skipped_pages"] == [asset["id"] for asset in truth[15:18]]
    assert found["step_on_v1"]["raised"] == "ValueError"
    issues = [issue for asset in truth for issue in asset["issues"]]
    assert found["open_issues"] == sum(x["type"] == "ISSUE" and x["status"] == "OPEN" for x in issues) == 4


def test_the_domain_client_reads_the_same(read):
    """``kili.client_domain``: the same counts; issues and questions apart, with their comments."""
    sandbox, answers = read
    found = answers["domain_reads"]
    truth = sandbox.control.actions["overview"]()["projects"][0]
    assert found["projects"] == 3
    assert found["assets"] == found["listed_assets"] == truth["assets"]
    assert found["labels"] == found["listed_labels"] == truth["labels"]
    assert len(found["issues"]) + len(found["questions"]) == truth["issues"]
    assert {comment["text"] for (comment,) in found["questions"]} == {"Does the pilot boat count as a vessel?"}
    assert (found["users"], found["members"], found["steps"]) == (8, 8, ["Label", "Review"])


def test_exports_run_and_hold_what_the_platform_has(read):
    """``export_labels`` as files, as one file, by last step and with assets: each label of its kind is in there."""
    sandbox, answers = read
    packs = answers["export"]
    truth = {asset["externalId"]: asset for asset in look(sandbox, HARBOUR)}
    kept = {
        name: [label for label in asset["labels"] if label["labelType"] in ("DEFAULT", "REVIEW")]
        for name, asset in truth.items()
    }
    files = {name: pack for name, pack in packs["normal"].items() if name != "README.kili.txt"}
    assert sorted(files) == sorted(f"labels/{name}.json" for name, labels in kept.items() if labels)
    for asset in files.values():
        assert [label["labelType"] for label in asset["labels"]] == [
            label["labelType"] for label in kept[asset["externalId"]]
        ]
        assert asset["status"] == truth[asset["externalId"]]["status"]
        assert asset["resolution"] == {"width": 1920, "height": 1080}
        assert all("VESSEL_JOB" in label["jsonResponse"] for label in asset["labels"])
    assert "- Project name: Harbour traffic" in packs["normal"]["README.kili.txt"]
    latest = packs["single"]["data.json"]
    assert [asset["externalId"] for asset in latest] == [name for name, labels in kept.items() if labels]
    assert all("vertices" in _box(asset["latestLabel"]) for asset in latest)
    texts = {asset["externalId"]: asset for asset in look(sandbox, REPAIRS)}
    last_step = {name: pack for name, pack in packs["last_step"].items() if name.endswith(".json")}
    labelled = [n for n, a in texts.items() if any(x["labelType"] in ("DEFAULT", "REVIEW") for x in a["labels"])]
    assert sorted(last_step) == sorted(f"labels/{name.replace(' ', '_')}.json" for name in labelled)
    contents = [text for name, text in packs["with_assets"].items() if name.startswith("assets/")]
    assert len(contents) == len(labelled)
    assert all(text.startswith("Ørland yard, berth") for text in contents)


def _box(label):
    return label["jsonResponse"]["VESSEL_JOB"]["annotations"][0]["boundingPoly"][0]


def test_the_audit_trail_is_read_and_every_event_is_one_that_kili_knows(read):
    """Events page by page, both orders, filtered; ``kili_events`` has parsed each of all three projects."""
    _, answers = read
    found = answers["events"]
    assert found["count"] == len(set(found["ids"])) > 150
    assert found["newest"] == found["last"]
    assert found["since"] == found["count"] - 50
    assert found["from"] == found["ids"][-3:]
    assert found["rejected"] == 7
    assert {"label.workflow.created.default", "asset.workflow.currentStep.changed"} <= set(found["kinds"])


def test_a_missing_sdk_fails_where_it_is_required(monkeypatch):
    """Without the SDKs these tests are skipped with the reason, and fail when the environment asks for them."""
    monkeypatch.delenv("LABELGATE_REQUIRE_SDKS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="is missing: the SDKs are not set up"):
        need(ROOT / "nowhere")
    monkeypatch.setenv("LABELGATE_REQUIRE_SDKS", "1")
    with pytest.raises(pytest.fail.Exception, match="nowhere is missing"):
        need(ROOT / "nowhere")
