"""Reads one listing of tasks page by page, in pages as large as Scale can bear at the moment.

A page that is too large, too slow or fails is asked for again, or followed, by half of it; quick ones let it grow
back. Tokens name a task and not a page number (fact sheet ``platforms/scale.md`` §3), so the size may change between
two pages, and a listing goes on tomorrow where it stopped today.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Final

from connectors.coerce import integer, mapping
from connectors.documents import JSON
from connectors.errors import Refused, Retry
from connectors.paging import TokenPages
from connectors.scale.client import Client
from connectors.scale.passes import Filters
from connectors.transport import Retries, TooLarge

log: Final = logging.getLogger(__name__)

_TRIES: Final = Retries(attempts=2, patience=60.0)
_SHRINKS: Final = 3
"""So often in a row a failing page is asked for again with half the tasks; then the platform itself is in trouble."""


@dataclass(frozen=True, slots=True)
class TaskPage:
    """Tasks; the token of the next page, None at the end; how many the whole listing has."""

    tasks: list[JSON]
    token: str | None
    total: int | None


class Listing:
    """Holds the page size of a source over all its listings. ``slow`` is in seconds."""

    def __init__(self, client: Client, *, largest: int, slow: float = 15.0, retries: Retries = _TRIES) -> None:
        self._client = client
        self._retries = retries
        self._largest = largest
        self._slow = slow
        self.size = largest

    async def pages(self, filters: Filters, token: str | None = None) -> AsyncGenerator[TaskPage, None]:
        """From ``token`` on. A token that Scale no longer takes means: from the start."""
        pages = self._begin(token)
        while pages.more:
            try:
                answer = await self._ask(filters, pages)
            except Refused as refusal:
                if token is None or pages.token != token or refusal.status != 400:
                    raise
                log.warning("scale refuses the place where a listing stopped, so it begins anew: %s", refusal.message)
                pages, token = self._begin(None), None
                continue
            tasks = pages.take(answer)
            yield TaskPage(tasks, pages.token, integer(mapping(answer).get("total")))

    def _begin(self, token: str | None) -> TokenPages:
        return TokenPages("docs", token="next_token", more="has_more", size=self.size, start=token)  # noqa: S106

    async def _ask(self, filters: Filters, pages: TokenPages) -> JSON:
        """The next page, however small it must be."""
        failures = 0
        single: dict[str, Any] = {}
        while True:
            pages.size = self.size
            try:
                answer = await self._client.tasks({**filters, **single, **pages.params}, self._retries)
            except TooLarge:
                if self._shrink():
                    continue
                if single:
                    raise
                # One task alone is too large: its short form lets the pass go by, and reports it as unreadable.
                single = {"limited_response": True}
            except Retry as problem:
                failures += 1
                # Smaller pages are more requests, which is not what too many requests want.
                busy = self._client.http.stats.last_status == 429
                if problem.after is not None or failures > _SHRINKS or not (busy or self._shrink()):
                    raise
            else:
                self._learn(self._client.seconds)
                return answer

    def _shrink(self) -> bool:
        before, self.size = self.size, max(1, self.size // 2)
        return self.size < before

    def _learn(self, seconds: float) -> None:
        if seconds > self._slow:
            self._shrink()
        elif seconds < self._slow / 4:
            self.size = min(self._largest, self.size * 2)
