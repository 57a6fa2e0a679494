"""The table of a live Scale source in the configuration."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from connectors.calls import Address
from connectors.contract import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Each field's docstring is its text in ``docs/settings.md``; facts are of fact sheet ``platforms/scale.md``."""

    api_key: Secret
    """Decides the mode, too: what ``live_…`` and ``test_…`` keys make does not see each other."""
    url: str = "https://api.scale.com/v1"
    """The REST API, with its version."""
    callback_auth_key: Secret | None = None
    """What callbacks carry in ``scale-callback-auth``. Unset: no callback is believed."""
    test_callback_auth_key: Secret | None = None
    """A second key that is as good: Scale has one each for live and for test mode."""
    audited_by: str | None = None
    """The e-mail that Scale shows on audits of this key. Unset: learnt from the first audit that leaves no doubt."""
    requests_per_minute: int = 600
    """Scale publishes no limit."""
    concurrency: int = 8
    """Requests at once."""
    page_size: int = 100
    """Tasks a page, at most; pages shrink while answers are too large, too slow or fail, and grow back."""
    overlap_seconds: float = 300
    """How far before the begin of a pass the next one starts to look for changes."""
    audited_batches_seconds: float = 900
    """How often the tasks of audited batches are read again, should an audit not move ``updated_at``; 0: never."""
    reviewed_tasks_seconds: float = 21_600
    """How often all tasks with a review status are read again, for the same reason; 0: never."""
    settle_seconds: float = 15
    """How long a verdict whose answer was lost may still be under way before it counts as not arrived."""

    def __post_init__(self) -> None:
        Address(self.url)
        if not 1 <= self.page_size <= 100:
            raise ValueError("page_size is 1 to 100")
        if self.concurrency < 1 or self.requests_per_minute < 1:
            raise ValueError("concurrency and requests_per_minute start from 1")
        seconds = (self.overlap_seconds, self.audited_batches_seconds, self.reviewed_tasks_seconds, self.settle_seconds)
        if min(seconds) < 0:
            raise ValueError("no number of seconds may be negative")

    def callback_keys(self) -> tuple[str, ...]:
        return tuple(key.reveal() for key in (self.callback_auth_key, self.test_callback_auth_key) if key)

    def secrets(self) -> tuple[str, ...]:
        return (self.api_key.reveal(), *self.callback_keys())

    def basic(self) -> str:
        """The credentials of HTTP Basic: the key as user name, and no password (§1)."""
        return base64.b64encode(f"{self.api_key.reveal()}:".encode()).decode()
