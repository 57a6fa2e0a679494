"""What a verdict means at Kili, and what of it is there already: pure, over an asset as Kili shows it.

Kili has no verdicts of its own (fact sheet ``platforms/kili.md`` §10): to accept or to fix is a REVIEW label, to
reject is to send back to the queue, to comment is an issue. Each effect is recognised by its place in a later picture
of the asset: it was not in the picture before the first try, it is by our account, and it says the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from connectors.coerce import many, mapping, text
from connectors.contract import PushAudit, PushError, PushTask
from connectors.documents import JSON, AuditResult, Submission
from connectors.errors import Refused
from connectors.kili.annotations import answers
from connectors.kili.labels import response_of
from connectors.kili.mapping import asset_documents

FINAL: Final = (AuditResult.ACCEPTED, AuditResult.FIXED)
"""Verdicts after which nobody has work: what they remark is an issue that is solved at once."""
_IN_QUEUE: Final = frozenset({"TODO", "ONGOING", "REWORK", "REDO", "SKIPPED"})

LOCKS: Final[Mapping[str, str]] = {
    "AlreadyHaveLabelOnCurrentStep": "our account has a label in this step already",
    "AssetAlreadyAssigned": "the asset is assigned to somebody else",
    "AssetAlreadyLocked": "somebody is working on the asset",
    "AssetInDoneStepStatus": "the step is done",
    "AssetInDoneStepStatusWithCorrectAction": "the step is done",
    "AssetInDoneStepStatusWithReviewAction": "the last review is done",
    "AssetInNextStepWithCorrectAction": "the asset has gone to the next step",
    "AssetLockedNoReason": "the asset is locked",
    "BlockedByEnforceStepSeparation": "our account has worked in another step of this asset",
    "LabelNotEditable": "the label cannot be edited",
    "NotAssignedWithAssignAction": "our account is not assigned to the asset",
    "NotInStepAssignees": "the asset is in no review step of our account",
}
"""Why Kili takes no label now (§4)."""


@dataclass(frozen=True, slots=True)
class Remark:
    """An issue to open: its text, and the mark it is about."""

    text: str
    mid: str | None = None


def picture(asset: Mapping[str, JSON], audit: PushAudit, task: PushTask, me: str) -> dict[str, JSON]:
    """What is there before the first try. Raises ``Refused`` for a verdict that Kili cannot take."""
    judged = _judged(asset, audit, task, me)
    label = _label(asset, judged)
    sent_back = [text(one.get("id")) for one in labels(asset) if one.get("isSentBackToQueue") is True]
    if audit.result is AuditResult.FIXED and not isinstance(audit.fixed_response, dict):
        raise Refused("Kili takes a corrected answer as an object of jobs only")
    if audit.result is AuditResult.ACCEPTED:
        if (text(mapping(asset.get("project")).get("inputType")) or "").startswith("LLM"):
            raise Refused("answers of LLM projects do not travel as jsonResponse, so a review cannot repeat them")
        if response(label) is None:
            raise Refused("the answer to accept cannot be read")
    if audit.result is AuditResult.REJECTED and (judged in sent_back or state(asset) in _IN_QUEUE):
        raise Refused("the asset is in the queue already, or skipped: there is nothing to send back")
    return {
        "judged": judged,
        "answer": digest(response(label)),
        "labels": [text(one.get("id")) for one in labels(asset)],
        "sent_back": sent_back,
        "issues": [text(one.get("id")) for one in issues(asset)],
    }


def remarks(audit: PushAudit, judged: str | None) -> list[Remark]:
    """The comment, and each error on its mark. Ids of ours, for marks that have none, mean nothing to Kili."""
    comment = (audit.comment or "").strip()
    found = [Remark(comment)] if comment else []
    for error in audit.errors:
        own = error.annotation is not None and judged is not None and error.annotation.startswith(f"{judged}/")
        found.append(Remark(words(error), None if own else error.annotation))
    return found


def opened(
    asset: Mapping[str, JSON], wanted: Sequence[Remark], audit: PushAudit, me: str
) -> tuple[list[Mapping[str, JSON]], list[Remark]]:
    """The issues that are there for remarks, one each, and the remarks that have none yet.

    Two remarks of one verdict that say the same of the same mark are told apart by their number alone.
    """
    before = set(many(audit.before.get("issues")))
    left = [one for one in issues(asset) if text(one.get("id")) not in before and _by(one, me)]
    found, missing = [], []
    for remark in wanted:
        issue = next((one for one in left if _says(one, remark)), None)
        if issue is None:
            missing.append(remark)
        else:
            left.remove(issue)
            found.append(issue)
    return found, missing


def reviewed(asset: Mapping[str, JSON], audit: PushAudit, me: str) -> str | None:
    """The id of the REVIEW label that is the verdict's."""
    before = set(many(audit.before.get("labels")))
    wanted = digest(audit.fixed_response) if audit.result is AuditResult.FIXED else audit.before.get("answer")
    for label in labels(asset):
        new = label.get("labelType") == "REVIEW" and text(label.get("id")) not in before and _by(label, me)
        if new and digest(response(label)) == wanted:
            return text(label.get("id"))
    return None


def sent_back(asset: Mapping[str, JSON], audit: PushAudit) -> str | None:
    """The label that shows that the asset was sent back: the one judged, or another that was not so before."""
    before = {*many(audit.before.get("sent_back")), None}
    new = [
        text(one.get("id"))
        for one in labels(asset)
        if one.get("isSentBackToQueue") is True and text(one.get("id")) not in before
    ]
    judged = text(audit.before.get("judged"))
    return judged if judged in new else next(reversed(new), None)


def accepted_response(asset: Mapping[str, JSON], audit: PushAudit) -> Mapping[str, JSON]:
    """The answer that an ACCEPTED repeats. Raises ``Refused`` when it is no longer the one that was judged."""
    answer = response(_label(asset, text(audit.before.get("judged"))))
    if answer is None or digest(answer) != audit.before.get("answer"):
        raise Refused("the answer was edited or deleted while the verdict was on its way")
    return answer


def words(error: PushError) -> str:
    """An error for people: issues have a text and nothing else."""
    severity = "" if error.severity == "UNSPECIFIED" else f" ({error.severity.lower()})"
    relabel = " → ".join(label for label in (error.original_label, error.fixed_label) if label)
    parts = [
        f"{error.type.capitalize()}{severity}" + (f": {relabel}" if relabel else ""),
        f"attribute {error.attribute}" if error.attribute else "",
        f"frame {error.frame}" if error.frame is not None else "",
        ", ".join(error.reasons),
        (error.comment or "").strip(),
    ]
    return "; ".join(part for part in parts if part)


def labels(asset: Mapping[str, JSON]) -> list[Mapping[str, JSON]]:
    return [mapping(label) for label in many(asset.get("labels")) if isinstance(label, dict)]


def issues(asset: Mapping[str, JSON]) -> list[Mapping[str, JSON]]:
    return [mapping(issue) for issue in many(asset.get("issues")) if isinstance(issue, dict)]


def state(asset: Mapping[str, JSON]) -> str | None:
    return text(mapping(asset.get("currentStep")).get("status")) or text(asset.get("status"))


def response(label: Mapping[str, JSON] | None) -> Mapping[str, JSON] | None:
    try:
        return None if label is None else response_of(label)
    except ValueError:
        return None


def digest(answer: JSON) -> str | None:
    """Of what is an answer in a response; 1 and 1.0 are the same number."""
    if not isinstance(answer, dict):
        return None
    return hashlib.sha256(json.dumps(_plain(answers(answer)), sort_keys=True).encode()).hexdigest()[:24]


def _judged(asset: Mapping[str, JSON], audit: PushAudit, task: PushTask, me: str) -> str | None:
    """The label that the verdict is about: the present answer, which must be the one that was seen, or ours."""
    answer = next(
        (one for one in asset_documents(asset).documents if isinstance(one, Submission) and one.is_current is True),
        None,
    )
    current = answer.external_id if answer else None
    known = [text(label.get("id")) for label in labels(asset)]
    if audit.result is AuditResult.COMMENTED:
        return audit.submission if audit.submission in known else current
    if current is None and audit.result is not AuditResult.FIXED:
        raise Refused("the asset has no answer to judge")
    present = _label(asset, current) or {}
    ours = present.get("labelType") == "REVIEW" and _by(present, me)
    named = audit.submission if audit.submission in known else None
    if named not in (None, current) or (named is None and task.submission not in (None, current) and not ours):
        raise Refused("the asset has another answer now than the one that was judged: sync, and judge again")
    return current


def _label(asset: Mapping[str, JSON], label_id: str | None) -> Mapping[str, JSON] | None:
    return next((label for label in labels(asset) if label_id and text(label.get("id")) == label_id), None)


def _by(record: Mapping[str, JSON], me: str) -> bool:
    """Projects may hide who did what (§15): then nothing speaks against us."""
    author = text(mapping(record.get("author")).get("id"))
    return author in (None, me)


def _says(issue: Mapping[str, JSON], remark: Remark) -> bool:
    first = mapping(next(iter(many(issue.get("comments"))), None))
    return (text(first.get("text")) or "").strip() == remark.text and text(issue.get("objectMid")) == remark.mid


def _plain(value: JSON) -> JSON:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
