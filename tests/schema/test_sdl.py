"""The committed SDL is the schema, and everything in it is described."""

from __future__ import annotations

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
)

from schema.build import SDL_FILE, build, sdl
from schema.data import DATA

FEDERATION = {"_Service", "_Entity", "_Any", "FieldSet", "_FieldSet", "link__Import", "link__Purpose"}


def test_committed_sdl_is_the_schema() -> None:
    """schema/schema.graphql is what `labelgate schema` prints; a change of the schema is a change of the file."""
    assert SDL_FILE.read_text() == sdl()


def test_everything_is_described() -> None:
    """Every type, field, argument and input field says what it means."""
    silent = []
    for name, type_ in build()._schema.type_map.items():
        if name.startswith("__") or name in FEDERATION:
            continue
        if not type_.description and name not in {"ID", "Int", "Float", "String", "Boolean"}:
            silent.append(name)
        if isinstance(type_, (GraphQLObjectType, GraphQLInterfaceType, GraphQLInputObjectType)):
            for field_name, field in type_.fields.items():
                if field_name in {"_service", "_entities"}:
                    continue
                if not field.description:
                    silent.append(f"{name}.{field_name}")
                silent += [
                    f"{name}.{field_name}({a})"
                    for a, argument in getattr(field, "args", {}).items()
                    if not argument.description
                ]
    assert silent == []


def test_every_document_field_says_where_its_data_lives() -> None:
    """Each field of a type that shows documents declares its paths, so projections can be computed."""
    silent = []
    for name, type_ in build()._schema.type_map.items():
        definition = getattr(type_, "extensions", {}).get("strawberry-definition")
        if definition is None or isinstance(type_, (GraphQLEnumType, GraphQLInputObjectType)):
            continue
        if "doc" not in getattr(getattr(definition, "origin", None), "__dataclass_fields__", {}):
            continue
        silent += [f"{name}.{f.python_name}" for f in definition.fields if DATA not in f.metadata]
    assert silent == []
