"""Global ids: ``gid://<source>/<Kind>/<external id>``, stable and the same in MongoDB and in GraphQL.

The external id stands at the end as it is, so no two things share an id and nothing needs unescaping.
"""

from __future__ import annotations

from typing import NamedTuple

PREFIX = "gid://"


class Gid(NamedTuple):
    source: str
    kind: str
    external_id: str


def gid(source: str, kind: str, external_id: str) -> str:
    return f"{PREFIX}{source}/{kind}/{external_id}"


def parse_gid(text: str) -> Gid | None:
    """The parts of a global id; None for anything that is none."""
    if not text.startswith(PREFIX):
        return None
    source, _, rest = text[len(PREFIX) :].partition("/")
    kind, slash, external_id = rest.partition("/")
    return Gid(source, kind, external_id) if source and kind and slash and external_id else None
