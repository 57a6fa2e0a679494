"""What campaign owners do over GraphQL: create, configure, assign, end, archive (fact sheet §5.4, last line)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from connectors.aplose.sandbox import rights
from connectors.aplose.sandbox.clean import Errors
from connectors.aplose.sandbox.model import FINISHED, Campaign, FileRange, Phase, User
from connectors.aplose.sandbox.pages import camel
from connectors.aplose.sandbox.store import Refusal, Store, forbidden

Changed: TypeAlias = tuple[Campaign | None, Errors]

CHOICE = "Select a valid choice. That choice is not one of the available choices."


def create_campaign(store: Store, user: User, given: dict[str, Any]) -> Changed:
    """Any account may."""
    errors: Errors = {}
    if any(campaign.name == given["name"] for campaign in store.campaigns.values()):
        errors["name"] = ["Annotation campaign with this Name already exists."]
    dataset = store.find(store.datasets, given["dataset"])
    analyses = [found for key in given["analysis"] if (found := store.find(store.analysis, key)) is not None]
    if dataset is None:
        errors["dataset"] = [CHOICE]
    if not analyses:
        errors["analysis"] = ["This field is required."]
    if errors:
        return None, errors
    names = ("description", "deadline", "colormap_default", "colormap_inverted_default")
    more = {name: given[key] for name in names if (key := camel(name)) in given}
    more["instructions_url"] = given.get("instructionsUrl")
    for name in ("allow_image_tuning", "allow_colormap_tuning"):
        more[name] = bool(given.get(camel(name)))
    campaign = store.add_campaign(given["name"], user, analyses, **more)
    store.effect("campaign", campaign.id, {"name": campaign.name})
    return campaign, {}


def update_campaign(store: Store, user: User, given: dict[str, Any]) -> Changed:
    """A form: what is left out is cleared."""
    campaign = rights.editable_campaign(user, store.find(store.campaigns, given.get("id")))
    errors: Errors = {}
    label_set = store.find(store.label_sets, given["labelSet"]) if given.get("labelSet") else None
    confidences = store.find(store.confidence_sets, given["confidenceSet"]) if given.get("confidenceSet") else None
    labels = [store.find(store.labels, key) for key in given.get("labelsWithAcousticFeatures") or []]
    if given.get("labelSet") and label_set is None:
        errors["label_set"] = [CHOICE]
    if given.get("confidenceSet") and confidences is None:
        errors["confidence_set"] = [CHOICE]
    if any(label is None or label_set is None or label not in label_set.labels for label in labels):
        errors["labels_with_acoustic_features"] = ["Label with acoustic features should belong to label set"]
    if errors:
        return None, errors
    campaign.label_set, campaign.confidence_set = label_set, confidences
    campaign.labels_with_acoustic_features = [label for label in labels if label is not None]
    campaign.allow_point_annotation = bool(given.get("allowPointAnnotation"))
    store.effect("campaign_changed", campaign.id)
    return campaign, {}


def create_phase(store: Store, user: User, campaign_id: str, kind: str) -> Phase:
    campaign = rights.editable_campaign(user, store.find(store.campaigns, campaign_id))
    if kind in campaign.phases:
        raise forbidden()
    phase = store.add_phase(campaign, kind, user)
    store.effect("phase", phase.id, {"campaign": campaign.id, "phase": kind})
    return phase


def end_phase(store: Store, user: User, phase_id: str) -> dict[str, bool]:
    """Forbidden for annotators, and for a phase that has ended."""
    store.end_phase(rights.editable_phase(user, store.find(store.phases, phase_id)), user)
    return {"ok": True}


def archive(store: Store, user: User, campaign_id: str) -> dict[str, bool]:
    store.archive(rights.editable_campaign(user, store.find(store.campaigns, campaign_id)), user)
    return {"ok": True}


def update_ranges(
    store: Store,
    user: User,
    *,
    campaignId: str,
    phaseType: str,
    fileRanges: Sequence[dict[str, Any]],
    force: bool = False,
) -> list[Errors]:
    """The list replaces the phase's ranges; ranges that touch grow together."""
    campaign = store.find(store.campaigns, campaignId)
    phase = rights.editable_phase(user, campaign.phases.get(phaseType) if campaign else None)
    old = list(phase.annotation_file_ranges)
    errors = [_check_range(store, phase, given) for given in fileRanges]
    fine = [given for given, wrong in zip(fileRanges, errors, strict=True) if not wrong]
    named = {str(given["id"]) for given in fine if given.get("id")}
    if not force and any(str(r.id) not in named and _finished(r) for r in old):
        raise Refusal("Cannot delete range with finished tasks.")
    replace_ranges(store, phase, [_range_values(store, given) for given in fine])
    store.effect("ranges", phase.id, {"ranges": len(phase.annotation_file_ranges)})
    return errors


RangeValues: TypeAlias = tuple[str | None, User, int, int]


def replace_ranges(store: Store, phase: Phase, values: Sequence[RangeValues]) -> None:
    """``values``: id or None, annotator, first and last index."""
    known = {str(each.id): each for each in phase.annotation_file_ranges}
    phase.annotation_file_ranges = []
    for key, annotator, first, last in values:
        file_range = known.get(key or "")
        if file_range is None:
            store.add_range(phase, annotator, first, last)
            continue
        file_range.annotator, file_range.first_file_index, file_range.last_file_index = annotator, first, last
        store.place_range(file_range)
        phase.annotation_file_ranges.append(file_range)
    _join(store, phase)
    store.drop_orphan_tasks(phase)


def _join(store: Store, phase: Phase) -> None:
    """Overlapping or adjacent ranges of one annotator become one: the oldest survives."""
    joined: list[FileRange] = []
    order = sorted(phase.annotation_file_ranges, key=lambda r: (r.annotator.id, r.first_file_index, r.id))
    for each in order:
        last = joined[-1] if joined else None
        if last and last.annotator is each.annotator and each.first_file_index <= last.last_file_index + 1:
            last.last_file_index = max(last.last_file_index, each.last_file_index)
            last.id = min(last.id, each.id)
            store.place_range(last)
        else:
            joined.append(each)
    phase.annotation_file_ranges = sorted(joined, key=lambda r: r.id)


def _check_range(store: Store, phase: Phase, given: dict[str, Any]) -> Errors:
    errors: Errors = {}
    top = len(phase.annotation_campaign.spectrograms) - 1
    if given.get("annotatorId") is None:
        errors["annotator"] = ["This field is required."]
    elif store.find(store.users, given["annotatorId"]) is None:
        errors["annotator"] = [CHOICE]
    for name in ("first_file_index", "last_file_index"):
        value = given[camel(name)]
        if value < 0:
            errors.setdefault(name, []).append("Ensure this value is greater than or equal to 0.")
        if value > top:
            errors.setdefault(name, []).append(f"Ensure this value is less than or equal to {top}.")
    if given["lastFileIndex"] < given["firstFileIndex"]:
        text = f"Ensure this value is greater than or equal to {given['firstFileIndex']}."
        errors.setdefault("last_file_index", []).append(text)
    return errors


def _range_values(store: Store, given: dict[str, Any]) -> RangeValues:
    annotator = store.find(store.users, given["annotatorId"])
    assert annotator is not None
    key = str(given["id"]) if given.get("id") else None
    return key, annotator, given["firstFileIndex"], given["lastFileIndex"]


def _finished(file_range: FileRange) -> bool:
    return any(
        task.status == FINISHED and task.annotator is file_range.annotator and file_range.covers(task.spectrogram)
        for task in file_range.annotation_phase.tasks.values()
    )
