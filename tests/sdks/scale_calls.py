"""Every call of platforms/scale.md §10.2, made by Scale's own SDK; prints what each one gave as one JSON object.

Runs with the Python of the SDKs: ``python scale_calls.py <url with /v1> <key> <id of a completed task> [part]``.
"""

import io
import json
import sys

from scaleapi import ScaleClient
from scaleapi.batches import BatchStatus
from scaleapi.exceptions import ScaleException
from scaleapi.tasks import TaskReviewStatus, TaskStatus, TaskType
from scaleapi.teams import TeammateRole

PROJECT, BATCH = "P 1/2 ä", "B 1/2"
BOXES = {
    "attachment_type": "image",
    "attachment": "https://images.example.com/one.jpg",
    "geometries": {"box": {"objects_to_annotate": ["ferry"]}},
}


def main(url, key, completed):
    client = ScaleClient(key, "labelgate", api_instance_url=url)
    said = projects_and_batches(client)
    task = tasks(client, said)
    setters_and_audits(client, said, task, completed)
    around(client, said)
    return said


def projects_and_batches(client):
    said = {}
    said["create_project"] = client.create_project(
        PROJECT, TaskType.ImageAnnotation, {"instruction": "Mark it."}, rapid=False
    ).as_dict()["param_history"][0]["instruction"]
    said["get_project"] = client.get_project(PROJECT).name
    said["update_project"] = client.update_project(PROJECT, patch=True, difficulty=2).version
    said["projects"] = sorted(project.name for project in client.projects())
    said["create_project again"] = failure(client.create_project, PROJECT, TaskType.ImageAnnotation)
    said["create_batch"] = client.create_batch(PROJECT, BATCH, metadata={"a": 1}).status
    said["get_batch"] = client.get_batch(BATCH).as_dict()["metadata"]
    said["set_batch_metadata"] = client.set_batch_metadata(BATCH, {"b": 2}).metadata
    said["finalize_batch"] = client.finalize_batch(BATCH).status
    said["batches"] = [batch.name for batch in client.batches(project=PROJECT, limit=1)]
    said["get_batches"] = [batch.name for batch in client.get_batches(PROJECT, BatchStatus.InProgress)]

    return said


def tasks(client, said):
    made = [
        client.create_task(TaskType.ImageAnnotation, batch=BATCH, unique_id=f"u{n}", tags=["t"], **BOXES)
        for n in range(3)
    ]
    task = made[-1]
    said["create_task"] = [task.status, task.project, task.instruction, task.unique_id, task.tags, task.metadata]
    said["create_task again"] = failure(client.create_task, TaskType.ImageAnnotation, unique_id="u0", **BOXES)
    said["create_task without attachment"] = failure(client.create_task, TaskType.ImageAnnotation)
    said["get_task"] = client.get_task(task.id).as_dict() == task.as_dict()
    said["tasks"] = [one.unique_id for one in client.tasks(batch=BATCH, limit=2, unique_id=["u0", "u1", "u2"])]
    said["get_tasks"] = [one.unique_id for one in client.get_tasks(project_name=PROJECT, limit=1)]
    said["get_tasks with everything"] = [
        one.as_dict()
        for one in client.get_tasks(
            PROJECT,
            BATCH,
            TaskType.ImageAnnotation,
            TaskStatus.Completed,
            [TaskReviewStatus.Pending, TaskReviewStatus.Fixed],
            ["u1", "u0"],
            completed_after="2020-01-01",
            completed_before="2990-01-01T00:00:00+02:00",
            updated_after="2020-01-01 00:00:00.000000",
            updated_before="2990-01-01T00:00:00Z",
            created_after="2020-01-01T00:00:00-07:00",
            created_before="2990-01-01",
            tags=["t", "other"],
            limited_response=True,
            limit=1,
        )
    ]
    said["get_tasks_count"] = client.get_tasks_count(PROJECT)
    said["batch_status"] = client.batch_status(BATCH)
    return task


def setters_and_audits(client, said, task, completed):
    said["cancel_task"] = failure(client.cancel_task, task.id, True)
    said["update_task_unique_id"] = client.update_task_unique_id(task.id, "new").unique_id
    said["update_task_unique_id taken"] = failure(client.update_task_unique_id, task.id, "u0")
    said["clear_task_unique_id"] = "unique_id" in client.clear_task_unique_id(task.id).as_dict()
    said["set_task_metadata"] = client.set_task_metadata(task.id, {"k": "v"}).metadata
    said["set_task_metadata empty"] = client.set_task_metadata(task.id, {}).metadata
    said["set_task_tags"] = client.set_task_tags(task.id, ["b", "a"]).tags
    said["add_task_tags"] = client.add_task_tags(task.id, ["a", "c"]).tags
    said["delete_task_tags"] = client.delete_task_tags(task.id, ["b", "absent"]).tags
    said["set_task_tags empty"] = client.set_task_tags(task.id, []).tags
    said["set_task_tags six"] = failure(client.set_task_tags, task.id, list("abcdef"))
    said["audit_task"] = client.audit_task(completed, False, "Look again.")
    audited = client.get_task(completed)
    said["audited"] = [audited.customer_review_status, audited.customer_review_comments, len(audited.audits)]
    client.audit_task(completed, True)
    audited.refresh()
    said["audited again"] = [one["audit_result"] for one in audited.audits]
    said["get_task unknown"] = failure(client.get_task, "fake_id_qwertyuiop")
    said["get_project_template"] = failure(client.get_project_template, PROJECT)
    client.create_project("Texts", TaskType.TextCollection, {"fields": [{"type": "text", "field_id": "f"}]})
    said["get_project_template of texts"] = client.get_project_template("Texts").template_variables


def around(client, said):
    """Files, team, quality tasks, Studio."""
    said["upload_file"] = client.upload_file(io.BytesIO(b"12345"), project_name=PROJECT).as_dict()["size"]
    said["import_file"] = client.import_file("https://images.example.com/x.png").attachment_url[:12]
    said["list_teammates"] = len(client.list_teammates())
    invited = client.invite_teammates(["new@example.com"], TeammateRole.Member)
    said["invite_teammates"] = [(mate.email, mate.role) for mate in invited]
    said["update_teammates_role"] = client.update_teammates_role(["new@example.com"], TeammateRole.Admin)[0].role
    expected = {"annotations": []}
    quality = client.create_evaluation_task(TaskType.ImageAnnotation, expected_response=expected, **BOXES)
    said["create_evaluation_task"] = quality.expected_response
    quality = client.create_training_task(TaskType.ImageAnnotation, expected_response=expected, **BOXES)
    said["create_training_task"] = quality.expected_response
    said["list_studio_assignments"] = sorted(client.list_studio_assignments())
    added = client.add_studio_assignments(["new@example.com"], [PROJECT, "Texts"])
    said["add_studio_assignments"] = added["new@example.com"].assigned_projects
    left = client.remove_studio_assignments(["new@example.com"], ["Texts"])
    said["remove_studio_assignments"] = left["new@example.com"].assigned_projects
    said["create_project_group"] = client.create_project_group(PROJECT, ["new@example.com"], "G/1").numWorkers
    group = client.update_project_group(PROJECT, "G/1", ["a@example.com", "b@example.com"], ["new@example.com"])
    said["update_project_group"] = [worker["email"] for worker in group.as_dict()["workers"]]
    said["list_project_groups"] = [group.name for group in client.list_project_groups(PROJECT)]
    said["assign_studio_batches"] = client.assign_studio_batches(BATCH, ["G/1"]).groups
    said["set_studio_batches_priorities"] = client.set_studio_batches_priorities([BATCH])[0].name
    said["list_studio_batches"] = client.list_studio_batches()[0].studio_priority
    said["reset_studio_batches_priorities"] = [
        batch.studio_priority for batch in client.reset_studio_batches_priorities() if batch.name == BATCH
    ]


def rescue(url, key, _):
    """The SDK's own rescue: after a false 500 its repeated POST meets 409, and it looks the task up."""
    client = ScaleClient(key, "labelgate", api_instance_url=url, verify=True)
    task = client.create_task(TaskType.ImageAnnotation, unique_id="only-once", **BOXES)
    return {"unique_id": task.unique_id, "count": client.tasks(unique_id="only-once").total}


def failure(call, *arguments, **named):
    try:
        call(*arguments, **named)
    except ScaleException as error:
        return [type(error).__name__, error.code, error.message]
    return None


if __name__ == "__main__":
    chosen = rescue if sys.argv[4:] == ["rescue"] else main
    print(json.dumps(chosen(*sys.argv[1:4])))
