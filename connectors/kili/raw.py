"""Takes an asset apart into payloads that are stored once each, and puts it together again.

The asset's ``raw`` is the asset as it came, except that under ``labels``, ``latestLabels`` and ``latestLabel`` each
label is replaced, at its place, by ``{"submission": <external id>}``; that submission's ``raw`` is the label. A label
told twice with different fields (in ``labels`` and again, shorter, in ``latestLabel``) stays as
``{"verbatim": <label>}``. Null and whatever is no object stays as it is. So ``rebuilt(raw, …)`` is the object of the
file, field for field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from connectors.coerce import text
from connectors.documents import JSON
from connectors.kili.names import Names, label_id

LABEL_KEYS: Final = ("labels", "latestLabels", "latestLabel")
"""Where the export types put labels (fact sheet §13)."""


@dataclass(frozen=True, slots=True)
class Parts:
    """``labels``: external id and payload in Kili's order; ``strays``: what stands among labels and is none."""

    raw: Mapping[str, JSON]
    labels: list[tuple[str, Mapping[str, JSON]]]
    strays: list[tuple[str, JSON]]


def apart(asset: Mapping[str, JSON], external_id: str) -> Parts:
    """Splits an asset; ``external_id`` goes into the ids of labels that have none."""
    names = Names()
    labels: list[tuple[str, Mapping[str, JSON]]] = []
    strays: list[tuple[str, JSON]] = []
    told: dict[tuple[str, int], tuple[str, Mapping[str, JSON]]] = {}
    raw = dict(asset)
    for key in LABEL_KEYS:
        if asset.get(key) is None:
            continue
        seen: dict[str, int] = {}

        def place(entry: JSON, where: str, seen: dict[str, int] = seen) -> JSON:
            if not isinstance(entry, dict):
                if entry is not None:
                    strays.append((where, entry))
                return entry
            base = label_id(entry, external_id)
            if text(entry.get("id")) and (first := told.get((base, 0))) and first[1] == entry:
                return {"submission": first[0]}
            slot = base, seen.get(base, 0)
            seen[base] = slot[1] + 1
            if slot not in told:
                told[slot] = names.claim(base), entry
                labels.append(told[slot])
            return {"submission": told[slot][0]} if told[slot][1] == entry else {"verbatim": entry}

        raw[key] = _each(asset[key], key, place)
    return Parts(raw, labels, strays)


def rebuilt(raw: Mapping[str, JSON], submission: Callable[[str], JSON]) -> dict[str, JSON]:
    """The asset as it came; ``submission`` gives the ``raw`` of a submission."""

    def back(entry: JSON, _where: str) -> JSON:
        if not isinstance(entry, dict):
            return entry
        return submission(entry["submission"]) if "submission" in entry else entry["verbatim"]

    return {key: _each(value, key, back) if key in LABEL_KEYS else value for key, value in raw.items()}


def _each(value: JSON, key: str, change: Callable[[JSON, str], JSON]) -> JSON:
    if isinstance(value, list):
        return [change(entry, f"{key}[{index}]") for index, entry in enumerate(value)]
    return change(value, key)
