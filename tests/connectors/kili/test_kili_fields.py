"""Single values: what is readable is read, anything else is None or reported, and nothing raises."""

from __future__ import annotations

import pytest

from connectors.documents import UNSET, SkippedRecord
from connectors.kili.fields import Fields, decoded, lenient, show
from connectors.kili.people import assignee_document, members, user_id

DEEP = "[" * 100_000


def test_decoded() -> None:
    """JSON or its text; text that is none raises, or stays text where that is harmless."""
    assert [decoded(value) for value in ('{"a": 1}', {"a": 1}, " ", "null", 5)] == [{"a": 1}, {"a": 1}, None, None, 5]
    for broken in ("{", DEEP, "1" * 5_000):
        with pytest.raises(ValueError):
            decoded(broken)
        assert lenient(broken) == broken


def test_messages_are_short() -> None:
    """A message shows the value, but never a page of it."""
    assert show("x" * 500) == "'" + "x" * 79 + "…"
    assert (show([1, 2]), show({"a": 1}), show(None)) == ("list of 2", "dict of 1", "None")


def test_fields() -> None:
    """Absent is UNSET, null and empty are None, unreadable is None and a report with place, field and value."""
    problems: list[SkippedRecord] = []
    fields = Fields({"n": None, "e": "", "bad": [], "ok": True}, "x.json, item 1", "a", problems)
    assert (fields.number("absent"), fields.number("n"), fields.moment("e"), fields.flag("ok")) == (
        UNSET,
        None,
        None,
        True,
    )
    assert problems == []
    assert fields.integer("bad") is None
    assert problems == [
        SkippedRecord(
            reason="bad: expected a whole number, found list of 0",
            where="x.json, item 1",
            field="bad",
            external_id="a",
            raw=[],
        )
    ]


def test_people_without_a_usable_name() -> None:
    """An e-mail that no encoding can write names nobody; an assignee that is no word is nobody."""
    assert user_id({"email": "\ud800@example.com"}) is None
    assert [assignee_document(entry, ()) for entry in (None, 1.5, "", [], {})] == [None] * 5


def test_members_of_a_project() -> None:
    """Roles and step assignees are the people a project names; damage names nobody."""
    project = {
        "roles": [{"user": {"id": "u1"}}, {"user": None}, None],
        "steps": [{"assignees": [{"id": "u2"}, None, {"id": "u1"}]}, {"assignees": 5}, None],
    }
    assert [person.external_id for person in members(project)] == ["u1", "u2", "u1"]
    assert [list(members(damaged)) for damaged in (None, [], {"roles": 5, "steps": "x"})] == [[], [], []]
