"""Bodies are whole or an error, never larger than allowed, and cost no more memory than that."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.bodies import BodyError, BrokenBodyError, Download, OversizedBodyError, excerpt, pieces


def read(body: bytes, encoding: str | None = None, *, limit: int = 1 << 20, step: int = 1 << 16) -> bytes:
    """The body as a client sees it that receives ``step`` bytes at a time."""

    async def network() -> AsyncIterator[bytes]:
        for at in range(0, len(body), step):
            yield body[at : at + step]

    async def main() -> bytes:
        headers = {} if encoding is None else {"content-encoding": encoding}
        response = httpx.Response(200, headers=headers, content=network())
        return b"".join([piece async for piece in pieces(response, limit)])

    return asyncio.run(main())


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKERS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "GZIP": gzip.compress,
    "deflate": zlib.compress,
    "identity": bytes,
}


@given(
    data=st.binary(max_size=2_000),
    repeat=st.sampled_from([1, 300]),
    step=st.integers(1, 5_000),
    encoding=st.sampled_from(sorted(PACKERS)),
)
def test_bodies_unpack_whole(data: bytes, repeat: int, step: int, encoding: str) -> None:
    """Every encoding we ask for gives back what was packed, wherever the network cuts it."""
    assert read(PACKERS[encoding](data * repeat), encoding, step=step) == data * repeat


@given(data=st.binary(max_size=500), step=st.integers(1, 50))
def test_deflate_without_its_header_unpacks(data: bytes, step: int) -> None:
    """Some servers send raw deflate data: it is read as well."""
    assert read(raw_deflate(data), "deflate", step=step) == data


@given(
    parts=st.lists(st.binary(max_size=300), min_size=1, max_size=4),
    padding=st.integers(0, 20),
    step=st.integers(1, 100),
)
def test_gzip_members_are_joined(parts: list[bytes], padding: int, step: int) -> None:
    """A gzip body of several members, zero-padded at the end, is their contents in a row."""
    assert read(b"".join(map(gzip.compress, parts)) + bytes(padding), "gzip", step=step) == b"".join(parts)


@given(data=st.binary(min_size=1, max_size=300), lost=st.integers(1, 30), step=st.integers(1, 100))
def test_truncated_gzip_is_an_error(data: bytes, lost: int, step: int) -> None:
    """Half a gzip body is never taken for the whole, which httpx's own reader does."""
    packed = gzip.compress(data)
    with pytest.raises(BrokenBodyError, match=r"ends too early|damaged"):
        read(packed[: max(1, len(packed) - lost)], "gzip", step=step)


def test_damaged_gzip_is_an_error() -> None:
    """A wrong byte is found by the checksum."""
    packed = bytearray(gzip.compress(b"x" * 100))
    packed[-5] ^= 1
    with pytest.raises(BrokenBodyError, match="damaged gzip body"):
        read(bytes(packed), "gzip")


def test_unknown_encoding_is_an_error() -> None:
    """What we did not ask for and cannot unpack is not passed on as content."""
    with pytest.raises(BrokenBodyError, match="'br' was not asked for"):
        read(b"x", "br")


@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate"])
def test_limit_is_exact(encoding: str) -> None:
    """A body of exactly the limit passes, one byte more does not."""
    assert len(read(PACKERS[encoding](b"x" * 1_000), encoding, limit=1_000)) == 1_000
    with pytest.raises(OversizedBodyError, match="larger than 1,000 bytes"):
        read(PACKERS[encoding](b"x" * 1_001), encoding, limit=1_000)


def test_bomb_costs_no_memory() -> None:
    """A gzip bomb of 200 MB ends at the limit of 1 MB and never takes more than 3 MB at once."""
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
    tracemalloc.start()
    with pytest.raises(OversizedBodyError):
        read(bomb, "gzip", limit=1 << 20, step=len(bomb))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 << 20


def test_excerpt_is_the_beginning_whatever_follows() -> None:
    """Of an error answer the first bytes are enough: size, damage and stalling behind them are no further error."""

    async def network() -> AsyncIterator[bytes]:
        yield b"not found"
        yield b"x" * 100
        await asyncio.sleep(60)

    async def damaged() -> AsyncIterator[bytes]:
        yield b"not gzip"

    async def main() -> tuple[bytes, bytes, bytes]:
        endless = httpx.Response(404, content=network())
        slow = httpx.Response(404, content=network())
        broken = httpx.Response(404, headers={"content-encoding": "gzip"}, content=damaged())
        return await excerpt(endless, 12, 5), await excerpt(slow, 1_000, 0.02), await excerpt(broken, 12, 5)

    assert asyncio.run(main()) == (b"not foundxxx", b"not found" + b"x" * 100, b"")


def test_download_opens_independent_streams() -> None:
    """Each ``open`` reads from the first byte on its own, closing one closes no other, and seeking works."""
    with Download() as file:
        file.write(b"old content of an attempt that failed")
        file.clear()
        file.write(b"a,b\n")
        file.write(b"1,2\n")
        first, second = file.open(), file.open()
        assert first.readline() == b"a,b\n"
        assert second.read() == b"a,b\n1,2\n"
        second.close()
        assert first.readlines() == [b"1,2\n"]
        assert first.seek(-4, 2) == 4
        assert first.read() == b"1,2\n"
        assert first.seek(0) == 0
        first.seek(2, 1)
        assert first.read(1) == b"b"
        assert file.size == 8


def test_body_errors_have_one_base() -> None:
    """The transport catches both kinds by their base."""
    assert issubclass(OversizedBodyError, BodyError)
    assert issubclass(BrokenBodyError, BodyError)
