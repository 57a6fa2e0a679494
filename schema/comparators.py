"""One comparator input per scalar and enum: every operator that is set must hold."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any

import strawberry
from strawberry import UNSET

from connectors.contract import AuditTarget, DeletionSupport
from connectors.documents import (
    AnnotatorKind,
    AuditErrorType,
    AuditOrigin,
    AuditResult,
    AuditSeverity,
    CampaignStatus,
    CommentKind,
    CoordinateUnit,
    Expertise,
    InputType,
    PhaseKind,
    ReviewStatus,
    SubmissionKind,
    TaskStatus,
)
from schema.where import Comparator


def _op(description: str, name: str | None = None) -> Any:
    return strawberry.field(description=description, default=UNSET, name=name)


EQ = "Equal."
NEQ = "Not equal; missing values fit."
IN = "Equal to one of these."
NIN = "Equal to none of these; missing values fit."
NULL = "True: the value is missing. False: it is there."
GT, GTE = "Greater (later).", "Greater (later) or equal."
LT, LTE = "Less (earlier).", "Less (earlier) or equal."


@strawberry.input(name="IDFilter", description="Compares ids.")
class IDFilter(Comparator):
    eq: strawberry.ID | None = _op(EQ)
    neq: strawberry.ID | None = _op(NEQ)
    in_: list[strawberry.ID] | None = _op(IN, "in")
    nin: list[strawberry.ID] | None = _op(NIN)
    null: bool | None = _op(NULL)


@strawberry.input(description="Compares text, character by character (code points).")
class StringFilter(Comparator):
    eq: str | None = _op(EQ)
    neq: str | None = _op(NEQ)
    in_: list[str] | None = _op(IN, "in")
    nin: list[str] | None = _op(NIN)
    contains: str | None = _op("Has this text inside, taken literally.")
    starts_with: str | None = _op("Begins with this text, taken literally.")
    ignore_case: bool = strawberry.field(
        default=False, description="Compare by Unicode's simple case folding, for all operators here."
    )
    null: bool | None = _op(NULL)


@strawberry.input(description="Compares whole numbers.")
class IntFilter(Comparator):
    eq: int | None = _op(EQ)
    neq: int | None = _op(NEQ)
    in_: list[int] | None = _op(IN, "in")
    nin: list[int] | None = _op(NIN)
    gt: int | None = _op(GT)
    gte: int | None = _op(GTE)
    lt: int | None = _op(LT)
    lte: int | None = _op(LTE)
    null: bool | None = _op(NULL)


@strawberry.input(description="Compares numbers.")
class FloatFilter(Comparator):
    eq: float | None = _op(EQ)
    neq: float | None = _op(NEQ)
    gt: float | None = _op(GT)
    gte: float | None = _op(GTE)
    lt: float | None = _op(LT)
    lte: float | None = _op(LTE)
    null: bool | None = _op(NULL)


@strawberry.input(description="Compares instants.")
class DateTimeFilter(Comparator):
    eq: datetime | None = _op(EQ)
    neq: datetime | None = _op(NEQ)
    gt: datetime | None = _op(GT)
    gte: datetime | None = _op(GTE)
    lt: datetime | None = _op(LT)
    lte: datetime | None = _op(LTE)
    null: bool | None = _op(NULL)


# --- enums ------------------------------------------------------------------------------------------------------------

strawberry.enum(
    CampaignStatus, description="How far a campaign is. UNKNOWN: the platform does not say, or says a new word."
)
strawberry.enum(InputType, description="What kind of thing is labeled.")
strawberry.enum(PhaseKind, description="What people do in a phase.")
strawberry.enum(
    TaskStatus,
    description="How far a task is. UNKNOWN: the platform does not say, or says a new word (see nativeStatus).",
)
strawberry.enum(ReviewStatus, description="What the audits say of a task; MIXED when they differ between its parts.")
strawberry.enum(SubmissionKind, description="What an answer is: work, prediction, review, draft, fix.")
strawberry.enum(AnnotatorKind, description="Who or what labels.")
strawberry.enum(Expertise, description="Expertise of an annotator (APLOSE).")
strawberry.enum(
    AuditResult, description="The verdict of an audit. UNKNOWN: a word no mapping knows (see nativeResult)."
)
strawberry.enum(AuditOrigin, description="Made here, by the customer on the platform, or by the platform's own people.")
strawberry.enum(AuditErrorType, description="What is wrong with an annotation.")
strawberry.enum(AuditSeverity, description="How bad it is.")
strawberry.enum(CommentKind, description="What a comment is for.")
strawberry.enum(CoordinateUnit, description="What coordinates count.")
strawberry.enum(DeletionSupport, description="How deletions on the platform become known.")
strawberry.enum(AuditTarget, description="What an audit may judge on the platform.")


@strawberry.enum(description="How an audit made here travels to its platform.")
class DeliveryState(Enum):
    NOT_APPLICABLE = "NOT_APPLICABLE"
    PENDING = "PENDING"
    SENDING = "SENDING"
    DELIVERED = "DELIVERED"
    REFUSED = "REFUSED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


@strawberry.enum(description="What a run reads.")
class SyncMode(Enum):
    FULL = "FULL"
    INCREMENTAL = "INCREMENTAL"
    WEBHOOK = "WEBHOOK"
    IMPORT = "IMPORT"


@strawberry.enum(
    description="How a run stands. QUEUED: it waits for a worker. PARTIAL: it ended and skipped what it could not read."
)
class SyncState(Enum):
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


@strawberry.enum(description="Whether a source can be read now.")
class SourceHealth(Enum):
    OK = "OK"
    DEGRADED = "DEGRADED"
    UNAUTHORIZED = "UNAUTHORIZED"
    UNREACHABLE = "UNREACHABLE"
    NEVER_SYNCED = "NEVER_SYNCED"


@strawberry.input(description="Compares task statuses.")
class TaskStatusFilter(Comparator):
    eq: TaskStatus | None = _op(EQ)
    neq: TaskStatus | None = _op(NEQ)
    in_: list[TaskStatus] | None = _op(IN, "in")
    nin: list[TaskStatus] | None = _op(NIN)


@strawberry.input(description="Compares review statuses.")
class ReviewStatusFilter(Comparator):
    eq: ReviewStatus | None = _op(EQ)
    neq: ReviewStatus | None = _op(NEQ)
    in_: list[ReviewStatus] | None = _op(IN, "in")
    nin: list[ReviewStatus] | None = _op(NIN)


@strawberry.input(description="Compares campaign statuses.")
class CampaignStatusFilter(Comparator):
    eq: CampaignStatus | None = _op(EQ)
    neq: CampaignStatus | None = _op(NEQ)
    in_: list[CampaignStatus] | None = _op(IN, "in")
    nin: list[CampaignStatus] | None = _op(NIN)


@strawberry.input(description="Compares input types.")
class InputTypeFilter(Comparator):
    eq: InputType | None = _op(EQ)
    neq: InputType | None = _op(NEQ)
    in_: list[InputType] | None = _op(IN, "in")
    nin: list[InputType] | None = _op(NIN)


@strawberry.input(description="Compares verdicts.")
class AuditResultFilter(Comparator):
    eq: AuditResult | None = _op(EQ)
    neq: AuditResult | None = _op(NEQ)
    in_: list[AuditResult] | None = _op(IN, "in")
    nin: list[AuditResult] | None = _op(NIN)


@strawberry.input(description="Compares the origins of audits.")
class AuditOriginFilter(Comparator):
    eq: AuditOrigin | None = _op(EQ)
    neq: AuditOrigin | None = _op(NEQ)
    in_: list[AuditOrigin] | None = _op(IN, "in")
    nin: list[AuditOrigin] | None = _op(NIN)


@strawberry.input(description="Compares delivery states.")
class DeliveryStateFilter(Comparator):
    eq: DeliveryState | None = _op(EQ)
    neq: DeliveryState | None = _op(NEQ)
    in_: list[DeliveryState] | None = _op(IN, "in")
    nin: list[DeliveryState] | None = _op(NIN)
