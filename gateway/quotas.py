"""How much one caller may ask of this process: requests a minute, requests at once, subscriptions at once."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from gateway.edge_settings import LimitSettings

_MOST_CALLERS: Final = 10_000


class TooMany(Exception):
    """Over a quota; the message may be shown, the headers go with it."""

    def __init__(self, message: str, headers: Mapping[str, str]) -> None:
        super().__init__(message)
        self.message = message
        self.headers = dict(headers)


@dataclass(slots=True)
class _Caller:
    tokens: float
    at: float
    running: int = 0
    subscriptions: int = 0


class Quotas:
    """A bucket of one minute's requests for each caller, filled steadily."""

    def __init__(self, limits: LimitSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._callers: OrderedDict[str, _Caller] = OrderedDict()

    @contextmanager
    def request(self, key: str, *, rated: bool = True) -> Iterator[Mapping[str, str]]:
        """Holds a place for one request; gives the headers that tell the quota. Raises ``TooMany``."""
        caller = self._caller(key)
        headers = self._take(caller) if rated else {}
        if caller.running >= self._limits.concurrent_requests:
            message = f"more than {self._limits.concurrent_requests} requests of this token at once"
            raise TooMany(message, {**headers, "retry-after": "1"})
        caller.running += 1
        try:
            yield headers
        finally:
            caller.running -= 1

    @contextmanager
    def subscription(self, key: str) -> Iterator[None]:
        """Holds a place for one subscription. Raises ``TooMany``."""
        caller = self._caller(key)
        if caller.subscriptions >= self._limits.subscriptions:
            raise TooMany(f"more than {self._limits.subscriptions} subscriptions of this token", {"retry-after": "5"})
        caller.subscriptions += 1
        try:
            yield
        finally:
            caller.subscriptions -= 1

    def _take(self, caller: _Caller) -> dict[str, str]:
        rate = self._limits.requests_per_minute
        if not rate:
            return {}
        now = self._clock()
        caller.tokens = min(float(rate), caller.tokens + (now - caller.at) * rate / 60)
        caller.at = now
        allowed = caller.tokens >= 1
        if allowed:
            caller.tokens -= 1
        headers = {
            "ratelimit-limit": str(rate),
            "ratelimit-remaining": str(int(caller.tokens)),
            "ratelimit-reset": str(math.ceil((rate - caller.tokens) * 60 / rate)),
        }
        if not allowed:
            wait = math.ceil((1 - caller.tokens) * 60 / rate)
            raise TooMany(f"more than {rate} requests a minute", {**headers, "retry-after": str(wait)})
        return headers

    def _caller(self, key: str) -> _Caller:
        caller = self._callers.get(key)
        if caller is None:
            caller = self._callers[key] = _Caller(float(self._limits.requests_per_minute), self._clock())
            self._forget()
        self._callers.move_to_end(key)
        return caller

    def _forget(self) -> None:
        """The longest idle ones go first, never one with work under way."""
        if len(self._callers) > _MOST_CALLERS:
            for key, caller in list(self._callers.items())[: _MOST_CALLERS // 10]:
                if not caller.running and not caller.subscriptions:
                    del self._callers[key]
