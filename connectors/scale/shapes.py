"""One mark of a response as a value: boxes, polygons, lines, points, spans of text or time.

Fact sheet ``platforms/scale.md`` §4, response shapes: today's marks say ``type``, those of 2020 ``geometry``, older
ones nothing, so the task's type decides, and at last the fields that are there. Cuboids and ellipses have no value of
their own here: they stay whole in an ``UnmappedValue``, as does whatever lacks a coordinate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from connectors.coerce import integer, mapping, number, text
from connectors.documents import (
    JSON,
    AnnotationValue,
    BoundingBox,
    Coordinate,
    CoordinateUnit,
    InputType,
    Point,
    Polygon,
    Polyline,
    Span,
    TextSpan,
    TimeFrequencyBox,
    UnmappedValue,
)

Mark = Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class Place:
    """What a mark's numbers mean: the task's type and unit, and the frame or page they belong to."""

    task_type: str = ""
    input_type: InputType | None = None
    frame: int | None = None
    page: int | None = None

    @property
    def unit(self) -> CoordinateUnit:
        return CoordinateUnit.METER if self.input_type is InputType.POINT_CLOUD else CoordinateUnit.PIXEL


def shape(mark: Mark, place: Place) -> tuple[AnnotationValue, set[str]]:
    """The value of a mark, and the fields that it tells completely."""
    word_key = next((key for key in ("type", "geometry") if text(mark.get(key))), None)
    word = str(mark[word_key]).lower() if word_key else _BY_TASK.get(place.task_type, "")
    readers = (_READERS[word],) if word in _READERS else () if word_key else _GUESSES
    for reader in readers:
        value = reader(mark, place)
        if value is not None:
            told = {key for key in _TOLD[type(value)] if key in mark and _is_told(key, mark[key])}
            return value, told | {word_key} if word_key else told
    return UnmappedValue(shape=word or "annotation", json=mark), set(mark)


def coordinate(value: JSON) -> Coordinate | None:
    """``{x, y}``, with ``z`` where there is one, or a list of these numbers."""
    if isinstance(value, list):
        value = dict(zip("xyz", value, strict=False))
    x, y = number(mapping(value).get("x")), number(mapping(value).get("y"))
    return None if x is None or y is None else Coordinate(x, y, number(value.get("z")))


def box(mark: Mark, place: Place) -> BoundingBox | None:
    left, top = number(mark.get("left")), number(mark.get("top"))
    width, height = number(mark.get("width")), number(mark.get("height"))
    if left is None or top is None or width is None or height is None:
        return None
    return BoundingBox(
        left=left,
        top=top,
        width=width,
        height=height,
        unit=place.unit,
        rotation=number(mark.get("rotation")),
        page=place.page,
        frame=place.frame,
    )


def _path(mark: Mark) -> tuple[Coordinate, ...] | None:
    vertices = mark.get("vertices")
    if not isinstance(vertices, list) or not vertices:
        return None
    points = [coordinate(vertex) for vertex in vertices]
    return None if None in points else tuple(point for point in points if point)


def _is_told(key: str, value: JSON) -> bool:
    """Whether a value keeps all of a field: a vertex may say more than its place, as a cuboid's corners do."""
    if key == "vertices":
        return all(isinstance(vertex, list) or mapping(vertex).keys() <= {"x", "y", "z"} for vertex in value)
    if key == "position":
        return mapping(value).keys() <= {"x", "y", "z"}
    return isinstance(value, str) if key == "text" else number(value) is not None


def _polygon(mark: Mark, place: Place) -> Polygon | None:
    points = _path(mark)
    return Polygon(rings=(points,), unit=place.unit, page=place.page, frame=place.frame) if points else None


def _line(mark: Mark, place: Place) -> Polyline | None:
    points = _path(mark)
    return Polyline(points=points, unit=place.unit, page=place.page, frame=place.frame) if points else None


def _point(mark: Mark, place: Place) -> Point | None:
    at = coordinate(mark) or coordinate(mark.get("position"))
    return Point(at=at, unit=place.unit, page=place.page, frame=place.frame) if at else None


def _text_span(mark: Mark, place: Place) -> TextSpan | None:
    start, end = integer(mark.get("start")), integer(mark.get("end"))
    if start is None or end is None or place.input_type not in (InputType.TEXT, None):
        return None
    return TextSpan(start=start, end=end, text=text(mark.get("text")))


def _time_span(mark: Mark, place: Place) -> TimeFrequencyBox | None:
    start, end = number(mark.get("start")), number(mark.get("end"))
    if start is None or place.input_type is not InputType.AUDIO:
        return None
    return TimeFrequencyBox(time=Span(start, end))


Reader = Callable[[Mark, Place], AnnotationValue | None]

_READERS: Final[Mapping[str, Reader]] = {
    "box": box,
    "rotated_box": box,
    "rotatedbox": box,
    "polygon": _polygon,
    "line": _line,
    "polyline": _line,
    "point": _point,
}
_BY_TASK: Final[Mapping[str, str]] = {
    "annotation": "box",
    "polygonannotation": "polygon",
    "lineannotation": "line",
    "laneannotation": "line",
    "pointannotation": "point",
    "cuboidannotation": "cuboid",
}
_GUESSES: Final[tuple[Reader, ...]] = (box, _text_span, _time_span, _point)
_TOLD: Final[Mapping[type, frozenset[str]]] = {
    BoundingBox: frozenset({"left", "top", "width", "height", "rotation"}),
    Polygon: frozenset({"vertices"}),
    Polyline: frozenset({"vertices"}),
    Point: frozenset({"x", "y", "z", "position"}),
    TextSpan: frozenset({"start", "end", "text"}),
    TimeFrequencyBox: frozenset({"start", "end"}),
}
