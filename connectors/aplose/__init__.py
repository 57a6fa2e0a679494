"""APLOSE: annotation of underwater sound. Reads the CSVs of every version (``files``) and live servers (``live``)."""

from __future__ import annotations

from connectors.aplose.files import READ_OPTIONS, read
from connectors.aplose.live import AploseSource
from connectors.aplose.settings import Settings
from connectors.contract import Connector

CONNECTOR = Connector(
    name="aplose",
    title="APLOSE",
    settings=Settings,
    read=read,
    read_options=READ_OPTIONS,
    open=AploseSource,
    sandbox="connectors.aplose.sandbox:create",
    samples="connectors.aplose.samples",
)
