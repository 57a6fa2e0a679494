"""One attempt over httpx: sends a call, reads its answer within the limits, judges it, and counts."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final

import httpx

from connectors.auth import Auth
from connectors.bodies import ACCEPT_ENCODING, BodyError, Download, excerpt, pieces
from connectors.calls import Answer, Call
from connectors.errors import ConnectorError
from connectors.limits import Clock, Timeouts
from connectors.verdicts import EXCERPT, Judge

log: Final = logging.getLogger(__name__)

OnRequest = Callable[[str, str, int | None, float], None]

_EXCERPT_SECONDS: Final = 5.0


@dataclass(slots=True)
class Stats:
    """What the requests of a source came to so far: ``received`` in unpacked bytes, ``waited`` in seconds."""

    requests: int = 0
    failures: int = 0
    retries: int = 0
    received: int = 0
    waited: float = 0.0
    last_status: int | None = None


class Wire:
    """The connections of one source. Cookies are neither kept nor sent, and redirects are not followed."""

    def __init__(
        self,
        judge: Judge,
        stats: Stats,
        *,
        connections: int,
        headers: Mapping[str, str],
        on_request: OnRequest | None,
        verify: ssl.SSLContext | None,
        over: httpx.AsyncBaseTransport | None,
        clock: Clock,
    ) -> None:
        self._judge = judge
        self._stats = stats
        self._headers = dict(headers)
        self._on_request = on_request
        self._clock = clock
        self._client = httpx.AsyncClient(
            headers={"accept": "application/json, */*;q=0.5", "accept-encoding": ACCEPT_ENCODING},
            limits=httpx.Limits(max_connections=connections),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            verify=verify or _tls(),
            transport=over,
        )

    async def aclose(self) -> None:
        await self._client.aclose()

    async def attempt(self, call: Call, auth: Auth | None, file: Download | None) -> Answer:
        """What the call asked for, or the error that a single attempt came to."""
        begin = self._clock()
        self._stats.requests += 1
        outcome: Answer | ConnectorError
        status = None
        try:
            async with asyncio.timeout(call.timeouts.total):
                response = await self._send(call, auth)
                status = self._stats.last_status = response.status_code
                try:
                    outcome = await self._read(call, response, file)
                finally:
                    await response.aclose()
        except (httpx.RequestError, httpx.InvalidURL, BodyError, TimeoutError) as error:
            outcome = self._judge.failure(call, error)
        finally:
            self._tell(call, status, self._clock() - begin)
        if isinstance(outcome, ConnectorError):
            # Raised here and not above: the cause would carry the request, and with it the credentials, along.
            self._stats.failures += 1
            raise outcome
        return outcome

    async def _send(self, call: Call, auth: Auth | None) -> httpx.Response:
        request = self._client.build_request(
            call.method,
            call.url,
            params=_query(call.params),
            json=call.json,
            headers={**(self._headers if call.own else {}), **call.headers},
            timeout=_httpx_timeout(call.timeouts),
        )
        if auth is not None:
            auth.apply(request)
        return await self._client.send(request, stream=True, auth=auth.flow if auth else None)

    async def _read(self, call: Call, response: httpx.Response, file: Download | None) -> Answer | ConnectorError:
        body = bytearray()
        if not response.is_success and response.status_code not in call.accept:
            body += await excerpt(response, EXCERPT, _EXCERPT_SECONDS)
        else:
            if file is not None:
                file.clear()
            keep = body.extend if file is None else file.write
            async with aclosing(pieces(response, call.limit)) as unpacked:
                async for piece in unpacked:
                    keep(piece)
                    self._stats.received += len(piece)
        return self._judge.answer(call, response.status_code, response.headers, bytes(body))

    def _tell(self, call: Call, status: int | None, seconds: float) -> None:
        log.debug("%s: %s %s: %s in %.3f s", self._judge.source, call.method, call.route, status, seconds)
        if self._on_request is not None:
            self._on_request(call.method, call.route, status, seconds)


def _query(params: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return {name: value for name, value in (params or {}).items() if value is not None} or None


def _httpx_timeout(timeouts: Timeouts) -> httpx.Timeout:
    return httpx.Timeout(connect=timeouts.connect, read=timeouts.read, write=timeouts.write, pool=timeouts.pool)


@cache
def _tls() -> ssl.SSLContext:
    """One for all sources: each context holds its own copy of all root certificates."""
    return httpx.create_ssl_context()
