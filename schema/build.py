"""Builds the schema, and prints it as the SDL that is committed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import strawberry
from strawberry.extensions import SchemaExtension
from strawberry.federation import Schema
from strawberry.federation.schema import FederationAny
from strawberry.schema.config import StrawberryConfig

from schema.errors import RequestError
from schema.mutation import Mutation
from schema.query import Query
from schema.scalars import SCALARS
from schema.subscription import Subscription
from schema.task import Comment, Submission

SDL_FILE: Final = Path(__file__).with_name("schema.graphql")


MOST_ENTITIES: Final = 1_000


class Ready(SchemaExtension):
    """Takes the document that the context holds: whoever made the context has parsed and validated it."""

    def on_parse(self) -> Iterator[None]:
        self.execution_context.graphql_document = getattr(self.execution_context.context, "prepared", None)
        yield

    def on_validate(self) -> Iterator[None]:
        if getattr(self.execution_context.context, "prepared", None) is not None:
            self.execution_context.pre_execution_errors = []
        yield


class GatewaySchema(Schema):
    """Leaves the logging of errors to whoever serves them: most are a caller's, and none needs a trace twice."""

    def process_errors(self, errors: Any, execution_context: Any = None) -> None:
        pass

    def entities_resolver(self, info: strawberry.Info, representations: list[FederationAny]) -> list[FederationAny]:
        """Checks what Strawberry takes for granted: each representation names an entity type, and there are few."""
        if len(representations) > MOST_ENTITIES:
            raise RequestError(f"_entities takes at most {MOST_ENTITIES} representations", argument="representations")
        own = [dict(one) if isinstance(one, dict) else {} for one in representations]
        for one in own:
            named = self.schema_converter.type_map.get(str(one.get("__typename")))
            if not hasattr(getattr(named and named.definition, "origin", None), "resolve_reference"):
                raise RequestError("a representation names no entity type of this graph", argument="representations")
            if {"info", "cls"} & one.keys() or not all(isinstance(key, str) for key in one.values()):
                raise RequestError("the keys of a representation are strings", argument="representations")
        return super().entities_resolver(info, own)  # type: ignore[arg-type]


@cache
def build() -> GatewaySchema:
    """The one schema of the process. Federation 2.9 composes with every tool tried; some refuse newer ones."""
    return GatewaySchema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        extensions=[Ready],
        types=[Submission, Comment],
        federation_version="2.9",
        config=StrawberryConfig(scalar_map=SCALARS, disable_field_suggestions=True),
    )


def sdl() -> str:
    """The schema as text, the same for the same code."""
    return build().as_str().rstrip() + "\n"


__all__ = ["SDL_FILE", "GatewaySchema", "build", "sdl"]
