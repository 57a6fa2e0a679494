"""Brings verdicts to Kili, step by step: each step looks first whether it has been done (verdicts.py).

=========  ===============================================================================================
ACCEPTED   a REVIEW label that repeats the judged answer and refers to it; remarks as issues, solved at once
FIXED      a REVIEW label with the corrected answer; remarks as issues, solved at once
REJECTED   an issue for the comment and for each error; then the asset is sent back to the queue
COMMENTED  an issue for the comment and for each error; a question where there is no answer yet
=========  ===============================================================================================

Nothing at Kili is idempotent, and it keeps no mark of ours. One effect a verdict is certain as long as nobody else
uses the account of our key: a REVIEW label or an issue of the same content that somebody made with it while an answer
was lost is taken for ours, and that an asset was sent back does not say by whom. An issue is no audit but a comment,
for this is what people use issues for, so a COMMENTED has no record that the next sync would bring as an audit:
its receipt names the issues. Who is the auditor stays here: labels and issues are by the account of the key.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeVar

from connectors.coerce import mapping, text
from connectors.contract import PushAudit, PushTask, Receipt
from connectors.documents import JSON, AuditResult
from connectors.errors import ConnectorError, Refused, Retry, Uncertain
from connectors.kili import verdicts
from connectors.kili.client import Client
from connectors.kili.problems import lock_reason
from connectors.kili.reading import Assets
from connectors.kili.settings import Settings
from connectors.kili.verdicts import FINAL, Remark

T = TypeVar("T")

_UNSEEN: Final = "Kili took a part of the verdict, and it is not to be seen yet"


class Delivery:
    """``TakesAudits`` and ``Marks`` of the contract. ``clock`` measures seconds."""

    def __init__(
        self, client: Client, assets: Assets, settings: Settings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._assets = assets
        self._settle = settings.settle_seconds
        self._clock = clock
        self._doubtful: dict[str, float] = {}
        """Audits with a write whose outcome is unknown, and when it was sent."""

    async def mark(self, audit: PushAudit, task: PushTask) -> Mapping[str, JSON]:
        return verdicts.picture(await self._asset(task), audit, task, await self._me())

    async def push(self, audit: PushAudit, task: PushTask) -> Receipt:
        if "judged" not in audit.before:
            raise Refused("a verdict needs the picture of its task from before")
        me = await self._me()
        asset = await self._asset(task)
        if audit.result in FINAL:
            label = verdicts.reviewed(asset, audit, me) or await self._review(audit, asset)
            found = await self._remark(audit, asset, me)
            for issue in found:
                if issue.get("status") == "OPEN":
                    await self._write(audit, self._client.solve_issue(str(issue.get("id"))))
            return _receipt(f"{label}/review", found)
        returned = audit.result is AuditResult.REJECTED and verdicts.sent_back(asset, audit) is None
        found = await self._remark(audit, asset, me)
        if audit.result is AuditResult.COMMENTED:
            return _receipt(None, found)
        if returned:
            await self._send_back(audit, asset)
            asset = await self._again(task)
        back = verdicts.sent_back(asset, audit)
        return _receipt(f"{back}/sent-back" if back else None, found)

    async def find(self, audit: PushAudit, task: PushTask) -> Receipt | None:
        """All steps are done, or None. What may still be under way is not missing: ``Retry`` until it had its time."""
        receipt = self._found(audit, await self._asset(task), await self._me())
        sent = self._doubtful.get(audit.id)
        if receipt is None and sent is not None and (wait := sent + self._settle - self._clock()) > 0:
            raise Retry("the answer to the verdict was lost, and it may still be under way", after=wait)
        self._doubtful.pop(audit.id, None)
        return receipt

    def _found(self, audit: PushAudit, asset: Mapping[str, JSON], me: str) -> Receipt | None:
        judged = text(audit.before.get("judged"))
        found, missing = verdicts.opened(asset, verdicts.remarks(audit, judged), audit, me)
        if missing:
            return None
        if audit.result is AuditResult.COMMENTED:
            return _receipt(None, found)
        if audit.result is AuditResult.REJECTED:
            back = verdicts.sent_back(asset, audit)
            return _receipt(f"{back}/sent-back", found) if back else None
        label = verdicts.reviewed(asset, audit, me)
        unsolved = any(issue.get("status") == "OPEN" for issue in found)
        return _receipt(f"{label}/review", found) if label and not unsolved else None

    # --- the steps ----------------------------------------------------------------------------------------------

    async def _review(self, audit: PushAudit, asset: Mapping[str, JSON]) -> str:
        fixed = audit.result is AuditResult.FIXED
        answer = audit.fixed_response if fixed else verdicts.accepted_response(asset, audit)
        judged = text(audit.before.get("judged"))
        try:
            made = await self._write(
                audit, self._client.add_review(str(asset.get("id")), json.dumps(answer, ensure_ascii=False), judged)
            )
        except Refused as problem:
            reason = lock_reason(problem)
            if reason is None:
                raise
            told = f"Kili takes no review of this asset now: {verdicts.LOCKS.get(reason, reason)} ({reason})"
            raise Refused(told, status=problem.status, details=problem.details) from None
        if made is None:
            raise Uncertain("Kili took the review and does not say which label it made")
        return made

    async def _remark(self, audit: PushAudit, asset: Mapping[str, JSON], me: str) -> list[Mapping[str, JSON]]:
        """The issues of the verdict, those made now included."""
        judged = text(audit.before.get("judged"))
        wanted = verdicts.remarks(audit, judged)
        found, missing = verdicts.opened(asset, wanted, audit, me)
        if not missing:
            return found
        project = text(mapping(asset.get("project")).get("id"))
        made = _issues(missing, str(asset.get("id")), judged)
        await self._write(audit, self._client.create_issues(project, made))
        fresh = await self._again(PushTask(external_id=str(asset.get("id")), campaign=project))
        found, missing = verdicts.opened(fresh, wanted, audit, me)
        if missing:
            raise Uncertain(_UNSEEN)
        return found

    async def _send_back(self, audit: PushAudit, asset: Mapping[str, JSON]) -> None:
        if not await self._write(audit, self._client.send_back(str(asset.get("id")))):
            fresh = await self._again(PushTask(external_id=str(asset.get("id"))))
            if verdicts.sent_back(fresh, audit) is None:
                raise Refused("Kili declined to send the asset back: it is to be labelled still, or skipped")

    async def _write(self, audit: PushAudit, call: Awaitable[T]) -> T:
        """A write is in doubt until its answer is known, also when nobody waits for that any longer."""
        self._doubtful[audit.id] = self._clock()
        try:
            result = await call
        except ConnectorError as problem:
            if not isinstance(problem, Uncertain):
                self._doubtful.pop(audit.id, None)
            raise
        self._doubtful.pop(audit.id, None)
        return result

    # --- looking ------------------------------------------------------------------------------------------------

    async def _me(self) -> str:
        return str((await self._client.viewer()).get("id"))

    async def _asset(self, task: PushTask) -> Mapping[str, JSON]:
        """The task's asset, with all answers."""
        found = await self._assets.named([task.external_id], task.campaign)
        if not found:
            raise Refused("Kili has no such asset", status=404)
        try:
            return await self._assets.whole(found[0])
        except Refused as problem:
            raise Retry(f"an answer of the asset cannot be fetched: {problem.message}") from None

    async def _again(self, task: PushTask) -> Mapping[str, JSON]:
        """The asset after a write: when it cannot be read, nobody knows what the write did."""
        try:
            return await self._asset(task)
        except ConnectorError as problem:
            raise Uncertain(f"{_UNSEEN}; {problem.message}") from None


def _issues(missing: Sequence[Remark], asset: str, judged: str | None) -> list[dict[str, JSON]]:
    """An issue belongs to a label; without one it can only be a question about the asset (fact sheet §7)."""
    place: dict[str, JSON] = {"type": "QUESTION", "assetId": asset}
    if judged is not None:
        place = {"type": "ISSUE", "labelID": judged}
    return [
        {**place, "text": remark.text} | ({"objectMid": remark.mid} if judged and remark.mid else {})
        for remark in missing
    ]


def _receipt(external_id: str | None, issues: Sequence[Mapping[str, JSON]]) -> Receipt:
    ids = [issue.get("id") for issue in issues]
    return Receipt(external_id=external_id, details={"issues": ids} if ids else {})
