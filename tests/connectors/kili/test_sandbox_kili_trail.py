"""What the Kili sandbox tells afterwards: the audit trail, webhooks, subscriptions; and the bucket beside it."""

import json
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest
from sandbox_kili_api import HARBOUR, REPAIRS, look, served
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from connectors.kili.sandbox.webhooks import matches

EVENTS = (
    "query($w: EventsWhere!, $p: EventPagination!, $o: Order) {data: events(where: $w, pagination: $p, order: $o) {%s}}"
)


def trail(api, where, fields="event payload", order="asc", **pagination):
    return api.ask(EVENTS % fields, w=where, p=pagination, o=order)


def until(condition):
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


@contextmanager
def receiver(status=204):
    """A server that keeps what is posted to it: (Authorization, body) in order."""
    calls = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            calls.append((self.headers["Authorization"], body))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hook", calls
        finally:
            server.shutdown()
            thread.join()


# --- the audit trail ---------------------------------------------------------------------------------------------


def test_each_change_leaves_its_events_in_order():
    """Label, review, send back on V2: creation, moves, validation, rejection with both steps, in that order."""
    with served() as (sandbox, api):
        project = sandbox.control.actions["overview"]()["projects"][1]
        label, review = project["steps"]["Label"], project["steps"]["Review"]
        asset = look(sandbox, REPAIRS, stepStatus="TO_DO", step="Label")[0]["id"]
        (start,) = trail(api, {"projectId": project["id"]}, "id", "desc", first=1)
        api.append([asset])
        api.append([asset], "REVIEW")
        api.move("sendAssetsBackToQueue", [asset])
        _, *told = trail(api, {"projectId": project["id"]}, fromEventId=start["id"])
        assert [event["event"] for event in told] == [
            "label.workflow.created.default",
            "asset.workflow.currentStep.statusChanged",
            "asset.workflow.currentStep.changed",
            "asset.workflow.currentStep.statusChanged",
            "label.workflow.created.review",
            "asset.workflow.currentStep.statusChanged",
            "label.workflow.validated",
            "project.workflow.bulkAction.sendBackToQueue.started",
            "label.workflow.rejected",
            "asset.workflow.currentStep.changed",
            "asset.workflow.currentStep.statusChanged",
        ]
        rejected = told[8]["payload"]
        assert (rejected["newStepId"], rejected["previousStepId"]) == (label, review)
        assert told[7]["payload"] == {"where": {"idIn": [asset]}}
        assert {event["payload"]["assetId"] for event in told if "assetId" in event["payload"]} == {asset}


def test_the_trail_is_paged_filtered_and_ordered():
    """Pages have no gap and no overlap, descending is the reverse, id bounds are inclusive, dates and names select."""
    with served(assets=120) as (sandbox, api):
        where = {"projectId": sandbox.control.actions["overview"]()["projects"][0]["id"]}
        every = []
        while page := trail(api, where, "id event createdAt", skip=len(every), first=100):
            every += page
        ids = [event["id"] for event in every]
        assert len(set(ids)) == len(ids) > 200
        assert [e["createdAt"] for e in every] == sorted(e["createdAt"] for e in every)
        assert [e["id"] for e in trail(api, where, "id", "desc", first=5)] == ids[:-6:-1]
        assert [e["id"] for e in trail(api, where, "id", fromEventId=ids[3], untilEventId=ids[5])] == ids[3:6]
        late = [e["id"] for e in every if e["createdAt"] >= every[150]["createdAt"]]
        found = trail(api, where | {"createdAtGte": every[150]["createdAt"]}, "id", first=100)
        assert [e["id"] for e in found] == late[:100]
        named = trail(api, where | {"event": "asset.question.created"}, "event", first=100)
        assert len(named) == sum(e["event"] == "asset.question.created" for e in every) == 6


@pytest.mark.parametrize(("events", "status"), [("off", 400), ("refused", 200)])
def test_a_server_may_have_no_trail(events, status):
    """Off: the field is not in the schema. Refused: it is, and the licence does not have it."""
    with served(events=events) as (sandbox, api):
        project = sandbox.control.actions["overview"]()["projects"][0]["id"]
        answer = api.post(EVENTS % "id", w={"projectId": project}, p={})
        assert answer.status_code == status
        (error,) = answer.json()["errors"]
        assert ("Cannot query field" in error["message"]) is (events == "off")


def test_edits_and_deletions_show_only_where_the_platform_shows_them():
    """An edited label keeps its createdAt and has an event; a deleted one has none; a deleted asset has one."""
    with served() as (sandbox, api):
        act = sandbox.control.actions
        project = act["overview"]()["projects"][0]["id"]
        asset = look(sandbox, HARBOUR, status="LABELED")[0]
        label = asset["labels"][0]["id"]
        fields = "id createdAt jsonResponse"
        (before,) = api.listed("label", {"id": label}, fields)
        act["edit_label"](label=label, response={"SEA_JOB": {"categories": [{"name": "FOG"}]}})
        (after,) = api.listed("label", {"id": label}, fields)
        assert after["createdAt"] == before["createdAt"]
        assert json.loads(after["jsonResponse"])["SEA_JOB"]["categories"] == [{"name": "FOG"}]
        (newest,) = trail(api, {"projectId": project}, order="desc", first=1)
        assert (newest["event"], newest["payload"]["labelId"]) == ("label.workflow.edited", label)
        act["delete_label"](label=label)
        assert trail(api, {"projectId": project}, order="desc", first=1) == [newest]
        assert api.count("label", {"id": label}) == 0
        act["delete_asset"](asset=asset["id"])
        (newest,) = trail(api, {"projectId": project}, order="desc", first=1)
        assert newest == {
            "event": "asset.deleted",
            "payload": {"assetId": asset["id"], "externalId": asset["externalId"]},
        }
        assert api.count("asset", {"id": asset["id"]}) == 0
        assert sandbox.control.effects == []


# --- webhooks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "subject", "fits"),
    [
        ("asset.*", "asset.created", True),
        ("asset.*", "asset.workflow.assigned", True),
        ("asset.*", "asset", False),
        ("asset.*", "assetStorage.connection.created", False),
        ("asset.*.created", "asset.issue.created", True),
        ("asset.*.created", "asset.created", False),
        ("label.workflow.edited", "label.workflow.edited", True),
        ("label.workflow", "label.workflow.edited", False),
        ("*", "asset.created", False),
        ("*.created", "asset.created", False),
    ],
)
def test_patterns_match_whole_names(pattern, subject, fits):
    """``*`` stands for one or more whole names and never comes first."""
    assert matches(pattern, subject) is fits


@pytest.mark.parametrize("style", ["handler", "event", "wrapped"])
def test_a_webhook_is_called_in_its_style(style):
    """Label and send back: the handlers' envelope, the bare event, or the event in the envelope; header verbatim."""
    with served() as (sandbox, api), receiver() as (url, calls):
        act = sandbox.control.actions
        asset = look(sandbox, REPAIRS, stepStatus="TO_DO", step="Label")[0]["id"]
        act["set_webhook"](url=url, header="Basic a+b/c==", style=style, matcher=["label.*"])
        label = api.append([asset])["data"]["data"][0]["id"]
        api.move("sendAssetsBackToQueue", [asset])
        until(lambda: len(calls) == 2)
        assert {header for header, _ in calls} == {"Basic a+b/c=="}
        made, back = (body for _, body in calls)
        if style == "handler":
            assert (made["eventType"], back["eventType"]) == ("onSubmit", "onSendBackToQueue")
            assert made["payload"]["label"]["id"] == label
            assert made["payload"]["label"]["search"] == {"numberOfAnnotationsByObject": {}}
            assert back["payload"] == {"asset_id": asset}
            return
        if style == "wrapped":
            assert [set(body) for _, body in calls] == [{"eventType", "logPayload", "payload"}] * 2
            made, back = made["payload"], back["payload"]
        assert (made["event"], back["event"]) == ("label.workflow.created.default", "label.workflow.rejected")
        assert set(made) == {"event", "organizationId", "projectId", "userId", "payload"}
        assert made["payload"]["labelId"] == back["payload"]["labelId"] == label


def test_deliveries_are_made_once_recorded_and_replayed():
    """A receiver that fails loses the call; replaying sends the same bodies again, the last ones or all."""
    with served() as (sandbox, _):
        act = sandbox.control.actions
        first, second = (asset["id"] for asset in look(sandbox, HARBOUR, status="TODO")[:2])
        with receiver(status=500) as (url, lost):
            act["set_webhook"](url=url, project=HARBOUR)
            act["label"](asset=first)
            act["label"](asset=second)
            act["label"](asset=look(sandbox, REPAIRS)[0]["id"])
            until(lambda: all(d["status"] == 500 for d in act["list_deliveries"]()))
            assert len(lost) == 2
            assert act["replay_webhooks"](last=1) == 1
            until(lambda: len(lost) == 3)
            assert lost[2] == lost[1]
        assert [d["body"]["payload"]["asset_id"] for d in act["list_deliveries"]()] == [first, second, second]
        assert act["replay_webhooks"](last=1) == 1
        until(lambda: act["list_deliveries"]()[-1]["error"] == "ConnectError")


# --- subscriptions -----------------------------------------------------------------------------------------------

SUBSCRIBE = "subscription($p: ID!) {data: labelCreatedOrUpdated(projectID: $p) {id labelType labelOf {id}}}"


def open_socket(api):
    return connect(api.endpoint.replace("http", "ws"), subprotocols=["graphql-ws"], proxy=None)


def test_the_old_apollo_protocol_is_spoken():
    """init, ack, start, one data frame for each label of the project, edited ones too, stop, complete."""
    with served() as (sandbox, api), open_socket(api) as socket:
        act = sandbox.control.actions
        project = act["overview"]()["projects"][0]["id"]
        asset = look(sandbox, HARBOUR, status="TODO")[0]["id"]

        def heard():
            while (message := json.loads(socket.recv(timeout=10)))["type"] == "ka":
                pass
            return message

        def say(**message):
            socket.send(json.dumps(message))

        say(type="connection_init", payload={"Authorization": f"X-API-Key: {api.key}"})
        assert heard() == {"type": "connection_ack"}
        say(type="start", id="7", payload={"query": SUBSCRIBE, "variables": {"p": project}})
        until(lambda: act["overview"]()["listeners"] == 2)
        act["label"](asset=look(sandbox, REPAIRS)[0]["id"])
        label = act["label"](asset=asset)
        act["edit_label"](label=label, response={})
        frame = {"id": label, "labelType": "DEFAULT", "labelOf": {"id": asset}}
        assert [heard(), heard()] == [{"type": "data", "id": "7", "payload": {"data": {"data": frame}}}] * 2
        say(type="stop", id="7")
        assert heard() == {"type": "complete", "id": "7"}
        until(lambda: act["overview"]()["listeners"] == 1)
        say(type="start", id="8", payload={"query": "subscription {nope}"})
        assert heard()["payload"]["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
        assert heard() == {"type": "complete", "id": "8"}
        say(type="start", id="9", payload={"query": SUBSCRIBE})
        assert heard()["payload"]["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
        say(type="connection_terminate")


def test_a_subscription_needs_the_key():
    """Another key is answered with a connection error, and the socket closes."""
    with served() as (_, api), open_socket(api) as socket:
        socket.send(json.dumps({"type": "connection_init", "payload": {"Authorization": "X-API-Key: x"}}))
        assert json.loads(socket.recv(timeout=10))["type"] == "connection_error"
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=10)


# --- the bucket --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("responses", "by_link"), [("inline", 0), ("url", 1), ("mixed", 0.5)])
def test_answers_travel_inline_or_by_link(responses, by_link):
    """Inline text, or only a link (then the text is empty), or a link once the label is half a minute old."""
    with served(responses=responses) as (sandbox, api):
        asset = look(sandbox, HARBOUR, status="LABELED")[0]["id"]
        old = api.listed("label", {"asset": {"id": asset}}, "id")[0]["id"]
        new = api.append([asset])["data"]["data"][0]["id"]
        found = {x["id"]: x for x in api.listed("label", {"asset": {"id": asset}}, "id jsonResponse jsonResponseUrl")}
        linked = [found[each]["jsonResponseUrl"] is not None for each in (old, new)]
        assert linked == {0: [False, False], 1: [True, True], 0.5: [True, False]}[by_link]
        for label in (found[old], found[new]):
            if label["jsonResponseUrl"] is None:
                assert json.loads(label["jsonResponse"])
            else:
                assert label["jsonResponse"] == "{}"
                assert "/api/label/v2" not in label["jsonResponseUrl"]
                assert httpx.get(label["jsonResponseUrl"], trust_env=False).json()


def test_links_expire_and_are_signed():
    """A link works without a key until its time is over; another path or signature is refused."""
    with served(responses="url", link_seconds=60) as (sandbox, api):
        first, second = (x["jsonResponseUrl"] for x in api.listed("label", {}, "jsonResponseUrl")[:2])
        get = api.http.get
        assert get(first).status_code == 200
        assert get(first.replace("signature=", "signature=0")).status_code == 403
        assert get(first.split("?")[0]).status_code == 403
        assert get(second.split("?")[0] + "?" + first.split("?")[1]).status_code == 403
        sandbox.control.clock.advance(61)
        expired = get(first)
        assert (expired.status_code, "AccessDenied" in expired.text) == (403, True)


def test_a_deleted_answer_is_gone_and_content_asks_for_the_key():
    """404 behind a good signature; text content has a stable address that wants the key."""
    with served(responses="url") as (sandbox, api):
        (label,) = api.listed("label", {"id": look(sandbox, HARBOUR)[2]["labels"][0]["id"]}, "id jsonResponseUrl")
        sandbox.control.actions["delete_label"](label=label["id"])
        assert api.http.get(label["jsonResponseUrl"]).status_code == 404
        asset = look(sandbox, REPAIRS)[0]["id"]
        one, two = (api.listed("asset", {"id": asset}, "content")[0]["content"] for _ in range(2))
        assert one == two
        assert api.http.get(one).status_code == 401
        assert api.http.get(one, headers={"Authorization": f"X-API-Key: {api.key}"}).text.startswith("Ørland yard")


# --- control -----------------------------------------------------------------------------------------------------


def test_the_control_surface_offers_its_actions_over_http():
    """Every action is there; what is asked in vain is a 400 that says why; nothing of it counts as an effect."""
    with served() as (sandbox, api):
        base = f"{api.url}/_sandbox"
        names = api.http.post(f"{base}/actions/none").json()["actions"]
        wanted = """
            create_assets label edit_label review send_back add_to_review delete_asset delete_label create_issue
            resolve_issue set_marks touch replay_webhooks set_webhook rename_project lock unlock fail_next overview
            list_assets list_deliveries
        """
        assert names == sorted(wanted.split())

        def act(name, **arguments):
            return api.http.post(f"{base}/actions/{name}", json=arguments)

        asset = act("create_assets", project=HARBOUR, count=1).json()[0]
        label = act("label", asset=asset, response={"SEA_JOB": {"categories": [{"name": "CALM"}]}}).json()
        review = act("review", asset=asset, author="noor.adeyemi@example.com").json()
        (one, two) = api.listed("label", {"asset": {"id": asset}}, "id jsonResponse author {email}")
        assert (one["id"], two["id"]) == (label, review)
        assert one["jsonResponse"] == two["jsonResponse"]
        assert two["author"]["email"] == "noor.adeyemi@example.com"
        assert act("send_back", asset=asset).json() is True
        assert act("send_back", asset=asset).json() is False
        issue = act("create_issue", asset=asset, text="why?", type="QUESTION").json()
        act("resolve_issue", issue=issue)
        assert api.listed("issue", {"asset": {"id": asset}}, "status comments {text}") == [
            {"status": "SOLVED", "comments": [{"text": "why?"}]}
        ]
        act("set_marks", asset=asset, consensus=0.25)
        assert api.count("asset", {"id": asset, "consensusMarkLte": 0.3}) == 1
        act("rename_project", project=HARBOUR, title="Harbour, renamed")
        assert api.listed("project", {"searchQuery": "RENAMED"}, "title") == [{"title": "Harbour, renamed"}]
        assert act("label", asset="nope").status_code == 400
        assert sandbox.control.effects == []
