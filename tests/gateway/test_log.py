"""Logs: the right form for the reader, the request's id everywhere, and no secret anywhere."""

from __future__ import annotations

import io
import json
import logging
from base64 import b64encode
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import structlog

from connectors.contract import Secret
from connectors.redaction import Redactor, guard_logs
from gateway.log import configure, request_context

SECRET = 'k3y-"with\\odd/chars'


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Puts the logging of pytest back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def fail(problem: Exception) -> None:
    raise problem


def test_away_from_a_terminal_each_event_is_a_line_of_json() -> None:
    """Event, fields, level, logger, UTC time; non-ASCII as it is; one line even with a line's end inside."""
    stream = io.StringIO()
    configure(stream=stream)
    structlog.get_logger("gateway.x").warning("synced", source="whales", count=3, note="zwei\nZeilen ü")
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "synced", "source": "whales", "count": 3, "note": "zwei\nZeilen ü", "level": "warning", "logger": "gateway.x",
    }  # fmt: skip
    assert "zwei\\nZeilen ü" in stream.getvalue()


def test_on_a_terminal_events_are_for_people() -> None:
    """Colours on a terminal, none where the form is merely asked for."""
    terminal, file = Terminal(), io.StringIO()
    configure(stream=terminal)
    structlog.get_logger().info("synced", source="whales")
    assert "\x1b[" in terminal.getvalue()
    configure(stream=file, format="console")
    structlog.get_logger().info("synced", source="whales")
    assert "synced" in file.getvalue()
    assert "source=whales" in file.getvalue()
    assert "\x1b[" not in file.getvalue()
    configure(stream=terminal, format="json")
    structlog.get_logger().info("again")
    assert json.loads(terminal.getvalue().splitlines()[-1])["event"] == "again"


def test_the_standard_librarys_loggers_go_the_same_way() -> None:
    """Arguments, extra fields and exceptions; levels hold for both; noisy libraries speak up from warning on."""
    stream = io.StringIO()
    logging.getLogger("uvicorn.error").setLevel(logging.NOTSET)  # a sandbox of another test may have silenced it
    configure(stream=stream)
    logging.getLogger("library").info("%s of %d", "one", 2, extra={"shard": 7})
    logging.getLogger("library").debug("too much")
    structlog.get_logger("ours").debug("too much")
    logging.getLogger("httpx").info("GET https://…")
    logging.getLogger("pymongo.command").info("insert")
    logging.getLogger("httpx").warning("slow")
    logging.getLogger("uvicorn.error").info("started")
    try:
        fail(LookupError("gone"))
    except LookupError:
        logging.getLogger("library").exception("failed")
    first, slow, started, failed = lines(stream)
    assert (first["event"], first["shard"], first["logger"]) == ("one of 2", 7, "library")
    assert (slow["event"], started["event"], failed["level"]) == ("slow", "started", "error")
    assert failed["exception"].endswith("LookupError: gone")
    configure(stream=stream, level="debug")
    structlog.get_logger("ours").debug("now")
    assert lines(stream)[-1]["event"] == "now"


async def test_a_requests_id_stands_in_all_that_is_logged_within() -> None:
    """In both kinds of loggers, and not after; a decent id of the caller is kept, another is replaced."""
    stream = io.StringIO()
    configure(stream=stream)
    with request_context("abc-1", client="notebook") as given:
        structlog.get_logger().info("one")
        logging.getLogger("library").info("two")
    with request_context("bad id\nwith lines") as made:
        structlog.get_logger().info("three")
    with request_context() as other:
        structlog.get_logger().info("four")
    structlog.get_logger().info("five")
    one, two, three, four, five = lines(stream)
    assert (given, one["request_id"], two["request_id"], two["client"]) == ("abc-1", "abc-1", "abc-1", "notebook")
    assert three["request_id"] == made != "bad id\nwith lines"
    assert four["request_id"] == other != made
    assert "request_id" not in five
    assert "client" not in three


@pytest.mark.parametrize("form", ["console", "json"])
def test_no_secret_comes_out(form: Any) -> None:
    """Wherever it is: event, key, value, list, object, argument, exception; plain, quoted, in a URL, in a header."""

    class Thing:
        def __repr__(self) -> str:
            return f"<Thing {SECRET}>"

    stream = io.StringIO()
    known = [SECRET]
    configure(stream=stream, format=form, known_secrets=lambda: known)
    log = structlog.get_logger()
    log.info(SECRET, **{f"key {SECRET}": 1})
    log.info(
        "values", text=SECRET, bytes=SECRET.encode(), nested={"list": [SECRET, (SECRET,)], SECRET: 1}, thing=Thing()
    )
    log.info("forms", url=f"https://x/?k={quote(SECRET, safe='')}", header=b64encode(f"{SECRET}:".encode()).decode())
    log.info("wrapped", secret=Secret(SECRET))
    logging.getLogger("library").info("argument %s", SECRET, extra={"field": SECRET})
    try:
        fail(ValueError(SECRET))
    except ValueError:
        log.exception("failed")
        logging.getLogger("library").exception("failed too")
    with request_context(client=SECRET):
        log.info("bound")
    text = stream.getvalue()
    assert text.count("…") >= 13
    for form_of_it in (
        SECRET,
        json.dumps(SECRET)[1:-1],
        quote(SECRET, safe=""),
        b64encode(f"{SECRET}:".encode()).decode(),
    ):
        assert form_of_it not in text
    assert "k3y" not in text

    known.append("another-secret")
    log.info("another-secret")
    assert "another-secret" not in stream.getvalue()


def test_tokens_that_open_sources_learned_are_hidden_too() -> None:
    """A redactor of the HTTP kit that lives guards all logs."""
    stream = io.StringIO()
    configure(stream=stream)
    redactor = Redactor()
    guard_logs(redactor)
    redactor.learn(["fresh-token-123"])
    structlog.get_logger().info("got fresh-token-123")
    assert lines(stream)[0]["event"] == "got …"


def test_what_looks_like_credentials_is_hidden() -> None:
    """Without being told: the user part of a URL, an authorization header."""
    stream = io.StringIO()
    configure(stream=stream)
    structlog.get_logger().info("to", url="mongodb://me:pa55word@host/db", header="Authorization: Bearer abc123def456")
    (line,) = lines(stream)
    assert "pa55word" not in line["url"]
    assert "host/db" in line["url"]
    assert "abc123" not in line["header"]
