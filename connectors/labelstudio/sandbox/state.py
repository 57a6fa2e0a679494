"""What the Label Studio sandbox keeps, and what moves what (fact sheet ``platforms/labelstudio.md`` §4, §5)."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

from connectors.sandbox import Control

Row = dict[str, Any]
STAMP = "%Y-%m-%dT%H:%M:%S.%fZ"


class Fault(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


class State:
    """Tables by id. Ids never come again, and no two moments are the same unless one change makes both."""

    def __init__(self, control: Control) -> None:
        self.control = control
        self.users: dict[int, Row] = {}
        self.projects: dict[int, Row] = {}
        self.tasks: dict[int, Row] = {}
        self.annotations: dict[int, Row] = {}
        self.predictions: dict[int, Row] = {}
        self.drafts: dict[int, Row] = {}
        self.webhooks: dict[int, Row] = {}
        self.events: list[tuple[int, Row]] = []
        """Project and body of webhooks that are due."""
        self._ids = {name: itertools.count(1) for name in ("user", "project", "task", "annotation", "prediction")}
        self._ids |= {name: itertools.count(1) for name in ("draft", "webhook")}
        self._last = datetime(2000, 1, 1)  # noqa: DTZ001 -- naive UTC throughout

    def id(self, table: str) -> int:
        return next(self._ids[table])

    def now(self) -> str:
        now = self.control.clock.now().replace(tzinfo=None)
        self._last = max(now, self._last + timedelta(microseconds=1))
        return self._last.strftime(STAMP)

    def get(self, table: dict[int, Row], key: int, name: str) -> Row:
        if key not in table:
            raise Fault(404, f"No {name} matches the given query.")
        return table[key]

    # --- making things ------------------------------------------------------------------------------------------

    def user(self, email: str, first_name: str = "", last_name: str = "", **_: Any) -> Row:
        number = self.id("user")
        self.users[number] = {
            "id": number,
            "first_name": first_name,
            "last_name": last_name,
            "username": email.partition("@")[0],
            "email": email,
            "last_activity": self.now(),
            "initials": (first_name[:1] + last_name[:1]) or email[:2],
            "active_organization": 1,
        }
        return self.users[number]

    def project(self, said: Row, user: Row) -> Row:
        number = self.id("project")
        self.projects[number] = {
            "id": number,
            "title": "",
            "description": "",
            "label_config": "<View/>",
            "expert_instruction": "",
            "maximum_annotations": 1,
            "skip_queue": "REQUEUE_FOR_OTHERS",
            "overlap_cohort_percentage": 100,
            "is_published": False,
            "is_draft": False,
            "organization": 1,
            "created_by": {key: user[key] for key in ("id", "first_name", "last_name", "email")},
            "created_at": self.now(),
            "task_data_login": None,
            "task_data_password": None,
            "state": None,
            **said,
        }
        return self.projects[number]

    def task(self, project: int, said: Row) -> Row:
        if not isinstance(said.get("data"), dict):
            raise Fault(400, "Validation error")
        number, now = self.id("task"), self.now()
        inner = sum(task["project"] == project for task in self.tasks.values()) + 1
        self.tasks[number] = {
            "id": number,
            "inner_id": inner,
            "data": said["data"],
            "meta": said.get("meta") or {},
            "project": project,
            "created_at": now,
            "updated_at": now,
            "updated_by": [],
            "file_upload": None,
            "comment_count": 0,
        }
        return self.tasks[number]

    def annotation(self, task: Row, said: Row, user: Row | None, *, by: int | None) -> Row:
        if not isinstance(said.get("result"), list):
            raise Fault(400, "Validation error")
        unique = said.get("unique_id") or str(uuid.uuid4())
        if any(one["unique_id"] == unique for one in self.annotations.values()):
            raise Fault(409, "Annotation with this unique id already exists")
        number, now = self.id("annotation"), self.now()
        self.annotations[number] = {
            "id": number,
            "result": said["result"],
            "completed_by": by,
            "was_cancelled": bool(said.get("was_cancelled")),
            "ground_truth": bool(said.get("ground_truth")),
            "created_at": now,
            "updated_at": now,
            "draft_created_at": None,
            "lead_time": said.get("lead_time"),
            "import_id": None,
            "last_action": said.get("last_action"),
            "bulk_created": False,
            "task": task["id"],
            "project": task["project"],
            "updated_by": user["id"] if user else None,
            "parent_prediction": said.get("parent_prediction"),
            "parent_annotation": said.get("parent_annotation"),
            "last_created_by": None,
            "unique_id": unique,
        }
        return self.annotations[number]

    def prediction(self, task: Row, said: Row) -> Row:
        number, now = self.id("prediction"), self.now()
        self.predictions[number] = {
            "id": number,
            "result": said.get("result") or [],
            "model_version": said.get("model_version") or "undefined",
            "score": said.get("score"),
            "cluster": None,
            "neighbors": None,
            "mislabeling": 0.0,
            "created_at": now,
            "updated_at": now,
            "model": None,
            "model_run": None,
            "task": task["id"],
            "project": task["project"],
        }
        return self.predictions[number]

    def draft(self, task: Row, said: Row, user: Row) -> Row:
        number, now = self.id("draft"), self.now()
        self.drafts[number] = {
            "id": number,
            "user": user["email"],
            "result": said.get("result") or [],
            "lead_time": said.get("lead_time"),
            "was_postponed": False,
            "import_id": None,
            "created_at": now,
            "updated_at": now,
            "task": task["id"],
            "annotation": said.get("annotation"),
        }
        return self.drafts[number]

    # --- changing things ------------------------------------------------------------------------------------------

    def touch(self, task: Row, user: Row | None = None, at: str | None = None) -> None:
        task["updated_at"] = at or self.now()
        if user:
            task["updated_by"] = [{"user_id": user["id"]}]

    def judge(self, annotation: Row, user: Row) -> None:
        """A PATCH moves times even when it changes nothing; one ground truth a task (§4)."""
        annotation["updated_at"], annotation["updated_by"] = self.now(), user["id"]
        if annotation["ground_truth"]:
            for other in self.of(self.annotations, annotation["task"]):
                if other is not annotation:
                    other["ground_truth"] = False
        self.touch(self.tasks[annotation["task"]], user)

    def drop_task(self, number: int) -> None:
        del self.tasks[number]
        for table in (self.annotations, self.predictions, self.drafts):
            for one in self.of(table, number):
                del table[one["id"]]

    def of(self, table: dict[int, Row], task: int) -> list[Row]:
        return [one for one in table.values() if one["task"] == task]

    def tell(self, project: int, action: str, **body: Any) -> None:
        self.events.append((project, {"action": action, **body, "project": self.projects[project]}))

    # --- showing things -------------------------------------------------------------------------------------------

    def show_annotation(self, one: Row) -> Row:
        return {key: value for key, value in one.items() if key != "unique_id"} | {"created_ago": self.ago(one)}

    def ago(self, one: Row) -> str:
        """Words that change with time, as the real ones do."""
        return f"{self.now()} after {one['created_at']}"

    def show_task(self, task: Row, *, user: Row) -> Row:
        answers, project = self.of(self.annotations, task["id"]), self.projects[task["project"]]
        finished = [one for one in answers if not one["was_cancelled"]]
        counted = answers if project["skip_queue"] == "IGNORE_SKIPPED" else finished
        labeled = len({one["completed_by"] for one in counted}) >= project["maximum_annotations"]
        drafts = self.of(self.drafts, task["id"])
        predictions = self.of(self.predictions, task["id"])
        return task | {
            "annotations": [self.show_annotation(one) for one in reversed(answers)],
            "predictions": [one | {"created_ago": self.ago(one)} for one in predictions],
            "drafts": [one for one in drafts if one["user"] == user["email"]],
            "annotators": sorted({one["completed_by"] for one in answers}),
            "total_annotations": len(finished),
            "cancelled_annotations": len(answers) - len(finished),
            "total_predictions": len(predictions),
            "completed_at": max((one["created_at"] for one in finished), default=None) if labeled else None,
            "draft_exists": bool(drafts),
            "is_labeled": labeled,
            "overlap": project["maximum_annotations"],
        }

    def show_project(self, project: Row, *, user: Row) -> Row:
        tasks = [task for task in self.tasks.values() if task["project"] == project["id"]]
        shown = [self.show_task(task, user=user) for task in tasks]
        truths = sum(one["ground_truth"] for one in self.annotations.values() if one["project"] == project["id"])
        return project | {
            "parsed_label_config": parsed(project["label_config"]),
            "task_number": len(tasks),
            "finished_task_number": sum(task["is_labeled"] for task in shown),
            "total_annotations_number": sum(task["total_annotations"] for task in shown),
            "skipped_annotations_number": sum(task["cancelled_annotations"] for task in shown),
            "total_predictions_number": sum(task["total_predictions"] for task in shown),
            "ground_truth_number": truths,
        }


def parsed(config: str) -> Row:
    """The controls of a label configuration, and the objects they are about."""
    try:
        root = ET.fromstring(config)
    except ET.ParseError:
        raise Fault(400, "Validation error") from None
    objects = {one.get("name"): one for one in root.iter() if (one.get("value") or "").startswith("$")}
    out: Row = {}
    for control in root.iter():
        if name := control.get("toName"):
            words: Iterable[str] = [word for one in control if (word := one.get("value"))]
            about = objects.get(name)
            inputs = (
                [] if about is None else [{"type": about.tag, "valueType": None, "value": about.get("value", "")[1:]}]
            )
            out[control.get("name", "")] = {
                "type": control.tag,
                "to_name": [name],
                "inputs": inputs,
                "labels": list(words),
                "labels_attrs": {word: {"value": word} for word in words},
            }
    return out
