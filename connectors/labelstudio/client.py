"""The calls to Label Studio's REST API (fact sheet ``platforms/labelstudio.md`` §2, §3). Payloads come redacted.

Tasks come by ``id`` from page one on, each time after the last id: nothing can slip past a page edge, whatever
changes meanwhile, and ties of ``updated_at`` do not matter (§4).
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx

from connectors.auth import Auth, HeaderAuth
from connectors.coerce import integer, many, mapping, text
from connectors.documents import JSON
from connectors.errors import Retry
from connectors.labelstudio.settings import Settings
from connectors.paging import NumberedPages, walk
from connectors.transport import Transport

COLUMNS: Final = (
    "id,inner_id,data,meta,project,created_at,updated_at,updated_by,completed_at,is_labeled,overlap,total_annotations,"
    "cancelled_annotations,total_predictions,comment_count,file_upload,draft_exists,annotations,predictions"
)
"""The others repeat these in other words, and cost more than half of the server's time (§3)."""
_RENEW: Final = 240.0
"""Access tokens live 300 seconds (§2)."""
_VOLATILE: Final = frozenset({"created_ago", "task_data_login", "task_data_password"})
"""What changes with every reading, or is nobody's business here."""


class PersonalToken(Auth):
    """A personal access token, changed for access tokens; the HTTP kit sees to it that only one is asked for."""

    def __init__(self, token: str) -> None:
        self._token, self._access, self._until = token, "", 0.0

    def secrets(self) -> Iterable[str]:
        return (self._token, self._access) if self._access else (self._token,)

    def expired(self) -> bool:
        return time.monotonic() >= self._until

    def apply(self, request: httpx.Request) -> None:
        request.headers["Authorization"] = f"Bearer {self._access}"

    async def refresh(self, http: Transport) -> bool:
        said = await http.post_json("/api/token/refresh/", {"refresh": self._token}, write=False, auth=False)
        self._access, self._until = text(mapping(said).get("access")) or "", time.monotonic() + _RENEW
        return bool(self._access)


def item(column: str, operator: str, value: JSON, type_: str = "Number") -> dict[str, JSON]:
    """One condition; anything misspelt in it is answered with 500 (§4)."""
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": type_, "value": value}


class Client:
    def __init__(self, settings: Settings, **options: Any) -> None:
        token = settings.token.reveal()
        auth = PersonalToken(token) if token.count(".") == 2 else HeaderAuth(token, scheme="Token")
        options = {"concurrency": settings.concurrency, **options}
        self.http = Transport("labelstudio", settings.url, auth=auth, secrets=settings.secrets(), **options)
        self._size = settings.page_size

    async def get(self, route: str, params: dict[str, JSON] | None = None, **options: Any) -> JSON:
        return self._clean(await self.http.get_json(route, params, **options))

    async def now(self) -> datetime:
        """The server's time, whole seconds."""
        answer = await self.http.request("GET", "/api/version", write=False)
        try:
            return parsedate_to_datetime(answer.headers.get("date") or "").astimezone(UTC)
        except ValueError:
            return datetime.now(UTC)

    async def projects(self, ids: Sequence[str] = ()) -> dict[int, dict[str, JSON]]:
        """Projects by id, in the order of their ids."""
        chosen: dict[str, JSON] = {"ids": ",".join(ids)} if ids else {}
        pages = NumberedPages("results", key="id", next="next")
        found = [one async for page in walk(pages, lambda at: self.get("/api/projects/", chosen | dict(at))) for one in page]
        return {one["id"]: one for one in sorted(found, key=lambda one: int(one["id"]))}

    async def tasks(
        self, project: int, items: Sequence[JSON] = (), *, after: int = 0, include: str = COLUMNS, size: int | None = None
    ) -> AsyncIterator[list[dict[str, JSON]]]:
        """Pages of tasks by id, with everybody's drafts; one with no task at the end is not given."""
        while True:
            where = {"conjunction": "and", "items": [item("id", "greater", after), *items]}
            query = json.dumps({"filters": where, "ordering": ["tasks:id"]})
            params = {"project": project, "page_size": size or self._size, "include": include, "query": query}
            params |= {"fields": "all", "resolve_uri": "false"}
            found = mapping(await self.get("/api/tasks/", params)).get("tasks")
            if not isinstance(found, list):
                raise Retry("labelstudio: GET /api/tasks/: a page without tasks")
            if not found:
                return
            last = max(integer(mapping(task).get("id")) or 0 for task in found)
            if last <= after:
                raise Retry("labelstudio: GET /api/tasks/: the same tasks again")
            after = last
            if include == COLUMNS:
                await asyncio.gather(*map(self._drafts, found))
            yield found

    async def named(self, project: int, ids: Collection[int]) -> list[dict[str, JSON]]:
        """Some tasks of a project, in the same form as ``tasks`` gives them."""
        wanted, found = set(ids), list[dict[str, JSON]]()
        for start in range(0, len(ordered := sorted(wanted)), self._size):
            part = ordered[start : start + self._size]
            between = [item("id", "less_or_equal", part[-1])]
            if part[-1] - part[0] > 10 * self._size:
                for one in part:
                    found += [t async for page in self.tasks(project, [item("id", "equal", one)]) for t in page]
            else:
                found += [t async for page in self.tasks(project, between, after=part[0] - 1) for t in page]
        return [task for task in found if task["id"] in wanted]

    async def _drafts(self, task: dict[str, JSON]) -> None:
        """A task in a list shows the caller's own drafts at most (§3)."""
        if task.get("draft_exists"):
            found = await self.get("/api/tasks/{id}/drafts", path={"id": task["id"]}, absent=(404,))
            task["drafts"] = many(found)

    def _clean(self, payload: JSON) -> JSON:
        return _without_volatile(self.http.redact(payload))


def _without_volatile(value: JSON) -> JSON:
    if isinstance(value, dict):
        return {name: _without_volatile(one) for name, one in value.items() if name not in _VOLATILE}
    return [_without_volatile(one) for one in value] if isinstance(value, list) else value
