"""Brings verdicts to a v3 server as validations and corrections in its Verification phase (fact sheet §5.4).

``updateAnnotations`` and not ``submitAnnotationTask``: a verdict on one annotation does not finish the verifier's
whole recording, and leaves his task comments alone. The list that is sent back is read right before, under a lock per
recording, and what is there afterwards is compared with it.

What no client can rule out: an annotation that somebody else submits between that read and the write, a round trip
apart, is not in the list, so the server deletes it. While the Annotation phase is open this can happen; the receipt
then names who submitted meanwhile, as far as the server shows it. Two processes that deliver with the same account
to the same recording at the same moment can undo each other's verdicts in the same way: one worker should deliver.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from weakref import WeakValueDictionary

from connectors.aplose import ids
from connectors.aplose.client import Client, Version
from connectors.aplose.judging import LIST, LONGEST_COMMENT, Sheet, correction
from connectors.aplose.settings import Settings
from connectors.coerce import many, mapping, text
from connectors.contract import PushAudit, PushTask, Receipt
from connectors.documents import JSON, AuditResult
from connectors.errors import ConnectorError, Refused, Retry, Uncertain

log: Final = logging.getLogger(__name__)

RESULTS: Final = (AuditResult.ACCEPTED, AuditResult.REJECTED, AuditResult.FIXED)
_WRITE: Final = """mutation($input: UpdateAnnotationsMutationInput!) {
  updateAnnotations(input: $input) { errors { field messages } }
}"""


class _Target(NamedTuple):
    """The judged annotation: ``mark`` is its id here, ``key`` its id on the server."""

    mark: str
    campaign: str
    key: str
    spectrogram: str


class Delivery:
    """``TakesAudits`` and ``Marks`` of the contract. ``clock`` measures seconds."""

    def __init__(self, client: Client, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._settle = settings.settle_seconds
        self._clock = clock
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._sent: dict[str, float] = {}

    async def mark(self, audit: PushAudit, task: PushTask) -> Mapping[str, JSON]:
        """Our corrections of the annotation that are there already, and our verdict on it."""
        target = await self._target(audit)
        sheet = await self._sheet(target)
        return {"corrections": sorted(sheet.corrections(target.key)), "verdict": sheet.verdict(target.key)}

    async def push(self, audit: PushAudit, task: PushTask) -> Receipt:
        target = await self._target(audit)
        lock = self._locks.setdefault(target.spectrogram, asyncio.Lock())
        async with lock:
            before = await self._sheet(target)
            _judgeable(before, target)
            if _landed(before, audit, target):
                return _receipt(before, audit, target)
            items = _items(before, audit, target)
            self._sent[audit.id] = self._clock()
            try:
                await self._write(target, items)
            except Uncertain as doubt:
                return await self._after(before, audit, target, doubt.message)
            except ConnectorError:
                del self._sent[audit.id]
                raise
            return await self._after(before, audit, target, "APLOSE took the verdict, and it is not to be seen")

    async def find(self, audit: PushAudit, task: PushTask) -> Receipt | None:
        """A correction that may still be under way is no missing one: sent again it would be there twice."""
        target = await self._target(audit)
        sheet = await self._sheet(target)
        if _landed(sheet, audit, target):
            self._sent.pop(audit.id, None)
            return _receipt(sheet, audit, target)
        wait = self._sent.get(audit.id, -self._settle) + self._settle - self._clock()
        if audit.id in self._sent and audit.result is AuditResult.FIXED and wait > 0:
            raise Retry("the answer to the correction was lost, and it may still be under way", after=wait)
        self._sent.pop(audit.id, None)
        return None

    # --- reading and writing ------------------------------------------------------------------------------------

    async def _target(self, audit: PushAudit) -> _Target:
        if audit.result not in RESULTS:
            raise Refused(f"APLOSE takes {', '.join(RESULTS)}, not {audit.result}")
        if audit.annotation is None:
            raise Refused("APLOSE takes verdicts on single annotations only")
        if (self._client.version or (await self._client.probe())[0]) is not Version.V3:
            raise Refused("verdicts go to APLOSE 3 only: older servers delete other people's work when a task is sent")
        campaign, _, key = audit.annotation.rpartition("/")
        if not campaign or not key.isdecimal():
            raise Refused(f"{audit.annotation!r} is no annotation of an APLOSE server")
        found = mapping(await self._client.get("/api/annotation/{id}/", path={"id": key}, absent=(404,)))
        spectrogram = text(found.get("spectrogram"))
        if spectrogram is None:
            raise Refused(f"annotation {key} is not on the server any more", status=404)
        return _Target(audit.annotation, campaign, key, spectrogram)

    async def _sheet(self, target: _Target) -> Sheet:
        asked = {"spectrogram": target.spectrogram, "campaign": target.campaign}
        try:
            data = await self._client.query(LIST, asked)
        except Refused as problem:
            if problem.message.endswith("Not found"):
                raise Refused(
                    f"campaign {target.campaign} has no Verification phase that our account works in, or none for "
                    "this recording",
                    details=problem.details,
                ) from None
            raise
        return Sheet.read(data, target.campaign)

    async def _write(self, target: _Target, items: list[dict[str, Any]]) -> None:
        """Raises ``Refused`` with the server's own words where it takes the list not; then nothing was written."""
        given = {
            "campaignId": target.campaign,
            "phaseType": "Verification",
            "spectrogramId": target.spectrogram,
            "list": items,
        }
        data = await self._client.write(_WRITE, {"input": given})
        errors = mapping(data.get("updateAnnotations")).get("errors")
        told = [
            f"annotation {items[number].get('id', 'new') if number < len(items) else '?'}: "
            f"{mapping(error).get('field')}: {', '.join(map(str, many(mapping(error).get('messages'))))}"
            for number, each in enumerate(many(errors))
            for error in many(each)
        ]
        if told:
            raise Refused(f"APLOSE refuses the list: {'; '.join(told)}", details={"errors": errors})

    async def _after(self, before: Sheet, audit: PushAudit, target: _Target, doubt: str) -> Receipt:
        """Looks whether the verdict is there and everything else still is. Raises ``Uncertain`` where it is not."""
        try:
            after = await self._sheet(target)
        except ConnectorError as problem:
            raise Uncertain(f"{doubt}; {problem.message}") from None
        if not _landed(after, audit, target):
            raise Uncertain(doubt)
        self._sent.pop(audit.id, None)
        receipt = _receipt(after, audit, target)
        odd = {
            "changed_meanwhile": before.differences(after, target.key),
            "submitted_meanwhile": before.submitted_meanwhile(after),
        }
        odd = {name: found for name, found in odd.items() if found}
        if odd:
            log.warning("campaign %s, spectrogram %s: %s", target.campaign, target.spectrogram, odd)
        return Receipt(external_id=receipt.external_id, details={**receipt.details, **odd})


def _judgeable(sheet: Sheet, target: _Target) -> None:
    if not sheet.is_open:
        raise Refused(f"the Verification phase of campaign {target.campaign} has ended")
    if not sheet.assigned:
        raise Refused("our account has no file range that covers this recording in the Verification phase")
    if target.key not in sheet.to_check:
        raise Refused(
            f"annotation {target.key} is not one that our account can judge: only marks of the Annotation phase made "
            "by others are"
        )


def _items(sheet: Sheet, audit: PushAudit, target: _Target) -> list[dict[str, Any]]:
    """The whole list with the verdict in it; a correction is a new row beside the original, which is then invalid."""
    items = sheet.back(target.key, is_valid=audit.result is AuditResult.ACCEPTED)
    if audit.result is AuditResult.FIXED:
        original = sheet.to_check[target.key]
        new = {
            **correction(original, _fields(audit)),
            "annotationPhase": sheet.phase,
            "analysis": text(mapping(original.get("analysis")).get("id")),
            "isUpdateOf": target.key,
        }
        # Only a row of our own can carry our words: on another's they would be his, and two comments break the CSV.
        if audit.comment and len(audit.comment) <= LONGEST_COMMENT:
            new["comments"] = [{"comment": audit.comment}]
        items.append(new)
    return items


def _fields(audit: PushAudit) -> Mapping[str, JSON]:
    if not isinstance(audit.fixed_response, dict):
        raise Refused("fixedResponse is an object with the corrected fields of the annotation")
    return audit.fixed_response


def _landed(sheet: Sheet, audit: PushAudit, target: _Target) -> bool:
    if audit.result is not AuditResult.FIXED:
        return sheet.verdict(target.key) is (audit.result is AuditResult.ACCEPTED)
    known = [str(key) for key in many(audit.before.get("corrections"))]
    there = sheet.corrected(target.key, _fields(audit), known) is not None
    return there and sheet.verdict(target.key) is False


def _receipt(sheet: Sheet, audit: PushAudit, target: _Target) -> Receipt:
    """Named as the reader names the verdict in an export: annotation and verifier."""
    details: dict[str, JSON] = {"verifier": sheet.username, "is_valid": sheet.verdict(target.key)}
    if audit.result is AuditResult.FIXED:
        known = [str(key) for key in many(audit.before.get("corrections"))]
        details["correction"] = sheet.corrected(target.key, _fields(audit), known)
    if audit.comment and (audit.result is not AuditResult.FIXED or len(audit.comment) > LONGEST_COMMENT):
        details["comment"] = "kept here: APLOSE has no place for it"
    return Receipt(external_id=f"{target.mark}/{ids.part(sheet.username)}", details=details)
