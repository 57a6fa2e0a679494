"""Servers of other versions, told apart without a login, and real servers as they were recorded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aplose_replay import SHARED, recorded
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from connectors.aplose.exports import CampaignReader, Export
from connectors.aplose.judging import Sheet, correction
from connectors.aplose.live import AploseSource
from connectors.aplose.passes import Mark, Marks, Pass, marks, plan, under_way
from connectors.aplose.settings import Settings
from connectors.aplose.traits import ANNOTATION, PHASES
from connectors.aplose.world import LiveCampaign, LivePhase, World, campaign_document, phase_of
from connectors.contract import Input, Secret
from connectors.documents import Annotation, AnyDocument, Audit, CampaignStatus, Kind, Page, Task
from connectors.errors import Refused
from connectors.sandbox import Control, Sandbox, serve
from tests.connectors.aplose.live_aplose import QUICK, of, served

RECORDED = SHARED / "v3.4.1_live"
needs_recordings = pytest.mark.skipif(not RECORDED.exists(), reason="the shared samples are not here")


# --- older servers ------------------------------------------------------------------------------------------------------


def old_server(*, graphql: bool, status_route: str) -> Sandbox:
    """A server without phases, as 1.x and 2.0 to 2.3 are: one campaign, two exports, in invented rows."""
    header = "dataset,filename,start_time,end_time,start_frequency,end_frequency,annotation,annotator,"
    header += "start_datetime,end_datetime,is_box,confidence_indicator_label,confidence_indicator_level,comments"
    row = "Bay 2019,a.wav,1.0,2.0,10.0,20.0,Fin whale,ailsa,2019-01-01T00:00:01.000+00:00,"
    row += "2019-01-01T00:00:02.000+00:00,1,,,"

    def told(content: Any) -> Any:
        def answer(request: Request) -> Response:
            if request.headers.get("authorization") != "Bearer access-token-of-1":
                return JSONResponse({"detail": "no"}, 401)
            return Response(content, media_type="text/csv") if isinstance(content, str) else JSONResponse(content)

        return answer

    def token(_: Request) -> Response:
        return JSONResponse({"access": "access-token-of-1", "refresh": "refresh-token-of-1"})

    campaign = {"id": 7, "name": "Bay", "desc": "old", "created_at": "2019-02-01T00:00:00Z", "archive": None}
    routes = [
        Route("/api/token/", token, methods=["POST"]),
        Route("/api/annotation-campaign/", told([campaign])),
        Route("/api/annotation-campaign/7/report/", told(f"{header}\n{row}")),
        Route(f"/api/annotation-campaign/7/{status_route}/", told("dataset,filename,ailsa\nBay 2019,a.wav,FINISHED\n")),
        Route("/api/user/self/", told({"username": "gateway"})),
    ]
    if graphql:
        routes.append(Route("/api/graphql", lambda _: JSONResponse({"errors": [{"message": "Unauthorized"}]}, 400)))
    return Sandbox(name="old", app=Starlette(routes=routes), control=Control(), settings=lambda url: {"url": url})


def opened(url: str) -> AploseSource:
    return AploseSource(Settings(url=url, username="gateway", password=Secret("a long password")), **QUICK)


@pytest.mark.parametrize(
    ("graphql", "route", "version"),
    [(True, "report-status", "v2.1"), (False, "report-status", "v1"), (False, "report_status", "v1")],
)
async def test_servers_without_phases(graphql: bool, route: str, version: str) -> None:
    """1.x and 2.1 are told by what they have; both exports of a campaign are read, under either name of the second."""
    with serve(old_server(graphql=graphql, status_route=route)) as url:
        source = opened(url)
        health = await source.check()
        assert (health.version, health.account) == (version, "gateway")
        assert source.capabilities.audit_results == ()
        found: dict[Any, AnyDocument] = {}
        async for page in source.fetch(None, full=True):
            assert page.skipped == ()
            found |= {(one.kind, one.external_id): one for one in page.documents}
        assert of(found, Kind.CAMPAIGN)["7"].name == "Bay"
        [mark] = of(found, Kind.ANNOTATION).values()
        assert (mark.label, mark.task) == ("Fin whale", "7/Bay 2019/a.wav/ailsa/Annotation")
        assert of(found, Kind.TASK)[mark.task].native_status == "FINISHED"
        await source.close()


@pytest.mark.parametrize("version", ["v3", "v2"])
async def test_the_sandbox_is_told_apart(version: str) -> None:
    """v3 has ``/api/annotation/``, v2 has campaigns; neither asks for a login to say so."""
    with served(version=version, spectrograms=2) as server:
        source = server.source()
        await source._client.probe()
        assert source._client.version == {"v3": "v3", "v2": "v2.4"}[version]
        assert not any("token" in request for request in server.control.requests)
        await source.close()


async def test_a_web_site_is_no_aplose() -> None:
    """An address that answers every path with a page is refused with a hint, and no password is sent there."""
    app = Starlette(routes=[Route("/{path:path}", lambda _: HTMLResponse("<html>hello</html>"))])
    control = Control()
    with serve(Sandbox(name="web", app=app, control=control, settings=lambda url: {})) as url:
        source = opened(url)
        with pytest.raises(Refused, match="no APLOSE server"):
            await source.check()
        assert not any("token" in request for request in control.requests)
        await source.close()


def test_settings_are_checked() -> None:
    """An empty password or a negative time is refused when the configuration is read."""
    right: dict[str, Any] = {"url": "https://aplose.example.org", "username": "g", "password": Secret("x")}
    assert "Secret('…')" in repr(Settings(**right))
    for wrong in (
        {"password": Secret("")},
        {"username": ""},
        {"concurrency": 0},
        {"read_timeout": 0},
        {"overlap_seconds": -1},
    ):
        with pytest.raises(ValueError, match=r"start|empty|longer|negative"):
            Settings(**(right | wrong))


# --- passes, as pure functions -------------------------------------------------------------------------------------------


def campaign(key: str, *phases: str, told: str = "p") -> LiveCampaign:
    steps = tuple(LivePhase(key=phase, phase=ANNOTATION) for phase in phases)
    document = campaign_document(
        {"id": key, "name": key}, steps, labels=None, description=None, created_at=None, archived=False, raw={}
    )
    return LiveCampaign(key=key, document=document, phases=steps, print=told)


def world(*campaigns: LiveCampaign, **names: str) -> World:
    return World(campaigns={one.key: one for one in campaigns}, names=names)


BEFORE = Marks(
    since="2026-11-22T00:00:00Z",
    total=5,
    names={"user/1": "ailsa"},
    campaigns={"1": Mark(print="p", counts={"10": 3}), "2": Mark(print="p", counts={"20": 2})},
)


@pytest.mark.parametrize(
    ("now", "changed", "counts", "todo"),
    [
        (world(campaign("1", "10"), campaign("2", "20")), (), None, ()),
        (world(campaign("1", "10"), campaign("2", "20")), ("20",), {"10": 3, "20": 2}, ("2",)),
        (world(campaign("1", "10"), campaign("2", "20")), (), {"10": 2, "20": 2}, ("1",)),
        (world(campaign("1", "10", told="q"), campaign("2", "20")), (), None, ("1",)),
        (world(campaign("1", "10")), (), None, ("2",)),
        (world(campaign("1", "10"), campaign("2", "20"), campaign("3")), (), None, ("3",)),
        (world(campaign("1", "10"), campaign("2", "20"), **{"user/1": "ailsa.m"}), (), None, ("1", "2")),
    ],
    ids=["nothing", "changed", "deleted", "listed otherwise", "gone", "new", "renamed"],
)
def test_what_an_incremental_pass_reads(now: World, changed: Any, counts: Any, todo: Any) -> None:
    """Exactly the campaigns in which something shows."""
    assert plan(BEFORE, now, changed=changed, counts=counts) == todo


def test_checkpoints_are_json_and_come_back() -> None:
    """A pass under way and the marks of a finished one survive the store; a foreign checkpoint means from the start."""
    going = Pass(full=True, todo=("1", "2"), marks=BEFORE, failed=("9",), begun=True)
    again = json.loads(json.dumps(going.checkpoint()))
    assert under_way(again, full=True) == going
    assert under_way(again, full=False) == going
    partial = Pass(full=False, todo=("1",), marks=BEFORE)
    assert under_way(partial.checkpoint(), full=True) is None
    assert marks(json.loads(json.dumps(going.finished()))) == BEFORE
    assert under_way(going.finished(), full=True) is None
    assert marks({"version": 99, "marks": BEFORE.json()}) == Marks()


def test_a_read_campaign_is_marked_and_a_failed_one_is_not() -> None:
    """Without a mark the next pass reads it again."""
    going = Pass(full=True, todo=("1", "2"), marks=Marks())
    read = going.after(Mark(print="p"))
    assert (read.todo, set(read.marks.campaigns), read.failed) == (("2",), {"1"}, ())
    failed = read.after(None, failed=True)
    assert (failed.todo, set(failed.marks.campaigns), failed.failed) == ((), {"1"}, ("2",))


def test_phases_and_states() -> None:
    """Both words for a phase are known, no other is; a campaign without phases is being prepared."""
    assert phase_of("Verification") == PHASES["Verification"]
    assert phase_of("ANNOTATION") == PHASES["Annotation"]
    assert phase_of("Training") is None
    assert campaign("1").document.status is CampaignStatus.DRAFT


# --- recordings of a real server --------------------------------------------------------------------------------------------


def list_of(task: str) -> Sheet:
    """The recorded task of user4 in the words of our query: the recording asked for a little less."""
    data = json.loads(json.dumps(recorded("v3.4.1_live", task)["response"]["data"]))
    file = data["annotationSpectrogramById"]
    return Sheet.read(
        {
            "currentUser": {"id": "6", "username": "user4"},
            "annotationPhaseByCampaignPhase": {"id": "7", "isOpen": True},
            "annotationSpectrogramById": file,
        },
        "5",
    )


@needs_recordings
def test_the_list_sent_back_is_the_one_that_the_real_server_took() -> None:
    """From the recorded task we build the list that the recording sent and the server accepted, row for row."""
    sheet = list_of("043_gql_V_task_user4_s1.json")
    sent = recorded("v3.4.1_live", "044_gql_V_submit_user4_s1.json")["request"]["body"]["variables"]["a"]
    ours = {item["id"]: item for item in sheet.back("12", is_valid=True)}
    theirs = {item["id"]: item for item in sent if "id" in item}
    assert set(ours) == set(theirs)
    assert len(ours) > 5
    for key, item in theirs.items():
        for name in set(item) - {"validations", "comments"}:
            assert ours[key][name] == item[name], (key, name)
    assert ours[12]["validations"] == [{"isValid": True}]
    assert all(item["validations"] == [] for key, item in ours.items() if key != 12)


@needs_recordings
def test_the_callers_own_verdicts_go_back() -> None:
    """After a verdict of ours the recorded row carries it, and it is in the next list although another row is judged."""
    sheet = list_of("110_gql_V_task_user4_s2_after_partial.json")
    assert sheet.verdict("23") is False
    assert sheet.back("0", is_valid=True)[0]["validations"] == [{"isValid": False}]


@needs_recordings
async def test_the_exports_of_a_real_server_become_live_documents() -> None:
    """Four recorded exports of one campaign: each mark once, verdicts of two verifiers, a status for each task."""

    def export(phase: str, kind: str, name: str) -> Export:
        path = RECORDED / name
        return Export(phase=PHASES[phase], kind=kind, input=Input(name, lambda: path.open("rb"), path.stat().st_size))

    reader = CampaignReader(
        campaign="5",
        exports=[
            export("Annotation", "results", "results_A_after_verification.csv"),
            export("Verification", "results", "results_V_after_user4_s1.csv"),
            export("Annotation", "status", "status_A_after_verification.csv"),
            export("Verification", "status", "status_V_after_user4_s1.csv"),
        ],
        known=frozenset({"user1", "user2", "user3", "user4"}),
        redact=lambda raw: raw,
    )
    pages: list[Page] = [page async for page in reader.pages()]
    documents = [document for page in pages for document in page.documents]
    assert reader.whole
    assert len({(one.kind, one.external_id) for one in documents}) == len(documents)
    marks_ = [one for one in documents if isinstance(one, Annotation)]
    assert all(str(one.external_id) == f"5/{one.native_id}" for one in marks_)
    assert {one.auditor for one in documents if isinstance(one, Audit)} == {"user3", "user4"}
    phases = {one.phase.name for one in documents if isinstance(one, Task) and one.phase}
    assert phases == {"Annotation", "Verification"}


@needs_recordings
async def test_a_recorded_v2_server_is_synced() -> None:
    """A real v2.5.7 replayed, its lists and its four exports: phases with their ids, each mark once, its verifier."""
    folder = SHARED / "v2.5.7_live"

    def told(content: Any) -> Any:
        def answer(request: Request) -> Response:
            if "authorization" not in request.headers:
                return JSONResponse({"detail": "no"}, 401)
            if isinstance(content, str):
                return Response((folder / content).read_bytes(), media_type="text/csv")
            return JSONResponse(content)

        return answer

    exports = {"6/report": "results_A_after_verif.csv", "7/report": "results_V_after_verif.csv"}
    exports |= {"6/report-status": "status_A_after_verif.csv", "7/report-status": "status_V_after_verif.csv"}
    routes = [
        Route("/api/token/", lambda _: JSONResponse({"access": "an-access-token"}), methods=["POST"]),
        Route("/api/annotation-campaign/", told([recorded("v2.5.7_live", "026_campaign_detail.json")["response"]])),
        Route(
            "/api/annotation-campaign-phase/", told(recorded("v2.5.7_live", "027_phases_of_campaign.json")["response"])
        ),
        *(Route(f"/api/annotation-campaign-phase/{path}/", told(name)) for path, name in exports.items()),
    ]
    with serve(Sandbox(name="v2", app=Starlette(routes=routes), control=Control(), settings=lambda url: {})) as url:
        source = opened(url)
        found: dict[Any, AnyDocument] = {}
        async for page in source.fetch(None, full=True):
            assert page.skipped == ()
            found |= {(one.kind, one.external_id): one for one in page.documents}
        assert source._client.version == "v2.4"
        one = of(found, Kind.CAMPAIGN)["6"]
        assert (one.name, [phase.name for phase in one.phases]) == ("Rich v2 campaign", ["Annotation", "Verification"])
        marks_ = of(found, Kind.ANNOTATION)
        assert len(marks_) > 3
        assert all(name == f"6/{mark.native_id}" for name, mark in marks_.items())
        assert {audit.auditor for audit in of(found, Kind.AUDIT).values()} == {"TestUser2"}
        assert len(of(found, Kind.ASSET)) == 99
        await source.close()


def test_a_correction_keeps_what_it_does_not_say() -> None:
    """The fields of a corrected row: the original's but for those given; an unknown field is named."""
    original = {
        "startTime": 1.0,
        "endTime": 2.0,
        "startFrequency": 3.0,
        "endFrequency": 4.0,
        "label": {"name": "Boat"},
        "confidence": {"label": "sure"},
        "acousticFeatures": {"id": "4", "trend": "Flat"},
    }
    found = correction(original, {"label": "Ship", "endTime": 2.5})
    assert found == {
        "startTime": 1.0,
        "endTime": 2.5,
        "startFrequency": 3.0,
        "endFrequency": 4.0,
        "label": "Ship",
        "confidence": "sure",
        "acousticFeatures": {"trend": "Flat"},
    }
    assert correction(original, {"acousticFeatures": None})["acousticFeatures"] is None
    with pytest.raises(Refused, match="'colour'"):
        correction(original, {"colour": "blue"})
