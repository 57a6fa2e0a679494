"""The fold: from what the platform says of a task, and the audits it has not taken yet, to the task a reader sees.

This is the only place with these rules. It is pure; folding twice changes nothing, and the order in which a sync
and an audit arrive does not matter. The rules follow the platform page "Task Audits" (Scale):

- the newest audit gives the review status; comments are appended, oldest first; audits are newest first;
- a fix makes its answer the response and puts the one before it at the end of the prior responses.

What the platform says comes first and wins where it speaks: its page contradicts itself about whether the newest
audit and the status agree, so neither is derived from the other. Our audits that it has not taken (``pending``)
are applied on top, oldest first. Where a platform has no review status of its own, the audits decide: each judged
thing (a mark, else the task with all its answers) counts with its newest verdict by each auditor; all alike give that
word, several give MIXED, comments alone COMMENTED.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

Stored = Mapping[str, Any]

FOLDED: Final = (
    "review_status",
    "review_comments",
    "audit_count",
    "last_audited_at",
    "latest_audit",
    "response_of",
    "version",
)
"""The fields of a stored task that the fold writes; ``said`` keeps the platform's own words for the first two."""

UNTAKEN: Final = frozenset({"NOT_APPLICABLE", "PENDING", "SENDING", "FAILED", "DELIVERED"})
"""Delivery states of an audit made here that stands; REFUSED and CANCELED ones do not."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the platform says: its review words, and a digest of its present answer with all its marks."""

    status: str
    review_status: str | None = None
    review_comments: tuple[str, ...] = ()
    answer: str = ""
    submission: str | None = None
    """The id of the answer that it calls the current one."""


def said_of(task: Stored) -> Said:
    """The platform's side of a stored task."""
    said = task.get("said") or {}
    return Said(
        status=task["status"],
        review_status=said.get("review_status"),
        review_comments=tuple(said.get("review_comments") or ()),
        answer=said.get("answer") or "",
        submission=said.get("submission"),
    )


def stands(audit: Stored) -> bool:
    """Does this audit of ours still have to be laid over what the platform says?"""
    return audit.get("origin") == "GATEWAY" and not audit.get("echoed") and audit["delivery"]["state"] in UNTAKEN


def fold(said: Said, audits: Iterable[Stored]) -> dict[str, Any]:
    """The folded fields of one task from all audits about it, those of the platform and ours."""
    everything = newest_first(audit for audit in audits if _counts(audit))
    pending = _pending(everything)
    status = said.review_status or review_status([audit for audit in everything if audit not in pending])
    comments = list(said.review_comments)
    response_of = said.submission
    for audit in pending:
        status = _next_status(status, audit, by_target=said.review_status is None, everything=everything)
        comments.extend(audit.get("comments") or ())
        if audit["result"] == "FIXED" and audit.get("fixed_response") is not None:
            response_of = audit["fix"]
    times = [audit["audited_at"] for audit in everything if audit.get("audited_at")]
    return {
        "review_status": status,
        "review_comments": comments,
        "audit_count": len(everything),
        "last_audited_at": max(times, default=None),
        "latest_audit": everything[0]["_id"] if everything else None,
        "response_of": response_of,
        "version": _version(said, everything),
    }


def _pending(audits: Sequence[Stored]) -> list[Stored]:
    """Ours that the platform has not taken, oldest first. What it took before one that it shows, it has taken too."""
    shown = max((audit.get("seq") or 0 for audit in audits if audit.get("echoed")), default=0)
    return [
        audit
        for audit in reversed(audits)
        if stands(audit) and not (audit["delivery"]["state"] == "DELIVERED" and (audit.get("seq") or 0) < shown)
    ]


def newest_first(audits: Iterable[Stored]) -> list[Stored]:
    """By time, newest first; those without a time last. Ours keep the order in which they were given."""
    return sorted(
        audits,
        key=lambda audit: (
            audit.get("audited_at") or datetime.min,  # noqa: DTZ901 - the store's dates are naive UTC
            audit.get("seq") or 0,
            str(audit["_id"]),
        ),
        reverse=True,
    )


def review_status(audits: Sequence[Stored]) -> str:
    """One word for a task from its audits, newest first."""
    newest: dict[tuple[Any, Any], str] = {}
    for audit in audits:
        newest.setdefault((audit.get("annotation"), audit.get("auditor")), audit["result"])
    results = set(newest.values()) - {"UNKNOWN"}
    verdicts = results - {"COMMENTED"}
    if not results:
        return "NOT_REVIEWED"
    if not verdicts:
        return "COMMENTED"
    return verdicts.pop() if len(verdicts) == 1 else "MIXED"


def _counts(audit: Stored) -> bool:
    return audit.get("origin") != "GATEWAY" or audit["delivery"]["state"] not in ("REFUSED", "CANCELED")


def _next_status(status: str, audit: Stored, *, by_target: bool, everything: Sequence[Stored]) -> str:
    """A verdict on the task says how it is; one on a part of it, where nothing else speaks, is one among several."""
    if by_target and audit.get("annotation"):
        return review_status(everything)
    if audit["result"] == "COMMENTED" and status not in ("NOT_REVIEWED", "COMMENTED"):
        return status
    return str(audit["result"])


def _version(said: Said, audits: Sequence[Stored]) -> str:
    """Changes with the answer and with every verdict about it; not with how far a verdict has travelled."""
    digest = blake2b(f"{said.status}\n{said.answer}".encode(), digest_size=9)
    for key in sorted(str(audit["_id"]) for audit in audits):
        digest.update(key.encode())
    return digest.hexdigest()
