"""Writes the rows of a results export from annotations, files and comments as APIs tell them (fact sheet §2, §5)."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from connectors.aplose.exports import Export, Remark
from connectors.aplose.traits import VERIFICATION
from connectors.aplose.world import LiveCampaign
from connectors.coerce import many, mapping, moment, number, text
from connectors.contract import Input
from connectors.documents import JSON

Row = Mapping[str, JSON]

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


@dataclass(slots=True, kw_only=True)
class Terms:
    """What the ids and words of annotations mean in one campaign. ``layout`` is the server's own."""

    layout: tuple[str, ...]
    featured: frozenset[str]
    levels: Mapping[str, JSON]
    phases: Mapping[str, str]
    names: Mapping[str, str]
    analyses: Mapping[str, Row] = field(default_factory=dict)
    configurations: Mapping[str, str] = field(default_factory=dict)
    files: dict[str, Row] = field(default_factory=dict)
    """With ``dataset``, ``filename``, ``start`` and ``end``, and before v3 ``rate``."""
    comments: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    """By annotation, oldest first: ``id``, ``comment``, ``author`` as a name, ``file``, ``createdAt``."""

    def remarks(self) -> dict[str, list[Remark]]:
        """Comments beyond the first, by annotation."""
        return {key: [_remark(one) for one in found[1:]] for key, found in self.comments.items() if len(found) > 1}


def exports(
    terms: Terms, campaign: LiveCampaign, rows: Sequence[Row], tasks: Mapping[str, Sequence[Row]]
) -> list[Export]:
    """One for each phase: that of the last holds all rows, each its own task comments (``tasks``, by phase)."""
    verifiers = {text(verdict.get("annotator")) or "" for row in rows for verdict in _verdicts(row)}
    columns = sorted((terms.names.get(f"user/{key}", key), key) for key in verifiers)
    last = max(campaign.phases, key=lambda step: step.phase.position).key
    out = []
    for step in campaign.phases:
        judges = columns if step.phase.name == VERIFICATION.name else []
        content = _csv(terms, rows if step.key == last else (), tasks.get(step.key, ()), judges)
        name = f"campaign {campaign.key} {step.phase.name} results, rebuilt"
        out.append(Export(phase=step.phase, kind="results", input=_input(name, content)))
    return out


def _input(name: str, content: bytes) -> Input:
    return Input(name, lambda: io.BytesIO(content), len(content))


def _remark(node: Row) -> Remark:
    said = str(node.get("comment") or "")
    return Remark(text(node.get("id")) or "", said, text(node.get("author")) or "", moment(node.get("createdAt")))


def _csv(terms: Terms, rows: Iterable[Row], comments: Iterable[Row], judges: Sequence[tuple[str, str]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*terms.layout, *(name for name, _ in judges)])
    for row in rows:
        cells = _cells(terms, row)
        verdicts = {text(one.get("annotator")): one.get("is_valid") for one in _verdicts(row)}
        writer.writerow([*(cells.get(column) for column in terms.layout), *(verdicts.get(key) for _, key in judges)])
    for node in comments:
        cells = _task_comment(terms, node)
        writer.writerow([*(cells.get(column) for column in terms.layout), *(None for _ in judges)])
    return out.getvalue().encode()


def _verdicts(row: Row) -> list[Row]:
    return [mapping(one) for one in many(row.get("validations"))]


def _cells(terms: Terms, row: Row) -> dict[str, Any]:
    file = terms.files.get(text(row.get("spectrogram")) or "", {})
    analysis = terms.analyses.get(text(row.get("analysis")) or "", {})
    begin, end = moment(file.get("start")), moment(file.get("end"))
    low, high = number(row.get("start_frequency")), number(row.get("end_frequency"))
    start, stop = number(row.get("start_time")), number(row.get("end_time"))
    kind = str(row.get("type") or "").upper()
    if kind == "WEAK":
        start, low = 0.0, 0.0
        stop = (end - begin).total_seconds() if begin and end else None
        rate = number(mapping(analysis.get("fft")).get("samplingFrequency")) or number(file.get("rate"))
        high = None if rate is None else rate / 2
    elif kind == "POINT":
        stop, high = start, low
    configured = row.get("detector_configuration")
    detector = mapping(configured).get("detector") or terms.configurations.get(text(configured) or "", "")
    author = text(row.get("annotator"))
    comment = terms.comments.get(text(row.get("id")) or "", [])
    label, confidence = str(row.get("label") or ""), text(row.get("confidence"))
    top = max((level for level in terms.levels.values() if isinstance(level, int)), default=0)
    level = terms.levels.get(confidence or "")
    return {
        "dataset": file.get("dataset"),
        "analysis": analysis.get("name"),
        "filename": file.get("filename"),
        "annotation_id": row.get("id"),
        "result_id": row.get("id"),
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
        # Up to v3.0.1 a point's end is the file's (§2.4).
        "end_datetime": _moment(end, 0.0) if kind == "POINT" and "result_id" in terms.layout else _moment(begin, stop),
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
        return {"signal_quantity": "MULTIPLE", "signal_quality": "BAD"} if featured else {}
    jumps, count = features.get("has_frequency_jumps"), features.get("frequency_jumps_count")
    trend = text(features.get("trend"))
    return {
        "signal_quantity": "SINGLE",
        "signal_quality": "GOOD",
        **{column: features.get(name) for column, name in _FEATURES.items()},
        "signal_trend": _TRENDS.get(trend or "", trend),
        "signal_frequency_jumps": jumps if count is None else count,
    }


def _task_comment(terms: Terms, node: Row) -> dict[str, Any]:
    file = terms.files.get(text(node.get("file")) or "", {})
    return {
        "dataset": file.get("dataset"),
        "filename": file.get("filename"),
        "annotator": node.get("author"),
        "start_datetime": _moment(moment(file.get("start")), 0.0),
        "end_datetime": _moment(moment(file.get("end")), 0.0),
        "comments": _signed(node),
    }


def _signed(node: Row) -> str:
    return f"{node.get('comment')} |- {node.get('author')}"


def _moment(begin: datetime | None, offset: float | None) -> str | None:
    """As servers write it: milliseconds cut off (§2.2)."""
    if begin is None or offset is None:
        return None
    at = begin + timedelta(microseconds=round(offset * 1_000_000))
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}+00:00"
