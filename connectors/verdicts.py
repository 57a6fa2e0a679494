"""Turns what came of a request into the error kinds of the contract: one pure judgement for all platforms.

``docs/faults.md`` is the table of it. A read may be asked again; a write is never sent twice unless it surely
had no effect, so whatever spoils a write after its bytes went out is ``Uncertain``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import httpx

from connectors.bodies import BodyError, OversizedBodyError
from connectors.calls import Answer, Call, Classify
from connectors.documents import JSON
from connectors.errors import ConnectorError, Refused, Retry, Unauthorized, Uncertain
from connectors.limits import retry_after
from connectors.redaction import Redactor


class Forbidden(Unauthorized):
    """The credentials are known and not enough (403). A caller that expects this of one object may catch it."""


class TooLarge(Refused):
    """The answer is larger than the limit: ask for less at once."""


EXCERPT: Final = 32_768
"""So much of the body of an error answer is read."""

_LONGEST_MESSAGE: Final = 2_000
_NO_CONTENT: Final = (204, 205)
_TRANSIENT: Final = frozenset({408, 425, 429})
_FINAL_5XX: Final = frozenset({501, 505})
_NEVER_RAN: Final = frozenset({425, 429, 521})
"""Too early; too many requests; the front end found no web server."""

_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_NOT_SENDABLE: Final = (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL)

_WORDS: Final[Mapping[type[Exception] | tuple[type[Exception], ...], str]] = {
    _NOT_SENDABLE: "not a request that can be sent",
    httpx.ConnectTimeout: "no connection in time",
    httpx.PoolTimeout: "no free connection in time",
    httpx.ReadTimeout: "the answer stalled",
    httpx.WriteTimeout: "the request stalled",
    TimeoutError: "not finished in time",
    httpx.ConnectError: "no connection",
    httpx.ProxyError: "no connection through the proxy",
    httpx.RequestError: "the connection broke",
    BodyError: "the answer cannot be read",
}


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges for one source: names it, redacts its secrets, and knows what else proves that a write never ran."""

    source: str
    redactor: Redactor
    now: Callable[[], float]
    never_ran: Callable[[Answer], bool] | None = None

    def answer(self, call: Call, status: int, headers: Mapping[str, str], body: bytes) -> Answer | ConnectorError:
        """What came, if it is what the caller asked for."""
        succeeded = 200 <= status < 300
        data, defect = None, None
        if body and (call.expect_json or not succeeded):
            data, defect = _parse(body)
        elif call.expect_json and status not in _NO_CONTENT:
            defect = "empty"
        answer = Answer(status, headers, body, data)
        if status in call.accept:
            return answer
        if not succeeded:
            return self._status(call, answer)
        if defect:
            kind = headers.get("content-type", "no content type")
            message = f"answered {status}, but not with JSON ({defect}; {kind}): {self._excerpt(body)}"
            return _unknown(call, self.say(call, message.rstrip(": ")), happened=True)
        return self._classified(call, answer) or answer

    def failure(self, call: Call, error: Exception) -> ConnectorError:
        """No whole answer came."""
        words = next(text for kind, text in _WORDS.items() if isinstance(error, kind))
        message = self.say(call, f"{words} ({str(error) or type(error).__name__})")
        if isinstance(error, _NOT_SENDABLE):
            return Refused(message)
        if isinstance(error, OversizedBodyError) and not call.write:
            return TooLarge(message)
        return _unknown(call, message, happened=not isinstance(error, _NEVER_SENT))

    def say(self, call: Call, text: str) -> str:
        return self.redactor.text(f"{self.source}: {call.method} {call.route}: {text}")

    def _status(self, call: Call, answer: Answer) -> ConnectorError:
        status = answer.status
        message = self.say(call, f"answered {status} {_phrase(status)}: {self._excerpt(answer.body)}".rstrip(": "))
        details = {"status": status, "body": self._small(answer)}
        if status in (401, 403) and not call.own:
            return Refused(message, status=status, details=details)
        if status == 401:
            return Unauthorized(message)
        if status in _TRANSIENT or (status >= 500 and (call.write or status not in _FINAL_5XX)):
            ran = status not in _NEVER_RAN and not (self.never_ran and self.never_ran(answer))
            after = retry_after(
                answer.headers.get("retry-after"),
                date=answer.headers.get("date"),
                now=self.now(),
                longest=call.retries.longest_after,
            )
            return _unknown(call, message, happened=ran, after=after)
        if status == 403 and not issubclass(call.forbidden or (Refused if call.write else Unauthorized), Refused):
            return Forbidden(message)
        if 400 <= status < 500 and (error := self._classified(call, answer)):
            return error
        if 300 <= status < 400:
            to = self.redactor.text(answer.headers.get("location", "nowhere"))
            message = f"{message} (redirects to {to}: is the base URL right?)"
        return Refused(message, status=status, details=details)

    def _classified(self, call: Call, answer: Answer) -> ConnectorError | None:
        error = call.classify(answer) if call.classify else None
        if error is not None:
            error.message = self.say(call, error.message)[:_LONGEST_MESSAGE]
            error.args = (error.message,)
            if isinstance(error, Refused):
                error.details = self.redactor.payload(dict(error.details))
        return error

    def _excerpt(self, body: bytes, size: int = 300) -> str:
        # Masked before it is cut, and without the end of what was cut before: half a secret has no mask.
        text = self.redactor.text(body[:EXCERPT].decode("utf-8", "replace"))
        text = " ".join((text if len(body) < EXCERPT else text[:-4_096]).split())
        return text if len(text) <= size else text[: size - 1] + "…"

    def _small(self, answer: Answer) -> JSON:
        if answer.data is not None and len(answer.body) < EXCERPT:
            return self.redactor.payload(answer.data)
        return self._excerpt(answer.body, 2_000)


def _unknown(call: Call, message: str, *, happened: bool, after: float | None = None) -> ConnectorError:
    return Uncertain(message) if call.write and happened else Retry(message, after=after)


def graphql_verdict(errors: Callable[[Sequence[JSON]], ConnectorError] | None, *, write: bool) -> Classify:
    """Judges GraphQL answers: with ``errors`` they fail, partial ones too; without ``data`` they are no answers."""

    def classify(answer: Answer) -> ConnectorError | None:
        body = answer.data if isinstance(answer.data, dict) else {}
        if found := body.get("errors"):
            found = found if isinstance(found, list) else [found]
            return errors(found) if errors else _graphql_refusal(answer.status, found)
        if answer.status >= 400 or isinstance(body.get("data"), dict):
            return None
        return (Uncertain if write else Retry)("a GraphQL answer with neither data nor errors")

    return classify


def _graphql_refusal(status: int, errors: Sequence[JSON]) -> Refused:
    texts = [str(error.get("message", error)) if isinstance(error, dict) else str(error) for error in errors]
    return Refused("; ".join(texts), status=status, details={"status": status, "errors": list(errors)})


def _parse(body: bytes) -> tuple[JSON, str | None]:
    """The JSON of a body, or what is wrong with it; nesting that no parser survives is wrong, too."""
    try:
        return json.loads(body), None
    except RecursionError:
        return None, "nested too deeply"
    except ValueError as error:
        return None, str(error)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
