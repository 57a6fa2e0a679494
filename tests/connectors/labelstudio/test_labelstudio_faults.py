"""What a misbehaving Label Studio does to reading and to verdicts, over real sockets against the sandbox."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.contract import AuditTarget, Capabilities, PushAudit, PushTask, Secret, WebhookCall
from connectors.documents import AuditResult, Kind
from connectors.errors import Refused, Retry, Unauthorized, Uncertain
from connectors.labelstudio.sandbox import TOKEN, create
from connectors.labelstudio.settings import Settings
from connectors.sandbox import serve
from gateway.audits import submit
from gateway.outbox import Outbox
from gateway.store.store import Store
from gateway.sync import LiveSource, sync
from schema.ports import NewAudit, Viewer
from tests.connectors.labelstudio.labelstudio_claims import Stopping, synced, task_gid
from tests.connectors.labelstudio.labelstudio_server import NAME, SECRET, Server, box, sandbox_server

AUDITOR = Viewer(name="quality", scopes=frozenset({"audit"}))


@pytest.fixture
def server() -> Iterator[Server]:
    with sandbox_server() as found:
        yield found


@pytest.fixture
def judged(server: Server) -> tuple[int, PushTask]:
    """An answer, and its task as the store would know it."""
    (task,) = server.images(server.project(), 1)
    answer = server.answer(task, box())
    raw = {"id": task, "annotations": [server.ask("GET", f"/api/annotations/{answer}/")]}
    return answer, PushTask(external_id=str(task), submission=str(answer), raw=raw)


def verdict(result: AuditResult = AuditResult.ACCEPTED, **more: Any) -> PushAudit:
    return PushAudit(id="a1", result=result, **more)


# --- verdicts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["status", "reset", "truncate"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_lost_answer_is_looked_for(server: Server, judged: tuple[int, PushTask], kind: str, when: str) -> None:
    """A PATCH whose outcome is unknown is ``Uncertain``; ``find`` then tells whether it happened, exactly."""
    _, task = judged
    platform = server.platform()
    audit = verdict(before=await platform.mark(verdict(), task))
    assert server.control is not None
    server.control.inject(kind=kind, method="PATCH", when=when, times=1)
    with pytest.raises(Uncertain):
        await platform.push(audit, task)
    happened = server.control.count("patch") == 1
    assert happened is (when == "after" or kind == "truncate")
    found = await platform.find(audit, task)
    assert (found is not None) is happened
    await platform.close()


async def test_the_outbox_makes_one_effect_of_lost_answers(server: Server, store: Store) -> None:
    """Ten verdicts, each answer lost after it took effect: ten effects, ten audits delivered."""
    project = server.project()
    tasks = server.images(project, 10, annotations=[{"result": [box()]}])
    source = server.source()
    await synced(store, source)
    assert server.control is not None
    server.control.inject(kind="status", method="PATCH", when="after", times=10)
    audits = [NewAudit(idempotency_key=f"k{task}", task=task_gid(task), result="REJECTED") for task in tasks]
    await submit(store, audits, AUDITOR)
    outbox = Outbox(store, {NAME: source}, first_pause=0.01, longest_pause=0.02)
    until = time.monotonic() + 30
    while await store.db["audits"].count_documents({"delivery.state": "DELIVERED"}) < 10 and time.monotonic() < until:
        await outbox.turn()
        await asyncio.sleep(0.02)
    assert server.control.count("patch") == 10
    await synced(store, source)
    assert await store.db["audits"].count_documents({"delivery.state": "DELIVERED", "echoed": True}) == 10
    assert await store.db["audits"].count_documents({}) == 10
    await source.platform.close()


async def test_a_fix_does_not_undo_newer_work(server: Server, judged: tuple[int, PushTask]) -> None:
    """Somebody changed the answer after the sync: the fix is refused and their work stays; an acceptance goes through."""
    answer, task = judged
    server.user("ann@example.org")
    assert server.control is not None
    server.control.actions["edit"](annotation=answer, user=2, result=[box("new")])
    platform = server.platform()
    with pytest.raises(Refused, match="changed at Label Studio after it was judged"):
        await platform.push(verdict(AuditResult.FIXED, fixed_response=[box("fix")]), task)
    assert server.ask("GET", f"/api/annotations/{answer}/")["result"] == [box("new")]
    await platform.push(verdict(), task)
    assert server.ask("GET", f"/api/annotations/{answer}/")["last_action"] == "accepted"
    await platform.close()


@pytest.mark.parametrize("wrong", [None, "text", {"label": "Car"}, [1], {"result": "no"}])
async def test_a_fix_is_a_list_of_regions(server: Server, judged: tuple[int, PushTask], wrong: Any) -> None:
    """Anything else is refused before it is sent; an answer with a ``result`` in it will do."""
    answer, task = judged
    platform = server.platform()
    with pytest.raises(Refused, match="a fix is a list of regions"):
        await platform.push(verdict(AuditResult.FIXED, fixed_response=wrong), task)
    assert server.control is not None
    assert server.control.count("patch") == 0
    await platform.push(verdict(AuditResult.FIXED, fixed_response={"result": [box("ok")]}), task)
    assert server.ask("GET", f"/api/annotations/{answer}/")["result"] == [box("ok")]
    await platform.close()


async def test_ground_truth_is_left_alone(server: Server, judged: tuple[int, PushTask]) -> None:
    """A verdict does not touch ``ground_truth``, set or not."""
    answer, task = judged
    platform = server.platform()
    for truth in (True, False):
        server.ask("PATCH", f"/api/annotations/{answer}/", {"ground_truth": truth})
        receipt = await platform.push(verdict(), task)
        assert receipt.details["ground_truth"] is truth
        assert server.ask("GET", f"/api/annotations/{answer}/")["ground_truth"] is truth
    await platform.close()


async def test_enterprise_takes_no_verdicts() -> None:
    """Once the edition is known the source says so, and a push is refused without being sent."""
    with sandbox_server(edition="Enterprise") as server:
        (task,) = server.images(server.project(), 1)
        answer = server.answer(task, box())
        platform = server.platform()
        assert platform.capabilities.audit_results != ()
        with pytest.raises(Refused, match="no Community edition"):
            await platform.push(verdict(), PushTask(external_id=str(task), submission=str(answer)))
        said = platform.capabilities
        assert (said.audit_results, said.audit_target, said.audit_fix) == ((), AuditTarget.NONE, False)
        assert isinstance(said, Capabilities)
        assert server.control is not None
        assert server.control.count("patch") == 0
        await platform.close()


# --- reading ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "status", "status": 500}, Retry),
        ({"kind": "status", "status": 502}, Retry),
        ({"kind": "html"}, Retry),
        ({"kind": "reset"}, Retry),
        ({"kind": "truncate"}, Retry),
        ({"kind": "status", "status": 401}, Unauthorized),
        ({"kind": "status", "status": 404}, Refused),
    ],
)
async def test_a_pass_survives_or_says_why(
    server: Server, store: Store, fault: dict[str, Any], error: type[Exception]
) -> None:
    """A fault that lasts fails the run with its kind; once it is over the next run ends with everything."""
    project = server.project()
    server.images(project, 5, annotations=[{"result": [box()]}])
    source = server.source(page_size=2)
    assert server.control is not None
    server.control.inject(path="/api/tasks/", method="GET", **fault)
    result = await sync(store, source)
    assert result.state == "FAILED"
    codes = {Retry: "PLATFORM_UNAVAILABLE", Unauthorized: "PLATFORM_UNAUTHORIZED", Refused: "PLATFORM_REFUSED"}
    assert result.run["error"]["code"] == codes[error]
    server.control.heal()
    await synced(store, source)
    assert await store.db["tasks"].count_documents({"deleted_at": None}) == 5
    await source.platform.close()


@pytest.mark.parametrize("full", [True, False])
async def test_a_broken_pass_goes_on_where_it_stopped(server: Server, store: Store, full: bool) -> None:
    """What was stored before the break is not asked for again, neither in a full pass nor in one of changes."""
    tasks = server.images(server.project(), 10, annotations=[{"result": [box()]}])
    source = server.source(page_size=2)
    if not full:
        await synced(store, source)
        for task in tasks:
            server.ask("PATCH", f"/api/tasks/{task}/", {"meta": {"seen": True}})
    stopped = LiveSource(name=NAME, connector=source.connector, platform=Stopping(source.platform, 4))
    broken = await sync(store, stopped)
    assert (broken.state, broken.run["progress"]["records"]) == ("FAILED", 7)  # the project and three pages of tasks
    run = await synced(store, source)
    assert run["mode"] == ("FULL" if full else "INCREMENTAL")
    assert run["progress"]["records"] == 1 + 4
    assert run["counts"]["deleted"] == 0
    assert await store.db["tasks"].count_documents({"deleted_at": None}) == 10
    await source.platform.close()


async def test_pages_shrink_until_they_fit(server: Server) -> None:
    """Answers over the size limit are asked for in smaller pages, and nothing is lost; one task over it is an error."""
    tasks = server.images(server.project(), 9, annotations=[{"result": [box(f"r{n}") for n in range(20)]}])
    platform = server.platform(limit=40_000)
    pages = [page async for page in platform.fetch(None, full=True)]
    assert [doc.external_id for page in pages for doc in page.documents if doc.kind is Kind.TASK] == list(
        map(str, tasks)
    )
    assert max(page.records for page in pages) < 9
    await platform.close()
    platform = server.platform(limit=4_000)
    with pytest.raises(Refused, match="larger than"):
        _ = [page async for page in platform.fetch(None, full=True)]
    await platform.close()


async def test_an_access_token_is_renewed_when_it_ends(server: Server) -> None:
    """After five minutes on the server's clock the first 401 leads to one new token, and nobody notices."""
    personal = server.ask("POST", "/api/token/")["token"]
    platform = server.platform(token=Secret(personal))
    await platform.check()
    assert server.control is not None
    server.control.clock.advance(301)
    healths = await asyncio.gather(*(platform.refresh([(Kind.TASK, str(n))]) for n in range(1, 9)))
    assert len(healths) == 8
    asked = sum(count for path, count in server.control.requests.items() if "token/refresh" in path)
    assert asked == 2
    await platform.close()


async def test_a_blacklisted_token_is_unauthorized(server: Server) -> None:
    """A personal token that was taken back pauses the source."""
    personal = server.ask("POST", "/api/token/")["token"]
    server.ask("POST", "/api/token/blacklist/", {"refresh": personal})
    platform = server.platform(token=Secret(personal))
    with pytest.raises(Unauthorized):
        await platform.check()
    await platform.close()


async def test_secrets_show_nowhere(server: Server, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """Tokens and passwords, in payloads and in logs too, reach neither the store nor a message."""
    caplog.set_level(logging.DEBUG)
    project = server.project(task_data_login="media", task_data_password="hunter-of-larks")
    server.tasks(
        project,
        [{"data": {"image": f"https://files.example.org/a.jpg?token={TOKEN}"}, "annotations": [{"result": [box()]}]}],
    )
    source = server.source()
    await synced(store, source)
    stored = list[str]()
    for name in await store.db.list_collection_names():
        stored += [str(doc) async for doc in store.db[name].find({})]
    everything = "\n".join(stored) + caplog.text + repr(source.platform)
    for secret in (TOKEN, SECRET, "hunter-of-larks"):
        assert secret not in everything
    assert "a.jpg" in everything
    await source.platform.close()


# --- webhooks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "refs", "everything"),
    [
        ({"action": "TASKS_CREATED", "tasks": [{"id": 4}, {"id": 5}], "project": {"id": 1}}, ["4", "5"], False),
        ({"action": "ANNOTATION_CREATED", "annotation": {"id": 9}, "task": {"id": 4}}, ["4"], False),
        ({"action": "ANNOTATIONS_CREATED", "annotation": [{"id": 9}], "task": [{"id": 4}, {"id": 4}]}, ["4"], False),
        ({"action": "ANNOTATIONS_DELETED", "annotations": [{"id": 9}]}, [], True),
        ({"action": "TASKS_DELETED", "tasks": [{"id": "../x"}, {"id": 6}]}, ["6"], False),
        ({"action": "LABEL_LINK_CREATED"}, [], True),
    ],
)
async def test_webhook_bodies(server: Server, body: dict[str, Any], refs: list[str], everything: bool) -> None:
    """Each form of body, single and list, names its tasks; without one everything is asked."""
    platform = server.platform()
    call = WebhookCall(headers={"x-labelgate-secret": SECRET}, body=json.dumps(body).encode())
    hint = await platform.receive(call)
    assert hint is not None
    assert ([name for _, name in hint.refs], hint.everything) == (refs, everything)
    assert await platform.receive(call) == hint
    await platform.close()


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b"{}", b"[" * 100_000])
async def test_what_is_no_event_is_nothing(server: Server, body: bytes) -> None:
    """Rubbish with the right secret is no hint; without a secret in the settings nothing is believed."""
    platform = server.platform()
    assert await platform.receive(WebhookCall(headers={"x-labelgate-secret": SECRET}, body=body)) is None
    await platform.close()
    silent = server.platform(webhook_secret=None)
    assert silent.capabilities.webhooks is False
    for headers in ({}, {"x-labelgate-secret": ""}):
        with pytest.raises(Unauthorized):
            await silent.receive(WebhookCall(headers=headers, body=body))
    await silent.close()


@pytest.mark.parametrize(
    "wrong", [{"page_size": 0}, {"page_size": 10_001}, {"concurrency": 0}, {"overlap_seconds": -1}]
)
def test_settings_are_checked(wrong: dict[str, Any]) -> None:
    """Numbers that make no sense are refused when the configuration is read."""
    with pytest.raises(ValueError, match=r"page_size|seconds"):
        Settings(url="http://ls.example.org", token=Secret(TOKEN), **wrong)


async def test_the_seeded_sandbox_is_a_small_team(store: Store) -> None:
    """What the demo shows: two projects, seventeen tasks, people with names, answers judged and not."""
    with serve(create()) as url:
        source = Server(url, TOKEN).source()
        await synced(store, source)
        await source.platform.close()
    assert await store.db["tasks"].count_documents({}) == 17
    assert await store.db["annotators"].count_documents({}) == 4
    statuses = [doc["review_status"] async for doc in store.db["tasks"].find({"status": "COMPLETED"})]
    assert Counter(statuses) == {"NOT_REVIEWED": 8, "ACCEPTED": 3, "REJECTED": 3, "FIXED": 1}
