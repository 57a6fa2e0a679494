"""The interfaces every stored thing has: a global id, where it comes from, and how fresh it is."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from schema.context import Context
from schema.data import computed, view_of
from schema.fields import Backed, link, part, stored
from schema.jsontext import json_value
from schema.scalars import JSON

RAW = "raw:read"

Info = strawberry.Info[Context, None]
if TYPE_CHECKING:
    from schema.source import Source
    from schema.sync import SyncRun

LazySource = Annotated["Source", strawberry.lazy("schema.source")]
LazySyncRun = Annotated["SyncRun", strawberry.lazy("schema.sync")]


def as_json(stored_text: Any) -> Any:
    """A JSON field as the store keeps it, as the value it means."""
    return json_value(stored_text)


@strawberry.interface(description="Anything with a stable, opaque id: refetch it with node(id:).")
class Node(Backed):
    id: strawberry.ID = stored("Global id, stable for as long as the thing exists.", path="_id")


@strawberry.type(description="Where an object came from, how fresh it is, and what the platform really said.")
class Provenance(Backed):
    fetched_at: datetime = stored(
        "When the gateway read the content it shows. A later sync that found it unchanged does not move it."
    )
    source_updated_at: datetime | None = stored(
        "The platform's own modification time; null where it has none (APLOSE CSV)."
    )
    deleted_at: datetime | None = stored("Set when a full sync no longer found it, or the platform said it is gone.")
    sync_run: LazySyncRun | None = link("The run that last wrote it.", "sync_runs", path="run")
    url: str | None = stored("Deep link into the platform's own interface, where one can be built.")

    @computed(f"The platform's own payload, unchanged. Null without the scope {RAW}.", "raw_of")
    async def raw(self, info: Info) -> JSON | None:
        if not info.context.viewer.may(RAW):
            return None
        found: JSON | None = await info.context.loaders.raw().load(self.doc.get("raw_of") or self.doc["_id"])
        return found


_PROVENANCE = ("fetched_at", "source_updated_at", "deleted_at", "run", "url", "raw_of")


def source_link() -> Any:
    return link("Which configured source this came from.", "sources")


def provenance_part() -> Any:
    return part(
        "Where the object came from, how fresh it is, and what the platform really said.",
        lambda doc: Provenance(doc=doc),
        path=".",
        needs=_PROVENANCE,
    )


@strawberry.interface(description="Anything that was read from a platform.")
class Ingested(Node):
    source: LazySource = source_link()
    source_name: str = stored("The name of that source.", path="source")
    external_id: str = stored("The id the platform itself uses; ours where the platform has none.")
    provenance: Provenance = provenance_part()


def shows(collection: str) -> Any:
    """Class decorator: this type shows the documents of a collection."""

    def register(cls: Any) -> Any:
        view_of(collection, lambda doc: cls(doc=doc))
        return cls

    return register


def embedded(cls: Any) -> Any:
    """A wrapper for ``part`` whose type is defined by now."""
    return lambda doc: cls(doc=doc)
