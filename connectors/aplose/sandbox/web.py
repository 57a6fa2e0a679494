"""What both versions' HTTP shares: logins, JSON and CSV answers, the pages of a Django server, slash redirects."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import Header
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route, Router

from connectors.aplose.sandbox.auth import Denied, Tokens
from connectors.aplose.sandbox.model import Phase, User
from connectors.aplose.sandbox.store import Refusal, Store

Handler = Callable[[Request, User], Awaitable[Response] | Response]


@dataclass(frozen=True, slots=True)
class Server:
    store: Store
    tokens: Tokens


def moment(value: datetime | None) -> str | None:
    """A time as REST writes it: Z instead of an offset."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value else None


def page(status: int, title: str) -> Response:
    """The HTML of an unhandled failure or an unknown path."""
    head = f'<!DOCTYPE html>\n<html lang="en">\n<head>\n  <title>{title}</title>\n</head>\n'
    text = f"{head}<body>\n  <h1>{title}</h1>\n</body>\n</html>\n"
    return Response(text, status, {"content-type": "text/html"})


def details(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status)


def denied(answer: Denied) -> JSONResponse:
    headers = {"www-authenticate": 'Bearer realm="api"'} if answer.status == 401 else None
    return JSONResponse(answer.body, answer.status, headers)


def empty(status: int) -> Response:
    return Response(status_code=status)


async def body_of(request: Request) -> Any:
    """The JSON body; ``Denied`` with 400 where it is none."""
    try:
        return json.loads(await request.body() or b"{}")
    except ValueError as error:
        raise Denied({"detail": f"JSON parse error - {error}"}, 400) from None


def private(server: Server, handle: Handler) -> Callable[[Request], Awaitable[Response]]:
    """A JSON route behind the login: 401 without one, a page with 500 where the server would trip."""

    async def route(request: Request) -> Response:
        try:
            answer = handle(request, server.tokens.demand(request.headers.get("authorization")))
            return answer if isinstance(answer, Response) else await answer
        except Denied as refused:
            return denied(refused)
        except Refusal as refusal:
            return page(500, f"{refusal.message} at {request.url.path}")
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            # Upstream lets bad input reach its own code; the traceback page is what a client sees.
            return page(500, f"{type(error).__name__} at {request.url.path}")

    return route


def csv_route(server: Server, handle: Callable[[Request, User], Response]) -> Callable[[Request], Awaitable[Response]]:
    """A CSV route: 406 to clients that accept JSON only, and error bodies mangled by the CSV renderer (§5.3)."""

    async def route(request: Request) -> Response:
        if not _takes_csv(request.headers.get("accept", "*/*")):
            return mangled(406)
        answer = await private(server, handle)(request)
        return mangled(answer.status_code) if answer.media_type == "application/json" else answer

    return route


def mangled(status: int) -> Response:
    """``{"detail": …}`` as upstream's renderer writes it: the letters of its only key."""
    headers = {"content-type": "text/csv; charset=utf-8"}
    return Response(
        "d,e,t,a,i,l", status, headers | ({"www-authenticate": 'Bearer realm="api"'} if status == 401 else {})
    )


def csv_file(phase: Phase, text: str) -> Response:
    """Results and status alike are named "…_status.csv" (§2.7)."""
    name = f'attachment; filename="{phase.annotation_campaign.name.replace(" ", "_")}_status.csv"'
    response = Response(text.encode(), headers={"content-type": "text/csv"})
    try:
        response.headers["content-disposition"] = name
    except UnicodeEncodeError:
        response.headers["content-disposition"] = Header(name, "utf-8", maxlinelen=1000).encode()
    return response


def paged(request: Request, rows: list[Any], tell: Callable[[Any], Any], **more: Any) -> Response:
    """Everything, unless ``page_size`` is given; past the last page 404 (§5.3)."""
    size, number = request.query_params.get("page_size", ""), request.query_params.get("page", "1")
    if not size.isdecimal() or int(size) == 0:
        return JSONResponse([tell(row) for row in rows])
    limit, last = int(size), max(-(-len(rows) // int(size)), 1)
    at = last if number == "last" else int(number) if number.isdecimal() else 0
    if not 1 <= at <= last:
        return details(404, "Invalid page.")
    return JSONResponse(
        {
            "count": len(rows),
            "next": _page_link(request, at + 1) if at < last else None,
            "previous": _page_link(request, at - 1) if at > 1 else None,
            "results": [tell(row) for row in rows[(at - 1) * limit : at * limit]],
            **more,
        }
    )


def router(routes: Iterable[Route]) -> Router:
    """Paths end in a slash; without it a known path redirects (301), an unknown one is a page with 404."""
    known = list(routes)

    async def other(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        slashed = {**scope, "path": scope["path"] + "/"}
        answer = page(404, f"Page not found at {scope['path']}")
        if not scope["path"].endswith("/") and any(each.matches(slashed)[0] is not Match.NONE for each in known):
            query = scope.get("query_string", b"").decode()
            answer = Response(status_code=301, headers={"location": slashed["path"] + (query and f"?{query}")})
        await answer(dict(scope), receive, send)

    return Router(known, redirect_slashes=False, default=other)


def only(*methods: str) -> Callable[[Request], Awaitable[Response]]:
    """What a route answers to other methods."""

    async def refuse(request: Request) -> Response:
        answer = details(405, f'Method "{request.method}" not allowed.')
        answer.headers["allow"] = ", ".join(methods)
        return answer

    return refuse


def _takes_csv(accept: str) -> bool:
    wanted = [re.sub(r";.*", "", each).strip() for each in accept.split(",")]
    return any(each in {"*/*", "text/*", "text/csv", ""} for each in wanted)


def _page_link(request: Request, number: int) -> str:
    parameters = [(k, v) for k, v in request.query_params.multi_items() if k != "page"]
    if number > 1:
        parameters.append(("page", str(number)))
    return f"{request.url.replace(query='')}?{urlencode(parameters)}"


async def login(server: Server, request: Request) -> Response:
    try:
        return JSONResponse(server.tokens.login(await body_of(request)))
    except Denied as refused:
        return denied(refused)


async def refresh(server: Server, request: Request) -> Response:
    try:
        return JSONResponse(server.tokens.refresh(await body_of(request)))
    except Denied as refused:
        return denied(refused)
