"""When recordings start, by name: the exports do not say it, but ``start_datetime - start_time`` does (§2.4).

A name is not unique inside a dataset (§2.1); the starts tell its recordings apart.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from datetime import datetime
from typing import Final

TOLERANCE: Final = 1000
"""Milliseconds: starts closer than this are one recording's."""
_LONGEST: Final = 1e8
_ROUNDING: Final = 0.002


def start_of(at: datetime, offset: float) -> int | None:
    """The start of the recording in milliseconds since 1970, from a moment and its seconds into the recording.

    Servers cut times down to milliseconds (§2.2), so the true start is the next whole one from below.
    """
    if abs(offset) > _LONGEST:
        return None
    return math.ceil((at.timestamp() - offset) * 1000 - _ROUNDING)


class Starts:
    """Starts of the recordings of one campaign. ``add`` all of them, then ``settle``, then ask."""

    def __init__(self) -> None:
        self._first: dict[str, int] = {}
        self._more: dict[str, set[int]] = {}
        self._several: dict[str, tuple[list[int], list[int]]] = {}

    def add(self, dataset: str, filename: str, start: int) -> None:
        name = f"{dataset}\0{filename}"
        if self._first.setdefault(name, start) != start:
            self._more.setdefault(name, {self._first[name]}).add(start)

    def settle(self) -> None:
        """Gathers starts within the tolerance: one recording has the latest of them."""
        for name, starts in self._more.items():
            begins: list[int] = []
            latest: list[int] = []
            for start in sorted(starts):
                if begins and start - begins[-1] <= TOLERANCE:
                    latest[-1] = start
                else:
                    begins.append(start)
                    latest.append(start)
            self._first[name] = latest[0]
            if len(begins) > 1:
                self._several[name] = (begins, latest)
        self._more.clear()

    def any_several(self) -> bool:
        return bool(self._several)

    def several(self, dataset: str, filename: str) -> list[int]:
        """The starts of a name that several recordings have; empty for one recording or an unknown name."""
        return self._several.get(f"{dataset}\0{filename}", ([], []))[1]

    def only(self, dataset: str, filename: str) -> int | None:
        """The start of a name's one recording."""
        name = f"{dataset}\0{filename}"
        return None if name in self._several else self._first.get(name)

    def settled(self, dataset: str, filename: str, start: int) -> int:
        """The start that stands for a start found in a row."""
        begins, latest = self._several[f"{dataset}\0{filename}"]
        return latest[max(bisect_right(begins, start) - 1, 0)]
