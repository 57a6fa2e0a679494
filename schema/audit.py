"""Audits: verdicts on tasks, answers and marks, made here or read from a platform, and how ours travel."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from connectors.documents import AuditErrorType, AuditOrigin, AuditResult, AuditSeverity
from schema.annotation import Annotation
from schema.annotator import Annotator
from schema.comparators import DeliveryState
from schema.data import computed
from schema.errors import ErrorCode
from schema.fields import Backed, link, part, stored
from schema.filters import PEOPLE
from schema.node import Info, LazySource, Node, Provenance, as_json, embedded, provenance_part, shows, source_link
from schema.reference import Referable
from schema.scalars import JSON
from schema.values import AnnotationValue, Coordinate, annotation_value

if TYPE_CHECKING:
    from schema.task import Task

LazyTask = Annotated["Task", strawberry.lazy("schema.task")]


@strawberry.type(description="One thing that is wrong with a task or a mark.")
class AuditError(Backed):
    annotation: Annotation | None = link("The mark at fault, where it is known.", "annotations")
    annotation_external_id: str | None = stored("The platform's word for the mark, also when it points nowhere.")
    type: AuditErrorType = stored("What is wrong.")
    native_type: str | None = stored("The platform's own word for that.")
    severity: AuditSeverity = stored("How bad it is.")
    native_severity: str | None = stored("The platform's own word for that.")
    comment: str | None = stored("What the auditor wrote.")
    attribute: str | None = stored("The attribute at fault.")
    reasons: list[str] = stored("Reasons the auditor tagged.", read=list)
    fixed: bool | None = stored("True if the audit itself mended it.")
    original_label: str | None = stored("The label before.")
    fixed_label: str | None = stored("The label after.")
    frame: int | None = stored("Frame of a video.")
    original: AnnotationValue | None = part("The shape before.", annotation_value)
    replacement: AnnotationValue | None = part("The shape after.", annotation_value)
    label_index: int | None = stored("Index of the label in a segmentation.")
    locations: list[Coordinate] = part("Places of wrong pixels in a segmentation.", embedded(Coordinate), is_list=True)
    untied: bool = stored("True if the error was tagged without drawing an annotation.")


@strawberry.type(description="Why a delivery did not succeed.")
class DeliveryError(Backed):
    code: ErrorCode = stored("What went wrong, for programs.")
    message: str = stored("The same for people.")
    at: datetime = stored("When.")


@strawberry.type(description="How an audit made here travels to its platform.")
class Delivery(Backed):
    state: DeliveryState = stored("How far it is. NOT_APPLICABLE: there is nothing to deliver.")
    reason: str | None = stored("Why nothing is delivered, for NOT_APPLICABLE.")
    attempts: int = stored("How often it was tried.")
    next_attempt_at: datetime | None = stored("When it is tried next.")
    delivered_at: datetime | None = stored("When the platform took it.")
    receipt: JSON | None = stored("What the platform answered: an id, a status.", read=as_json)
    last_error: DeliveryError | None = part("What the last try met.", embedded(DeliveryError))


@shows("audits")
@strawberry.federation.type(keys=["id"], description="A verdict on a task, a submission or one annotation.")
class Audit(Referable, Node):
    source: LazySource = source_link()
    source_name: str = stored("The name of that source.", path="source")
    external_id: str | None = stored("Null until the platform has accepted an audit made here.")
    provenance: Provenance = provenance_part()
    task: LazyTask | None = link("The task that was judged.", "tasks")
    submission_id: strawberry.ID | None = stored("The answer that was judged.", path="submission")
    annotation: Annotation | None = link("The mark that was judged.", "annotations")
    label: str | None = stored("Label of the judged mark.")
    author: Annotator | None = link("Who made what was judged.", "annotators")
    result: AuditResult = stored("The verdict.")
    native_result: str | None = stored("The platform's own word for it.")
    origin: AuditOrigin = stored("Who made it.")
    auditor: Annotator | None = link("Who gave the verdict.", "annotators")
    comments: list[str] = stored("What the auditor wrote.", read=list)
    errors: list[AuditError] = part("What is wrong, mark by mark.", embedded(AuditError), is_list=True)
    fixed_response: JSON | None = stored("The corrected answer, when the result is FIXED.", read=as_json)
    duration_seconds: float | None = stored("Seconds the audit took.")
    active_seconds: float | None = stored("The same without idle time.")
    audited_at: datetime | None = stored("When; null where the platform keeps no time (APLOSE verifier columns).")
    delivery: Delivery = part("How the verdict travels to the platform.", embedded(Delivery))

    @computed(f"The auditor's e-mail. Null without the scope {PEOPLE}.", "auditor")
    async def auditor_email(self, info: Info) -> str | None:
        auditor = self.doc.get("auditor")
        if auditor is None or not info.context.viewer.may(PEOPLE):
            return None
        person = await info.context.loaders.document("annotators", frozenset({"email"})).load(auditor)
        return person.get("email") if person else None
