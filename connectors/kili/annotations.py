"""A ``jsonResponse`` as annotations: every job, every mark in it, every nested job, every frame of a video.

Ids follow the place: ``<submission>/<job>`` for what a job says of the whole asset, ``<submission>/<job>/<mid>`` for a
mark (its index where it has no ``mid``), ``@<frame>`` behind them in a video; nested jobs and keypoints continue the
id of what they belong to and name it in ``attributes.parent``. A ``mid`` that repeats (parts of one object, fact
sheet §12) gets ``~2``, ``~3``. ``attributes`` holds the job and everything of the mark that its value does not tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from connectors.coerce import mapping, number, text
from connectors.documents import (
    JSON,
    UNSET,
    Annotation,
    AnnotationValue,
    Classification,
    Confidence,
    CoordinateUnit,
    Kind,
    Maybe,
    Ref,
    Transcription,
)
from connectors.kili.geometry import Shape, shapes, unmapped
from connectors.kili.names import Names

PSEUDO_JOBS: Final = frozenset({"ROTATION_JOB", "ANNOTATION_JOB_COUNTER", "ANNOTATION_NAMES_JOB"})
"""Entries of a response that are no answers (fact sheet §12)."""
ASSET_LEVEL: Final = "assetLevel"
MAX_NESTING: Final = 32
"""Nested jobs below this stay in the attributes of the mark above them."""
_NO_ANSWER: Final[tuple[JSON, ...]] = (None, "", [], {})
_STRUCTURE: Final = frozenset({"isKeyFrame", "children"})
"""Fields of a job that are no answer by themselves."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What all marks of one response share."""

    submission: str
    task: str
    campaign: Maybe[str | None] = UNSET
    author: str | None = None
    is_current: bool = True
    unit: CoordinateUnit = CoordinateUnit.NORMALIZED
    frames: bool | None = None
    """The response of a video; None: its keys decide."""
    jobs: Mapping[str, JSON] = field(default_factory=dict)
    """``jsonInterface.jobs`` of the project, where it is known."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a job stands."""

    id: str
    frame: int | None = None
    parent: str | None = None
    depth: int = 0

    def below(self, parent: str | None, place: str) -> _Place:
        return replace(self, id=place, parent=parent, depth=self.depth + 1)

    def name(self, *parts: str) -> str:
        # Below a mark of a frame the frame stands in the id already.
        suffix = f"@{self.frame}" if self.frame is not None and self.parent is None else ""
        return "/".join((self.id, *parts)) + suffix


def marks(response: Mapping[str, JSON], answer: Answer) -> list[Annotation]:
    """The annotations of a response, in its order; what stands above comes before what is nested in it."""
    collected = _Marks(answer)
    collected.response(response)
    return collected.found


def answers(response: Mapping[str, JSON]) -> dict[str, JSON]:
    """A response without the entries that are no answers."""
    return {job: value for job, value in response.items() if job not in PSEUDO_JOBS}


def is_frame(key: str) -> bool:
    return key.isascii() and key.isdigit() and len(key) <= 9


class _Marks:
    def __init__(self, answer: Answer) -> None:
        self.found: list[Annotation] = []
        self._answer = answer
        self._names = Names()

    def response(self, response: Mapping[str, JSON]) -> None:
        top = _Place(self._answer.submission)
        frames = self._answer.frames is not False and any(map(is_frame, response))
        for key, value in answers(response).items():
            if frames and is_frame(key) and isinstance(value, dict):
                self._jobs(answers(value), replace(top, frame=int(key)))
            elif key == ASSET_LEVEL and isinstance(value, dict):
                self._jobs(answers(value), top)
            else:
                self._job(key, value, top)

    def _jobs(self, jobs: Mapping[str, JSON], place: _Place) -> None:
        for name, value in jobs.items():
            self._job(name, value, place)

    def _job(self, name: str, value: JSON, place: _Place) -> None:
        if value in _NO_ANSWER:
            return
        job = mapping(value)
        entries, words = job.get("annotations"), job.get("text")
        mark: str | None = None
        if names := _category_names(job.get("categories")):
            mark = self._classification(name, job, names, place)
        if isinstance(words, str) and words:
            told = ("text", "annotations", "categories") if names else ("text", "annotations")
            mark = self._add(place.name(name), name, place, Transcription(text=words), _without(job, *told))
        if isinstance(entries, list) and entries:
            for index, entry in enumerate(entries):
                self._mark(name, index, entry, place)
        elif mark is None and (not job or not _STRUCTURE.issuperset(_without(job))):
            mark = self._add(place.name(name), name, place, unmapped(value, self._task(name)), {})
        # Older data has nested jobs beside the categories instead of inside them.
        self._nested(job.get("children"), place, mark or place.parent, place.name(name))

    def _classification(self, name: str, job: Mapping[str, JSON], names: list[str], place: _Place) -> str:
        categories: list[JSON] = job["categories"]
        plain = len(categories) == 1 and set(mapping(categories[0])) <= {"name", "confidence"}
        told = ("categories",) if plain else ()
        mark = self._add(
            place.name(name),
            name,
            place,
            Classification(categories=tuple(names)),
            _without(job, "annotations", *told),
            label=names[0],
            confidence=_confidence(job, categories),
        )
        for category in categories:
            self._nested(mapping(category).get("children"), place, mark, mark)
        return mark

    def _mark(self, name: str, index: int, mark: JSON, place: _Place) -> None:
        if not isinstance(mark, dict):
            self._add(place.name(name, str(index)), name, place, unmapped(mark, self._task(name)), {})
            return
        mid, names = text(mark.get("mid")), _category_names(mark.get("categories"))
        first: str | None = None
        for shape in shapes(mark, self._answer.unit, place.frame, self._task(name)):
            added = self._add(
                place.name(name, mid or str(index)),
                name,
                place,
                shape.value,
                _rest(mark, shape),
                native_id=mid,
                label=names[0] if names else None,
                confidence=_confidence(mark, mark.get("categories")),
            )
            first = first or added
        assert first is not None
        self._keypoints(mark.get("points"), name, place, first)
        self._nested(mark.get("children"), place, first, first)

    def _keypoints(self, points: JSON, name: str, place: _Place, pose: str) -> None:
        inside = place.below(pose, pose)
        for index, point in enumerate(points if isinstance(points, list) else []):
            own = mapping(point)
            code = text(own.get("code"))
            shape = shapes(own, self._answer.unit, place.frame, "keypoint")[0] if own else None
            added = self._add(
                inside.name(code or str(index)),
                name,
                inside,
                shape.value if shape else unmapped(point, "keypoint"),
                _rest(own, shape) if shape else {},
                native_id=text(own.get("mid")),
                label=code,
                confidence=_confidence(own, own.get("categories")),
            )
            self._nested(own.get("children"), inside, added, added)

    def _nested(self, jobs: JSON, place: _Place, parent: str | None, inside: str) -> None:
        if isinstance(jobs, dict) and place.depth < MAX_NESTING:
            self._jobs(jobs, place.below(parent, inside))

    def _add(
        self,
        wanted: str,
        job: str,
        place: _Place,
        value: AnnotationValue,
        rest: Mapping[str, JSON],
        *,
        native_id: str | None = None,
        label: str | None = None,
        confidence: Confidence | None = None,
    ) -> str:
        own: dict[str, JSON] = {"job": job}
        if place.parent is not None:
            own["parent"] = place.parent
        if place.frame is not None:
            own["frame"] = place.frame
        answer = self._answer
        name = self._names.claim(wanted)
        self.found.append(
            Annotation(
                external_id=name,
                raw_of=Ref(Kind.SUBMISSION, answer.submission),
                task=answer.task,
                asset=answer.task,
                campaign=answer.campaign,
                submission=answer.submission,
                author=answer.author,
                native_id=native_id,
                is_current=answer.is_current,
                label=label,
                value=value,
                confidence=confidence,
                attributes={**own, **rest, **own},
            )
        )
        return name

    def _task(self, job: str) -> str:
        return text(mapping(self._answer.jobs.get(job)).get("mlTask")) or ""


def _category_names(categories: JSON) -> list[str]:
    """The category keys of the interface, as labels carry them."""
    if not isinstance(categories, list):
        return []
    names = (text(mapping(category).get("name")) or text(category) for category in categories)
    return [name for name in names if name]


def _confidence(owner: Mapping[str, JSON], categories: JSON) -> Confidence | None:
    """``score`` counts to 1, ``confidence`` of the first category to 100; people's answers carry 100."""
    score = number(owner.get("score"))
    if score is not None:
        return Confidence(level=score, max_level=1.0 if 0 <= score <= 1 else None)
    first = categories[0] if isinstance(categories, list) and categories else None
    level = number(mapping(first).get("confidence"))
    return None if level is None else Confidence(level=level, max_level=100.0)


def _rest(mark: Mapping[str, JSON], shape: Shape) -> dict[str, JSON]:
    """What a mark says beyond its value, label, confidence and id."""
    categories = mark.get("categories")
    plain = isinstance(categories, list) and [set(mapping(c)) - {"confidence"} for c in categories] == [{"name"}]
    return _without(mark, "mid", *shape.told, *(("categories",) if plain else ())) | dict(shape.rest)


def _without(job: Mapping[str, JSON], *keys: str) -> dict[str, JSON]:
    return {key: value for key, value in job.items() if key not in keys and value not in _NO_ANSWER}
