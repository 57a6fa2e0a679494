"""Why there is no store to work with."""

from __future__ import annotations


class StoreError(Exception):
    """MongoDB cannot be used: the message says why and what to do, and holds no secret."""
