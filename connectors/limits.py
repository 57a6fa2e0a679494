"""How long and how much: time limits, retries with full jitter, ``Retry-After``, and a source's budget of requests.

Everything here is told the time and how to sleep, so tests run without waiting.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from connectors.errors import Retry

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds. ``read`` and ``write`` bound one silent stretch; ``total`` one whole attempt, body included."""

    connect: float = 10.0
    read: float = 60.0
    write: float = 30.0
    pool: float = 60.0
    total: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often and how long one call is tried: at most ``attempts`` times, none of them after ``patience`` seconds.

    ``patience`` counts from the start of the first attempt. A platform's own ``Retry-After`` is believed up to
    ``longest_after``; where it does not fit into the patience left, the caller hears of it at once.
    """

    attempts: int = 5
    base: float = 1.0
    ceiling: float = 30.0
    patience: float = 120.0
    longest_after: float = 3600.0

    def backoff(self, failures: int, chance: random.Random) -> float:
        """Full jitter: anything from 0 to ``base`` doubled for each earlier failure, and never above ``ceiling``."""
        return chance.uniform(0.0, min(self.ceiling, self.base * 2.0 ** min(failures - 1, 60)))


def retry_after(value: str | None, *, now: float, date: str | None = None, longest: float = math.inf) -> float | None:
    """Seconds that a ``Retry-After`` header (RFC 9110 §10.2.3) asks for, from 0 to ``longest``: a number or a date.

    A date is measured against the answer's own ``Date`` where it has one, so that two clocks need not agree, and
    else against ``now`` in seconds since 1970. None: there is no header, or none that can be understood.
    """
    text = (value or "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        until = _http_date(text)
        if until is None:
            return None
        sent = _http_date(date)
        seconds = until - (now if sent is None else sent)
    return None if math.isnan(seconds) else min(max(seconds, 0.0), longest)


def _http_date(text: str | None) -> float | None:
    try:
        moment = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


class Budget:
    """What one source may ask of its platform: so many requests at once, so many in any minute, none during a pause.

    ``per_minute`` holds for *every* window of 60 seconds. It is a token bucket of ``burst`` tokens, kept as one
    number (GCRA), that refills so much slower as the burst is worth. Those who wait are served in order, and
    somebody who gives up has used nothing.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        sleep: Sleep,
        concurrency: int = 8,
        per_minute: int | None = None,
        burst: int | None = None,
    ) -> None:
        if concurrency < 1 or (per_minute is not None and per_minute < 1) or (burst is not None and burst < 1):
            raise ValueError("concurrency, per_minute and burst start from 1")
        self._clock = clock
        self._sleep = sleep
        self._slots = asyncio.Semaphore(concurrency)
        self._turn = asyncio.Lock()
        burst = min(burst or concurrency, per_minute or 1)
        # A hair longer, so that rounding never lets one more into the minute.
        self._interval = 60.000001 / (per_minute - burst + 1) if per_minute else 0.0
        self._tolerance = (burst - 1) * self._interval
        self._due = -math.inf
        self._resumes = -math.inf

    @property
    def paused(self) -> float:
        """Seconds until the pause that the platform asked for is over; 0 when there is none."""
        return max(0.0, self._resumes - self._clock())

    def pause(self, seconds: float) -> None:
        """Nobody starts a request for so long: the platform said so to one of us."""
        self._resumes = max(self._resumes, self._clock() + seconds)

    @asynccontextmanager
    async def slot(self, patience: float = math.inf) -> AsyncIterator[None]:
        """Waits for a place and for the rate, and holds the place. A pause beyond ``patience`` is a ``Retry``."""
        async with self._slots:
            async with self._turn:
                await self._wait(patience)
            yield

    async def _wait(self, patience: float) -> None:
        begin = -math.inf
        while (ready := max(self._due - self._tolerance, self._resumes)) > max(begin, self._clock()):
            if self.paused > patience:
                raise Retry("the platform asked for a pause", after=self.paused)
            await self._sleep(ready - self._clock())
            begin = ready
        self._due = max(self._due, begin, self._clock()) + self._interval
