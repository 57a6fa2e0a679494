"""What resolvers need of the world: a reader of documents, and the plain data in which they ask.

The same questions serve the ordinary resolvers and compiled plans. Paths are keys of stored documents, dots for
nested ones. A comparison on a missing value is false, except ``ne`` and ``nin`` (not equal holds) and ``null``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

Doc: TypeAlias = Mapping[str, Any]


class Op(StrEnum):
    EQ = "eq"
    NE = "ne"
    IN = "in"
    NIN = "nin"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    CONTAINS = "contains"
    STARTS_WITH = "starts_with"
    NULL = "null"


@dataclass(frozen=True, slots=True)
class Compare:
    """``path op value``. A list at ``path`` fits when one of its elements does; for ne and nin when none equals."""

    path: str
    op: Op
    value: Any
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class AllOf:
    of: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    of: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class Not:
    of: Predicate


@dataclass(frozen=True, slots=True)
class Related:
    """The document that ``path`` names by id is in ``collection`` and fits ``where``."""

    path: str
    collection: str
    where: Predicate


Predicate: TypeAlias = Compare | AllOf | AnyOf | Not | Related

EVERYTHING = AllOf(())
NOTHING = AnyOf(())


@dataclass(frozen=True, slots=True)
class Order:
    path: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """Relay's four arguments, checked: exactly one of ``first`` and ``last`` is set."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """One question about one collection. ``sources`` is what the viewer may see; None: all."""

    collection: str
    where: Predicate = EVERYTHING
    order: tuple[Order, ...] = ()
    window: Window = Window(first=50)
    fields: frozenset[str] = frozenset()
    """Paths to read beside ``_id``."""
    include_deleted: bool = False
    sources: frozenset[str] | None = None


@dataclass(slots=True)
class Slice:
    """A page of documents in the order asked; ``cursor`` gives the position of one of them."""

    docs: Sequence[Doc]
    cursor: Callable[[Doc], str]
    has_next: bool = False
    has_previous: bool = False


@dataclass(frozen=True, slots=True)
class StatusCounts:
    """Tasks of a campaign by status, of one annotator or of all (None)."""

    annotator: str | None
    total: int
    audited: int
    by_status: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class AuditGroup:
    """Audits that share the values of some dimensions; ``keys`` line up with the dimensions asked for."""

    keys: tuple[str | None, ...]
    audits: int
    accepted: int
    rejected: int
    fixed: int
    commented: int
    total_seconds: float | None
    median_seconds: float | None


class BadCursor(ValueError):
    """A cursor that is none of ours, or comes from another filter or order."""


class Reader(Protocol):
    """Reads documents. Every method honours ``sources`` and runs a bounded number of commands, whatever is asked."""

    async def page(self, query: Query) -> Slice:
        """One page. Raises ``BadCursor``."""
        ...

    async def count(self, query: Query) -> int: ...

    async def pages_by(self, query: Query, by: str, parents: Sequence[str]) -> Mapping[str, Slice]:
        """The same page for each parent, in one command: documents whose ``by`` holds the parent's id."""
        ...

    async def counts_by(self, query: Query, by: str, parents: Sequence[str]) -> Mapping[str, int]: ...

    async def by_ids(
        self, collection: str, ids: Sequence[str], fields: frozenset[str], sources: frozenset[str] | None
    ) -> Mapping[str, Doc]: ...

    async def all_by(self, query: Query, by: str, parents: Sequence[str]) -> Mapping[str, Sequence[Doc]]:
        """All documents of each parent in the order asked; for relations that are small by nature."""
        ...

    async def raws(self, ids: Sequence[str]) -> Mapping[str, Any]:
        """Platform payloads by document id, as JSON values."""
        ...

    async def progress(
        self, campaigns: Sequence[str], *, per_annotator: bool = False
    ) -> Mapping[str, Sequence[StatusCounts]]: ...

    async def people(self, campaigns: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Ids of the annotators who answered or are assigned in each campaign, sorted."""
        ...

    async def audit_groups(self, query: Query, dimensions: Sequence[str], most: int) -> Sequence[AuditGroup]:
        """Audits grouped by SOURCE, CAMPAIGN, AUDITOR, AUTHOR, LABEL, RESULT, ERROR_TYPE, DAY or WEEK (UTC).

        One aggregation; the groups come in the order of their keys, at most ``most`` + 1 of them.
        """
        ...

    async def sources(self, names: frozenset[str] | None) -> Sequence[Doc]: ...


@dataclass(slots=True)
class Viewer:
    """Who asks: scopes, and the sources they may see (None: all)."""

    name: str = "anonymous"
    scopes: frozenset[str] = field(default_factory=frozenset)
    sources: frozenset[str] | None = None

    def may(self, scope: str) -> bool:
        return scope in self.scopes or "admin" in self.scopes


def all_of(predicates: Iterable[Predicate]) -> Predicate:
    """The conjunction, without needless nesting."""
    kept = tuple(predicate for predicate in predicates if predicate != EVERYTHING)
    return kept[0] if len(kept) == 1 else AllOf(kept)


class Changes(Protocol):
    """Tells of changed documents as they change."""

    def follow(
        self, collection: str, where: Predicate, *, sources: frozenset[str] | None, include_deleted: bool = False
    ) -> AsyncGenerator[Doc, None]:
        """Each changed document that fits, in full; rapid changes of one document may come as one. Raises ``Fell``."""
        ...


class Fell(Exception):
    """A subscription that cannot go on: the message says why, and what to do."""


# --- writing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAuditError:
    annotation: str | None = None
    type: str
    severity: str = "UNSPECIFIED"
    comment: str | None = None
    attribute: str | None = None
    reasons: tuple[str, ...] = ()
    original_label: str | None = None
    fixed_label: str | None = None
    frame: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAudit:
    """A verdict as somebody submits it; ids are global."""

    idempotency_key: str
    task: str
    result: str
    submission: str | None = None
    annotation: str | None = None
    comment: str | None = None
    errors: tuple[NewAuditError, ...] = ()
    fixed_response: Any = None
    has_fixed_response: bool = False
    duration_seconds: float | None = None
    active_seconds: float | None = None
    expected_version: str | None = None
    require_delivery: bool = False


class Verdict(StrEnum):
    """What became of a write."""

    DONE = "DONE"
    REPLAYED = "REPLAYED"
    NOT_FOUND = "NOT_FOUND"
    INVALID = "INVALID"
    UNSUPPORTED = "UNSUPPORTED"
    STALE = "STALE"
    IDEMPOTENCY_CONFLICT = "IDEMPOTENCY_CONFLICT"
    CONFLICT = "CONFLICT"
    FORBIDDEN = "FORBIDDEN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The answer to one write: which of the above, and what it is about."""

    verdict: Verdict
    message: str = ""
    path: tuple[str, ...] = ()
    audit: str | None = None
    task: str | None = None
    run: str | None = None
    missing: str | None = None
    source: str | None = None
    scope: str | None = None


class Desk(Protocol):
    """Takes what people submit. Nothing is written unless the outcome is DONE."""

    async def submit(self, audits: Sequence[NewAudit], viewer: Viewer, *, atomic: bool) -> Sequence[Outcome]: ...

    async def retry(self, audit: str, viewer: Viewer) -> Outcome: ...

    async def cancel(self, audit: str, viewer: Viewer) -> Outcome: ...

    async def start_sync(self, source: str, mode: str, viewer: Viewer) -> Outcome: ...

    async def refresh(self, ids: Sequence[str], viewer: Viewer) -> Sequence[Outcome]: ...
