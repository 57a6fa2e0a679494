"""What goes back over HTTP: JSON in the media type that was agreed on, compressed and with a tag where that helps."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from gateway.negotiation import takes_gzip

_WORTH_COMPRESSING: Final = 1_400
_LARGE: Final = 100_000
_LEVEL: Final = 3
VARY: Final = "accept, accept-encoding, authorization, origin"


def dumps(body: Mapping[str, Any]) -> bytes:
    """JSON of an answer. A platform's payload may hold what orjson refuses: integers over 64 bits, lone surrogates."""
    try:
        return orjson.dumps(body, default=str, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        return json.dumps(_finite(body), default=str, separators=(",", ":")).encode()


def _finite(value: Any) -> Any:
    """The value with null for NaN and the infinities, which JSON does not know."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, (list, tuple)) else value


async def answer(
    request: Request, body: Mapping[str, Any], status: int, media: str, headers: Mapping[str, str]
) -> Response:
    """A GraphQL response. A GET's success may be kept by its client and asked for again by its tag."""
    content = dumps(body)
    out = {"content-type": f"{media}; charset=utf-8", "vary": VARY, "cache-control": "no-store", **headers}
    if request.method == "GET" and status == 200 and "errors" not in body:
        tag = f'W/"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
        out |= {"cache-control": "private, no-cache", "etag": tag}
        if _has_tag(request.headers.get("if-none-match", ""), tag):
            return Response(None, 304, {name: out[name] for name in ("vary", "cache-control", "etag")})
    if len(content) >= _WORTH_COMPRESSING and takes_gzip(request.headers.get("accept-encoding")):
        out["content-encoding"] = "gzip"
        content = await asyncio.to_thread(_gzip, content) if len(content) > _LARGE else _gzip(content)
    return Response(content, status, out)


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, _LEVEL, mtime=0)


def _has_tag(header: str, tag: str) -> bool:
    return any(one.strip() in (tag, "*") for one in header.split(","))
