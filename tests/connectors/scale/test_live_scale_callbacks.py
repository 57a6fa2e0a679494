"""Callbacks of a live Scale source: who may send them, what they hint at, and the way through the sandbox's own."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.contract import WebhookCall
from connectors.documents import Kind
from connectors.errors import Unauthorized
from connectors.sandbox import serve
from connectors.scale.callbacks import receive
from connectors.scale.sandbox.state import CALLBACK_KEYS
from gateway import hints
from tests.connectors.scale.live_scale import NAME, living, synced

KEYS = ("callback-key-live", "callback-key-test")
TASK = {"task_id": "6601d4aa2f1c9e0d4c3b2a10", "status": "completed"}


def call(body, key=KEYS[0], **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return WebhookCall(headers={"content-type": "application/json", "scale-callback-auth": key} | headers, body=raw)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "body",
    [
        {"task_id": TASK["task_id"], "response": {}, "task": TASK},
        {"task_id": TASK["task_id"], "status": "completed", "response": {}, "task": TASK},
        {"task": TASK},
        {"task_id": TASK["task_id"]},
    ],
    ids=["example", "field table", "task only", "id only"],
)
def test_both_forms_of_the_body_name_the_task(body, key):
    """With either key, the hint is the one task, however often the callback comes."""
    for _ in range(3):
        hint = receive(call(body, key), KEYS)
        assert (list(hint.refs), hint.everything) == ([(Kind.TASK, TASK["task_id"])], False)


@pytest.mark.parametrize("key", ["", "callback-key-liv", "callback-key-live ", "Callback-key-live", "…", "ключ"])
def test_a_wrong_key_is_unauthorized(key):
    """Whatever the body says, and also where no key is configured."""
    with pytest.raises(Unauthorized) as caught:
        receive(call({"task": TASK}, key), KEYS)
    assert not any(one in caught.value.message for one in KEYS)
    with pytest.raises(Unauthorized):
        receive(call({"task": TASK}, key), ())


def test_no_key_at_all_is_unauthorized():
    """A call without the header is nobody's."""
    with pytest.raises(Unauthorized):
        receive(WebhookCall(headers={}, body=b"{}"), KEYS)


@pytest.mark.parametrize(
    "body",
    [
        {"name": "b1", "project": "P", "status": "completed"},
        {},
        {"task_id": "../x"},
        {"task_id": "x" * 65},
        {"task": 5},
    ],
)
def test_what_names_no_task_hints_at_everything(body):
    """A batch's callback, whose body nobody documents, or an id that cannot be asked for, starts an incremental run."""
    hint = receive(call(body), KEYS)
    assert (list(hint.refs), hint.everything) == ([], True)


@given(
    st.binary(max_size=200) | st.recursive(st.none() | st.text(max_size=9), st.lists).map(json.dumps).map(str.encode)
)
def test_no_body_breaks_it(body):
    """With the right key, any bytes give a hint or none."""
    hint = receive(call(body), KEYS)
    assert hint is None or hint.refs or hint.everything


async def test_callbacks_of_the_sandbox_bring_the_task(empty, store, live):
    """Sent over HTTP, doubled and late: the task is asked for again, so the store holds its present state."""
    source = live(empty)
    heard = []

    async def hear(request: Request) -> Response:
        body = await request.body()
        heard.append(WebhookCall(headers={k.lower(): v for k, v in request.headers.items()}, body=body))
        return Response(status_code=200)

    class Receiver:
        name = "receiver"

        def asgi(self):
            return Starlette(routes=[Route("/hook", hear, methods=["POST"])])

    with serve(Receiver()) as url:
        task = empty.act["create_task"](callback_url=f"{url}/hook")["task_id"]
        await synced(store, source)
        empty.act["complete_task"](task_id=task)
        empty.act["add_audit"](task_id=task, result="rejected", comment="No.")
        await empty.act["wait_callbacks"]()
        empty.act["replay_callbacks"](times=2)
        await empty.act["wait_callbacks"]()
    assert len(heard) == 6
    for one in heard:
        assert await hints.receive(store, source, one) == 1
    assert await store.db["hints"].count_documents({}) == 1
    assert await hints.drain(store, source) == 1
    kept = (await living(store))["tasks", f"gid://{NAME}/Task/{task}"]
    assert (kept["status"], kept["review_status"], kept["review_comments"]) == ("COMPLETED", "REJECTED", ["No."])
    wrong = WebhookCall(headers={"scale-callback-auth": CALLBACK_KEYS["live"]}, body=heard[0].body)
    with pytest.raises(Unauthorized):
        await hints.receive(store, source, wrong)


async def test_a_callback_about_a_task_of_the_other_mode_finds_nothing(scale, store, live):
    """The second key lets it in; the task does not exist for this source's key, and nothing is made up."""
    source = live(scale, test_callback_auth_key=CALLBACK_KEYS["live"])
    task = scale.act["create_task"](mode="live")["task_id"]
    assert await hints.receive(store, source, call({"task_id": task}, CALLBACK_KEYS["live"])) == 1
    await hints.drain(store, source)
    assert await living(store) == {}
