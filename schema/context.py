"""What a request carries: who asks, the reader, and the request's own loaders."""

from __future__ import annotations

from dataclasses import dataclass, field

from graphql import DocumentNode

from schema.loaders import Loaders
from schema.ports import Changes, Desk, Reader, Viewer


@dataclass(slots=True)
class Context:
    """One a request."""

    reader: Reader
    viewer: Viewer = field(default_factory=Viewer)
    desk: Desk | None = None
    """None: read-only."""
    changes: Changes | None = None
    """None: no subscriptions."""
    prepared: DocumentNode | None = None
    """The operation's document, parsed and valid; None: whoever executes it parses and validates."""
    loaders: Loaders = field(init=False)

    def __post_init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Starts anew with what was read; a subscription does so before each event."""
        self.loaders = Loaders(self.reader, self.viewer.sources)
