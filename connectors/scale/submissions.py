"""The answers of a task: its response, those that fixes replaced, and which audit judged and made which.

Scale appends the old response to ``prior_responses`` at each fix (fact sheet §5.2), so an answer keeps its place and
its id. Where there are as many fixes as prior responses, going through the audits from the oldest tells which answer
each one judged and which one it left; else nothing is said about that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from connectors.coerce import many, mapping, moment, number
from connectors.documents import JSON, AuditResult, Kind, Ref, Submission, SubmissionKind
from connectors.scale.audit_fields import AUDIT, field
from connectors.scale.audits import Judged, auditor, records, result


@dataclass(frozen=True, slots=True)
class Answer:
    """One response; ``made_by`` is the audit record that left it."""

    external_id: str
    position: int
    response: JSON
    is_current: bool
    made_by: Mapping[str, JSON] | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """Oldest first; ``judged`` by position in the task's list of audits."""

    all: Sequence[Answer]
    judged: Mapping[int, Judged]


def answers(task: Mapping[str, JSON], task_id: str) -> Answers:
    """The answers of a task, and what its audits did to them. A task in error has no current one."""
    older = many(task.get("prior_responses"))
    current = None if task.get("status") == "error" else task.get("response")
    responses = [*older, *([] if current is None else [current])]
    found = [
        Answer(f"{task_id}/responses/{position}", position, response, is_current=position == len(older))
        for position, response in enumerate(responses)
    ]
    return _history(found, records(task), moment(task.get("completed_at"))) or Answers(found, {})


def _history(
    found: Sequence[Answer], audits: Sequence[Mapping[str, JSON]], completed_at: datetime | None
) -> Answers | None:
    when = [moment(field(record, AUDIT["at"])) for record in audits]
    times = [time for time in when if time]
    fixes = sum(result(record) is AuditResult.FIXED for record in audits)
    if not found or not found[-1].is_current or fixes != len(found) - 1 or len(times) != len(when):
        return None
    out, judged, at = list(found), dict[int, Judged](), 0
    for index in sorted(range(len(audits)), key=lambda index: (times[index], -index)):
        fixed = result(audits[index]) is AuditResult.FIXED
        # An older verdict is about an answer that a recalled task no longer has.
        if completed_at is None or times[index] >= completed_at:
            judged[index] = Judged(out[at].external_id, out[at + 1].response if fixed else None)
        if fixed:
            at += 1
            out[at] = replace(out[at], made_by=audits[index])
    return Answers(out, judged)


def submission_documents(
    task: Mapping[str, JSON], task_id: str, campaign: str | None, found: Sequence[Answer]
) -> list[Submission]:
    return [
        Submission(
            external_id=answer.external_id,
            raw_of=Ref(Kind.TASK, task_id),
            task=task_id,
            campaign=campaign,
            author=who.external_id if answer.made_by and (who := auditor(answer.made_by)) else None,
            submission_kind=SubmissionKind.FIX if is_fix(answer) else SubmissionKind.DEFAULT,
            position=answer.position,
            is_current=answer.is_current,
            submitted_at=_submitted_at(task, answer),
            labeling_seconds=labeling_seconds(answer.response),
            response=answer.response,
        )
        for answer in found
    ]


def is_fix(answer: Answer) -> bool:
    """Scale's own word where it has one (§4, ``is_customer_fix``), else whether a fixing audit left the answer."""
    said = mapping(answer.response).get("is_customer_fix")
    return said if isinstance(said, bool) else answer.made_by is not None


def labeling_seconds(response: JSON) -> float | None:
    """Only data collection tells it (§4, response shapes)."""
    return number(mapping(response).get("time_spent_in_seconds"))


def _submitted_at(task: Mapping[str, JSON], answer: Answer) -> datetime | None:
    if answer.made_by is not None:
        return moment(field(answer.made_by, AUDIT["at"]))
    return moment(task.get("completed_at")) if answer.is_current and not is_fix(answer) else None
