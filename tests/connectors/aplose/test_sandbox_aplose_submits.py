"""Writing to the APLOSE v3 sandbox: the list is the whole truth of its scope, and what that does to whom (sheet §5.4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from aplose_replay import Player, player
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.aplose.sandbox import create

BOUNDS = "startTime endTime startFrequency endFrequency"
SIGNAL = (
    "id trend isIntensityTooLow doesOverlapOtherSignals startFrequency endFrequency relativeMinFrequencyCount "
    "relativeMaxFrequencyCount stepsCount hasHarmonics hasSidebands hasSubharmonics hasFrequencyJumps frequencyJumpsCount "
    "hasDeterministicChaos"
)
ROW = (
    f"id {BOUNDS} label{{name}} confidence{{label}} annotator{{id}} analysis{{id}} annotationPhase{{id}} isUpdateOf{{id}} "
    f"detectorConfiguration{{id}} acousticFeatures{{{SIGNAL}}} validations{{results{{isValid annotator{{username}}}}}} "
    "comments{results{comment author{username}}}"
)
TASK = f"""query($s:ID!,$p:AnnotationPhaseType!){{annotationSpectrogramById(id:$s){{task(campaignId:1,phase:$p){{
  status userAnnotations{{results{{{ROW}}}}} annotationsToCheck{{results{{{ROW}}}}}}}}}}}"""
SUBMIT = """mutation($p:AnnotationPhaseType!,$s:ID!,$a:[AnnotationInput]!,$t:[AnnotationCommentInput]!){
  submitAnnotationTask(campaignId:1,phaseType:$p,spectrogramId:$s,annotations:$a,taskComments:$t,
  startedAt:"2026-11-22T05:00:00Z",endedAt:"2026-11-22T05:03:00Z"){
  ok annotationErrors{field messages} taskCommentsErrors{field messages}}}"""
UPDATE = "mutation($i:UpdateAnnotationsMutationInput!){updateAnnotations(input:$i){errors{field messages}}}"
COMMENTS = (
    "mutation($i:UpdateAnnotationCommentsMutationInput!){updateAnnotationComments(input:$i){errors{field messages}}}"
)

FINE = {"ok": True, "annotationErrors": None, "taskCommentsErrors": None}
FILE = 1


@pytest.fixture
def server() -> Iterator[Player]:
    with player(create(seed=7)) as made:
        yield made


def task(server: Player, user: str, phase: str = "Verification", file: int = FILE) -> list[dict[str, Any]]:
    """All rows of a caller's scope."""
    found = server.gql(TASK, user, s=str(file), p=phase)["annotationSpectrogramById"]["task"]
    return found["userAnnotations"]["results"] + found["annotationsToCheck"]["results"]


def sent_back(row: dict[str, Any], user: str) -> dict[str, Any]:
    """A row as a careful client returns it: unchanged, with its own verdict if it had one."""
    own = [{"isValid": v["isValid"]} for v in row["validations"]["results"] if v["annotator"]["username"] == user]
    mine = [{"comment": c["comment"]} for c in row["comments"]["results"] if c["author"]["username"] == user]
    return {
        "id": int(row["id"]),
        "label": row["label"]["name"],
        **({"confidence": row["confidence"]["label"]} if row["confidence"] else {}),
        **{name: row[name] for name in BOUNDS.split()},
        "annotationPhase": row["annotationPhase"]["id"],
        "analysis": row["analysis"]["id"],
        **{name: row[name] and row[name]["id"] for name in ("annotator", "detectorConfiguration", "isUpdateOf")},
        "acousticFeatures": features(row),
        "validations": own,
        "comments": mine,
    }


def features(row: dict[str, Any]) -> dict[str, Any] | None:
    """As read, but for the id: a string in answers, a number in inputs."""
    read = row["acousticFeatures"]
    return read and {**read, "id": int(read["id"])}


def submit(
    server: Player, user: str, rows: list[dict[str, Any]], phase: str = "Verification", file: int = FILE, **more: Any
) -> dict[str, Any]:
    comments = [{"comment": text} for text in more.get("comments", ())]
    return server.gql(SUBMIT, user, p=phase, s=str(file), a=rows, t=comments)["submitAnnotationTask"]


def update(server: Player, user: str, rows: list[dict[str, Any]], phase: str = "Verification", file: int = FILE) -> Any:
    given_ = {"campaignId": "1", "phaseType": phase, "spectrogramId": str(file), "list": rows}
    return server.gql(UPDATE, user, i=given_)["updateAnnotations"]["errors"]


def snapshot(server: Player) -> dict[int, dict[str, Any]]:
    return {row["id"]: row for row in server.act("snapshot")}


def effects(server: Player) -> list[tuple[str, str]]:
    return [(effect.name, effect.key) for effect in server.sandbox.control.effects]


def lines(server: Player) -> dict[int, str]:
    """``last_updated_at`` by id."""
    rows = server.get("/api/annotation/", "gateway").json()
    return {row["id"]: row["last_updated_at"] for row in rows}


# --- what is left out is deleted ------------------------------------------------------------------------------------


def test_sending_back_what_was_read_changes_nothing(server: Player) -> None:
    """A whole list keeps every row, verdict, comment and feature; only ``last_updated_at`` moves, on all of its rows."""
    before, times = snapshot(server), lines(server)
    rows = task(server, "gateway")
    assert submit(server, "gateway", [sent_back(row, "gateway") for row in rows]) == FINE
    assert snapshot(server) == before
    assert effects(server) == [("finished", f"2/{FILE}/gateway")]
    moved = {key for key, time in lines(server).items() if time != times[key]}
    assert moved == {int(row["id"]) for row in rows}
    assert len(moved) > 3


def test_a_verdict_with_the_whole_list(server: Player) -> None:
    """One verdict adds one validation of the caller's and deletes nothing; other verifiers' verdicts survive."""
    before = snapshot(server)
    rows = [sent_back(row, "gateway") for row in task(server, "gateway")]
    judged = rows[0]["id"]
    rows[0]["validations"] = [{"isValid": False}]
    assert update(server, "gateway", rows) is None
    after = snapshot(server)
    assert after[judged]["validations"] == {**before[judged]["validations"], "gateway": False}
    assert {k: v for k, v in after.items() if k != judged} == {k: v for k, v in before.items() if k != judged}
    assert effects(server) == [("validation", str(judged))]
    [effect] = server.sandbox.control.effects
    assert effect.detail == {"user": "gateway", "is_valid": False}


def test_a_partial_list_deletes_other_people_s_work(server: Player) -> None:
    """Sending only the judged row removes every other row of the scope, whoever's it was, with verdicts and comments."""
    before = snapshot(server)
    rows = [sent_back(row, "gateway") for row in task(server, "gateway")]
    rows[0]["validations"] = [{"isValid": True}]
    assert update(server, "gateway", rows[:1]) is None
    lost = {row["id"] for row in rows[1:]}
    assert set(before) - set(snapshot(server)) == lost
    deleted = [(name, key) for name, key in effects(server) if name == "deleted"]
    assert sorted(deleted) == sorted(("deleted", str(key)) for key in lost)
    assert len(lost) > 2


def test_the_scope_in_verification(server: Player) -> None:
    """An empty list deletes others' Annotation rows and the caller's own Verification rows on the file, no more."""
    other = server.act("correct", annotation=_any(server, "ailsa"), user="bram", comment="bram's")
    mine = server.act("correct", annotation=_any(server, "bram"), user="dunja")
    before = snapshot(server)
    scope = {int(row["id"]) for row in task(server, "dunja")}
    assert mine in scope
    assert other not in scope
    assert update(server, "dunja", []) is None
    after = snapshot(server)
    assert set(before) - set(after) == scope
    assert after[other]["is_update_of"] is None, "its original is gone, the reference is cleared"


def test_an_annotator_verifying_keeps_his_own_annotations(server: Player) -> None:
    """bram annotates and verifies: his own Annotation rows are outside his Verification list."""
    own = {key for key, row in snapshot(server).items() if row["annotator"] == "bram" and row["spectrogram"] == FILE}
    first = {key for key in own if snapshot(server)[key]["phase"] == 1}
    assert first
    assert first.isdisjoint(int(row["id"]) for row in task(server, "bram"))
    update(server, "bram", [])
    assert first <= set(snapshot(server))


def test_the_scope_in_annotation(server: Player) -> None:
    """In the Annotation phase a list speaks for the caller's rows only."""
    before = snapshot(server)
    assert submit(server, "ailsa", [], "Annotation") == FINE
    gone = set(before) - set(snapshot(server))
    assert gone == {
        key
        for key, row in before.items()
        if row["annotator"] == "ailsa" and row["spectrogram"] == FILE and row["phase"] == 1
    }


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 50),
    kept=st.sets(st.integers(0, 30)),
    verdicts=st.dictionaries(st.integers(0, 30), st.booleans()),
)
def test_any_list_keeps_exactly_what_it_names(seed: int, kept: set[int], verdicts: dict[int, bool]) -> None:
    """Whatever part of the scope is sent stays as it was but for the verdicts; the rest of the scope goes; all else stays."""
    with player(create(seed=seed, spectrograms=4)) as server:
        before = snapshot(server)
        rows = [sent_back(row, "gateway") for row in task(server, "gateway")]
        sent = [row for index, row in enumerate(rows) if index in kept]
        for index, row in enumerate(rows):
            if index in verdicts:
                row["validations"] = [{"isValid": verdicts[index]}]
        assert submit(server, "gateway", sent) == FINE
        scope, named = {row["id"] for row in rows}, {row["id"]: row for row in sent}
        expected = {key: row for key, row in before.items() if key not in scope or key in named}
        for key, row in expected.items():
            if row["is_update_of"] not in {None, *expected}:
                expected[key] = {**row, "is_update_of": None}
        for key, row in named.items():
            if row["validations"]:
                told = {"gateway": row["validations"][0]["isValid"]}
                expected[key] = {**expected[key], "validations": expected[key]["validations"] | told}
        assert snapshot(server) == expected
        assert server.sandbox.control.count("deleted") == len(scope - set(named))
        judged = sum(bool(row["validations"]) for row in sent)
        assert server.sandbox.control.count("validation") == judged


# --- whose is what --------------------------------------------------------------------------------------------------


def test_leaving_out_the_annotator_makes_the_caller_the_author(server: Player) -> None:
    """Without ``annotator`` a human's row, and without ``detectorConfiguration`` a detector's, become the caller's."""
    rows = [sent_back(row, "gateway") for row in task(server, "gateway", file=_with_detection(server))]
    human = next(row for row in rows if row["annotator"])
    machine = next(row for row in rows if row["detectorConfiguration"])
    del human["annotator"], machine["detectorConfiguration"]
    assert update(server, "gateway", rows, file=_with_detection(server)) is None
    after = snapshot(server)
    assert after[human["id"]]["annotator"] == after[machine["id"]]["annotator"] == "gateway"
    assert after[machine["id"]]["detector_configuration"] is None
    assert [name for name, _ in effects(server)] == ["changed", "changed"]


def test_leaving_out_features_deletes_them(server: Player) -> None:
    """A row sent without ``acousticFeatures`` loses them; a row sent with changed ones keeps their id."""
    key = _featured(server)
    file = snapshot(server)[key]["spectrogram"]
    signal = next(features(row) for row in task(server, "gateway", file=file) if int(row["id"]) == key)
    assert signal is not None
    rows = [sent_back(row, "gateway") for row in task(server, "gateway", file=file)]
    row = next(row for row in rows if row["id"] == key)
    row["acousticFeatures"] = {**signal, "trend": "Flat", "stepsCount": 9}
    update(server, "gateway", rows, file=file)
    changed = next(features(row) for row in task(server, "gateway", file=file) if int(row["id"]) == key)
    assert changed == {**signal, "trend": "Flat", "stepsCount": 9}
    row.pop("acousticFeatures")
    update(server, "gateway", rows, file=file)
    assert snapshot(server)[key]["acoustic_features"] is None


def test_a_verdict_is_always_the_caller_s(server: Player) -> None:
    """Naming another annotator in a validation changes nothing: the owner is who is logged in."""
    rows = [sent_back(row, "gateway") for row in task(server, "gateway")]
    key = rows[0]["id"]
    before = snapshot(server)[key]["validations"]
    rows[0]["validations"] = [{"isValid": True, "annotator": "3"}]
    update(server, "gateway", rows)
    assert snapshot(server)[key]["validations"] == before | {"gateway": True}


def test_leaving_out_one_s_own_verdict_takes_it_back(server: Player) -> None:
    """A row sent without validations loses the caller's verdict and keeps the others'."""
    key = next(key for key, row in snapshot(server).items() if set(row["validations"]) >= {"dunja", "bram"})
    file = snapshot(server)[key]["spectrogram"]
    rows = [sent_back(row, "dunja") for row in task(server, "dunja", file=file)]
    next(row for row in rows if row["id"] == key)["validations"] = []
    update(server, "dunja", rows, file=file)
    assert set(snapshot(server)[key]["validations"]) == {"bram"}
    assert effects(server) == [("validation_deleted", str(key))]


def test_a_verdict_sent_twice_is_one_effect(server: Player) -> None:
    """The same verdict again changes nothing that counts; the opposite one is a second effect on the same record."""
    rows = [sent_back(row, "gateway") for row in task(server, "gateway")]
    for is_valid in (True, True, False):
        rows[0]["validations"] = [{"isValid": is_valid}]
        update(server, "gateway", rows)
    assert effects(server) == [("validation", str(rows[0]["id"]))] * 2


def test_a_correction(server: Player) -> None:
    """An extra item with the Verification phase and ``isUpdateOf`` is a new row of the caller's, with his expertise."""
    rows = [sent_back(row, "bram") for row in task(server, "bram")]
    old = rows[0]
    old["validations"] = [{"isValid": False}]
    new = {name: old[name] for name in ("analysis", "confidence", *BOUNDS.split())}
    new |= {"label": "Rain", "annotationPhase": "2", "isUpdateOf": str(old["id"]), "comments": [{"comment": "rain!"}]}
    known = set(snapshot(server))
    assert submit(server, "bram", [*rows, new], comments=["done"]) == FINE
    [made] = set(snapshot(server)) - known
    row = snapshot(server)[made]
    assert (row["annotator"], row["phase"], row["is_update_of"]) == ("bram", 2, old["id"])
    assert row["comments"] == [["bram", "rain!"]]
    detail = server.get(f"/api/annotation/{made}/", "gateway").json()
    assert detail["annotator_expertise_level"] == "Average"
    assert server.sandbox.control.count("correction", str(made)) == 1
    assert server.sandbox.control.count("deleted") == 0
    assert ("comment", f"2/{FILE}/bram") in effects(server)
    again = [sent_back(each, "bram") for each in task(server, "bram")]
    again[[each["id"] for each in again].index(made)]["isUpdateOf"] = None
    update(server, "bram", again)
    assert snapshot(server)[made]["is_update_of"] == old["id"], "the reference is never cleared"


def test_a_deleted_row_comes_back_under_its_id(server: Player) -> None:
    """An id that no longer exists is made again; an id outside the scope is a database error and nothing is written."""
    rows = [sent_back(row, "gateway") for row in task(server, "gateway")]
    server.act("delete_annotation", annotation=rows[0]["id"])
    assert update(server, "gateway", rows) is None
    assert rows[0]["id"] in snapshot(server)
    before = snapshot(server)
    elsewhere = next(key for key, row in before.items() if row["spectrogram"] != FILE)
    given_ = {"campaignId": "1", "phaseType": "Verification", "spectrogramId": str(FILE)}
    error = server.gql_error(UPDATE, "gateway", i={**given_, "list": [*rows, {**rows[0], "id": elsewhere}]})
    assert error.startswith("duplicate key value violates unique constraint")
    assert snapshot(server) == before


# --- refusals -------------------------------------------------------------------------------------------------------


def _new(**more: Any) -> dict[str, Any]:
    return {"label": "Boat", "confidence": "certain", "annotationPhase": "1", "analysis": "1", **more}


REFUSED = {
    "unknown label": ({"label": "Kraken"}, "label", "Object with name=Kraken does not exist."),
    "unknown confidence": ({"confidence": "so so"}, "confidence", "Object with label=so so does not exist."),
    "null confidence": ({"confidence": None}, "confidence", "This field may not be null."),
    "negative time": ({"startTime": -1}, "startTime", "Ensure this value is greater than or equal to 0."),
    "late end": ({"endTime": 601}, "endTime", "Ensure this value is less than or equal to 600.0."),
    "high end": ({"endFrequency": 48001}, "endFrequency", "Ensure this value is less than or equal to 48000.0."),
    "foreign analysis": ({"analysis": "3"}, "analysis", 'Invalid pk "3" - object does not exist.'),
    "unknown original": ({"isUpdateOf": "9999"}, "isUpdateOf", 'Invalid pk "9999" - object does not exist.'),
    "unknown author": ({"annotator": "99"}, "annotator", 'Invalid pk "99" - object does not exist.'),
}


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_field_errors(server: Player, case: str) -> None:
    """A wrong field comes back in ``annotationErrors`` at its item's place, ok is false, and nothing is written."""
    change, field, message = REFUSED[case]
    before = snapshot(server)
    answer = submit(server, "ailsa", [_new(), _new(**change)], "Annotation")
    assert answer["ok"] is False
    assert answer["annotationErrors"] == [[], [{"field": field, "messages": [message]}]]
    assert snapshot(server) == before
    assert effects(server) == []


def test_half_a_box_is_a_database_error(server: Player) -> None:
    """Bounds that make no shape pass the field checks and fail in the database, as an error with HTTP 200."""
    before = snapshot(server)
    given_ = {"p": "Annotation", "s": str(FILE), "t": [], "a": [_new(startTime=1.0)]}
    assert "Annotation type" in server.gql_error(SUBMIT, "ailsa", **given_)
    assert snapshot(server) == before


def test_bounds_the_wrong_way_round_are_turned(server: Player) -> None:
    """Start and end change places where they are not in order; an end without a start is a start."""
    box = _new(startTime=20.0, endTime=10.0, startFrequency=900, endFrequency=100)
    point = _new(endTime=5.0, endFrequency=50.0)
    submit(server, "ailsa", [box, point], "Annotation")
    made = task(server, "ailsa", "Annotation")
    assert [[row[name] for name in BOUNDS.split()] for row in made] == [[10, 20, 100, 900], [5, None, 50, None]]


def test_submit_needs_a_range_and_update_does_not(server: Player) -> None:
    """Without a range of his own even an admin's submit is "Not found" and leaves nothing; updateAnnotations writes."""
    before = snapshot(server)
    given_ = {"p": "Annotation", "s": str(FILE), "t": [], "a": [_new()]}
    assert server.gql_error(SUBMIT, "maren", **given_) == "Not found"
    assert (snapshot(server), effects(server)) == (before, [])
    assert update(server, "maren", [_new()], "Annotation") is None
    [made] = set(snapshot(server)) - set(before)
    assert snapshot(server)[made]["annotator"] == "maren"


@pytest.mark.parametrize("end", ["end_phase", "archive"])
def test_an_ended_phase_takes_nothing_from_annotators(server: Player, end: str) -> None:
    """After the end of the phase or the archiving of the campaign an annotator's submit is "Not found"."""
    server.act(end, **({"phase": 2} if end == "end_phase" else {"campaign": 1}))
    before = snapshot(server)
    given_ = {"p": "Verification", "s": str(FILE), "t": [], "a": []}
    assert server.gql_error(SUBMIT, "dunja", **given_) == "Not found"
    assert snapshot(server) == before


def test_staff_may_still_submit_after_the_end(server: Player) -> None:
    """Upstream hides an ended phase's ranges from annotators only: a staff account with a range submits into it."""
    server.act("end_phase", phase=2)
    rows = [sent_back(row, "gateway") for row in task(server, "gateway")]
    assert submit(server, "gateway", rows) == FINE
    assert server.sandbox.control.count("finished") == 1


def test_unknown_places(server: Player) -> None:
    """Unknown campaigns, phases and files, and phases one has no part in, are "Not found" alike."""
    query = SUBMIT.replace("campaignId:1", "campaignId:{}")
    for campaign, phase, file, user in (
        (9, "Annotation", FILE, "ailsa"),
        (2, "Verification", FILE, "ailsa"),
        (1, "Annotation", 999, "ailsa"),
        (1, "Verification", FILE, "ailsa"),
    ):
        message = server.gql_error(query.replace("{}", str(campaign)), user, p=phase, s=str(file), a=[], t=[])
        assert message == "Not found"


# --- comments and tasks ---------------------------------------------------------------------------------------------


def test_task_comments(server: Player) -> None:
    """They are rewritten whole; too long a one is an error that leaves the annotations written, as upstream."""
    query = (
        "query{annotationSpectrogramById(id:1){task(campaignId:1,phase:Annotation){userComments{results{comment}}}}}"
    )

    def told() -> list[str]:
        found = server.gql(query, "ailsa")["annotationSpectrogramById"]["task"]["userComments"]["results"]
        return [row["comment"] for row in found]

    submit(server, "ailsa", [_new()], "Annotation", comments=["one", "two"])
    assert told() == ["one", "two"]
    submit(server, "ailsa", [], "Annotation", comments=["two"])
    assert told() == [], "an author without a row on the file does not see his own comment"
    export = server.get("/api/download/phase-annotations/1/", "gateway").text
    assert "two |- ailsa" in export
    assert "one |- ailsa" not in export
    answer = submit(server, "ailsa", [_new()], "Annotation", comments=["x" * 256])
    assert answer["ok"] is False
    messages = ["Ensure this field has no more than 255 characters."]
    assert answer["taskCommentsErrors"] == [[{"field": "comment", "messages": messages}]]
    assert len(task(server, "ailsa", "Annotation")) == 1
    assert told() == ["two"]


def test_update_comments(server: Player) -> None:
    """``annotationId`` must be sent, as null: left out it is an error, and so is an annotation's id."""
    place = {"campaignId": "1", "phaseType": "Annotation", "spectrogramId": str(FILE), "list": [{"comment": "hm"}]}
    assert server.gql_error(COMMENTS, "ailsa", i=place) == "'annotation_id'"
    assert server.gql_error(COMMENTS, "ailsa", i={**place, "annotationId": "1"}) == "Cannot use None as a query value"
    answer = server.gql(COMMENTS, "ailsa", i={**place, "annotationId": None})
    assert answer == {"updateAnnotationComments": {"errors": None}}
    assert server.sandbox.control.count("comment") == 1


def test_comments_of_others_survive_a_verification(server: Player) -> None:
    """A verifier's list without comments leaves the authors' comments; with them it doubles them, as upstream."""
    key = next(k for k, r in snapshot(server).items() if r["phase"] == 1 and r["comments"] and r["annotator"])
    row = snapshot(server)[key]
    rows = [sent_back(each, "gateway") for each in task(server, "gateway", file=row["spectrogram"])]
    update(server, "gateway", rows, file=row["spectrogram"])
    assert snapshot(server)[key]["comments"] == row["comments"]
    sent = next(each for each in rows if each["id"] == key)
    sent["comments"] = [{"comment": text} for _, text in row["comments"]]
    update(server, "gateway", rows, file=row["spectrogram"])
    assert snapshot(server)[key]["comments"] == row["comments"] * 2
    assert server.get("/api/download/phase-annotations/1/", "gateway").status_code == 500


def test_an_import_reopens_verification(server: Player) -> None:
    """Detections arrive once, add label and confidence to the campaign, and send verifiers' tasks back to CREATED."""

    def cells() -> list[str]:
        text = server.get("/api/download/phase-progression/2/", "gateway").text
        return text.splitlines()[1].split(",")[2:]

    assert cells() == ["FINISHED", "FINISHED", "CREATED"]
    header = "start_datetime,end_datetime,start_frequency,end_frequency,label__name,detector__name,"
    header += "detector_configuration__configuration,confidence__label,confidence__level,analysis\n"
    line = "2025-06-01T00:00:01+00:00,2025-06-01T00:00:03.5+00:00,100,200,Buzz,ClickNet,v2,sure,3,1\n"
    path = "/api/annotation/campaign/1/phase/Annotation/"
    for made in (1, 0):
        known = set(snapshot(server))
        answer = server.post(path, {"data": header + line}, "maren")
        assert (answer.status_code, answer.content, answer.headers.get("content-type")) == (201, b"", None)
        assert len(set(snapshot(server)) - known) == made
    assert cells() == ["CREATED", "CREATED", "CREATED"]
    assert "certain,2/3" in server.get("/api/download/phase-annotations/1/", "gateway").text
    assert server.post(path, {"data": header + line}, "chidi").status_code == 403
    outside = server.post(path, {"data": header + line.replace("2025", "2019")}, "maren")
    assert outside.status_code == 400
    forced = server.post(f"{path}?force_datetime=true", {"data": header + line.replace("2025", "2019")}, "maren")
    assert forced.status_code == 201
    assert server.post(path, {"data": "a,b\n1,2\n"}, "maren").status_code == 500


def test_admin_mutations(server: Player) -> None:
    """Ranges replace each other but not finished work; phases are made once, ended by rule, archived for good."""
    ranges = "mutation($f:[AnnotationFileRangeInput]!,$x:Boolean){updateAnnotationPhaseFileRanges(campaignId:1,phaseType:Annotation,fileRanges:$f,force:$x){errors{field messages}}}"
    one = [{"annotatorId": "6", "firstFileIndex": 0, "lastFileIndex": 2}]
    assert server.gql_error(ranges, "maren", f=one) == "Cannot delete range with finished tasks."
    high = [{"annotatorId": "6", "firstFileIndex": 0, "lastFileIndex": 99}]
    told = server.gql(ranges, "maren", f=high, x=True)["updateAnnotationPhaseFileRanges"]["errors"]
    assert told == [[{"field": "lastFileIndex", "messages": ["Ensure this value is less than or equal to 19."]}]]
    two = [*one, {"annotatorId": "6", "firstFileIndex": 3, "lastFileIndex": 5}]
    server.gql(ranges, "maren", f=two, x=True)
    status = server.get("/api/download/phase-progression/1/", "gateway").text.splitlines()
    assert status[0] == "dataset,filename,dunja"
    assert [line.rpartition(",")[2] for line in status[1:]].count("CREATED") == 6
    made = "mutation{createAnnotationPhase(campaignId:1,type:Verification){id}}"
    assert server.gql_error(made, "maren") == "Forbidden"
    assert server.gql_error("mutation{endAnnotationPhase(id:1){ok}}", "dunja") == "Forbidden"
    assert server.gql_error("mutation{endAnnotationPhase(id:3){ok}}", "bram") == "Not found"
    assert server.gql("mutation{endAnnotationPhase(id:1){ok}}", "maren")["endAnnotationPhase"]["ok"] is True
    assert server.gql_error("mutation{endAnnotationPhase(id:1){ok}}", "maren") == "Forbidden"
    assert (
        server.gql("mutation{archiveAnnotationCampaign(id:1){ok}}", "maren")["archiveAnnotationCampaign"]["ok"] is True
    )
    assert server.gql_error("mutation{archiveAnnotationCampaign(id:1){ok}}", "maren") == "Forbidden"
    assert server.get("/api/download/phase-annotations/1/", "dunja").status_code == 200


def _any(server: Player, annotator: str) -> int:
    """A row of the Annotation phase on the file under test."""
    rows = snapshot(server).values()
    return next(r["id"] for r in rows if r["annotator"] == annotator and r["spectrogram"] == FILE and r["phase"] == 1)


def _featured(server: Player) -> int:
    return next(k for k, r in snapshot(server).items() if r["acoustic_features"] and r["phase"] == 1)


def _with_detection(server: Player) -> int:
    rows = list(snapshot(server).values())
    machine = {row["spectrogram"] for row in rows if row["detector_configuration"]}
    return next(
        row["spectrogram"] for row in rows if row["phase"] == 1 and row["annotator"] and row["spectrogram"] in machine
    )
