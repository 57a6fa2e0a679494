"""Audits: taken at once, folded, delivered once, refused without a trace."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest

from gateway import audits
from gateway.desk import Desk
from gateway.outbox import Outbox
from gateway.store.store import Store
from gateway.sync import LiveSource, sync
from schema.build import build
from schema.context import Context
from schema.ports import NewAudit, NewAuditError, Verdict, Viewer
from tests.connector_suite import snapshot
from tests.toy_platform import ToyPlatform, live

ADMIN = Viewer(name="ann", scopes=frozenset({"admin"}))


@pytest.fixture
async def toy(store: Store) -> tuple[ToyPlatform, LiveSource]:
    platform = ToyPlatform()
    source = live(platform)
    assert (await sync(store, source)).state == "SUCCEEDED"
    return platform, source


def verdict(key: str = "k", task: int = 0, result: str = "ACCEPTED", **more: Any) -> NewAudit:
    return NewAudit(idempotency_key=key, task=f"gid://toy/Task/t{task}", result=result, **more)


async def task(store: Store, number: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = await store.db["tasks"].find_one({"_id": f"gid://toy/Task/t{number}"})
    return found


async def one(store: Store, audit: NewAudit, viewer: Viewer = ADMIN) -> Any:
    [outcome] = await audits.submit(store, [audit], viewer)
    return outcome


def outbox(store: Store, source: LiveSource, **options: Any) -> Outbox:
    return Outbox(
        store, {source.name: source}, first_pause=0.01, longest_pause=0.05, chance=random.Random(2), **options
    )


async def drained(store: Store, source: LiveSource, turns: int = 400, **options: Any) -> Outbox:
    box = outbox(store, source, **options)
    for _ in range(turns):
        await box.turn()
        if not await store.db["audits"].count_documents({"delivery.state": {"$in": ["PENDING", "SENDING"]}}):
            return box
        await asyncio.sleep(0.02)
    raise AssertionError("the outbox does not empty")


async def test_a_verdict_is_seen_at_once_and_delivered_later(store: Store, toy: Any) -> None:
    """Submit: stored and folded without the platform. Deliver: DELIVERED with a receipt. Sync: still one audit."""
    platform, source = toy
    before = await task(store)
    outcome = await one(store, verdict(comment="well done", duration_seconds=12.5))
    assert outcome.verdict is Verdict.DONE
    assert platform.calls == ["fetch"]
    seen = await task(store)
    assert (seen["review_status"], seen["review_comments"], seen["audit_count"]) == ("ACCEPTED", ["well done"], 1)
    assert seen["version"] != before["version"]
    await drained(store, source)
    [doc] = await store.db["audits"].find({}).to_list(None)
    assert (doc["delivery"]["state"], doc["external_id"]) == ("DELIVERED", "t0/audit0")
    assert (await task(store))["version"] == seen["version"]
    await sync(store, source)
    [doc] = await store.db["audits"].find({}).to_list(None)
    assert doc["echoed"] is True
    seen = await task(store)
    assert (seen["review_status"], seen["review_comments"], seen["audit_count"]) == ("ACCEPTED", ["well done"], 1)


async def test_a_sync_before_the_delivery_keeps_the_verdict(store: Store, toy: Any) -> None:
    """A sync that knows nothing of an undelivered verdict neither loses it nor shows it twice; a full one neither."""
    platform, source = toy
    await one(store, verdict(result="REJECTED", comment="no"))
    for full in (False, True):
        await sync(store, source, full=full)
        seen = await task(store)
        assert (seen["review_status"], seen["audit_count"], seen["review_comments"]) == ("REJECTED", 1, ["no"])
    await drained(store, source)
    await sync(store, source)
    assert len(platform.audits) == 1
    assert (await task(store))["audit_count"] == 1


async def test_a_fix_becomes_the_answer(store: Store, toy: Any) -> None:
    """FIXED lays its answer over the platform's, and gives way to the platform's own once it is there."""
    platform, source = toy
    await one(store, verdict(result="FIXED", fixed_response={"answer": "better"}, has_fixed_response=True))
    answers = await store.db["submissions"].find({"task": "gid://toy/Task/t0"}, sort=[("position", 1)]).to_list(None)
    assert [(a["response"], a["is_current"]) for a in answers] == [
        ('{"answer":0}', False),
        ('{"answer":"better"}', True),
    ]
    await sync(store, source)
    assert [
        a["is_current"]
        async for a in store.db["submissions"].find({"task": "gid://toy/Task/t0"}, sort=[("position", 1)])
    ] == [False, True]
    await drained(store, source)
    await sync(store, source)
    answers = await store.db["submissions"].find({"task": "gid://toy/Task/t0"}, sort=[("position", 1)]).to_list(None)
    assert [(a["external_id"], a["response"], a["is_current"]) for a in answers] == [
        ("t0/0", '{"answer":0}', False),
        ("t0/1", '{"answer":"better"}', True),
    ]


async def test_the_end_is_the_platforms_own_state(store: Store, toy: Any, opened: Any) -> None:
    """Once the platform has every verdict, tasks and answers are those of a store that only ever synced."""
    platform, source = toy
    chance = random.Random(5)
    for number in range(30):
        result = chance.choice(["ACCEPTED", "REJECTED", "FIXED", "COMMENTED"])
        more: dict[str, Any] = (
            {"fixed_response": {"n": number}, "has_fixed_response": True} if result == "FIXED" else {}
        )
        outcome = await one(store, verdict(f"k{number}", chance.randrange(5), result, comment=f"c{number}", **more))
        assert outcome.verdict is Verdict.DONE, outcome
        if number % 7 == 0:
            await sync(store, source)
        if number % 5 == 0:
            await drained(store, source)
    await drained(store, source)
    await sync(store, source, full=True)
    fresh = Store(opened.client[store.db.name + "_fresh"])
    await fresh.prepare()
    try:
        await sync(fresh, source, full=True)
        ours, theirs = await snapshot(store), await snapshot(fresh)
        for collection in ("tasks", "submissions"):
            strip = lambda docs: {
                k: {
                    n: v
                    for n, v in d.items()
                    if n not in ("version", "latest_audit", "last_audited_at", "audit_seq", "h")
                }
                for k, d in docs.items()
            }
            assert strip(ours[collection]) == strip(theirs[collection])
        assert len(ours["audits"]) == len(theirs["audits"]) == 30
    finally:
        await opened.client.drop_database(fresh.db.name)


@pytest.mark.parametrize(
    "shares",
    [{"before": 0.2}, {"after": 0.3}, {"lost": 0.3}, {"before": 0.1, "after": 0.15, "lost": 0.1, "hang": 0.05}],
)
async def test_faults_cost_tries_but_never_a_second_effect(shares: dict[str, float], store: Store, toy: Any) -> None:
    """100 verdicts under faults: exactly 100 effects, in order per task, all DELIVERED with their receipt."""
    platform, source = toy
    platform.shares, platform.chance = shares, random.Random(3)
    for number in range(100):
        await one(
            store, verdict(f"k{number}", number % 5, "ACCEPTED" if number % 2 else "REJECTED", comment=f"n{number}")
        )
    await drained(store, source, lease_seconds=0.5)
    assert len(platform.audits) == 100
    for number in range(5):
        mine = [a["comment"] for a in platform.audits if a["task"] == f"t{number}"]
        assert mine == [f"n{n}" for n in range(number, 100, 5)]
    states = Counter([a["delivery"]["state"] async for a in store.db["audits"].find({})])
    assert states == {"DELIVERED": 100}
    assert len({a["external_id"] async for a in store.db["audits"].find({})}) == 100


@pytest.mark.parametrize("step", ["claimed", "marked", "looked", "pushed", "settling", "settled", "postponing"])
async def test_a_process_that_dies_at_any_step_is_made_good(step: str, store: Store, toy: Any) -> None:
    """Dying between any two steps of a delivery leaves an audit that the next worker brings over exactly once."""

    class Died(BaseException):
        pass

    platform, source = toy
    if step == "postponing":
        platform.shares = {"before": 1.0}

    def fault(name: str) -> None:
        if name == step:
            raise Died

    await one(store, verdict(comment="x"))
    with pytest.raises(Died):
        await outbox(store, source, lease_seconds=0.2, fault=fault).turn()
    platform.shares = {}
    await asyncio.sleep(0.25)
    await drained(store, source, lease_seconds=0.2)
    assert len(platform.audits) == 1
    [doc] = await store.db["audits"].find({}).to_list(None)
    assert (doc["delivery"]["state"], doc["external_id"]) == ("DELIVERED", "t0/audit0")


async def test_an_echo_that_comes_before_the_receipt_is_the_same_audit(store: Store, toy: Any) -> None:
    """A sync may meet our audit on the platform before we know its id there: in the end it is one audit."""
    platform, source = toy
    platform.shares = {"after": 1.0}
    await one(store, verdict(comment="x"))
    await outbox(store, source).turn(limit=1)
    assert len(platform.audits) == 1
    await sync(store, source)
    platform.shares = {}
    await drained(store, source)
    await sync(store, source)
    [doc] = await store.db["audits"].find({}).to_list(None)
    assert (doc["origin"], doc["external_id"], doc["echoed"]) == ("GATEWAY", "t0/audit0", True)
    assert (await task(store))["audit_count"] == 1


async def test_refused_by_the_platform(store: Store, toy: Any) -> None:
    """The platform's no is final: REFUSED with its reason, and the task is as if nobody had judged it. Retry sends again."""
    platform, source = toy
    platform.shares = {"refuse": 1.0}
    outcome = await one(store, verdict(comment="x"))
    await drained(store, source)
    [doc] = await store.db["audits"].find({}).to_list(None)
    assert doc["delivery"]["state"] == "REFUSED"
    assert doc["delivery"]["last_error"]["message"] == "the task is locked"
    seen = await task(store)
    assert (seen["review_status"], seen["audit_count"]) == ("NOT_REVIEWED", 0)
    platform.shares = {}
    assert (await audits.retry(store, outcome.audit, ADMIN)).verdict is Verdict.DONE
    await drained(store, source)
    assert len(platform.audits) == 1
    assert (await audits.retry(store, outcome.audit, ADMIN)).verdict is Verdict.CONFLICT


async def test_cancel_withdraws_what_has_not_left(store: Store, toy: Any) -> None:
    """A pending verdict can be withdrawn, and is not delivered; a delivered one cannot."""
    platform, source = toy
    outcome = await one(store, verdict(result="FIXED", fixed_response={"a": 1}, has_fixed_response=True))
    assert (await audits.cancel(store, outcome.audit, ADMIN)).verdict is Verdict.DONE
    seen = await task(store)
    assert (seen["review_status"], seen["audit_count"], seen["response_of"]) == (
        "NOT_REVIEWED",
        0,
        "gid://toy/Submission/t0/0",
    )
    assert (
        await store.db["submissions"].count_documents({"task": seen["_id"], "is_current": True, "deleted_at": None})
        == 1
    )
    await outbox(store, source).turn()
    assert platform.audits == []
    other = await one(store, verdict("k2"))
    await drained(store, source)
    assert (await audits.cancel(store, other.audit, ADMIN)).verdict is Verdict.CONFLICT


# --- refusals -------------------------------------------------------------------------------------------------------------


REFUSALS: list[tuple[str, NewAudit, Viewer, Verdict, tuple[str, ...]]] = [
    ("no such task", verdict(task=99), ADMIN, Verdict.NOT_FOUND, ()),
    ("no id", NewAudit(idempotency_key="k", task="t0", result="ACCEPTED"), ADMIN, Verdict.NOT_FOUND, ()),
    ("another source", verdict(), Viewer(scopes=frozenset({"audit"}), sources=frozenset({"x"})), Verdict.NOT_FOUND, ()),
    ("no scope", verdict(), Viewer(scopes=frozenset({"read"})), Verdict.FORBIDDEN, ()),
    ("stale", verdict(expected_version="old"), ADMIN, Verdict.STALE, ()),
    ("fixed without answer", verdict(result="FIXED"), ADMIN, Verdict.INVALID, ("fixedResponse",)),
    (
        "answer without fixed",
        verdict(fixed_response=1, has_fixed_response=True),
        ADMIN,
        Verdict.INVALID,
        ("fixedResponse",),
    ),
    ("empty comment", verdict(result="COMMENTED", comment=" "), ADMIN, Verdict.INVALID, ("comment",)),
    ("unknown", verdict(result="UNKNOWN"), ADMIN, Verdict.INVALID, ("result",)),
    ("no key", verdict(""), ADMIN, Verdict.INVALID, ("idempotencyKey",)),
    ("negative time", verdict(duration_seconds=-1), ADMIN, Verdict.INVALID, ("durationSeconds",)),
    ("unknown mark", verdict(annotation="gid://toy/Annotation/none"), ADMIN, Verdict.INVALID, ("annotationId",)),
    (
        "mark of another task",
        verdict(annotation="gid://toy/Annotation/t1/m"),
        ADMIN,
        Verdict.INVALID,
        ("annotationId",),
    ),
    ("unknown answer", verdict(submission="gid://toy/Submission/none"), ADMIN, Verdict.INVALID, ("submissionId",)),
    (
        "error on an unknown mark",
        verdict(errors=(NewAuditError(type="LABEL", annotation="gid://toy/Annotation/none"),)),
        ADMIN,
        Verdict.INVALID,
        ("errors", "0", "annotationId"),
    ),
    (
        "attribute without name",
        verdict(errors=(NewAuditError(type="ATTRIBUTE"),)),
        ADMIN,
        Verdict.INVALID,
        ("errors", "0", "attribute"),
    ),
    (
        "label words for a box",
        verdict(errors=(NewAuditError(type="GEOMETRY", fixed_label="x"),)),
        ADMIN,
        Verdict.INVALID,
        ("errors", "0", "fixedLabel"),
    ),
    ("long comment", verdict(comment="x" * 10_001), ADMIN, Verdict.INVALID, ("comment",)),
    (
        "not supported",
        verdict(annotation="gid://toy/Annotation/t0/m", require_delivery=True),
        ADMIN,
        Verdict.UNSUPPORTED,
        ("result",),
    ),
]


@pytest.mark.parametrize(("audit", "viewer", "expected", "path"), [pytest.param(*r[1:], id=r[0]) for r in REFUSALS])
async def test_what_is_refused_leaves_no_trace(
    audit: NewAudit, viewer: Viewer, expected: Verdict, path: tuple[str, ...], store: Store, toy: Any
) -> None:
    """Each refusal names what is wrong, and neither the store nor the platform has changed."""
    platform, source = toy
    before, calls = await snapshot(store), list(platform.calls)
    outcome = await one(store, audit, viewer)
    assert (outcome.verdict, outcome.path) == (expected, path)
    assert len(outcome.message) > 10
    await outbox(store, source).turn()
    assert await snapshot(store) == before
    assert platform.calls == calls
    assert await store.db["idempotency"].count_documents({}) == 0


async def test_a_task_that_is_not_finished_cannot_be_judged(store: Store, toy: Any) -> None:
    """PENDING tasks have no answer to judge."""
    await store.db["tasks"].update_one({"_id": "gid://toy/Task/t0"}, {"$set": {"status": "PENDING"}})
    outcome = await one(store, verdict())
    assert (outcome.verdict, outcome.path) == (Verdict.INVALID, ("task",))
    assert await store.db["audits"].count_documents({}) == 0


# --- idempotency and races ------------------------------------------------------------------------------------------------


async def test_fifty_identical_calls_make_one_audit(store: Store, toy: Any) -> None:
    """The same key with the same content at once: one DONE, 49 REPLAYED, one document, one effect."""
    platform, source = toy
    outcomes = await asyncio.gather(*(one(store, verdict(comment="same")) for _ in range(50)))
    assert Counter(outcome.verdict for outcome in outcomes) == {Verdict.DONE: 1, Verdict.REPLAYED: 49}
    assert len({outcome.audit for outcome in outcomes}) == 1
    await drained(store, source)
    assert len(platform.audits) == 1
    conflict = await one(store, verdict(comment="other"))
    assert (conflict.verdict, conflict.audit) == (Verdict.IDEMPOTENCY_CONFLICT, outcomes[0].audit)
    replay = await one(store, verdict(comment="same"))
    assert replay.verdict is Verdict.REPLAYED


async def test_of_two_auditors_one_wins(store: Store, toy: Any) -> None:
    """Two verdicts on the same version at once: one is taken, the other is told that the task has moved."""
    version = (await task(store))["version"]
    outcomes = await asyncio.gather(
        *(
            one(store, verdict(f"k{n}", result=result, expected_version=version))
            for n, result in enumerate(["ACCEPTED", "REJECTED"])
        )
    )
    assert sorted(outcome.verdict for outcome in outcomes) == [Verdict.DONE, Verdict.STALE]
    assert await store.db["audits"].count_documents({}) == 1


async def test_an_atomic_batch_is_all_or_none(store: Store, toy: Any) -> None:
    """One bad item in an atomic batch: nothing is stored, and each item says why; without atomic the good ones are."""
    batch = [verdict("a"), verdict("b", task=99), verdict("c", task=1)]
    outcomes = await audits.submit(store, batch, ADMIN, atomic=True)
    assert [outcome.verdict for outcome in outcomes] == [Verdict.CONFLICT, Verdict.NOT_FOUND, Verdict.CONFLICT]
    assert await store.db["audits"].count_documents({}) == 0
    outcomes = await audits.submit(store, batch, ADMIN)
    assert [outcome.verdict for outcome in outcomes] == [Verdict.DONE, Verdict.NOT_FOUND, Verdict.DONE]
    outcomes = await audits.submit(store, [verdict("d"), verdict("e", task=1)], ADMIN, atomic=True)
    assert [outcome.verdict for outcome in outcomes] == [Verdict.DONE, Verdict.DONE]


# --- through GraphQL ----------------------------------------------------------------------------------------------------------

SUBMIT = """
mutation ($input: SubmitAuditInput!) { submitAudit(input: $input) { __typename
  ... on AuditSubmitted { replayed audit { id result comments task { id reviewStatus version latestAudit { id } } delivery { state attempts } errors { type annotation { id label } originalLabel } } }
  ... on UserError { code message path }
  ... on StaleTask { task { version reviewStatus } }
  ... on IdempotencyConflict { audit { id } }
  ... on Unsupported { capabilities { auditResults auditTarget } }
  ... on NotFound { missing } ... on Forbidden { requiredScope } } }"""


async def mutate(store: Store, input_: dict[str, Any], viewer: Viewer = ADMIN) -> Any:
    context = Context(reader=store.reader, viewer=viewer, desk=Desk(store))
    result = await build().execute(SUBMIT, variable_values={"input": input_}, context_value=context)
    assert result.errors is None, result.errors
    return result.data["submitAudit"]


async def test_the_mutation_and_its_errors(store: Store, toy: Any) -> None:
    """submitAudit answers with the audit and the task's new state; each refusal is its own type of the union."""
    ref = {"external": {"source": "toy", "externalId": "t0"}}
    base = {
        "idempotencyKey": "k",
        "task": ref,
        "result": "REJECTED",
        "comment": "no",
        "errors": [
            {"type": "LABEL", "annotationId": "gid://toy/Annotation/t0/m", "fixedLabel": "M", "severity": "CRITICAL"}
        ],
    }
    done = await mutate(store, base)
    assert done["__typename"] == "AuditSubmitted"
    audit = done["audit"]
    assert (done["replayed"], audit["result"], audit["delivery"]) == (
        False,
        "REJECTED",
        {"state": "PENDING", "attempts": 0},
    )
    assert audit["task"]["reviewStatus"] == "REJECTED"
    assert audit["task"]["latestAudit"] == {"id": audit["id"]}
    assert audit["errors"] == [
        {"type": "LABEL", "annotation": {"id": "gid://toy/Annotation/t0/m", "label": "L"}, "originalLabel": "L"}
    ]
    assert (await mutate(store, base))["replayed"] is True
    conflict = await mutate(store, base | {"comment": "yes"})
    assert (conflict["__typename"], conflict["audit"]["id"]) == ("IdempotencyConflict", audit["id"])
    stale = await mutate(store, base | {"idempotencyKey": "k2", "expectedVersion": "x"})
    assert (stale["__typename"], stale["code"], stale["task"]["version"]) == (
        "StaleTask",
        "STALE",
        audit["task"]["version"],
    )
    unsupported = await mutate(
        store,
        {
            "idempotencyKey": "k3",
            "task": ref,
            "result": "ACCEPTED",
            "annotationId": "gid://toy/Annotation/t0/m",
            "requireDelivery": True,
        },
    )
    assert (unsupported["__typename"], unsupported["capabilities"]["auditTarget"]) == ("Unsupported", "TASK")
    missing = await mutate(store, base | {"idempotencyKey": "k4", "task": {"id": "gid://toy/Task/none"}})
    assert (missing["__typename"], missing["missing"]) == ("NotFound", "gid://toy/Task/none")
    forbidden = await mutate(store, base | {"idempotencyKey": "k5"}, Viewer(scopes=frozenset({"read"})))
    assert (forbidden["__typename"], forbidden["requiredScope"]) == ("Forbidden", "audit")
    invalid = await mutate(store, {"idempotencyKey": "k6", "task": ref, "result": "FIXED"})
    assert (invalid["__typename"], invalid["path"]) == ("Invalid", ["fixedResponse"])


async def test_refresh_asks_the_platform_once(store: Store, toy: Any) -> None:
    """refresh reads named tasks now; the same task asked twice at once is one question; a dead platform says so."""
    platform, source = toy
    platform.apply_outside = None
    desk = Desk(store, {"toy": source})
    platform.answers["t0"].append({"answer": "changed"})
    ids = ["gid://toy/Task/t0", "gid://toy/Task/t0", "gid://toy/Annotation/t0/m", "gid://nowhere/Task/t"]
    outcomes = await desk.refresh(ids, ADMIN)
    assert [outcome.verdict for outcome in outcomes] == [
        Verdict.DONE,
        Verdict.DONE,
        Verdict.UNSUPPORTED,
        Verdict.NOT_FOUND,
    ]
    assert platform.calls.count("refresh") == 1
    current = await store.db["submissions"].find_one({"task": "gid://toy/Task/t0", "is_current": True})
    assert current["response"] == '{"answer":"changed"}'
    first, second = await asyncio.gather(desk.refresh(ids[:1], ADMIN), desk.refresh(ids[:1], ADMIN))
    assert first[0].verdict is second[0].verdict is Verdict.DONE
    assert platform.calls.count("refresh") == 2
    platform.down = True
    [outcome] = await desk.refresh(ids[:1], ADMIN)
    assert (outcome.verdict, outcome.message) == (Verdict.CONFLICT, "the platform is down")
    assert (await desk.refresh(ids[:1], Viewer(scopes=frozenset({"read"}))))[0].verdict is Verdict.FORBIDDEN
