"""Listing assets page by page: by time of creation where the server can, by position where it cannot; and its counts."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.documents import Kind
from connectors.errors import Retry
from connectors.kili import passes
from connectors.kili.client import stamp
from connectors.kili.passes import Mark, Pass, Place, Reading, resume
from connectors.kili.reading import Assets
from tests.connectors.kili.kili_live_kit import all_pages, checkpoint, of_kind, rig

BEGIN = datetime(2026, 5, 4, 8, tzinfo=UTC)


class Server:
    """Lists assets made at these seconds; ``day``: a filter by time means the whole day; ``order``: not by time."""

    def __init__(self, seconds, *, day=False, order=False):
        times = [BEGIN + timedelta(seconds=each) for each in seconds]
        self.assets = [{"id": str(number), "createdAt": stamp(at)} for number, at in enumerate(times)]
        self.assets.sort(key=lambda asset: asset["createdAt"] if not order else asset["id"])
        self.day = day
        self.asked = 0

    async def assets_(self, where, *, skip, first):
        self.asked += 1
        after = where.get("createdAtGte") or ""
        after = after[:10] if self.day else after
        return [asset for asset in self.assets if asset["createdAt"] >= after][skip : skip + first]


async def listed(server, size, *, between=lambda page: None, place=None):
    client = type("C", (), {"assets": staticmethod(server.assets_)})
    found, places = [], []
    async for page, then in Assets(client).listed("p", place or Place(), size):
        found += [asset["id"] for asset in page]
        places.append(then)
        between(page)
    return found, places


@given(
    seconds=st.lists(st.integers(0, 40), max_size=60),
    size=st.integers(1, 12),
    day=st.booleans(),
    order=st.booleans(),
)
@settings(deadline=None)
async def test_every_asset_is_listed_once_by_any_server(seconds, size, day, order):
    """Many made at the same time, filters that mean days; in another order, when position is what counts."""
    server = Server(seconds, day=day, order=order)
    found, places = await listed(server, size, place=Place(by_time=not order))
    assert sorted(found) == sorted(asset["id"] for asset in server.assets)
    assert len(found) == len(set(found))
    for place in places[:-1]:
        rest, _ = await listed(server, size, place=place)
        before = found[: found.index(rest[0])] if rest else found
        assert set(before) | set(rest) == set(found)


@given(seconds=st.lists(st.integers(0, 10_000), min_size=2, max_size=60, unique=True), data=st.data())
@settings(deadline=None)
async def test_deletions_hide_nothing(seconds, data):
    """Whatever of the assets already listed is deleted between two pages, the others are listed."""
    server = Server(seconds)
    gone = set()

    def delete(page):
        for asset in data.draw(st.lists(st.sampled_from(page), unique_by=lambda one: one["id"])) if page else ():
            server.assets.remove(asset)
            gone.add(asset["id"])

    found, _ = await listed(server, 6, between=delete)
    assert {asset["id"] for asset in server.assets} <= set(found)
    assert gone <= set(found)


async def test_a_server_that_filters_days_costs_twice_the_pages_at_most():
    """It is noticed at the first page, and from then on positions count."""
    server = Server(range(1000), day=True)
    found, _ = await listed(server, 10)
    assert len(found) == 1000
    assert server.asked < 110


async def test_a_listing_that_came_short_is_repeated_by_position(monkeypatch):
    """A server that lists in another order than that of creation: the count tells, and the second listing has all."""
    async with rig(assets=120) as made:
        real = made.source._client.assets

        async def turned_round(where, *, skip, first):
            if "idIn" in where:
                return await real(where, skip=skip, first=first)
            found = await real(where, skip=0, first=100)
            return found[::-1][skip : skip + first]

        monkeypatch.setattr(made.source._client, "assets", turned_round)
        monkeypatch.setattr("connectors.kili.walk.page_size", lambda project: 1)
        pages = await all_pages(made.source)
        assert len(of_kind(pages, Kind.TASK)) == 120
        assert not any(page.skipped for page in pages)


async def test_an_asset_that_is_counted_and_not_listed_is_no_silent_loss(monkeypatch):
    """The project is listed once more; then the gap is reported and nothing is taken for gone."""
    async with rig(assets=12) as made:
        real = made.source._client.count

        async def one_more(root, where):
            return await real(root, where) + (root == "assets")

        monkeypatch.setattr(made.source._client, "count", one_more)
        pages = await all_pages(made.source)
        reasons = [skip.reason for page in pages for skip in page.skipped]
        assert reasons == [f"Kili counts {n + 1} assets and lists {n} of them" for n in (6, 4, 2)]
        assert all(page.completes is None for page in pages)
        assert len(of_kind(pages, Kind.TASK)) == 12


async def test_projects_that_are_counted_and_not_listed_fail_the_pass(monkeypatch):
    """A list that came short would make every other project look deleted."""
    async with rig(assets=4) as made:

        async def many(root, where):
            return 4

        monkeypatch.setattr(made.source._client, "count", many)
        with pytest.raises(Retry, match="4 projects are counted and 3 listed"):
            await all_pages(made.source)


def test_a_checkpoint_says_what_is_left():
    """There and back; a full pass begins anew inside an incremental one; what cannot be read is read whole."""
    times = dict.fromkeys(("since", "at", "counted", "swept", "whole"), "2026-05-04T08:00:00.000Z")
    mark = Mark(**times, assets=3, labels=4, issues=(1, 2, 3, 4), shape="x", again=("a",))
    reading = Reading(project="p", mark=mark, place=Place(after=times["at"], skip=2, by_time=False), read=5, skipped=1)
    going = Pass(full=False, todo=["p", "q"], marks={"o": mark}, reading=reading, done=9, spoiled=True)
    assert resume(going.checkpoint(), ["x"], full=False) == going
    assert resume(going.checkpoint(), ["x"], full=True) == Pass(full=True, todo=["x"], marks={})
    over = Pass(full=True, todo=[], marks={"o": mark})
    assert "pass" not in over.checkpoint()
    assert resume(over.checkpoint(), ["x"], full=False) == Pass(full=False, todo=["x"], marks={"o": mark})
    for strange in (
        None,
        {},
        {"version": 0, "marks": {"o": {}}},
        {"version": 1, "marks": {"o": {"since": "?"}}, "pass": 3},
    ):
        assert resume(strange, ["x"], full=False) == Pass(full=False, todo=["x"], marks={})
    assert passes.stale(mark, "2026-05-12T08:00:00.000Z")
    assert not passes.stale(mark, "2026-05-10T08:00:00.000Z")


async def test_after_a_long_pause_projects_are_read_whole():
    """How long the trail is kept is unknown: after a week it is not trusted."""
    async with rig(assets=12) as made:
        since = checkpoint(await all_pages(made.source))
        made.control.clock.advance(8 * 86_400)
        pages = await all_pages(made.source, since, full=False)
        assert len(of_kind(pages, Kind.TASK)) == 12
        assert sum(page.completes is not None for page in pages) == 3
