"""External ids: different things never share one, and what the platform changes by itself does not change one."""

from __future__ import annotations

import itertools

from aplose_checks import ingest, row, source, table
from hypothesis import given
from hypothesis import strategies as st

from connectors.aplose import ids
from connectors.documents import Annotation, Comment

nasty = st.text("ab/%@#-2F\x1f", max_size=4)


@given(
    st.lists(
        st.tuples(nasty, nasty, nasty, st.none() | st.integers(-10, 10**13) | st.sampled_from([1j, 2j])),
        max_size=8,
        unique=True,
    )
)
def test_recordings_never_collide(things: list[tuple[str, str, str, complex | None]]) -> None:
    """Campaign, dataset, name, and start or number: whatever characters they hold, other parts give another id."""
    found = []
    for campaign, dataset, filename, which in things:
        identifier = ids.asset_id(campaign, dataset, filename)
        if isinstance(which, complex) and not isinstance(which, int):
            identifier = ids.numbered(identifier, int(which.imag))
        elif isinstance(which, int):
            identifier = ids.starting(identifier, which)
        found.append(identifier)
    assert len(set(found)) == len(things)


@given(
    st.lists(
        st.tuples(nasty, nasty, nasty, nasty, st.sampled_from(["Annotation", "Verification"])), max_size=8, unique=True
    )
)
def test_tasks_never_collide(things: list[tuple[str, str, str, str, str]]) -> None:
    """Also when names hold the separators of ids."""
    found = {ids.task_id(ids.asset_id(*names), annotator, phase) for *names, annotator, phase in things}
    assert len(found) == len(things)


@given(
    st.lists(st.one_of(st.text("0123-keyrow%#", min_size=1, max_size=6)), max_size=8, unique=True),
    st.lists(st.lists(st.text("ab\x1f,", max_size=3), min_size=2, max_size=2).map(tuple), max_size=6, unique=True),
)
def test_rows_never_collide(keys: list[str], contents: list[tuple[str, ...]]) -> None:
    """Primary keys, contents and their repetitions share one space without sharing an id."""
    identities = [ids.row_id(key) for key in keys] + [ids.content_id(cells, {}) for cells in contents]
    found = [ids.repeated(*pair) for pair in itertools.product(identities, (1, 2, 11))]
    assert len(set(found)) == len(found)


def test_columns_nobody_knows_are_part_of_the_content() -> None:
    """Two detections that differ in their score alone are two."""
    assert len({ids.content_id(("a", "b"), extra) for extra in ({}, {"score": "1"}, {"score": "2"}, {"s": "1"})}) == 4


async def content_ids(*rows: dict[str, str], **options: str) -> list[str]:
    run = await ingest(source("x.csv", table(*rows)))
    return [document.external_id for document in run.documents if isinstance(document, (Annotation, Comment))]


async def test_what_servers_change_by_themselves_is_no_identity() -> None:
    """Without ids: the highest confidence level (§2.6), the expertise (§1) and verifiers' cells do not count."""
    (first,) = await content_ids(row("A24", confidence_indicator_level="0/1", annotator_expertise="NOVICE"))
    for changed in (
        row("A24", confidence_indicator_level="0/2", annotator_expertise="NOVICE"),
        row("A24", confidence_indicator_level="0/1", annotator_expertise="EXPERT"),
        row("A24", confidence_indicator_level="0/1", annotator_expertise="NOVICE", vera="True"),
    ):
        assert await content_ids(changed) == [first]
    assert await content_ids(row("A24", confidence_indicator_level="1/2")) != [first]


async def test_the_order_of_columns_is_no_identity() -> None:
    """A re-saved file with other columns first, and an older layout without the empty ones, give the same ids."""
    whole = row("A14")
    ids_ = await content_ids(whole)
    assert await content_ids(dict(sorted(whole.items()))) == ids_
    assert await content_ids({name: cell for name, cell in whole.items() if cell}) == ids_


async def test_repetitions_are_counted() -> None:
    """Full duplicates without an id, and a key that comes twice: all are kept, the later ones say so."""
    first, second, third = await content_ids(row("A11"), row("A11"), row("A11"))
    assert (second, third) == (f"{first}-2", f"{first}-3")
    assert await content_ids(row(result_id="7"), row(result_id="7.0", annotation="Other"), row(result_id="8")) == [
        "x/7",
        "x/7-2",
        "x/8",
    ]


async def test_strange_keys_stay_apart() -> None:
    """A key that is no number is escaped; one of a million digits is text."""
    found = await content_ids(row(result_id="7-2"), row(result_id="7"), row(result_id="7"), row(result_id="9" * 5000))
    assert found == ["x/key-7%2D2", "x/7", "x/7-2", "x/" + "9" * 5000]


async def test_an_empty_key_falls_back_to_the_content() -> None:
    """Rows that somebody added by hand have none."""
    (found,) = await content_ids(row(result_id=""))
    assert found.startswith("x/row-")
