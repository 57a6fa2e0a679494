"""What each GraphQL field of a node reads: names that are not plain attributes of the record (fact sheet §5.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from connectors.aplose.sandbox import rights
from connectors.aplose.sandbox.model import (
    ANNOTATION,
    CREATED,
    FINISHED,
    Analysis,
    Annotation,
    Campaign,
    Comment,
    ConfidenceSet,
    Dataset,
    Detector,
    FileRange,
    Phase,
    Spectrogram,
    Task,
    User,
)
from connectors.aplose.sandbox.store import Store, not_found
from connectors.aplose.sandbox.submit import task_comments, to_check


@dataclass(frozen=True, slots=True)
class Context:
    """Who asks, and whom."""

    store: Store
    user: User


Read = Callable[..., Any]
FIELDS: dict[str, Read] = {}
"""``Type.field`` → function of the record, the context and the field's own arguments."""

SEES: dict[str, Callable[[User, Any], bool]] = {
    "AnnotationCampaignNode": rights.sees_campaign,
    "AnnotationPhaseNode": rights.sees_phase,
    "AnnotationFileRangeNode": rights.sees_range,
    "AnnotationNode": rights.sees_annotation,
    "AnnotationCommentNode": rights.sees_comment,
}
"""Nodes whose lists are cut to what the caller may see."""


def reads(*names: str) -> Callable[[Read], Read]:
    def register(function: Read) -> Read:
        FIELDS.update(dict.fromkeys(names, function))
        return function

    return register


def _total(phases: Iterable[Phase], user: User | None = None) -> int:
    ranges = (r for phase in phases for r in phase.annotation_file_ranges)
    return sum(r.files_count for r in ranges if user is None or r.annotator is user)


def _done(phases: Iterable[Phase], user: User | None = None) -> int:
    tasks = (task for phase in phases for task in phase.tasks.values())
    return sum(task.status == FINISHED and (user is None or task.annotator is user) for task in tasks)


def _phases(record: Campaign | Phase) -> Iterable[Phase]:
    return record.phases.values() if isinstance(record, Campaign) else [record]


_COUNTED = ("AnnotationCampaignNode", "AnnotationPhaseNode")
reads(*(f"{node}.tasksCount" for node in _COUNTED))(lambda record, _: _total(_phases(record)))
reads(*(f"{node}.completedTasksCount" for node in _COUNTED))(lambda record, _: _done(_phases(record)))
reads(*(f"{node}.userTasksCount" for node in _COUNTED))(lambda record, at: _total(_phases(record), at.user))
reads(*(f"{node}.userCompletedTasksCount" for node in _COUNTED))(lambda record, at: _done(_phases(record), at.user))


@reads(*(f"{node}.isUserAllowedToManage" for node in _COUNTED))
def _manages(record: Campaign | Phase, at: Context) -> bool:
    campaign = record if isinstance(record, Campaign) else record.annotation_campaign
    return at.user.is_admin or campaign.owner is at.user


# --- campaigns and phases -----------------------------------------------------------------------------------------

reads("AnnotationCampaignNode.isArchived")(lambda campaign, _: campaign.archive is not None)
reads("AnnotationCampaignNode.isEditable")(lambda campaign, _: campaign.archive is None)
reads("AnnotationCampaignNode.datasetName")(lambda campaign, _: campaign.dataset.name)
reads("AnnotationCampaignNode.phases")(lambda campaign, _: list(campaign.phases.values()))
reads("AnnotationCampaignNode.spectrogramsCount")(lambda campaign, _: len(campaign.spectrograms))
reads("AnnotationPhaseNode.annotationCampaignId")(lambda phase, _: phase.annotation_campaign.id)
reads("AnnotationPhaseNode.annotations")(lambda phase, _: list(phase.annotations.values()))
reads("AnnotationPhaseNode.annotationComments")(lambda phase, _: list(phase.annotation_comments.values()))
# Upstream declares this field without ever resolving it: asking for it always errors (§5.2).
reads("AnnotationPhaseNode.isCompleted")(lambda _phase, _: None)


@reads("AnnotationCampaignNode.detectors")
def _detectors(campaign: Campaign, _: Context) -> list[Detector]:
    rows = (row for phase in campaign.phases.values() for row in phase.annotations.values())
    found = {c.detector.id: c.detector for row in rows if (c := row.detector_configuration) is not None}
    return [found[key] for key in sorted(found)]


@reads("AnnotationCampaignNode.annotators")
def _annotators(campaign: Campaign, _: Context) -> list[User]:
    found = {r.annotator.id: r.annotator for p in campaign.phases.values() for r in p.annotation_file_ranges}
    return [found[key] for key in sorted(found)]


@reads("AnnotationPhaseNode.annotationTasks")
def _tasks(phase: Phase, _: Context) -> list[Task]:
    return sorted(phase.tasks.values(), key=lambda task: (task.spectrogram.start, task.id))


@reads("AnnotationPhaseNode.hasAnnotations")
def _has_annotations(phase: Phase, _: Context) -> bool:
    return bool(phase.annotation_campaign.phases[ANNOTATION].annotations)


@reads("AnnotationFileRangeNode.annotationTasks")
def _range_tasks(file_range: FileRange, at: Context) -> list[Task]:
    begin, end = file_range.from_datetime, file_range.to_datetime
    return [
        task
        for task in _tasks(file_range.annotation_phase, at)
        if task.annotator is file_range.annotator and task.spectrogram.start >= begin and task.spectrogram.end <= end
    ]


@reads("AnnotationFileRangeNode.spectrograms")
def _range_files(file_range: FileRange, _: Context) -> list[Spectrogram]:
    return [file for file in file_range.annotation_phase.annotation_campaign.spectrograms if file_range.covers(file)]


# --- annotations and tasks -----------------------------------------------------------------------------------------


@reads("AnnotationNode.annotatorExpertiseLevel")
def _expertise(row: Annotation, _: Context) -> str | None:
    return row.annotator_expertise_level and row.annotator_expertise_level[0]


@reads("AnnotationNode.comments", "AnnotationNode.annotationComments")
def _comments(row: Annotation, _: Context) -> list[Comment]:
    return list(row.comments.values())


reads("AnnotationNode.validations")(lambda row, _: list(row.validations.values()))
reads("AnnotationNode.updatedTo")(lambda row, _: list(row.updated_to.values()))


@reads("AcousticFeaturesNode.annotation")
def _described(features: Any, at: Context) -> Annotation | None:
    return next((row for row in at.store.annotations.values() if row.acoustic_features is features), None)


@reads("AnnotationTaskNode.userAnnotations")
def _own(task: Task, _: Context) -> list[Annotation]:
    cell = task.annotation_phase.cells.get(task.spectrogram.id, {})
    return [row for row in cell.values() if row.annotator is task.annotator]


@reads("AnnotationTaskNode.userComments")
def _own_comments(task: Task, _: Context) -> list[Comment]:
    return task_comments(task.annotator, task.annotation_phase, task.spectrogram)


@reads("AnnotationTaskNode.annotationsToCheck")
def _to_check(task: Task, _: Context) -> list[Annotation]:
    return to_check(task.annotation_phase, task.spectrogram, task.annotator)


# --- files ----------------------------------------------------------------------------------------------------------

_FILES = ("AnnotationSpectrogramNode", "SpectrogramNode")


@reads(*(f"{node}.annotations" for node in _FILES))
def _file_annotations(file: Spectrogram, at: Context) -> list[Annotation]:
    """Of every campaign that uses the file."""
    return [row for phase in at.store.phases.values() for row in phase.cells.get(file.id, {}).values()]


@reads(*(f"{node}.annotationComments" for node in _FILES))
def _file_comments(file: Spectrogram, at: Context) -> list[Comment]:
    every = (comment for phase in at.store.phases.values() for comment in phase.annotation_comments.values())
    return [comment for comment in every if comment.spectrogram is file]


@reads(*(f"{node}.annotationTasks" for node in _FILES))
def _file_tasks(file: Spectrogram, at: Context) -> list[Task]:
    return [task for phase in at.store.phases.values() for task in phase.tasks.values() if task.spectrogram is file]


@reads("AnnotationSpectrogramNode.isAssigned")
def _assigned(file: Spectrogram, at: Context, campaignId: str, phase: str) -> bool:
    campaign = at.store.find(at.store.campaigns, campaignId)
    if campaign is None:
        raise not_found()
    step = campaign.phases.get(phase)
    assigned = step is not None and step.range_of(at.user, file) is not None
    if not (assigned or at.user.is_admin or campaign.owner is at.user):
        raise not_found()
    return assigned


@reads("AnnotationSpectrogramNode.task")
def _task(file: Spectrogram, at: Context, campaignId: str, phase: str) -> Task:
    """Always the caller's task; id -1 while he has none."""
    campaign = at.store.find(at.store.campaigns, campaignId)
    step = campaign.phases.get(phase) if campaign else None
    if step is None:
        raise not_found()
    return step.tasks.get((file.id, at.user.id)) or Task(-1, CREATED, step, at.user, file)


@reads("DatasetNode.spectrogramAnalysis")
def _analyses(dataset: Dataset, _: Context) -> list[Analysis]:
    return list(dataset.analysis)


@reads("DatasetNode.annotationCampaigns", "SpectrogramAnalysisNode.annotationCampaigns")
def _campaigns_on(record: Dataset | Analysis, at: Context) -> list[Campaign]:
    return [c for c in at.store.campaigns.values() if c.dataset is record or record in c.analysis]


def _files_of(record: Dataset | Analysis) -> list[Spectrogram]:
    analyses = record.analysis if isinstance(record, Dataset) else [record]
    return list({file.id: file for each in analyses for file in each.spectrograms.values()}.values())


_SPANS = ("DatasetNode", "SpectrogramAnalysisNode")
reads(*(f"{n}.start" for n in _SPANS))(lambda record, _: min((f.start for f in _files_of(record)), default=None))
reads(*(f"{n}.end" for n in _SPANS))(lambda record, _: max((f.end for f in _files_of(record)), default=None))
reads("DatasetNode.analysisCount")(lambda dataset, _: len(dataset.analysis))
reads("DatasetNode.spectrogramCount")(lambda dataset, _: len(_files_of(dataset)))
reads("SpectrogramAnalysisNode.spectrograms")(lambda analysis, _: _files_of(analysis))
reads("SpectrogramAnalysisNode.fft")(lambda analysis, _: analysis)
reads("SpectrogramAnalysisNode.colormap")(lambda analysis, _: {"id": analysis.id, "name": analysis.colormap})
reads("FFTNode.scaling")(lambda _analysis, _: "density")


# --- vocabularies ---------------------------------------------------------------------------------------------------


@reads("ConfidenceSetNode.confidenceIndicators")
def _indicators(confidences: ConfidenceSet, _: Context) -> list[dict[str, Any]]:
    return [
        {"id": c.id, "label": c.label, "level": c.level, "isDefault": c is confidences.default}
        for c in confidences.indicators
    ]


@reads("AnnotationLabelNode.uses")
def _uses(label: Any, at: Context, deploymentId: str | None = None) -> int:
    # The sandbox keeps no deployments, so a label is used on none.
    return 0 if deploymentId else sum(row.label is label for row in at.store.annotations.values())
