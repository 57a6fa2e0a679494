"""What holds for Label Studio, sandbox or real: one list, so that the sandbox cannot drift from the server.

A module that runs it provides the fixture ``server`` and a subclass of ``Claims``.
"""

from __future__ import annotations

import asyncio
import http.server
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest

from connectors.contract import PushAudit, PushTask, Receipt, Secret, WebhookCall
from connectors.documents import UNSET, AuditResult, Kind, Page
from connectors.errors import Refused, Unauthorized
from connectors.ids import gid
from gateway.audits import submit
from gateway.outbox import Outbox
from gateway.store.store import Store
from gateway.sync import LiveSource, sync
from schema.jsontext import json_text
from schema.ports import NewAudit, Verdict, Viewer
from tests.connector_suite import snapshot
from tests.connectors.labelstudio.labelstudio_server import NAME, SECRET, Server, box

AUDITOR = Viewer(name="quality", scopes=frozenset({"audit"}))


def task_gid(task: int) -> str:
    return gid(NAME, "Task", str(task))


async def one(store: Store, kind: str, external_id: object) -> dict[str, Any]:
    collection = {"Task": "tasks", "Submission": "submissions", "Campaign": "campaigns", "Asset": "assets"}[kind]
    found = await store.db[collection].find_one({"_id": gid(NAME, kind, str(external_id))})
    assert found is not None, f"no {kind} {external_id}"
    return dict(found)


async def alive(store: Store, collection: str, **where: Any) -> int:
    return int(await store.db[collection].count_documents({"deleted_at": None} | where))


async def synced(store: Store, source: LiveSource, **options: Any) -> dict[str, Any]:
    """A sync that has to succeed, with its run."""
    result = await sync(store, source, **options)
    assert result.state == "SUCCEEDED", result.run
    return dict(result.run)


async def clean_copy(store: Store, server: Server) -> dict[str, Any]:
    """The snapshot of one full sync into a store of its own."""
    other = Store(store.db.client[f"{store.db.name}_clean"])
    await store.db.client.drop_database(other.db.name)
    try:
        source = server.source()
        await synced(other, source)
        await source.platform.close()
        return await snapshot(other)
    finally:
        await store.db.client.drop_database(other.db.name)


def living(found: dict[str, Any]) -> dict[str, Any]:
    """Without tombstones: a clean copy has never seen what is gone."""
    return {
        name: {key: doc for key, doc in docs.items() if not doc["gone"]}
        for name, docs in found.items()
        if name != "raws"
    }


class Stopping:
    """A platform whose pass breaks off after so many pages; ``between`` happens behind each of them."""

    def __init__(self, platform: Any, pages: int, between: Callable[[], object] = lambda: None) -> None:
        self.platform, self.pages, self.between = platform, pages, between

    def __getattr__(self, name: str) -> Any:
        return getattr(self.platform, name)

    async def fetch(self, since: Any, *, full: bool) -> AsyncIterator[Page]:
        left = self.pages
        async for page in self.platform.fetch(since, full=full):
            if left == 0:
                raise Refused("stopped here")
            left -= 1
            yield page
            self.between()


@contextmanager
def receiver() -> Iterator[tuple[str, list[WebhookCall]]]:
    """Something that takes webhooks, and what it got."""
    calls: list[WebhookCall] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            calls.append(WebhookCall(headers={k.lower(): v for k, v in self.headers.items()}, body=body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.server_address[1]}/hook", calls
        finally:
            listener.shutdown()


class Claims:
    many: ClassVar[int]
    """How many tasks make many."""

    # --- reading ------------------------------------------------------------------------------------------------

    async def test_it_says_who_we_are(self, server: Server) -> None:
        """``check`` tells release, edition and account; Community takes three verdicts on answers."""
        platform = server.platform()
        health = await platform.check()
        assert health.version == "1.23.2 Community"
        assert health.account == "admin@example.org"
        assert set(platform.capabilities.audit_results) == {
            AuditResult.ACCEPTED,
            AuditResult.REJECTED,
            AuditResult.FIXED,
        }
        await platform.close()

    async def test_everything_of_a_task_is_read(self, server: Server, store: Store) -> None:
        """Answers of two people, one skipped, a prediction and a draft become submissions with their marks."""
        project = server.project(maximum_annotations=2)
        ann = server.user("ann@example.org")
        data = {"data": {"image": "https://files.example.org/a.jpg"}, "meta": {"lot": 7}}
        (task, skipped, bare, half) = server.tasks(project, [data] * 4)
        first = server.answer(task, box("r1"), box("r2", "Person"), completed_by=ann)
        second = server.answer(task, box("r1", x=11))
        third = server.answer(skipped, was_cancelled=True)
        server.answer(half, box())
        server.ask("POST", "/api/predictions/", {"task": task, "result": [box()], "score": 0.9, "model_version": "m1"})
        server.ask("POST", f"/api/tasks/{bare}/drafts", {"result": [box("d1")], "lead_time": 2})
        source = server.source()
        await synced(store, source)
        await source.platform.close()

        campaign = await one(store, "Campaign", project)
        assert (campaign["name"], campaign["input_type"], campaign["label_set"]) == (
            "Street scenes",
            "IMAGE",
            ["Car", "Person", "good"],
        )
        stored = await one(store, "Task", task)
        assert (stored["status"], stored["annotation_count"], stored["labels"]) == ("COMPLETED", 3, ["Car", "Person"])
        assert [(await one(store, "Task", n))["status"] for n in (skipped, bare, half)] == [
            "CANCELED",
            "IN_PROGRESS",
            "IN_PROGRESS",
        ]
        kinds = Counter([doc["submission_kind"] async for doc in store.db["submissions"].find({})])
        assert kinds == {"DEFAULT": 4, "PREDICTION": 1, "AUTOSAVE": 1}
        assert (await one(store, "Submission", first))["author"] == gid(NAME, "Annotator", str(ann))
        assert [(await one(store, "Submission", n))["is_current"] for n in (first, second)] == [False, True]
        assert (await one(store, "Submission", third))["skipped"] is True
        draft = await store.db["submissions"].find_one({"submission_kind": "AUTOSAVE"})
        assert draft["author"] == gid(NAME, "Annotator", "1")
        mark = await store.db["annotations"].find_one({"_id": gid(NAME, "Annotation", f"{first}/r2/label")})
        assert (mark["label"], mark["value"]["left"], mark["value"]["unit"]) == ("Person", 0.1, "NORMALIZED")
        asset = await one(store, "Asset", task)
        assert (asset["name"], asset["content_url"]) == ("a.jpg", "https://files.example.org/a.jpg")

    async def test_many_tasks_sync_whole(self, server: Server, store: Store) -> None:
        """All tasks, their answers and marks arrive; every count equals the server's own."""
        projects = [server.project("One"), server.project("Two")]
        for start in range(0, self.many, 1000):
            count = min(1000, self.many - start)
            server.images(projects[start // 1000 % 2], count, annotations=[{"result": [box()]}])
        source = server.source()
        run = await synced(store, source)
        await source.platform.close()
        said = [server.ask("GET", f"/api/projects/{project}/") for project in projects]
        assert sum(project["task_number"] for project in said) == self.many
        for project in said:
            campaign = gid(NAME, "Campaign", str(project["id"]))
            assert await alive(store, "tasks", campaign=campaign) == project["task_number"]
            assert await alive(store, "submissions", campaign=campaign) == project["total_annotations_number"]
            assert await alive(store, "annotations", campaign=campaign) == project["total_annotations_number"]
        assert run["progress"]["done"] == run["progress"]["total"] == self.many

    async def test_a_second_sync_writes_nothing(self, server: Server, store: Store) -> None:
        """What did not change is not written again, though the server words ages and visits anew each time."""
        project = server.project()
        (task, *_) = server.images(project, 3, annotations=[{"result": [box()]}])
        server.ask("POST", f"/api/tasks/{task}/drafts", {"result": [box("d1")]})
        source = server.source(sweep_seconds=0)
        await synced(store, source)
        for full in (False, True):
            counts = (await synced(store, source, full=full))["counts"]
            assert (counts["created"], counts["updated"], counts["deleted"]) == (0, 0, 0)
        await source.platform.close()

    async def test_ties_of_one_moment_are_all_seen(self, server: Server, store: Store) -> None:
        """300 tasks that a bulk change gave one ``updated_at`` all come, in pages of seven."""
        project = server.project()
        server.images(project, 300, predictions=[{"model_version": "m1", "score": 0.5, "result": [box()]}])
        source = server.source(page_size=7, overlap_seconds=0)
        await synced(store, source)
        assert await alive(store, "submissions", submission_kind="DEFAULT") == 0
        chosen = {"selectedItems": {"all": True, "excluded": []}}
        server.ask("POST", "/api/dm/actions/", chosen, id="predictions_to_annotations", project=project)
        listed = server.ask("GET", "/api/tasks/", project=project, page_size=500, include="id,updated_at")["tasks"]
        assert len({task["updated_at"] for task in listed}) == 1
        run = await synced(store, source)
        assert run["mode"] == "INCREMENTAL"
        assert await alive(store, "submissions", submission_kind="DEFAULT") == 300
        await source.platform.close()

    async def test_deletions_become_tombstones(self, server: Server, store: Store) -> None:
        """A deleted answer, a task, all tasks of a project and a whole project are gone after the next sync."""
        projects = [server.project(title) for title in ("Kept", "Emptied", "Dropped")]
        tasks = [server.images(project, 4, annotations=[{"result": [box()]}]) for project in projects]
        answer = server.answer(tasks[0][0], box("r9"))
        source = server.source()
        await synced(store, source)
        server.ask("DELETE", f"/api/annotations/{answer}/")
        server.ask("DELETE", f"/api/tasks/{tasks[0][1]}/")
        server.ask("DELETE", f"/api/projects/{projects[1]}/tasks/")
        server.ask("DELETE", f"/api/projects/{projects[2]}/")
        run = await synced(store, source)
        assert run["mode"] == "INCREMENTAL"
        assert (await one(store, "Submission", answer))["deleted_at"] is not None
        assert await alive(store, "tasks") == 3
        assert await alive(store, "assets") == 3
        assert await alive(store, "submissions") == 3
        assert await alive(store, "annotations") == 3
        assert await alive(store, "campaigns") == 2
        await source.platform.close()

    async def test_what_moves_no_time_is_swept_up(self, server: Server, store: Store) -> None:
        """Drafts, bulk predictions, and a new overlap move no ``updated_at``, and are there after the sweep."""
        project = server.project()
        (task, other) = server.images(project, 2, annotations=[{"result": [box()]}])
        source = server.source(sweep_seconds=0, overlap_seconds=0)
        await synced(store, source)
        draft = server.ask("POST", f"/api/tasks/{task}/drafts", {"result": [box("d1")]})
        server.ask(
            "POST",
            f"/api/projects/{project}/import/predictions",
            [{"task": other, "result": [box()], "model_version": "m2"}],
        )
        await synced(store, source)
        assert await alive(store, "submissions", submission_kind="AUTOSAVE") == 1
        assert await alive(store, "submissions", submission_kind="PREDICTION") == 1
        assert (await one(store, "Task", other))["status"] == "COMPLETED"
        server.ask("DELETE", f"/api/drafts/{draft['id']}/")
        server.ask("PATCH", f"/api/projects/{project}/", {"maximum_annotations": 2})
        await synced(store, source)
        assert await alive(store, "submissions", submission_kind="AUTOSAVE") == 0
        assert (await one(store, "Task", other))["status"] == "IN_PROGRESS"
        await source.platform.close()

    async def test_incremental_syncs_equal_a_clean_one(self, server: Server, store: Store) -> None:
        """After changes of every kind the store is that of one full sync, apart from tombstones."""
        project, other = server.project(maximum_annotations=2), server.project("Other")
        tasks = server.images(project, 8, annotations=[{"result": [box()]}])
        more = server.images(other, 3)
        source = server.source(sweep_seconds=0, page_size=3)
        await synced(store, source)
        answer = server.answer(tasks[0], box("r5", "Person"), completed_by=server.user("ann@example.org"))
        server.ask("PATCH", f"/api/annotations/{answer}/", {"ground_truth": True})
        server.ask("PATCH", f"/api/tasks/{tasks[1]}/", {"data": {"image": "https://files.example.org/new.jpg"}})
        await synced(store, source)
        server.ask("POST", f"/api/annotations/{answer}/convert-to-draft", {})
        server.ask("PATCH", f"/api/annotations/{server.answer(more[0], box())}/", {"was_cancelled": True})
        await synced(store, source)
        server.images(other, 2, predictions=[{"model_version": "m1", "result": [box()]}])
        server.ask("DELETE", f"/api/tasks/{tasks[2]}/")
        server.ask("PATCH", f"/api/projects/{project}/", {"title": "Renamed"})
        run = await synced(store, source)
        assert run["mode"] == "INCREMENTAL"
        await source.platform.close()
        assert living(await snapshot(store)) == living(await clean_copy(store, server))
        assert await alive(store, "tasks") == 12

    async def test_a_pass_broken_off_anywhere_ends_like_a_clean_one(self, server: Server, store: Store) -> None:
        """A full pass and then an incremental one, each stopped after every number of pages, leave the clean store."""
        project = server.project()
        tasks = server.images(project, 5, annotations=[{"result": [box()]}])
        server.ask("POST", f"/api/tasks/{tasks[0]}/drafts", {"result": [box("d1")]})
        source = server.source(page_size=2, sweep_seconds=0)
        for pages in range(7):
            broken = LiveSource(name=NAME, connector=source.connector, platform=Stopping(source.platform, pages))
            await sync(store, broken)
        await synced(store, source)
        assert living(await snapshot(store)) == living(await clean_copy(store, server))
        for task in tasks[1:]:
            server.answer(task, box("r2"))
        server.ask("DELETE", f"/api/tasks/{tasks[0]}/")
        for pages in range(7):
            broken = LiveSource(name=NAME, connector=source.connector, platform=Stopping(source.platform, pages))
            await sync(store, broken)
        await synced(store, source)
        assert living(await snapshot(store)) == living(await clean_copy(store, server))
        assert await alive(store, "tasks") == 4
        await source.platform.close()

    async def test_single_things_read_as_in_a_pass(self, server: Server, store: Store) -> None:
        """``refresh`` gives the very documents that a pass gives; what is not there comes back as gone."""
        project = server.project()
        (task, *_) = server.images(project, 3, annotations=[{"result": [box()]}])
        server.ask("POST", f"/api/tasks/{task}/drafts", {"result": [box("d1")]})
        platform = server.platform()
        passed = [doc async for page in platform.fetch(None, full=True) for doc in page.documents]
        page = await platform.refresh([(Kind.TASK, str(task)), (Kind.CAMPAIGN, str(project)), (Kind.TASK, "99999999")])
        asked = {(doc.kind, doc.external_id): doc for doc in page.documents}
        assert asked == {(doc.kind, doc.external_id): doc for doc in passed if (doc.kind, doc.external_id) in asked}
        assert {key[0] for key in asked} == {*Kind} - {Kind.AUDIT, Kind.COMMENT}
        assert {(ref.kind, ref.external_id) for ref in page.gone} == {(Kind.TASK, "99999999"), (Kind.ASSET, "99999999")}
        await platform.close()

    # --- verdicts -----------------------------------------------------------------------------------------------

    async def judged(self, server: Server, store: Store, result: str, **more: Any) -> tuple[LiveSource, int, int]:
        """A task of which one answer is judged, within one turn of the worker."""
        project = server.project()
        (task,) = server.images(project, 1)
        answer = server.answer(task, box(), completed_by=server.user("ann@example.org"))
        source = server.source()
        await synced(store, source)
        audit = NewAudit(idempotency_key="k1", task=task_gid(task), result=result, comment="as agreed", **more)
        (outcome,) = await submit(store, [audit], AUDITOR)
        assert outcome.verdict is Verdict.DONE, outcome
        assert await Outbox(store, {NAME: source}).turn() == 1
        return source, task, answer

    @pytest.mark.parametrize(
        ("result", "word"), [("ACCEPTED", "accepted"), ("REJECTED", "rejected"), ("FIXED", "fixed_and_accepted")]
    )
    async def test_a_verdict_arrives_once(self, server: Server, store: Store, result: str, word: str) -> None:
        """One turn of the worker and the server's own API shows it; after the next sync it is still one audit."""
        fixed = [box("r1", "Person"), box("r2", x=33.25)]
        more: dict[str, Any] = {"fixed_response": fixed, "has_fixed_response": True} if result == "FIXED" else {}
        source, task, answer = await self.judged(server, store, result, **more)
        said = server.ask("GET", f"/api/annotations/{answer}/")
        assert (said["last_action"], said["last_created_by"]) == (word, 1)
        assert said["result"] == (fixed if result == "FIXED" else [box()])
        assert said["ground_truth"] is False
        run = await synced(store, source)
        assert run["mode"] == "INCREMENTAL"
        audits = [audit async for audit in store.db["audits"].find({})]
        assert [(audit["result"], audit["origin"], audit["delivery"]["state"]) for audit in audits] == [
            (result, "GATEWAY", "DELIVERED")
        ]
        assert audits[0]["echoed"] is True
        stored = await one(store, "Task", task)
        assert (stored["review_status"], stored["audit_count"]) == (result, 1)
        assert stored["response_of"] == gid(NAME, "Submission", str(answer))
        assert stored["labels"] == (["Car", "Person"] if result == "FIXED" else ["Car"])
        await source.platform.close()

    async def test_verdicts_given_there_are_read(self, server: Server, store: Store) -> None:
        """What somebody set at Label Studio is an audit by them; the verdict moves with the answer's state."""
        project = server.project()
        (task,) = server.images(project, 1)
        answer = server.answer(task, box(), completed_by=server.user("ann@example.org"))
        source = server.source()
        for word, result in (("rejected", "REJECTED"), ("accepted", "ACCEPTED")):
            server.ask("PATCH", f"/api/annotations/{answer}/", {"last_action": word, "last_created_by": 1})
            await synced(store, source)
            audits = [audit async for audit in store.db["audits"].find({"deleted_at": None})]
            assert [(audit["result"], audit["auditor"]) for audit in audits] == [(result, gid(NAME, "Annotator", "1"))]
            assert (await one(store, "Task", task))["review_status"] == result
        await source.platform.close()

    async def test_the_newest_verdict_counts(self, server: Server, store: Store) -> None:
        """A fix and a rejection delivered before any sync are both taken; another's verdict later counts instead."""
        fixed = [box("r1", "Person")]
        source, task, answer = await self.judged(server, store, "FIXED", fixed_response=fixed, has_fixed_response=True)
        second = NewAudit(idempotency_key="k2", task=task_gid(task), result="REJECTED", comment="on second thoughts")
        (outcome,) = await submit(store, [second], AUDITOR)
        assert outcome.verdict is Verdict.DONE
        assert await Outbox(store, {NAME: source}).turn() == 1
        await synced(store, source)
        audits = [audit async for audit in store.db["audits"].find({}, sort=[("seq", 1)])]
        assert [(audit["result"], audit.get("echoed")) for audit in audits] == [("FIXED", True), ("REJECTED", True)]
        stored = await one(store, "Task", task)
        assert (stored["review_status"], stored["audit_count"]) == ("REJECTED", 2)
        assert stored["response_of"] == gid(NAME, "Submission", str(answer))
        assert (await one(store, "Submission", answer))["response"] == json_text(fixed)
        change = {"last_action": "accepted", "last_created_by": server.user("rev@example.org")}
        server.ask("PATCH", f"/api/annotations/{answer}/", change)
        await synced(store, source)
        stored = await one(store, "Task", task)
        assert (stored["review_status"], stored["audit_count"]) == ("ACCEPTED", 3)
        await source.platform.close()

    async def test_a_verdict_on_what_is_gone_is_refused(self, server: Server) -> None:
        """An answer that was deleted after it was judged cannot be judged; nor can a mark, a draft or a prediction."""
        project = server.project()
        (task,) = server.images(project, 1)
        answer = server.answer(task, box(), completed_by=server.user("ann@example.org"))
        platform = server.platform()
        pushed = await self.task_of(platform, task)
        server.ask("DELETE", f"/api/annotations/{answer}/")
        for audit, reason in (
            (PushAudit(id="a1", result=AuditResult.ACCEPTED, submission=str(answer)), "no longer has"),
            (PushAudit(id="a2", result=AuditResult.ACCEPTED, submission="draft-1"), "not on predictions or drafts"),
            (PushAudit(id="a3", result=AuditResult.ACCEPTED, annotation=f"{answer}/r1/label"), "not on single marks"),
            (PushAudit(id="a4", result=AuditResult.COMMENTED), "not COMMENTED"),
        ):
            with pytest.raises(Refused, match=reason):
                await platform.push(audit, pushed)
            assert await platform.find(audit, pushed) is None
        await platform.close()

    async def task_of(self, platform: Any, task: int) -> PushTask:
        page = await platform.refresh([(Kind.TASK, str(task))])
        found = next(doc for doc in page.documents if doc.kind is Kind.TASK)
        current = next(
            (doc.external_id for doc in page.documents if doc.kind is Kind.SUBMISSION and doc.is_current), None
        )
        assert found.raw is not UNSET
        return PushTask(external_id=str(task), submission=current, raw=found.raw)

    async def test_find_tells_an_effect_from_none(self, server: Server) -> None:
        """Before the push nothing is found; after it, the very receipt; and a repeated push changes no more."""
        project = server.project()
        (task,) = server.images(project, 1)
        answer = server.answer(task, box())
        platform = server.platform()
        pushed = await self.task_of(platform, task)
        audit = PushAudit(id="a1", result=AuditResult.REJECTED, comment="no")
        before = await platform.mark(audit, pushed)
        audit = PushAudit(id="a1", result=AuditResult.REJECTED, comment="no", before=before)
        assert await platform.find(audit, pushed) is None
        receipt = await platform.push(audit, pushed)
        assert receipt.external_id == str(answer)
        assert isinstance(await platform.find(audit, pushed), Receipt)
        assert (await platform.push(audit, pushed)).external_id == receipt.external_id
        page = await platform.refresh([(Kind.TASK, str(task))])
        assert [doc.external_id for doc in page.documents if doc.kind is Kind.AUDIT] == [receipt.external_id]
        await platform.close()

    # --- webhooks, credentials, quirks --------------------------------------------------------------------------

    async def test_webhooks_are_hints(self, server: Server, store: Store) -> None:
        """The server's own calls name the task to ask about, or ask for a sync; a wrong secret is refused."""
        project = server.project()
        platform = server.platform()
        with receiver() as (url, calls):
            hook = {"url": url, "project": project, "headers": {"X-Labelgate-Secret": SECRET}}
            server.ask("POST", "/api/webhooks/", hook)
            (task, other) = server.images(project, 2)
            answer = server.answer(task, box())
            server.ask("PATCH", f"/api/annotations/{answer}/", {"lead_time": 9})
            server.ask("DELETE", f"/api/annotations/{answer}/")
            server.ask("DELETE", f"/api/tasks/{other}/")
            server.ask("PATCH", f"/api/projects/{project}/", {"title": "Renamed"})
        hints = [await platform.receive(call) for call in calls]
        seen = [(hint.everything, sorted(name for _, name in hint.refs)) for hint in hints if hint]
        assert seen == [
            (False, sorted([str(task), str(other)])),
            (False, [str(task)]),
            (False, [str(task)]),
            (True, []),
            (False, [str(other)]),
            (True, [str(project)]),
        ]
        for wrong in ({}, {"x-labelgate-secret": SECRET + "x"}):
            with pytest.raises(Unauthorized):
                await platform.receive(WebhookCall(headers=wrong, body=calls[0].body))
        again = await platform.receive(WebhookCall(headers=calls[0].headers, body=b'{"action": "ANNOTATION_CREATED"}'))
        assert again is not None
        assert again.everything
        await platform.close()

    async def test_a_personal_access_token_is_changed_once(self, server: Server) -> None:
        """Twenty requests at once with a personal token ask for one access token, and all succeed."""
        made = server.http.post("/api/token/")
        assert made.status_code == 201, made.text
        personal = made.json()["token"]
        try:
            platform = server.platform(token=Secret(personal), concurrency=8)
            before = platform.requests()
            healths = await asyncio.gather(*(platform.check() for _ in range(10)))
            assert {health.account for health in healths} == {"admin@example.org"}
            # a version each, one refresh, and at least one question who we are
            assert platform.requests() - before <= 10 + 1 + 10
            assert personal not in repr(platform._client.http)
            await platform.close()
        finally:
            server.http.post("/api/token/blacklist/", json={"refresh": personal})

    async def test_wrong_tokens_pause_the_source(self, server: Server) -> None:
        """A wrong token of either kind is ``Unauthorized``, and is in no message."""
        for token in ("f" * 40, "aaaaaaaa.bbbbbbbb.cccccccc"):
            platform = server.platform(token=Secret(token))
            with pytest.raises(Unauthorized) as caught:
                await platform.check()
            assert token not in caught.value.message
            await platform.close()

    async def test_quirks_hold(self, server: Server) -> None:
        """Misspelt times are answered 500, pages past the end 404, unknown routes with a web page, and cut lists."""
        project = server.project()
        server.images(project, 2, annotations=[{"result": [box()]}])
        assert server.http.get("/api/tasks/", params={"project": project, "page": 9, "page_size": 2}).status_code == 404
        query = '{"filters": {"conjunction": "and", "items": [{"filter": "filter:tasks:updated_at", "operator": "greater", "type": "Datetime", "value": "2026-01-01T00:00:00Z"}]}}'
        assert server.http.get("/api/tasks/", params={"project": project, "query": query}).status_code == 500
        nowhere = server.http.get("/api/no-such-thing/")
        assert nowhere.status_code == 404
        assert nowhere.headers["content-type"].startswith("text/html")
        params = {"project": project, "fields": "all", "include": "id,annotations,completed_by"}
        cut = server.ask("GET", "/api/tasks/", **params)["tasks"][0]["annotations"][0]
        assert set(cut) == {"id", "completed_by"}
        assert server.ask("GET", "/api/version")["edition"] == "Community"
