"""One Label Studio task, or project, as documents (fact sheet ``platforms/labelstudio.md`` §5, §8): pure and total.

An annotation of Label Studio is an answer (``Submission``), each item of its ``result`` a mark. Answers of several
people stand side by side: the marks of all that were not skipped count, and the newest answer is the current one.
A verdict is a state of an answer (``last_action``) and has no id and no time of its own.
"""

import mimetypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

from connectors.coerce import flag, many, mapping, moment, number, text
from connectors.documents import (
    JSON,
    Annotation,
    Annotator,
    AnnotatorKind,
    AnyDocument,
    Asset,
    Audit,
    AuditResult,
    Campaign,
    CampaignStatus,
    Confidence,
    InputType,
    Kind,
    Ref,
    ReviewStatus,
    Submission,
    SubmissionKind,
    Task,
    TaskStatus,
)
from connectors.errors import SkipRecord
from connectors.labelstudio.shapes import labels, span, values

VERDICTS: Final = {
    "accepted": AuditResult.ACCEPTED,
    "rejected": AuditResult.REJECTED,
    "fixed_and_accepted": AuditResult.FIXED,
}
INPUTS: Final = {
    "Image": InputType.IMAGE,
    "Audio": InputType.AUDIO,
    "AudioPlus": InputType.AUDIO,
    "Video": InputType.VIDEO,
    "Text": InputType.TEXT,
    "HyperText": InputType.TEXT,
    "Paragraphs": InputType.TEXT,
    "TimeSeries": InputType.TABULAR,
    "Table": InputType.TABULAR,
    "Chat": InputType.CHAT,
    "Pdf": InputType.DOCUMENT,
}
_KINDS: Final = (
    ("annotations", "", SubmissionKind.DEFAULT),
    ("predictions", "prediction-", SubmissionKind.PREDICTION),
    ("drafts", "draft-", SubmissionKind.AUTOSAVE),
)


def person(user: JSON) -> str | None:
    """The id of a user, who comes as an id or as an object (§3)."""
    return text(mapping(user).get("id")) or text(user)


def annotator(user: Mapping[str, JSON]) -> Annotator:
    names = [name for key in ("first_name", "last_name") if (name := text(user.get(key)))]
    name, email = " ".join(names) or text(user.get("username")), text(user.get("email"))
    return Annotator(
        external_id=str(user["id"]), raw=dict(user), name=name, email=email, annotator_kind=AnnotatorKind.HUMAN
    )


def project_document(project: Mapping[str, JSON], url: str) -> Campaign:
    controls = [mapping(one) for one in mapping(project.get("parsed_label_config")).values()]
    words = [word for one in controls for said in many(one.get("labels")) if (word := text(said))]
    number_of, done = project.get("task_number"), project.get("finished_task_number")
    status = CampaignStatus.COMPLETED if number_of and number_of == done else CampaignStatus.OPEN
    return Campaign(
        external_id=str(project["id"]),
        raw=dict(project),
        url=f"{url}/projects/{project['id']}",
        name=text(project.get("title")) or "",
        description=text(project.get("description")),
        status=CampaignStatus.DRAFT if project.get("is_draft") else status,
        native_status=text(project.get("state")),
        input_type=_input(project)[0],
        label_set=tuple(dict.fromkeys(words)),
        created_at=moment(project.get("created_at")),
    )


@dataclass(frozen=True, slots=True)
class Context:
    """What a task does not say: the server's address, its users' ids by e-mail (drafts know no more), our own id."""

    url: str = ""
    people: Mapping[str, str] = field(default_factory=dict)
    account: str | None = None


def task_documents(task: JSON, project: Mapping[str, JSON], context: Context) -> list[AnyDocument]:
    """A task with its asset, answers, marks and verdicts. Raises ``SkipRecord`` for what is no task."""
    found = mapping(task)
    task_id = text(found.get("id"))
    if task_id is None or not isinstance(found.get("annotations"), list):
        reason = "not a task of Label Studio: it has no id, or no list of annotations"
        raise SkipRecord(reason, external_id=task_id, raw=task)
    campaign = text(found.get("project"))
    answers = list(_answers(found, task_id, campaign, context.people))
    done = [one for one, _ in answers if one.submission_kind is SubmissionKind.DEFAULT and not one.skipped]
    live = {one.external_id: one for one in done}
    current = next(reversed(live), None)
    marks = list[Annotation]()
    for position, (answer, said) in enumerate(answers):
        answers[position] = (replace(answer, position=position, is_current=answer.external_id == current), said)
        marks += _marks(said, answer, is_current=answer.external_id in live)
    judged = [(said, one) for one, said in answers if one.external_id in live and one.native_kind in VERDICTS]
    asset = _asset(found, task_id, campaign, project, context.url)
    listed = [one for key, _, _ in _KINDS for one in many(found.get(key))]
    whole = all(isinstance(one, dict) for one in listed)  # an export names predictions by id only (§7)
    status, native = _status(found, answers=len(live))
    return [
        asset,
        Task(
            external_id=task_id,
            raw=task,
            children=frozenset({Kind.SUBMISSION, Kind.ANNOTATION, Kind.AUDIT} if whole else {Kind.AUDIT}),
            source_updated_at=moment(found.get("updated_at")),
            url=f"{context.url}/projects/{campaign}/data?task={task_id}" if context.url and campaign else None,
            campaign=campaign,
            asset=task_id,
            assets=(task_id,),
            asset_name=str(asset.name),
            status=status,
            native_status=native,
            review_status=_review_status([said for said, _ in judged]) if live else None,
            labeling_seconds=live[current].labeling_seconds if current else None,
            metadata=found.get("meta"),
            created_at=moment(found.get("created_at")),
            updated_at=moment(found.get("updated_at")),
            completed_at=moment(found.get("completed_at")),
        ),
        *(answer for answer, _ in answers),
        *marks,
        *(_audit(said, answer, context.account) for said, answer in judged),
    ]


def audit_id(annotation: Mapping[str, JSON], account: str | None) -> str:
    """A verdict replaces the one before it. Ours on an answer are one record; another's is known by what it says."""
    judge = person(annotation.get("last_created_by"))
    ours = judge is not None and judge == account
    return str(annotation["id"]) if ours else f"{annotation['id']}/{annotation['last_action']}/{judge or ''}"


def _answers(
    task: Mapping[str, JSON], task_id: str, campaign: str | None, people: Mapping[str, str]
) -> Iterator[tuple[Submission, Mapping[str, JSON]]]:
    """Oldest first."""
    found = {
        f"{prefix}{name}": (mapping(one), kind)
        for key, prefix, kind in _KINDS
        for one in many(task.get(key))
        if (name := text(mapping(one).get("id")))
    }
    for name in sorted(found, key=lambda name: (str(found[name][0].get("created_at")), len(name), name)):
        said, kind = found[name]
        email = text(said.get("user"))
        yield (
            Submission(
                external_id=name,
                raw_of=Ref(Kind.TASK, task_id),
                source_updated_at=moment(said.get("updated_at")),
                task=task_id,
                campaign=campaign,
                author=person(said.get("completed_by")) or (people.get(email) if email else None),
                submission_kind=kind,
                native_kind=text(said.get("last_action")),
                skipped=flag(said.get("was_cancelled")) or False,
                submitted_at=moment(said.get("created_at")),
                labeling_seconds=number(said.get("lead_time")),
                model_name=text(said.get("model_version")),
                response=said.get("result"),
            ),
            said,
        )


def _marks(said: Mapping[str, JSON], answer: Submission, *, is_current: bool) -> Iterator[Annotation]:
    taken = set[str]()
    for position, one in enumerate(many(said.get("result"))):
        item = mapping(one)
        region = "/".join(filter(None, (text(item.get("id")) or f"#{position}", text(item.get("from_name")))))
        for suffix, value in values(item or {"value": one}):
            name, again = region + suffix, count(2)
            while name in taken:
                name = f"{region}{suffix}~{next(again)}"
            taken.add(name)
            score, note = number(item.get("score")), mapping(item.get("meta")).get("text")
            yield Annotation(
                external_id=f"{answer.external_id}/{name}",
                raw_of=answer.raw_of,
                task=answer.task,
                asset=answer.task,
                campaign=answer.campaign,
                submission=answer.external_id,
                author=answer.author,
                native_id=text(item.get("id")),
                is_current=is_current,
                label=next(iter(labels(item)), None),
                value=value,
                confidence=None if score is None else Confidence(level=score),
                comment="\n".join(line for line in many(note) if isinstance(line, str)) or None,
                time_span=span(item),
                attributes={key: told for key, told in item.items() if key not in ("id", "value")},
            )


def _audit(said: Mapping[str, JSON], answer: Submission, account: str | None) -> Audit:
    word = str(said["last_action"])
    return Audit(
        external_id=audit_id(said, account),
        raw_of=answer.raw_of,
        task=answer.task,
        campaign=answer.campaign,
        submission=answer.external_id,
        author=answer.author,
        result=VERDICTS[word],
        native_result=word,
        auditor=person(said.get("last_created_by")),
        fixed_response=answer.response if VERDICTS[word] is AuditResult.FIXED else None,
    )


def _review_status(judged: list[Mapping[str, JSON]]) -> ReviewStatus:
    """A verdict stays when the author changes the answer later (§8): then nobody has reviewed what is there now."""
    for said in judged:
        author = person(said.get("completed_by"))
        if author != person(said.get("last_created_by")) and author == person(said.get("updated_by")):
            return ReviewStatus.NOT_REVIEWED
    results = {VERDICTS[said["last_action"]].value for said in judged}
    return ReviewStatus.MIXED if len(results) > 1 else ReviewStatus(results.pop() if results else "NOT_REVIEWED")


def _status(task: Mapping[str, JSON], *, answers: int) -> tuple[TaskStatus, str | None]:
    """Label Studio keeps no word for it (§5). Exports do not say ``is_labeled``: there an answer counts as enough."""
    cancelled = any(mapping(one).get("was_cancelled") for one in many(task.get("annotations")))
    if cancelled and not answers:
        return TaskStatus.CANCELED, "skipped"
    if answers and task.get("is_labeled", True):
        return TaskStatus.COMPLETED, "labeled"
    begun = answers or task.get("draft_exists") or task.get("drafts")
    return (TaskStatus.IN_PROGRESS, "started") if begun else (TaskStatus.PENDING, None)


def _asset(
    task: Mapping[str, JSON], task_id: str, campaign: str | None, project: Mapping[str, JSON], url: str
) -> Asset:
    input_type, key = _input(project)
    data = mapping(task.get("data"))
    place = text(data.get(key)) or next((one for one in data.values() if isinstance(one, str) and "/" in one), "")
    path = urlsplit(place).path if "/" in place and not any(map(str.isspace, place)) else ""
    if not key:  # an export has no label configuration
        family = (mimetypes.guess_type(path)[0] or "").partition("/")[0]
        input_type = InputType(family.upper()) if family in ("image", "audio", "video", "text") else InputType.OTHER
    local = url + place if url and place.startswith("/data/") else None
    return Asset(
        external_id=task_id,
        raw_of=Ref(Kind.TASK, task_id),
        campaign=campaign,
        name=unquote(PurePosixPath(path).name) or f"Task {task_id}",
        input_type=input_type,
        content_url=place if place.startswith(("https://", "http://")) else local,
        metadata=dict(data),
    )


def _input(project: Mapping[str, JSON]) -> tuple[InputType, str]:
    """What is labelled, and under which key of ``data``: the first object that a control is about."""
    for control in mapping(project.get("parsed_label_config")).values():
        for one in many(mapping(control).get("inputs")):
            kind = text(mapping(one).get("type")) or ""
            return INPUTS.get(kind, InputType.OTHER), text(mapping(one).get("value")) or ""
    return InputType.OTHER, ""
