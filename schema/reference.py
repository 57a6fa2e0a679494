"""How another service's reference to one of our entities becomes the entity: Apollo Federation's keys."""

from __future__ import annotations

from typing import Any

import strawberry

from connectors.ids import gid
from schema.context import Context
from schema.data import view
from schema.selection import entity_paths

COLLECTION_OF_KIND = {
    "Campaign": "campaigns",
    "Asset": "assets",
    "Task": "tasks",
    "Submission": "submissions",
    "Annotation": "annotations",
    "Annotator": "annotators",
    "Audit": "audits",
    "Comment": "comments",
    "SyncRun": "sync_runs",
    "Source": "sources",
}


class Referable:
    """Entities with the keys ``id`` and ``sourceName externalId``; null for what the viewer may not see."""

    @classmethod
    async def resolve_reference(cls, info: strawberry.Info[Context, None], **reference: Any) -> Any:
        """Keys come as they were sent, in GraphQL's spelling."""
        id_ = reference.get("id")
        if id_ is None:
            id_ = gid(str(reference.get("sourceName")), cls.__name__, str(reference.get("externalId")))
        collection = COLLECTION_OF_KIND[cls.__name__]
        doc = await info.context.loaders.document(collection, entity_paths(info, cls.__name__)).load(str(id_))
        return None if doc is None else view(collection, doc)
