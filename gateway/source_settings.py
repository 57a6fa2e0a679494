"""The tables ``[sources.<name>]``: validated against the settings class that each one's connector declares."""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from connectors.contract import Connector
from gateway.settings_problems import Problem, problems, unknown

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """What every source has, and what its connector asks for."""

    name: str
    platform: str
    enabled: bool
    sync_every: float | None
    """Seconds between two syncs by the worker; None: only when asked."""
    settings: Any
    """An instance of the connector's settings class."""


class _Common(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    platform: str
    enabled: bool = True
    sync_every: Annotated[float, Field(ge=1)] | None = None


def read_sources(
    tables: Mapping[str, Mapping[str, Any]], connectors: Mapping[str, Connector]
) -> tuple[dict[str, SourceSettings], list[Problem]]:
    """The sources that are well, and what is wrong with the others."""
    found: dict[str, SourceSettings] = {}
    wrong: list[Problem] = []
    for name, table in tables.items():
        path = ("sources", name)
        try:
            found[name] = _source(name, table, connectors)
        except _Wrong as fault:
            wrong += [Problem(path + problem.path, problem.reason) for problem in fault.problems]
    return found, wrong


class _Wrong(Exception):
    """Carries the problems of one table."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems


def _source(name: str, table: Mapping[str, Any], connectors: Mapping[str, Connector]) -> SourceSettings:
    if not NAME.fullmatch(name):
        raise _Wrong(
            Problem((), "is no name for a source: up to 63 of a-z, 0-9, dot, dash, underscore; a letter or digit first")
        )
    try:
        common = _Common.model_validate({key: table[key] for key in table if key in _Common.model_fields})
    except ValidationError as fault:
        raise _Wrong(*problems(fault, lambda _: ())) from None
    connector = connectors.get(common.platform)
    if connector is None:
        near = difflib.get_close_matches(common.platform, connectors, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(connectors)}"
        raise _Wrong(Problem(("platform",), f"names no platform that labelgate knows; {hint}"))
    own = {key: value for key, value in table.items() if key not in _Common.model_fields}
    return SourceSettings(name=name, **common.model_dump(), settings=_own(connector.settings, own))


def _own(declared: type[Any], table: Mapping[str, Any]) -> Any:
    """An instance of the connector's settings class."""
    hints = get_type_hints(declared, include_extras=True)
    fields = {field.name: field for field in dataclasses.fields(declared) if field.init}
    allowed = [*fields, *_Common.model_fields]
    wrong = [Problem((key,), unknown(key, allowed)) for key in table if key not in fields]
    values = {}
    for name, field in fields.items():
        if name in table:
            try:
                values[name] = _value(hints[name], table[name])
            except ValidationError as fault:
                wrong += problems(fault, lambda _: (), (name,))
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            wrong.append(Problem((name,), "is missing"))
    if wrong:
        raise _Wrong(*wrong)
    try:
        return declared(**values)
    except (TypeError, ValueError) as fault:  # what the class itself asks of its values
        raise _Wrong(Problem((), str(fault))) from None


def _value(hint: Any, value: Any) -> Any:
    """Validated; a list or table may come as JSON text, since an environment variable knows nothing else."""
    config = None if dataclasses.is_dataclass(hint) else ConfigDict(hide_input_in_errors=True)
    adapter: TypeAdapter[Any] = TypeAdapter(hint, config=config)
    try:
        return adapter.validate_python(value)
    except ValidationError:
        if not isinstance(value, str) or value[:1] not in ("[", "{"):
            raise
        try:
            decoded = json.loads(value)
        except ValueError:
            decoded = value
        return adapter.validate_python(decoded)
