"""The Scale sandbox's callbacks, received over real HTTP by a receiver that can itself fail."""

import json
from types import SimpleNamespace

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from connectors.sandbox import Control, Sandbox, serve
from connectors.scale.sandbox import create
from connectors.scale.sandbox.state import API_KEYS, CALLBACK_KEYS


@pytest.fixture
def hooked():
    """A sandbox whose callbacks go to a receiver; ``calls`` are those the receiver took."""
    calls = []

    async def take(scope, receive, send):
        request = Request(scope, receive)
        calls.append((dict(request.headers), json.loads(await request.body())))
        await Response("", 204)(scope, receive, send)

    receiver = Sandbox(name="receiver", app=take, control=Control(), settings=lambda url: {"url": url})
    sandbox = create(tasks=0)
    with serve(receiver) as hook, serve(sandbox) as url:
        sandbox.control.actions["set_callback_url"](url=f"{hook}/webhooks/scale")
        sandbox.control.actions["set_callback_retries"](tries=3, seconds=0.01)
        yield SimpleNamespace(
            act=sandbox.control.actions, control=sandbox.control, calls=calls, receiver=receiver.control, url=url
        )


async def test_a_callback_tells_of_each_change_the_documentation_names(hooked):
    """Completion, error, audits and recall each send the task; creation of a pending one, touch and cancel do not."""
    act = hooked.act
    task_id = act["create_task"]()["task_id"]
    act["touch"](task_id=task_id)
    assert await act["wait_callbacks"]() == []
    act["complete_task"](task_id=task_id)
    await act["wait_callbacks"]()
    act["add_audit"](task_id=task_id, result="fixed", response={"annotations": []})
    await act["wait_callbacks"]()
    auth = httpx.BasicAuth(API_KEYS["test"], "")
    body = {"accepted": False, "comments": "No."}
    async with httpx.AsyncClient(auth=auth, trust_env=False) as client:
        assert (await client.post(f"{hooked.url}/v1/task/{task_id}/audit", json=body)).status_code == 200
    await act["wait_callbacks"]()
    act["recall_task"](task_id=task_id)
    await act["wait_callbacks"]()
    act["error_task"](task_id=task_id)
    act["cancel_task"](task_id=act["create_task"]()["task_id"])
    log = await act["wait_callbacks"]()
    assert [one["event"] for one in log] == ["completed", "audit", "audit", "recall", "error"]
    told = [body["task"] for _, body in hooked.calls]
    assert [(task["status"], task.get("customer_review_status")) for task in told] == [
        ("completed", None),
        ("completed", "fixed"),
        ("completed", "rejected"),
        ("pending", "rejected"),
        ("error", "rejected"),
    ]


async def test_a_callback_has_the_documented_body_and_header(hooked):
    """``task_id``, ``response`` and the whole task as it was then; the mode's static key in ``scale-callback-auth``."""
    for mode in ("test", "live"):
        task = hooked.act["create_task"](mode=mode, complete=True)
        await hooked.act["wait_callbacks"]()
        headers, body = hooked.calls[-1]
        assert body == {"task_id": task["task_id"], "response": task["response"], "task": task}
        assert headers["scale-callback-auth"] == CALLBACK_KEYS[mode]
        assert headers["content-type"] == "application/json"


async def test_success_is_written_to_the_task_once(hooked):
    """``callback_succeeded`` turns true and moves ``updated_at``; a second success changes nothing more."""
    task_id = hooked.act["create_task"](complete=True)["task_id"]
    await hooked.act["wait_callbacks"]()
    task = hooked.act["get_task"](task_id=task_id)
    assert task["callback_succeeded"] is True
    hooked.act["replay_callbacks"]()
    await hooked.act["wait_callbacks"]()
    assert hooked.act["get_task"](task_id=task_id) == task


async def test_a_failing_receiver_is_tried_again(hooked):
    """Two bad answers, then a good one: one delivery with three answers, and the same bytes each time."""
    hooked.receiver.inject(status=503, times=1)
    hooked.receiver.inject(kind="reset", times=1)
    task_id = hooked.act["create_task"](complete=True)["task_id"]
    (delivery,) = await hooked.act["wait_callbacks"]()
    assert (delivery["state"], delivery["answers"]) == ("delivered", [503, "ReadError", 204])
    assert len(hooked.calls) == 1
    assert hooked.act["get_task"](task_id=task_id)["callback_succeeded"] is True


async def test_after_the_last_try_the_callback_has_failed(hooked):
    """``callback_succeeded`` is false after as many tries as are set; a later replay can still succeed."""
    hooked.receiver.inject(status=401)
    task_id = hooked.act["create_task"](complete=True)["task_id"]
    (delivery,) = await hooked.act["wait_callbacks"]()
    assert (delivery["state"], delivery["answers"]) == ("failed", [401, 401, 401])
    assert hooked.act["get_task"](task_id=task_id)["callback_succeeded"] is False
    hooked.receiver.heal()
    assert hooked.act["replay_callbacks"](task_id=task_id) == 1
    await hooked.act["wait_callbacks"]()
    assert hooked.act["get_task"](task_id=task_id)["callback_succeeded"] is True


async def test_replays_are_duplicates_byte_for_byte(hooked):
    """A replay sends the old body, however the task has changed since."""
    task_id = hooked.act["create_task"](complete=True)["task_id"]
    other = hooked.act["create_task"](complete=True)["task_id"]
    await hooked.act["wait_callbacks"]()
    hooked.act["touch"](task_id=task_id)
    assert hooked.act["replay_callbacks"](task_id=task_id, times=3) == 3
    await hooked.act["wait_callbacks"]()
    bodies = [body for _, body in hooked.calls if body["task_id"] == task_id]
    assert bodies == [bodies[0]] * 4
    assert sum(body["task_id"] == other for _, body in hooked.calls) == 1


async def test_the_tasks_own_url_wins_and_strangers_are_never_called(hooked):
    """A task's ``callback_url`` on loopback is called; mail addresses and other hosts are remembered as skipped."""
    own = hooked.act["create_task"](complete=True, callback_url=f"{hooked.url}/nowhere")
    for elsewhere in ("someone@example.com", "http://www.example.com/callback", "ftp://127.0.0.1/x", "http://[bad"):
        skipped = hooked.act["create_task"](complete=True, callback_url=elsewhere)
        assert hooked.act["list_callbacks"](task_id=skipped["task_id"])[0]["state"] == "skipped"
        assert "callback_succeeded" not in hooked.act["get_task"](task_id=skipped["task_id"])
    await hooked.act["wait_callbacks"]()
    assert hooked.calls == []
    assert hooked.act["list_callbacks"](task_id=own["task_id"])[0]["answers"] == [401, 401, 401]


async def test_without_any_url_nothing_is_sent(hooked):
    """No default and no URL of its own: no callback, no trace of one."""
    hooked.act["set_callback_url"](url="")
    task_id = hooked.act["create_task"](complete=True)["task_id"]
    assert await hooked.act["wait_callbacks"]() == []
    assert "callback_succeeded" not in hooked.act["get_task"](task_id=task_id)


async def test_a_complete_batch_tells_its_callback(hooked):
    """The URL given with the batch is called once when it completes; the completion is a filter too."""
    hook = f"{hooked.url}/_sandbox/requests"
    auth = httpx.BasicAuth(API_KEYS["test"], "")
    async with httpx.AsyncClient(base_url=f"{hooked.url}/v1", auth=auth, trust_env=False) as client:
        batch = {"project": "Harbour Vessels", "name": "b", "callback": hook}
        assert (await client.post("/batches", json=batch)).status_code == 200
        hooked.act["complete_batch"](name="b")
        (delivery,) = await hooked.act["wait_callbacks"]()
        assert (delivery["event"], delivery["url"]) == ("batch", hook)
        found = (await client.get("/batches", params={"completed_after": "2025-01-01"})).json()["docs"]
    assert [(one["name"], one["status"]) for one in found] == [("b", "completed")]


async def test_waiting_has_an_end(hooked):
    """``wait_callbacks`` raises when a callback is still between two tries."""
    hooked.act["set_callback_retries"](tries=2, seconds=0.5)
    hooked.receiver.inject(status=500)
    hooked.act["create_task"](complete=True)
    with pytest.raises(TimeoutError, match="1 callbacks"):
        await hooked.act["wait_callbacks"](seconds=0.05)
    assert (await hooked.act["wait_callbacks"]())[0]["state"] == "failed"
