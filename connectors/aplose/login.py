"""The account of a live source: a password becomes a JWT, renewed when the server refuses it (fact sheet §5.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import httpx

from connectors.auth import Auth
from connectors.coerce import mapping, text
from connectors.errors import Retry, Unauthorized

if TYPE_CHECKING:
    from connectors.aplose.settings import Settings
    from connectors.transport import Transport


class Login(Auth):
    """Whether a token is too old only the server says, by refusing it: two clocks need not agree."""

    def __init__(self, settings: Settings) -> None:
        self._username = settings.username
        self._password = settings.password
        self._access: str | None = None
        self._renewing: str | None = None

    def __repr__(self) -> str:
        return f"Login({self._username!r})"

    def secrets(self) -> Iterable[str]:
        return tuple(filter(None, (self._password.reveal(), self._access, self._renewing)))

    def expired(self) -> bool:
        return self._access is None

    def apply(self, request: httpx.Request) -> None:
        request.headers["Authorization"] = f"Bearer {self._access}"

    async def refresh(self, http: Transport) -> bool:
        """By the refresh token as long as the server takes it, else by the password."""
        if self._renewing is not None:
            found = await self._ask(http, "/api/token/refresh/", {"refresh": self._renewing})
            self._renewing = None if found is None else self._renewing
            if found is not None:
                self._access = found["access"]
                return True
        found = await self._ask(http, "/api/token/", {"username": self._username, "password": self._password.reveal()})
        if found is None:
            self._access = None
            raise Unauthorized(f"{http.source}: APLOSE refuses the username or the password of {self._username!r}")
        self._access, self._renewing = found["access"], found.get("refresh")
        return True

    async def _ask(self, http: Transport, route: str, body: dict[str, str]) -> dict[str, str] | None:
        """A token pair, or None for a refusal. Asking twice does no harm, so it is no write."""
        answer = await http.request("POST", route, json=body, write=False, auth=False, accept=(401,))
        if answer.status == 401:
            return None
        found = {name: token for name, said in mapping(answer.data).items() if (token := text(said))}
        if "access" not in found:
            raise Retry(f"{http.source}: POST {route}: an answer without a token")
        return found
