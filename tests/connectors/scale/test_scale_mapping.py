"""Scale tasks, their attachments and projects as documents."""

from datetime import UTC, datetime

import pytest

from connectors.documents import (
    UNSET,
    CampaignStatus,
    InputType,
    Kind,
    Ref,
    ReviewStatus,
    SubmissionKind,
    TaskStatus,
)
from connectors.errors import SkipRecord
from connectors.scale.assets import plain_link
from connectors.scale.mapping import project_document, task_documents
from tests.connectors.scale.scale_files import counts, of_kind, one, task

ID = "67c6a0005ca1e00000000001"


def mapped(**fields):
    return one(Kind.TASK, task_documents(task(**fields)))


def assets(**fields):
    return of_kind(Kind.ASSET, task_documents(task(**fields)))


# --- the task -----------------------------------------------------------------------------------------------------


def test_every_field_of_a_task():
    """What the store keeps of a task with everything; the payload is kept as it is."""
    payload = task(
        updated_at="2025-03-06T09:00:00.250Z",
        project="Vans / 50%",
        batch="B 1/2",
        priority=30,
        tags=["a", "b:c"],
        metadata={"roll": 4},
        unique_id="u-1",
        customer_review_status="rejected",
        customer_review_comments=["one", "two"],
        params={"attachment": "https://images.example.com/a%20b.jpg", "attachment_type": "image"},
        response={"annotations": [], "time_spent_in_seconds": 15},
    )
    found = task_documents(payload)
    whole = one(Kind.TASK, found)
    assert whole.raw is payload
    assert whole.children == {Kind.SUBMISSION, Kind.ANNOTATION, Kind.AUDIT}
    assert (whole.external_id, whole.campaign, whole.batch, whole.type) == (
        ID,
        "Vans / 50%",
        "B 1/2",
        "imageannotation",
    )
    assert (whole.status, whole.native_status, whole.priority) == (TaskStatus.COMPLETED, "completed", 30)
    assert (whole.review_status, whole.review_comments) == (ReviewStatus.REJECTED, ("one", "two"))
    assert (whole.tags, whole.metadata, whole.labeling_seconds) == (("a", "b:c"), {"roll": 4}, 15.0)
    assert whole.created_at == datetime(2025, 3, 4, 6, 40, tzinfo=UTC)
    assert whole.completed_at == datetime(2025, 3, 4, 8, 0, tzinfo=UTC)
    assert whole.updated_at == whole.source_updated_at == datetime(2025, 3, 6, 9, 0, 0, 250000, UTC)
    assert whole.url == f"https://dashboard.scale.com/audit?taskId={ID}"
    (asset,) = of_kind(Kind.ASSET, found)
    assert (whole.asset, whole.assets, whole.asset_name) == (asset.external_id, (asset.external_id,), "a b.jpg")
    assert counts(found) == {"Campaign": 1, "Asset": 1, "Task": 1, "Submission": 1}


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"status": "pending"}, "PENDING"),
        ({"status": "pending", "work_started": True}, "IN_PROGRESS"),
        ({"status": "pending", "work_started": False}, "PENDING"),
        ({"status": "completed", "work_started": True}, "COMPLETED"),
        ({"status": "canceled"}, "CANCELED"),
        ({"status": "error"}, "ERROR"),
        ({"status": "frozen"}, "UNKNOWN"),
        ({"status": None}, "UNKNOWN"),
    ],
)
def test_statuses(fields, status):
    """Scale's words in ours; the word itself is kept."""
    whole = mapped(**fields)
    assert (whole.status, whole.native_status) == (status, fields["status"])


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("accepted", "ACCEPTED"),
        ("rejected", "REJECTED"),
        ("fixed", "FIXED"),
        ("commented", "COMMENTED"),
        ("pending", "NOT_REVIEWED"),
        ("disputed", None),
        (None, None),
    ],
)
def test_review_statuses(word, status):
    """The platform's own verdict; where it has none we know, the audits may decide."""
    assert mapped(customer_review_status=word).review_status == status


@pytest.mark.parametrize(
    ("said", "comments"),
    [("one", ("one",)), (["one", "", None, {"a": 1}], ("one", '{"a": 1}')), (None, ()), ("", ())],
)
def test_review_comments_may_be_a_string_or_a_list(said, comments):
    """The documentation says both."""
    assert mapped(customer_review_comments=said).review_comments == comments


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ("2025-03-04T10:00:00.123Z", datetime(2025, 3, 4, 10, 0, 0, 123000, UTC)),
        ("2025-03-04T10:00:00Z", datetime(2025, 3, 4, 10, 0, tzinfo=UTC)),
        ("2025-03-04T10:00:00-07:00", datetime(2025, 3, 4, 17, 0, tzinfo=UTC)),
        ("2025-03-04 10:00:00.500000", datetime(2025, 3, 4, 10, 0, 0, 500000, UTC)),
        ("2025-03-04", datetime(2025, 3, 4, tzinfo=UTC)),
        ("yesterday", None),
        (1741082400, None),
        ("9999-12-31T23:59:59-12:00", None),
    ],
)
def test_timestamps(said, at):
    """With and without milliseconds, with an offset, naive as UTC; what is no time is none."""
    assert mapped(created_at=said).created_at == at


@pytest.mark.parametrize("value", [{}, {"task_id": ""}, {"task_id": None, "type": "x"}, [], "task", None, 7])
def test_what_is_no_task_is_refused(value):
    """With the value, and the field that is missing."""
    with pytest.raises(SkipRecord, match="not a task") as skip:
        task_documents(value)
    assert skip.value.raw == value


def test_the_short_form_is_refused():
    """``limited_response`` has no answers: taken for the whole it would wipe out what we know."""
    with pytest.raises(SkipRecord, match="only a part of a task") as skip:
        task_documents({"task_id": ID, "status": "completed", "metadata": {}, "project": "P", "otherVersion": 1})
    assert skip.value.external_id == ID


def test_a_campaign_given_from_outside_serves_only_where_the_task_has_none():
    """``--campaign`` names what the file does not."""
    assert one(Kind.TASK, task_documents(task(), campaign="Given")).campaign == "Given"
    assert one(Kind.TASK, task_documents(task(project="Own"), campaign="Given")).campaign == "Own"


# --- answers --------------------------------------------------------------------------------------------------------


def test_a_fix_keeps_the_ids_of_the_older_answer():
    """Before: the response is answer 0. After: the same object is prior response 0, and still answer 0."""
    before = task_documents(task(response={"category": "a"}))
    after = task_documents(
        task(prior_responses=[{"category": "a"}], response={"category": "b", "is_customer_fix": True})
    )
    assert [answer.external_id for answer in of_kind(Kind.SUBMISSION, before)] == [f"{ID}/responses/0"]
    old, new = of_kind(Kind.SUBMISSION, after)
    assert (old.external_id, old.position, old.is_current, old.response) == (
        f"{ID}/responses/0",
        0,
        False,
        {"category": "a"},
    )
    assert (new.external_id, new.position, new.is_current) == (f"{ID}/responses/1", 1, True)
    assert (old.submission_kind, new.submission_kind) == (SubmissionKind.DEFAULT, SubmissionKind.FIX)
    assert new.submitted_at is None
    assert new.raw_of == Ref(Kind.TASK, ID)
    marks = of_kind(Kind.ANNOTATION, after)
    assert [mark.external_id for mark in marks] == [f"{ID}/responses/0/category", f"{ID}/responses/1/category"]
    assert [mark.submission for mark in marks] == [old.external_id, new.external_id]


def test_the_answer_of_a_completed_task_came_when_it_was_completed():
    """Unless somebody fixed it."""
    (answer,) = of_kind(Kind.SUBMISSION, task_documents(task(response={"is_customer_fix": False})))
    assert answer.submitted_at == datetime(2025, 3, 4, 8, 0, tzinfo=UTC)


def test_a_completed_task_may_have_no_answer():
    """As the recorded pointannotation."""
    assert counts(task_documents(task())) == {"Task": 1}
    assert counts(task_documents(task(response=None, prior_responses=None))) == {"Task": 1}


def test_a_task_in_error_has_no_answer():
    """Its response is an account of the error: it stays in the payload; older answers remain answers."""
    response = {"error": "One or more attachments could not be downloaded.", "attachments": [{"statusCode": 403}]}
    found = task_documents(task(status="error", response=response))
    assert counts(found) == {"Task": 1}
    assert one(Kind.TASK, found).raw["response"] == response
    (older,) = of_kind(Kind.SUBMISSION, task_documents(task(status="error", response=response, prior_responses=[{}])))
    assert not older.is_current


# --- attachments ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"attachment": "https://x.example.com/a.jpg"}, ["a.jpg"]),
        ({"attachments": ["https://x.example.com/a.jpg", "https://x.example.com/b.jpg"]}, ["a.jpg", "b.jpg"]),
        ({"attachments": ["https://x.example.com/a.jpg"] * 3}, ["a.jpg"]),
        ({"attachments": [{"type": "image", "content": "https://x.example.com/c.png"}]}, ["c.png"]),
        ({"attachment": "https://x.example.com/"}, ["x.example.com"]),
        ({"attachment": "tomato"}, ["tomato"]),
        ({"attachment": "  many words " * 20}, [("many words " + "  many words " * 20)[:80]]),
        ({"text": "Ada met Bo."}, ["Ada met Bo."]),
        ({"attachment": "scaledata://0123/photo%201.png"}, ["photo 1.png"]),
        ({"attachment": None, "attachments": [None, 5, ""]}, []),
        ({}, []),
    ],
)
def test_attachments_become_assets(params, names):
    """Links, texts, objects, several, the same again, none."""
    assert [asset.name for asset in assets(params=params)] == names


def test_a_text_is_kept_whole_and_has_no_link():
    """The name is its beginning, the metadata have all of it."""
    (asset,) = assets(type="namedentityrecognition", params={"text": "x" * 100})
    assert (asset.name, asset.content_url, asset.metadata) == ("x" * 80, None, {"text": "x" * 100})
    assert asset.input_type is InputType.TEXT


def test_other_places_count_only_without_an_attachment():
    """Processed copies and Scale's own links are the same thing again."""
    own = {"attachment": "https://x.example.com/a.jpg"}
    copies = ["https://copies.example.net/1.jpg"]
    assert [asset.name for asset in assets(params=own, processed_attachments=copies)] == ["a.jpg"]
    assert [asset.name for asset in assets(processed_attachments=copies)] == ["1.jpg"]
    assert [asset.name for asset in assets(attachmentS3Downloads=[{"s3URL": copies[0]}])] == ["1.jpg"]


def test_assets_are_the_same_whoever_signs_the_link():
    """The id, the link and the name are without the signature; two tasks of a project share the asset."""
    link = "https://x.example.com/a.jpg?v=3&X-Amz-Signature={0}&X-Amz-Date=2025030{0}"
    first, second = (
        one(Kind.ASSET, task_documents(task(project="P", params={"attachment": link.format(n)}))) for n in (1, 2)
    )
    assert first == second
    assert first.content_url == "https://x.example.com/a.jpg?v=3"
    assert first.external_id.startswith("P/")
    assert len(first.external_id) == 2 + 24
    assert first.raw_of is UNSET
    (elsewhere,) = assets(project="Q", params={"attachment": link.format(1)})
    assert elsewhere.external_id == "Q/" + first.external_id[2:]


@pytest.mark.parametrize(
    ("link", "plain"),
    [
        ("https://x.example.com/i?id=5", "https://x.example.com/i?id=5"),
        ("https://x.example.com/i?id=5&token=abc#p", "https://x.example.com/i?id=5#p"),
        ("https://x.example.com/i?X-Goog-Algorithm=a&X-Goog-Signature=b", "https://x.example.com/i"),
        ("https://x.example.com/i?AWSAccessKeyId=a&Expires=1&Signature=b", "https://x.example.com/i"),
        ("https://x.example.com/i?Policy=a&Key-Pair-Id=1&Signature=b", "https://x.example.com/i"),
        ("https://b.example.net/c/i?sv=2022&se=2025&sr=b&sp=r&sig=x%3D", "https://b.example.net/c/i"),
        ("https://x.example.com/i?st=7&sp=2", "https://x.example.com/i?st=7&sp=2"),
        ("https://ada:secret@x.example.com/i", "https://x.example.com/i"),
        ("https://x.example.com/i?", "https://x.example.com/i"),
    ],
)
def test_plain_links(link, plain):
    """What signs or logs in goes, what names the thing stays."""
    assert plain_link(link) == plain


@pytest.mark.parametrize(
    ("kind", "params", "input_type"),
    [
        ("imageannotation", {"attachment": "https://x.example.com/a"}, "IMAGE"),
        ("videoannotation", {"attachments": ["https://x.example.com/1.jpg"]}, "VIDEO"),
        ("lidarannotation", {"attachments": ["https://x.example.com/1.json"]}, "POINT_CLOUD"),
        ("sensorfusion", {"attachments": ["https://x.example.com/1.json"]}, "POINT_CLOUD"),
        ("audiotranscription", {"attachment": "https://x.example.com/a"}, "AUDIO"),
        ("documenttranscription", {"attachment": "https://x.example.com/a"}, "DOCUMENT"),
        ("chat", {"attachment": "Hello"}, "CHAT"),
        ("categorization", {"attachment": "https://x.example.com/a", "attachment_type": "audio"}, "AUDIO"),
        ("categorization", {"attachment": "https://x.example.com/a", "attachment_type": "website"}, "OTHER"),
        ("categorization", {"attachment": "tomato"}, "TEXT"),
        ("categorization", {"attachment": "https://x.example.com/a.mp4"}, "VIDEO"),
        ("comparison", {"attachment": "https://x.example.com/a.pdf"}, "DOCUMENT"),
        ("newtype", {"attachment": "https://x.example.com/a"}, "OTHER"),
    ],
)
def test_input_types(kind, params, input_type):
    """By the task's type, else what the task says of its attachment, else the file's ending; always assumed."""
    (asset,) = assets(type=kind, params=params)
    assert asset.input_type == input_type
    assert asset.assumed == {"input_type"}


# --- projects -------------------------------------------------------------------------------------------------------


def test_a_task_names_its_project_and_says_no_more():
    """A stub of its own facet, which a project's document never loses anything to."""
    stub = one(Kind.CAMPAIGN, task_documents(task(project="P")))
    assert (stub.external_id, stub.facet, stub.name, stub.input_type) == ("P", "stub", "P", InputType.IMAGE)
    assert stub.assumed == {"input_type"}
    assert (stub.status, stub.raw, stub.created_at) == (UNSET, UNSET, UNSET)
    assert one(Kind.CAMPAIGN, task_documents(task(project="P", type="multistage"))).input_type is UNSET
    assert of_kind(Kind.CAMPAIGN, task_documents(task())) == []


def test_a_project():
    """The last version of its parameters counts; labels come from every place that names some."""
    project = {
        "name": "P / 1",
        "type": "imageannotation",
        "created_at": "2025-01-01T00:00:00.000Z",
        "param_history": [
            {"version": 0, "created_at": "2025-01-01T00:00:00.000Z", "instruction": "Old", "labels": ["z"]},
            {
                "version": 1,
                "created_at": "2025-02-01T00:00:00.000Z",
                "instruction": "New",
                "geometries": {
                    "box": {"objects_to_annotate": ["car", {"choice": "van", "subchoices": ["red van"]}]},
                    "point": {"objects_to_annotate": ["car"]},
                },
            },
        ],
    }
    found = project_document(project)
    assert found.raw is project
    assert (found.external_id, found.name, found.facet, found.description) == ("P / 1", "P / 1", "", "New")
    assert (found.status, found.input_type) == (CampaignStatus.UNKNOWN, InputType.IMAGE)
    assert found.label_set == ("car", "van", "red van")
    assert found.created_at == datetime(2025, 1, 1, tzinfo=UTC)
    assert found.updated_at == datetime(2025, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("archived", "status"), [(True, "ARCHIVED"), (False, "OPEN"), (None, "UNKNOWN"), ("yes", "UNKNOWN")]
)
def test_a_bare_project(archived, status):
    """Only a name is needed; an empty history is legal."""
    found = project_document({"name": "P", "param_history": [], "archived": archived})
    assert (found.status, found.input_type, found.label_set) == (status, InputType.OTHER, None)


@pytest.mark.parametrize("value", [None, [], {}, {"name": None}])
def test_what_is_no_project_is_refused(value):
    """With the value."""
    with pytest.raises(SkipRecord, match="not a project") as skip:
        project_document(value)
    assert skip.value.raw == value
