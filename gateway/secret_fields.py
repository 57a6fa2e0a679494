"""Secrets in settings: they may be named instead of written. Pydantic learns to take ``connectors.contract.Secret``.

api_key = "env:SCALE_API_KEY"                        an environment variable
api_key = "file:/run/secrets/scale"                  a file, as Docker and Kubernetes mount them
url = "mongodb://app:${MONGO_PASSWORD}@db/labelgate" a variable within
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from connectors.contract import Secret


def resolve(text: str) -> Secret:
    """The secret that a setting holds or points to. Its errors name the place, never the value."""
    if text.startswith("env:"):
        value = _variable(text.removeprefix("env:"))
    elif text.startswith("file:"):
        value = _content(text.removeprefix("file:"))
    else:
        value = re.sub(r"\$\{([^}]*)\}", lambda match: _variable(match[1]), text)
    if not value:
        raise _problem("must not be empty")
    return Secret(value)


def secrets_in(value: Any) -> Iterator[str]:
    """Every secret value inside settings."""
    if isinstance(value, Secret):
        yield value.reveal()
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from secrets_in(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from secrets_in(item)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from secrets_in(item)


def teach_pydantic() -> None:
    """Connectors know nothing of pydantic, so ``Secret`` gets its schema here."""

    def schema(_source: type[Secret], _handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.str_schema()
        return core_schema.no_info_after_validator_function(
            resolve, text, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    Secret.__get_pydantic_core_schema__ = schema  # type: ignore[attr-defined]


def _variable(name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise _problem("refers to the environment variable {name}, which is not set", name=name)
    return value


def _content(path: str) -> str:
    try:
        return Path(path).read_text("utf-8").strip("\r\n")
    except OSError as problem:
        raise _problem("refers to {path}: {reason}", path=path, reason=problem.strerror or "unreadable") from None
    except ValueError:
        raise _problem("refers to {path}, which is not UTF-8 text", path=path) from None


def _problem(message: str, **context: str) -> PydanticCustomError:
    return PydanticCustomError("secret", message, context)
