"""Callbacks (fact sheet ``platforms/scale.md`` §9): who sent one, and what it is about.

They come at least once, late and in any order, and carry a static key instead of a signature. So the body is only a
hint: the task is asked for again.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Sequence
from typing import Final

from connectors.coerce import mapping, text
from connectors.contract import Hint, WebhookCall
from connectors.documents import Kind
from connectors.errors import Unauthorized

HEADER: Final = "scale-callback-auth"
_ID: Final = re.compile(r"[\w-]{1,64}", re.ASCII)
"""Scale's are 24 hexadecimal digits (§1); whatever else may come, it must be fit to be asked for."""


def receive(call: WebhookCall, keys: Sequence[str]) -> Hint | None:
    """What may have changed. Raises ``Unauthorized``.

    A body names its task beside it or inside it, or both. What names none (a batch's callback, whose body is not
    documented) only says that something changed. None: no JSON object.
    """
    said = call.headers.get(HEADER, "").encode("utf-8", "replace")
    # Every key is compared, so that the time does not tell which one was right.
    if sum(hmac.compare_digest(said, key.encode()) for key in keys) == 0:
        raise Unauthorized(f"the {HEADER} header of a callback is not a callback key of this source")
    try:
        body = json.loads(call.body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict):
        return None
    named = [text(body.get("task_id")), text(mapping(body.get("task")).get("task_id"))]
    tasks = dict.fromkeys(task for task in named if task and _ID.fullmatch(task))
    return Hint(refs=[(Kind.TASK, task) for task in tasks], everything=not tasks)
