"""The calls that the live connector makes to Kili's GraphQL API (fact sheet ``platforms/kili.md`` §1 to §8).

Payloads come back redacted and with their answers in place, fit to be stored: ``jsonResponse`` is the answer itself,
wherever it was kept, and the signature of a link to content is cut off, since it is another one at each reading.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Final

from connectors.calls import Answer
from connectors.coerce import integer, many, mapping, text
from connectors.documents import JSON
from connectors.errors import ConnectorError, Refused, Retry, Unauthorized
from connectors.kili import queries
from connectors.kili.fields import lenient
from connectors.kili.problems import never_ran, told
from connectors.kili.queries import Fields, Schema
from connectors.kili.settings import ENDPOINT, Settings
from connectors.paging import OffsetPages, walk
from connectors.transport import HeaderAuth, Retries, Transport
from connectors.verdicts import graphql_verdict

PAGE: Final = 100
"""Items of a page and of a mutation, at most (§5)."""

_OVERLAP: Final = 5
"""Records that are asked for again with the next page, since a deletion moves the others."""
_UNAUTHORIZED: Final = 2
"""The real service has transient 401s (§4)."""
_SIGNED: Final = re.compile(r"(?i)[?&](x-amz-signature|x-goog-signature|signature|sig|token)=")

Where = Mapping[str, JSON]

_pages: Final = partial(OffsetPages, key="id", param="skip", size_param="first", short_is_last=True)
"""As Kili pages everything (§5): it fills a page if it can."""


class Client:
    """``options`` go to the transport. ``now`` is our clock, for servers that do not tell their time."""

    def __init__(self, settings: Settings, *, now: Callable[[], float] = time.time, **options: Any) -> None:
        self.http = Transport(
            "kili",
            settings.base,
            auth=HeaderAuth(settings.api_key.reveal(), scheme="X-API-Key:"),
            secrets=settings.secrets(),
            concurrency=settings.concurrency,
            per_minute=settings.requests_per_minute,
            retry_unauthorized=_UNAUTHORIZED,
            never_ran=never_ran,
            now=now,
            **options,
        )
        self.at: datetime | None = None
        """The time at Kili of the newest answer: never later than its time now."""
        self._now = now
        self._schema: Schema | None = None
        self._viewer: Mapping[str, JSON] | None = None
        self._once = asyncio.Lock()

    # --- what every call is made of -----------------------------------------------------------------------------

    async def ask(self, query: str, variables: Where | None = None, *, write: bool = False) -> dict[str, JSON]:
        body = {"query": query} | ({} if variables is None else {"variables": variables})
        judge = graphql_verdict(partial(told, write=write), write=write)
        answer = await self.http.request("POST", ENDPOINT, json=body, write=write, classify=judge)
        at = _time(answer, self._now)
        self.at = at if self.at is None else max(at, self.at)
        data: dict[str, JSON] = answer.data["data"]
        return data

    async def schema(self) -> Schema:
        """Asked once; a server that refuses is taken for one that has what the SDK asks for."""
        async with self._once:
            if self._schema is None:
                try:
                    self._schema = queries.schema_of(await self.ask(queries.INTROSPECTION))
                except Refused:
                    self._schema = {}
            return self._schema

    async def page(self, root: str, wanted: Fields, where: Where, *, skip: int, first: int) -> list[JSON]:
        variables = {"where": where, "skip": skip, "first": first}
        found = (await self.ask(queries.listing(await self.schema(), root, wanted), variables)).get("data")
        if not isinstance(found, list):
            raise Retry(f"kili: {root}: an answer without a list")
        return [record for record in found if record is not None]

    async def listed(self, root: str, wanted: Fields, where: Where, *, size: int = PAGE) -> list[JSON]:
        """All records, each once."""
        pages = _pages("", size=size, overlap=_OVERLAP)
        found = walk(pages, lambda asked: self.page(root, wanted, where, **asked))
        return [record async for records in found for record in records]

    async def count(self, root: str, where: Where) -> int:
        return _count((await self.ask(queries.counting(root), {"where": where})).get("data"))

    # --- reading ------------------------------------------------------------------------------------------------

    async def viewer(self, *, fresh: bool = False) -> Mapping[str, JSON]:
        """Whom the key belongs to; asked once, unless it has to be ``fresh``."""
        if self._viewer is None or fresh:
            found = (await self.ask(queries.CURRENT_USER)).get("data")
            if not isinstance(found, dict) or not text(found.get("id")):
                raise Unauthorized("kili: the API key belongs to nobody")
            self._viewer = found
        return self._viewer

    async def version(self) -> str | None:
        """What ``/version`` says, which not every installation has (§1)."""
        try:
            found = await self.http.get_json("/version", absent=(404,), retries=Retries(attempts=1))
        except ConnectorError:
            return None
        return text(mapping(found).get("version"))

    async def projects(self) -> list[JSON]:
        """All projects, counted."""
        found = await self.listed("projects", queries.PROJECT, {})
        if len(found) < (counted := await self.count("projects", {})):
            raise Retry(f"kili: {counted} projects are counted and {len(found)} listed")
        return [self.http.redact(project) for project in found]

    async def project(self, project: str) -> JSON:
        """A project, or None where there is none that we may see."""
        found = await self.page("projects", queries.PROJECT, {"id": project}, skip=0, first=1)
        return self.http.redact(found[0]) if found else None

    async def assets(self, where: Where, *, skip: int, first: int) -> list[JSON]:
        """Assets with labels and issues; ``answered`` puts the answers in."""
        return await self.page("assets", queries.ASSET, where, skip=skip, first=first)

    async def answered(self, asset: dict[str, JSON]) -> dict[str, JSON]:
        """The asset with all its answers. Raises when one cannot be had: it is never taken for an empty one."""
        labels = [label for label in many(asset.get("labels")) if isinstance(label, dict)]
        answers = await asyncio.gather(*map(self._answer, labels), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        for label, answer in zip(labels, answers, strict=True):
            label.pop("jsonResponseUrl", None)
            label["jsonResponse"] = answer
        for key in ("content", "jsonContent"):
            if isinstance(link := asset.get(key), str) and _SIGNED.search(link) and link.startswith("http"):
                asset[key] = link.partition("?")[0]
        redacted: dict[str, JSON] = self.http.redact(asset)
        return redacted

    async def events(self, project: str, since: str) -> list[JSON]:
        """The audit trail of a project (§14). Raises ``Refused`` where the licence or the rights do not reach."""
        query = queries.EVENTS % queries.select(await self.schema(), "events", queries.EVENT)
        where = {"projectId": project, "createdAtGte": since}

        async def page(asked: Mapping[str, Any]) -> JSON:
            return await self.ask(query, {"where": where, "pagination": dict(asked), "order": "asc"})

        return [event async for events in walk(_pages("data", size=PAGE), page) for event in events]

    async def probe(self, project: str, *, since: str, before: str, changed: str) -> dict[str, int]:
        """Counts of what was made until ``since`` and until ``before``, and of assets changed after ``changed``."""
        on = {"project": {"id": project}}
        until, then = {"createdAtLte": since}, {"createdAtLte": before}
        wheres = {
            "assets": on | until,
            "labels": on | until,
            "assetsThen": on | then,
            "labelsThen": on | then,
            "changed": on | {"updatedAtGte": changed},
        }
        return {name: _count(value) for name, value in (await self.ask(queries.PROBE, wheres)).items()}

    async def _answer(self, label: Mapping[str, JSON]) -> JSON:
        link = text(label.get("jsonResponseUrl"))
        if link is None or not link.startswith(("http://", "https://")):
            return lenient(label.get("jsonResponse"))
        return (await self.http.download(link)).data

    # --- writing ------------------------------------------------------------------------------------------------

    async def add_review(self, asset: str, response: str, referenced: str | None) -> str | None:
        """A REVIEW label; gives its id."""
        label = {"assetID": asset, "jsonResponse": response, "referencedLabelId": referenced}
        data = {
            "labelType": "REVIEW",
            "labelsData": [{key: value for key, value in label.items() if value is not None}],
        }
        answer = await self.ask(queries.ADD_LABELS, {"data": data, "where": {"idIn": [asset]}}, write=True)
        return next((text(mapping(made).get("id")) for made in many(answer.get("data"))), None)

    async def create_issues(self, project: str | None, issues: Sequence[Mapping[str, JSON]]) -> None:
        where = {"project": {"id": project}} if project else {}
        for start in range(0, len(issues), PAGE):
            part = list(issues[start : start + PAGE])
            await self.ask(queries.CREATE_ISSUES, {"issues": part, "where": where}, write=True)

    async def solve_issue(self, issue: str) -> None:
        await self.ask(queries.SOLVE_ISSUE, {"data": {"status": "SOLVED"}, "where": {"id": issue}}, write=True)

    async def send_back(self, asset: str) -> bool:
        """False: Kili declined. By the family of mutations that the server has (§7)."""
        new = queries.has(await self.schema(), "Mutation", "sendAssetsBackToQueue")
        query = queries.SEND_BACK if new else queries.SEND_BACK_OLD
        said = mapping((await self.ask(query, {"where": {"idIn": [asset]}}, write=True)).get("data"))
        if not new:
            return bool(said)
        if failed := many(said.get("failed")):
            raise Retry(f"kili could not send the asset back: {mapping(failed[0]).get('details')}")
        return bool(many(said.get("succeeded")))


def stamp(at: datetime) -> str:
    """As Kili writes times (§6)."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _count(value: JSON) -> int:
    counted = integer(value)
    if counted is None:
        raise Retry("kili: a count that is no number")
    return counted


def _time(answer: Answer, now: Callable[[], float]) -> datetime:
    """The time at Kili when it answered; ours only where it does not say."""
    try:
        said = parsedate_to_datetime(answer.headers.get("date") or "")
    except ValueError:
        return datetime.fromtimestamp(now(), UTC)
    return said.astimezone(UTC) if said.tzinfo else said.replace(tzinfo=UTC)
