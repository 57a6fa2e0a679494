"""Simple-JWT in miniature: HS256 pairs, refresh, and who a request is from (fact sheet §5.1)."""

from __future__ import annotations

import hmac
from datetime import timedelta
from itertools import count
from typing import Any

import jwt

from connectors.aplose.sandbox.model import User
from connectors.aplose.sandbox.store import Store

LIFETIME = {"access": timedelta(hours=8), "refresh": timedelta(days=1)}
REQUIRED = ["This field is required."]


class Denied(Exception):
    """A 401 (or 400) with the body that the server sends."""

    def __init__(self, body: dict[str, Any], status: int = 401) -> None:
        super().__init__(body)
        self.body = body
        self.status = status


def invalid(message: str = "Token is invalid or expired") -> Denied:
    return Denied(
        {
            "detail": "Given token not valid for any token type",
            "code": "token_not_valid",
            "messages": [{"token_class": "AccessToken", "token_type": "access", "message": message}],
        }
    )


class Tokens:
    """Issues and reads tokens by the sandbox's clock; ``forget`` makes all tokens issued so far invalid."""

    def __init__(self, store: Store, seed: int = 0) -> None:
        self._store = store
        self._seed = seed
        self._generation = count()
        self._serial = count(1)
        self.forget()

    def forget(self) -> None:
        self._key = f"the signing key of a sandbox, number {self._seed}, generation {next(self._generation)}"

    def login(self, body: Any) -> dict[str, str]:
        given = body if isinstance(body, dict) else {}
        missing = {name: REQUIRED for name in ("username", "password") if given.get(name) is None}
        if missing:
            raise Denied(missing, 400)
        for user in self._store.users.values():
            known = hmac.compare_digest(str(given["password"]).encode(), user.password.encode())
            if user.username == given["username"] and known and user.is_active:
                return {"refresh": self._issue(user.id, "refresh"), "access": self._issue(user.id, "access")}
        raise Denied({"detail": "No active account found with the given credentials"})

    def refresh(self, body: Any) -> dict[str, str]:
        token = body.get("refresh") if isinstance(body, dict) else None
        if token is None:
            raise Denied({"refresh": REQUIRED}, 400)
        try:
            claims = self._read(str(token), "refresh")
        except Denied as denied:
            raise Denied({"detail": denied.body["messages"][0]["message"], "code": "token_not_valid"}) from None
        return {"access": self._issue(claims["user_id"], "access")}

    def user_of(self, authorization: str | None) -> User | None:
        """None without a Bearer header; ``Denied`` with a bad one."""
        words = (authorization or "").split()
        if not words or words[0] != "Bearer":
            return None
        if len(words) != 2:
            code = "bad_authorization_header"
            raise Denied({"detail": "Authorization header must contain two space-delimited values", "code": code})
        user = self._store.users.get(self._read(words[1], "access")["user_id"])
        if user is None:
            raise Denied({"detail": "User not found", "code": "user_not_found"})
        if not user.is_active:
            raise Denied({"detail": "User is inactive", "code": "user_inactive"})
        return user

    def demand(self, authorization: str | None) -> User:
        user = self.user_of(authorization)
        if user is None:
            raise Denied({"detail": "Authentication credentials were not provided."})
        return user

    def _issue(self, user_id: int, token_type: str) -> str:
        expires = int((self._store.now() + LIFETIME[token_type]).timestamp())
        claims = {"token_type": token_type, "exp": expires, "jti": f"{next(self._serial):032x}", "user_id": user_id}
        return jwt.encode(claims, self._key, algorithm="HS256")

    def _read(self, token: str, token_type: str) -> dict[str, Any]:
        try:
            # The sandbox has its own clock, so the library must not look at the real one.
            options: Any = {"verify_exp": False}
            claims: dict[str, Any] = jwt.decode(token, self._key, algorithms=["HS256"], options=options)
        except jwt.InvalidTokenError:
            raise invalid() from None
        if claims["exp"] <= self._store.now().timestamp():
            raise invalid()
        if claims["token_type"] != token_type:
            raise invalid("Token has wrong type")
        return claims
