"""What a platform is to the gateway: a declaration, a reader of files, and an opened source.

A connector is one folder whose ``__init__`` exports ``CONNECTOR``, a ``Connector``. Opening it with settings
gives a ``PlatformSource``. A capability that is not declared is never used, so a new capability leaves old
connectors valid.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, BinaryIO, Protocol, runtime_checkable

from connectors.documents import JSON, AuditResult, Checkpoint, Kind, Page


class DeletionSupport(StrEnum):
    REPORTED = "REPORTED"
    INFERRED_ON_FULL_SYNC = "INFERRED_ON_FULL_SYNC"
    NONE = "NONE"


class AuditTarget(StrEnum):
    TASK = "TASK"
    SUBMISSION = "SUBMISSION"
    ANNOTATION = "ANNOTATION"
    NONE = "NONE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a source can do; a client greys out the rest."""

    incremental: bool = False
    deletions: DeletionSupport = DeletionSupport.NONE
    webhooks: bool = False
    refresh: bool = False
    """Single tasks, assets or campaigns can be read on demand."""
    audit_results: tuple[AuditResult, ...] = ()
    """Empty: audits are kept here and never sent."""
    audit_target: AuditTarget = AuditTarget.NONE
    audit_errors: bool = False
    audit_fix: bool = False


class Secret(str):
    """A string that does not print itself. Use ``reveal`` where the platform needs it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('…')"

    def __str__(self) -> str:
        return "…"

    def __format__(self, spec: str) -> str:
        return "…"

    def reveal(self) -> str:
        return str.__str__(self)


def person_id(email: str) -> str:
    """An annotator id for somebody known only by e-mail: stable, and does not show the address."""
    return "person-" + hashlib.sha256(email.strip().lower().encode()).hexdigest()[:24]


# --- files ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Input:
    """One file to read. ``open`` gives a fresh binary stream at each call and may raise ``OSError``."""

    name: str
    """How people know it: a path relative to what they named, or ``-``."""
    open: Callable[[], BinaryIO]
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    campaign: str | None = None
    """Name for the campaign where the file does not say it."""
    options: Mapping[str, str] = field(default_factory=dict)
    """The connector's own ``--option key=value`` pairs; an unknown key is an error."""


Reader = Callable[[Sequence[Input], ImportOptions], AsyncIterator[Page]]
"""Reads files of one platform. Never raises for bad content: it yields ``skipped`` and reads on."""


# --- live -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The answer of ``check``: ``version`` of the platform where it tells, ``account`` the credentials belong to."""

    version: str | None = None
    account: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Proof that the platform has an audit: its id there if it has one, and what it answered."""

    external_id: str | None = None
    details: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookCall:
    """A webhook as it came: header names are lower case."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """What a webhook says may have changed. The platform is asked again; ``since`` asks for an incremental run."""

    refs: Sequence[tuple[Kind, str]] = ()
    everything: bool = False


@runtime_checkable
class PlatformSource(Protocol):
    """An opened source. One event loop, one client; ``close`` ends it."""

    @property
    def capabilities(self) -> Capabilities: ...

    async def check(self) -> Health:
        """Ask the platform who we are. Raises ``Unauthorized`` or ``Retry``."""
        ...

    def fetch(self, since: Checkpoint | None, *, full: bool) -> AsyncIterator[Page]:
        """Pages from ``since`` on (None: from the start). ``full`` asks for a whole pass that ends in ``completes``."""
        ...

    async def close(self) -> None: ...


@runtime_checkable
class Refreshes(Protocol):
    """Capability ``refresh``: read the named things now. What the platform no longer has comes back in ``gone``."""

    async def refresh(self, refs: Sequence[tuple[Kind, str]]) -> Page: ...


@runtime_checkable
class TakesAudits(Protocol):
    """Capability ``audit_results``: ``audit`` and ``task`` are as ``PushAudit`` and ``PushTask`` say."""

    async def push(self, audit: PushAudit, task: PushTask) -> Receipt:
        """Bring a verdict to the platform. Raises ``Retry`` (nothing happened), ``Refused``, ``Uncertain``."""
        ...

    async def find(self, audit: PushAudit, task: PushTask) -> Receipt | None:
        """Did an earlier attempt land? None: no. Raises ``Retry`` when the platform cannot be asked."""
        ...


@runtime_checkable
class ReceivesWebhooks(Protocol):
    """Capability ``webhooks``."""

    async def receive(self, call: WebhookCall) -> Hint | None:
        """What may have changed; None: nothing of ours. Raises ``Unauthorized`` for a wrong secret."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PushTask:
    """The task under audit as the store knows it; ``raw`` is the platform's payload of the last sync."""

    external_id: str
    campaign: str | None = None
    asset: str | None = None
    native_status: str | None = None
    submission: str | None = None
    """External id of the current submission."""
    raw: JSON = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PushError:
    """A per-annotation error of an audit made here."""

    annotation: str | None = None
    """The platform's own id of the annotation."""
    type: str
    severity: str
    comment: str | None = None
    attribute: str | None = None
    reasons: Sequence[str] = ()
    original_label: str | None = None
    fixed_label: str | None = None
    frame: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PushAudit:
    """An audit made here, on its way. ``id`` is ours and stable: put it where the platform lets you find it again."""

    id: str
    result: AuditResult
    comment: str | None = None
    errors: Sequence[PushError] = ()
    fixed_response: JSON = None
    submission: str | None = None
    annotation: str | None = None
    auditor_email: str | None = None
    duration_seconds: float | None = None
    active_seconds: float | None = None
    audited_at: str = ""
    """RFC 3339, UTC."""
    attempts: int = 0
    before: Mapping[str, JSON] = field(default_factory=dict)
    """What the platform said of the task when the first attempt began, as ``mark`` of the source gave it."""


@runtime_checkable
class Marks(Protocol):
    """Optional help for ``find``: a small picture of the task before the first push (say, how many audits it has)."""

    async def mark(self, audit: PushAudit, task: PushTask) -> Mapping[str, JSON]: ...


# --- the declaration ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """A platform, declared. ``settings`` is a dataclass whose fields are the source's table in the configuration."""

    name: str
    title: str
    settings: type[Any]
    read: Reader | None = None
    """Reads exports; None where the platform has none that we know."""
    read_options: Mapping[str, str] = field(default_factory=dict)
    """``--option`` keys of ``read`` and what they mean."""
    open: Callable[[Any], PlatformSource] | None = None
    """Opens a live source from validated settings; None for a platform of files."""
    capabilities: Capabilities = Capabilities()
    """What a source of files can do."""
    samples: str | None = None
    """Package folder with our own sample exports, for the demo and the tests."""
    sandbox: str | None = None
    """Import path ``module:function`` of the platform in miniature (see ``connectors.sandbox``)."""
