"""The APLOSE sandbox's control side: what tests do to the platform, over HTTP too, and what counts as an effect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from aplose_replay import Player, socket_player

from connectors.aplose.sandbox import build, create
from connectors.aplose.sandbox.store import Store
from connectors.sandbox import Control, load

RESULTS = "/api/download/phase-annotations/{}/"


@pytest.fixture
def server() -> Iterator[Player]:
    with socket_player(create(seed=2)) as made:
        yield made


def row(server: Player, key: int) -> dict[str, Any]:
    answer = server.get(f"/api/annotation/{key}/", "gateway")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_every_action_is_offered_over_http(server: Player) -> None:
    """The control surface lists the actions and runs them; none of them counts as a client's effect."""
    listed = server.client.post("/_sandbox/actions/none", json={}).json()["actions"]
    wanted = "add_user annotate archive comment correct create_spectrograms delete_annotation end_phase resave verify"
    assert set(wanted.split()) <= set(listed)
    made = server.client.post(
        "/_sandbox/actions/annotate", json={"campaign": 1, "spectrogram": 2, "label": "Boat", "user": "ailsa"}
    ).json()
    assert row(server, made)["label"] == "Boat"
    server.client.post("/_sandbox/actions/delete_annotation", json={"annotation": made})
    assert server.get(f"/api/annotation/{made}/", "gateway").status_code == 404
    assert server.client.get("/_sandbox/effects").json() == []


def test_annotate_verify_correct(server: Player) -> None:
    """A box with features and a comment, a detection, a verdict and a correction, as REST and CSV show them."""
    bounds = {"start_time": 1, "end_time": 2.5, "start_frequency": 10, "end_frequency": 20}
    more = {"confidence": "probable", "features": {"trend": "Flat"}, "comment": "new"}
    made = server.act("annotate", campaign=1, spectrogram=20, label="Boat", user="chidi", **bounds, **more)
    machine = server.act("annotate", campaign=1, spectrogram=20, label="Boat", detector="BoatNet")
    assert row(server, made)["acoustic_features"]["trend"] == "Flat"
    assert row(server, machine)["detector_configuration"] is not None
    before = row(server, made)["last_updated_at"]
    server.act("verify", annotation=made, user="dunja")
    assert [v["is_valid"] for v in row(server, made)["validations"]] == [True]
    assert row(server, made)["last_updated_at"] > before
    fixed = server.act("correct", annotation=made, user="bram", label="Rain", end_time=3)
    assert (row(server, fixed)["is_update_of"], row(server, fixed)["end_time"]) == (made, 3)
    text = server.get(RESULTS.format(2), "gateway").text
    assert f",{fixed},{made}," in text
    assert "new |- chidi" in text
    assert server.sandbox.control.effects == []


def test_change_and_resave(server: Player) -> None:
    """A change of content and a re-save both move ``last_updated_at``; the re-save moves nothing else."""
    first = row(server, 3)
    server.act("resave", annotation=3)
    second = row(server, 3)
    assert second["last_updated_at"] > first["last_updated_at"]
    assert {k: v for k, v in second.items() if k != "last_updated_at"} == {
        k: v for k, v in first.items() if k != "last_updated_at"
    }
    server.act("change", annotation=3, label="Rain")
    assert row(server, 3)["label"] == "Rain"


def test_new_files_people_and_ranges(server: Player) -> None:
    """New spectrograms join the campaign, a new user logs in, and a range and a finished task show in the status."""
    files = server.act("create_spectrograms", campaign=1, count=2)
    server.act("add_user", username="edda", password="edda-listens", expertise="Novice")
    server.act("assign", phase=1, user="edda", first=20, last=21)
    server.act("finish", campaign=1, spectrogram=files[0], user="edda")
    lines = server.get("/api/download/phase-progression/1/", "edda").text.splitlines()
    assert len(lines) == 23
    assert lines[0].endswith(",edda")
    assert [line.rpartition(",")[2] for line in lines[-3:]] == ["UNASSIGNED", "FINISHED", "CREATED"]


def test_comments_on_tasks(server: Player) -> None:
    """A task comment becomes a row of its own in the export of its phase."""
    server.act("comment", text="nothing here", user="ailsa", campaign=1, spectrogram=4)
    assert "nothing here |- ailsa" in server.get(RESULTS.format(1), "gateway").text
    assert "nothing here" not in server.get(RESULTS.format(2), "gateway").text


def test_end_and_archive(server: Player) -> None:
    """An ended phase is closed, an archived campaign closes all; both stay readable."""
    query = "query{annotationCampaignById(id:1){isArchived phases{results{isOpen isEditable endedBy{username}}}}}"

    def told() -> Any:
        return server.gql(query)["annotationCampaignById"]

    server.act("end_phase", phase=1)
    assert [phase["isOpen"] for phase in told()["phases"]["results"]] == [False, True]
    server.act("archive", campaign=1, user="gateway")
    assert told() == {
        "isArchived": True,
        "phases": {"results": [{"isOpen": False, "isEditable": False, "endedBy": {"username": "gateway"}}] * 2},
    }
    assert server.get(RESULTS.format(2), "dunja").status_code == 200


def test_a_fault_after_the_fact_leaves_the_effect(server: Player) -> None:
    """With a fault injected ``after``, the mutation is made, the client sees a 500, and the effect is counted."""
    mutation = "mutation{endAnnotationPhase(id:1){ok}}"
    server.headers("maren")
    server.sandbox.control.inject(status=502, path="/api/graphql", when="after", times=1)
    assert server.post("/api/graphql", {"query": mutation}, "maren").status_code == 502
    assert server.sandbox.control.count("phase_ended", "1") == 1
    assert server.gql_error(mutation, "maren") == "Forbidden"


def test_times_follow_the_sandbox_s_clock(server: Player) -> None:
    """What is written is written at the sandbox's time."""
    server.sandbox.control.clock.advance(86_400)
    now = server.sandbox.control.clock.now().isoformat()
    server.act("resave", annotation=1)
    assert row(server, 1)["last_updated_at"][:16] == now[:16]


def test_sandboxes_are_built_by_name_and_version() -> None:
    """``load`` finds the sandbox by its path; a version that nobody knows is an error."""
    assert load("connectors.aplose.sandbox:create", spectrograms=2).name == "aplose"
    control = Control()
    with pytest.raises(ValueError, match="v4"):
        build(Store(control.clock), control, version="v4")
