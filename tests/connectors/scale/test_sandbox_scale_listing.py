"""The Scale sandbox over HTTP: its seed, pages, filters, and its store against a naive model."""

import base64
import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.scale.sandbox import create
from connectors.scale.sandbox.rules import stamp
from connectors.scale.sandbox.seed import STATES
from connectors.scale.sandbox.store import Between, Filter, Record, TaskStore, read_token
from tests.connectors.scale.scale_client import refusal

# --- seed -----------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_tasks():
    """Seed and number decide the content byte for byte; another seed gives other content."""

    def content(**arguments):
        return json.dumps(create(**arguments).control.actions["list_tasks"]())

    assert content(seed=3) == content(seed=3)
    assert content(seed=3) != content(seed=4)
    assert create(tasks=17).control.actions["list_tasks"]().__len__() == 17


def test_the_seed_shows_every_state(scale):
    """Sixty tasks hold each status, each review status, fixes with prior responses, and per-annotation errors."""
    tasks = scale.act["list_tasks"]()
    assert len(tasks) == 60 == 3 * len(STATES)
    assert {task["status"] for task in tasks} == {"pending", "completed", "canceled", "error"}
    reviews = {task.get("customer_review_status") for task in tasks}
    assert reviews == {None, "accepted", "rejected", "fixed", "commented"}
    assert max(len(task.get("prior_responses", ())) for task in tasks) == 2
    records = [record for task in tasks for record in task.get("audits", ())]
    assert {record["audit_source"] for record in records} == {"customer", "scale"}
    errors = [error for record in records for error in record.get("audit_per_annotation_errors", ())]
    assert len(errors) > 5
    assert {"annotation_id", "severity", "error_type", "comment", "is_fixed"} <= set(errors[0])
    assert any(isinstance(task.get("customer_review_comments"), str) for task in tasks)
    assert any(task["status"] == "completed" and "response" not in task for task in tasks)
    assert any(task.get("audits") and task["status"] == "pending" for task in tasks)
    assert any("project" not in task for task in tasks)
    odd = [task for task in tasks if task.get("audits") and task.get("customer_review_status") == "fixed"]
    assert any(task["audits"][0]["audit_result"] == "accepted" for task in odd)


def test_the_seed_follows_the_rules_of_its_platform(scale):
    """Audits newest first; ids tell the second of creation; nothing of a task is older than its creation."""
    for task in scale.act["list_tasks"]():
        times = [record["audited_at"] for record in task.get("audits", ())]
        assert times == sorted(times, reverse=True)
        created = datetime.fromisoformat(task["created_at"])
        assert int(task["task_id"][:8], 16) == int(created.timestamp())
        assert re.fullmatch(r"[0-9a-f]{24}", task["task_id"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", task["created_at"])
        assert all(moment >= task["created_at"] for moment in [*times, task["updated_at"]])
        assert "response" not in task or task["status"] in ("completed", "error")


# --- pages ----------------------------------------------------------------------------------------------------


def test_pages_hold_every_task_once_newest_first(scale):
    """Whatever the page size, the pages together are all tasks by ``created_at`` descending, and ``total`` all."""
    wanted = [task["task_id"] for task in reversed(scale.act["list_tasks"]())]
    for limit in (1, 7, 59, 60, 100):
        pages = scale.pages(limit=limit)
        assert [task["task_id"] for page in pages for task in page["docs"]] == wanted
        assert {page["total"] for page in pages} == {60}
        assert [len(page["docs"]) for page in pages[:-1]] == [limit] * (len(pages) - 1)


def test_next_token_is_base64_of_the_last_task_and_there_only_while_more_exists(scale):
    """The token is Scale's recorded shape; the last page has none."""
    page = scale.get("/tasks", params={"limit": 2}).json()
    last = page["docs"][-1]
    said = base64.b64decode(page["next_token"]).decode()
    assert said == f'{{"id":"{last["task_id"]}","created_at":"{last["created_at"]}"}}'
    assert set(page) == {"docs", "total", "limit", "offset", "has_more", "next_token"}
    assert set(scale.get("/tasks", params={"limit": 100}).json()) == {"docs", "total", "limit", "offset", "has_more"}


def test_paging_is_stable_while_tasks_are_made_and_changed(scale):
    """A reader who pages while tasks are made, audited and touched sees each earlier task exactly once."""
    wanted = scale.ids(limit=100)
    seen, token = [], None
    while True:
        page = scale.get("/tasks", params={"limit": 7} | ({"next_token": token} if token else {})).json()
        seen += [task["task_id"] for task in page["docs"]]
        scale.act["create_task"](complete=True)
        scale.act["touch"](task_id=wanted[len(seen) // 2])
        token = page.get("next_token")
        if not page["has_more"]:
            break
    assert seen == wanted


def test_a_token_works_after_its_task_left_the_filter(scale):
    """The cursor is a place, not a row: the task it names may no longer match."""
    wanted = scale.ids(status="pending")
    first = scale.get("/tasks", params={"status": "pending", "limit": 2}).json()
    scale.act["complete_task"](task_id=first["docs"][-1]["task_id"])
    query = {"status": "pending", "limit": 100, "next_token": first["next_token"]}
    rest = scale.get("/tasks", params=query).json()
    assert [task["task_id"] for task in rest["docs"]] == wanted[2:]
    assert rest["total"] == len(wanted) - 1


def test_offset_still_pages(scale):
    """The old way of the recordings: offset in, offset out."""
    both = scale.get("/tasks", params={"limit": 4}).json()["docs"]
    page = scale.get("/tasks?callback_url=&end_time=&status=&type=", params={"limit": 2, "offset": 2}).json()
    assert page["docs"] == both[2:]
    assert page["offset"] == 2


@pytest.mark.parametrize(
    ("query", "culprit"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"next_token": "AAAA"}, "next_token"),
        ({"next_token": base64.b64encode(b"[1]").decode()}, "next_token"),
        ({"updated_after": "yesterday"}, "updated_after"),
        ({"status": "done"}, "status"),
        ({"customer_review_status": "accepted,maybe"}, "customer_review_status"),
        ({"limited_response": "1"}, "limited_response"),
    ],
)
def test_a_bad_parameter_is_named(scale, query, culprit):
    """400 with the parameter's name, in Scale's error shape."""
    status, text = refusal(scale.get("/tasks", params=query))
    assert status == 400
    assert f'"{culprit}"' in text


# --- filters --------------------------------------------------------------------------------------------------


def test_filters_select_what_they_say(scale):
    """Each filter gives exactly the tasks that a look at all of them finds."""
    tasks = scale.act["list_tasks"]()[::-1]

    def those(condition):
        return [task["task_id"] for task in tasks if condition(task)]

    batch = next(task["batch"] for task in tasks if "batch" in task)
    tagged = next(task for task in tasks if "tags" in task)
    other = next(task for task in tasks if "tags" in task and task is not tagged)
    middle = tasks[30]
    finished = sorted(task["completed_at"] for task in tasks if "completed_at" in task)[20]
    moved = sorted(task["updated_at"] for task in tasks)[40]
    cases = [
        ({"status": "error"}, lambda t: t["status"] == "error"),
        ({"type": "categorization"}, lambda t: t["type"] == "categorization"),
        ({"project": "Harbour Vessels"}, lambda t: t.get("project") == "Harbour Vessels"),
        ({"batch": batch}, lambda t: t.get("batch") == batch),
        ({"batch": batch, "status": "completed"}, lambda t: t.get("batch") == batch and t["status"] == "completed"),
        (
            {"customer_review_status": "accepted,fixed"},
            lambda t: t.get("customer_review_status") in {"accepted", "fixed"},
        ),
        (
            {"customer_review_status": "pending"},
            lambda t: t["status"] == "completed" and "customer_review_status" not in t,
        ),
        ({"unique_id": tagged["unique_id"]}, lambda t: t is tagged),
        ({"unique_id": [tagged["unique_id"], other["unique_id"], "none"]}, lambda t: t is tagged or t is other),
        ({"tags": tagged["tags"][1]}, lambda t: tagged["tags"][1] in t.get("tags", ())),
        ({"tags": ["golden", "absent"]}, lambda t: "golden" in t.get("tags", ())),
        ({"start_time": middle["created_at"]}, lambda t: t["created_at"] >= middle["created_at"]),
        ({"end_time": middle["created_at"]}, lambda t: t["created_at"] <= middle["created_at"]),
        ({"completed_after": finished}, lambda t: t.get("completed_at", "") >= finished),
        ({"completed_before": finished}, lambda t: t.get("completed_at", "~") <= finished),
        ({"updated_after": moved}, lambda t: t["updated_at"] >= moved),
        (
            {"updated_before": moved, "status": "canceled"},
            lambda t: t["updated_at"] <= moved and t["status"] == "canceled",
        ),
        ({"project": "No such"}, lambda t: False),
    ]
    for query, condition in cases:
        assert scale.ids(limit=5, **query) == those(condition), query
        assert scale.get("/tasks", params=query).json()["total"] == len(those(condition)), query


@pytest.mark.parametrize(
    "spelling",
    [
        "2025-02-01",
        "2025-02-01T00:00:00Z",
        "2025-02-01 00:00:00.000000",
        "2025-02-01T00:00:00.000000",
        "2025-01-31T17:00:00-07:00",
        "2025-02-01T00:00:00.000Z",
    ],
)
def test_time_filters_take_every_spelling_of_scale(scale, spelling):
    """Date, date-time, space or T, offset or none: none means UTC."""
    wanted = [t["task_id"] for t in scale.act["list_tasks"]()[::-1] if t["created_at"] >= "2025-02-01T00:00:00.000Z"]
    assert 0 < len(wanted) < 60
    assert scale.ids(start_time=spelling) == wanted


def test_time_filters_round_inwards(empty):
    """A bound half a millisecond past a task excludes it; timestamps have milliseconds, bounds microseconds."""
    empty.sandbox.control.clock.freeze(datetime(2026, 5, 1, 12, 0, 0, 7000, tzinfo=UTC))
    task = empty.act["create_task"]()
    assert empty.ids(start_time="2026-05-01T12:00:00.007") == [task["task_id"]]
    assert empty.ids(start_time="2026-05-01T12:00:00.007500") == []
    assert empty.ids(end_time="2026-05-01T12:00:00.007500") == [task["task_id"]]
    assert empty.ids(end_time="2026-05-01T12:00:00.006999") == []


def test_limited_response_and_attachment_url(scale):
    """The one leaves five fields, the other adds a presigned copy of the source; True and true both mean yes."""
    for yes in ("True", "true"):
        limited = scale.get("/tasks", params={"limited_response": yes}).json()["docs"]
        assert {name for task in limited for name in task} == {"task_id", "status", "metadata", "project"}
        full = scale.get("/tasks", params={"include_attachment_url": yes, "limit": 3}).json()["docs"]
        assert [task["attachmentS3Downloads"][0]["attachmentURL"] for task in full] == [
            task["params"]["attachment"] for task in full
        ]
    plain = scale.get("/tasks", params={"include_attachment_url": "False", "limit": 3}).json()["docs"]
    assert all("attachmentS3Downloads" not in task for task in plain)


# --- the store against a naive model --------------------------------------------------------------------------

WORDS = st.sampled_from(["a", "b"])
TASKS = st.fixed_dictionaries(
    {
        "second": st.integers(0, 5),
        "status": st.sampled_from(["pending", "completed"]),
        "project": st.none() | WORDS,
        "batch": st.none() | WORDS,
        "review": st.none() | st.sampled_from(["accepted", "fixed"]),
        "tags": st.lists(WORDS, max_size=2),
        "updated": st.integers(0, 5),
    }
)
FILTERS = st.builds(
    Filter,
    project=st.none() | WORDS,
    batch=st.none() | WORDS,
    status=st.none() | st.just("completed"),
    reviews=st.frozensets(st.sampled_from(["pending", "accepted"]), max_size=1),
    tags=st.frozensets(WORDS, max_size=1),
    unique_ids=st.frozensets(st.sampled_from(["u0", "u1", "u2"]), max_size=2),
    updated=st.none() | st.integers(0, 5).map(lambda second: Between(low=moment(second))),
)


def moment(second):
    return f"2026-01-01T00:00:0{second}.000Z"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), TASKS), max_size=25), st.lists(FILTERS, min_size=1, max_size=4))
def test_views_agree_with_a_full_scan_after_any_history(history, filters):
    """However tasks came and changed, each kept view equals a fresh look at all records, page by page."""
    store, model = TaskStore(), {}
    for number, wanted in history:
        task_id = f"{number:024d}"
        old = model.get(task_id)
        # Creation time, project and batch of a task never change.
        fixed = old or {"created_at": moment(wanted["second"]), "project": wanted["project"], "batch": wanted["batch"]}
        task = {
            "task_id": task_id,
            "created_at": fixed["created_at"],
            "updated_at": moment(wanted["updated"]),
            "type": "t",
            "status": wanted["status"],
            "project": fixed["project"],
            "batch": fixed["batch"],
            "customer_review_status": wanted["review"],
            "tags": wanted["tags"],
            "unique_id": f"u{number}" if wanted["tags"] else None,
        }
        model[task_id] = task
        store.put(task)
        for one in filters:
            expected = sorted(
                ((t["created_at"], t["task_id"]) for t in model.values() if one.fits(Record.of(t))), reverse=True
            )
            seen, after = [], None
            while True:
                page = store.page(one, 2, after=after)
                assert page.total == len(expected)
                seen += [json.loads(text) for text in page.texts]
                if not page.has_more:
                    break
                after = read_token(page.next_token)
            assert [(t["created_at"], t["task_id"]) for t in seen] == expected
            assert all(model[t["task_id"]] == t for t in seen)


def test_views_that_made_room_come_back_right(scale):
    """More filters than the store keeps views: each still answers truly after changes."""
    newest = scale.act["list_tasks"]()[-1]["task_id"]
    for _ in range(2):
        for day in range(1, 80):
            first = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=day)
            seen = scale.ids(start_time=first.isoformat())
            assert seen == [t["task_id"] for t in scale.act["list_tasks"]()[::-1] if t["created_at"] >= stamp(first)]
        scale.act["touch"](task_id=newest)


# --- size -----------------------------------------------------------------------------------------------------


def test_a_page_costs_what_it_holds(stage, monkeypatch):
    """However many pages, a filter looks at each of 10,000 tasks once, and at two more for every change meanwhile."""
    looked = 0
    fits = Filter.fits

    def counted(self, record):
        nonlocal looked
        looked += 1
        return fits(self, record)

    monkeypatch.setattr(Filter, "fits", counted)
    with stage.show(create(tasks=10_000)) as client:
        expected = [t["task_id"] for t in client.act["list_tasks"]()[::-1] if t["updated_at"] >= "2025-01-20"]
        seen, pages, query = [], 0, {"updated_after": "2025-01-20", "limit": 50}
        while query.get("next_token", True):
            page = client.get("/tasks", params=query).json()
            seen += [task["task_id"] for task in page["docs"]]
            client.act["touch"](task_id=expected[-1])
            query["next_token"] = page.get("next_token")
            pages += 1
        assert seen == expected
        assert pages > 150
        assert looked == 10_000 + 2 * pages
