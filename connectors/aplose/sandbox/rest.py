"""What REST v3 kept: tokens, CSV downloads, the annotation list with lookups, the detector import (fact sheet §5.3)."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.aplose.sandbox.auth import Denied
from connectors.aplose.sandbox.csv import TwoComments, results_v3, status
from connectors.aplose.sandbox.importing import import_v3
from connectors.aplose.sandbox.lookups import select
from connectors.aplose.sandbox.model import ANNOTATION, VERIFICATION, Annotation, Features, Phase, User
from connectors.aplose.sandbox.rights import edits_phase, sees_phase, viewable_phase
from connectors.aplose.sandbox.web import (
    Server,
    body_of,
    csv_file,
    csv_route,
    details,
    empty,
    login,
    moment,
    only,
    page,
    paged,
    private,
    refresh,
)

FEATURE_ORDER = (
    "trend",
    "is_intensity_too_low",
    "does_overlap_other_signals",
    "start_frequency",
    "end_frequency",
    "relative_min_frequency_count",
    "relative_max_frequency_count",
    "steps_count",
    "has_harmonics",
    "has_sidebands",
    "has_subharmonics",
    "has_frequency_jumps",
    "frequency_jumps_count",
    "has_deterministic_chaos",
)


def features_json(features: Features | None) -> dict[str, Any] | None:
    return {"id": features.id, **{name: getattr(features, name) for name in FEATURE_ORDER}} if features else None


def annotation_json(row: Annotation) -> dict[str, Any]:
    """Names for label and confidence, ids for the rest, no comments (§5.3)."""
    return {
        "id": row.id,
        "type": row.type,
        "annotator_expertise_level": row.annotator_expertise_level,
        "label": row.label.name,
        "confidence": row.confidence.label if row.confidence else None,
        "validations": [
            {
                "id": verdict.id,
                "is_valid": verdict.is_valid,
                "created_at": moment(verdict.created_at),
                "last_updated_at": moment(verdict.last_updated_at),
                "annotation": row.id,
                "annotator": verdict.annotator.id,
            }
            for verdict in row.validations.values()
        ],
        "acoustic_features": features_json(row.acoustic_features),
        "start_time": row.start_time,
        "end_time": row.end_time,
        "start_frequency": row.start_frequency,
        "end_frequency": row.end_frequency,
        "created_at": moment(row.created_at),
        "last_updated_at": moment(row.last_updated_at),
        "annotation_phase": row.annotation_phase.id,
        "annotator": row.annotator.id if row.annotator else None,
        "spectrogram": row.spectrogram.id,
        "analysis": row.analysis.id,
        "detector_configuration": row.detector_configuration.id if row.detector_configuration else None,
        "is_update_of": row.is_update_of.id if row.is_update_of else None,
    }


def scattered(row: Annotation) -> tuple[int, int]:
    """The list has no order upstream; this one is as arbitrary, and the same at each call."""
    return (row.id * 2_654_435_761 % 2**32, row.id)


def routes(server: Server) -> list[Route]:
    """Every REST route of v3, under ``/api/``."""
    store = server.store

    def root(request: Request, _: User) -> Response:
        return JSONResponse({"annotation": f"{str(request.base_url).rstrip('/')}/api/annotation/"})

    def annotations(request: Request, _: User) -> Response:
        found = select(Annotation, store.annotations.values(), request.query_params.multi_items())
        return paged(request, sorted(found, key=scattered), annotation_json)

    def annotation(request: Request, _: User) -> Response:
        row = store.find(store.annotations, request.path_params["id"])
        found = select(Annotation, [row] if row else [], request.query_params.multi_items())
        return JSONResponse(annotation_json(found[0])) if found else details(404, "Not found.")

    def download(write: Callable[[Phase], str]) -> Callable[[Request, User], Response]:
        def handle(request: Request, user: User) -> Response:
            phase = viewable_phase(user, store.find(store.phases, request.path_params["id"]))
            try:
                return csv_file(phase, write(phase))
            except TwoComments:
                return page(500, f"ProgrammingError at {request.url.path}")

        return handle

    def analysis_export(request: Request, _: User) -> Response:
        analysis = store.find(store.analysis, request.path_params["id"])
        if analysis is None:
            return details(404, "Not found.")
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            told = {"name": analysis.name, "sampling_frequency": analysis.sampling_frequency, "nfft": analysis.nfft}
            archive.writestr(f"{analysis.name}.json", json.dumps(told))
        headers = {"content-type": "application/x-zip-compressed"}
        headers["content-disposition"] = f"attachment; filename={analysis.name}.zip"
        return Response(content.getvalue(), headers=headers)

    async def detections(request: Request, user: User) -> Response:
        campaign_id, kind = request.path_params["campaign"], request.path_params["phase"]
        if kind[0] == VERIFICATION[0]:
            return JSONResponse("Import should always be made on annotation campaign", 400)
        campaign = store.find(store.campaigns, campaign_id)
        phase = campaign.phases.get(ANNOTATION) if campaign and kind[0] == ANNOTATION[0] else None
        if phase is None or not sees_phase(user, phase):
            return JSONResponse(f"Phase {kind} not found for campaign #{campaign_id}", 404)
        if not edits_phase(user, phase):
            where = f"phase {kind} for campaign #{campaign_id}"
            return JSONResponse(f"You do not have access to edition of {where}", 403)
        body = await body_of(request)
        try:
            import_v3(store, phase, body["data"], request.query_params)
        except Denied as refused:
            return JSONResponse(refused.body["errors"], refused.status)
        return empty(201)

    def schema(_: Request) -> Response:
        return page(500, "AssertionError at /backend/schema")

    get, post = ["GET"], ["POST"]
    return [
        Route("/api/token/", partial(login, server), methods=post),
        Route("/api/token/", only("POST", "OPTIONS")),
        Route("/api/token/refresh/", partial(refresh, server), methods=post),
        Route("/api/token/refresh/", only("POST", "OPTIONS")),
        Route("/api/", private(server, root), methods=get),
        Route("/api/annotation/", private(server, annotations), methods=get),
        Route("/api/annotation/", only("GET", "HEAD", "OPTIONS"), methods=["POST", "PUT", "PATCH", "DELETE"]),
        Route("/api/annotation/{id}/", private(server, annotation), methods=get),
        Route("/api/annotation/{id}/", only("GET", "HEAD", "OPTIONS"), methods=["POST", "PUT", "PATCH", "DELETE"]),
        Route("/api/annotation/campaign/{campaign}/phase/{phase}/", private(server, detections), methods=post),
        Route("/api/download/phase-annotations/{id}/", csv_route(server, download(results_v3)), methods=get),
        Route("/api/download/phase-progression/{id}/", csv_route(server, download(status)), methods=get),
        Route("/api/download/analysis-export/{id}/", private(server, analysis_export), methods=get),
        Route("/backend/schema", schema, methods=get),
    ]
