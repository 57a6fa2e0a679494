"""Bearer tokens: kept in MongoDB as hashes, shown once, found in constant time."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.engine import utcnow

SCOPES: Final = ("read", "audit", "sync", "raw:read", "people:read", "admin")
_TEXT: Final = re.compile(r"labelgate_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_NOBODY: Final = hashlib.sha256(b"").digest()
_SPAN: Final = re.compile(r"(\d{1,5})([mhdw])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class TokenRefused(ValueError):
    """A token that cannot be made or ended; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    id: str
    name: str
    scopes: frozenset[str]
    sources: frozenset[str] | None
    """None: all."""
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def state(self, now: datetime) -> str:
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "valid"


class Tokens:
    def __init__(self, database: Any) -> None:
        self._tokens = database["tokens"]

    async def create(
        self,
        name: str,
        scopes: Collection[str],
        *,
        sources: Collection[str] | None = None,
        lives: timedelta | None = None,
    ) -> tuple[Token, str]:
        """A new token, and its text, which is nowhere kept. Raises ``TokenRefused``."""
        unknown = sorted(set(scopes) - set(SCOPES))
        if unknown or not scopes:
            raise TokenRefused(f"a token has scopes out of: {', '.join(SCOPES)}")
        if not 0 < len(name) <= 100:
            raise TokenRefused("a token has a name of at most 100 characters")
        id_, secret, now = secrets.token_hex(8), secrets.token_urlsafe(32), utcnow()
        doc = {
            "_id": id_,
            "hash": _hash(secret),
            "name": name,
            "scopes": sorted(set(scopes)),
            "sources": None if sources is None else sorted(set(sources)),
            "created_at": now,
            "expires_at": None if lives is None else now + lives,
            "revoked_at": None,
        }
        await self._tokens.insert_one(doc)
        return _token(doc), f"labelgate_{id_}_{secret}"

    async def find(self, text: str) -> Token | None:
        """The token of this text, also one that is no longer valid; None for a wrong one."""
        match = _TEXT.fullmatch(text)
        id_, secret = (match[1], match[2]) if match else ("", "")
        doc = await self._tokens.find_one({"_id": id_})
        same = hmac.compare_digest(doc["hash"] if doc else _NOBODY, _hash(secret))
        return _token(doc) if doc and same else None

    async def any(self) -> bool:
        """Was there ever a token? Then nobody gets in without one, even when all are revoked."""
        return await self._tokens.find_one({}, {"_id": 1}) is not None

    async def all(self) -> list[Token]:
        return [_token(doc) async for doc in self._tokens.find({}, sort=[("created_at", 1), ("_id", 1)])]

    async def revoke(self, which: str) -> list[Token]:
        """Ends the token with this id, or all with this name. Raises ``TokenRefused`` if there is none."""
        where = {"$or": [{"_id": which}, {"name": which}]}
        found = [_token(doc) async for doc in self._tokens.find(where)]
        if not found:
            raise TokenRefused(f"there is no token {which}")
        await self._tokens.update_many({**where, "revoked_at": None}, {"$set": {"revoked_at": utcnow()}})
        return found

    async def expire(self, which: str, lives: timedelta) -> list[Token]:
        """Lets the token end that much from now. Raises ``TokenRefused`` if there is none."""
        where = {"$or": [{"_id": which}, {"name": which}]}
        changed = await self._tokens.update_many(where, {"$set": {"expires_at": utcnow() + lives}})
        if not changed.matched_count:
            raise TokenRefused(f"there is no token {which}")
        return [_token(doc) async for doc in self._tokens.find(where)]


def span(text: str) -> timedelta:
    """``90d``, ``12h``, ``30m``, ``4w``. Raises ``TokenRefused``."""
    match = _SPAN.fullmatch(text)
    if match is None:
        raise TokenRefused(f"{text!r} is no span of time such as 90d, 12h or 30m")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _hash(secret: str) -> bytes:
    """One round: the secret is 256 random bits, so nothing is gained by guessing slower."""
    return hashlib.sha256(secret.encode()).digest()


def _token(doc: dict[str, Any]) -> Token:
    return Token(
        id=doc["_id"],
        name=doc["name"],
        scopes=frozenset(doc["scopes"]),
        sources=None if doc["sources"] is None else frozenset(doc["sources"]),
        created_at=doc["created_at"],
        expires_at=doc["expires_at"],
        revoked_at=doc["revoked_at"],
    )
