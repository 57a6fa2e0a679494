"""Trusted documents: the operations that clients were built with, by id or by hash, from a folder of manifests."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from gateway.edge_settings import DocumentSettings
from gateway.settings_problems import SettingsError
from schema.errors import ErrorCode, RequestError

_HASH: Final = re.compile(r"[0-9a-fA-F]{64}")


class UnknownDocument(RequestError):
    """``extensions.code`` is the word that Apollo's clients know."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message, ErrorCode.INVALID)
        assert self.extensions is not None
        self.extensions["code"] = code


class Documents:
    """``required``: nothing else runs."""

    def __init__(self, by_id: Mapping[str, str] | None = None, *, required: bool = False) -> None:
        self._by_id = dict(by_id or {})
        self._by_id |= {_sha256(text): text for text in list(self._by_id.values())}
        self.required = required

    def __len__(self) -> int:
        return len(set(self._by_id.values()))

    def text(self, query: str | None, document_id: str | None, extensions: Mapping[str, Any]) -> str | None:
        """The text to run; None if the request names none. Raises ``RequestError``."""
        id_ = document_id or _persisted(extensions)
        if id_ is None:
            if query is not None and self.required and _sha256(query) not in self._by_id:
                raise UnknownDocument("only trusted documents run here", "DOCUMENT_NOT_TRUSTED")
            return query
        known = self._by_id.get(id_.removeprefix("sha256:"))
        if known is not None:
            if query is not None and query != known:
                raise RequestError("query and document id name different documents")
            return known
        if query is not None and not self.required:
            if _HASH.fullmatch(id_.removeprefix("sha256:")) and _sha256(query) != id_.removeprefix("sha256:").lower():
                raise RequestError("the hash is not that of the query")
            return query
        if document_id is not None:
            raise UnknownDocument("there is no trusted document of that id", "DOCUMENT_NOT_FOUND")
        raise UnknownDocument("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED")


def _persisted(extensions: Mapping[str, Any]) -> str | None:
    persisted = extensions.get("persistedQuery")
    found = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
    return found if isinstance(found, str) else None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read_documents(settings: DocumentSettings) -> Documents:
    """Reads the folder. Raises ``SettingsError`` for a file that is no manifest."""
    found: dict[str, str] = {}
    if settings.folder is not None:
        if not settings.folder.is_dir():
            raise SettingsError(f"documents.folder: there is no folder {settings.folder}")
        for path in sorted(settings.folder.rglob("*")):
            if path.suffix == ".graphql":
                text = path.read_text("utf-8")
                found[_sha256(text)] = text
            elif path.suffix == ".json":
                found |= _manifest(path)
    if settings.mode == "required" and not found:
        raise SettingsError("documents.mode is required, but documents.folder holds no documents")
    return Documents(found, required=settings.mode == "required")


def _manifest(path: Path) -> dict[str, str]:
    """Relay's object of id and text, or Apollo's persisted query manifest."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as problem:
        raise SettingsError(f"{path}: cannot be read as JSON: {problem}") from None
    if isinstance(content, dict) and content.get("format") == "apollo-persisted-query-manifest":
        operations = content.get("operations")
        if isinstance(operations, list) and all(_is_operation(one) for one in operations):
            return {one["id"]: one["body"] for one in operations}
    elif isinstance(content, dict) and all(isinstance(text, str) for text in content.values()):
        return content
    raise SettingsError(f"{path}: is neither a Relay nor an Apollo manifest of documents")


def _is_operation(one: Any) -> bool:
    return isinstance(one, dict) and isinstance(one.get("id"), str) and isinstance(one.get("body"), str)
