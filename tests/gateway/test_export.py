"""Exports: what comes out can be read by the tools that read such files, and holds the audits and their way."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from connectors.discovery import discover, sample_files
from gateway import audits
from gateway.export import export
from gateway.imports import gathered, run_import
from gateway.store.store import Store
from gateway.sync import sync
from schema.ports import NewAudit, Viewer
from tests.toy_platform import ToyPlatform, live

ADMIN = Viewer(name="ann", scopes=frozenset({"admin"}))


async def written(store: Store, campaign: str, form: str) -> str:
    return b"".join([piece async for piece in export(store, campaign, form)]).decode()


async def imported(store: Store, name: str, *paths: Any, source: str) -> None:
    with gathered([str(path) for path in paths]) as (inputs, problems):
        await run_import(store, discover()[name], inputs, source=source, problems=problems)


async def test_results_can_be_imported_again(store: Store, tmp_path: Any) -> None:
    """An exported campaign of acoustic results is a results file: the same marks, labels, people and times come in."""
    connector = next(c for c in discover().values() if c.samples and any(p.suffix == ".csv" for p in sample_files(c)))
    await imported(store, connector.name, *sample_files(connector), source="first")
    campaigns = [doc async for doc in store.db["campaigns"].find({}, sort=[("_id", 1)])]
    assert len(campaigns) > 1
    for campaign in campaigns:
        text = await written(store, campaign["_id"], "results.csv")
        path = tmp_path / f"{campaign['name']}_results.csv"
        path.write_text(text, newline="")
        rows = list(csv.DictReader(io.StringIO(text)))
        alive = {"campaign": campaign["_id"], "deleted_at": None}
        assert len([row for row in rows if row["annotation"]]) == await store.db["annotations"].count_documents(alive)
        assert len([row for row in rows if not row["annotation"]]) == await store.db["comments"].count_documents(alive)
        await imported(store, connector.name, path, source="second")
        for collection, fields in (
            ("annotations", ("label", "start_at", "end_at", "time_span", "frequency_span", "value", "comment")),
        ):
            pair = []
            for source in ("first", "second"):
                where = {"campaign": f"gid://{source}/Campaign/{campaign['external_id']}", "deleted_at": None}
                found = [doc async for doc in store.db[collection].find(where)]
                pair.append(
                    sorted(json.dumps([doc.get(name) for name in fields], default=str, sort_keys=True) for doc in found)
                )
            assert pair[0] == pair[1]


async def test_status_has_a_column_for_each_annotator(store: Store) -> None:
    """One row an asset, one cell an annotator, UNASSIGNED where there is no task."""
    connector = next(c for c in discover().values() if c.samples and any(p.suffix == ".csv" for p in sample_files(c)))
    await imported(store, connector.name, *sample_files(connector), source="s")
    for campaign in [doc["_id"] async for doc in store.db["campaigns"].find({})]:
        rows = list(csv.DictReader(io.StringIO(await written(store, campaign, "status.csv"))))
        assert len(rows) == await store.db["assets"].count_documents({"campaign": campaign})
        cells = [cell for row in rows for name, cell in row.items() if name not in ("dataset", "filename")]
        finished = await store.db["tasks"].count_documents({"campaign": campaign, "native_status": "FINISHED"})
        assert cells.count("FINISHED") <= finished
        assert set(cells) <= {"FINISHED", "CREATED", "STARTED", "UNASSIGNED", "SUBMITTED"}


async def test_lines_hold_tasks_with_their_audits_and_delivery(store: Store) -> None:
    """tasks.jsonl: one task a line with answers, marks and audits; an audit made here says how far it travelled."""
    source = live(ToyPlatform())
    await sync(store, source)
    verdict = NewAudit(idempotency_key="k", task="gid://toy/Task/t0", result="REJECTED", comment="=SUM(A1)")
    await audits.submit(store, [verdict], ADMIN)
    lines = [json.loads(line) for line in (await written(store, "gid://toy/Campaign/c", "tasks.jsonl")).splitlines()]
    assert [line["external_id"] for line in lines] == ["t0", "t1", "t2", "t3", "t4"]
    first = lines[0]
    assert (first["review_status"], first["submissions"][0]["response"], first["annotations"][0]["label"]) == (
        "REJECTED",
        {"answer": 0},
        "L",
    )
    assert [(audit["result"], audit["delivery"]) for audit in first["audits"]] == [
        ("REJECTED", {"state": "PENDING", "attempts": 0})
    ]
    assert not {"h", "said", "weak"} & set(first)
    rows = list(csv.DictReader(io.StringIO(await written(store, "gid://toy/Campaign/c", "results.csv"))))
    told = json.loads(rows[0]["task_audits"])
    assert (told[0]["result"], told[0]["delivery"], told[0]["auditor"]) == ("REJECTED", "PENDING", "ann")


async def test_no_cell_is_a_formula(store: Store) -> None:
    """Text that a spreadsheet would run is written so that it does not; numbers stay numbers."""
    from gateway.export import _safe

    assert [_safe(cell) for cell in ("=1+1", "+x", "@a", "-5.5", "plain", 3, None)] == [
        "'=1+1",
        "'+x",
        "'@a",
        "-5.5",
        "plain",
        3,
        None,
    ]
