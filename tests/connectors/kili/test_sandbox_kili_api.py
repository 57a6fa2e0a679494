"""The Kili sandbox as a GraphQL server: who may ask, what is answered, lists, counts, filters, and its schema."""

import gzip
import json
from collections import Counter

import pytest
from graphql import build_client_schema, get_introspection_query, parse, print_schema, validate
from hypothesis import given, settings
from hypothesis import strategies as st
from sandbox_kili_api import served

from connectors.kili.sandbox import queries as sandbox_queries
from connectors.kili.sandbox.schema import sdl, version
from connectors.kili.sandbox.search import compile_search
from connectors.kili.sandbox.seed import LABELER_KEY, REVIEWER_KEY


@pytest.fixture(scope="module")
def platform():
    """One sandbox for tests that only read."""
    with served(assets=120) as pair:
        yield pair


# --- who may ask -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer x"},
        {"Authorization": "X-API-Key: nope"},
        {"X-API-Key": "sandbox-key-of-the-gateway"},
    ],
)
def test_only_a_known_key_in_the_right_header_is_let_in(platform, headers):
    """401 as text for no key, a wrong scheme, an unknown key, and the key in a header of its own."""
    _, api = platform
    answer = api.http.post(api.endpoint, json={"query": "{viewer{id email}}"}, headers=headers)
    assert (answer.status_code, answer.text) == (401, "Unauthorized")


def test_a_key_ends_with_its_expiry():
    """Its expiry date has a fraction, as the SDK demands; once it has passed the key is refused."""
    with served() as (sandbox, api):
        (key,) = api.ask("query($w: ApiKeyWhere!) {data: apiKeys(where: $w, skip: 0, first: 1) {expiryDate}}", w={})
        assert key["expiryDate"][19:] == f".{key['expiryDate'][20:23]}Z"
        sandbox.control.clock.advance(3650 * 86400)
        assert api.post("{viewer{id}}").status_code == 401


def test_a_key_acts_with_the_rights_of_its_user():
    """A labeler may label and ask, not review, send back, delete or make webhooks; a reviewer may send back."""
    with served() as (sandbox, api):
        project = sandbox.control.actions["overview"]()["projects"][0]["id"]
        done = [a["id"] for a in sandbox.control.actions["list_assets"](project=project, status="LABELED")]

        def codes(key):
            calls = [
                ("mutation($w: AssetWhere!) {data: sendAssetsBackToQueue(where: $w) {succeeded {assetId}}}", {}),
                ("mutation($w: AssetWhere!) {data: deleteAssets(where: $w) {succeeded {assetId}}}", {}),
            ]
            return ["errors" in api.post(query, key=key, w={"idIn": done[:1]}, **more).json() for query, more in calls]

        assert codes(LABELER_KEY) == [True, True]
        assert sandbox.control.effects == []
        assert codes(REVIEWER_KEY) == [False, True]
        assert [e.name for e in sandbox.control.effects] == ["send_back"]


# --- envelope ----------------------------------------------------------------------------------------------------


def test_bodies_may_be_gzipped_and_bad_ones_are_told(platform):
    """gzip is read; another encoding is a 415; what is no JSON or no query is a 400 with extensions."""
    _, api = platform
    headers = {"Authorization": f"X-API-Key: {api.key}"}
    body = json.dumps({"query": "{viewer{email}}"}).encode()

    def send(content, **more):
        return api.http.post(api.endpoint, content=content, headers=headers | more)

    zipped = send(gzip.compress(body), **{"Content-Encoding": "gzip"})
    assert zipped.json() == {"data": {"viewer": {"email": "gateway@example.org"}}}
    assert send(body, **{"Content-Encoding": "br"}).status_code == 415
    for content, more in ((b"{", {}), (body, {"Content-Encoding": "gzip"}), (b"[]", {}), (b'{"query": 1}', {})):
        answer = send(content, **more)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


@pytest.mark.parametrize(
    ("query", "variables", "status", "code"),
    [
        ("{", {}, 400, "GRAPHQL_PARSE_FAILED"),
        ("{nope}", {}, 400, "GRAPHQL_VALIDATION_FAILED"),
        ("query($w: AssetWhere!) {data: countAssets(where: $w)}", {}, 400, "INTERNAL_SERVER_ERROR"),
        (
            "query($w: AssetWhere!) {data: countAssets(where: $w)}",
            {"w": {"createdAtGte": "x"}},
            400,
            "INTERNAL_SERVER_ERROR",
        ),
        ("{data: assets(where: {}, skip: 0, first: 101) {id}}", {}, 200, "OPERATION_RESOLUTION_FAILURE"),
    ],
)
def test_every_error_has_a_code_in_its_extensions(platform, query, variables, status, code):
    """Documents and variables are refused with 400, resolvers with 200 and a null under the alias."""
    _, api = platform
    answer = api.post(query, **variables)
    assert answer.status_code == status
    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == code
    if status == 200:
        assert answer.json()["data"] == {"data": None}
        assert error["path"] == ["data"]
        assert error["message"].startswith("[tooManyItems]")


def test_aliases_fragments_and_several_roots_are_answered(platform):
    """A real executor: two aliased lists and a fragment in one document."""
    sandbox, api = platform
    project = sandbox.control.actions["overview"]()["projects"][0]
    query = """
        query($w: ProjectWhere!, $a: AssetWhere!) {
          one: projects(where: $w, skip: 0, first: 1) { ...P }
          few: assets(where: $a, skip: 2, first: 2) { id project { ...P } }
          all: countAssets(where: $a)
        }
        fragment P on Project { name: title __typename }
    """
    data = api.post(query, w={"id": project["id"]}, a={"project": {"id": project["id"]}}).json()["data"]
    assert data["one"] == [{"name": "Harbour traffic", "__typename": "Project"}]
    assert [asset["project"]["name"] for asset in data["few"]] == ["Harbour traffic"] * 2
    assert data["all"] == project["assets"]


# --- lists, counts, filters ---------------------------------------------------------------------------------------


WHERES = st.fixed_dictionaries(
    {},
    optional={
        "project": st.sampled_from([{}, {"id": 0}, {"id": 1}, {"id": 2}, {"id": "nope"}, {"id": None}]),
        "label": st.sampled_from([{}, {"typeIn": ["DEFAULT"]}, {"typeIn": ["REVIEW", "PREDICTION"]}, {"typeIn": None}]),
        "issue": st.sampled_from([{}, {"status": "OPEN"}, {"type": "QUESTION", "status": None}]),
        "statusIn": st.lists(st.sampled_from(["TODO", "ONGOING", "LABELED", "TO_REVIEW", "REVIEWED"]), max_size=3),
        "skipped": st.sampled_from([True, False, None]),
        "createdAtGte": st.sampled_from(["2026-02-02", "2026-02-02T12:00:00.000Z", "2027-01-01"]),
        "consensusMarkGte": st.sampled_from([None, 0, 0.5]),
        "externalIdIn": st.lists(st.sampled_from(["quay", "report", "0001", "zzz"]), max_size=2),
        "stepStatusIn": st.lists(st.sampled_from(["TO_DO", "DONE", "REDO"]), max_size=2),
    },
)


@settings(max_examples=60, deadline=None)
@given(where=WHERES, first=st.sampled_from([7, 40, 100]))
def test_pages_count_and_order_agree_for_any_filter(platform, where, first):
    """All pages together have no id twice, as many as counted, and the order of createdAt and then id."""
    sandbox, api = platform
    projects = sandbox.control.actions["overview"]()["projects"]
    if isinstance(where.get("project", {}).get("id"), int):
        where = where | {"project": {"id": projects[where["project"]["id"]]["id"]}}
    found = api.listed("asset", where, "id createdAt", first=first)
    assert len(found) == api.count("asset", where)
    keys = [(asset["createdAt"], asset["id"]) for asset in found]
    assert keys == sorted(set(keys))


def test_null_and_empty_objects_filter_nothing(platform):
    """As the SDK sends them: empty label, issue and asset, null ids inside nested objects."""
    _, api = platform
    nothing = {"project": {"id": None}, "label": {}, "issue": {"type": None}, "idIn": None, "metadata": None}
    assert api.count("asset", nothing) == api.count("asset", {}) == 120
    assert api.count("label", {"asset": {"label": {}, "issue": {}}, "user": {"id": None}}) == api.count("label", {})
    assert api.count("issue", {"project": {}, "asset": {}}) == api.count("issue", {})
    assert api.count("asset", {"idIn": []}) == 0


def test_one_label_has_to_meet_all_label_conditions(platform):
    """REVIEW by a reviewer finds assets, REVIEW by a labeler none, though both kinds of label are there."""
    sandbox, api = platform
    users = sandbox.control.actions["overview"]()["users"]
    reviewer, labeler = users["sunniva.berg@example.com"], users["tomas.reyes@example.com"]
    assert api.count("asset", {"label": {"typeIn": ["REVIEW"], "authorIn": ["Sunniva Berg"]}}) > 0
    assert api.count("asset", {"label": {"typeIn": ["REVIEW"], "authorIn": ["Tomás"]}}) == 0
    assert api.count("asset", {"label": {"reviewerIn": [reviewer]}}) > 0
    assert api.count("asset", {"label": {"reviewerIn": [labeler]}}) == 0
    nested = api.listed("asset", {"label": {"typeIn": ["REVIEW"]}}, "labels {labelType}")
    assert {label["labelType"] for asset in nested for label in asset["labels"]} > {"REVIEW"}


def test_ids_select_in_the_platforms_order_and_once(platform):
    """``idIn`` in any order, with repetitions and strangers, gives each known asset once, oldest first."""
    sandbox, api = platform
    known = [asset["id"] for asset in sandbox.control.actions["list_assets"](project="Repair reports")][:5]
    found = api.listed("asset", {"idIn": [known[3], known[0], "nope", known[3]]})
    assert [asset["id"] for asset in found] == [known[0], known[3]]
    labels = api.listed("label", {"asset": {"idIn": known}}, "assetId")
    assert {label["assetId"] for label in labels} <= set(known)
    assert len(labels) == api.count("label", {"asset": {"idIn": known}}) > 0


def test_dates_are_days_or_instants(platform):
    """``createdAt`` with a day means that day, with an instant that millisecond; bounds include their own instant."""
    _, api = platform
    labels = api.listed("label", {}, "id createdAt")
    instant = labels[7]["createdAt"]
    day = instant[:10]
    assert [x["id"] for x in api.listed("label", {"createdAt": instant})] == [labels[7]["id"]]
    assert api.count("label", {"createdAt": day}) == sum(x["createdAt"][:10] == day for x in labels)
    assert api.listed("label", {"createdAtGte": instant})[0]["id"] == labels[7]["id"]
    assert api.count("label", {"createdAtLte": instant}) == 8
    assert api.count("label", {"createdAtGte": "2026-02-02"}) == len(labels)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("J.A.count == 2", True),
        ("J.A.count>2", False),
        ("J.A.count <= 2 AND J.B.count >= 1", False),
        ("J.A.count > 5 OR J.A.count < 3 AND J.B.count == 0", True),
        ("(J.A.count > 5 OR J.A.count < 3) AND J.B.count > 0", False),
    ],
)
def test_the_category_search_reads_its_grammar(text, expected):
    """Comparison, AND before OR, parentheses; a class that is not there counts 0."""
    assert compile_search(text)(Counter({"J.A": 2})) is expected


@pytest.mark.parametrize(
    "text", ["", "J.A == 1", "J.A.count = 1", "J.A.count == x", "(J.A.count > 1", "J.A.count > 1 )"]
)
def test_a_search_outside_the_grammar_is_refused(platform, text):
    """As an error of the query, not of the server."""
    _, api = platform
    answer = api.post("query($w: LabelWhere!) {data: countLabels(where: $w)}", w={"search": text})
    assert answer.json()["errors"][0]["message"].startswith("[invalidFilter]")


def test_a_run_of_pages_filters_once(monkeypatch):
    """The filter runs once for 20 pages, again after a write, and what was written is seen at once."""
    runs = []
    whole = sandbox_queries.matching
    monkeypatch.setattr(sandbox_queries, "matching", lambda *a: runs.append(1) or whole(*a))
    with served(assets=200) as (sandbox, api):
        where = {"project": {"id": sandbox.control.actions["overview"]()["projects"][0]["id"]}, "skipped": False}
        assert len(api.listed("asset", where, first=5)) == 100
        assert len(runs) == 1
        sandbox.control.actions["create_assets"](project="Harbour traffic", count=3)
        assert len(api.listed("asset", where, first=5)) == 103
        assert len(runs) == 2


# --- schema ------------------------------------------------------------------------------------------------------

VARIABLE_TYPES = [
    "ProjectWhere",
    "AssetWhere",
    "LabelWhere",
    "IssueWhere",
    "UserWhere",
    "ApiKeyWhere",
    "ProjectUserWhere",
    "NotificationWhere",
    "EventsWhere",
    "EventPagination",
    "Order",
    "OrganizationWhere",
    "AppendManyLabelsData",
    "AppendToLabelsData",
    "CreateHoneypotData",
    "IssueToCreate",
    "IssueData",
    "AssetData",
    "CreateProjectData",
    "ProjectData",
    "AppendManyAssetsData",
    "AppendManyAssetsAsynchronouslyData",
    "PluginHandlerType",
    "ProjectRole",
    "DateTime",
    "JSON",
    "PageSize",
]


def test_introspection_names_every_type_that_the_sdk_declares(platform):
    """The variable types of fact sheet §6 are all there, read back from introspection."""
    _, api = platform
    schema = build_client_schema(api.post(get_introspection_query()).json()["data"])
    assert [name for name in VARIABLE_TYPES if name not in schema.type_map] == []
    assert "sendAssetsBackToQueue(where: AssetWhere!): AssetActionOutcome" in print_schema(schema)


@pytest.mark.parametrize(("family", "new", "old"), [("both", True, True), ("new", True, False), ("old", False, True)])
def test_the_family_decides_the_mutations_and_the_version(family, new, old):
    """A server has the newer mutations, the older, or both; ``/version`` differs, since SDKs cache the schema by it."""
    text = sdl(family, "on")
    assert ("sendAssetsBackToQueue" in text, "sendBackAssetsToQueue" in text) == (new, old)
    assert version(text) != version(sdl(family, "off"))


def test_every_field_of_every_object_can_be_asked(platform):
    """Each field of Asset, Label, Issue, Project, members, keys … is selected on real records without an error."""
    _, api = platform
    schema = build_client_schema(api.post(get_introspection_query()).json()["data"])

    def leaves(name, depth=0):
        parts = []
        for field, definition in schema.type_map[name].fields.items():
            kind = definition.type
            while hasattr(kind, "of_type"):
                kind = kind.of_type
            if not hasattr(kind, "fields"):
                parts.append(field)
            elif depth < 1:
                parts.append(f"{field} {{ {leaves(kind.name, depth + 1)} }}")
        return " ".join(parts)

    for kind, name in (
        ("asset", "Asset"),
        ("label", "Label"),
        ("issue", "Issue"),
        ("project", "Project"),
        ("user", "User"),
    ):
        found = api.listed(kind, {}, leaves(name))
        assert len(found) == api.count(kind, {}) > 0
    rest = {"projectUsers": "ProjectUser", "apiKeys": "ApiKey", "organizations": "Organization"}
    for root, name in rest.items():
        query = f"query($w: {name}Where!) {{data: {root}(where: $w, skip: 0, first: 100) {{ {leaves(name)} }}}}"
        assert validate(schema, parse(query)) == []
        assert len(api.ask(query, w={})) > 0
