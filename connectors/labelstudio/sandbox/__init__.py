"""Label Studio Community in miniature (fact sheet ``platforms/labelstudio.md``): the part of its API that the connector
and the tests use. ``tests/connectors/labelstudio`` holds it to the real server: one list of claims runs against both.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from connectors.labelstudio.sandbox.filters import listing
from connectors.labelstudio.sandbox.seed import seed
from connectors.labelstudio.sandbox.state import Fault, Row, State
from connectors.sandbox import Control, Sandbox

VERSION = "1.23.2"
TOKEN = "5ca1ab1e" * 5
ACTIONS = {"accepted", "rejected", "fixed_and_accepted", "submitted", "updated", "skipped", "imported", "prediction"}
ACTIONS |= {"propagated_annotation", "deleted_review"}
_WRITABLE = frozenset(
    {"result", "was_cancelled", "ground_truth", "lead_time", "completed_by", "last_action", "last_created_by"}
)

Handler = Callable[[Request, Row], Awaitable[Any]]


class Platform:
    """Routes over a ``State``. A handler gives a JSON value, or a whole response."""

    def __init__(self, control: Control, edition: str) -> None:
        self.state = State(control)
        self.edition = edition
        self.admin = self.state.user("admin@example.org")
        self.personal: str | None = None
        self.access: dict[str, float] = {}
        """Access tokens and when they end, on the sandbox's clock."""

    # --- who asks -----------------------------------------------------------------------------------------------

    def user(self, request: Request) -> Row:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme == "Token" and token == TOKEN:
            return self.admin
        if scheme == "Bearer" and self.access.get(token, 0) > self.state.control.clock.now().timestamp():
            return self.admin
        raise Fault(401, "Invalid token." if scheme == "Token" else "Authentication credentials were not provided.")

    async def token(self, request: Request, user: Row) -> Any:
        if self.personal is not None:
            raise Fault(409, "You already have a valid token")
        self.personal = f"eyJzYW5kYm94.{uuid.uuid4().hex}.{uuid.uuid4().hex}"
        return JSONResponse({"token": self.personal}, 201)

    async def access_token(self, request: Request, user: Row) -> Any:
        if (await body(request)).get("refresh") != self.personal or self.personal is None:
            raise Fault(401, "Token is invalid")
        access = f"eyJhY2Nlc3M.{uuid.uuid4().hex}.{uuid.uuid4().hex}"
        self.access[access] = self.state.control.clock.now().timestamp() + 300
        return {"access": access}

    async def blacklist(self, request: Request, user: Row) -> Any:
        self.personal = None
        return Response(status_code=204)

    async def version(self, request: Request, user: Row) -> Any:
        return {"release": VERSION, "edition": self.edition}

    async def whoami(self, request: Request, user: Row) -> Any:
        return user

    async def users(self, request: Request, user: Row) -> Any:
        if request.method == "POST":
            return JSONResponse(self.state.user(**await body(request)), 201)
        return list(self.state.users.values())

    # --- projects -----------------------------------------------------------------------------------------------

    async def projects(self, request: Request, user: Row) -> Any:
        state = self.state
        if request.method == "POST":
            made = state.project(await body(request), user)
            return JSONResponse(state.show_project(made, user=user), 201)
        chosen = {int(one) for one in request.query_params.get("ids", "").split(",") if one}
        found = [one for one in reversed(state.projects.values()) if not chosen or one["id"] in chosen]
        size = min(int(request.query_params.get("page_size") or 30), 100)
        page = int(request.query_params.get("page") or 1)
        if page > 1 and (page - 1) * size >= len(found):
            raise Fault(404, "Invalid page.")
        url = request.url.include_query_params(page=page + 1)
        return {
            "count": len(found),
            "next": str(url) if page * size < len(found) else None,
            "previous": None,
            "results": [state.show_project(one, user=user) for one in found[(page - 1) * size : page * size]],
        }

    async def project(self, request: Request, user: Row) -> Any:
        state = self.state
        found = state.get(state.projects, request.path_params["id"], "Project")
        if request.method == "DELETE":
            for number in self.tasks_of(found["id"]):
                state.drop_task(number)
            del state.projects[found["id"]]
            return Response(status_code=204)
        if request.method == "PATCH":
            found |= await body(request)
            state.tell(found["id"], "PROJECT_UPDATED")
        return state.show_project(found, user=user)

    async def import_tasks(self, request: Request, user: Row) -> Any:
        """Answers inside make no event of their own, and their tasks' ``updated_at`` is the tasks' (§4)."""
        state, project = self.state, request.path_params["id"]
        state.get(state.projects, project, "Project")
        said, made, counts = json.loads(await request.body()), [], {"annotation": 0, "prediction": 0}
        by_email = {one["email"]: one["id"] for one in state.users.values()}
        for one in said if isinstance(said, list) else [said]:
            task = state.task(project, one if "data" in one else {"data": one})
            made.append(task)
            for answer in one.get("annotations", ()):
                author = answer.get("completed_by", user["id"])
                author = by_email.get(author, author)
                if author not in state.users:
                    raise Fault(400, "Validation error")
                truth = answer.get("ground_truth", True)
                state.annotation(task, answer | {"ground_truth": truth}, None, by=author)
                counts["annotation"] += 1
            for prediction in one.get("predictions", ()):
                state.prediction(task, prediction)
                counts["prediction"] += 1
        state.tell(project, "TASKS_CREATED", tasks=made)
        numbers = {"task_count": len(made)} | {f"{name}_count": count for name, count in counts.items()}
        return JSONResponse(numbers | {"task_ids": [task["id"] for task in made]}, 201)

    async def import_predictions(self, request: Request, user: Row) -> Any:
        """Moves no ``updated_at`` (§4)."""
        said = json.loads(await request.body())
        for one in said:
            self.state.prediction(self.state.get(self.state.tasks, one["task"], "Task"), one)
        return JSONResponse({"created": len(said)}, 201)

    async def delete_tasks(self, request: Request, user: Row) -> Any:
        """Tells nobody (§4)."""
        for number in self.tasks_of(request.path_params["id"]):
            self.state.drop_task(number)
        return Response(status_code=204)

    def tasks_of(self, project: int) -> list[int]:
        return [number for number, task in self.state.tasks.items() if task["project"] == project]

    # --- tasks and what hangs on them ---------------------------------------------------------------------------

    async def tasks(self, request: Request, user: Row) -> Any:
        return listing(self.state, request.query_params, user)

    async def task(self, request: Request, user: Row) -> Any:
        state = self.state
        found = state.get(state.tasks, request.path_params["id"], "Task")
        if request.method == "DELETE":
            state.drop_task(found["id"])
            state.tell(found["project"], "TASKS_DELETED", tasks=[{"id": found["id"]}])
            return Response(status_code=204)
        if request.method == "PATCH":
            found |= {key: value for key, value in (await body(request)).items() if key in ("data", "meta")}
            state.touch(found, user)
        shown = state.show_task(found, user=user)
        names = set(filter(None, request.query_params.get("include", "").split(",")))
        return {key: value for key, value in shown.items() if not names or key in names}

    async def answers(self, request: Request, user: Row) -> Any:
        state = self.state
        task = state.get(state.tasks, request.path_params["id"], "Task")
        if request.method != "POST":
            listed = [one for one in state.of(state.annotations, task["id"]) if not one["was_cancelled"]]
            return [state.show_annotation(one) for one in listed]
        said = await body(request)
        made = state.annotation(task, said, user, by=said.get("completed_by", user["id"]))
        state.judge(made, user)
        state.tell(task["project"], "ANNOTATION_CREATED", annotation=made, task=task)
        return JSONResponse(state.show_annotation(made), 201)

    async def answer(self, request: Request, user: Row) -> Any:
        state = self.state
        found = state.get(state.annotations, request.path_params["id"], "Annotation")
        task = state.tasks[found["task"]]
        if request.method == "DELETE":
            del state.annotations[found["id"]]
            state.touch(task, user)
            state.tell(task["project"], "ANNOTATIONS_DELETED", annotations=[{"id": found["id"]}])
            return Response(status_code=204)
        if request.method == "PATCH":
            said = await body(request)
            wrong = "result" in said and not isinstance(said["result"], list)
            if wrong or said.get("last_action") not in {None, *ACTIONS}:
                raise Fault(400, "Validation error")
            if said.get("last_created_by") is not None and said["last_created_by"] not in state.users:
                raise Fault(400, "Validation error")
            if self.edition != "Community":
                said = {key: value for key, value in said.items() if not key.startswith("last_")}
            found |= {key: value for key, value in said.items() if key in _WRITABLE}
            state.judge(found, user)
            state.control.effect("patch", str(found["id"]), said)
            state.tell(task["project"], "ANNOTATION_UPDATED", annotation=found, task=task)
        return state.show_annotation(found)

    async def to_draft(self, request: Request, user: Row) -> Any:
        """The draft is the caller's, and nobody is told (§4, §8)."""
        state = self.state
        found = state.get(state.annotations, request.path_params["id"], "Annotation")
        del state.annotations[found["id"]]
        state.touch(state.tasks[found["task"]], user)
        return JSONResponse(state.draft(state.tasks[found["task"]], found, user), 201)

    async def drafts(self, request: Request, user: Row) -> Any:
        """Moves no ``updated_at`` (§4)."""
        state = self.state
        task = state.get(state.tasks, request.path_params["id"], "Task")
        if request.method == "POST":
            return JSONResponse(state.draft(task, await body(request), user), 201)
        return state.of(state.drafts, task["id"])

    async def draft(self, request: Request, user: Row) -> Any:
        state = self.state
        found = state.get(state.drafts, request.path_params["id"], "AnnotationDraft")
        if request.method == "DELETE":
            del state.drafts[found["id"]]
            return Response(status_code=204)
        found |= await body(request) | {"updated_at": state.now()}
        return found

    async def predictions(self, request: Request, user: Row) -> Any:
        state, said = self.state, await body(request)
        task = state.get(state.tasks, said.get("task", 0), "Task")
        made = state.prediction(task, said)
        state.touch(task)
        return JSONResponse(made, 201)

    async def bulk(self, request: Request, user: Row) -> Any:
        """Actions over all tasks of a project, or some: one moment for all of them (§4)."""
        state, said = self.state, await body(request)
        project, chosen = int(request.query_params["project"]), said.get("selectedItems", {})
        numbers = self.tasks_of(project) if chosen.get("all") else chosen.get("included", [])
        numbers = [number for number in numbers if number not in chosen.get("excluded", ())]
        tasks, at = [state.tasks[number] for number in numbers], state.now()
        match request.query_params["id"]:
            case "predictions_to_annotations":
                for task in tasks:
                    for one in state.of(state.predictions, task["id"])[:1]:
                        state.annotation(
                            task, {"result": one["result"], "parent_prediction": one["id"]}, user, by=user["id"]
                        )
                        state.touch(task, user, at)
            case "delete_tasks_annotations":
                for task in tasks:
                    for one in state.of(state.annotations, task["id"]):
                        del state.annotations[one["id"]]
                    state.touch(task, user, at)
            case "delete_tasks_predictions":
                for task in tasks:
                    for one in state.of(state.predictions, task["id"]):
                        del state.predictions[one["id"]]
            case "delete_tasks":
                for number in numbers:
                    state.drop_task(number)
                state.tell(project, "TASKS_DELETED", tasks=[{"id": number} for number in numbers])
            case _:
                raise Fault(404, "No such action")
        return {"processed_items": len(tasks)}

    async def hooks(self, request: Request, user: Row) -> Any:
        state = self.state
        if request.method != "POST":
            return list(state.webhooks.values())
        said = await body(request)
        state.get(state.projects, said.get("project") or 0, "Project")
        number = state.id("webhook")
        defaults = {"id": number, "send_payload": True, "is_active": True, "headers": {}}
        state.webhooks[number] = defaults | said
        return JSONResponse(state.webhooks[number], 201)

    # --- answering ------------------------------------------------------------------------------------------------

    def answering(self, handler: Handler, *, open_to_all: bool = False) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                user = self.admin if open_to_all else self.user(request)
                said = await handler(request, user)
            except Fault as fault:
                error = {"id": str(uuid.uuid4()), "status_code": fault.status, "version": VERSION}
                return JSONResponse(error | {"detail": fault.detail, "exc_info": None}, fault.status)
            await self.deliver()
            return said if isinstance(said, Response) else JSONResponse(said)

        return answer

    async def deliver(self) -> None:
        """Webhooks go out inside the request that caused them, once, for a second at most (§6)."""
        events, self.state.events = self.state.events, []
        hooks = [
            (hook, event if hook["send_payload"] else {"action": event["action"]})
            for project, event in events
            for hook in self.state.webhooks.values()
            if hook["project"] == project and hook["is_active"]
        ]
        if hooks:
            async with httpx.AsyncClient(timeout=1.0) as http:
                for hook, event in hooks:
                    with contextlib.suppress(httpx.HTTPError, asyncio.TimeoutError):
                        await http.post(hook["url"], json=event, headers=hook["headers"])

    def routes(self) -> list[Route]:
        table: list[tuple[str, Handler]] = [
            ("/api/current-user/whoami", self.whoami),
            ("/api/users", self.users),
            ("/api/token", self.token),
            ("/api/token/blacklist", self.blacklist),
            ("/api/projects", self.projects),
            ("/api/projects/{id:int}", self.project),
            ("/api/projects/{id:int}/import", self.import_tasks),
            ("/api/projects/{id:int}/import/predictions", self.import_predictions),
            ("/api/projects/{id:int}/tasks", self.delete_tasks),
            ("/api/tasks", self.tasks),
            ("/api/tasks/{id:int}", self.task),
            ("/api/tasks/{id:int}/annotations", self.answers),
            ("/api/tasks/{id:int}/drafts", self.drafts),
            ("/api/drafts/{id:int}", self.draft),
            ("/api/annotations/{id:int}", self.answer),
            ("/api/annotations/{id:int}/convert-to-draft", self.to_draft),
            ("/api/predictions", self.predictions),
            ("/api/dm/actions", self.bulk),
            ("/api/webhooks", self.hooks),
        ]
        methods = ["GET", "POST", "PATCH", "DELETE"]
        found = [
            Route(path + slash, self.answering(handler), methods=methods)
            for path, handler in table
            for slash in ("/", "")
        ]
        for path, handler in (("/api/version", self.version), ("/api/token/refresh", self.access_token)):
            asked = self.answering(handler, open_to_all=True)
            found += [Route(path + slash, asked, methods=["GET", "POST"]) for slash in ("", "/")]
        return [*found, Route("/{rest:path}", _page, methods=methods)]


async def _page(_: Request) -> Response:
    """What no route knows is a web page, and a large one (§9)."""
    return HTMLResponse("<!doctype html>" + "<p>Page not found</p>" * 8000, 404)


async def body(request: Request) -> Row:
    said = json.loads(await request.body() or b"{}")
    return said if isinstance(said, dict) else {}


def create(*, seeded: bool = True, edition: str = "Community") -> Sandbox:
    """A server with a small team's work, or with one user and nothing else; ``edition`` is what it says it is."""
    control = Control()
    platform = Platform(control, edition)
    if seeded:
        seed(platform.state, platform.admin)

    @control.action
    def edit(annotation: int, user: int, **change: Any) -> Row:
        """Somebody else changes an answer."""
        found = platform.state.annotations[annotation]
        found |= change
        platform.state.judge(found, platform.state.users[user])
        return found

    return Sandbox(
        name="labelstudio",
        app=Starlette(routes=platform.routes()),
        control=control,
        settings=lambda url: {"url": url, "token": TOKEN},
    )
