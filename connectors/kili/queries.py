"""What is asked of Kili's GraphQL API: fields, as far as the server has them, and the documents around them.

Nobody outside has seen the whole schema, and on-premise servers are of any age (fact sheet ``platforms/kili.md`` §6,
§7): so the schema is read once, and a field that it lacks is not asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from connectors.coerce import many, mapping, text
from connectors.documents import JSON

Schema: TypeAlias = Mapping[str, Mapping[str, str]]
"""Types to their fields, and fields to the names of their types; empty: the server does not tell."""

INTROSPECTION: Final = """
query {
  __schema {
    queryType { name }
    mutationType { name }
    types { name fields(includeDeprecated: true) { name type { ...Named } } }
  }
}
fragment Named on __Type { name ofType { name ofType { name ofType { name } } } }
"""


@dataclass(frozen=True, slots=True)
class Fields:
    """A selection: plain fields, nested ones, and those that are asked for only where the schema surely has them."""

    plain: str
    nested: Mapping[str, Fields] = field(default_factory=dict)
    unsure: str = ""


_USER: Final = Fields("id email firstname lastname")
_COMMENT: Final = Fields("id text createdAt authorIdUser", {"author": _USER})
_ISSUE: Final = Fields(
    "id type status createdAt updatedAt assetId objectMid issueNumber",
    {"author": _USER, "assignee": _USER, "comments": _COMMENT},
)
_LABEL: Final = Fields(
    "id createdAt labelType modelName jsonResponse jsonResponseUrl secondsToLabel totalSecondsToLabel "
    "isLatestLabelForUser isLatestDefaultLabelForUser isLatestReviewLabelForUser isLastForStep isSentBackToQueue "
    "honeypotMark inferenceMark numberOfAnnotations",
    {"author": _USER},
    unsure="updatedAt consensusMark skipped referencedLabelId",
)
_SIZE: Final = Fields("width height")

ASSET: Final = Fields(
    "id externalId content jsonContent jsonMetadata status createdAt updatedAt isHoneypot isUsedForConsensus "
    "honeypotMark consensusMark inferenceMark skipped priority",
    {
        "currentStep": Fields("name status", unsure="stepGroupName"),
        "project": Fields("id inputType"),
        "toBeLabeledBy": _USER,
        "resolution": _SIZE,
        "pageResolutions": Fields("pageNumber width height rotation"),
        "labels": _LABEL,
        "issues": _ISSUE,
    },
)
ONLY_ID: Final = Fields("id")
LABEL_ASSET: Final = Fields("id assetId", {"labelOf": Fields("id")})
ISSUE_TIMES: Final = Fields("id assetId createdAt updatedAt", {"comments": Fields("createdAt")})
PROJECT: Final = Fields(
    "id title description inputType jsonInterface workflowVersion consensusTotCoverage minConsensusSize "
    "reviewCoverage createdAt updatedAt archived",
    {
        "steps": Fields("id name type stepGroupId", unsure="sendBackStepId"),
        "stepGroups": Fields("id name"),
        "roles": Fields("id role", {"user": _USER}),
    },
    unsure="numberOfAssets numberOfOpenIssues numberOfSolvedIssues numberOfOpenQuestions numberOfSolvedQuestions",
)
USER: Final = Fields("id email firstname lastname activated organizationRole")
EVENT: Final = Fields("id event createdAt payload")

CURRENT_USER: Final = "query { data: viewer { id email } }"

PROBE: Final = """
query ($assets: AssetWhere!, $labels: LabelWhere!, $assetsThen: AssetWhere!, $labelsThen: LabelWhere!,
       $changed: AssetWhere!) {
  assets: countAssets(where: $assets)
  labels: countLabels(where: $labels)
  assetsThen: countAssets(where: $assetsThen)
  labelsThen: countLabels(where: $labelsThen)
  changed: countAssets(where: $changed)
}
"""
EVENTS: Final = """
query ($where: EventsWhere!, $pagination: EventPagination!, $order: Order) {
  data: events(where: $where, pagination: $pagination, order: $order) { %s }
}
"""
ADD_LABELS: Final = """
mutation ($data: AppendManyLabelsData!, $where: AssetWhere!) {
  data: appendManyLabels(data: $data, where: $where) { id }
}
"""
CREATE_ISSUES: Final = """
mutation ($issues: [IssueToCreate!]!, $where: AssetWhere!) { data: createIssues(issues: $issues, where: $where) { id } }
"""
SOLVE_ISSUE: Final = """
mutation ($data: IssueData!, $where: IssueWhere!) { data: updatePropertiesInIssue(data: $data, where: $where) { id } }
"""
SEND_BACK: Final = """
mutation ($where: AssetWhere!) {
  data: sendAssetsBackToQueue(where: $where) {
    succeeded { assetId } declined { assetId } failed { assetId details }
  }
}
"""
SEND_BACK_OLD: Final = "mutation ($where: AssetWhere!) { data: sendBackAssetsToQueue(where: $where) { id } }"

_WHERES: Final = {
    "assets": "AssetWhere",
    "labels": "LabelWhere",
    "issues": "IssueWhere",
    "projects": "ProjectWhere",
    "users": "UserWhere",
}


def schema_of(answer: Mapping[str, JSON]) -> Schema:
    """What an introspection says; ``Query`` and ``Mutation`` stand under these names whatever the server calls them."""
    said = mapping(answer.get("__schema"))
    types = {
        str(mapping(kind).get("name")): {
            str(mapping(entry).get("name")): _named(mapping(entry).get("type"))
            for entry in many(mapping(kind).get("fields"))
        }
        for kind in many(said.get("types"))
    }
    roots = {"Query": said.get("queryType"), "Mutation": said.get("mutationType")}
    return types | {root: types.get(str(mapping(kind).get("name")), {}) for root, kind in roots.items()}


def has(schema: Schema, root: str, name: str) -> bool:
    """A server that does not tell is taken for a new one."""
    return not schema or name in schema.get(root, {})


def select(schema: Schema, root: str, wanted: Fields) -> str:
    """The selection for a field of ``Query``, without what the server does not have."""
    return _select(schema, schema.get("Query", {}).get(root, ""), wanted)


def listing(schema: Schema, root: str, wanted: Fields) -> str:
    """Pages by ``skip`` and ``first`` (§5)."""
    return (
        f"query ($where: {_WHERES[root]}!, $skip: Int!, $first: PageSize!) "
        f"{{ data: {root}(where: $where, skip: $skip, first: $first) {{ {select(schema, root, wanted)} }} }}"
    )


def counting(root: str) -> str:
    return f"query ($where: {_WHERES[root]}!) {{ data: count{root.capitalize()}(where: $where) }}"


def _select(schema: Schema, kind: str, wanted: Fields) -> str:
    known = schema.get(kind)
    names = wanted.plain.split() if known is None else f"{wanted.plain} {wanted.unsure}".split()
    parts = [name for name in names if known is None or name in known]
    for name, inner in wanted.nested.items():
        if known is None or name in known:
            parts.append(f"{name} {{ {_select(schema, '' if known is None else known[name], inner)} }}")
    return " ".join(parts) or "__typename"


def _named(kind: JSON) -> str:
    while kind := mapping(kind):
        if name := text(kind.get("name")):
            return name
        kind = kind.get("ofType")
    return ""
