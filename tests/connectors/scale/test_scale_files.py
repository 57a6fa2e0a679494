"""Scale files: every form they come in, callbacks, what is no task, and what is damaged."""

import io
import json
from functools import partial

import pytest

from connectors.contract import Input
from connectors.documents import Kind
from connectors.scale import files
from connectors.scale.files import beside_task, is_callback
from tests.connectors.scale.scale_files import OWN, counts, documents, named, of_kind, one, pages, skipped, task

TASKS = [task(task_id=f"67c6a0005ca1e0000000000{n}", project="P", metadata={"n": n}) for n in range(3)]
LINES = "".join(json.dumps(each) + "\n" for each in TASKS)


def ids(found):
    return [document.external_id for document in of_kind(Kind.TASK, found)]


WANTED = [each["task_id"] for each in TASKS]


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("array", json.dumps(TASKS)),
        ("array, indented", json.dumps(TASKS, indent=2)),
        ("page", json.dumps({"docs": TASKS, "total": 3, "limit": 100, "offset": 0, "has_more": False})),
        ("pages", "\n".join(json.dumps({"total": 3, "docs": [each], "next_token": "x"}) for each in TASKS)),
        ("lines", LINES),
        ("lines, Windows", LINES.replace("\n", "\r\n")),
        ("concatenated", "".join(json.dumps(each, indent=1) for each in TASKS)),
        ("UTF-8 with a mark", LINES.encode("utf-8-sig")),
        ("UTF-16", json.dumps(TASKS).encode("utf-16")),
        ("callbacks", "\n".join(json.dumps({"task_id": each["task_id"], "task": each}) for each in TASKS)),
    ],
)
def test_every_form(form, data):
    """The same tasks, each with its payload, their project once, and nothing skipped."""
    (page,) = pages(named(data))
    assert ids(page.documents) == WANTED, form
    assert [document.raw for document in of_kind(Kind.TASK, page.documents)] == TASKS
    assert counts(page.documents) == {"Campaign": 1, "Task": 3}
    assert (page.skipped, page.records, page.done, page.total) == (
        (),
        3,
        len(named(data).open().read()),
        len(named(data).open().read()),
    )


def test_a_single_task():
    """One object is a file too."""
    assert ids(documents(named(TASKS[0]))) == WANTED[:1]


def test_projects_beside_tasks():
    """``GET /projects`` gives a bare array; a project may also stand among tasks."""
    project = {"name": "P", "type": "imageannotation", "created_at": "2025-01-01T00:00:00Z", "param_history": []}
    found = documents(named([project, TASKS[0]]))
    assert [(campaign.external_id, campaign.facet) for campaign in of_kind(Kind.CAMPAIGN, found)] == [
        ("P", ""),
        ("P", "stub"),
    ]
    assert ids(found) == WANTED[:1]


def test_several_files_in_their_order():
    """Progress counts the bytes of all; without sizes there is no total."""
    first, second = pages(named(TASKS[:2], "a.json"), named(TASKS[2:], "b.json"))
    assert ids(first.documents) + ids(second.documents) == WANTED
    assert first.total == second.total == second.done > first.done > 0
    assert [page.total for page in pages(named(TASKS, sized=False))] == [None]


def test_a_campaign_from_outside():
    """``--campaign`` serves where a task has no project."""
    assert one(Kind.TASK, documents(named(task()), campaign="Given")).campaign == "Given"


def test_nothing_claims_to_be_all_there_is():
    """A file is a selection: no pass is completed, nothing is reported gone, only a task's own children are."""
    for page in pages(*(Input(path.name, lambda path=path: path.open("rb")) for path in sorted(OWN.iterdir()))):
        assert (page.completes, page.gone, page.checkpoint) == (None, (), None)


# --- pages ------------------------------------------------------------------------------------------------------------


def test_pages_hold_at_most_two_hundred_tasks(monkeypatch):
    """450 tasks are three pages; each page's progress is where its last task ended."""
    many = [task(task_id=f"{n:024x}") for n in range(450)]
    found = pages(named(many))
    assert [page.records for page in found] == [200, 200, 50]
    assert [len(page.documents) for page in found] == [200, 200, 50]
    done = [page.done for page in found]
    assert done == sorted(done)
    assert done[-1] == found[-1].total
    monkeypatch.setattr(files, "PAGE_BYTES", 1000)
    assert len(pages(named(many))) > 50


def test_a_page_ends_early_when_it_holds_many_documents():
    """Forty tasks of 300 marks are 12,000 documents: three pages."""
    marks = {"annotations": [{"type": "point", "x": n, "y": 0} for n in range(300)]}
    found = pages(named([task(task_id=f"{n:024x}", response=marks) for n in range(40)]))
    assert [page.records for page in found] == [17, 17, 6]


def test_many_problems_make_pages_too():
    """1,000 broken lines do not gather in memory."""
    assert [len(page.skipped) for page in pages(named("{]\n" * 450))] == [200, 200, 50]


# --- the same task again ----------------------------------------------------------------------------------------------


def test_the_newest_state_of_a_task_counts():
    """Callbacks come unordered and several times: within a run a task never goes back."""
    old = task(updated_at="2025-03-05T00:00:00Z", response={"category": "old"})
    new = task(updated_at="2025-03-06T00:00:00Z", response={"category": "new"})
    found = documents(named([old, new]))
    assert [mark.label for mark in of_kind(Kind.ANNOTATION, found)] == ["new"]
    assert len(ids(found)) == 1
    (page,) = pages(named([new, old]))
    assert [mark.label for mark in of_kind(Kind.ANNOTATION, page.documents)] == ["new"]
    (skip,) = page.skipped
    assert (skip.where, skip.external_id, skip.raw) == ("f.json, item 2", old["task_id"], old)
    assert skip.reason.startswith("an older state")
    assert [page.skipped for page in pages(named(new, "a"), named(new, "b"))] == [(), ()]


def test_without_a_time_the_later_one_counts():
    """Two states of a task that do not say when they were."""
    found = documents(named([task(response={"choice": "a"}), task(response={"choice": "b"})]))
    assert [mark.label for mark in of_kind(Kind.ANNOTATION, found)] == ["b"]


# --- callbacks --------------------------------------------------------------------------------------------------------

DONE = task(response={"category": "red"})


def test_a_callback_is_its_task():
    """What stands beside the task says nothing that the task does not: it can be rebuilt from it."""
    body = {"task_id": DONE["task_id"], "response": DONE["response"], "status": "completed", "task": DONE}
    (page,) = pages(named(body))
    whole = one(Kind.TASK, page.documents)
    assert whole.raw == DONE
    assert page.skipped == ()
    assert body == {key: whole.raw[key] for key in body if key != "task"} | {"task": whole.raw}


@pytest.mark.parametrize(
    "more", [{"response": {"category": "blue"}}, {"status": "pending"}, {"event": "audited"}, {"task_id": "other"}]
)
def test_what_a_callback_says_beyond_its_task_is_kept_in_the_report(more):
    """The task counts; the contradiction or the extra field is reported with its value."""
    (page,) = pages(named({"task_id": DONE["task_id"], "response": DONE["response"], "task": DONE} | more))
    assert one(Kind.TASK, page.documents).raw == DONE
    (skip,) = page.skipped
    assert (skip.raw, skip.external_id, skip.field) == (more, DONE["task_id"], next(iter(more)))
    assert skip.where == "f.json, item 1"


def test_callbacks_are_known_by_the_task_inside():
    """A task whose own field is called ``task`` is still a task."""
    assert is_callback({"task": {"task_id": "1"}})
    assert not is_callback(task(task={"task_id": "1"}))
    assert not is_callback({"task": "1"})
    assert beside_task({"task": {"a": 1}, "a": 1, "b": None, "c": 0}) == {"c": 0}


# --- what is no task ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (7, "a JSON object is expected, not a number"),
        ("task", "a JSON object is expected, not a string"),
        (None, "a JSON object is expected, not null"),
        (False, "a JSON object is expected, not true or false"),
        ([1], "a JSON object is expected, not an array"),
        ({}, "it has no task_id"),
        ({"id": 1}, "it has no task_id"),
        ({"task_id": 0.5, "type": "x"}, "it has no task_id"),
        ({"status_code": 404, "error": "Task with that ID not found."}, "error answer of the API"),
        ({"request": {}, "response": {}}, "a recorded exchange"),
        (
            {"name": "B", "project": "P", "status": "completed", "created_at": "x", "metadata": {}},
            "a batch, not a task",
        ),
        ({"task_id": "1", "status": "completed"}, "only a part of a task"),
        ({"task": {"task_id": None}, "response": 1}, "it has no task_id"),
        ({"name": None, "param_history": []}, "it has no name"),
    ],
)
def test_what_is_no_task_is_reported_and_its_neighbours_are_read(value, reason):
    """With its place and itself."""
    (page,) = pages(named([TASKS[0], value, TASKS[1]]))
    assert ids(page.documents) == WANTED[:2]
    skip = page.skipped[-1]
    assert reason in skip.reason
    assert skip.where == "f.json, item 2"
    assert page.records == 3


# --- damage -------------------------------------------------------------------------------------------------------------

DAMAGED = {
    "empty": (b"", [], "the file is empty"),
    "truncated array": (json.dumps(TASKS)[:-40], WANTED[:2], "the text ends inside the item"),
    "truncated lines": (LINES[:-40], WANTED[:2], "the text ends inside the item"),
    "NUL bytes": (LINES.replace("67c6a0005ca1e00000000001", "67c6\0a0", 1), [WANTED[0], WANTED[2]], "not JSON"),
    "wrong encoding": (LINES.replace('"P"', '"Pé"', 1).encode("latin-1"), WANTED[1:], "not UTF-8"),
    "a wrong bracket": (LINES.replace("{}", "{]", 1), WANTED[1:], "brackets do not match"),
    "deep nesting": (LINES + "[" * 100_000, WANTED, "the text ends inside the item"),
    "no JSON": ("task_id,status\n1,completed\n", [], "not JSON"),
    "a zip archive": (b"PK\x03\x04" + bytes(range(256)) * 9, [], "not JSON"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_reported_and_the_rest_is_read(name):
    """One report with file, item and byte; all whole tasks are there."""
    data, wanted, reason = DAMAGED[name]
    (page,) = pages(named(data))
    assert ids(page.documents) == wanted
    (skip,) = page.skipped
    assert skip.reason.startswith(reason)
    assert skip.where.startswith("f.json")


def test_a_line_of_fifty_megabytes(monkeypatch):
    """Over the limit for one item: reported, and its neighbours are read."""
    monkeypatch.setattr(files.jsonstream, "items", lambda *args, **options: ITEMS(*args, **options, max_item=2**20))
    first, second = (json.dumps(each).encode() + b"\n" for each in TASKS[:2])
    big = b'{"task_id": "9", "metadata": {"x": "' + b"y" * (50 * 2**20) + b'"}}\n'
    (page,) = pages(named(first + big + second))
    assert ids(page.documents) == WANTED[:2]
    assert page.skipped[0].reason == "larger than the limit of 1048576 bytes for one item"
    assert page.skipped[0].raw.startswith('{"task_id": "9"')


ITEMS = files.jsonstream.items


def gone():
    raise FileNotFoundError(2, "No such file or directory")


class Broken(io.RawIOBase):
    """Gives one line and fails."""

    lines = iter(())

    def __init__(self):
        self.lines = iter([LINES[: LINES.index("\n") + 1].encode()])

    def read(self, size=-1):
        line = next(self.lines, None)
        if line is None:
            raise OSError(5, "Input/output error")
        return line


@pytest.mark.parametrize(
    ("opened", "wanted", "reason"),
    [
        (gone, [], "cannot be opened: [Errno 2] No such file or directory"),
        (partial(OWN.open, "rb"), [], "cannot be opened: [Errno 21] Is a directory"),
        (Broken, WANTED[:1], "the file cannot be read on: [Errno 5] Input/output error"),
    ],
)
def test_a_file_that_cannot_be_read_is_reported(opened, wanted, reason):
    """Vanished, a folder, failing in the middle: the other files are read."""
    found = pages(Input("x.json", opened), named(TASKS[2:]))
    assert [each for page in found for each in ids(page.documents)] == [*wanted, WANTED[2]]
    (skip,) = (skip for page in found for skip in page.skipped)
    assert skip.reason.startswith(reason)
    assert skip.where.startswith("x.json")


def test_a_repeated_name_is_reported_and_the_task_kept():
    """The last value counts, the lost one is in the report."""
    data = json.dumps(TASKS[0])[:-1] + ', "project": "Q"}'
    (page,) = pages(named(data))
    assert one(Kind.TASK, page.documents).campaign == "Q"
    assert [skip.raw for skip in page.skipped] == [{"project": ["P"]}]


def test_skipped_of_all_inputs():
    """The helper of these tests sees every page's reports."""
    assert len(skipped(named("x", "a"), named("y", "b"))) == 2
