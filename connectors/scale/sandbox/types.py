"""What the sandbox knows of each task type: what a request must bring, which defaults Scale fills in, a dummy answer.

Types are the SDK's 31 and ``audiotranscription`` (fact sheet §4). Defaults, required parameters and the answers'
shapes are those of the recordings and the SDK's tests (§4, §7); a type whose answer nobody has shown in public
completes without a ``response``, which Scale's own recordings also do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeAlias

Params: TypeAlias = Mapping[str, Any]
Answer: TypeAlias = Callable[[Params, Random], dict[str, Any]]

ATTACHMENT = ("attachment", "attachments")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskType:
    needs: tuple[str, ...] = ATTACHMENT
    """One of these must be there; empty: nothing is required."""
    defaults: Params = field(default_factory=dict)
    instruction: str = ""
    answer: Answer | None = None
    marks: bool = False
    """The answer says ``is_customer_fix`` from the start."""


def missing(needs: tuple[str, ...]) -> str:
    """The text of the 400; the one for attachments is Scale's own (page "Errors")."""
    if needs == ATTACHMENT:
        return "Please include an attachment or attachments parameter."
    return f'Parameter is invalid, reason: "{needs[0]}" is required'


def uuid(chance: Random) -> str:
    digits = f"{chance.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def labels(params: Params) -> list[str]:
    """Every label a request offers, whichever of Scale's ways it used."""
    found: list[Any] = list(params.get("objects_to_annotate") or params.get("labels") or ())
    for geometry in (params.get("geometries") or {}).values():
        found += geometry.get("objects_to_annotate") or ()
    return [label if isinstance(label, str) else str(label.get("name") or label.get("label")) for label in found]


# --- answers --------------------------------------------------------------------------------------------------


def _point(chance: Random) -> dict[str, int]:
    return {"x": chance.randrange(20, 1260), "y": chance.randrange(20, 700)}


def _box(chance: Random) -> dict[str, Any]:
    corner = {"left": chance.randrange(0, 1100), "top": chance.randrange(0, 600)}
    return corner | {"width": chance.randrange(12, 180), "height": chance.randrange(12, 120)}


def _polygon(chance: Random) -> dict[str, Any]:
    x, y, size = chance.randrange(50, 1100), chance.randrange(50, 600), chance.randrange(10, 60)
    corners = ((0, -1), (1, 0), (0, 1), (-1, 0))
    return {"vertices": [{"x": x + dx * size, "y": y + dy * size} for dx, dy in corners]}


def _line(chance: Random) -> dict[str, Any]:
    return {"vertices": [_point(chance) for _ in range(3)]}


def _cuboid(chance: Random) -> dict[str, Any]:
    names = ("face-topleft", "face-bottomleft", "face-topright", "face-bottomright", "side-topcorner")
    corners = (*names, "side-bottomcorner")
    return {"vertices": [{"description": name, "type": "vertex"} | _point(chance) for name in corners], "edges": []}


_SHAPES: Mapping[str, Callable[[Random], dict[str, Any]]] = {
    "box": _box,
    "polygon": _polygon,
    "line": _line,
    "point": _point,
    "cuboid": _cuboid,
}


def _shapes(geometry: str, *, named: bool) -> Answer:
    """``named``: each mark has a uuid and says its geometry, as ``imageannotation`` does and older types do not."""

    def answer(params: Params, chance: Random) -> dict[str, Any]:
        offered = labels(params) or ["object"]
        asked = list(params.get("geometries") or ()) or [geometry]
        marks = []
        for _ in range(chance.choice((1, 2, 2, 3))):
            shape = asked[0] if len(asked) == 1 else chance.choice(asked)
            mark: dict[str, Any] = {"label": chance.choice(offered)} | _SHAPES.get(shape, _box)(chance)
            if named:
                mark |= {"attributes": {}, "uuid": uuid(chance), "type": shape}
            marks.append(mark)
        whole: dict[str, Any] = {"annotations": marks}
        return whole | {"links": [], "global_attributes": {}} if named else whole

    return answer


def _categories(params: Params, chance: Random) -> dict[str, Any]:
    offered = list(params.get("categories") or ("other",))
    if params.get("allow_multiple"):
        return {"category": sorted(chance.sample(offered, min(2, len(offered)))), "category_id": None}
    return {"category": chance.choice(offered), "category_id": None}


def _choice(params: Params, chance: Random) -> dict[str, Any]:
    return {"choice": chance.choice(list(params.get("choices") or ("yes", "no")))}


def _collected(params: Params, chance: Random) -> dict[str, Any]:
    return {
        "fields": dict.fromkeys(params.get("fields") or (), "test response"),
        "time_spent_in_seconds": chance.randrange(5, 90),
    }


def _transcribed(params: Params, _: Random) -> dict[str, Any]:
    return {
        "fields": dict.fromkeys(params.get("fields") or (), "test response"),
        "repeatable_fields": [dict.fromkeys(params.get("repeatable_fields") or (), "test response")],
    }


def _heard(_: Params, chance: Random) -> dict[str, Any]:
    words, at, alignment = ["the", "harbour", "bell", "rings", "twice"], 0.2, []
    for word in words:
        end = round(at + chance.uniform(0.1, 0.6), 2)
        alignment.append({"word": word, "start": at, "end": end, "confidence": round(chance.uniform(0.3, 0.99), 2)})
        at = end
    return {"transcript": " ".join(words), "duration": round(at + 0.5, 1), "alignment": alignment}


def _segments(params: Params, chance: Random) -> dict[str, Any]:
    def link() -> str:
        return f"https://results.example.com/{uuid(chance)}"

    seen = {label: chance.random() < 0.7 for label in labels(params)}
    colors = ("#ff0000", "#ffff00", "#00ff00", "#00ffff", "#0000ff", "#ff00ff")
    return {
        "annotations": {
            "unlabeled": link(),
            "labeled": {label: link() if there else None for label, there in seen.items()},
            "combined": {"image": link(), "indexedImage": link()},
        },
        "labelMapping": {
            label: {"index": index, "color": colors[index % len(colors)], "attributes": None}
            for index, label in enumerate(seen, 1)
        },
    }


def _texts(params: Params, chance: Random) -> dict[str, Any]:
    asked = [asked for asked in params.get("fields") or () if isinstance(asked, Mapping)]
    return {
        "annotations": {
            one["field_id"]: {
                "type": one.get("type", "text"),
                "field_id": one["field_id"],
                "response": [[str(chance.choice(_choices(one)))]],
            }
            for one in asked
            if "field_id" in one
        }
    }


def _choices(asked: Mapping[str, Any]) -> list[Any]:
    return [choice["value"] for choice in asked.get("choices") or ()] or ["clear", "unclear", "not visible"]


# --- the table ------------------------------------------------------------------------------------------------

_SILENT = (
    *("documentmodel", "laneannotation", "lidarannotation", "lidarlinking", "lidarsegmentation", "lidartopdown"),
    *("videoannotation", "videoboxannotation", "videoplaybackannotation", "videocuboidannotation", "sensorfusion"),
    *("chat", "chatexperimental", "chatlite", "multichat", "multistage", "federal2dvideoannotation"),
)

TYPES: Mapping[str, TaskType] = {
    "annotation": TaskType(defaults={"min_width": 0, "min_height": 0}, answer=_shapes("box", named=False)),
    "audiotranscription": TaskType(
        defaults={"verbatim": False, "skip_human_transcription": False},
        instruction="Please transcribe the attached audio file.",
        answer=_heard,
    ),
    "categorization": TaskType(defaults={"allow_multiple": False}, answer=_categories),
    "comparison": TaskType(needs=("attachments",), answer=_choice),
    "cuboidannotation": TaskType(
        defaults={"with_labels": True, "min_annotations": 0, "max_annotations": 0},
        answer=_shapes("cuboid", named=False),
    ),
    "datacollection": TaskType(answer=_collected),
    "documenttranscription": TaskType(),
    "imageannotation": TaskType(answer=_shapes("box", named=True), marks=True),
    "lineannotation": TaskType(defaults={"splines": False}, answer=_shapes("line", named=False)),
    "namedentityrecognition": TaskType(needs=("text",)),
    "pointannotation": TaskType(),
    "polygonannotation": TaskType(answer=_shapes("polygon", named=False)),
    "segmentannotation": TaskType(defaults={"allow_parent_labels": False}, answer=_segments),
    "textcollection": TaskType(needs=(), answer=_texts, marks=True),
    "transcription": TaskType(answer=_transcribed),
} | {name: TaskType(needs=()) for name in _SILENT}
