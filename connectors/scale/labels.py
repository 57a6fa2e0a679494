"""The label classes that a project's parameters offer, in every way Scale has of naming them (fact sheet §7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from connectors.coerce import mapping, text
from connectors.documents import JSON

_LISTS: Final = ("objects_to_annotate", "labels", "instance_labels", "categories", "choices")
_NAMES: Final = ("label", "name", "choice", "category", "value")
_WITHIN: Final = ("subchoices", "choices", "categories", "labels")


def label_set(params: Mapping[str, JSON]) -> tuple[str, ...] | None:
    """Their names in order, each once; None where the parameters name none."""
    places = [params, *mapping(params.get("geometries")).values()]
    found = [name for place in places for key in _LISTS for name in _names(mapping(place).get(key))]
    return tuple(dict.fromkeys(found)) or None


def _names(value: JSON, depth: int = 0) -> Iterator[str]:
    for item in value if isinstance(value, list) and depth < 4 else ():
        own = (
            item if isinstance(item, str) else next((item[key] for key in _NAMES if text(mapping(item).get(key))), None)
        )
        name = text(own)
        if name:
            yield name
        for key in _WITHIN:
            yield from _names(mapping(item).get(key), depth + 1)
