"""What v2.5.7's REST says of each record (fact sheet §6, and the recorded answers of a real server)."""

from __future__ import annotations

from typing import Any

from connectors.aplose.sandbox.model import (
    ANNOTATION,
    FINISHED,
    Analysis,
    Annotation,
    Archive,
    Campaign,
    Comment,
    ConfidenceSet,
    Dataset,
    Detector,
    FileRange,
    LabelSet,
    Phase,
    Spectrogram,
    User,
    UserGroup,
)
from connectors.aplose.sandbox.web import moment

FEATURES_V2 = (
    "trend",
    "start_frequency",
    "end_frequency",
    "relative_max_frequency_count",
    "relative_min_frequency_count",
    "has_harmonics",
    "steps_count",
)


def user_json(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "username": user.username,
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "expertise_level": user.expertise,
        "is_staff": user.is_staff,
        "is_superuser": user.is_superuser,
    }


def shown(user: User | None) -> str | None:
    """A user's display name, where v2 gives only that."""
    if user is None:
        return None
    full = user.first_name and user.last_name
    return f"{user.first_name} {user.last_name.upper()}" if full else user.username


def group_json(group: UserGroup) -> dict[str, Any]:
    return {"id": group.id, "annotators": [user_json(user) for user in group.users], "name": group.name}


def label_set_json(label_set: LabelSet) -> dict[str, Any]:
    labels = [label.name for label in label_set.labels]
    return {"id": label_set.id, "name": label_set.name, "desc": label_set.description, "labels": labels}


def confidence_set_json(each: ConfidenceSet) -> dict[str, Any]:
    indicators = [
        {"id": c.id, "is_default": c is each.default, "label": c.label, "level": c.level} for c in each.indicators
    ]
    return {"id": each.id, "name": each.name, "desc": each.desc, "confidence_indicators": indicators}


def detector_json(detector: Detector) -> dict[str, Any]:
    configurations = [{"id": each.id, "configuration": each.configuration} for each in detector.configurations]
    return {"id": detector.id, "name": detector.name, "configurations": configurations}


def analysis_json(analysis: Analysis) -> dict[str, Any]:
    """A spectro config; its many display settings are left out."""
    return {
        "id": analysis.id,
        "folder_path": f"/backend/static/{analysis.dataset.path}/{analysis.path}/image",
        "name": analysis.name,
        "desc": analysis.description,
        "nfft": analysis.nfft,
        "window_size": analysis.window_size,
        "overlap": float(analysis.overlap) * 100,
        "colormap": analysis.colormap,
    }


def dataset_json(dataset: Dataset) -> dict[str, Any]:
    files = list(dataset.analysis[0].spectrograms.values())
    return {
        "id": dataset.id,
        "name": dataset.name,
        "files_type": ".wav",
        "start_date": min(file.start for file in files).date().isoformat() if files else None,
        "end_date": max(file.end for file in files).date().isoformat() if files else None,
        "files_count": len(files),
        "type": None,
        "spectros": [analysis_json(each) for each in dataset.analysis],
        "created_at": moment(dataset.created_at),
        "related_channel_configuration": [],
    }


def archive_json(archive: Archive | None) -> dict[str, Any] | None:
    if archive is None:
        return None
    return {"id": archive.id, "by_user": user_json(archive.by_user), "date": moment(archive.date)}


def campaign_json(campaign: Campaign) -> dict[str, Any]:
    return {
        "id": campaign.id,
        "files_count": len(campaign.spectrograms),
        "datasets": [campaign.dataset.name],
        "label_set": campaign.label_set.id if campaign.label_set else None,
        "labels_with_acoustic_features": [label.name for label in campaign.labels_with_acoustic_features],
        "confidence_indicator_set": campaign.confidence_set.id if campaign.confidence_set else None,
        "owner": user_json(campaign.owner),
        "archive": archive_json(campaign.archive),
        "allow_point_annotation": campaign.allow_point_annotation,
        "phases": [phase.id for phase in campaign.phases.values()],
        "created_at": moment(campaign.created_at),
        "name": campaign.name,
        "desc": campaign.description,
        "instructions_url": campaign.instructions_url,
        "deadline": campaign.deadline.isoformat() if campaign.deadline else None,
        "allow_image_tuning": campaign.allow_image_tuning,
        "allow_colormap_tuning": campaign.allow_colormap_tuning,
        "colormap_default": campaign.colormap_default,
        "colormap_inverted_default": campaign.colormap_inverted_default,
        "annotation_scope": 2,
    }


def has_annotations(phase: Phase) -> bool:
    first = phase.annotation_campaign.phases.get(ANNOTATION)
    return bool(phase.annotations or (first and first.annotations))


def phase_json(phase: Phase, user: User) -> dict[str, Any]:
    ranges, done = phase.annotation_file_ranges, [t for t in phase.tasks.values() if t.status == FINISHED]
    return {
        "id": phase.id,
        "phase": phase.phase,
        "annotation_campaign": phase.annotation_campaign.id,
        "created_by": shown(phase.created_by),
        "ended_by": shown(phase.ended_by),
        "global_progress": len(done),
        "global_total": sum(each.files_count for each in ranges),
        "user_progress": sum(task.annotator is user for task in done),
        "user_total": sum(each.files_count for each in ranges if each.annotator is user),
        "has_annotations": has_annotations(phase),
        "created_at": moment(phase.created_at),
        "ended_at": moment(phase.ended_at),
    }


def range_json(file_range: FileRange, *, finished: int | None = None) -> dict[str, Any]:
    """``finished_tasks_count`` is told by GET only."""
    return {
        "id": file_range.id,
        "annotator": file_range.annotator.id,
        "annotation_campaign_phase": file_range.annotation_phase.id,
        **({} if finished is None else {"finished_tasks_count": finished}),
        "files_count": file_range.files_count,
        "first_file_index": file_range.first_file_index,
        "last_file_index": file_range.last_file_index,
    }


def file_json(file: Spectrogram, **more: Any) -> dict[str, Any]:
    return {
        "id": file.id,
        "dataset_sr": float(file.analysis[0].sampling_frequency),
        "audio_url": file.audio_path,
        "dataset_name": file.dataset.name,
        **more,
        "filename": f"{file.filename}.{file.format}",
        "size": file.size,
        "start": moment(file.start),
        "end": moment(file.end),
        "dataset": file.dataset.id,
    }


def comment_json(comment: Comment) -> dict[str, Any]:
    return {
        "id": comment.id,
        "annotation_result": comment.annotation.id if comment.annotation else None,
        "annotation_campaign_phase": comment.annotation_phase.id,
        "author": comment.author.id,
        "dataset_file": comment.spectrogram.id,
        "comment": comment.comment,
    }


def result_json(row: Annotation, only: User | None = None) -> dict[str, Any]:
    """``only`` cuts verdicts and corrections to one user's: what ``for_current_user`` does."""
    verdicts = [v for v in row.validations.values() if only is None or v.annotator is only]
    corrections = [c for c in row.updated_to.values() if only is None or c.annotator is only]
    detector, features = row.detector_configuration, row.acoustic_features
    return {
        "id": row.id,
        "annotation_campaign_phase": row.annotation_phase.id,
        "label": row.label.name,
        "confidence_indicator": row.confidence.label if row.confidence else None,
        "annotator": row.annotator.id if row.annotator else None,
        "annotator_expertise_level": row.annotator_expertise_level,
        "dataset_file": row.spectrogram.id,
        "detector_configuration": detector
        and {"id": detector.id, "detector": detector.detector.name, "configuration": detector.configuration},
        "start_time": row.start_time,
        "end_time": row.end_time,
        "start_frequency": row.start_frequency,
        "end_frequency": row.end_frequency,
        "comments": [comment_json(comment) for comment in row.comments.values()],
        "validations": [
            {
                "id": verdict.id,
                "annotator": verdict.annotator.id,
                "result": row.id,
                "is_valid": verdict.is_valid,
                "created_at": moment(verdict.created_at),
                "last_updated_at": moment(verdict.last_updated_at),
            }
            for verdict in verdicts
        ],
        "acoustic_features": features
        and {"id": features.id, **{name: getattr(features, name) for name in FEATURES_V2}},
        "type": row.type,
        "updated_to": [result_json(each) for each in corrections],
        "last_updated_at": moment(row.last_updated_at),
    }
