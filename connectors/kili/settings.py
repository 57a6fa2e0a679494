"""The table of a live Kili source in the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from connectors.contract import Secret

ENDPOINT: Final = "/graphql"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``api_key`` belongs to a user and acts with that user's rights (fact sheet §15); audits need a REVIEWER."""

    api_key: Secret
    url: str = "https://cloud.kili-technology.com/api/label/v2/graphql"
    """The GraphQL endpoint; another host for the US cloud and on-premise (§1)."""
    webhook_secret: Secret | None = None
    """What webhooks carry verbatim in ``Authorization`` (§14). Unset: no webhook is believed."""
    requests_per_minute: int = 250
    """Kili publishes no limit; its SDK kept to 250, and later 500 (§4)."""
    concurrency: int = 8
    overlap_seconds: float = 300
    """How far before the begin of a pass the next one starts to look for changes."""
    issues_seconds: float = 3_600
    """How often all issues are looked through although nothing says that one changed (replies leave no event)."""
    recount_seconds: float = 21_600
    """A project in which labels vanish together with assets is read whole no more often than this."""
    settle_seconds: float = 15
    """How long a verdict whose answer was lost may still be under way before it counts as not arrived."""

    def __post_init__(self) -> None:
        if self.concurrency < 1 or self.requests_per_minute < 1:
            raise ValueError("concurrency and requests_per_minute start from 1")
        if min(self.overlap_seconds, self.issues_seconds, self.recount_seconds, self.settle_seconds) < 0:
            raise ValueError("no number of seconds may be negative")

    @property
    def base(self) -> str:
        """What lies below it is Kili's own and asked with the key, as its SDK does (§1)."""
        return self.url.rstrip("/").removesuffix(ENDPOINT)

    def secrets(self) -> tuple[str, ...]:
        return tuple(secret.reveal() for secret in (self.api_key, self.webhook_secret) if secret)
