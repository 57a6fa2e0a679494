"""What an APLOSE server remembers: plain records that point at each other, in the words of its API.

Attribute names are the server's own field names in snake case, so that GraphQL names, Django lookups and JSON
keys all resolve to them (fact sheet `platforms/aplose.md` §1). Enumerations hold the labels of GraphQL and REST
("Weak", "Verification", "Finished", "Expert"); the CSV writers and lookups translate.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta

ANNOTATION, VERIFICATION = "Annotation", "Verification"
CREATED, FINISHED = "Created", "Finished"
WEAK, POINT, BOX = "Weak", "Point", "Box"
TRENDS = {"Flat": "FLAT", "Ascending": "ASC", "Descending": "DESC", "Modulated": "MOD"}
"""Label in GraphQL and REST → word in the database and the CSV."""


@dataclass(slots=True, eq=False)
class User:
    id: int
    username: str
    password: str
    date_joined: datetime
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    expertise: str | None = None
    is_staff: bool = False
    is_superuser: bool = False
    is_active: bool = True
    last_login: datetime | None = None

    @property
    def is_admin(self) -> bool:
        return self.is_staff or self.is_superuser

    @property
    def display_name(self) -> str:
        return f"{self.first_name} {self.last_name}" if self.first_name or self.last_name else self.username


@dataclass(slots=True, eq=False)
class UserGroup:
    id: int
    name: str
    users: list[User]


@dataclass(slots=True, eq=False)
class Label:
    id: int
    name: str


@dataclass(slots=True, eq=False)
class LabelSet:
    id: int
    name: str
    description: str | None = None
    labels: list[Label] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Confidence:
    id: int
    label: str
    level: int


@dataclass(slots=True, eq=False)
class ConfidenceSet:
    id: int
    name: str
    desc: str | None = None
    indicators: list[Confidence] = field(default_factory=list)
    default: Confidence | None = None


@dataclass(slots=True, eq=False)
class Detector:
    id: int
    name: str
    configurations: list[DetectorConfiguration] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class DetectorConfiguration:
    id: int
    configuration: str
    detector: Detector


@dataclass(slots=True, eq=False)
class Dataset:
    id: int
    name: str
    owner: User
    created_at: datetime
    description: str | None = None
    path: str = ""
    legacy: bool = True
    analysis: list[Analysis] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Analysis:
    """A spectrogram setting of a dataset (v3 *analysis*, v2 *spectro config*)."""

    id: int
    name: str
    dataset: Dataset
    owner: User
    created_at: datetime
    sampling_frequency: int
    nfft: int = 4096
    window_size: int = 2048
    overlap: str = "0.90"
    colormap: str = "viridis"
    dynamic_min: float = 0.0
    dynamic_max: float = 100.0
    data_duration: float | None = None
    description: str | None = None
    path: str = ""
    legacy: bool = True
    spectrograms: dict[int, Spectrogram] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Spectrogram:
    """A recording unit: *spectrogram* in v3, *dataset file* in v2, where the name gets its extension back."""

    id: int
    filename: str
    start: datetime
    end: datetime
    dataset: Dataset
    format: str = "wav"
    size: int = 0
    audio_path: str = ""
    analysis: list[Analysis] = field(default_factory=list)

    @property
    def duration(self) -> float:
        return (self.end - self.start).total_seconds()

    @property
    def nyquist(self) -> float:
        return max(analysis.sampling_frequency for analysis in self.analysis) / 2


@dataclass(slots=True, eq=False)
class Archive:
    id: int
    date: datetime
    by_user: User
    annotation_campaign: Campaign


@dataclass(slots=True, eq=False)
class Campaign:
    id: int
    name: str
    owner: User
    dataset: Dataset
    created_at: datetime
    analysis: list[Analysis] = field(default_factory=list)
    description: str | None = None
    instructions_url: str | None = None
    deadline: date | None = None
    label_set: LabelSet | None = None
    labels_with_acoustic_features: list[Label] = field(default_factory=list)
    confidence_set: ConfidenceSet | None = None
    allow_point_annotation: bool = False
    allow_image_tuning: bool = False
    allow_colormap_tuning: bool = False
    colormap_default: str | None = None
    colormap_inverted_default: bool | None = None
    archive: Archive | None = None
    phases: dict[str, Phase] = field(default_factory=dict)

    @property
    def spectrograms(self) -> list[Spectrogram]:
        """All files of the campaign in the server's order: by start, then id."""
        every = {s.id: s for analysis in self.analysis for s in analysis.spectrograms.values()}
        return sorted(every.values(), key=lambda s: (s.start, s.id))

    @property
    def max_confidence(self) -> int:
        """The right side of "level/max" in the CSV; 0 once the set was removed."""
        return max((c.level for c in self.confidence_set.indicators), default=0) if self.confidence_set else 0


@dataclass(slots=True, eq=False)
class Phase:
    id: int
    phase: str
    annotation_campaign: Campaign
    created_at: datetime
    created_by: User
    ended_at: datetime | None = None
    ended_by: User | None = None
    annotation_file_ranges: list[FileRange] = field(default_factory=list)
    tasks: dict[tuple[int, int], Task] = field(default_factory=dict)
    """By spectrogram id and user id; a task exists from the first submit on."""
    annotations: dict[int, Annotation] = field(default_factory=dict)
    cells: dict[int, dict[int, Annotation]] = field(default_factory=dict)
    """The same annotations by spectrogram id."""
    annotation_comments: dict[int, Comment] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        return self.ended_at is None or self.ended_by is None

    @property
    def is_editable(self) -> bool:
        return self.is_open and self.annotation_campaign.archive is None

    def range_of(self, user: User, spectrogram: Spectrogram) -> FileRange | None:
        return next((r for r in self.annotation_file_ranges if r.annotator is user and r.covers(spectrogram)), None)


@dataclass(slots=True, eq=False)
class FileRange:
    id: int
    first_file_index: int
    last_file_index: int
    from_datetime: datetime
    to_datetime: datetime
    annotator: User
    annotation_phase: Phase

    @property
    def files_count(self) -> int:
        return self.last_file_index - self.first_file_index + 1

    def covers(self, spectrogram: Spectrogram) -> bool:
        return self.from_datetime <= spectrogram.start and self.to_datetime >= spectrogram.end


@dataclass(slots=True, eq=False)
class Task:
    id: int
    status: str
    annotation_phase: Phase
    annotator: User
    spectrogram: Spectrogram


@dataclass(slots=True, eq=False)
class Features:
    """Acoustic features; v2 knows the first eight only."""

    id: int
    trend: str | None = None
    start_frequency: float | None = None
    end_frequency: float | None = None
    relative_max_frequency_count: int | None = None
    relative_min_frequency_count: int | None = None
    has_harmonics: bool | None = None
    steps_count: int | None = None
    is_intensity_too_low: bool | None = None
    does_overlap_other_signals: bool | None = None
    has_sidebands: bool | None = None
    has_subharmonics: bool | None = None
    has_frequency_jumps: bool | None = None
    frequency_jumps_count: int | None = None
    has_deterministic_chaos: bool | None = None


FEATURES = tuple(f.name for f in fields(Features))[1:]


@dataclass(slots=True, eq=False)
class Annotation:
    id: int
    label: Label
    annotation_phase: Phase
    spectrogram: Spectrogram
    analysis: Analysis
    created_at: datetime
    last_updated_at: datetime
    start_time: float | None = None
    end_time: float | None = None
    start_frequency: float | None = None
    end_frequency: float | None = None
    confidence: Confidence | None = None
    annotator: User | None = None
    annotator_expertise_level: str | None = None
    detector_configuration: DetectorConfiguration | None = None
    acoustic_features: Features | None = None
    is_update_of: Annotation | None = None
    updated_to: dict[int, Annotation] = field(default_factory=dict)
    validations: dict[int, Validation] = field(default_factory=dict)
    """By the verifier's user id: one verdict each."""
    comments: dict[int, Comment] = field(default_factory=dict)

    @property
    def type(self) -> str:
        return WEAK if self.start_time is None else POINT if self.end_time is None else BOX


@dataclass(slots=True, eq=False)
class Validation:
    id: int
    annotation: Annotation
    annotator: User
    is_valid: bool
    created_at: datetime
    last_updated_at: datetime


@dataclass(slots=True, eq=False)
class Comment:
    id: int
    comment: str
    author: User
    annotation_phase: Phase
    spectrogram: Spectrogram
    created_at: datetime
    annotation: Annotation | None = None


def seconds(value: float) -> timedelta:
    """Seconds as PostgreSQL's interval takes them: rounded to the microsecond."""
    return timedelta(microseconds=round(value * 1_000_000))
