"""JSON Web Tokens: who an issuer says is asking, checked against its keys, audience, issuer and time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import jwt
from jwt import PyJWKClient, PyJWTError

from gateway.edge_settings import AuthSettings
from gateway.tokens import SCOPES

_SYMMETRIC: Final = ("HS256", "HS384", "HS512")
_ASYMMETRIC: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
_REFETCH_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Claims:
    subject: str
    scopes: frozenset[str]
    sources: frozenset[str] | None
    expires_at: datetime


class JwtRefused(Exception):
    """Not a token of ours; the message may be shown."""


class JwtReader:
    """Reads tokens of one issuer. The algorithms follow from the kind of key, never from the token."""

    def __init__(self, settings: AuthSettings) -> None:
        self._settings = settings
        self._algorithms = list(_SYMMETRIC if settings.jwt_secret is not None else _ASYMMETRIC)
        url = settings.jwt_jwks_url
        self._keys = PyJWKClient(url, cache_jwk_set=True, lifespan=3600, timeout=5) if url else None
        self._by_kid: dict[str, Any] = {}
        self._asked = -_REFETCH_SECONDS
        self._lock = asyncio.Lock()

    async def read(self, text: str) -> Claims:
        """Raises ``JwtRefused``."""
        settings = self._settings
        try:
            claims: Mapping[str, Any] = jwt.decode(
                text,
                await self._key(text),
                algorithms=self._algorithms,
                audience=settings.jwt_audience,
                issuer=settings.jwt_issuer,
                leeway=settings.jwt_leeway,
                options={"require": ["exp", "sub", "aud", "iss"]},
            )
        except (PyJWTError, ValueError, TypeError, UnicodeError) as problem:
            raise JwtRefused(f"the token is refused: {type(problem).__name__}") from None
        return Claims(
            subject=str(claims["sub"])[:200],
            scopes=_scopes(claims),
            sources=_sources(claims.get(settings.jwt_sources_claim)),
            expires_at=datetime.fromtimestamp(claims["exp"], UTC).replace(tzinfo=None),
        )

    async def _key(self, text: str) -> Any:
        if self._settings.jwt_secret is not None:
            return self._settings.jwt_secret.reveal()
        kid = str(jwt.get_unverified_header(text).get("kid"))
        if kid not in self._by_kid:
            async with self._lock:
                await self._fetch(kid)
        if kid not in self._by_kid:
            raise JwtRefused("the token is signed with a key that the issuer does not publish")
        return self._by_kid[kid]

    async def _fetch(self, kid: str) -> None:
        """Asks the issuer for its keys, but not more often than strangers' tokens with made-up keys should make us."""
        if kid in self._by_kid or time.monotonic() - self._asked < _REFETCH_SECONDS:
            return
        assert self._keys is not None
        self._asked = time.monotonic()
        try:
            found = await asyncio.to_thread(self._keys.get_signing_keys, refresh=True)
        except PyJWTError as problem:
            raise JwtRefused(f"the issuer's keys cannot be read: {type(problem).__name__}") from None
        self._by_kid = {str(key.key_id): key.key for key in found}


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """``scope`` as RFC 8693 writes it, or the lists ``scopes`` and ``scp`` that some issuers use."""
    for name in ("scope", "scopes", "scp"):
        value = claims.get(name)
        if isinstance(value, str):
            return frozenset(value.split()) & frozenset(SCOPES)
        if isinstance(value, list):
            return frozenset(str(item) for item in value) & frozenset(SCOPES)
    return frozenset()


def _sources(value: Any) -> frozenset[str] | None:
    named = frozenset(str(item) for item in value) if isinstance(value, list) else frozenset()
    return None if "*" in named else named
