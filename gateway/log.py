"""Logs: events with fields, for people on a terminal and as JSON lines elsewhere, without secrets.

``structlog.get_logger()`` and the standard library's loggers end in one handler. What is bound by ``request_context``
stands in every line that is logged within.
"""

from __future__ import annotations

import logging
import re
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor

from connectors.redaction import RedactingFilter, Redactor

_QUIET: Final = ("asyncio", "hpack", "httpcore", "httpx", "pymongo", "python_multipart", "uvicorn.access")


def configure(
    *,
    level: str = "info",
    format: Literal["auto", "console", "json"] = "auto",  # noqa: A002 - the name of the setting
    known_secrets: Callable[[], Iterable[str]] = tuple,
    stream: TextIO | None = None,
) -> None:
    """Sends all logging to ``stream`` (standard error). ``known_secrets`` is asked at each line."""
    stream = stream or sys.stderr
    people = format == "console" or (format == "auto" and stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.StackInfoRenderer(),
                structlog.processors.format_exc_info,
                structlog.processors.UnicodeDecoder(),
                redactor(known_secrets),
                structlog.dev.ConsoleRenderer(colors=people and stream.isatty())
                if people
                else structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True


@contextmanager
def request_context(request_id: str | None = None, **fields: Any) -> Iterator[str]:
    """Binds a request's id (the caller's, if it is decent) and other fields to all that is logged within."""
    if request_id is None or not re.fullmatch(r"[A-Za-z0-9._:-]{1,64}", request_id):
        request_id = secrets.token_hex(8)
    with structlog.contextvars.bound_contextvars(request_id=request_id, **fields):
        yield request_id


def redactor(known_secrets: Callable[[], Iterable[str]]) -> Processor:
    """A processor that hides secrets wherever in an event they are: the given ones, and those of open sources."""

    def redact(_logger: Any, _method: str, event: EventDict) -> EventDict:
        redactors = [_redactor(frozenset(known_secrets())), *RedactingFilter.redactors]

        def hide(text: str) -> str:
            for each in redactors:
                text = each.text(text)
            return text

        return {hide(key): _clean(value, hide) for key, value in event.items()}

    return redact


_redactor = lru_cache(maxsize=8)(Redactor)


def _clean(value: Any, hide: Callable[[str], str]) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return hide(str(value))  # a ``Secret`` shows itself as an ellipsis
    if isinstance(value, Mapping):
        return {hide(str(key)): _clean(item, hide) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_clean(item, hide) for item in value]
    return hide(str(value) if isinstance(value, BaseException) else repr(value))
