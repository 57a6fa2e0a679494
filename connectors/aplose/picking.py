"""Picks from the pages of whole campaigns what somebody asked for by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from connectors.aplose.exports import CHILDREN
from connectors.documents import (
    Annotation,
    AnyDocument,
    Asset,
    Audit,
    Campaign,
    Comment,
    Kind,
    Page,
    Ref,
    Scope,
    SkippedRecord,
    Submission,
    Task,
)
from connectors.errors import Refused

MOST_CAMPAIGNS: Final = 5
MOST_DOCUMENTS: Final = 20_000
"""What is asked for comes in one page and is stored in one transaction."""
_BELOW: Final = frozenset({Kind.ASSET, Kind.TASK}) | CHILDREN


class Picker:
    """``take`` every page, say what was ``read``, then ask for ``page``. Raises ``Refused`` for too much at once."""

    def __init__(self, refs: Sequence[tuple[Kind, str]]) -> None:
        asked = list(dict.fromkeys(refs))
        self._asked = {(kind, name) for kind, name in asked if kind in (Kind.CAMPAIGN, Kind.ASSET, Kind.TASK)}
        self._tasks: set[str] = set()
        self._found: set[tuple[Kind, str]] = set()
        self._documents: list[AnyDocument] = []
        self._read: set[str] = set()
        self._skipped = [
            SkippedRecord(reason=f"APLOSE cannot be asked for a single {kind.value.lower()}", external_id=name)
            for kind, name in asked
            if (kind, name) not in self._asked
        ]
        self.campaigns = sorted({_campaign(kind, name) for kind, name in self._asked})
        if len(self.campaigns) > MOST_CAMPAIGNS:
            raise Refused(f"things of at most {MOST_CAMPAIGNS} campaigns are read at once: start a sync instead")

    def campaign(self, document: Campaign) -> None:
        if self._wants(Kind.CAMPAIGN, document.external_id):
            self._keep(document)

    def take(self, page: Page) -> None:
        for document in page.documents:
            self._document(document)
        self._skipped.extend(page.skipped)

    def read(self, campaign: str, *, whole: bool) -> None:
        if whole:
            self._read.add(campaign)

    def page(self) -> Page:
        """What was read whole and does not have what was asked for, has lost it."""
        lost = self._asked - self._found
        gone = [Ref(kind, name) for kind, name in sorted(lost) if _campaign(kind, name) in self._read]
        alone = len(self._asked) == 1 and len(self._read) == 1
        campaign = next(iter(self._read)) if alone and self._wants(Kind.CAMPAIGN, next(iter(self._read))) else None
        scope = None if campaign is None else Scope(kinds=_BELOW, campaign=campaign)
        return Page(
            documents=self._documents,
            gone=gone,
            completes=scope,
            skipped=self._skipped,
            records=len(self._asked),
        )

    def _wants(self, kind: Kind, name: str) -> bool:
        return (kind, name) in self._asked

    def _document(self, document: AnyDocument) -> None:
        match document:
            case Task():
                of = Kind.ASSET, str(document.asset)
                if self._whole(document) or self._wants(Kind.TASK, document.external_id) or of in self._asked:
                    self._tasks.add(document.external_id)
                    self._keep(replace(document, children=CHILDREN))
            case Asset():
                if self._whole(document) or self._wants(Kind.ASSET, document.external_id):
                    self._keep(document)
            case Submission() | Annotation() | Audit() | Comment():
                if document.task in self._tasks:
                    self._keep(document)

    def _whole(self, document: Task | Asset) -> bool:
        return self._wants(Kind.CAMPAIGN, str(document.campaign))

    def _keep(self, document: AnyDocument) -> None:
        self._found.add((document.kind, document.external_id))
        self._documents.append(document)
        if len(self._documents) > MOST_DOCUMENTS:
            raise Refused(f"more than {MOST_DOCUMENTS:,} documents were asked for at once: start a sync instead")


def _campaign(kind: Kind, name: str) -> str:
    """Ids of assets and tasks begin with their campaign's."""
    return name if kind is Kind.CAMPAIGN else name.partition("/")[0]
