"""POST /ingest/{source}: export files as multipart/form-data, spooled to disk and imported as one run."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message

from connectors.contract import Connector, Input
from connectors.discovery import discover
from gateway.auth import Unauthenticated
from gateway.commands import as_plain
from gateway.edge import Edge
from gateway.imports import ImportRefused, run_import
from gateway.parameters import BadRequest
from gateway.quotas import TooMany
from gateway.responses import dumps
from gateway.source_settings import NAME
from gateway.sources import SourceTaken
from gateway.store.leases import LeaseHeld
from schema.errors import ErrorCode
from schema.ports import Viewer

SCOPE: Final = "sync"
MOST_FILES: Final = 200
_SHOWN: Final = 100


async def receive(edge: Edge, request: Request) -> Response:
    """Answers the run, and the first records that were skipped."""
    try:
        _check_preflight(request)
        identity = await edge.identify(request.headers.get("authorization"), request.headers.get("host", ""))
        source = request.path_params["source"]
        _check_rights(identity.viewer, source)
        with edge.quotas.request(identity.key):
            return await _import(edge, request, source)
    except BadRequest as problem:
        return _problem(problem.message, problem.code, problem.status, problem.headers)
    except Unauthenticated as problem:
        challenge = {"www-authenticate": 'Bearer realm="labelgate"'}
        return _problem(str(problem), ErrorCode.UNAUTHENTICATED, 401, challenge)
    except TooMany as problem:
        return _problem(problem.message, ErrorCode.RATE_LIMITED, 429, problem.headers)


def _check_rights(viewer: Viewer, source: str) -> None:
    if not viewer.may(SCOPE):
        raise BadRequest(403, f"an import needs the scope {SCOPE}", code=ErrorCode.FORBIDDEN)
    if NAME.fullmatch(source) is None or (viewer.sources is not None and source not in viewer.sources):
        raise BadRequest(404, "there is no such source for this token", code=ErrorCode.NOT_FOUND)


def _check_preflight(request: Request) -> None:
    """A foreign page can post a form; it cannot add these headers."""
    if not {"authorization", "graphql-require-preflight", "apollo-require-preflight"} & set(request.headers):
        raise BadRequest(403, "send Authorization, or GraphQL-Require-Preflight: 1", code=ErrorCode.FORBIDDEN)


async def _import(edge: Edge, request: Request, source: str) -> Response:
    connector = await _connector(edge, request, source)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "multipart/form-data":
        raise BadRequest(415, "send files as multipart/form-data")
    limits = edge.settings.limits
    bounded = Request(request.scope, _bounded(request, limits.upload_bytes, limits.body_seconds))
    options = {name[7:]: value for name, value in request.query_params.items() if name.startswith("option.")}
    try:
        async with bounded.form(max_files=MOST_FILES, max_fields=20) as form:
            with tempfile.TemporaryDirectory(prefix="labelgate-") as folder:
                inputs = await asyncio.to_thread(_spooled, form, folder)
                if not inputs:
                    raise BadRequest(400, "the form holds no files")
                result = await run_import(
                    edge.store,
                    connector,
                    inputs,
                    source=source,
                    campaign=request.query_params.get("campaign"),
                    options=options,
                )
    except MultiPartException as problem:
        raise BadRequest(400, f"the form cannot be read: {problem.message}") from None
    except ClientDisconnect:
        raise BadRequest(400, "the client went away") from None
    except (ImportRefused, SourceTaken) as problem:
        raise BadRequest(400, str(problem)) from None
    except LeaseHeld:
        raise BadRequest(409, "the source is being read right now; try again later", code=ErrorCode.CONFLICT) from None
    cursor = edge.store.db["skipped_records"].find(
        {"run": result.run["_id"]}, {"raw": 0}, sort=[("_id", 1)], limit=_SHOWN
    )
    body = as_plain(result.run, [doc async for doc in cursor])
    return _json(body, 200 if result.state in ("SUCCEEDED", "PARTIAL") else 422)


async def _connector(edge: Edge, request: Request, source: str) -> Connector:
    """The platform that the request names, or that the source is known to have."""
    known = await edge.store.db["sources"].find_one({"_id": source}, {"platform": 1})
    name = request.query_params.get("platform") or (known or {}).get("platform")
    found = discover()
    if name is None:
        raise BadRequest(400, f"say ?platform=, one of {', '.join(found)}")
    if name not in found:
        raise BadRequest(400, f"there is no such platform; there are: {', '.join(found)}")
    return found[name]


def _bounded(request: Request, most: int, seconds: float) -> Callable[[], Any]:
    """Receives no more bytes than allowed, and waits for none longer than ``seconds``."""
    read = 0

    async def receive() -> Message:
        nonlocal read
        try:
            async with asyncio.timeout(seconds):
                message = await request.receive()
        except TimeoutError:
            raise BadRequest(408, f"nothing came for {seconds:g} seconds", {"connection": "close"}) from None
        read += len(message.get("body", b""))
        if read > most:
            raise BadRequest(413, f"the upload is larger than {most} bytes", {"connection": "close"})
        return message

    return receive


def _spooled(form: FormData, folder: str) -> list[Input]:
    """Readers open a file as often as they like, so each gets a place on disk."""
    inputs = []
    for number, file in enumerate(value for _, value in form.multi_items() if isinstance(value, UploadFile)):
        path = Path(folder) / str(number)
        with path.open("wb") as copy:
            file.file.seek(0)
            shutil.copyfileobj(file.file, copy, 1 << 20)
        inputs.append(_input(path, file.filename or str(number)))
    return inputs


def _input(path: Path, name: str) -> Input:
    return Input(name=name, open=lambda: path.open("rb"), size=path.stat().st_size)


def _json(body: Any, status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(dumps(body), status, {"content-type": "application/json", **(headers or {})})


def _problem(message: str, code: ErrorCode, status: int, headers: dict[str, str] | None = None) -> Response:
    return _json({"errors": [{"message": message, "extensions": {"code": code.value}}]}, status, headers)
