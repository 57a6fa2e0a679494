"""Verdicts at Kili: what each result does there, what is refused, and that a lost answer never does it twice."""

import json

import pytest

from connectors.contract import PushAudit, PushError, PushTask
from connectors.documents import AuditResult, Kind
from connectors.errors import Refused, Retry, Uncertain
from connectors.kili import verdicts
from tests.connectors.kili.kili_live_kit import HARBOUR, REPAIRS, all_pages, checkpoint, of_kind, rig
from tests.connectors.kili.test_live_kili_outbox import FIX, answer

GATEWAY, OTHER = "gateway@example.org", "noor.adeyemi@example.com"


def verdict(result, **fields):
    return PushAudit(id=f"gateway-{result}", result=AuditResult[result], **fields)


class Bench:
    """A new asset with one answer, and a verdict on its way to it."""

    def __init__(self, made, project=HARBOUR):
        self.made, self.project = made, project
        (self.asset,) = made.act("create_assets", project=project)
        self.label = made.act("label", asset=self.asset, response=answer(0))
        self.task = PushTask(external_id=self.asset, campaign=made.project(project), submission=self.label)
        made.control.effects.clear()

    async def marked(self, audit, source=None):
        before = await (source or self.made.source).mark(audit, self.task)
        return PushAudit(
            **{name: getattr(audit, name) for name in audit.__slots__} | {"before": json.loads(json.dumps(before))}
        )

    async def pushed(self, audit, source=None):
        self.audit = await self.marked(audit, source)
        return await (source or self.made.source).push(self.audit, self.task)

    def effects(self):
        return [effect.name for effect in self.made.control.effects if effect.key == self.asset]

    def details(self, name):
        return [effect.detail for effect in self.made.control.effects if effect.name == name]

    async def echoed(self):
        """The audits that a sync brings for this task."""
        found = of_kind([await self.made.source.refresh([(Kind.TASK, self.asset)])], Kind.AUDIT)
        return {name: audit.result.value for name, audit in found.items()}

    def shown(self):
        return next(each for each in self.made.assets(self.project) if each["id"] == self.asset)


@pytest.mark.parametrize("project", [HARBOUR, REPAIRS])
async def test_accepted_repeats_the_answer_in_a_review(project):
    """V1 and V2: a REVIEW label with the same answer that refers to it; the receipt is the name of the echo."""
    async with rig(assets=4) as made:
        bench = Bench(made, project)
        receipt = await bench.pushed(verdict("ACCEPTED"))
        assert bench.effects() == ["label"]
        (made_label,) = bench.details("label")
        assert (made_label["labelType"], made_label["referencedLabelId"]) == ("REVIEW", bench.label)
        assert json.loads(made_label["jsonResponse"]) == answer(0)
        assert receipt.external_id == f"{made_label['id']}/review"
        assert await bench.echoed() == {receipt.external_id: "ACCEPTED"}
        assert bench.shown()["status"] == "REVIEWED"


async def test_fixed_carries_the_corrected_answer():
    """A REVIEW label with another answer; the comment is an issue that is solved at once."""
    async with rig(assets=4) as made:
        bench = Bench(made)
        receipt = await bench.pushed(verdict("FIXED", fixed_response=FIX, comment=" as discussed "))
        assert bench.effects() == ["label", "issue", "issue_status"]
        assert json.loads(bench.details("label")[0]["jsonResponse"]) == FIX
        assert bench.details("issue")[0]["text"] == "as discussed"
        assert bench.shown()["issues"][0]["status"] == "SOLVED"
        assert receipt.details["issues"] == [bench.shown()["issues"][0]["id"]]
        assert await bench.echoed() == {receipt.external_id: "FIXED"}


@pytest.mark.parametrize("family", ["new", "old", "both"])
@pytest.mark.parametrize("project", [HARBOUR, REPAIRS])
async def test_rejected_opens_issues_and_sends_back(project, family):
    """The comment on the answer, each error on its mark; then the queue; by whichever mutations the server has."""
    async with rig(assets=4, family=family) as made:
        bench = Bench(made, project)
        errors = [
            PushError(annotation="mid-0", type="LABEL", severity="MAJOR", original_label="TUG", fixed_label="FERRY"),
            PushError(
                annotation=f"{bench.label}/SEA_JOB", type="OTHER", severity="UNSPECIFIED", comment="fog", frame=3
            ),
        ]
        receipt = await bench.pushed(verdict("REJECTED", comment="not yet", errors=errors))
        assert bench.effects() == ["issue", "issue", "issue", "send_back"]
        told = [(issue["text"], issue["objectMid"], issue["labelId"]) for issue in bench.details("issue")]
        assert told == [
            ("not yet", None, bench.label),
            ("Label (major): TUG → FERRY", "mid-0", bench.label),
            ("Other; frame 3; fog", None, bench.label),
        ]
        assert receipt.external_id == f"{bench.label}/sent-back"
        assert await bench.echoed() == {receipt.external_id: "REJECTED"}
        assert {issue["status"] for issue in bench.shown()["issues"]} == {"OPEN"}


async def test_commented_is_an_issue_and_nothing_else():
    """No audit comes back for it, so its receipt names the issues; without any answer it is a question."""
    async with rig(assets=4) as made:
        bench = Bench(made)
        receipt = await bench.pushed(verdict("COMMENTED", comment="why?"))
        assert (bench.effects(), receipt.external_id) == (["issue"], None)
        assert receipt.details == {"issues": [bench.shown()["issues"][0]["id"]]}
        assert await bench.echoed() == {}
        (bench.asset,) = made.act("create_assets", project=HARBOUR, prefix="bare")
        bench.task = PushTask(external_id=bench.asset)
        await bench.pushed(verdict("COMMENTED", comment="what is this?"))
        assert [issue["type"] for issue in bench.shown()["issues"]] == ["QUESTION"]


STEPS = {
    "label": "appendManyLabels",
    "issue": "createIssues",
    "solve": "updatePropertiesInIssue",
    "back": "sendAssetsBack",
}
FAULTS = [
    {"status": 503, "when": "after"},
    {"status": 500, "when": "before"},
    {"kind": "reset", "when": "after"},
    {"kind": "truncate"},
    {"status": 429},
    {"status": 503, "body": "no healthy upstream"},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: " ".join(map(str, fault.values())))
@pytest.mark.parametrize(
    ("result", "step"),
    [
        ("FIXED", "label"),
        ("FIXED", "issue"),
        ("FIXED", "solve"),
        ("REJECTED", "issue"),
        ("REJECTED", "back"),
        ("ACCEPTED", "label"),
        ("COMMENTED", "issue"),
    ],
)
async def test_a_lost_answer_at_any_step_never_does_it_twice(result, step, fault):
    """Uncertain, then ``find``, and what is missing is pushed, by a new process that knows the mark alone."""
    async with rig(assets=4) as made:
        bench = Bench(made)
        audit = verdict(
            result,
            comment="mind the gap",
            errors=[PushError(type="MISSING", severity="MINOR")],
            fixed_response=FIX if result == "FIXED" else None,
        )
        made.control.inject(contains=STEPS[step], times=1, **fault)
        receipt = None
        bench.audit = await bench.marked(audit)
        never_ran = fault.get("status") == 429 or "healthy" in str(fault.get("body"))
        try:
            receipt = await made.source.push(bench.audit, bench.task)
            assert never_ran
        except Uncertain:
            assert not never_ran
            fresh = made.open()
            receipt = await fresh.find(bench.audit, bench.task)
            receipt = receipt or await fresh.push(bench.audit, bench.task)
        wanted = {
            "FIXED": ["label", "issue", "issue", "issue_status", "issue_status"],
            "ACCEPTED": ["label", "issue", "issue", "issue_status", "issue_status"],
            "REJECTED": ["issue", "issue", "send_back"],
            "COMMENTED": ["issue", "issue"],
        }
        assert bench.effects() == wanted[result]
        assert receipt == await made.source.find(bench.audit, bench.task)
        assert (receipt.external_id in await bench.echoed()) is (result != "COMMENTED")


async def test_a_write_whose_reading_fails_is_uncertain_and_found():
    """The issue is there, and the asset cannot be read: nobody says that nothing happened."""
    async with rig(assets=4) as made:
        bench = Bench(made)
        bench.audit = await bench.marked(verdict("COMMENTED", comment="hm"))
        hits = made.control.inject(contains="assets(where", status=503)
        hits.times = 0

        class Late(type(made.source._client)):
            async def create_issues(self, project, issues):
                await super().create_issues(project, issues)
                hits.times = None

        made.source._client.__class__ = Late
        with pytest.raises(Uncertain, match="not to be seen yet"):
            await made.source.push(bench.audit, bench.task)
        made.control.heal()
        assert (await made.source.find(bench.audit, bench.task)).details["issues"]
        assert bench.effects() == ["issue"]


async def test_what_may_still_be_under_way_is_waited_for():
    """``find`` does not say no before the time to settle is over."""
    async with rig(assets=4, settings={"settle_seconds": 60}) as made:
        bench = Bench(made)
        made.control.inject(contains="appendManyLabels", times=1, status=503)
        with pytest.raises(Uncertain):
            await bench.pushed(verdict("ACCEPTED"))
        with pytest.raises(Retry) as waiting:
            await made.source.find(bench.audit, bench.task)
        assert 0 < waiting.value.after <= 60
        made.source._delivery._clock = lambda: 10.0**9
        assert await made.source.find(bench.audit, bench.task) is None
        assert bench.effects() == []


async def test_other_peoples_work_is_not_taken_for_ours():
    """The same review and the same issue by somebody else are theirs: ``find`` says no."""
    async with rig(assets=4) as made:
        bench = Bench(made)
        accepted = await bench.marked(verdict("ACCEPTED"))
        made.act("review", asset=bench.asset, response=answer(0), author=OTHER)
        assert await made.source.find(accepted, bench.task) is None
        other = Bench(made)
        commented = await other.marked(verdict("COMMENTED", comment="same words"))
        made.act("create_issue", asset=other.asset, text="same words", author=OTHER)
        assert await made.source.find(commented, other.task) is None
        made.act("create_issue", asset=other.asset, text="same words", author=GATEWAY)
        assert await made.source.find(commented, other.task) is not None


async def test_the_same_words_twice_are_two_issues():
    """Two errors alike in one verdict are told apart by their number; a later verdict alike makes one more."""
    async with rig(assets=4) as made:
        bench = Bench(made)
        twice = [PushError(annotation="mid-0", type="GEOMETRY", severity="MINOR", comment="loose")] * 2
        await bench.pushed(verdict("COMMENTED", errors=twice))
        assert bench.effects() == ["issue", "issue"]
        await bench.pushed(verdict("COMMENTED", errors=twice[:1]))
        assert bench.effects() == ["issue", "issue", "issue"]


async def refused(bench, audit, match):
    with pytest.raises(Refused, match=match):
        await bench.pushed(audit)
    assert bench.effects() == []


async def test_verdicts_that_kili_cannot_take_are_refused_and_leave_nothing():
    """Before anything is sent: no answer, another answer than was judged, in the queue already, no object, no asset."""
    async with rig(assets=4) as made:
        bench = Bench(made)
        await refused(bench, verdict("FIXED", fixed_response=["no", "object"]), "object of jobs")
        newer = made.act("label", asset=bench.asset, response=answer(1))
        for result in ("ACCEPTED", "REJECTED", "FIXED"):
            await refused(bench, verdict(result, fixed_response=FIX), "another answer")
        await refused(bench, verdict("ACCEPTED", submission=bench.label), "another answer")
        bench.task = PushTask(external_id=bench.asset, submission=newer)
        made.act("send_back", asset=bench.asset)
        await refused(bench, verdict("REJECTED", comment="again"), "in the queue already")
        (bench.asset,) = made.act("create_assets", project=HARBOUR, prefix="bare")
        bench.task = PushTask(external_id=bench.asset)
        await refused(bench, verdict("ACCEPTED"), "no answer to judge")
        bench.task = PushTask(external_id="nowhere")
        await refused(bench, verdict("ACCEPTED"), "no such asset")


async def test_a_fix_of_ours_may_be_judged_before_it_is_synced():
    """The store knows the old answer still; the new one is our own review, so the next verdict is about that."""
    async with rig(assets=4) as made:
        bench = Bench(made)
        fixed = await bench.pushed(verdict("FIXED", fixed_response=FIX))
        accepted = await bench.pushed(verdict("ACCEPTED"))
        labels = bench.details("label")
        assert labels[1]["referencedLabelId"] == labels[0]["id"]
        assert json.loads(labels[1]["jsonResponse"]) == FIX
        assert await bench.echoed() == {fixed.external_id: "FIXED", accepted.external_id: "ACCEPTED"}


async def test_an_answer_edited_under_way_is_not_accepted():
    """What was judged is no longer there to be repeated."""
    async with rig(assets=4) as made:
        bench = Bench(made)
        bench.audit = await bench.marked(verdict("ACCEPTED"))
        made.act("edit_label", label=bench.label, response=answer(7))
        with pytest.raises(Refused, match="edited"):
            await made.source.push(bench.audit, bench.task)
        assert bench.effects() == []


async def test_locks_are_told_in_words():
    """V2 takes a review in an open review step only; the reason comes with Kili's own word."""
    async with rig(assets=4) as made:
        bench = Bench(made, REPAIRS)
        await bench.pushed(verdict("ACCEPTED"))
        with pytest.raises(Refused, match=r"the last review is done \(AssetInDoneStepStatusWithReviewAction\)"):
            await bench.pushed(verdict("ACCEPTED"))
        locked = Bench(made, REPAIRS)
        made.act("lock", asset=locked.asset, author=OTHER)
        await refused(locked, verdict("ACCEPTED"), "somebody is working on the asset")
        assert len(verdicts.LOCKS) == 12


async def test_a_send_back_that_fails_may_be_tried_again_and_one_declined_is_final():
    """The issue of the first try is there already, and does not come twice."""
    async with rig(assets=4) as made:
        bench = Bench(made)
        made.act("fail_next", asset=bench.asset)
        with pytest.raises(Retry, match="write conflict"):
            await bench.pushed(verdict("REJECTED", comment="redo"))
        receipt = await made.source.push(bench.audit, bench.task)
        assert (bench.effects(), receipt.external_id) == (["issue", "send_back"], f"{bench.label}/sent-back")
        other = Bench(made)
        other.audit = await other.marked(verdict("REJECTED"))
        made.act("delete_label", label=other.label)
        made.act("send_back", asset=other.asset)
        with pytest.raises(Refused, match="declined"):
            await made.source.push(other.audit, other.task)


async def test_answers_of_language_model_projects_cannot_be_accepted():
    """Their answers do not travel as jsonResponse (fact sheet §8): a review would repeat nothing."""
    asset = {
        "id": "a",
        "project": {"id": "p", "inputType": "LLM_STATIC"},
        "labels": [{"id": "l", "labelType": "DEFAULT", "createdAt": "2026-05-01T10:00:00.000Z", "jsonResponse": {}}],
    }
    with pytest.raises(Refused, match="LLM"):
        verdicts.picture(asset, verdict("ACCEPTED"), PushTask(external_id="a"), "me")
    assert verdicts.picture(asset, verdict("COMMENTED", comment="x"), PushTask(external_id="a"), "me")["judged"] == "l"


async def test_a_push_without_its_picture_is_refused():
    """Without knowing what was there before nothing can be told apart."""
    async with rig(assets=4) as made:
        bench = Bench(made)
        with pytest.raises(Refused, match="picture"):
            await made.source.push(verdict("ACCEPTED"), bench.task)
        assert checkpoint(await all_pages(made.source))
