"""What a driver's error means to somebody who waits for an answer."""

from __future__ import annotations

from pymongo.errors import (
    AutoReconnect,
    ConnectionFailure,
    ExecutionTimeout,
    NetworkTimeout,
    NotPrimaryError,
    PyMongoError,
    WaitQueueTimeoutError,
    WTimeoutError,
)

_HISTORY_LOST = 286
_INTERRUPTED = frozenset({11600, 11602, 189, 91, 10107, 13436, 13435})


def timed_out(problem: BaseException | None) -> bool:
    """MongoDB ran out of the time that the operation was given."""
    return isinstance(problem, ExecutionTimeout)


def unavailable(problem: BaseException | None) -> bool:
    """MongoDB cannot be reached now, or has no primary; trying again later helps."""
    if isinstance(
        problem,
        (AutoReconnect, ConnectionFailure, NetworkTimeout, NotPrimaryError, WaitQueueTimeoutError, WTimeoutError),
    ):
        return True
    return isinstance(problem, PyMongoError) and (
        getattr(problem, "code", None) in _INTERRUPTED or bool(getattr(problem, "timeout", False))
    )


def history_lost(problem: BaseException) -> bool:
    """A change stream cannot go on where it stopped: the oplog no longer reaches back that far."""
    return isinstance(problem, PyMongoError) and getattr(problem, "code", None) == _HISTORY_LOST
