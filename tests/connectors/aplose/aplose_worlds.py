"""The servers that the recordings were made on, rebuilt in the sandbox's store from the samples beside them."""

from __future__ import annotations

import csv
import json
from datetime import UTC, date, datetime
from typing import Any

from aplose_replay import SHARED, recorded

from connectors.aplose.sandbox import rows
from connectors.aplose.sandbox.model import ANNOTATION, TRENDS, VERIFICATION, Archive
from connectors.aplose.sandbox.store import Store
from connectors.sandbox import Control

PASSWORD = "osmose29"


def _counted(store: Store, **last: int) -> None:
    """What the tables counted before the recording began."""
    store.last_id.update({name: value - store.last_id[name] for name, value in last.items()})


def world_v3(control: Control) -> Store:
    """v3.4.1 with its test fixtures: 6 users, one dataset of 11 files, 4 campaigns, 11 annotations."""
    store = Store(control.clock, control.effect)
    store.muted = True
    lists = recorded("v3.4.1_live", "055_gql_lists.json")["response"]["data"]
    for user in sorted(lists["allUsers"]["results"], key=lambda each: int(each["id"])):
        first, _, last = user["displayName"].partition(" ")
        store.add_user(
            user["username"],
            PASSWORD,
            first_name=first,
            last_name=last,
            email=user["email"],
            expertise=user["expertise"],
            is_staff=user["isStaff"],
            is_superuser=user["isSuperuser"],
        )
    admin, owner, user2 = (store.user_named(name) for name in ("admin", "user1", "user2"))
    dataset = store.add_dataset("gliderSPAmsDemo", admin, ("spectro_config1", "spectro_config2"), 480)
    store.add_spectrograms(dataset, 11, lambda index, _: f"sound{index + 1:03d}", datetime(2012, 10, 3, 10, tzinfo=UTC))
    for each in lists["allLabelSets"]["results"][:2]:
        store.add_label_set(each["name"], [label["name"] for label in each["labels"]])
    levels = {"confident": 0, "no Confident": 1}
    confidences = store.add_confidence_set("Confidence/NoConfidence", levels)
    store.detector_configuration("Detector 1", "Detector configuration 1")
    store.detector_configuration("Detector 2", "none")
    store.detectors[2].configurations.clear()
    del store.configurations[2]
    names = ("Test SPM campaign", "Test DCLDE LF campaign", "Test RTF campaign", "Test Z check campaign")
    for number, name in enumerate(names, 1):
        campaign = store.add_campaign(
            name,
            owner,
            dataset.analysis[:1],
            deadline=date(2010, 11, 2),
            label_set=store.label_sets[1],
            confidence_set=confidences if number in {1, 4} else None,
        )
        store.add_phase(campaign, ANNOTATION, owner)
    store.add_phase(store.campaigns[4], VERIFICATION, owner)
    for phase, user, first, last in (
        (1, admin, 0, 5),
        (2, admin, 0, 1),
        (1, user2, 6, 9),
        (2, user2, 3, 3),
        (5, user2, 0, 1),
        (5, admin, 0, 1),
    ):
        store.add_range(store.phases[phase], user, first, last)
    store.archive(store.campaigns[3], admin)
    store.finish(store.phases[1], store.spectrograms[1], admin)
    _fixture_rows(store)
    _counted(store, annotation=11, features=1, validation=2, comment=1, task=14, configuration=1, confidence_set=1)
    store.muted = False
    return store


def _fixture_rows(store: Store) -> None:
    """The fixtures' annotations, read back from the exports of their phases."""
    for phase_id in (1, 5, 4):
        path = SHARED / "v3.4.1_fixtures" / f"results_phase{phase_id}.csv"
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        for line in sorted(lines, key=lambda each: int(each["annotation_id"] or 0)):
            if line["annotation_id"] and int(line["annotation_id"]) not in store.annotations:
                _fixture_row(store, line)
            elif not line["annotation_id"]:
                author = store.user_named(line["annotator"])
                text = line["comments"].rpartition(" |- ")[0]
                rows.comment_on(store, text, author, store.phases[phase_id], _file(store, line["filename"]))


def _file(store: Store, name: str) -> Any:
    return next(file for file in store.spectrograms.values() if file.filename == name)


def _fixture_row(store: Store, line: dict[str, str]) -> None:
    key = int(line["annotation_id"])
    human = next((u for u in store.users.values() if u.username == line["annotator"]), None)
    phase = store.phases[5 if line["created_at_phase"] == "VERIFICATION" else 4 if human is None else 1]
    signal = None
    if line["signal_quantity"] == "SINGLE":
        signal = {
            "trend": {short: long for long, short in TRENDS.items()}[line["signal_trend"]],
            "start_frequency": float(line["signal_start_frequency"]),
            "end_frequency": float(line["signal_end_frequency"]),
            "relative_min_frequency_count": int(line["signal_relative_min_frequency_count"]),
            "relative_max_frequency_count": int(line["signal_relative_max_frequency_count"]),
            "has_harmonics": line["signal_has_harmonics"] == "True",
        }
    bounds: dict[str, Any] = {name: float(line[name]) for name in rows.BOUNDS}
    confidence = store.confidence(line["confidence_indicator_label"], int(line["confidence_indicator_level"][0]))
    row = rows.create(
        store,
        store.label(line["annotation"]),
        phase,
        _file(store, line["filename"]),
        store.analysis[1],
        key=key,
        **bounds,
        confidence=confidence,
        annotator=human,
        detector_configuration=None if human else store.configurations[1],
        acoustic_features=rows.features(store, signal),
        is_update_of=store.annotations.get(int(line["is_update_of_id"] or 0)),
    )
    # Fixtures are loaded past `save`, so that nobody's expertise was copied.
    row.annotator_expertise_level = None
    for name in ("admin", "user2"):
        if line.get(name):
            rows.validate(store, row, store.user_named(name), is_valid=line[name] == "True")


def world_v2(control: Control) -> Store:
    """v2.5.7 after its seed: 44 users, five datasets of 99 files, five campaigns; its 6,694 results are only counted."""
    store = Store(control.clock, control.effect)
    store.muted = True

    def listed(name: str) -> list[dict[str, Any]]:
        return json.loads((SHARED / "v2.5.7_seed" / f"{name}.json").read_text(encoding="utf-8"))

    for user in sorted(listed("list_user"), key=lambda each: int(each["id"])):
        given = {name: user[name] for name in ("email", "first_name", "last_name", "is_staff", "is_superuser")}
        store.add_user(user["username"], PASSWORD, expertise=user["expertise_level"], **given)
    admin = store.users[1]
    for each in sorted(listed("list_dataset"), key=lambda dataset: int(dataset["id"])):
        names = [f"{spectro['name']} {spectro['id']}" for spectro in each["spectros"]]
        dataset = store.add_dataset(each["name"], admin, names, 327_680)
        start = datetime(2012, 10, 3, 11, tzinfo=UTC)
        for file in store.add_spectrograms(dataset, 99, lambda _, at: at.strftime("%Y_%m_%d_%H_%M_%S"), start):
            file.size, file.audio_path = 58_982_478, "/backend/static/seed/dataset_path/data/audio/50h_0.wav"
    for each in sorted(listed("list_label-set"), key=lambda label_set: int(label_set["id"])):
        store.add_label_set(each["name"], each["labels"], each["desc"])
    for each in listed("list_confidence-indicator"):
        levels = {one["label"]: one["level"] for one in each["confidence_indicators"]}
        made = store.add_confidence_set(each["name"], levels, each["desc"])
        made.default = made.indicators[1]
    for each in sorted(listed("campaigns"), key=lambda campaign: int(campaign["id"])):
        dataset = next(one for one in store.datasets.values() if one.name == each["datasets"][0])
        campaign = store.add_campaign(
            each["name"],
            admin,
            dataset.analysis[:1],
            label_set=store.label_sets[each["label_set"]],
            confidence_set=store.confidence_sets[each["confidence_indicator_set"]],
            description=each["desc"],
            instructions_url=each["instructions_url"],
            deadline=date.fromisoformat(each["deadline"]),
        )
        store.add_phase(campaign, ANNOTATION, admin)
        if each["archive"]:
            # The seed archives behind the model's back: the phase stays open.
            campaign.archive = Archive(store.next_id("archive"), store.now(), admin, campaign)
    _counted(store, annotation=6694, comment=5909, range=210)
    store.muted = False
    return store
