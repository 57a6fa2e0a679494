"""Verdicts on their way to Scale: exactly one effect each, whatever becomes of the answers, and the right record named."""

import asyncio
import json
import random
from datetime import timedelta

import pytest

from connectors.contract import PushAudit, PushTask
from connectors.documents import AuditResult, Kind
from connectors.errors import Refused, Retry, Uncertain
from connectors.scale.client import Client
from connectors.scale.delivery import Delivery, echo, mark, newcomers
from connectors.scale.mapping import task_documents
from connectors.transport import Timeouts
from gateway.audits import retry, submit
from gateway.engine import utcnow
from gateway.outbox import Outbox
from schema.ports import NewAudit, Verdict, Viewer
from tests.connectors.scale.live_scale import NAME, QUICK, living, settings, synced

ALICE = Viewer(name="alice", scopes=frozenset({"audit"}))
AUDIT = "/audit$"
OTHER = "somebody.else@example.org"


def fresh(client, **body):
    return client.act["create_task"](complete=True, **body)["task_id"]


def verdict(result="ACCEPTED", comment=None, id_="gateway-1", **details):
    return PushAudit(id=id_, result=AuditResult(result), comment=comment, **details)


async def marked(source, task, audit):
    """The audit with the picture of the task from before."""
    before = await source.mark(audit, task)
    return PushAudit(id=audit.id, result=audit.result, comment=audit.comment, before=before)


def effects(client, task=None):
    return [e for e in client.sandbox.control.effects if e.name == "audit" and task in (None, e.key)]


def newest_record(client, task):
    """The external id that a sync gives the task's newest audit."""
    documents = task_documents(client.act["get_task"](task_id=task))
    return next(one.external_id for one in documents if one.kind is Kind.AUDIT)


# --- one push -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("result", "comment"), [("ACCEPTED", None), ("REJECTED", "Too loose."), ("REJECTED", "")])
async def test_a_verdict_arrives_and_its_record_is_named(scale, platform, result, comment):
    """One effect with result and comment; the receipt's id is the one of the next sync's document."""
    source, task = platform(scale), PushTask(external_id=fresh(scale))
    audit = await marked(source, task, verdict(result, comment))
    receipt = await source.push(audit, task)
    assert [e.detail["result"] for e in effects(scale)] == [result.lower()]
    assert [e.detail["comments"] for e in effects(scale)] == [comment or None]
    assert receipt.external_id == newest_record(scale, task.external_id)
    assert receipt.details["customer_review_status"] == result.lower()
    assert receipt.details["audited_at"] == effects(scale)[0].detail["audited_at"]


async def test_what_the_endpoint_does_not_take_is_refused_and_not_sent(scale, platform):
    """A fix, a comment alone, a verdict on an answer that is no longer the present one."""
    source, task = platform(scale), PushTask(external_id=fresh(scale), submission="now")
    for audit in (verdict("FIXED"), verdict("COMMENTED"), verdict(submission="before")):
        with pytest.raises(Refused):
            await source.push(audit, task)
    assert effects(scale) == []
    assert scale.sandbox.control.requests == {}


async def test_scales_own_no_is_final(scale, platform):
    """A task that is not completed (400), and one that this key does not see (404), also before anything is sent."""
    source = platform(scale)
    waiting = PushTask(external_id=scale.act["create_task"]()["task_id"])
    audit = await marked(source, waiting, verdict())
    with pytest.raises(Refused, match="Only completed tasks can be audited"):
        await source.push(audit, waiting)
    nowhere = PushTask(external_id="ffffffffffffffffffffffff")
    with pytest.raises(Refused):
        await source.push(audit, nowhere)
    with pytest.raises(Refused, match="its own mode"):
        await source.mark(verdict(), nowhere)
    assert effects(scale) == []
    assert await source.find(audit, waiting) is None


LOST = [
    {"status": 500},
    {"status": 502, "body": "<html>"},
    {"status": 504},
    {"status": 408},
    {"kind": "reset"},
    {"kind": "truncate"},
    {"kind": "stall", "seconds": 2},
    {"kind": "html"},
]


@pytest.mark.parametrize("fault", LOST, ids=lambda fault: " ".join(map(str, fault.values())))
async def test_a_lost_answer_to_a_verdict_that_landed_is_found_at_once(scale, platform, fault):
    """The task is read before anybody gives up: one effect, one request, and a receipt as if nothing had been."""
    source, task = platform(scale), PushTask(external_id=fresh(scale))
    audit = await marked(source, task, verdict("REJECTED", "Too loose."))
    scale.sandbox.control.inject(path=AUDIT, when="after", **fault)
    receipt = await source.push(audit, task)
    assert len(effects(scale)) == 1
    assert receipt.external_id == newest_record(scale, task.external_id)


@pytest.mark.parametrize(
    "fault",
    [fault for fault in LOST if fault.get("kind") not in ("truncate", "stall")],
    ids=lambda fault: " ".join(map(str, fault.values())),
)
async def test_a_lost_answer_to_a_verdict_that_did_not_land_is_uncertain(scale, platform, fault):
    """Nothing is sent twice by the push itself; ``find`` says that it did not land, and the next push is the effect."""
    source, task = platform(scale), PushTask(external_id=fresh(scale))
    audit = await marked(source, task, verdict("REJECTED", "Too loose."))
    scale.sandbox.control.inject(path=AUDIT, when="before", **fault)
    with pytest.raises(Uncertain):
        await source.push(audit, task)
    assert scale.sandbox.control.faults[0].hits == 1
    assert effects(scale) == []
    scale.sandbox.control.heal()
    assert await source.find(audit, task) is None
    await source.push(audit, task)
    assert len(effects(scale)) == 1


@pytest.mark.parametrize("fault", [{"status": 429}, {"status": 521}])
async def test_what_surely_never_ran_is_sent_again(scale, platform, fault):
    """Within the push while it passes; as ``Retry`` when it stays, and then there is nothing to look for."""
    source, task = platform(scale), PushTask(external_id=fresh(scale))
    audit = await marked(source, task, verdict())
    scale.sandbox.control.inject(path=AUDIT, **fault)
    with pytest.raises(Retry):
        await source.push(audit, task)
    assert effects(scale) == []
    assert await source.find(audit, task) is None
    scale.sandbox.control.faults[0].times = scale.sandbox.control.faults[0].hits + 2
    await source.push(audit, task)
    assert len(effects(scale)) == 1


async def test_a_verdict_that_may_be_under_way_gets_its_time(scale):
    """The request arrived and is applied after we gave up waiting: ``find`` does not call it missing before its time."""
    wait = 1.2
    now = [0.0]
    chosen = settings(scale, settle_seconds=60)
    client = Client(chosen, **QUICK)
    delivery = Delivery(client, chosen, clock=lambda: now[0])
    task = PushTask(external_id=fresh(scale))
    audit = await marked(delivery, task, verdict())
    scale.sandbox.control.inject(path=AUDIT, kind="delay", seconds=wait, when="before", times=1)
    with pytest.raises(Uncertain):
        await delivery.push(audit, task)
    assert effects(scale) == []
    now[0] = 30.0
    with pytest.raises(Retry, match="under way") as caught:
        await delivery.find(audit, task)
    assert caught.value.after == 30.0
    await asyncio.sleep(wait)
    receipt = await delivery.find(audit, task)
    assert receipt.external_id == newest_record(scale, task.external_id)
    assert len(effects(scale)) == 1
    await client.http.aclose()


async def test_after_its_time_a_missing_verdict_is_missing(scale, platform):
    """With the time over, ``find`` answers None; another process, which sent nothing, answers so at once."""
    source, task = platform(scale, settle_seconds=0.3), PushTask(external_id=fresh(scale))
    audit = await marked(source, task, verdict())
    scale.sandbox.control.inject(path=AUDIT, status=503, times=1)
    with pytest.raises(Uncertain):
        await source.push(audit, task)
    with pytest.raises(Retry):
        await source.find(audit, task)
    assert await platform(scale).find(audit, task) is None
    await asyncio.sleep(0.3)
    assert await source.find(audit, task) is None


async def test_a_verdict_whose_record_cannot_be_read_is_uncertain_and_then_found(scale, platform):
    """Scale said yes and the reading of the task failed: nothing is sent again."""
    source, task = platform(scale), PushTask(external_id=fresh(scale))
    audit = await marked(source, task, verdict())
    scale.sandbox.control.inject(method="GET", path="/v1/task/", status=500)
    with pytest.raises(Uncertain):
        await source.push(audit, task)
    with pytest.raises(Retry):
        await source.find(audit, task)
    scale.sandbox.control.heal()
    assert (await source.find(audit, task)).external_id == newest_record(scale, task.external_id)
    assert len(effects(scale)) == 1


async def test_a_verdict_that_scale_took_is_never_sent_again_for_want_of_a_record(scale, platform):
    """Where Scale says yes and never shows a record, it is delivered without one in the end."""
    source, task = platform(scale), PushTask(external_id=fresh(scale))
    audit = await marked(source, task, verdict())
    hidden = {"task_id": task.external_id, "type": "x", "status": "completed"}
    scale.sandbox.control.inject(method="GET", path="/v1/task/", status=200, body=json.dumps(hidden))
    with pytest.raises(Uncertain):
        await source.push(audit, task)
    for _ in range(4):
        with pytest.raises(Retry):
            await source.find(audit, task)
    receipt = await source.find(audit, task)
    assert (receipt.external_id, list(receipt.details)) == (None, ["note"])
    assert len(effects(scale)) == 1


# --- among other people's audits ----------------------------------------------------------------------------------


async def test_the_mark_names_what_was_there(scale, platform):
    """Records by the ids of the mapping, how often the comment stands there, and Scale's time."""
    source, task = platform(scale), PushTask(external_id=fresh(scale))
    for comment in ("Again.", "Again.", "Other."):
        scale.act["add_audit"](task_id=task.external_id, result="rejected", comment=comment)
    before = await source.mark(verdict(comment="Again."), task)
    raw = scale.act["get_task"](task_id=task.external_id)
    ids = [one.external_id for one in task_documents(raw) if one.kind is Kind.AUDIT]
    assert (before["audits"], before["comments"], len(ids)) == (ids, 2, 3)
    assert before["at"].startswith(utcnow().isoformat()[:13])


async def test_an_older_verdict_alike_is_not_taken_for_ours(scale, platform):
    """Same account, same result, same comment, a moment ago: it was in the mark."""
    source, task = platform(scale), PushTask(external_id=fresh(scale))
    scale.act["add_audit"](task_id=task.external_id, result="rejected", comment="Too loose.")
    audit = await marked(source, task, verdict("REJECTED", "Too loose."))
    scale.sandbox.control.inject(path=AUDIT, status=500, times=1)
    with pytest.raises(Uncertain):
        await source.push(audit, task)
    assert await source.find(audit, task) is None
    receipt = await source.push(audit, task)
    assert receipt.external_id == newest_record(scale, task.external_id)
    assert len(effects(scale)) == 1


@pytest.mark.parametrize("known", ["audited_by", "learnt"])
async def test_another_persons_verdict_alike_is_told_apart_by_the_account(scale, platform, known):
    """Without a comment, while our answer is lost: only the account tells, from the settings or from an audit before."""
    scale.act["set_auditor"](email="us@example.org")
    source = platform(scale, **({"audited_by": "Us@example.org"} if known == "audited_by" else {}))
    if known == "learnt":
        first = PushTask(external_id=fresh(scale))
        await source.push(await marked(source, first, verdict(id_="gateway-0")), first)
    task = PushTask(external_id=fresh(scale))
    audit = await marked(source, task, verdict())
    scale.act["add_audit"](task_id=task.external_id, result="accepted", by=OTHER)
    scale.sandbox.control.inject(path=AUDIT, status=500, times=1)
    with pytest.raises(Uncertain):
        await source.push(audit, task)
    assert await source.find(audit, task) is None
    receipt = await source.push(audit, task)
    assert receipt.external_id == newest_record(scale, task.external_id)
    assert len(effects(scale, task.external_id)) == 1


async def test_another_persons_verdict_alike_is_told_apart_by_the_comment(scale, platform):
    """As long as the account is not known, a lost verdict with a comment is found by the comment."""
    source, task = platform(scale), PushTask(external_id=fresh(scale))
    audit = await marked(source, task, verdict("REJECTED", "Ours."))
    scale.act["add_audit"](task_id=task.external_id, result="rejected", comment="Theirs.", by=OTHER)
    scale.sandbox.control.inject(path=AUDIT, status=500, times=1)
    with pytest.raises(Uncertain):
        await source.push(audit, task)
    assert await source.find(audit, task) is None
    await source.push(audit, task)
    assert len(effects(scale)) == 1


async def test_the_limit_without_account_and_comment(scale, platform):
    """The documented limit: somebody else's verdict alike, while our first answer ever is lost, passes for ours."""
    source, task = platform(scale), PushTask(external_id=fresh(scale))
    audit = await marked(source, task, verdict())
    scale.act["add_audit"](task_id=task.external_id, result="accepted", by=OTHER)
    scale.sandbox.control.inject(path=AUDIT, status=500, times=1)
    receipt = await source.push(audit, task)
    assert OTHER not in str(receipt)
    assert effects(scale) == []


async def test_audits_by_scale_itself_and_older_ones_are_not_ours():
    """Records of another result, by Scale's people, from before the mark, or long before it, are no newcomers."""
    at = "2026-05-01T12:00:00.000Z"

    def record(result="accepted", source="customer", by="us@example.org", when=at):
        return {"audited_by": by, "audited_at": when, "audit_result": result, "audit_source": source}

    task = {"task_id": "t", "type": "x", "status": "completed", "audits": [record()]}
    before = mark(task, verdict()) | {"at": at}
    audit = verdict(before=before)
    later = [
        record(result="rejected", when="2026-05-01T12:00:01.000Z"),
        record(source="scale", when="2026-05-01T12:00:02.000Z"),
        record(when="2026-05-01T11:00:00.000Z"),
        record(),
    ]
    assert newcomers(task_documents(task | {"audits": later}), audit) == []
    ours = record(when="2026-05-01T12:00:03.000Z")
    new = newcomers(task_documents(task | {"audits": [ours, *later]}), audit)
    assert [one.external_id.split("/")[1] for one in new] == ["2026-05-01T12:00:03.000Z"]
    assert echo(task, new, audit) is new[0]
    assert echo(task, new, audit, account="person-of-somebody-else") is None
    assert echo(task, new, audit, account=new[0].auditor, taken=True) is new[0]
    assert echo(task, [], audit, taken=True) is None


# --- through the outbox -------------------------------------------------------------------------------------------


async def prepared(store, live, client, tasks, **changes):
    """``tasks`` completed tasks, synced."""
    ids = [fresh(client) for _ in range(tasks)]
    source = live(client, **changes)
    await synced(store, source)
    return source, ids


async def give(store, task, result, comment, key):
    outcomes = await submit(
        store,
        [NewAudit(idempotency_key=key, task=f"gid://{NAME}/Task/{task}", result=result, comment=comment)],
        ALICE,
    )
    assert outcomes[0].verdict is Verdict.DONE, outcomes[0].message
    return outcomes[0].audit


async def deliver(store, outbox, rounds=400):
    for _ in range(rounds):
        await outbox.turn()
        left = await store.db["audits"].count_documents({"delivery.state": {"$in": ["PENDING", "SENDING"]}})
        if not left:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{left} verdicts are still on their way")


@pytest.mark.parametrize("comments", [True, False], ids=["commented", "bare"])
async def test_sixty_verdicts_are_sixty_effects_in_order(empty, store, live, comments):
    """20 % 5xx, half of them after the change, 5 % answers that stall after it, 5 % 429, and faulty reads besides.

    Every task gets its verdicts once each and in the order in which they were given, every audit is DELIVERED with the
    platform's own id, and the next sync makes no second audit of any.
    """
    patient = {"timeouts": Timeouts(connect=5, read=1, write=5, pool=5, total=5)}
    source, tasks = await prepared(store, live, empty, 12, settle_seconds=0.5, options=patient)
    given = {task: [] for task in tasks}
    chance = random.Random(7)
    for number in range(60):
        task = tasks[number % 12]
        result = chance.choice(["ACCEPTED", "REJECTED"])
        await give(store, task, result, f"v{number}" if comments else None, f"key-{number}")
        given[task].append((result.lower(), f"v{number}" if comments else None))
    control = empty.sandbox.control
    for times, fault in (
        (6, {"status": 500}),
        (6, {"status": 503, "when": "after"}),
        (3, {"kind": "stall", "seconds": 3}),
        (3, {"status": 429}),
        (3, {"kind": "reset", "when": "after"}),
    ):
        control.inject(method="POST", path=AUDIT, times=times, rate=0.3, **fault)
    control.inject(method="GET", path="/v1/task/", status=502, rate=0.1)
    await deliver(store, Outbox(store, {NAME: source}, first_pause=0.02, longest_pause=0.1))
    assert [fault.hits for fault in control.faults[:5]] == [6, 6, 3, 3, 3]
    control.heal()
    assert len(effects(empty)) == 60
    for task in tasks:
        assert [(e.detail["result"], e.detail["comments"]) for e in effects(empty, task)] == given[task]
    audits = await store.db["audits"].find({"origin": "GATEWAY"}).to_list(None)
    assert {audit["delivery"]["state"] for audit in audits} == {"DELIVERED"}
    assert len({audit["alias"] for audit in audits}) == 60
    await synced(store, source)
    assert await store.db["audits"].count_documents({}) == 60
    assert await store.db["audits"].count_documents({"echoed": True}) == 60
    found = await living(store)
    for task in tasks:
        kept = found["tasks", f"gid://{NAME}/Task/{task}"]
        platform_says = empty.act["get_task"](task_id=task)
        assert kept["review_status"].lower() == platform_says["customer_review_status"]
        assert kept["review_comments"] == platform_says.get("customer_review_comments", [])
        assert kept["audit_count"] == 5


async def test_a_worker_that_died_after_sending_leaves_one_effect(empty, store, live):
    """Killed between the platform's yes and the store's: whoever comes next looks, finds the record, and sends nothing."""
    source, (task,) = await prepared(store, live, empty, 1)
    audit = await give(store, task, "REJECTED", "Too loose.", "k")

    class Died(BaseException):
        pass

    def die(step):
        if step == "pushed":
            raise Died

    with pytest.raises(Died):
        await Outbox(store, {NAME: source}, fault=die).turn()
    assert len(effects(empty)) == 1
    past = utcnow() - timedelta(seconds=1)
    await store.db["audits"].update_one({"_id": audit}, {"$set": {"delivery.next_attempt_at": past}})
    await Outbox(store, {NAME: live(empty)}).turn()
    kept = await store.db["audits"].find_one({"_id": audit})
    assert kept["delivery"]["state"] == "DELIVERED"
    assert kept["external_id"] == newest_record(empty, task)
    assert len(effects(empty)) == 1


async def test_a_sync_between_push_and_settling_makes_no_second_audit(empty, store, live):
    """The platform's record is stored before we know that it is ours; then the two become one."""
    source, (task,) = await prepared(store, live, empty, 1)
    audit = await give(store, task, "ACCEPTED", None, "k")
    met = []

    class Meeting:
        def __getattr__(self, name):
            return getattr(source.platform, name)

        async def push(self, audit, task):
            receipt = await source.platform.push(audit, task)
            met.append(await synced(store, source))
            return receipt

        mark, find = source.platform.mark, source.platform.find

    meeting = live(empty)
    meeting.platform = Meeting()
    await Outbox(store, {NAME: meeting}).turn()
    assert met[0].run["kinds"]["Audit"]["created"] == 1
    assert await store.db["audits"].count_documents({}) == 1
    await synced(store, source)
    kept = await store.db["audits"].find({}).to_list(None)
    assert [(one["_id"], one["delivery"]["state"], one["echoed"]) for one in kept] == [(audit, "DELIVERED", True)]


async def test_a_refused_verdict_leaves_the_task_as_it_was(empty, store, live):
    """Recalled by Scale before the verdict came: REFUSED with Scale's reason, no effect, nothing laid over the task."""
    source, (task,) = await prepared(store, live, empty, 1)
    audit = await give(store, task, "ACCEPTED", None, "k")
    empty.act["recall_task"](task_id=task)
    await deliver(store, Outbox(store, {NAME: source}, first_pause=0.01))
    kept = await store.db["audits"].find_one({"_id": audit})
    assert kept["delivery"]["state"] == "REFUSED"
    assert "Only completed tasks" in kept["delivery"]["last_error"]["message"]
    assert effects(empty) == []
    await synced(store, source)
    after = (await living(store))["tasks", f"gid://{NAME}/Task/{task}"]
    assert (after["status"], after["review_status"], after["audit_count"]) == (
        "IN_PROGRESS",
        "NOT_REVIEWED",
        0,
    )


async def test_a_given_up_verdict_of_unknown_outcome_is_looked_for_when_it_is_retried(empty, store, live):
    """FAILED keeps that the outcome is unknown; the retry finds the record and sends nothing."""
    source, (task,) = await prepared(store, live, empty, 1)
    audit = await give(store, task, "ACCEPTED", None, "k")
    control = empty.sandbox.control
    control.inject(method="POST", path=AUDIT, status=500, when="after")
    outbox = Outbox(store, {NAME: source}, first_pause=0.01, longest_pause=0.02, most_tries=3)

    class Blind:
        """Reads nothing after the first push."""

        def __getattr__(self, name):
            return getattr(source.platform, name)

        async def push(self, audit, task):
            control.inject(method="GET", path="/v1/task/", status=500)
            return await source.platform.push(audit, task)

        mark, find = source.platform.mark, source.platform.find

    outbox.sources = {NAME: live(empty)}
    outbox.sources[NAME].platform = Blind()
    await deliver(store, outbox)
    kept = await store.db["audits"].find_one({"_id": audit})
    assert (kept["delivery"]["state"], kept["delivery"]["uncertain"]) == ("FAILED", True)
    control.heal()
    assert (await retry(store, audit, ALICE)).verdict is Verdict.DONE
    await deliver(store, Outbox(store, {NAME: source}, first_pause=0.01))
    assert (await store.db["audits"].find_one({"_id": audit}))["delivery"]["state"] == "DELIVERED"
    assert len(effects(empty)) == 1


async def test_a_fix_that_is_kept_here_outlives_full_passes(empty, store, live):
    """Scale takes no fixes over its API: the corrected answer stays here, and no sync takes it for gone."""
    source, (task,) = await prepared(store, live, empty, 1)
    key = f"gid://{NAME}/Task/{task}"
    fixed = NewAudit(
        idempotency_key="k", task=key, result="FIXED", fixed_response={"annotations": []}, has_fixed_response=True
    )
    assert [outcome.verdict for outcome in await submit(store, [fixed], ALICE)] == [Verdict.DONE]
    before = await living(store)
    for full in (True, False):
        await synced(store, source, full=full)
        assert await living(store) == before
    assert before["tasks", key]["review_status"] == "FIXED"
    assert effects(empty) == []
