"""The calls that the live connector makes of an APLOSE server, over the HTTP kit (fact sheet §5 and §6)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, Final

from connectors.aplose.login import Login
from connectors.aplose.settings import Settings
from connectors.bodies import Download
from connectors.calls import Answer
from connectors.coerce import integer, many, mapping
from connectors.documents import JSON
from connectors.errors import ConnectorError, Refused, Retry, Unauthorized
from connectors.transport import Retries, Transport

GRAPHQL: Final = "/api/graphql"
"""With a slash at its end it is a 404 (§5.2)."""
ROWS: Final = 500
"""Rows of a REST page."""
_CSV_ATTEMPTS: Final = 3
"""A CSV that fails is as a rule broken for good (§8): there is another way to its rows."""


class Version(StrEnum):
    """Kinds of servers that are spoken to differently."""

    V1 = "v1"
    V2 = "v2.1"
    """2.0 to 2.3: campaigns without phases."""
    V24 = "v2.4"
    V3 = "v3"


class Client:
    """``options`` go to the transport."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        self._settings = settings
        self.version: Version | None = None
        self.http = Transport(
            "aplose",
            settings.url,
            auth=Login(settings),
            secrets=(settings.password.reveal(),),
            concurrency=settings.concurrency,
            per_minute=settings.requests_per_minute,
            **{"timeouts": settings.timeouts, **options},
        )

    async def probe(self) -> tuple[Version, datetime]:
        """The server's version, which no endpoint tells, and its time (§5). Needs no login."""
        first = await self._knock("/api/annotation/")
        self.version = await self._version(first)
        return self.version, _time(first)

    async def _version(self, first: Answer) -> Version:
        if _there(first):
            return Version.V3
        if not _there(await self._knock("/api/annotation-campaign/")):
            raise Refused("aplose: no APLOSE server answers at this url: is it the address without /app and /api?")
        if _there(await self._knock("/api/annotation-campaign-phase/")):
            return Version.V24
        return Version.V2 if (await self._knock(GRAPHQL)).status != 404 else Version.V1

    async def _knock(self, route: str) -> Answer:
        return await self.http.request("GET", route, write=False, auth=False, expect_json=False, accept=(400, 401, 404))

    # --- GraphQL ------------------------------------------------------------------------------------------------

    async def query(self, text: str, variables: Mapping[str, JSON] | None = None) -> dict[str, JSON]:
        return await self.http.graphql(text, variables or {}, write=False, route=GRAPHQL, errors=_graphql_error)

    async def write(self, text: str, variables: Mapping[str, JSON]) -> dict[str, JSON]:
        """A mutation, sent once: what was read for it is old after any wait, so it has to be read anew."""
        once = Retries(attempts=1)
        return await self.http.graphql(text, variables, write=True, route=GRAPHQL, errors=_graphql_error, retries=once)

    # --- REST ---------------------------------------------------------------------------------------------------

    async def get(self, route: str, params: Mapping[str, Any] | None = None, **options: Any) -> JSON:
        return await self.http.get_json(route, params, **options)

    async def listed(self, route: str, params: Mapping[str, Any] | None = None) -> list[Mapping[str, JSON]]:
        """A list that comes whole."""
        found = await self.get(route, params)
        if not isinstance(found, list):
            raise Retry(f"aplose: GET {route}: not a list")
        return [mapping(row) for row in found]

    async def count(self, route: str, params: Mapping[str, Any] | None = None) -> int:
        """How many rows there are, for the price of one."""
        found = integer(mapping(await self.get(route, {**(params or {}), "page_size": 1})).get("count"))
        if found is None:
            raise Retry(f"aplose: GET {route}: a page without a count")
        return found

    async def rows(self, route: str, params: Mapping[str, Any]) -> AsyncIterator[Mapping[str, JSON]]:
        """All rows, page by page; a page past the end is a 404 (§5.3)."""
        number = 1
        while True:
            page = await self.get(route, {**params, "page_size": ROWS, "page": number}, absent=(404,))
            for row in many(mapping(page).get("results")):
                yield mapping(row)
            if not mapping(page).get("next"):
                return
            number += 1

    async def csv(self, route: str, key: str) -> Download:
        """An export in an anonymous file; the caller closes it. Asked for JSON only, the server says 406 (§5.3).

        A 500 that stays is ``Refused``: that is how the server says "not found" and "not allowed" here, too.
        """
        try:
            return await self.http.stream(
                route,
                path={"id": key},
                headers={"Accept": "text/csv, */*"},
                limit=self._settings.largest_download_mb * 1024 * 1024,
                timeouts=self._settings.download_timeouts,
                retries=Retries(attempts=_CSV_ATTEMPTS, patience=3 * self._settings.download_timeout),
            )
        except Retry as problem:
            if " answered 500 " in problem.message:
                raise Refused(problem.message, status=500) from None
            raise


def _there(answer: Answer) -> bool:
    """401 says that there is something to log in to; a 200 must be JSON, since web sites answer anything."""
    return answer.status == 401 or (answer.status == 200 and "json" in answer.headers.get("content-type", ""))


def _graphql_error(errors: Sequence[JSON]) -> ConnectorError:
    """Without a valid token GraphQL answers 200 and an error (§5.1); unknown, forbidden and ended are "Not found"."""
    messages = [str(mapping(error).get("message") or error) for error in errors]
    if "Unauthorized" in messages:
        return Unauthorized("Unauthorized")
    return Refused("; ".join(messages), details={"errors": list(errors)})


def _time(answer: Answer) -> datetime:
    """The time at the server; ours only where it does not say."""
    try:
        said = parsedate_to_datetime(answer.headers.get("date") or "")
    except ValueError:
        return datetime.now(UTC)
    return said.astimezone(UTC) if said.tzinfo else said.replace(tzinfo=UTC)
