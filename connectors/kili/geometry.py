"""One annotation object of a ``jsonResponse`` as values: boxes, polygons, lines, points, spans of text, relations.

Vertices keep Kili's numbers (fractions of width and height from the top left, a hair outside 0..1 at times, or
degrees); nothing is clamped. Shapes are known by the fields that carry them, since ``type`` may be missing or in
capitals (fact sheet §12). What fits no shape becomes an ``UnmappedValue`` with the object itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from connectors.coerce import integer, mapping, number, text
from connectors.documents import (
    JSON,
    AnnotationValue,
    BoundingBox,
    Coordinate,
    CoordinateUnit,
    Point,
    Polygon,
    Polyline,
    Relation,
    TextSpan,
    UnmappedValue,
)

CHUNK: Final = 1000
"""Characters of a text in one chunk: ``endOffset`` counts from the chunk that ``endId`` names."""
CORNER: Final = 1e-6
"""How far from a corner of its box a vertex of a rectangle may lie."""

Ring = tuple[Coordinate, ...]
_CHUNK_ID = re.compile(r"main/\[(\d{1,9})\]")
_RELATION_ENDS = (("startEntities", "endEntities"), ("startObjects", "endObjects"))


@dataclass(frozen=True, slots=True)
class Shape:
    """A value, the annotation's fields that it tells completely, and those that it tells in part, without that part."""

    value: AnnotationValue
    told: frozenset[str] = frozenset()
    rest: Mapping[str, JSON] = field(default_factory=dict)


def shapes(
    annotation: Mapping[str, JSON], unit: CoordinateUnit, frame: int | None = None, task: str = ""
) -> list[Shape]:
    """The values of an annotation, at least one. ``task`` is the job's ``mlTask``, for naming what is not known."""
    found = (
        _pose(annotation)
        or _pages(annotation, unit)
        or _relation(annotation)
        or _polygons(annotation, unit, frame)
        or _line(annotation, unit, frame)
        or _marker(annotation, unit, frame)
        or _text_span(annotation)
    )
    return found or [Shape(unmapped(annotation, task))]


def unmapped(value: JSON, task: str = "") -> UnmappedValue:
    """``value`` as it is, named by its own type or the job's task."""
    own = mapping(value)
    return UnmappedValue(shape=text(own.get("type")) or text(own.get("kind")) or task or "annotation", json=value)


def coordinate(value: JSON) -> Coordinate | None:
    """``{x, y}``, with ``z`` where there is one."""
    x, y = number(mapping(value).get("x")), number(mapping(value).get("y"))
    return None if x is None or y is None else Coordinate(x, y, number(value.get("z")))


def _path(value: JSON) -> Ring | None:
    if not isinstance(value, list) or not value:
        return None
    points = [coordinate(vertex) for vertex in value]
    return None if None in points else tuple(point for point in points if point)


# --- keypoints, lines, points --------------------------------------------------------------------------------


def _pose(annotation: Mapping[str, JSON]) -> list[Shape]:
    # Not a line and not an area: the keypoints become marks of their own (annotations.py).
    points = annotation.get("points")
    if not isinstance(points, list) or not points:
        return []
    return [Shape(UnmappedValue(shape="pose", json=points), frozenset({"points"}))]


def _line(annotation: Mapping[str, JSON], unit: CoordinateUnit, frame: int | None) -> list[Shape]:
    for key, its_unit in (("polyline", unit), ("polylinePixels", CoordinateUnit.PIXEL)):
        if path := _path(annotation.get(key)):
            return [Shape(Polyline(points=path, unit=its_unit, frame=frame), frozenset({key}))]
    return []


def _marker(annotation: Mapping[str, JSON], unit: CoordinateUnit, frame: int | None) -> list[Shape]:
    for key, its_unit in (("point", unit), ("pointPixels", CoordinateUnit.PIXEL)):
        if at := coordinate(annotation.get(key)):
            return [Shape(Point(at=at, unit=its_unit, frame=frame), frozenset({key}))]
    return []


# --- areas ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Area:
    rings: tuple[Ring, ...]
    unit: CoordinateUnit
    key: str = "normalizedVertices"

    def value(self, *, rectangle: bool, page: int | None = None, frame: int | None = None) -> AnnotationValue:
        if rectangle and (box := self._box(page, frame)):
            return box
        return Polygon(rings=self.rings, unit=self.unit, page=page, frame=frame)

    def _box(self, page: int | None, frame: int | None) -> BoundingBox | None:
        """The box of a rectangle whose vertices are corners, in any order; None for a tilted one."""
        if len(self.rings) != 1 or len(self.rings[0]) < 2:
            return None
        xs, ys = [point.x for point in self.rings[0]], [point.y for point in self.rings[0]]
        (left, right), (top, bottom) = (min(xs), max(xs)), (min(ys), max(ys))
        if any(min(x - left, right - x) > CORNER for x in xs) or any(min(y - top, bottom - y) > CORNER for y in ys):
            return None
        size = {"width": right - left, "height": bottom - top}
        return BoundingBox(left=left, top=top, **size, unit=self.unit, page=page, frame=frame)


def _polygons(annotation: Mapping[str, JSON], unit: CoordinateUnit, frame: int | None) -> list[Shape]:
    """First ring outside, the rest holes; groups of rings (geospatial) are areas of their own (fact sheet §12)."""
    poly = annotation.get("boundingPoly")
    if not isinstance(poly, list) or not poly:
        return []
    groups = poly if all(isinstance(group, list) for group in poly) else [poly]
    areas = [area for group in groups if (area := _area(group, unit))]
    if len(areas) != len(groups):
        return []
    rectangle = (text(annotation.get("type")) or "").lower() == "rectangle"
    left = [_without(group, area.key) for group, area in zip(groups, areas, strict=True)]
    rest = {"boundingPoly": left if groups is poly else left[0]} if any(map(any, left)) else {}
    return [Shape(area.value(rectangle=rectangle, frame=frame), frozenset({"boundingPoly"}), rest) for area in areas]


def _area(group: Sequence[JSON], unit: CoordinateUnit) -> _Area | None:
    for key, its_unit in (("normalizedVertices", unit), ("vertices", CoordinateUnit.PIXEL)):
        rings = [_path(mapping(ring).get(key)) for ring in group]
        if rings and None not in rings:
            return _Area(tuple(ring for ring in rings if ring), its_unit, key)
    return None


def _without(group: Sequence[JSON], used: str) -> list[dict[str, JSON]]:
    return [{key: value for key, value in ring.items() if key != used} for ring in group]


# --- documents -----------------------------------------------------------------------------------------------


def _pages(annotation: Mapping[str, JSON], unit: CoordinateUnit) -> list[Shape]:
    """Marks in a PDF lie one level deeper, each with its pages (counted from 1) and quadrilaterals.

    ``boundingPoly`` is the whole area of the mark and ``polys`` its lines; where they differ the lines stay readable
    in ``rest``.
    """
    parts = annotation.get("annotations")
    if not isinstance(parts, list) or not parts:
        return []
    found: list[Shape] = []
    for part in parts:
        own = mapping(part)
        lines: JSON = own.get("polys")
        used: JSON = own.get("boundingPoly") or lines
        areas = _quadrilaterals(used, unit)
        if not areas:
            return []
        rest = {key: value for key, value in own.items() if key not in ("boundingPoly", "polys", "pageNumberArray")}
        if lines and lines != used:
            rest["polys"] = lines
        if any(left := _without(used, "normalizedVertices")):
            rest["boundingPoly"] = left
        pages = own.get("pageNumberArray")
        numbers = [integer(page) for page in pages] if isinstance(pages, list) else []
        if len(numbers) > 1 and len(numbers) != len(areas):
            rest["pageNumberArray"] = pages
        for index, area in enumerate(areas):
            page = numbers[index] if len(numbers) == len(areas) else next(iter(numbers), None)
            found.append(Shape(area.value(rectangle=True, page=page), frozenset({"annotations"}), rest))
    return found


def _quadrilaterals(polys: JSON, unit: CoordinateUnit) -> list[_Area]:
    """The areas of one part, none if one of them cannot be read. Vertices stand in a list of lists, seldom flat."""
    found: list[_Area] = []
    for poly in polys if isinstance(polys, list) else []:
        vertices = mapping(poly).get("normalizedVertices")
        if not isinstance(vertices, list):
            return []
        for ring in [vertices] if any(isinstance(vertex, dict) for vertex in vertices) else vertices:
            path = _path(ring)
            if path is None:
                return []
            found.append(_Area((path,), unit))
    return found


# --- text ----------------------------------------------------------------------------------------------------


def _text_span(annotation: Mapping[str, JSON]) -> list[Shape]:
    """An entity; its end is ``beginOffset`` + length of ``content``.

    ``endOffset`` counts within the chunk that ``endId`` names while ``beginOffset`` counts from the start of the text,
    so it serves only where ``content`` is missing. Whether Kili counts code points or UTF-16 units is not known
    (fact sheet §12 and §19); code points are taken.
    """
    start, content = integer(annotation.get("beginOffset")), annotation.get("content")
    if start is None or start < 0:
        return []
    if isinstance(content, str):
        span = TextSpan(start=start, end=start + len(content), text=content)
        return [Shape(span, frozenset({"beginOffset", "content"}))]
    end = integer(annotation.get("endOffset"))
    if end is None:
        return []
    chunk = _CHUNK_ID.fullmatch(text(annotation.get("endId")) or "")
    end += CHUNK * int(chunk[1]) if chunk else 0
    return [Shape(TextSpan(start=start, end=end), frozenset({"beginOffset"}))] if end >= start else []


def _relation(annotation: Mapping[str, JSON]) -> list[Shape]:
    for keys in _RELATION_ENDS:
        ends = [end for key in keys if isinstance(end := annotation.get(key), list)]
        if len(ends) != len(keys):
            continue
        mids = [[text(mapping(entry).get("mid")) for entry in end] for end in ends]
        if any(mid is None for end in mids for mid in end):
            continue
        only_mids = all(set(entry) == {"mid"} for end in ends for entry in end)
        value = Relation(from_ids=tuple(map(str, mids[0])), to_ids=tuple(map(str, mids[1])))
        return [Shape(value, frozenset(keys) if only_mids else frozenset())]
    return []
