"""Downloads the exports of a campaign and reads them; where a results route fails, its rows come another way."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import ExitStack, aclosing
from typing import Final

from connectors.aplose import rebuilt, rebuilt_v2
from connectors.aplose.client import Client, Version
from connectors.aplose.exports import CampaignReader, Export, Remark
from connectors.aplose.world import LiveCampaign, LivePhase, World
from connectors.bodies import Download
from connectors.contract import Input
from connectors.documents import Page
from connectors.errors import Refused, Retry

log: Final = logging.getLogger(__name__)

_RESULTS: Final[Mapping[Version, tuple[str, ...]]] = {
    Version.V3: ("/api/download/phase-annotations/{id}/",),
    Version.V24: ("/api/annotation-campaign-phase/{id}/report/",),
    Version.V2: ("/api/annotation-campaign/{id}/report/",),
    Version.V1: ("/api/annotation-campaign/{id}/report/",),
}
_STATUS: Final[Mapping[Version, tuple[str, ...]]] = {
    Version.V3: ("/api/download/phase-progression/{id}/",),
    Version.V24: ("/api/annotation-campaign-phase/{id}/report-status/",),
    Version.V2: ("/api/annotation-campaign/{id}/report-status/",),
    Version.V1: ("/api/annotation-campaign/{id}/report-status/", "/api/annotation-campaign/{id}/report_status/"),
}
"""Routes by version (fact sheet §5.3 and §6); 1.11 and older write the last with an underscore."""


class Campaigns:
    """Reads one campaign of a listed world. ``whole`` tells afterwards whether every row was read."""

    def __init__(self, client: Client, world: World) -> None:
        self._client = client
        self._world = world
        self.whole = True

    async def pages(self, key: str) -> AsyncGenerator[Page, None]:
        """Raises ``Refused`` or ``SkipRecord`` where the campaign cannot be read, ``Retry`` where nothing can.

        A campaign that is not listed has no pages, and is whole.
        """
        campaign = self._world.campaigns.get(key)
        if campaign is None:
            return
        with ExitStack() as files:
            exports, remarks = await self._exports(campaign, files)
            reader = CampaignReader(
                campaign=key,
                exports=exports,
                known=frozenset(person.external_id for person in self._world.people),
                redact=self._client.http.redact,
                remarks=remarks,
            )
            async with aclosing(reader.pages()) as pages:
                async for page in pages:
                    yield page
            self.whole = reader.whole

    async def _exports(
        self, campaign: LiveCampaign, files: ExitStack
    ) -> tuple[list[Export], Mapping[str, Sequence[Remark]]]:
        version = self._client.version or Version.V3
        exports = [await self._export(campaign, step, "status", _STATUS[version], files) for step in campaign.phases]
        try:
            marks = [
                await self._export(campaign, step, "results", _RESULTS[version], files) for step in campaign.phases
            ]
        except (Retry, Refused) as problem:
            if version not in (Version.V3, Version.V24):
                raise
            log.warning("campaign %s: %s; its rows are read one by one", campaign.key, problem.message)
            another = rebuilt.rebuilt if version is Version.V3 else rebuilt_v2.rebuilt
            marks, remarks = await another(self._client, campaign, self._world)
            return [*exports, *marks], remarks
        return [*exports, *marks], {}

    async def _export(
        self, campaign: LiveCampaign, step: LivePhase, kind: str, routes: Sequence[str], files: ExitStack
    ) -> Export:
        name = f"campaign {campaign.key} {step.phase.name} {kind}"
        found = files.enter_context(await self._csv(routes, step.key or campaign.key))
        return Export(phase=step.phase, kind=kind, input=Input(name, found.open, found.size))

    async def _csv(self, routes: Sequence[str], key: str) -> Download:
        for other in routes[1:]:
            try:
                return await self._client.csv(routes[0], key)
            except Refused as problem:
                if problem.status != 404:
                    raise
                routes = (other,)
        return await self._client.csv(routes[0], key)
