"""The calls to Label Studio's REST API (fact sheet ``platforms/labelstudio.md`` §2, §3). Payloads come redacted.

Tasks come by ``id`` from page one on, each time after the last id: nothing can slip past a page edge, whatever
changes meanwhile, and ties of ``updated_at`` do not matter (§4).
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
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
from connectors.transport import TooLarge, Transport

COLUMNS: Final = (
    "id,inner_id,data,meta,project,created_at,updated_at,updated_by,completed_at,is_labeled,overlap,total_annotations,"
    "cancelled_annotations,total_predictions,comment_count,file_upload,draft_exists,annotations,predictions,"
    "result,completed_by,was_cancelled,ground_truth,lead_time,last_action,last_created_by,import_id,bulk_created,"
    "parent_prediction,parent_annotation,draft_created_at,task"
)
"""Of tasks and, since ``include`` cuts those too, of their annotations. The rest repeats these and costs more (§3)."""
COMMUNITY: Final = "Community"
_RENEW: Final = 240.0
"""Access tokens live 300 seconds (§2)."""
_VOLATILE: Final = frozenset({"created_ago", "last_activity", "task_data_login", "task_data_password"})
"""What changes with every reading, or is nobody's business here."""
_FREE: Final = frozenset({"data", "meta", "result"})
"""Holds what people put there."""


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
        self._account: Mapping[str, JSON] = {}
        self.edition: str | None = None

    async def get(self, route: str, params: dict[str, JSON] | None = None, **options: Any) -> JSON:
        return self._clean(await self.http.get_json(route, params, **options))

    async def version(self) -> tuple[Mapping[str, JSON], datetime]:
        """Release and edition, and the server's time."""
        answer = await self.http.request("GET", "/api/version", write=False)
        try:
            now = parsedate_to_datetime(answer.headers.get("date") or "").astimezone(UTC)
        except ValueError:
            now = datetime.now(UTC)
        self.edition = text(mapping(answer.data).get("edition"))
        return mapping(answer.data), now

    async def community(self) -> bool:
        """Is it the edition that leaves ``last_action`` to whoever asks (§8)?"""
        if self.edition is None:
            await self.version()
        return self.edition == COMMUNITY

    async def account(self) -> Mapping[str, JSON]:
        """The user whose token it is."""
        if not self._account:
            self._account = mapping(await self.get("/api/current-user/whoami"))
        if "id" not in self._account:
            raise Retry("labelstudio: GET /api/current-user/whoami: not a user")
        return self._account

    async def projects(self, ids: Sequence[str] = ()) -> dict[int, dict[str, JSON]]:
        """Projects by id, in the order of their ids."""
        chosen: dict[str, JSON] = {"ids": ",".join(ids)} if ids else {}
        pages = NumberedPages("results", key="id", next="next")
        found = walk(pages, lambda at: self.get("/api/projects/", chosen | dict(at)))
        projects = {int(one["id"]): one async for page in found for one in page}
        return dict(sorted(projects.items()))

    async def tasks(
        self, project: int, items: Sequence[JSON] = (), *, after: int = 0, include: str = COLUMNS, size: int = 0
    ) -> AsyncIterator[list[dict[str, JSON]]]:
        """Pages of tasks by id, with everybody's drafts; one with no task at the end is not given."""
        size = size or self._size
        while True:
            where = {"conjunction": "and", "items": [item("id", "greater", after), *items]}
            query = json.dumps({"filters": where, "ordering": ["tasks:id"]})
            params = {"project": project, "page_size": size, "include": include, "query": query}
            params |= {"fields": "all", "resolve_uri": "false"}
            try:
                found = mapping(await self.get("/api/tasks/", params)).get("tasks")
            except TooLarge:
                if size == 1:
                    raise
                size //= 2
                continue
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
        found = list[dict[str, JSON]]()
        for first, last in merged(([one] for one in ids), gap=5):
            items = [item("id", "less_or_equal", last)]
            found += [task async for page in self.tasks(project, items, after=first - 1) for task in page]
        return [task for task in found if task["id"] in ids]

    async def _drafts(self, task: dict[str, JSON]) -> None:
        """A task in a list shows the caller's own drafts at most (§3)."""
        if task.get("draft_exists"):
            found = await self.get("/api/tasks/{id}/drafts", path={"id": task["id"]}, absent=(404,))
            task["drafts"] = many(found)

    def _clean(self, payload: JSON) -> JSON:
        return _without_volatile(self.http.redact(payload))


def _without_volatile(value: JSON) -> JSON:
    if isinstance(value, dict):
        kept = {name: one for name, one in value.items() if name not in _VOLATILE}
        return {name: one if name in _FREE else _without_volatile(one) for name, one in kept.items()}
    return [_without_volatile(one) for one in value] if isinstance(value, list) else value


def merged(ranges: Iterable[Sequence[int]], gap: int = 1) -> list[list[int]]:
    """Ranges of ids, first and last included, in order; those not more than ``gap`` apart are one."""
    out: list[list[int]] = []
    for first, last in sorted((one[0], one[-1]) for one in ranges):
        if out and first - out[-1][1] <= gap:
            out[-1][1] = max(out[-1][1], last)
        else:
            out.append([first, last])
    return out
