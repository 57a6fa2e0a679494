"""Counts what the driver does: how long commands take, and how many fail. Both drivers report here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pymongo import monitoring

_TOLD: Final = frozenset(
    {
        "aggregate",
        "bulkWrite",
        "commitTransaction",
        "count",
        "delete",
        "find",
        "findAndModify",
        "getMore",
        "insert",
        "update",
    }
)

Told = Callable[[str, float, bool], None]
"""Name of the command (``other`` for rare ones), seconds, and whether it went well."""


class _Listener(monitoring.CommandListener):
    def __init__(self) -> None:
        self.tell: Told | None = None

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        pass

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        self._done(event.command_name, event.duration_micros, ok=True)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        self._done(event.command_name, event.duration_micros, ok=False)

    def _done(self, command: str, micros: int, *, ok: bool) -> None:
        if self.tell is not None:
            self.tell(command if command in _TOLD else "other", micros / 1e6, ok)


_listener: _Listener | None = None


def listen(tell: Told) -> None:
    """Tells of the commands of every client that is opened from now on; the last one who asks is told."""
    global _listener  # noqa: PLW0603 - drivers keep listeners for the whole process
    if _listener is None:
        _listener = _Listener()
        monitoring.register(_listener)
    _listener.tell = tell
