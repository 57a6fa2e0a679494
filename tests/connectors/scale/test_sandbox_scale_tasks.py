"""The Scale sandbox over HTTP: keys, creating and changing tasks, and what actions do behind the API."""

import base64
from datetime import datetime

import httpx
import pytest

from connectors.scale.sandbox.state import API_KEYS
from tests.connectors.scale.scale_client import BOXES, Client, refusal

# --- keys -----------------------------------------------------------------------------------------------------


def test_keys_open_one_mode_each(scale):
    """Basic and Bearer both work; live and test do not see each other; anything else is 401."""
    url = str(scale.base_url)
    with Client(scale.sandbox, url.removesuffix("/v1/"), API_KEYS["live"]) as live:
        assert live.get("/tasks").json()["total"] == 0
        made = live.post("/task/imageannotation", json=BOXES).json()
        assert (made["status"], made["is_test"]) == ("pending", False)
        assert scale.get(f"/task/{made['task_id']}").status_code == 404
    bearer = {"Authorization": f"Bearer {API_KEYS['test']}"}
    assert httpx.get(f"{url}tasks", headers=bearer, trust_env=False).json()["total"] == 60
    for wrong in (
        {},
        {"Authorization": "Bearer test_other"},
        {"Authorization": "Basic ???"},
        {"Authorization": "Basic " + base64.b64encode(f"{API_KEYS['test']}:password".encode()).decode()},
    ):
        assert refusal(httpx.get(f"{url}batches", headers=wrong, trust_env=False))[0] == 401


# --- creating and changing ------------------------------------------------------------------------------------


def test_a_created_task_in_test_mode_is_complete_and_has_only_what_was_given(empty):
    """45 ms after its creation it holds a dummy answer; ``tags`` and ``unique_id`` are missing, ``metadata`` is {}."""
    task = empty.post("/task/imageannotation", json=BOXES | {"callback_url": "someone@example.com"}).json()
    assert (task["status"], task["is_test"], task["metadata"]) == ("completed", True, {})
    assert not {"tags", "unique_id", "project", "batch", "audits", "customer_review_status"} & set(task)
    waited = datetime.fromisoformat(task["completed_at"]) - datetime.fromisoformat(task["created_at"])
    assert waited.total_seconds() == 0.045
    assert set(task["params"]) == {"attachment", "geometries"}
    assert {mark["label"] for mark in task["response"]["annotations"]} == {"tug"}
    assert empty.sandbox.control.count("create") == 1


def test_project_parameters_are_inherited_under_the_tasks_own(empty):
    """Last version unless one is named, -1 for none; a batch brings its project; unknown names are a 400."""
    empty.post("/projects", json={"type": "categorization", "name": "P", "params": {"categories": ["x"], "n": 1}})
    empty.post("/projects/P/setParams", json={"n": 2, "patch": True})
    history = empty.post("/projects/P/setParams", json={"only": 3}).json()["param_history"]
    assert [sorted(set(one) - {"created_at"}) for one in history] == [
        ["categories", "n", "version"],
        ["categories", "n", "version"],
        ["only", "version"],
    ]
    empty.post("/batches", json={"project": "P", "name": "B/1"})

    def made(**body):
        return empty.post("/task/categorization", json={"attachment": "x", **body}).json()

    assert made(batch="B/1")["project"] == "P"
    assert made(project="P")["params"] == {"allow_multiple": False, "only": 3, "attachment": "x"}
    assert made(project="P", project_version=1, n=9)["params"]["n"] == 9
    assert made(project="P", project_version=1)["response"]["category"] == "x"
    assert made(project="P", project_version=-1)["params"] == {"allow_multiple": False, "attachment": "x"}
    for wrong in ({"project": "Q"}, {"batch": "Q"}, {"project": "P", "project_version": 7}, {"project": 5}):
        answer = empty.post("/task/categorization", json={"attachment": "x", **wrong})
        assert refusal(answer)[0] == 400
    assert len(empty.act["list_tasks"]()) == 5


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("imageannotation", {}, 400),
        ("imageannotation", BOXES | {"tags": list("abcdef")}, 400),
        ("imageannotation", BOXES | {"tags": "a"}, 400),
        ("imageannotation", BOXES | {"metadata": {"x": "y" * 10240}}, 400),
        ("imageannotation", BOXES | {"metadata": []}, 400),
        ("imageannotation", BOXES | {"priority": 15}, 400),
        ("imageannotation", BOXES | {"unique_id": 5}, 400),
        ("imageannotation", BOXES | {"geometries": ["box"]}, 400),
        ("imageannotation", [BOXES], 400),
        ("namedentityrecognition", {"attachment": "x"}, 400),
        ("comparison", {"attachment": "x"}, 400),
        ("paintings", BOXES, 400),
        ("lidarlinking", BOXES, 402),
    ],
)
def test_a_refused_task_leaves_no_trace(empty, kind, body, status):
    """What §7 forbids is refused in Scale's shape, and no task, effect or callback comes of it."""
    empty.act["disable_types"](types=["lidarlinking"])
    assert refusal(empty.post(f"/task/{kind}", json=body))[0] == status
    assert empty.act["list_tasks"]() == []
    assert empty.act["list_callbacks"]() == []
    assert empty.sandbox.control.effects == []


def test_a_unique_id_is_unique_over_all_projects(empty):
    """409 on creation and on setting; free again after clearing, and after a cancel that clears it."""
    first = empty.post("/task/imageannotation", json=BOXES | {"unique_id": "u"}).json()
    assert refusal(empty.post("/task/imageannotation", json=BOXES | {"unique_id": "u"}))[0] == 409
    second = empty.act["create_task"](unique_id="v")
    assert refusal(empty.post(f"/task/{second['task_id']}/unique_id", json={"unique_id": "u"}))[0] == 409
    assert "unique_id" not in empty.delete(f"/task/{first['task_id']}/unique_id").json()
    assert empty.post(f"/task/{second['task_id']}/unique_id", json={"unique_id": "u"}).json()["unique_id"] == "u"
    cancel = f"/task/{second['task_id']}/cancel"
    assert "unique_id" not in empty.post(cancel, params={"clear_unique_id": "true"}).json()
    assert empty.ids(unique_id="u") == []


def test_cancel_is_for_pending_tasks_and_idempotent(scale):
    """Pending becomes canceled; again is a 200 without effect; completed and failed tasks answer 400."""
    for status, expected in (("pending", 200), ("canceled", 200), ("completed", 400), ("error", 400)):
        task_id = scale.ids(status=status)[0]
        assert scale.post(f"/task/{task_id}/cancel").status_code == expected
    assert scale.sandbox.control.count("cancel") == 1
    assert refusal(scale.post("/task/invalid_task_id/cancel")) == (404, "Task with that ID not found.")


def test_empty_bodies_mean_empty_values(scale):
    """The SDK sends ``{}`` and ``[]`` as no body at all, with a JSON content type."""
    task_id = scale.ids(status="completed")[0]
    scale.post(f"/task/{task_id}/setMetadata", json={"a": 1})
    scale.post(f"/task/{task_id}/tags", json=["x", "y", "x"])
    headers = {"Content-Type": "application/json"}
    assert scale.request("DELETE", f"/task/{task_id}/tags", json=["y", "z"]).json()["tags"] == ["x"]
    assert scale.put(f"/task/{task_id}/tags", headers=headers).json()["tags"] == ["x"]
    assert scale.post(f"/task/{task_id}/setMetadata", headers=headers).json()["metadata"] == {}
    assert scale.post(f"/task/{task_id}/tags", headers=headers).json()["tags"] == []
    assert scale.post(f"/task/{task_id}/cancel", headers=headers).status_code == 400
    for body in (b"{", b"3", b'"x"', b"[1]", b"\xff"):
        assert refusal(scale.post(f"/task/{task_id}/tags", content=body))[0] == 400


def test_only_a_change_moves_updated_at(scale):
    """A setter that changes nothing leaves task and effects alone."""
    task_id = scale.ids(status="completed")[0]
    first = scale.post(f"/task/{task_id}/tags", json=["x"]).json()
    scale.sandbox.control.clock.advance(60)
    assert scale.put(f"/task/{task_id}/tags", json=["x"]).json() == first
    assert scale.sandbox.control.count("tags") == 1
    assert scale.put(f"/task/{task_id}/tags", json=["y"]).json()["updated_at"] > first["updated_at"]


# --- life behind the API --------------------------------------------------------------------------------------


def test_actions_take_a_task_through_its_life(empty):
    """Pending, completed, recalled, completed again, and its other ends; each step moves ``updated_at``."""
    clock = empty.sandbox.control.clock
    task_id = empty.act["create_task"]()["task_id"]
    moved = []
    for name, status in (
        ("complete_task", "completed"),
        ("recall_task", "pending"),
        ("complete_task", "completed"),
        ("recall_task", "pending"),
        ("error_task", "error"),
    ):
        clock.advance(10)
        empty.act[name](task_id=task_id)
        task = empty.get(f"/task/{task_id}").json()
        assert task["status"] == status
        assert ("completed_at" in task) is (status == "completed")
        moved.append(task["updated_at"])
    assert moved == sorted(set(moved))
    assert task["response"]["attachments"] == [{"statusCode": 403, "url": "https://images.example.com/quay.jpg"}]
    clock.advance(10)
    touched = empty.act["touch"](task_id=task_id)
    assert touched | {"updated_at": moved[-1]} == task
    assert len(empty.act["create_tasks"](count=3, complete=True)) == 3
    assert empty.ids(status="completed").__len__() == 3
    assert empty.sandbox.control.effects == []


def test_actions_are_served_to_other_processes(empty):
    """Over ``/_sandbox/actions``; what cannot be done is a 400 that says why."""
    base = str(empty.base_url).removesuffix("/v1/") + "/_sandbox/actions"
    task = httpx.post(f"{base}/create_task", json={"unique_id": "far"}, trust_env=False).json()
    done = httpx.post(f"{base}/complete_task", json={"task_id": task["task_id"]}, trust_env=False)
    assert done.json()["status"] == "completed"
    again = httpx.post(f"{base}/complete_task", json={"task_id": task["task_id"]}, trust_env=False)
    assert (again.status_code, again.json()) == (400, {"error": "NotNowError: Task is completed."})
    assert httpx.post(f"{base}/touch", trust_env=False).status_code == 400
    assert httpx.post(f"{base}/touch", json={"task_id": "x"}, trust_env=False).status_code == 400


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        ("complete_task", {}),
        ("error_task", {}),
        ("cancel_task", {}),
        ("add_audit", {"result": "commented"}),
        ("add_audit", {"result": "accepted", "source": "robot"}),
        ("add_audit", {"result": "fixed"}),
        ("add_audit", {"result": "rejected", "response": {}}),
        ("add_audit", {"result": "rejected", "source": "scale", "comment": "Nowhere to keep it."}),
    ],
)
def test_actions_refuse_what_the_platform_could_not_show(empty, action, arguments):
    """A completed task is neither completed again nor failed; an audit is one that Scale's records can hold."""
    task = empty.act["create_task"](complete=True)
    with pytest.raises(ValueError):
        empty.act[action](task_id=task["task_id"], **arguments)
    assert empty.act["get_task"](task_id=task["task_id"]) == task


def test_an_error_can_free_the_unique_id(empty):
    """``clear_unique_id_on_error`` of the request; without it the id stays taken."""
    for wish in (True, False):
        body = {"unique_id": f"u{wish}", "clear_unique_id_on_error": wish}
        failed = empty.act["error_task"](task_id=empty.act["create_task"](**body)["task_id"])
        assert ("unique_id" in failed) is not wish


def test_a_batch_belongs_to_one_project(scale):
    """A task that names a batch and another project is refused."""
    body = BOXES | {"project": "Logbook Pages", "batch": "cliff A"}
    assert refusal(scale.post("/task/imageannotation", json=body)) == (
        400,
        "Batch cliff A is not in project Logbook Pages.",
    )


def test_several_categories_come_as_an_array(empty):
    """Where the request allows several, the answer is an array; else a string."""
    body = {"attachment": "x", "categories": ["a", "b"]}
    several = empty.post("/task/categorization", json=body | {"allow_multiple": True}).json()
    assert several["response"]["category"] == ["a", "b"]
    assert empty.post("/task/categorization", json=body).json()["response"]["category"] in ("a", "b")


def test_the_review_status_can_be_moved_alone(empty):
    """As commented, with a comment, and away again; audits stay as they are."""
    task_id = empty.act["create_task"](complete=True)["task_id"]
    said = empty.act["set_review_status"](task_id=task_id, status="commented", comment="Hm.")
    assert (said["customer_review_status"], said["customer_review_comments"]) == ("commented", ["Hm."])
    assert empty.ids(customer_review_status="commented") == [task_id]
    assert "customer_review_status" not in empty.act["set_review_status"](task_id=task_id, status=None)
    assert empty.ids(customer_review_status="pending") == [task_id]
