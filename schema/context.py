"""What a request carries: who asks, the reader, and the request's own loaders."""

from __future__ import annotations

from dataclasses import dataclass, field

from schema.loaders import Loaders
from schema.ports import Desk, Reader, Viewer


@dataclass(slots=True)
class Context:
    """One a request."""

    reader: Reader
    viewer: Viewer = field(default_factory=Viewer)
    desk: Desk | None = None
    """None: read-only."""
    loaders: Loaders = field(init=False)

    def __post_init__(self) -> None:
        self.loaders = Loaders(self.reader, self.viewer.sources)
