"""A MongoDB of our own: one real mongod, a replica set of one member, for the processes that name the same directory.

The first process starts it, others join; it stops when the last of them is gone, however they went (see
``supervisor``), and a mongod that dies while it is in use is started again at the same address. It listens on a Unix
socket in a private folder and nowhere else. What is acknowledged is journaled, so nothing is lost by a kill.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from gateway.store import sockets
from gateway.store.errors import StoreError
from gateway.store.failures import explain
from gateway.store.mongod import WHAT_ELSE, find_mongod

REPLICA_SET: Final = "labelgate"
STOP_WITHIN: Final = 60.0
_PAUSE: Final = 0.01


@asynccontextmanager
async def embedded(directory: Path, *, cache_gb: float = 0.25, start_timeout: float = 120) -> AsyncIterator[str]:
    """Gives the URL of the directory's mongod, which lives at least as long as the context.

    Raises ``StoreError``.
    """
    mongo = EmbeddedMongo(directory, cache_gb=cache_gb, start_timeout=start_timeout)
    starting = asyncio.ensure_future(asyncio.to_thread(mongo.start))
    try:
        yield await asyncio.shield(starting)
    finally:
        mongo.abandoned.set()
        with suppress(StoreError):
            await starting
        await asyncio.to_thread(mongo.stop)


@dataclass(frozen=True, slots=True)
class Running:
    """What the supervisor wrote about the mongod it keeps."""

    url: str
    address: str
    version: str
    pid: int
    supervisor: int


class EmbeddedMongo:
    """The same for code without an event loop: ``with EmbeddedMongo(directory) as url``."""

    def __init__(self, directory: Path, *, cache_gb: float = 0.25, start_timeout: float = 120) -> None:
        self.directory = Path(os.path.abspath(directory))  # noqa: PTH100 - resolve() would follow links
        self.log = self.directory / "mongod.log"
        self.abandoned = threading.Event()
        """Set from another thread, it ends a start that is under way."""
        self._cache_gb = cache_gb
        self._start_timeout = start_timeout
        self._deadline = float("inf")
        self._use: int | None = None

    def __enter__(self) -> str:
        return self.start()

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def start(self) -> str:
        """Joins the running mongod, or starts one, and waits until it takes writes. Raises ``StoreError``."""
        self._deadline = time.monotonic() + self._start_timeout
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._file("door.lock") as door:
                self._until(lambda: _lock(door, fcntl.LOCK_EX), "another process is starting it and does not get on")
                self._use = use = self._open("users.lock")
                self._until(lambda: _lock(use, fcntl.LOCK_SH), "the one before does not stop")
                with self._file("mongod.lock") as life:
                    while not _lock(life, fcntl.LOCK_EX):
                        running = self.running()
                        if running and _takes_writes(running.address):
                            return running.url
                        self._pause("the one before does not stop")
                    with self._file("supervisor.lock") as lock:
                        self._until(lambda: _lock(lock, fcntl.LOCK_EX), "the one before does not stop")
                        return self._launch(life, lock)
        except OSError as problem:
            self._leave()
            place = f" ({problem.filename})" if problem.filename else ""
            raise StoreError(
                f"The data directory {self.directory} cannot be used: {problem.strerror or problem}{place}."
            ) from None
        except BaseException:
            self._leave()
            raise

    def stop(self) -> None:
        """Leaves the mongod; the last one to leave waits until it has stopped."""
        if self._use is None:
            return
        with suppress(OSError), self._file("door.lock") as door:
            _wait(lambda: _lock(door, fcntl.LOCK_EX), 5)
            last = self._is_last(self._use)
            self._leave()
            if last:
                with self._file("mongod.lock") as life:
                    _wait(lambda: _lock(life, fcntl.LOCK_EX), STOP_WITHIN)
        self._leave()

    def running(self) -> Running | None:
        """The mongod of this directory, if its supervisor lives."""
        try:
            with self._file("supervisor.lock") as lock:
                if _lock(lock, fcntl.LOCK_SH):  # it would hold it
                    return None
            return Running(**json.loads((self.directory / "state.json").read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def _is_last(self, use: int) -> bool:
        """Tries to turn our shared lock into an exclusive one; nobody can come in while we hold the door."""
        # If both locks are refused, the supervisor was quicker and has it for itself.
        return _lock(use, fcntl.LOCK_EX) or not _lock(use, fcntl.LOCK_SH)

    def _leave(self) -> None:
        if self._use is not None:
            os.close(self._use)
            self._use = None

    def _launch(self, life: int, lock: int) -> str:
        mongod = find_mongod(self.directory)
        address = sockets.address(self.directory)
        # Named as a set, so that the driver waits for its primary whenever mongod is started again.
        url = f"mongodb://{quote(str(address), safe='')}/?replicaSet={REPLICA_SET}"
        task = {
            "command": [str(mongod.path), *self._options(address)],
            "directory": str(self.directory),
            "life": life,
            "lock": lock,
            "facts": {"url": url, "address": str(address), "version": mongod.version_text},
        }
        read_from = self.log.stat().st_size if self.log.exists() else 0
        with self._supervisor(task) as news:

            def check() -> None:
                if select.select([news], [], [], 0)[0]:
                    said = (self.directory / "mongod.out").read_bytes() + news.read()
                    raise StoreError(explain(self.log, read_from, said, self.directory, mongod.version_text))

            self._until(lambda: sockets.answers(address), "it does not answer", check)
            self._make_primary(str(address), check)
        return url

    def _options(self, address: Path) -> list[str]:
        data = self.directory / "data"
        data.mkdir(mode=0o700, exist_ok=True)
        return [
            *("--dbpath", str(data), "--replSet", REPLICA_SET),
            *("--bind_ip", str(address), "--unixSocketPrefix", str(address.parent)),
            *("--logpath", str(self.log), "--logappend", "--logRotate", "reopen", "--quiet"),
            *("--wiredTigerCacheSizeGB", str(self._cache_gb), "--oplogSize", "512"),
            # 32 MB of journal where mongod would lay out 300 MB at its first start.
            "--wiredTigerEngineConfigString=log=(prealloc=false,file_max=32MB)",
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            # No other member could take over, so there is nothing to wait for at the end.
            *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
        ]

    @contextmanager
    def _supervisor(self, task: dict[str, Any]) -> Iterator[Any]:
        """Starts it; it tells through the pipe if mongod ends while we listen."""
        with (self.directory / "supervisor.out").open("wb") as errors:
            process = subprocess.Popen(  # noqa: S603 - our own script under our own interpreter
                [sys.executable, "-I", "-S", str(Path(__file__).with_name("supervisor.py")), json.dumps(task)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                pass_fds=(task["life"], task["lock"]),
                start_new_session=True,  # Ctrl-C is for the gateway, which still needs MongoDB while it stops
            )
        with process:  # forks and ends at once: nothing to reap later
            yield process.stdout

    def _make_primary(self, address: str, check: Callable[[], None]) -> None:
        """Gives a new data directory its replica set, and a moved one its new address."""
        members = [{"_id": 0, "host": address}]
        trouble = ""

        def ready() -> bool:
            nonlocal trouble
            try:
                if client.admin.command("hello").get("isWritablePrimary"):
                    return True
                known = client.local["system.replset"].find_one()
                if known is None:
                    client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members})
                elif [member["host"] for member in known["members"]] != [address]:
                    moved = known | {"members": members, "version": known["version"] + 1}
                    client.admin.command("replSetReconfig", moved, force=True)
            except PyMongoError as problem:  # it is still finding itself: ask again
                trouble = f" ({problem})"
            return False

        with _direct(address, serverSelectionTimeoutMS=5000) as client:
            self._until(ready, lambda: f"it does not take writes{trouble}", check)

    def _until(
        self, ready: Callable[[], bool], otherwise: str | Callable[[], str], check: Callable[[], None] | None = None
    ) -> None:
        while not ready():
            if check:
                check()
            self._pause(otherwise)

    def _pause(self, otherwise: str | Callable[[], str]) -> None:
        if self.abandoned.is_set() or time.monotonic() > self._deadline:
            reason = otherwise if isinstance(otherwise, str) else otherwise()
            raise StoreError(
                f"The MongoDB of {self.directory} did not start within {self._start_timeout:g} seconds: {reason}. "
                f"Its log is {self.log}. {WHAT_ELSE}"
            )
        time.sleep(_PAUSE)

    def _open(self, name: str) -> int:
        return os.open(self.directory / name, os.O_RDWR | os.O_CREAT, 0o600)

    @contextmanager
    def _file(self, name: str) -> Iterator[int]:
        number = self._open(name)
        try:
            yield number
        finally:
            os.close(number)


def _takes_writes(address: str) -> bool:
    """Asks mongod itself: the socket of one that is dying may still accept."""
    try:
        with _direct(address, serverSelectionTimeoutMS=1000, socketTimeoutMS=1000) as client:
            return bool(client.admin.command("hello").get("isWritablePrimary"))
    except PyMongoError:
        return False


def _direct(address: str, **options: Any) -> MongoClient[dict[str, Any]]:
    return MongoClient(quote(address, safe=""), directConnection=True, **options)


def _lock(file: int, kind: int) -> bool:
    """The kernel's lock on the open file, or False. It ends with ``close``, or with its holder."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait(ready: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not ready() and time.monotonic() < until:
        time.sleep(_PAUSE)
