"""What the seeded projects ask and answer: interfaces, texts and labels, all invented, in the platform's format (§12).

A few quirks of real data are here on purpose: an upper-case RECTANGLE, a vertex a hair outside the picture, a mid
that is a plain number, classes with nested answers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from random import Random
from typing import Any

VESSELS = {"CARGO": "Cargo ship", "FERRY": "Ferry", "SAILING": "Sailing boat", "TUG": "Tug"}
SEA = {"CALM": "Calm", "CHOPPY": "Choppy", "FOG": "Fog"}
ENTITIES = {"PART": "Part", "FAULT": "Fault", "REMEDY": "Remedy"}
URGENCY = {"LOW": "Low", "HIGH": "High"}
REASONS = {"SAFETY": "Safety", "COST": "Cost"}
FIELDS = {"SENDER": "Sender", "TOTAL": "Total"}

PARTS = ("bilge pump", "anchor winch", "radar mast", "fuel filter", "rudder bearing", "cabin heater")
FAULTS = ("leaks at the flange", "runs hot", "has a cracked housing", "jams under load", "drops signal in rain")
REMEDIES = ("new gasket fitted", "bearing greased", "cable replaced", "housing welded", "filter swapped")


def _categories(names: Mapping[str, str], **children: list[str]) -> dict[str, Any]:
    return {key: {"name": name, "children": children.get(key, []), "id": key.lower()} for key, name in names.items()}


def _job(task: str, instruction: str, content: dict[str, Any], **more: Any) -> dict[str, Any]:
    shown = {"isVisible": True, "isChild": False, "required": 0}
    return {"mlTask": task, "instruction": instruction, "content": content} | shown | more


HARBOUR_INTERFACE = json.dumps(
    {
        "jobs": {
            "VESSEL_JOB": _job(
                "OBJECT_DETECTION",
                "Mark every vessel",
                {"input": "radio", "categories": _categories(VESSELS)},
                tools=["rectangle", "polygon"],
                required=1,
            ),
            "SEA_JOB": _job("CLASSIFICATION", "State of the sea", {"input": "radio", "categories": _categories(SEA)}),
            "REMARK_JOB": _job("TRANSCRIPTION", "Anything odd?", {"input": "textField"}),
        }
    }
)

REPAIR_INTERFACE = json.dumps(
    {
        "jobs": {
            "ENTITY_JOB": _job(
                "NAMED_ENTITIES_RECOGNITION",
                "Mark parts, faults and remedies",
                {"input": "radio", "categories": _categories(ENTITIES)},
                required=1,
            ),
            "RELATION_JOB": _job(
                "NAMED_ENTITIES_RELATION",
                "Which fault has which part?",
                {
                    "input": "radio",
                    "categories": {
                        "HAS": {"name": "Has", "children": [], "startEntities": ["PART"], "endEntities": ["FAULT"]}
                    },
                },
            ),
            "URGENCY_JOB": _job(
                "CLASSIFICATION",
                "How urgent?",
                {"input": "radio", "categories": _categories(URGENCY, HIGH=["REASON_JOB"])},
            ),
            "REASON_JOB": _job(
                "CLASSIFICATION", "Why?", {"input": "checkbox", "categories": _categories(REASONS)}, isChild=True
            ),
        }
    }
)

DELIVERY_INTERFACE = json.dumps(
    {
        "jobs": {
            "FIELD_JOB": _job(
                "OBJECT_DETECTION",
                "Box the fields",
                {"input": "radio", "categories": _categories(FIELDS)},
                tools=["rectangle"],
                required=1,
            ),
            "DATE_JOB": _job("TRANSCRIPTION", "Date of delivery", {"input": "date"}),
        }
    }
)


def mid(at: datetime, chance: Random) -> str:
    """The annotator's clock, a dash and a number, as most real ones are (§12)."""
    return f"{at:%Y%m%d%H%M%S}{chance.randrange(100):02d}-{chance.randrange(100, 99999)}"


def harbour_answer(at: datetime, chance: Random) -> dict[str, Any]:
    boxes: list[dict[str, Any]] = []
    for number in range(chance.randrange(1, 4)):
        left, top = (round(chance.uniform(0, 0.7), 6) for _ in range(2))
        right, bottom = round(left + chance.uniform(0.05, 0.3), 6), round(top + chance.uniform(0.05, 0.3), 6)
        corners = [(left, bottom), (left, top), (right, top), (right, bottom)]
        if chance.random() < 0.05:
            corners = [(x if x != right else 1.0000003, y) for x, y in corners]
        boxes.append(
            {
                "mid": str(chance.randrange(1000)) if number == 2 else mid(at, chance),
                "type": "RECTANGLE" if chance.random() < 0.1 else "rectangle",
                "categories": [{"name": chance.choice(list(VESSELS))}],
                "children": {},
                "boundingPoly": [{"normalizedVertices": [{"x": x, "y": y} for x, y in corners]}],
            }
        )
    answer: dict[str, Any] = {
        "VESSEL_JOB": {"annotations": boxes},
        "SEA_JOB": {"categories": [{"name": chance.choice(list(SEA))}]},
    }
    if chance.random() < 0.3:
        answer["REMARK_JOB"] = {"text": chance.choice(("gull on the lens", "two hulls overlap — counted twice?"))}
    return answer


def repair_text(chance: Random) -> str:
    part, fault, remedy = chance.choice(PARTS), chance.choice(FAULTS), chance.choice(REMEDIES)
    return f"Ørland yard, berth {chance.randrange(1, 30)}: the {part} {fault}. Done so far: {remedy}."


def repair_answer(at: datetime, chance: Random, text: str) -> dict[str, Any]:
    spans = []
    for name, words in (("PART", PARTS), ("FAULT", FAULTS), ("REMEDY", REMEDIES)):
        word = next(word for word in words if word in text)
        begin = text.index(word)
        spans.append(
            {
                "mid": mid(at, chance),
                "categories": [{"name": name}],
                "children": {},
                "beginId": "main/[0]",
                "beginOffset": begin,
                "endId": "main/[0]",
                "endOffset": begin + len(word),
                "content": word,
            }
        )
    ends = {"startEntities": [{"mid": spans[0]["mid"]}], "endEntities": [{"mid": spans[1]["mid"]}]}
    relation = {"mid": mid(at, chance), "categories": [{"name": "HAS"}], "children": {}, **ends}
    urgency: dict[str, Any] = {"name": chance.choice(list(URGENCY))}
    if urgency["name"] == "HIGH":
        urgency["children"] = {"REASON_JOB": {"categories": [{"name": chance.choice(list(REASONS))}]}}
    return {
        "ENTITY_JOB": {"annotations": spans},
        "RELATION_JOB": {"annotations": [relation]},
        "URGENCY_JOB": {"categories": [urgency]},
    }


def delivery_answer(at: datetime, chance: Random) -> dict[str, Any]:
    marks = []
    for name in FIELDS:
        left, top = round(chance.uniform(0, 0.6), 6), round(chance.uniform(0, 0.9), 6)
        corners = [(left, top), (left, top + 0.05), (left + 0.3, top + 0.05), (left + 0.3, top)]
        vertices = [[{"x": round(x, 6), "y": round(y, 6)} for x, y in corners]]
        area = [{"normalizedVertices": vertices}]
        marks.append(
            {
                "mid": mid(at, chance),
                "type": "rectangle",
                "categories": [{"name": name}],
                "children": {},
                "content": "",
                "annotations": [{"pageNumberArray": [1], "polys": area, "boundingPoly": area}],
            }
        )
    return {"FIELD_JOB": {"annotations": marks}, "DATE_JOB": {"text": f"2026-0{chance.randrange(1, 10)}-14"}}
