"""Users, label authors and models as annotators.

What a label says of its author is a partial view of a user, and labels say more or less: an export has names, an
assignment only an id. Each combination of stated fields is a facet of its own, so reading the same things again, in
whatever order, changes nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from connectors.coerce import many, mapping, text
from connectors.contract import person_id
from connectors.documents import JSON, UNSET, Annotator, AnnotatorKind


def user_id(user: JSON) -> str | None:
    """The external id of a user: Kili's own, else one from the e-mail; None for somebody without either."""
    own = mapping(user)
    return text(own.get("id")) or _person(text(own.get("email")))


def user_document(user: Mapping[str, JSON]) -> Annotator | None:
    """A user as the API lists it (fact sheet §6, ``User``); None without id and e-mail."""
    external_id = user_id(user)
    if external_id is None:
        return None
    return Annotator(
        external_id=external_id,
        name=full_name(user) or UNSET,
        email=text(user.get("email")) or UNSET,
        annotator_kind=AnnotatorKind.HUMAN,
        raw=dict(user),
    )


def author_document(author: JSON) -> Annotator | None:
    """The author of a label or comment, whose payload stands inside the label's."""
    document = user_document(mapping(author))
    if document is None:
        return None
    stated = [name for name in ("name", "email") if getattr(document, name) is not UNSET]
    return replace(document, facet="+".join(["author", *stated]), raw=UNSET)


def model_document(name: str) -> Annotator:
    """The model that a PREDICTION or INFERENCE label names."""
    return Annotator(external_id=f"model:{name}", name=name, annotator_kind=AnnotatorKind.MODEL)


def members(project: JSON) -> Iterator[Annotator]:
    """The people a project names: its roles and the assignees of its steps."""
    own = mapping(project)
    roles = [mapping(role).get("user") for role in many(own.get("roles"))]
    assignees = [person for step in many(own.get("steps")) for person in many(mapping(step).get("assignees"))]
    for user in (*roles, *assignees):
        if person := author_document(user):
            yield person


def assignee_document(entry: JSON, known: Iterable[Annotator]) -> Annotator | None:
    """Somebody in ``toBeLabeledBy``, which holds ids or e-mails: an e-mail finds the person seen with it before."""
    if isinstance(entry, dict):
        return author_document(entry)
    word = text(entry)
    if word is None:
        return None
    if "@" not in word:
        return author_document({"id": word})
    seen = (person for person in known if isinstance(person.email, str) and person.email.lower() == word.lower())
    return next(seen, None) or author_document({"email": word})


def full_name(user: Mapping[str, JSON]) -> str | None:
    """``name``, else first and last name. The SDK's exports write "None None" for people without (fact sheet §13)."""
    parts = [part for key in ("firstname", "lastname") if (part := text(user.get(key)))]
    words = (text(user.get("name")) or "").split()
    return " ".join(word for word in words if word != "None") or " ".join(parts) or None


def _person(email: str | None) -> str | None:
    try:
        return person_id(email) if email else None
    except UnicodeEncodeError:
        return None
