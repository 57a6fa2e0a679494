"""Takes audits: checks each and stores it with its task's new state in one transaction, without asking a platform.

The audit document is its own outbox entry. What is refused leaves no trace; the same idempotency key with the same
content answers with the first result.
"""

from __future__ import annotations

import dataclasses
import secrets
import time
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final

import orjson

from connectors.ids import gid, parse_gid
from gateway.engine import utcnow
from gateway.fold import fold, said_of
from gateway.store.codec import Stored, clean
from gateway.store.store import Store
from schema.jsontext import json_text
from schema.ports import NewAudit, Outcome, Verdict, Viewer

FINISHED: Final = frozenset({"SUBMITTED", "IN_REVIEW", "COMPLETED"})
LONGEST_COMMENT: Final = 10_000
MOST_ERRORS: Final = 200
_TASK_FIELDS: Final = dict.fromkeys(
    ("source", "external_id", "campaign", "status", "version", "said", "audit_seq", "asset_name"), 1
)


class _Refused(Exception):
    """Ends a transaction without writing; carries the outcome."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


def _invalid(message: str, *path: str) -> _Refused:
    return _Refused(Outcome(verdict=Verdict.INVALID, message=message, path=path))


async def submit(store: Store, audits: Sequence[NewAudit], viewer: Viewer, *, atomic: bool = False) -> list[Outcome]:
    """One outcome an audit, in order. ``atomic``: all or none, and the others say so."""
    if not viewer.may("audit"):
        outcome = Outcome(verdict=Verdict.FORBIDDEN, message="submitting audits needs the scope audit", scope="audit")
        return [outcome for _ in audits]
    if not atomic:
        return [await _submit_one(store, audit, viewer) for audit in audits]

    failed: list[tuple[int, Outcome]] = []

    async def body(session: Any) -> list[Outcome]:
        failed.clear()
        done = []
        for number, audit in enumerate(audits):
            try:
                done.append(await _store(store, audit, viewer, session))
            except _Refused as refused:
                failed.append((number, refused.outcome))
                raise
        return done

    try:
        return await store.transaction(body)
    except _Refused:
        number, outcome = failed[0]
        other = Outcome(
            verdict=Verdict.CONFLICT, message=f"not submitted, since item {number} of the batch was refused"
        )
        return [outcome if n == number else other for n in range(len(audits))]


async def _submit_one(store: Store, audit: NewAudit, viewer: Viewer) -> Outcome:
    try:
        return await store.transaction(lambda session: _store(store, audit, viewer, session))
    except _Refused as refused:
        return refused.outcome


async def _store(store: Store, audit: NewAudit, viewer: Viewer, session: Any) -> Outcome:
    """Everything about one audit, inside a transaction. Raises ``_Refused``."""
    db = store.db
    _check_shape(audit)
    source = await _visible_source(store, audit.task, viewer, session)
    content = _content_hash(audit)
    key = blake2b(f"{viewer.name}\n{audit.idempotency_key}".encode(), digest_size=16).hexdigest()
    earlier = await db["idempotency"].find_one({"_id": key}, session=session)
    if earlier is not None:
        same = earlier["content"] == content
        if same:
            return Outcome(verdict=Verdict.REPLAYED, audit=earlier["audit"])
        message = "this idempotency key was used for another audit"
        raise _Refused(Outcome(verdict=Verdict.IDEMPOTENCY_CONFLICT, message=message, audit=earlier["audit"]))
    task = await db["tasks"].find_one({"_id": audit.task, "deleted_at": None}, _TASK_FIELDS, session=session)
    if task is None or source is None:
        raise _Refused(Outcome(verdict=Verdict.NOT_FOUND, message="there is no such task", missing=audit.task))
    if audit.expected_version is not None and audit.expected_version != task["version"]:
        message = "the task has changed since it was judged"
        raise _Refused(Outcome(verdict=Verdict.STALE, message=message, task=task["_id"]))
    if task["status"] not in FINISHED:
        raise _invalid(f"the task is not finished: its status is {task['status']}", "task")
    target = await _target(store, audit, session)
    delivery = _delivery(audit, source)
    doc = _document(audit, viewer, task, target, delivery)
    known = await db["audits"].find({"task": task["_id"], "deleted_at": None}, session=session).to_list(None)
    folded = fold(said_of(task), [*known, doc])
    await db["idempotency"].insert_one(
        {"_id": key, "content": content, "audit": doc["_id"], "at": utcnow()}, session=session
    )
    await db["audits"].insert_one(doc, session=session)
    if doc.get("fix"):
        await _lay_fix(store, audit, doc, task, session)
    change = {"$set": folded | {"audit_seq": doc["seq"]}}
    moved = await db["tasks"].update_one({"_id": task["_id"], "version": task["version"]}, change, session=session)
    if not moved.matched_count:
        raise _Refused(
            Outcome(verdict=Verdict.STALE, message="the task has changed since it was judged", task=task["_id"])
        )
    return Outcome(verdict=Verdict.DONE, audit=doc["_id"], task=task["_id"])


async def _visible_source(store: Store, task: str, viewer: Viewer, session: Any) -> Stored | None:
    parts = parse_gid(task)
    if parts is None or (viewer.sources is not None and parts.source not in viewer.sources):
        raise _Refused(Outcome(verdict=Verdict.NOT_FOUND, message="there is no such task", missing=task))
    found: Stored | None = await store.db["sources"].find_one({"_id": parts.source}, session=session)
    return found


# --- checks ---------------------------------------------------------------------------------------------------------


def _check_shape(audit: NewAudit) -> None:
    """What can be judged without the store."""
    if not 1 <= len(audit.idempotency_key) <= 200:
        raise _invalid("an idempotency key has 1 to 200 characters", "idempotencyKey")
    for name, text in (
        ("comment", audit.comment),
        *((f"errors.{n}.comment", e.comment) for n, e in enumerate(audit.errors)),
    ):
        if text is not None and len(text) > LONGEST_COMMENT:
            raise _invalid(f"a comment has at most {LONGEST_COMMENT} characters", *name.split("."))
    for name, seconds in (("durationSeconds", audit.duration_seconds), ("activeSeconds", audit.active_seconds)):
        if seconds is not None and not 0 <= seconds < 10**7:
            raise _invalid("seconds are not negative, and fewer than ten million", name)
    if audit.result == "UNKNOWN":
        raise _invalid("a verdict is ACCEPTED, REJECTED, FIXED or COMMENTED", "result")
    if audit.result == "FIXED" and (not audit.has_fixed_response or audit.fixed_response is None):
        raise _invalid("FIXED needs the corrected answer", "fixedResponse")
    if audit.result != "FIXED" and audit.has_fixed_response and audit.fixed_response is not None:
        raise _invalid("only FIXED comes with a corrected answer", "fixedResponse")
    if audit.result == "COMMENTED" and not (audit.comment or "").strip() and not audit.errors:
        raise _invalid("COMMENTED needs a comment, or an error", "comment")
    if len(audit.errors) > MOST_ERRORS:
        raise _invalid(f"an audit has at most {MOST_ERRORS} errors", "errors")
    for number, error in enumerate(audit.errors):
        where = ("errors", str(number))
        if error.type == "MISSING" and error.annotation is not None:
            raise _invalid("a missing annotation has no id", *where, "annotationId")
        if error.attribute is not None and error.type != "ATTRIBUTE":
            raise _invalid("only an ATTRIBUTE error names an attribute", *where, "attribute")
        if error.type == "ATTRIBUTE" and not error.attribute:
            raise _invalid("an ATTRIBUTE error names the attribute", *where, "attribute")
        if error.type != "LABEL" and (error.original_label is not None or error.fixed_label is not None):
            raise _invalid("only a LABEL error names labels", *where, "fixedLabel")
        if error.frame is not None and error.frame < 0:
            raise _invalid("frames count from 0", *where, "frame")


async def _target(store: Store, audit: NewAudit, session: Any) -> Stored:
    """What is judged. Every named answer and mark has to belong to the task."""
    out: Stored = {}
    if audit.submission is not None:
        where = {"_id": audit.submission, "task": audit.task, "deleted_at": None}
        found = await store.db["submissions"].find_one(where, {"author": 1}, session=session)
        if found is None:
            raise _invalid("the task has no such submission", "submissionId")
        out |= {"submission": audit.submission, "author": found.get("author")}
    named = {error.annotation for error in audit.errors if error.annotation} | (
        {audit.annotation} if audit.annotation else set()
    )
    if named:
        among: Stored = {"_id": {"$in": sorted(named)}, "task": audit.task, "deleted_at": None}
        fields = {"label": 1, "author": 1, "native_id": 1, "external_id": 1}
        cursor = store.db["annotations"].find(among, fields, session=session)
        marks = {doc["_id"]: doc async for doc in cursor}
        if audit.annotation and audit.annotation not in marks:
            raise _invalid("the task has no such annotation", "annotationId")
        for number, error in enumerate(audit.errors):
            if error.annotation and error.annotation not in marks:
                raise _invalid("the task has no such annotation", "errors", str(number), "annotationId")
        out["marks"] = marks
        if audit.annotation:
            mark = marks[audit.annotation]
            out |= {"annotation": audit.annotation, "label": mark.get("label"), "author": mark.get("author")}
    return out


def _delivery(audit: NewAudit, source: Stored) -> Stored:
    """Whether it travels. Raises when it has to and cannot."""
    reason = _obstacle(audit, source)
    if reason is None:
        return {"state": "PENDING", "attempts": 0, "next_attempt_at": utcnow()}
    if audit.require_delivery:
        raise _Refused(Outcome(verdict=Verdict.UNSUPPORTED, message=reason, path=("result",), source=source["_id"]))
    return {"state": "NOT_APPLICABLE", "attempts": 0, "reason": reason}


def _obstacle(audit: NewAudit, source: Stored) -> str | None:
    able = source["capabilities"]
    takes = able["audit_results"]
    if not takes:
        return f"{source['_id']} takes no audits: they are kept here"
    if audit.result not in takes:
        return f"{source['_id']} takes {', '.join(takes)}, not {audit.result}"
    if audit.result == "FIXED" and not able["audit_fix"]:
        return f"{source['_id']} takes no corrected answers"
    target = able["audit_target"]
    if target == "ANNOTATION" and audit.annotation is None:
        return f"{source['_id']} takes verdicts on single annotations only"
    if target == "SUBMISSION" and audit.annotation is not None:
        return f"{source['_id']} takes verdicts on whole answers only"
    if target == "TASK" and audit.annotation is not None:
        return f"{source['_id']} takes verdicts on whole tasks only"
    if audit.require_delivery and audit.errors and not able["audit_errors"]:
        return f"{source['_id']} takes no errors of single annotations"
    return None


# --- documents ------------------------------------------------------------------------------------------------------


def _document(audit: NewAudit, viewer: Viewer, task: Stored, target: Stored, delivery: Stored) -> Stored:
    now = utcnow()
    source = task["source"]
    id_ = gid(source, "Audit", f"gateway-{time.time_ns() // 1_000_000:012x}{secrets.token_hex(5)}")
    doc: Stored = {
        "_id": id_,
        "source": source,
        "task": task["_id"],
        "campaign": task.get("campaign"),
        "result": audit.result,
        "origin": "GATEWAY",
        "auditor_name": viewer.name,
        "comments": [clean(audit.comment)] if audit.comment else [],
        "errors": [_error(error, target) for error in audit.errors],
        "duration_seconds": audit.duration_seconds,
        "active_seconds": audit.active_seconds,
        "audited_at": now,
        "fetched_at": now,
        "h": {},
        "seq": int(task.get("audit_seq") or 0) + 1,
        "delivery": delivery,
    }
    doc |= {name: value for name, value in target.items() if name != "marks"}
    if audit.result == "FIXED":
        doc["fixed_response"] = json_text(audit.fixed_response)
        doc["fix"] = gid(source, "Submission", f"{parse_external(id_)}/fix")
    return {name: value for name, value in doc.items() if value is not None}


def parse_external(id_: str) -> str:
    parts = parse_gid(id_)
    assert parts is not None
    return parts.external_id


def _error(error: Any, target: Stored) -> Stored:
    plain = {name: value for name, value in dataclasses.asdict(error).items() if value is not None}
    plain["reasons"] = [clean(reason) for reason in error.reasons]
    plain["locations"] = []
    plain["untied"] = error.annotation is None
    for name in ("comment", "attribute", "original_label", "fixed_label"):
        if name in plain:
            plain[name] = clean(plain[name])
    if error.annotation is not None:
        mark = target["marks"][error.annotation]
        plain["annotation_external_id"] = mark.get("native_id") or mark["external_id"]
        plain.setdefault("original_label", mark.get("label")) if error.type == "LABEL" else None
    return {name: value for name, value in plain.items() if value is not None}


async def _lay_fix(store: Store, audit: NewAudit, doc: Stored, task: Stored, session: Any) -> None:
    """The corrected answer becomes the one that counts, over what the platform says, until the platform has it."""
    answers = (
        await store.db["submissions"]
        .find({"task": task["_id"], "deleted_at": None}, {"position": 1}, session=session)
        .to_list(None)
    )
    position = max((one.get("position", 0) for one in answers), default=-1) + 1
    await store.db["submissions"].update_many(
        {"task": task["_id"], "is_current": True}, {"$set": {"is_current": False}}, session=session
    )
    await store.db["submissions"].insert_one(
        {
            "_id": doc["fix"],
            "source": task["source"],
            "external_id": parse_external(doc["fix"]),
            "task": task["_id"],
            "campaign": task.get("campaign"),
            "origin": "GATEWAY",
            "submission_kind": "FIX",
            "position": position,
            "is_current": True,
            "said_current": False,
            "skipped": False,
            "submitted_at": doc["audited_at"],
            "response": json_text(audit.fixed_response),
            "fetched_at": doc["audited_at"],
            "h": {},
        },
        session=session,
    )


def _content_hash(audit: NewAudit) -> str:
    content = dataclasses.asdict(audit) | {"fixed_response": json_text(audit.fixed_response)}
    return blake2b(orjson.dumps(content, option=orjson.OPT_SORT_KEYS, default=repr), digest_size=16).hexdigest()


# --- retry and cancel -----------------------------------------------------------------------------------------------


async def retry(store: Store, audit: str, viewer: Viewer) -> Outcome:
    """Queues an audit again that was refused or given up."""
    change = {
        "$set": {"delivery.state": "PENDING", "delivery.next_attempt_at": utcnow(), "delivery.tries": 0},
        "$unset": {"delivery.lease_until": ""},
    }
    return await _change(
        store, audit, viewer, ("REFUSED", "FAILED"), change, "only a REFUSED or FAILED audit can be retried"
    )


async def cancel(store: Store, audit: str, viewer: Viewer) -> Outcome:
    """Withdraws an audit that has not reached its platform; the task is as if it had not been given."""
    change = {"$set": {"delivery.state": "CANCELED"}, "$unset": {"delivery.next_attempt_at": ""}}
    message = (
        "only an audit that is PENDING, REFUSED or FAILED, and whose last try had a known outcome, can be canceled"
    )
    return await _change(store, audit, viewer, ("PENDING", "REFUSED", "FAILED"), change, message)


async def _change(
    store: Store, audit: str, viewer: Viewer, states: tuple[str, ...], change: Stored, message: str
) -> Outcome:
    if not viewer.may("audit"):
        return Outcome(verdict=Verdict.FORBIDDEN, message="this needs the scope audit", scope="audit")
    parts = parse_gid(audit)
    missing = Outcome(verdict=Verdict.NOT_FOUND, message="there is no such audit", missing=audit)
    if parts is None or (viewer.sources is not None and parts.source not in viewer.sources):
        return missing

    async def body(session: Any) -> Outcome:
        found = await store.db["audits"].find_one({"_id": audit}, session=session)
        if found is None:
            return missing
        uncertain = found["delivery"].get("uncertain") and "CANCELED" in str(change)
        if found.get("origin") != "GATEWAY" or found["delivery"]["state"] not in states or uncertain:
            state = found["delivery"]["state"]
            return Outcome(verdict=Verdict.CONFLICT, message=f"{message}; this one is {state}", audit=audit)
        await store.db["audits"].update_one({"_id": audit}, change, session=session)
        await refold_task(store, found["task"], session)
        return Outcome(verdict=Verdict.DONE, audit=audit)

    return await store.transaction(body)


async def refold_task(store: Store, task_id: str, session: Any) -> None:
    """Folds a task anew after one of its audits moved."""
    task = await store.db["tasks"].find_one({"_id": task_id}, session=session)
    if task is None:
        return
    known = await store.db["audits"].find({"task": task_id, "deleted_at": None}, session=session).to_list(None)
    folded = fold(said_of(task), known)
    gone = [
        audit["fix"] for audit in known if audit.get("fix") and audit["delivery"]["state"] in ("REFUSED", "CANCELED")
    ]
    if gone:
        await store.db["submissions"].update_many(
            {"_id": {"$in": gone}}, {"$set": {"deleted_at": utcnow(), "is_current": False}}, session=session
        )
    if folded["response_of"] != task.get("response_of"):
        submissions = store.db["submissions"]
        await submissions.update_many(
            {"task": task_id, "is_current": True}, {"$set": {"is_current": False}}, session=session
        )
        change = {"$set": {"is_current": True}, "$unset": {"deleted_at": ""}}
        await submissions.update_one({"_id": folded["response_of"]}, change, session=session)
    if any(task.get(name) != value for name, value in folded.items()):
        await store.db["tasks"].update_one({"_id": task_id}, {"$set": folded}, session=session)
