"""Responses as annotations: each shape of the fact sheet, and shapes nobody has heard of."""

import pytest

from connectors.documents import (
    BoundingBox,
    Classification,
    Coordinate,
    CoordinateUnit,
    InputType,
    Kind,
    Point,
    Polygon,
    Polyline,
    Relation,
    Span,
    TextSpan,
    TimeFrequencyBox,
    Transcription,
    UnmappedValue,
)
from connectors.scale.answers import marks
from connectors.scale.mapping import task_documents
from connectors.scale.shapes import Place
from tests.connectors.scale.scale_files import of_kind, task

PIXEL, METER = CoordinateUnit.PIXEL, CoordinateUnit.METER
BOX = {"left": 1, "top": 2.5, "width": 3, "height": 4}
PATH = [{"x": 1, "y": 2}, {"x": 3, "y": 4}, {"x": 5, "y": 1}]
POINTS = (Coordinate(1.0, 2.0), Coordinate(3.0, 4.0), Coordinate(5.0, 1.0))


def box(**fields):
    return BoundingBox(left=1.0, top=2.5, width=3.0, height=4.0, unit=PIXEL, **fields)


def read(response, kind="imageannotation", input_type=InputType.IMAGE):
    return list(marks(response, Place(task_type=kind, input_type=input_type)))


def drawn(mark, kind="imageannotation", input_type=InputType.IMAGE):
    (found,) = read({"annotations": [mark]}, kind, input_type)
    return found


@pytest.mark.parametrize(
    ("mark", "kind", "value"),
    [
        ({"type": "box", **BOX}, "imageannotation", box()),
        ({"geometry": "box", **BOX}, "imageannotation", box()),
        ({"type": "box", **BOX, "rotation": 30}, "imageannotation", box(rotation=30.0)),
        (BOX, "annotation", box()),
        (BOX, "newtype", box()),
        ({"type": "polygon", "vertices": PATH}, "imageannotation", Polygon(rings=(POINTS,), unit=PIXEL)),
        ({"vertices": PATH}, "polygonannotation", Polygon(rings=(POINTS,), unit=PIXEL)),
        ({"type": "line", "vertices": PATH}, "imageannotation", Polyline(points=POINTS, unit=PIXEL)),
        ({"vertices": PATH}, "lineannotation", Polyline(points=POINTS, unit=PIXEL)),
        ({"vertices": PATH}, "laneannotation", Polyline(points=POINTS, unit=PIXEL)),
        ({"type": "point", "x": 1, "y": 2}, "imageannotation", Point(at=Coordinate(1.0, 2.0), unit=PIXEL)),
        ({"x": 1, "y": 2}, "pointannotation", Point(at=Coordinate(1.0, 2.0), unit=PIXEL)),
        ({"type": "box", **BOX, "page": 2}, "documenttranscription", box(page=2)),
    ],
)
def test_drawn_shapes(mark, kind, value):
    """Known by ``type``, ``geometry``, the task's type, or their fields; nothing of them is left for the attributes."""
    found = drawn(mark, kind)
    assert found.value == value
    assert found.attributes == {}


@pytest.mark.parametrize(
    ("mark", "kind", "shape"),
    [
        ({"type": "cuboid", "vertices": PATH, "edges": []}, "imageannotation", "cuboid"),
        ({"vertices": [{"description": "face-topleft", "x": 1, "y": 2}]}, "cuboidannotation", "cuboid"),
        ({"type": "ellipse", "vertices": PATH}, "imageannotation", "ellipse"),
        ({"type": "box", "left": 1}, "imageannotation", "box"),
        ({"type": "box", **BOX, "width": float("nan")}, "imageannotation", "box"),
        ({"type": "polygon", "vertices": [{"x": 1}]}, "imageannotation", "polygon"),
        ({"type": "polygon", "vertices": []}, "imageannotation", "polygon"),
        ({"type": "brush", "rle": "3a4"}, "imageannotation", "brush"),
        ({"vertices": PATH}, "imageannotation", "annotation"),
    ],
)
def test_shapes_without_a_value_of_their_own(mark, kind, shape):
    """Cuboids and ellipses, missing numbers, unknown words: the mark stays as it is."""
    assert drawn(mark, kind).value == UnmappedValue(shape=shape, json=mark)


def test_a_mark_keeps_everything_it_says():
    """Label and uuid are told, attributes stay attributes, other fields stand beside them."""
    mark = {
        "uuid": "u-1",
        "label": "van",
        "type": "box",
        **BOX,
        "attributes": {"occluded": "yes", "notes": "x"},
        "notes": "mine",
        "vertices": PATH,
        "confidence": 0.5,
    }
    found = drawn(mark)
    assert (found.key, found.native_id, found.label, found.value) == ("u-1", "u-1", "van", box())
    assert found.attributes == {
        "occluded": "yes",
        "notes": "x",
        "annotation.notes": "mine",
        "vertices": PATH,
        "confidence": 0.5,
    }


def test_what_a_value_does_not_tell_completely_stays():
    """Vertices with descriptions, a rotation in words, a label that is no word."""
    corners = [{"x": 1, "y": 2, "description": "tip"}]
    assert drawn({"type": "line", "vertices": corners}).attributes == {"vertices": corners}
    assert drawn({"type": "box", **BOX, "rotation": "left", "label": ["a"]}).attributes == {
        "rotation": "left",
        "label": ["a"],
    }


def test_spans_of_text_and_time():
    """Named entities count characters, audio seconds."""
    entity = drawn({"label": "PERSON", "start": 0, "end": 3, "text": "Ada"}, "namedentityrecognition", InputType.TEXT)
    assert entity.value == TextSpan(start=0, end=3, text="Ada")
    sound = drawn({"label": "whistle", "start": 0.5, "end": 2}, "audiotranscription", InputType.AUDIO)
    assert sound.value == TimeFrequencyBox(time=Span(0.5, 2.0))


def test_marks_of_a_video_are_one_per_frame():
    """By uuid, with the frame's own attributes over those of the object."""
    frames = [{"key": 0, **BOX, "attributes": {"b": 2}}, {"key": 8, **BOX}]
    response = {"annotations": {"u": {"label": "seal", "geometry": "box", "attributes": {"a": 1}, "frames": frames}}}
    first, second = read(response, "videoannotation", InputType.VIDEO)
    assert (first.key, first.native_id, first.label, first.value) == ("u@0", "u", "seal", box(frame=0))
    assert (second.key, second.native_id, second.frame, second.value) == ("u@8", "u", 8, box(frame=8))
    assert (first.attributes, second.attributes) == ({"a": 1, "b": 2}, {"a": 1})


def test_marks_of_scans_are_in_frames_and_meters():
    """Lists of marks in each frame; a cuboid in space stays whole, a point has a place."""
    cuboid = {
        "uuid": "c",
        "label": "car",
        "position": {"x": 1, "y": 2, "z": 3},
        "dimensions": {"x": 4},
        "type": "cuboid",
    }
    point = {"uuid": "p", "type": "point", "position": {"x": 1, "y": 2, "z": 3}}
    frames = [{"cuboids": [cuboid]}, {"points": [point], "empty": []}]
    first, second = read({"frames": frames}, "lidarannotation", InputType.POINT_CLOUD)
    assert (first.key, first.value, first.frame) == ("c@0", UnmappedValue(shape="cuboid", json=cuboid), 0)
    assert first.attributes == {"frame": 0}
    assert second.value == Point(at=Coordinate(1.0, 2.0, 3.0), unit=METER, frame=1)


def test_masks():
    """One mark per label or instance that has pixels, named as audits name them, and one for the unlabeled rest."""
    response = {
        "annotations": {
            "unlabeled": "https://m.example.com/u",
            "labeled": {"road": "https://m.example.com/r", "sky": None, "car": ["https://m.example.com/1", None]},
            "combined": {"image": "https://m.example.com/c"},
        },
        "labelMapping": {
            "road": {"index": 1, "color": "#f00", "attributes": {"wet": "no"}},
            "sky": {"index": 2, "numPixels": 0},
            "car": [{"index": 3, "numPixels": 10}, {"index": 4, "numPixels": 7}],
        },
    }
    found = read(response, "segmentannotation")
    assert [(mark.key, mark.native_id, mark.label) for mark in found] == [
        ("label-1", "label-1", "road"),
        ("label-3", "label-3", "car"),
        ("label-4", "label-4", "car"),
        ("unlabeled", "unlabeled", None),
    ]
    assert found[0].value == UnmappedValue(
        shape="segmentation",
        json={"mask": "https://m.example.com/r", "index": 1, "color": "#f00", "attributes": {"wet": "no"}},
    )
    assert found[0].attributes == {"wet": "no"}
    assert found[2].value.json == {"mask": None, "index": 4, "numPixels": 7}


@pytest.mark.parametrize(
    ("response", "categories", "attributes"),
    [
        ({"category": "big"}, ("big",), {}),
        ({"category": "big", "category_id": None}, ("big",), {}),
        ({"category": ["a", "b"], "category_id": 7}, ("a", "b"), {"category_id": 7}),
        ({"category": True}, ("true",), {}),
        ({"choice": "yes"}, ("yes",), {}),
        ({"choice": ["left", "both"]}, ("left", "both"), {}),
    ],
)
def test_choices(response, categories, attributes):
    """Categorization and comparison; the first word is the label."""
    (mark,) = read(response)
    assert mark.value == Classification(categories=categories)
    assert (mark.label, mark.attributes) == (categories[0], attributes)


def test_fields():
    """Data collection and transcription: a text per field, per row, per repetition; null is no answer."""
    response = {
        "fields": {"ship": "Ada", "count": 3, "none": None, "two": ["x", "y"], "odd": {"a": 1}},
        "repeatable_fields": [{"cargo": "salt"}, None, {"cargo": "tin"}],
        "time_spent_in_seconds": 15,
    }
    assert [(mark.key, mark.label, mark.value, mark.attributes) for mark in read(response)] == [
        ("fields/ship", "ship", Transcription(text="Ada"), {}),
        ("fields/count", "count", Transcription(text="3"), {}),
        ("fields/two", "two", Transcription(text="x"), {}),
        ("fields/two", "two", Transcription(text="y"), {}),
        ("fields/odd", "odd", UnmappedValue(shape="odd", json={"a": 1}), {}),
        ("repeatable_fields/0/cargo", "cargo", Transcription(text="salt"), {"row": 0}),
        ("repeatable_fields/2/cargo", "cargo", Transcription(text="tin"), {"row": 2}),
    ]


def test_a_transcript():
    """Text over the whole length; the words and their times are kept beside it."""
    words = [{"word": "Hi", "start": 0.1, "end": 0.4, "confidence": 0.9}]
    (mark,) = read({"transcript": "Hi", "duration": 5, "alignment": words})
    assert (mark.value, mark.time_span) == (Transcription(text="Hi"), Span(0.0, 5.0))
    assert mark.attributes == {"duration": 5, "alignment": words}


def test_collected_texts():
    """Choices are classes, texts are text, several texts are kept apart too, what is neither stays as it is."""
    response = {
        "annotations": {
            "weather": {"type": "category", "field_id": "w", "response": [["fog", "rain"]]},
            "note": {"type": "text", "field_id": "note", "response": [["calm"]]},
            "lines": {"type": "text", "response": [["one"], ["two"]]},
            "map": {"type": "text", "response": [[{"x": 1}]]},
            "empty": {"type": "text", "response": [[]]},
        },
        "is_customer_fix": False,
    }
    weather, note, lines, odd = read(response, "textcollection", InputType.TEXT)
    assert weather.value == Classification(categories=("fog", "rain"))
    assert (weather.native_id, weather.label, note.native_id) == ("w", "weather", "note")
    assert (note.value, note.attributes) == (Transcription(text="calm"), {"type": "text", "field_id": "note"})
    assert lines.value == Transcription(text="one\ntwo")
    assert lines.attributes["response"] == [["one"], ["two"]]
    assert odd.value == UnmappedValue(shape="map", json=response["annotations"]["map"])


def test_links_and_global_attributes():
    """A link relates two marks; what holds for the whole task is the mark ``global``."""
    link, odd = {"from": "a", "to": "b", "label": "tows", "since": 3}, {"ends": ["a", "b"]}
    first, second, whole = read({"links": [link, odd], "global_attributes": {"blurred": "no"}})
    assert first.value == Relation(from_ids=("a",), to_ids=("b",))
    assert (first.label, first.attributes) == ("tows", {"since": 3})
    assert second.value == UnmappedValue(shape="link", json=odd)
    assert (whole.key, whole.native_id, whole.attributes) == ("global", "global", {"blurred": "no"})


@pytest.mark.parametrize(
    "response",
    [
        {"annotations": [], "links": [], "global_attributes": {}, "is_customer_fix": True},
        {"category": None, "category_id": None},
        {"fields": {}, "repeatable_fields": [None, None]},
        {"inlineComments": []},
        {},
        [],
        "",
        None,
    ],
)
def test_nothing_said_is_no_mark(response):
    """Empty lists and nulls."""
    assert read(response) == []


@pytest.mark.parametrize(
    ("response", "shapes"),
    [
        ({"turns": [1], "scores": {"a": 2}}, ["turns", "scores"]),
        ({"annotations": {"url": "https://x.example.com/big.json"}}, ["url"]),
        ({"annotations": "later"}, ["annotations"]),
        ({"annotations": ["x", ["y"]]}, ["annotation", "annotation"]),
        ({"is_customer_fix": "maybe"}, ["is_customer_fix"]),
        ({"duration": 5, "category_id": 3, "labelMapping": {"a": 1}}, ["duration", "category_id", "labelMapping"]),
        ({"category": {"a": ["b"]}, "category_id": 3}, ["category", "category_id"]),
        ({"transcript": ["a"], "duration": 3}, ["transcript", "duration"]),
        ({"fields": ["a"]}, ["fields"]),
        ({"frames": ["x"]}, ["frame"]),
        ("plain text", ["response"]),
        (42, ["response"]),
    ],
)
def test_what_nobody_knows_is_seen(response, shapes):
    """An UnmappedValue for each unknown thing, with the thing."""
    found = read(response)
    assert [mark.value.shape for mark in found] == shapes


def test_equal_uuids_of_one_answer_are_told_apart():
    """The second is ``#2``; both keep the platform's id."""
    found = task_documents(task(response={"annotations": [{"uuid": "u", "type": "box", **BOX}] * 3}))
    annotations = of_kind(Kind.ANNOTATION, found)
    start = "67c6a0005ca1e00000000001/responses/0/u"
    assert [mark.external_id for mark in annotations] == [start, f"{start}#2", f"{start}#3"]
    assert {mark.native_id for mark in annotations} == {"u"}


def test_a_mark_belongs_to_the_attachment_of_its_frame():
    """The only attachment, else the frame's; of two pictures compared, to none."""
    links = [f"https://x.example.com/{n}.jpg" for n in range(3)]
    frames = [{"key": 1, **BOX}, {"key": 7, **BOX}]
    found = task_documents(
        task(
            type="videoannotation",
            params={"attachments": links},
            response={"annotations": {"u": {"geometry": "box", "frames": frames}}, "choice": "left"},
        )
    )
    assets = [asset.external_id for asset in of_kind(Kind.ASSET, found)]
    assert [mark.asset for mark in of_kind(Kind.ANNOTATION, found)] == [assets[1], None, None]
