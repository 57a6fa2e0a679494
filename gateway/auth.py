"""Who is asking: bearer tokens of our own, JSON Web Tokens, or, while there are none, whoever is on this machine."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.edge_settings import AuthSettings
from gateway.engine import utcnow
from gateway.jwt import JwtReader, JwtRefused
from gateway.store.store import Store
from gateway.tokens import SCOPES, Token, Tokens
from schema.ports import Viewer

EVERYTHING: Final = frozenset(SCOPES)
_REMEMBER_SECONDS: Final = 5.0
_REMEMBER_MOST: Final = 10_000


class Unauthenticated(Exception):
    """No token, or one that is not valid; the message may be shown."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A viewer, the key its quotas are kept under, and when it ends."""

    viewer: Viewer
    key: str
    expires_at: datetime | None = None

    def seconds_left(self) -> float | None:
        return None if self.expires_at is None else (self.expires_at - utcnow()).total_seconds()


class Authenticator:
    """Valid tokens are remembered for a few seconds, which is how late a revocation may reach a busy process."""

    def __init__(
        self, store: Store, settings: AuthSettings | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.tokens = Tokens(store.db)
        settings = settings or AuthSettings()
        self._jwt = JwtReader(settings) if settings.jwt else None
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, Token]] = OrderedDict()
        self._open_until = 0.0
        self._required = self._jwt is not None

    async def required(self) -> bool:
        """Must one show a token? Yes, as soon as there is one."""
        if not self._required and self._clock() >= self._open_until:
            self._required = await self.tokens.any()
            self._open_until = self._clock() + 1.0
        return self._required

    async def identify(self, authorization: str | None) -> Identity:
        """Raises ``Unauthenticated``."""
        if not authorization:
            if await self.required():
                raise Unauthenticated("this gateway asks for a token: Authorization: Bearer …")
            return Identity(Viewer(name="anonymous", scopes=EVERYTHING), "anonymous")
        scheme, _, text = authorization.strip().partition(" ")
        text = text.strip()
        if scheme.lower() != "bearer" or not text or len(text) > 8_192 or not text.isascii():
            raise Unauthenticated("the Authorization header is not a bearer token")
        if text.count(".") == 2:
            return await self._by_jwt(text)
        return await self._by_token(text)

    async def _by_jwt(self, text: str) -> Identity:
        if self._jwt is None:
            raise Unauthenticated("the token is not valid")
        try:
            claims = await self._jwt.read(text)
        except JwtRefused as problem:
            raise Unauthenticated(str(problem)) from None
        viewer = Viewer(name=claims.subject, scopes=claims.scopes, sources=claims.sources)
        return Identity(viewer, f"jwt:{claims.subject}", claims.expires_at)

    async def _by_token(self, text: str) -> Identity:
        token = await self._token(text)
        if token is None:
            raise Unauthenticated("the token is not valid")
        state = token.state(utcnow())
        if state != "valid":
            raise Unauthenticated(f"the token is {state}")
        viewer = Viewer(name=token.name, scopes=token.scopes, sources=token.sources)
        return Identity(viewer, f"token:{token.id}", token.expires_at)

    async def _token(self, text: str) -> Token | None:
        found = self._known.get(text)
        if found is not None and found[0] > self._clock():
            return found[1]
        token = await self.tokens.find(text)
        self._known.pop(text, None)
        if token is not None:
            self._known[text] = (self._clock() + _REMEMBER_SECONDS, token)
            while len(self._known) > _REMEMBER_MOST:
                self._known.popitem(last=False)
        return token
