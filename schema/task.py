"""Tasks: one unit of work, the answers to it, and what the audits say."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from connectors.documents import CommentKind, PhaseKind, ReviewStatus, SubmissionKind, TaskStatus
from schema.annotation import Annotation
from schema.annotator import Annotator
from schema.asset import Asset
from schema.audit import Audit
from schema.connections import Connection
from schema.fields import Backed, children, connection, link, part, stored
from schema.filters import AnnotationOrder, AnnotationWhere, AuditOrder, AuditWhere
from schema.node import Ingested, Node, as_json, embedded, shows
from schema.ports import Order
from schema.reference import Referable
from schema.scalars import JSON

if TYPE_CHECKING:
    from schema.campaign import Campaign

LazyCampaign = Annotated["Campaign", strawberry.lazy("schema.campaign")]
LazyTask = Annotated["Task", strawberry.lazy("schema.task")]


@strawberry.type(description="One step of work in a campaign.")
class Phase(Backed):
    name: str = stored("Its name on the platform.")
    kind: PhaseKind = stored("What people do in it.")
    position: int = stored("Counts from 0.")
    closed_at: datetime | None = stored("When it was ended.")


@shows("submissions")
@strawberry.federation.type(
    keys=["id", "sourceName externalId"],
    description="One answer to a task: a Scale response (also a prior one), a Kili label, one person's APLOSE rows.",
)
class Submission(Referable, Ingested, Node):
    task: LazyTask | None = link("The task it answers.", "tasks")
    author: Annotator | None = link("Who or what gave it.", "annotators")
    kind: SubmissionKind = stored("What it is.", path="submission_kind")
    native_kind: str | None = stored("The platform's own word for that.")
    position: int = stored("Counts the answers of its task, the oldest is 0.")
    is_current: bool = stored("True for the answer that counts now.")
    skipped: bool = stored("The annotator passed the task by.")
    submitted_at: datetime | None = stored("When it was given.")
    labeling_seconds: float | None = stored("Seconds spent, where the platform measures it.")
    model_name: str | None = stored("The model that made it, for predictions.")
    response: JSON | None = stored("The answer in the platform's own format.", read=as_json)


@shows("comments")
@strawberry.federation.type(
    keys=["id", "sourceName externalId"],
    description="What somebody wrote about a task or a mark: APLOSE task comments, Kili issues and questions.",
)
class Comment(Referable, Ingested, Node):
    task: LazyTask | None = link("The task it is about.", "tasks")
    annotation: Annotation | None = link("The mark it is about.", "annotations")
    author: Annotator | None = link("Who wrote it.", "annotators")
    kind: CommentKind = stored("What it is for.", path="comment_kind")
    native_status: str | None = stored("The platform's own word for its state, such as OPEN.")
    text: str = stored("The text.")
    created_at: datetime | None = stored("When it was written.")


@shows("tasks")
@strawberry.federation.type(
    keys=["id", "sourceName externalId"],
    description="One unit of work. Scale task; Kili asset in a project; APLOSE file x annotator x phase.",
)
class Task(Referable, Ingested, Node):
    campaign: LazyCampaign | None = link(
        "Null if the campaign was deleted or is not visible to the source's credentials.", "campaigns"
    )
    asset: Asset | None = link("What is labeled; the first of several.", "assets")
    assets: list[Asset] = link("All that is labeled in it, in order.", "assets", is_list=True)
    asset_name: str | None = stored("The (first) asset's name.")
    phase: Phase | None = part("The phase or workflow step it is in.", embedded(Phase))
    batch: str | None = stored("Scale batch name; null elsewhere.")
    type: str | None = stored("The platform's type of task.")
    status: TaskStatus = stored("How far it is.")
    native_status: str | None = stored("The platform's own word for the status; null where an export does not say it.")
    priority: int | None = stored("The platform's priority.")
    tags: list[str] = stored("The platform's tags.", read=list)
    assignees: list[Annotator] = link("Who it is assigned to.", "annotators", is_list=True)
    version: str = stored(
        "Changes whenever the answer under audit changes; give it back as submitAudit.expectedVersion."
    )
    submissions: list[Submission] = children(
        "What people or models answered, newest first. The one with isCurrent is the answer.",
        "submissions",
        "task",
        order=(Order("position", descending=True),),
    )
    annotations: Connection[Annotation] = connection(
        "The marks of all its answers; filter isCurrent for those that count.",
        "annotations",
        "task",
        where=AnnotationWhere,
        order_by=AnnotationOrder,
    )
    annotation_count: int = stored("How many current marks it has.")
    labels: list[str] = stored("The labels of its current marks, each once.", read=list)
    comments: list[Comment] = children(
        "What people wrote about it, oldest first.", "comments", "task", order=(Order("created_at"),)
    )
    audits: Connection[Audit] = connection(
        "Newest first.",
        "audits",
        "task",
        where=AuditWhere,
        order_by=AuditOrder,
        default_order=(Order("audited_at", descending=True),),
    )
    latest_audit: Audit | None = link("The newest audit.", "audits")
    audit_count: int = stored("How many audits it has.")
    last_audited_at: datetime | None = stored("The time of its newest audit.")
    review_status: ReviewStatus = stored("What the audits, or the platform itself, say of it.")
    review_comments: list[str] = stored("The auditors' comments on the task, oldest first.", read=list)
    labeling_seconds: float | None = stored("Seconds spent labeling, where the platform measures it.")
    consensus_score: float | None = stored("Kili consensus mark, 0 to 1.")
    honeypot_score: float | None = stored("Kili honeypot mark, 0 to 1; null unless the asset is a honeypot.")
    metadata: JSON | None = stored("What the platform keeps beside it.", read=as_json)
    created_at: datetime | None = stored("When it was made on the platform.")
    updated_at: datetime | None = stored("When it last changed on the platform.")
    completed_at: datetime | None = stored("When it was completed.")
