"""The audits of a task and who made them: every field of the platform page "Task audits" (fact sheet §5.3, §5.4).

Audit records have no id; one is made of task, time, auditor and source, which Scale does not change afterwards.
Neither the review status nor the order is derived from them: the page contradicts itself there (§5.2).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from connectors.coerce import flag, integer, json_words, many, mapping, moment, number, text
from connectors.contract import person_id
from connectors.documents import (
    JSON,
    AnnotationValue,
    Annotator,
    AnnotatorKind,
    Audit,
    AuditError,
    AuditErrorType,
    AuditOrigin,
    AuditResult,
    AuditSeverity,
    Coordinate,
    Kind,
    Ref,
    UnmappedValue,
)
from connectors.scale.audit_fields import AUDIT, ERROR, field
from connectors.scale.shapes import Place, box, coordinate
from connectors.scale.words import AUDIT_ORIGIN, AUDIT_RESULT, ERROR_TYPE, SEVERITY

Locate = Callable[[str, int | None], str | None]
"""The external id of the annotation that has a native id, in a frame if one is given."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The answer that an audit is about and, where it fixed it, the answer that it left."""

    submission: str | None = None
    fixed: JSON = None


def records(task: Mapping[str, JSON]) -> list[Mapping[str, JSON]]:
    """The audit records, newest first as Scale sends them; one that is no object counts as a bare result."""
    return [one if isinstance(one, dict) else {"audit_result": json_words(one)} for one in many(task.get("audits"))]


def result(record: Mapping[str, JSON]) -> AuditResult:
    return AUDIT_RESULT.get((text(field(record, AUDIT["result"])) or "").lower(), AuditResult.UNKNOWN)


def auditor(record: Mapping[str, JSON]) -> Annotator | None:
    """Who audited; known by e-mail alone. A word that is no address is taken as a name."""
    said = (text(field(record, AUDIT["by"])) or "").encode("utf-8", "replace").decode().strip()
    if not said:
        return None
    if "@" not in said:
        return Annotator(external_id=said, name=said, annotator_kind=AnnotatorKind.HUMAN)
    return Annotator(external_id=person_id(said), email=said.lower(), annotator_kind=AnnotatorKind.HUMAN)


def audit_documents(
    task: Mapping[str, JSON],
    task_id: str,
    campaign: str | None,
    *,
    judged: Mapping[int, Judged],
    locate: Locate,
    place: Place,
) -> list[Audit]:
    """The audits in Scale's order. ``judged`` is by position in it."""
    found = records(task)
    ids = _ids(found, task_id)
    return [
        Audit(
            external_id=ids[index],
            raw_of=Ref(Kind.TASK, task_id),
            task=task_id,
            campaign=campaign,
            submission=judged[index].submission if index in judged else None,
            result=result(record),
            native_result=text(field(record, AUDIT["result"])),
            origin=_origin(record),
            auditor=who.external_id if (who := auditor(record)) else None,
            comments=comments(field(record, AUDIT["comments"])),
            errors=tuple(_error(error, locate, place) for error in many(field(record, AUDIT["errors"]))),
            fixed_response=judged[index].fixed if index in judged else None,
            duration_seconds=number(field(record, AUDIT["seconds"])),
            active_seconds=number(field(record, AUDIT["active_seconds"])),
            audited_at=moment(field(record, AUDIT["at"])),
        )
        for index, record in enumerate(found)
    ]


def comments(value: JSON) -> tuple[str, ...]:
    """A string or a list of strings (fact sheet §4, ``customer_review_comments``)."""
    return tuple(json_words(one) for one in many(value) if one not in (None, ""))


def _ids(found: Iterable[Mapping[str, JSON]], task_id: str) -> list[str]:
    """Ids in the given order. Equal ones are counted from the oldest on, so that a new record renames none."""
    counts: Counter[str] = Counter()
    ids = []
    for record in reversed(list(found)):
        who = auditor(record)
        at, source = (text(field(record, AUDIT[key])) or "-" for key in ("at", "source"))
        wanted = f"{task_id}/{at}/{who.external_id if who else '-'}/{source}"
        counts[wanted] += 1
        ids.append(wanted if counts[wanted] == 1 else f"{wanted}#{counts[wanted]}")
    return ids[::-1]


def _origin(record: Mapping[str, JSON]) -> AuditOrigin:
    return AUDIT_ORIGIN.get((text(field(record, AUDIT["source"])) or "").lower(), AuditOrigin.PLATFORM)


def _error(value: JSON, locate: Locate, place: Place) -> AuditError:
    """One per-annotation error; one that is no object counts as a bare comment."""
    said = {name: field(mapping(value), names) for name, names in ERROR.items()}
    if not isinstance(value, dict):
        said["comment"] = json_words(value)
    annotation, native_type, severity = (text(said[key]) for key in ("annotation", "type", "severity"))
    frame = integer(said["frame"])
    return AuditError(
        annotation=locate(annotation, frame) if annotation else None,
        annotation_external_id=annotation,
        type=ERROR_TYPE.get((native_type or "").lower(), AuditErrorType.OTHER),
        native_type=native_type,
        severity=SEVERITY.get((severity or "").lower(), AuditSeverity.UNSPECIFIED),
        native_severity=severity,
        comment=None if said["comment"] in (None, "") else json_words(said["comment"]),
        attribute=text(said["attribute"]),
        reasons=comments(said["reasons"]),
        fixed=flag(said["fixed"]),
        original_label=text(said["original_label"]),
        fixed_label=text(said["fixed_label"]),
        frame=frame,
        original=_box(said["original"], place),
        replacement=_box(said["replacement"], place),
        label_index=integer(said["label_index"]),
        locations=_locations(said["locations"]),
        untied=said["untied"] is True,
    )


def _box(value: JSON, place: Place) -> AnnotationValue | None:
    if value is None:
        return None
    return box(mapping(value), place) or UnmappedValue(shape="box", json=value)


def _locations(value: JSON) -> tuple[Coordinate, ...]:
    return tuple(at for at in map(coordinate, many(value)) if at)
