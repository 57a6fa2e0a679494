"""A Label Studio to test against, the sandbox or the real one, and what tests make there over its API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from connectors.contract import Secret
from connectors.labelstudio import CONNECTOR
from connectors.labelstudio.live import LabelStudioSource
from connectors.labelstudio.sandbox import TOKEN, create
from connectors.labelstudio.settings import Settings
from connectors.sandbox import Control, serve
from connectors.transport import Retries
from gateway.sync import LiveSource

NAME = "ls"
SECRET = "a-secret-only-the-hook-knows"
IMAGES = (
    '<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image"><Label value="Car"/>'
    '<Label value="Person"/></RectangleLabels><Choices name="quality" toName="image"><Choice value="good"/></Choices></View>'
)


def box(id_: str = "r1", label: str = "Car", x: float = 10) -> dict[str, Any]:
    return {
        "id": id_,
        "from_name": "label",
        "to_name": "image",
        "type": "rectanglelabels",
        "original_width": 640,
        "original_height": 480,
        "image_rotation": 0,
        "value": {"x": x, "y": 10, "width": 20, "height": 30, "rotation": 0, "rectanglelabels": [label]},
    }


@dataclass
class Server:
    """``made`` are the projects of the test at hand; nothing else is on the server."""

    url: str
    token: str
    control: Control | None = None
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        headers = {"Authorization": f"Token {self.token}"}
        self.http = httpx.Client(base_url=self.url, headers=headers, timeout=300)

    def ask(self, method: str, path: str, json: Any = None, **params: Any) -> Any:
        answer = self.http.request(method, path, json=json, params=params)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None

    def clear(self) -> None:
        while found := self.ask("GET", "/api/projects/", page_size=100)["results"]:
            for one in found:
                self.ask("DELETE", f"/api/projects/{one['id']}/")

    def project(self, title: str = "Street scenes", **said: Any) -> int:
        made = self.ask("POST", "/api/projects/", {"title": title, "label_config": IMAGES} | said)
        return int(made["id"])

    def tasks(self, project: int, tasks: list[dict[str, Any]]) -> list[int]:
        said = self.ask("POST", f"/api/projects/{project}/import", tasks, return_task_ids="true")
        return list(said["task_ids"])

    def images(self, project: int, count: int, **more: Any) -> list[int]:
        return self.tasks(
            project, [{"data": {"image": f"https://files.example.org/{n}.jpg"}} | more for n in range(count)]
        )

    def answer(self, task: int, *regions: dict[str, Any], **more: Any) -> int:
        said = self.ask("POST", f"/api/tasks/{task}/annotations/", {"result": list(regions), "lead_time": 5.5} | more)
        return int(said["id"])

    def user(self, email: str) -> int:
        known = {one["email"]: one["id"] for one in self.ask("GET", "/api/users/")}
        if email not in known:
            name = {"email": email, "username": email.partition("@")[0], "first_name": "Ann", "last_name": "Otator"}
            return int(self.ask("POST", "/api/users/", name)["id"])
        return int(known[email])

    def platform(self, **changes: Any) -> LabelStudioSource:
        retries = changes.pop("retries", Retries(attempts=2, base=0.01, ceiling=0.02))
        values = {"token": Secret(self.token), "webhook_secret": Secret(SECRET)} | changes
        options = {"retries": retries} | {name: values.pop(name) for name in ("limit",) if name in values}
        return LabelStudioSource(Settings(url=self.url, **values), **options)

    def source(self, **changes: Any) -> LiveSource:
        return LiveSource(name=NAME, connector=CONNECTOR, platform=self.platform(**changes))


@contextmanager
def sandbox_server(**arguments: Any) -> Iterator[Server]:
    sandbox = create(seeded=False, **arguments)
    with serve(sandbox) as url:
        server = Server(url, TOKEN, sandbox.control)
        with server.http:
            yield server
