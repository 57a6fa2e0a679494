"""Finds the connectors: folders beside this file that export ``CONNECTOR``, and entry points of other packages."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path

import connectors
from connectors.contract import Connector

ENTRY_POINT_GROUP = "labelgate.connectors"


@cache
def discover() -> Mapping[str, Connector]:
    """Every connector by name, in alphabetical order. Raises ``ValueError`` when two claim one name."""
    found: dict[str, Connector] = {}
    for module_info in pkgutil.iter_modules(connectors.__path__):
        if module_info.ispkg:
            module = importlib.import_module(f"connectors.{module_info.name}")
            if hasattr(module, "CONNECTOR"):
                _add(found, module.CONNECTOR, module.__name__)
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        _add(found, entry.load(), entry.value)
    return dict(sorted(found.items()))


def _add(found: dict[str, Connector], connector: Connector, origin: str) -> None:
    if not isinstance(connector, Connector):
        raise TypeError(f"{origin}: CONNECTOR is no connectors.contract.Connector")
    if connector.name in found:
        raise ValueError(f"{origin}: a connector named {connector.name!r} exists already")
    found[connector.name] = connector


def sample_files(connector: Connector) -> list[Path]:
    """The exports that come with a connector, in the formats of its platform."""
    package, _, folder = (connector.samples or "").rpartition(".")
    found = Path(str(files(package) / folder))
    return sorted(path for path in found.iterdir() if path.suffix not in (".py", ".md", ""))
