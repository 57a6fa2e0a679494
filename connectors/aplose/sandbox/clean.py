"""Field checks of one annotation or comment that a client sends, with the server's messages (v3 and v2).

Sources: fact sheet §5.4 and the recorded refusals (unknown label, missing confidence, bounds out of range).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from connectors.aplose.sandbox.model import FEATURES, VERIFICATION, Annotation, Phase, Spectrogram, User
from connectors.aplose.sandbox.rows import BOUNDS
from connectors.aplose.sandbox.store import Refusal, Store

Errors: TypeAlias = dict[str, list[str]]
"""Field name in snake case → messages; empty: nothing wrong."""

REQUIRED = "This field is required."
NULL = "This field may not be null."
BLANK = "This field may not be blank."


@dataclass(slots=True)
class Draft:
    """An item that passed: ``values`` are columns, the rest is written around them."""

    id: int | None
    values: dict[str, Any] = field(default_factory=dict)
    is_update_of: Annotation | None = None
    comments: list[str] = field(default_factory=list)
    validation: bool | None = None
    features: Mapping[str, Any] | None = None


def clean_annotation(
    store: Store, phase: Phase, spectrogram: Spectrogram, user: User, item: Mapping[str, Any]
) -> tuple[Draft, Errors]:
    """An ``AnnotationInput`` in snake case. Leaving ``annotator`` out makes the caller the author."""
    errors: Errors = {}
    draft = Draft(item.get("id"))
    campaign = phase.annotation_campaign
    draft.values["label"] = clean_label(phase, item.get("label"), errors)
    if campaign.confidence_set is None or item.get("confidence") is not None:
        draft.values["confidence"] = clean_confidence(store, phase, item.get("confidence"), errors)
    else:
        errors["confidence"] = [NULL if "confidence" in item else REQUIRED]
    _clean_parts(item, draft, errors)
    draft.values.update(clean_bounds(item, spectrogram.duration, spectrogram.nyquist, errors))
    detector = pick(store.configurations, item.get("detector_configuration"), "detector_configuration", errors)
    draft.values["annotation_phase"] = pick(
        store.phases, item.get("annotation_phase") or phase.id, "annotation_phase", errors
    )
    if not (phase.phase == VERIFICATION and detector is not None):
        draft.values["annotator"] = pick(store.users, item.get("annotator") or user.id, "annotator", errors)
    analyses = {analysis.id: analysis for analysis in campaign.analysis}
    draft.values["analysis"] = pick(analyses, item.get("analysis"), "analysis", errors)
    draft.values["detector_configuration"] = detector
    draft.is_update_of = pick(store.annotations, item.get("is_update_of"), "is_update_of", errors)
    return draft, errors


def clean_label(phase: Phase, name: object, errors: Errors) -> Any:
    label_set = phase.annotation_campaign.label_set
    if label_set is None:
        raise Refusal("'NoneType' object has no attribute 'labels'")
    if name is None:
        errors["label"] = [REQUIRED]
        return None
    found = next((label for label in label_set.labels if label.name == name), None)
    if found is None:
        errors["label"] = [f"Object with name={name} does not exist."]
    return found


def clean_confidence(store: Store, phase: Phase, label: object, errors: Errors) -> Any:
    if label is None:
        return None
    confidences = phase.annotation_campaign.confidence_set
    among = confidences.indicators if confidences else store.confidences.values()
    found = next((confidence for confidence in among if confidence.label == label), None)
    if found is None:
        errors["confidence"] = [f"Object with label={label} does not exist."]
    return found


def clean_bounds(item: Mapping[str, Any], duration: float, nyquist: float, errors: Errors) -> dict[str, float | None]:
    """The four bounds: inside the file, and in order (start and end change places where they are not)."""
    bounds: dict[str, float | None] = {}
    for name in BOUNDS:
        top = duration if name.endswith("time") else nyquist
        value = item.get(name)
        bounds[name] = None if value is None else float(value)
        if value is not None and value < 0:
            errors.setdefault(name, []).append("Ensure this value is greater than or equal to 0.")
        if value is not None and value > top:
            errors.setdefault(name, []).append(f"Ensure this value is less than or equal to {float(top)}.")
    for kind in ("time", "frequency"):
        low, high = bounds[f"start_{kind}"], bounds[f"end_{kind}"]
        if high is not None and (low is None or low > high):
            bounds[f"start_{kind}"], bounds[f"end_{kind}"] = high, low
    return bounds


def clean_comment(item: Mapping[str, Any]) -> Errors:
    text = item.get("comment")
    if text is None:
        return {"comment": [NULL if "comment" in item else REQUIRED]}
    if not str(text).strip():
        return {"comment": [BLANK]}
    if len(str(text).strip()) > 255:
        return {"comment": ["Ensure this field has no more than 255 characters."]}
    return {}


def pick(table: Mapping[int, Any], key: object, name: str, errors: Errors) -> Any:
    """The row of a foreign key; None stays None unless the field is required."""
    if key is None or key == "":
        if name in {"analysis", "annotation_phase"}:
            errors[name] = [NULL]
        return None
    found = table.get(int(str(key))) if str(key).isdecimal() else None
    if found is None:
        errors[name] = [
            f'Invalid pk "{key}" - object does not exist.'
            if str(key).isdecimal()
            else f"Incorrect type. Expected pk value, received {type(key).__name__}."
        ]
    return found


def _clean_parts(item: Mapping[str, Any], draft: Draft, errors: Errors) -> None:
    comments = item.get("comments") or []
    wrong = [error for error in map(clean_comment, comments) if error]
    if wrong:
        errors["comments"] = [str(error) for error in wrong]
    draft.comments = [str(comment.get("comment")).strip() for comment in comments]
    for validation in item.get("validations") or []:
        if item.get("id") is None:
            errors["validations"] = [str({"annotation": [NULL]})]
        draft.validation = bool(validation["is_valid"])
    features = item.get("acoustic_features")
    if features is not None:
        draft.features = {name: features.get(name) for name in FEATURES}
        for name in (n for n in FEATURES if n.endswith(("_count", "_frequency"))):
            value = draft.features[name]
            if value is not None and value < 0 and name != "frequency_jumps_count":
                errors.setdefault("acoustic_features", []).append(
                    str({name: ["Ensure this value is greater than or equal to 0."]})
                )
