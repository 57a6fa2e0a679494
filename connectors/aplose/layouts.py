"""The layouts of APLOSE's CSV exports: which columns each version wrote, and what a header says about its file.

Columns are found by name and never by position (fact sheet §2 and §3): people reorder them, and servers add new ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from connectors.errors import SkipRecord

Kind = Literal["results", "status"]


def _after(layout: tuple[str, ...], column: str, *added: str) -> tuple[str, ...]:
    position = layout.index(column) + 1
    return (*layout[:position], *added, *layout[position:])


_BOUNDS = ("start_time", "end_time", "start_frequency", "end_frequency")
_QUALITY = (
    "signal_quality",
    "signal_start_frequency",
    "signal_end_frequency",
    "signal_relative_max_frequency_count",
    "signal_relative_min_frequency_count",
    "signal_has_harmonics",
    "signal_trend",
    "signal_steps_count",
)
_QUANTITY = (
    "signal_quantity",
    "signal_is_intensity_too_low",
    "signal_does_overlap_other_signals",
    "signal_start_frequency",
    "signal_end_frequency",
    "signal_relative_min_frequency_count",
    "signal_relative_max_frequency_count",
    "signal_steps_count",
    "signal_has_harmonics",
    "signal_trend",
    "signal_sidebands",
    "signal_subharmonics",
    "signal_frequency_jumps",
    "signal_deterministic_chaos",
)

A8: Final = ("dataset", "filename", *_BOUNDS, "annotation", "annotator")
A10: Final = (*A8, "start_datetime", "end_datetime")
A11: Final = (*A10, "is_box")
A14: Final = (*A11, "confidence_indicator_label", "confidence_indicator_level", "comments")
_MARK = _after(A14, "annotator", "annotator_expertise")
A23: Final = (*_MARK, *_QUALITY)
A24: Final = (*_after(_MARK, "is_box", "type"), *_QUALITY)
A27: Final = (*_after(A24, "filename", "result_id", "is_update_of_id"), "created_at_phase")
_A30_HEAD = _after(
    _after(
        ("dataset", "analysis", *_after(_MARK, "is_box", "type")[1:]), "filename", "annotation_id", "is_update_of_id"
    ),
    "end_frequency",
    "min_frequency",
    "max_frequency",
)
A30: Final = (*_A30_HEAD, *_QUALITY, "created_at_phase")
A36: Final = (*_A30_HEAD, *_QUANTITY, "created_at_phase")
A35: Final = tuple(column for column in A36 if column != "analysis")

LAYOUTS: Final[Mapping[str, tuple[str, ...]]] = {
    "A8": A8,
    "A10": A10,
    "A11": A11,
    "A14": A14,
    "A23": A23,
    "A24": A24,
    "A27": A27,
    "A30": A30,
    "A35": A35,
    "A36": A36,
}
"""Base columns in the order of the server; 0 to n columns named after verifiers follow."""

UNQUOTED: Final = frozenset(A14)
"""Servers before 2.0 write without quoting (§2.7), and know no other columns than these."""

_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "dataset": ("dataset", "project"),
    "id": ("annotation_id", "result_id"),
    "start_frequency": ("start_frequency", "low_frequency", "min_frequency"),
    "end_frequency": ("end_frequency", "high_frequency", "max_frequency"),
}
"""Other names of a column, in newer servers and in files derived from exports (§2); the first that is there counts."""

_COLUMNS: Final = frozenset(column for layout in LAYOUTS.values() for column in layout)
_RESULTS_ONLY: Final = frozenset({"annotation", "start_time", "start_datetime"})
"""``annotator`` is not among them: it may well be somebody's name in a status file."""


@dataclass(frozen=True, slots=True)
class Header:
    """A header understood: where each column stands, and what kind of file it heads."""

    columns: tuple[str, ...]
    """As they are written."""
    keys: tuple[str, ...]
    """The same, each once: a later column of the same name has `` (2)`` after it. These are the keys of ``raw``."""
    at: Mapping[str, int]
    """Position by meaning: the column's name, or ``id`` and the other words of ``_ALIASES``."""
    unknown: tuple[int, ...]
    """Verifiers or annotators, and whatever somebody added."""
    kind: Kind

    def index(self, column: str) -> int:
        """Where the column stands; for one that is missing, the place right after the last cell."""
        return self.at.get(column, len(self.columns))

    def has(self, column: str) -> bool:
        return column in self.at

    @property
    def may_be_unquoted(self) -> bool:
        return self.kind == "results" and all(name in UNQUOTED for name in self.columns if name in _COLUMNS)


def understood(cells: Sequence[str]) -> int:
    """How many cells are names of columns: what tells the right delimiter from the wrong ones."""
    return len({cell.strip() for cell in cells} & (_COLUMNS | {"project", "low_frequency", "high_frequency"}))


def understand(cells: Sequence[str]) -> Header:
    """The header that these cells are; raises ``SkipRecord`` saying what is missing."""
    names = [cell.strip() for cell in cells]
    first = {name: names.index(name) for name in names}
    at = {name: first[name] for name in _COLUMNS if name in first}
    for meaning, choices in _ALIASES.items():
        found = next((first[name] for name in choices if name in first), None)
        if found is not None:
            at[meaning] = found
    kind: Kind = "results" if first.keys() & _RESULTS_ONLY else "status"
    if kind == "status":
        at = {meaning: at[meaning] for meaning in ("dataset", "filename") if meaning in at}
    _require(kind, at, cells)
    used = frozenset(at.values())
    unknown = tuple(index for index in range(len(names)) if index not in used)
    return Header(tuple(cells), _once(cells), at, unknown, kind)


def _require(kind: Kind, at: Mapping[str, int], cells: Sequence[str]) -> None:
    required = ("dataset", "filename", "annotation", "annotator") if kind == "results" else ("dataset", "filename")
    missing = [name for name in required if name not in at]
    if kind == "results" and not at.keys() & {"start_time", "start_datetime"}:
        missing.append("start_time")
    if not missing:
        return
    if [cell.strip() for cell in cells] == list("detail"):
        raise SkipRecord("this is no export but a server's refusal (login or rights): download it again")
    if kind == "results":
        raise SkipRecord(f"a results export without the columns {', '.join(missing)}", field=missing[0])
    raise SkipRecord(
        "neither a results nor a status export of APLOSE: its first line should name the columns dataset, filename, "
        f"start_time … annotation, annotator (or dataset, filename and annotators), but it is {_short(cells)}"
    )


def _short(cells: Sequence[str]) -> str:
    text = ", ".join(cells[:8])
    return repr(text if len(text) <= 120 else text[:120] + "…")


def _once(names: Sequence[str]) -> tuple[str, ...]:
    used: dict[str, None] = {}
    taken = set(names)
    for name in names:
        key, copy = name, 1
        while key in used or (copy > 1 and key in taken):
            copy += 1
            key = f"{name} ({copy})"
        used[key] = None
    return tuple(used)
