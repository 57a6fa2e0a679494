"""Errors that a caller can mend, as GraphQL errors with a code that stays the same."""

from __future__ import annotations

from enum import Enum

import strawberry
from graphql import GraphQLError


@strawberry.enum(description="What went wrong, for programs. Messages are for people and may change; codes do not.")
class ErrorCode(Enum):
    NOT_FOUND = "NOT_FOUND"
    UNSUPPORTED = "UNSUPPORTED"
    INVALID = "INVALID"
    STALE = "STALE"
    IDEMPOTENCY_CONFLICT = "IDEMPOTENCY_CONFLICT"
    CONFLICT = "CONFLICT"
    FORBIDDEN = "FORBIDDEN"
    PLATFORM_UNAVAILABLE = "PLATFORM_UNAVAILABLE"
    PLATFORM_REFUSED = "PLATFORM_REFUSED"
    PLATFORM_UNAUTHORIZED = "PLATFORM_UNAUTHORIZED"
    RATE_LIMITED = "RATE_LIMITED"
    COST_EXCEEDED = "COST_EXCEEDED"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    TIMEOUT = "TIMEOUT"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL = "INTERNAL"


class RequestError(GraphQLError):
    """Refuses a request (or one field of it) with a code and, where it helps, the argument at fault."""

    def __init__(self, message: str, code: ErrorCode = ErrorCode.INVALID, *, argument: str | None = None) -> None:
        extensions = {"code": code.value} | ({"argument": argument} if argument else {})
        super().__init__(message, extensions=extensions)


class Forbidden(RequestError):
    def __init__(self, scope: str, what: str) -> None:
        super().__init__(f"{what} needs the scope {scope}", ErrorCode.FORBIDDEN)
        assert self.extensions is not None
        self.extensions["requiredScope"] = scope
