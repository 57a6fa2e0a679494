"""Credentials: put on requests, renewed once for all, and final when a fresh one is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest

from connectors.auth import Auth, HeaderAuth, Renewal
from connectors.errors import ConnectorError, Retry, Unauthorized
from connectors.transport import Answer, Transport
from tests.connectors.toy import Toy


class Token(Auth):
    """A token that the platform takes back whenever the test says so."""

    def __init__(self, fails: ConnectorError | None = None, useless: bool = False) -> None:
        self.token: str | None = None
        self.refreshes = 0
        self.fails = fails
        self.useless = useless

    def secrets(self) -> list[str]:
        return [self.token or ""]

    def expired(self) -> bool:
        return self.token is None

    def apply(self, request: httpx.Request) -> None:
        request.headers["authorization"] = f"Bearer {self.token}"

    async def refresh(self, http: Transport) -> bool:
        self.refreshes += 1
        await http.get_json("/echo/login", auth=False)
        if self.fails:
            raise self.fails
        if not self.useless:
            self.token = f"access-token-{self.refreshes}"
        return True


def revoked(token: str) -> Callable[[Answer], ConnectorError | None]:
    """The platform answers 200 and shows what it got: an old token is a refusal, as APLOSE's GraphQL words it."""

    def classify(answer: Answer) -> ConnectorError | None:
        old = isinstance(answer.data, dict) and answer.data["headers"].get("authorization") == f"Bearer {token}"
        return Unauthorized(f"{token} is revoked") if old else None

    return classify


@pytest.mark.parametrize("concurrency", [1, 8])
async def test_concurrent_refusals_share_one_refresh(concurrency: int, toy: Toy) -> None:
    """Twenty requests refused with one token lead to one refresh, and all are answered with the new token."""
    auth = Token()
    async with toy.connect(auth=auth, concurrency=concurrency) as http:
        old = revoked("access-token-1")
        answers = await asyncio.gather(*(http.get_json(f"/echo/{n}", classify=old) for n in range(20)))
        assert {answer["headers"]["authorization"] for answer in answers} == {"Bearer access-token-2"}
        assert auth.refreshes == 2
        assert toy.control.requests["GET /echo/login"] == 2
        assert http.redactor.text("access-token-1 access-token-2") == "… …"
        assert toy.clock.waits == []


async def test_late_refusal_finds_the_new_credential(toy: Toy) -> None:
    """A request that was refused with the old token after somebody else's refresh was over starts no second one."""
    auth = Token()
    async with toy.connect(auth=auth) as http:
        renewal = Renewal(auth, http.redactor.learn)
        assert await renewal.renew(http, 0)
        assert await renewal.renew(http, 0)
        assert (auth.refreshes, renewal.generation) == (1, 1)


async def test_login_sends_no_credential(toy: Toy) -> None:
    """The login before the first request goes without the credential it is there to get."""

    class Login(Token):
        async def refresh(self, http: Transport) -> bool:
            assert "authorization" not in (await http.get_json("/echo/login", auth=False))["headers"]
            return await super().refresh(http)

    async with toy.connect(auth=Login()) as http:
        assert (await http.get_json("/echo/x"))["headers"]["authorization"] == "Bearer access-token-1"


@pytest.mark.parametrize("write", [False, True])
async def test_second_refusal_is_final(write: bool, toy: Toy) -> None:
    """A refresh that does not help is not repeated: two requests, one refresh, ``Unauthorized``, for writes too."""
    toy.control.inject(kind="status", status=401, path="things")
    auth = Token()
    async with toy.connect(auth=auth) as http:
        with pytest.raises(Unauthorized):
            await http.request("POST", "/things", json={"key": 1}, write=write)
    assert (auth.refreshes, toy.control.requests["POST /things"], toy.control.effects) == (2, 2, [])


@pytest.mark.parametrize("error", [Unauthorized("wrong password"), Retry("login is down", after=5)])
async def test_failed_refresh_reaches_everybody_and_can_be_tried_again(error: ConnectorError, toy: Toy) -> None:
    """When the login fails all who wait hear why; the next call tries a login of its own."""
    auth = Token(fails=error)
    async with toy.connect(auth=auth) as http:
        results = await asyncio.gather(*(http.get_json("/things") for _ in range(5)), return_exceptions=True)
        assert [type(result) for result in results] == [type(error)] * 5
        assert auth.refreshes == 1
        auth.fails = None
        assert await http.get_json("/things")
        assert auth.refreshes == 2


async def test_refresh_survives_a_cancelled_waiter(toy: Toy) -> None:
    """The request that began the refresh may be cancelled: the others still get their token."""
    toy.control.inject(kind="delay", seconds=0.05, path="login", times=1)
    auth = Token()
    async with toy.connect(auth=auth) as http:
        first = asyncio.ensure_future(http.get_json("/things"))
        second = asyncio.ensure_future(http.get_json("/things"))
        await asyncio.sleep(0.02)
        first.cancel()
        assert (await second)["things"]
        assert auth.refreshes == 1


async def test_refresh_that_asks_with_credentials_does_not_wait_for_itself(toy: Toy) -> None:
    """A careless refresh that is itself refused ends as ``Unauthorized``, not as a deadlock."""
    toy.control.inject(kind="status", status=401)

    class Careless(HeaderAuth):
        async def refresh(self, http: Transport) -> bool:
            await http.get_json("/things")
            return True

    async with toy.connect(auth=Careless("a-long-key")) as http:
        with pytest.raises(Unauthorized):
            await asyncio.wait_for(http.get_json("/things"), 5)


async def test_close_ends_a_refresh(toy: Toy) -> None:
    """Closing the transport leaves no task behind."""
    toy.control.inject(kind="delay", seconds=0.1, path="login")
    http = toy.connect(auth=Token())
    call = asyncio.ensure_future(http.get_json("/things"))
    await asyncio.sleep(0.02)
    await http.aclose()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_spurious_401_is_asked_again(toy: Toy) -> None:
    """Where a platform is known for passing 401s, a few more tries come before the source is paused."""
    toy.control.inject(kind="status", status=401, times=2)
    async with toy.connect(retry_unauthorized=2) as http:
        assert await http.get_json("/things")
        assert len(toy.clock.waits) == 2
        toy.control.inject(kind="status", status=401)
        with pytest.raises(Unauthorized):
            await http.post_json("/things", {"key": 1}, write=True)
        assert (len(toy.clock.waits), toy.control.effects) == (4, [])


async def test_kinds_of_credentials(toy: Toy) -> None:
    """A fixed header, one of httpx's schemes, a function, or nothing; a header that cannot be sent is refused early."""

    def mark(request: httpx.Request) -> None:
        request.headers["x-api-key"] = "marked"

    for auth, name, value in (
        (HeaderAuth("abcdefgh", scheme="X-API-Key:"), "authorization", "X-API-Key: abcdefgh"),
        (HeaderAuth("abcdefgh", name="X-Key"), "x-key", "abcdefgh"),
        (httpx.BasicAuth("key", ""), "authorization", "Basic a2V5Og=="),
        (mark, "x-api-key", "marked"),
        (None, "authorization", None),
    ):
        async with toy.connect(auth=auth) as http:
            assert (await http.get_json("/echo/"))["headers"].get(name) == value
    for value in ("", "two\nlines", "schlüssel", " padded"):
        with pytest.raises(ValueError, match="no HTTP header can carry") as caught:
            HeaderAuth(value)
        assert not value or value not in str(caught.value)
    assert repr(HeaderAuth("abcdefgh")) == "HeaderAuth(Authorization)"
    assert list(HeaderAuth("abcdefgh").secrets()) == ["abcdefgh"]


async def test_no_cookies_are_sent_back(toy: Toy) -> None:
    """A session cookie would outlive the credentials: none is kept."""
    async with toy.connect() as http:
        await http.get_json("/echo/")
        assert "cookie" not in (await http.get_json("/echo/"))["headers"]
