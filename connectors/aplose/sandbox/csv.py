"""The CSV exports: results as A36 (v3.1 to v3.4) and A27 (v2.4 to v2.5), and the status table (fact sheet §2, §3)."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from connectors.aplose.sandbox.model import (
    ANNOTATION,
    FINISHED,
    POINT,
    TRENDS,
    VERIFICATION,
    WEAK,
    Annotation,
    Comment,
    Features,
    Phase,
    seconds,
)

_HEAD = "start_time,end_time,start_frequency,end_frequency"
_WHO = "annotation,annotator,annotator_expertise,start_datetime,end_datetime,is_box,type"
_CONFIDENCE = "confidence_indicator_label,confidence_indicator_level,comments"

A27 = (
    f"dataset,filename,result_id,is_update_of_id,{_HEAD},{_WHO},{_CONFIDENCE},signal_quality,signal_start_frequency,"
    "signal_end_frequency,signal_relative_max_frequency_count,signal_relative_min_frequency_count,"
    "signal_has_harmonics,signal_trend,signal_steps_count,created_at_phase"
).split(",")
A36 = (
    f"dataset,analysis,filename,annotation_id,is_update_of_id,{_HEAD},min_frequency,max_frequency,{_WHO},{_CONFIDENCE},"
    "signal_quantity,signal_is_intensity_too_low,signal_does_overlap_other_signals,signal_start_frequency,"
    "signal_end_frequency,signal_relative_min_frequency_count,signal_relative_max_frequency_count,signal_steps_count,"
    "signal_has_harmonics,signal_trend,signal_sidebands,signal_subharmonics,signal_frequency_jumps,"
    "signal_deterministic_chaos,created_at_phase"
).split(",")

SIGNALS: dict[str, Callable[[Features], object]] = {
    "signal_is_intensity_too_low": lambda f: f.is_intensity_too_low,
    "signal_does_overlap_other_signals": lambda f: f.does_overlap_other_signals,
    "signal_start_frequency": lambda f: f.start_frequency,
    "signal_end_frequency": lambda f: f.end_frequency,
    "signal_relative_min_frequency_count": lambda f: f.relative_min_frequency_count,
    "signal_relative_max_frequency_count": lambda f: f.relative_max_frequency_count,
    "signal_steps_count": lambda f: f.steps_count,
    "signal_has_harmonics": lambda f: f.has_harmonics,
    "signal_trend": lambda f: TRENDS[f.trend] if f.trend else None,
    "signal_sidebands": lambda f: f.has_sidebands,
    "signal_subharmonics": lambda f: f.has_subharmonics,
    "signal_frequency_jumps": lambda f: (
        f.has_frequency_jumps if f.frequency_jumps_count is None else f.frequency_jumps_count
    ),
    "signal_deterministic_chaos": lambda f: f.has_deterministic_chaos,
}


class TwoComments(Exception):
    """An annotation with two comments: the route dies with a 500 until one is removed (§8)."""


def results_v3(phase: Phase) -> str:
    """Annotation phase: its own rows. Verification phase: both phases' rows and the verifiers' columns."""
    return _results(phase, A36, _own(phase) if phase.phase == ANNOTATION else _every(phase), extension="")


def results_v2(phase: Phase) -> str:
    """Either phase's export holds both phases' rows."""
    return _results(phase, A27, _every(phase), extension=".wav")


def status(phase: Phase, extension: str = "") -> str:
    campaign = phase.annotation_campaign
    annotators = sorted({r.annotator for r in phase.annotation_file_ranges}, key=lambda user: user.username.lower())
    ranges = {user: [r for r in phase.annotation_file_ranges if r.annotator is user] for user in annotators}

    def cells() -> Iterable[list[str]]:
        for file in campaign.spectrograms:
            row = [campaign.dataset.name, file.filename + extension]
            for user in annotators:
                task = phase.tasks.get((file.id, user.id))
                if task is not None and task.status == FINISHED:
                    row.append("FINISHED")
                else:
                    row.append("CREATED" if any(r.covers(file) for r in ranges[user]) else "UNASSIGNED")
            yield row

    return _text(["dataset", "filename", *(user.username for user in annotators)], cells())


def _own(phase: Phase) -> list[Annotation]:
    return list(phase.annotations.values())


def _every(phase: Phase) -> list[Annotation]:
    return [row for each in phase.annotation_campaign.phases.values() for row in each.annotations.values()]


def _results(phase: Phase, layout: Sequence[str], annotations: list[Annotation], extension: str) -> str:
    campaign = phase.annotation_campaign
    annotations.sort(key=lambda row: (row.spectrogram.start, row.spectrogram.id, row.id))
    if any(len(row.comments) > 1 for row in annotations):
        raise TwoComments
    verifiers: list[tuple[str, int]] = []
    if phase.phase == VERIFICATION:
        verifiers = sorted(
            {(v.annotator.username, v.annotator.id) for r in annotations for v in r.validations.values()}
        )
    featured, top = set(campaign.labels_with_acoustic_features), campaign.max_confidence

    def cells() -> Iterable[list[Any]]:
        for row in annotations:
            known = _annotation(row, top) | _signals(row, row.label in featured, layout)
            known["filename"] = row.spectrogram.filename + extension
            if extension and row.type == POINT:
                known["end_datetime"] = _time(row.spectrogram.end)
            verdicts = [row.validations.get(user) for _, user in verifiers]
            yield [known.get(name) for name in layout] + [v.is_valid if v else None for v in verdicts]
        for comment in phase.annotation_comments.values():
            if comment.annotation is None:
                told = _task_comment(comment, extension)
                yield [told.get(name) for name in layout] + [None] * len(verifiers)

    return _text([*layout, *(name for name, _ in verifiers)], cells())


def _annotation(row: Annotation, top: int) -> dict[str, Any]:
    file, kind = row.spectrogram, row.type
    if kind == WEAK:
        low, high, begin, end = 0.0, row.analysis.sampling_frequency / 2, 0.0, file.duration
    else:
        low, begin = row.start_frequency or 0.0, row.start_time or 0.0
        high, end = (low, begin) if kind == POINT else (row.end_frequency or 0.0, row.end_time or 0.0)
    author = row.annotator.username if row.annotator else ""
    if row.detector_configuration is not None and not author:
        author = row.detector_configuration.detector.name
    return {
        "dataset": row.annotation_phase.annotation_campaign.dataset.name,
        "analysis": row.analysis.name,
        "annotation_id": row.id,
        "result_id": row.id,
        "is_update_of_id": row.is_update_of.id if row.is_update_of else None,
        "start_time": begin,
        "end_time": end,
        "start_frequency": low,
        "end_frequency": high,
        "min_frequency": low,
        "max_frequency": high,
        "annotation": row.label.name,
        "annotator": author,
        "annotator_expertise": row.annotator_expertise_level and row.annotator_expertise_level.upper(),
        "start_datetime": _time(file.start + seconds(begin)),
        "end_datetime": _time(file.end if kind == WEAK else file.start + seconds(end)),
        "is_box": 0 if kind == WEAK else 1,
        "type": kind.upper(),
        "confidence_indicator_label": row.confidence.label if row.confidence else None,
        "confidence_indicator_level": f"{row.confidence.level}/{top}" if row.confidence else None,
        "comments": next((_signed(comment) for comment in row.comments.values()), None),
        "created_at_phase": row.annotation_phase.phase.upper(),
    }


def _signals(row: Annotation, featured: bool, layout: Sequence[str]) -> dict[str, Any]:
    words = ("SINGLE", "MULTIPLE") if layout is A36 else ("GOOD", "BAD")
    name = "signal_quantity" if layout is A36 else "signal_quality"
    if row.acoustic_features is None:
        return {name: words[1] if featured else None}
    signals = {column: read(row.acoustic_features) for column, read in SIGNALS.items() if column in layout}
    return {name: words[0], **signals}


def _task_comment(comment: Comment, extension: str) -> dict[str, Any]:
    return {
        "dataset": comment.annotation_phase.annotation_campaign.dataset.name,
        "filename": comment.spectrogram.filename + extension,
        "annotator": comment.author.username,
        "start_datetime": _time(comment.spectrogram.start),
        "end_datetime": _time(comment.spectrogram.end),
        "comments": _signed(comment),
    }


def _signed(comment: Comment) -> str:
    return f"{comment.comment} |- {comment.author.username}"


def _time(moment: datetime) -> str:
    """Milliseconds cut off, never rounded (§2.2)."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+00:00"


def _text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()
