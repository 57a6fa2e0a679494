"""The fold is pure: the order of arrival does not matter, twice is once, and taken audits leave the platform's own state."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.fold import Said, fold, newest_first, review_status

BASE = datetime(2026, 1, 1)
RESULTS = ("ACCEPTED", "REJECTED", "FIXED", "COMMENTED")


def audit(
    number: int, result: str = "ACCEPTED", *, ours: bool = True, state: str = "PENDING", **more: Any
) -> dict[str, Any]:
    out = {
        "_id": f"gid://s/Audit/{number:03d}",
        "result": result,
        "audited_at": BASE + timedelta(seconds=number),
        "seq": number,
        "comments": [f"comment {number}"],
        "origin": "GATEWAY" if ours else "CUSTOMER",
        "delivery": {"state": state if ours else "NOT_APPLICABLE"},
        **more,
    }
    if result == "FIXED":
        out |= {"fixed_response": "{}", "fix": f"gid://s/Submission/{number}/fix"}
    return out


@st.composite
def audits(draw: st.DrawFn) -> list[dict[str, Any]]:
    out = []
    for number in range(draw(st.integers(0, 7))):
        more: dict[str, Any] = {"auditor": draw(st.sampled_from(["p", "q"]))}
        if draw(st.booleans()):
            more["annotation"] = draw(st.sampled_from(["a", "b"]))
        if draw(st.integers(0, 3)) == 0:
            more["echoed"] = True
        state = draw(
            st.sampled_from(["PENDING", "SENDING", "DELIVERED", "REFUSED", "FAILED", "CANCELED", "NOT_APPLICABLE"])
        )
        out.append(audit(number, draw(st.sampled_from(RESULTS)), ours=draw(st.booleans()), state=state, **more))
    return out


saids = st.builds(
    Said,
    status=st.sampled_from(["COMPLETED", "PENDING"]),
    review_status=st.none() | st.sampled_from(["ACCEPTED", "REJECTED", "FIXED", "NOT_REVIEWED"]),
    review_comments=st.lists(st.text(max_size=3), max_size=2).map(tuple),
    answer=st.text(max_size=3),
    submission=st.none() | st.just("gid://s/Submission/0"),
)


@given(saids, audits(), st.randoms())
def test_order_of_arrival_does_not_matter(said: Said, given_: list[dict[str, Any]], chance: Any) -> None:
    """However the audits are listed, the fold is the same; and nothing that was given is changed."""
    shuffled = list(given_)
    chance.shuffle(shuffled)
    before = [dict(one) for one in given_]
    assert fold(said, shuffled) == fold(said, given_) == fold(said, given_)
    assert given_ == before


@given(saids, audits())
def test_what_the_platform_took_is_the_platforms(said: Said, given_: list[dict[str, Any]]) -> None:
    """Once every audit of ours is echoed, status, comments and answer are what the platform says."""
    taken = [one | {"echoed": True} for one in given_]
    folded = fold(said, taken)
    assert folded["review_status"] == (
        said.review_status
        or review_status(
            newest_first(
                a for a in taken if a["delivery"]["state"] not in ("REFUSED", "CANCELED") or a["origin"] != "GATEWAY"
            )
        )
    )
    assert folded["review_comments"] == list(said.review_comments)
    assert folded["response_of"] == said.submission


@given(saids, audits())
def test_refused_and_canceled_audits_leave_no_trace(said: Said, given_: list[dict[str, Any]]) -> None:
    """A verdict that the platform refused, or that was withdrawn, changes nothing a reader sees."""
    gone = [one for one in given_ if one["origin"] == "GATEWAY" and one["delivery"]["state"] in ("REFUSED", "CANCELED")]
    rest = [one for one in given_ if one not in gone]
    assert fold(said, given_) == fold(said, rest)


@given(saids, audits(), st.sampled_from(RESULTS))
def test_a_verdict_on_the_task_shows_at_once(said: Said, given_: list[dict[str, Any]], result: str) -> None:
    """The newest verdict on the task as a whole is its review status; its comment comes last; the version moves."""
    newest = audit(50, result)
    folded = fold(said, [*given_, newest])
    if result != "COMMENTED":
        assert folded["review_status"] == result
    assert folded["review_comments"][-1] == "comment 50"
    assert folded["latest_audit"] == newest["_id"]
    assert folded["version"] != fold(said, given_)["version"]
    if result == "FIXED":
        assert folded["response_of"] == newest["fix"]


def test_delivery_does_not_move_the_version() -> None:
    """The version is about the answer and the verdicts, not about how far a verdict has travelled."""
    said = Said(status="COMPLETED", answer="x")
    versions = {
        fold(said, [audit(1, state=state)])["version"] for state in ("PENDING", "SENDING", "DELIVERED", "FAILED")
    }
    assert len(versions) == 1
    assert fold(Said(status="COMPLETED", answer="y"), [audit(1)])["version"] not in versions


def test_parts_that_differ_are_mixed() -> None:
    """Verdicts on marks: all alike give their word, several give MIXED; each auditor's newest counts."""
    yes, no = (
        audit(1, "ACCEPTED", ours=False, annotation="a", auditor="p"),
        audit(2, "REJECTED", ours=False, annotation="b", auditor="p"),
    )
    assert review_status(newest_first([yes])) == "ACCEPTED"
    assert review_status(newest_first([yes, no])) == "MIXED"
    changed = audit(3, "ACCEPTED", ours=False, annotation="b", auditor="p")
    assert review_status(newest_first([yes, no, changed])) == "ACCEPTED"
    assert review_status([]) == "NOT_REVIEWED"
    assert review_status([audit(1, "COMMENTED")]) == "COMMENTED"
