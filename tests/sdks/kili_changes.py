"""Scenarios that change the sandbox: labels, issues, the way of assets, projects, webhooks, and calls under faults."""

from __future__ import annotations

import json
import os
import time

import kili
from kili_client import SKY, URGENT, act, client, control, deliveries, harbour, outcome, repairs, with_status


def labels() -> dict:
    sdk, project, texts = client(), harbour(), repairs()
    todo = with_status(project, "TODO")
    waiting = act("list_assets", project=project, status="TO_REVIEW")[0]
    seen = next(label["id"] for label in waiting["labels"] if label["labelType"] == "DEFAULT")
    text = act("list_assets", project=texts, status="TODO")[0]
    return {
        "todo": todo[:2],
        "default": sdk.append_labels(asset_id_array=todo[:2], json_response_array=[SKY, SKY], label_type="DEFAULT"),
        "prediction": sdk.create_predictions(
            project, asset_id_array=todo[:1], json_response_array=[SKY], model_name="tide-detector-9"
        ),
        "inference": sdk.append_labels(
            asset_id_array=todo[:1], json_response_array=[SKY], label_type="INFERENCE", model_name="tide-detector-9"
        ),
        "reviewed": [waiting["id"], seen],
        "review": sdk.append_labels(
            asset_id_array=[waiting["id"]],
            json_response_array=[SKY],
            label_type="REVIEW",
            reviewed_label_id_array=[seen],
            seconds_to_label_array=[12],
        ),
        "text": text["id"],
        "by_external_id": sdk.append_labels(
            project_id=texts,
            asset_external_id_array=[text["externalId"]],
            json_response_array=[URGENT],
            step_name="Label",
        ),
        "deprecated": sdk.append_to_labels(json_response=SKY, label_asset_id=todo[2], label_type="AUTOSAVE"),
        "honeypot": sdk.create_honeypot(json_response=SKY, asset_id=todo[3]),
        "overwritten": [
            sdk.append_labels(
                asset_id_array=todo[:1],
                json_response_array=[SKY],
                label_type="PREDICTION",
                model_name="tide-detector-9",
                overwrite=True,
            ),
            len(sdk.labels(project, asset_id=todo[0], type_in=["PREDICTION"])),
        ],
        "no_model": outcome(
            lambda: sdk.append_labels(asset_id_array=todo[:1], json_response_array=[SKY], label_type="PREDICTION")
        ),
        "deleted": sdk.delete_labels([seen]),
    }


def many_labels() -> dict:
    """More than a batch, and heavy enough for the SDK to gzip."""
    sdk, project = client(), harbour()
    todo = with_status(project, "TODO")[0]
    answer = {"REMARK_JOB": {"text": "gulls and fog over the outer quay " * 400}}
    made = sdk.append_labels(
        asset_id_array=[todo] * 150, json_response_array=[answer] * 150, label_type="PREDICTION", model_name="m"
    )
    return {"asset": todo, "made": [label["id"] for label in made]}


def locks() -> dict:
    from kili.client_domain import Kili as DomainKili

    sdk, texts = client(), repairs()
    done = with_status(texts, "REVIEWED")[0]
    todo = with_status(texts, "TODO")[0]
    domain = client(kind=DomainKili)
    act("lock", asset=todo, author="aiko.lindqvist@example.com")
    return {
        "done": outcome(lambda: sdk.append_labels(asset_id_array=[done], json_response_array=[URGENT])),
        "done_review": outcome(
            lambda: domain.labels.create_review(project_id=texts, asset_id=done, json_response=URGENT)
        ),
        "locked": outcome(lambda: sdk.append_labels(asset_id_array=[todo], json_response_array=[URGENT])),
        "unknown_asset": outcome(lambda: sdk.append_labels(asset_id_array=["nope"], json_response_array=[URGENT])),
    }


def workflow() -> dict:
    from kili.client_domain import Kili as DomainKili

    sdk, domain = client(), client(kind=DomainKili)
    project, texts, notes = harbour(), repairs(), deliveries()
    given = {"labelled": with_status(project, "LABELED"), "todo": with_status(project, "TODO")}
    given["in_review"] = with_status(texts, "TO_REVIEW")
    given["resting"] = [a["id"] for a in act("list_assets", project=notes) if a["stepStatus"] == "DONE"]
    given["back"] = sdk.send_back_to_queue(asset_ids=[given["labelled"][0], given["todo"][0], "nope"])
    given["to_review"] = sdk.add_to_review(asset_ids=[given["labelled"][1], given["todo"][0]])
    given["back_v2"] = domain.assets.invalidate(asset_ids=given["in_review"][:1])
    given["next_v3"] = domain.assets.move_to_next_step(asset_ids=given["resting"][:1])
    given["priority"] = sdk.set_assets_priority(priority=3, asset_ids=[given["todo"][0], given["labelled"][1]])
    users = act("overview")["users"]
    given["assigned"] = sdk.assign_assets_to_labelers(
        asset_ids=given["todo"][:1], to_be_labeled_by_array=[[users["aiko.lindqvist@example.com"]]]
    )
    given["skipped"] = sdk.skip_or_unskip("skip", given["todo"][1], project, reason="too dark")
    given["unskipped"] = sdk.skip_or_unskip("unskip", given["todo"][1], project)
    given["deleted"] = sdk.delete_many_from_dataset(asset_ids=given["todo"][-1:])
    return given


def issues() -> dict:
    from kili.client_domain import Kili as DomainKili

    sdk, domain, project = client(), client(kind=DomainKili), harbour()
    asset = act("list_assets", project=project, status="LABELED")[0]
    label = asset["labels"][-1]["id"]
    made = sdk.create_issues(project, [label], object_mid_array=["a-mid"], text_array=["Too wide"])
    asked = domain.questions.create(project_id=project, asset_id=asset["id"], text="Is this a tug?")
    old = sdk.append_to_issues(label_id=label, project_id=project, text="The old way")
    listed = sdk.issues(
        project,
        fields=["id", "type", "status", "objectMid", "issueNumber", "comments.text", "author.email", "assetId"],
        asset_id=asset["id"],
    )
    return {
        "asset": asset["id"],
        "label": label,
        "issue": made[0]["id"],
        "question": asked[0]["id"],
        "old": old["id"],
        "listed": listed,
        "solved": domain.issues.solve(issue_id=made[0]["id"]),
        "answered": domain.questions.solve(question_id=asked[0]["id"]),
        "cancelled": sdk.update_issue_status(old["id"], "CANCELLED"),
        "open": sdk.count_issues(project, asset_id=asset["id"], status="OPEN"),
    }


def projects() -> dict:
    sdk = client()
    begin = time.monotonic()
    made = sdk.create_project(
        title="Fresh", input_type="TEXT", json_interface={"jobs": {}}, description="made by the SDK"
    )
    seconds = time.monotonic() - begin
    raw = sdk.append_many_to_dataset(made["id"], content_array=["one text", "another"], external_id_array=["a", "b"])
    hosted = sdk.append_many_to_dataset(
        made["id"], content_array=["https://files.example.org/c.txt"], external_id_array=["c"]
    )
    content = sdk.assets(made["id"], fields=["externalId", "content"])
    downloaded = sdk.http_client.get(content[0]["content"]).text
    sdk.append_to_roles(made["id"], "noor.adeyemi@example.com", "REVIEWER")
    sdk.update_properties_in_project(made["id"], title="Fresher")
    sdk.update_properties_in_assets(asset_ids=hosted["asset_ids"], priorities=[5], json_metadatas=[{"k": 1}])
    result = {
        "project": made["id"],
        "seconds": seconds,
        "raw": raw["asset_ids"],
        "hosted": hosted["asset_ids"],
        "content": content,
        "downloaded": downloaded,
        "members": [member["user"]["email"] for member in sdk.project_users(made["id"])],
        "title": sdk.projects(made["id"], fields=["title"])[0]["title"],
        "edited": sdk.assets(made["id"], asset_id=hosted["asset_ids"][0], fields=["priority", "jsonMetadata"]),
        "again": outcome(lambda: sdk.append_many_to_dataset(made["id"], content_array=["x"], external_id_array=["a"])),
    }
    sdk.delete_project(made["id"])
    return result | {"left": sdk.count_projects()}


def webhook() -> dict:
    sdk, project = client(), harbour()
    target = os.environ["WEBHOOK_URL"]
    sdk.create_webhook(target, "by-handler", header="Basic c2VjcmV0", verbose=False)
    sdk.create_webhook(
        target, "by-event", header="Basic ZXZlbnQ=", verbose=False, event_matcher=["label.*"], handler_types=None
    )
    for name in ("by-handler", "by-event"):
        sdk.activate_plugin_on_project(name, project)
    todo = with_status(project, "TODO")[:1]
    made = sdk.append_labels(asset_id_array=todo, json_response_array=[SKY])
    sdk.delete_plugin("by-event")
    sdk.append_labels(asset_id_array=todo, json_response_array=[SKY], label_type="REVIEW")
    twice = outcome(lambda: sdk.create_webhook(target, "by-handler"))
    sdk.delete_plugin("by-handler")
    return {"asset": todo[0], "label": made[0]["id"], "twice": twice}


def faults() -> dict:
    sdk, project = client(), harbour()
    todo = with_status(project, "TODO")
    graphql = {"path": "graphql$", "times": 1}
    append = graphql | {"contains": "appendManyLabels"}

    def label(index: int):
        return lambda: sdk.append_labels(asset_id_array=[todo[index]], json_response_array=[SKY])

    def count() -> int:
        return sdk.count_assets(project)

    def broken(call, **fault: object) -> dict:
        control("faults", "DELETE")
        control("faults", **fault)
        return outcome(call)

    envoy = "upstream connect error or disconnect/reset before headers. reset reason: connection failure"
    partial = {"data": {"data": 3}, "errors": [{"message": "[unexpectedRetrieving] half", "extensions": {}}]}
    found = {
        "todo": todo,
        "envoy_503": broken(label(0), status=503, body=envoy, **append),
        "plain_503": broken(label(1), status=503, body="no", **append),
        "reset_after": broken(label(2), kind="reset", when="after", **append),
        "reset_before": broken(label(3), kind="reset", **append),
        "mutation_429": broken(label(4), status=429, headers={"Retry-After": "1"}, **append),
        "query_401": broken(count, status=401, body="Unauthorized", **graphql),
        "query_500": broken(count, status=500, **graphql),
        "query_502": broken(count, status=502, **graphql),
        "query_html": broken(count, kind="html", **graphql),
        "query_reset": broken(count, kind="reset", **graphql),
        "query_truncated": broken(count, kind="truncate", **graphql),
        "query_partial": broken(count, status=200, body=json.dumps(partial), **graphql),
        "slow_bucket": broken(lambda: len(sdk.labels(project)), kind="delay", seconds=0.5, path="^/bucket", times=1),
        "bucket_in_labels": broken(lambda: sdk.labels(project), status=500, path="^/bucket"),
        "bucket_in_assets": broken(
            lambda: sdk.assets(project, fields=["labels.jsonResponse"]), status=500, path="^/bucket"
        ),
    }
    control("faults", "DELETE")
    return found


def old_family() -> dict:
    """The ways of ≤ 26.2.0: one project id or null, and a poll until the state is seen."""
    sdk, project = client(), harbour()
    given = {"labelled": with_status(project, "LABELED"), "todo": with_status(project, "TODO")}
    given["back"] = sdk.send_back_to_queue(asset_ids=given["labelled"][:1])
    given["none_back"] = sdk.send_back_to_queue(asset_ids=given["todo"][:1])
    given["to_review"] = sdk.add_to_review(asset_ids=given["labelled"][1:2])
    given["none_to_review"] = sdk.add_to_review(asset_ids=given["todo"][:1])
    given["back_v2"] = sdk.send_back_to_queue(asset_ids=with_status(repairs(), "TO_REVIEW")[:1])
    users = act("overview")["users"]
    given["assigned"] = sdk.assign_assets_to_labelers(
        asset_ids=given["todo"][:1], to_be_labeled_by_array=[[users["aiko.lindqvist@example.com"]]]
    )
    given["deleted"] = sdk.delete_many_from_dataset(asset_ids=given["todo"][-1:])
    given["default"] = sdk.append_labels(
        asset_id_array=given["todo"][1:2], json_response_array=[SKY], label_type="DEFAULT"
    )
    given["version"] = kili.__version__
    return given


def refused_family() -> dict:
    """A client of one family on a server of the other."""
    sdk, project = client(), harbour()
    labelled = with_status(project, "LABELED")
    return {
        "back": outcome(lambda: sdk.send_back_to_queue(asset_ids=labelled[:1])),
        "assets": sdk.count_assets(project),
    }
