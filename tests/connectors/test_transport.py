"""The transport against a misbehaving platform over real sockets: outcome, number of requests, waits, and no secret."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import re
import socket
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from connectors.errors import ConnectorError, Refused, Retry, Unauthorized, Uncertain
from connectors.transport import Forbidden, Retries, TooLarge, Transport
from tests.connectors.toy import ATTEMPTS, BASIC, HASTY, KEY, LIMIT, NOW, Toy

# --- the table of docs/faults.md --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row: how to make the fault, and what must come of it, each with the number of requests sent."""

    read: type[ConnectorError]
    write: type[ConnectorError]
    reads: int = ATTEMPTS
    writes: int = 1
    inject: Mapping[str, Any] = field(default_factory=dict)
    route: str = "/things"
    query: str = ""
    waits: list[float] | None = None
    refused_connection: bool = False
    hasty: bool = False


def status(code: int, headers: Mapping[str, str] | None = None, **case: Any) -> Case:
    # Each answer repeats the key in several forms: none of them may come through.
    body = json.dumps({"error": f"{KEY} is bad", "seen": [BASIC, quote(KEY, safe="")]})
    return Case(inject={"kind": "status", "status": code, "body": body, "headers": dict(headers or {})}, **case)


def final(code: int, read: type[ConnectorError] = Refused, write: type[ConnectorError] = Refused) -> Case:
    return status(code, read=read, write=write, reads=1)


def spoilt(**case: Any) -> Case:
    return Case(read=Retry, write=Uncertain, **case)


def http_date(seconds: float) -> str:
    return format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)


CASES: dict[str, Case] = {
    "connection refused, name unknown, TLS fails": Case(
        read=Retry, write=Retry, writes=ATTEMPTS, refused_connection=True
    ),
    "connection reset before an answer": spoilt(inject={"kind": "reset"}),
    "no answer within the read time limit": spoilt(inject={"kind": "delay", "seconds": 2}, hasty=True),
    "connection closed in the middle of the body": spoilt(inject={"kind": "truncate"}),
    "body stalls": spoilt(inject={"kind": "stall", "seconds": 2}, hasty=True),
    "body drips past the total time limit": spoilt(route="/drip", hasty=True),
    "body over the size limit": Case(
        read=TooLarge, reads=1, write=Uncertain, inject={"kind": "oversize", "size": LIMIT}
    ),
    "gzip bomb": Case(read=TooLarge, reads=1, write=Uncertain, route="/packed/bomb"),
    "truncated gzip": spoilt(route="/packed/half"),
    "truncated JSON": spoilt(route="/text/half"),
    "JSON nested too deeply": spoilt(route="/text/deep"),
    "HTML instead of JSON": spoilt(inject={"kind": "html"}),
    "200 without a body": spoilt(route="/text/empty"),
    "GraphQL 200 with `errors`, also beside `data`": Case(read=Refused, reads=1, write=Refused, query="errors"),
    "GraphQL 200 with neither `data` nor `errors`": spoilt(query="null"),
    "GraphQL 400 with `errors`": Case(read=Refused, reads=1, write=Refused, query="bad"),
    "302": Case(read=Refused, reads=1, write=Refused, route=f"/redirect?to=/login%3Ftoken={quote(KEY, safe='')}"),
    "400": final(400),
    "401": final(401, Unauthorized, Unauthorized),
    "403": final(403, Forbidden, Refused),
    "404": final(404),
    "408": status(408, read=Retry, write=Uncertain),
    "409": final(409),
    "413": final(413),
    "425": status(425, read=Retry, write=Retry, writes=ATTEMPTS),
    "429": status(429, read=Retry, write=Retry, writes=ATTEMPTS),
    "429 with Retry-After in seconds": status(
        429, {"retry-after": "7"}, read=Retry, write=Retry, writes=ATTEMPTS, waits=[7, 7]
    ),
    "429 with Retry-After as a date": status(
        429,
        {"retry-after": http_date(50), "date": http_date(41)},
        read=Retry,
        write=Retry,
        writes=ATTEMPTS,
        waits=[9, 9],
    ),
    "429 with a Retry-After that is too long to wait for": status(
        429, {"retry-after": "121"}, read=Retry, reads=1, write=Retry, waits=[]
    ),
    "500": status(500, read=Retry, write=Uncertain),
    "501": final(501, write=Uncertain),
    "502": status(502, read=Retry, write=Uncertain),
    "503": status(503, read=Retry, write=Uncertain),
    "503 with Retry-After in seconds": status(503, {"retry-after": "3"}, read=Retry, write=Uncertain, waits=[3, 3]),
    "504": status(504, read=Retry, write=Uncertain),
    "521": status(521, read=Retry, write=Retry, writes=ATTEMPTS),
    "524": status(524, read=Retry, write=Uncertain),
}


@pytest.mark.parametrize("write", [False, True], ids=["read", "write"])
@pytest.mark.parametrize("name", CASES)
async def test_fault(name: str, write: bool, toy: Toy, caplog: pytest.LogCaptureFixture) -> None:
    """Each fault ends as the table says, after as many requests and waits, and no text anywhere holds the secret."""
    case = CASES[name]
    caplog.set_level(logging.DEBUG)
    if case.inject:
        toy.control.inject(**case.inject)
    base = f"http://127.0.0.1:{_closed_port()}" if case.refused_connection else toy.url
    async with toy.connect(base, **({"timeouts": HASTY} if case.hasty else {})) as http:
        with pytest.raises(case.write if write else case.read) as caught:
            await _ask(http, case, write)
        error = caught.value
        stats = http.stats
        texts = [repr(http), repr(http.redactor), repr(stats)]

    requests = case.writes if write else case.reads
    assert stats.requests == stats.failures == requests
    assert sum(toy.control.requests.values()) == (0 if case.refused_connection else requests)
    assert type(error) is (case.write if write else case.read)
    _assert_waits(toy.clock.waits, case, requests)
    assert (stats.retries, stats.waited) == (len(toy.clock.waits), pytest.approx(sum(toy.clock.waits)))
    assert error.__cause__ is error.__context__ is None
    texts += [str(error), repr(error), error.message, repr(error.args), "".join(traceback.format_exception(error))]
    texts += [repr(getattr(error, "details", None)), caplog.text, *(repr(vars(record)) for record in caplog.records)]
    for text in texts:
        _assert_no_secret(text)
    if case.inject.get("status"):
        assert error.message.startswith(f"toy: {'POST' if write else 'GET'} /things: answered {case.inject['status']}")
        assert "… is bad" in error.message
        if isinstance(error, Refused):
            assert error.status == case.inject["status"]
            assert error.details == {
                "status": error.status,
                "body": {"error": "… is bad", "seen": ["…" if s is None else s for s in error.details["body"]["seen"]]},
            }


async def _ask(http: Transport, case: Case, write: bool) -> None:
    if case.query:
        await http.graphql(case.query, write=write, route="/graphql")
    elif write:
        await http.post_json(case.route, {"key": "k"}, write=True)
    else:
        route, _, query = case.route.partition("?")
        await http.get_json(route, {"key": KEY, **dict(httpx.QueryParams(query))})


def _assert_waits(waits: list[float], case: Case, requests: int) -> None:
    assert len(waits) == requests - 1
    if case.waits is not None and requests > 1:
        assert waits == case.waits
    for failures, wait in enumerate(waits, 1):
        assert case.waits is not None or 0 <= wait <= 2 ** (failures - 1)


def _assert_no_secret(text: str) -> None:
    core = base64.b64encode(KEY.encode()).decode()[:-4]
    for form in (KEY, repr(KEY)[1:-1], json.dumps(KEY)[1:-1], quote(KEY, safe=""), quote(KEY), BASIC, core, "s3cr"):
        assert form not in text


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_documented_table_is_the_tested_one() -> None:
    """Every row of ``docs/faults.md`` is a case here with that outcome, and the other way round."""
    text = (Path(__file__).parents[2] / "docs" / "faults.md").read_text()
    table = text.partition("| Fault | Read | Write |")[2].partition("\n\n")[0]
    rows = {
        fault: (read, write)
        for fault, read, write in re.findall(r"^\| (.+?) \| (`.+?) \| (`.+?) \|$", table, re.MULTILINE)
    }
    assert rows == {
        name: (_words(case.read, case.reads), _words(case.write, case.writes)) for name, case in CASES.items()
    }


def _words(kind: type[ConnectorError], requests: int) -> str:
    base = kind.__mro__[1] if kind in (TooLarge, Forbidden) else kind
    refined = "" if base is kind else f" (`{kind.__name__}`)"
    return f"`{base.__name__}`{refined} {'at once' if requests == 1 else 'after all tries'}"


@pytest.mark.parametrize("write", [False, True], ids=["read", "write"])
@pytest.mark.parametrize("kind", ["reset", "truncate", "stall", "status", "html", "oversize"])
async def test_spoilt_write_is_never_sent_twice(kind: str, write: bool, toy: Toy) -> None:
    """The platform acts and the answer is lost: the change is made exactly once, and the caller knows that he cannot know."""
    toy.control.inject(kind=kind, when="after", seconds=2, size=LIMIT, times=1)
    async with toy.connect(timeouts=HASTY) as http:
        if write:
            with pytest.raises(Uncertain):
                await http.post_json("/things", {"key": "k"}, write=True)
            assert toy.control.count("post", "k") == 1
        elif kind == "oversize":
            with pytest.raises(TooLarge):
                await http.post_json("/things", {"key": "k"}, write=False)
        else:
            assert (await http.post_json("/things", {"key": "k"}, write=False))["things"]
            assert toy.control.count("post", "k") == 2


@pytest.mark.parametrize("write", [False, True], ids=["read", "write"])
@pytest.mark.parametrize(
    ("error", "sent"),
    [
        (httpx.ConnectTimeout(""), False),
        (httpx.PoolTimeout(""), False),
        (httpx.ProxyError("503"), False),
        (httpx.WriteTimeout(""), True),
        (httpx.WriteError("broken pipe"), True),
        (httpx.ReadError(""), True),
        (httpx.CloseError(""), True),
        (httpx.RemoteProtocolError("no HTTP"), True),
        (httpx.DecodingError("of a wire below"), True),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_every_failure_of_httpx_has_a_kind(error: httpx.RequestError, sent: bool, write: bool, toy: Toy) -> None:
    """What surely came before the request went out is tried again; anything later leaves a write uncertain."""

    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    async with toy.connect(over=httpx.MockTransport(fail)) as http:
        with pytest.raises(Uncertain if write and sent else Retry) as caught:
            await http.post_json("/things", {}, write=write)
        assert http.stats.requests == (1 if write and sent else ATTEMPTS)
        assert str(error) in caught.value.message
        assert type(error).__name__ in caught.value.message or str(error)


async def test_unknown_host_and_failed_tls(toy: Toy) -> None:
    """A name without an address and a server without TLS end like a refused connection: nothing was sent."""
    for base in ("http://no-such-host.invalid", toy.url.replace("http:", "https:")):
        async with toy.connect(base) as http:
            with pytest.raises(Retry, match="no connection"):
                await http.post_json("/things", {"key": "k"}, write=True)
            assert http.stats.requests == ATTEMPTS
    assert toy.control.effects == []


# --- what goes well ---------------------------------------------------------------------------------------------


async def test_read_succeeds_after_faults(toy: Toy) -> None:
    """Two faults and then an answer: the caller sees the answer only, the counters and the callback see everything."""
    toy.control.inject(kind="status", status=503, times=1)
    toy.control.inject(kind="reset", times=1)
    seen: list[tuple[str, str, int | None]] = []

    def on_request(method: str, route: str, status: int | None, seconds: float) -> None:
        assert seconds >= 0
        seen.append((method, route, status))

    async with toy.connect(on_request=on_request) as http:
        data = await http.get_json("/{what}", {"key": "x", "unset": None}, path={"what": "things"})
        assert data["key"] == "x"
        assert seen == [("GET", "/{what}", 503), ("GET", "/{what}", None), ("GET", "/{what}", 200)]
        assert (http.stats.requests, http.stats.failures, http.stats.retries, http.stats.last_status) == (3, 2, 2, 200)
        assert http.stats.received == len(json.dumps(data, separators=(",", ":")))


async def test_gzip_is_asked_for_and_read(toy: Toy) -> None:
    """Answers come packed and are counted unpacked."""
    async with toy.connect() as http:
        assert await http.get_json("/packed/whole") == {"things": 1}
        assert http.stats.received == 13
        assert (await http.get_json("/echo/"))["headers"]["accept-encoding"] == "gzip, deflate"


async def test_absent_and_accepted_statuses(toy: Toy) -> None:
    """``absent`` turns statuses into None, ``accept`` into answers; both without a retry."""
    toy.control.inject(kind="status", status=500, body="<h1>No such phase")
    async with toy.connect() as http:
        assert await http.get_json("/things", absent=(404, 500)) is None
        answer = await http.request("GET", "/things", write=False, accept=(500,))
        assert (answer.status, answer.text, answer.data) == (500, "<h1>No such phase", None)
        assert http.stats.requests == 2


async def test_answers_without_json(toy: Toy) -> None:
    """204 is an answer without data; ``expect_json=False`` takes any 2xx body, for a write too."""
    async with toy.connect() as http:
        assert await http.get_json("/none") is None
        answer = await http.request("POST", "/text/ok", json={}, write=True, expect_json=False)
        assert (answer.text, repr(answer)) == ("OK", "Answer(status=200)")


async def test_forbidden_may_concern_one_object(toy: Toy) -> None:
    """403 pauses the source unless the caller says that it concerns one object, and the other way round for writes."""
    toy.control.inject(kind="status", status=403)
    async with toy.connect() as http:
        with pytest.raises(Refused) as caught:
            await http.get_json("/things", forbidden=Refused)
        assert caught.value.status == 403
        with pytest.raises(Forbidden):
            await http.post_json("/things", {"key": 1}, write=True, forbidden=Unauthorized)


# --- time -------------------------------------------------------------------------------------------------------


async def test_patience_ends_the_tries(toy: Toy) -> None:
    """However many attempts are allowed, none starts after the patience has run out."""
    toy.control.inject(kind="status", status=503, headers={"retry-after": "40"})
    async with toy.connect(retries=Retries(attempts=100, patience=120)) as http:
        with pytest.raises(Retry) as caught:
            await http.get_json("/things")
        assert (toy.clock.waits, caught.value.after, http.stats.requests) == ([40, 40, 40], 40, 4)


async def test_retry_after_is_capped_and_stops_everybody(toy: Toy) -> None:
    """A wish of a day counts as an hour; while it lasts other calls fail at once without a request, and then go on."""
    toy.control.inject(kind="status", status=429, headers={"retry-after": "86400"}, times=1)
    async with toy.connect() as http:
        for _ in range(3):
            with pytest.raises(Retry) as caught:
                await http.get_json("/things")
            assert caught.value.after == 3600
        assert sum(toy.control.requests.values()) == 1
        toy.clock.at += 3600
        assert await http.get_json("/things")


async def test_long_pause_reaches_those_who_wait_already(toy: Toy) -> None:
    """Requests that queue for a place when the platform asks for a long pause do not sit it out: they hear of it."""
    toy.control.inject(kind="status", status=429, headers={"retry-after": "900"}, times=1)
    async with toy.connect(concurrency=1) as http:
        results = await asyncio.gather(*(http.get_json("/things") for _ in range(5)), return_exceptions=True)
    assert [getattr(result, "after", None) for result in results] == [900] * 5
    assert (sum(toy.control.requests.values()), toy.clock.waits) == (1, [])


async def test_zero_retry_after_still_backs_off(toy: Toy) -> None:
    """``Retry-After: 0`` is no invitation to hammer."""
    toy.control.inject(kind="status", status=503, headers={"retry-after": "0"}, times=2)
    async with toy.connect() as http:
        await http.get_json("/things")
        assert all(wait > 0 for wait in toy.clock.waits)
        assert len(toy.clock.waits) == 2


async def test_requests_per_minute_hold_over_retries(toy: Toy) -> None:
    """Retries come out of the same budget: 10 a minute are 10 a minute, faults or not."""
    toy.control.inject(kind="status", status=502, times=5)
    sent: list[float] = []
    async with toy.connect(per_minute=10, concurrency=2, on_request=lambda *_: sent.append(toy.clock())) as http:
        await asyncio.gather(*(http.get_json("/things") for _ in range(20)))
    assert len(sent) == 25
    assert all(last - first >= 60 for first, last in zip(sent, sent[10:], strict=False))


# --- GraphQL ----------------------------------------------------------------------------------------------------


async def test_graphql_answers_and_refuses(toy: Toy) -> None:
    """Data comes without its envelope; errors become one refusal with all messages, redacted; keys are only those needed."""
    async with toy.connect("/graphql") as http:
        assert await http.graphql("good", write=False) == {"me": "you", "sent": ["query"], "variables": None}
        data = await http.graphql("good", {"a": None}, write=True)
        assert data == {"me": "you", "sent": ["query", "variables"], "variables": {"a": None}}
        with pytest.raises(Refused) as caught:
            await http.graphql("errors", write=True)
        assert caught.value.message == "toy: POST /: [noRights] … may not; second"
        assert caught.value.details["errors"] == [{"message": "[noRights] … may not"}, {"message": "second"}]
        with pytest.raises(Refused, match="not a list"):
            await http.graphql("odd", write=False)


async def test_graphql_errors_may_be_named(toy: Toy) -> None:
    """A connector that knows an error as passing has it tried again; what it says is redacted, too."""
    async with toy.connect("/graphql") as http:
        with pytest.raises(Retry, match=r"^toy: POST /: busy … \w{0,7}…$"):
            await http.graphql("errors", write=True, errors=lambda errors: Retry(f"busy {KEY} {BASIC}"))
        assert http.stats.requests == ATTEMPTS


async def test_proof_that_a_write_never_ran(toy: Toy) -> None:
    """A 503 of a proxy that reached no server is no uncertain write: it is sent again."""
    toy.control.inject(kind="status", status=503, body="no healthy upstream", times=1)
    async with toy.connect(never_ran=lambda answer: "no healthy upstream" in answer.text) as http:
        await http.post_json("/things", {"key": "k"}, write=True)
        assert toy.control.count("post", "k") == 1
        toy.control.inject(kind="status", status=503, body="upstream error")
        with pytest.raises(Uncertain):
            await http.post_json("/things", {"key": "k2"}, write=True)


# --- secrets ----------------------------------------------------------------------------------------------------


async def test_secret_at_the_cut_of_an_excerpt_is_masked(toy: Toy) -> None:
    """Messages are cut after they are redacted: no half of a secret stays at the end, whatever its place."""
    async with toy.connect() as http:
        for place in (*range(260, 310), *range(32_768 - 30, 32_768)):
            toy.control.heal()
            toy.control.inject(kind="status", status=404, body=" " * place + KEY if place > 310 else "x" * place + KEY)
            with pytest.raises(Refused) as caught:
                await http.get_json("/things")
            assert "live" not in caught.value.message
            assert "live" not in repr(caught.value.details)


async def test_stored_payloads_are_redacted(toy: Toy) -> None:
    """``redact`` is what connectors give to ``raw``: the key that a platform echoes does not reach the store."""
    async with toy.connect() as http:
        data = await http.get_json("/things", {"key": KEY})
        assert data["key"] == KEY
        assert http.redact(data) == data | {"key": "…"}


async def test_header_that_cannot_be_sent_is_refused(toy: Toy) -> None:
    """A credential with a line break from a function: nothing is sent, and the message does not show it."""

    def mark(request: httpx.Request) -> None:
        request.headers["x-api-key"] = "first-line\nsecond-line"

    async with toy.connect(auth=mark, secrets=["first-line\nsecond-line"]) as http:
        with pytest.raises(Refused, match="not a request that can be sent") as caught:
            await http.get_json("/things")
        assert "line" not in caught.value.message.replace("lines", "")
    assert sum(toy.control.requests.values()) == 0
