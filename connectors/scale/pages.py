"""Makes pages for the store from what Scale's lists hold.

Unreadable records are reported, large pages are cut, and the last page of a full pass says that it was the last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from connectors.coerce import mapping, text
from connectors.documents import (
    JSON,
    AnyDocument,
    Campaign,
    CampaignStatus,
    Kind,
    Page,
    Scope,
    SkippedRecord,
)
from connectors.errors import SkipRecord
from connectors.scale.mapping import CHILDREN, project_document
from connectors.scale.passes import Pass

KINDS: Final = CHILDREN | {Kind.CAMPAIGN, Kind.TASK, Kind.ASSET, Kind.ANNOTATOR}
"""What a full pass sees all of."""

PAGE_DOCUMENTS: Final = 5_000
"""A page of the store ends when it has so many; a page of Scale with large tasks becomes several."""

Record = Sequence[AnyDocument]
"""All documents of one task or project; they stay together."""


def read(
    payloads: Iterable[JSON], make: Callable[[JSON], Record], where: str
) -> tuple[list[Record], list[SkippedRecord]]:
    """The documents of each payload, and those payloads that are none."""
    records: list[Record] = []
    skipped: list[SkippedRecord] = []
    for payload in payloads:
        try:
            records.append(make(payload))
        except SkipRecord as skip:
            name = skip.external_id or text(mapping(payload).get("task_id")) or text(mapping(payload).get("name"))
            skipped.append(
                SkippedRecord(
                    reason=skip.message,
                    where=f"{where}: {name}" if name else where,
                    field=skip.field,
                    external_id=name,
                    raw=skip.raw,
                )
            )
    return records, skipped


def campaigns(listed: Iterable[JSON], archived: Iterable[JSON]) -> tuple[list[Campaign], list[SkippedRecord]]:
    """Projects from the two lists that Scale gives. A project does not say whether it is archived; its list does.

    One that is in both has no known status: then Scale does not tell the two lists apart as we take it.
    """
    found: dict[str, Campaign] = {}
    skipped: list[SkippedRecord] = []
    for projects, status in ((listed, CampaignStatus.OPEN), (archived, CampaignStatus.ARCHIVED)):
        for project in projects:
            records, unread = read([project], lambda one: [project_document(one)], "GET /projects")
            skipped += [one for one in unread if one not in skipped]
            for campaign in records[0] if records else ():
                assert isinstance(campaign, Campaign)
                known = campaign.status is not CampaignStatus.UNKNOWN or campaign.external_id in found
                native = "archived" if status is CampaignStatus.ARCHIVED else None
                found[campaign.external_id] = (
                    campaign if known else replace(campaign, status=status, native_status=native)
                )
    return list(found.values()), skipped


def documents(records: Iterable[Record]) -> list[AnyDocument]:
    """Of what several tasks share (project, attachments, people) each page states every thing once."""
    return next(_parts(records, limit=None))


def pages(
    records: Iterable[Record],
    skipped: Sequence[SkippedRecord],
    going: Pass,
    *,
    read: int = 0,
    total: int | None = None,
) -> Iterator[Page]:
    """The pages for one answer of Scale. Only the last has the checkpoint, and the scope where the pass ends with it.

    A pass that could not read a record has not seen everything, so it does not tell what is gone.
    """
    parts = list(_parts(records, limit=PAGE_DOCUMENTS))
    for part in parts[:-1]:
        yield Page(documents=part, done=going.done, total=total)
    whole = going.over and going.full and not going.skipped
    yield Page(
        documents=parts[-1],
        checkpoint=going.checkpoint(),
        completes=Scope(kinds=KINDS) if whole else None,
        skipped=skipped,
        records=read,
        done=going.done,
        total=total,
    )


def _parts(records: Iterable[Record], limit: int | None) -> Iterator[list[AnyDocument]]:
    part: dict[tuple[Kind, str, str], AnyDocument] = {}
    for record in records:
        for document in record:
            part[document.kind, document.external_id, document.facet] = document
        if limit is not None and len(part) >= limit:
            yield list(part.values())
            part = {}
    yield list(part.values())
