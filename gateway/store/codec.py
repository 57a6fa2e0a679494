"""Turns documents into what MongoDB keeps, and back into plain dicts: names, references, dates, JSON texts.

Keys are the documents' own field names. None is left out (MongoDB treats a missing field as null), references
become global ids, and JSON of unknown shape becomes JSON text: BSON has no integers over 64 bits, no NUL in
keys and no 200 levels of nesting, and text goes to the client without being decoded.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from hashlib import blake2b
from typing import Any, Final, cast

import bson

from connectors.documents import DOCUMENT_TYPES, UNSET, AnyDocument, Kind, UnmappedValue
from connectors.ids import gid
from schema.jsontext import json_text

Stored = dict[str, Any]

COLLECTIONS: Final[Mapping[Kind, str]] = {kind: f"{kind.value.lower()}s" for kind in Kind}

_REFERENCES: Final[Mapping[str, Kind]] = {
    "campaign": Kind.CAMPAIGN,
    "asset": Kind.ASSET,
    "assets": Kind.ASSET,
    "task": Kind.TASK,
    "submission": Kind.SUBMISSION,
    "annotation": Kind.ANNOTATION,
    "replaces": Kind.ANNOTATION,
    "author": Kind.ANNOTATOR,
    "auditor": Kind.ANNOTATOR,
    "assignees": Kind.ANNOTATOR,
}
_JSON_FIELDS: Final = frozenset({"metadata", "response", "attributes", "fixed_response"})
_ENVELOPE: Final = frozenset({"external_id", "facet", "assumed", "raw", "raw_of", "children", "part"})

_INT64: Final = range(-(2**63), 2**63)
_SURROGATES: Final = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """UTF-8 has no lone surrogates; the raw payload keeps them as escapes."""
    return _SURROGATES.sub("\ufffd", text) if not text.isascii() else text


def naive(moment: datetime) -> datetime:
    """UTC without offset, as the driver gives dates back; a naive one is taken as UTC."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _plain(value: Any) -> Any:
    """A nested value object as BSON types; None left out."""
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, int):
        return value if value in _INT64 else float(value)
    if isinstance(value, datetime):
        return naive(value)
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return {
        name: _plain(item)
        for name in _names(cast("Hashable", type(value)))
        if (item := getattr(value, name)) is not None
    }


@cache
def _names(cls: Hashable) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cast("Any", cls)))


def _value_object(value: Any) -> Stored:
    """An annotation's value with its type's name, so that a union can be told apart."""
    if isinstance(value, UnmappedValue):
        return {"type": "UnmappedValue", "shape": clean(value.shape), "json": json_text(value.json)}
    plain: Stored = _plain(value)
    plain["type"] = type(value).__name__
    return plain


def _audit_errors(source: str, errors: Sequence[Any]) -> list[Stored]:
    out = []
    for error in errors:
        plain: Stored = _plain(error)
        for name in ("original", "replacement"):
            if getattr(error, name) is not None:
                plain[name] = _value_object(getattr(error, name))
        if error.annotation is not None:
            plain["annotation"] = gid(source, Kind.ANNOTATION, clean(error.annotation))
        out.append(plain)
    return out


Encode = Callable[[str, Any], Any]


def _encoder(name: str) -> Encode | None:
    """None: the value needs nothing but ``_plain``."""
    kind = _REFERENCES.get(name)
    if kind is not None:
        prefix = kind.value
        return lambda source, value: (
            gid(source, prefix, clean(value))
            if isinstance(value, str)
            else [gid(source, prefix, clean(item)) for item in value]
        )
    if name in _JSON_FIELDS:
        return lambda source, value: json_text(value)
    if name == "value":
        return lambda source, value: _value_object(value)
    if name == "errors":
        return _audit_errors
    return None


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """How one kind of document is encoded."""

    fields: tuple[tuple[str, Encode | None], ...]
    initial: Mapping[str, Any]
    """Values of fields that nothing states; None is left out."""


@cache
def shape(kind: Kind) -> Shape:
    fields = [field for field in dataclasses.fields(DOCUMENT_TYPES[kind]) if field.name not in _ENVELOPE]
    initial = {
        field.name: _encoded(_encoder(field.name), "", field.metadata["initial"])
        for field in fields
        if field.metadata.get("initial") is not None
    }
    if kind is Kind.AUDIT:
        initial["delivery"] = {"state": "NOT_APPLICABLE", "attempts": 0}
    return Shape(tuple((field.name, _encoder(field.name)) for field in fields), initial)


def _encoded(encoder: Encode | None, source: str, value: Any) -> Any:
    return _plain(value) if encoder is None else encoder(source, value)


def encode(source: str, document: AnyDocument) -> Stored:
    """The stated fields of a document; a stated None is None here."""
    out: Stored = {}
    for name, encoder in shape(document.kind).fields:
        value = getattr(document, name)
        if value is UNSET:
            continue
        kind = type(value)
        if value is None or kind is float or kind is bool:
            out[name] = value
        elif encoder is not None:
            out[name] = encoder(source, value)
        elif kind is str:
            out[name] = value if value.isascii() else clean(value)
        else:
            out[name] = _plain(value)
    if document.part is not None:
        out["part"] = clean(document.part)
    if document.raw_of is not UNSET:
        out["raw_of"] = (
            None if document.raw_of is None else gid(source, document.raw_of.kind, document.raw_of.external_id)
        )
    return out


def content_hash(stated: Stored, raw: str | bytes | None) -> bytes:
    """Sixteen bytes that change when anything stated, or the payload, changes."""
    digest = blake2b(bson.encode(stated), digest_size=16)
    if raw is not None:
        digest.update(raw.encode() if isinstance(raw, str) else raw)
    return digest.digest()
