"""The fold: from what the platform says of a task, and the audits about it, to the task a reader sees.

This is the only place with these rules; it is pure, and folding twice changes nothing.

The platform's own review status wins where it has one: Scale's documentation contradicts itself about whether
the newest audit and the status agree (platform page "Task Audits"), so neither is derived from the other. Where
a platform says nothing, the audits decide: each judged thing (annotation, else submission, else the task) counts
with its newest verdict by each auditor; all alike give that word, several give MIXED, comments alone COMMENTED.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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
    "labels",
    "annotation_count",
    "version",
)
"""The fields of a stored task that the fold writes; ``said`` keeps the platform's own words for the first two."""


@dataclass(slots=True)
class Children:
    """What hangs on a task: labels and content hashes of its current marks, hashes of its answers, its audits."""

    labels: set[str] = field(default_factory=set)
    annotation_count: int = 0
    hashes: list[bytes] = field(default_factory=list)
    audits: list[Stored] = field(default_factory=list)


def fold(said: Stored, status: str, children: Children) -> dict[str, Any]:
    """The folded fields of one task."""
    audits = newest_first(children.audits)
    latest = audits[0] if audits else None
    return {
        "review_status": said.get("review_status") or review_status(audits),
        "review_comments": list(said.get("review_comments") or ()),
        "audit_count": len(audits),
        "last_audited_at": max((a["audited_at"] for a in audits if a.get("audited_at")), default=None),
        "latest_audit": latest["_id"] if latest else None,
        "labels": sorted(children.labels),
        "annotation_count": children.annotation_count,
        "version": _version(status, children.hashes, audits),
    }


def newest_first(audits: Iterable[Stored]) -> list[Stored]:
    """By time, newest first; those without a time last, in the order of their ids."""
    return sorted(
        sorted(audits, key=lambda audit: str(audit["_id"])),
        key=lambda audit: audit.get("audited_at") or datetime.min,  # noqa: DTZ901 - the store's dates are naive UTC
        reverse=True,
    )


def review_status(audits: Sequence[Stored]) -> str:
    """One word for a task from its audits, newest first."""
    newest: dict[tuple[Any, Any], str] = {}
    for audit in audits:
        target = audit.get("annotation") or audit.get("submission")
        newest.setdefault((target, audit.get("auditor")), audit["result"])
    results = set(newest.values()) - {"UNKNOWN"}
    verdicts = results - {"COMMENTED"}
    if not results:
        return "NOT_REVIEWED"
    if not verdicts:
        return "COMMENTED"
    return verdicts.pop() if len(verdicts) == 1 else "MIXED"


def _version(status: str, hashes: Iterable[bytes], audits: Sequence[Stored]) -> str:
    digest = blake2b(status.encode(), digest_size=9)
    for part in sorted(hashes):
        digest.update(part)
    for audit in audits:
        digest.update(str(audit["_id"]).encode() + str(audit["result"]).encode())
    return digest.hexdigest()
