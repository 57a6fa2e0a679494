"""Brings verdicts to Scale, and recognises the records they leave (fact sheet ``platforms/scale.md`` §5).

Scale takes an audit with a bare ``POST`` that nothing makes idempotent, and keeps no mark of ours. So the task is read
before the first try and after each, and the record that is new, says the same and is by our account is ours. One
effect a verdict is certain as long as nobody else gives the same verdict on the same task in between: then the
account tells the two apart once it is known, and before that the comment. Where neither can, the other's verdict may
be taken for ours after an answer was lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from connectors.coerce import integer, many, moment
from connectors.contract import PushAudit, PushTask, Receipt, person_id
from connectors.documents import JSON, AnyDocument, Audit, AuditOrigin, AuditResult
from connectors.errors import ConnectorError, Refused, Retry, SkipRecord, Uncertain
from connectors.scale.client import Client
from connectors.scale.mapping import task_documents
from connectors.scale.passes import stamp
from connectors.scale.settings import Settings

ACCEPTED: Final[Mapping[AuditResult, bool]] = {AuditResult.ACCEPTED: True, AuditResult.REJECTED: False}
"""All that the endpoint takes; fixes are made in Scale's own tools (§5.1)."""

LOOKS: Final = 5
"""So often a record is looked for that must be there, since Scale took the verdict."""

_REMEMBERED: Final = 3600.0
"""Seconds after which another worker has surely settled what was sent here."""

_SKEW: Final = timedelta(minutes=5)
"""By how much the clocks of two of Scale's servers may differ."""


def mark(task: Mapping[str, JSON], audit: PushAudit) -> dict[str, JSON]:
    """The picture of a task before a verdict: the records it has, and how often the comment stands there already."""
    return {
        "audits": [one.external_id for one in task_documents(task) if isinstance(one, Audit)],
        "comments": _times_said(task, audit.comment),
    }


def newcomers(documents: Iterable[AnyDocument], audit: PushAudit) -> list[Audit]:
    """Records that may be the verdict's, newest first: not there before, the same result, by a customer, not older."""
    before = set(many(audit.before.get("audits")))
    since = moment(audit.before.get("at")) or moment(audit.audited_at)
    return [
        one
        for one in documents
        if isinstance(one, Audit)
        and one.external_id not in before
        and one.result is audit.result
        and one.origin is not AuditOrigin.PLATFORM
        and (not since or not isinstance(one.audited_at, datetime) or one.audited_at >= since - _SKEW)
    ]


def echo(
    task: Mapping[str, JSON],
    new: Sequence[Audit],
    audit: PushAudit,
    *,
    account: str | None = None,
    taken: bool = False,
) -> Audit | None:
    """The verdict's own record among the newcomers: by ``account`` where that is known, or with our comment beside it.

    ``taken``: Scale said that it has it; then, as long as the account is not known, the newest is ours.
    """
    ours = [one for one in new if account is not None and one.auditor == account]
    said = bool(audit.comment) and _times_said(task, audit.comment) > (integer(audit.before.get("comments")) or 0)
    if ours or said or (account is None and (taken or not audit.comment)):
        return next(iter(ours or new), None)
    return None


def _times_said(task: Mapping[str, JSON], comment: str | None) -> int:
    words = (comment or "").strip()
    said = (one.strip() for one in many(task.get("customer_review_comments")) if isinstance(one, str))
    return sum(one == words for one in said) if words else 0


@dataclass(slots=True)
class _Attempt:
    """A verdict on its way: when it was sent, and whether Scale said that it took it."""

    sent: float
    taken: bool = False
    looks: int = 0


class Delivery:
    """``TakesAudits`` and ``Marks`` of the contract. ``clock`` measures seconds."""

    def __init__(self, client: Client, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._settle = settings.settle_seconds
        self._clock = clock
        self._account = person_id(settings.audited_by) if settings.audited_by else None
        """Whom Scale names as the auditor of our verdicts."""
        self._attempts: dict[str, _Attempt] = {}

    async def mark(self, audit: PushAudit, task: PushTask) -> Mapping[str, JSON]:
        found, at = await self._client.task(task.external_id)
        if found is None:
            raise Refused("Scale has no such task: an API key sees the tasks of its own mode only", status=404)
        return mark(found, audit) | {"at": stamp(at)}

    async def push(self, audit: PushAudit, task: PushTask) -> Receipt:
        if audit.result not in ACCEPTED:
            raise Refused(f"Scale's API takes ACCEPTED and REJECTED, not {audit.result}")
        if audit.submission not in (None, task.submission):
            raise Refused("Scale takes verdicts on the present answer only, and this one is about another")
        now = self._clock()
        self._attempts = {id_: one for id_, one in self._attempts.items() if now - one.sent < _REMEMBERED}
        attempt = self._attempts[audit.id] = _Attempt(now)
        doubt = "Scale took the verdict, and its record is not to be seen yet"
        try:
            await self._client.audit(task.external_id, accepted=ACCEPTED[audit.result], comment=audit.comment or None)
            attempt.taken = True
        except Uncertain as problem:
            doubt = problem.message
        except ConnectorError:
            self._attempts.pop(audit.id, None)
            raise
        try:
            receipt = await self._look(audit, task, attempt)
        except ConnectorError as problem:
            raise Uncertain(f"{doubt}; {problem.message}") from None
        if receipt is None:
            raise Uncertain(doubt)
        return receipt

    async def find(self, audit: PushAudit, task: PushTask) -> Receipt | None:
        """A verdict that may still be under way is no missing one: ``Retry`` until it had its time."""
        attempt = self._attempts.get(audit.id)
        receipt = await self._look(audit, task, attempt)
        if receipt is not None or attempt is None:
            return receipt
        wait = attempt.sent + self._settle - self._clock()
        if attempt.taken:
            attempt.looks += 1
            if attempt.looks >= LOOKS:
                del self._attempts[audit.id]
                return Receipt(details={"note": "Scale took the verdict and shows no record of it"})
            raise Retry("Scale took the verdict, and its record is not to be seen yet", after=max(wait, 1.0))
        if wait > 0:
            raise Retry("the answer to the verdict was lost, and it may still be under way", after=wait)
        del self._attempts[audit.id]
        return None

    async def _look(self, audit: PushAudit, task: PushTask, attempt: _Attempt | None) -> Receipt | None:
        found, _ = await self._client.task(task.external_id)
        if found is None:
            return None
        try:
            documents = task_documents(found)
        except SkipRecord as problem:
            raise Retry(f"Scale's answer about the task cannot be read: {problem.message}") from None
        taken = attempt is not None and attempt.taken
        # An account that no longer turns up was perhaps exchanged together with the key.
        account = None if attempt and attempt.looks >= LOOKS - 2 else self._account
        new = newcomers(documents, audit)
        record = echo(found, new, audit, account=account, taken=taken)
        if record is None:
            return None
        if taken and len(new) == 1 and isinstance(record.auditor, str):
            self._account = record.auditor
        self._attempts.pop(audit.id, None)
        details = {
            "audited_at": stamp(record.audited_at) if isinstance(record.audited_at, datetime) else None,
            "audit_result": record.native_result or None,
            "customer_review_status": found.get("customer_review_status"),
        }
        known = {name: value for name, value in details.items() if value is not None}
        return Receipt(external_id=record.external_id, details=known)
