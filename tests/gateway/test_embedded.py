"""The embedded MongoDB: a real mongod that starts, is shared, survives, and never outlives its users."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from gateway.store import sockets
from gateway.store.embedded import EmbeddedMongo, Running, embedded
from gateway.store.errors import StoreError
from tests.gateway.processes import alive, eventually, own_mongod, said, start_user, user


@pytest.fixture
def directory() -> Iterator[Path]:
    """A short path, since a socket will be in it."""
    with tempfile.TemporaryDirectory(prefix="lg-", ignore_cleanup_errors=True) as folder:
        yield Path(folder) / "mongo"
        eventually(lambda: EmbeddedMongo(Path(folder) / "mongo").running() is None)


def running(directory: Path) -> Running:
    found = EmbeddedMongo(directory).running()
    assert found is not None
    return found


def count(url: str) -> int:
    with MongoClient[dict[str, Any]](url, timeoutMS=20_000) as client:
        return client.t.c.count_documents({})


def insert(url: str, *ids: int) -> None:
    with MongoClient[dict[str, Any]](url, timeoutMS=20_000, w="majority", journal=True) as client:
        client.t.c.insert_many([{"_id": number} for number in ids])


def listening_inodes() -> set[str]:
    """Sockets of this machine that listen on TCP."""
    rows = [line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()]
    return {row[9] for row in rows[1:] if row[3] == "0A"}


def held_by(pid: int) -> set[str]:
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.update(re.findall(r"socket:\[(\d+)\]", str(link.readlink())))
    return found


def test_it_starts_stops_and_keeps_its_data(directory: Path) -> None:
    """A fresh directory gets a writable replica set; stopped and started again, it has what was written."""
    with EmbeddedMongo(directory) as url:
        first = running(directory)
        insert(url, 1, 2, 3)
        with MongoClient[dict[str, Any]](url) as client:
            hello = client.admin.command("hello")
            assert (hello["setName"], hello["isWritablePrimary"]) == ("labelgate", True)
    assert not alive(first.pid)
    assert not alive(first.supervisor)
    assert EmbeddedMongo(directory).running() is None
    with EmbeddedMongo(directory) as url:
        assert running(directory).pid != first.pid
        assert count(url) == 3


def test_only_its_owner_reaches_it(directory: Path) -> None:
    """It listens on no TCP port; data and socket lie in folders that nobody else may enter."""
    with EmbeddedMongo(directory):
        sockets_held = held_by(running(directory).pid)
        assert sockets_held
        assert not sockets_held & listening_inodes()
        for folder in (directory, directory / "run", directory / "data"):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_ISSOCK((directory / "run" / sockets.NAME).stat().st_mode)


def test_a_second_process_joins_and_the_last_one_stops_it(directory: Path) -> None:
    """Two processes share one mongod; it outlives the one that started it, and ends with the last."""
    with user(directory) as (starter, url):
        mongod = running(directory).pid
        with EmbeddedMongo(directory) as joined:
            assert joined == url
            assert running(directory).pid == mongod
            starter.send_signal(signal.SIGINT)
            assert starter.wait(20) == 130
            insert(joined, 1)
            assert alive(mongod)
        assert not alive(mongod)


def test_processes_that_start_together_get_one_mongod(directory: Path) -> None:
    """Four processes at once: one mongod, one address."""
    processes = [start_user(directory) for _ in range(4)]
    try:
        assert len({said(process) for process in processes}) == 1
        assert (directory / "mongod.log").read_text().count('"MongoDB starting"') == 1
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_orphan_stays(directory: Path, number: signal.Signals) -> None:
    """However its only user ends, mongod and supervisor are gone soon after; the data is there at the next start."""
    with user(directory) as (process, url):
        insert(url, 1)
        before = running(directory)
        process.send_signal(number)
        process.wait(20)
        assert eventually(lambda: not alive(before.pid) and not alive(before.supervisor))
    with EmbeddedMongo(directory) as url:
        assert count(url) == 1


def test_no_orphan_stays_when_the_supervisor_is_killed(directory: Path) -> None:
    """The supervisor killed with SIGKILL takes mongod with it, and the next user starts a new one at once."""
    with EmbeddedMongo(directory) as url:
        before = running(directory)
        insert(url, 1)
        os.kill(before.supervisor, signal.SIGKILL)
        assert eventually(lambda: not alive(before.supervisor))
        with EmbeddedMongo(directory):
            assert running(directory).pid != before.pid
            assert not alive(before.pid)
            insert(url, 2)
            assert count(url) == 2


def test_a_killed_mongod_comes_back_with_everything_acknowledged(directory: Path) -> None:
    """mongod is killed again and again while somebody writes: no acknowledged document is lost, the writer goes on."""
    with EmbeddedMongo(directory) as url:
        written = 0
        for _ in range(3):
            victim = running(directory).pid
            insert(url, *range(written, written + 100))
            os.kill(victim, signal.SIGKILL)
            insert(url, *range(written + 100, written + 200))  # the driver retries within its time limit
            written += 200
            assert running(directory).pid != victim
        assert count(url) == written


def test_it_opens_after_everything_was_killed_at_once(directory: Path) -> None:
    """User, supervisor and mongod killed together leave stale files; the next start finds all acknowledged data."""
    with user(directory) as (process, url):
        insert(url, *range(500))
        before = running(directory)
        for pid in (before.supervisor, before.pid, process.pid):
            os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: not alive(before.pid))
        assert (directory / "run" / sockets.NAME).exists()
    with EmbeddedMongo(directory) as url:
        assert count(url) == 500


def test_a_mongod_that_cannot_stay_up_is_given_up(directory: Path) -> None:
    """After four crashes within a minute the supervisor ends, instead of trying for ever; a new user starts afresh."""
    with EmbeddedMongo(directory):
        first = running(directory)
        for _ in range(4):
            victim = running(directory).pid
            os.kill(victim, signal.SIGKILL)
            assert eventually(lambda gone=victim: _pid(directory) != gone)
        assert eventually(lambda: not alive(first.supervisor))
        with EmbeddedMongo(directory) as url:
            insert(url, 1)


def _pid(directory: Path) -> int | None:
    found = EmbeddedMongo(directory).running()
    return found and found.pid


def test_the_directory_may_move(directory: Path) -> None:
    """Renamed, so that the socket's path changes, it opens with its data."""
    with EmbeddedMongo(directory) as url:
        insert(url, 1, 2)
    moved = directory.rename(directory.with_name("elsewhere"))
    with EmbeddedMongo(moved) as url:
        insert(url, 3)
        assert count(url) == 3


@pytest.mark.parametrize("name", ["x" * 150, "a:b,c d%2F", "Ünïcode", "Capital"])
def test_any_path_will_do(directory: Path, name: str) -> None:
    """A path too long for a socket, or with what MongoDB would split, has its socket elsewhere, as private."""
    odd = directory / name
    with EmbeddedMongo(odd) as url:
        insert(url, 1)
        listening = Path(unquote(url.removeprefix("mongodb://").partition("/?")[0]))
        assert listening.is_socket()
        assert stat.S_IMODE(listening.parent.stat().st_mode) == 0o700
        assert listening.parent.parent == Path(tempfile.gettempdir())
        with EmbeddedMongo(odd) as joined:
            assert joined == url
    shutil.rmtree(listening.parent)


def test_a_full_log_is_rotated(directory: Path) -> None:
    """mongod's log starts anew at ten megabytes, at a start and while it runs; three old ones are kept."""
    directory.mkdir(mode=0o700)
    log, *old = [directory / f"mongod.log{suffix}" for suffix in ("", ".1", ".2", ".3", ".4")]
    log.write_bytes(b"a" * 10_000_000)
    old[0].write_bytes(b"b")
    old[1].write_bytes(b"c")
    old[2].write_bytes(b"d")
    with EmbeddedMongo(directory) as url:
        assert [path.stat().st_size for path in old[:3]] == [10_000_000, 1, 1]
        assert old[2].read_bytes() == b"c"
        with log.open("ab") as file:
            file.write(b"e" * 10_000_000)
        assert eventually(lambda: log.exists() and log.stat().st_size < 1_000_000)
        assert old[1].read_bytes()[:1] == b"a"
        assert old[2].read_bytes() == b"b"
        assert not old[3].exists()
        insert(url, 1)


async def test_a_cancelled_start_leaves_nothing(directory: Path) -> None:
    """A start that is cancelled half-way takes its mongod back."""

    async def use() -> None:
        async with embedded(directory):
            await asyncio.Event().wait()

    task = asyncio.create_task(use())
    while not (directory / "state.json").exists():
        await asyncio.sleep(0.005)
    started = running(directory)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert eventually(lambda: not alive(started.pid) and not alive(started.supervisor))


def test_a_mongod_of_somebody_else_on_the_data_is_named(directory: Path) -> None:
    """Where another mongod holds the data directory, the message says so, and nothing is left running."""
    directory.mkdir(mode=0o700)
    with own_mongod(directory / "other", data=directory / "data"), pytest.raises(StoreError) as refused:
        EmbeddedMongo(directory).start()
    assert f"another mongod, not started by labelgate, uses {directory}" in str(refused.value)
    assert "LABELGATE_MONGODB_URL" in str(refused.value)
    assert EmbeddedMongo(directory).running() is None


def test_data_of_a_newer_mongodb_is_named(directory: Path) -> None:
    """Files that say a storage engine of the future wrote them: the message speaks of versions, the files are left alone."""
    with EmbeddedMongo(directory):
        pass
    turtle = directory / "data" / "WiredTiger.turtle"
    newer = turtle.read_text().replace("major=", "major=9")
    turtle.write_text(newer)
    with pytest.raises(StoreError, match=r"was written by another version of MongoDB than this 6\.0\.5 can read"):
        EmbeddedMongo(directory).start()
    assert turtle.read_text() == newer


def test_a_full_disk_is_named(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """mongod that dies while nothing is left on the disk, where even its log ends in the middle."""
    on_path(directory.parent, monkeypatch, FAKE % ("", 14))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 0))  # type: ignore[attr-defined]
    with pytest.raises(StoreError, match=rf"the disk of {directory} is full: make room"):
        EmbeddedMongo(directory).start()


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A data directory that cannot be made: path and reason."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"The data directory .*file/mongo cannot be used: Not a directory"):
        EmbeddedMongo(tmp_path / "file" / "mongo").start()


FATAL = '{"t":{"$date":"2026-01-01T00:00:00Z"},"s":"F","c":"CONTROL","id":1,"ctx":"initandlisten","msg":%s,"attr":{"error":%s}}'
FAKE = """#!/bin/sh
case "$*" in
  *--version*) echo "db version v6.0.5"; exit 0;;
esac
while [ $# -gt 0 ]; do [ "$1" = --logpath ] && log=$2; shift; done
%s
exit %d
"""


@pytest.mark.parametrize(
    ("message", "error", "expected"),
    [
        ("DBException in initAndListen", "Location: No space left on device", "the disk of {directory} is full"),
        (
            "Wrong mongod version",
            "UPGRADE PROBLEM: Found an invalid featureCompatibilityVersion document",
            "was written by another version of MongoDB than this 6.0.5 can read",
        ),
        ("Something odd", "nobody has seen this", "it says: Something odd"),
    ],
)
def test_mongods_last_words_are_told(
    directory: Path, monkeypatch: pytest.MonkeyPatch, message: str, error: str, expected: str
) -> None:
    """What mongod logs before it ends comes as one sentence with the way out, and with the log's place."""
    line = FATAL % (f'"{message}"', f'"{error}"')
    on_path(directory.parent, monkeypatch, FAKE % (f"echo '{line}' >> $log", 62))
    with pytest.raises(StoreError) as refused:
        EmbeddedMongo(directory).start()
    assert expected.format(directory=directory) in str(refused.value)
    assert f"Its log is {directory / 'mongod.log'}" in str(refused.value)


def test_a_mongod_that_dies_without_a_word_is_told(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No log at all: the exit status."""
    on_path(directory.parent, monkeypatch, FAKE % ("", 14))
    with pytest.raises(StoreError, match=r"it gave no reason \(exit status 14\)"):
        EmbeddedMongo(directory).start()


def test_a_mongod_that_hangs_is_given_up(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The start ends after its time limit, and so does the process."""
    on_path(directory.parent, monkeypatch, FAKE % ("exec sleep 60", 0))
    with pytest.raises(StoreError, match=r"did not start within 1\.5 seconds: it does not answer"):
        EmbeddedMongo(directory, start_timeout=1.5).start()
    state = directory / "state.json"
    assert eventually(lambda: not state.exists())


def on_path(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """Puts a script named mongod first on PATH."""
    folder = folder / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    fake = folder / "mongod"
    fake.write_text(script)
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return fake


def test_writes_end_clearly_when_it_is_gone(directory: Path) -> None:
    """A client of a stopped mongod gets the driver's error within its time limit, and does not hang."""
    with EmbeddedMongo(directory) as url:
        pass
    shutil.rmtree(directory)
    with pytest.raises(PyMongoError), MongoClient[dict[str, Any]](url, timeoutMS=500) as client:
        client.t.c.insert_one({})
