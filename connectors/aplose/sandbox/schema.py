"""The executable v3 schema: records, field readers and lists bound to the SDL, and the roots of query and mutation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from functools import cache
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLScalarType,
    GraphQLSchema,
    build_schema,
    get_named_type,
)

from connectors.aplose.sandbox import admin
from connectors.aplose.sandbox import submit as tasks
from connectors.aplose.sandbox.clean import Errors
from connectors.aplose.sandbox.fields import FIELDS, SEES, Context
from connectors.aplose.sandbox.filters import keep
from connectors.aplose.sandbox.model import FINISHED, Phase, Spectrogram, Task, User
from connectors.aplose.sandbox.pages import ResultPage, camel, edges, order_by, results, snake
from connectors.aplose.sandbox.rights import sees_campaign, viewable_phase
from connectors.aplose.sandbox.sdl import sdl
from connectors.aplose.sandbox.store import Refusal, Store

Resolver = Callable[..., Any]

ROOT_LISTS = {
    "allUsers": "users",
    "allUserGroups": "groups",
    "allDatasets": "datasets",
    "allSpectrogramAnalysis": "analysis",
    "allLabelSets": "label_sets",
    "allConfidenceSets": "confidence_sets",
    "allDetectors": "detectors",
    "allAnnotationCampaigns": "campaigns",
    "allAnnotationPhases": "phases",
    "allAnnotationSpectrograms": "spectrograms",
}


def tell(errors: list[Errors] | None) -> list[list[dict[str, Any]]] | None:
    """Field errors as ``ErrorType`` rows: one list an item, empty where it was fine."""
    if errors is None:
        return None
    return [[{"field": camel(name), "messages": texts} for name, texts in each.items()] for each in errors]


# --- query ----------------------------------------------------------------------------------------------------------


def _root_list(at: Context, name: str) -> list[Any]:
    store = at.store
    if name == "allAnnotationFileRanges":
        found = [each for phase in store.phases.values() for each in phase.annotation_file_ranges]
        return sorted(found, key=lambda each: (each.first_file_index, each.id))
    rows = list(getattr(store, ROOT_LISTS[name]).values())
    if name == "allAnnotationCampaigns":
        rows.sort(key=lambda campaign: (campaign.name, campaign.id))
    if name == "allAnnotationSpectrograms":
        rows.sort(key=lambda file: (file.start, file.id))
    return rows


def _campaign(at: Context, id: str) -> Any:  # noqa: A002 -- the argument's name in the schema
    campaign = at.store.find(at.store.campaigns, id)
    return campaign if campaign is not None and sees_campaign(at.user, campaign) else None


def _phase(at: Context, campaignId: str, phaseType: str) -> Phase:
    campaign = at.store.find(at.store.campaigns, campaignId)
    return viewable_phase(at.user, campaign.phases.get(phaseType) if campaign else None)


def _paths(at: Context, spectrogramId: str, analysisId: str) -> dict[str, str] | None:
    file = at.store.find(at.store.spectrograms, spectrogramId)
    analysis = at.store.find(at.store.analysis, analysisId)
    if file is None or analysis is None or analysis not in file.analysis:
        raise Refusal("SpectrogramAnalysisRelation matching query does not exist.")
    picture = f"/backend/static/{analysis.dataset.path}/{analysis.path}/image/{file.filename}.png"
    return {"audioPath": file.audio_path, "spectrogramPath": picture}


QUERY: dict[str, Callable[..., Any]] = {
    "currentUser": lambda at: at.user,
    "datasetById": lambda at, id: at.store.find(at.store.datasets, id),  # noqa: A006
    "annotationCampaignById": _campaign,
    "annotationPhaseByCampaignPhase": _phase,
    "annotationSpectrogramById": lambda at, id: at.store.find(at.store.spectrograms, id),  # noqa: A006
    "spectrogramPaths": _paths,
}


# --- mutation -------------------------------------------------------------------------------------------------------


def _snaked(value: Any) -> Any:
    if isinstance(value, dict):
        return {snake(name): _snaked(each) for name, each in value.items()}
    return [_snaked(each) for each in value] if isinstance(value, list) else value


def _submit(at: Context, **given: Any) -> dict[str, Any]:
    place = tasks.place(at.store, at.user, given["campaignId"], given["phaseType"], given["spectrogramId"])
    outcome = tasks.submit(place, _snaked(given["annotations"]), given["taskComments"])
    return {
        "ok": outcome.ok,
        "annotationErrors": tell(outcome.annotation_errors),
        "taskCommentsErrors": tell(outcome.task_comments_errors),
    }


def _update_annotations(at: Context, input: dict[str, Any]) -> dict[str, Any]:  # noqa: A002
    place = tasks.place(at.store, at.user, input["campaignId"], input["phaseType"], input["spectrogramId"])
    errors = tasks.update_annotations(place, _snaked(input["list"]))
    return {"errors": tell(errors), "clientMutationId": input.get("clientMutationId")}


def _update_comments(at: Context, input: dict[str, Any]) -> dict[str, Any]:  # noqa: A002
    if "annotationId" not in input:
        raise Refusal("'annotation_id'")
    place = tasks.place(at.store, at.user, input["campaignId"], input["phaseType"], input["spectrogramId"])
    errors = tasks.update_comments(place, input["annotationId"], input["list"])
    return {"errors": tell(errors), "clientMutationId": input.get("clientMutationId")}


def _campaign_payload(change: Callable[..., admin.Changed]) -> Callable[..., dict[str, Any]]:
    def mutate(at: Context, input: dict[str, Any]) -> dict[str, Any]:  # noqa: A002
        campaign, errors = change(at.store, at.user, input)
        told = tell([errors]) or [[]]
        return {"annotationCampaign": campaign, "errors": told[0], "clientMutationId": input.get("clientMutationId")}

    return mutate


MUTATION: dict[str, Callable[..., Any]] = {
    "createAnnotationCampaign": _campaign_payload(admin.create_campaign),
    "updateAnnotationCampaign": _campaign_payload(admin.update_campaign),
    "archiveAnnotationCampaign": lambda at, id: admin.archive(at.store, at.user, id),  # noqa: A006
    "createAnnotationPhase": lambda at, campaignId, type: admin.create_phase(at.store, at.user, campaignId, type),  # noqa: A006
    "updateAnnotationPhaseFileRanges": lambda at, **given: {
        "errors": tell(admin.update_ranges(at.store, at.user, **given))
    },
    "endAnnotationPhase": lambda at, id: admin.end_phase(at.store, at.user, id),  # noqa: A006
    "updateAnnotations": _update_annotations,
    "updateAnnotationComments": _update_comments,
    "submitAnnotationTask": _submit,
}


# --- binding --------------------------------------------------------------------------------------------------------


def _default(source: Any, info: GraphQLResolveInfo[Any], **_: Any) -> Any:
    if isinstance(source, dict):
        return source.get(info.field_name)
    return getattr(source, snake(info.field_name))


def _guarded(resolve: Resolver) -> Resolver:
    """Root fields ask for a login, and refusals become GraphQL errors."""

    def wrapper(_source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        if info.context.user is None:
            raise GraphQLError("Unauthorized")
        return _call(resolve, info.context, **arguments)

    return wrapper


def _call(function: Resolver, *positional: Any, **named: Any) -> Any:
    try:
        return function(*positional, **named)
    except Refusal as refusal:
        raise GraphQLError(refusal.message) from refusal


def _list(node: str, items: Callable[[Any, Context], list[Any]], *, paged: bool, name: str) -> Resolver:
    def read(source: Any, at: Context, **arguments: Any) -> Any:
        rows = items(source, at)
        if node in SEES:
            rows = [row for row in rows if SEES[node](at.user, row)]
        rows = order_by(keep(at.store, node, rows, arguments), node, arguments.get("orderBy"))
        return results(rows, arguments) if paged else edges(rows, arguments, name)

    return read


def _bind_field(kind: GraphQLObjectType, name: str, field: GraphQLField) -> None:
    returned = get_named_type(field.type).name
    paged = returned.endswith("NodeNodeConnection")
    own = FIELDS.get(f"{kind.name}.{name}")
    if kind.name == "Query" and name.startswith("all"):
        node = returned.removesuffix("NodeConnection")
        read = _list(node, lambda _, at: _root_list(at, name), paged=True, name=name)
        field.resolve = _guarded(lambda at, **arguments: read(None, at, **arguments))
    elif kind.name in {"Query", "Mutation"}:
        field.resolve = _guarded((QUERY | MUTATION)[name])
    elif paged or returned.endswith("NodeConnection"):
        node = returned.removesuffix("NodeConnection" if paged else "Connection")
        items = own or (lambda source, _: list(getattr(source, snake(name))))
        listed = _list(node, items, paged=paged, name=name)
        field.resolve = lambda source, info, **arguments: _call(listed, source, info.context, **arguments)
    elif own is not None:
        field.resolve = lambda source, info, **arguments: _call(own, source, info.context, **arguments)
    else:
        field.resolve = _default


def _bind_neighbours(schema: GraphQLSchema) -> None:
    """The file list's extra fields: where to go on, and what lies before and after a file."""

    def resume(page: ResultPage, info: GraphQLResolveInfo[Any], campaignId: str, phase: str) -> int | None:
        at: Context = info.context
        campaign = at.store.find(at.store.campaigns, campaignId)
        step = campaign.phases.get(phase) if campaign else None

        def done(file: Spectrogram, user: User) -> bool:
            task: Task | None = step.tasks.get((file.id, user.id)) if step else None
            return task is not None and task.status == FINISHED

        return next((file.id for file in page.everything if not done(file, at.user)), None)

    def position(page: ResultPage, store: Store, spectrogram: str | None) -> tuple[list[Any], int]:
        here = store.find(store.spectrograms, spectrogram)
        if here is None:
            raise GraphQLError("Spectrogram matching query does not exist.")
        every = sorted(page.everything, key=lambda file: (file.start, file.id))
        return every, sum((file.start, file.id) < (here.start, here.id) for file in every)

    def index(page: ResultPage, info: GraphQLResolveInfo[Any], spectrogramId: str | None = None) -> int:
        return position(page, info.context.store, spectrogramId)[1]

    def previous(page: ResultPage, info: GraphQLResolveInfo[Any], spectrogramId: str | None = None) -> int | None:
        every, before = position(page, info.context.store, spectrogramId)
        return every[before - 1].id if before else None

    def following(page: ResultPage, info: GraphQLResolveInfo[Any], spectrogramId: str | None = None) -> int | None:
        every, before = position(page, info.context.store, spectrogramId)
        after = [file.id for file in every[before:] if str(file.id) != str(spectrogramId)]
        return after[0] if after else None

    page = schema.type_map["AnnotationSpectrogramNodeNodeConnection"]
    assert isinstance(page, GraphQLObjectType)
    page.fields["resumeSpectrogramId"].resolve = resume
    page.fields["currentIndex"].resolve = index
    page.fields["previousSpectrogramId"].resolve = previous
    page.fields["nextSpectrogramId"].resolve = following


def teach(known: GraphQLSchema, name: str, write: Callable[..., str], read: Callable[..., Any]) -> None:
    """How a scalar of a built schema is written and read."""
    scalar = known.type_map[name]
    assert isinstance(scalar, GraphQLScalarType)
    scalar.coerce_output_value = write
    scalar.coerce_input_value = scalar.parse_value = read  # type: ignore[method-assign]


def _moment(value: Any) -> datetime:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        raise GraphQLError(f"DateTime cannot represent value: {value!r}") from None


@cache
def schema() -> GraphQLSchema:
    built = build_schema(sdl())
    for kind in built.type_map.values():
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
            for name, field in kind.fields.items():
                _bind_field(kind, name, field)
    _bind_neighbours(built)
    teach(built, "DateTime", datetime.isoformat, _moment)
    teach(built, "Date", date.isoformat, date.fromisoformat)
    return built
