"""auditStats and quality figures are what counting by hand gives."""

from __future__ import annotations

import random
import statistics
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.documents import Annotator, Audit, AuditError, AuditErrorType, AuditResult, Campaign, Page
from gateway.engine import store_pages
from gateway.store.leases import held
from gateway.store.store import Store
from schema.build import build
from schema.context import Context
from schema.ports import Viewer

WORDS = ("ACCEPTED", "REJECTED", "FIXED", "COMMENTED")


@pytest.fixture
async def audited(store: Store) -> list[Audit]:
    chance = random.Random(4)
    audits = [
        Audit(
            external_id=f"v{n}",
            campaign=chance.choice(["c0", "c1", None]),
            auditor=chance.choice(["p0", "p1"]),
            author=chance.choice(["p2", "p3", None]),
            label=chance.choice(["whale", "boat", None]),
            result=AuditResult(chance.choice(WORDS)),
            duration_seconds=chance.choice([None, 1.5, 10.0, 30.0]),
            audited_at=chance.choice(
                [None, datetime(2025, 12, 27, 23, tzinfo=UTC) + timedelta(hours=chance.randrange(300))]
            ),
            errors=tuple(
                AuditError(type=chance.choice([AuditErrorType.LABEL, AuditErrorType.GEOMETRY]))
                for _ in range(chance.randrange(3))
            ),
        )
        for n in range(200)
    ]
    people = [Annotator(external_id=f"p{n}", name=f"Person {n}") for n in range(4)]

    async def pages() -> Any:
        yield Page(
            documents=[
                *audits,
                *people,
                Campaign(external_id="c0", name="Zero"),
                Campaign(external_id="c1", name="One"),
            ]
        )

    async with held(store.db, "sync:s", "test") as lease:
        await store_pages(store, pages(), source="s", mode="IMPORT", lease=lease)
    await store.db["sources"].insert_one(
        {"_id": "s", "platform": "toy", "enabled": True, "health": "OK", "capabilities": {}}
    )
    return audits


def value(audit: Audit, dimension: str) -> list[str | None]:
    at = audit.audited_at
    gid = lambda kind, id_: None if id_ is None else f"gid://s/{kind}/{id_}"
    found: dict[str, Any] = {
        "SOURCE": "s",
        "CAMPAIGN": gid("Campaign", audit.campaign),
        "AUDITOR": gid("Annotator", audit.auditor),
        "AUTHOR": gid("Annotator", audit.author),
        "LABEL": audit.label,
        "RESULT": audit.result.value,
        "DAY": at and f"{at:%Y-%m-%d}",
        "WEEK": at and f"{at:%G-W%V}",
    }
    if dimension == "ERROR_TYPE":
        return sorted({error.type.value for error in audit.errors}) or [None]
    return [found[dimension]]


async def ask(store: Store, text: str) -> Any:
    context = Context(reader=store.reader, viewer=Viewer(scopes=frozenset({"admin"})))
    result = await build().execute(text, context_value=context)
    assert result.errors is None, result.errors
    return result.data


@pytest.mark.parametrize(
    "dimensions",
    [[], ["SOURCE"], ["CAMPAIGN"], ["AUDITOR", "RESULT"], ["AUTHOR"], ["LABEL", "WEEK"], ["ERROR_TYPE"], ["DAY"]],
)
async def test_groups_are_what_counting_gives(dimensions: list[str], store: Store, audited: list[Audit]) -> None:
    """Every dimension, alone and together: the same groups, counts, rates and medians as counting in Python."""
    expected: dict[tuple[Any, ...], list[Audit]] = defaultdict(list)
    for audit in audited:
        keys: list[tuple[Any, ...]] = [()]
        for dimension in dimensions:
            keys = [(*key, one) for key in keys for one in value(audit, dimension)]
        for key in keys:
            expected[key].append(audit)
    text = f"{{ auditStats(groupBy: [{', '.join(dimensions)}]) {{ keys {{ dimension value }} audits accepted rejected fixed commented rejectionRate acceptanceRate fixRate medianSeconds totalSeconds }} }}"
    rows = (await ask(store, text))["auditStats"]
    assert {tuple(key["value"] for key in row["keys"]) for row in rows} == set(expected)
    for row in rows:
        mine = expected[tuple(key["value"] for key in row["keys"])]
        counts = {word: sum(audit.result.value == word for audit in mine) for word in WORDS}
        seconds = [audit.duration_seconds for audit in mine if audit.duration_seconds is not None]
        verdicts = counts["ACCEPTED"] + counts["REJECTED"] + counts["FIXED"]
        assert row["audits"] == len(mine)
        assert [row[word.lower()] for word in WORDS] == [counts[word] for word in WORDS]
        assert row["rejectionRate"] == pytest.approx(counts["REJECTED"] / verdicts if verdicts else 0)
        assert row["medianSeconds"] == (statistics.median(seconds) if seconds else None)
        assert row["totalSeconds"] == (sum(seconds) if seconds else None)


async def test_filters_and_nodes(store: Store, audited: list[Audit]) -> None:
    """The same `where` as audits; ids lead to what they name; quality is the same count by author."""
    text = "{ auditStats(groupBy: [AUTHOR], where: { result: { eq: REJECTED }, author: null }) { audits } }"
    text = "{ auditStats(groupBy: [CAMPAIGN], where: { result: { eq: REJECTED } }) { audits keys { node { ... on Campaign { name } } } } }"
    rows = (await ask(store, text))["auditStats"]
    names = {row["keys"][0]["node"] and row["keys"][0]["node"]["name"]: row["audits"] for row in rows}
    rejected = [audit for audit in audited if audit.result is AuditResult.REJECTED]
    assert names == {
        name: sum(audit.campaign == campaign for audit in rejected)
        for name, campaign in ((None, None), ("Zero", "c0"), ("One", "c1"))
    }
    people = (await ask(store, "{ annotators { nodes { name quality { audits rejected } } } }"))["annotators"]["nodes"]
    for number, person in enumerate(people):
        mine = [audit for audit in audited if audit.author == f"p{number}"]
        expected = (
            {"audits": len(mine), "rejected": sum(a.result is AuditResult.REJECTED for a in mine)} if mine else None
        )
        assert person == {"name": f"Person {number}", "quality": expected}
