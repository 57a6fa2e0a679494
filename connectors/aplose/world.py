"""What a server is made of, whatever its version says it with: campaigns with their phases, and people.

Ids on a live source: a campaign is its number on the server; everything below is called as the reader of files calls
it for a campaign of that name: ``3/<dataset>/<filename>`` an asset, ``…/<annotator>/Annotation`` a task,
``3/586123`` an annotation, ``3/586123/<verifier>`` an audit (fact sheet §7: ids are per server).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import blake2b
from typing import Final

from connectors.aplose.traits import PHASES
from connectors.coerce import mapping, moment, text
from connectors.documents import (
    JSON,
    Annotator,
    AnnotatorKind,
    Campaign,
    CampaignStatus,
    Expertise,
    InputType,
    Phase,
)

_EXPERTISE: Final = {word.value: word for word in Expertise}


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePhase:
    """``key`` is the phase's id, which the CSV routes of 2.4 and later want; empty on servers without phases."""

    key: str
    phase: Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCampaign:
    """``print`` changes whenever the listing shows that something in the campaign changed."""

    key: str
    document: Campaign
    phases: tuple[LivePhase, ...]
    print: str


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything that is listed before anything is read. ``names`` are the names that CSVs use, by what bears them."""

    campaigns: Mapping[str, LiveCampaign] = field(default_factory=dict)
    people: Sequence[Annotator] = ()
    names: Mapping[str, str] = field(default_factory=dict)


def digest(*said: JSON) -> str:
    """A short stand-in for JSON values: another one means that something differs."""
    return blake2b(json.dumps(said, sort_keys=True).encode(), digest_size=9).hexdigest()


def phase_of(name: JSON, closed_at: datetime | None = None) -> Phase | None:
    found = PHASES.get(str(name).capitalize())
    return found if found is None else replace(found, closed_at=closed_at)


def campaign_document(
    node: Mapping[str, JSON],
    phases: Sequence[LivePhase],
    *,
    labels: Sequence[JSON] | None,
    description: JSON,
    created_at: JSON,
    archived: bool,
    raw: JSON,
) -> Campaign:
    """A campaign without phases is being prepared; one whose phases have all ended is done."""
    ended = [one.phase.closed_at is not None for one in phases]
    if archived:
        status, word = CampaignStatus.ARCHIVED, "archived"
    elif not phases:
        status, word = CampaignStatus.DRAFT, "without phases"
    else:
        status, word = (CampaignStatus.COMPLETED, "ended") if all(ended) else (CampaignStatus.OPEN, "open")
    key = text(node.get("id")) or ""
    return Campaign(
        external_id=key,
        name=text(node.get("name")) or key,
        description=text(description),
        status=status,
        native_status=word,
        input_type=InputType.AUDIO,
        phases=tuple(one.phase for one in phases) or (PHASES["Annotation"],),
        label_set=None if labels is None else tuple(sorted(name for label in labels if (name := text(label)))),
        created_at=moment(created_at),
        raw=raw,
    )


def person(node: Mapping[str, JSON], *, name: JSON, expertise: JSON) -> Annotator | None:
    """A user, by the name that CSVs call him."""
    username = text(node.get("username"))
    if username is None:
        return None
    return Annotator(
        external_id=username,
        name=text(name) or username,
        email=text(node.get("email")),
        annotator_kind=AnnotatorKind.HUMAN,
        expertise=_EXPERTISE.get(str(expertise).upper()),
        raw=dict(node),
    )


def detectors(nodes: Sequence[JSON], taken: Mapping[str, str]) -> tuple[list[Annotator], dict[str, str]]:
    """Detectors as annotators, and their names; in a CSV one that is called as a user is cannot be told from him."""
    names = {f"detector/{text(node.get('id'))}": text(node.get("name")) or "" for node in map(mapping, nodes)}
    users = set(taken.values())
    found = [
        Annotator(
            external_id=name,
            name=name,
            email=None,
            annotator_kind=AnnotatorKind.MODEL,
            expertise=None,
            raw=dict(mapping(node)),
        )
        for node in nodes
        if (name := text(mapping(node).get("name"))) and name not in users
    ]
    return found, names


def closed_at(node: Mapping[str, JSON], name: str) -> datetime | None:
    return moment(node.get(name))
