"""The labels of one asset as submissions, annotations and audits.

All labels of an asset are mapped together, since an answer is current, counted and judged only beside the others:

- ``position`` counts by ``createdAt``; current is the newest label that is neither draft nor model output, a REVIEW
  before a DEFAULT of the same time.
- A REVIEW label accepts or edits work (fact sheet §10): it is an answer of its own and, beside that, an audit of
  the label it refers to, else of the answer that was current until then. FIXED when it differs, ACCEPTED when it
  repeats it, UNKNOWN when the export does not hold what was judged.
- ``isSentBackToQueue`` marks answers that a send back made invalid (§10): an audit REJECTED; Kili keeps neither
  its time nor who did it.
- The author of a PREDICTION or INFERENCE that names its model is the model; who uploaded it stays in ``raw``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from connectors.coerce import text
from connectors.documents import (
    JSON,
    Annotator,
    AnyDocument,
    Audit,
    AuditOrigin,
    AuditResult,
    Kind,
    Maybe,
    Ref,
    Submission,
    SubmissionKind,
)
from connectors.kili.annotations import Answer, answers, marks
from connectors.kili.fields import Fields, Mapped, decoded, show, stated
from connectors.kili.people import author_document, model_document

KINDS: Final[Mapping[str, SubmissionKind]] = {
    "DEFAULT": SubmissionKind.DEFAULT,
    "REVIEW": SubmissionKind.REVIEW,
    "PREDICTION": SubmissionKind.PREDICTION,
    "INFERENCE": SubmissionKind.PREDICTION,
    "AUTOSAVE": SubmissionKind.AUTOSAVE,
}
"""Kili's label types (fact sheet §11)."""

_NOT_ANSWERS: Final = frozenset({SubmissionKind.PREDICTION, SubmissionKind.AUTOSAVE})
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Label:
    """A label on its way: ``response`` is None where there is none or it cannot be read."""

    record: Mapping[str, JSON]
    submission: Submission
    people: tuple[Annotator, ...]
    response: Mapping[str, JSON] | None
    seconds: Maybe[float | None]

    @property
    def kind(self) -> Maybe[SubmissionKind]:
        return self.submission.submission_kind

    @property
    def rank(self) -> tuple[datetime, bool]:
        return stated(self.submission.submitted_at) or _LONG_AGO, self.kind is SubmissionKind.REVIEW


def label_documents(labels: Sequence[tuple[str, Mapping[str, JSON]]], answer: Answer, where: str) -> Mapped:
    """All labels of an asset with their external ids, in Kili's order; ``answer`` is what they share."""
    mapped = Mapped()
    read = [_read(external_id, label, answer, f"{where}, label {external_id}", mapped) for external_id, label in labels]
    ordered = sorted(read, key=lambda label: label.rank)
    current = _current(ordered)
    for position, label in enumerate(ordered):
        submission = replace(label.submission, position=position, is_current=label is current)
        mapped.documents += [*label.people, submission]
        if label.response is not None:
            its = replace(
                answer,
                submission=submission.external_id,
                author=stated(submission.author),
                is_current=label is current,
            )
            mapped.documents += marks(label.response, its)
    for position, label in enumerate(ordered):
        mapped.documents += _audits(label, ordered, position)
    return mapped


def response_of(label: Mapping[str, JSON]) -> Mapping[str, JSON] | None:
    """``jsonResponse``, an object or its text; None for no answer. Raises ``ValueError`` for anything else."""
    value = label.get("jsonResponse")
    try:
        response = decoded(value)
    except ValueError as error:
        raise ValueError(f"text that is no JSON ({error})") from error
    if response is not None and not isinstance(response, dict):
        raise ValueError(f"expected an object of jobs, found {show(response)}")
    return response


def _read(external_id: str, label: Mapping[str, JSON], answer: Answer, where: str, mapped: Mapped) -> _Label:
    fields = Fields(label, where, external_id, mapped.skipped)
    try:
        response = response_of(label)
    except ValueError as error:
        fields.report("jsonResponse", f"{error}; the label is kept without annotations")
        response = None
    if response is None and "jsonResponse" not in label and text(label.get("jsonResponseUrl")):
        fields.report("jsonResponseUrl", "the answer lies behind this link and is not in the file")
    native, skipped = fields.text("labelType"), fields.flag("skipped")
    kind = KINDS.get(stated(native) or "", SubmissionKind.DEFAULT)
    model = stated(fields.text("modelName"))
    uploader = author_document(label.get("author"))
    author = model_document(model) if model and kind is SubmissionKind.PREDICTION else uploader
    submission = Submission(
        external_id=external_id,
        raw=dict(label),
        task=answer.task,
        campaign=answer.campaign,
        author=author.external_id if author else None,
        submission_kind=kind,
        native_kind=native,
        skipped=False if skipped is None else skipped,
        submitted_at=fields.moment("createdAt"),
        labeling_seconds=fields.number("secondsToLabel"),
        model_name=model,
        source_updated_at=fields.moment("updatedAt"),
        response=label.get("jsonResponse") if response is None else response,
    )
    people = tuple({person.external_id: person for person in (uploader, author) if person}.values())
    return _Label(label, submission, people, response, submission.labeling_seconds)


def _current(ordered: Sequence[_Label]) -> _Label | None:
    return next((label for label in reversed(ordered) if label.kind not in _NOT_ANSWERS), None)


def _audits(label: _Label, ordered: Sequence[_Label], position: int) -> list[AnyDocument]:
    found: list[AnyDocument] = []
    submission = label.submission
    shared = Audit(
        external_id="",
        raw_of=Ref(Kind.SUBMISSION, submission.external_id),
        task=submission.task,
        campaign=submission.campaign,
        origin=AuditOrigin.PLATFORM,
    )
    if label.kind is SubmissionKind.REVIEW:
        judged = _referred(label, ordered) or _current(ordered[:position])
        result = _result(label, judged)
        found.append(
            replace(
                shared,
                external_id=f"{submission.external_id}/review",
                submission=judged.submission.external_id if judged else None,
                author=judged.submission.author if judged else None,
                result=result,
                native_result="REVIEW",
                auditor=submission.author,
                fixed_response=submission.response if result is AuditResult.FIXED else None,
                duration_seconds=label.seconds,
                audited_at=submission.submitted_at,
            )
        )
    if label.record.get("isSentBackToQueue") is True:
        found.append(
            replace(
                shared,
                external_id=f"{submission.external_id}/sent-back",
                submission=submission.external_id,
                author=submission.author,
                result=AuditResult.REJECTED,
                native_result="isSentBackToQueue",
                auditor=None,
                audited_at=None,
            )
        )
    return found


def _referred(label: _Label, ordered: Sequence[_Label]) -> _Label | None:
    """The label that a review names by itself: uploads say ``referencedLabelId`` (fact sheet §7)."""
    wanted = text(label.record.get("referencedLabelId"))
    others = (other for other in ordered if other is not label)
    return next((other for other in others if wanted and text(other.record.get("id")) == wanted), None)


def _result(review: _Label, judged: _Label | None) -> AuditResult:
    if judged is None or review.response is None or judged.response is None:
        return AuditResult.UNKNOWN
    try:
        same = answers(review.response) == answers(judged.response)
    except RecursionError:
        return AuditResult.UNKNOWN
    return AuditResult.ACCEPTED if same else AuditResult.FIXED
