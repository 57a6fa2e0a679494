"""Filter arguments of the GraphQL lists: one predicate an argument, and the file list's own rules (fact sheet §5.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from connectors.aplose.sandbox.model import (
    ANNOTATION,
    FINISHED,
    Annotation,
    Campaign,
    FileRange,
    Phase,
    Spectrogram,
    User,
)
from connectors.aplose.sandbox.store import Refusal, Store

Test = Callable[[Any, Any], bool]


def _is(found: Any, key: Any) -> bool:
    return found is not None and str(found.id) == str(key)


def _within(haystack: str, needle: str) -> bool:
    return needle.casefold() in haystack.casefold()


def _found(campaign: Campaign, text: str) -> bool:
    return _within(campaign.name, text) or _within(campaign.dataset.name, text)


def _ranges(campaign: Campaign) -> list[FileRange]:
    return [each for phase in campaign.phases.values() for each in phase.annotation_file_ranges]


def _validated_by(row: Annotation, user: Any) -> bool:
    verdict = next((v for v in row.validations.values() if _is(v.annotator, user)), None)
    return _is(row.annotator, user) or (verdict is not None and verdict.is_valid)


def _detector(row: Annotation) -> Any:
    return row.detector_configuration.detector if row.detector_configuration else None


TESTS: dict[str, dict[str, Test]] = {
    "AnnotationCampaignNode": {
        "phases_AnnotationFileRanges_AnnotatorId": lambda c, v: any(_is(r.annotator, v) for r in _ranges(c)),
        "ownerId": lambda c, v: _is(c.owner, v),
        "analysis_DatasetId": lambda c, v: any(_is(a.dataset, v) for a in c.analysis),
        "isArchived": lambda c, v: (c.archive is not None) == v,
        "phases_Phase": lambda c, v: v in c.phases,
        "search": _found,
    },
    "AnnotationPhaseNode": {
        "annotationCampaignId": lambda p, v: _is(p.annotation_campaign, v),
        "annotationCampaign_OwnerId": lambda p, v: _is(p.annotation_campaign.owner, v),
        "annotationFileRanges_AnnotatorId": lambda p, v: any(_is(r.annotator, v) for r in p.annotation_file_ranges),
        "isCampaignArchived": lambda p, v: (p.annotation_campaign.archive is not None) == v,
        "phase": lambda p, v: p.phase == v,
        "search": lambda p, v: _found(p.annotation_campaign, v),
    },
    "AnnotationFileRangeNode": {
        "annotator": lambda r, v: _is(r.annotator, v),
        "annotationPhase_AnnotationCampaign": lambda r, v: _is(r.annotation_phase.annotation_campaign, v),
        "annotationPhase_Phase": lambda r, v: r.annotation_phase.phase == v,
    },
    "AnnotationSpectrogramNode": {
        "start_Lte": lambda s, v: s.start <= v,
        "end_Gte": lambda s, v: s.end >= v,
        "filename_Icontains": lambda s, v: _within(s.filename, v),
    },
    "SpectrogramNode": {
        "start_Lte": lambda s, v: s.start <= v,
        "end_Gte": lambda s, v: s.end >= v,
    },
    "AnnotationTaskNode": {
        "annotator": lambda t, v: _is(t.annotator, v),
        "status": lambda t, v: t.status == v,
        "spectrogram_Filename_Icontains": lambda t, v: _within(t.spectrogram.filename, v),
        "spectrogram_Start_Lte": lambda t, v: t.spectrogram.start <= v,
        "spectrogram_End_Gte": lambda t, v: t.spectrogram.end >= v,
    },
    "AnnotationNode": {
        "confidence_Label": lambda a, v: a.confidence is not None and a.confidence.label == v,
        "label_Name": lambda a, v: a.label.name == v,
        "detectorConfiguration_Detector": lambda a, v: _is(_detector(a), v),
        "acousticFeatures_Exists": lambda a, v: (a.acoustic_features is not None) == v,
        "isValidatedBy": _validated_by,
        "annotator": lambda a, v: _is(a.annotator, v),
    },
    "AnnotationCommentNode": {
        "annotation_Isnull": lambda c, v: (c.annotation is None) == v,
        "author": lambda c, v: _is(c.author, v),
        "annotationPhase_Phase": lambda c, v: c.annotation_phase.phase == v,
    },
    "AnnotationValidationNode": {"annotator": lambda x, v: _is(x.annotator, v)},
    "SpectrogramAnalysisNode": {
        "dataset": lambda a, v: _is(a.dataset, v),
    },
    "LabelSetNode": {
        "name": lambda s, v: s.name == v,
        "description": lambda s, v: s.description == v,
        "labels": lambda s, v: any(_is(label, v) for label in s.labels),
    },
    "ConfidenceSetNode": {
        "name": lambda s, v: s.name == v,
        "desc": lambda s, v: s.desc == v,
        "confidenceIndicators": lambda s, v: any(_is(c, v) for c in s.indicators),
    },
}


def keep(store: Store, node: str, items: list[Any], arguments: Mapping[str, Any]) -> list[Any]:
    """The items that every filter argument lets pass. Empty strings filter nothing, as in the server's forms."""
    for name, test in TESTS.get(node, {}).items():
        value = arguments.get(name)
        if value is not None and value != "":
            items = [item for item in items if test(item, value)]
    if node == "SpectrogramAnalysisNode" and arguments.get("annotationCampaigns_Id"):
        campaign = store.find(store.campaigns, arguments["annotationCampaigns_Id"])
        items = [item for item in items if campaign is not None and item in campaign.analysis]
    if node == "AnnotationNode" and arguments.get("annotator") and arguments.get("isUpdated") is not None:
        user, wanted = arguments["annotator"], arguments["isUpdated"]
        items = [row for row in items if any(_is(c.annotator, user) for c in row.updated_to.values()) == wanted]
    if node == "AnnotationSpectrogramNode":
        items = _files(store, items, arguments)
    return items


def _files(store: Store, files: list[Spectrogram], arguments: Mapping[str, Any]) -> list[Spectrogram]:
    """Only files in somebody's range, unless the named annotator may see the rest too."""
    kind = arguments.get("phase")
    campaign = store.find(store.campaigns, key) if (key := arguments.get("annotationCampaign")) else None
    phases = [
        phase
        for phase in store.phases.values()
        if (not kind or phase.phase == kind) and (not key or phase.annotation_campaign is campaign)
    ]
    if key:
        among = {file.id for file in campaign.spectrograms} if campaign else set[int]()
        files = [file for file in files if file.id in among]
    user: User | None = None
    if arguments.get("annotator"):
        user = store.find(store.users, arguments["annotator"])
        if user is None:
            raise Refusal("User matching query does not exist.")
    ranges = [r for phase in phases for r in phase.annotation_file_ranges if user is None or r.annotator is user]
    if not (user and _sees_unassigned(user, campaign, kind)):
        files = [file for file in files if any(r.covers(file) for r in ranges)]
    status = arguments.get("annotationTasks_Status")
    if status:
        files = [f for f in files if any(r.covers(f) for r in ranges)]
        files = [f for f in files if _finished(phases, f, user) == (status == FINISHED)]
    if arguments.get("annotations_Exists") is not None:
        files = [f for f in files if any(r.covers(f) for r in ranges)]
        read = [p for p in store.phases.values() if not key or p.annotation_campaign is campaign]
        read = phases if kind == ANNOTATION else read
        files = [f for f in files if _annotated(read, f, user, kind, arguments) == arguments["annotations_Exists"]]
    return files


def _sees_unassigned(user: User, campaign: Campaign | None, kind: str | None) -> bool:
    if user.is_admin or (campaign is not None and campaign.owner is user):
        return True
    phase = campaign.phases.get(kind or "") if campaign else None
    return phase is not None and phase.created_by is user


def _finished(phases: list[Phase], file: Spectrogram, user: User | None) -> bool:
    return any(
        task.status == FINISHED
        for phase in phases
        for task in ([phase.tasks.get((file.id, user.id))] if user else phase.tasks.values())
        if task is not None and task.spectrogram is file
    )


def _annotated(
    phases: list[Phase], file: Spectrogram, user: User | None, kind: str | None, arguments: Mapping[str, Any]
) -> bool:
    wanted = {
        "label_Name": arguments.get("annotations_LabelName"),
        "confidence_Label": arguments.get("annotations_Confidence_Label"),
        "detectorConfiguration_Detector": arguments.get("annotations_Detector"),
        "annotator": arguments.get("annotations_Annotator"),
        "acousticFeatures_Exists": arguments.get("annotations_AcousticFeatures_Exists") or None,
    }
    tests = TESTS["AnnotationNode"]
    return any(
        all(tests[name](row, value) for name, value in wanted.items() if value)
        for phase in phases
        for row in phase.cells.get(file.id, {}).values()
        if not (kind == ANNOTATION and user is not None and row.annotator is not user)
    )
