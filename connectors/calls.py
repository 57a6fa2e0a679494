"""One request as a connector means it, the answer it hopes for, and the address both belong to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypedDict
from urllib.parse import quote, urlsplit

from connectors.documents import JSON
from connectors.errors import ConnectorError, Refused, Unauthorized
from connectors.limits import Retries, Timeouts


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. ``data`` is its JSON where JSON was expected, or where an error came with some."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    data: JSON = field(default=None, repr=False)

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


Classify = Callable[[Answer], ConnectorError | None]


class Options(TypedDict, total=False):
    """What every call may say beside what it asks; left out, the transport's own settings hold."""

    path: Mapping[str, object]
    """Values for the ``{names}`` in the route; they are percent-encoded."""
    headers: Mapping[str, str]
    auth: bool
    """False: without credentials, as for a login."""
    accept: Collection[int]
    """Statuses beside 2xx that are an answer and no error."""
    forbidden: type[Refused | Unauthorized]
    """What 403 means here; by default ``Unauthorized`` for reads and ``Refused`` for writes."""
    classify: Classify
    """Looks at 2xx and 4xx answers; an error it returns is treated as any other of its kind."""
    limit: int
    """The largest body in bytes, unpacked."""
    timeouts: Timeouts
    retries: Retries


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request with all its settings. ``route`` names it in logs and metrics, without ids and parameters."""

    method: str
    route: str
    url: str = field(repr=False)
    params: Mapping[str, Any] | None = field(default=None, repr=False)
    json: JSON = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    own: bool = True
    """The URL belongs to the source. Elsewhere no credential is sent, so none can be refused."""
    auth: bool = True
    write: bool
    expect_json: bool = True
    accept: Collection[int] = ()
    forbidden: type[Refused | Unauthorized] | None = None
    classify: Classify | None = None
    limit: int
    timeouts: Timeouts
    retries: Retries


class Address:
    """The base URL of a source: builds the URLs below it, and tells them from URLs elsewhere."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("the base URL must look like https://host or https://host/path")
        self.base: Final = base_url.rstrip("/")
        self._origin = (parts.scheme, parts.netloc.lower())
        self._path = parts.path.rstrip("/") + "/"

    def url(self, route: str, path: Mapping[str, object] | None = None) -> str:
        """The URL of a route, which is relative to the base, or an absolute URL below it (a link to the next page)."""
        if "://" in route.partition("?")[0]:
            if not self.owns(route):
                raise Refused(f"{route.partition('?')[0]} does not belong to {self.base}: no credentials go there")
            return route
        filled = route.format_map({name: _segment(name, value) for name, value in path.items()}) if path else route
        return f"{self.base}/{filled.lstrip('/')}" if filled else self.base

    def owns(self, url: str) -> bool:
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        below = f"{parts.path}/".startswith(self._path) and ".." not in parts.path
        return (parts.scheme, parts.netloc.lower()) == self._origin and below


def elsewhere(url: str) -> str:
    """How logs name an absolute URL: without its query, which may hold a signature, and without a user."""
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.scheme in ("http", "https") else None
    except ValueError:
        host = None
    if not host:
        raise Refused("a URL that is no absolute http or https URL cannot be downloaded")
    return f"{parts.scheme}://{host}{parts.path}"


def _segment(name: str, value: object) -> str:
    text = quote(str(value), safe="")
    if text.strip(".") == "":
        raise Refused(f"{value!r} cannot be {name} in a URL")
    return text
