"""APLOSE: annotation of underwater sound. Reads the results and status CSVs of every version (see ``files``)."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.aplose.files import READ_OPTIONS, read
from connectors.contract import Connector


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A source of files needs none."""


CONNECTOR = Connector(
    name="aplose",
    title="APLOSE",
    settings=Settings,
    read=read,
    read_options=READ_OPTIONS,
    samples="connectors.aplose.samples",
)
