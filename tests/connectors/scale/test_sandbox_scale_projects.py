"""The Scale sandbox over HTTP: projects and batches, whose names are their keys."""

from datetime import UTC, datetime

import pytest

from tests.connectors.scale.scale_client import refusal


def test_batches_page_by_offset_and_filter_by_their_times(scale):
    """Newest first, both counts, Scale's own second net: batches by the time of their last audit."""
    page = scale.get("/batches", params={"limit": 2}).json()
    assert (page["total"], page["totalDocs"], page["limit"], page["offset"], page["has_more"]) == (5, 5, 2, 0, True)
    names = [batch["name"] for batch in scale.get("/batches").json()["docs"]]
    assert [batch["name"] for batch in page["docs"]] == names[:2]
    assert set(page["docs"][0]) == {"name", "project", "status", "created_at", "metadata", "callback"}
    done = scale.get("/batches", params={"status": "completed"}).json()["docs"]
    assert [batch["name"] for batch in done] == ["cliff A", "harbour 2025-01/north"]
    before = datetime.now(UTC).isoformat()
    assert scale.get("/batches", params={"audited_after": before}).json()["docs"] == []
    task_id = scale.act["create_task"](batch="cliff B", complete=True)["task_id"]
    scale.post(f"/task/{task_id}/audit", json={"accepted": True})
    audited = scale.get("/batches", params={"audited_after": before}).json()["docs"]
    assert [batch["name"] for batch in audited] == ["cliff B"]
    scale.act["archive"](batch="cliff B", project="Logbook Pages")
    assert scale.get("/batches", params={"exclude_archived": "True"}).json()["total"] == 4
    assert [project["name"] for project in scale.get("/projects", params={"archived": "true"}).json()] == [
        "Logbook Pages"
    ]
    assert len(scale.get("/projects").json()) == 3


def test_names_with_slashes_are_names(scale):
    """Encoded names reach the object they name, also one that looks like a longer path."""
    for name in ("harbour 2025-01%2Fnorth", "cliff%20B"):
        batch = scale.get(f"/batches/{name}").json()
        assert scale.get(f"/batches/{name}/status").json()["status"] == batch["status"]
    scale.post("/batches", json={"project": "Logbook Pages", "name": "cliff A/status"})
    assert scale.get("/batches/cliff A%2Fstatus").json()["name"] == "cliff A/status"
    assert scale.get("/projects/Bird%20Counts%3A%20cliffs%2F50%25%20zoom").json()["type"] == "categorization"
    assert refusal(scale.get("/batches/no%2Fsuch"))[0] == 404
    assert refusal(scale.get("/nowhere"))[0] == 404


def test_rapid_batches_wait_until_they_are_finalized(empty):
    """``staging`` in a Rapid project until finalize; elsewhere finalize changes nothing."""
    empty.post("/projects", json={"type": "imageannotation", "name": "R", "rapid": True})
    assert empty.post("/batches", json={"project": "R", "name": "b"}).json()["status"] == "staging"
    assert empty.post("/batches/b/finalize").json()["status"] == "in_progress"
    assert empty.post("/batches/b/finalize").json()["status"] == "in_progress"
    assert empty.sandbox.control.count("finalize") == 1


def test_a_batchs_status_counts_only_what_there_is(scale):
    """Counts that are zero are left out, the others are right."""
    for batch in scale.get("/batches").json()["docs"]:
        status = scale.get(f"/batches/{batch['name'].replace('/', '%2F')}/status").json()
        assert status.pop("status") == batch["status"]
        tasks = [task for task in scale.act["list_tasks"]() if task.get("batch") == batch["name"]]
        expected = {}
        for task in tasks:
            expected[task["status"]] = expected.get(task["status"], 0) + 1
        assert status == expected


def test_an_ontology_is_a_new_version_of_the_parameters(scale):
    """It joins the other parameters; the last version is the one in force."""
    before = scale.get("/projects/Logbook%20Pages").json()["param_history"]
    after = scale.post("/projects/Logbook%20Pages/setOntology", json={"ontology": ["fog"]}).json()["param_history"]
    assert after[:-1] == before
    assert after[-1]["version"] == before[-1]["version"] + 1
    assert (after[-1]["ontology"], after[-1]["fields"]) == (["fog"], before[-1]["fields"])


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/projects", {"name": "x", "type": "painting"}, 400),
        ("POST", "/projects", {"type": "imageannotation"}, 400),
        ("POST", "/projects", {"name": "x", "type": "imageannotation", "params": [1]}, 400),
        ("POST", "/projects", {"name": "Logbook Pages", "type": "imageannotation"}, 409),
        ("POST", "/projects/Logbook%20Pages/setOntology", {"ontology": "fog"}, 400),
        ("POST", "/projects/None/setParams", {}, 404),
        ("POST", "/batches", {"name": "x", "project": "None"}, 400),
        ("POST", "/batches", {"name": "cliff A", "project": "Logbook Pages"}, 409),
        ("POST", "/files/upload", {"file": "text"}, 400),
        ("POST", "/files/import", {}, 400),
        ("POST", "/teams/invite", {"emails": ["a@example.com"], "team_role": "captain"}, 400),
        ("POST", "/teams/invite", {"emails": "a@example.com", "team_role": "member"}, 400),
        ("POST", "/evaluation_tasks/painting", {"expected_response": {}}, 400),
        ("POST", "/training_tasks/imageannotation", {}, 400),
        ("PUT", "/studio/projects/Logbook%20Pages/groups/none", {}, 404),
        ("POST", "/studio/batches/set_priorities", {"batches": ["cliff A"]}, 400),
        ("PUT", "/studio/batches/none", {"groups": []}, 404),
        ("PATCH", "/projects", {}, 404),
    ],
)
def test_what_scale_would_not_take_is_refused_and_leaves_no_trace(scale, method, path, body, status):
    """Each refusal has Scale's shape, and nothing was changed by it."""
    assert refusal(scale.request(method, path, json=body))[0] == status
    assert scale.sandbox.control.effects == []
    assert len(scale.get("/projects").json()) == 3
    assert scale.get("/batches").json()["total"] == 5
    assert len(scale.get("/teams").json()) == 4
