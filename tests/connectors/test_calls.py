"""Where requests go: routes below the base URL, files, and addresses elsewhere, which never see a credential."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import quote

import pytest

from connectors.errors import ConnectorError, Refused, Retry
from connectors.transport import Download, TooLarge, Transport
from tests.connectors.toy import BASIC, HASTY, LIMIT, Toy


async def test_route_values_are_encoded(toy: Toy) -> None:
    """Ids from platforms are data: they cannot leave their place in the path, and an empty one is refused."""
    async with toy.connect("/echo/") as http:
        answer = await http.get_json("/{a}/x", path={"a": "../a b?c#d"})
        assert answer["path"] == "/echo/..%2Fa%20b%3Fc%23d/x"
        for value in ("", ".", ".."):
            with pytest.raises(Refused, match="cannot be a in a URL"):
                await http.get_json("/{a}/x", path={"a": value})
        assert http.stats.requests == 1


async def test_parameters_and_slashes_are_kept(toy: Toy) -> None:
    """Lists repeat, Booleans are words, None is left out, and a trailing slash stays."""
    async with toy.connect("/echo") as http:
        answer = await http.get_json("a/b/", {"t": ["x", "y"], "flag": True, "n": 1, "none": None})
        assert answer["url"] == f"{toy.url}/echo/a/b/?t=x&t=y&flag=true&n=1"
        assert (await http.get_json(f"{toy.url}/echo/next?page=2"))["url"] == f"{toy.url}/echo/next?page=2"


@pytest.mark.parametrize("base", ["", "example.com", "ftp://example.com", "https://", "https://h/x?key=1"])
def test_base_url_must_be_one(base: str) -> None:
    """A mistyped base URL is an error of the configuration, not a fault of the platform."""
    with pytest.raises(ValueError, match="the base URL must look like"):
        Transport("toy", base)


# --- files and downloads ----------------------------------------------------------------------------------------


async def test_stream_starts_from_scratch_after_a_fault(toy: Toy) -> None:
    """Half a body is forgotten: the file holds one whole answer."""
    toy.control.inject(kind="truncate", times=1)
    toy.control.inject(kind="stall", seconds=2, times=1)
    async with toy.connect(timeouts=HASTY) as http:
        with await http.stream("/text/csv") as file:
            assert file.open().read() == b"id,name\n1,a\n"
            assert file.size == 12
        assert http.stats.requests == 3


@pytest.mark.parametrize(
    ("inject", "kind"),
    [
        ({"kind": "truncate"}, Retry),
        ({"kind": "oversize", "size": LIMIT}, TooLarge),
        ({"kind": "status", "status": 404}, Refused),
    ],
)
async def test_stream_that_fails_leaves_no_file(
    inject: dict[str, Any],
    kind: type[ConnectorError],
    toy: Toy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A download is whole or an error; its file is closed then."""
    closed: list[int] = []
    monkeypatch.setattr(Download, "close", lambda self: (closed.append(self.size), self._file.close()))
    toy.control.inject(**inject)
    async with toy.connect() as http:
        with pytest.raises(kind):
            await http.stream("/text/csv")
    assert len(closed) == 1


async def test_download_elsewhere_sends_no_credentials(toy: Toy, caplog: pytest.LogCaptureFixture) -> None:
    """Another host gets neither credentials nor the source's headers; below the base URL it is the source itself."""
    caplog.set_level(logging.DEBUG)
    async with toy.connect("/echo/api", headers={"x-client": "gateway"}) as http:
        for elsewhere in (
            f"{toy.url}/echo/bucket?X-Amz-Signature=abc123",
            f"{toy.url.replace('127.0.0.1', 'localhost')}/echo/api/x",
            f"{toy.url}/echo/apiary",
            f"{toy.url}/echo/api/../bucket",
        ):
            headers = (await http.download(elsewhere)).data["headers"]
            assert {"authorization", "x-client"} & set(headers) == set()
        headers = (await http.download(f"{toy.url}/echo/api/files/1")).data["headers"]
        assert (headers["authorization"], headers["x-client"]) == (f"Basic {BASIC}", "gateway")
        with pytest.raises(Refused, match="no credentials go there"):
            await http.get_json(f"{toy.url}/echo/bucket")
    assert "abc123" not in caplog.text


async def test_download_follows_redirects_and_drops_credentials(toy: Toy) -> None:
    """A file route that sends on to a bucket is followed, without credentials behind the first hop, and not for ever."""
    async with toy.connect("/redirect") as http:
        answer = await http.download(f"{toy.url}/redirect?to={quote(f'{toy.url}/echo/bucket?sig=1', safe='')}")
        assert answer.data["url"] == f"{toy.url}/echo/bucket?sig=1"
        assert "authorization" not in answer.data["headers"]
        toy.control.inject(kind="status", status=302, headers={"location": "/redirect"})
        with pytest.raises(Refused, match="more than 5 times"):
            await http.download(f"{toy.url}/redirect")
        assert sum(toy.control.requests.values()) == 2 + 6
        toy.control.heal()
        toy.control.inject(kind="status", status=302)
        with pytest.raises(Refused, match="redirects nowhere"):
            await http.download(f"{toy.url}/redirect")


@pytest.mark.parametrize("code", [401, 403, 404])
async def test_expired_link_is_no_matter_of_our_credentials(code: int, toy: Toy) -> None:
    """A signed URL that is refused does not pause the source, and a bucket that throttles does not slow the platform."""
    toy.control.inject(kind="status", status=code, path="bucket")
    toy.control.inject(kind="status", status=429, path="busy", headers={"retry-after": "500"})
    async with toy.connect("/things") as http:
        with pytest.raises(Refused) as caught:
            await http.download(f"{toy.url}/bucket?sig=abc123")
        assert caught.value.status == code
        assert "abc123" not in caught.value.message
        with pytest.raises(Retry):
            await http.download(f"{toy.url}/busy")
        assert (await http.get_json(""))["things"]


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://h/x", "//h/x", "/x", "http://", "http://[", "gopher://h"]
)
async def test_download_wants_http(target: str, toy: Toy) -> None:
    """What is no http URL is refused without a request."""
    async with toy.connect() as http:
        with pytest.raises(Refused):
            await http.download(target)
        assert http.stats.requests == 0
