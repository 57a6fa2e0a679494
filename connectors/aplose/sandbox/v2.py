"""REST of v2.5.7: lists with their filters, CSV reports, the annotator's task, all routes (fact sheet §6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.aplose.sandbox import v2_admin as admin
from connectors.aplose.sandbox import v2_json as told
from connectors.aplose.sandbox import v2_rights as rights
from connectors.aplose.sandbox.auth import Denied
from connectors.aplose.sandbox.clean import REQUIRED
from connectors.aplose.sandbox.csv import TwoComments, results_v2, status
from connectors.aplose.sandbox.lookups import select
from connectors.aplose.sandbox.model import (
    ANNOTATION,
    FINISHED,
    VERIFICATION,
    Annotation,
    Campaign,
    Comment,
    FileRange,
    Phase,
    Spectrogram,
    User,
)
from connectors.aplose.sandbox.store import Refusal
from connectors.aplose.sandbox.submit import Place, task_comments, to_check
from connectors.aplose.sandbox.v2_submit import Invalid, submit_v2
from connectors.aplose.sandbox.web import (
    Handler,
    Server,
    body_of,
    csv_file,
    csv_route,
    empty,
    login,
    only,
    page,
    paged,
    private,
    refresh,
)

Row = TypeVar("Row")

WORDS = {
    "dataset_file": "spectrogram",
    "annotation_campaign_phase": "annotation_phase",
    "confidence_indicator": "confidence",
    "confidence_indicator_set": "confidence_set",
    "annotation_result": "annotation",
    "datasets": "dataset",
    "desc": "description",
}
"""v2's names of columns that v3 calls otherwise."""


def _parameters(request: Request) -> list[tuple[str, str]]:
    """Lookups in v3's words. v2 knows no negation: such names are unknown and ignored."""

    def word(name: str) -> str:
        bare = name.removesuffix("_id")
        return WORDS.get(name) or (f"{WORDS[bare]}_id" if bare in WORDS else name)

    given = [pair for pair in request.query_params.multi_items() if not pair[0].endswith("!")]
    return [("__".join(map(word, name.split("__"))), value) for name, value in given]


def _select(model: type[Row], rows: Iterable[Row], request: Request) -> list[Row]:
    return select(model, rows, _parameters(request))


def _flag(request: Request, name: str) -> bool | None:
    value = request.query_params.get(name)
    return None if value is None else value.lower() == "true"


def _results(server: Server, request: Request, user: User) -> Response:
    """Corrections are nested in ``updated_to``, never top level; ``for_phase`` of a Verification gives both phases."""
    store, mine = server.store, _flag(request, "for_current_user")
    rows = [row for row in store.annotations.values() if row.is_update_of is None]
    if key := request.query_params.get("for_phase"):
        phase = store.find(store.phases, key)
        if phase is None:
            raise admin.missing()
        rows = [row for row in rows if _in_phase(row, phase)]
        if mine:
            own = [row for row in rows if row.annotation_phase is phase and row.annotator is user]
            rows = own + [r for r in rows if phase.phase == VERIFICATION and _foreign(r, user)]
    rows = [row for row in _select(Annotation, rows, request) if rights.sees_result(user, row)]
    rows.sort(key=lambda row: row.id)
    return JSONResponse([told.result_json(row, user if mine else None) for row in rows])


def _in_phase(row: Annotation, phase: Phase) -> bool:
    if phase.phase == ANNOTATION:
        return row.annotation_phase is phase
    return row.annotation_phase.annotation_campaign is phase.annotation_campaign


def _foreign(row: Annotation, user: User) -> bool:
    return row.annotation_phase.phase == ANNOTATION and row.annotator is not user


def _files(server: Server, request: Request, user: User) -> Response:
    """The caller's files of a phase; ``resume`` is the first one not submitted."""
    phase = server.store.find(server.store.phases, request.path_params["id"])
    files = _assigned(phase, user) if phase else []

    def submitted(file: Spectrogram) -> bool:
        task = phase.tasks.get((file.id, user.id)) if phase else None
        return task is not None and task.status == FINISHED

    wanted = _flag(request, "is_submitted")
    files = [file for file in _select(Spectrogram, files, request) if wanted in {None, submitted(file)}]

    def tell(file: Spectrogram) -> dict[str, Any]:
        assert phase is not None
        own = [row for row in phase.cells.get(file.id, {}).values() if row.annotator is user]
        checked = to_check(phase, file, user)
        valid = [row for row in checked if (v := row.validations.get(user.id)) is not None and v.is_valid]
        counts = (len(own), 0) if phase.phase == ANNOTATION else (len(checked), len(valid) + len(own))
        names = ("is_submitted", "results_count", "validated_results_count")
        return told.file_json(file, **dict(zip(names, (submitted(file), *counts), strict=True)))

    following = next((file.id for file in files if not submitted(file)), None)
    return paged(request, files, tell, **({"resume": following} if following else {}))


def _assigned(phase: Phase, user: User) -> list[Spectrogram]:
    if not rights.sees_phase(user, phase):
        return []
    return [file for file in phase.annotation_campaign.spectrograms if phase.range_of(user, file) is not None]


def _task(server: Server, request: Request, user: User) -> Response:
    """What the annotator's page shows; not assigned: the file alone."""
    place = _place(server, request, user)
    phase, file = place.phase, place.spectrogram
    open_campaign = phase.annotation_campaign.archive is None
    assigned = open_campaign and phase.range_of(user, file) is not None
    files = _assigned(phase, user) if assigned else []
    index = files.index(file) if assigned else 0
    task = phase.tasks.get((file.id, user.id))
    rows = [row for row in phase.cells.get(file.id, {}).values() if row.annotator is user] + to_check(phase, file, user)
    rows = sorted((row for row in rows if assigned and row.is_update_of is None), key=lambda row: row.id)
    return JSONResponse(
        {
            "current_task_index_in_filter": index,
            "total_tasks_in_filter": len(files),
            "current_task_index": index,
            "total_tasks": len(files),
            "is_submitted": task is not None and task.status == FINISHED,
            "file": told.file_json(file),
            "results": [told.result_json(row, user) for row in rows],
            "task_comments": [told.comment_json(c) for c in task_comments(user, phase, file)] if assigned else [],
            "previous_file_id": files[index - 1].id if index else None,
            "next_file_id": files[index + 1].id if index + 1 < len(files) else None,
            "is_assigned": assigned,
        }
    )


def _place(server: Server, request: Request, user: User) -> Place:
    store, given = server.store, request.path_params
    phase = store.find(store.phases, given["phase"])
    file = store.find(store.spectrograms, given["file"])
    campaign = store.find(store.campaigns, given["campaign"])
    if phase is None or file is None or campaign is None or phase.annotation_campaign is not campaign:
        if request.method == "POST":
            raise admin.missing()
        raise Refusal("DoesNotExist")
    return Place(store, user, phase, file)


async def _submit(server: Server, request: Request, user: User) -> Response:
    place = _place(server, request, user)
    if place.phase.range_of(user, place.spectrogram) is None:
        return empty(403)
    body = await body_of(request)
    session = body["session"]
    if missing := {name: [REQUIRED] for name in ("start", "end") if name not in session}:
        raise Denied(missing, 400)
    try:
        rows, comments = submit_v2(place, body.get("results") or [], body.get("task_comments") or [])
    except Invalid as invalid:
        return JSONResponse(invalid.errors, 400)
    return JSONResponse(
        {
            "results": [told.result_json(row) for row in rows],
            "task_comments": [told.comment_json(comment) for comment in comments],
        }
    )


def routes(server: Server) -> list[Route]:
    """Every REST route of v2, under ``/api/``."""
    store = server.store

    def listing(name: str, model: type[Row], rows: Callable[[User], Iterable[Row]], tell: Callable[..., Any]) -> Route:
        def handle(request: Request, user: User) -> Response:
            return paged(request, _select(model, rows(user), request), partial(tell, user))

        return Route(f"/api/{name}/", private(server, handle), methods=["GET"])

    def by_name(row: Any) -> str:
        return str(row.name)

    def table(name: str, attribute: str, tell: Callable[[Any], Any], key: Callable[[Any], str] = by_name) -> Route:
        def handle(request: Request, _: User) -> Response:
            found = sorted(getattr(store, attribute).values(), key=key)
            return JSONResponse([tell(row) for row in _select(type(found[0]), found, request)] if found else [])

        return Route(f"/api/{name}/", private(server, handle), methods=["GET"])

    def report(write: Callable[[Phase], str]) -> Callable[[Request, User], Response]:
        def handle(request: Request, user: User) -> Response:
            phase = admin.phase_of(store, request, user)
            try:
                return csv_file(phase, write(phase))
            except TwoComments:
                return page(500, f"ProgrammingError at {request.url.path}")

        return handle

    def ranges(user: User) -> list[FileRange]:
        found = [each for phase in store.phases.values() for each in phase.annotation_file_ranges]
        return [each for each in found if rights.sees_range(user, each)]

    def campaigns(user: User) -> list[Campaign]:
        found = [each for each in store.campaigns.values() if rights.sees_campaign(user, each)]
        return sorted(found, key=lambda each: each.name)

    def comments(user: User) -> list[Comment]:
        every = [comment for phase in store.phases.values() for comment in phase.annotation_comments.values()]
        return sorted((each for each in every if rights.sees_comment(user, each)), key=lambda each: each.id)

    def search(request: Request, user: User) -> Response:
        text = request.query_params.get("search", "").casefold()
        found = [each for each in _select(Campaign, campaigns(user), request) if text in each.name.casefold()]
        return paged(request, found, told.campaign_json)

    def detail(request: Request, user: User) -> Response:
        return JSONResponse(told.campaign_json(admin.campaign_of(store, request, user)))

    def phase(request: Request, user: User) -> Response:
        return JSONResponse(told.phase_json(admin.phase_of(store, request, user), user))

    def phases(user: User) -> list[Phase]:
        return [each for each in store.phases.values() if rights.sees_phase(user, each)]

    def bind(path: str, method: str, handle: Any, *, pass_server: bool = False) -> Route:
        handler: Handler = partial(handle, server if pass_server else store)
        return Route(f"/api/{path}/", private(server, handler), methods=[method])

    def plain(path: str, handle: Handler) -> Route:
        return Route(f"/api/{path}/", private(server, handle), methods=["GET"])

    task = "annotator/campaign/{campaign}/phase/{phase}/file/{file}"
    status_v2 = partial(status, extension=".wav")
    return [
        Route("/api/token/", partial(login, server), methods=["POST"]),
        Route("/api/token/", only("POST", "OPTIONS")),
        Route("/api/token/refresh/", partial(refresh, server), methods=["POST"]),
        Route("/api/token/refresh/", only("POST", "OPTIONS")),
        plain("annotation-campaign", search),
        plain("annotation-campaign/{id}", detail),
        bind("annotation-campaign", "POST", admin.create_campaign),
        bind("annotation-campaign/{id}", "PATCH", admin.patch_campaign),
        bind("annotation-campaign/{id}/archive", "POST", admin.archive),
        listing("annotation-campaign-phase", Phase, phases, lambda user, each: told.phase_json(each, user)),
        plain("annotation-campaign-phase/{id}", phase),
        bind("annotation-campaign-phase", "POST", admin.create_phase),
        bind("annotation-campaign-phase/{id}/end", "POST", admin.end_phase),
        Route("/api/annotation-campaign-phase/{id}/report/", csv_route(server, report(results_v2))),
        Route("/api/annotation-campaign-phase/{id}/report-status/", csv_route(server, report(status_v2))),
        listing(
            "annotation-file-range",
            FileRange,
            ranges,
            lambda _, each: told.range_json(each, finished=admin.finished_tasks(each)),
        ),
        bind("annotation-file-range/phase/{id}", "POST", admin.update_ranges),
        bind("annotation-file-range/phase/{id}/files", "GET", _files, pass_server=True),
        bind("annotation-result", "GET", _results, pass_server=True),
        bind("annotation-result/campaign/{campaign}/phase/{phase}/import", "POST", admin.detections),
        listing("annotation-comment", Comment, comments, lambda _, each: told.comment_json(each)),
        plain("user/self", lambda _, user: JSONResponse(told.user_json(user))),
        table("user", "users", told.user_json, key=lambda user: user.email.lower()),
        table("annotator-group", "groups", told.group_json),
        table("label-set", "label_sets", told.label_set_json),
        table("confidence-indicator", "confidence_sets", told.confidence_set_json),
        table("detector", "detectors", told.detector_json),
        table("dataset", "datasets", told.dataset_json),
        bind(task, "GET", _task, pass_server=True),
        bind(task, "POST", _submit, pass_server=True),
    ]
