"""What an export says about its project: the README.kili.txt of the SDK's archives, else names of files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from connectors.coerce import mapping, text
from connectors.documents import JSON, UNSET, Asset, Campaign, InputType

README: Final = "README.kili.txt"
README_LIMIT: Final = 64 * 1024
FACET: Final = "export"
LABELS: Final = "labels"
"""Folder of the per-asset files."""

_LINE = re.compile(r"^- (?P<key>[A-Z][a-z ]+): ?(?P<value>.*)$")
_KEYS: Final = {
    "Project name": "name",
    "Project identifier": "id",
    "Project description": "description",
    "Export date": "date",
    "Exported format": "format",
    "Exported labels": "labels",
}


_DATA = re.compile(r"(?:[^/]+/)?(?:data\.json|labels/.+\.json|README\.kili\.txt)")


@dataclass(frozen=True, slots=True)
class Export:
    """The project an export belongs to. ``said``: the export or its importer says so; else it is a file's name."""

    campaign: str
    name: str
    description: str | None = None
    said: bool = True
    readme: str | None = None
    format: str | None = None


def wanted(name: str) -> bool:
    """Whether a file of an export holds assets or names its project; one folder around the export is allowed.

    The rest is media and attachments of file jobs. macOS adds copies under ``__MACOSX``.
    """
    return _DATA.fullmatch(name) is not None and not name.startswith("__MACOSX/")


def export_of(name: str, readme: bytes | None, campaign: str | None) -> Export:
    """``name`` is the input's, ``campaign`` the importer's word: only a README names its project (fact sheet §13)."""
    words = readme.decode("utf-8", "replace") if readme else ""
    told = read_readme(words)
    title = told.get("name") or campaign
    if own := told.get("id"):
        described = told.get("description") or None
        return Export(own, title or own, described, readme=words, format=told.get("format"))
    if title:
        return Export(title, title, readme=words or None, format=told.get("format"))
    guess = name_of(name)
    return Export(guess, guess, said=False, readme=words or None, format=told.get("format"))


def read_readme(words: str) -> dict[str, str]:
    """The list in a README.kili.txt. A description may have several lines; the first line of a name counts."""
    found: dict[str, str] = {}
    last: str | None = None
    for line in words.splitlines():
        match = _LINE.match(line)
        key = _KEYS.get(match["key"]) if match else None
        if match and key and key not in found:
            found[key], last = match["value"].strip(), key
        elif last == "description":
            found[last] += "\n" + line
    return {key: value.strip() for key, value in found.items()}


def name_of(path: str) -> str:
    """What to call the campaign of a file: its stem; the folder of an unpacked archive; ``stdin``."""
    if path == "-":
        return "stdin"
    parts = PurePosixPath(path).parts
    if LABELS in parts[:-1]:
        parts = parts[: parts.index(LABELS)]
        return parts[-1] if parts else LABELS
    if len(parts) > 1 and parts[-1] == "data.json":
        return parts[-2]
    return PurePosixPath(path).stem or path


def campaign_document(export: Export, asset: Asset) -> Campaign:
    """The campaign as far as an export knows it; ``asset`` is its first one, which shows the input type."""
    known = asset.input_type if isinstance(asset.input_type, InputType) else None
    assumed = {"input_type"} if known else set()
    return Campaign(
        external_id=export.campaign,
        facet=FACET,
        assumed=frozenset(assumed if export.said else {*assumed, "name"}),
        raw={README: export.readme} if export.readme else UNSET,
        name=export.name,
        description=export.description or UNSET,
        input_type=known or UNSET,
    )


def named_by(asset: JSON, export: Export) -> Export:
    """The project that an asset names itself (``project{id title}``), which some self-made exports select."""
    own = mapping(mapping(asset).get("project"))
    external_id = text(own.get("id"))
    if external_id is None or external_id == export.campaign:
        return export
    title = text(own.get("title"))
    return Export(external_id, title or external_id, text(own.get("description")), said=title is not None)
