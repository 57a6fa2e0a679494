"""Where the embedded mongod listens: a Unix socket in a folder that only its owner may enter."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import stat
import tempfile
from pathlib import Path
from typing import Final

NAME: Final = "mongodb-27017.sock"
LONGEST: Final = 100
"""A little less than the shortest limit on a socket's path that we know of (104 bytes, the last one zero)."""


def address(directory: Path) -> Path:
    """The socket of a data directory; its folder exists and is private, and nothing is left of an earlier socket.

    Normally ``directory/run``. A path that is too long, or holds what MongoDB would split at or the driver would not
    keep (capitals: it takes them for a host's), is replaced by a folder for temporary files, the same one each time.
    """
    folder = directory / "run"
    if not _fits(folder):
        digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
        short = f"labelgate-{os.geteuid()}-{digest}"
        folder = Path(tempfile.gettempdir()) / short
        if not _fits(folder):
            folder = Path("/tmp") / short  # noqa: S108 - made for us alone, and checked below
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PermissionError(1, "the socket's folder belongs to somebody else", str(folder))
    folder.chmod(0o700)
    (folder / NAME).unlink(missing_ok=True)
    return folder / NAME


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as attempt:
        try:
            attempt.connect(str(path))
        except OSError:
            return False
    return True


def _fits(folder: Path) -> bool:
    path = str(folder / NAME)
    return len(os.fsencode(path)) <= LONGEST and re.fullmatch(r"[a-z0-9._/+-]+", path) is not None
