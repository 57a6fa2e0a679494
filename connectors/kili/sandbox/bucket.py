"""The object store beside the API: signed links that expire, downloads, uploads (fact sheet §8, §18 (6)).

It lies outside ``/api/label/v2`` and asks for no key: the signature is the permission.
"""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import quote

from connectors.kili.sandbox.store import Asset, Label, Store

MARK = "bucket:"
"""Begins a content that lies in the bucket; the API shows such a content as a link of its own."""


class Bucket:
    def __init__(self, store: Store, secret: str, seconds: float) -> None:
        self._store = store
        self._secret = secret.encode()
        self._seconds = seconds

    def link(self, base: str, path: str) -> str:
        expires = int(self._store.now().timestamp() + self._seconds)
        return f"{base}/bucket/{quote(path)}?expires={expires}&signature={self._sign(path, expires)}"

    def upload_link(self, base: str, path: str) -> str:
        """A link to PUT to. The SDK cuts the id off for the upload and names the whole as the asset's content."""
        return f"{self.link(base, path)}&id={quote(path, safe='')}"

    def allows(self, path: str, expires: str, signature: str) -> bool:
        if not expires.isdecimal() or not hmac.compare_digest(signature, self._sign(path, int(expires))):
            return False
        return self._store.now().timestamp() <= int(expires)

    def read(self, path: str) -> tuple[str, bytes] | None:
        """Content type and bytes: a label's answer, or what was uploaded."""
        if path.startswith("labels/"):
            label = self._store.labels.get(path.removeprefix("labels/").removesuffix(".json"))
            return None if label is None else ("application/json", label.response.encode())
        return self._store.files.get(path)

    def write(self, path: str, content_type: str, body: bytes) -> None:
        self._store.files[path] = (content_type, body)

    def response_link(self, base: str, label: Label) -> str:
        return self.link(base, f"labels/{label.id}.json")

    def content_link(self, base: str, asset: Asset) -> str:
        """A stable address for content in the bucket (it asks for the key), any other content as it is."""
        if not asset.content.startswith(MARK):
            return asset.content
        return f"{base}/api/label/v2/files?id={quote(asset.content.removeprefix(MARK), safe='')}"

    def _sign(self, path: str, expires: int) -> str:
        return hmac.new(self._secret, f"{path} {expires}".encode(), hashlib.sha256).hexdigest()[:32]
