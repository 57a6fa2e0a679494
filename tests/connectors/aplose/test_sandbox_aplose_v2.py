"""The v2.5.7 face of the sandbox on our own data: what REST offers, and the POST that deletes others' work (sheet §6)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from aplose_replay import Player, player

from connectors.aplose.sandbox import create

FILE = 1
TASK = f"/api/annotator/campaign/1/phase/2/file/{FILE}/"
SESSION = {"start": "2026-11-22T05:00:00Z", "end": "2026-11-22T05:02:00Z"}


@pytest.fixture
def server() -> Iterator[Player]:
    with player(create(seed=7, version="v2")) as made:
        yield made


def snapshot(server: Player) -> dict[int, dict[str, Any]]:
    return {row["id"]: row for row in server.act("snapshot")}


def body(results: list[dict[str, Any]], *comments: str) -> dict[str, Any]:
    return {"results": results, "task_comments": [{"comment": text} for text in comments], "session": SESSION}


def test_versions_can_be_told_apart_without_a_login(server: Player) -> None:
    """v2 has campaigns and no annotations, v3 the reverse; both have GraphQL, but only v3's knows phases."""
    probes = ("/api/annotation-campaign/", "/api/annotation/", "/api/annotation-campaign-phase/")
    names = "{__schema{queryType{fields{name}}}}"
    with player(create()) as v3:
        assert [v3.get(path, None).status_code for path in probes] == [404, 401, 404]
        assert "annotationPhaseByCampaignPhase" in json.dumps(v3.gql(names, None))
    assert [server.get(path, None).status_code for path in probes] == [401, 404, 401]
    assert "annotationPhaseByCampaignPhase" not in json.dumps(server.gql(names, None))


def test_graphql_answers_without_a_login(server: Player) -> None:
    """Upstream's leak: every result, to anybody, even with a bad token."""
    query = '{allApiAnnotationResults(limit:3,ordering:"id,asc"){totalCount results{id label{name}}}}'
    found = server.gql(query, None)["allApiAnnotationResults"]
    assert found["totalCount"] == len(snapshot(server))
    assert [row["id"] for row in found["results"]] == ["1", "2", "3"]
    headers = {"authorization": "Bearer rubbish"}
    assert server.client.post("/api/graphql", json={"query": query}, headers=headers).status_code == 200


def test_reports(server: Player) -> None:
    """27 columns, names with .wav, both phases in either report; verifiers only in Verification; POINT ends with the file."""
    texts = [server.get(f"/api/annotation-campaign-phase/{phase}/report/", "gateway").text for phase in (1, 2)]
    first, second = (list(csv.DictReader(io.StringIO(text, newline=""))) for text in texts)
    assert len(first[0]) == 27
    assert list(second[0])[27:] == ["bram", "dunja"]
    ids = [[line["result_id"] for line in lines if line["result_id"]] for lines in (first, second)]
    assert ids[0] == ids[1]
    assert {int(key) for key in ids[0]} == {k for k, row in snapshot(server).items() if row["phase"] in {1, 2}}
    point = next(line for line in first if line["type"] == "POINT")
    assert point["filename"].endswith(".wav")
    assert point["start_time"] == point["end_time"]
    assert point["end_datetime"].endswith("10:00.000+00:00")
    status = server.get("/api/annotation-campaign-phase/2/report-status/", "gateway").text.splitlines()
    assert status[0] == "dataset,filename,bram,dunja,gateway"
    assert status[1].split(",")[1].endswith(".wav")


def test_report_refusals(server: Player) -> None:
    """401, 404 and 406 with mangled bodies; foreign phases are 404; two comments on one result are 500."""
    path = "/api/annotation-campaign-phase/{}/report/"
    assert server.get(path.format(1), None).status_code == 401
    assert server.get(path.format(99), "gateway").status_code == 404
    assert server.get(path.format(1), "gateway", accept="application/json").status_code == 406
    assert server.get(path.format(2), "chidi").status_code == 404
    victim = next(k for k, row in snapshot(server).items() if row["phase"] == 1 and not row["comments"])
    for text in ("one", "two"):
        server.act("comment", text=text, user="ailsa", annotation=victim)
    assert [server.get(path.format(phase), "gateway").status_code for phase in (1, 2, 3)] == [500, 500, 200]


def test_results_nest_corrections(server: Player) -> None:
    """Corrections stand in ``updated_to`` of their original, never at the top; filters use v2's names."""
    rows = server.get("/api/annotation-result/?for_phase=2", "gateway").json()
    corrections = {k for k, row in snapshot(server).items() if row["is_update_of"] is not None}
    assert corrections
    assert corrections.isdisjoint(row["id"] for row in rows)
    assert {each["id"] for row in rows for each in row["updated_to"]} == corrections
    some = server.get(f"/api/annotation-result/?for_phase=1&dataset_file_id={FILE}", "gateway").json()
    assert some
    assert {(row["dataset_file"], row["annotation_campaign_phase"]) for row in some} == {(FILE, 1)}
    assert server.get("/api/annotation-result/?for_phase=99", "gateway").status_code == 404
    assert server.get("/api/annotation-result/?annotation_campaign_phase=x", "gateway").status_code == 500


def test_comments_and_ranges(server: Player) -> None:
    """Comments by phase, task comments among them; ranges tell finished tasks."""
    comments = server.get("/api/annotation-comment/?annotation_campaign_phase=1", "gateway").json()
    assert {row["annotation_campaign_phase"] for row in comments} == {1}
    assert {row["annotation_result"] is None for row in comments} == {True, False}
    ranges = server.get("/api/annotation-file-range/?annotation_campaign_phase=1", "gateway").json()
    told = {row["annotator"]: (row["files_count"], row["finished_tasks_count"]) for row in ranges}
    assert told == {3: (20, 16), 4: (11, 8), 5: (15, 12)}


def test_my_files(server: Player) -> None:
    """The caller's files, paged, with where to resume; a page past the end is 404."""
    page = server.get("/api/annotation-file-range/phase/1/files/?page_size=10&page=2", "chidi").json()
    assert (page["count"], len(page["results"]), page["next"]) == (15, 5, None)
    assert page["resume"] == 18
    assert [row["is_submitted"] for row in page["results"]] == [True, True, False, False, False]
    open_files = server.get("/api/annotation-file-range/phase/1/files/?page_size=10&is_submitted=false", "chidi").json()
    assert open_files["count"] == 3
    assert server.get("/api/annotation-file-range/phase/1/files/?page_size=10&page=3", "chidi").status_code == 404


def test_a_task_shows_own_verdicts_only(server: Player) -> None:
    """A verifier gets others' Annotation rows with his own verdicts, and his own rows of the Verification phase."""
    told = server.get(TASK, "dunja").json()
    assert (told["is_assigned"], told["is_submitted"], told["total_tasks"]) == (True, True, 11)
    annotators = {verdict["annotator"] for row in told["results"] for verdict in row["validations"]}
    assert annotators == {6}
    mine = server.get("/api/annotator/campaign/1/phase/1/file/1/", "ailsa").json()
    assert {row["annotator"] for row in mine["results"]} <= {3}
    outside = server.get("/api/annotator/campaign/1/phase/1/file/1/", "dunja").json()
    assert (outside["is_assigned"], outside["results"], outside["file"]["id"]) == (False, [], 1)


def test_posting_back_what_was_read_destroys(server: Player) -> None:
    """bram's task, sent back as read, deletes his own Annotation rows, dunja's new rows and replaces her verdicts."""
    made = server.act("correct", annotation=_of(server, "ailsa"), user="dunja")
    before = snapshot(server)
    own = {k for k, r in before.items() if r["annotator"] == "bram" and r["phase"] == 1 and r["spectrogram"] == FILE}
    assert own
    rows = server.get(TASK, "bram").json()["results"]
    assert server.post(TASK, body(rows), "bram").status_code == 200
    after = snapshot(server)
    assert own.isdisjoint(after)
    assert made not in after
    verdicts = [row["validations"] for row in after.values() if row["spectrogram"] == FILE and row["phase"] == 1]
    assert all(set(row) <= {"bram"} for row in verdicts)
    effects = server.sandbox.control
    assert effects.count("deleted") == len(set(before) - set(after))
    assert effects.count("validation_deleted") > 0


def test_posting_the_union_keeps_everything(server: Player) -> None:
    """Everything of both phases with all verdicts and corrections, plus one's own verdict, loses nothing."""
    path = f"/api/annotation-result/?for_phase=2&dataset_file_id={FILE}"
    rows = server.get(path, "gateway").json()
    for row in list(rows):
        rows += [{**each, "is_update_of": row["id"]} for each in row.pop("updated_to")]
    judged = next(row for row in rows if row["annotator"] != 2 and row["annotation_campaign_phase"] == 1)
    judged["validations"] = [*judged["validations"], {"is_valid": False, "annotator": 2}]
    before = snapshot(server)
    answer = server.post(TASK, body(rows, "checked"), "gateway")
    assert answer.status_code == 200, answer.text
    after = snapshot(server)
    assert after[judged["id"]]["validations"] == {**before[judged["id"]]["validations"], "gateway": False}
    assert {k: v for k, v in after.items() if k != judged["id"]} == {
        k: v for k, v in before.items() if k != judged["id"]
    }
    names = [effect.name for effect in server.sandbox.control.effects]
    assert sorted(names) == ["comment", "finished", "validation"]


def test_resubmitting_reopens_the_verifiers_tasks(server: Player) -> None:
    """An annotator's new submission sets the other verifiers' tasks on that file back to CREATED."""
    path = "/api/annotation-campaign-phase/2/report-status/"
    assert server.get(path, "gateway").text.splitlines()[1].split(",")[2:] == ["FINISHED", "FINISHED", "CREATED"]
    answer = server.post("/api/annotator/campaign/1/phase/1/file/1/", body([]), "ailsa")
    assert (answer.status_code, answer.json()) == (200, {"results": [], "task_comments": []})
    assert server.get(path, "gateway").text.splitlines()[1].split(",")[2:] == ["CREATED", "CREATED", "CREATED"]


def test_refused_posts(server: Player) -> None:
    """Not assigned: 403 and empty. Unknown label: 400 at its place. No session: 500. Nothing is written."""
    before = snapshot(server)
    forbidden = server.post("/api/annotator/campaign/1/phase/1/file/1/", body([]), "dunja")
    assert (forbidden.status_code, forbidden.content) == (403, b"")
    row = {"annotation_campaign_phase": 1, "label": "Kraken", "annotator": 3}
    wrong = server.post("/api/annotator/campaign/1/phase/1/file/1/", body([row]), "ailsa")
    assert (wrong.status_code, wrong.json()) == (400, [{"label": ["Object with name=Kraken does not exist."]}])
    half = [{**row, "label": "Boat"}, {**row, "label": "Boat", "start_time": 1.0}]
    assert server.post("/api/annotator/campaign/1/phase/1/file/1/", body(half), "ailsa").status_code == 500
    assert server.post("/api/annotator/campaign/1/phase/1/file/1/", {"results": []}, "ailsa").status_code == 500
    assert server.post("/api/annotator/campaign/1/phase/3/file/1/", body([]), "ailsa").status_code == 404
    assert (snapshot(server), server.sandbox.control.effects) == (before, [])


def test_import(server: Player) -> None:
    """Rows of mapped detectors come in once; others are skipped; only owners and staff may."""
    path = "/api/annotation-result/campaign/1/phase/1/import/?" + urlencode(
        {
            "dataset_name": "Lysefjord 2025 (600_480)",
            "detectors_map": "{'clicknet': {'detector': 'ClickNet', 'configuration': 'v2'}}",
        }
    )
    head = "start_frequency,end_frequency,annotation,annotator,start_datetime,end_datetime,is_box,"
    head += "confidence_indicator_label,confidence_indicator_level\n"
    line = "100,2000,Buzz,{},2025-06-01T00:00:00+00:00,2025-06-01T00:00:01.5+00:00,1,sure,3/3\n"
    data = {"data": head + line.format("clicknet") + line.format("someone")}
    made = server.post(path, data, "maren")
    assert made.status_code == 201
    assert [(row["label"], row["detector_configuration"]["detector"]) for row in made.json()] == [("Buzz", "ClickNet")]
    assert server.post(path, data, "maren").json() == []
    assert server.post(path, data, "chidi").status_code == 403


def test_archived_campaigns(server: Player) -> None:
    """Readable by owner and staff, gone for annotators; nothing more can be changed."""
    server.act("archive", campaign=1)
    path = "/api/annotation-campaign-phase/1/report/"
    assert server.get(path, "gateway").status_code == 200
    assert server.get(path, "chidi").status_code == 404
    assert [row["id"] for row in server.get("/api/annotation-campaign/", "chidi").json()] == [2]
    assert server.get("/api/annotation-campaign/?search=porpoise", "gateway").json()[0]["archive"]["by_user"]["id"] == 1
    patch = server.post("/api/annotation-campaign/1/", {"label_set": 1}, "maren", method="PATCH")
    assert patch.status_code == 403
    assert server.post("/api/annotation-campaign-phase/1/end/", {}, "maren").status_code == 403


def test_admin(server: Player) -> None:
    """Campaigns and phases are made and refused as the server does; ranges replace each other unless work would go."""
    wrong = server.post("/api/annotation-campaign/", {"name": "x", "datasets": ["?"], "spectro_configs": [9]}, "maren")
    assert (wrong.status_code, sorted(wrong.json())) == (400, ["datasets", "spectro_configs"])
    made = server.post(
        "/api/annotation-campaign/", {"name": "x", "datasets": ["HORTA/deep 2024"], "spectro_configs": [3]}, "maren"
    )
    assert made.status_code == 201
    early = {"annotation_campaign": made.json()["id"], "phase": "Verification"}
    assert server.post("/api/annotation-campaign-phase/", early, "maren").status_code == 400
    assert server.post("/api/annotation-campaign-phase/", {**early, "phase": "Annotation"}, "chidi").status_code == 403
    ranges = {"data": [{"annotator": 6, "first_file_index": 0, "last_file_index": 2}]}
    assert server.post("/api/annotation-file-range/phase/1/", ranges, "maren").status_code == 400
    forced = server.post("/api/annotation-file-range/phase/1/", {**ranges, "force": True}, "maren")
    assert [row["annotator"] for row in forced.json()] == [6]
    high = {"data": [{"annotator": 6, "first_file_index": 0, "last_file_index": 20}]}
    assert server.post("/api/annotation-file-range/phase/1/", high, "maren").status_code == 400


def test_lists(server: Player) -> None:
    """People, vocabularies and data sets are there for any account, and for none without a login."""
    names = ("user", "annotator-group", "label-set", "confidence-indicator", "detector", "dataset")
    for name in names:
        assert server.get(f"/api/{name}/", "dunja").status_code == 200, name
        assert server.get(f"/api/{name}/", None).status_code == 401, name
    assert server.get("/api/user/self/", "dunja").json()["username"] == "dunja"
    datasets = server.get("/api/dataset/", "dunja").json()
    assert [(row["name"], row["files_count"]) for row in datasets] == [
        ("HORTA/deep 2024", 10),
        ("Lysefjord 2025 (600_480)", 20),
    ]


def _of(server: Player, annotator: str) -> int:
    rows = snapshot(server).values()
    return next(r["id"] for r in rows if r["annotator"] == annotator and r["spectrogram"] == FILE and r["phase"] == 1)
