"""A platform in memory that takes audits, with faults on demand: for tests of the outbox and the desk."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.contract import AuditTarget, Capabilities, Connector, Health, PushAudit, PushTask, Receipt
from connectors.documents import (
    Annotation,
    Audit,
    AuditOrigin,
    AuditResult,
    Campaign,
    Checkpoint,
    Classification,
    Kind,
    Page,
    ReviewStatus,
    Scope,
    Submission,
    Task,
    TaskStatus,
)
from connectors.errors import Refused, Retry, Uncertain
from gateway.sync import LiveSource

ALL = (AuditResult.ACCEPTED, AuditResult.REJECTED, AuditResult.FIXED, AuditResult.COMMENTED)


@dataclass
class ToyPlatform:
    """Keeps tasks and audits; `faults` is drawn from at each push: before, after, refuse, hang or nothing."""

    tasks: int = 5
    capabilities: Capabilities = Capabilities(
        incremental=True,
        refresh=True,
        audit_results=ALL,
        audit_target=AuditTarget.TASK,
        audit_fix=True,
        audit_errors=True,
    )
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    shares: Mapping[str, float] = field(default_factory=dict)
    audits: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[str, list[Any]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    down: bool = False

    async def check(self) -> Health:
        return Health()

    async def close(self) -> None: ...

    def documents(self, number: int) -> list[Any]:
        id_ = f"t{number}"
        answers = self.answers.setdefault(id_, [{"answer": number}])
        mine = [audit for audit in self.audits if audit["task"] == id_]
        status = {
            "ACCEPTED": ReviewStatus.ACCEPTED,
            "REJECTED": ReviewStatus.REJECTED,
            "FIXED": ReviewStatus.FIXED,
            "COMMENTED": ReviewStatus.COMMENTED,
        }
        return [
            Task(
                external_id=id_,
                campaign="c",
                status=TaskStatus.COMPLETED,
                children=frozenset({Kind.SUBMISSION, Kind.ANNOTATION, Kind.AUDIT}),
                review_status=status[mine[-1]["result"]] if mine else None,
                review_comments=tuple(a["comment"] for a in mine if a["comment"]),
            ),
            *(
                Submission(
                    external_id=f"{id_}/{n}",
                    task=id_,
                    campaign="c",
                    position=n,
                    is_current=n == len(answers) - 1,
                    response=answer,
                )
                for n, answer in enumerate(answers)
            ),
            Annotation(
                external_id=f"{id_}/m",
                task=id_,
                campaign="c",
                native_id="m",
                label="L",
                value=Classification(categories=("x",)),
            ),
            *(
                Audit(
                    external_id=a["id"],
                    task=id_,
                    campaign="c",
                    result=AuditResult(a["result"]),
                    origin=AuditOrigin.CUSTOMER,
                    comments=(a["comment"],) if a["comment"] else (),
                    audited_at=a["at"],
                )
                for a in mine
            ),
        ]

    async def fetch(self, since: Checkpoint | None, *, full: bool) -> AsyncIterator[Page]:
        self.calls.append("fetch")
        if self.down:
            raise Retry("the platform is down")
        yield Page(documents=[Campaign(external_id="c", name="C")])
        for number in range(self.tasks):
            yield Page(documents=self.documents(number), checkpoint={"n": number}, records=1)
        yield Page(checkpoint={"done": True}, completes=Scope(kinds=frozenset({Kind.TASK})) if full else None)

    async def refresh(self, refs: Sequence[tuple[Kind, str]]) -> Page:
        self.calls.append("refresh")
        await asyncio.sleep(0.02)
        if self.down:
            raise Retry("the platform is down")
        return Page(documents=[doc for _, id_ in refs for doc in self.documents(int(id_[1:]))])

    async def mark(self, audit: PushAudit, task: PushTask) -> Mapping[str, Any]:
        return {"ids": [a["id"] for a in self.audits if a["task"] == task.external_id]}

    async def push(self, audit: PushAudit, task: PushTask) -> Receipt:
        self.calls.append("push")
        draw, fault = self.chance.random(), ""
        for name, share in self.shares.items():
            if draw < share:
                fault = name
                break
            draw -= share
        if self.down or fault == "before":
            raise Retry("not now", after=0.01 if self.down else None)
        if fault == "refuse":
            raise Refused("the task is locked")
        if fault == "lost":
            raise Uncertain("no answer, and nothing happened")
        record = self.apply(audit, task)
        if fault == "after":
            raise Uncertain("no answer, but it happened")
        if fault == "hang":
            await asyncio.sleep(3600)
        return Receipt(external_id=record["id"], details={"ok": True})

    def apply(self, audit: PushAudit, task: PushTask) -> dict[str, Any]:
        from datetime import UTC, datetime

        record = {
            "id": f"{task.external_id}/audit{len(self.audits)}",
            "task": task.external_id,
            "result": audit.result.value,
            "comment": audit.comment,
            "at": datetime.now(UTC),
        }
        self.audits.append(record)
        if audit.result is AuditResult.FIXED:
            self.answers[task.external_id].append(audit.fixed_response)
        return record

    async def find(self, audit: PushAudit, task: PushTask) -> Receipt | None:
        self.calls.append("find")
        if self.down:
            raise Retry("the platform is down")
        for record in self.audits:
            fits = (
                record["task"] == task.external_id
                and record["result"] == audit.result.value
                and record["comment"] == audit.comment
            )
            if fits and record["id"] not in audit.before["ids"]:
                return Receipt(external_id=record["id"])
        return None


def live(platform: ToyPlatform, name: str = "toy") -> LiveSource:
    connector = Connector(name="toy", title="Toy", settings=object, capabilities=platform.capabilities)
    return LiveSource(name=name, connector=connector, platform=platform)  # type: ignore[arg-type]
