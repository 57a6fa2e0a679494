"""Calls of the official Kili SDK against a sandbox, run with the SDKs' own interpreter; prints what came back as JSON.

    python kili_calls.py URL KEY CACHE_DIR SCENARIO [SCENARIO …]

Each scenario is a function here or in ``kili_changes``. Its result, or the exception that ended it, is one line of the
output. Nothing is judged here: the tests that start this do that, with the sandbox's own store beside them.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path

import kili
import kili_changes
from kili_client import SKY, client, deliveries, harbour, outcome, repairs, with_status


def handshake() -> dict:
    sdk = client()
    return {"version": kili.__version__, "viewer": sdk.get_current_user(), "bad_key": outcome(lambda: client("wrong"))}


def reads() -> dict:
    sdk = client()
    projects = sdk.projects()
    found = {"projects": [p["id"] for p in projects], "count_projects": sdk.count_projects()}
    found["interface"] = [sorted(p["jsonInterface"]["jobs"]) for p in projects]
    found["users"] = len(sdk.users(organization_id=None)), sdk.count_users(organization_id=None)
    for project in found["projects"]:
        fields = ["id", "externalId", "jsonMetadata", "labels.id", "labels.jsonResponse", "latestLabels.id"]
        assets = sdk.assets(project, fields=fields)
        labels = sdk.labels(project)
        found[project] = {
            "default_fields": sorted(sdk.assets(project, first=1)[0]),
            "assets": [asset["id"] for asset in assets],
            "count_assets": sdk.count_assets(project),
            "responses_with_assets": {x["id"]: x["jsonResponse"] for asset in assets for x in asset["labels"]},
            "labels": [label["id"] for label in labels],
            "count_labels": sdk.count_labels(project),
            "responses": {label["id"]: label["jsonResponse"] for label in labels},
            "issues": [issue["id"] for issue in sdk.issues(project)],
            "count_issues": sdk.count_issues(project),
            "members": len(sdk.project_users(project)),
            "count_members": sdk.count_project_users(project),
            "metadata": assets[0]["jsonMetadata"],
            "latest": [asset["latestLabels"] for asset in assets],
        }
    return found


def filters() -> dict:
    sdk, project, texts = client(), harbour(), repairs()
    every = sdk.assets(project, fields=["id", "externalId", "createdAt", "labels.labelType"])
    middle = every[10]["createdAt"]
    return {
        "every": every,
        "since": [a["id"] for a in sdk.assets(project, fields=["id"], created_at_gte=middle)],
        "exact": [a["externalId"] for a in sdk.assets(project, external_id_strictly_in=["quay-00003.jpg", "quay"])],
        "part": [a["externalId"] for a in sdk.assets(project, external_id_in=["-0001"])],
        "reviewed": sdk.count_assets(project, status_in=["REVIEWED"]),
        "predicted": sdk.count_assets(project, label_type_in=["PREDICTION"]),
        "predictions": len(sdk.labels(project, type_in=["PREDICTION"])),
        "search": sdk.count_assets(project, label_category_search="SEA_JOB.CALM.count > 0"),
        "north": sdk.count_assets(project, metadata_where={"camera": "north"}),
        "hours": sdk.count_assets(project, metadata_where={"hour": [2, 5]}),
        "in_review": [a["currentStep"] for a in sdk.assets(texts, step_name_in=["Review"], step_status_in=["DONE"])],
        "step_on_v1": outcome(lambda: sdk.assets(project, step_name_in=["Review"])),
        "skipped_pages": [a["id"] for a in sdk.assets(project, fields=["id"], skip=15, first=3)],
        "open_issues": sdk.count_issues(project, status="OPEN", issue_type="ISSUE"),
    }


def domain_reads() -> dict:
    from kili.client_domain import Kili as DomainKili

    sdk = client(kind=DomainKili)
    project = harbour()
    return {
        "projects": len(sdk.projects.list()),
        "assets": sdk.assets.count(project_id=project),
        "listed_assets": len(sdk.assets.list(project_id=project)),
        "labels": sdk.labels.count(project_id=project),
        "listed_labels": len(sdk.labels.list(project_id=project)),
        "issues": [issue["comments"] for issue in sdk.issues.list(project_id=project)],
        "questions": [question["comments"] for question in sdk.questions.list(project_id=project)],
        "users": len(sdk.users.list()),
        "members": len(sdk.projects.users.list(project_id=project)),
        "steps": [step["name"] for step in sdk.projects.workflow.list(project_id=repairs())],
    }


def export() -> dict:
    from kili.client_domain import Kili as DomainKili

    sdk, domain = client(), client(kind=DomainKili)
    with tempfile.TemporaryDirectory() as folder:
        packs = {name: str(Path(folder, f"{name}.zip")) for name in ("normal", "single", "last_step", "with_assets")}
        sdk.export_labels(harbour(), packs["normal"], "kili", with_assets=False, export_type="normal")
        sdk.export_labels(harbour(), packs["single"], "kili", with_assets=False, single_file=True)
        domain.exports.kili(project_id=repairs(), output_path=packs["last_step"])
        sdk.export_labels(repairs(), packs["with_assets"], "kili", with_assets=True, export_type="normal")
        return {name: _unpacked(path) for name, path in packs.items()}


def _unpacked(path: str) -> dict:
    with zipfile.ZipFile(path) as pack:
        names = [name for name in pack.namelist() if not name.endswith("/")]
        return {
            name: json.loads(pack.read(name)) if name.endswith(".json") else pack.read(name).decode() for name in names
        }


def events() -> dict:
    from kili_events import parse_event

    sdk, project = client(), repairs()
    every = sdk.events.list(project)
    everywhere = every + sdk.events.list(harbour()) + sdk.events.list(deliveries())
    for event in everywhere:
        parse_event(event)
    return {
        "count": len(every),
        "kinds": sorted({event["event"] for event in every}),
        "all_kinds": sorted({event["event"] for event in everywhere}),
        "newest": sdk.events.list(project, order="desc")[0]["id"],
        "last": every[-1]["id"],
        "since": len(sdk.events.list(project, created_at_gte=every[50]["createdAt"])),
        "from": [event["id"] for event in sdk.events.list(project, from_event_id=every[-3]["id"])],
        "ids": [event["id"] for event in every],
        "rejected": len(sdk.events.list(project, event="label.workflow.rejected")),
    }


def subscription() -> dict:
    sdk, project = client(), harbour()
    heard, got = [], threading.Event()

    def callback(_id, message) -> None:
        heard.append(message)
        if message["type"] == "data":
            got.set()

    socket = sdk.label_created_or_updated(project, callback)
    time.sleep(0.5)
    made = sdk.append_labels(asset_id_array=with_status(project, "TODO")[:1], json_response_array=[SKY])
    got.wait(10)
    socket._subscription_running = False
    return {"made": made[0]["id"], "heard": heard}


def main() -> None:
    for name in sys.argv[4:]:
        begin = time.monotonic()
        result = outcome(globals().get(name) or getattr(kili_changes, name))
        print(json.dumps({"scenario": name, **result, "total": round(time.monotonic() - begin, 2)}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
