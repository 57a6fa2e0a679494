"""Scale AI: tasks, projects, answers and audits (fact sheet ``platforms/scale.md``)."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.contract import Connector
from connectors.scale.files import read


@dataclass(frozen=True, slots=True)
class Settings:
    """A source of exports needs none."""


CONNECTOR = Connector(
    name="scale",
    title="Scale AI",
    settings=Settings,
    read=read,
    samples="connectors.scale.samples",
)
