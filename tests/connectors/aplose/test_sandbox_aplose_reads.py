"""Reading the APLOSE v3 sandbox: GraphQL's two kinds of lists, REST lookups, and the moods of the CSV routes."""

from __future__ import annotations

import base64
import csv
import io
import json
import time
from collections.abc import Iterator
from typing import Any

import graphql
import pytest
from aplose_replay import Player, player

from connectors.aplose.sandbox import create
from connectors.aplose.sandbox.schema import schema

FIN, PORPOISES = 2, 1


@pytest.fixture(scope="module")
def server() -> Iterator[Player]:
    """Nobody changes anything in this module."""
    with player(create(seed=4)) as made:
        yield made


@pytest.fixture
def fresh() -> Iterator[Player]:
    with player(create(seed=4)) as made:
        yield made


def _names(data: Any, root: str = "allAnnotationCampaigns") -> list[str]:
    return [row["name"] for row in data[root]["results"]]


# --- GraphQL ---------------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_server() -> None:
    """Two servers of one seed hold the same rows and times; another seed gives other rows."""
    one, same, other = (create(seed=seed).control.actions["snapshot"]() for seed in (3, 3, 5))
    assert one == same
    assert one != other
    assert len(one) > 60


def test_the_seed_has_every_kind_of_row(server: Player) -> None:
    """All three shapes, detections, confidences, features, comments, verdicts both ways and corrections."""
    rows = server.act("snapshot")
    assert {row["type"] for row in rows} == {"Weak", "Point", "Box"}
    assert {verdict for row in rows for verdict in row["validations"].values()} == {True, False}
    for name in ("detector_configuration", "confidence", "acoustic_features", "is_update_of", "annotator"):
        assert any(row[name] is not None for row in rows), name
        assert any(row[name] is None for row in rows), name
    assert any(row["comments"] for row in rows)


def test_pages_of_results(server: Player) -> None:
    """No limit: everything; limit and offset cut; an offset alone is ignored; a limit of 0 is an error."""
    query = "query($l:Int,$o:Int){allUsers(limit:$l,offset:$o){totalCount pageInfo{hasNextPage hasPreviousPage} results{id}}}"
    everything = server.gql(query)["allUsers"]
    assert (everything["totalCount"], len(everything["results"])) == (6, 6)
    assert everything["pageInfo"] == {"hasNextPage": False, "hasPreviousPage": False}
    assert server.gql(query, o=4)["allUsers"] == everything
    second = server.gql(query, l=4, o=4)["allUsers"]
    assert second == {
        "totalCount": 6,
        "pageInfo": {"hasNextPage": False, "hasPreviousPage": True},
        "results": everything["results"][4:],
    }
    assert "Limit" in server.gql_error(query, l=0)


def test_ordering_needs_two_words(server: Player) -> None:
    """``ordering: "id"`` is an error, ``"id,desc"`` and ``orderBy: "-name"`` order, an unknown choice is an error."""
    query = "query($g:String,$b:String){allAnnotationCampaigns(ordering:$g,orderBy:$b){results{name}}}"
    assert server.gql_error(query, g="id") == "not enough values to unpack (expected 2, got 1)"
    assert _names(server.gql(query)) == ["Fin whales off Horta", "Porpoise clicks, Lysefjord 2025"]
    assert _names(server.gql(query, g="id,asc")) == ["Porpoise clicks, Lysefjord 2025", "Fin whales off Horta"]
    assert _names(server.gql(query, b="-name")) == ["Porpoise clicks, Lysefjord 2025", "Fin whales off Horta"]
    assert "Select a valid choice" in server.gql_error(query, b="deadline")
    assert "Cannot resolve keyword" in server.gql_error(query, g="whale,asc")


def test_edges_stop_at_a_hundred(server: Player) -> None:
    """Back-relations page by cursor, give at most 100, refuse more, and know no total."""
    query = """query($c:ID!,$f:Int,$a:String){annotationPhaseByCampaignPhase(campaignId:$c,phaseType:Annotation){
      annotations(first:$f,after:$a){pageInfo{hasNextPage endCursor} edges{node{id} cursor}}}}"""
    with player(create(seed=4, spectrograms=60)) as large:
        whole = large.gql(query, c="1")["annotationPhaseByCampaignPhase"]["annotations"]
        assert len(whole["edges"]) == 100
        assert whole["pageInfo"]["hasNextPage"] is True
        assert base64.b64decode(whole["pageInfo"]["endCursor"]) == b"arrayconnection:99"
        error = large.gql_error(query, c="1", f=101)
        assert (
            error == "Requesting 101 records on the `annotations` connection exceeds the `first` limit of 100 records."
        )
        seen, cursor = list[str](), None
        while True:
            page = large.gql(query, c="1", f=40, a=cursor)["annotationPhaseByCampaignPhase"]["annotations"]
            seen += [edge["node"]["id"] for edge in page["edges"]]
            cursor = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
        expected = [row["id"] for row in large.act("snapshot", campaign=1) if row["phase"] == 1]
        assert sorted(map(int, seen)) == expected
        assert len(expected) > 100
    wrong = server.post("/api/graphql", {"query": "{allDatasets{results{annotationCampaigns{totalCount}}}}"}, "gateway")
    assert wrong.status_code == 400


def test_campaign_filters(server: Player) -> None:
    """Owner, dataset, phase, annotator, archive and a search that knows the dataset's name too."""

    def found(arguments: str) -> list[str]:
        return [
            row["id"]
            for row in server.gql(f"{{allAnnotationCampaigns({arguments}){{results{{id}}}}}}")[
                "allAnnotationCampaigns"
            ]["results"]
        ]

    assert found('search:"HORTA/deep"') == ["2"]
    assert found('search:"porpoise"') == ["1"]
    assert found("ownerId:3") == ["2"]
    assert found("phases_Phase:Verification") == ["1"]
    assert found("phases_AnnotationFileRanges_AnnotatorId:5") == ["2", "1"]
    assert found("analysis_DatasetId:2") == ["2"]
    assert found("isArchived:true") == []


def test_who_sees_which_campaigns(server: Player) -> None:
    """Staff see all, owners and annotators theirs; phases inside are cut to what the caller may see."""
    query = "{allAnnotationCampaigns{totalCount results{id phases{results{phase}}}}}"
    seen = {user: server.gql(query, user)["allAnnotationCampaigns"] for user in ("gateway", "bram", "ailsa", "chidi")}
    assert {user: page["totalCount"] for user, page in seen.items()} == {
        "gateway": 2,
        "bram": 1,
        "ailsa": 2,
        "chidi": 2,
    }
    phases = {row["id"]: row["phases"]["results"] for row in seen["ailsa"]["results"]}
    assert phases == {"1": [{"phase": "Annotation"}], "2": [{"phase": "Annotation"}]}


def test_unknown_things(server: Player) -> None:
    """An unknown campaign is null without an error, an unknown phase is "Not found", ``isCompleted`` always errors."""
    assert server.gql("{annotationCampaignById(id:99){id}}") == {"annotationCampaignById": None}
    query = "{annotationPhaseByCampaignPhase(campaignId:2,phaseType:Verification){id}}"
    assert server.gql_error(query) == "Not found"
    error = server.gql_error("{allAnnotationPhases{results{id isCompleted}}}")
    assert error == "Cannot return null for non-nullable field AnnotationPhaseNode.isCompleted."
    assert "expected a number" in server.gql_error('{annotationCampaignById(id:"x"){id}}')


def test_graphql_over_http(server: Player) -> None:
    """GET works for queries only, a batch is a 500, a slash at the end 404, an invalid query 400 without data."""
    headers = server.headers("gateway")
    answer = server.client.get("/api/graphql", params={"query": "{currentUser{id}}"}, headers=headers)
    assert answer.json() == {"data": {"currentUser": {"id": "2"}}}
    given = {"query": "query($id:ID!){annotationCampaignById(id:$id){id}}", "variables": '{"id": "2"}'}
    assert server.client.get("/api/graphql", params=given, headers=headers).json()["data"]["annotationCampaignById"]
    mutation = {"query": "mutation{endAnnotationPhase(id:1){ok}}"}
    assert server.client.get("/api/graphql", params=mutation, headers=headers).status_code == 405
    batch = server.client.post("/api/graphql", json=[{"query": "{currentUser{id}}"}], headers=headers)
    assert (batch.status_code, batch.headers["content-type"]) == (500, "text/html")
    assert server.client.post("/api/graphql/", json={}, headers=headers).status_code == 404
    for query in ("{whales}", "{", "query($id:ID!){annotationCampaignById(id:$id){id}}"):
        wrong = server.client.post("/api/graphql", json={"query": query}, headers=headers)
        assert (wrong.status_code, sorted(wrong.json())) == (400, ["errors"])
    assert server.client.post("/api/graphql", json={}, headers=headers).status_code == 400


def _selection(kind: Any, depth: int) -> str:
    """Every field that needs no argument, ``depth`` relations deep."""
    parts = list[str]()
    for name, field in graphql.get_named_type(kind).fields.items():
        needy = any(graphql.is_required_argument(each) for each in field.args.values())
        if needy or name in {"isCompleted", "previousSpectrogramId", "nextSpectrogramId", "currentIndex"}:
            continue
        if graphql.is_leaf_type(graphql.get_named_type(field.type)):
            parts.append(name)
        elif depth and (inner := _selection(field.type, depth - 1)):
            parts.append(name + inner)
    return f"{{{' '.join(parts)}}}" if parts else ""


def test_every_field_answers(server: Player) -> None:
    """Each list of the query root, asked for all its fields three relations deep, answers without an error."""
    roots = schema().query_type.fields
    asked = [name for name in roots if name.startswith("all")]
    for name in asked:
        server.gql(f"{{{name}{_selection(roots[name].type, 3)}}}")
    assert len(asked) == 11


def test_progress_agrees_with_the_status_csv(server: Player) -> None:
    """Per annotator, assigned and finished files of the ranges are what the status table counts."""
    query = """query($c:ID!){allAnnotationFileRanges(annotationPhase_AnnotationCampaign:$c,annotationPhase_Phase:Annotation){
      results{annotator{username} filesCount annotationTasks(status:Finished){totalCount}}}}"""
    ranges = server.gql(query, c="1")["allAnnotationFileRanges"]["results"]
    table = list(csv.DictReader(io.StringIO(server.get("/api/download/phase-progression/1/", "gateway").text)))
    assert len(table) == 20
    for each in ranges:
        cells = [line[each["annotator"]["username"]] for line in table]
        assert cells.count("FINISHED") == each["annotationTasks"]["totalCount"]
        assert len(cells) - cells.count("UNASSIGNED") == each["filesCount"]


def test_files_of_an_annotator(server: Player) -> None:
    """The file list is cut to ranges, filters on status, resumes, and knows neighbours; ``task`` is the caller's own."""
    query = """query($s:AnnotationTaskStatus){allAnnotationSpectrograms(annotationCampaign:1,phase:Annotation,annotator:5,
      annotationTasks_Status:$s){totalCount resumeSpectrogramId(campaignId:1,phase:Annotation)
      nextSpectrogramId(spectrogramId:6) previousSpectrogramId(spectrogramId:6) currentIndex(spectrogramId:6)
      results{id task(campaignId:1,phase:Annotation){id status}}}}"""
    every = server.gql(query, "chidi")["allAnnotationSpectrograms"]
    assert every["totalCount"] == 15
    assert (every["previousSpectrogramId"], every["nextSpectrogramId"], every["currentIndex"]) == (None, "7", 0)
    done = server.gql(query, "chidi", s="Finished")["allAnnotationSpectrograms"]
    assert done["totalCount"] == 12
    assert {row["task"]["status"] for row in done["results"]} == {"Finished"}
    assert every["resumeSpectrogramId"] == "18"
    foreign = server.gql(query, "gateway")["allAnnotationSpectrograms"]
    assert {(row["task"]["id"], row["task"]["status"]) for row in foreign["results"]} == {("-1", "Created")}


# --- REST ------------------------------------------------------------------------------------------------------------


def _ids(server: Player, query: str, user: str = "gateway") -> list[int]:
    answer = server.get(f"/api/annotation/?{query}", user)
    assert answer.status_code == 200, answer.text
    return sorted(row["id"] for row in answer.json())


def test_lookups(server: Player) -> None:
    """Django lookups filter, across relations too; "!" turns one around; unknown names are ignored."""
    rows = {row["id"]: row for row in server.act("snapshot")}
    every = sorted(rows)
    assert _ids(server, "") == every
    assert _ids(server, "whale=blue&label__whale=1") == every
    expected = {
        "annotation_phase=3": [i for i in every if rows[i]["phase"] == 3],
        "annotation_phase__annotation_campaign=1": [i for i in every if rows[i]["phase"] in {1, 2}],
        "annotation_phase__annotation_campaign_id=1&label__name=Boat": [
            i for i in every if rows[i]["phase"] in {1, 2} and rows[i]["label"] == "Boat"
        ],
        "annotator__username=bram": [i for i in every if rows[i]["annotator"] == "bram"],
        "annotator__username!=bram": [i for i in every if rows[i]["annotator"] != "bram"],
        "annotator__isnull=true": [i for i in every if rows[i]["annotator"] is None],
        "annotator=null": [i for i in every if rows[i]["annotator"] is None],
        "is_update_of__isnull=false": [i for i in every if rows[i]["is_update_of"] is not None],
        "id__in=[1,2,3]": [1, 2, 3],
        "start_time__gte=300": [i for i in every if (rows[i]["start_time"] or -1) >= 300],
        "type=W": [i for i in every if rows[i]["type"] == "Weak"],
        "validations__is_valid=false": [i for i in every if False in rows[i]["validations"].values()],
        "annotation_phase__phase=V": [i for i in every if rows[i]["phase"] == 2],
        "label__name__icontains=whale": [i for i in every if "whale" in rows[i]["label"].lower()],
        "acoustic_features__trend=ASC": [
            i for i in every if (rows[i]["acoustic_features"] or {}).get("trend") == "Ascending"
        ],
    }
    for query, ids in expected.items():
        assert _ids(server, query) == ids, query
        assert ids, query


@pytest.mark.parametrize(
    "query", ["annotation_phase=abc", "last_updated_at__gt=yesterday", "start_time__gt=x", "id__in=1,2", "id__gt=null"]
)
def test_bad_lookups_are_500(server: Player, query: str) -> None:
    """A value that fits no column is an HTML page with 500, not a 400."""
    answer = server.get(f"/api/annotation/?{query}", "gateway")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "text/html")


def test_incremental_by_last_update(fresh: Player) -> None:
    """``last_updated_at__gt`` finds exactly what was saved since, content changed or not."""
    since = fresh.sandbox.control.clock.now().isoformat().replace("+00:00", "Z")
    query = f"annotation_phase__annotation_campaign=1&last_updated_at__gt={since}"
    assert _ids(fresh, query) == []
    fresh.act("resave", annotation=5)
    made = fresh.act("annotate", campaign=1, spectrogram=3, label="Boat", user="ailsa")
    assert _ids(fresh, query) == [5, made]
    plus = fresh.get("/api/annotation/?last_updated_at__gt=2026-03-02T08:00:00+00:00", "gateway")
    assert plus.status_code == 500


def test_pages_of_rest(server: Player) -> None:
    """Unpaged unless ``page_size`` is given; pages cover everything once; past the end is 404."""
    assert isinstance(server.get("/api/annotation/", "gateway").json(), list)
    assert isinstance(server.get("/api/annotation/?page_size=none&page=7", "gateway").json(), list)
    url, seen = "/api/annotation/?page_size=7&annotation_phase=1", list[int]()
    while url:
        page = server.get(url, "gateway").json()
        assert sorted(page) == ["count", "next", "previous", "results"]
        seen += [row["id"] for row in page["results"]]
        url = page["next"]
    assert sorted(seen) == _ids(server, "annotation_phase=1")
    assert len(set(seen)) == len(seen) == page["count"]
    assert seen != sorted(seen), "the list has no order"
    past = server.get("/api/annotation/?page_size=7&page=99", "gateway")
    assert (past.status_code, past.json()) == (404, {"detail": "Invalid page."})


def test_the_rest_list_asks_for_no_rights(server: Player) -> None:
    """An annotator sees every campaign's annotations, as upstream lets him."""
    assert _ids(server, "", "dunja") == _ids(server, "")


def test_detail_and_methods(server: Player) -> None:
    """One annotation by id; 404 for an unknown one; no writing."""
    assert server.get("/api/annotation/5/", "gateway").json()["id"] == 5
    assert server.get("/api/annotation/99999/", "gateway").json() == {"detail": "Not found."}
    answer = server.post("/api/annotation/", {}, "gateway")
    assert (answer.status_code, answer.json()) == (405, {"detail": 'Method "POST" not allowed.'})


# --- CSV -------------------------------------------------------------------------------------------------------------

RESULTS = "/api/download/phase-annotations/{}/"


def test_accept_of_the_csv_routes(server: Player) -> None:
    """406 with a mangled body for JSON only; anything that admits text/csv is served."""
    for accept in ("*/*", "text/csv", "text/*;q=0.5", "application/json, text/csv"):
        assert server.get(RESULTS.format(1), "gateway", accept=accept).status_code == 200
    refused = server.get(RESULTS.format(1), "gateway", accept="application/json")
    assert (refused.status_code, refused.text) == (406, "d,e,t,a,i,l")


def test_csv_routes_hide_what_is_wrong(server: Player) -> None:
    """Unknown and forbidden phases are 500; no login is 401 with a mangled body; no slash redirects."""
    assert server.get(RESULTS.format(99), "gateway").status_code == 500
    assert server.get(RESULTS.format("x"), "gateway").status_code == 500
    forbidden = server.get(RESULTS.format(2), "chidi")
    assert (forbidden.status_code, forbidden.headers["content-type"]) == (500, "text/html")
    assert server.get(RESULTS.format(1), "chidi").status_code == 200
    bare = server.get(RESULTS.format(1), None)
    assert (bare.status_code, bare.text) == (401, "d,e,t,a,i,l")
    redirect = server.get(RESULTS.format(1).rstrip("/"), "gateway")
    assert (redirect.status_code, redirect.headers["location"]) == (301, RESULTS.format(1))
    assert server.get("/api/annotation-campaign/", None).status_code == 404
    assert server.get("/api/annotation-campaign", None).status_code == 404
    assert server.get("/backend/schema", None).status_code == 500


def test_both_exports_together_hold_everything(server: Player) -> None:
    """Annotation: its own rows. Verification: both phases' rows, and one column a verifier. Comments of their phase."""
    first, second = (
        list(csv.DictReader(io.StringIO(server.get(RESULTS.format(phase), "gateway").text, newline="")))
        for phase in (1, 2)
    )
    rows = {row["id"]: row for row in server.act("snapshot", campaign=1)}
    ids = [int(line["annotation_id"]) for line in second if line["annotation_id"]]
    assert sorted(ids) == sorted(rows)
    assert [int(line["annotation_id"]) for line in first if line["annotation_id"]] == [
        i for i in ids if rows[i]["phase"] == 1
    ]
    assert list(second[0])[36:] == ["bram", "dunja"]
    assert list(first[0]) == list(second[0])[:36]
    for line in second:
        if line["annotation_id"]:
            told = rows[int(line["annotation_id"])]["validations"]
            assert {name: line[name] for name in ("bram", "dunja")} == {
                name: str(told[name]) if name in told else "" for name in ("bram", "dunja")
            }


def test_two_comments_break_the_export(fresh: Player) -> None:
    """A second comment on an annotation makes its exports 500 until one is gone; the other phase's stays well."""
    victim = next(row["id"] for row in fresh.act("snapshot", campaign=1) if row["phase"] == 1 and not row["comments"])
    fresh.act("comment", text="one", user="ailsa", annotation=victim)
    assert fresh.get(RESULTS.format(1), "gateway").status_code == 200
    fresh.act("comment", text="two", user="bram", annotation=victim)
    assert [fresh.get(RESULTS.format(phase), "gateway").status_code for phase in (1, 2, 3)] == [500, 500, 200]
    fresh.act("uncomment", annotation=victim)
    assert [fresh.get(RESULTS.format(phase), "gateway").status_code for phase in (1, 2, 3)] == [200, 200, 200]


def test_names_that_headers_cannot_hold(fresh: Player) -> None:
    """The file name is raw latin-1 where that holds it, and encoded where it does not."""
    store = "mutation($i:CreateAnnotationCampaignMutationInput!){createAnnotationCampaign(input:$i){annotationCampaign{id}}}"
    for name, told in (("été à Horta", b'filename="\xe9t\xe9_\xe0_Horta_status.csv"'), ("кит", b"=?utf-8?")):
        made = fresh.gql(store, i={"name": name, "dataset": "2", "analysis": ["3"]})["createAnnotationCampaign"]
        phase = "mutation($c:ID!){createAnnotationPhase(campaignId:$c,type:Annotation){id}}"
        key = fresh.gql(phase, c=made["annotationCampaign"]["id"])["createAnnotationPhase"]["id"]
        raw = dict(fresh.get(RESULTS.format(key), "gateway").headers.raw)
        assert told in raw[b"content-disposition"]


def test_twenty_thousand_annotations() -> None:
    """A campaign of 20,000 annotations is made in seconds, exported at once and written to without quadratic work."""
    began = time.perf_counter()
    sandbox = create(spectrograms=6000)
    made = time.perf_counter() - began
    with player(sandbox) as server:
        headers = server.headers("gateway")

        def timed(path: str) -> tuple[str, float]:
            start = time.perf_counter()
            answer = server.client.get(path, headers=headers, timeout=30)
            assert answer.status_code == 200
            return answer.text, time.perf_counter() - start

        results, exported = timed(RESULTS.format(2))
        status, told = timed("/api/download/phase-progression/2/")
        page, listed = timed("/api/annotation/?annotation_phase=1&page_size=500")
        query = """query($c:ID!,$s:ID!){annotationSpectrogramById(id:$s){task(campaignId:$c,phase:Verification){
          annotationsToCheck{results{id label{name} annotator{id}}}}}}"""
        start = time.perf_counter()
        for file in range(1, 101):
            server.gql(query, c="1", s=str(file))
        asked = (time.perf_counter() - start) / 100
    rows = sum(1 for _ in csv.reader(io.StringIO(results, newline=""))) - 1
    print(f"\n{rows} rows: made {made:.2f} s, results {exported:.2f} s ({len(results) / 1e6:.1f} MB), ", end="")
    print(f"status {told:.2f} s, a REST page of 500 {listed:.2f} s, one task {asked * 1000:.1f} ms")
    assert rows > 20_000
    assert status.count("\n") == 6001
    assert len(json.loads(page)["results"]) == 500
    assert exported < 10
    assert asked < 0.1
