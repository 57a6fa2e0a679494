"""What happens as it happens: changed audits, tasks and runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Annotated, Any, TypeVar

import strawberry

from connectors.ids import parse_gid
from schema.audit import Audit
from schema.data import DATA, Computed, view
from schema.errors import ErrorCode, RequestError
from schema.filters import AuditWhere, TaskWhere
from schema.node import Info
from schema.ports import EVERYTHING, Compare, Fell, Op, Predicate
from schema.sync import SyncRun
from schema.task import Task
from schema.where import Where

_AGAIN = "It begins when it is opened: read the present state with a query after that, not before."


Resolver = TypeVar("Resolver", bound=Callable[..., Any])


def _subscription(description: str) -> Callable[[Resolver], Resolver]:
    decorate: Callable[[Resolver], Resolver] = strawberry.subscription(
        description=f"{description} {_AGAIN}", metadata={DATA: Computed()}
    )
    return decorate


async def _changes(info: Info, collection: str, where: Predicate, *, deleted: bool) -> AsyncGenerator[Any, None]:
    context = info.context
    if context.changes is None:
        raise RequestError("this gateway tells of no changes", ErrorCode.UNAVAILABLE)
    following = context.changes.follow(collection, where, sources=context.viewer.sources, include_deleted=deleted)
    try:
        async for doc in following:
            context.forget()
            yield view(collection, doc)
    except Fell as problem:
        raise RequestError(str(problem), ErrorCode.UNAVAILABLE) from None
    finally:
        await following.aclose()


def _predicate(info: Info, where: Where | None) -> Predicate:
    return where.predicate(info.context.viewer) if where else EVERYTHING


@strawberry.type(description="Everything that can be followed, over graphql-transport-ws or Server-Sent Events.")
class Subscription:
    @_subscription("Every change of an audit, including its delivery.")
    async def audit_changed(
        self,
        info: Info,
        where: Annotated[AuditWhere | None, strawberry.argument(description="Only those that fit all of this.")] = None,
    ) -> AsyncGenerator[Audit, None]:
        deleted = bool(where and where.include_deleted)
        async for audit in _changes(info, "audits", _predicate(info, where), deleted=deleted):
            yield audit

    @_subscription("Every change of a task.")
    async def task_changed(
        self,
        info: Info,
        where: Annotated[TaskWhere | None, strawberry.argument(description="Only those that fit all of this.")] = None,
    ) -> AsyncGenerator[Task, None]:
        deleted = bool(where and where.include_deleted)
        async for task in _changes(info, "tasks", _predicate(info, where), deleted=deleted):
            yield task

    @_subscription("Every step of a run: it waits, begins, goes on, ends.")
    async def sync_run_changed(
        self,
        info: Info,
        source: Annotated[
            strawberry.ID | None, strawberry.argument(description="Global id of a source; all of them if none.")
        ] = None,
    ) -> AsyncGenerator[SyncRun, None]:
        where: Predicate = EVERYTHING
        if source is not None:
            parts = parse_gid(str(source))
            where = Compare("source", Op.EQ, parts.source if parts and parts.kind == "Source" else "")
        async for run in _changes(info, "sync_runs", where, deleted=True):
            yield run
