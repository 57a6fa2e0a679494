"""The few words of the driver that the rest of the gateway may use."""

from __future__ import annotations

from typing import Final

from pymongo import ReturnDocument

AFTER: Final = ReturnDocument.AFTER
"""For ``find_one_and_update``: give the document as it is after the change."""
