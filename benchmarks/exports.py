"""Makes big exports in the platforms' real layouts, the same for the same arguments."""

from __future__ import annotations

import csv
import random
from datetime import datetime, timedelta
from pathlib import Path

COLUMNS = (
    "dataset,filename,result_id,is_update_of_id,start_time,end_time,start_frequency,end_frequency,annotation,annotator,"
    "annotator_expertise,start_datetime,end_datetime,is_box,type,confidence_indicator_label,confidence_indicator_level,"
    "comments,signal_quality,signal_start_frequency,signal_end_frequency,signal_relative_max_frequency_count,"
    "signal_relative_min_frequency_count,signal_has_harmonics,signal_trend,signal_steps_count,created_at_phase"
).split(",")
LABELS = ("Whale song", "Boat", "Rain", "Dolphin whistle", "Airgun", "Snapping shrimp")
PEOPLE = ("ada", "bo", "cleo", "dana", "eli", "fay")


def aplose_results(path: Path, rows: int, *, seed: int = 1, per_task: int = 12) -> None:
    """An APLOSE results export of 27 columns; each annotator marks a file about ``per_task`` times."""
    chance = random.Random(seed)
    start = datetime(2024, 1, 1)
    written = number = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        write = csv.writer(file).writerow
        write(COLUMNS)
        while written < rows:
            number += 1
            begins = start + timedelta(minutes=10 * number)
            for person in chance.sample(PEOPLE, 2):
                for _ in range(min(rows - written, chance.randrange(2 * per_task))):
                    written += 1
                    write(_row(chance, f"{begins:%Y_%m_%d_%H_%M_%S}.wav", begins, person, 500_000 + written))


def _row(chance: random.Random, name: str, begins: datetime, person: str, number: int) -> list[object]:
    low, high = chance.uniform(0, 500), chance.uniform(1, 90)
    features = ["120.0", "300.0", "1", "0", "True", "ASC", "2"] if chance.random() < 0.2 else [""] * 7
    return [
        *("Glider 2024", name, number, "", low, low + high),
        *(round(chance.uniform(10, 500), 1), round(chance.uniform(500, 5000), 1), chance.choice(LABELS), person),
        *("EXPERT", _time(begins, low), _time(begins, low + high), 1, "BOX", "confident", "1/1"),
        f"seen before, {number} |- {person}" if chance.random() < 0.05 else "",
        "GOOD" if features[0] else "",
        *features,
        "ANNOTATION",
    ]


def _time(begins: datetime, seconds: float) -> str:
    return (begins + timedelta(seconds=seconds)).isoformat(timespec="milliseconds") + "+00:00"
