"""Content negotiation as RFC 9110 says it: which media type a client prefers, and whether it takes gzip."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

RESPONSE: Final = "application/graphql-response+json"
LEGACY: Final = "application/json"
EVENTS: Final = "text/event-stream"
HTML: Final = "text/html"

_OFFERED: Final = {
    RESPONSE: (RESPONSE, 0),
    LEGACY: (LEGACY, 0),
    EVENTS: (EVENTS, 0),
    HTML: (HTML, 0),
    "application/*": (RESPONSE, 1),
    "text/*": (EVENTS, 1),
    "*/*": (LEGACY, 2),
}


def preferred(accept: str | None) -> list[str]:
    """The media types of ours that a client takes, best first. Equal ones stay in the client's order."""
    if accept is None or not accept.strip():
        return [LEGACY]
    ranked: list[tuple[float, int, int, str]] = []
    refused: set[str] = set()
    for position, (media, quality, charset) in enumerate(_ranges(accept)):
        if media not in _OFFERED or charset not in ("utf-8", "utf8", "*"):
            continue
        offered, wildness = _OFFERED[media]
        if quality > 0:
            ranked.append((-quality, wildness, position, offered))
        elif not wildness:
            refused.add(offered)
    found = [offered for *_, offered in sorted(ranked)]
    if LEGACY in refused and "*/*" in accept:
        found.append(RESPONSE)
    return [media for media in dict.fromkeys(found) if media not in refused]


def _ranges(header: str) -> Iterator[tuple[str, float, str]]:
    for part in header.split(",")[:50]:
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality, charset = 1.0, "utf-8"
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name == "q":
                quality = _quality(value)
            elif name == "charset":
                charset = value.strip('"')
        yield media, quality, charset


def _quality(text: str) -> float:
    try:
        return max(0.0, min(1.0, float(text)))
    except ValueError:
        return 0.0


def takes_gzip(header: str | None) -> bool:
    """Does ``Accept-Encoding`` allow gzip?"""
    wanted = {name: quality for name, quality, _ in _ranges(header or "")}
    return wanted.get("gzip", wanted.get("*", 0.0)) > 0
