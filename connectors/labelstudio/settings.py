"""The table of a live Label Studio source in the configuration."""

from dataclasses import dataclass

from connectors.contract import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``token`` is a personal access token, which is a JWT, or a legacy token (fact sheet §2); its form tells which."""

    url: str
    token: Secret
    webhook_secret: Secret | None = None
    """What webhooks carry in ``webhook_header``: there is no signature (§6). Unset: no webhook is believed."""
    webhook_header: str = "X-Labelgate-Secret"
    page_size: int = 200
    """Tasks a page (§10)."""
    concurrency: int = 4
    overlap_seconds: float = 120
    """How far before the begin of a pass the next one looks for changes: what is being written then shows late."""
    sweep_seconds: float = 3600
    """How often ids, drafts and counters are compared, for what moves no ``updated_at`` (§4); 0: in every pass."""

    def __post_init__(self) -> None:
        if not 1 <= self.page_size <= 10_000 or self.concurrency < 1:
            raise ValueError("page_size is 1 to 10000, and concurrency starts from 1")
        if min(self.overlap_seconds, self.sweep_seconds) < 0:
            raise ValueError("no number of seconds may be negative")

    def secrets(self) -> tuple[str, ...]:
        return tuple(secret.reveal() for secret in (self.token, self.webhook_secret) if secret)
