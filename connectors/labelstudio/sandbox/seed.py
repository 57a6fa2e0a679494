"""What a seeded sandbox holds: the tasks of the sample exports, as two projects of a small team."""

from __future__ import annotations

import json
from importlib.resources import files

from connectors.labelstudio.sandbox.state import Row, State

PROJECTS = (
    (
        "beehives.json",
        "Beehives of Linden Hill",
        (
            '<View><Image name="photo" value="$photo"/>'
            '<RectangleLabels name="bee" toName="photo"><Label value="Worker"/><Label value="Queen"/></RectangleLabels>'
            '<PolygonLabels name="area" toName="photo"><Label value="Comb"/></PolygonLabels>'
            '<KeyPointLabels name="mark" toName="photo"><Label value="Entrance"/></KeyPointLabels>'
            '<Choices name="light" toName="photo"><Choice value="bright"/><Choice value="dim"/></Choices></View>'
        ),
    ),
    (
        "larks.json",
        "Larks of Foxglove Field",
        (
            '<View><Audio name="sound" value="$sound"/>'
            '<Labels name="call" toName="sound"><Label value="Skylark"/><Label value="Woodlark"/></Labels></View>'
        ),
    ),
)
TEAM = (("ines@example.org", "Ines"), ("mara@example.org", "Mara"), ("noor@example.org", "Noor"))


def seed(state: State, admin: Row) -> None:
    """Ids are the sandbox's own; people keep theirs, since the samples name them by number."""
    for email, name in TEAM:
        state.user(email, name, "Example")
    for file, title, config in PROJECTS:
        project = state.project({"title": title, "label_config": config}, admin)
        for said in json.loads((files("connectors.labelstudio") / "samples" / file).read_text()):
            task = state.task(project["id"], said)
            for one in said["annotations"]:
                author = state.users[one["updated_by"]]
                made = state.annotation(task, one, author, by=one["completed_by"])
                made["last_created_by"] = one["last_created_by"]
            for one in said["drafts"]:
                state.draft(task, one, next(user for user in state.users.values() if user["email"] == one["user"]))
