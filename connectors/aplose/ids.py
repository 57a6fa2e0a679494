"""External ids of what an export speaks of: unique within a source, the same at every reading, never colliding.

Parts are escaped, so that ``/`` stands only between parts, ``@`` only before the start and ``#`` only before the
number of a recording; a ``-`` after an id counts repetitions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from hashlib import blake2b
from typing import Final

from connectors.aplose.layouts import A24, A36
from connectors.aplose.values import EPOCH

_ESCAPES: Final = str.maketrans({"%": "%25", "/": "%2F", "@": "%40", "#": "%23"})
_SPECIAL: Final = re.compile("[%/@#]")
_UNIT: Final = "\x1f"

HASHED: Final = tuple(
    column
    for column in dict.fromkeys((*A24, *A36))
    if column not in {"annotation_id", "annotator_expertise", "confidence_indicator_level"}
)
"""What identifies a row of a layout without ids (§2.1), in this order whatever the file's.

The highest confidence level follows the campaign's present set (§2.6) and the expertise is copied anew at every
save (§1): neither belongs to the identity. Of the level its first number counts.
"""


def part(text: str) -> str:
    """A part of an id."""
    return text.translate(_ESCAPES) if _SPECIAL.search(text) else text


def asset_id(campaign: str, dataset: str, filename: str) -> str:
    return f"{part(campaign)}/{part(dataset)}/{part(filename)}"


def starting(asset: str, milliseconds: int) -> str:
    """One of several recordings of the same name, told by its start."""
    at = EPOCH + timedelta(milliseconds=milliseconds)
    return f"{asset}@{at.isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"


def numbered(asset: str, position: int) -> str:
    """One of several recordings of the same name, told by its place in the status file, from 1."""
    return f"{asset}#{position}"


def task_id(asset: str, annotator: str, phase: str) -> str:
    return f"{asset}/{part(annotator)}/{phase}"


def submission_id(task: str) -> str:
    return f"{task}/results"


def row_id(key: str) -> str:
    """The server's primary key; a text that is no number is escaped so that it looks like nothing else."""
    return key if key.isascii() and key.isdigit() else "key-" + part(key).replace("-", "%2D")


def content_id(cells: Sequence[str], extra: Mapping[str, str]) -> str:
    """For a row without a key: a hash of the cells of ``HASHED`` columns, the level, and columns nobody knows."""
    joined = _UNIT.join(cells)
    if extra or joined.count(_UNIT) != len(cells) - 1:
        joined = json.dumps([*cells, dict(sorted(extra.items()))])
    return "row-" + blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def repeated(identifier: str, occurrence: int) -> str:
    """The same again: full duplicates exist in real files (§2.1)."""
    return identifier if occurrence == 1 else f"{identifier}-{occurrence}"
