"""Everything that was recorded on APLOSE v3.4.1, played against the sandbox in the order of the recording.

All JSON exchanges of ``samples/aplose/v3.4.1_live`` are replayed (``_ids.json`` holds ids, no exchange), and every CSV is
asked for at the point of the history where it was taken; CSVs are equal byte for byte, JSON but for times and tokens.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from aplose_replay import SHARED, Player, compare, needs_samples, recorded, recordings, socket_player
from aplose_worlds import PASSWORD, world_v3

from connectors.aplose.sandbox import build
from connectors.sandbox import Control

FOLDER = "v3.4.1_live"
A, V = 6, 7

UNORDERED = {
    "051_gql_allCampaigns_user1.json",
    "053_gql_fileRanges_progress.json",
    "054_gql_phase_annotations_edges.json",
    "055_gql_lists.json",
    "056_rest_annotation_list.json",
    "057_rest_annotation_list_as_user4.json",
    "081_rest_annotation_filter_label.json",
}
"""Lists that upstream asks of its database without an order."""

EXPORTS = {
    "013": [("results", A, "A_empty"), ("status", A, "A_empty")],
    "024": [("results", A, "A_done"), ("status", A, "A_done")],
    "027": [("results", A, "A_done_plus_detector"), ("status", A, "A_done_plus_detector")],
    "031": [("results", V, "V_empty"), ("status", V, "V_empty")],
    "040": [("results", V, "V_after_user3_s1"), ("status", V, "V_after_user3_s1")],
    "044": [
        ("results", V, "V_after_user4_s1"),
        ("status", V, "V_after_user4_s1"),
        ("results", A, "A_after_verification"),
        ("status", A, "A_after_verification"),
    ],
    "106": [("results", A, "A_fixed_comment")],
    "110": [("results", V, "V_after_partial_list"), ("status", V, "V_after_partial_list")],
    "117": [
        ("results", A, "A_archived"),
        ("status", A, "A_archived"),
        ("results", V, "V_archived"),
        ("status", V, "V_archived"),
        ("results", A, "A_archived_as_user4"),
    ],
}
"""After which exchange each CSV was taken."""

ROUTES = {"results": "phase-annotations", "status": "phase-progression"}


@pytest.fixture(scope="module")
def server() -> Iterator[Player]:
    control = Control()
    with socket_player(build(world_v3(control), control), PASSWORD) as made:
        yield made


@needs_samples
@pytest.mark.parametrize("phase", [1, 2, 3, 4, 5])
def test_fixture_exports(server: Player, phase: int) -> None:
    """The exports of the fixtures' five phases are equal byte for byte."""
    for kind, route in ROUTES.items():
        expected = (SHARED / "v3.4.1_fixtures" / f"{kind}_phase{phase}.csv").read_bytes()
        assert server.get(f"/api/download/{route}/{phase}/").content == expected, kind


@needs_samples
def test_the_recorded_history() -> None:
    """Each exchange is answered as the real server answered it, and each export is the same at its time."""
    control, played, exports = Control(), [], set[str]()
    with socket_player(build(world_v3(control), control), PASSWORD) as server:
        for name in recordings(FOLDER):
            exchange = recorded(FOLDER, name)
            compare(exchange, server.replay(exchange), ordered=name not in UNORDERED)
            played.append(name)
            for kind, phase, taken in EXPORTS.get(name[:3], []):
                user = "user4" if taken.endswith("user4") else "admin"
                answer = server.get(f"/api/download/{ROUTES[kind]}/{phase}/", user)
                exports.add(f"{kind}_{taken}.csv")
                assert answer.headers["content-type"] == "text/csv"
                assert answer.content == (SHARED / FOLDER / f"{kind}_{taken}.csv").read_bytes(), taken
            if name.startswith("059"):
                exports |= _odd_downloads(server)
    assert len(played) == 81
    assert exports == {path.name for path in (SHARED / FOLDER).glob("*.csv")}


def _odd_downloads(server: Player) -> set[str]:
    """Without its slash the route redirects to the export; without a login its error body is mangled."""
    redirect = server.get(f"/api/download/phase-annotations/{A}")
    assert redirect.status_code == 301
    followed = server.get(redirect.headers["location"])
    assert followed.content == (SHARED / FOLDER / "download_noslash.csv").read_bytes()
    bare = server.get(f"/api/download/phase-annotations/{A}/", user=None)
    assert bare.status_code == 401
    assert bare.content == (SHARED / FOLDER / "download_unauthenticated.csv").read_bytes()
    return {"download_noslash.csv", "download_unauthenticated.csv"}
