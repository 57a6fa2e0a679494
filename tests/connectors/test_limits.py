"""Waits and budgets: bounds that hold for every input, with a clock that only moves when told."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.limits import Budget, Retries, retry_after
from tests.connectors.fake_clock import FakeClock

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


# --- back-off ---------------------------------------------------------------------------------------------------


@given(
    failures=st.integers(1, 100_000),
    base=st.floats(0.001, 10),
    ceiling=st.floats(0.001, 300),
    seed=st.integers(),
)
def test_backoff_stays_between_zero_and_its_bound(failures: int, base: float, ceiling: float, seed: int) -> None:
    """A wait is never negative, never above the doubled base, never above the ceiling, however many failures."""
    wait = Retries(base=base, ceiling=ceiling).backoff(failures, random.Random(seed))
    assert 0 <= wait <= ceiling
    assert failures > 30 or wait <= base * 2 ** (failures - 1)


def test_backoff_uses_the_whole_range() -> None:
    """Full jitter: waits fall into every tenth of their range, so that many clients do not come back together."""
    chance = random.Random(7)
    tenths = {int(Retries(base=1, ceiling=30).backoff(4, chance) / 0.8) for _ in range(500)}
    assert tenths == set(range(10))


# --- Retry-After ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("0", 0.0),
        ("-3", 0.0),
        ("999999999", 3600.0),
        ("1e999", 3600.0),
        ("nan", None),
        ("soon", None),
        ("Sun, 22 Nov 2026 12:00:09 GMT", 9.0),
        ("Sunday, 22-Nov-26 12:00:09 GMT", 9.0),
        ("Sun Nov 22 12:00:09 2026", 9.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        ("Sun, 22 Nov 2099 12:00:00 GMT", 3600.0),
        ("Sun, 99 Nov 2026 12:00:00 GMT", None),
    ],
)
def test_retry_after_reads_seconds_and_dates(value: str | None, seconds: float | None) -> None:
    """All three date forms of HTTP and plain seconds are read, within 0 and the cap; nonsense is no wish at all."""
    assert retry_after(value, now=NOW.timestamp(), longest=3600) == seconds


def test_retry_after_trusts_the_answers_own_date() -> None:
    """With a ``Date`` beside it the wait is the difference of the two, whatever our own clock says."""
    value, date = format_datetime(NOW + timedelta(seconds=9), usegmt=True), format_datetime(NOW, usegmt=True)
    assert retry_after(value, now=NOW.timestamp() - 5_000, date=date) == 9.0


@given(value=st.text(max_size=40), now=st.floats(0, 4e9))
def test_retry_after_survives_any_header(value: str, now: float) -> None:
    """No header can raise, and none makes us wait less than nothing or longer than the cap."""
    seconds = retry_after(value, now=now, longest=60)
    assert seconds is None or 0 <= seconds <= 60


# --- the budget -------------------------------------------------------------------------------------------------


def test_budget_keeps_every_minute() -> None:
    """A thousand requests at once leave as ``burst`` and then evenly: the first minute has exactly the budget."""
    clock = FakeClock(at=0)
    budget = Budget(clock=clock, sleep=clock.sleep, concurrency=8, per_minute=250)
    sent = asyncio.run(_send(budget, clock, [0.0] * 1_000))
    assert sum(at < 60 for at in sent) == 250
    assert sum(at == 0 for at in sent) == 8


@given(
    per_minute=st.integers(1, 300),
    burst=st.integers(1, 50),
    concurrency=st.integers(1, 10),
    gaps=st.lists(st.sampled_from([0.0, 0.001, 0.2, 1.0, 7.5, 59.9, 60.0, 200.0]), min_size=1, max_size=400),
)
def test_no_window_of_a_minute_exceeds_the_budget(
    per_minute: int, burst: int, concurrency: int, gaps: list[float]
) -> None:
    """Whatever the arrivals: in every window of 60 seconds, wherever it begins, at most ``per_minute`` requests."""
    clock = FakeClock(at=0)
    budget = Budget(clock=clock, sleep=clock.sleep, concurrency=concurrency, per_minute=per_minute, burst=burst)
    sent = asyncio.run(_send(budget, clock, gaps))
    assert len(sent) == len(gaps)
    for first, last in zip(sent, sent[per_minute:], strict=False):
        assert last - first >= 60


async def _send(budget: Budget, clock: FakeClock, gaps: list[float]) -> list[float]:
    sent: list[float] = []

    async def request() -> None:
        async with budget.slot():
            sent.append(clock())

    waiting = []
    for gap in gaps:
        if gap:
            await asyncio.gather(*waiting)
            clock.at += gap
        waiting.append(asyncio.ensure_future(request()))
    await asyncio.gather(*waiting)
    return sent


def test_budget_holds_concurrency() -> None:
    """Never more than ``concurrency`` at once, and all that many are used."""
    active = most = 0

    async def main() -> None:
        clock = FakeClock()
        budget = Budget(clock=clock, sleep=clock.sleep, concurrency=3)

        async def request() -> None:
            nonlocal active, most
            async with budget.slot():
                active += 1
                most = max(most, active)
                await asyncio.sleep(0.001)
                active -= 1

        await asyncio.gather(*(request() for _ in range(20)))

    asyncio.run(main())
    assert (most, active) == (3, 0)


def test_budget_serves_in_order_and_forgets_who_gives_up() -> None:
    """Waiting is first come, first served; a cancelled waiter uses neither place nor rate."""
    order: list[int] = []

    async def main() -> list[float]:
        clock = FakeClock(at=0)
        budget = Budget(clock=clock, sleep=clock.sleep, concurrency=1, per_minute=1)

        async def request(name: int) -> float:
            async with budget.slot():
                order.append(name)
                return clock()

        tasks = [asyncio.ensure_future(request(name)) for name in range(4)]
        tasks[2].cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        return [at for at in done if isinstance(at, float)]

    assert asyncio.run(main()) == pytest.approx([0, 60, 120], abs=0.001)
    assert order == [0, 1, 3]


def test_pause_stops_everybody_and_ends() -> None:
    """After one 429 nobody of this source asks before the time the platform named; a shorter pause takes nothing off."""

    async def main() -> float:
        clock = FakeClock(at=0)
        budget = Budget(clock=clock, sleep=clock.sleep)
        budget.pause(20)
        budget.pause(5)
        assert budget.paused == 20
        async with budget.slot():
            assert budget.paused == 0
        return clock()

    assert asyncio.run(main()) == 20


def test_budget_without_a_rate_never_waits() -> None:
    """No ``per_minute``: only concurrency counts."""
    clock = FakeClock(at=0)
    asyncio.run(_send(Budget(clock=clock, sleep=clock.sleep), clock, [0.0] * 100))
    assert clock.waits == []


def test_budget_ends_with_a_sleep_that_moves_no_clock() -> None:
    """A fake sleep without a clock of its own must not spin for ever."""

    async def main() -> int:
        waits: list[float] = []

        async def sleep(seconds: float) -> None:
            waits.append(seconds)

        budget = Budget(clock=lambda: 0.0, sleep=sleep, concurrency=1, per_minute=60)
        for _ in range(5):
            async with budget.slot():
                pass
        return len(waits)

    assert asyncio.run(asyncio.wait_for(main(), 5)) == 4


@pytest.mark.parametrize("arguments", [{"concurrency": 0}, {"per_minute": 0}, {"burst": 0}])
def test_budget_refuses_nonsense(arguments: dict[str, int]) -> None:
    """A budget of nothing would hang for ever, so it cannot be made."""
    clock = FakeClock()
    with pytest.raises(ValueError, match="start from 1"):
        Budget(clock=clock, sleep=clock.sleep, **arguments)
