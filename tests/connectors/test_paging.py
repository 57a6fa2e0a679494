"""Paginators bring every record once, end, and notice platforms whose pages go in circles."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import Refused, Retry
from connectors.paging import NumberedPages, OffsetPages, Pages, PagingLoop, TokenPages, pick, walk
from connectors.verdicts import TooLarge

Platform = Callable[[dict[str, Any]], Any]


def drain(pages: Pages, platform: Platform, most: int = 10_000) -> list[Any]:
    """All records, or a failed test when the paginator does not end."""
    found: list[Any] = []
    for _ in range(most):
        if not pages.more:
            return found
        found += pages.take(platform(pages.params))
    raise AssertionError("the paginator does not end")


def records(count: int) -> list[dict[str, int]]:
    return [{"id": number} for number in range(count)]


# --- tokens -----------------------------------------------------------------------------------------------------


def by_token(data: list[Any]) -> Platform:
    def answer(params: dict[str, Any]) -> dict[str, Any]:
        begin = int(params.get("next_token", 0))
        end = begin + params["limit"]
        more = end < len(data)
        return {"docs": data[begin:end], "has_more": more} | ({"next_token": str(end)} if more else {})

    return answer


@given(count=st.integers(0, 300), size=st.integers(1, 50))
def test_token_pages_bring_everything_once(count: int, size: int) -> None:
    """Whatever the number of records and the page size: all of them, in order, once."""
    pages = TokenPages("docs", token="next_token", more="has_more", size=size)
    assert drain(pages, by_token(records(count))) == records(count)
    assert pages.token is None


@given(cycle=st.integers(1, 20), lead=st.integers(0, 20))
def test_token_loop_is_noticed(cycle: int, lead: int) -> None:
    """A platform whose tokens come round again is noticed at the first repetition, however long the circle."""
    asked = 0

    def answer(params: dict[str, Any]) -> dict[str, Any]:
        nonlocal asked
        asked += 1
        at = int(params.get("cursor", -1)) + 1
        return {"docs": [{"id": at}], "next": str(at if at < lead + cycle else lead)}

    with pytest.raises(PagingLoop, match="circles"):
        drain(TokenPages("docs", token="next", param="cursor"), answer)
    assert asked == lead + cycle + 1


def test_token_loop_back_to_the_checkpoint_is_noticed() -> None:
    """A listing resumed from a token ends as a loop when it meets that token."""
    with pytest.raises(PagingLoop):
        drain(TokenPages("docs", token="next", start="7"), lambda params: {"docs": [], "next": "7"})


def test_more_without_a_token_is_an_error() -> None:
    """``has_more`` without a token would be page one for ever (Scale, fact sheet §11), or a silent end: it is an error."""
    with pytest.raises(PagingLoop, match="'has_more' and has no 'next_token'"):
        TokenPages("docs", token="next_token", more="has_more").take({"docs": [], "has_more": True})


def test_token_pages_resume() -> None:
    """Taken up again at a stored token, the rest comes and nothing before it."""
    first = TokenPages("docs", token="next_token", size=4)
    first.take(by_token(records(10))(first.params))
    again = TokenPages("docs", token="next_token", size=4, start=first.token)
    assert drain(again, by_token(records(10))) == records(10)[4:]


# --- offsets ----------------------------------------------------------------------------------------------------


def by_offset(data: list[Any], cap: int = 10_000) -> Platform:
    def answer(params: dict[str, Any]) -> dict[str, Any]:
        begin = params["offset"]
        return {"docs": data[begin : begin + min(cap, params["limit"])], "total": len(data)}

    return answer


@given(
    count=st.integers(0, 300),
    size=st.integers(2, 50),
    cap=st.integers(2, 60),
    overlap=st.integers(0, 1),
    total=st.sampled_from(["total", None]),
)
def test_offset_pages_bring_everything_once(count: int, size: int, cap: int, overlap: int, total: str | None) -> None:
    """All records once, in order, also when the platform's own cap is smaller than the page asked for, and with overlap."""
    pages = OffsetPages("docs", key="id", size=size, overlap=overlap, total=total)
    assert drain(pages, by_offset(records(count), cap)) == records(count)
    assert pages.gaps == 0


@given(
    inserts=st.lists(st.integers(0, 5), max_size=30),
    count=st.integers(1, 60),
    size=st.integers(2, 20),
)
def test_offset_pages_drop_what_inserts_repeat(inserts: list[int], count: int, size: int) -> None:
    """While new records push the old ones back, none comes twice and no old one is missed, or the listing is an error."""
    data = records(count)
    new = iter(inserts)
    found: list[int] = []
    pages = OffsetPages("docs", key="id", size=size)
    try:
        while pages.more:
            answer = by_offset(list(data))(pages.params)
            for _ in range(next(new, 0)):
                data.insert(0, {"id": -len(data) - 1})
            found += [record["id"] for record in pages.take(answer)]
    except PagingLoop:
        assert sum(map(bool, inserts)) >= 2
        return
    assert len(found) == len(set(found))
    assert set(found) >= set(range(count))


def test_one_repeated_page_is_no_loop() -> None:
    """A page pushed back whole, twice, is read over: only a third one in a row that brings nothing new is an error."""
    data = records(4)
    pages = OffsetPages("", key="id", size=2)
    assert pages.take(data[:2]) == data[:2]
    assert pages.take(data[:2]) == []
    assert pages.take(data[:2]) == []
    assert pages.take(data[2:]) == data[2:]
    assert pages.params == {"limit": 2, "offset": 8}


@given(deleted=st.integers(0, 12), overlap=st.integers(1, 9))
def test_overlap_tells_of_every_gap(deleted: int, overlap: int) -> None:
    """When deletions move records past the reader, either nothing is missed or ``gaps`` says that something may be."""
    data = records(60)
    pages = OffsetPages("docs", key="id", size=20, overlap=overlap)
    found = pages.take(by_offset(data)(pages.params))
    del data[:deleted]
    found += drain(pages, by_offset(data))
    missed = {record["id"] for record in data} - {record["id"] for record in found}
    assert pages.gaps == (1 if deleted >= overlap else 0)
    assert pages.gaps or not missed
    assert len(missed) == max(0, deleted - overlap)


def test_offset_ignored_is_noticed() -> None:
    """A platform that answers every offset with page one is noticed by the fourth, also when its records have no key."""
    for key in ("id", "missing"):
        with pytest.raises(PagingLoop, match="3 pages in a row"):
            drain(OffsetPages("docs", key=key, size=5), lambda _: {"docs": records(5)}, most=4)


def test_offset_pages_end_where_the_platform_says() -> None:
    """``total``, a ``more`` flag and a short page each save the last, empty request."""
    asked = []

    def answer(params: dict[str, Any]) -> dict[str, Any]:
        asked.append(params["offset"])
        return by_offset(records(15))(params) | {"has_more": params["offset"] + 10 < 15}

    for options in ({"total": "total"}, {"more": "has_more"}, {"short_is_last": True}, {}):
        asked.clear()
        assert len(drain(OffsetPages("docs", key="id", size=10, **options), answer)) == 15
        assert asked == ([0, 10] if options else [0, 10, 15])


def test_records_without_a_key_are_kept() -> None:
    """A record that cannot be told from others is kept each time: better twice than not at all."""
    assert OffsetPages("", key="id").take([{"a": 1}, {"a": 1}, {"id": 1}, {"id": 1}]) == [{"a": 1}, {"a": 1}, {"id": 1}]


def test_overlap_must_fit_the_page() -> None:
    """An overlap as large as the page would never get on."""
    with pytest.raises(ValueError, match="smaller than the page"):
        OffsetPages("docs", key="id", size=5, overlap=5)


# --- numbers ----------------------------------------------------------------------------------------------------


def by_number(data: list[Any]) -> Platform:
    def answer(params: dict[str, Any]) -> Any:
        size, page = params["page_size"], params["page"]
        last = max(1, -(-len(data) // size))
        if page > last:
            return None
        return {
            "results": data[(page - 1) * size : page * size],
            "next": page + 1 if page < last else None,
            "pages": last,
        }

    return answer


@given(
    count=st.integers(0, 300), size=st.integers(1, 50), told=st.sampled_from([{}, {"next": "next"}, {"last": "pages"}])
)
def test_numbered_pages_bring_everything_once(count: int, size: int, told: dict[str, str]) -> None:
    """All records once, whether the platform names the next page, counts them, or answers 404 behind the last (None)."""
    assert drain(NumberedPages("results", key="id", size=size, **told), by_number(records(count))) == records(count)


def test_number_ignored_is_noticed() -> None:
    """A platform that always answers page one is noticed."""
    with pytest.raises(PagingLoop):
        drain(NumberedPages("results", key="id"), lambda _: {"results": records(3), "next": 2})


# --- the walk ---------------------------------------------------------------------------------------------------


def run(pages: Pages, platform: Platform, **options: Any) -> list[Any]:
    async def fetch(params: Any) -> Any:
        return platform(params)

    async def main() -> list[Any]:
        return [record async for page in walk(pages, fetch, **options) for record in page]

    return asyncio.run(main())


def test_walk_asks_again_for_less_when_pages_are_too_large() -> None:
    """Page sizes halve until an answer fits the limit; no record is lost or doubled by that."""
    sizes: list[int] = []

    def platform(params: dict[str, Any]) -> Any:
        sizes.append(params["limit"])
        if params["limit"] > 30:
            raise TooLarge("too large")
        return by_offset(records(70))(params)

    assert run(OffsetPages("docs", key="id", size=100, total="total"), platform) == records(70)
    assert sizes == [100, 50, 25, 25, 25]


def test_walk_gives_up_at_the_smallest_page() -> None:
    """One record that is too large ends the walk with that error, not with an endless loop."""

    def platform(_: dict[str, Any]) -> Any:
        raise TooLarge("too large")

    with pytest.raises(TooLarge):
        run(TokenPages("docs", token="next", size=8), platform)


def test_walk_passes_other_errors_on() -> None:
    """What is no matter of size is not retried here, unless the connector says so."""
    asked = []

    def platform(params: dict[str, Any]) -> Any:
        asked.append(params["limit"])
        raise Retry("503")

    with pytest.raises(Retry):
        run(TokenPages("docs", token="next", size=8), platform)
    with pytest.raises(Retry):
        run(TokenPages("docs", token="next", size=8, smallest=4), platform, shrink_on=(TooLarge, Retry))
    assert asked == [8, 8, 4]


def test_numbered_pages_shrink_only_at_the_start() -> None:
    """Later pages of another size would have other numbers: records would be missed, so the error stands."""
    pages = NumberedPages("results", key="id", size=10)
    assert pages.shrink()
    pages.take(by_number(records(20))(pages.params))
    assert not pages.shrink()
    assert pages.params == {"page_size": 5, "page": 2}


@pytest.mark.parametrize("answer", [{}, {"docs": None}, {"docs": {"id": 1}}, [], None, "text"])
def test_page_without_a_list_is_an_error(answer: Any) -> None:
    """An answer of another shape is never an empty page: a sync must not take it for the end."""
    with pytest.raises(Retry, match="a page without a list at 'docs'"):
        TokenPages("docs", token="next").take(answer)


def test_paging_loop_is_no_final_refusal() -> None:
    """A loop may be gone at the next run, so it is a ``Retry``."""
    assert issubclass(PagingLoop, Retry)
    assert not issubclass(PagingLoop, Refused)


def test_pick_reads_dotted_places() -> None:
    """The place of a value may be nested; what is not there is None."""
    answer = {"data": {"tasks": [1]}}
    assert (pick(answer, "data.tasks"), pick(answer, "data.x.y"), pick(answer, "")) == ([1], None, answer)


def test_every_paginator_says_how_to_take_a_page() -> None:
    """The base promises nothing it does not do."""
    with pytest.raises(NotImplementedError):
        Pages("docs", size=1, size_param="limit").take({})
