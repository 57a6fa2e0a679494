"""Brings verdicts to Label Studio Community: as ``last_action`` of an answer, a fix in its ``result`` (fact sheet §8).

They are states that a PATCH sets, so sending one twice does no harm; still nothing is sent before looking. Enterprise
writes ``last_action`` itself and keeps reviews of its own: there verdicts stay here.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from connectors.coerce import many, mapping, text
from connectors.contract import PushAudit, PushTask, Receipt
from connectors.documents import JSON, AuditResult
from connectors.errors import Refused
from connectors.labelstudio.client import Client
from connectors.labelstudio.mapping import VERDICTS, audit_id

WORDS: Final = {result: word for word, result in VERDICTS.items()}
_MARKED: Final = ("updated_at", "updated_by", "last_action", "last_created_by")


class Delivery:
    """``TakesAudits`` and ``Marks`` of the contract."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def mark(self, audit: PushAudit, task: PushTask) -> Mapping[str, JSON]:
        answer = await self._answer(audit, task)
        return {name: answer.get(name) for name in _MARKED}

    async def push(self, audit: PushAudit, task: PushTask) -> Receipt:
        answer, wanted = await self._answer(audit, task), await self._wanted(audit)
        if "result" in wanted:
            known = map(mapping, many(mapping(task.raw).get("annotations")))
            judged = [one for one in known if one.get("id") == answer["id"]]
            by_us = wanted["last_created_by"] == answer.get("updated_by")
            if judged and not by_us and judged[0].get("result") != answer.get("result"):
                raise Refused("the answer was changed at Label Studio after it was judged: the fix would undo that")
        path = {"id": answer["id"]}
        said = await self._client.http.request("PATCH", "/api/annotations/{id}/", path=path, json=wanted, write=True)
        receipt = _receipt(mapping(said.data), wanted, ("last_action", "last_created_by"))
        if receipt is None:
            raise Refused("Label Studio took the request and did not set the verdict", status=said.status)
        return receipt

    async def find(self, audit: PushAudit, task: PushTask) -> Receipt | None:
        """The state that we wanted, by our account, and moved since the mark."""
        try:
            answer = await self._answer(audit, task)
        except Refused:
            return None  # the next push says why
        moved = answer.get("updated_at") != audit.before.get("updated_at")
        wanted = self._client.http.redact(await self._wanted(audit))
        return _receipt(answer, wanted, tuple(wanted)) if moved else None

    async def _wanted(self, audit: PushAudit) -> dict[str, JSON]:
        """The state that the verdict asks for. A fix is a ``result``, or an answer with one in it."""
        wanted = {"last_action": WORDS[audit.result], "last_created_by": (await self._client.account())["id"]}
        if audit.result is AuditResult.FIXED:
            fixed = mapping(audit.fixed_response).get("result", audit.fixed_response)
            if not isinstance(fixed, list) or not all(isinstance(one, dict) for one in fixed):
                raise Refused("a fix is a list of regions, as `result` of an annotation holds it")
            wanted["result"] = fixed
        return wanted

    async def _answer(self, audit: PushAudit, task: PushTask) -> dict[str, JSON]:
        """The judged answer as it is now."""
        if audit.result not in WORDS:
            raise Refused(f"Label Studio takes {', '.join(WORDS)}, not {audit.result}")
        if audit.annotation is not None:
            raise Refused("Label Studio takes verdicts on whole answers, not on single marks")
        name = audit.submission or task.submission or ""
        if not name.isdecimal():
            raise Refused("Label Studio takes verdicts on people's answers, not on predictions or drafts")
        if not await self._client.community():
            raise Refused("this is no Community edition: its reviews cannot be written yet")
        found = await self._client.get("/api/annotations/{id}/", path={"id": name}, absent=(404,))
        if not isinstance(found, dict) or str(found.get("task")) != task.external_id:
            raise Refused("Label Studio no longer has this answer", status=404)
        return found


def _receipt(answer: Mapping[str, JSON], wanted: Mapping[str, JSON], names: Iterable[str]) -> Receipt | None:
    if "id" not in answer or any(answer.get(name) != wanted[name] for name in names):
        return None
    told = {name: answer.get(name) for name in (*_MARKED, "ground_truth")}
    return Receipt(
        external_id=audit_id(answer, text(wanted["last_created_by"])), details={"annotation": answer["id"], **told}
    )
