"""Turns documents into what MongoDB keeps, and back into plain dicts: names, references, dates, JSON texts.

Keys are the documents' own field names. None is left out (MongoDB treats a missing field as null), references
become global ids, and JSON of unknown shape becomes JSON text: BSON has no integers over 64 bits, no NUL in
keys and no 200 levels of nesting, and text goes to the client without being decoded.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from hashlib import blake2b
from operator import attrgetter
from typing import Any, Final

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
    """A nested value as BSON types: value objects become documents without their Nones."""
    return _ENCODERS[type(value)](value)


class _Encoders(dict[type[Any], Callable[[Any], Any]]):
    """The encoder of each class of nested values, made when it is first met."""

    def __missing__(self, cls: type[Any]) -> Callable[[Any], Any]:
        self[cls] = made = _make_encoder(cls)
        return made


_ENCODERS: Final = _Encoders()


def _make_encoder(cls: type[Any]) -> Callable[[Any], Any]:
    if cls in (float, bool, type(None)):
        return _same
    if issubclass(cls, Enum):
        return lambda value: value.value
    if issubclass(cls, str):
        return clean
    if issubclass(cls, int):
        return lambda value: value if value in _INT64 else float(value)
    if issubclass(cls, datetime):
        return naive
    if issubclass(cls, (tuple, list)):
        return lambda value: [_ENCODERS[type(item)](item) for item in value]
    return _record(cls)


def _same(value: Any) -> Any:
    return value


def _record(cls: type[Any]) -> Callable[[Any], Any]:
    names, values = _getter(cls)

    def encode_record(record: Any) -> Stored:
        return {
            name: value if type(value) is float else _ENCODERS[type(value)](value)
            for name, value in zip(names, values(record), strict=True)
            if value is not None
        }

    return encode_record


def _getter(cls: type[Any], *, without: frozenset[str] = frozenset()) -> tuple[tuple[str, ...], Callable[[Any], Any]]:
    """The names of a dataclass's fields, and one call that reads them all."""
    names = tuple(field.name for field in dataclasses.fields(cls) if field.name not in without)
    if len(names) == 1:
        return names, lambda record: (getattr(record, names[0]),)
    return names, attrgetter(*names)


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
    values: Callable[[Any], Any]
    """Reads the values of all fields, in their order."""
    initial: Mapping[str, Any]
    """Values of fields that nothing states; None is left out."""


@cache
def shape(kind: Kind) -> Shape:
    cls = DOCUMENT_TYPES[kind]
    names, values = _getter(cls, without=_ENVELOPE)
    initial = {
        field.name: _encoded(_encoder(field.name), "", field.metadata["initial"])
        for field in dataclasses.fields(cls)
        if field.name in names and field.metadata.get("initial") is not None
    }
    if kind is Kind.AUDIT:
        initial["delivery"] = {"state": "NOT_APPLICABLE", "attempts": 0}
    return Shape(tuple((name, _encoder(name)) for name in names), values, initial)


def _encoded(encoder: Encode | None, source: str, value: Any) -> Any:
    return _plain(value) if encoder is None else encoder(source, value)


def encode(source: str, document: AnyDocument) -> Stored:
    """The stated fields of a document; a stated None is None here."""
    out: Stored = {}
    form = shape(document.kind)
    for (name, encoder), value in zip(form.fields, form.values(document), strict=True):
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
            out[name] = _ENCODERS[kind](value)
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
