"""Masks of ``segmentannotation``: one mark per label or instance that has pixels (fact sheet §4, response shapes).

``annotations.labeled`` names a mask per label, null where the label is nowhere; ``labelMapping`` its index in the
combined image, color, attributes and count of pixels, in a list where a label has several instances. Audits name
such a mark ``label-<index>`` (§5.4). The combined images belong to no mark: the submission's response has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.coerce import integer, mapping, number
from connectors.documents import JSON, UnmappedValue


def segments(annotations: Mapping[str, JSON], labels: Mapping[str, JSON]) -> Iterator[dict[str, Any]]:
    """The arguments of each mark."""
    labeled = mapping(annotations.get("labeled"))
    for label in dict.fromkeys([*labeled, *labels]):
        masks, entries = _as_list(labeled.get(label)), _as_list(labels.get(label))
        for n in range(max(len(masks), len(entries))):
            entry = entries[n] if n < len(entries) else None
            mask = masks[n] if n < len(masks) else masks[0] if len(masks) == 1 else None
            if mask or number(mapping(entry).get("numPixels")):
                yield _segment(label, n, mask, entry)
    if annotations.get("unlabeled"):
        yield {"key": "unlabeled", "native_id": "unlabeled", "value": _value({"mask": annotations["unlabeled"]})}
    for key, value in annotations.items():
        if value and (key not in ("labeled", "unlabeled", "combined") or (key == "labeled" and not labeled)):
            yield {"key": key, "value": _value(value)}


def _segment(label: str, n: int, mask: JSON, entry: JSON) -> dict[str, Any]:
    known = mapping(entry)
    index = integer(known.get("index"))
    native_id = None if index is None else f"label-{index}"
    own = known.get("attributes")
    return {
        "key": native_id or f"{label}/{n}",
        "native_id": native_id,
        "label": label or None,
        "value": _value({"mask": mask, **known} if known or entry is None else {"mask": mask, "mapping": entry}),
        "attributes": dict(own) if isinstance(own, dict) else {},
    }


def _value(value: JSON) -> UnmappedValue:
    return UnmappedValue(shape="segmentation", json=value)


def _as_list(value: JSON) -> list[JSON]:
    return value if isinstance(value, list) else [value]
