"""What people submit: audits, batches of them, and requests to read a source now."""

from __future__ import annotations

from typing import Any

import strawberry
from strawberry import UNSET

from connectors.documents import AuditErrorType, AuditResult, AuditSeverity
from schema.comparators import SyncMode
from schema.ports import NewAudit, NewAuditError
from schema.query import TaskRef, named
from schema.scalars import JSON


def _optional(description: str) -> Any:
    return strawberry.field(description=description, default=UNSET)


def _given(value: Any) -> Any:
    return None if value is UNSET else value


@strawberry.input(description="One thing that is wrong with a task or a mark.")
class AuditErrorInput:
    annotation_id: strawberry.ID | None = _optional("Global id of the mark at fault; none for one that is missing.")
    type: AuditErrorType = strawberry.field(description="What is wrong.")
    severity: AuditSeverity = strawberry.field(default=AuditSeverity.UNSPECIFIED, description="How bad it is.")
    comment: str | None = _optional("What the auditor wrote.")
    attribute: str | None = _optional("The attribute at fault, for ATTRIBUTE.")
    reasons: list[str] | None = _optional("Reasons the auditor tagged.")
    original_label: str | None = _optional("The label before, for LABEL; the mark's own where it is left out.")
    fixed_label: str | None = _optional("The label it should have, for LABEL.")
    frame: int | None = _optional("Frame of a video, from 0.")

    def plain(self) -> NewAuditError:
        return NewAuditError(
            annotation=_given(self.annotation_id),
            type=self.type.value,
            severity=self.severity.value,
            comment=_given(self.comment),
            attribute=_given(self.attribute),
            reasons=tuple(_given(self.reasons) or ()),
            original_label=_given(self.original_label),
            fixed_label=_given(self.fixed_label),
            frame=_given(self.frame),
        )


@strawberry.input(description="A verdict on a task, on one answer to it, or on one mark.")
class SubmitAuditInput:
    idempotency_key: strawberry.ID = strawberry.field(
        description="Chosen by the client; the same key with the same content answers with the first result."
    )
    task: TaskRef = strawberry.field(description="The task that is judged.")
    submission_id: strawberry.ID | None = _optional(
        "Global id of the answer that is judged; the task as a whole if none."
    )
    annotation_id: strawberry.ID | None = _optional("Global id of the mark that is judged.")
    result: AuditResult = strawberry.field(description="The verdict; UNKNOWN is none.")
    comment: str | None = _optional("What the auditor wrote.")
    errors: list[AuditErrorInput] | None = _optional("What is wrong, mark by mark; at most 200.")
    fixed_response: JSON | None = _optional("The corrected answer in the platform's own format. Required for FIXED.")
    duration_seconds: float | None = _optional("Seconds the audit took.")
    active_seconds: float | None = _optional("The same without idle time.")
    expected_version: str | None = _optional(
        "Task.version as the auditor saw it; a different one now is a StaleTask error."
    )
    require_delivery: bool = strawberry.field(
        default=False,
        description="Refuse with Unsupported what the platform cannot take; otherwise it is kept here alone.",
    )

    def plain(self) -> NewAudit:
        return NewAudit(
            idempotency_key=str(self.idempotency_key),
            task=named(self.task, "Task"),
            submission=_given(self.submission_id),
            annotation=_given(self.annotation_id),
            result=self.result.value,
            comment=_given(self.comment),
            errors=tuple(error.plain() for error in _given(self.errors) or ()),
            fixed_response=_given(self.fixed_response),
            has_fixed_response=self.fixed_response is not UNSET,
            duration_seconds=_given(self.duration_seconds),
            active_seconds=_given(self.active_seconds),
            expected_version=_given(self.expected_version),
            require_delivery=self.require_delivery,
        )


@strawberry.input(description="Several audits at once.")
class SubmitAuditsInput:
    items: list[SubmitAuditInput] = strawberry.field(description="At most 100.")
    atomic: bool = strawberry.field(default=False, description="All or none.")


@strawberry.input(description="A wish that a source be read now.")
class StartSyncInput:
    source: strawberry.ID = strawberry.field(description="Global id of the source.")
    mode: SyncMode = strawberry.field(default=SyncMode.INCREMENTAL, description="INCREMENTAL, or FULL.")
