"""Detector imports: CSV rows that become annotations without an annotator, in both versions (fact sheet §5.3, §6)."""

from __future__ import annotations

import ast
import csv
import io
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.aplose.sandbox import rows
from connectors.aplose.sandbox.auth import Denied
from connectors.aplose.sandbox.clean import Errors, clean_bounds
from connectors.aplose.sandbox.model import Analysis, Annotation, Phase, Spectrogram
from connectors.aplose.sandbox.store import Store

OUTSIDE = "This start and end datetime does not belong to any {} of the dataset"


def import_v3(store: Store, phase: Phase, text: str, options: Mapping[str, str]) -> list[Annotation]:
    """All or nothing; a row that is there already is skipped. Verifiers' tasks on the files are open again."""
    placed: list[tuple[dict[str, str], Analysis, Spectrogram, dict[str, float | None]]] = []
    errors: list[Errors] = []
    for line in csv.DictReader(io.StringIO(text)):
        analysis = store.analysis[int(line["analysis"])]
        begin, end = _times(line)
        files = _matching(list(analysis.spectrograms.values()), begin, end)
        if not files and not _true(options, "force_datetime"):
            raise Denied({"errors": [OUTSIDE.format("spectrogram")]}, 400)
        for file in files:
            bounds = _v3_bounds(analysis, file, line, begin, end)
            if _true(options, "force_max_frequency"):
                for name in ("start_frequency", "end_frequency"):
                    value = bounds[name]
                    bounds[name] = value if value is None else min(value, file.nyquist)
            wrong: Errors = {}
            placed.append((line, analysis, file, clean_bounds(bounds, file.duration, file.nyquist, wrong)))
            errors.append(wrong)
    if any(errors):
        raise Denied({"errors": errors}, 400)
    planned: list[dict[str, Any]] = []
    for line, analysis, file, bounds in placed:
        values = _v3_values(store, phase, analysis, line) | bounds
        if not _exists(phase, file, values):
            planned.append({**values, "spectrogram": file})
    return _create(store, phase, planned)


def import_v2(store: Store, phase: Phase, text: str, options: Mapping[str, str]) -> list[Annotation]:
    """``detectors_map`` is a Python literal: CSV name → detector and configuration. Other names are skipped."""
    detectors: dict[str, dict[str, str]] = ast.literal_eval(options["detectors_map"])
    campaign, planned = phase.annotation_campaign, list[dict[str, Any]]()
    analysis = campaign.analysis[0]
    if options.get("dataset_name") != campaign.dataset.name:
        name = options.get("dataset_name")
        raise Denied({"dataset": [f"Object with name={name} does not exist."]}, 400)
    for line in csv.DictReader(io.StringIO(text)):
        if line.get("annotator") not in detectors:
            continue
        begin, end = _times(line)
        files = _matching(campaign.spectrograms, begin, end)
        if not files and not _true(options, "force_datetime"):
            raise Denied({"non_field_errors": [OUTSIDE.format("file")]}, 400)
        named = detectors[line["annotator"]]
        confidence, level = line.get("confidence_indicator_label"), line.get("confidence_indicator_level")
        values = {
            "label": store.import_label(campaign, line["annotation"]),
            "confidence": store.import_confidence(campaign, confidence, int(level.split("/")[0]))
            if confidence and level
            else None,
            "detector_configuration": store.detector_configuration(
                named.get("detector") or line["annotator"], named["configuration"]
            ),
            "analysis": analysis,
        }
        is_box = line["is_box"].lower() in {"1", "true"}
        for file in files:
            made = values | (_v2_bounds(line, file, begin, end) if is_box or len(files) > 1 else {})
            if not _exists(phase, file, made):
                planned.append({**made, "spectrogram": file})
    return _create(store, phase, planned)


def _create(store: Store, phase: Phase, planned: list[dict[str, Any]]) -> list[Annotation]:
    for values in planned:
        rows.check(values)
    made: list[Annotation] = []
    for values in planned:
        label, file, analysis = values.pop("label"), values.pop("spectrogram"), values.pop("analysis")
        made.append(rows.create(store, label, phase, file, analysis, **values))
    store.reopen_verification(phase.annotation_campaign, {row.spectrogram.id for row in made})
    return made


def _times(line: Mapping[str, str]) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(line["start_datetime"]), datetime.fromisoformat(line["end_datetime"])


def _matching(files: list[Spectrogram], begin: datetime, end: datetime) -> list[Spectrogram]:
    """Files that the time span touches."""
    found = [
        file
        for file in files
        if (file.start <= begin < file.end)
        or (file.start >= begin and file.end <= end)
        or (file.start < end <= file.end)
    ]
    return sorted(found, key=lambda file: (file.start, file.id))


def _v3_values(store: Store, phase: Phase, analysis: Analysis, line: Mapping[str, str]) -> dict[str, Any]:
    campaign = phase.annotation_campaign
    label, level = line["confidence__label"], line["confidence__level"]
    confidence = store.import_confidence(campaign, label, int(level)) if label and level is not None else None
    detector = store.detector_configuration(line["detector__name"], line["detector_configuration__configuration"])
    return {
        "label": store.import_label(campaign, line["label__name"]),
        "confidence": confidence,
        "analysis": analysis,
        "detector_configuration": detector,
    }


def _v3_bounds(
    analysis: Analysis, file: Spectrogram, line: Mapping[str, str], begin: datetime, end: datetime
) -> dict[str, float | None]:
    """Whole file and whole band: WEAK. No extent in time and frequency: POINT. Else BOX."""
    start_time, end_time = _inside(file, begin, end)
    low = float(line["start_frequency"]) if line["start_frequency"] else None
    high = float(line["end_frequency"]) if line["end_frequency"] else None
    whole_band = (low or 0.0) == 0.0 and (high is None or high == analysis.sampling_frequency / 2)
    if start_time == 0 and end_time == file.duration and whole_band:
        return dict.fromkeys(rows.BOUNDS)
    if begin == end and (high is None or low == high):
        return dict(zip(rows.BOUNDS, (start_time, None, low, None), strict=True))
    return dict(zip(rows.BOUNDS, (start_time, end_time, low, high), strict=True))


def _v2_bounds(line: Mapping[str, str], file: Spectrogram, begin: datetime, end: datetime) -> dict[str, float | None]:
    start_time, end_time = _inside(file, begin, end)
    low = float(line["start_frequency"])
    high = float(line["end_frequency"]) if line["end_frequency"] else None
    if start_time == 0 and end_time == file.duration and low == 0 and high == file.nyquist:
        return {}
    if start_time == end_time and (high is None or low == high):
        return dict(zip(rows.BOUNDS, (start_time, None, low, None), strict=True))
    return dict(zip(rows.BOUNDS, (start_time, end_time, low, high), strict=True))


def _inside(file: Spectrogram, begin: datetime, end: datetime) -> tuple[float, float]:
    """Seconds from the file's start, cut to the file."""
    start_time = max((begin - file.start).total_seconds(), 0.0)
    return start_time, min((end - file.start).total_seconds(), file.duration)


def _exists(phase: Phase, file: Spectrogram, values: Mapping[str, Any]) -> bool:
    wanted = {**dict.fromkeys(rows.BOUNDS), **values}
    return any(
        row.annotator is None and all(getattr(row, name) == value for name, value in wanted.items())
        for row in phase.cells.get(file.id, {}).values()
    )


def _true(options: Mapping[str, str], name: str) -> bool:
    return options.get(name, "").lower() == "true"
