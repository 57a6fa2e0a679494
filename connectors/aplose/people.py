"""The annotators of one file: who they are is said by many rows, and told once at the file's end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from connectors.documents import UNSET, Annotator, AnnotatorKind, Expertise

_EXPERTISE: Final = {word.value: word for word in Expertise}


@dataclass(slots=True)
class _Person:
    expertise: Expertise | None = None
    since: float = -math.inf
    human: bool = False
    email: str | None = None


class People:
    """Names seen so far. A detector's name looks like a user's: what makes somebody human has to be seen."""

    def __init__(self) -> None:
        self._known: dict[str, _Person] = {}

    def meet(self, name: str, *, human: bool = False, email: str | None = None) -> None:
        person = self._known.get(name)
        if person is None:
            person = self._known[name] = _Person()
        person.human = person.human or human
        person.email = email or person.email

    def rated(self, name: str, word: str, since: float) -> None:
        """The expertise a row states; the latest counts, and of those of one time the last."""
        person = self._known[name]
        if since >= person.since:
            expertise = _EXPERTISE.get(word)
            if expertise is not None:
                person.expertise, person.since, person.human = expertise, since, True

    def documents(self, campaign: str, part: str) -> list[Annotator]:
        """Each file has a facet of its own: what two files say of one person must not overwrite each other for ever."""
        facet = "file-" + blake2b(f"{campaign}\0{part}".encode(), digest_size=6).hexdigest()
        return [
            Annotator(
                external_id=name,
                facet=facet,
                name=name,
                email=person.email or UNSET,
                annotator_kind=AnnotatorKind.HUMAN if person.human else UNSET,
                expertise=person.expertise or UNSET,
            )
            for name, person in self._known.items()
        ]
