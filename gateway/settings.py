"""Settings: one TOML file, and environment variables above it.

``LABELGATE_SERVER__PORT=9000`` is ``port`` in ``[server]``; ``LABELGATE_MONGODB_URL`` is short for
``LABELGATE_MONGODB__URL``. What a variable cannot spell of a source's name is ``_``:
``LABELGATE_SOURCES__SCALE_PROD__API_KEY`` is ``api_key`` in ``[sources.scale-prod]``.
"""

from __future__ import annotations

import ipaddress
import os
import pathlib
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal
from urllib.parse import unquote, urlsplit

import pydantic_settings
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from connectors.contract import Connector, Secret
from gateway.edge_settings import AuthSettings, DocumentSettings, LimitSettings
from gateway.secret_fields import secrets_in, teach_pydantic
from gateway.settings_problems import Path, Problem, SettingsError, problems
from gateway.source_settings import SourceSettings, read_sources

__all__ = ["LogSettings", "MongoSettings", "ServerSettings", "Settings", "SettingsError", "SourceSettings", "load"]

DEFAULT_FILE: Final = "labelgate.toml"
_PREFIX: Final = "LABELGATE_"

teach_pydantic()


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class MongoSettings(_Section):
    url: Secret | None = None
    """Names a replica set. Unset: a MongoDB of our own, with its data in ``data_dir``."""
    database: Annotated[str, Field(max_length=63, pattern=r'^[^/\\. "$\x00]+$')] | None = None
    """Unset: the one that the URL names, else ``labelgate``."""
    driver: Literal["motor", "pymongo"] = "motor"
    data_dir: pathlib.Path = pathlib.Path(".labelgate")
    """Relative to the file that says it; unset or from the environment, to where labelgate is started."""
    cache_gb: Annotated[float, Field(ge=0.25, le=10_000)] = 0.25
    """Memory for the cache of the embedded MongoDB."""
    timeout: Annotated[float, Field(gt=0, le=3600)] = 30
    """Seconds that one operation may take, its retries and the wait for a primary included."""
    connect_timeout: Annotated[float, Field(gt=0, le=3600)] = 10
    """Seconds to wait for MongoDB's first answer."""
    max_pool_size: Annotated[int, Field(ge=1, le=10_000)] = 100


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _on_loopback(section: dict[str, Any]) -> bool:
    return _is_loopback(section.get("host", ""))


class ServerSettings(_Section):
    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    graphiql: bool = Field(default_factory=_on_loopback)
    """Unset: on while the server listens on loopback only."""
    introspection: bool = Field(default_factory=_on_loopback)
    """Unset: on while the server listens on loopback only."""
    debug: bool = False
    """Errors with their details, for development."""
    compiled: bool = False
    """Run queries that come again by compiled plans (docs/compiled.md): less CPU, the same answers. On trial."""
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    """Processes that serve."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may ask from a browser, such as https://review.example.org."""
    metrics: Literal["admin", "open", "off"] = "admin"
    """Who may read /metrics: holders of the scope admin, everybody, nobody."""


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


class LogSettings(_Section):
    level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = "info"
    format: Literal["auto", "console", "json"] = "auto"
    """``auto``: for people on a terminal, else JSON lines."""


class WorkerSettings(_Section):
    poll_seconds: Annotated[float, Field(gt=0, le=3600)] = 1
    """The pause between two looks at the queues."""
    sync_lease_seconds: Annotated[float, Field(ge=3, le=3600)] = 30
    """How long a source stays with a worker that died in a sync."""
    audit_lease_seconds: Annotated[float, Field(ge=5, le=3600)] = 120
    """How long an audit stays with a worker that died delivering it; what was sent must show by then."""


class _Sections(_Section):
    mongodb: MongoSettings = MongoSettings()
    server: ServerSettings = ServerSettings()
    log: LogSettings = LogSettings()
    auth: AuthSettings = AuthSettings()
    limits: LimitSettings = LimitSettings()
    documents: DocumentSettings = DocumentSettings()
    worker: WorkerSettings = WorkerSettings()
    sources: dict[str, dict[str, Any]] = {}


class _Environment(_Sections, BaseSettings):
    """Never made: the shape by which pydantic-settings reads variables."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_nested_delimiter="__", env_ignore_empty=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    file: pathlib.Path | None
    """The file that was read; None: there was none."""
    mongodb: MongoSettings
    server: ServerSettings
    log: LogSettings
    sources: Mapping[str, SourceSettings]
    auth: AuthSettings = field(default_factory=AuthSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    documents: DocumentSettings = field(default_factory=DocumentSettings)
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    warnings: tuple[str, ...] = ()
    """About environment variables that look like settings and are none."""

    def secrets(self) -> frozenset[str]:
        """Every secret value, for redaction."""
        found = {text for source in self.sources.values() for text in secrets_in(source.settings)}
        if self.auth.jwt_secret is not None:
            found.add(self.auth.jwt_secret.reveal())
        if self.mongodb.url is not None:
            url = self.mongodb.url.reveal()
            password = urlsplit(url).netloc.rpartition("@")[0].partition(":")[2]
            found |= {url, password, unquote(password)}
        return frozenset(found - {""})


def load(file: str | os.PathLike[str] | None = None, *, connectors: Mapping[str, Connector] | None = None) -> Settings:
    """Reads the file (default ``labelgate.toml``, where there is one) and the environment. Raises ``SettingsError``."""
    named = file or os.environ.get(f"{_PREFIX}CONFIG")
    path: pathlib.Path | None = pathlib.Path(named or DEFAULT_FILE)
    if path is not None and not named and not path.exists():
        path = None
    written = _read(path) if path else {}
    variables = _variables(written)
    merged = _merge(written, variables)
    wrong: list[Problem] = []
    sections = _Sections()
    try:
        sections = _Sections(**merged)
    except ValidationError as fault:
        wrong += problems(fault, _names)
    sources, more = _sources(merged.get("sources"), connectors)
    wrong += more
    if wrong:
        raise SettingsError("\n".join(_line(problem, path, variables) for problem in wrong))
    return Settings(
        file=path,
        mongodb=sections.mongodb,
        server=sections.server,
        log=sections.log,
        sources=sources,
        auth=sections.auth,
        limits=sections.limits,
        documents=sections.documents,
        worker=sections.worker,
        warnings=tuple(_strays()),
    )


def _sources(
    tables: Any, connectors: Mapping[str, Connector] | None
) -> tuple[dict[str, SourceSettings], list[Problem]]:
    if not tables or not isinstance(tables, dict):
        return {}, []
    if connectors is None:
        from connectors.discovery import discover  # noqa: PLC0415 - imports every connector

        connectors = discover()
    return read_sources({name: table for name, table in tables.items() if isinstance(table, dict)}, connectors)


def _read(path: pathlib.Path) -> dict[str, Any]:
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except OSError as problem:
        raise SettingsError(f"{path}: cannot be read: {problem.strerror}") from None
    except UnicodeDecodeError as problem:
        raise SettingsError(f"{path}: is not UTF-8 text (byte {problem.start})") from None
    except tomllib.TOMLDecodeError as problem:
        raise SettingsError(f"{path}: is not valid TOML: {problem}") from None
    mongodb = tables.get("mongodb")
    if isinstance(mongodb, dict) and isinstance(mongodb.get("data_dir"), str):
        mongodb["data_dir"] = str(path.parent / pathlib.Path(mongodb["data_dir"]).expanduser())
    documents = tables.get("documents")
    if isinstance(documents, dict) and isinstance(documents.get("folder"), str):
        documents["folder"] = str(path.parent / pathlib.Path(documents["folder"]).expanduser())
    return tables


def _variables(written: Mapping[str, Any]) -> dict[str, Any]:
    """What the environment says, in the shape of the file."""
    try:
        found: dict[str, Any] = EnvSettingsSource(_Environment)()
    except pydantic_settings.SettingsError as problem:  # a section as JSON that is none; the message has no value
        raise SettingsError(f"environment: {problem}") from None
    short = os.environ.get(f"{_PREFIX}MONGODB_URL")
    if short and isinstance(found.setdefault("mongodb", {}), dict):
        found["mongodb"].setdefault("url", short)
    tables = written.get("sources")
    if isinstance(tables, dict) and isinstance(found.get("sources"), dict):
        meant = {_spelled(name).lower(): name for name in tables}
        found["sources"] = {meant.get(name, name): table for name, table in found["sources"].items()}
    return found


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _names(table: Path) -> Collection[str]:
    """The keys that a table may have."""
    if not table:
        return _Sections.model_fields
    section = _Sections.model_fields[table[0]].annotation
    return section.model_fields if isinstance(section, type) and issubclass(section, BaseModel) else ()


def _line(problem: Problem, file: pathlib.Path | None, variables: Mapping[str, Any]) -> str:
    """Names the variable or the file that says it."""
    said: Any = variables
    for key in problem.path:
        said = said.get(key) if isinstance(said, Mapping) else None
    field = ".".join(problem.path)
    if said is not None and not isinstance(said, Mapping):
        return f"{_PREFIX}{'__'.join(map(_spelled, problem.path))} ({field}) {problem.reason}"
    return f"{file or 'settings'}: {field} {problem.reason}"


def _spelled(key: str) -> str:
    """As much of a key as the name of a variable can hold."""
    return re.sub(r"[^A-Za-z0-9]", "_", key).upper()


def _strays() -> Iterable[str]:
    """Variables with one underscore for two. Others of our prefix are not ours: Kubernetes makes some for a service."""
    names = [f"{_PREFIX}{section}__{key}".upper() for section in _Sections.model_fields for key in _names((section,))]
    meant = {name.replace("__", "_"): name for name in names}
    for name in sorted(meant.keys() & os.environ.keys() - {f"{_PREFIX}MONGODB_URL"}):
        yield f"the environment variable {name} is not a setting; did you mean {meant[name]}?"
