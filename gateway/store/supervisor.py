"""Keeps one mongod alive while somebody uses it. A script on the standard library alone; nobody imports it to run it.

Every user of the mongod holds a shared lock on ``users.lock``. The kernel drops that lock when its holder dies, however
it dies; once this process gets the lock for itself, nobody is left and mongod is told to stop. Two more locks come
from the starter: ``supervisor.lock`` is held as long as this process lives, ``mongod.lock`` as long as this process or
mongod does. Should this process be killed, the kernel terminates mongod (on Linux).
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

TICK = 0.1
STOP_WITHIN = 60.0
RESTARTS, RESTART_WINDOW = 3, 60.0
LOG_BYTES, LOGS_KEPT = 10_000_000, 3
SETTLED = 5.0  # by then mongod handles the signal that would kill it before
PR_SET_PDEATHSIG = 1


class Supervisor:
    def __init__(self, task: dict[str, Any]) -> None:
        self.command: list[str] = task["command"]
        self.life: int = task["life"]
        self.state = Path("state.json")
        self.facts: dict[str, Any] = task["facts"]
        self.log = Path("mongod.log")
        self.output = Path("mongod.out")
        self.users = os.open("users.lock", os.O_RDWR | os.O_CREAT, 0o600)
        self.stopping = False

    def run(self) -> None:
        crashes: list[float] = []
        while True:
            status = self.attend(self.start())
            if self.stopping:
                break
            crashes = [at for at in crashes if time.monotonic() - at < RESTART_WINDOW] + [time.monotonic()]
            # As long as the starter listens it deals with a failure; later, mongod is simply started again.
            if self.report({"exit": status}) or len(crashes) > RESTARTS:
                break
            time.sleep(TICK * len(crashes))
        self.state.unlink(missing_ok=True)

    def start(self) -> subprocess.Popen[bytes]:
        self.rotate()
        with self.output.open("wb") as output:
            mongod = subprocess.Popen(  # noqa: S603 - the starter found it
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(self.life,),
                preexec_fn=_die_with_parent(os.getpid()),  # noqa: PLW1509 - this process has one thread
            )
        part = self.state.with_suffix(".part")
        part.write_text(json.dumps(self.facts | {"pid": mongod.pid, "supervisor": os.getpid()}))
        part.replace(self.state)
        return mongod

    def attend(self, mongod: subprocess.Popen[bytes]) -> int:
        """Waits for mongod's end; ends it when it has no users."""
        settled, deadline = time.monotonic() + SETTLED, float("inf")
        while (status := mongod.poll()) is None:
            if not self.stopping and self.alone():
                self.stopping = True
            if self.stopping and deadline == float("inf"):
                mongod.terminate()
                deadline = time.monotonic() + STOP_WITHIN
            if time.monotonic() > deadline:
                mongod.kill()
            if time.monotonic() > settled and self.rotate():
                mongod.send_signal(signal.SIGUSR1)  # reopens the log
            time.sleep(TICK)
        return status

    def alone(self) -> bool:
        try:
            fcntl.flock(self.users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True  # and the lock is kept: who comes now waits for our end and starts afresh

    def rotate(self) -> bool:
        """Puts a full log aside."""
        if not self.log.exists() or self.log.stat().st_size < LOG_BYTES:
            return False
        for number in range(LOGS_KEPT - 1, 0, -1):
            older = self.log.with_name(f"{self.log.name}.{number}")
            if older.exists():
                older.replace(self.log.with_name(f"{self.log.name}.{number + 1}"))
        self.log.replace(self.log.with_name(f"{self.log.name}.1"))
        return True

    def report(self, facts: dict[str, Any]) -> bool:
        """Tells the starter, whose end of our standard output is open until mongod answers."""
        try:
            os.write(1, json.dumps(facts).encode() + b"\n")
        except OSError:
            return False
        return True

    def stop(self, _signal: int, _frame: FrameType | None) -> None:
        self.stopping = True


def _die_with_parent(parent: int) -> Any:
    """Between fork and exec of mongod: the kernel shall send it SIGTERM when this (single-threaded) process dies."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def prepare() -> None:
        with contextlib.suppress(ValueError, OSError):
            _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        if libc is not None:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return prepare


def main() -> None:
    task = json.loads(sys.argv[1])
    if os.fork():  # the starter reaps the first process at once, and init will reap the second
        os._exit(0)
    os.umask(0o077)
    os.chdir(task["directory"])
    supervisor = Supervisor(task)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, supervisor.stop)
    supervisor.run()


if __name__ == "__main__":
    main()
