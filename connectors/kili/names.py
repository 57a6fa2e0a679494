"""Ids for things that Kili names ambiguously or not at all: the same input always gives the same ids."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Final

from connectors.coerce import text
from connectors.documents import JSON
from connectors.kili.people import user_id

SURROGATE_PREFIX: Final = "label-"


class Names:
    """Hands out names once each: the second claim of ``a`` is ``a~2``."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._count: Counter[str] = Counter()

    def claim(self, wanted: str) -> str:
        name = wanted
        while name in self._taken:
            self._count[wanted] += 1
            name = f"{wanted}~{self._count[wanted] + 1}"
        self._taken.add(name)
        return name


def asset_id(asset: Mapping[str, JSON], campaign: str | None) -> str | None:
    """Kili's id; else the ``externalId``, which is unique within a project (fact sheet §13, ingestion rules)."""
    if own := text(asset.get("id")):
        return own
    name = text(asset.get("externalId"))
    return f"{campaign}/{name}" if campaign and name else name


def label_id(label: Mapping[str, JSON], asset: str) -> str:
    """Kili's id; exports of the SDK leave it out, then one from asset, author, time and type (§13)."""
    if own := text(label.get("id")):
        return own
    parts = [asset, user_id(label.get("author")), *(text(label.get(key)) for key in ("createdAt", "labelType"))]
    tuple_ = "\x1f".join(part or "" for part in parts)
    return SURROGATE_PREFIX + hashlib.sha256(tuple_.encode("utf-8", "surrogatepass")).hexdigest()[:24]
