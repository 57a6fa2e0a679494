"""Annotations: one mark on an asset, with its value, confidence, times and what replaced it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from schema.annotator import Annotator
from schema.fields import Backed, children, link, part, stored
from schema.node import Ingested, Node, as_json, embedded, shows
from schema.ports import Order
from schema.reference import Referable
from schema.scalars import JSON
from schema.values import AnnotationValue, Span, annotation_value

if TYPE_CHECKING:
    from schema.asset import Asset
    from schema.task import Submission, Task

LazyTask = Annotated["Task", strawberry.lazy("schema.task")]
LazyAsset = Annotated["Asset", strawberry.lazy("schema.asset")]
LazySubmission = Annotated["Submission", strawberry.lazy("schema.task")]


@strawberry.type(description="How sure the annotator was.")
class Confidence(Backed):
    label: str | None = stored("The platform's word for the level.")
    level: float | None = stored("The level.")
    max_level: float | None = stored("The highest level there is; a level over it is the platform's own doing.")


@shows("annotations")
@strawberry.federation.type(keys=["id", "sourceName externalId"], description="One mark on an asset.")
class Annotation(Referable, Ingested, Node):
    task: LazyTask | None = link("The task it answers.", "tasks")
    asset: LazyAsset | None = link("What it marks.", "assets")
    submission: LazySubmission | None = link("The answer it is part of.", "submissions")
    author: Annotator | None = link("Who or what made it.", "annotators")
    native_id: str | None = stored("The platform's own id of the mark, which may repeat between answers.")
    is_current: bool = stored("False for marks of an answer that was replaced.")
    label: str | None = stored("The label.")
    value: AnnotationValue = part("What it is.", annotation_value)
    confidence: Confidence | None = part("How sure the annotator was.", embedded(Confidence))
    comment: str | None = stored("What the annotator wrote about it.")
    time_span: Span | None = part("Seconds from the start of the asset (audio, video).", embedded(Span))
    start_at: datetime | None = stored("The same as an instant: when it begins.")
    end_at: datetime | None = stored("When it ends, as an instant.")
    frequency_span: Span | None = part("Hz; marks in spectrograms.", embedded(Span))
    attributes: JSON | None = stored(
        "Everything else the platform says about the mark: attributes, acoustic features.", read=as_json
    )
    replaced_by: list[Annotation] = children(
        "Marks that correct this one after verification (APLOSE).", "annotations", "replaces", order=(Order("_id"),)
    )
