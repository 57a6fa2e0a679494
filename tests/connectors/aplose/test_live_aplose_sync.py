"""Syncs of a live APLOSE server over real sockets: passes, places to resume, what changed and what is gone."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.aplose import CONNECTOR
from connectors.contract import ImportOptions, Input
from connectors.documents import AnnotatorKind, CampaignStatus, Kind, TaskStatus
from connectors.sandbox import load
from gateway.store.store import Store
from tests.connectors.aplose.live_aplose import (
    NAME,
    Served,
    documents,
    everything,
    gone,
    living,
    of,
    served,
    stopping,
    synced,
)

VERSIONS = ("v3", "v2")


@pytest.fixture
def server() -> Iterator[Served]:
    with served(spectrograms=8) as found:
        yield found


@pytest.fixture(params=VERSIONS)
def either(request: pytest.FixtureRequest) -> Iterator[Served]:
    with served(spectrograms=8, version=request.param) as found:
        yield found


def kinds(found: dict[str, Any]) -> Counter[str]:
    return Counter(name.split("/")[3] for name in found)


def test_the_declaration_names_the_sandbox() -> None:
    """The connector opens what its own sandbox says of itself."""
    assert CONNECTOR.sandbox is not None
    assert load(CONNECTOR.sandbox).name == "aplose"
    assert CONNECTOR.open is not None


# --- full -----------------------------------------------------------------------------------------------------------


async def test_a_full_pass_states_everything_once(either: Served) -> None:
    """Campaigns, files, tasks, marks, verdicts, people: as many as the server has, each stated once and whole."""
    source = either.source()
    found = await documents(source)
    rows = either.rows()
    campaigns = either.act("campaigns")
    assert len(of(found, Kind.CAMPAIGN)) == len(campaigns) == 2
    assert len(of(found, Kind.ASSET)) == sum(len(one["spectrograms"]) for one in campaigns) == 12
    assert {mark.native_id for mark in of(found, Kind.ANNOTATION).values()} == {str(row["id"]) for row in rows}
    verdicts = {f"{name}/{who}" for row in rows for name in [f"1/{row['id']}"] for who in row["validations"]}
    assert set(of(found, Kind.AUDIT)) == verdicts
    assert len(verdicts) > 5
    people = of(found, Kind.ANNOTATOR)
    assert people["ailsa"].annotator_kind is AnnotatorKind.HUMAN
    assert people["PorpoiseNet"].annotator_kind is AnnotatorKind.MODEL
    assert either.control.effects == []
    assert all(document.part is None and document.facet == "" for document in found.values())
    await source.close()


async def test_campaigns_are_told_with_phases_labels_and_state(server: Served) -> None:
    """Real ids and names, the end of a phase, labels in order, and an archived campaign says so."""
    server.act("end_phase", phase=1)
    server.act("archive", campaign=2)
    source = server.source()
    found = of(await documents(source), Kind.CAMPAIGN)
    first, second = found["1"], found["2"]
    assert (first.name, first.status) == ("Porpoise clicks, Lysefjord 2025", CampaignStatus.OPEN)
    assert [(phase.name, phase.position, phase.closed_at is None) for phase in first.phases] == [
        ("Annotation", 0, False),
        ("Verification", 1, True),
    ]
    assert first.label_set == ("Boat", "Porpoise click train", "Rain", "Unknown pulse")
    assert first.created_at is not None
    assert first.created_at < datetime(2026, 3, 3, tzinfo=UTC)
    assert second.status is CampaignStatus.ARCHIVED
    assert len(second.phases) == 1
    server.act("end_phase", phase=2)
    assert of(await documents(source), Kind.CAMPAIGN)["1"].status is CampaignStatus.COMPLETED
    await source.close()


async def test_ids_are_those_of_an_import_for_the_campaign_of_that_name(server: Served) -> None:
    """The same exports read as files of campaign "1" give the same ids: assets, tasks, marks, verdicts."""
    source = server.source()
    live = {key for key in await documents(source) if key[1].startswith("1/")}
    files, open_files = [], ExitStack()
    for phase in ("1", "2"):
        for name, route in (("results", "phase-annotations"), ("status", "phase-progression")):
            content = open_files.enter_context(await source._client.csv(f"/api/download/{route}/{{id}}/", phase))
            files.append(Input(f"{name}{phase}.csv", content.open, content.size))
    read = set()
    assert CONNECTOR.read is not None
    async for page in CONNECTOR.read(files, ImportOptions(campaign="1")):
        read |= {(document.kind, document.external_id) for document in page.documents}
    open_files.close()
    assert {key for key in read if key[1].startswith("1/")} == live
    await source.close()


async def test_who_submitted_nothing_found_has_a_finished_task(server: Served) -> None:
    """A submitted task without rows is SUBMITTED and has no answer; an assigned one is PENDING."""
    source = server.source()
    found = await documents(source)
    marked = {mark.task for mark in of(found, Kind.ANNOTATION).values()}
    tasks = of(found, Kind.TASK)
    empty = [task for task in tasks.values() if task.status is TaskStatus.SUBMITTED and task.external_id not in marked]
    assert empty
    assert not any(task.external_id in {s.task for s in of(found, Kind.SUBMISSION).values()} for task in empty)
    assert any(task.status is TaskStatus.PENDING and task.native_status == "CREATED" for task in tasks.values())
    await source.close()


async def test_a_sync_only_reads(either: Served, store: Store) -> None:
    """Full and incremental, nothing but GET, logins and GraphQL queries reaches the server, and nothing changes."""
    live = either.live()
    before = either.rows()
    await synced(store, live)
    await synced(store, live)
    methods = {request.split()[0] for request in either.control.requests if "token" not in request}
    posts = {request for request in either.control.requests if request.startswith("POST") and "token" not in request}
    assert methods <= {"GET", "POST"}
    assert posts <= {"POST /api/graphql"}
    assert (either.rows(), either.control.effects) == (before, [])
    await live.platform.close()


async def test_a_second_full_sync_changes_nothing(either: Served, store: Store) -> None:
    """What did not change is not written again, and nothing is tombstoned."""
    live = either.live()
    first = await synced(store, live)
    before = await living(store)
    second = await synced(store, live, full=True)
    counts = second.run["counts"]
    assert (counts["created"], counts["updated"], counts["deleted"]) == (0, 0, 0)
    assert first.run["counts"]["created"] == counts["unchanged"]
    assert await living(store) == before
    assert await gone(store) == set()
    await live.platform.close()


@pytest.mark.parametrize("pages", range(7))
async def test_a_full_pass_goes_on_where_it_stopped(server: Served, store: Store, db: Any, pages: int) -> None:
    """Stopped after any page and gone on with, a full pass leaves the store of a clean one."""
    live = server.live()
    clean = Store(db)
    await synced(clean, live)
    await synced(store, stopping(live, pages), state="FAILED" if pages < 7 else "SUCCEEDED")
    assert (await synced(store, live)).run["mode"] == "FULL"
    assert await living(store) == await living(clean)
    await live.platform.close()


async def test_what_went_while_a_full_pass_was_interrupted_is_found(server: Served, store: Store) -> None:
    """A mark seen before the interruption and deleted during it: the next incremental pass reads its campaign again."""
    live = server.live()
    await synced(store, stopping(live, 4), state="FAILED")
    row = server.rows(1)[0]["id"]
    assert f"gid://{NAME}/Annotation/1/{row}" in await living(store)
    server.act("delete_annotation", annotation=row)
    await synced(store, live)
    await synced(store, live)
    assert f"gid://{NAME}/Annotation/1/{row}" not in await living(store)
    await live.platform.close()


# --- incremental ----------------------------------------------------------------------------------------------------


async def test_nothing_changed_costs_six_requests(server: Served, store: Store) -> None:
    """The probe, people, phases, campaigns, the number of annotations and what changed: no export is downloaded."""
    live = server.live()
    await synced(store, live)
    server.asked()
    result = await synced(store, live)
    assert result.run["mode"] == "INCREMENTAL"
    assert server.asked() == result.run["counts"]["requests"] == 6
    assert result.run["counts"]["updated"] == 0
    await live.platform.close()


async def test_only_the_campaign_that_changed_is_read(server: Served, store: Store) -> None:
    """A deletion, which no list of changes shows, is seen in the number of annotations of its phase."""
    live = server.live()
    await synced(store, live)
    row = server.rows(2)[0]["id"]
    server.act("delete_annotation", annotation=row)
    server.control.requests.clear()
    await synced(store, live)
    exports = {request for request in server.control.requests if "download" in request}
    assert exports == {"GET /api/download/phase-annotations/3/", "GET /api/download/phase-progression/3/"}
    assert f"gid://{NAME}/Annotation/2/{row}" in await gone(store)
    await live.platform.close()


async def test_a_campaign_that_is_gone_takes_everything_along(server: Served, store: Store) -> None:
    """A campaign that the account sees no more is tombstoned with all that belongs to it, by an incremental pass."""
    owner = server.live(username="ailsa", password="ailsa-listens")
    await synced(store, owner)
    before = kinds(await living(store))
    assert before["Campaign"] == 2
    await owner.platform.close()
    other = server.live(username="dunja", password="dunja-listens")
    await store.db["sources"].update_one({"_id": NAME}, {"$unset": {"full_pass": ""}})
    server.act("end_phase", phase=3)
    result = await synced(store, other)
    assert result.run["mode"] == "INCREMENTAL"
    await other.platform.close()
    live = server.live(username="bram", password="bram-listens")
    await synced(store, live)
    found = await living(store)
    assert kinds(found)["Campaign"] == 1
    assert not any(f"/{kind}/2" in name for name in found for kind in ("Asset", "Task", "Annotation", "Campaign"))
    await live.platform.close()


def step(server: Served, chance: random.Random) -> None:
    """One thing that people do on the server."""
    act = server.act
    place = chance.choice(act("campaigns"))
    campaign, files = place["id"], place["spectrograms"]
    rows = [row for row in server.rows(campaign) if row["phase"] == place["phases"]["Annotation"]]
    row = chance.choice(rows) if rows else None
    mark = row["id"] if row else 0
    label = {1: "Rain", 2: "Ship"}[campaign]

    def remark() -> None:
        # People's comments come with a submitted task, which saves the row again.
        act("comment", annotation=mark, text=f"note {chance.random()}", user=chance.choice(["ailsa", "chidi"]))
        act("resave", annotation=mark)

    moves: list[Callable[[], Any]] = [
        lambda: act("annotate", campaign=campaign, spectrogram=chance.choice(files), label=label, user="chidi"),
        lambda: act("annotate", campaign=campaign, spectrogram=files[0], label=label, detector="Net 2"),
        lambda: act("finish", campaign=campaign, spectrogram=chance.choice(files), user="chidi"),
        lambda: act("create_spectrograms", campaign=campaign),
        lambda: act("assign", phase=place["phases"]["Annotation"], user="dunja", first=0, last=1),
        lambda: act("add_user", username=f"guest{chance.randrange(99)}{chance.randrange(99)}"),
    ]
    if row:
        moves += [
            lambda: act("verify", annotation=mark, user="dunja", is_valid=chance.random() < 0.5),
            lambda: act("change", annotation=mark, label=label),
            lambda: act("delete_annotation", annotation=mark),
            lambda: act("delete_annotation", annotation=mark),
            remark,
        ]
    if row and campaign == 1:
        moves.append(lambda: act("correct", annotation=mark, user="dunja", label=label))
    if chance.random() < 0.05:
        moves = [
            lambda: act("archive", campaign=campaign),
            lambda: act("end_phase", phase=place["phases"]["Annotation"]),
        ]
    chance.choice(moves)()


@pytest.mark.parametrize("seed", range(4))
async def test_incremental_equals_full(server: Served, store: Store, db: Any, seed: int) -> None:
    """Random histories, syncs at random moments, some killed at a random page, some hit by faults, CSV routes dying
    of second comments: at the end the store equals that of one clean full sync, hashes and payloads included."""
    chance = random.Random(seed)
    live = server.live()
    await synced(store, live)
    for _ in range(6):
        for _ in range(chance.randrange(1, 6)):
            step(server, chance)
        if chance.random() < 0.5:
            server.control.inject(status=chance.choice((500, 502, 429)), rate=0.1)
            server.control.inject(kind=chance.choice(("reset", "truncate")), rate=0.05)
        if chance.random() < 0.3:
            server.act("forget_tokens")
        target = stopping(live, chance.randrange(8)) if chance.random() < 0.5 else live
        with contextlib.suppress(AssertionError):
            await synced(store, target)
        server.control.heal()
    await synced(store, live)
    await synced(store, live)
    clean = Store(db)
    another = server.live()
    await synced(clean, another)
    await another.platform.close()
    assert await living(store) == await living(clean)
    await live.platform.close()


async def test_what_only_a_full_pass_finds(server: Served, store: Store) -> None:
    """A task comment beside a task that was finished before moves nothing that can be asked: the limit is known."""
    live = server.live()
    await synced(store, live)
    await store.db["sources"].update_one({"_id": NAME}, {"$set": {"checkpoint.marks.since": "2099-01-01T00:00:00Z"}})
    server.act("comment", text="a passing ferry", user="ailsa", campaign=1, spectrogram=1)
    await synced(store, live)
    assert "a passing ferry" not in await everything(store)
    await synced(store, live, full=True)
    assert "a passing ferry" in await everything(store)
    await live.platform.close()


async def test_v2_reads_what_its_counters_show(store: Store) -> None:
    """Before v3 a finished task, a new file or an ended phase is seen; a changed mark waits for the full pass."""
    with served(spectrograms=8, version="v2") as server:
        live = server.live()
        await synced(store, live)
        rows = server.rows(2)
        server.act("change", annotation=rows[0]["id"], label="Ship")
        server.act("delete_annotation", annotation=rows[1]["id"])
        await synced(store, live)
        assert f"gid://{NAME}/Annotation/2/{rows[1]['id']}" not in await gone(store)
        server.act("finish", campaign=2, spectrogram=server.act("campaigns")[1]["spectrograms"][-1], user="chidi")
        await synced(store, live)
        assert f"gid://{NAME}/Annotation/2/{rows[1]['id']}" in await gone(store)
        await live.platform.close()


# --- exports that fail ------------------------------------------------------------------------------------------------


async def test_rebuilt_rows_are_the_same_documents(either: Served) -> None:
    """With every results route failing, REST and GraphQL give exactly the documents that the CSVs give."""
    source = either.source()
    either.act("comment", text="a ferry, twice", user="ailsa", campaign=1, spectrogram=1)
    expected = await documents(source)
    either.control.inject(status=500, path=r"(phase-annotations/\d+|report)/$")
    assert await documents(source) == expected
    await source.close()


async def test_two_comments_break_the_csv_and_not_the_sync(either: Served) -> None:
    """The server's CSV dies of a second comment (500); the first stays the mark's, the second is a comment on it."""
    source = either.source()
    before = await documents(source)
    row = next(row for row in either.rows(1) if row["annotator"] == "ailsa" and not row["comments"])["id"]
    either.act("comment", annotation=row, text="first", user="ailsa")
    either.act("comment", annotation=row, text="second", user="dunja")
    after = await documents(source)
    [(_, extra)] = [(key, document) for key, document in after.items() if key not in before]
    assert (extra.kind, extra.text, extra.author, extra.annotation) == (Kind.COMMENT, "second", "dunja", f"1/{row}")
    mark = after[Kind.ANNOTATION, f"1/{row}"]
    assert mark.comment == "first"
    differing = {key for key in before if before[key] != after[key]}
    assert differing == {(Kind.ANNOTATION, f"1/{row}")}
    await source.close()


@pytest.mark.parametrize("status", [404, 500])
async def test_a_campaign_that_cannot_be_read_leaves_the_others(server: Served, store: Store, status: int) -> None:
    """Its status export is refused: reported, nothing of it tombstoned, read again next time; the other is synced."""
    live = server.live()
    await synced(store, live)
    before = await living(store)
    row = server.rows(2)[0]["id"]
    server.act("delete_annotation", annotation=row)
    server.control.inject(status=status, path=r"phase-progression/1/$")
    await synced(store, live, full=True, state="PARTIAL")
    after = await living(store)
    assert {name for name in before if name not in after} >= {f"gid://{NAME}/Annotation/2/{row}"}
    assert {name for name in before if "/1/" in name} == {name for name in after if "/1/" in name}
    server.control.heal()
    server.control.requests.clear()
    await synced(store, live)
    assert server.control.requests["GET /api/download/phase-progression/1/"] == 1
    await live.platform.close()
