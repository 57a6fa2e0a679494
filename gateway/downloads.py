"""GET /export/{form}?campaign=<global id>: a campaign for spreadsheets and notebooks, streamed."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from connectors.ids import parse_gid
from gateway.auth import Unauthenticated
from gateway.edge import Edge
from gateway.export import FORMATS, export
from gateway.quotas import TooMany
from schema.errors import ErrorCode

SCOPE: Final = "read"


async def send(edge: Edge, request: Request) -> Response:
    """The file, or why not: 401 without a token, 403 without its scope, 404 for what is not there or not theirs."""
    form, campaign = request.path_params["form"], request.query_params.get("campaign", "")
    if form not in FORMATS:
        return _problem(404, ErrorCode.NOT_FOUND, f"there is no such form; there are: {', '.join(FORMATS)}")
    try:
        identity = await edge.identify(request.headers.get("authorization"), request.headers.get("host", ""))
        viewer = identity.viewer
        if not viewer.may(SCOPE):
            return _problem(403, ErrorCode.FORBIDDEN, f"an export needs the scope {SCOPE}")
        parts = parse_gid(campaign)
        seen = parts is not None and parts.kind == "Campaign"
        seen = seen and (viewer.sources is None or (parts is not None and parts.source in viewer.sources))
        found = await edge.store.db["campaigns"].find_one({"_id": campaign}, {"name": 1}) if seen else None
        if found is None:
            return _problem(404, ErrorCode.NOT_FOUND, "campaign names no campaign by its global id")
        with edge.quotas.request(identity.key):
            name = quote(f"{found.get('name') or 'campaign'} {form}".replace("/", "-"), safe="")
            return StreamingResponse(
                export(edge.store, campaign, form),
                media_type=FORMATS[form],
                headers={
                    "content-disposition": f"attachment; filename*=UTF-8''{name}",
                    "cache-control": "no-store",
                    "x-content-type-options": "nosniff",
                },
            )
    except Unauthenticated as problem:
        return _problem(401, ErrorCode.UNAUTHENTICATED, str(problem), {"www-authenticate": 'Bearer realm="labelgate"'})
    except TooMany as problem:
        return _problem(429, ErrorCode.RATE_LIMITED, problem.message, dict(problem.headers))


def _problem(status: int, code: ErrorCode, message: str, headers: dict[str, str] | None = None) -> Response:
    body = {"errors": [{"message": message, "extensions": {"code": code.value}}]}
    return JSONResponse(body, status, headers=headers)
