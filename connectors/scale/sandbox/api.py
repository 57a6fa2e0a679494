"""The sandbox's HTTP side: routing by the raw path, keys, JSON bodies, query parameters, errors in Scale's shape.

Routes are matched segment by segment before anything is decoded, since names may hold slashes (fact sheet §10.5).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, quote, unquote

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from connectors.sandbox import Receive, Scope, Send
from connectors.scale.sandbox.rules import ApiError, InvalidError, stamp
from connectors.scale.sandbox.state import API_KEYS, Account, MissingError, World
from connectors.scale.sandbox.store import encode

UNAUTHORIZED = "Invalid API key. Please use a valid API key."


class Text(str):
    """An answer that is plain text."""

    __slots__ = ()


@dataclass(slots=True)
class Call:
    """One request, understood."""

    account: Account
    world: World
    query: dict[str, list[str]]
    body: Any
    """Decoded JSON, a form, or None for no body."""

    def effect(self, name: str, key: str, detail: Any = None) -> None:
        self.account.control.effect(name, key, detail)

    def fields(self) -> dict[str, Any]:
        """The body as an object; none is an empty one, since the SDK sends ``{}`` so (§10.2)."""
        body = {} if self.body is None else self.body
        if not isinstance(body, dict):
            raise InvalidError("The body must be a JSON object.")
        return body

    def items(self) -> list[Any]:
        """The body as an array; none is an empty one."""
        body = [] if self.body is None else self.body
        if not isinstance(body, list):
            raise InvalidError("The body must be a JSON array.")
        return body

    def text(self, name: str) -> str | None:
        values = self.query.get(name)
        return values[-1] if values else None

    def flag(self, name: str) -> bool | None:
        """The SDK writes ``True``, others ``true``."""
        value = self.text(name)
        if value is None:
            return None
        if value.lower() not in ("true", "false"):
            raise InvalidError(f'Parameter is invalid, reason: "{name}" must be a boolean')
        return value.lower() == "true"

    def number(self, name: str, default: int, low: int, high: int) -> int:
        value = self.text(name)
        if value is None:
            return default
        if not value.lstrip("-").isdecimal() or not low <= int(value) <= high:
            raise InvalidError(f'Parameter is invalid, reason: "{name}" must be a number from {low} to {high}')
        return int(value)

    def time(self, name: str, *, up: bool) -> str | None:
        """A time filter in any of Scale's spellings (§1), naive meaning UTC, rounded inwards to milliseconds."""
        value = self.text(name)
        if value is None:
            return None
        try:
            at = datetime.fromisoformat(value)
            at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
            return stamp(at + timedelta(microseconds=999) if up else at)
        except (ValueError, OverflowError) as error:
            raise InvalidError(f'Parameter is invalid, reason: "{name}" must be a valid ISO 8601 date') from error


Handler: TypeAlias = Callable[..., Any]
"""Takes the call and the decoded names of its path; gives a JSON value, encoded bytes of one, or ``Text``."""


class Api:
    """The application: ``route`` declares, calling answers."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._routes: list[tuple[str, tuple[str, ...], Handler]] = []

    def route(self, method: str, path: str) -> Callable[[Handler], Handler]:
        """``path`` below ``/v1/``; a segment ``*`` takes a name. Earlier routes go first."""

        def declare(handler: Handler) -> Handler:
            self._routes.append((method, tuple(path.split("/")), handler))
            return handler

        return declare

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            answer = await self._answer(request)
        except ApiError as error:
            answer = _refusal(error.status, str(error))
        finally:
            await request.close()
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        world = self._world(request.headers.get("authorization", ""))
        if world is None:
            return _refusal(401, UNAUTHORIZED)
        raw = request.scope.get("raw_path") or quote(request.url.path).encode()
        segments = [unquote(segment) for segment in raw.decode("ascii").split("/")[1:]]
        if segments[0] != "v1":
            return _refusal(404, "Not found.")
        handler, names = self._find(request.method, segments[1:])
        query: dict[str, list[str]] = {}
        for name, value in parse_qsl(request.url.query):
            query.setdefault(name, []).append(value)
        call = Call(self._account, world, query, await _body(request))
        with self._account.lock:
            result = handler(call, *names)
        if isinstance(result, Text):
            return Response(str(result), media_type="text/plain")
        return _json(200, result if isinstance(result, bytes) else encode(result))

    def _find(self, method: str, segments: list[str]) -> tuple[Handler, list[str]]:
        for wanted, pattern, handler in self._routes:
            if wanted == method and len(pattern) == len(segments):
                pairs = list(zip(pattern, segments, strict=True))
                if all(part in ("*", segment) for part, segment in pairs):
                    return handler, [segment for part, segment in pairs if part == "*"]
        raise MissingError("Not found.")

    def _world(self, authorization: str) -> World | None:
        """Basic with the key as user name and no password, or Bearer (§1)."""
        scheme, _, credentials = authorization.partition(" ")
        key = credentials.strip()
        if scheme.lower() == "basic":
            try:
                key, _, password = base64.b64decode(key, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                return None
            if password:
                return None
        elif scheme.lower() != "bearer":
            return None
        return next((self._account.worlds[mode] for mode, known in API_KEYS.items() if known == key), None)


async def _body(request: Request) -> Any:
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        form: FormData = await request.form()
        return form
    raw = await request.body()
    try:
        return json.loads(raw) if raw.strip() else None
    except ValueError as error:
        raise InvalidError(f"The body is not valid JSON: {error}") from error


def _json(status: int, body: bytes) -> Response:
    return Response(body, status, media_type="application/json; charset=utf-8")


def _refusal(status: int, message: str) -> Response:
    """Scale's error body (page "Errors"); never a list, which the SDK cannot read (§10.4)."""
    return _json(status, encode({"status_code": status, "error": message}))
