"""A Kili asset, with everything inside it, as documents. Pure: exports and the live connector share it.

An asset is one ``Asset`` and one ``Task`` with the same external id; its labels are submissions, annotations and
audits (labels.py), its issues comments (issues.py). ``raw`` of the asset and of its submissions hold the object as it
came, stored once (raw.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from connectors.coerce import many, mapping, text
from connectors.documents import JSON, UNSET, Annotation, Annotator, Asset, InputType, Kind, Maybe, Ref, Task
from connectors.errors import SkipRecord
from connectors.kili.annotations import Answer
from connectors.kili.fields import Fields, Mapped, lenient, show, stated
from connectors.kili.inputs import content_url, guess, project_input, unit
from connectors.kili.issues import issue_documents
from connectors.kili.labels import label_documents
from connectors.kili.names import asset_id
from connectors.kili.people import assignee_document, members
from connectors.kili.projects import jobs
from connectors.kili.raw import LABEL_KEYS, apart
from connectors.kili.status import progress

People: TypeAlias = dict[tuple[str, str], Annotator]
"""Annotators by external id and facet."""


@dataclass(frozen=True, slots=True)
class _Subject:
    """What the asset, its task and everything in it share."""

    id: str
    campaign: str | None
    name: str
    updated_at: Maybe[datetime | None]
    input_type: InputType | None
    fields: Fields
    project: JSON


def asset_documents(asset: JSON, *, campaign: str | None = None, project: JSON = None, where: str = "") -> Mapped:
    """Everything an asset says; ``project`` (as the API gives it) sharpens status, phase, input type and unit.

    ``campaign`` is the campaign's external id where the asset does not name its own project. Raises ``SkipRecord`` for
    what is no asset: no object, or one without id and ``externalId``.
    """
    mapped = Mapped()
    subject = _subject(asset, campaign, project, where, mapped)
    fields = subject.fields
    parts = apart(asset, subject.id)
    for key, stray in parts.strays:
        fields.report(key.partition("[")[0], f"{key}: expected a label, found {show(stray)}")
    answer = Answer(
        submission="",
        task=subject.id,
        campaign=subject.campaign,
        unit=unit(asset, subject.input_type),
        frames=None if subject.input_type is None else subject.input_type is InputType.VIDEO,
        jobs=jobs(project),
    )
    labels = label_documents(parts.labels, answer, fields.where)
    issues = _issues(subject, labels)
    people: People = {}
    rest = [
        document
        for document in (*labels.documents, *issues.documents)
        if not (isinstance(document, Annotator) and _meet(people, document))
    ]
    assignees = _assignees(subject, people)
    children = _children(asset, complete=not (parts.strays or labels.skipped or issues.skipped))
    mapped.documents = [
        *people.values(),
        _asset(subject, labels, parts.raw),
        _task(subject, assignees, children),
        *rest,
    ]
    mapped.skipped += [*labels.skipped, *issues.skipped]
    return mapped


def marks_by_mid(mapped: Mapped) -> dict[str, str]:
    """Annotation ids by ``mid``: of the current answer where it has the mark, else of the newest that has it."""
    marks = [document for document in mapped.documents if isinstance(document, Annotation) and document.native_id]
    marks.sort(key=lambda mark: mark.is_current is True)
    return {str(mark.native_id): mark.external_id for mark in marks}


def _subject(asset: JSON, campaign: str | None, project: JSON, where: str, mapped: Mapped) -> _Subject:
    if not isinstance(asset, dict):
        raise SkipRecord(f"expected an asset, found {show(asset)}", where=where or None, raw=asset)
    campaign = text(mapping(asset.get("project")).get("id")) or campaign
    external_id = asset_id(asset, campaign)
    if external_id is None:
        reason = "this object is no asset: it has neither id nor externalId"
        raise SkipRecord(reason, where=where or None, field="id", raw=asset)
    place = f"{where}, asset {external_id}" if where else f"asset {external_id}"
    fields = Fields(asset, place, external_id, mapped.skipped)
    return _Subject(
        id=external_id,
        campaign=campaign,
        name=stated(fields.text("externalId")) or external_id,
        updated_at=fields.moment("updatedAt"),
        input_type=project_input(project),
        fields=fields,
        project=project,
    )


def _asset(subject: _Subject, labels: Mapped, raw: Mapping[str, JSON]) -> Asset:
    fields = subject.fields
    asset = fields.record
    marks = (document for document in labels.documents if isinstance(document, Annotation))
    guessed = None if subject.input_type else guess(asset, marks)
    return Asset(
        external_id=subject.id,
        assumed=frozenset({"input_type"}) if guessed else frozenset(),
        raw=dict(raw),
        source_updated_at=subject.updated_at,
        campaign=subject.campaign,
        name=subject.name,
        input_type=subject.input_type or guessed or UNSET,
        content_url=content_url(asset) if "content" in asset else UNSET,
        metadata=lenient(asset["jsonMetadata"]) if "jsonMetadata" in asset else UNSET,
        is_honeypot=fields.flag("isHoneypot"),
        used_for_consensus=fields.flag("isUsedForConsensus"),
    )


def _task(subject: _Subject, assignees: Maybe[tuple[str, ...]], children: frozenset[Kind]) -> Task:
    fields = subject.fields
    reached = progress(fields.record, subject.project)
    return Task(
        external_id=subject.id,
        raw_of=Ref(Kind.ASSET, subject.id),
        children=children,
        source_updated_at=subject.updated_at,
        campaign=subject.campaign,
        asset=subject.id,
        assets=(subject.id,),
        asset_name=subject.name,
        phase=reached.phase,
        type=text(mapping(subject.project).get("inputType")) or UNSET,
        status=reached.status,
        native_status=reached.native_status,
        priority=fields.integer("priority"),
        assignees=assignees,
        labeling_seconds=fields.number("totalSecondsToLabel"),
        consensus_score=fields.number("consensusMark"),
        honeypot_score=fields.number("honeypotMark"),
        created_at=fields.moment("createdAt"),
        updated_at=subject.updated_at,
    )


def _assignees(subject: _Subject, people: People) -> Maybe[tuple[str, ...]]:
    fields = subject.fields
    if "toBeLabeledBy" not in fields.record:
        return UNSET
    entries = fields.record["toBeLabeledBy"]
    if entries is not None and not isinstance(entries, list):
        fields.report("toBeLabeledBy", f"expected a list of people, found {show(entries)}")
        return UNSET
    found: list[str] = []
    known = (*people.values(), *members(subject.project))
    for entry in entries or []:
        if person := assignee_document(entry, known):
            _meet(people, person)
            found.append(person.external_id)
        else:
            fields.report("toBeLabeledBy", f"expected an id or an e-mail, found {show(entry)}")
    return tuple(dict.fromkeys(found))


def _issues(subject: _Subject, labels: Mapped) -> Mapped:
    """The issues inside an asset, each on the mark that its ``objectMid`` names."""
    mapped = Mapped()
    issues = subject.fields.record.get("issues")
    if issues is None:
        return mapped
    marks = marks_by_mid(labels)
    told_in = Ref(Kind.ASSET, subject.id)
    fields = Fields(subject.fields.record, subject.fields.where, subject.id, mapped.skipped)
    seen: set[str | None] = set()
    for issue in many(issues):
        if not isinstance(issue, dict):
            fields.report("issues", f"expected an issue, found {show(issue)}")
        elif (issue_id := text(issue.get("id"))) in seen:
            fields.report("issues", f"the issue {issue_id} stands here more than once; the first one was kept")
        else:
            seen.add(issue_id)
            mapped.extend(
                issue_documents(issue, campaign=subject.campaign, asset=subject.id, marks=marks, described_in=told_in)
            )
    return mapped


def _children(asset: Mapping[str, JSON], *, complete: bool) -> frozenset[Kind]:
    """What of the task this object holds whole, so that the store may drop the rest.

    Exports of the latest labels count too: what they leave out has been replaced, and must not stay current. Not so
    when a label cannot be read: it may be one that was known before.
    """
    kinds: set[Kind] = set()
    if complete and any(key in asset for key in LABEL_KEYS):
        kinds |= {Kind.SUBMISSION, Kind.ANNOTATION, Kind.AUDIT}
    if complete and asset.get("issues") is not None:
        kinds.add(Kind.COMMENT)
    return frozenset(kinds)


def _meet(people: People, person: Annotator) -> bool:
    people.setdefault((person.external_id, person.facet), person)
    return True
