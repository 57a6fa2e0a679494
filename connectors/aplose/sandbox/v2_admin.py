"""What v2's REST lets owners do: campaigns, phases, file ranges, end, archive, import (fact sheet §6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors.aplose.sandbox import v2_json as told
from connectors.aplose.sandbox.admin import replace_ranges
from connectors.aplose.sandbox.auth import Denied
from connectors.aplose.sandbox.clean import REQUIRED, Errors
from connectors.aplose.sandbox.importing import import_v2
from connectors.aplose.sandbox.model import ANNOTATION, FINISHED, VERIFICATION, Campaign, FileRange, Phase, User
from connectors.aplose.sandbox.store import Store, parse_date
from connectors.aplose.sandbox.v2_rights import demand_rule, sees_campaign, sees_phase
from connectors.aplose.sandbox.web import body_of


def missing() -> Denied:
    return Denied({"detail": "Not found."}, 404)


def campaign_of(store: Store, request: Request, user: User) -> Campaign:
    campaign = store.find(store.campaigns, request.path_params["id"])
    if campaign is None or not sees_campaign(user, campaign):
        raise missing()
    return campaign


def phase_of(store: Store, request: Request, user: User) -> Phase:
    phase = store.find(store.phases, request.path_params["id"])
    if phase is None or not sees_phase(user, phase):
        raise missing()
    return phase


async def create_campaign(store: Store, request: Request, user: User) -> Response:
    given = await body_of(request)
    errors: Errors = {name: [REQUIRED] for name in ("name", "datasets", "spectro_configs") if not given.get(name)}
    if any(campaign.name == given.get("name") for campaign in store.campaigns.values()):
        errors["name"] = ["annotation campaign with this name already exists."]
    known = {dataset.name: dataset for dataset in store.datasets.values()}
    for name in given.get("datasets") or []:
        if name not in known:
            errors["datasets"] = [f"Object with name={name} does not exist."]
    analyses = [store.analysis.get(key) for key in given.get("spectro_configs") or []]
    for key, analysis in zip(given.get("spectro_configs") or [], analyses, strict=True):
        if analysis is None:
            errors["spectro_configs"] = [f'Invalid pk "{key}" - object does not exist.']
    deadline = parse_date(given.get("deadline"))
    if deadline is not None and deadline < store.now().date():
        errors["deadline"] = ["Deadline date should be in the future."]
    if errors:
        raise Denied(dict(errors), 400)
    campaign = store.add_campaign(
        given["name"],
        user,
        [analysis for analysis in analyses if analysis is not None],
        description=given.get("desc"),
        instructions_url=given.get("instructions_url"),
        deadline=deadline,
        allow_point_annotation=bool(given.get("allow_point_annotation")),
    )
    store.effect("campaign", campaign.id, {"name": campaign.name})
    return JSONResponse(told.campaign_json(campaign), 201)


async def patch_campaign(store: Store, request: Request, user: User) -> Response:
    campaign = campaign_of(store, request, user)
    demand_rule(user, campaign, editable=campaign.archive is None)
    given = await body_of(request)
    label_set = store.label_sets.get(given.get("label_set")) if "label_set" in given else campaign.label_set
    named = given.get("labels_with_acoustic_features")
    errors: Errors = {}
    if "label_set" in given and label_set is None:
        errors["label_set"] = [f'Invalid pk "{given["label_set"]}" - object does not exist.']
    by_name = {label.name: label for label in label_set.labels} if label_set else {}
    if any(name not in by_name for name in named or []):
        errors["labels_with_acoustic_features"] = ["Label with acoustic features should belong to label set"]
    if errors:
        raise Denied(dict(errors), 400)
    campaign.label_set = label_set
    if named is not None:
        campaign.labels_with_acoustic_features = [by_name[name] for name in named]
    if "confidence_indicator_set" in given:
        campaign.confidence_set = store.confidence_sets.get(given["confidence_indicator_set"])
    if "allow_point_annotation" in given:
        campaign.allow_point_annotation = bool(given["allow_point_annotation"])
    store.effect("campaign_changed", campaign.id)
    full = told.campaign_json(campaign)
    names = ("label_set", "labels_with_acoustic_features", "confidence_indicator_set", "allow_point_annotation")
    return JSONResponse({name: full[name] for name in names})


def archive(store: Store, request: Request, user: User) -> Response:
    campaign = campaign_of(store, request, user)
    demand_rule(user, campaign)
    store.archive(campaign, user)
    return JSONResponse(told.campaign_json(campaign))


async def create_phase(store: Store, request: Request, user: User) -> Response:
    given = await body_of(request)
    campaign, kind = store.campaigns.get(given.get("annotation_campaign")), given.get("phase")
    if campaign is None:
        key = given.get("annotation_campaign")
        raise Denied({"annotation_campaign": [f'Invalid pk "{key}" - object does not exist.']}, 400)
    demand_rule(user, campaign, editable=campaign.archive is None)
    if kind not in {ANNOTATION, VERIFICATION}:
        raise Denied({"phase": [f'"{kind}" is not a valid choice.']}, 400)
    if kind in campaign.phases:
        message = "The fields phase, annotation_campaign must make a unique set."
        raise Denied({"non_field_errors": [message]}, 400)
    if kind == VERIFICATION and ANNOTATION not in campaign.phases:
        message = "Cannot create Verification phase without an Annotation phase first"
        raise Denied({"non_field_errors": [message]}, 400)
    phase = store.add_phase(campaign, kind, user)
    store.effect("phase", phase.id, {"campaign": campaign.id, "phase": kind})
    return JSONResponse(told.phase_json(phase, user), 201)


def end_phase(store: Store, request: Request, user: User) -> Response:
    phase = phase_of(store, request, user)
    demand_rule(user, phase.annotation_campaign, editable=phase.is_editable)
    store.end_phase(phase, user)
    return JSONResponse(told.phase_json(phase, user))


async def update_ranges(store: Store, request: Request, user: User) -> Response:
    """The list replaces the phase's ranges."""
    phase = store.find(store.phases, request.path_params["id"])
    if phase is None:
        raise missing()
    demand_rule(user, phase.annotation_campaign)
    given = await body_of(request)
    errors = [_check_range(store, phase, each) for each in given["data"]]
    if any(errors):
        return JSONResponse(errors, 400)
    spans = {(each["annotator"], each["first_file_index"], each["last_file_index"]) for each in given["data"]}
    named = {each.get("id") for each in given["data"]}
    lost = [
        r
        for r in phase.annotation_file_ranges
        if r.id not in named and (r.annotator.id, r.first_file_index, r.last_file_index) not in spans
    ]
    if given.get("force") is not True and any(finished_tasks(each) for each in lost):
        return JSONResponse(["Cannot delete range with finished tasks"], 400)
    same = {(r.annotator.id, r.first_file_index, r.last_file_index): r.id for r in phase.annotation_file_ranges}
    values = [_values(store, each, same) for each in given["data"]]
    replace_ranges(store, phase, values)
    store.effect("ranges", phase.id, {"ranges": len(phase.annotation_file_ranges)})
    return JSONResponse([told.range_json(each) for each in phase.annotation_file_ranges])


def finished_tasks(file_range: FileRange) -> int:
    tasks = file_range.annotation_phase.tasks.values()
    mine = (task for task in tasks if task.annotator is file_range.annotator and file_range.covers(task.spectrogram))
    return sum(task.status == FINISHED for task in mine)


def _check_range(store: Store, phase: Phase, given: Mapping[str, Any]) -> Errors:
    names = ("annotator", "first_file_index", "last_file_index")
    errors: Errors = {name: [REQUIRED] for name in names if name not in given}
    if errors:
        return errors
    count = len(phase.annotation_campaign.spectrograms)
    if given["annotator"] not in store.users:
        errors["annotator"] = [f'Invalid pk "{given["annotator"]}" - object does not exist.']
    for name in ("first_file_index", "last_file_index"):
        if given[name] >= count:
            errors[name] = [f"This field should not exceed campaigns files count ({count})"]
    if given["first_file_index"] > given["last_file_index"]:
        message = "'last_file_index' shoud be greater or equal to 'first_file_index'"
        errors["non_field_errors"] = [message]
    return errors


def _values(
    store: Store, given: Mapping[str, Any], same: Mapping[tuple[int, int, int], int]
) -> tuple[str | None, User, int, int]:
    span = (given["annotator"], given["first_file_index"], given["last_file_index"])
    key = given.get("id") or same.get(span)
    return (str(key) if key else None, store.users[given["annotator"]], span[1], span[2])


async def detections(store: Store, request: Request, user: User) -> Response:
    campaign = store.find(store.campaigns, request.path_params["campaign"])
    phase = store.find(store.phases, request.path_params["phase"])
    if campaign is None or phase is None or phase.annotation_campaign is not campaign:
        raise missing()
    demand_rule(user, campaign)
    if phase.phase != ANNOTATION:
        return JSONResponse("Import should always be made on annotation campaign", 400)
    body = await body_of(request)
    made = import_v2(store, phase, body["data"], request.query_params)
    return JSONResponse([told.result_json(row) for row in made], 201)
