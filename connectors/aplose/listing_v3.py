"""Campaigns, phases and people of a v3 server, over GraphQL (fact sheet §5.2), and what changed since (§5.3, §7).

Flat fields only: what nests costs the server a query a row. ``isCompleted`` is never asked for, since it always fails.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from connectors.aplose.client import ROWS, Client
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
from connectors.coerce import integer, many, mapping, text
from connectors.documents import JSON
from connectors.errors import Retry

ANNOTATIONS: Final = "/api/annotation/"
_PAGE: Final = 100
_CAMPAIGNS: Final = """query($limit: Int, $offset: Int) {
  allAnnotationCampaigns(limit: $limit, offset: $offset, ordering: "id,asc") {
    pageInfo { hasNextPage }
    results {
      id name description instructionsUrl deadline createdAt isArchived archive { date byUser { username } }
      owner { username } datasetName allowPointAnnotation spectrogramsCount
      labelSet { name labels { name } } labelsWithAcousticFeatures { name }
      confidenceSet { name confidenceIndicators { label level } } analysis { edges { node { id name } } }
    }
  }
}"""
_PHASES: Final = """{
  allAnnotationPhases { results { id phase annotationCampaignId createdAt endedAt tasksCount completedTasksCount } }
  allAnnotationFileRanges {
    results {
      id firstFileIndex lastFileIndex annotator { id } annotationPhase { id }
      annotationTasks(status: Finished) { totalCount }
    }
  }
}"""
_PEOPLE: Final = """{
  allUsers { results { id username displayName email expertise } }
  allDetectors { results { id name configurations { id configuration } } }
}"""
_COUNTS: Final = ("tasksCount", "completedTasksCount")


async def world(client: Client) -> World:
    """All that the account sees."""
    people = await client.query(_PEOPLE)
    users = [mapping(node) for node in results(people, "allUsers")]
    names = {f"user/{text(node.get('id'))}": text(node.get("username")) or "" for node in users}
    models, more = detectors(results(people, "allDetectors"), names)
    known = [person(node, name=node.get("displayName"), expertise=node.get("expertise")) for node in users]
    steps = await client.query(_PHASES)
    ranges: dict[str, list[JSON]] = defaultdict(list)
    for node in map(mapping, results(steps, "allAnnotationFileRanges")):
        ranges[text(mapping(node.get("annotationPhase")).get("id")) or ""].append(dict(node))
    phases: dict[str, list[Mapping[str, JSON]]] = defaultdict(list)
    for node in map(mapping, results(steps, "allAnnotationPhases")):
        phases[text(node.get("annotationCampaignId")) or ""].append(node)
    campaigns = [_campaign(client, node, phases, ranges) for node in await _campaigns(client)]
    return World(
        campaigns={campaign.key: campaign for campaign in campaigns},
        people=[*filter(None, known), *models],
        names=names | more,
    )


async def _campaigns(client: Client) -> list[Mapping[str, JSON]]:
    found: dict[str, Mapping[str, JSON]] = {}
    offset = 0
    while True:
        data = await client.query(_CAMPAIGNS, {"limit": _PAGE, "offset": offset})
        page = [mapping(node) for node in results(data, "allAnnotationCampaigns")]
        found |= {key: node for node in page if (key := text(node.get("id")))}
        if not mapping(mapping(data["allAnnotationCampaigns"]).get("pageInfo")).get("hasNextPage") or not page:
            return list(found.values())
        offset += _PAGE


def _campaign(
    client: Client,
    node: Mapping[str, JSON],
    phases: Mapping[str, list[Mapping[str, JSON]]],
    ranges: Mapping[str, list[JSON]],
) -> LiveCampaign:
    key = text(node.get("id")) or ""
    mine = sorted(phases.get(key, ()), key=lambda one: str(one.get("phase")))
    steps = tuple(
        LivePhase(key=text(one.get("id")) or "", phase=found)
        for one in mine
        if (found := phase_of(one.get("phase"), closed_at(one, "endedAt"))) is not None
    )
    labels = mapping(node.get("labelSet")).get("labels")
    # Counters stay out of the payload: every submitted task would make the campaign look changed.
    plain = [{name: value for name, value in one.items() if name not in _COUNTS} for one in mine]
    document = campaign_document(
        node,
        steps,
        labels=None if labels is None else [mapping(label).get("name") for label in many(labels)],
        description=node.get("description"),
        created_at=node.get("createdAt"),
        archived=bool(node.get("isArchived")),
        raw=client.http.redact({**node, "phases": plain}),
    )
    assigned = [sorted(ranges.get(step.key, ()), key=lambda one: str(one["id"])) for step in steps]
    return LiveCampaign(
        key=key, document=document, phases=steps, print=digest(dict(node), list(map(dict, mine)), assigned)
    )


def results(data: Mapping[str, JSON], name: str) -> list[JSON]:
    """The rows of a list; a field that came back empty is no list of nothing."""
    found = mapping(data.get(name)).get("results")
    if not isinstance(found, list):
        raise Retry(f"aplose: GraphQL {name}: no list came")
    return found


# --- what changed -------------------------------------------------------------------------------------------------


async def changed_phases(client: Client, since: str, phases: Iterable[str]) -> set[str]:
    """Phases with annotations that were made, changed or judged since. Not one of them shows a deletion."""
    recent = {"last_updated_at__gt": since}
    first = mapping(await client.get(ANNOTATIONS, {**recent, "page_size": ROWS}))
    if (integer(first.get("count")) or 0) <= ROWS:
        found = (text(mapping(row).get("annotation_phase")) for row in many(first.get("results")))
        return {key for key in found if key}
    return {key for key in phases if await client.count(ANNOTATIONS, {**recent, "annotation_phase": key})}


async def counted(client: Client, phase: str | None = None) -> int:
    """How many annotations there are, on the server or in a phase: what deletions show in."""
    return await client.count(ANNOTATIONS, {} if phase is None else {"annotation_phase": phase})
