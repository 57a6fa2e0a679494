"""Is this process alive, and can it serve? For orchestrators and load balancers."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.edge import Edge
from gateway.engine import utcnow

_SECONDS: Final = 3.0
_LATE_SECONDS: Final = 60.0


async def alive(_request: Request) -> Response:
    """The process runs; says nothing about MongoDB, so that a restart is not asked for in vain."""
    return JSONResponse({"status": "ok"}, headers={"cache-control": "no-store"})


async def readiness(edge: Edge) -> tuple[bool, dict[str, Any]]:
    """Can requests be answered? MongoDB and shutting down decide; the rest is told, since reading goes on without."""
    found: dict[str, Any] = {"mongodb": "ok", "changes": edge.hub.trouble or "ok", "workers": 0}
    try:
        async with asyncio.timeout(_SECONDS):
            hello = await edge.store.db.command("hello")
            if not hello.get("isWritablePrimary"):
                found["mongodb"] = "no primary"
            now = utcnow()
            beats = [doc async for doc in edge.store.db["workers"].find({}, limit=1000)]
            found["workers"] = sum((now - beat["at"]).total_seconds() < _LATE_SECONDS for beat in beats)
    except Exception as problem:  # noqa: BLE001 - any failure means not ready
        found["mongodb"] = type(problem).__name__
    ready = found["mongodb"] == "ok" and not edge.closing.is_set()
    if edge.closing.is_set():
        found["status"] = "shutting down"
    elif not ready:
        found["status"] = "unavailable"
    else:
        needs_worker = any(source.enabled for source in edge.settings.sources.values())
        degraded = found["changes"] != "ok" or (needs_worker and not found["workers"])
        found["status"] = "degraded" if degraded else "ok"
    return ready, found


async def ready(edge: Edge) -> Response:
    fine, found = await readiness(edge)
    return JSONResponse(found, 200 if fine else 503, headers={"cache-control": "no-store"})
