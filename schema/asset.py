"""Assets: the things being labeled."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from connectors.documents import InputType
from schema.annotation import Annotation
from schema.connections import Connection
from schema.fields import connection, link, stored
from schema.filters import AnnotationOrder, AnnotationWhere, TaskOrder, TaskWhere
from schema.node import Ingested, Node, as_json, shows
from schema.reference import Referable
from schema.scalars import JSON

if TYPE_CHECKING:
    from schema.campaign import Campaign
    from schema.task import Task

LazyTask = Annotated["Task", strawberry.lazy("schema.task")]
LazyCampaign = Annotated["Campaign", strawberry.lazy("schema.campaign")]


@shows("assets")
@strawberry.federation.type(keys=["id", "sourceName externalId"], description="The thing being labeled.")
class Asset(Referable, Ingested, Node):
    name: str = stored("The name people know: Kili externalId, APLOSE filename, Scale attachment name.")
    input_type: InputType = stored("What kind of thing it is.")
    content_url: str | None = stored("Where its content is. Signed links expire; refetch rather than store.")
    dataset: str | None = stored("The dataset it belongs to (APLOSE).")
    start_at: datetime | None = stored("When the recording begins.")
    end_at: datetime | None = stored("When the recording ends.")
    metadata: JSON | None = stored("What the platform keeps beside it.", read=as_json)
    is_honeypot: bool | None = stored("Has a known answer (Kili).")
    used_for_consensus: bool | None = stored("Is labeled by several people (Kili).")
    campaign: LazyCampaign | None = link("The campaign it is labeled in.", "campaigns")
    tasks: Connection[LazyTask] = connection(
        "Its tasks: one, or one an annotator and phase (APLOSE).",
        "tasks",
        "assets",
        where=TaskWhere,
        order_by=TaskOrder,
    )
    annotations: Connection[Annotation] = connection(
        "All marks on it.", "annotations", "asset", where=AnnotationWhere, order_by=AnnotationOrder
    )
