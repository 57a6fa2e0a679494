"""What Kili's errors mean (fact sheet ``platforms/kili.md`` §4): refusals, passing trouble, and unknown outcomes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from connectors.calls import Answer
from connectors.coerce import many, mapping, text
from connectors.documents import JSON
from connectors.errors import ConnectorError, Refused, Retry, Unauthorized, Uncertain

_NEVER_ARRIVED: Final = re.compile("no healthy upstream|reset reason: (overflow|connection failure)")
_PASSING: Final = ("Invalid request made to Flagsmith API", "Failed to fetch data connection")


def told(errors: Sequence[JSON], *, write: bool) -> ConnectorError:
    """The errors of an answer by what to do next; ``extensions`` may be missing (§4)."""
    found = [mapping(error) for error in errors]
    message = "; ".join(text(error.get("message")) or "an error without a message" for error in found)
    message = message.split("| trace :")[0].strip()
    codes = {text(mapping(error.get("extensions")).get("code")) for error in found}
    resolved = any(error.get("path") for error in found)
    if "UNAUTHENTICATED" in codes:
        return Unauthorized(message)
    if any(words in message for words in _PASSING) or ("INTERNAL_SERVER_ERROR" in codes and resolved):
        return Uncertain(message) if write else Retry(message)
    return Refused(message, details={"errors": list(errors)})


def never_ran(answer: Answer) -> bool:
    """Envoy's own words: the request reached no server (§4)."""
    said = answer.body.decode("utf-8", "replace")
    return answer.status == 503 and _NEVER_ARRIVED.search(said) is not None and "retried" not in said


def of_this_thing(problem: Refused) -> bool:
    """The question is understood, and refused for what it asks about: the others may well be answered."""
    return any(mapping(error).get("path") for error in many(problem.details.get("errors")))


def lock_reason(problem: Refused) -> str | None:
    """Why an asset takes no label now, in Kili's word (§4)."""
    for error in many(problem.details.get("errors")):
        reason = text(mapping(mapping(mapping(error).get("extensions")).get("context")).get("reason"))
        if reason:
            return reason
    return None
