"""Callbacks over real HTTP: sent, tried again, remembered, and replayed (fact sheet §9, page "Callbacks").

They leave from a thread of their own, so an action of a test in any thread can cause one. The sandbox calls out to
loopback and to the hosts it was given; a callback to anywhere else (or to a mail address) is remembered as skipped.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import httpx

HEADER = "scale-callback-auth"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

Settle: TypeAlias = Callable[["Delivery"], None]


@dataclass(slots=True)
class Delivery:
    """One callback: what was sent where, and the answers so far (a status, or the name of a transport error)."""

    number: int
    task_id: str
    url: str
    body: bytes
    auth_key: str
    event: str
    state: Literal["sending", "delivered", "failed", "skipped"] = "sending"
    answers: list[int | str] = field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        names = ("number", "task_id", "url", "event", "state", "answers")
        return {name: getattr(self, name) for name in names}


class Callbacks:
    """Scale tries up to 20 times over 24 hours, with a spacing nobody has published; here it is ``seconds``."""

    def __init__(self, settle: Settle) -> None:
        self.default_url = ""
        self.hosts: Collection[str] = ()
        self.tries = 20
        self.seconds = 1.0
        self.log: deque[Delivery] = deque(maxlen=10_000)
        self._settle = settle
        self._numbers = itertools.count(1)
        self._open = 0
        self._idle = threading.Condition()
        self._slots = asyncio.Semaphore(8)
        self._loop: asyncio.AbstractEventLoop | None = None

    def send(self, task_id: str, url: str, body: bytes, auth_key: str, event: str) -> None:
        delivery = Delivery(next(self._numbers), task_id, url, body, auth_key, event)
        self.log.append(delivery)
        if not self._reachable(url):
            delivery.state = "skipped"
            return
        with self._idle:
            self._open += 1
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, daemon=True, name="scale-callbacks").start()
        asyncio.run_coroutine_threadsafe(self._deliver(delivery), self._loop)

    def replay(self, task_id: str | None = None, times: int = 1) -> int:
        """Sends again what was sent before, byte for byte; gives how many that were."""
        again = [one for one in self.log if task_id in (None, one.task_id) and one.event != "replay"]
        for one in again * times:
            self.send(one.task_id, one.url, one.body, one.auth_key, "replay")
        return len(again) * times

    def wait(self, seconds: float) -> None:
        """Until nothing is under way. Raises ``TimeoutError``."""
        with self._idle:
            if not self._idle.wait_for(lambda: not self._open, seconds):
                raise TimeoutError(f"{self._open} callbacks are still under way after {seconds} s")

    def _reachable(self, url: str) -> bool:
        try:
            asked, default = httpx.URL(url), httpx.URL(self.default_url)
        except httpx.InvalidURL:
            return False
        return asked.scheme in ("http", "https") and asked.host in {*LOOPBACK, *self.hosts, default.host}

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            for attempt in range(self.tries):
                if attempt:
                    await asyncio.sleep(self.seconds)
                delivery.answers.append(await self._post(delivery))
                if delivery.answers[-1] in range(200, 300):
                    delivery.state = "delivered"
                    break
            else:
                delivery.state = "failed"
            self._settle(delivery)
        finally:
            with self._idle:
                self._open -= 1
                self._idle.notify_all()

    async def _post(self, delivery: Delivery) -> int | str:
        headers = {"content-type": "application/json", HEADER: delivery.auth_key}
        try:
            # The receiver is under test, so its certificate may be anybody's; the machine's proxies are not for it.
            async with self._slots, httpx.AsyncClient(trust_env=False, verify=False, timeout=10) as client:
                return (await client.post(delivery.url, content=delivery.body, headers=headers)).status_code
        except httpx.HTTPError as error:
            return type(error).__name__
