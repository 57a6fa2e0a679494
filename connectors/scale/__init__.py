"""Scale AI: tasks, projects, answers and audits (fact sheet ``platforms/scale.md``)."""

from __future__ import annotations

from connectors.contract import Connector
from connectors.scale.files import read
from connectors.scale.live import ScaleSource
from connectors.scale.settings import Settings

CONNECTOR = Connector(
    name="scale",
    title="Scale AI",
    settings=Settings,
    read=read,
    open=ScaleSource,
    samples="connectors.scale.samples",
    sandbox="connectors.scale.sandbox:create",
)
