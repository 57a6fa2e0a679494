"""The tables of the sandbox: everything by id, ids counted per table, and how campaigns are set up and closed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from connectors.aplose.sandbox.model import (
    ANNOTATION,
    CREATED,
    FINISHED,
    Analysis,
    Annotation,
    Archive,
    Campaign,
    Confidence,
    ConfidenceSet,
    Dataset,
    Detector,
    DetectorConfiguration,
    FileRange,
    Label,
    LabelSet,
    Phase,
    Spectrogram,
    Task,
    User,
    UserGroup,
)
from connectors.sandbox import Clock

Row = TypeVar("Row")


class Refusal(Exception):
    """A no of the server that GraphQL tells as an error with HTTP 200, and REST as a page with 500."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def not_found() -> Refusal:
    return Refusal("Not found")


def forbidden() -> Refusal:
    return Refusal("Forbidden")


class Store:
    """One server's database. ``on_effect`` hears of each lasting change that a client caused."""

    def __init__(self, clock: Clock, on_effect: Callable[[str, str, Any], None] = lambda *_: None) -> None:
        self.now = clock.now
        self.on_effect = on_effect
        self.muted = False
        self.last_id: Counter[str] = Counter()
        self.users: dict[int, User] = {}
        self.groups: dict[int, UserGroup] = {}
        self.labels: dict[int, Label] = {}
        self.label_sets: dict[int, LabelSet] = {}
        self.confidences: dict[int, Confidence] = {}
        self.confidence_sets: dict[int, ConfidenceSet] = {}
        self.detectors: dict[int, Detector] = {}
        self.configurations: dict[int, DetectorConfiguration] = {}
        self.datasets: dict[int, Dataset] = {}
        self.analysis: dict[int, Analysis] = {}
        self.spectrograms: dict[int, Spectrogram] = {}
        self.campaigns: dict[int, Campaign] = {}
        self.phases: dict[int, Phase] = {}
        self.annotations: dict[int, Annotation] = {}

    def effect(self, name: str, key: object, detail: Any = None) -> None:
        if not self.muted:
            self.on_effect(name, str(key), detail)

    def next_id(self, table: str) -> int:
        self.last_id[table] += 1
        return self.last_id[table]

    def find(self, table: dict[int, Row], key: object) -> Row | None:
        """The row of an id that came over the wire; ``Refusal`` when it is no number, as Django says it."""
        try:
            return table.get(int(str(key)))
        except ValueError:
            raise Refusal(f"Field 'id' expected a number but got {key!r}.") from None

    # --- people and vocabularies ---------------------------------------------------------------------------

    def add_user(self, username: str, password: str, **more: Any) -> User:
        joined = more.pop("date_joined", None) or self.now()
        user = User(self.next_id("user"), username, password, joined, **{"email": f"{username}@example.org", **more})
        self.users[user.id] = user
        return user

    def user_named(self, username: str) -> User:
        return next(user for user in self.users.values() if user.username == username)

    def label(self, name: str) -> Label:
        """Get or create."""
        found = next((label for label in self.labels.values() if label.name == name), None)
        if found is None:
            found = Label(self.next_id("label"), name)
            self.labels[found.id] = found
        return found

    def add_label_set(self, name: str, labels: Iterable[str], description: str | None = None) -> LabelSet:
        made = LabelSet(self.next_id("label_set"), name, description, [self.label(each) for each in labels])
        self.label_sets[made.id] = made
        return made

    def confidence(self, label: str, level: int) -> Confidence:
        """Get or create: the same label may exist at several levels."""
        found = next((c for c in self.confidences.values() if (c.label, c.level) == (label, level)), None)
        if found is None:
            found = Confidence(self.next_id("confidence"), label, level)
            self.confidences[found.id] = found
        return found

    def add_confidence_set(self, name: str, levels: dict[str, int], desc: str | None = None) -> ConfidenceSet:
        made = ConfidenceSet(self.next_id("confidence_set"), name, desc)
        made.indicators = [self.confidence(label, level) for label, level in levels.items()]
        self.confidence_sets[made.id] = made
        return made

    def detector_configuration(self, detector: str, configuration: str) -> DetectorConfiguration:
        """Get or create both."""
        owner = next((d for d in self.detectors.values() if d.name == detector), None)
        if owner is None:
            owner = Detector(self.next_id("detector"), detector)
            self.detectors[owner.id] = owner
        found = next((c for c in owner.configurations if c.configuration == configuration), None)
        if found is None:
            found = DetectorConfiguration(self.next_id("configuration"), configuration, owner)
            self.configurations[found.id] = found
            owner.configurations.append(found)
        return found

    # --- recordings ----------------------------------------------------------------------------------------

    def add_dataset(self, name: str, owner: User, analyses: Iterable[str], sampling_frequency: int) -> Dataset:
        dataset = Dataset(self.next_id("dataset"), name, owner, self.now(), path=f"datasets/{name}")
        self.datasets[dataset.id] = dataset
        for each in analyses:
            key = self.next_id("analysis")
            one = Analysis(key, each, dataset, owner, self.now(), sampling_frequency, path=f"processed/{each}")
            self.analysis[key] = one
            dataset.analysis.append(one)
        return dataset

    def add_spectrograms(
        self, dataset: Dataset, count: int, name: Callable[[int, datetime], str], start: datetime, **times: float
    ) -> list[Spectrogram]:
        """``count`` files of ``duration`` seconds, one every ``step`` seconds."""
        made: list[Spectrogram] = []
        for index in range(count):
            begin = start + index * timedelta(seconds=times.get("step", 3600))
            end = begin + timedelta(seconds=times.get("duration", 900))
            one = Spectrogram(self.next_id("spectrogram"), name(index, begin), begin, end, dataset)
            one.size = 44 + round(one.duration * dataset.analysis[0].sampling_frequency * 2)
            one.audio_path = f"/backend/static/{dataset.path}/data/audio/{one.filename}.wav"
            one.analysis = list(dataset.analysis)
            for analysis in dataset.analysis:
                analysis.spectrograms[one.id] = one
            self.spectrograms[one.id] = one
            made.append(one)
        return made

    # --- campaigns -----------------------------------------------------------------------------------------

    def add_campaign(self, name: str, owner: User, analysis: list[Analysis], **more: Any) -> Campaign:
        made_at = more.pop("created_at", None) or self.now()
        campaign = Campaign(
            self.next_id("campaign"), name, owner, analysis[0].dataset, made_at, analysis=list(analysis), **more
        )
        self.campaigns[campaign.id] = campaign
        return campaign

    def add_phase(self, campaign: Campaign, phase: str, creator: User, created_at: datetime | None = None) -> Phase:
        made = Phase(self.next_id("phase"), phase, campaign, created_at or self.now(), creator)
        self.phases[made.id] = made
        campaign.phases[phase] = made
        return made

    def add_range(self, phase: Phase, annotator: User, first: int, last: int) -> FileRange:
        made = FileRange(self.next_id("range"), first, last, phase.created_at, phase.created_at, annotator, phase)
        self.place_range(made)
        phase.annotation_file_ranges.append(made)
        return made

    def place_range(self, file_range: FileRange) -> None:
        """Datetimes from indexes, as the server sets them when a range is saved."""
        files = file_range.annotation_phase.annotation_campaign.spectrograms
        begin, end = files[file_range.first_file_index].start, files[file_range.last_file_index].end
        file_range.from_datetime, file_range.to_datetime = min(begin, end), max(begin, end)

    def drop_orphan_tasks(self, phase: Phase) -> None:
        """Tasks outside every range of their annotator go when ranges change."""
        for key, task in list(phase.tasks.items()):
            if phase.range_of(task.annotator, task.spectrogram) is None:
                del phase.tasks[key]

    def task(self, phase: Phase, spectrogram: Spectrogram, annotator: User) -> Task:
        """Get or create."""
        key = (spectrogram.id, annotator.id)
        if key not in phase.tasks:
            phase.tasks[key] = Task(self.next_id("task"), CREATED, phase, annotator, spectrogram)
        return phase.tasks[key]

    def finish(self, phase: Phase, spectrogram: Spectrogram, annotator: User) -> Task:
        task = self.task(phase, spectrogram, annotator)
        again, task.status = task.status == FINISHED, FINISHED
        self.effect("finished", f"{phase.id}/{spectrogram.id}/{annotator.username}", {"task": task.id, "again": again})
        return task

    def reopen_verification(self, campaign: Campaign, spectrograms: set[int], but: User | None = None) -> None:
        """Verifiers' tasks go back to CREATED when what they judged has changed."""
        for phase in campaign.phases.values():
            for (spectrogram, _), task in phase.tasks.items():
                if phase.phase != ANNOTATION and spectrogram in spectrograms and task.annotator is not but:
                    task.status = CREATED

    def end_phase(self, phase: Phase, user: User) -> None:
        phase.ended_at, phase.ended_by = self.now(), user
        self.effect("phase_ended", phase.id, {"by": user.username})

    def archive(self, campaign: Campaign, user: User) -> None:
        if campaign.archive is not None:
            return
        campaign.archive = Archive(self.next_id("archive"), self.now(), user, campaign)
        self.effect("archived", campaign.id, {"by": user.username})
        for phase in campaign.phases.values():
            self.end_phase(phase, user)

    def _shared(self, attribute: str, value: object) -> bool:
        return sum(getattr(campaign, attribute) is value for campaign in self.campaigns.values()) > 1

    def _free_name(self, name: str, taken: Iterable[LabelSet | ConfidenceSet]) -> str:
        names, candidate, index = {each.name for each in taken}, name, 0
        while candidate in names:
            index += 1
            candidate = f"{name} ({index})"
        return candidate

    def import_label(self, campaign: Campaign, name: str) -> Label:
        """A label new to the campaign joins its set; a set that others use is copied first (§5.3)."""
        label = self.label(name)
        if campaign.label_set is None:
            raise Refusal("'NoneType' object has no attribute 'labels'")
        if label not in campaign.label_set.labels:
            if self._shared("label_set", campaign.label_set):
                old = campaign.label_set
                campaign.label_set = self.add_label_set(self._free_name(campaign.name, self.label_sets.values()), [])
                campaign.label_set.labels = list(old.labels)
            campaign.label_set.labels.append(label)
        return label

    def import_confidence(self, campaign: Campaign, label: str, level: int) -> Confidence:
        """The same for confidences; a campaign without a set gets one."""
        confidence, old = self.confidence(label, level), campaign.confidence_set
        if old is None or (confidence not in old.indicators and self._shared("confidence_set", old)):
            made = self.add_confidence_set(self._free_name(campaign.name, self.confidence_sets.values()), {})
            made.indicators = list(old.indicators) if old else []
            campaign.confidence_set = made
        assert campaign.confidence_set is not None
        if confidence not in campaign.confidence_set.indicators:
            campaign.confidence_set.indicators.append(confidence)
        return confidence


def parse_date(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
