"""Writes the sample exports in ``connectors/kili/samples``; run it with ``python`` to write them again.

All content is invented. The layouts are those of the fact sheet §13: the web interface's JSON list, and the archive
that the SDK writes. The output is the same at every run, which test_kili_samples.py checks.
"""

from __future__ import annotations

import io
import json
import random
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[3] / "connectors" / "kili" / "samples"
START = datetime(2025, 3, 3, 8, 0, tzinfo=UTC)
PEOPLE = {
    "ines": {"email": "ines.rocha@example.com", "id": "cm7u0ines0001x8label0001a", "name": "Inês Rocha"},
    "tomas": {"email": "tomas.berg@example.com", "id": "cm7u0tomas002x8label0002b", "name": "Tomas Berg"},
    "akua": {"email": "akua.mensah@example.org", "id": "cm7u0akua0003x8review003c", "name": "Akua Mensah"},
}


def cuid(kind: str, number: int) -> str:
    return f"cm8{kind}{number:04d}".ljust(25, "q")[:25]


def at(minutes: float) -> str:
    return (START + timedelta(minutes=minutes)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def mid(minutes: float, number: int) -> str:
    return (START + timedelta(minutes=minutes)).strftime("%Y%m%d%H%M%S") + f"{number:03d}-{10_000 + number * 37}"


def box(left: float, top: float, right: float, bottom: float) -> list[dict[str, Any]]:
    corners = [(left, bottom), (left, top), (right, top), (right, bottom)]
    return [{"normalizedVertices": [{"x": x, "y": y} for x, y in corners]}]


# --- harbour-traffic.json: images, two labelers, reviews, predictions, marks ------------------------------------


def harbour() -> list[dict[str, Any]]:
    chance = random.Random(7)
    return [_harbour_asset(number, chance) for number in range(1, 21)]


def _harbour_asset(number: int, chance: random.Random) -> dict[str, Any]:
    minutes = number * 30.0
    status = ["TODO", "ONGOING", "LABELED", "TO_REVIEW", "REVIEWED"][number % 5]
    honeypot, consensus = number in (4, 9), number in (3, 14)
    first = _harbour_answer(minutes, number, chance)
    labels = [_label((number, 0), "PREDICTION", "tomas", minutes, _predicted(first), model="harbour-detector-v2")]
    if status != "TODO":
        labels.append(_label((number, 1), "AUTOSAVE", "ines", minutes + 4, {}))
    if status in ("LABELED", "TO_REVIEW", "REVIEWED"):
        labels.append(_label((number, 2), "DEFAULT", "ines", minutes + 6, first, seconds=95 + number))
    if consensus and status != "TODO":
        labels.append(
            _label((number, 3), "DEFAULT", "tomas", minutes + 9, _harbour_answer(minutes + 9, number, chance))
        )
    if status == "ONGOING":
        rejected = _label((number, 4), "DEFAULT", "tomas", minutes + 7, first, seconds=41)
        labels.append(rejected | {"isSentBackToQueue": True, "isLatestLabelForUser": False})
    if status == "REVIEWED":
        labels.append(_label((number, 5), "REVIEW", "akua", minutes + 30, first if number % 2 else _moved(first)))
    return {
        "content": f"https://images.example.org/harbour/pier-{number:02d}.jpg",
        "createdAt": at(minutes - 20),
        "externalId": f"pier-{number:02d}.jpg",
        "honeypotMark": 0.84 if honeypot else None,
        "consensusMark": 0.71 if consensus else None,
        "id": cuid("harbour", number),
        "isHoneypot": honeypot,
        "isUsedForConsensus": consensus,
        "jsonMetadata": {
            "camera": "north mole" if number % 2 else "ferry quay",
            "tide": round(chance.uniform(0, 4), 2),
        },
        "labels": labels,
        "priority": 1 if number == 6 else 0,
        "status": status,
        "toBeLabeledBy": [PEOPLE["tomas"]["email"]] if status == "TODO" else [],
        "totalSecondsToLabel": sum(label["secondsToLabel"] or 0 for label in labels),
        "updatedAt": at(minutes + 45),
    }


def _label(
    name: tuple[int, int],
    kind: str,
    author: str,
    minutes: float,
    response: dict[str, Any],
    *,
    seconds: int | None = None,
    model: str | None = None,
) -> dict[str, Any]:
    asset, number = name
    return {
        "author": PEOPLE[author],
        "createdAt": at(minutes),
        "id": cuid(f"label{asset:02d}n", number),
        "isLatestLabelForUser": kind != "AUTOSAVE",
        "isSentBackToQueue": False,
        "jsonResponse": response,
        "labelType": kind,
        "modelName": model,
        "secondsToLabel": seconds,
        "skipped": False,
    }


def _harbour_answer(minutes: float, number: int, chance: random.Random) -> dict[str, Any]:
    left, top = round(chance.uniform(0.05, 0.4), 4), round(chance.uniform(0.2, 0.5), 4)
    ship = {
        "boundingPoly": box(left, top, round(left + 0.3, 4), round(top + 0.2, 4)),
        "categories": [{"confidence": 100, "name": "SHIP"}],
        "children": {"ACTIVITY": {"categories": [{"confidence": 100, "name": ["MOORED", "UNDER_WAY"][number % 2]}]}},
        "mid": mid(minutes, number),
        "score": None,
        "type": "rectangle" if number % 3 else "RECTANGLE",
    }
    quay = {
        "boundingPoly": [
            {"normalizedVertices": [{"x": 0.0, "y": 0.91}, {"x": 0.38, "y": 0.84}, {"x": 0.99, "y": 0.97}]},
            {"normalizedVertices": [{"x": 0.3, "y": 0.9}, {"x": 0.36, "y": 0.88}, {"x": 0.4, "y": 0.91}]},
        ],
        "categories": [{"confidence": 100, "name": "QUAY"}],
        "children": {},
        "mid": mid(minutes, number + 500),
        "type": "semantic",
    }
    weather = [{"confidence": 100, "name": "OVERCAST"}] if number % 4 else [{"confidence": 100, "name": "FOG"}]
    return {
        "OBJECTS": {"annotations": [ship, quay]},
        "WEATHER": {"categories": weather},
        "HULL_NUMBER": {"text": f"HX {700 + number}"},
        "ROTATION_JOB": {"rotation": 0},
    }


def _predicted(answer: dict[str, Any]) -> dict[str, Any]:
    ship = {key: value for key, value in answer["OBJECTS"]["annotations"][0].items() if key != "children"}
    return {
        "OBJECTS": {"annotations": [ship | {"score": 0.62, "mid": ship["mid"] + "-p", "labelVersion": "prediction"}]}
    }


def _moved(answer: dict[str, Any]) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(answer))
    for vertex in changed["OBJECTS"]["annotations"][0]["boundingPoly"][0]["normalizedVertices"]:
        vertex["x"] = round(vertex["x"] + 0.02, 4)
    return changed


# --- letters.json: texts with entities, relations and a transcription --------------------------------------------

LETTERS = (
    "Dear Mr Holm, the lamp at Cape Varda has been lit since the first of May. Yours, Elsa Lind",
    "Elsa, please order forty litres of oil for Varda before the autumn storms. Holm",
    "The keeper notes wind from the north and no ships in sight. " * 18 + "On Sunday Elsa Lind saw the brig Fortuna.",
    "Received at Cape Varda: two barrels, one chain. Signed by J. Holm",
)


def letters() -> list[dict[str, Any]]:
    return [_letter(number, words) for number, words in enumerate(LETTERS, 1)]


def _letter(number: int, words: str) -> dict[str, Any]:
    minutes = number * 11.0
    names = [("Elsa", "PERSON"), ("Holm", "PERSON"), ("Varda", "PLACE"), ("Fortuna", "VESSEL")]
    entities = [_entity(words, name, kind, minutes, index) for index, (name, kind) in enumerate(names) if name in words]
    relation = {
        "categories": [{"name": "MENTIONED_WITH"}],
        "children": {},
        "endEntities": [{"mid": entities[1]["mid"]}],
        "mid": mid(minutes, 90 + number),
        "startEntities": [{"mid": entities[0]["mid"]}],
    }
    response = {
        "ENTITIES": {"annotations": entities},
        "RELATIONS": {"annotations": [relation]},
        "DATE_WRITTEN": {"text": f"1911-05-{number:02d}"},
    }
    author = {"email": "ines.rocha@example.com", "id": PEOPLE["ines"]["id"], "firstname": "Inês", "lastname": "Rocha"}
    return {
        "content": words,
        "externalId": f"letter-{number}",
        "id": cuid("letter", number),
        "jsonMetadata": {},
        "labels": [
            {
                "author": author,
                "createdAt": at(minutes),
                "isLatestLabelForUser": True,
                "jsonResponse": response,
                "labelType": "DEFAULT",
                "modelName": None,
                "skipped": False,
            }
        ],
    }


def _entity(words: str, name: str, kind: str, minutes: float, index: int) -> dict[str, Any]:
    """Kili cuts long texts into chunks of 1000; ``endOffset`` counts in the chunk, ``beginOffset`` in the whole text."""
    begin = words.index(name)
    end = begin + len(name)
    return {
        "beginId": f"main/[{begin // 1000}]",
        "beginOffset": begin,
        "categories": [{"confidence": 100, "name": kind}],
        "children": {},
        "content": name,
        "endId": f"main/[{end // 1000}]",
        "endOffset": end % 1000,
        "mid": mid(minutes, index),
    }


# --- roadside.zip: clips, as the SDK writes them ------------------------------------------------------------------

README = """Exported Labels from KILI
=========================

- Project name: Roadside birds
- Project identifier: cm8roadsideprojectqqqqqqq
- Project description: Where do storks cross the road?
- Export date: 20250401-101500
- Exported format: kili
- Exported labels: latest_from_last_step
"""


def clips() -> dict[str, dict[str, Any]]:
    return {
        f"labels/{name.replace(' ', '_')}.json": _clip(name, n)
        for n, name in enumerate(("north/clip 01", "clip 02"), 1)
    }


def _clip(name: str, number: int) -> dict[str, Any]:
    minutes = number * 70.0
    frames: dict[str, Any] = {str(frame): {} for frame in range(12)}
    for frame in range(3, 8):
        left = round(0.1 + 0.05 * frame, 4)
        stork = {
            "boundingPoly": box(left, 0.4, round(left + 0.1, 4), 0.62),
            "categories": [{"name": "STORK"}],
            "children": {},
            "isKeyFrame": frame in (3, 7),
            "mid": mid(minutes, number),
            "type": "rectangle",
        }
        frames[str(frame)] = {
            "BIRDS": {"annotations": [stork]},
            "ROAD": {"annotations": [], "categories": [{"confidence": 100, "name": "WET"}], "isKeyFrame": frame == 3},
        }
    author = {key: value for key, value in PEOPLE["tomas"].items() if key != "name"}
    return {
        "content": f"https://video.example.org/{name.replace(' ', '%20')}.mp4",
        "externalId": name,
        "id": cuid("clip", number),
        "jsonContent": "",
        "jsonMetadata": {"processingParameters": {"framesPlayedPerSecond": 4, "numberOfFrames": 12}},
        "latestLabels": [
            {
                "author": author | {"firstname": None, "lastname": None, "name": "None None"},
                "createdAt": at(minutes),
                "isLastForStep": True,
                "isLatestLabelForUser": True,
                "isSentBackToQueue": False,
                "jsonResponse": frames,
                "labelType": "DEFAULT",
                "modelName": None,
            },
            None,
        ],
        "pageResolutions": None,
        "resolution": {"height": 720.0, "width": 1280.0},
        "status": "LABELED",
    }


# --- writing -----------------------------------------------------------------------------------------------------


def files() -> dict[str, bytes]:
    """Every sample file by name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as packed:
        written = {name: json.dumps(clip, sort_keys=True, indent=4) for name, clip in clips().items()}
        for name, words in {"README.kili.txt": README, **written}.items():
            packed.writestr(zipfile.ZipInfo(name, (2025, 4, 1, 10, 15, 0)), words)
    return {
        "harbour-traffic.json": _pretty(harbour()),
        "letters.json": _pretty(letters()),
        "roadside.zip": buffer.getvalue(),
    }


def _pretty(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


if __name__ == "__main__":
    for name, content in files().items():
        (FOLDER / name).write_bytes(content)
