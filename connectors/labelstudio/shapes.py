"""One item of a ``result`` as values: what people drew, chose or wrote (fact sheet ``platforms/labelstudio.md`` §5).

Percent of an image become fractions of it; offsets in text count characters, as Label Studio's do. An item that fits
no shape, or that would lose something, stays an ``UnmappedValue``.
"""

from collections.abc import Mapping, Sequence

from connectors.coerce import integer, many, mapping, number, text
from connectors.documents import (
    JSON,
    AnnotationValue,
    BoundingBox,
    Classification,
    Coordinate,
    CoordinateUnit,
    Point,
    Polygon,
    Relation,
    Span,
    TextSpan,
    TimeFrequencyBox,
    Transcription,
    UnmappedValue,
)

UNIT = CoordinateUnit.NORMALIZED


def labels(item: Mapping[str, JSON]) -> list[str]:
    """The words that were chosen: under the item's own type, or under ``labels``."""
    value = mapping(item.get("value"))
    chosen = value.get(str(item.get("type"))) or value.get("labels") or item.get("labels")
    return [word for one in many(chosen) if isinstance(one, str) and (word := text(one))]


def values(item: Mapping[str, JSON]) -> list[tuple[str, AnnotationValue]]:
    """At least one value, each with what tells it from the others in an id: ``@<frame>`` for key frames of a video."""
    kind, value = text(item.get("type")) or "", mapping(item.get("value"))
    sequence = value.get("sequence")
    if kind.startswith("video") and isinstance(sequence, list) and sequence:
        boxes = [_box(mapping(frame), integer(mapping(frame).get("frame"))) for frame in sequence]
        if all(box and box.frame is not None for box in boxes):
            return [(f"@{box.frame}", box) for box in boxes if box]
    known = _value(kind, item, value)
    return [("", known or UnmappedValue(shape=kind or "result", json=dict(item)))]


def span(item: Mapping[str, JSON]) -> Span | None:
    """From when to when, in seconds, for items about sound."""
    value = mapping(item.get("value"))
    start, end = number(value.get("start")), number(value.get("end"))
    sounds = "channel" in value or "original_length" in item
    return Span(start, end) if sounds and start is not None else None


def _value(kind: str, item: Mapping[str, JSON], value: Mapping[str, JSON]) -> AnnotationValue | None:
    if kind == "choices":
        return Classification(categories=tuple(labels(item))) if labels(item) else None
    if kind == "textarea":
        words = [line for line in many(value.get("text")) if isinstance(line, str)]
        return Transcription(text="\n".join(words)) if words else None
    if kind == "relation":
        ends = text(item.get("from_id")), text(item.get("to_id"))
        return Relation(from_ids=(ends[0],), to_ids=(ends[1],)) if ends[0] and ends[1] else None
    if kind.startswith("polygon"):
        ring = [_at(pair) for pair in many(value.get("points"))]
        return Polygon(rings=(tuple(at for at in ring if at),), unit=UNIT) if ring and None not in ring else None
    if kind.startswith("keypoint"):
        at = _at([value.get("x"), value.get("y")])
        return Point(at=at, unit=UNIT) if at else None
    if kind.startswith("rectangle") or (kind == "labels" and "radiusX" not in value and "points" not in value):
        box = _box(value)
        if box:
            return box
    if kind in ("labels", "hypertextlabels", "paragraphlabels"):
        time = span(item)
        return TimeFrequencyBox(time=time) if time else _text_span(value)
    return None


def _text_span(value: Mapping[str, JSON]) -> TextSpan | None:
    """Plain text counts from its start; other texts do so in ``globalOffsets``, dialogues also within one paragraph."""
    within = mapping(value.get("globalOffsets")) or value
    if "startOffset" in within and value.get("start") == value.get("end"):
        within = {"start": value["startOffset"], "end": value.get("endOffset")}
    start, end = within.get("start"), within.get("end")
    if type(start) is not int or type(end) is not int or not 0 <= start <= end:
        return None
    return TextSpan(start=start, end=end, text=text(value.get("text")))


def _box(value: Mapping[str, JSON], frame: int | None = None) -> BoundingBox | None:
    sides = [number(value.get(side)) for side in ("x", "y", "width", "height")]
    left, top, width, height = (None if side is None else side / 100 for side in sides)
    if left is None or top is None or width is None or height is None:
        return None
    turned = number(value.get("rotation")) or None
    return BoundingBox(left=left, top=top, width=width, height=height, unit=UNIT, rotation=turned, frame=frame)


def _at(pair: Sequence[JSON]) -> Coordinate | None:
    x, y = (number(one) for one in pair) if isinstance(pair, list) and len(pair) == 2 else (None, None)
    return None if x is None or y is None else Coordinate(x / 100, y / 100)
