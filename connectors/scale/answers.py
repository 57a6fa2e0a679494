"""What a response says, as marks: every answer shape of fact sheet ``platforms/scale.md`` §4, and any other.

A key of the response that nobody here knows becomes an ``UnmappedValue`` of its own, so nothing that somebody
answered stays unseen. Keys that only accompany another (``category_id``, ``alignment``) go into the attributes of its
mark; ``is_customer_fix`` and ``time_spent_in_seconds`` are told by the submission.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from connectors.coerce import json_words, many, mapping, number, text
from connectors.documents import JSON, AnnotationValue, Classification, Relation, Span, Transcription
from connectors.scale.drawn import FRAMES, Mark, Marks, beside, drawn, listed, numbered, unknown
from connectors.scale.segments import segments
from connectors.scale.shapes import Place

Response = Mapping[str, JSON]

_CHOICES: Final = ("category", "select", "multi_select", "multiselect", "boolean", "ranking_order", "rating")
"""Types of ``textcollection`` fields whose answers are picked, not written."""


def marks(response: JSON, place: Place) -> Marks:
    """Every mark of a response in its order. Keys may repeat; the caller tells them apart."""
    if isinstance(response, list):
        yield from listed(response, place)
    elif isinstance(response, dict):
        for key, value in response.items():
            yield from _answer(key, value, response, place)
    else:
        yield from unknown("response", response)


def _answer(key: str, value: JSON, response: Response, place: Place) -> Marks:
    match key:
        case "annotations":
            yield from _annotations(value, mapping(response.get("labelMapping")), place)
        case "frames":
            yield from _frames(value, place)
        case "links":
            yield from _links(value)
        case "category":
            yield from _chosen(key, value, {"category_id": response.get("category_id")})
        case "choice":
            yield from _chosen(key, value, {})
        case "fields" if isinstance(value, dict):
            yield from _row(value, "fields/", {})
        case "repeatable_fields":
            yield from _rows(value)
        case "transcript" if isinstance(value, str):
            yield from _transcript(value, response)
        case "global_attributes":
            yield from _global(value)
        case "is_customer_fix" if isinstance(value, bool):
            pass
        case "time_spent_in_seconds" if number(value) is not None:
            pass
        case _ if not _accompanies(key, response):
            yield from unknown(key, value)


def _accompanies(key: str, response: Response) -> bool:
    """The key only adds to another one, whose mark has it or whose masks need it."""
    match key:
        case "category_id":
            return _is_plain(response.get("category"))
        case "duration" | "alignment":
            return isinstance(response.get("transcript"), str)
        case "labelMapping":
            return _are_masks(response.get("annotations")) and isinstance(response[key], dict)
    return False


# --- what was drawn ----------------------------------------------------------------------------------------


def _annotations(value: JSON, labels: Mapping[str, JSON], place: Place) -> Marks:
    """A list of marks; an object of masks, of text fields, or of marks by uuid; else unknown."""
    if isinstance(value, list):
        yield from listed(value, place)
    elif not isinstance(value, dict):
        yield from unknown("annotations", value)
    elif _are_masks(value):
        for segment in segments(value, labels):
            yield Mark(**segment)
    else:
        for key, item in value.items():
            if "response" in mapping(item):
                yield from _text_field(key, item)
            elif isinstance(item, dict):
                yield from drawn({"uuid": key, **item}, key, place)
            else:
                yield from unknown(key, item)


def _are_masks(annotations: JSON) -> bool:
    return not mapping(annotations).keys().isdisjoint({"labeled", "unlabeled", "combined"})


def _frames(value: JSON, place: Place) -> Marks:
    """Scans: a list of frames, each with lists of marks (``cuboids`` …)."""
    for index, frame in enumerate(many(value)):
        own, at = numbered(mapping(frame), FRAMES)
        here = replace(place, frame=index if at is None else at)
        for key, item in own.items() if isinstance(frame, dict) else ():
            if isinstance(item, list) and any(isinstance(mark, dict) for mark in item):
                yield from listed(item, here, prefix=f"frames/{key}/")
            else:
                yield from unknown(key, item, prefix=f"frames/{here.frame}/")
        if not isinstance(frame, dict):
            yield from unknown("frame", frame, prefix=f"{index}/")


def _links(value: JSON) -> Marks:
    for index, link in enumerate(many(value)):
        from_, to = (text(mapping(link).get(key)) for key in ("from", "to"))
        if from_ and to:
            label = text(link.get("label"))
            told = {"from", "to", "attributes", "label" if label else "to"}
            rest = {key: item for key, item in link.items() if key not in told}
            yield Mark(
                key=f"links/{index}",
                label=label,
                value=Relation(from_ids=(from_,), to_ids=(to,)),
                attributes=beside(link.get("attributes"), rest),
            )
        else:
            yield from unknown("link", link, prefix=f"links/{index}/")


def _global(value: JSON) -> Marks:
    """Attributes of the whole task; audits call them the annotation ``global`` (fact sheet §5.4)."""
    for mark in unknown("global_attributes", value):
        yield replace(mark, key="global", native_id="global", attributes=mapping(value))


# --- what was said -----------------------------------------------------------------------------------------


def _chosen(key: str, value: JSON, others: Mapping[str, JSON]) -> Marks:
    if not _is_plain(value):
        yield from unknown(key, value)
        return
    words = tuple(json_words(one) for one in many(value))
    attributes = {name: item for name, item in others.items() if item is not None}
    yield Mark(key=key, label=words[0] or None, value=Classification(categories=words), attributes=attributes)


def _is_plain(value: JSON) -> bool:
    """A word, or several."""
    return many(value) != [] and not any(isinstance(one, dict | list) for one in many(value))


def _rows(value: JSON) -> Marks:
    for index, row in enumerate(many(value)):
        if isinstance(row, dict):
            yield from _row(row, f"repeatable_fields/{index}/", {"row": index})
        else:
            yield from unknown("repeatable_fields", row, prefix=f"{index}/")


def _row(row: Mapping[str, JSON], prefix: str, attributes: Mapping[str, JSON]) -> Marks:
    for name, said in row.items():
        for one in many(said):
            if isinstance(one, dict | list):
                yield from (
                    replace(mark, label=name or None, attributes=attributes) for mark in unknown(name, one, prefix)
                )
            else:
                yield Mark(
                    key=prefix + name,
                    label=name or None,
                    value=Transcription(text=json_words(one)),
                    attributes=attributes,
                )


def _transcript(value: str, response: Response) -> Marks:
    others = {key: response[key] for key in ("duration", "alignment") if response.get(key) is not None}
    duration = number(response.get("duration"))
    span = Span(0.0, duration) if duration is not None else None
    yield Mark(key="transcript", value=Transcription(text=value), attributes=others, time_span=span)


def _text_field(name: str, field_: Mapping[str, JSON]) -> Marks:
    """A field of ``textcollection``: answers are lists in a list; several texts are joined and kept apart beside it."""
    kind = text(field_.get("type")) or ""
    said = _flat(field_["response"])
    if said is None:
        yield from unknown(name, field_)
        return
    if not said:
        return
    written = Transcription(text="\n".join(said))
    value: AnnotationValue = Classification(categories=tuple(said)) if kind in _CHOICES else written
    others = {key: item for key, item in field_.items() if key != "response" or len(said) > 1}
    native_id = text(field_.get("field_id"))
    yield Mark(key=name, native_id=native_id or name, label=name or None, value=value, attributes=others)


def _flat(value: JSON, depth: int = 0) -> list[str] | None:
    """The words in lists of lists; None if there is anything else."""
    if isinstance(value, dict) or depth > 4:
        return None
    if not isinstance(value, list):
        return [] if value is None else [json_words(value)]
    parts = [_flat(item, depth + 1) for item in value]
    return None if None in parts else [word for part in parts if part for word in part]
