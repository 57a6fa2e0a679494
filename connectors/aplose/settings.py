"""The table of a live APLOSE source in the configuration."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.contract import Secret
from connectors.transport import Timeouts


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """An account of the server; staff sees every campaign (fact sheet ``platforms/aplose.md`` §5.1)."""

    url: str
    """The server without ``/api`` and ``/app``: ``https://aplose.example.org``."""
    username: str
    password: Secret
    requests_per_minute: int = 600
    concurrency: int = 4
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    download_timeout: float = 600.0
    """Seconds for one CSV: servers write it before they send the first byte, and give up after 120 seconds (§10)."""
    largest_download_mb: int = 1024
    overlap_seconds: float = 150.0
    """How far before the begin of a pass the next one looks for changes: longer than any transaction of the server."""
    settle_seconds: float = 15.0
    """How long a correction whose answer was lost may still be under way before it counts as not arrived."""

    def __post_init__(self) -> None:
        if not self.username or not self.password.reveal():
            raise ValueError("username and password may not be empty")
        if min(self.concurrency, self.requests_per_minute, self.largest_download_mb) < 1:
            raise ValueError("concurrency, requests_per_minute and largest_download_mb start from 1")
        if min(self.connect_timeout, self.read_timeout, self.download_timeout) <= 0:
            raise ValueError("timeouts are longer than 0 seconds")
        if min(self.overlap_seconds, self.settle_seconds) < 0:
            raise ValueError("no number of seconds may be negative")

    @property
    def timeouts(self) -> Timeouts:
        return Timeouts(connect=self.connect_timeout, read=self.read_timeout, total=2 * self.read_timeout)

    @property
    def download_timeouts(self) -> Timeouts:
        return Timeouts(connect=self.connect_timeout, read=self.download_timeout, total=self.download_timeout)
