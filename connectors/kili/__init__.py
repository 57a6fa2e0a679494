"""Kili Technology: projects, assets, labels and issues (fact sheet ``platforms/kili.md``)."""

from __future__ import annotations

from connectors.contract import Connector
from connectors.kili.files import read
from connectors.kili.live import KiliSource
from connectors.kili.settings import Settings

CONNECTOR = Connector(
    name="kili",
    title="Kili Technology",
    settings=Settings,
    read=read,
    open=KiliSource,
    samples="connectors.kili.samples",
    sandbox="connectors.kili.sandbox:create",
)
