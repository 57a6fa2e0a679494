"""What Kili's own SDK changes in the sandbox, both mutation families, and what it makes of faults."""

import json
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace

import pytest
from sandbox_kili_api import HARBOUR, NOTES, REPAIRS, state
from sandbox_kili_runs import OLD, effects, ids, need, run

from connectors.kili.sandbox import create


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    """One process that changes a lot, the sandbox it changed, its webhook calls and request encodings."""
    sandbox = create(assets=80, project_seconds=1.5)
    before = sandbox.control.actions["overview"]()["projects"][0]["issues"]
    calls, encodings = [], []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            calls.append((self.headers["Authorization"], body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    async def recorded(scope, receive, send):
        encodings.append(dict(scope.get("headers") or ()).get(b"content-encoding"))
        await sandbox.app(scope, receive, send)

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        scenarios = ("labels", "many_labels", "issues", "projects", "webhook", "subscription", "events")
        hook = f"http://127.0.0.1:{server.server_port}/hook"
        folder = tmp_path_factory.mktemp("changed")
        answers = run(replace(sandbox, app=recorded), folder, *scenarios, WEBHOOK_URL=hook)
        deadline = time.monotonic() + 10
        while len(calls) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        server.shutdown()
        thread.join()
    return SimpleNamespace(sandbox=sandbox, answers=answers, calls=calls, encodings=encodings, issues=before)


def test_labels_of_all_types_are_added_and_move_their_assets(changed):
    """DEFAULT, PREDICTION, INFERENCE, REVIEW with its reference, by external id and step, drafts and ground truth."""
    sandbox, done = changed.sandbox, changed.answers["labels"]
    first, second = done["todo"]
    reviewed, referenced = done["reviewed"]
    assert len(done["default"]) == 2
    assert state(sandbox, second, HARBOUR)[0] == "LABELED"
    assert state(sandbox, reviewed, HARBOUR)[0] == "REVIEWED"
    assert state(sandbox, done["text"], REPAIRS) == ("TO_REVIEW", "Review", "TO_DO")
    assert done["no_model"]["raised"] == "ValueError"
    assert done["overwritten"][1] == 1
    assert done["deleted"] == [referenced]
    made = [(e.detail["labelType"], e.key) for e in sandbox.control.effects if e.name == "label"][:9]
    kinds = ["DEFAULT", "DEFAULT", "PREDICTION", "INFERENCE", "REVIEW", "DEFAULT", "AUTOSAVE", "REVIEW", "PREDICTION"]
    assert [kind for kind, _ in made] == kinds
    assert [key for _, key in made[:5]] == [first, second, first, first, reviewed]
    review = next(e.detail for e in sandbox.control.effects if e.key == reviewed and e.name == "label")
    assert review["referencedLabelId"] == referenced


def test_more_than_a_batch_is_gzipped_and_arrives_whole(changed):
    """150 heavy predictions come in compressed batches: 150 labels, 150 effects."""
    many = changed.answers["many_labels"]
    predictions = [
        each.detail["id"]
        for each in changed.sandbox.control.effects
        if each.key == many["asset"] and each.name == "label" and each.detail["labelType"] == "PREDICTION"
    ]
    assert len(many["made"]) == 150
    assert many["made"] == predictions
    assert b"gzip" in changed.encodings


def test_issues_and_questions_are_made_and_solved(changed):
    """An issue finds its asset by its label, a question names it; texts become comments; numbers go on."""
    sandbox, found = changed.sandbox, changed.answers["issues"]
    assert [(x["type"], x["status"], x["comments"][0]["text"]) for x in found["listed"]] == [
        ("ISSUE", "OPEN", "Too wide"),
        ("QUESTION", "OPEN", "Is this a tug?"),
        ("ISSUE", "OPEN", "The old way"),
    ]
    assert [x["issueNumber"] for x in found["listed"]] == [changed.issues + number for number in (1, 2, 3)]
    assert found["listed"][0]["objectMid"] == "a-mid"
    assert {x["assetId"] for x in found["listed"]} == {found["asset"]}
    assert found["open"] == 0
    assert effects(sandbox, "issue") == [("issue", found["asset"])] * 3
    statuses = [(e.key, e.detail["status"]) for e in sandbox.control.effects if e.name == "issue_status"]
    assert statuses == [(found["asset"], status) for status in ("SOLVED", "SOLVED", "CANCELLED")]
    first = next(e.detail for e in sandbox.control.effects if e.name == "issue")
    assert (first["labelId"], first["text"], first["objectMid"]) == (found["label"], "Too wide", "a-mid")


def test_projects_appear_late_and_take_assets_members_and_labels(changed):
    """``create_project`` waits until the project is seen; raw texts go through the bucket and come back; deletion."""
    found = changed.answers["projects"]
    assert 1.5 <= found["seconds"] < 15
    assert [asset["externalId"] for asset in found["content"]] == ["a", "b", "c"]
    assert found["downloaded"] == "one text"
    assert found["content"][2]["content"] == "https://files.example.org/c.txt"
    assert found["members"] == ["gateway@example.org", "noor.adeyemi@example.com"]
    assert found["title"] == "Fresher"
    assert found["edited"] == [{"priority": 5, "jsonMetadata": {"k": 1}}]
    assert found["again"]["raised"] == "ImportValidationError"
    assert found["left"] == 3
    assert [key for _, key in effects(changed.sandbox, "asset")] == [*found["raw"], *found["hosted"]]


def test_webhooks_made_by_the_sdk_are_called_in_both_styles(changed):
    """Handlers get the envelope, matchers the bare event, each with its header as ``Authorization``, verbatim."""
    done = changed.answers["webhook"]
    by_header = {header: [body for each, body in changed.calls if each == header] for header, _ in changed.calls}
    submit, review = by_header["Basic c2VjcmV0"]
    (event,) = by_header["Basic ZXZlbnQ="]
    assert (submit["eventType"], review["eventType"]) == ("onSubmit", "onReview")
    assert submit["payload"]["asset_id"] == done["asset"]
    assert submit["payload"]["label"]["id"] == done["label"]
    assert event["event"] == "label.workflow.created.default"
    assert event["payload"]["labelId"] == done["label"]
    assert done["twice"]["raised"] == "GraphQLError"


def test_the_subscription_tells_of_a_label(changed):
    """``label_created_or_updated`` over the old graphql-ws protocol hears the label that is added meanwhile."""
    found = changed.answers["subscription"]
    (heard,) = found["heard"]
    label = heard["payload"]["data"]["data"]
    assert (heard["type"], label["id"]) == ("data", found["made"])
    assert (label["labelType"], label["author"]["email"]) == ("DEFAULT", "gateway@example.org")
    assert json.loads(label["jsonResponse"]) == {"SEA_JOB": {"categories": [{"name": "CALM"}]}}


def test_every_event_of_the_changes_is_one_that_kili_knows(changed):
    """``kili_events`` has parsed the trail after all of that; it tells of issues, questions and labels of all kinds."""
    kinds = set(changed.answers["events"]["all_kinds"])
    assert {"asset.issue.created", "asset.issue.resolved", "asset.issue.cancelled"} <= kinds
    assert {"asset.question.created", "asset.question.resolved"} <= kinds
    assert {f"label.workflow.created.{kind}" for kind in ("default", "review", "prediction", "inference")} <= kinds
    assert {"label.workflow.created.honeypot", "label.workflow.rejected", "asset.updated"} <= kinds


def test_assets_go_back_and_on_and_each_lands_in_one_list(tmp_path):
    """Send back, to review, next step, priority, assignment, skip and deletion by both clients; locks as ValueErrors."""
    sandbox = create(assets=80)
    answers = run(sandbox, tmp_path, "workflow", "locks")
    went = answers["workflow"]
    labelled, todo = went["labelled"], went["todo"]
    assert ids(went["back"]) == {"succeeded": [labelled[0]], "declined": [todo[0], "nope"], "failed": []}
    assert ids(went["to_review"]) == {"succeeded": [labelled[1]], "declined": [todo[0]], "failed": []}
    assert ids(went["back_v2"]) == {"succeeded": went["in_review"][:1], "declined": [], "failed": []}
    assert ids(went["next_v3"]) == {"succeeded": went["resting"][:1], "declined": [], "failed": []}
    assert ids(went["priority"]) == {"succeeded": todo[:1], "declined": [labelled[1]], "failed": []}
    assert ids(went["assigned"])["succeeded"] == todo[:1]
    assert ids(went["deleted"])["succeeded"] == todo[-1:]
    assert state(sandbox, labelled[0], HARBOUR)[0] == "ONGOING"
    assert state(sandbox, labelled[1], HARBOUR)[0] == "TO_REVIEW"
    assert state(sandbox, went["in_review"][0], REPAIRS) == ("ONGOING", "Label", "REWORK")
    assert state(sandbox, went["resting"][0], NOTES) == ("TO_REVIEW", "Sign-off", "TO_DO")
    assert effects(sandbox) == [
        ("send_back", labelled[0]),
        ("to_review", labelled[1]),
        ("send_back", went["in_review"][0]),
        ("to_review", went["resting"][0]),
        ("priority", todo[0]),
        ("assign", todo[0]),
        ("skip", todo[1]),
        ("unskip", todo[1]),
        ("delete_asset", todo[-1]),
    ]
    raised = {name: result["raised"] for name, result in answers["locks"].items()}
    assert raised == dict.fromkeys(("done", "done_review", "locked"), "ValueError") | {"unknown_asset": "GraphQLError"}


# --- when things go wrong ----------------------------------------------------------------------------------------


def test_faults_look_to_the_sdk_as_they_would_at_the_platform(tmp_path):
    """What the SDK resends, refuses to resend, or misses, for each injected fault; and what was really applied."""
    sandbox = create(assets=80, responses="url")
    found = run(sandbox, tmp_path, "faults")["faults"]
    raised = {name: result.get("raised", "ok") for name, result in found.items() if name != "todo"}
    assert raised == {
        "envoy_503": "ok",
        "plain_503": "MutationOutcomeUnknownError",
        "reset_after": "MutationOutcomeUnknownError",
        "reset_before": "MutationOutcomeUnknownError",
        "mutation_429": "ok",
        "query_401": "ok",
        "query_500": "TransportServerError",
        "query_502": "ok",
        "query_html": "ok",
        "query_reset": "ok",
        "query_truncated": "ok",
        "query_partial": "GraphQLError",
        "slow_bucket": "ok",
        "bucket_in_labels": "HTTPError",
        "bucket_in_assets": "ok",
    }
    todo = found["todo"]
    assert effects(sandbox) == [("label", todo[0]), ("label", todo[2]), ("label", todo[4])]
    assert found["mutation_429"]["seconds"] >= 1
    assert found["slow_bucket"]["seconds"] >= 0.5
    lost = [label["jsonResponse"] for asset in found["bucket_in_assets"]["ok"] for label in asset["labels"]]
    assert lost == [{}] * found["slow_bucket"]["ok"]


# --- the older family --------------------------------------------------------------------------------------------


def test_the_older_sdk_works_with_the_older_mutations(tmp_path):
    """kili 26.2.0 on a server that has only that family: a project's id when something moved, null when not."""
    sandbox = create(assets=80, family="old")
    need(OLD)
    answers = run(sandbox, tmp_path, "handshake", "old_family", PYTHONPATH=str(OLD))
    went = answers["old_family"]
    project, texts = (each["id"] for each in sandbox.control.actions["overview"]()["projects"][:2])
    labelled = went["labelled"]
    assert went["version"] == "26.2.0"
    assert went["back"] == {"id": project, "asset_ids": labelled[:1]}
    assert went["to_review"] == {"id": project, "asset_ids": labelled[1:2]}
    assert (went["none_back"], went["none_to_review"]) == (None, None)
    assert went["back_v2"]["id"] == texts
    assert went["assigned"] == [{"data": {"id": project}}]
    assert went["deleted"] == {"id": project}
    names = [name for name, _ in effects(sandbox)]
    assert names == ["send_back", "to_review", "send_back", "assign", "delete_asset", "label"]


@pytest.mark.parametrize(("family", "environment"), [("old", {}), ("new", {"PYTHONPATH": str(OLD)})])
def test_a_server_of_one_family_refuses_the_other(tmp_path, family, environment):
    """The SDK finds the mutation missing in the schema before it sends; reading works all the same."""
    need(OLD)
    sandbox = create(family=family)
    found = run(sandbox, tmp_path, "refused_family", **environment)["refused_family"]
    assert found["back"]["raised"] == "GraphQLError"
    assert "Cannot query field" in found["back"]["message"]
    assert found["assets"] == 20
    assert effects(sandbox) == []
