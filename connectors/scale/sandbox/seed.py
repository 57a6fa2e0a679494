"""The sandbox's first content, our own invention: harbour photographs, bird counts and logbook pages.

The same seed and number give the same tasks, byte for byte. States come round every twenty tasks, so that a handful
already shows all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from connectors.scale.sandbox import rules
from connectors.scale.sandbox.people import teammate
from connectors.scale.sandbox.state import Account, Batch, Project, World, answer
from connectors.scale.sandbox.store import Task
from connectors.scale.sandbox.types import uuid

FIRST: Final = datetime(2025, 1, 6, 8, 0, 0, tzinfo=UTC)
SPAN: Final = timedelta(days=120)

HARBOUR, BIRDS, LOGBOOK = "Harbour Vessels", "Bird Counts: cliffs/50% zoom", "Logbook Pages"
TEAM: Final[Mapping[str, str]] = {
    "ada.lindqvist@example.com": "admin",
    "bo.marsh@example.com": "manager",
    "cleo.tan@example.org": "member",
    "dov.peretz@example.org": "labeler",
}
REVIEWERS: Final = tuple(TEAM)[:3]
SCALE_REVIEWER: Final = "quality@example.net"
VESSELS: Final = ["ferry", "kayak", "sailing boat", "buoy", "tug"]
SPECIES: Final = ["guillemot", "kittiwake", "puffin", "razorbill", "none"]
COMMENTS: Final = (
    "The buoy behind the pier has no mark.",
    "Box runs into the water line.",
    "Ferry and tug are mixed up: Fähre, nicht Schlepper.",
    "Good work, thank you.",
    "Two marks on one kayak.",
)
PROJECTS: Final[Sequence[tuple[str, str, Mapping[str, Any], Sequence[str]]]] = (
    (
        HARBOUR,
        "imageannotation",
        {
            "instruction": "Mark every vessel and buoy that is longer than ten pixels.",
            "attachment_type": "image",
            "geometries": {
                "box": {"objects_to_annotate": VESSELS[:3], "min_width": 10, "min_height": 10},
                "polygon": {"objects_to_annotate": VESSELS},
                "line": {"objects_to_annotate": ["quay edge"]},
                "point": {"objects_to_annotate": ["mast top"]},
            },
        },
        ("harbour 2025-01/north", "harbour 2025-02/south", "harbour night shift"),
    ),
    (
        BIRDS,
        "categorization",
        {"instruction": "Which species sits nearest?", "attachment_type": "image", "categories": SPECIES},
        ("cliff A", "cliff B"),
    ),
    (
        LOGBOOK,
        "textcollection",
        {
            "instruction": "Copy what the keeper wrote.",
            "fields": [
                {
                    "type": "category",
                    "field_id": "weather",
                    "title": "Weather",
                    "choices": [{"label": word.title(), "value": word} for word in ("fog", "gale", "calm")],
                },
                {"type": "text", "field_id": "remark", "title": "Remark"},
            ],
        },
        (),
    ),
)
LOOSE: Final[Sequence[tuple[str, Mapping[str, Any]]]] = (
    ("segmentannotation", {"labels": ["water", "quay", "sky"], "allow_unlabeled": False}),
    ("polygonannotation", {"objects_to_annotate": ["slipway"], "with_labels": True}),
    ("cuboidannotation", {"objects_to_annotate": ["container"]}),
    ("audiotranscription", {"attachment_type": "audio"}),
)
"""Tasks of no project, as accounts have them from the years before projects."""

STATES: Final = (
    *("completed", "accepted", "pending", "fixed", "rejected", "working", "completed", "canceled", "fixed twice"),
    *("scale accepted", "error", "completed", "commented", "at odds", "recalled", "silent", "accepted", "tagged"),
    *("fixed by scale", "old comment"),
)


OPEN: Final = ("pending", "working", "recalled")


def fill(account: Account, world: World, tasks: int, seed: int) -> None:
    """Everything that is there when the sandbox opens."""
    chance = Random(f"seed {seed}")
    account.teammates = {email: teammate(email, role) for email, role in TEAM.items()}
    account.auditor = REVIEWERS[0]
    account.assignments = {"dov.peretz@example.org": [HARBOUR]}
    _projects(world)
    step = SPAN / max(tasks, 1)
    for index in range(tasks):
        world.tasks.put(_task(world, index, rules.stamp(FIRST + index * step), chance))
    _finish_batches(world)


def _projects(world: World) -> None:
    at = rules.stamp(FIRST - timedelta(days=3))
    for name, kind, params, batches in PROJECTS:
        history = [{"version": 0, "created_at": at, **params}]
        project = Project(id=world.new_id(at), name=name, type=kind, created_at=at, param_history=history)
        world.projects[name] = project
        for place, batch in enumerate(batches):
            at = rules.later(at, 3600)
            world.batches[batch] = Batch(
                id=world.new_id(at),
                name=batch,
                project=name,
                status="in_progress",
                created_at=at,
                metadata={"place": place},
            )


def _task(world: World, index: int, at: str, chance: Random) -> Task:
    state = STATES[index % len(STATES)]
    kind, body = _request(index, state, chance)
    if state == "tagged":
        body |= {"tags": ["golden", f"week-{index % 9}"], "unique_id": f"photo-{index:06d}", "priority": 30}
    task = world.draft(kind, body, at)
    _live(task, state, chance)
    if "batch" in task and "customer_audited_at" in task:
        batch = world.batches[task["batch"]]
        batch.last_audited_at = max(batch.last_audited_at, task["customer_audited_at"])
    return task


def _request(index: int, state: str, chance: Random) -> tuple[str, dict[str, Any]]:
    """Of twenty tasks eleven are harbour's, five birds', three the logbook's; one has no project."""
    source = {"attachment": f"https://images.example.com/{index:06d}.jpg", "metadata": {"roll": index // 36}}
    turn = index * 7 % 20
    if turn == 0:
        kind, params = LOOSE[index // 20 % len(LOOSE)]
        return kind, {"attachment_type": "image", "instruction": "Mark it.", **source, **params}
    name, kind, _, batches = PROJECTS[0 if turn < 12 else 1 if turn < 17 else 2]
    body: dict[str, Any] = {"project": name, **source}
    if batches and turn % 4:
        body["batch"] = chance.choice(batches[1:] if state in OPEN else batches)
    return kind, body


def _live(task: Task, state: str, chance: Random) -> None:
    """Takes a pending task to its state, by the same rules as a client or a labeler would."""
    at = rules.later(task["created_at"], chance.randrange(600, 90_000))
    if state == "pending":
        return
    if state == "working":
        task["work_started"] = True
        rules.touch(task, at)
    elif state == "canceled":
        rules.cancel(task, clear_unique_id=False, now=at)
    elif state == "error":
        broken = [{"statusCode": 403, "url": task["params"].get("attachment", "")}]
        rules.fail(task, "One or more attachments could not be downloaded.", broken, at)
    else:
        rules.complete(task, None if state == "silent" else answer(task), at)
        _review(task, state, chance)


def _review(task: Task, state: str, chance: Random) -> None:
    at = task["completed_at"]

    def audit(result: str, *, by: str = "", **details: Any) -> None:
        nonlocal at
        at = rules.later(at, chance.randrange(3_600, 400_000))
        seconds = chance.randrange(20, 900)
        if result == "fixed":
            details["response"], details["errors"] = _fix(task["response"], chance)
        who, active = by or chance.choice(REVIEWERS), round(seconds * 0.8, 1)
        rules.audit(task, result, at=at, now=at, by=who, seconds=seconds, active_seconds=active, **details)

    if state == "accepted":
        audit("accepted")
    elif state == "rejected":
        audit("rejected", comment=chance.choice(COMMENTS), errors=_found(task["response"], chance))
    elif state in ("fixed", "fixed twice"):
        for _ in state.split():
            audit("fixed", comment=chance.choice(COMMENTS))
    elif state == "scale accepted":
        audit("accepted", by=SCALE_REVIEWER, source="scale")
        audit("accepted")
    elif state == "fixed by scale":
        audit("fixed", by=SCALE_REVIEWER, source="scale")
    elif state == "at odds":
        # Scale's own example: the newest audit says accepted, the status fixed.
        audit("fixed", comment=chance.choice(COMMENTS))
        audit("accepted")
        task["customer_review_status"] = "fixed"
    elif state == "commented":
        task |= {"customer_review_status": "commented", "customer_review_comments": [chance.choice(COMMENTS)]}
    elif state == "old comment":
        audit("rejected")
        task["customer_review_comments"] = chance.choice(COMMENTS)
    elif state == "recalled":
        audit("rejected", comment=chance.choice(COMMENTS))
        rules.recall(task, rules.later(at, 60))


def _fix(response: Mapping[str, Any], chance: Random) -> tuple[dict[str, Any], list[dict[str, Any]] | None]:
    """The response as a reviewer leaves it, and what was wrong, in our words of ``ERROR_FIELDS``.

    Errors come with marks that have a uuid; for other answers per-annotation auditing is off, so there is no list.
    """
    fixed = dict(response)
    marks = fixed.get("annotations")
    if not isinstance(marks, list) or "uuid" not in marks[0]:
        if "category" in fixed:
            fixed["category"] = chance.choice([one for one in SPECIES if one != fixed["category"]])
        return fixed, None
    first, *others = marks
    kinds = ("missing", "extraneous", "attribute", "class", *(("geometry",) if "left" in first else ()))
    error = {"annotation_id": first["uuid"], "severity": "default", "error_type": chance.choice(kinds)}
    error |= {"comment": chance.choice(("", *COMMENTS)), "is_fixed": True}
    if error["error_type"] == "missing":
        added = first | {"uuid": uuid(chance), "label": chance.choice(VESSELS)}
        marks = [*marks, added]
        error |= {"annotation_id": added["uuid"], "severity": "critical"}
    elif error["error_type"] == "extraneous":
        marks = others
        error |= {"severity": "critical"}
    elif error["error_type"] == "attribute":
        marks = [first | {"attributes": {"occluded": "yes"}}, *others]
        error |= {"attribute": "occluded", "reasons": ["hard to see"]}
    elif error["error_type"] == "class":
        label = chance.choice([one for one in VESSELS if one != first["label"]])
        marks = [first | {"label": label}, *others]
        error |= {"task_label": first["label"], "audit_label": label}
    else:
        box = {side: first[side] for side in ("left", "top", "width", "height")}
        moved = box | {"left": box["left"] + 6, "width": box["width"] + 3}
        marks = [first | moved, *others]
        error |= {"task_box": box, "audit_box": moved}
    return fixed | {"annotations": marks}, [error]


def _found(response: Mapping[str, Any], chance: Random) -> list[dict[str, Any]] | None:
    """What a reviewer finds wrong and sends back: nothing is fixed, and what is missing was never drawn."""
    _, errors = _fix(response, chance)
    for error in errors or ():
        error["is_fixed"] = False
        error.pop("audit_label", None)
        error.pop("audit_box", None)
        if error["error_type"] == "missing":
            error["is_missing_annotation"] = True
    return errors


def _finish_batches(world: World) -> None:
    """A project's first batch holds no open task: it is complete."""
    for *_, batches in PROJECTS:
        for name in batches[:1]:
            if world.progress(name):
                world.batches[name].status = "completed"
                world.batches[name].completed_at = rules.stamp(FIRST + SPAN)
