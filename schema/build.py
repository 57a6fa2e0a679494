"""Builds the schema, and prints it as the SDL that is committed."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

from strawberry.federation import Schema
from strawberry.schema.config import StrawberryConfig

from schema.mutation import Mutation
from schema.query import Query
from schema.scalars import SCALARS
from schema.task import Comment, Submission

SDL_FILE: Final = Path(__file__).with_name("schema.graphql")


class GatewaySchema(Schema):
    """Leaves the logging of errors to whoever serves them: most are a caller's, and none needs a trace twice."""

    def process_errors(self, errors: Any, execution_context: Any = None) -> None:
        pass


@cache
def build() -> GatewaySchema:
    """The one schema of the process. Federation 2.9 composes with every tool tried; some refuse newer ones."""
    return GatewaySchema(
        query=Query,
        mutation=Mutation,
        types=[Submission, Comment],
        federation_version="2.9",
        config=StrawberryConfig(scalar_map=SCALARS, disable_field_suggestions=True),
    )


def sdl() -> str:
    """The schema as text, the same for the same code."""
    return build().as_str().rstrip() + "\n"


__all__ = ["SDL_FILE", "GatewaySchema", "build", "sdl"]
