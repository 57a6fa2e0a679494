"""What each noun can be filtered and ordered by. The store indexes every path named here."""

from __future__ import annotations

from enum import Enum
from typing import Any

import strawberry
from strawberry import UNSET

from schema.comparators import (
    AuditOriginFilter,
    AuditResultFilter,
    CampaignStatusFilter,
    DateTimeFilter,
    DeliveryStateFilter,
    FloatFilter,
    IDFilter,
    InputTypeFilter,
    IntFilter,
    ReviewStatusFilter,
    StringFilter,
    TaskStatusFilter,
)
from schema.where import Direction, OrderBy, Where, on

PEOPLE = "people:read"

_AND = "All of these must hold; an empty list holds."
_OR = "One of these must hold; an empty list never holds."
_NOT = "This must not hold."
_ID = "The global id."
_SOURCE = "The name of the source."
_PLATFORM = "The platform of the source."
_EXTERNAL = "The platform's own id."
_CAMPAIGN = "The campaign's global id."
_TASK = "The task's global id."


def _logic(name: str, description: str) -> Any:
    return strawberry.field(name=name, description=description, default=UNSET)


def _with_deleted() -> Any:
    return strawberry.field(
        name="includeDeleted",
        default=False,
        description="Also what the platform no longer has. Only at the top of a filter.",
    )


def _platform() -> Any:
    return on("source", _PLATFORM, through="sources", inner="platform")


def _person(path: str, description: str) -> Any:
    return on(path, f"{description} Needs the scope {PEOPLE}.", through="annotators", inner="email", scope=PEOPLE)


@strawberry.input(description="Filters campaigns.")
class CampaignWhere(Where):
    and_: list[CampaignWhere] | None = _logic("and", _AND)
    or_: list[CampaignWhere] | None = _logic("or", _OR)
    not_: CampaignWhere | None = _logic("not", _NOT)
    id: IDFilter | None = on("_id", _ID)
    source: StringFilter | None = on("source", _SOURCE)
    platform: StringFilter | None = _platform()
    external_id: StringFilter | None = on("external_id", _EXTERNAL)
    name: StringFilter | None = on("name", "The name people know.")
    status: CampaignStatusFilter | None = on("status", "How far it is.")
    input_type: InputTypeFilter | None = on("input_type", "What is labeled in it.")
    created_at: DateTimeFilter | None = on("created_at", "When it was made on the platform.")
    updated_at: DateTimeFilter | None = on("updated_at", "When it last changed on the platform.")
    with_deleted: bool = _with_deleted()


@strawberry.input(description="Filters tasks.")
class TaskWhere(Where):
    and_: list[TaskWhere] | None = _logic("and", _AND)
    or_: list[TaskWhere] | None = _logic("or", _OR)
    not_: TaskWhere | None = _logic("not", _NOT)
    id: IDFilter | None = on("_id", _ID)
    source: StringFilter | None = on("source", _SOURCE)
    platform: StringFilter | None = _platform()
    external_id: StringFilter | None = on("external_id", _EXTERNAL)
    campaign: IDFilter | None = on("campaign", _CAMPAIGN)
    campaign_name: StringFilter | None = on("campaign", "The campaign's name.", through="campaigns", inner="name")
    asset: IDFilter | None = on("asset", "The (first) asset's global id.")
    asset_name: StringFilter | None = on("asset_name", "The (first) asset's name.")
    batch: StringFilter | None = on("batch", "The batch's name (Scale).")
    phase_name: StringFilter | None = on("phase.name", "The name of the phase or workflow step.")
    type: StringFilter | None = on("type", "The platform's type of task.")
    status: TaskStatusFilter | None = on("status", "How far it is.")
    native_status: StringFilter | None = on("native_status", "The platform's own word for the status.")
    tag: StringFilter | None = on("tags", "One of the task's tags.")
    assignee: IDFilter | None = on("assignees", "Global id of one of the people it is assigned to.")
    assignee_email: StringFilter | None = _person("assignees", "E-mail of one of the people it is assigned to.")
    label: StringFilter | None = on("labels", "The label of one of its current marks.")
    review_status: ReviewStatusFilter | None = on("review_status", "What the audits say of it.")
    audit_count: IntFilter | None = on("audit_count", "How many audits it has.")
    last_audited_at: DateTimeFilter | None = on("last_audited_at", "The time of its newest audit.")
    consensus_score: FloatFilter | None = on("consensus_score", "Agreement of its annotators, 0 to 1 (Kili).")
    honeypot_score: FloatFilter | None = on("honeypot_score", "Agreement with the known answer, 0 to 1 (Kili).")
    created_at: DateTimeFilter | None = on("created_at", "When it was made on the platform.")
    updated_at: DateTimeFilter | None = on("updated_at", "When it last changed on the platform.")
    completed_at: DateTimeFilter | None = on("completed_at", "When it was completed.")
    with_deleted: bool = _with_deleted()


@strawberry.input(description="Filters assets.")
class AssetWhere(Where):
    and_: list[AssetWhere] | None = _logic("and", _AND)
    or_: list[AssetWhere] | None = _logic("or", _OR)
    not_: AssetWhere | None = _logic("not", _NOT)
    id: IDFilter | None = on("_id", _ID)
    source: StringFilter | None = on("source", _SOURCE)
    platform: StringFilter | None = _platform()
    external_id: StringFilter | None = on("external_id", _EXTERNAL)
    campaign: IDFilter | None = on("campaign", _CAMPAIGN)
    name: StringFilter | None = on("name", "The name people know.")
    dataset: StringFilter | None = on("dataset", "The dataset it belongs to (APLOSE).")
    input_type: InputTypeFilter | None = on("input_type", "What kind of thing it is.")
    is_honeypot: bool | None = on("is_honeypot", "Has a known answer (Kili).")
    used_for_consensus: bool | None = on("used_for_consensus", "Is labeled by several people (Kili).")
    start_at: DateTimeFilter | None = on("start_at", "When the recording begins.")
    end_at: DateTimeFilter | None = on("end_at", "When the recording ends.")
    with_deleted: bool = _with_deleted()


@strawberry.input(description="Filters annotations.")
class AnnotationWhere(Where):
    and_: list[AnnotationWhere] | None = _logic("and", _AND)
    or_: list[AnnotationWhere] | None = _logic("or", _OR)
    not_: AnnotationWhere | None = _logic("not", _NOT)
    id: IDFilter | None = on("_id", _ID)
    source: StringFilter | None = on("source", _SOURCE)
    platform: StringFilter | None = _platform()
    external_id: StringFilter | None = on("external_id", _EXTERNAL)
    campaign: IDFilter | None = on("campaign", _CAMPAIGN)
    task: IDFilter | None = on("task", _TASK)
    asset: IDFilter | None = on("asset", "The asset's global id.")
    author: IDFilter | None = on("author", "The author's global id.")
    author_email: StringFilter | None = _person("author", "The author's e-mail.")
    label: StringFilter | None = on("label", "The label.")
    value_type: StringFilter | None = on("value.type", "The type name of its value, such as BoundingBox.")
    confidence_level: FloatFilter | None = on("confidence.level", "The level of confidence, in the platform's scale.")
    is_current: bool | None = on("is_current", "False for marks of an answer that was replaced.")
    start_at: DateTimeFilter | None = on("start_at", "When it begins, as an instant.")
    end_at: DateTimeFilter | None = on("end_at", "When it ends, as an instant.")
    frequency_min: FloatFilter | None = on("frequency_span.start", "Its lowest frequency, Hz.")
    frequency_max: FloatFilter | None = on("frequency_span.end", "Its highest frequency, Hz.")
    with_deleted: bool = _with_deleted()


@strawberry.input(description="Filters audits.")
class AuditWhere(Where):
    and_: list[AuditWhere] | None = _logic("and", _AND)
    or_: list[AuditWhere] | None = _logic("or", _OR)
    not_: AuditWhere | None = _logic("not", _NOT)
    id: IDFilter | None = on("_id", _ID)
    source: StringFilter | None = on("source", _SOURCE)
    platform: StringFilter | None = _platform()
    campaign: IDFilter | None = on("campaign", _CAMPAIGN)
    task: IDFilter | None = on("task", _TASK)
    annotation: IDFilter | None = on("annotation", "Global id of the judged annotation.")
    label: StringFilter | None = on("label", "Label of the judged annotation.")
    result: AuditResultFilter | None = on("result", "The verdict.")
    origin: AuditOriginFilter | None = on("origin", "Who made it.")
    auditor: IDFilter | None = on("auditor", "The auditor's global id.")
    auditor_email: StringFilter | None = _person("auditor", "The auditor's e-mail.")
    delivery_state: DeliveryStateFilter | None = on("delivery.state", "How it travels to the platform.")
    error_type: StringFilter | None = on("errors.type", "The type of one of its errors, such as LABEL.")
    audited_at: DateTimeFilter | None = on("audited_at", "When the verdict was given.")
    with_deleted: bool = _with_deleted()


@strawberry.input(description="Filters annotators.")
class AnnotatorWhere(Where):
    and_: list[AnnotatorWhere] | None = _logic("and", _AND)
    or_: list[AnnotatorWhere] | None = _logic("or", _OR)
    not_: AnnotatorWhere | None = _logic("not", _NOT)
    id: IDFilter | None = on("_id", _ID)
    source: StringFilter | None = on("source", _SOURCE)
    platform: StringFilter | None = _platform()
    external_id: StringFilter | None = on("external_id", _EXTERNAL)
    email: StringFilter | None = on("email", f"The e-mail. Needs the scope {PEOPLE}.", scope=PEOPLE)
    name: StringFilter | None = on("name", "The name.")
    with_deleted: bool = _with_deleted()


# --- orderings --------------------------------------------------------------------------------------------------------

_FIELD = "What to sort by."
_DIRECTION = "Which way."


@strawberry.enum(description="What campaigns sort by.")
class CampaignOrderField(Enum):
    NAME = "name"
    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"
    EXTERNAL_ID = "external_id"


@strawberry.enum(description="What tasks sort by.")
class TaskOrderField(Enum):
    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"
    COMPLETED_AT = "completed_at"
    PRIORITY = "priority"
    STATUS = "status"
    LAST_AUDITED_AT = "last_audited_at"
    CONSENSUS_SCORE = "consensus_score"
    EXTERNAL_ID = "external_id"


@strawberry.enum(description="What assets sort by.")
class AssetOrderField(Enum):
    NAME = "name"
    START_AT = "start_at"
    EXTERNAL_ID = "external_id"


@strawberry.enum(description="What annotations sort by.")
class AnnotationOrderField(Enum):
    START_AT = "start_at"
    LABEL = "label"


@strawberry.enum(description="What annotators sort by.")
class AnnotatorOrderField(Enum):
    NAME = "name"
    EXTERNAL_ID = "external_id"


@strawberry.enum(description="What audits sort by.")
class AuditOrderField(Enum):
    AUDITED_AT = "audited_at"
    DELIVERED_AT = "delivery.delivered_at"


@strawberry.input(description="A sort key of campaigns.")
class CampaignOrder(OrderBy):
    field: CampaignOrderField = strawberry.field(description=_FIELD)
    direction: Direction = strawberry.field(default=Direction.ASC, description=_DIRECTION)


@strawberry.input(description="A sort key of tasks.")
class TaskOrder(OrderBy):
    field: TaskOrderField = strawberry.field(description=_FIELD)
    direction: Direction = strawberry.field(default=Direction.ASC, description=_DIRECTION)


@strawberry.input(description="A sort key of assets.")
class AssetOrder(OrderBy):
    field: AssetOrderField = strawberry.field(description=_FIELD)
    direction: Direction = strawberry.field(default=Direction.ASC, description=_DIRECTION)


@strawberry.input(description="A sort key of annotations.")
class AnnotationOrder(OrderBy):
    field: AnnotationOrderField = strawberry.field(description=_FIELD)
    direction: Direction = strawberry.field(default=Direction.ASC, description=_DIRECTION)


@strawberry.input(description="A sort key of annotators.")
class AnnotatorOrder(OrderBy):
    field: AnnotatorOrderField = strawberry.field(description=_FIELD)
    direction: Direction = strawberry.field(default=Direction.ASC, description=_DIRECTION)


@strawberry.input(description="A sort key of audits.")
class AuditOrder(OrderBy):
    field: AuditOrderField = strawberry.field(description=_FIELD)
    direction: Direction = strawberry.field(default=Direction.DESC, description=_DIRECTION)
