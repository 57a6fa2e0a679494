"""How a source proves who asks: a credential for each request, renewed once for all who need it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from connectors.transport import Transport


class Auth:
    """Base of all credentials. What is short-lived also says ``expired`` and ``refresh``."""

    flow: httpx.Auth | None = None
    """For httpx's own schemes."""

    def secrets(self) -> Iterable[str]:
        """What must never be written down; asked again after each refresh."""
        return ()

    def expired(self) -> bool:
        """True: do not even try before a refresh, as with a token never fetched or known to be too old."""
        return False

    def apply(self, request: httpx.Request) -> None:
        """Put the credential on a request."""

    async def refresh(self, http: Transport) -> bool:
        """Get a fresh credential; ask with ``auth=False``. False: there is nothing to renew, the refusal is final.

        Never runs twice at once, however many requests were refused. Raises ``Unauthorized`` where the platform
        says no to the login itself.
        """
        return False


class HeaderAuth(Auth):
    """A fixed header: an API key, or a bearer token that does not expire."""

    def __init__(self, value: str, *, name: str = "Authorization", scheme: str = "") -> None:
        self._value = str.__str__(value)
        self._name = name
        self._scheme = scheme
        if not re.fullmatch(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", self._value):
            raise ValueError(f"the value of {name} is empty or has characters that no HTTP header can carry")

    def __repr__(self) -> str:
        return f"HeaderAuth({self._name})"

    def secrets(self) -> Iterable[str]:
        return (self._value,)

    def apply(self, request: httpx.Request) -> None:
        request.headers[self._name] = f"{self._scheme} {self._value}".lstrip()


class _Applied(Auth):
    def __init__(self, apply: Callable[[httpx.Request], None]) -> None:
        self._function = apply

    def apply(self, request: httpx.Request) -> None:
        self._function(request)


def as_auth(auth: Auth | httpx.Auth | Callable[[httpx.Request], None] | None) -> Auth:
    """An ``Auth`` of what a connector gave: its own, one of httpx's, a function that marks a request, or none."""
    if isinstance(auth, Auth):
        return auth
    if isinstance(auth, httpx.Auth):
        wrapped = Auth()
        wrapped.flow = auth
        return wrapped
    return Auth() if auth is None else _Applied(auth)


class Renewal:
    """Runs ``Auth.refresh`` in single flight. ``generation`` counts the credentials that a request may have carried."""

    def __init__(self, auth: Auth, learn: Callable[[Iterable[str]], None]) -> None:
        self._auth = auth
        self._learn = learn
        self._running: asyncio.Task[bool] | None = None
        self.generation = 0

    async def renew(self, http: Transport, seen: int) -> bool:
        """True: there is a newer credential than ``seen``, perhaps since somebody else has got it."""
        if seen != self.generation:
            return True
        if self._running is asyncio.current_task():
            return False
        if self._running is None:
            self._running = asyncio.create_task(self._refresh(http))
            self._running.add_done_callback(self._ended)
        return await asyncio.shield(self._running)

    async def close(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    async def _refresh(self, http: Transport) -> bool:
        if not await self._auth.refresh(http):
            return False
        self._learn(self._auth.secrets())
        self.generation += 1
        return True

    def _ended(self, task: asyncio.Task[bool]) -> None:
        self._running = None
        if not task.cancelled():
            task.exception()  # heard, also when everybody who waited has gone
