"""Makes the sample exports of the package: our own inventions in exactly the form of Label Studio 1.23 JSON exports.

python tests/connectors/labelstudio/make_labelstudio_samples.py
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[3] / "connectors" / "labelstudio" / "samples"


def at(minute: int) -> str:
    return f"2026-03-{1 + minute // 1440:02d}T{minute // 60 % 24:02d}:{minute % 60:02d}:07.{123456 + minute:06d}Z"


def answer(number: int, task: int, project: int, result: list[Any], **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "completed_by": 2,
        "result": result,
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": at(number),
        "updated_at": at(number + 5),
        "draft_created_at": None,
        "lead_time": 10.0 + number / 4,
        "prediction": {},
        "result_count": len({item.get("id") for item in result}),
        "unique_id": str(uuid.UUID(int=number)),
        "import_id": None,
        "last_action": None,
        "bulk_created": False,
        "task": task,
        "project": project,
        "updated_by": 2,
        "parent_prediction": None,
        "parent_annotation": None,
        "last_created_by": None,
    } | more


def task(number: int, project: int, data: dict[str, Any], answers: list[Any], **more: Any) -> dict[str, Any]:
    live = [one for one in answers if not one["was_cancelled"]]
    return {
        "id": number,
        "annotations": answers,
        "drafts": [],
        "predictions": [],
        "data": data,
        "meta": {},
        "created_at": at(number),
        "updated_at": at(number + 60),
        "allow_skip": True,
        "inner_id": number % 100,
        "total_annotations": len(live),
        "cancelled_annotations": len(answers) - len(live),
        "total_predictions": 0,
        "comment_count": 0,
        "unresolved_comment_count": 0,
        "last_comment_updated_at": None,
        "project": project,
        "updated_by": 2,
        "comment_authors": [],
    } | more


def image(id_: str, control: str, kind: str, value: dict[str, Any], **more: Any) -> dict[str, Any]:
    size = {"original_width": 1280, "original_height": 960, "image_rotation": 0, "origin": "manual"}
    return {"id": id_, "from_name": control, "to_name": "photo", "type": kind, **size, "value": value} | more


def hives() -> list[dict[str, Any]]:
    """Photographs of beehives: boxes, outlines, points, classes, a fix, a rejection and a skipped one."""
    out = []
    for n in range(1, 13):
        box = {
            "x": 5.0 * n,
            "y": 12.5,
            "width": 8.25,
            "height": 6.5,
            "rotation": 0,
            "rectanglelabels": ["Queen" if n % 4 == 0 else "Worker"],
        }
        outline = {"points": [[10, 10], [30.5, 12], [28, 40]], "closed": True, "polygonlabels": ["Comb"]}
        result = [
            image(f"b{n}", "bee", "rectanglelabels", box),
            image(f"p{n}", "area", "polygonlabels", outline),
            image(f"k{n}", "mark", "keypointlabels", {"x": 50, "y": 25, "width": 0.4, "keypointlabels": ["Entrance"]}),
            image(f"q{n}", "light", "choices", {"choices": ["bright"]}),
            image(
                f"b{n}",
                "note",
                "textarea",
                {"text": ["near the entrance"], **{k: box[k] for k in ("x", "y", "width", "height")}},
            ),
        ]
        verdict: dict[str, Any] = {}
        if n % 4 == 1:
            verdict = {"last_action": "accepted", "last_created_by": 3, "updated_by": 3}
        elif n % 4 == 2:
            verdict = {"last_action": "rejected", "last_created_by": 3, "updated_by": 3}
        elif n == 3:
            verdict = {"last_action": "fixed_and_accepted", "last_created_by": 3, "updated_by": 3}
        answers = [answer(100 + n, n, 1, result, **verdict)]
        if n == 5:
            answers.append(answer(150, n, 1, result[:1], completed_by=4, updated_by=4))
        if n == 8:
            answers = [answer(108, n, 1, [], was_cancelled=True, lead_time=None)]
        out.append(
            task(n, 1, {"photo": f"https://files.example.org/hives/hive-{n:03d}.jpg", "apiary": "Linden Hill"}, answers)
        )
    draft = {
        "id": 7,
        "user": "noor@example.org",
        "created_username": "Noor Example noor@example.org, 4",
        "created_ago": "1 day",
        "result": [
            image(
                "d1",
                "bee",
                "rectanglelabels",
                {"x": 1, "y": 2, "width": 3, "height": 4, "rotation": 0, "rectanglelabels": ["Worker"]},
            )
        ],
        "lead_time": 2.5,
        "was_postponed": False,
        "import_id": None,
        "created_at": at(200),
        "updated_at": at(201),
        "task": 13,
        "annotation": None,
    }
    out.append(
        task(
            13,
            1,
            {"photo": "https://files.example.org/hives/hive-013.jpg", "apiary": "Linden Hill"},
            [],
            drafts=[draft],
            predictions=[31],
        )
    )
    return out


def voices() -> list[dict[str, Any]]:
    """Sound, letters, a dialogue and a film: spans in seconds and characters, key frames, and what no mapping knows."""

    def item(id_: str, control: str, to: str, kind: str, value: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"id": id_, "from_name": control, "to_name": to, "type": kind, "origin": "manual", "value": value} | more

    letter = "Dear Ines, the larks came back to Foxglove Field on Monday."
    sound = [
        item(
            "a1",
            "call",
            "sound",
            "labels",
            {"start": 1.25, "end": 3.5, "channel": 0, "labels": ["Skylark"]},
            original_length=60.0,
        ),
        item(
            "a1",
            "words",
            "sound",
            "textarea",
            {"start": 1.25, "end": 3.5, "channel": 0, "text": ["rising trill"]},
            original_length=60.0,
            meta={"text": ["clear"]},
        ),
    ]
    names = [
        item("n1", "ner", "text", "labels", {"start": 5, "end": 9, "text": "Ines", "labels": ["PERSON"]}),
        item("n2", "ner", "text", "labels", {"start": 34, "end": 48, "text": "Foxglove Field", "labels": ["PLACE"]}),
        {"type": "relation", "from_id": "n1", "to_id": "n2", "direction": "right", "labels": ["visits"]},
    ]
    talk = [
        item(
            "t1",
            "says",
            "talk",
            "paragraphlabels",
            {"start": "1", "end": "1", "startOffset": 4, "endOffset": 9, "text": "larks", "paragraphlabels": ["BIRD"]},
        ),
        item(
            "t2",
            "says",
            "talk",
            "paragraphlabels",
            {"start": "0", "end": "1", "startOffset": 4, "endOffset": 2, "paragraphlabels": ["BOTH"]},
        ),
    ]
    frames = [
        {"frame": n, "enabled": True, "rotation": 0, "x": 10 + n, "y": 20, "width": 5, "height": 5, "time": n / 25}
        for n in (1, 26)
    ]
    film = [
        item(
            "v1",
            "box",
            "film",
            "videorectangle",
            {"framesCount": 250, "duration": 10, "sequence": frames, "labels": ["Lark"]},
        ),
        item("v2", "part", "film", "timelinelabels", {"ranges": [{"start": 1, "end": 25}], "timelinelabels": ["Song"]}),
        item("v3", "stars", "film", "rating", {"rating": 4}),
    ]
    return [
        task(101, 2, {"sound": "https://files.example.org/larks/dawn.wav"}, [answer(201, 101, 2, sound)]),
        task(
            102,
            2,
            {"text": letter},
            [answer(202, 102, 2, names, last_action="accepted", last_created_by=3, updated_by=2)],
        ),
        task(
            103,
            2,
            {"talk": [{"author": "Ines", "text": "Did they?"}, {"author": "Noor", "text": "The larks did."}]},
            [answer(203, 103, 2, talk)],
        ),
        task(104, 2, {"film": "https://files.example.org/larks/field.mp4"}, [answer(204, 104, 2, film)]),
    ]


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, tasks in (("beehives.json", hives()), ("larks.json", voices())):
        (FOLDER / name).write_text(json.dumps(tasks, indent=1) + "\n")
