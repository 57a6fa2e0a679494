"""Campaigns, phases and people of servers before v3, over REST (fact sheet §6). Nothing is ever written there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from connectors.aplose.client import Client, Version
from connectors.aplose.traits import ANNOTATION
from connectors.aplose.world import (
    LiveCampaign,
    LivePhase,
    World,
    campaign_document,
    closed_at,
    detectors,
    digest,
    person,
    phase_of,
)
from connectors.coerce import many, mapping, text
from connectors.documents import JSON


async def world(client: Client, version: Version) -> World:
    """All that the account sees. What a server of some version does not have is left out."""
    users = await _optional(client, "/api/user/")
    names = {f"user/{text(node.get('id'))}": text(node.get("username")) or "" for node in users}
    models, more = detectors(await _optional(client, "/api/detector/"), names)
    known = [person(node, name=_shown(node), expertise=node.get("expertise_level")) for node in users]
    labels = {text(node.get("id")): node for node in await _optional(client, "/api/label-set/")}
    confidences = {text(node.get("id")): node for node in await _optional(client, "/api/confidence-indicator/")}
    phases: dict[str, list[Mapping[str, JSON]]] = defaultdict(list)
    ranges: dict[str, list[JSON]] = defaultdict(list)
    if version is Version.V24:
        for node in await client.listed("/api/annotation-campaign-phase/"):
            phases[text(node.get("annotation_campaign")) or ""].append(node)
        for node in await _optional(client, "/api/annotation-file-range/"):
            ranges[text(node.get("annotation_campaign_phase")) or ""].append(dict(node))
    campaigns = {}
    for node in await client.listed("/api/annotation-campaign/"):
        key = text(node.get("id")) or ""
        mine = sorted(phases.get(key, ()), key=lambda one: str(one.get("phase")))
        terms = (labels.get(text(node.get("label_set"))), confidences.get(text(node.get("confidence_indicator_set"))))
        campaigns[key] = _campaign(client, node, mine, terms, ranges, version)
    return World(campaigns=campaigns, people=[*filter(None, known), *models], names=names | more)


def _campaign(
    client: Client,
    node: Mapping[str, JSON],
    mine: Sequence[Mapping[str, JSON]],
    terms: tuple[Mapping[str, JSON] | None, Mapping[str, JSON] | None],
    ranges: Mapping[str, list[JSON]],
    version: Version,
) -> LiveCampaign:
    steps: tuple[LivePhase, ...] = (LivePhase(key="", phase=ANNOTATION),)
    if version is Version.V24:
        steps = tuple(
            LivePhase(key=text(one.get("id")) or "", phase=found)
            for one in mine
            if (found := phase_of(one.get("phase"), closed_at(one, "ended_at"))) is not None
        )
    labels = terms[0]
    plain = [
        {name: one.get(name) for name in ("id", "phase", "created_by", "created_at", "ended_by", "ended_at")}
        for one in mine
    ]
    document = campaign_document(
        node,
        steps,
        labels=None if labels is None else many(labels.get("labels")),
        description=node.get("desc"),
        created_at=node.get("created_at"),
        archived=bool(node.get("archive")),
        raw=client.http.redact({**node, "phases": plain} if version is Version.V24 else dict(node)),
    )
    assigned = [ranges.get(step.key, []) for step in steps]
    told = digest(dict(node), [dict(one) for one in mine], assigned, *(term and dict(term) for term in terms))
    return LiveCampaign(key=document.external_id, document=document, phases=steps, print=told)


async def _optional(client: Client, route: str) -> list[Mapping[str, JSON]]:
    """A list that older servers may not have, or show to staff only."""
    found = await client.get(route, absent=(403, 404))
    return [mapping(row) for row in many(found)]


def _shown(node: Mapping[str, JSON]) -> str:
    return " ".join(filter(None, (text(node.get("first_name")), text(node.get("last_name")))))
