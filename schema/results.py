"""What a write answers: unions of what was done and of every error a caller can mend."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import strawberry

from schema.audit import Audit
from schema.context import Context
from schema.data import view
from schema.errors import ErrorCode
from schema.node import Info
from schema.ports import Outcome, Verdict
from schema.selection import union_paths
from schema.source import Capabilities
from schema.sync import SyncRun
from schema.task import Task


@strawberry.interface(
    description="Everything a caller can fix implements this, so `... on UserError { code message path }` always works."
)
class UserError:
    code: ErrorCode = strawberry.field(description="What went wrong, for programs.")
    message: str = strawberry.field(description="The same for people.")
    path: list[str] | None = strawberry.field(description="The input field at fault.")


@strawberry.type(description="What is named does not exist, or is not yours to see.")
class NotFound(UserError):
    missing: strawberry.ID | None = strawberry.field(description="The id that leads nowhere.")


@strawberry.type(description="The platform cannot take this.")
class Unsupported(UserError):
    capabilities: Capabilities = strawberry.field(description="What it can take.")


@strawberry.type(description="The input contradicts itself or the task.")
class Invalid(UserError): ...


@strawberry.type(description="The task has changed since it was judged.")
class StaleTask(UserError):
    task: Task = strawberry.field(description="The task as it is now.")


@strawberry.type(description="The idempotency key was used for something else.")
class IdempotencyConflict(UserError):
    audit: Audit = strawberry.field(description="What it was used for.")


@strawberry.type(description="The present state does not allow this.")
class Conflict(UserError): ...


@strawberry.type(name="Forbidden", description="The token may not do this.")
class NotAllowed(UserError):
    required_scope: str = strawberry.field(description="The scope that may.")


@strawberry.type(description="The verdict is recorded; follow audit.delivery.")
class AuditSubmitted:
    audit: Audit = strawberry.field(description="The audit.")
    replayed: bool = strawberry.field(description="True if the same key was submitted before.")


@strawberry.type(description="The audit is withdrawn.")
class AuditCanceled:
    audit: Audit = strawberry.field(description="The audit.")


@strawberry.type(description="The audit is on its way again.")
class AuditRequeued:
    audit: Audit = strawberry.field(description="The audit.")


@strawberry.type(description="The run waits for a worker, or is under way; follow syncRun.state.")
class SyncStarted:
    sync_run: SyncRun = strawberry.field(description="The run.")


SubmitAuditResult: TypeAlias = Annotated[
    AuditSubmitted | NotFound | Unsupported | Invalid | StaleTask | IdempotencyConflict | Conflict | NotAllowed,
    strawberry.union("SubmitAuditResult", description="What became of a verdict."),
]
CancelAuditResult: TypeAlias = Annotated[
    AuditCanceled | NotFound | Conflict | NotAllowed,
    strawberry.union("CancelAuditResult", description="What became of a withdrawal."),
]
RetryAuditResult: TypeAlias = Annotated[
    AuditRequeued | NotFound | Conflict | NotAllowed,
    strawberry.union("RetryAuditResult", description="What became of another try."),
]
StartSyncResult: TypeAlias = Annotated[
    SyncStarted | NotFound | Unsupported | Conflict | NotAllowed,
    strawberry.union("StartSyncResult", description="What became of a wish to read a source."),
]


@strawberry.type(description="What became of each verdict of a batch, in order.")
class SubmitAuditsPayload:
    results: list[SubmitAuditResult] = strawberry.field(description="One an item.")
    accepted: int = strawberry.field(description="How many are recorded.")
    failed: int = strawberry.field(description="How many are not.")


async def error_of(outcome: Outcome, info: Info) -> Any:
    """The member of the unions that an outcome that is no success means."""
    common: dict[str, Any] = {
        "code": ErrorCode(outcome.verdict.value),
        "message": outcome.message,
        "path": list(outcome.path) or None,
    }
    match outcome.verdict:
        case Verdict.NOT_FOUND:
            return NotFound(**common, missing=strawberry.ID(outcome.missing) if outcome.missing else None)
        case Verdict.UNSUPPORTED:
            source = await _doc(info, "sources", outcome.source)
            return Unsupported(**common, capabilities=Capabilities(doc=source["capabilities"]))
        case Verdict.STALE:
            return StaleTask(**common, task=await shown(info, "tasks", outcome.task))
        case Verdict.IDEMPOTENCY_CONFLICT:
            return IdempotencyConflict(**common, audit=await shown(info, "audits", outcome.audit))
        case Verdict.FORBIDDEN:
            return NotAllowed(**common, required_scope=outcome.scope or "")
        case Verdict.INVALID:
            return Invalid(**common)
    return Conflict(**common)


async def shown(info: Info, collection: str, id_: str | None) -> Any:
    """A document as the type that shows it, with every path its selection needs."""
    return view(collection, await _doc(info, collection, id_))


async def _doc(info: Info, collection: str, id_: str | None) -> Any:
    context: Context = info.context
    assert id_ is not None
    doc = await context.loaders.document(collection, union_paths(info, collection)).load(id_)
    assert doc is not None, f"{collection} has lost {id_}"
    return doc
