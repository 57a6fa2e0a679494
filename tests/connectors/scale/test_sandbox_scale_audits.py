"""The Scale sandbox over HTTP: audits as Scale documents them, by clients, customers and Scale."""

import asyncio

import httpx
import pytest

from tests.connectors.scale.scale_client import refusal


def fresh(client):
    """A completed task that nobody reviewed."""
    return client.act["create_task"](complete=True)


def test_an_audit_does_what_the_documentation_says(scale):
    """Status of the newest, comments appended, record first, by the account's auditor, ``updated_at`` moved."""
    task = fresh(scale)
    path = f"/task/{task['task_id']}"
    scale.act["set_auditor"](email="chief@example.org")
    scale.sandbox.control.clock.advance(60)
    answer = scale.post(f"{path}/audit", json={"accepted": False, "comments": "Too loose."})
    assert (answer.status_code, answer.text) == (200, "OK")
    rejected = scale.get(path).json()
    assert rejected["customer_review_status"] == "rejected"
    assert rejected["customer_review_comments"] == ["Too loose."]
    assert rejected["updated_at"] > task["updated_at"]
    scale.sandbox.control.clock.advance(60)
    scale.post(f"{path}/audit", json={"accepted": True, "comments": None})
    accepted = scale.get(path).json()
    assert accepted["customer_review_status"] == "accepted"
    assert accepted["customer_review_comments"] == ["Too loose."]
    assert accepted["response"] == task["response"]
    assert "prior_responses" not in accepted
    assert accepted["audits"][1] == rejected["audits"][0]
    assert accepted["audits"][0] == {
        "audited_by": "chief@example.org",
        "audited_at": accepted["updated_at"],
        "audit_time_secs": 0,
        "audit_result": "accepted",
        "audit_source": "customer",
    }
    effects = [e for e in scale.sandbox.control.effects if e.name == "audit" and e.key == task["task_id"]]
    assert [e.detail["result"] for e in effects] == ["rejected", "accepted"]


def test_audits_are_not_idempotent(scale):
    """The same verdict twice is two audits: nothing in the API prevents it."""
    path = f"/task/{fresh(scale)['task_id']}"
    for _ in range(2):
        scale.post(f"{path}/audit", json={"accepted": True, "comments": "Same."})
    task = scale.get(path).json()
    assert len(task["audits"]) == 2
    assert task["customer_review_comments"] == ["Same.", "Same."]
    assert scale.sandbox.control.count("audit") == 2


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 504}, {"kind": "reset"}, {"kind": "truncate"}])
def test_an_audit_whose_answer_was_lost_has_happened(scale, fault):
    """The platform acted once, whatever the client saw; reading the task tells."""
    path = f"/task/{fresh(scale)['task_id']}"
    scale.sandbox.control.inject(path="/audit$", when="after", times=1, **fault)
    try:
        assert scale.post(f"{path}/audit", json={"accepted": True}).status_code == fault["status"]
    except httpx.TransportError:
        assert fault["kind"] in ("reset", "truncate")
    assert [record["audit_result"] for record in scale.get(path).json()["audits"]] == ["accepted"]
    assert scale.sandbox.control.count("audit", path[6:]) == 1


@pytest.mark.parametrize("body", [{}, {"accepted": "true"}, {"accepted": 1}, {"accepted": True, "comments": 5}, [True]])
def test_a_malformed_audit_is_refused(scale, body):
    """400, and the task is as it was."""
    task = fresh(scale)
    assert refusal(scale.post(f"/task/{task['task_id']}/audit", json=body))[0] == 400
    assert scale.get(f"/task/{task['task_id']}").json() == task
    assert scale.sandbox.control.count("audit") == 0


@pytest.mark.parametrize("status", ["pending", "canceled", "error"])
def test_only_completed_tasks_can_be_audited(scale, status):
    """400 for every other status, without effect."""
    task_id = next(t["task_id"] for t in scale.act["list_tasks"]() if t["status"] == status and "audits" not in t)
    assert refusal(scale.post(f"/task/{task_id}/audit", json={"accepted": True, "comments": None}))[0] == 400
    assert "audits" not in scale.get(f"/task/{task_id}").json()
    assert scale.sandbox.control.count("audit") == 0


def test_an_audit_of_an_unknown_task_is_a_404(scale):
    """With Scale's own text."""
    answer = scale.post("/task/000000000000000000000000/audit", json={"accepted": True})
    assert refusal(answer) == (404, "Task with that ID not found.")


def test_the_documented_example_comes_of_its_history(scale):
    """Fixed, then accepted: response, prior responses, comments and order as on Scale's page about audits.

    The page's status word contradicts its own text; the action ``set_review_status`` shows that form too.
    """
    task = scale.act["create_task"](kind="categorization", categories=["small", "big"])
    act, task_id = scale.act, task["task_id"]
    act["complete_task"](task_id=task_id, response={"category": "small"})
    who = {"task_id": task_id, "by": "auditor@example.com"}
    act["add_audit"](
        **who, result="fixed", at="2027-06-23T10:01:02.352Z", seconds=511,
        response={"category": "big"}, comment="Was small, actually is big",
    )  # fmt: skip
    act["add_audit"](**who, result="accepted", at="2027-06-24T15:32:03.585Z", seconds=120)
    seen = scale.get(f"/task/{task_id}").json()
    assert seen["response"] == {"category": "big", "is_customer_fix": True}
    assert seen["prior_responses"] == [{"category": "small"}]
    assert seen["customer_review_comments"] == ["Was small, actually is big"]
    assert seen["customer_review_status"] == "accepted"
    assert seen["audits"] == [
        {
            "audited_by": "auditor@example.com",
            "audited_at": "2027-06-24T15:32:03.585Z",
            "audit_time_secs": 120,
            "audit_result": "accepted",
            "audit_source": "customer",
        },
        {
            "audited_by": "auditor@example.com",
            "audited_at": "2027-06-23T10:01:02.352Z",
            "audit_time_secs": 511,
            "audit_result": "fixed",
            "audit_source": "customer",
        },
    ]
    assert act["set_review_status"](task_id=task_id, status="fixed")["audits"] == seen["audits"]
    assert scale.sandbox.control.effects == []


def test_audits_by_scale_leave_the_customers_review_alone(scale):
    """A record with source ``scale`` and a fix that is no customer fix; the ``customer_`` fields stay absent."""
    task = fresh(scale)
    errors = [{"annotation_id": "a", "severity": "critical", "error_type": "missing", "comment": "", "extra": 1}]
    fixed = scale.act["add_audit"](
        task_id=task["task_id"], result="fixed", source="scale", response={"annotations": []}, errors=errors
    )
    assert fixed["response"] == {"annotations": [], "is_customer_fix": False}
    assert fixed["prior_responses"] == [task["response"]]
    assert not [name for name in fixed if name.startswith("customer_")]
    assert fixed["audits"][0]["audit_per_annotation_errors"] == errors


def test_an_old_audit_takes_its_place_by_time(scale):
    """Records are sorted by ``audited_at`` descending, however they came."""
    task_id = fresh(scale)["task_id"]
    for at in ("2025-03-02T00:00:00.000Z", "2025-03-03T00:00:00.000Z", "2025-03-01T00:00:00.000Z"):
        task = scale.act["add_audit"](task_id=task_id, result="accepted", at=at)
    assert [record["audited_at"][8:10] for record in task["audits"]] == ["03", "02", "01"]


async def test_concurrent_audits_are_counted_one_by_one(scale):
    """200 at once on ten tasks: 200 effects, and each task's records are its effects, newest first."""
    ids = scale.act["create_tasks"](count=10, complete=True)
    async with httpx.AsyncClient(base_url=scale.base_url, auth=scale.auth, trust_env=False, timeout=30) as client:
        answers = await asyncio.gather(
            *(
                client.post(f"/task/{ids[n % 10]}/audit", json={"accepted": n % 3 == 0, "comments": str(n)})
                for n in range(200)
            )
        )
    assert {answer.status_code for answer in answers} == {200}
    assert scale.sandbox.control.count("audit") == 200
    for task_id in ids:
        task = scale.act["get_task"](task_id=task_id)
        effects = [effect.detail for effect in scale.sandbox.control.effects if effect.key == task_id]
        assert [effect["comments"] for effect in effects] == task["customer_review_comments"]
        assert [effect["result"] for effect in effects][::-1] == [one["audit_result"] for one in task["audits"]]
        assert len(effects) == 20
