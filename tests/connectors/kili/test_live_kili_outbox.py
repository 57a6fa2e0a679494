"""Verdicts through the gateway's outbox while the platform fails: each has its effects once, in order, and its echo."""

import asyncio
import json
import random
from collections import Counter

import pytest

from connectors.ids import gid
from connectors.transport import Timeouts
from gateway.audits import submit
from gateway.outbox import Outbox
from schema.jsontext import json_value
from schema.ports import NewAudit, NewAuditError, Verdict, Viewer
from tests.connectors.kili.kili_live_kit import HARBOUR, REPAIRS, rig, synced

VIEWER = Viewer(name="Ada", scopes=frozenset({"audit"}))
FIX = {"VESSEL_JOB": {"annotations": []}, "REMARK_JOB": {"text": "mended"}}
PAIRS = (
    ("COMMENTED", "ACCEPTED"),
    ("ACCEPTED", "FIXED"),
    ("COMMENTED", "REJECTED"),
    ("FIXED", "ACCEPTED"),
    ("FIXED", "REJECTED"),
    ("COMMENTED", "COMMENTED"),
)


def answer(number):
    box = [{"x": 0.1, "y": 0.1}, {"x": 0.1, "y": 0.2}, {"x": 0.2, "y": 0.2}, {"x": 0.2, "y": 0.1}]
    mark = {
        "mid": f"mid-{number}",
        "type": "rectangle",
        "categories": [{"name": "TUG"}],
        "boundingPoly": [{"normalizedVertices": box}],
        "children": {},
    }
    return {"VESSEL_JOB": {"annotations": [mark]}, "SEA_JOB": {"categories": [{"name": "CALM", "confidence": 100}]}}


def labelled(made, project, count):
    """New assets with an answer each: LABELED in a V1 project, waiting for review in a V2 one."""
    assets = made.act("create_assets", project=project, count=count)
    for number, asset in enumerate(assets):
        made.act("label", asset=asset, response=answer(number))
    return assets


def verdict(task, number, result, *, mark=None):
    errors = [NewAuditError(type="GEOMETRY", severity="MAJOR", comment=f"too wide {number}", annotation=mark)]
    errors += [NewAuditError(type="MISSING", comment=f"one is missing {number}")]
    return NewAudit(
        idempotency_key=f"key {number}",
        task=task,
        result=result,
        comment=f"remark {number}" if number % 3 or result == "COMMENTED" else None,
        errors=tuple(errors) if number % 2 else (),
        fixed_response=FIX | {"N": {"text": str(number)}} if result == "FIXED" else None,
        has_fixed_response=result == "FIXED",
        require_delivery=True,
    )


def wanted(audit, present):
    """The effects of a verdict on an asset whose present answer has this ``N``; solving follows when it can."""
    texts = [audit.comment] if audit.comment else []
    texts += [error.comment for error in audit.errors]
    issues = [("issue", text) for text in texts]
    match audit.result:
        case "COMMENTED":
            return issues
        case "REJECTED":
            return [*issues, ("send_back", None)]
    return [("label", present), *issues, *(("issue_status", "SOLVED") for _ in texts)]


def seen(effect):
    match effect.name:
        case "issue":
            return ("issue", effect.detail["text"].split("; ")[-1])
        case "issue_status":
            return ("issue_status", effect.detail["status"])
        case "label":
            said = json.loads(effect.detail["jsonResponse"])
            return ("label", said.get("N", {}).get("text"))
    return (effect.name, None)


def number_of(asset, *groups):
    """Which of the new assets it is: its mark is called after that."""
    return next(group.index(asset) for group in groups if asset in group)


async def delivered(store, made, source, *, seconds=100):
    """Turns of the outbox until nothing is left to deliver; each turn is a new process as far as memory goes."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        box = Outbox(store, {"kili": made.live(source=source)}, first_pause=0.01, longest_pause=0.05, most_tries=400)
        box.chance = random.Random(3)
        await box.turn(concurrency=6)
        if not await store.db["audits"].count_documents({"delivery.state": {"$in": ["PENDING", "SENDING"]}}):
            return
        await asyncio.sleep(0.02)
    pytest.fail("not everything was delivered")


class Died(BaseException):
    """The process ends here."""


async def test_processes_that_die_between_any_two_steps_leave_no_verdict_half_or_double(store):
    """Whoever takes over knows the mark alone: it looks, and does what is missing."""
    chance = random.Random(5)

    def perhaps(step):
        if chance.random() < 0.12:
            raise Died(step)

    async with rig(assets=4) as made:
        assets = labelled(made, HARBOUR, 12)
        await synced(store, made, full=True)
        results = [("ACCEPTED", "FIXED", "REJECTED", "COMMENTED")[number % 4] for number in range(12)]
        audits = [
            verdict(gid("kili", "Task", asset), 2 * number + 1, result)
            for number, (asset, result) in enumerate(zip(assets, results, strict=True))
        ]
        assert {outcome.verdict for outcome in await submit(store, audits, VIEWER)} == {Verdict.DONE}
        made.control.effects.clear()
        deaths = 0
        for _ in range(200):
            box = Outbox(
                store, {"kili": made.live()}, first_pause=0.01, longest_pause=0.05, lease_seconds=1, fault=perhaps
            )
            try:
                await box.turn(concurrency=3)
            except Died:
                deaths += 1
            if not await store.db["audits"].count_documents({"delivery.state": {"$in": ["PENDING", "SENDING"]}}):
                break
            await asyncio.sleep(0.05)
        assert deaths > 3
        assert await store.db["audits"].count_documents({"delivery.state": "DELIVERED"}) == 12
        for asset, audit in zip(assets, audits, strict=True):
            present = audit.fixed_response["N"]["text"] if audit.result == "FIXED" else None
            effects = [seen(effect) for effect in made.control.effects if effect.key == asset]
            assert effects == wanted(audit, present)


@pytest.mark.parametrize("family", ["new", "old"])
async def test_sixty_verdicts_have_their_effects_once_and_in_order(store, family):
    """A fifth of all requests fail (half after the change), a twentieth time out after it, a twentieth is throttled."""
    options = {"requests_per_minute": 1_000_000, "settle_seconds": 0.05}
    async with rig(assets=6, family=family, settings=options) as made:
        old = labelled(made, HARBOUR, 24)
        new = labelled(made, REPAIRS, 6)
        await synced(store, made, full=True)
        queues = {asset: PAIRS[number % len(PAIRS)] for number, asset in enumerate(old)}
        queues |= {asset: ("COMMENTED", ("ACCEPTED", "REJECTED")[number % 2]) for number, asset in enumerate(new)}
        plan = [asset for asset in queues for _ in range(2)]
        random.Random(1).shuffle(plan)
        audits = {asset: [] for asset in queues}
        for number, asset in enumerate(plan):
            task = gid("kili", "Task", asset)
            name = f"mid-{number_of(asset, old, new)}"
            mark = await store.db["annotations"].find_one({"task": task, "native_id": name})
            result = queues[asset][len(audits[asset])]
            audits[asset].append(verdict(task, number, result, mark=mark["_id"]))
        everything = [audit for pair in audits.values() for audit in pair]
        assert len(everything) == 60
        outcomes = await submit(store, everything, VIEWER)
        assert Counter(outcome.verdict for outcome in outcomes) == {Verdict.DONE: 60}, outcomes
        made.control.effects.clear()
        made.control.inject(path="graphql", status=503, rate=0.1)
        made.control.inject(path="graphql", status=502, rate=0.1, when="after")
        made.control.inject(path="graphql", kind="delay", rate=0.05, when="after", seconds=1)
        made.control.inject(path="graphql", status=429, rate=0.05)
        source = made.open(timeouts=Timeouts(read=0.3), **options)
        await delivered(store, made, source)
        made.control.heal()

        for asset, pair in audits.items():
            present, expected = None, []
            for audit in pair:
                present = audit.fixed_response["N"]["text"] if audit.result == "FIXED" else present
                expected.append(wanted(audit, present))
            effects = [seen(effect) for effect in made.control.effects if effect.key == asset]
            first, second = (Counter(each) for each in expected)
            assert Counter(effects) == first + second
            # The second verdict begins when the first has all its effects.
            assert Counter(effects[: first.total()]) == first
        states = [doc["delivery"]["state"] async for doc in store.db["audits"].find({"origin": "GATEWAY"})]
        assert Counter(states) == {"DELIVERED": 60}

        await synced(store, made, source=made.open(**options))
        echoes = 0
        async for doc in store.db["audits"].find({"origin": "GATEWAY"}):
            assert bool(doc.get("alias")) is (doc["result"] != "COMMENTED")
            assert bool(doc.get("echoed")) is (doc["result"] != "COMMENTED")
            assert await store.db["audits"].count_documents({"_id": doc.get("alias")}) == 0
            echoes += bool(doc.get("alias"))
            assert len(json_value(doc["delivery"]["receipt"]).get("issues", [])) == bool(doc["comments"]) + len(
                doc["errors"]
            )
        assert echoes == sum(audit.result != "COMMENTED" for audit in everything)
