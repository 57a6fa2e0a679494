"""Audits counted by dimensions, in one aggregation."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final

from schema.ports import AuditGroup

Filter = dict[str, Any]

_KEYS: Final[Mapping[str, Any]] = {
    "SOURCE": "$source",
    "CAMPAIGN": "$campaign",
    "AUDITOR": "$auditor",
    "AUTHOR": "$author",
    "LABEL": "$label",
    "RESULT": "$result",
    "ERROR_TYPE": "$error_type",
    "DAY": {"$dateToString": {"date": "$audited_at", "format": "%Y-%m-%d"}},
    "WEEK": {"$dateToString": {"date": "$audited_at", "format": "%G-W%V"}},
}


def pipeline(where: Filter, dimensions: Sequence[str], most: int) -> list[Filter]:
    """An audit with several types of errors counts once for each, where ERROR_TYPE is asked for."""
    stages: list[Filter] = [{"$match": where}]
    if "ERROR_TYPE" in dimensions:
        types = {"$setUnion": [{"$ifNull": ["$errors.type", []]}, []]}
        stages.append({"$set": {"error_type": types}})
        stages.append({"$unwind": {"path": "$error_type", "preserveNullAndEmptyArrays": True}})
    keys = {f"k{number}": {"$ifNull": [_KEYS[name], None]} for number, name in enumerate(dimensions)}
    words = ("ACCEPTED", "REJECTED", "FIXED", "COMMENTED")
    counts = {word.lower(): {"$sum": {"$cond": [{"$eq": ["$result", word]}, 1, 0]}} for word in words}
    group = {"_id": keys, "audits": {"$sum": 1}, **counts, "seconds": {"$push": "$duration_seconds"}}
    order = {f"_id.k{number}": 1 for number in range(len(dimensions))} or {"_id": 1}
    return [*stages, {"$group": group}, {"$sort": order}, {"$limit": most + 1}]


def group_of(row: Mapping[str, Any], dimensions: Sequence[str]) -> AuditGroup:
    seconds = [value for value in row["seconds"] if value is not None]
    return AuditGroup(
        keys=tuple(row["_id"].get(f"k{number}") for number in range(len(dimensions))),
        audits=row["audits"],
        accepted=row["accepted"],
        rejected=row["rejected"],
        fixed=row["fixed"],
        commented=row["commented"],
        total_seconds=float(sum(seconds)) if seconds else None,
        median_seconds=float(statistics.median(seconds)) if seconds else None,
    )
