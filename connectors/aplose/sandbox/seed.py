"""The sandbox's own data: two invented campaigns of underwater recordings, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

from connectors.aplose.sandbox import rows
from connectors.aplose.sandbox.model import (
    ANNOTATION,
    VERIFICATION,
    Annotation,
    Campaign,
    Phase,
    Spectrogram,
    User,
    UserGroup,
)
from connectors.aplose.sandbox.store import Store

ACCOUNT = ("gateway", "twenty-hertz-pulse")
"""The staff account that a sync uses: it sees everything, and has a range in the Verification phase."""

EPOCH = datetime(2026, 3, 2, 8, tzinfo=UTC)
PEOPLE: tuple[tuple[str, str, str, str | None, dict[str, bool]], ...] = (
    ("maren", "Maren", "Solvik", "Expert", {"is_staff": True, "is_superuser": True}),
    ("gateway", "", "", None, {"is_staff": True}),
    ("ailsa", "Ailsa", "Moran", "Expert", {}),
    ("bram", "Bram", "de Wit", "Average", {}),
    ("chidi", "Chidi", "Okoro", "Novice", {}),
    ("dunja", "Dunja", "Perić", None, {}),
)
CLICKS, FIN = "Porpoise click train", "Fin whale 20 Hz"
REMARKS = (
    "faint, near the noise floor",
    'overlaps a "boat", see the next file',
    "two animals?\nsecond one weaker",
    "écho",
)


def populate(store: Store, seed: int, spectrograms: int) -> None:
    """``spectrograms`` files in the first campaign, half as many in the second; about four annotations a file."""
    chance = random.Random(seed)
    ticks = count()
    now: Callable[[], datetime] = store.now
    store.now, store.muted = lambda: EPOCH + next(ticks) * timedelta(milliseconds=1370), True
    try:
        for username, first, last, expertise, more in PEOPLE:
            password = ACCOUNT[1] if username == ACCOUNT[0] else f"{username}-listens"
            names = {"first_name": first, "last_name": last, "expertise": expertise}
            store.add_user(username, password, **names, **more)
        listeners = [user for user in store.users.values() if not user.is_admin]
        store.groups[1] = UserGroup(store.next_id("group"), "Fjord listeners", listeners)
        _porpoises(store, chance, spectrograms)
        _fin_whales(store, chance, max(spectrograms // 2, 1))
    finally:
        store.now, store.muted = now, False


def _porpoises(store: Store, chance: random.Random, files: int) -> None:
    """Annotation and Verification, a confidence set, features for click trains, a detector's import."""
    owner = store.user_named("maren")
    dataset = store.add_dataset("Lysefjord 2025 (600_480)", owner, ("hf_4096_85", "lf_1024_75"), 96_000)
    start = datetime(2025, 6, 1, tzinfo=UTC)
    store.add_spectrograms(dataset, files, lambda _, at: at.strftime("%Y_%m_%d_%H_%M_%S_%f"), start, duration=600)
    campaign = store.add_campaign(
        "Porpoise clicks, Lysefjord 2025",
        owner,
        dataset.analysis,
        description="Clicks and what hides them, station L3, 40 m.",
        instructions_url="https://example.org/lysefjord/guide",
        deadline=date(2027, 6, 30),
        label_set=store.add_label_set("Fjord sounds", (CLICKS, "Boat", "Rain", "Unknown pulse")),
        confidence_set=store.add_confidence_set("Doubt", {"doubtful": 0, "probable": 1, "certain": 2}),
        allow_point_annotation=True,
    )
    assert campaign.label_set is not None
    campaign.labels_with_acoustic_features = campaign.label_set.labels[:1]
    first = store.add_phase(campaign, ANNOTATION, owner)
    ranges = {"ailsa": (0, files - 1), "bram": (0, files // 2), "chidi": (files // 4, files - 1)}
    _annotate(store, chance, first, ranges)
    detector = store.detector_configuration("PorpoiseNet", "threshold 0.8")
    for file in campaign.spectrograms:
        if chance.random() < 0.5:
            begin = round(chance.uniform(0, file.duration - 5), 3)
            values: dict[str, Any] = dict(zip(rows.BOUNDS, (begin, begin + 2.5, 20_000.0, 46_000.0), strict=True))
            certain = store.confidence("certain", 2)
            label, analysis = store.label(CLICKS), campaign.analysis[0]
            rows.create(
                store, label, first, file, analysis, detector_configuration=detector, confidence=certain, **values
            )
    second = store.add_phase(campaign, VERIFICATION, owner)
    for username, last in (("dunja", files // 2), ("bram", files - 1), (ACCOUNT[0], files - 1)):
        store.add_range(second, store.user_named(username), 0, last)
    _verify(store, chance, second, campaign.spectrograms[: max(files // 3, 1)])


def _fin_whales(store: Store, chance: random.Random, files: int) -> None:
    """Annotation only, no confidence set; file names are numbers, as some recorders give them."""
    owner = store.user_named("ailsa")
    dataset = store.add_dataset("HORTA/deep 2024", owner, ("lf_512_90",), 250)
    start = datetime(2024, 11, 3, 22, 36, 18, tzinfo=UTC)
    store.add_spectrograms(dataset, files, lambda index, _: str(990_694 + 7 * index), start, duration=900)
    labels = store.add_label_set("Low frequency", (FIN, "Airgun", "Ship"))
    campaign = store.add_campaign("Fin whales off Horta", owner, dataset.analysis, label_set=labels)
    campaign.labels_with_acoustic_features = labels.labels[:1]
    _annotate(store, chance, store.add_phase(campaign, ANNOTATION, owner), {"chidi": (0, files - 1), "dunja": (0, 0)})


def _annotate(store: Store, chance: random.Random, phase: Phase, ranges: dict[str, tuple[int, int]]) -> None:
    """Each annotator submits the first four fifths of his files, some with nothing found."""
    files = phase.annotation_campaign.spectrograms
    for username, (first, last) in ranges.items():
        user = store.user_named(username)
        store.add_range(phase, user, first, last)
        for file in files[first : first + (last - first + 1) * 4 // 5 or first + 1]:
            for _ in range(chance.choice((0, 1, 2, 2, 3))):
                _mark(store, chance, phase, file, user)
            if chance.random() < 0.1:
                rows.comment_on(store, chance.choice(REMARKS), user, phase, file)
            store.finish(phase, file, user)


def _mark(store: Store, chance: random.Random, phase: Phase, file: Spectrogram, user: User) -> Annotation:
    campaign = phase.annotation_campaign
    assert campaign.label_set is not None
    label = chance.choice(campaign.label_set.labels)
    kinds = ("Weak", "Box", "Box", "Point") if campaign.allow_point_annotation else ("Weak", "Box", "Box")
    kind = chance.choice(kinds)
    begin, low = chance.uniform(0, file.duration * 0.9), chance.uniform(0, file.nyquist * 0.8)
    end, high = chance.uniform(begin, file.duration), chance.uniform(low, file.nyquist)
    bounds: dict[str, tuple[Any, ...]] = {
        "Weak": (None, None, None, None),
        "Point": (begin, None, low, None),
        "Box": (begin, end, low, high),
    }
    placed: dict[str, Any] = dict(zip(rows.BOUNDS, bounds[kind], strict=True))
    featured = label in campaign.labels_with_acoustic_features and chance.random() < 0.7
    row = rows.create(
        store,
        label,
        phase,
        file,
        chance.choice(campaign.analysis),
        **placed,
        confidence=chance.choice(campaign.confidence_set.indicators) if campaign.confidence_set else None,
        annotator=user,
        acoustic_features=rows.features(store, _signal(chance, low, high)) if featured else None,
    )
    if chance.random() < 0.15:
        rows.comment_on(store, chance.choice(REMARKS), user, phase, file, row=row)
    return row


def _signal(chance: random.Random, low: float, high: float) -> dict[str, Any]:
    jumps = chance.choice((None, False, True))
    return {
        "trend": chance.choice(("Flat", "Ascending", "Descending", "Modulated", None)),
        "start_frequency": round(low, 1),
        "end_frequency": round(high, 1),
        "relative_min_frequency_count": chance.randrange(3),
        "relative_max_frequency_count": chance.randrange(3),
        "steps_count": 0,
        "has_harmonics": chance.random() < 0.5,
        "has_sidebands": chance.choice((None, False, True)),
        "has_frequency_jumps": jumps,
        "frequency_jumps_count": chance.randrange(1, 5) if jumps and chance.random() < 0.5 else None,
        "is_intensity_too_low": chance.choice((None, False, True)),
    }


def _verify(store: Store, chance: random.Random, phase: Phase, files: list[Spectrogram]) -> None:
    """Two verifiers, who sometimes disagree; some refused marks get a correction."""
    campaign: Campaign = phase.annotation_campaign
    for username, among in (("dunja", files), ("bram", files[: len(files) // 2])):
        user = store.user_named(username)
        for file in among:
            for row in [
                r for r in campaign.phases[ANNOTATION].cells.get(file.id, {}).values() if r.annotator is not user
            ]:
                valid = chance.random() < 0.8
                rows.validate(store, row, user, is_valid=valid)
                rows.save(store, row)
                if not valid and chance.random() < 0.5:
                    fixed = _mark(store, chance, phase, file, user)
                    rows.link(fixed, row)
            store.finish(phase, file, user)
