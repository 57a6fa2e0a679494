"""Kili Technology: projects, assets, labels and issues (fact sheet ``platforms/kili.md``)."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.contract import Connector
from connectors.kili.files import read


@dataclass(frozen=True, slots=True)
class Settings:
    """A source of exports needs none."""


CONNECTOR = Connector(
    name="kili",
    title="Kili Technology",
    settings=Settings,
    read=read,
    samples="connectors.kili.samples",
)
