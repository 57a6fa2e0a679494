"""Importing files: what is kept, what is reported, and what a crash leaves behind."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from connectors.discovery import discover
from gateway.imports import ImportRefused, gathered, run_import
from gateway.sources import SourceTaken
from gateway.store.embedded import EmbeddedMongo
from gateway.store.store import Store
from tests.connector_suite import SHARED, snapshot, written

PUBLISHED = SHARED / "aplose" / "published"
ROOT = Path(__file__).parents[2]

HEADER = "dataset,filename,result_id,is_update_of_id,start_time,end_time,start_frequency,end_frequency,annotation,annotator,annotator_expertise,start_datetime,end_datetime,is_box,type,confidence_indicator_label,confidence_indicator_level,comments,signal_quality,signal_start_frequency,signal_end_frequency,signal_relative_max_frequency_count,signal_relative_min_frequency_count,signal_has_harmonics,signal_trend,signal_steps_count,created_at_phase"


def results(rows: int, *, label: str = "Whale") -> list[str]:
    """A results export of v2.4-2.5 (27 columns) with `rows` boxes on rows/4 files."""
    out = [HEADER]
    for n in range(rows):
        minute, second = divmod((n // 4) % 3600, 60)
        start = f"2024-03-01T{n // 4 // 3600:02d}:{minute:02d}:{second:02d}"
        out.append(
            f"DS,f{n // 4:06d}.wav,{1000 + n},,1.0,2.0,100.0,200.0,{label},person{n % 3},NOVICE,"
            f"{start}.000+00:00,{start}.900+00:00,1,BOX,sure,1/1,,,,,,,,,,ANNOTATION"
        )
    return out


def write(path: Path, lines: list[str]) -> Path:
    path.write_bytes("\r\n".join([*lines, ""]).encode())
    return path


async def imported(store: Store, platform: str, *paths: Path, source: str = "s", **options: Any) -> Any:
    with gathered([str(path) for path in paths]) as (inputs, problems):
        return await run_import(store, discover()[platform], inputs, source=source, problems=problems, **options)


async def reasons(store: Store) -> list[str]:
    return [
        f"{doc.get('where')}: {doc['reason']}" async for doc in store.db["skipped_records"].find({}, sort=[("_id", 1)])
    ]


# --- real campaigns ---------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published campaigns are not here")
@pytest.mark.parametrize(
    ("name", "rows", "delimiter"), [("APOCADO", 8742, ","), ("MADW", 3460, ";"), ("OHAGEODAMS", 911, ",")]
)
async def test_published_campaigns_come_in_whole(name: str, rows: int, delimiter: str, store: Store) -> None:
    """Every row of a published campaign is an annotation or a comment; labels and people are as the csv module counts."""
    paths = [PUBLISHED / f"{name}_results.csv", PUBLISHED / f"{name}_status.csv"]
    with paths[0].open(newline="", encoding="utf-8-sig") as file:
        table = list(csv.DictReader(file, delimiter=delimiter))
    assert len(table) == rows
    result = await imported(store, "aplose", *paths)
    assert (result.state, await reasons(store)) == ("SUCCEEDED", [])
    marks = [row for row in table if row["annotation"]]
    assert await store.db["annotations"].count_documents({}) == len(marks)
    assert await store.db["comments"].count_documents({}) == rows - len(marks)
    labels = Counter([doc["label"] async for doc in store.db["annotations"].find({}, {"label": 1})])
    assert labels == Counter(row["annotation"] for row in marks)
    authors = Counter(
        [doc["author"].rsplit("/", 1)[1] async for doc in store.db["annotations"].find({}, {"author": 1})]
    )
    assert authors == Counter(row["annotator"] for row in marks)
    with paths[1].open(newline="", encoding="utf-8-sig") as file:
        status = list(csv.reader(file, delimiter=delimiter))
    status = [
        line[0].split(",") if len(line) == 1 else line for line in status
    ]  # the status file has its own delimiter
    people = {row["annotator"] for row in table} | set(status[0][2:])
    assert {doc["external_id"] async for doc in store.db["annotators"].find({})} == people
    finished = sum(row[2:].count("FINISHED") for row in status[1:])
    assert await store.db["tasks"].count_documents({"native_status": "FINISHED"}) == finished


@pytest.mark.skipif(not SHARED.is_dir(), reason="the samples are not here")
@pytest.mark.parametrize("platform", ["aplose", "kili", "scale"])
async def test_every_sample_comes_in_or_says_why_not(platform: str, store: Store) -> None:
    """No sample file breaks a run, and each file that gives nothing is named with a reason."""
    files = sorted(p for p in (SHARED / platform).rglob("*") if p.suffix in (".csv", ".json", ".zip"))
    for number, path in enumerate(files):
        source = f"s{number}"
        result = await imported(store, platform, path, source=source)
        counts = result.run["counts"]
        told = [doc async for doc in store.db["skipped_records"].find({"run": result.run["_id"]})]
        assert counts["skipped"] == len(told)
        assert sum(result.counts.created.values()) > 0 or told, path
        assert all(path.name in doc["where"] and len(doc["reason"]) > 10 for doc in told), told


# --- the same again, and corrections ------------------------------------------------------------------------------------


async def test_a_corrected_file_changes_exactly_what_was_corrected(store: Store, tmp_path: Path) -> None:
    """One changed label changes one annotation; a row that is gone leaves one tombstone; nothing else is written."""
    path = write(tmp_path / "c_results.csv", results(400))
    await imported(store, "aplose", path)
    before = await written(store)
    lines = results(400)
    lines[7] = lines[7].replace("Whale", "Dolphin")
    del lines[300]
    write(path, lines)
    run = (await imported(store, "aplose", path)).run
    kinds = {
        kind: {word: n for word, n in counts.items() if n and word != "unchanged"}
        for kind, counts in run["kinds"].items()
    }
    assert {kind: counts for kind, counts in kinds.items() if counts} == {"Annotation": {"updated": 1, "deleted": 1}}
    after = await written(store)
    changed = {id_ for id_ in after if after[id_] != before.get(id_)}
    assert changed == {"gid://s/Annotation/c/1006", "gid://s/Annotation/c/1299"}
    gone = await store.db["annotations"].find_one({"_id": "gid://s/Annotation/c/1299"})
    assert gone["deleted_at"] is not None
    task = await store.db["tasks"].find_one({"labels": "Dolphin"})
    assert task["labels"] == ["Dolphin", "Whale"] or task["labels"] == ["Dolphin"]
    write(path, results(400))
    run = (await imported(store, "aplose", path)).run
    assert (run["counts"]["updated"], run["counts"]["created"], run["counts"]["deleted"]) == (2, 0, 0)
    assert await store.db["annotations"].count_documents({"deleted_at": None}) == 400


async def test_a_source_keeps_its_platform(store: Store, tmp_path: Path) -> None:
    """A name taken by one platform is refused to another, before anything is read."""
    path = write(tmp_path / "c_results.csv", results(4))
    await imported(store, "aplose", path)
    with pytest.raises(SourceTaken, match="belongs to aplose"):
        await imported(store, "kili", path)
    with pytest.raises(ImportRefused, match="no option colour"):
        await imported(store, "aplose", path, options={"colour": "red"})
    assert await store.db["sync_runs"].count_documents({}) == 1


# --- bad input ------------------------------------------------------------------------------------------------------------


def damaged(folder: Path) -> dict[str, tuple[str, Path]]:
    """Files that are wrong in one way each: name → (platform, path)."""
    good = "\r\n".join([*results(8), ""]).encode()
    task = json.dumps({"task_id": "576ba74eec471ff9b01557cc", "type": "categorization", "status": "completed"}).encode()
    asset = json.dumps({"id": "a1", "externalId": "A", "labels": []}).encode()
    files: dict[str, tuple[str, bytes]] = {
        "empty_results.csv": ("aplose", b""),
        "unknown_results.csv": ("aplose", b"alpha,beta,gamma\r\n1,2,3\r\n"),
        "missing_results.csv": ("aplose", b"dataset,filename,start_time\r\nDS,f.wav,1\r\n"),
        "utf8_results.csv": ("aplose", good.replace(b"person1", b"p\xff\xfe1", 1)),
        "nul_results.csv": ("aplose", good.replace(b"person1", b"per\0son1", 1)),
        "line_results.csv": (
            "aplose",
            good
            + b"x" * 50_000_000
            + b"\r\n"
            + b"DS,late.wav,9999,,1.0,2.0,100.0,200.0,Whale,p,,2024-03-01T00:00:00.000+00:00,2024-03-01T00:00:01.000+00:00,1,BOX,,,,,,,,,,,,ANNOTATION\r\n",
        ),
        "short_results.csv": ("aplose", good + b"DS,f.wav\r\n"),
        "error_results.csv": ("aplose", b'{"detail": "Authentication credentials were not provided."}'),
        "empty.json": ("scale", b""),
        "truncated.json": ("scale", b'{"docs": [' + task + b', {"task_id": "cut'),
        "noid.json": ("scale", b"[" + task + b', {"type": "x"}]'),
        "scalar.json": ("scale", b"[1, 2]"),
        "binary.json": ("scale", bytes(range(256)) * 10),
        "truncated_kili.json": ("kili", b"[" + asset + b', {"id": "a2", "ext'),
        "html.json": ("kili", b"<!doctype html><p>Please sign in"),
        "notzip.zip": ("kili", b"PK\x03\x04 this is no zip"),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bad:
        bad.writestr("labels/good.json", asset)
        bad.writestr("../evil.json", asset)
    files["slip.zip"] = ("kili", buffer.getvalue())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("data.json", b"[" + b" " * 400_000_000 + b"]")
    files["bomb.zip"] = ("kili", buffer.getvalue())
    out = {}
    for name, (platform, content) in files.items():
        (folder / name).write_bytes(content)
        out[name] = (platform, folder / name)
    return out


async def test_bad_files_are_named_and_the_good_rest_is_kept(store: Store, tmp_path: Path) -> None:
    """Whatever is wrong with a file, the run ends with a message that names it; a good file beside it comes in."""
    for name, (platform, path) in damaged(tmp_path).items():
        source = name.replace("_", "-").replace(".", "-")
        result = await imported(store, platform, path, source=source)
        told = [doc async for doc in store.db["skipped_records"].find({"run": result.run["_id"]})]
        if name == "utf8_results.csv":
            assert result.state in ("SUCCEEDED", "PARTIAL"), name
        else:
            assert result.state in ("PARTIAL", "FAILED"), name
            assert told, name
            assert all(name in doc["where"] for doc in told), (name, told)
        kept = {"short_results.csv": 8, "line_results.csv": 9, "utf8_results.csv": 8, "nul_results.csv": 7}
        if name in kept:
            assert await store.db["annotations"].count_documents({"source": source}) == kept[name], name
        tasks = {"truncated.json": 1, "noid.json": 1, "truncated_kili.json": 1, "slip.zip": 1}
        if name in tasks:
            assert await store.db["tasks"].count_documents({"source": source}) == tasks[name], name


async def test_missing_files_and_folders(store: Store, tmp_path: Path) -> None:
    """A file that is not there and an empty folder are reported; the others of the same call come in."""
    good = write(tmp_path / "c_results.csv", results(4))
    (tmp_path / "nothing").mkdir()
    result = await imported(store, "aplose", good, tmp_path / "absent.csv", tmp_path / "nothing")
    assert result.state == "PARTIAL"
    assert [reason.rpartition("/")[2] for reason in await reasons(store)] == [
        "absent.csv: there is no such file",
        "nothing: the folder holds no files",
    ]
    assert await store.db["annotations"].count_documents({}) == 4
    assert (await imported(store, "aplose", tmp_path / "absent.csv", source="other")).state == "FAILED"


# --- crashes ----------------------------------------------------------------------------------------------------------------


def labelgate(*arguments: str, url: str, database: str, **options: Any) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "LABELGATE_MONGODB_URL": url, "LABELGATE_MONGODB__DATABASE": database}
    command = [sys.executable, "-m", "gateway.cli", *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


async def wait_for(store: Store, collection: str, number: int) -> None:
    deadline = time.monotonic() + 60
    while await store.db[collection].count_documents({}) < number:
        assert time.monotonic() < deadline, "the import did not get that far"
        await asyncio.sleep(0.02)


async def test_a_killed_import_is_made_good_by_the_next(
    store: Store, opened: Any, mongo_url: str, tmp_path: Path
) -> None:
    """SIGKILL in the middle of an import, again and again; the run after that ends in the store of one clean run."""
    path = write(tmp_path / "c_results.csv", results(12_000))
    clean = Store(opened.client[store.db.name + "_clean"])
    await clean.prepare()
    try:
        await imported(clean, "aplose", path)
        for share in (500, 4000):
            process = labelgate(
                "ingest", "aplose", str(path), "--source", "s", "--json", url=mongo_url, database=store.db.name
            )
            try:
                await wait_for(store, "annotations", share)
            finally:
                process.send_signal(signal.SIGKILL)
                process.communicate()
            assert await store.db["annotations"].count_documents({}) < 12_000
            await asyncio.sleep(0)
            await store.db["leases"].delete_many({})
        result = await imported(store, "aplose", path)
        assert result.state == "SUCCEEDED"
        assert await snapshot(store) == await snapshot(clean)
        states = Counter([run["state"] async for run in store.db["sync_runs"].find({})])
        assert states == {"FAILED": 2, "SUCCEEDED": 1}
    finally:
        await opened.client.drop_database(clean.db.name)


async def test_a_killed_mongod_loses_nothing(tmp_path: Path) -> None:
    """mongod killed with SIGKILL during an import: the import goes on once it is back, or says so; the end is the same."""
    from pymongo import AsyncMongoClient

    path = write(tmp_path / "c_results.csv", results(8000))
    with EmbeddedMongo(tmp_path / "mongo") as url:
        process = labelgate("ingest", "aplose", str(path), "--source", "s", "--json", url=url, database="labelgate")
        client: Any = AsyncMongoClient(url)
        store = Store(client["labelgate"])
        await wait_for(store, "annotations", 1000)
        before = await client.admin.command("serverStatus")
        os.kill(before["pid"], signal.SIGKILL)
        out, complaint = await asyncio.to_thread(process.communicate, timeout=90)
        assert (process.returncode == 0 and json.loads(out)["state"] == "SUCCEEDED") or b"Error" in complaint
        after = await client.admin.command("serverStatus")
        assert after["pid"] != before["pid"]
        assert await store.db["annotations"].count_documents({}) >= 1000
        await store.db["leases"].delete_many({})
        assert (await imported(store, "aplose", path)).state == "SUCCEEDED"
        clean = Store(client["clean"])
        await clean.prepare()
        await imported(clean, "aplose", path)
        assert await snapshot(store) == await snapshot(clean)
        await client.close()


# --- the command ------------------------------------------------------------------------------------------------------------


async def test_exit_status_says_how_it_went(store: Store, mongo_url: str, tmp_path: Path) -> None:
    """0 for a whole import, 3 with skipped records, 1 when nothing came in; --json prints the run and nothing else."""
    whole = write(tmp_path / "a_results.csv", results(8))
    partial = write(tmp_path / "b_results.csv", [*results(8), "DS,f.wav"])
    for arguments, status, state in (
        ([str(whole)], 0, "SUCCEEDED"),
        ([str(partial)], 3, "PARTIAL"),
        ([str(tmp_path / "absent.csv")], 1, "FAILED"),
    ):
        process = labelgate(
            "ingest", "aplose", *arguments, "--source", state.lower(), "--json", url=mongo_url, database=store.db.name
        )
        out, err = await asyncio.to_thread(process.communicate)
        assert process.returncode == status, err
        run = json.loads(out)
        assert (run["state"], run["counts"]["skipped"]) == (state, len(run["skipped"]))


async def test_standard_input_and_unknown_platform(store: Store, mongo_url: str, tmp_path: Path) -> None:
    """`-` reads standard input; an unknown platform is one line that names those there are."""
    process = labelgate(
        "ingest",
        "aplose",
        "-",
        "--campaign",
        "From a pipe",
        "--json",
        url=mongo_url,
        database=store.db.name,
        stdin=subprocess.PIPE,
    )
    out, err = await asyncio.to_thread(process.communicate, "\r\n".join(results(8)).encode())
    assert process.returncode == 0, err
    assert json.loads(out)["kinds"]["Annotation"]["created"] == 8
    assert (await store.db["campaigns"].find_one({}))["name"] == "From a pipe"
    process = labelgate("ingest", "labelbux", "x.csv", url=mongo_url, database=store.db.name)
    out, err = await asyncio.to_thread(process.communicate)
    assert process.returncode == 1
    assert b"there is no platform 'labelbux'; there are: aplose, kili, " in err
    assert b"Traceback" not in err
