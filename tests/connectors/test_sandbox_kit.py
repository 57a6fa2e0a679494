"""The kit for sandboxes, seen by a client over real sockets: each fault as a client meets it, clock, effects, server."""

import asyncio
import json
import socket
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse

from connectors.sandbox import Control, Fault, Sandbox, load, serve

ANSWER = {"docs": list(range(200))}


def toy(**arguments):
    """A platform with one effect: whatever is posted is kept."""
    control = Control(**arguments)

    async def app(scope, receive, send):
        request = Request(scope, receive)
        body = await request.body()
        if request.method == "POST":
            control.effect("kept", request.url.path, body.decode())
        await JSONResponse(ANSWER)(scope, receive, send)

    @control.action
    def double(number):
        if number < 0:
            raise ValueError("only from zero up")
        return number * 2

    @control.action
    async def later():
        await asyncio.sleep(0)
        return "done"

    return Sandbox(name="toy", app=app, control=control, settings=lambda url: {"url": url})


@pytest.fixture
def served():
    sandbox = toy()
    with serve(sandbox) as url, httpx.Client(base_url=url, trust_env=False, timeout=5) as client:
        yield sandbox.control, client


# --- faults ---------------------------------------------------------------------------------------------------


def test_a_reset_is_a_reset_and_not_a_500(served):
    """The client's read ends with ECONNRESET; the next request on a new connection works."""
    control, client = served
    control.inject(kind="reset", times=1)
    with pytest.raises(httpx.ReadError) as failure:
        client.get("/x")
    assert "reset" in str(failure.value).lower()
    assert client.get("/x").json() == ANSWER


def test_a_raw_socket_sees_the_reset_too(served):
    """Not one byte of an answer, then RST from the kernel."""
    control, client = served
    control.inject(kind="reset")
    with socket.create_connection((client.base_url.host, client.base_url.port)) as connection:
        connection.sendall(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            connection.recv(1024)


@pytest.mark.parametrize(("when", "kept"), [("before", 0), ("after", 1)])
@pytest.mark.parametrize("kind", ["reset", "status", "html", "oversize"])
def test_when_says_whether_the_platform_acts(served, kind, when, kept):
    """Before: nothing happened. After: the change is made once and only the answer is spoiled."""
    control, client = served
    control.inject(kind=kind, when=when)
    try:
        assert client.post("/x", content=b"body").content != json.dumps(ANSWER).encode()
    except httpx.TransportError:
        assert kind == "reset"
    assert control.count("kept", "/x") == kept


def test_truncate_announces_all_and_sends_half(served):
    """The announced length is the whole body's, half of it comes, the connection ends; the platform acted."""
    control, client = served
    control.inject(kind="truncate")
    whole = len(JSONResponse(ANSWER).body)
    with pytest.raises(httpx.RemoteProtocolError, match=rf"received {whole // 2} bytes, expected {whole}"):
        client.post("/x")
    assert control.count("kept") == 1


def test_stall_sends_half_and_then_nothing(served):
    """A client with a read time-out runs into it; one that waits sees the connection end."""
    control, client = served
    control.inject(kind="stall", seconds=0.3)
    with pytest.raises(httpx.ReadTimeout):
        client.get("/x", timeout=0.05)
    with pytest.raises(httpx.RemoteProtocolError, match=r"without sending complete"):
        client.get("/x", timeout=5)


def test_delay_waits_and_then_answers_truly(served):
    """Before: the platform acts late. After: it acts at once and its answer is late."""
    control, client = served
    for when, at_once in (("before", 0), ("after", 1)):
        control.heal()
        control.effects.clear()
        control.inject(kind="delay", seconds=0.2, when=when)
        with pytest.raises(httpx.ReadTimeout):
            client.post("/x", timeout=0.05)
        assert control.count("kept") == at_once
        started = time.monotonic()
        assert client.post("/x").json() == ANSWER
        assert time.monotonic() - started >= 0.2
        assert control.count("kept") == 2


def test_a_status_comes_with_its_headers_and_body(served):
    """429 with Retry-After as given; header names of the fault replace the default content type."""
    control, client = served
    control.inject(status=429, headers={"Retry-After": "2", "content-type": "text/plain"}, body="slow down", times=1)
    answer = client.get("/x")
    assert (answer.status_code, answer.text, answer.headers["retry-after"]) == (429, "slow down", "2")
    assert answer.headers["content-type"] == "text/plain"
    assert client.get("/x").status_code == 200


def test_html_and_oversize_are_successes_that_lie(served):
    """A 200 with a page, and a 200 with more JSON than anybody asked for."""
    control, client = served
    control.inject(kind="html", times=1)
    page = client.get("/x")
    assert (page.status_code, page.headers["content-type"], page.text[:9]) == (200, "text/html", "<!doctype")
    control.inject(kind="oversize", size=3_000_000)
    huge = client.get("/x")
    assert huge.status_code == 200
    assert len(huge.json()["filler"]) == 3_000_000


def test_a_fault_hits_what_it_names(served):
    """Method, path pattern and content all must fit; hits are counted; healing ends it."""
    control, client = served
    fault = control.inject(status=500, method="post", path="^/a/", contains="bad")
    assert client.get("/a/1").status_code == 200
    assert client.post("/b/1", content="bad").status_code == 200
    assert client.post("/a/1", content="good").status_code == 200
    assert client.post("/a/1", content="so bad").status_code == 500
    assert fault.hits == 1
    control.heal()
    assert client.post("/a/1", content="so bad").status_code == 200
    assert control.requests == {"GET /a/1": 1, "POST /b/1": 1, "POST /a/1": 3}


def test_the_first_fault_that_fits_wins(served):
    """Faults are asked in order; a spent one lets the next have its turn."""
    control, client = served
    control.inject(status=500, times=1)
    control.inject(status=429, times=2)
    assert [client.get("/x").status_code for _ in range(4)] == [500, 429, 429, 200]


def test_rates_are_random_and_repeatable():
    """About the asked share is hit, and the same seed hits the same requests."""

    def hits(seed):
        control = Control(seed)
        control.inject(rate=0.2)
        return [control.meet("GET", "/", b"") is not None for _ in range(1000)]

    assert hits(1) == hits(1) != hits(2)
    assert 150 < sum(hits(1)) < 250


@pytest.mark.parametrize("wrong", [{"kind": "melt"}, {"when": "during"}, {"colour": "red"}])
def test_a_fault_that_does_not_exist_is_refused(wrong):
    """At the moment it is asked for, not at the first request."""
    with pytest.raises((ValueError, TypeError)):
        Fault(**wrong)


def test_a_request_whose_body_never_ends_has_no_effect(served):
    """A client that dies in the middle of its body changed nothing, and the server lives on."""
    control, client = served
    with socket.create_connection((client.base_url.host, client.base_url.port)) as connection:
        connection.sendall(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
    time.sleep(0.1)
    assert client.get("/x").status_code == 200
    assert control.effects == []
    assert control.requests == {"GET /x": 1}


async def test_without_a_server_a_reset_is_an_exception():
    """In-process clients have no connection to break."""
    sandbox = toy()
    sandbox.control.inject(kind="reset")
    transport = httpx.ASGITransport(sandbox.asgi())
    async with httpx.AsyncClient(transport=transport, base_url="http://toy") as client:
        with pytest.raises(ConnectionResetError):
            await client.get("/x")


# --- clock, effects -------------------------------------------------------------------------------------------


def test_the_clock_can_be_moved_and_held():
    """``advance`` moves it, ``freeze`` holds it, ``freeze(None)`` lets it run again."""
    clock = Control().clock
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=1)
    clock.advance(3600)
    assert clock.now() - datetime.now(UTC) > timedelta(minutes=59)
    clock.freeze(datetime(2026, 1, 1, tzinfo=UTC))
    clock.advance(5)
    assert clock.now() == datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC)
    clock.freeze(None)
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=1)


def test_effects_are_counted_by_name_and_key():
    """In the order they came, with the platform's time."""
    control = Control()
    control.clock.freeze(datetime(2026, 1, 1, tzinfo=UTC))
    for name, key in (("a", "1"), ("a", "2"), ("b", "1")):
        control.effect(name, key, {"n": 1})
    assert (control.count(), control.count("a"), control.count(key="1"), control.count("b", "2")) == (3, 2, 2, 0)
    assert Counter(effect.at for effect in control.effects) == {"2026-01-01T00:00:00+00:00": 3}


# --- the control surface --------------------------------------------------------------------------------------


def test_the_control_surface_is_served_and_suffers_no_fault(served):
    """Faults, clock, effects, requests and actions over HTTP, while everything else fails."""
    control, client = served
    assert client.post("/_sandbox/faults", json={"status": 503, "times": 9}).json()[0]["status"] == 503
    assert client.post("/x").status_code == 503
    assert client.get("/_sandbox/faults").json()[0]["hits"] == 1
    assert client.get("/_sandbox/requests").json() == {"POST /x": 1}
    assert client.delete("/_sandbox/faults").json() == []
    client.post("/x", content=b"kept")
    (effect,) = client.get("/_sandbox/effects").json()
    assert (effect["name"], effect["key"], effect["detail"]) == ("kept", "/x", "kept")
    frozen = client.post("/_sandbox/clock", json={"freeze": "2026-01-01T00:00:00+00:00", "seconds": 1}).json()
    assert frozen == client.get("/_sandbox/clock").json() == {"now": "2026-01-01T00:00:01+00:00"}
    assert client.post("/_sandbox/actions/double", json={"number": 4}).json() == 8
    assert client.post("/_sandbox/actions/later").json() == "done"
    assert control.actions["double"](number=5) == 10


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("faults", '{"kind": "melt"}', 400, "no fault is called 'melt'"),
        ("faults", '{"colour": "red"}', 400, "colour"),
        ("faults", "[", 400, "JSONDecodeError"),
        ("faults", "[]", 400, "must be a JSON object"),
        ("clock", '{"seconds": "soon"}', 400, "ValueError"),
        ("actions/double", '{"number": -1}', 400, "only from zero up"),
        ("actions/double", "", 400, "number"),
        ("actions/nothing", "{}", 404, "double"),
    ],
)
def test_what_cannot_be_done_is_explained(served, path, body, status, text):
    """A typo in a test's request gets a reason, not a bare 500."""
    _, client = served
    answer = client.post(f"/_sandbox/{path}", content=body)
    assert answer.status_code == status
    assert text in answer.text


# --- the server -----------------------------------------------------------------------------------------------


def test_the_server_leaves_nothing_behind():
    """Its port is free and its thread gone, also when a request was stalling as it stopped."""
    sandbox = toy()
    sandbox.control.inject(kind="stall", seconds=60)
    before = threading.active_count()
    started = time.monotonic()
    with serve(sandbox) as url, httpx.Client(trust_env=False) as client, pytest.raises(httpx.ReadTimeout):
        client.get(url, timeout=0.1)
    assert time.monotonic() - started < 4
    assert threading.active_count() == before
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)
    with serve(toy(), port=httpx.URL(url).port) as again:
        assert again == url


def test_a_server_that_cannot_start_says_so():
    """Wrong options and a taken port raise at once instead of giving the address of nothing."""
    with pytest.raises(FileNotFoundError), serve(toy(), ssl_certfile="/no/such.pem"):
        pytest.fail("it started")
    with serve(toy()) as url, pytest.raises(OSError, match="in use"), serve(toy(), port=httpx.URL(url).port):
        pytest.fail("it started")


def test_load_builds_what_a_connector_names():
    """``module:function`` with its arguments, as a connector's declaration has it."""
    sandbox = load("connectors.scale.sandbox:create", tasks=3)
    assert sandbox.name == "scale"
    assert len(sandbox.control.actions["list_tasks"]()) == 3
