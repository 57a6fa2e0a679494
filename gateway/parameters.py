"""Reads a GraphQL request out of an HTTP request: bounded in size and time, and from no foreign page."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from starlette.requests import ClientDisconnect, Request

from gateway.documents import Documents
from gateway.operations import Parameters
from schema.errors import ErrorCode

JSON: Final = "application/json"
_UNFORGEABLE: Final = (
    "authorization",
    "apollo-require-preflight",
    "graphql-require-preflight",
    "x-apollo-operation-name",
    "x-requested-with",
)
"""Headers that a page of another origin cannot send without asking first."""


_DRAIN_SECONDS: Final = 1.0
_DRAIN_BYTES: Final = 16_000_000


class BadRequest(Exception):
    """Not a request that can be answered: ``status``, and a message for people."""

    def __init__(
        self,
        status: int,
        message: str,
        headers: Mapping[str, str] | None = None,
        *,
        code: ErrorCode = ErrorCode.INVALID,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})
        self.code = code


def check_origin(request: Request, allowed: frozenset[str]) -> None:
    """Refuses what a page of another origin may send behind its visitor's back. Raises ``BadRequest``.

    A POST of JSON is safe by itself: browsers ask first. The rest must carry a header that they would ask for.
    """
    if any(name in request.headers for name in _UNFORGEABLE) or request.headers.get("origin") in allowed:
        return
    site = request.headers.get("sec-fetch-site")
    if site in ("same-origin", "none"):
        return
    accept = request.headers.get("accept", "")
    ours = "json" in accept or "text/event-stream" in accept
    # Pages cannot set Sec- headers, and what they fetch in this mode from elsewhere carries Origin.
    own = request.headers.get("sec-fetch-mode") == "cors" and "origin" not in request.headers
    if site is not None or not (ours or own):
        raise BadRequest(
            403,
            "a GET needs the header Accept: application/graphql-response+json, or GraphQL-Require-Preflight: 1, "
            "and must not come from another site's page",
            code=ErrorCode.FORBIDDEN,
        )


async def read_parameters(request: Request, documents: Documents, *, most: int, seconds: float) -> Parameters:
    """The request's parameters. Raises ``BadRequest``, and ``RequestError`` for a document that may not run."""
    if request.method == "GET":
        return _checked(_from_url(request), documents)
    _check_content_type(request)
    body = await read_body(request, most=most, seconds=seconds)
    return _checked(_json(body, "the body"), documents)


def _from_url(request: Request) -> dict[str, Any]:
    values = request.query_params
    out: dict[str, Any] = {name: values.get(name) or None for name in ("query", "operationName", "documentId")}
    for name in ("variables", "extensions"):
        if values.get(name):
            out[name] = _json(values[name].encode("utf-8", "replace"), name)
    return out


def _check_content_type(request: Request) -> None:
    header = request.headers.get("content-type", "")
    media, *parameters = (piece.strip().lower() for piece in header.split(";"))
    if media != JSON:
        raise BadRequest(415, f"send the request as {JSON}", {"accept-post": JSON})
    charset = next((p[8:].strip('"') for p in parameters if p.startswith("charset=")), "utf-8")
    if charset not in ("utf-8", "utf8"):
        raise BadRequest(415, "send the request in UTF-8", {"accept-post": f"{JSON}; charset=utf-8"})
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("identity", ""):
        raise BadRequest(415, "send the request without a content encoding", {"accept-encoding": "identity"})


async def read_body(request: Request, *, most: int, seconds: float) -> bytes:
    """The body, no larger and no later than it may be. Raises ``BadRequest``."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length[:20]) > most:
        raise await _too_large(request, most)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    break
    except TimeoutError:
        raise BadRequest(408, f"the body took longer than {seconds:g} seconds", {"connection": "close"}) from None
    except ClientDisconnect:
        raise BadRequest(400, "the client went away") from None
    if len(body) > most:
        raise await _too_large(request, most)
    return bytes(body)


async def _too_large(request: Request, most: int) -> BadRequest:
    """Reads on for a moment: a client that is still sending when the connection closes never sees the answer."""
    drained = 0
    with contextlib.suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(_DRAIN_SECONDS):
            while drained < _DRAIN_BYTES:
                message = await request.receive()
                drained += len(message.get("body", b""))
                if not message.get("more_body"):
                    break
    return BadRequest(413, f"the body is larger than {most} bytes", {"connection": "close"})


def _json(text: bytes, what: str) -> Any:
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, RecursionError):
        raise BadRequest(400, f"{what} is not valid JSON") from None


def _checked(values: Any, documents: Documents) -> Parameters:
    if isinstance(values, list):
        raise BadRequest(400, "batches are not supported: send one request at a time")
    if not isinstance(values, dict):
        raise BadRequest(400, "the body is not a JSON object")
    return parameters_of(values, documents)


def parameters_of(values: Mapping[str, Any], documents: Documents) -> Parameters:
    """The parameters in a JSON object. Raises ``BadRequest``, and ``RequestError`` for a document that may not run."""
    for name, kind, word in (
        ("query", str, "a string"),
        ("documentId", str, "a string"),
        ("operationName", str, "a string"),
        ("variables", dict, "an object"),
        ("extensions", dict, "an object"),
    ):
        if values.get(name) is not None and not isinstance(values[name], kind):
            raise BadRequest(400, f"{name} is not {word}")
    extensions = values.get("extensions") or {}
    text = documents.text(values.get("query"), values.get("documentId"), extensions)
    if text is None:
        raise BadRequest(400, "query is missing, or is not a string")
    return Parameters(text, values.get("operationName") or None, values.get("variables") or {}, extensions)


def same_origin(origin: str, host: str) -> bool:
    """Does a page of this origin talk to its own host?"""
    return urlsplit(origin).netloc.lower() == host.lower()
