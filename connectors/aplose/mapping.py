"""One row of a results export → its documents (fact sheet §2): the mark, its verdicts, and what it stands in.

A row is mapped with strict readers; where one refuses, the row's cells are mended and it is mapped again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from operator import itemgetter
from typing import Any, Final, NamedTuple

from connectors.aplose import ids
from connectors.aplose.mending import Mender, Notes
from connectors.aplose.people import People
from connectors.aplose.places import Place, Places
from connectors.aplose.quick import quick
from connectors.aplose.starts import start_of
from connectors.aplose.survey import Survey
from connectors.aplose.traits import VERIFICATION, Features, Trait, Traits
from connectors.aplose.values import VERDICTS, Numbers, feature, key, moment, said
from connectors.documents import (
    JSON,
    Annotation,
    AnnotationValue,
    AnyDocument,
    Audit,
    AuditOrigin,
    AuditResult,
    Comment,
    Kind,
    Phase,
    Ref,
    Span,
    TimeFrequencyBox,
    UnmappedValue,
)
from connectors.errors import SkipRecord

Raw = dict[str, str]

_mark, _audit, _comment = quick(Annotation), quick(Audit), quick(Comment)
_WHOLE_FILE: Final = TimeFrequencyBox()
_LONGEST_KEY: Final = 18
_RESULTS: Final = {True: AuditResult.ACCEPTED, False: AuditResult.REJECTED}


class _Bounds(NamedTuple):
    start: float | None
    end: float | None
    low: float | None
    high: float | None


class RowMapper:
    """Maps the rows of one file into ``documents``. ``facet`` keeps apart what the exports of two phases say."""

    def __init__(
        self,
        survey: Survey,
        places: Places,
        people: People,
        documents: list[AnyDocument],
        *,
        part: str,
        facet: str,
        comments_of: Phase,
    ) -> None:
        header = survey.table.header
        self._survey, self._places, self._people, self._documents = survey, places, people, documents
        self._campaign, self._prefix = places.campaign, ids.part(places.campaign) + "/"
        self._part, self._facet, self._comments_of = part, facet, comments_of
        # One person may say the same of the same file in both phases, and the rows would be alike.
        self._comments_suffix = f"/{comments_of.name}" if comments_of is VERIFICATION else ""
        self._traits, self._features, self._numbers = Traits(header), Features(header), Numbers()
        self._mender = Mender(header)
        self._hashed: itemgetter[Any] = itemgetter(*(header.index(name) for name in ids.HASHED))
        self._seen: set[int] = set()
        self._occurrences: dict[int, int] = {}
        self._keys = header.keys
        self._verifiers = [(index, header.columns[index].strip()) for index in survey.verifiers]
        self._unknown = [(index, header.keys[index]) for index in survey.extras]
        self._extras = [column for column in self._unknown if column[0] not in self._features.columns]
        self._limits = [(header.at[name], name) for name in ("min_frequency", "max_frequency") if header.has(name)]
        self._id, self._replaces = header.index("id"), header.index("is_update_of_id")
        self._dataset, self._filename = header.index("dataset"), header.index("filename")
        self._label, self._annotator = header.index("annotation"), header.index("annotator")
        self._start_time, self._end_time = header.index("start_time"), header.index("end_time")
        self._low, self._high = header.index("start_frequency"), header.index("end_frequency")
        self._start_at, self._end_at = header.index("start_datetime"), header.index("end_datetime")
        self._comments, self._expertise = header.index("comments"), header.index("annotator_expertise")
        for _, verifier in self._verifiers:
            people.meet(verifier, human=True)

    def row(self, cells: list[str]) -> None:
        """Adds the row's documents. Raises ``SkipRecord`` for a row that says too little to be anything."""
        raw = dict(zip(self._keys, cells, strict=True))
        cells.append("")
        # A task comment is a row without a label (§2.5); its bounds are filled in v1.10 to v1.12.
        mapped = self._annotation if cells[self._label] or cells[self._id] else self._comment
        try:
            mapped(cells, cells, raw, None)
        except ValueError:
            mended, notes = self._mender.mend(cells)
            mapped(mended, cells, raw, notes)

    # --- marks ------------------------------------------------------------------------------------------------

    def _annotation(self, cells: list[str], written: list[str], raw: Raw, notes: Notes | None) -> None:
        numbers = self._numbers
        start, end = numbers[cells[self._start_time]], numbers[cells[self._end_time]]
        low, high = numbers[cells[self._low]], numbers[cells[self._high]]
        start_at, end_at = moment(cells[self._start_at]), moment(cells[self._end_at])
        trait = self._traits[self._traits.cells(cells)]
        attributes = self._attributes(cells, trait, notes)
        dataset, filename, annotator = cells[self._dataset], cells[self._filename], cells[self._annotator]
        place = self._places.find(dataset, filename, annotator, trait.phase.name)
        if place is None:
            place = self._place((dataset, filename), annotator, trait.phase, start_at, start)
        native, identifier, rank = self._identity(written, trait, start_at)
        if cells[self._expertise]:
            self._people.rated(annotator, cells[self._expertise], rank)
        comment = cells[self._comments] or None
        if comment:
            comment = self._said(comment, annotator, attributes)
        shape = trait.shape or self._derived(_Bounds(start, end, low, high), dataset)
        if shape == "POINT":
            end = high = end_at = None  # up to 3.0.1 a point's end_datetime is the end of the file (§2.4)
        time = None if start is None else Span(start, end)
        frequency = None if low is None else Span(low, high)
        replaced = cells[self._replaces]
        label = cells[self._label] or None
        mark = _mark(
            external_id=identifier,
            facet=self._facet,
            part=self._part,
            raw=raw,
            task=place.task,
            asset=place.asset,
            campaign=self._campaign,
            submission=place.submission,
            author=annotator,
            native_id=native,
            label=label,
            value=_value(shape, time, frequency),
            confidence=trait.confidence,
            comment=comment,
            time_span=time,
            start_at=start_at,
            end_at=end_at,
            frequency_span=frequency,
            attributes=attributes,
            replaces=self._prefix + ids.row_id(key(replaced)) if replaced else None,
        )
        self._documents.append(mark)
        for index, verifier in self._verifiers:
            if cells[index]:
                self._verdict(cells[index], verifier, mark, place)

    def _attributes(self, cells: list[str], trait: Trait, notes: Notes | None) -> dict[str, JSON]:
        attributes = dict(trait.attributes)
        for index, name in self._limits:
            value = self._numbers[cells[index]]
            if value is not None:
                attributes[name] = value
        found = self._features[self._features.cells(cells)]
        if found.features:
            attributes["features"] = dict(found.features)
        if self._extras:
            extra = {name: feature("", cells[index]) for index, name in self._extras if cells[index]}
            attributes |= {"extra": extra} if extra else {}
        if found.unreadable:
            _note(attributes, {"unreadable": found.unreadable})
        if notes is not None:
            _note(attributes, notes.attributes())
        return attributes

    def _derived(self, bounds: _Bounds, dataset: str) -> str:
        """The kind of mark where no column tells: weak from the first to the last second and Hz (§2.3)."""
        if bounds.start is None and bounds.low is None:
            return "WEAK"
        longest, highest = self._survey.spans.get(dataset, (math.inf, math.inf))
        return "WEAK" if bounds == (0.0, longest, 0.0, highest) else "BOX"

    def _said(self, cell: str, annotator: str, attributes: dict[str, JSON]) -> str | None:
        text, author, email = said(cell)
        if author and author != annotator:
            attributes["comment_author"] = author
        if author:
            self._people.meet(author, human=True, email=email)
        return text or None

    def _verdict(self, word: str, verifier: str, mark: Annotation, place: Place) -> None:
        verdict = VERDICTS.get(word)
        self._documents.append(
            _audit(
                external_id=f"{mark.external_id}/{ids.part(verifier)}",
                part=self._part,
                raw_of=Ref(Kind.ANNOTATION, mark.external_id),
                task=place.task,
                campaign=self._campaign,
                submission=place.submission,
                annotation=mark.external_id,
                label=mark.label,
                author=mark.author,
                result=AuditResult.UNKNOWN if verdict is None else _RESULTS[verdict],
                native_result=word,
                origin=AuditOrigin.PLATFORM,
                auditor=verifier,
                audited_at=None,
            )
        )

    # --- comments ---------------------------------------------------------------------------------------------

    def _comment(self, cells: list[str], written: list[str], raw: Raw, notes: Notes | None) -> None:
        """A task comment. It has no place for ``notes``: what its cells looked like, ``raw`` tells."""
        del notes
        offset, at = self._numbers[cells[self._start_time]], moment(cells[self._start_at])
        if not cells[self._comments]:
            raise SkipRecord("neither a label nor a comment", field="annotation")
        text, author, email = said(cells[self._comments])
        annotator = cells[self._annotator] or author or ""
        names = (cells[self._dataset], cells[self._filename])
        place = self._place(names, annotator, self._comments_of, at, offset or 0.0, answers=False)
        self._people.meet(author or annotator, human=True, email=email)
        trait = self._traits[self._traits.cells(cells)]
        self._documents.append(
            _comment(
                external_id=self._content_id(written, trait) + self._comments_suffix,
                part=self._part,
                raw=raw,
                task=place.task,
                asset=place.asset,
                campaign=self._campaign,
                author=author or annotator,
                text=text,
            )
        )

    # --- what both need ---------------------------------------------------------------------------------------

    def _place(
        self,
        names: tuple[str, str],
        annotator: str,
        phase: Phase,
        at: datetime | None,
        offset: float | None,
        *,
        answers: bool = True,
    ) -> Place:
        start = None
        if at is not None and offset is not None and self._places.is_one_of_several(*names):
            start = start_of(at, offset)
        place = self._places.open(names, annotator, phase, start=start, answers=answers)
        self._people.meet(annotator)
        return place

    def _identity(self, cells: list[str], trait: Trait, at: datetime | None) -> tuple[str | None, str, float]:
        """The server's key, our id, and how late the row was made: by its key, else by its place in time."""
        native = cells[self._id] if cells[self._id].isdigit() else key(cells[self._id])
        if native.isascii() and native.isdigit() and len(native) <= _LONGEST_KEY:
            number = int(native)
            return native, self._prefix + ids.repeated(native, self._occurrence(number)), number
        rank = at.timestamp() if at else -math.inf
        if not native:
            return None, self._content_id(cells, trait), rank
        identity = ids.row_id(native)
        return native, self._prefix + ids.repeated(identity, self._occurrence(hash(identity))), rank

    def _content_id(self, cells: list[str], trait: Trait) -> str:
        unknown = {name: cells[index] for index, name in self._unknown if cells[index]}
        identity = ids.content_id((*self._hashed(cells), trait.level), unknown)
        return self._prefix + ids.repeated(identity, self._occurrence(hash(identity)))

    def _occurrence(self, token: int) -> int:
        """How often the file has had this row so far, this time included."""
        if token not in self._seen:
            self._seen.add(token)
            return 1
        occurrence = self._occurrences[token] = self._occurrences.get(token, 1) + 1
        return occurrence


def _value(shape: str, time: Span | None, frequency: Span | None) -> AnnotationValue:
    if shape in ("BOX", "POINT"):
        return TimeFrequencyBox(time=time, frequency=frequency)
    if shape == "WEAK":
        return _WHOLE_FILE
    bounds = {
        name: [span.start, span.end] for name, span in (("time", time), ("frequency", frequency)) if span is not None
    }
    return UnmappedValue(shape=shape, json=bounds)


def _note(attributes: dict[str, JSON], notes: Mapping[str, Any]) -> None:
    """Adds notes to those that the row's words gave already."""
    for name, note in notes.items():
        known = attributes.get(name)
        attributes[name] = {**known, **note} if isinstance(known, dict) else note
