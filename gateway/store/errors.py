"""Why there is no store to work with. The messages are for people and hold no secret."""

from __future__ import annotations


class StoreError(Exception):
    """MongoDB cannot be used: the message says why and what to do."""
