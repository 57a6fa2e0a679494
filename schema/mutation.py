"""Everything that changes something: verdicts, their delivery, and wishes to read a source now."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry

from schema.data import computed
from schema.errors import RequestError
from schema.inputs import StartSyncInput, SubmitAuditInput, SubmitAuditsInput
from schema.node import Info, Node
from schema.ports import Desk, Outcome, Verdict
from schema.query import find_node
from schema.results import (
    AuditCanceled,
    AuditRequeued,
    AuditSubmitted,
    CancelAuditResult,
    RetryAuditResult,
    StartSyncResult,
    SubmitAuditResult,
    SubmitAuditsPayload,
    SyncStarted,
    error_of,
    shown,
)

MOST_AUDITS = 100
MOST_REFRESHED = 50

_ID = Annotated[strawberry.ID, strawberry.argument(description="Global id of the audit.")]


def _desk(info: Info) -> Desk:
    desk = info.context.desk
    if desk is None:
        raise RequestError("this gateway is read-only")
    return desk


@strawberry.type(description="What became of asking the platform for one thing.")
class Refreshed:
    id: strawberry.ID = strawberry.field(description="The id that was asked for.")
    node: Node | None = strawberry.field(description="The thing as it is now; null if it could not be read.")
    error: str | None = strawberry.field(description="Why it could not be read.")


@strawberry.type(description="Everything that changes something.")
class Mutation:
    @computed("Record a verdict and queue it for the platform. Answers as soon as it is stored; follow delivery.state.")
    async def submit_audit(
        self,
        info: Info,
        input: Annotated[SubmitAuditInput, strawberry.argument(description="The verdict.")],  # noqa: A002
    ) -> SubmitAuditResult:
        [outcome] = await _desk(info).submit([input.plain()], info.context.viewer, atomic=False)
        result: SubmitAuditResult = await _submitted(outcome, info)
        return result

    @computed("Up to 100 at once; each item succeeds or fails on its own unless atomic.")
    async def submit_audits(
        self,
        info: Info,
        input: Annotated[SubmitAuditsInput, strawberry.argument(description="The verdicts.")],  # noqa: A002
    ) -> SubmitAuditsPayload:
        if len(input.items) > MOST_AUDITS:
            raise RequestError(f"submitAudits takes at most {MOST_AUDITS} items", argument="items")
        plain = [item.plain() for item in input.items]
        outcomes = await _desk(info).submit(plain, info.context.viewer, atomic=input.atomic)
        done = sum(outcome.verdict in (Verdict.DONE, Verdict.REPLAYED) for outcome in outcomes)
        results = [await _submitted(outcome, info) for outcome in outcomes]
        return SubmitAuditsPayload(results=results, accepted=done, failed=len(outcomes) - done)

    @computed("Withdraw an audit. Only while delivery.state is PENDING, REFUSED or FAILED.")
    async def cancel_audit(self, info: Info, id: _ID) -> CancelAuditResult:  # noqa: A002
        outcome = await _desk(info).cancel(str(id), info.context.viewer)
        if outcome.verdict is Verdict.DONE:
            return AuditCanceled(audit=await shown(info, "audits", outcome.audit))
        failure: CancelAuditResult = await error_of(outcome, info)
        return failure

    @computed("Send an audit again that was REFUSED, or given up as FAILED.")
    async def retry_audit(self, info: Info, id: _ID) -> RetryAuditResult:  # noqa: A002
        outcome = await _desk(info).retry(str(id), info.context.viewer)
        if outcome.verdict is Verdict.DONE:
            return AuditRequeued(audit=await shown(info, "audits", outcome.audit))
        failure: RetryAuditResult = await error_of(outcome, info)
        return failure

    @computed("Ask for a source to be read now. A run already waiting or under way is given back as it is.")
    async def start_sync(
        self,
        info: Info,
        input: Annotated[StartSyncInput, strawberry.argument(description="What to read.")],  # noqa: A002
    ) -> StartSyncResult:
        outcome = await _desk(info).start_sync(str(input.source), input.mode.value, info.context.viewer)
        if outcome.verdict is Verdict.DONE:
            return SyncStarted(sync_run=await shown(info, "sync_runs", outcome.run))
        failure: StartSyncResult = await error_of(outcome, info)
        return failure

    @computed("Read tasks, assets or campaigns from their platforms now, where the source can (capability refresh).")
    async def refresh(
        self,
        info: Info,
        ids: Annotated[list[strawberry.ID], strawberry.argument(description="Global ids, at most 50.")],
    ) -> list[Refreshed]:
        if len(ids) > MOST_REFRESHED:
            raise RequestError(f"refresh takes at most {MOST_REFRESHED} ids", argument="ids")
        outcomes = await _desk(info).refresh([str(id_) for id_ in ids], info.context.viewer)
        return [await _refreshed(str(id_), outcome, info) for id_, outcome in zip(ids, outcomes, strict=True)]


async def _refreshed(id_: str, outcome: Outcome, info: Info) -> Refreshed:
    done = outcome.verdict is Verdict.DONE
    node = await find_node(info, id_) if done else None
    return Refreshed(id=strawberry.ID(id_), node=node, error=None if done else outcome.message)


async def _submitted(outcome: Outcome, info: Info) -> Any:
    if outcome.verdict in (Verdict.DONE, Verdict.REPLAYED):
        audit = await shown(info, "audits", outcome.audit)
        return AuditSubmitted(audit=audit, replayed=outcome.verdict is Verdict.REPLAYED)
    return await error_of(outcome, info)
