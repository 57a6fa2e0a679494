"""The HTTP client of one source: credentials, time limits, retries, a budget, and errors by what to do next.

    async with Transport("scale-prod", "https://api.example.com/v1", auth=HeaderAuth(key), per_minute=250) as http:
        page = await http.get_json("/tasks", {"limit": 100})
        task = await http.get_json("/task/{id}", path={"id": key}, absent=(404,))
        await http.post_json("/task/{id}/audit", verdict, path={"id": key}, write=True)

What happens for each fault is the table in ``docs/faults.md``; ``connectors.verdicts`` is the judgement behind it.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import ssl
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self, Unpack
from urllib.parse import urljoin

import httpx

from connectors.auth import Auth, HeaderAuth, Renewal, as_auth
from connectors.bodies import Download
from connectors.calls import Address, Answer, Call, Options, elsewhere
from connectors.documents import JSON
from connectors.errors import ConnectorError, Refused, Retry, Unauthorized
from connectors.limits import Budget, Clock, Retries, Sleep, Timeouts
from connectors.redaction import Redactor, guard_logs
from connectors.verdicts import Forbidden, Judge, TooLarge, graphql_verdict
from connectors.wire import OnRequest, Stats, Wire

__all__ = [
    "Answer",
    "Auth",
    "Download",
    "Forbidden",
    "HeaderAuth",
    "Retries",
    "Stats",
    "Timeouts",
    "TooLarge",
    "Transport",
]

log: Final = logging.getLogger(__name__)

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_MAX_REDIRECTS: Final = 5


class Transport:
    """One per source and event loop. Reads are retried; writes only where they surely had no effect."""

    def __init__(
        self,
        source: str,
        base_url: str,
        *,
        auth: Auth | httpx.Auth | Callable[[httpx.Request], None] | None = None,
        secrets: Iterable[str] = (),
        headers: Mapping[str, str] | None = None,
        timeouts: Timeouts | None = None,
        retries: Retries | None = None,
        retry_unauthorized: int = 0,
        never_ran: Callable[[Answer], bool] | None = None,
        concurrency: int = 8,
        per_minute: int | None = None,
        limit: int = 64 * 1024 * 1024,
        on_request: OnRequest | None = None,
        verify: ssl.SSLContext | None = None,
        over: httpx.AsyncBaseTransport | None = None,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
        now: Clock = time.time,
        chance: random.Random | None = None,
    ) -> None:
        """``retry_unauthorized``: how often a 401 is asked again that no refresh helps.

        ``never_ran`` looks at failed writes for proof that nothing happened. ``on_request`` hears method, route,
        status and seconds of each request. ``over`` swaps the wire below; the last four are for tests.
        """
        self.source = source
        self.stats = Stats()
        self.redactor = Redactor(secrets)
        self._auth = as_auth(auth)
        self.redactor.learn(self._auth.secrets())
        guard_logs(self.redactor)
        self._renewal = Renewal(self._auth, self.redactor.learn)
        self._retry_unauthorized = retry_unauthorized
        self._address = Address(base_url)
        self._defaults = {"timeouts": timeouts or Timeouts(), "retries": retries or Retries(), "limit": limit}
        self._clock, self._sleep = clock, sleep
        self._chance = chance or random.Random()  # noqa: S311 -- jitter
        self._budget = Budget(clock=clock, sleep=sleep, concurrency=concurrency, per_minute=per_minute)
        self._elsewhere = Budget(clock=clock, sleep=sleep, concurrency=concurrency)
        self._judge = Judge(source, self.redactor, now, never_ran)
        self._wire = Wire(
            self._judge,
            self.stats,
            connections=2 * concurrency,
            headers=headers or {},
            on_request=on_request,
            verify=verify,
            over=over,
            clock=clock,
        )

    def __repr__(self) -> str:
        return self.redactor.text(f"Transport({self.source!r}, {self._address.base!r})")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._renewal.close()
        await self._wire.aclose()

    def redact(self, payload: JSON) -> JSON:
        """A copy of a payload that is fit to be stored."""
        return self.redactor.payload(payload)

    # --- what connectors call -----------------------------------------------------------------------------------

    async def get_json(
        self,
        route: str,
        params: Mapping[str, Any] | None = None,
        *,
        absent: Collection[int] = (),
        **options: Unpack[Options],
    ) -> JSON:
        """The JSON of a GET. ``absent`` are the statuses, say 404, that mean: there is none, so None."""
        options["accept"] = (*options.get("accept", ()), *absent)
        answer = await self.request("GET", route, params=params, write=False, **options)
        return None if answer.status in absent else answer.data

    async def post_json(self, route: str, json: JSON, *, write: bool, **options: Unpack[Options]) -> JSON:
        """The JSON of a POST. ``write`` says whether it changes anything: then it is never sent twice."""
        return (await self.request("POST", route, json=json, write=write, **options)).data

    async def graphql(
        self,
        query: str,
        variables: Mapping[str, JSON] | None = None,
        *,
        write: bool,
        route: str = "",
        errors: Callable[[Sequence[JSON]], ConnectorError] | None = None,
        **options: Unpack[Options],
    ) -> dict[str, JSON]:
        """The ``data`` of a GraphQL answer. One with errors fails, as ``errors`` names them, or as ``Refused``."""
        body = {"query": query} | ({} if variables is None else {"variables": variables})
        options["classify"] = graphql_verdict(errors, write=write)
        answer = await self.request("POST", route, json=body, write=write, **options)
        data: dict[str, JSON] = answer.data["data"]
        return data

    async def stream(self, route: str, params: Mapping[str, Any] | None = None, **options: Unpack[Options]) -> Download:
        """The body of a GET in an anonymous file, whole or not at all; the caller closes it."""
        call = self._call("GET", route, params=params, write=False, expect_json=False, options=options)
        file = Download()
        try:
            await self._run(call, file)
        except BaseException:
            file.close()
            raise
        return file

    async def download(self, url: str, *, expect_json: bool = True, **options: Unpack[Options]) -> Answer:
        """What an absolute URL holds. Only a URL below the base URL is asked with the source's credentials."""
        options["accept"] = (*options.get("accept", ()), *_REDIRECTS)
        for _ in range(_MAX_REDIRECTS + 1):
            call = self._call("GET", url, write=False, expect_json=expect_json, options=options, anywhere=True)
            answer = await self._run(call)
            if answer.status not in _REDIRECTS:
                return answer
            if "location" not in answer.headers:
                break
            url = urljoin(url, answer.headers["location"])
        raise Refused(self._judge.say(call, f"redirects nowhere, or more than {_MAX_REDIRECTS} times"))

    async def request(
        self,
        method: str,
        route: str,
        *,
        write: bool,
        params: Mapping[str, Any] | None = None,
        json: JSON = None,
        expect_json: bool = True,
        **options: Unpack[Options],
    ) -> Answer:
        """Any request. Raises the errors of the contract; what it returns was asked for."""
        call = self._call(
            method, route, write=write, params=params, json=json, expect_json=expect_json, options=options
        )
        return await self._run(call)

    # --- one call, and the attempts it takes -----------------------------------------------------------------------

    def _call(self, method: str, route: str, *, options: Options, anywhere: bool = False, **asked: Any) -> Call:
        settings: dict[str, Any] = {**self._defaults, **options, **asked}
        path = settings.pop("path", None)
        own = not anywhere or self._address.owns(route)
        url = self._address.url(route, path) if own else route
        return Call(
            method=method,
            route=route.partition("?")[0] or "/" if own else elsewhere(route),
            url=url,
            own=own,
            **settings,
        )

    async def _run(self, call: Call, file: Download | None = None) -> Answer:
        budget = self._budget if call.own else self._elsewhere
        auth = self._auth if call.own and call.auth else None
        begin, failures, refusals, renewed = math.inf, 0, 0, False
        while True:
            if auth is not None and auth.expired():
                await self._renewal.renew(self, self._renewal.generation)
            try:
                async with budget.slot(call.retries.patience):
                    begin = min(begin, self._clock())
                    generation = self._renewal.generation
                    return await self._wire.attempt(call, auth, file)
            except (Retry, Unauthorized) as raised:
                error = raised
            begin = min(begin, self._clock())
            if isinstance(error, Retry):
                failures += 1
                after, last = error.after, failures >= call.retries.attempts
            elif auth is None or isinstance(error, Forbidden):
                raise error
            elif not renewed and await self._renewal.renew(self, generation):
                renewed = True
                continue
            else:
                refusals += 1
                after, last = None, refusals > self._retry_unauthorized
            wait = after or call.retries.backoff(failures + refusals, self._chance)
            if after:
                budget.pause(after)
            if last or self._clock() + wait > begin + call.retries.patience:
                raise error
            log.info("%s; again in %.1f s", error.message, wait)
            self.stats.retries += 1
            self.stats.waited += wait
            await self._sleep(wait)
