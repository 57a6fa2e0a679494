"""The results exports of a v3 campaign whose CSV route fails (fact sheet §8), rebuilt from REST and GraphQL.

Servers cannot export an annotation with two comments. The rows are rebuilt in the layout of v3.1 and go through the
same reader, so they become the same documents under the same ids. Two things the channel does not tell: the level of
a confidence that is no longer in the campaign's set, and in which order a row's two comments should stand. The
oldest one is the row's, the others become comments of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from connectors.aplose.client import Client
from connectors.aplose.exports import Export, Remark
from connectors.aplose.layouts import A36
from connectors.aplose.listing_v3 import ANNOTATIONS, results
from connectors.aplose.rebuilt_rows import Row, Terms, exports
from connectors.aplose.world import LiveCampaign, World
from connectors.coerce import many, mapping, text
from connectors.errors import Refused

_PAGE: Final = 1000
_EDGES: Final = 100
"""The most that a relation gives at once (§5.2)."""
_CAMPAIGN: Final = """query($id: ID!) {
  annotationCampaignById(id: $id) {
    datasetName labelsWithAcousticFeatures { name } confidenceSet { confidenceIndicators { label level } }
  }
  allSpectrogramAnalysis(annotationCampaigns_Id: $id) { results { id name fft { samplingFrequency } } }
}"""
_FILES: Final = """query($id: ID!, $limit: Int, $offset: Int) {
  allAnnotationSpectrograms(annotationCampaign: $id, limit: $limit, offset: $offset, ordering: "id,asc") {
    results { id filename start end }
  }
}"""
_COMMENTS: Final = """query($id: ID!, $phase: AnnotationPhaseType!, $first: Int, $after: String) {
  annotationPhaseByCampaignPhase(campaignId: $id, phaseType: $phase) {
    annotationComments(first: $first, after: $after) {
      pageInfo { hasNextPage endCursor }
      edges { node { id comment createdAt author { username } annotation { id } spectrogram { id } } }
    }
  }
}"""


async def rebuilt(
    client: Client, campaign: LiveCampaign, world: World
) -> tuple[list[Export], Mapping[str, list[Remark]]]:
    """The results exports of all phases, and the comments that fit into no row. Raises ``Refused`` for what is gone."""
    terms = await _terms(client, campaign, world)
    tasks: dict[str, list[Row]] = {}
    for step in campaign.phases:
        tasks[step.key] = []
        for node in await _comments(client, campaign.key, step.phase.name):
            of = text(mapping(node.get("annotation")).get("id"))
            said = {
                **node,
                "author": mapping(node.get("author")).get("username"),
                "file": mapping(node.get("spectrogram")).get("id"),
            }
            (tasks[step.key] if of is None else terms.comments[of]).append(said)
    rows = [row async for row in client.rows(ANNOTATIONS, {"annotation_phase__annotation_campaign": campaign.key})]
    return exports(terms, campaign, rows, tasks), terms.remarks()


async def _terms(client: Client, campaign: LiveCampaign, world: World) -> Terms:
    said = await client.query(_CAMPAIGN, {"id": campaign.key})
    node = mapping(said.get("annotationCampaignById"))
    if not node:
        raise Refused(f"aplose: campaign {campaign.key} is not to be seen any more")
    indicators = many(mapping(node.get("confidenceSet")).get("confidenceIndicators"))
    terms = Terms(
        layout=A36,
        featured=frozenset(str(mapping(one).get("name")) for one in many(node.get("labelsWithAcousticFeatures"))),
        levels={str(mapping(one).get("label")): mapping(one).get("level") for one in indicators},
        phases={step.key: step.phase.name.upper() for step in campaign.phases},
        names=world.names,
        analyses={str(mapping(one).get("id")): mapping(one) for one in results(said, "allSpectrogramAnalysis")},
        configurations=_configurations(world),
    )
    offset = 0
    while True:
        data = await client.query(_FILES, {"id": campaign.key, "limit": _PAGE, "offset": offset})
        page = [
            {**mapping(one), "dataset": node.get("datasetName")} for one in results(data, "allAnnotationSpectrograms")
        ]
        terms.files |= {str(one.get("id")): one for one in page}
        if len(page) < _PAGE:
            return terms
        offset += _PAGE


def _configurations(world: World) -> dict[str, str]:
    """Detector names by the configuration that an annotation names."""
    found = {}
    for one in world.people:
        node = mapping(one.raw)
        for configuration in many(node.get("configurations")):
            found[text(mapping(configuration).get("id")) or ""] = one.external_id
    return found


async def _comments(client: Client, campaign: str, phase: str) -> list[Row]:
    found: list[Row] = []
    after = None
    while True:
        asked = {"id": campaign, "phase": phase, "first": _EDGES, "after": after}
        data = await client.query(_COMMENTS, asked)
        page = mapping(mapping(data.get("annotationPhaseByCampaignPhase")).get("annotationComments"))
        found += [mapping(mapping(edge).get("node")) for edge in many(page.get("edges"))]
        info = mapping(page.get("pageInfo"))
        if not info.get("hasNextPage") or info.get("endCursor") in (None, after):
            return sorted(found, key=lambda node: int(text(node.get("id")) or 0))
        after = info.get("endCursor")
