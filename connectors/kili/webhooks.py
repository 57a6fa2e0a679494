"""Webhooks (fact sheet ``platforms/kili.md`` §14): who sent one, and which asset or project it is about.

Two bodies exist, and one of them perhaps inside the other's envelope. Neither is signed: the ``Authorization`` header
is what we registered, word for word. So the body is only a hint, and the asset is asked for again.
"""

from __future__ import annotations

import hmac
import json
import re
from typing import Final

from connectors.coerce import mapping, text
from connectors.contract import Hint, Secret, WebhookCall
from connectors.documents import JSON, Kind
from connectors.errors import Unauthorized

_ID: Final = re.compile(r"[\w-]{1,64}", re.ASCII)


def receive(call: WebhookCall, secret: Secret | None) -> Hint | None:
    """What may have changed; None: no JSON object. Raises ``Unauthorized``.

    What names neither an asset nor a project only says that something changed.
    """
    said = call.headers.get("authorization", "").encode("utf-8", "replace")
    if secret is None or not hmac.compare_digest(said, secret.reveal().encode()):
        raise Unauthorized("the Authorization header of a webhook is not the webhook_secret of this source")
    try:
        body = json.loads(call.body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict):
        return None
    payload = mapping(body.get("payload"))
    event = payload if "event" in payload else body
    inner = mapping(event.get("payload"))
    if asset := _id(inner.get("assetId")) or _id(inner.get("asset_id")):
        return Hint(refs=[(Kind.TASK, asset)])
    project = _id(event.get("projectId"))
    if project and (text(event.get("event")) or "").startswith(
        ("project.interface", "project.settings", "project.member")
    ):
        return Hint(refs=[(Kind.CAMPAIGN, project)])
    return Hint(everything=True)


def _id(value: JSON) -> str | None:
    found = text(value)
    return found if found and _ID.fullmatch(found) else None
