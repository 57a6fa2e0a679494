"""Delivers audits: oldest first per task, once, with leases, back-off, and a look before any second try.

An audit moves PENDING → SENDING → DELIVERED, REFUSED or FAILED. A push whose outcome is unknown (the connector
says ``Uncertain``, or this process died) leaves it *uncertain*: whoever takes it next asks the platform with
``find`` before anything is sent again. The promise is exactly one effect, as long as what was sent is visible to
``find`` once the lease is over; docs/audits.md says where a platform offers no way to tell.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from connectors.contract import Marks, PushAudit, PushError, PushTask, Receipt, TakesAudits
from connectors.documents import AuditResult
from connectors.errors import ConnectorError, Refused, Retry, Unauthorized, Uncertain
from connectors.ids import gid, parse_gid
from gateway.audits import parse_external, refold_task
from gateway.engine import utcnow
from gateway.imports import owner
from gateway.store.codec import Stored
from gateway.store.driver import AFTER
from gateway.store.store import Store
from gateway.sync import LiveSource
from schema.jsontext import json_text, json_value

log = logging.getLogger(__name__)

LEASE_SECONDS: Final = 120.0
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 900.0
MOST_TRIES: Final = 40
CIRCUIT_FAILURES: Final = 5


@dataclass(slots=True)
class Outbox:
    """Delivers for the sources it holds. ``fault`` is called at each named step; tests let it stop the process."""

    store: Store
    sources: Mapping[str, LiveSource]
    lease_seconds: float = LEASE_SECONDS
    first_pause: float = FIRST_PAUSE
    longest_pause: float = LONGEST_PAUSE
    most_tries: int = MOST_TRIES
    fault: Callable[[str], None] = lambda step: None
    chance: random.Random = field(default_factory=random.Random)
    _failures: dict[str, int] = field(default_factory=dict)
    _closed_until: dict[str, Any] = field(default_factory=dict)

    async def turn(self, *, concurrency: int = 8, limit: int = 1000) -> int:
        """Delivers what is due; gives how many deliveries were tried."""
        tried = 0
        pending: set[asyncio.Task[None]] = set()
        try:
            while tried < limit:
                audit = await self._claim()
                if audit is None:
                    if not pending:
                        break
                    done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        task.result()
                    continue
                tried += 1
                pending.add(asyncio.create_task(self._deliver(audit)))
                if len(pending) >= concurrency:
                    done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        task.result()
            if pending:
                await asyncio.gather(*pending)
        except BaseException:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
            raise
        return tried

    # --- claiming -------------------------------------------------------------------------------------------------

    async def _claim(self) -> Stored | None:
        """The oldest due audit whose task has no older one on its way, leased to us."""
        now = utcnow()
        open_sources = [name for name in self.sources if self._closed_until.get(name, now) <= now]
        if not open_sources:
            return None
        where = {
            "delivery.state": {"$in": ["PENDING", "SENDING"]},
            "delivery.next_attempt_at": {"$lte": now},
            "source": {"$in": open_sources},
        }
        fields = {"task": 1, "seq": 1, "delivery": 1}
        cursor = self.store.db["audits"].find(
            where, fields, sort=[("delivery.next_attempt_at", 1), ("_id", 1)], limit=200
        )
        async for candidate in cursor:
            if not await self._has_older(candidate) and (claimed := await self._take(candidate)) is not None:
                return claimed
        return None

    async def _has_older(self, audit: Stored) -> bool:
        """An older verdict on the same task goes first; one that was given up holds the others until somebody acts."""
        where = {
            "task": audit["task"],
            "seq": {"$lt": audit["seq"]},
            "delivery.state": {"$in": ["PENDING", "SENDING", "FAILED"]},
        }
        older = await self.store.db["audits"].find_one(where, {"_id": 1})
        if older is not None:
            later = {"$set": {"delivery.next_attempt_at": utcnow() + timedelta(seconds=self.first_pause)}}
            await self.store.db["audits"].update_one({"_id": audit["_id"], "delivery": audit["delivery"]}, later)
        return older is not None

    async def _take(self, audit: Stored) -> Stored | None:
        was_sending = audit["delivery"]["state"] == "SENDING"
        until = utcnow() + timedelta(seconds=self.lease_seconds)
        change: Stored = {
            "$set": {
                "delivery.state": "SENDING",
                "delivery.next_attempt_at": until,
                "delivery.lease": {"owner": owner(), "until": until},
            },
            "$inc": {"delivery.attempts": 1, "delivery.tries": 1},
        }
        if was_sending:  # whoever had it died, or is too slow to be trusted
            change["$set"]["delivery.uncertain"] = True
        found: Stored | None = await self.store.db["audits"].find_one_and_update(
            {"_id": audit["_id"], "delivery": audit["delivery"]}, change, return_document=AFTER
        )
        return found

    # --- delivering -----------------------------------------------------------------------------------------------

    async def _deliver(self, audit: Stored) -> None:
        source = self.sources[audit["source"]]
        self.fault("claimed")
        try:
            async with asyncio.timeout(self.lease_seconds * 0.8):
                receipt = await self._push(audit, source)
        except TimeoutError:
            await self._again(audit, Uncertain("the platform took too long"), uncertain=True)
        except Refused as problem:
            await self._settle(audit, "REFUSED", problem)
        except Uncertain as problem:
            await self._again(audit, problem, uncertain=True)
        except (Retry, Unauthorized) as problem:
            await self._again(audit, problem)
        except ConnectorError as problem:
            await self._settle(audit, "FAILED", problem)
        except Exception as problem:
            log.exception("delivery of %s failed", audit["_id"])
            trouble = Uncertain(f"{type(problem).__name__} in the connector; see the log")
            await self._again(audit, trouble, uncertain=True)
        else:
            self.fault("pushed")
            self._failures.pop(audit["source"], None)
            await self._settle(audit, "DELIVERED", receipt=receipt)

    async def _push(self, audit: Stored, source: LiveSource) -> Receipt:
        platform = source.platform
        if not isinstance(platform, TakesAudits):
            raise Refused(f"{source.connector.title} takes no audits")
        task = await self._task(audit)
        before: Mapping[str, Any] = json_value(audit["delivery"]["before"]) if "before" in audit["delivery"] else {}
        if "before" not in audit["delivery"] and isinstance(platform, Marks):
            before = await platform.mark(_push_audit(audit, {}), task)
            kept = {"$set": {"delivery.before": json_text(before)}}
            await self.store.db["audits"].update_one({"_id": audit["_id"]}, kept)
        verdict = _push_audit(audit, before)
        self.fault("marked")
        if audit["delivery"].get("uncertain"):
            found = await platform.find(verdict, task)
            if found is not None:
                return found
            await self._certain(audit)
        self.fault("looked")
        if not await self._still_ours(audit):
            raise Retry("somebody else took this audit over")
        return await platform.push(verdict, task)

    async def _certain(self, audit: Stored) -> None:
        await self.store.db["audits"].update_one({"_id": audit["_id"]}, {"$unset": {"delivery.uncertain": ""}})

    async def _still_ours(self, audit: Stored) -> bool:
        where = {"_id": audit["_id"], "delivery.state": "SENDING", "delivery.lease": audit["delivery"]["lease"]}
        return await self.store.db["audits"].find_one(where, {"_id": 1}) is not None

    async def _task(self, audit: Stored) -> PushTask:
        db = self.store.db
        task = await db["tasks"].find_one({"_id": audit["task"]})
        if task is None:
            raise Refused("the task is no longer here")
        raw_id = task.get("raw_of") or task["_id"]
        raw = await db["raws"].find_one({"_id": raw_id})
        return PushTask(
            external_id=task["external_id"],
            campaign=_external(task.get("campaign")),
            asset=_external(task.get("asset")),
            native_status=task.get("native_status"),
            submission=_external((task.get("said") or {}).get("submission")),
            raw=json_value(raw["json"]) if raw else None,
        )

    # --- settling -------------------------------------------------------------------------------------------------

    async def _settle(
        self, audit: Stored, state: str, problem: ConnectorError | None = None, receipt: Receipt | None = None
    ) -> None:
        now = utcnow()
        change: Stored = {
            "$set": {"delivery.state": state},
            "$unset": {"delivery.lease": "", "delivery.next_attempt_at": ""},
        }
        if state != "FAILED":  # who retries one that was given up has to look first
            change["$unset"]["delivery.uncertain"] = ""
        if problem is not None:
            change["$set"]["delivery.last_error"] = {"code": _code(problem), "message": problem.message, "at": now}
        if receipt is not None:
            change["$set"] |= {"delivery.delivered_at": now, "delivery.receipt": json_text(dict(receipt.details))}
            change["$unset"]["delivery.last_error"] = ""
            if receipt.external_id is not None:
                change["$set"] |= {
                    "external_id": receipt.external_id,
                    "alias": gid(audit["source"], "Audit", receipt.external_id),
                }

        async def body(session: Any) -> None:
            where = {"_id": audit["_id"], "delivery.lease": audit["delivery"]["lease"]}
            kept = await self.store.db["audits"].update_one(where, change, session=session)
            if not kept.matched_count:
                return  # taken over meanwhile: the new holder looks before it sends
            alias = change["$set"].get("alias")
            if alias is not None:
                # A sync may have met the platform's echo before we knew its name: it is one audit, ours.
                echo = await self.store.db["audits"].find_one_and_delete({"_id": alias}, session=session)
                if echo is not None:
                    mark = {"$set": {"h": echo["h"], "echoed": True}}
                    await self.store.db["audits"].update_one({"_id": audit["_id"]}, mark, session=session)
            await refold_task(self.store, audit["task"], session)

        self.fault("settling")
        await self.store.transaction(body)
        self.fault("settled")

    async def _again(self, audit: Stored, problem: ConnectorError, *, uncertain: bool = False) -> None:
        """Back to the queue, later. Unauthorized and many failures in a row give the whole source a rest."""
        tries = audit["delivery"].get("tries", 1)
        if tries >= self.most_tries and not uncertain:
            await self._settle(audit, "FAILED", problem)
            return
        name = audit["source"]
        self._failures[name] = self._failures.get(name, 0) + 1
        pause = self.chance.uniform(0.5, 1.0) * min(self.longest_pause, self.first_pause * 2 ** min(tries - 1, 20))
        if isinstance(problem, Retry) and problem.after is not None:
            pause = max(pause, problem.after)
        if isinstance(problem, Unauthorized) or self._failures[name] >= CIRCUIT_FAILURES * 4:
            self._closed_until[name] = utcnow() + timedelta(seconds=min(pause, self.longest_pause))
        change: Stored = {
            "$set": {
                "delivery.state": "PENDING",
                "delivery.next_attempt_at": utcnow() + timedelta(seconds=pause),
                "delivery.last_error": {"code": _code(problem), "message": problem.message, "at": utcnow()},
            },
            "$unset": {"delivery.lease": ""},
        }
        if uncertain:
            change["$set"]["delivery.uncertain"] = True
        self.fault("postponing")
        where = {"_id": audit["_id"], "delivery.lease": audit["delivery"]["lease"]}
        with contextlib.suppress(asyncio.CancelledError):
            await self.store.db["audits"].update_one(where, change)


def _push_audit(audit: Stored, before: Mapping[str, Any]) -> PushAudit:
    return PushAudit(
        id=parse_external(audit["_id"]),
        result=AuditResult(audit["result"]),
        comment="\n".join(audit.get("comments") or ()) or None,
        errors=[_push_error(error) for error in audit.get("errors") or ()],
        fixed_response=json_value(audit["fixed_response"]) if "fixed_response" in audit else None,
        submission=_external(audit.get("submission")),
        annotation=_external(audit.get("annotation")),
        duration_seconds=audit.get("duration_seconds"),
        active_seconds=audit.get("active_seconds"),
        audited_at=audit["audited_at"].isoformat(timespec="milliseconds") + "Z",
        attempts=audit["delivery"]["attempts"],
        before=before,
    )


def _push_error(error: Stored) -> PushError:
    return PushError(
        annotation=error.get("annotation_external_id"),
        type=error["type"],
        severity=error["severity"],
        comment=error.get("comment"),
        attribute=error.get("attribute"),
        reasons=tuple(error.get("reasons") or ()),
        original_label=error.get("original_label"),
        fixed_label=error.get("fixed_label"),
        frame=error.get("frame"),
    )


def _external(id_: str | None) -> str | None:
    parts = parse_gid(id_) if id_ is not None else None
    return parts.external_id if parts else None


def _code(problem: ConnectorError) -> str:
    match problem:
        case Refused():
            return "PLATFORM_REFUSED"
        case Unauthorized():
            return "PLATFORM_UNAUTHORIZED"
    return "PLATFORM_UNAVAILABLE"
