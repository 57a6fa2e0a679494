"""Scale's words in common ones: states, review states, audit words, and what kind of thing a task is about.

Sources: fact sheet ``platforms/scale.md`` §4 (status, review status, types), §5.3 and §5.4 (audits).
"""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from connectors.coerce import mapping, text
from connectors.documents import (
    JSON,
    AuditErrorType,
    AuditOrigin,
    AuditResult,
    AuditSeverity,
    InputType,
    ReviewStatus,
    TaskStatus,
)

TASK_STATUS: Final[Mapping[str, TaskStatus]] = {
    "pending": TaskStatus.PENDING,
    "completed": TaskStatus.COMPLETED,
    "canceled": TaskStatus.CANCELED,
    "error": TaskStatus.ERROR,
}
REVIEW_STATUS: Final[Mapping[str, ReviewStatus]] = {
    "pending": ReviewStatus.NOT_REVIEWED,
    "accepted": ReviewStatus.ACCEPTED,
    "rejected": ReviewStatus.REJECTED,
    "fixed": ReviewStatus.FIXED,
    "commented": ReviewStatus.COMMENTED,
}
AUDIT_RESULT: Final[Mapping[str, AuditResult]] = {
    "accepted": AuditResult.ACCEPTED,
    "rejected": AuditResult.REJECTED,
    "fixed": AuditResult.FIXED,
    "commented": AuditResult.COMMENTED,
}
AUDIT_ORIGIN: Final[Mapping[str, AuditOrigin]] = {
    "customer": AuditOrigin.CUSTOMER,
    "scale": AuditOrigin.PLATFORM,
}
ERROR_TYPE: Final[Mapping[str, AuditErrorType]] = {
    "missing": AuditErrorType.MISSING,
    "extraneous": AuditErrorType.EXTRANEOUS,
    "geometry": AuditErrorType.GEOMETRY,
    "attribute": AuditErrorType.ATTRIBUTE,
    "class": AuditErrorType.LABEL,
    "label": AuditErrorType.LABEL,
}
SEVERITY: Final[Mapping[str, AuditSeverity]] = {
    "default": AuditSeverity.UNSPECIFIED,
    "critical": AuditSeverity.CRITICAL,
}
"""Scale's lower level is the one an auditor gets without choosing, so it is not called minor: it says nothing."""

INPUT_TYPE: Final[Mapping[str, InputType]] = {
    **dict.fromkeys(("annotation", "imageannotation", "cuboidannotation", "laneannotation"), InputType.IMAGE),
    **dict.fromkeys(("lineannotation", "pointannotation", "polygonannotation", "segmentannotation"), InputType.IMAGE),
    **dict.fromkeys(("videoannotation", "videoboxannotation", "videoplaybackannotation"), InputType.VIDEO),
    **dict.fromkeys(("videocuboidannotation", "federal2dvideoannotation"), InputType.VIDEO),
    **dict.fromkeys(("lidarannotation", "lidarlinking", "lidarsegmentation", "lidartopdown"), InputType.POINT_CLOUD),
    "sensorfusion": InputType.POINT_CLOUD,
    "audiotranscription": InputType.AUDIO,
    "documentmodel": InputType.DOCUMENT,
    "documenttranscription": InputType.DOCUMENT,
    "namedentityrecognition": InputType.TEXT,
    **dict.fromkeys(("chat", "chatexperimental", "chatlite", "multichat"), InputType.CHAT),
}
"""Task types about one kind of thing. The others (categorization, comparison, transcription …) say it per task."""

ATTACHMENT_TYPE: Final[Mapping[str, InputType]] = {
    "image": InputType.IMAGE,
    "video": InputType.VIDEO,
    "audio": InputType.AUDIO,
    "text": InputType.TEXT,
    "pdf": InputType.DOCUMENT,
    "document": InputType.DOCUMENT,
    "website": InputType.OTHER,
}
_FAMILY: Final[Mapping[str, InputType]] = {
    "image": InputType.IMAGE,
    "video": InputType.VIDEO,
    "audio": InputType.AUDIO,
    "text": InputType.TEXT,
}


def task_input(task: Mapping[str, JSON]) -> InputType | None:
    """What a task is about, by its type or its ``attachment_type``; None where neither says it."""
    kind = (text(task.get("type")) or "").lower()
    said = (text(mapping(task.get("params")).get("attachment_type")) or "").lower()
    return INPUT_TYPE.get(kind) or ATTACHMENT_TYPE.get(said) or (InputType.TEXT if kind == "textcollection" else None)


def file_input(url: str) -> InputType | None:
    """What the ending of a file's name says."""
    try:
        guess = mimetypes.guess_type(urlsplit(url).path)[0] or ""
    except ValueError:
        return None
    return InputType.DOCUMENT if guess == "application/pdf" else _FAMILY.get(guess.partition("/")[0])
