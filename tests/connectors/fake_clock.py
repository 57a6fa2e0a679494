"""A clock that only moves when somebody sleeps, and remembers what sleeps it was asked for."""

from __future__ import annotations

import asyncio


class FakeClock:
    """Give it as ``clock`` and its ``sleep`` as ``sleep``: waits cost nothing and can be asserted."""

    def __init__(self, at: float = 1_000.0) -> None:
        self.at = float(at)
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.at += seconds
        await asyncio.sleep(0)
