"""Everything that was recorded on APLOSE v2.5.7, played against the sandbox in the order of the recording.

All JSON exchanges of ``samples/aplose/v2.5.7_live`` are replayed, and every CSV is asked for at the point of the history
where it was taken. Between 034 and 051 a second campaign (without a confidence set) was made off the record; the test
makes it with requests of its own, so that the ids of 055 to 064 come out. ``v2.5.7_seed`` gives the shapes of the lists.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from aplose_replay import SHARED, Player, alike, compare, needs_samples, recorded, recordings, socket_player
from aplose_worlds import PASSWORD, world_v2

from connectors.aplose.sandbox import build
from connectors.sandbox import Control

FOLDER = "v2.5.7_live"

UNORDERED = {"034_archive.json"}
"""Its list of phase ids has no order upstream."""

EXPORTS = {
    "012": [("results", 6, "A_done"), ("status", 6, "A_done")],
    "021": [
        ("results", 6, "A_after_verif"),
        ("status", 6, "A_after_verif"),
        ("results", 7, "V_after_verif"),
        ("status", 7, "V_after_verif"),
    ],
    "055": [("results", 9, "V_noconf_after_first_verifier"), ("status", 9, "V_noconf_after_first_verifier")],
    "058": [
        ("results", 8, "A_noconf_two_verifiers"),
        ("status", 8, "A_noconf_two_verifiers"),
        ("results", 9, "V_noconf_two_verifiers"),
        ("status", 9, "V_noconf_two_verifiers"),
    ],
}
"""After which exchange each CSV was taken."""

ROUTES = {"results": "report", "status": "report-status"}


@pytest.fixture
def server() -> Iterator[Player]:
    control = Control()
    with socket_player(build(world_v2(control), control, version="v2"), PASSWORD) as made:
        yield made


@needs_samples
def test_the_recorded_history(server: Player) -> None:
    """Each exchange is answered as the real server answered it, and each export is the same at its time."""
    names, exports = recordings(FOLDER), set[str]()
    assert len(names) == 33
    for name in names:
        exchange = recorded(FOLDER, name)
        if name.startswith("051"):
            _campaign_without_confidences(server)
        compare(exchange, server.replay(exchange), ordered=name not in UNORDERED)
        for kind, phase, taken in EXPORTS.get(name[:3], []):
            answer = server.get(f"/api/annotation-campaign-phase/{phase}/{ROUTES[kind]}/")
            assert answer.headers["content-type"] == "text/csv"
            assert answer.content == (SHARED / FOLDER / f"{kind}_{taken}.csv").read_bytes(), taken
            exports.add(f"{kind}_{taken}.csv")
        if name.startswith("029"):
            exports |= _reports_to_others(server)
    assert exports == {path.name for path in (SHARED / FOLDER).glob("*.csv")}


def _reports_to_others(server: Player) -> set[str]:
    """An annotator gets the whole report; nobody and an unknown phase get a mangled body."""
    path = "/api/annotation-campaign-phase/{}/report/"
    answers = {
        "report_as_annotator.csv": (200, server.get(path.format(6), "TestUser1")),
        "report_unauth.csv": (401, server.get(path.format(6), None)),
        "report_unknown.csv": (404, server.get(path.format(9999))),
    }
    for name, (status, answer) in answers.items():
        assert answer.status_code == status, name
        assert answer.content == (SHARED / FOLDER / name).read_bytes(), name
    return set(answers)


def _campaign_without_confidences(server: Player) -> None:
    """What 055 to 064 build on: campaign 7 with phases 8 and 9, and TestUser1's three results."""
    made = [
        server.post(
            "/api/annotation-campaign/",
            {"name": "No confidences", "datasets": ["porp_delph"], "spectro_configs": [6]},
        ),
        server.post(
            "/api/annotation-campaign/7/",
            {"label_set": 1, "allow_point_annotation": True},
            method="PATCH",
        ),
        server.post("/api/annotation-campaign-phase/", {"annotation_campaign": 7, "phase": "Annotation"}),
        server.post("/api/annotation-file-range/phase/8/", {"data": [_range(2, 0, 3)]}),
        server.post("/api/annotation-campaign-phase/", {"annotation_campaign": 7, "phase": "Verification"}),
        server.post("/api/annotation-file-range/phase/9/", {"data": [_range(3, 0, 1), _range(4, 0, 1)]}),
        server.post(
            "/api/annotator/campaign/7/phase/8/file/199/",
            {
                "results": [
                    _result("Rain"),
                    _result("Rain", start_time=1, end_time=5, start_frequency=100, end_frequency=900),
                    _result("Boat", start_time=2, start_frequency=500),
                ],
                "task_comments": [{"comment": "tc"}],
                "session": {"start": "2026-11-22T05:00:00Z", "end": "2026-11-22T05:02:00Z"},
            },
            "TestUser1",
        ),
    ]
    assert [answer.status_code for answer in made] == [201, 200, 201, 200, 201, 200, 200]


def _range(annotator: int, first: int, last: int) -> dict[str, int]:
    return {"annotator": annotator, "first_file_index": first, "last_file_index": last}


def _result(label: str, **bounds: float) -> dict[str, Any]:
    return {"annotation_campaign_phase": 8, "label": label, "annotator": 2, **bounds}


PROGRESS = {"global_progress", "global_total", "user_progress", "user_total", "has_annotations"}

LISTS = {
    "campaigns": "/api/annotation-campaign/",
    "phases": "/api/annotation-campaign-phase/",
    "list_user": "/api/user/",
    "list_user_self": "/api/user/self/",
    "list_label-set": "/api/label-set/",
    "list_confidence-indicator": "/api/confidence-indicator/",
    "list_annotator-group": "/api/annotator-group/",
    "list_detector": "/api/detector/",
}


@needs_samples
@pytest.mark.parametrize("name", sorted(LISTS))
def test_lists_of_the_seed(server: Player, name: str) -> None:
    """The lists of the seeded server come in the same shape, and in the same order where the server has one."""
    expected = json.loads((SHARED / "v2.5.7_seed" / f"{name}.json").read_text(encoding="utf-8"))
    answer = server.get(LISTS[name])
    assert answer.status_code == 200
    actual = answer.json()
    if name == "phases":
        # The seeded work itself is not rebuilt: progress differs.
        for mine, theirs in zip(actual, expected, strict=True):
            theirs |= {key: mine[key] for key in PROGRESS if type(mine[key]) is type(theirs[key])}
    alike(expected, actual)
