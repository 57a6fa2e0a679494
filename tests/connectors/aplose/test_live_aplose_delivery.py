"""Verdicts on their way to an APLOSE server: exactly one effect each, and nobody's work lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.aplose.live import AploseSource
from connectors.contract import AuditTarget
from connectors.documents import AuditResult, Kind
from connectors.errors import ConnectorError, Refused, Retry, Uncertain
from gateway import audits
from gateway.outbox import Outbox
from gateway.store.store import Store
from schema.ports import NewAudit, Verdict, Viewer
from tests.connectors.aplose.live_aplose import (
    NAME,
    Served,
    documents,
    living,
    of,
    only_verdicts_differ,
    served,
    synced,
    task,
    verdict,
)

ACCEPTED, REJECTED, FIXED = AuditResult.ACCEPTED, AuditResult.REJECTED, AuditResult.FIXED
ME = "gateway"
LOSSES = ("deleted", "validation_deleted", "comment_deleted", "changed")
BOX = {"startTime": 1.5, "endTime": 2.5, "startFrequency": 100.0, "endFrequency": 200.0}


@pytest.fixture
def server() -> Iterator[Served]:
    with served() as found:
        yield found


@pytest.fixture
async def source(server: Served) -> Any:
    found = server.source()
    await found.check()
    yield found
    await found.close()


def judgeable(server: Served) -> list[dict[str, Any]]:
    """Marks of campaign 1's Annotation phase, none of which is ours."""
    return [row for row in server.rows(1) if row["phase"] == 1]


def lost(server: Served) -> int:
    return sum(server.control.count(name) for name in LOSSES)


def test_capabilities_wait_for_the_version(server: Served) -> None:
    """Before the first contact nothing is promised that an older server would not keep."""
    fresh = server.source()
    assert fresh.capabilities.audit_results == ()
    assert fresh.capabilities.audit_target is AuditTarget.NONE


async def test_capabilities_of_v3(source: AploseSource) -> None:
    """v3 takes acceptance, rejection and correction of single annotations, and no list of errors."""
    found = source.capabilities
    assert found.audit_results == (ACCEPTED, REJECTED, FIXED)
    assert found.audit_target is AuditTarget.ANNOTATION
    assert (found.audit_fix, found.audit_errors, found.incremental, found.refresh) == (True, False, True, True)


@pytest.mark.parametrize("result", [ACCEPTED, REJECTED])
async def test_a_verdict_is_one_validation_and_nothing_else(server: Served, source: AploseSource, result: Any) -> None:
    """One effect; no row, verdict or comment of anybody else differs; the receipt names the audit of the next sync."""
    row = judgeable(server)[0]
    before = server.rows()
    audit = verdict(row["id"], result)
    receipt = await source.push(audit, task())
    assert [effect.name for effect in server.control.effects] == ["validation"]
    assert only_verdicts_differ(before, server.rows(), ME) == {row["id"]}
    assert receipt.external_id == f"1/{row['id']}/{ME}"
    found = of(await documents(source), Kind.AUDIT)[receipt.external_id]
    assert (found.result, found.auditor, found.annotation) == (result, ME, f"1/{row['id']}")
    assert "changed_meanwhile" not in receipt.details


async def test_the_same_verdict_again_is_not_written(server: Served, source: AploseSource) -> None:
    """A verdict that stands is found, by ``find`` as by ``push``, and no second list is sent."""
    audit = verdict(judgeable(server)[0]["id"], ACCEPTED)
    assert await source.find(audit, task()) is None
    first = await source.push(audit, task())
    server.control.effects.clear()
    assert await source.find(audit, task()) == first
    assert (await source.push(audit, task())).external_id == first.external_id
    assert server.control.effects == []


async def test_a_correction_is_a_new_row_beside_a_refused_original(server: Served, source: AploseSource) -> None:
    """FIXED: the original is invalid, one row of ours refers to it with the corrected fields; what is not said stays."""
    row = next(row for row in judgeable(server) if row["type"] == "Box" and row["acoustic_features"])
    before = server.rows()
    audit = verdict(row["id"], FIXED, fixed_response={"label": "Boat", **BOX}, comment="a boat, see the echo")
    audit = verdict(
        row["id"],
        FIXED,
        fixed_response=audit.fixed_response,
        comment=audit.comment,
        before=await source.mark(audit, task()),
    )
    receipt = await source.push(audit, task())
    after = server.rows()
    [new] = [one for one in after if one["id"] not in {each["id"] for each in before}]
    assert only_verdicts_differ(before, [one for one in after if one is not new], ME) == {row["id"]}
    assert next(one for one in after if one["id"] == row["id"])["validations"][ME] is False
    assert (new["label"], new["start_time"], new["end_frequency"]) == ("Boat", 1.5, 200.0)
    assert (new["annotator"], new["is_update_of"], new["phase"]) == (ME, row["id"], 2)
    assert (new["confidence"], new["acoustic_features"]) == (row["confidence"], row["acoustic_features"])
    assert new["comments"] == [[ME, "a boat, see the echo"]]
    assert (receipt.external_id, receipt.details["correction"]) == (f"1/{row['id']}/{ME}", str(new["id"]))
    server.control.effects.clear()
    assert await source.find(audit, task()) == receipt
    assert await source.push(audit, task()) == receipt
    assert server.control.effects == []
    mark = of(await documents(source), Kind.ANNOTATION)[f"1/{new['id']}"]
    assert (mark.replaces, mark.author) == (f"1/{row['id']}", ME)


async def test_the_same_correction_twice_is_two(server: Served, source: AploseSource) -> None:
    """A correction that was there before the verdict is not taken for it."""
    row = judgeable(server)[0]
    for number in range(2):
        bare = verdict(row["id"], FIXED, fixed_response={"label": "Rain"}, id=f"a{number}")
        audit = verdict(
            row["id"], FIXED, fixed_response={"label": "Rain"}, id=bare.id, before=await source.mark(bare, task())
        )
        assert await source.find(audit, task()) is None
        await source.push(audit, task())
    assert server.control.count("correction") == 2


async def test_no_push_ever_deletes_anything(server: Served, source: AploseSource) -> None:
    """Verdicts of all kinds on every mark, in changing order: no row, verdict or comment is lost or altered."""
    chance = random.Random(7)
    marks = judgeable(server)[:16]
    wanted: dict[int, bool] = {}
    for number, row in enumerate(chance.sample(marks * 2, 32)):
        result = chance.choice((ACCEPTED, REJECTED, FIXED))
        more: dict[str, Any] = {"fixed_response": {"label": "Rain"}} if result is FIXED else {}
        bare = verdict(row["id"], result, id=f"a{number}", **more)
        audit = verdict(row["id"], result, id=bare.id, before=await source.mark(bare, task()), **more)
        before = server.rows()
        await source.push(audit, task())
        wanted[row["id"]] = result is ACCEPTED
        known = {one["id"] for one in before}
        kept = [one for one in server.rows() if one["id"] in known]
        assert only_verdicts_differ(before, kept, ME) <= {row["id"]}
        assert len(server.rows()) - len(before) == (result is FIXED)
    assert lost(server) == 0
    assert {row["id"]: row["validations"][ME] for row in server.rows() if row["id"] in wanted} == wanted


async def test_verdicts_on_one_recording_do_not_interleave(server: Served, source: AploseSource) -> None:
    """All marks of a recording judged at once: each list is read after the one before was written."""
    crowded = max(
        (row["spectrogram"] for row in judgeable(server)), key=[row["spectrogram"] for row in judgeable(server)].count
    )
    marks = [row for row in judgeable(server) if row["spectrogram"] == crowded]
    assert len(marks) > 3
    await asyncio.gather(*(source.push(verdict(row["id"], REJECTED, id=f"a{row['id']}"), task()) for row in marks))
    assert server.control.count("validation") == len(marks)
    assert lost(server) == 0


async def test_what_others_add_before_the_list_is_read_stays(server: Served) -> None:
    """Annotations and verdicts that arrive between the mark and the read are in the list that goes back."""
    row = judgeable(server)[0]
    source = server.source()
    await source.mark(verdict(row["id"], ACCEPTED), task())
    new = server.act(
        "annotate", campaign=1, spectrogram=row["spectrogram"], label="Rain", user="ailsa", confidence="certain"
    )
    server.act("verify", annotation=row["id"], user="dunja", is_valid=False)
    before = server.rows()
    await source.push(verdict(row["id"], ACCEPTED), task())
    assert only_verdicts_differ(before, server.rows(), ME) == {row["id"]}
    assert new in {one["id"] for one in server.rows()}
    assert lost(server) == 0
    await source.close()


async def test_what_others_submit_in_the_very_moment_is_lost_and_named(server: Served) -> None:
    """The server's own limit: a row made between the read and the write is deleted. The receipt names whose it was."""
    row = next(one for one in judgeable(server) if one["spectrogram"] in server.act("campaigns")[0]["spectrograms"])
    last = server.act("campaigns")[0]["spectrograms"][-1]
    made = server.act("annotate", campaign=1, spectrogram=last, label="Rain", user="ailsa", confidence="certain")
    reads = 0

    def meddle(method: str, route: str, status: int | None, seconds: float) -> None:
        nonlocal reads
        reads += route == "/api/graphql"
        if reads == 1 and route == "/api/graphql":
            more = {"label": "Boat", "confidence": "certain", "user": "chidi"}
            server.act("annotate", campaign=1, spectrogram=last, **more)

    source = server.source(options={"on_request": meddle})
    receipt = await source.push(verdict(made, ACCEPTED), task())
    assert server.control.count("deleted") == 1
    assert receipt.details["submitted_meanwhile"] == ["chidi"]
    assert row["id"] in {one["id"] for one in server.rows()}
    await source.close()


@pytest.mark.parametrize("kind", ["status", "reset", "truncate", "html"])
async def test_a_lost_answer_is_looked_up(server: Served, source: AploseSource, kind: str) -> None:
    """The write lands and its answer is spoiled: the verdict is found by reading, and not sent a second time."""
    row = judgeable(server)[0]
    server.control.inject(kind=kind, when="after", contains="updateAnnotations(", times=1)
    receipt = await source.push(verdict(row["id"], REJECTED), task())
    assert receipt.external_id == f"1/{row['id']}/{ME}"
    assert server.control.count("validation") == 1


async def test_a_write_that_did_not_land_is_uncertain(server: Served, source: AploseSource) -> None:
    """A 500 before anything was written: ``Uncertain``, ``find`` finds nothing, and the next push lands once."""
    audit = verdict(judgeable(server)[0]["id"], REJECTED)
    server.control.inject(status=502, contains="updateAnnotations(", times=1)
    with pytest.raises(Uncertain):
        await source.push(audit, task())
    assert await source.find(audit, task()) is None
    await source.push(audit, task())
    assert server.control.count("validation") == 1


async def test_a_write_is_never_repeated_with_an_old_list(server: Served, source: AploseSource) -> None:
    """429: nothing ran, and it is for the caller to come again, since the list has to be read anew after a wait."""
    server.control.inject(status=429, headers={"Retry-After": "0"}, contains="updateAnnotations(", times=1)
    with pytest.raises(Retry):
        await source.push(verdict(judgeable(server)[0]["id"], REJECTED), task())
    assert server.control.effects == []


async def test_a_correction_whose_answer_was_lost_has_its_time(server: Served) -> None:
    """While a correction may still be under way, ``find`` says so instead of inviting a second one."""
    now = [0.0]
    source = server.source(settle_seconds=15.0)
    source._delivery._clock = lambda: now[0]
    audit = verdict(judgeable(server)[0]["id"], FIXED, fixed_response={"label": "Rain"})
    server.control.inject(status=502, contains="updateAnnotations(", times=1)
    with pytest.raises(Uncertain):
        await source.push(audit, task())
    with pytest.raises(Retry) as caught:
        await source.find(audit, task())
    assert caught.value.after == pytest.approx(15.0)
    now[0] = 16.0
    assert await source.find(audit, task()) is None
    await source.close()


async def refused(server: Served, source: AploseSource, audit: Any, words: str) -> None:
    before = server.rows()
    with pytest.raises(Refused, match=words):
        await source.push(audit, task())
    assert server.rows() == before
    assert server.control.effects == []


async def test_refusals_write_nothing(server: Served, source: AploseSource) -> None:
    """What APLOSE cannot take is refused with the reason, before or by the server, and leaves no trace."""
    row = judgeable(server)[0]["id"]
    other = next(one["id"] for one in server.rows(2))
    made = next(one["id"] for one in server.rows(1) if one["phase"] == 2)
    await refused(server, source, verdict(row, AuditResult.COMMENTED, comment="hm"), "not COMMENTED")
    await refused(server, source, verdict(10**6, ACCEPTED), "not on the server any more")
    await refused(server, source, verdict(other, ACCEPTED, campaign=2), "no Verification phase")
    await refused(server, source, verdict(made, ACCEPTED), "not one that our account can judge")
    await refused(server, source, verdict(row, FIXED, fixed_response={"lable": "Boat"}), "no field 'lable'")
    await refused(server, source, verdict(row, FIXED, fixed_response="Boat"), "an object")
    await refused(server, source, verdict(row, FIXED, fixed_response={"startTime": "soon"}), "startTime")
    await refused(server, source, verdict(row, FIXED, fixed_response={"label": "Kraken"}), "Kraken")


async def test_an_ended_phase_takes_nothing(server: Served, source: AploseSource) -> None:
    """A staff account could still write into an ended phase (the server lets it); we do not."""
    server.act("end_phase", phase=2)
    await refused(server, source, verdict(judgeable(server)[0]["id"], ACCEPTED), "has ended")


async def test_an_archived_campaign_takes_nothing(server: Served, source: AploseSource) -> None:
    """Archiving ends all phases."""
    server.act("archive", campaign=1)
    await refused(server, source, verdict(judgeable(server)[0]["id"], ACCEPTED), "has ended")


async def test_without_a_range_nothing_is_written(server: Served) -> None:
    """An admin without a file range could write (the server never asks); the verdict is refused all the same."""
    source = server.source(username="maren", password="maren-listens")
    await refused(server, source, verdict(judgeable(server)[0]["id"], ACCEPTED), "no file range")
    await source.close()


async def test_v2_is_read_only() -> None:
    """A v2 server is never written to, since it deletes other people's work."""
    with served(version="v2") as server:
        source = server.source()
        await source.check()
        assert source.capabilities.audit_results == ()
        await refused(server, source, verdict(judgeable(server)[0]["id"], ACCEPTED), "APLOSE 3 only")
        await source.close()


# --- through the outbox ---------------------------------------------------------------------------------------------


async def test_forty_verdicts_with_faults_have_forty_effects(store: Store) -> None:
    """5xx before and after the write, broken connections, 429 and a refused token: 40 verdicts, 40 validations."""
    with served() as server:
        live = server.live()
        await synced(store, live)
        found = await living(store)
        marks = [row["id"] for row in judgeable(server) if ME not in row["validations"]][:40]
        assert len(marks) == 40
        viewer = Viewer(name="ann", scopes=frozenset({"admin"}))
        for number, mark in enumerate(marks):
            annotation = found[f"gid://{NAME}/Annotation/1/{mark}"]
            result = "REJECTED" if number % 3 else "ACCEPTED"
            new = NewAudit(
                idempotency_key=f"k{number}",
                task=annotation["task"],
                annotation=annotation["_id"],
                result=result,
                require_delivery=True,
            )
            [outcome] = await audits.submit(store, [new], viewer)
            assert outcome.verdict is Verdict.DONE, outcome
        before = server.rows()
        write = {"path": "graphql$", "contains": "updateAnnotations("}
        server.control.inject(status=503, rate=0.1, **write)
        server.control.inject(status=500, rate=0.1, when="after", **write)
        server.control.inject(kind="reset", rate=0.05, when="after", **write)
        server.control.inject(status=429, rate=0.05, headers={"Retry-After": "0"}, **write)
        server.control.inject(status=502, rate=0.05)
        box = Outbox(store, {NAME: live}, first_pause=0.01, longest_pause=0.05, chance=random.Random(2))
        for turn in range(400):
            await box.turn()
            if turn == 1:
                server.act("forget_tokens")
            if not await store.db["audits"].count_documents({"delivery.state": {"$in": ["PENDING", "SENDING"]}}):
                break
            await asyncio.sleep(0.02)
        server.control.heal()
        delivered = await store.db["audits"].count_documents({"delivery.state": "DELIVERED"})
        assert delivered == 40
        assert server.control.count("validation") == 40
        assert lost(server) == 0
        assert only_verdicts_differ(before, server.rows(), ME) == set(marks)
        await synced(store, live)
        assert await store.db["audits"].count_documents({"origin": "GATEWAY", "echoed": True}) == 40
        theirs = {"auditor": {"$regex": f"/{ME}$"}, "origin": {"$ne": "GATEWAY"}}
        assert await store.db["audits"].count_documents(theirs) == 0
        assert isinstance(live.platform, AploseSource)
        await live.platform.close()


async def test_unreachable_servers_leave_verdicts_waiting(server: Served, source: AploseSource) -> None:
    """A server that answers nothing but errors: ``Retry``, and nothing was written."""
    server.control.inject(status=503)
    with pytest.raises(ConnectorError) as caught:
        await source.push(verdict(judgeable(server)[0]["id"], ACCEPTED), task())
    assert isinstance(caught.value, Retry)
    assert server.control.effects == []
