"""The attachments of a task as assets: one per attachment and project, whatever signature its link carries today.

Fact sheet ``platforms/scale.md`` §4 and §7: ``params.attachment`` or ``params.attachments`` (links or text, of a video
or a scan one per frame), ``params.text`` for named entities; ``processed_attachments`` and links to Scale's own copies
count only where a task names no attachment of its own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

from connectors.coerce import mapping
from connectors.documents import JSON, Asset, InputType
from connectors.scale.words import file_input, task_input

NAME_LENGTH: Final = 80
"""Characters of a text that serve as its name."""

_SOURCES: Final = (
    ("attachment", "attachments"),
    ("frames", "frame_urls"),
    ("text", "texts"),
    ("processed_attachments",),
    ("attachmentS3Downloads", "attachment_s3_downloads", "attachmentUrls", "attachment_urls", "attachment_url"),
)
_LINK_KEYS: Final = ("attachment", "url", "content", "text", "image", "s3URL", "s3Url", "s3_url", "src", "uri")
_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_USER: Final = re.compile(r"(?<=://)[^/?#\s@]*@")
_SIGNATURE: Final = re.compile(
    r"(?:x-amz-|x-goog-).*|.*token|.*signature|sig|.*secret|api[-_]?key|auth|authorization|password|passwd|pwd|jwt"
    r"|expires|key-pair-id|policy|awsaccesskeyid|googleaccessid",
    re.IGNORECASE,
)
_SHARED_ACCESS: Final = re.compile(r"s[vetpr]|spr|sip|ss|srt|sk(?:oid|tid|t|e|s|v)", re.IGNORECASE)
"""Azure's parameters beside ``sig``; their names are too short to mean anything without it."""


def asset_documents(task: Mapping[str, JSON], campaign: str | None) -> list[Asset]:
    """The assets of a task in the order of its attachments, each once.

    An asset states nothing that depends on the task, so that tasks which share it agree; its type is assumed.
    """
    kind = task_input(task)
    found: dict[str, Asset] = {}
    for attachment in attachments(task):
        is_link = _URL.fullmatch(attachment) is not None
        content = plain_link(attachment) if is_link else attachment
        digest = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:24]
        asset = Asset(
            external_id=f"{campaign or '-'}/{digest}",
            assumed=frozenset({"input_type"}),
            campaign=campaign,
            name=_name(content) if is_link else content.strip()[:NAME_LENGTH],
            input_type=kind or (file_input(content) if is_link else InputType.TEXT) or InputType.OTHER,
            content_url=content if is_link else None,
            metadata=None if is_link else {"text": content},
        )
        found.setdefault(asset.external_id, asset)
    return list(found.values())


def attachments(task: Mapping[str, JSON]) -> list[str]:
    """Links and texts, from the first place that has any."""
    params = mapping(task.get("params"))
    for keys in _SOURCES:
        found = [link for key in keys for place in (params, task) for link in _links(place.get(key))]
        if found:
            return found
    return []


def plain_link(url: str) -> str:
    """A link without what signs it or logs in: what is left names the same thing tomorrow."""
    base, mark, query = _USER.sub("", url).partition("?")
    if not mark:
        return base
    query, hash_, fragment = query.partition("#")
    names = [part.partition("=")[0] for part in query.split("&")]
    shared = any(name.lower() == "sig" for name in names)
    kept = [
        part
        for part, name in zip(query.split("&"), names, strict=True)
        if not _SIGNATURE.fullmatch(name) and not (shared and _SHARED_ACCESS.fullmatch(name))
    ]
    return base + (mark + "&".join(kept) if any(kept) else "") + hash_ + fragment


def _links(value: JSON, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str):
        if value.strip():
            yield value
    elif isinstance(value, list) and depth < 3:
        for item in value:
            yield from _links(item, depth + 1)
    elif isinstance(value, dict) and depth < 3:
        for key in _LINK_KEYS:
            if isinstance(value.get(key), str):
                yield from _links(value[key], depth + 1)
                return


def _name(url: str) -> str:
    """The last part of the path, else the host."""
    try:
        parts = urlsplit(url)
        path = unquote(parts.path).rstrip("/")
    except ValueError:
        return url[:NAME_LENGTH]
    return path.rpartition("/")[2] or parts.netloc or url[:NAME_LENGTH]
