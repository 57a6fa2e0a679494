"""Reads assets with everything inside them: listed one after another, or by their ids; and finds out which changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from connectors.coerce import many, mapping, moment, text
from connectors.documents import JSON, AnyDocument, Kind, SkippedRecord
from connectors.errors import Refused, Retry, SkipRecord
from connectors.kili import queries
from connectors.kili.client import Client, stamp
from connectors.kili.fields import lenient
from connectors.kili.mapping import asset_documents
from connectors.kili.passes import Mark, Place
from connectors.paging import PagingLoop
from connectors.transport import TooLarge

log: Final = logging.getLogger(__name__)

_SIZE: Final = 50
_VIDEO_SIZE: Final = 10
"""Assets a page where answers come along (fact sheet ``platforms/kili.md`` §5)."""
_SHRINKS: Final = 3
_STALE_PAGES: Final = 3
_DELETED: Final = frozenset({"asset.deleted", "asset.destroyed"})
_ON_ISSUES: Final = ("asset.issue.", "asset.question.")


@dataclass(slots=True)
class Batch:
    """Assets as documents; ``unread`` are the ids of those that could not be read, each with its report."""

    documents: list[AnyDocument] = field(default_factory=list)
    skipped: list[SkippedRecord] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    assets: list[Mapping[str, JSON]] = field(default_factory=list)
    """As they came, those unread included."""


@dataclass(slots=True)
class Changes:
    """What may have changed in a project since a time."""

    assets: dict[str, None] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    """Told as deleted after the project was last looked at."""
    on_issues: bool = True
    """Something happened to an issue, or nobody can say."""


class Assets:
    """Reads assets through a client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def listed(
        self, project: str, place: Place, size: int
    ) -> AsyncGenerator[tuple[list[Mapping[str, JSON]], Place | None], None]:
        """New assets page by page, and the place after each; None after the last."""
        seen: set[str] = set()
        stale, failures = 0, 0
        while True:
            where = {"project": {"id": project}} | ({"createdAtGte": place.after} if place.after else {})
            try:
                found = await self._client.assets(where, skip=place.skip, first=size)
            except (TooLarge, Retry) as problem:
                failures += 1
                patient = isinstance(problem, Retry) and (problem.after is not None or failures > _SHRINKS)
                if size == 1 or patient:
                    raise
                size = max(1, size // 2)
                continue
            assets = [mapping(asset) for asset in found]
            new = [asset for asset in assets if str(asset.get("id")) not in seen]
            seen.update(str(asset.get("id")) for asset in assets)
            stale = 0 if new else stale + 1
            if stale >= _STALE_PAGES + len(seen) / size:
                raise PagingLoop("kili: paging goes in circles: pages bring nothing new")
            last = len(assets) < size
            place = _next(place, assets, new=len(new))
            yield new, None if last else place
            if last:
                return

    async def named(self, ids: Sequence[str], project: str | None) -> list[Mapping[str, JSON]]:
        """Those of the assets that there are; at most ``queries``' page of ids."""
        where = ({"project": {"id": project}} if project else {}) | {"idIn": list(ids)}
        try:
            found = await self._client.assets(where, skip=0, first=len(ids))
        except TooLarge:
            if len(ids) == 1:
                raise
            half = len(ids) // 2
            return [*await self.named(ids[:half], project), *await self.named(ids[half:], project)]
        return [mapping(asset) for asset in found]

    async def anywhere(self, ids: Sequence[str]) -> list[Mapping[str, JSON]]:
        """Those of the assets that there are, of whatever project; project by project where Kili insists on one."""
        try:
            return await self.named(ids, None)
        except Refused as refusal:
            log.info("assets cannot be asked for without their project: %s", refusal.message)
        projects = await self._client.listed("projects", queries.ONLY_ID, {})
        return [asset for project in projects for asset in await self.named(ids, text(mapping(project).get("id")))]

    async def read(self, assets: Sequence[Mapping[str, JSON]], project: Mapping[str, JSON]) -> Batch:
        """The documents of assets, with their answers fetched at once, since the links to them do not last (§8)."""
        batch = Batch(assets=list(assets))
        whole = await asyncio.gather(*(self.whole(asset) for asset in assets), return_exceptions=True)
        campaign = text(project.get("id"))
        people: dict[tuple[Kind, str, str], AnyDocument] = {}
        for asset, found in zip(assets, whole, strict=True):
            external_id = text(asset.get("id"))
            if isinstance(found, BaseException):
                if not isinstance(found, Refused):
                    raise found
                reason = f"an answer of this asset cannot be fetched: {found.message}"
                batch.skipped.append(SkippedRecord(reason=reason, where=f"project {campaign}", external_id=external_id))
                batch.unread += [external_id] if external_id else []
                continue
            try:
                mapped = asset_documents(found, campaign=campaign, project=project, where=f"project {campaign}")
            except SkipRecord as skip:
                batch.skipped.append(
                    SkippedRecord(reason=skip.message, where=skip.where, field=skip.field, raw=skip.raw)
                )
                continue
            batch.skipped += mapped.skipped
            for document in mapped.documents:
                if document.kind is Kind.ANNOTATOR:
                    people[document.kind, document.external_id, document.facet] = document
                else:
                    batch.documents.append(document)
        batch.documents[:0] = people.values()
        return batch

    async def whole(self, asset: Mapping[str, JSON]) -> Mapping[str, JSON]:
        """A link that is refused may be too old: the asset is asked for again, once."""
        try:
            return await self._client.answered(dict(asset))
        except Refused:
            external_id = text(asset.get("id"))
            fresh = (
                await self.named([external_id], text(mapping(asset.get("project")).get("id"))) if external_id else []
            )
            if not fresh:
                raise
            return await self._client.answered(dict(fresh[0]))

    # --- what changed -------------------------------------------------------------------------------------------

    async def changes(self, project: str, mark: Mark, *, touched: bool) -> Changes:
        """From the audit trail where Kili offers it, else from times of labels; ``touched``: assets say so, too."""
        found = Changes(assets=dict.fromkeys(mark.again))
        schema = await self._client.schema()
        events = None
        if queries.has(schema, "Query", "events"):
            try:
                events = await self._client.events(project, mark.since)
            except Refused as refusal:
                log.info("no audit trail of project %s: %s", project, refusal.message)
        if events is None:
            on = {"project": {"id": project}, "createdAtGte": mark.since}
            labels = await self._client.listed("labels", queries.LABEL_ASSET, on)
            for label in map(mapping, labels):
                _add(found, text(label.get("assetId")) or text(mapping(label.get("labelOf")).get("id")))
        else:
            found.on_issues = False
            for event in map(mapping, events):
                _hear(found, event, mark)
        if touched:
            where = {"project": {"id": project}, "updatedAtGte": mark.since}
            for asset in await self._client.listed("assets", queries.ONLY_ID, where):
                _add(found, text(mapping(asset).get("id")))
        return found

    async def with_new_issues(self, project: str, since: str) -> list[str]:
        """Assets of issues that moved since then. There is no filter by time, so all are looked through (§16)."""
        issues = await self._client.listed("issues", queries.ISSUE_TIMES, {"project": {"id": project}})
        limit = moment(since)
        found = []
        for issue in map(mapping, issues):
            comments = [mapping(comment).get("createdAt") for comment in many(issue.get("comments"))]
            times = [at for said in (issue.get("createdAt"), issue.get("updatedAt"), *comments) if (at := moment(said))]
            if (limit is None or not times or max(times) >= limit) and (asset := text(issue.get("assetId"))):
                found.append(asset)
        return found


def page_size(project: Mapping[str, JSON]) -> int:
    return _VIDEO_SIZE if str(project.get("inputType")).startswith("VIDEO") else _SIZE


def _next(place: Place, assets: Sequence[Mapping[str, JSON]], *, new: int) -> Place:
    """The next page begins at the last time of this one, whose assets come again; behind it where that leads nowhere.

    A server that lists in another order, or takes a filter for its day (§6), is asked by ``skip`` alone.
    """
    times = [at for asset in assets if (at := moment(asset.get("createdAt")))]
    after = moment(place.after)
    ordered = len(times) == len(assets) and times == sorted(times) and not (after and times and times[0] < after)
    by_time = place.by_time and ordered
    if by_time and 2 * new >= len(assets) and times and stamp(times[-1]) != place.after:
        return Place(after=stamp(times[-1]))
    return Place(after=place.after, skip=place.skip + len(assets), by_time=by_time)


def _add(found: Changes, asset: str | None) -> None:
    if asset:
        found.assets[asset] = None


def _hear(found: Changes, event: Mapping[str, JSON], mark: Mark) -> None:
    name, asset = text(event.get("event")) or "", text(mapping(lenient(event.get("payload"))).get("assetId"))
    _add(found, asset)
    found.on_issues = found.on_issues or name.startswith(_ON_ISSUES)
    at, looked = moment(event.get("createdAt")), moment(mark.at)
    if name in _DELETED and asset and (at is None or looked is None or at >= looked):
        found.deleted.add(asset)
