"""Marks that somebody drew: lists of them, one per frame of a video, with everything they say beside their shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from connectors.coerce import integer, text
from connectors.documents import JSON, AnnotationValue, Span, UnmappedValue
from connectors.scale.shapes import Place, shape

IDS: Final = ("uuid", "id", "annotation_id")
FRAMES: Final = ("frame", "frame_num", "frameNum", "frame_number")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One annotation to be; ``key`` names it within its submission."""

    key: str
    value: AnnotationValue
    native_id: str | None = None
    label: str | None = None
    attributes: Mapping[str, JSON] = field(default_factory=dict)
    frame: int | None = None
    time_span: Span | None = None


Marks = Iterator[Mark]


def unknown(key: str, value: JSON, prefix: str = "") -> Marks:
    """What no reader knows, unless it is empty."""
    if value is not None and value not in ("", [], {}):
        yield Mark(key=prefix + key, value=UnmappedValue(shape=key or "response", json=value))


def listed(items: list[JSON], place: Place, prefix: str = "") -> Marks:
    for index, item in enumerate(items):
        yield from drawn(item, f"{prefix}{index}", place)


def drawn(item: JSON, key: str, place: Place) -> Marks:
    """One mark, or one per frame where it has ``frames`` (videos): a frame adds to what the mark says for all."""
    if not isinstance(item, dict):
        yield from (replace(mark, key=key) for mark in unknown("annotation", item))
        return
    frames = item.get("frames")
    if not isinstance(frames, list) or not frames or not all(isinstance(frame, dict) for frame in frames):
        yield _one(item, key, place)
        return
    common = {name: value for name, value in item.items() if name != "frames"}
    for index, frame in enumerate(frames):
        own, at = numbered(frame, ("key", *FRAMES))
        both = {**common, **own}
        if isinstance(common.get("attributes"), dict) and isinstance(own.get("attributes"), dict):
            both["attributes"] = common["attributes"] | own["attributes"]
        yield _one(both, key, replace(place, frame=index if at is None else at))


def _one(item: Mapping[str, JSON], key: str, place: Place) -> Mark:
    if place.frame is None:
        item, frame = numbered(item, FRAMES)
        place = place if frame is None else replace(place, frame=frame)
    page = integer(item.get("page"))
    place = place if page is None else replace(place, page=page)
    id_key = next((name for name in IDS if text(item.get(name))), None)
    native_id = text(item[id_key]) if id_key else None
    label = text(item.get("label"))
    value, told = shape(item, place)
    told |= {"attributes"}
    if getattr(value, "page", None) is not None:
        told.add("page")
    if id_key:
        told.add(id_key)
    if label:
        told.add("label")
    rest = {name: item[name] for name in item if name not in told}
    if place.frame is not None and getattr(value, "frame", None) is None:
        rest["frame"] = place.frame
    key = native_id or key
    return Mark(
        key=key if place.frame is None else f"{key}@{place.frame}",
        native_id=native_id,
        label=label,
        value=value,
        attributes=beside(item.get("attributes"), rest),
        frame=place.frame,
    )


def beside(attributes: JSON, rest: Mapping[str, JSON]) -> dict[str, JSON]:
    """A mark's own attributes with its other fields beside them; where names clash the field gets a longer one."""
    own = dict(attributes) if isinstance(attributes, dict) else {"attributes": attributes} if attributes else {}
    return own | {f"annotation.{name}" if name in own else name: value for name, value in rest.items()}


def numbered(item: Mapping[str, JSON], keys: tuple[str, ...]) -> tuple[Mapping[str, JSON], int | None]:
    """An object without its frame number, and the number."""
    found = next((key for key in keys if key in item and integer(item[key]) is not None), None)
    if found is None:
        return item, None
    return {key: value for key, value in item.items() if key != found}, integer(item[found])
