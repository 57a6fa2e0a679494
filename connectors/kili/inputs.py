"""What an asset is: the project's input type, or what the asset itself shows when an export does not name it."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterable, Mapping
from typing import Final

from connectors.coerce import mapping, text
from connectors.documents import (
    JSON,
    Annotation,
    BoundingBox,
    CoordinateUnit,
    InputType,
    Point,
    Polygon,
    Polyline,
    TextSpan,
)
from connectors.kili.fields import lenient

INPUT_TYPES: Final[Mapping[str, InputType]] = {
    "IMAGE": InputType.IMAGE,
    "GEOSPATIAL": InputType.GEOSPATIAL,
    "PDF": InputType.DOCUMENT,
    "TEXT": InputType.TEXT,
    "VIDEO": InputType.VIDEO,
    "VIDEO_LEGACY": InputType.VIDEO,
    "AUDIO": InputType.AUDIO,
    "LLM_RLHF": InputType.CHAT,
    "LLM_INSTR_FOLLOWING": InputType.CHAT,
    "LLM_STATIC": InputType.CHAT,
    "TIME_SERIES": InputType.OTHER,
    "URL": InputType.OTHER,
    "NA": InputType.OTHER,
}
"""Kili's ``InputType`` (fact sheet §6) in common words."""

MEDIA: Final[Mapping[str, InputType]] = {
    "image": InputType.IMAGE,
    "video": InputType.VIDEO,
    "audio": InputType.AUDIO,
    "text": InputType.TEXT,
    "application/pdf": InputType.DOCUMENT,
}

_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)


def project_input(project: JSON) -> InputType | None:
    """The input type of a project; None when it is not known."""
    word = text(mapping(project).get("inputType"))
    return INPUT_TYPES.get(word, InputType.OTHER) if word else None


def content_url(asset: Mapping[str, JSON]) -> str | None:
    """``content`` where it is a link; TEXT projects put the text itself there."""
    content = asset.get("content")
    return content if isinstance(content, str) and _URL.fullmatch(content) else None


def in_degrees(asset: Mapping[str, JSON], project: InputType | None) -> bool:
    """Coordinates are longitude and latitude: GEOSPATIAL projects, and geotiff layers elsewhere (fact sheet §12)."""
    if project is InputType.GEOSPATIAL or asset.get("geospatialExportMetadata") is not None:
        return True
    layers = lenient(asset.get("jsonContent"))
    return isinstance(layers, list) and any(
        "epsg" in mapping(layer) and not mapping(layer).get("useClassicCoordinates") for layer in layers
    )


def unit(asset: Mapping[str, JSON], project: InputType | None) -> CoordinateUnit:
    """The unit of ``normalizedVertices``, ``point`` and ``polyline``."""
    return CoordinateUnit.DEGREE if in_degrees(asset, project) else CoordinateUnit.NORMALIZED


def guess(asset: Mapping[str, JSON], marks: Iterable[Annotation]) -> InputType | None:
    """The input type that an asset's own fields and marks show; None when they show nothing."""
    if in_degrees(asset, None):
        return InputType.GEOSPATIAL
    if asset.get("pageResolutions"):
        return InputType.DOCUMENT
    if "numberOfFrames" in mapping(mapping(lenient(asset.get("jsonMetadata"))).get("processingParameters")):
        return InputType.VIDEO
    return _from_marks(marks) or _from_name(asset)


def _from_marks(marks: Iterable[Annotation]) -> InputType | None:
    for mark in marks:
        if isinstance(mark.attributes, dict) and "frame" in mark.attributes:
            return InputType.VIDEO
        if isinstance(mark.value, TextSpan):
            return InputType.TEXT
        if isinstance(mark.value, BoundingBox | Polygon | Polyline | Point):
            return InputType.IMAGE if mark.value.page is None else InputType.DOCUMENT
    return None


def _from_name(asset: Mapping[str, JSON]) -> InputType | None:
    for name in (content_url(asset), text(asset.get("externalId"))):
        media, _ = mimetypes.guess_type(name.partition("?")[0]) if name else (None, None)
        if media:
            return MEDIA.get(media) or MEDIA.get(media.partition("/")[0])
    return InputType.IMAGE if asset.get("resolution") else None
