"""The normalised documents: frozen records without I/O that every connector speaks and the store keeps.

A document states facts about one thing on one platform. What it does not know it leaves ``UNSET``: the
store then keeps what another document said, or the field's initial value. References are external ids
within the same source; the source itself is added by the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any, ClassVar, Final, TypeAlias, TypeVar

JSON: TypeAlias = Any
"""A JSON value as ``json.loads`` gives it: dict, list, str, int, float, bool or None."""


class UnsetType(Enum):
    """The type of ``UNSET``: the document says nothing about this field."""

    UNSET = "UNSET"

    def __bool__(self) -> bool:
        return False


UNSET: Final = UnsetType.UNSET

T = TypeVar("T")
Maybe: TypeAlias = T | UnsetType


def unset(initial: object = None) -> Any:
    """A field that may go unstated; ``initial`` is what the store writes when nothing ever stated it."""
    return field(default=UNSET, metadata={"initial": initial})


class Kind(StrEnum):
    """What a document is about; the value is the type name in GraphQL and in global ids."""

    CAMPAIGN = "Campaign"
    ASSET = "Asset"
    TASK = "Task"
    SUBMISSION = "Submission"
    ANNOTATION = "Annotation"
    ANNOTATOR = "Annotator"
    AUDIT = "Audit"
    COMMENT = "Comment"


# --- the common words -------------------------------------------------------------------------------------


class CampaignStatus(StrEnum):
    DRAFT = "DRAFT"
    OPEN = "OPEN"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    ARCHIVED = "ARCHIVED"
    UNKNOWN = "UNKNOWN"


class InputType(StrEnum):
    IMAGE = "IMAGE"
    VIDEO = "VIDEO"
    AUDIO = "AUDIO"
    TEXT = "TEXT"
    DOCUMENT = "DOCUMENT"
    POINT_CLOUD = "POINT_CLOUD"
    GEOSPATIAL = "GEOSPATIAL"
    CHAT = "CHAT"
    TABULAR = "TABULAR"
    OTHER = "OTHER"


class PhaseKind(StrEnum):
    ANNOTATION = "ANNOTATION"
    REVIEW = "REVIEW"


class TaskStatus(StrEnum):
    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    SUBMITTED = "SUBMITTED"
    IN_REVIEW = "IN_REVIEW"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"
    ERROR = "ERROR"
    UNKNOWN = "UNKNOWN"


class ReviewStatus(StrEnum):
    NOT_REVIEWED = "NOT_REVIEWED"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    FIXED = "FIXED"
    COMMENTED = "COMMENTED"
    MIXED = "MIXED"


class SubmissionKind(StrEnum):
    DEFAULT = "DEFAULT"
    PREDICTION = "PREDICTION"
    REVIEW = "REVIEW"
    AUTOSAVE = "AUTOSAVE"
    FIX = "FIX"


class AnnotatorKind(StrEnum):
    HUMAN = "HUMAN"
    MODEL = "MODEL"
    SYSTEM = "SYSTEM"
    UNKNOWN = "UNKNOWN"


class Expertise(StrEnum):
    NOVICE = "NOVICE"
    AVERAGE = "AVERAGE"
    EXPERT = "EXPERT"


class AuditResult(StrEnum):
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    FIXED = "FIXED"
    COMMENTED = "COMMENTED"
    UNKNOWN = "UNKNOWN"


class AuditOrigin(StrEnum):
    GATEWAY = "GATEWAY"
    CUSTOMER = "CUSTOMER"
    PLATFORM = "PLATFORM"


class AuditErrorType(StrEnum):
    MISSING = "MISSING"
    EXTRANEOUS = "EXTRANEOUS"
    GEOMETRY = "GEOMETRY"
    LABEL = "LABEL"
    ATTRIBUTE = "ATTRIBUTE"
    OTHER = "OTHER"


class AuditSeverity(StrEnum):
    MINOR = "MINOR"
    MAJOR = "MAJOR"
    CRITICAL = "CRITICAL"
    UNSPECIFIED = "UNSPECIFIED"


class CommentKind(StrEnum):
    COMMENT = "COMMENT"
    ISSUE = "ISSUE"
    QUESTION = "QUESTION"


class CoordinateUnit(StrEnum):
    PIXEL = "PIXEL"
    NORMALIZED = "NORMALIZED"
    METER = "METER"
    DEGREE = "DEGREE"


# --- values of annotations ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Span:
    """From ``start`` to ``end``; seconds or Hz as the field that holds it says."""

    start: float
    end: float | None = None


@dataclass(frozen=True, slots=True)
class Coordinate:
    x: float
    y: float
    z: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundingBox:
    left: float
    top: float
    width: float
    height: float
    unit: CoordinateUnit
    rotation: float | None = None
    page: int | None = None
    frame: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Polygon:
    """First ring outside, the others are holes."""

    rings: tuple[tuple[Coordinate, ...], ...]
    unit: CoordinateUnit
    page: int | None = None
    frame: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Polyline:
    points: tuple[Coordinate, ...]
    unit: CoordinateUnit
    page: int | None = None
    frame: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    at: Coordinate
    unit: CoordinateUnit
    page: int | None = None
    frame: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSpan:
    """Offsets in characters (code points), ``end`` exclusive."""

    start: int
    end: int
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeFrequencyBox:
    """Seconds from the start of the asset, and Hz; both None for a mark of the whole file (APLOSE WEAK)."""

    time: Span | None = None
    frequency: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    categories: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcription:
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """Marks that belong together, by the platform's own ids of the marks."""

    from_ids: tuple[str, ...]
    to_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmappedValue:
    """A shape no mapping knows: ``kind`` is the platform's word for it, ``json`` the shape itself."""

    shape: str
    json: JSON


AnnotationValue: TypeAlias = (
    BoundingBox
    | Polygon
    | Polyline
    | Point
    | TextSpan
    | TimeFrequencyBox
    | Classification
    | Transcription
    | Relation
    | UnmappedValue
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confidence:
    label: str | None = None
    level: float | None = None
    max_level: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One step of work; ``position`` counts from 0."""

    name: str
    kind: PhaseKind
    position: int
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditError:
    """One per-annotation error of an audit; fields follow the platform documentation of Scale's task audits."""

    annotation: str | None = None
    """External id of the annotation document, where it is known."""
    annotation_external_id: str | None = None
    """The platform's own word for the annotation, kept also when it points nowhere."""
    type: AuditErrorType = AuditErrorType.OTHER
    native_type: str | None = None
    severity: AuditSeverity = AuditSeverity.UNSPECIFIED
    native_severity: str | None = None
    comment: str | None = None
    attribute: str | None = None
    reasons: tuple[str, ...] = ()
    fixed: bool | None = None
    original_label: str | None = None
    fixed_label: str | None = None
    frame: int | None = None
    original: AnnotationValue | None = None
    replacement: AnnotationValue | None = None
    label_index: int | None = None
    locations: tuple[Coordinate, ...] = ()
    untied: bool = False


# --- the documents ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ref:
    """Names another document of the same source."""

    kind: Kind
    external_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What every document has. Datetimes carry their offset; naive ones are a bug.

    ``facet`` names a partial view ("status" of an asset that "results" describes further): the store keeps
    one content hash a facet, and fields that a facet leaves UNSET stay as they are. ``assumed`` names
    fields that are inferred and yield to whatever was stated before. ``part`` names the piece of input
    (a file) that a later import of the same piece replaces.
    """

    kind: ClassVar[Kind]

    external_id: str
    facet: str = ""
    assumed: frozenset[str] = frozenset()
    part: str | None = None
    raw: Maybe[JSON] = UNSET
    """The platform's payload for this thing, unchanged; UNSET where another document's ``raw`` holds it."""
    raw_of: Maybe[Ref | None] = UNSET
    """The document whose ``raw`` describes this one too."""
    source_updated_at: Maybe[datetime | None] = unset()
    url: Maybe[str | None] = unset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign(Document):
    kind: ClassVar[Kind] = Kind.CAMPAIGN

    name: Maybe[str] = unset("")
    description: Maybe[str | None] = unset()
    status: Maybe[CampaignStatus] = unset(CampaignStatus.UNKNOWN)
    native_status: Maybe[str | None] = unset()
    input_type: Maybe[InputType] = unset(InputType.OTHER)
    phases: Maybe[tuple[Phase, ...]] = unset((Phase(name="Annotation", kind=PhaseKind.ANNOTATION, position=0),))
    label_set: Maybe[tuple[str, ...] | None] = unset()
    created_at: Maybe[datetime | None] = unset()
    updated_at: Maybe[datetime | None] = unset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset(Document):
    kind: ClassVar[Kind] = Kind.ASSET

    campaign: Maybe[str | None] = unset()
    name: Maybe[str] = unset("")
    input_type: Maybe[InputType] = unset(InputType.OTHER)
    content_url: Maybe[str | None] = unset()
    dataset: Maybe[str | None] = unset()
    start_at: Maybe[datetime | None] = unset()
    end_at: Maybe[datetime | None] = unset()
    metadata: Maybe[JSON] = unset()
    is_honeypot: Maybe[bool | None] = unset()
    used_for_consensus: Maybe[bool | None] = unset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Document):
    """``children`` names the kinds of which the page holds *all* that belong to this task: the others are gone."""

    kind: ClassVar[Kind] = Kind.TASK

    children: frozenset[Kind] = frozenset()

    campaign: Maybe[str | None] = unset()
    asset: Maybe[str | None] = unset()
    assets: Maybe[tuple[str, ...]] = unset(())
    """All assets in order where a task has several; ``asset`` is the first."""
    asset_name: Maybe[str | None] = unset()
    phase: Maybe[Phase | None] = unset()
    batch: Maybe[str | None] = unset()
    type: Maybe[str | None] = unset()
    status: Maybe[TaskStatus] = unset(TaskStatus.UNKNOWN)
    native_status: Maybe[str | None] = unset()
    priority: Maybe[int | None] = unset()
    assignees: Maybe[tuple[str, ...]] = unset(())
    review_status: Maybe[ReviewStatus | None] = unset()
    """The platform's own verdict on the task; UNSET or None: it says nothing, so the audits decide."""
    review_comments: Maybe[tuple[str, ...]] = unset(())
    labeling_seconds: Maybe[float | None] = unset()
    consensus_score: Maybe[float | None] = unset()
    honeypot_score: Maybe[float | None] = unset()
    tags: Maybe[tuple[str, ...]] = unset(())
    metadata: Maybe[JSON] = unset()
    created_at: Maybe[datetime | None] = unset()
    updated_at: Maybe[datetime | None] = unset()
    completed_at: Maybe[datetime | None] = unset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission(Document):
    """One answer to a task. ``position`` counts answers of a task from the oldest, 0."""

    kind: ClassVar[Kind] = Kind.SUBMISSION

    task: str
    campaign: Maybe[str | None] = unset()
    author: Maybe[str | None] = unset()
    submission_kind: Maybe[SubmissionKind] = unset(SubmissionKind.DEFAULT)
    native_kind: Maybe[str | None] = unset()
    position: Maybe[int] = unset(0)
    is_current: Maybe[bool] = unset(False)
    skipped: Maybe[bool] = unset(False)
    submitted_at: Maybe[datetime | None] = unset()
    labeling_seconds: Maybe[float | None] = unset()
    model_name: Maybe[str | None] = unset()
    response: Maybe[JSON] = unset()
    """The answer in the platform's own format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation(Document):
    """One mark. ``native_id``, the platform's own id, may repeat between answers; ``external_id`` never does."""

    kind: ClassVar[Kind] = Kind.ANNOTATION

    task: Maybe[str | None] = unset()
    asset: Maybe[str | None] = unset()
    campaign: Maybe[str | None] = unset()
    submission: Maybe[str | None] = unset()
    author: Maybe[str | None] = unset()
    native_id: Maybe[str | None] = unset()
    is_current: Maybe[bool] = unset(True)
    """False for marks of an answer that a later one replaced."""
    label: Maybe[str | None] = unset()
    value: Maybe[AnnotationValue] = unset(Classification(categories=()))
    confidence: Maybe[Confidence | None] = unset()
    comment: Maybe[str | None] = unset()
    time_span: Maybe[Span | None] = unset()
    start_at: Maybe[datetime | None] = unset()
    end_at: Maybe[datetime | None] = unset()
    frequency_span: Maybe[Span | None] = unset()
    attributes: Maybe[JSON] = unset()
    replaces: Maybe[str | None] = unset()
    """External id of the annotation that this one corrects; it may not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotator(Document):
    """A person or model. Where a platform knows only an e-mail, ``external_id`` is ``person_id(email)``."""

    kind: ClassVar[Kind] = Kind.ANNOTATOR

    name: Maybe[str | None] = unset()
    email: Maybe[str | None] = unset()
    annotator_kind: Maybe[AnnotatorKind] = unset(AnnotatorKind.UNKNOWN)
    expertise: Maybe[Expertise | None] = unset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit(Document):
    """A verdict as the platform tells it. ``auditor`` is an annotator's external id."""

    kind: ClassVar[Kind] = Kind.AUDIT

    task: Maybe[str | None] = unset()
    campaign: Maybe[str | None] = unset()
    submission: Maybe[str | None] = unset()
    annotation: Maybe[str | None] = unset()
    label: Maybe[str | None] = unset()
    """Label of the judged annotation, for audits that judge one."""
    author: Maybe[str | None] = unset()
    """Who made what is judged, where the platform says so."""
    result: Maybe[AuditResult] = unset(AuditResult.UNKNOWN)
    native_result: Maybe[str | None] = unset()
    origin: Maybe[AuditOrigin] = unset(AuditOrigin.PLATFORM)
    auditor: Maybe[str | None] = unset()
    comments: Maybe[tuple[str, ...]] = unset(())
    errors: Maybe[tuple[AuditError, ...]] = unset(())
    fixed_response: Maybe[JSON] = unset()
    duration_seconds: Maybe[float | None] = unset()
    active_seconds: Maybe[float | None] = unset()
    audited_at: Maybe[datetime | None] = unset()
    """None where the platform keeps no time (APLOSE verifier columns)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment(Document):
    """What somebody wrote about a task, an answer or a mark: APLOSE task comments, Kili issues and questions."""

    kind: ClassVar[Kind] = Kind.COMMENT

    task: Maybe[str | None] = unset()
    asset: Maybe[str | None] = unset()
    campaign: Maybe[str | None] = unset()
    annotation: Maybe[str | None] = unset()
    author: Maybe[str | None] = unset()
    comment_kind: Maybe[CommentKind] = unset(CommentKind.COMMENT)
    native_status: Maybe[str | None] = unset()
    text: Maybe[str] = unset("")
    created_at: Maybe[datetime | None] = unset()


AnyDocument: TypeAlias = Campaign | Asset | Task | Submission | Annotation | Annotator | Audit | Comment

DOCUMENT_TYPES: Final[Mapping[Kind, type[AnyDocument]]] = {
    cls.kind: cls for cls in (Campaign, Asset, Task, Submission, Annotation, Annotator, Audit, Comment)
}


# --- pages ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedRecord:
    """A record that could not be read; ``where`` names file and row, or path and id."""

    reason: str
    where: str | None = None
    field: str | None = None
    external_id: str | None = None
    raw: JSON = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a finished pass has seen completely: documents of these kinds in here that it did not name are gone."""

    kinds: frozenset[Kind]
    campaign: str | None = None
    part: str | None = None


Checkpoint: TypeAlias = Mapping[str, JSON]
"""Where to go on: JSON that only the connector reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Documents that are stored together, and the checkpoint that is safe once they are."""

    documents: Sequence[AnyDocument] = ()
    checkpoint: Checkpoint | None = None
    completes: Scope | None = None
    gone: Sequence[Ref] = ()
    """Documents that the platform itself reports as deleted."""
    skipped: Sequence[SkippedRecord] = ()
    records: int = 0
    """The platform's own records (rows, tasks, assets) read for this page."""
    done: int = 0
    """Progress so far in the unit of ``total`` (bytes of a file, records of a source)."""
    total: int | None = None
