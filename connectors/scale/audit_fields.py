"""The names of the fields of audits and of their per-annotation errors: the one table to correct.

Audit records: fact sheet ``platforms/scale.md`` §5.3. Errors: §5.4, where no public source shows the names, so that
every candidate is read, in snake case and as Scale's web app writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from connectors.documents import JSON

AUDIT: Final[Mapping[str, tuple[str, ...]]] = {
    "by": ("audited_by", "auditedBy"),
    "at": ("audited_at", "auditedAt"),
    "seconds": ("audit_time_secs", "auditTimeSecs"),
    "active_seconds": ("audit_active_time_secs", "auditActiveTimeSecs"),
    "result": ("audit_result", "auditResult"),
    "source": ("audit_source", "auditSource"),
    "errors": ("audit_per_annotation_errors", "auditPerAnnotationErrors"),
    "comments": ("comments", "comment", "audit_comments", "audit_comment", "auditComments", "auditComment"),
}
ERROR: Final[Mapping[str, tuple[str, ...]]] = {
    "annotation": ("annotation_id", "annotationId", "annotation_uuid", "annotationUuid"),
    "severity": ("severity",),
    "type": ("error_type", "errorType", "type"),
    "comment": ("comment",),
    "attribute": ("attribute",),
    "fixed": ("is_fixed", "isFixed", "fixed"),
    "original_label": ("task_label", "taskLabel"),
    "fixed_label": ("audit_label", "auditLabel"),
    "frame": ("frame_num", "frameNum", "frame"),
    "reasons": ("reasons", "error_tags", "errorTags", "tags"),
    "original": ("task_box", "taskBox"),
    "replacement": ("audit_box", "auditBox"),
    "label_index": ("label_index", "labelIndex"),
    "locations": ("error_locations", "errorLocations", "pixels", "points"),
    "untied": ("is_missing_annotation", "isMissingAnnotation", "no_annotation", "noAnnotation"),
}


def field(record: Mapping[str, JSON], names: tuple[str, ...]) -> JSON:
    """The first of the names that is there and not null."""
    return next((record[name] for name in names if record.get(name) is not None), None)
