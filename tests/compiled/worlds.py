"""Documents for every type, made from the schema's own declarations: healthy ones, and ones with odd values in them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from random import Random
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLObjectType,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)

from connectors.ids import gid
from schema.build import build
from schema.data import DATA, Link, Many, Part, Value
from schema.fields import Backed
from schema.reference import COLLECTION_OF_KIND

SCHEMA = build()._schema
SOURCES = ("s", "t")
EACH = 5
NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000)
TEXTS = ("", "a", "A", "ab", "é", "🐋", 'quo"te', "line\nbreak", "pat@example.org")
JUNK: tuple[Any, ...] = (
    None, "", "junk", 0, 7, -1, 2**40, 1.0, 1.5, float("nan"), float("inf"), True, False, [], ["x"], [None], [[1]], {},
    {"x": 1}, {"type": "Span"}, NOW, b"\x00\xff", [1, "a"], [{}], [{"start": 1}], "gid://s/Task/0", "COMPLETED",
)  # fmt: skip


def ids_of(kind: str) -> list[str]:
    if kind == "Source":
        return list(SOURCES)
    return [gid(source, kind, str(number)) for source in SOURCES for number in range(EACH)]


KIND_OF = {collection: kind for kind, collection in COLLECTION_OF_KIND.items()}


class World:
    """``odd`` is how many of a thousand values are something else."""

    def __init__(self, random: Random, odd: int = 0) -> None:
        self._random = random
        self._odd = odd

    def collections(self) -> dict[str, list[dict[str, Any]]]:
        found = {
            collection: [self._document(kind, id_) for id_ in ids_of(kind)]
            for kind, collection in COLLECTION_OF_KIND.items()
        }
        self._relate(found)
        found["raws"] = [
            {"_id": doc["_id"], "json": self._json()} for doc in found["tasks"] + found["annotators"] if self._chance(2)
        ]
        found["skipped_records"] = [
            {"_id": f"{doc['_id']}/{n}", "run": doc["_id"], **self._object("SkippedRecord"), "raw": self._json()}
            for doc in found["sync_runs"]
            for n in range(2)
        ]
        return found

    def _document(self, kind: str, id_: str) -> dict[str, Any]:
        doc = self._object(kind)
        doc["_id"] = id_
        if kind != "Source" and not self._strange():
            doc["source"] = id_.split("/")[2]
        if "deleted_at" in doc and self._chance(8, of=10):
            del doc["deleted_at"]
        return doc

    def _relate(self, found: dict[str, list[dict[str, Any]]]) -> None:
        """Whatever lists documents by a path finds some."""
        for kind in COLLECTION_OF_KIND:
            for field in SCHEMA.type_map[kind].fields.values():
                data = field.extensions["strawberry-definition"].metadata.get(DATA)
                if isinstance(data, Many):
                    for doc in found[data.collection]:
                        doc.setdefault(data.by, self._random.choice(ids_of(kind)))

    def _object(self, name: str) -> dict[str, Any]:
        type_: Any = SCHEMA.type_map[name]
        doc: dict[str, Any] = {}
        for field in type_.fields.values():
            definition = field.extensions["strawberry-definition"]
            data = definition.metadata.get(DATA)
            path = getattr(data, "path", "") or definition.python_name
            if path == ".":
                doc |= self._object(get_named_type(field.type).name)
            elif isinstance(data, (Value, Part, Link)):
                missing = not is_non_null_type(field.type) and self._chance(3, of=10)
                if self._strange():
                    doc[path] = self._random.choice(JUNK)
                elif not missing:
                    doc[path] = self._related(data) if isinstance(data, Link) else self._value(field.type)
        return doc

    def _related(self, data: Link) -> Any:
        known = [*ids_of(KIND_OF[data.collection]), "gid://s/Task/gone"][: None if self._odd else -1]
        return self._random.sample(known, self._random.randint(0, 3)) if data.is_list else self._random.choice(known)

    def _value(self, type_: Any) -> Any:
        if is_non_null_type(type_):
            return self._value(type_.of_type)
        if self._strange():
            return self._random.choice(JUNK)
        if is_list_type(type_):
            return [self._value(type_.of_type) for _ in range(self._random.randint(0, 3))]
        if is_leaf_type(type_):
            return self._leaf(type_)
        if is_abstract_type(type_):
            member: GraphQLObjectType = self._random.choice(SCHEMA.get_possible_types(type_))
            return {**self._object(member.name), "type": member.name}
        assert issubclass(type_.extensions["strawberry-definition"].origin, Backed)
        return self._object(type_.name)

    def _leaf(self, type_: Any) -> Any:
        random = self._random
        if isinstance(type_, GraphQLEnumType):
            return random.choice([value.value for value in type_.values.values()])
        return {
            "String": lambda: random.choice(TEXTS),
            "ID": lambda: random.choice(ids_of("Task")),
            "Int": lambda: random.choice((0, 1, -5, 2**31 - 1)),
            "Float": lambda: random.choice((0.0, 1.5, -2.25, 1e21, 3)),
            "Boolean": lambda: random.choice((True, False)),
            "DateTime": lambda: NOW + timedelta(milliseconds=random.randint(-5, 5)),
            "JSON": self._json,
        }[type_.name]()

    def _json(self) -> str:
        if self._strange():
            return self._random.choice(("", "{", "NaN", str(2**80), "null", '"\\ud800"'))
        return json.dumps(self._random.choice(({"a": [1, None, 2.5]}, [], "text", 1, {"é": "🐋"})))

    def _chance(self, wins: int, of: int = 3) -> bool:
        return self._random.randrange(of) < wins

    def _strange(self) -> bool:
        return self._odd > 0 and self._random.randrange(1000) < self._odd
