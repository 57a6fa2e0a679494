"""Helpers for tests about processes: one that uses the embedded MongoDB, a mongod of its own, waiting for an end."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from gateway.store import sockets
from gateway.store.mongod import find_mongod

ROOT = Path(__file__).parents[2]
USER = """
import asyncio, sys
from pathlib import Path
from gateway.store.embedded import embedded

async def main():
    async with embedded(Path(sys.argv[1])) as url:
        print(url, flush=True)
        await asyncio.Event().wait()

try:
    asyncio.run(main())
except KeyboardInterrupt:
    sys.exit(130)
"""


def eventually(holds: Callable[[], bool], seconds: float = 20) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.02)
    return holds()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextmanager
def user(directory: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process that uses the embedded MongoDB of ``directory``, and the URL it got."""
    process = start_user(directory)
    try:
        yield process, said(process)
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def start_user(directory: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", USER, str(directory)], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@contextmanager
def own_mongod(folder: Path, *options: str, data: Path | None = None) -> Iterator[str]:
    """A mongod that labelgate did not start, on a socket in ``folder``; gives its URL."""
    folder.mkdir(parents=True, exist_ok=True)
    data = data or folder / "data"
    data.mkdir(exist_ok=True)
    address = folder / "mongodb-27017.sock"
    command = [
        str(find_mongod(folder).path),
        *("--dbpath", str(data), "--bind_ip", str(address), "--unixSocketPrefix", str(folder)),
        *("--wiredTigerCacheSizeGB", "0.25", "--wiredTigerEngineConfigString=log=(prealloc=false)"),
        *("--setParameter", "diagnosticDataCollectionEnabled=false", *options),
    ]
    with (folder / "log").open("wb") as log:
        mongod = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        assert eventually(lambda: sockets.answers(address) or mongod.poll() is not None), "mongod did not start"
        assert mongod.poll() is None, (folder / "log").read_text()[-2000:]
        yield f"mongodb://{quote(str(address), safe='')}"
    finally:
        mongod.send_signal(signal.SIGKILL)
        mongod.wait()
