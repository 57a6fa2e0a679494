"""The ``where`` inputs as predicates (fact sheet §6). null and {} say nothing, so they filter nothing.

A where compiles to the checks it really asks for; no check at all means that a list can be used as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeAlias, TypeVar

from connectors.kili.sandbox.marks import category_counts, parse
from connectors.kili.sandbox.scalars import Moment
from connectors.kili.sandbox.search import compile_search
from connectors.kili.sandbox.store import Asset, Issue, Label, Member, Project
from connectors.kili.sandbox.workflow import STEP_ALIASES, status_of

Where: TypeAlias = Mapping[str, Any]
Check: TypeAlias = Callable[[Any], bool]
Builder: TypeAlias = Callable[[Any], Check]
R = TypeVar("R")


def compact(where: Where) -> dict[str, Any]:
    """Without nulls and empty objects, at every depth. An empty list stays: it matches nothing."""
    kept: dict[str, Any] = {}
    for key, value in where.items():
        plain = compact(value) if isinstance(value, Mapping) and key != "metadata" else value
        if plain is not None and plain != {}:
            kept[key] = plain
    return kept


def checks(kind: str, where: Where) -> list[Check]:
    """The checks of a compact where; ``kind`` names the record: asset, label, issue, project, user or member."""
    builders = _BUILDERS[kind]
    return [builders[key](value) for key, value in where.items() if key in builders]


def matching(records: Iterable[R], conditions: Sequence[Check]) -> list[R]:
    return [record for record in records if fits(record, conditions)]


def fits(record: Any, conditions: Sequence[Check]) -> bool:
    return all(condition(record) for condition in conditions)


def member_status(member: Member) -> str:
    if not member.user.activated:
        return "ORG_SUSPENDED"
    return "ORG_ADMIN" if member.user.organization_role == "ADMIN" else "ACTIVATED"


# --- builders -----------------------------------------------------------------------------------------------------


def _is(get: Callable[[Any], Any]) -> Builder:
    return lambda wanted: lambda record: bool(get(record) == wanted)


def _in(get: Callable[[Any], Any], *, negate: bool = False) -> Builder:
    def build(wanted: Iterable[str]) -> Check:
        known = frozenset(wanted)
        return lambda record: (get(record) in known) is not negate

    return build


def _any_in(get: Callable[[Any], Iterable[str]], *, negate: bool = False) -> Builder:
    def build(wanted: Iterable[str]) -> Check:
        known = frozenset(wanted)
        return lambda record: known.isdisjoint(get(record)) is negate

    return build


def _gte(name: str) -> Builder:
    """Marks that are null and dates that do not exist never pass."""

    def build(limit: Any) -> Check:
        bound = limit.start if isinstance(limit, Moment) else limit
        return lambda record: (value := getattr(record, name)) is not None and bool(value >= bound)

    return build


def _lte(name: str) -> Builder:
    def build(limit: Any) -> Check:
        bound = limit.start if isinstance(limit, Moment) else limit
        return lambda record: (value := getattr(record, name)) is not None and bool(value <= bound)

    return build


def _nested(kind: str, get: Callable[[Any], Any]) -> Builder:
    """The record that ``get`` gives meets a where of its own."""

    def build(where: Where) -> Check:
        inner = checks(kind, where)
        return lambda record: fits(get(record), inner)

    return build


def _some(kind: str, get: Callable[[Any], Iterable[Any]]) -> Builder:
    """One of the records that ``get`` gives meets all of the where (documented for labels)."""

    def build(where: Where) -> Check:
        inner = checks(kind, where)
        return lambda record: any(fits(each, inner) for each in get(record))

    return build


def _on_day(moment: Moment) -> Check:
    """A day asks for that day, an instant for that instant."""
    end = moment.start + (timedelta(days=1) if moment.day else timedelta(milliseconds=1))
    return lambda record: bool(moment.start <= record.created_at < end)


def _by_role(label_type: str, *, negate: bool = False) -> Builder:
    def build(ids: Iterable[str]) -> Check:
        known = frozenset(ids)
        return lambda label: label.label_type == label_type and (label.author.id in known) is not negate

    return build


def _search(text: str) -> Check:
    predicate = compile_search(text)
    return lambda label: predicate(category_counts(parse(label)))


def _metadata(wanted: Where) -> Check:
    """Scalar: equals. Texts: any of. Two numbers: between (documented)."""

    def agrees(value: Any, condition: Any) -> bool:
        if not isinstance(condition, list):
            return bool(value == condition)
        if len(condition) == 2 and all(isinstance(bound, int | float) for bound in condition):
            return isinstance(value, int | float) and condition[0] <= value <= condition[1]
        return value in condition

    def check(asset: Asset) -> bool:
        metadata = json.loads(asset.json_metadata or "{}")
        return all(key in metadata and agrees(metadata[key], condition) for key, condition in wanted.items())

    return check


def _substring(parts: Sequence[str]) -> Check:
    return lambda asset: any(part in asset.external_id for part in parts)


def _pairs(*, negate: bool) -> Builder:
    def build(pairs: Iterable[Where]) -> Check:
        known = {(pair["stepId"], STEP_ALIASES.get(pair["status"], pair["status"])) for pair in pairs}
        return lambda asset: ((_step_id(asset), asset.step_status) in known) is not negate

    return build


def _step_statuses(*, negate: bool) -> Builder:
    def build(statuses: Iterable[str]) -> Check:
        known = {STEP_ALIASES.get(status, status) for status in statuses}
        return lambda asset: (asset.step is not None and asset.step_status in known) is not negate

    return build


def _text(query: str) -> Check:
    return lambda project: query.lower() in project.title.lower()


# --- what they look at --------------------------------------------------------------------------------------------


def _id(record: Any) -> str:
    return str(record.id)


def _step_id(asset: Asset) -> str | None:
    return asset.step.id if asset.step else None


def _group(asset: Asset) -> str | None:
    return asset.step.group.name if asset.step and asset.step.group else None


def _names(label: Label) -> set[str | None]:
    """First name, last name or both (documented); id and e-mail are ours to add."""
    author = label.author
    return {author.firstname, author.lastname, f"{author.firstname} {author.lastname}", author.id, author.email}


def _asset_project(record: Label | Issue) -> Project:
    return record.asset.project


def _active(member: Member) -> bool:
    return not member.deleted and any(label.author is member.user for label in member.project.labels)


_LABEL_CONDITIONS: dict[str, Builder] = {
    "typeIn": _in(lambda label: label.label_type),
    "authorIn": _any_in(lambda label: (name for name in _names(label) if name)),
    "labelerIn": _by_role("DEFAULT"),
    "labelerNotIn": _by_role("DEFAULT", negate=True),
    "reviewerIn": _by_role("REVIEW"),
    "reviewerNotIn": _by_role("REVIEW", negate=True),
    "consensusMarkGte": _gte("consensus_mark"),
    "consensusMarkLte": _lte("consensus_mark"),
    "honeypotMarkGte": _gte("honeypot_mark"),
    "honeypotMarkLte": _lte("honeypot_mark"),
    "createdAt": _on_day,
    "createdAtGte": _gte("created_at"),
    "createdAtLte": _lte("created_at"),
    "search": _search,
}

_BUILDERS: dict[str, dict[str, Builder]] = {
    "user": {
        "id": _is(_id),
        "idIn": _in(_id),
        "email": _is(lambda user: user.email),
        "activated": _is(lambda user: user.activated),
    },
    "project": {
        "id": _is(_id),
        "searchQuery": _text,
        "starred": _is(lambda project: any(member.starred for member in project.members)),
        "updatedAtGte": _gte("updated_at"),
        "updatedAtLte": _lte("updated_at"),
        "createdAtGte": _gte("created_at"),
        "createdAtLte": _lte("created_at"),
        "deleted": _is(lambda _: False),
        "archived": _is(lambda project: project.archived),
    },
    "member": {
        "id": _is(_id),
        "status": _is(member_status),
        "deleted": _is(lambda member: member.deleted),
        "activeInProject": _is(_active),
        "project": _nested("project", lambda member: member.project),
        "user": _nested("user", lambda member: member.user),
    },
    "label-condition": _LABEL_CONDITIONS,
    "label": _LABEL_CONDITIONS
    | {
        "id": _is(_id),
        "idIn": _in(_id),
        "project": _nested("project", _asset_project),
        "asset": _nested("asset", lambda label: label.asset),
        "user": _nested("user", lambda label: label.author),
    },
    "issue": {
        "id": _is(_id),
        "project": _nested("project", _asset_project),
        "asset": _is(lambda issue: {"id": issue.asset.id}),
        "assetIn": _in(lambda issue: issue.asset.id),
        "status": _is(lambda issue: issue.status),
        "type": _is(lambda issue: issue.type),
    },
    "asset": {
        "id": _is(_id),
        "idIn": _in(_id),
        "idNotIn": _in(_id, negate=True),
        "project": _nested("project", lambda asset: asset.project),
        "externalIdStrictlyIn": _in(lambda asset: asset.external_id),
        "externalIdIn": _substring,
        "metadata": _metadata,
        "statusIn": _in(status_of),
        "skipped": _is(lambda asset: asset.skipped),
        "assigneeIn": _any_in(lambda asset: (user.id for user in asset.assignees)),
        "assigneeNotIn": _any_in(lambda asset: (user.id for user in asset.assignees), negate=True),
        "consensusMarkGte": _gte("consensus_mark"),
        "consensusMarkLte": _lte("consensus_mark"),
        "honeypotMarkGte": _gte("honeypot_mark"),
        "honeypotMarkLte": _lte("honeypot_mark"),
        "inferenceMarkGte": _gte("inference_mark"),
        "inferenceMarkLte": _lte("inference_mark"),
        "updatedAtGte": _gte("updated_at"),
        "updatedAtLte": _lte("updated_at"),
        "createdAtGte": _gte("created_at"),
        "createdAtLte": _lte("created_at"),
        "stepIdIn": _in(_step_id),
        "stepIdNotIn": _in(_step_id, negate=True),
        "stepStatusIn": _step_statuses(negate=False),
        "stepStatusNotIn": _step_statuses(negate=True),
        "stepIdAndStatusIn": _pairs(negate=False),
        "stepIdAndStatusNotIn": _pairs(negate=True),
        "groupNameIn": _in(_group),
        "groupNameNotIn": _in(_group, negate=True),
        "issue": _some("issue", lambda asset: asset.issues),
        "label": _some("label-condition", lambda asset: asset.labels),
    },
}
