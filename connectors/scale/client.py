"""The calls that the live connector makes to Scale's REST API v1 (fact sheet ``platforms/scale.md``).

Payloads come back redacted, fit to be stored. Links that Scale signs anew at each reading are not asked for
(``include_attachment_url``): they would make every task look changed every time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from connectors.calls import Answer
from connectors.coerce import mapping, text
from connectors.documents import JSON
from connectors.errors import ConnectorError, Refused, Retry, Uncertain
from connectors.paging import OffsetPages, walk
from connectors.scale.settings import Settings
from connectors.transport import HeaderAuth, Retries, Transport

BATCHES: Final = 100
"""Batches a page, the most that Scale gives (§2)."""


class Client:
    """``options`` go to the transport. ``seconds`` is how long the last attempt to list tasks took."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        self.seconds = 0.0
        self.http = Transport(
            "scale",
            settings.url,
            auth=HeaderAuth(settings.basic(), scheme="Basic"),
            secrets=settings.secrets(),
            concurrency=settings.concurrency,
            per_minute=settings.requests_per_minute,
            on_request=self._told,
            **options,
        )

    async def check(self) -> None:
        """The cheapest question that wants a valid key."""
        await self.http.get_json("/batches", {"limit": 1})

    async def projects(self, *, archived: bool) -> tuple[list[JSON], datetime]:
        """All projects, unpaged, and Scale's time."""
        answer = await self.http.request("GET", "/projects", params={"archived": archived}, write=False)
        if not isinstance(answer.data, list):
            raise Retry("scale: GET /projects: not a list of projects")
        return self.http.redact(answer.data), _time(answer)

    async def tasks(self, params: Mapping[str, Any], retries: Retries | None = None) -> JSON:
        """One page object (§3)."""
        options: dict[str, Any] = {} if retries is None else {"retries": retries}
        page = mapping(await self.http.get_json("/tasks", params, **options))
        return {**page, "docs": self.http.redact(page.get("docs"))}

    async def task(self, task_id: str) -> tuple[dict[str, JSON] | None, datetime]:
        """A task, or None where Scale has none of this id in the key's mode; and Scale's time."""
        answer = await self.http.request("GET", "/task/{id}", path={"id": task_id}, accept=(404,), write=False)
        if answer.status == 404:
            if not text(mapping(answer.data).get("error")):
                raise Refused("scale: GET /task/{id}: a 404 that is not Scale's own: is the url right?", status=404)
            return None, _time(answer)
        if not isinstance(answer.data, dict):
            raise Retry("scale: GET /task/{id}: not a task")
        return self.http.redact(answer.data), _time(answer)

    async def audited_batches(self, since: str) -> list[str]:
        """Names of the batches audited since; Scale's Node SDK knows this filter, Python's does not (§2)."""
        pages = OffsetPages("docs", key="name", size=BATCHES, more="has_more")
        found = walk(pages, lambda params: self.http.get_json("/batches", {"audited_after": since, **params}))
        return [name async for docs in found for doc in docs if (name := text(mapping(doc).get("name")))]

    async def audit(self, task_id: str, *, accepted: bool, comment: str | None) -> None:
        """A verdict (§5.1). Scale's answer is not documented and may be no JSON; a web page is none of Scale's."""
        await self.http.request(
            "POST",
            "/task/{id}/audit",
            path={"id": task_id},
            json={"accepted": accepted, "comments": comment},
            write=True,
            expect_json=False,
            classify=_no_web_page,
        )

    def _told(self, method: str, route: str, status: int | None, seconds: float) -> None:
        if route == "/tasks":
            self.seconds = seconds


def _time(answer: Answer) -> datetime:
    """The time at Scale when it answered; ours only where it does not say, as a server with a clock must."""
    try:
        said = parsedate_to_datetime(answer.headers.get("date") or "")
    except ValueError:
        return datetime.now(UTC)
    return said.astimezone(UTC) if said.tzinfo else said.replace(tzinfo=UTC)


def _no_web_page(answer: Answer) -> ConnectorError | None:
    if answer.status < 300 and answer.body.lstrip()[:1] == b"<":
        return Uncertain("answered with a web page")
    return None
