"""Reads in mongod's own words why it did not start, and says it in ours."""

from __future__ import annotations

import json
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.store.mongod import WHAT_ELSE

_TAIL: Final = 200_000
_NO_ROOM: Final = 10_000_000

_OTHER_VERSION: Final = (
    r"Wrong mongod version|invalid featureCompatibilityVersion|Invalid feature compatibility version"
    r"|WiredTiger version incompatible|unsupported WiredTiger (source )?file version|Version incompatibility detected"
    r"|WiredTiger under any compatibility version"
)
_DISK_FULL: Final = r"No space left on device|OutOfDiskSpace"
_KNOWN: Final = {
    _DISK_FULL: "the disk of {directory} is full: make room and start again",
    _OTHER_VERSION: (
        "the data in {directory} was written by another version of MongoDB than this {version} can read "
        "(usually a newer one): use a mongod of that version, or another data directory"
    ),
    r"DBPathInUse|Unable to lock the lock file": "another mongod, not started by labelgate, uses {directory}",
    r"Permission denied|read-only directory|Read-only file system|Operation not permitted": (
        "something in {directory} may not be read or written by this user"
    ),
    r"Too many open files": "the limit of open files is too low (ulimit -n)",
    r"WT_TRY_SALVAGE|WT_PANIC|database corruption": (
        "the data in {directory} is damaged: restore a copy of the directory"
    ),
    r"Cannot allocate memory|std::bad_alloc": "there is not enough memory",
}


def explain(log: Path, read_from: int, said: bytes, directory: Path, version: str) -> str:
    """One paragraph from the log since ``read_from`` and from what mongod said outside of it."""
    outside = said.decode(errors="replace")
    words = [*_serious(log, read_from), outside]
    reason = next(
        (
            text.format(directory=directory, version=version)
            for pattern, text in _KNOWN.items()
            if any(re.search(pattern, word, re.IGNORECASE) for word in words)
        ),
        None,
    )
    if shutil.disk_usage(directory).free < _NO_ROOM:  # then the log ends before its reason
        reason = _KNOWN[_DISK_FULL].format(directory=directory)
    reason = reason or _last_words(words) or f"it gave no reason ({_ending(outside)})"
    return f"MongoDB did not start: {reason}. Its log is {log}. {WHAT_ELSE}"


def _serious(log: Path, read_from: int) -> Iterator[str]:
    """Errors and fatal entries of the structured log."""
    try:
        with log.open("rb") as file:
            file.seek(max(read_from, log.stat().st_size - _TAIL))
            lines = file.read().splitlines()
    except OSError:
        return
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("s") in ("E", "F") and "BACKTRACE" not in str(entry.get("msg")):
            yield f"{entry.get('msg')} {json.dumps(entry.get('attr', {}))}"


def _last_words(words: list[str]) -> str | None:
    *logged, outside = words
    if logged:
        return f"it says: {logged[0][:400]}"
    lines = [line for line in outside.splitlines() if line.strip() and not line.startswith("{")]
    return f"it says: {lines[0][:400]}" if lines else None


def _ending(outside: str) -> str:
    found = re.search(r'^\{"exit": (-?\d+)\}', outside, re.MULTILINE)
    if not found:
        return "its supervisor ended, see supervisor.out"
    status = int(found[1])
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"
