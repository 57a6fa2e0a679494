"""The results export of a campaign whose CSV route fails (fact sheet §8), written here from REST and GraphQL.

Servers cannot export an annotation with two comments. The rows are rebuilt in the layout of v3.1 and go through the
same reader, so they become the same documents under the same ids. Two things the channel does not tell: the level of
a confidence that is no longer in the campaign's set, and comments beyond the first, which become comments of their own.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from connectors.aplose.client import Client
from connectors.aplose.exports import Export, Remark
from connectors.aplose.layouts import A36
from connectors.aplose.listing_v3 import ANNOTATIONS, results
from connectors.aplose.traits import VERIFICATION
from connectors.aplose.world import LiveCampaign, World
from connectors.coerce import many, mapping, moment, number, text
from connectors.contract import Input
from connectors.documents import JSON
from connectors.errors import Refused

Row = Mapping[str, JSON]

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
_TRENDS: Final = {"Flat": "FLAT", "Ascending": "ASC", "Descending": "DESC", "Modulated": "MOD"}
_FEATURES: Final = {
    "signal_is_intensity_too_low": "is_intensity_too_low",
    "signal_does_overlap_other_signals": "does_overlap_other_signals",
    "signal_start_frequency": "start_frequency",
    "signal_end_frequency": "end_frequency",
    "signal_relative_min_frequency_count": "relative_min_frequency_count",
    "signal_relative_max_frequency_count": "relative_max_frequency_count",
    "signal_steps_count": "steps_count",
    "signal_has_harmonics": "has_harmonics",
    "signal_sidebands": "has_sidebands",
    "signal_subharmonics": "has_subharmonics",
    "signal_deterministic_chaos": "has_deterministic_chaos",
}


@dataclass(slots=True)
class _Terms:
    """What the ids and words of annotations mean in one campaign."""

    dataset: str
    featured: frozenset[str]
    levels: Mapping[str, JSON]
    analyses: Mapping[str, Row]
    files: dict[str, Row] = field(default_factory=dict)
    phases: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    configurations: Mapping[str, str] = field(default_factory=dict)
    comments: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    """By annotation, oldest first."""


async def rebuilt(client: Client, campaign: LiveCampaign, world: World) -> tuple[list[Export], dict[str, list[Remark]]]:
    """The results exports of all phases, and the comments that fit into no row. Raises ``Refused`` for what is gone."""
    terms = await _terms(client, campaign, world)
    tasks: dict[str, list[Row]] = {}
    for step in campaign.phases:
        tasks[step.key] = []
        for node in await _comments(client, campaign.key, step.phase.name):
            of = text(mapping(node.get("annotation")).get("id"))
            (tasks[step.key] if of is None else terms.comments[of]).append(node)
    rows = [row async for row in client.rows(ANNOTATIONS, {"annotation_phase__annotation_campaign": campaign.key})]
    rows.sort(key=lambda row: (str(row.get("spectrogram")), row.get("id")))
    verifiers = {text(verdict.get("annotator")) or "" for row in rows for verdict in _verdicts(row)}
    columns = sorted((terms.names.get(f"user/{key}", key), key) for key in verifiers)
    last = max(campaign.phases, key=lambda step: step.phase.position).key
    exports = []
    for step in campaign.phases:
        mine = rows if step.key == last else []
        judges = columns if step.phase.name == VERIFICATION.name else []
        content = _csv(terms, mine, tasks[step.key], judges)
        name = f"campaign {campaign.key} {step.phase.name} results, rebuilt"
        exports.append(Export(phase=step.phase, kind="results", input=_input(name, content)))
    extra = {
        key: [_remark(node) for node in nodes[1:]] for key, nodes in terms.comments.items() if len(nodes) > 1
    }
    return exports, extra


def _input(name: str, content: bytes) -> Input:
    return Input(name, lambda: io.BytesIO(content), len(content))


async def _terms(client: Client, campaign: LiveCampaign, world: World) -> _Terms:
    said = await client.query(_CAMPAIGN, {"id": campaign.key})
    node = mapping(said.get("annotationCampaignById"))
    if not node:
        raise Refused(f"aplose: campaign {campaign.key} is not to be seen any more")
    indicators = many(mapping(node.get("confidenceSet")).get("confidenceIndicators"))
    terms = _Terms(
        dataset=text(node.get("datasetName")) or "",
        featured=frozenset(str(mapping(one).get("name")) for one in many(node.get("labelsWithAcousticFeatures"))),
        levels={str(mapping(one).get("label")): mapping(one).get("level") for one in indicators},
        analyses={str(mapping(one).get("id")): mapping(one) for one in results(said, "allSpectrogramAnalysis")},
        phases={step.key: step.phase.name.upper() for step in campaign.phases},
        names=world.names,
        configurations=_configurations(world),
    )
    offset = 0
    while True:
        data = await client.query(_FILES, {"id": campaign.key, "limit": _PAGE, "offset": offset})
        page = results(data, "allAnnotationSpectrograms")
        terms.files |= {str(mapping(one).get("id")): mapping(one) for one in page}
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


def _remark(node: Row) -> Remark:
    author = text(mapping(node.get("author")).get("username")) or ""
    return Remark(text(node.get("id")) or "", str(node.get("comment") or ""), author, moment(node.get("createdAt")))


# --- rows ---------------------------------------------------------------------------------------------------------


def _csv(terms: _Terms, rows: Iterable[Row], comments: Iterable[Row], judges: Sequence[tuple[str, str]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*A36, *(name for name, _ in judges)])
    for row in rows:
        cells = _cells(terms, row)
        verdicts = {text(one.get("annotator")): one.get("is_valid") for one in _verdicts(row)}
        writer.writerow([*(cells.get(column) for column in A36), *(verdicts.get(key) for _, key in judges)])
    for node in comments:
        cells = _task_comment(terms, node)
        writer.writerow([*(cells.get(column) for column in A36), *(None for _ in judges)])
    return out.getvalue().encode()


def _verdicts(row: Row) -> list[Row]:
    return [mapping(one) for one in many(row.get("validations"))]


def _cells(terms: _Terms, row: Row) -> dict[str, Any]:
    file = terms.files.get(text(row.get("spectrogram")) or "", {})
    analysis = terms.analyses.get(text(row.get("analysis")) or "", {})
    begin, end = moment(file.get("start")), moment(file.get("end"))
    low, high = number(row.get("start_frequency")), number(row.get("end_frequency"))
    start, stop = number(row.get("start_time")), number(row.get("end_time"))
    kind = str(row.get("type") or "").upper()
    if kind == "WEAK":
        start, low = 0.0, 0.0
        stop = (end - begin).total_seconds() if begin and end else None
        rate = number(mapping(analysis.get("fft")).get("samplingFrequency"))
        high = None if rate is None else rate / 2
    elif kind == "POINT":
        stop, high = start, low
    detector = terms.configurations.get(text(row.get("detector_configuration")) or "", "")
    author = text(row.get("annotator"))
    comment = terms.comments.get(text(row.get("id")) or "", [])
    label, confidence = str(row.get("label") or ""), text(row.get("confidence"))
    top = max((level for level in terms.levels.values() if isinstance(level, int)), default=0)
    level = terms.levels.get(confidence or "")
    return {
        "dataset": terms.dataset,
        "analysis": analysis.get("name"),
        "filename": file.get("filename"),
        "annotation_id": row.get("id"),
        "is_update_of_id": row.get("is_update_of"),
        "start_time": start,
        "end_time": stop,
        "start_frequency": low,
        "end_frequency": high,
        "min_frequency": low,
        "max_frequency": high,
        "annotation": label,
        "annotator": detector if author is None else terms.names.get(f"user/{author}", author),
        "annotator_expertise": (text(row.get("annotator_expertise_level")) or "").upper() or None,
        "start_datetime": _moment(begin, start),
        "end_datetime": _moment(begin, stop),
        "is_box": 0 if kind == "WEAK" else 1,
        "type": kind,
        "confidence_indicator_label": confidence,
        "confidence_indicator_level": None if level is None else f"{level}/{top}",
        "comments": _signed(comment[0]) if comment else None,
        **_signals(mapping(row.get("acoustic_features")), featured=label in terms.featured),
        "created_at_phase": terms.phases.get(text(row.get("annotation_phase")) or ""),
    }


def _signals(features: Row, *, featured: bool) -> dict[str, Any]:
    if not features:
        return {"signal_quantity": "MULTIPLE" if featured else None}
    jumps, count = features.get("has_frequency_jumps"), features.get("frequency_jumps_count")
    trend = text(features.get("trend"))
    return {
        "signal_quantity": "SINGLE",
        **{column: features.get(name) for column, name in _FEATURES.items()},
        "signal_trend": _TRENDS.get(trend or "", trend),
        "signal_frequency_jumps": jumps if count is None else count,
    }


def _task_comment(terms: _Terms, node: Row) -> dict[str, Any]:
    file = terms.files.get(text(mapping(node.get("spectrogram")).get("id")) or "", {})
    return {
        "dataset": terms.dataset,
        "filename": file.get("filename"),
        "annotator": mapping(node.get("author")).get("username"),
        "start_datetime": _moment(moment(file.get("start")), 0.0),
        "end_datetime": _moment(moment(file.get("end")), 0.0),
        "comments": _signed(node),
    }


def _signed(node: Row) -> str:
    return f"{node.get('comment')} |- {mapping(node.get('author')).get('username')}"


def _moment(begin: datetime | None, offset: float | None) -> str | None:
    """As servers write it: milliseconds cut off (§2.2)."""
    if begin is None or offset is None:
        return None
    at = begin + timedelta(microseconds=round(offset * 1_000_000))
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}+00:00"
