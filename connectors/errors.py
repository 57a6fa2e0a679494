"""What can go wrong at a platform, named by what happens next.

    ConnectorError
    ├── Retry         the same call may work later (timeouts before sending, 429, 5xx on reads)
    ├── Unauthorized  the credentials are refused: the source pauses until somebody mends them
    ├── SkipRecord    one record cannot be read: it is reported and the run goes on
    ├── Refused       the platform understood and said no: never sent again
    └── Uncertain     the call may or may not have taken effect: look (`find`) before sending again

Anything else that a connector raises is a bug and fails the run.
"""

from __future__ import annotations

from collections.abc import Mapping


class ConnectorError(Exception):
    """Base of every expected failure; ``message`` is fit to be shown to people and holds no secret."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Retry(ConnectorError):
    """Nothing happened, or nothing that matters twice; ``after`` is the platform's own wish in seconds."""

    def __init__(self, message: str, *, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class Unauthorized(ConnectorError):
    """The platform refuses the credentials of the source."""


class SkipRecord(ConnectorError):
    """One record cannot be read; ``where`` says file and row or path and id, ``field`` the culprit if known."""

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        field: str | None = None,
        external_id: str | None = None,
        raw: object = None,
    ) -> None:
        super().__init__(message)
        self.where = where
        self.field = field
        self.external_id = external_id
        self.raw = raw


class Refused(ConnectorError):
    """The platform's final no; ``details`` is what it answered, redacted."""

    def __init__(self, message: str, *, status: int | None = None, details: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.details = details or {}


class Uncertain(ConnectorError):
    """A write whose outcome is unknown: the request went out and no whole answer came back."""
