"""POST /webhooks/{source}: what a platform tells becomes hints, and the worker asks the platform again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors.contract import WebhookCall
from connectors.errors import ConnectorError, Unauthorized
from gateway import hints
from gateway.edge import Edge
from gateway.parameters import BadRequest, read_body
from gateway.quotas import TooMany
from gateway.sync import LiveSource

log = structlog.get_logger(__name__)

MOST_BYTES: Final = 5_000_000


async def receive(edge: Edge, live: Mapping[str, LiveSource], request: Request) -> Response:
    """202 for a call that is believed; a wrong secret and an unknown source get the same 401."""
    name = request.path_params["source"]
    source = live.get(name)
    try:
        with edge.quotas.request(f"webhook:{name if source else ''}", rated=source is None):
            body = await read_body(request, most=MOST_BYTES, seconds=edge.settings.limits.body_seconds)
            call = WebhookCall(headers={key.lower(): value for key, value in request.headers.items()}, body=body)
            count = await _believe(edge, source, call)
    except BadRequest as problem:
        return JSONResponse({"error": problem.message}, problem.status, headers=problem.headers)
    except TooMany as problem:
        return JSONResponse({"error": problem.message}, 429, headers=problem.headers)
    except Unauthorized:
        return JSONResponse({"error": "the call is not signed as this source's calls are"}, 401)
    except ConnectorError as problem:
        log.warning("a webhook call was not understood", source=name, problem=problem.message)
        return JSONResponse({"error": "the call was not understood"}, 400)
    return JSONResponse({"hints": count}, 202)


async def _believe(edge: Edge, source: LiveSource | None, call: WebhookCall) -> int:
    if source is None:
        raise Unauthorized("no such source")
    return await hints.receive(edge.store, source, call)
