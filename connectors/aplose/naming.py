"""What a file's name says: its campaign, and the name under which a later import of the same file replaces it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePath
from typing import Final

_COPY: Final = re.compile(r"(\s*\(\d+\)|[\s_-]*(?:copy|copie)(\s*\d*)?)$", re.IGNORECASE)
_WORD: Final = re.compile(r"(?<![^\W_])(results?|status)(?![^\W_])", re.IGNORECASE)
_GAPS: Final = re.compile(r"([\s_.-])[\s_.-]+")
_STDIN: Final = "-"


def campaign_of(name: str) -> str:
    """The campaign by a file's name: ``APOCADO_results.csv`` and ``APOCADO_status (1).csv`` are of APOCADO.

    Servers call the results file ``…_status.csv`` too (fact sheet §2.7), so the word says nothing more.
    """
    path = PurePath(name)
    if name == _STDIN:
        return "stdin"
    stem = _COPY.sub("", path.stem)
    plain = _GAPS.sub(r"\1", _WORD.sub("", stem)).strip(" _.-")
    return plain or path.parent.name or stem


def campaigns(names: Sequence[str], told: str | None) -> list[str]:
    """The campaign of each file. Folders that hold files of one name hold different campaigns of one name."""
    if told is not None:
        return [told] * len(names)
    folders: dict[str, set[str]] = defaultdict(set)
    for name in names:
        folders[PurePath(name).name].add(PurePath(name).parent.as_posix())
    apart = set().union(*(found for found in folders.values() if len(found) > 1)) - {"."}
    return [
        f"{folder}/{campaign_of(name)}" if (folder := PurePath(name).parent.as_posix()) in apart else campaign_of(name)
        for name in names
    ]


def parts(names: Sequence[str]) -> list[str]:
    """The base name of each file of a campaign; the whole name, then a number, where that is taken."""
    used: dict[str, None] = {}
    for name in names:
        choices = [PurePath(name).name or name, name]
        part = next((choice for choice in choices if choice not in used), name)
        copy = 1
        while part in used:
            copy += 1
            part = f"{name} ({copy})"
        used[part] = None
    return list(used)
