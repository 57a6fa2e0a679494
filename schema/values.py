"""What an annotation is: a union of shapes, and one for what no mapping knows."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

import strawberry

from connectors.documents import CoordinateUnit
from schema.fields import Backed, part, stored
from schema.node import as_json, embedded
from schema.ports import Doc
from schema.scalars import JSON

_UNIT = "What the numbers count."
_PAGE = "Page of a document, from 1."
_FRAME = "Frame of a video."


@strawberry.type(description="From start to end; seconds or Hz, as the field that holds it says.")
class Span(Backed):
    start: float = stored("Where it starts.")
    end: float | None = stored("Where it ends; null for a point.")


@strawberry.type(description="A place in an image or in space.")
class Coordinate(Backed):
    x: float = stored("To the right, or longitude.")
    y: float = stored("Downwards from the top, or latitude.")
    z: float | None = stored("Height, where there is one.")


@strawberry.type(description="An upright rectangle, or one turned by `rotation`.")
class BoundingBox(Backed):
    left: float = stored("Left edge.")
    top: float = stored("Top edge.")
    width: float = stored("Width.")
    height: float = stored("Height.")
    rotation: float | None = stored("Degrees, as the platform gives them.")
    unit: CoordinateUnit = stored(_UNIT)
    page: int | None = stored(_PAGE)
    frame: int | None = stored(_FRAME)


def _ring(ring: Any) -> list[Coordinate]:
    return [Coordinate(doc=point) for point in ring]


@strawberry.type(description="A surface: the first ring is its outside, the others are holes.")
class Polygon(Backed):
    rings: list[list[Coordinate]] = part("Rings of points.", _ring, is_list=True)
    unit: CoordinateUnit = stored(_UNIT)
    page: int | None = stored(_PAGE)
    frame: int | None = stored(_FRAME)


@strawberry.type(description="A line through points.")
class Polyline(Backed):
    points: list[Coordinate] = part("The points in order.", embedded(Coordinate), is_list=True)
    unit: CoordinateUnit = stored(_UNIT)
    page: int | None = stored(_PAGE)
    frame: int | None = stored(_FRAME)


@strawberry.type(description="One place.")
class Point(Backed):
    at: Coordinate = part("Where it is.", embedded(Coordinate))
    unit: CoordinateUnit = stored(_UNIT)
    page: int | None = stored(_PAGE)
    frame: int | None = stored(_FRAME)


@strawberry.type(description="A stretch of text, in characters from the start; the end is not part of it.")
class TextSpan(Backed):
    start: int = stored("First character.")
    end: int = stored("One past the last character.")
    text: str | None = stored("The text itself, where the platform gives it.")


@strawberry.type(description="A box in a spectrogram. Both null: a mark of the whole file (APLOSE WEAK).")
class TimeFrequencyBox(Backed):
    time: Span | None = part("Seconds from the start of the asset.", embedded(Span))
    frequency: Span | None = part("Hz.", embedded(Span))


@strawberry.type(description="One or more categories of the whole asset or of its part.")
class Classification(Backed):
    categories: list[str] = stored("The categories.", read=list)


@strawberry.type(description="Text that somebody wrote about the asset.")
class Transcription(Backed):
    text: str = stored("The text.")


@strawberry.type(description="Marks that belong together.")
class Relation(Backed):
    from_ids: list[str] = stored("The platform's ids of the marks it starts at.", read=list)
    to_ids: list[str] = stored("The platform's ids of the marks it leads to.", read=list)


@strawberry.type(description="A shape no mapping knows yet; nothing is dropped.")
class UnmappedValue(Backed):
    kind: str = stored("The platform's word for the shape.", path="shape")
    json: JSON = stored("The shape itself.", read=as_json)


AnnotationValue: TypeAlias = Annotated[
    BoundingBox
    | Polygon
    | Polyline
    | Point
    | TextSpan
    | TimeFrequencyBox
    | Classification
    | Transcription
    | Relation
    | UnmappedValue,
    strawberry.union("AnnotationValue", description="What an annotation is."),
]

_TYPES: Final[dict[str, Any]] = {
    cls.__name__: cls
    for cls in (
        BoundingBox,
        Polygon,
        Polyline,
        Point,
        TextSpan,
        TimeFrequencyBox,
        Classification,
        Transcription,
        Relation,
        UnmappedValue,
    )
}


def annotation_value(value: Doc) -> Any:
    """The stored value as the member of the union that its ``type`` names."""
    return _TYPES[value["type"]](doc=value)
