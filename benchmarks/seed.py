"""Fills a database with the documents that the read benchmarks ask for; the same for the same arguments.

For every ten tasks there are about three assets, twenty annotations and five audits. Documents are written as the
store keeps them: see ``gateway.store.codec``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from gateway.store import indexes

CAMPAIGNS = 20
PEOPLE = 40
NOW = datetime(2026, 1, 1)
_BATCH = 5_000
Stored = dict[str, Any]


def gid(kind: str, number: int) -> str:
    return f"gid://bench/{kind}/{number:07d}"


def common(kind: str, number: int) -> Stored:
    return {
        "_id": gid(kind, number),
        "source": "bench",
        "external_id": f"{number:07d}",
        "fetched_at": NOW,
        "run": "gid://bench/SyncRun/1",
        "url": f"https://example.org/{kind}/{number}",
    }


def campaign(number: int, _chance: random.Random) -> Stored:
    return common("Campaign", number) | {
        "name": f"Campaign {number}",
        "status": "OPEN",
        "native_status": "open",
        "input_type": "IMAGE",
        "phases": [{"name": "Annotation", "kind": "ANNOTATION", "position": 0}],
        "created_at": NOW,
    }


def person(number: int, _chance: random.Random) -> Stored:
    return common("Annotator", number) | {
        "name": f"Person {number}",
        "email": f"p{number}@example.org",
        "annotator_kind": "HUMAN",
    }


def asset(number: int, chance: random.Random) -> Stored:
    return common("Asset", number) | {
        "name": f"image-{number:07d}.png",
        "input_type": "IMAGE",
        "content_url": f"https://example.org/images/{number}.png",
        "campaign": gid("Campaign", number % CAMPAIGNS),
        "metadata": '{"camera":"north","exposure":0.02}',
        "is_honeypot": chance.random() < 0.02,
    }


def task(number: int, chance: random.Random, assets: int) -> Stored:
    made = NOW + timedelta(seconds=number)
    own = gid("Asset", number % assets)
    return common("Task", number) | {
        "campaign": gid("Campaign", number % CAMPAIGNS),
        "asset": own,
        "assets": [own],
        "asset_name": f"image-{number % assets:07d}.png",
        "phase": {"name": "Annotation", "kind": "ANNOTATION", "position": 0},
        "batch": f"batch {number // 1000}",
        "type": "imageannotation",
        "status": chance.choice(("COMPLETED", "COMPLETED", "PENDING")),
        "native_status": "completed",
        "priority": chance.randint(0, 30),
        "tags": chance.sample(("night", "rain", "fog", "dusk"), 2),
        "assignees": [gid("Annotator", number % PEOPLE)],
        "version": f"{number:016x}",
        "annotation_count": 2,
        "labels": ["car", "person"],
        "audit_count": number % 2,
        "review_status": "ACCEPTED" if number % 2 else "NOT_REVIEWED",
        "review_comments": [],
        "labeling_seconds": chance.random() * 100,
        "consensus_score": chance.random(),
        "created_at": made,
        "updated_at": made + timedelta(hours=1),
        "completed_at": made + timedelta(hours=2),
    }


def annotation(number: int, chance: random.Random, assets: int) -> Stored:
    owner = number // 2
    box = {name: round(chance.random() * 500, 2) for name in ("left", "top", "width", "height")}
    return common("Annotation", number) | {
        "task": gid("Task", owner),
        "asset": gid("Asset", owner % assets),
        "campaign": gid("Campaign", owner % CAMPAIGNS),
        "author": gid("Annotator", owner % PEOPLE),
        "is_current": True,
        "label": chance.choice(("car", "person", "sign")),
        "value": {"type": "BoundingBox", **box, "unit": "PIXEL"},
        "confidence": {"label": "sure", "level": 2.0, "max_level": 3.0},
    }


def audit(number: int, chance: random.Random) -> Stored:
    owner = number * 2 + 1
    return common("Audit", number) | {
        "task": gid("Task", owner),
        "campaign": gid("Campaign", owner % CAMPAIGNS),
        "auditor": gid("Annotator", number % PEOPLE),
        "result": "ACCEPTED",
        "origin": "CUSTOMER",
        "comments": ["fine"],
        "errors": [],
        "audited_at": NOW + timedelta(seconds=number),
        "delivery": {"state": "NOT_APPLICABLE", "attempts": 0},
    }


async def seed(database: Any, tasks: int) -> None:
    """About half a minute for 100,000 tasks."""
    await indexes.ensure(database)
    await database["sources"].insert_one(
        {"_id": "bench", "platform": "toy", "enabled": True, "health": "OK", "capabilities": {}}
    )
    assets = tasks // 4
    plan: tuple[tuple[str, int, Callable[[int, random.Random], Stored]], ...] = (
        ("campaigns", CAMPAIGNS, campaign),
        ("annotators", PEOPLE, person),
        ("assets", assets, asset),
        ("tasks", tasks, lambda n, chance: task(n, chance, assets)),
        ("annotations", tasks * 2, lambda n, chance: annotation(n, chance, assets)),
        ("audits", tasks // 2, audit),
    )
    for collection, count, make in plan:
        chance = random.Random(collection)
        for batch in _batches(count, lambda n, make=make, chance=chance: make(n, chance)):
            await database[collection].insert_many(batch, ordered=False)


def _batches(count: int, make: Callable[[int], Stored]) -> Iterator[list[Stored]]:
    for start in range(0, count, _BATCH):
        yield [make(number) for number in range(start, min(count, start + _BATCH))]
