"""A jsonResponse becomes annotations: every job type, every level of nesting, every frame, nothing lost."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kili_checks import SHARED, jobs_answered, json_values, leaves, map_response, mark_objects, needs_shared

from connectors.documents import (
    Annotation,
    BoundingBox,
    Classification,
    Confidence,
    Coordinate,
    CoordinateUnit,
    Kind,
    Point,
    Polygon,
    Polyline,
    Ref,
    Relation,
    TextSpan,
    Transcription,
    UnmappedValue,
)
from connectors.kili.annotations import MAX_NESTING

N, PX, DEG = CoordinateUnit.NORMALIZED, CoordinateUnit.PIXEL, CoordinateUnit.DEGREE
TRIANGLE = [{"x": 0.1, "y": 0.2}, {"x": 0.5, "y": 0.2}, {"x": 0.3, "y": 0.6}]
TRIANGLE_RING = (Coordinate(0.1, 0.2), Coordinate(0.5, 0.2), Coordinate(0.3, 0.6))


def ring(*points: tuple[float, float]) -> dict[str, Any]:
    return {"normalizedVertices": [{"x": x, "y": y} for x, y in points]}


def one(mark: Any, **answer: Any) -> Annotation:
    found = map_response({"JOB": {"annotations": [mark]}}, **answer)
    assert len(found) == 1
    return found[0]


# --- shapes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["rectangle", "RECTANGLE"])
@pytest.mark.parametrize("turn", range(4))
def test_rectangle_in_any_vertex_order(kind: str, turn: int) -> None:
    """A rectangle is its box, wherever its vertices begin and however ``type`` is written; numbers stay as they are."""
    corners = [(0.25, 0.75), (0.25, -5e-7), (0.5, -5e-7), (0.5, 0.75)]
    mark = one({"type": kind, "mid": "m", "boundingPoly": [ring(*corners[turn:], *corners[:turn])]})
    assert mark.value == BoundingBox(left=0.25, top=-5e-7, width=0.25, height=0.75 + 5e-7, unit=N)
    assert mark.attributes == {"job": "JOB", "type": kind}


def test_tilted_rectangle_keeps_its_vertices() -> None:
    """Vertices that are no corners of one upright box stay a polygon, so that no shape is invented."""
    mark = one({"type": "rectangle", "boundingPoly": [ring((0.5, 0.1), (0.9, 0.5), (0.5, 0.9), (0.1, 0.5))]})
    assert isinstance(mark.value, Polygon)
    assert mark.value.rings[0][1] == Coordinate(0.9, 0.5)


def test_polygon_with_hole() -> None:
    """Several rings are one polygon: the first outside, the rest holes."""
    hole = [(0.3, 0.25), (0.35, 0.25), (0.3, 0.3)]
    mark = one({"type": "semantic", "boundingPoly": [{"normalizedVertices": TRIANGLE}, ring(*hole)]})
    assert mark.value == Polygon(rings=(TRIANGLE_RING, tuple(Coordinate(x, y) for x, y in hole)), unit=N)


def test_groups_of_rings_are_areas_of_one_object() -> None:
    """Geospatial groups of rings become one polygon each, all with the object's ``mid``."""
    group = [{"normalizedVertices": TRIANGLE}]
    found = map_response({"JOB": {"annotations": [{"type": "polygon", "mid": "m", "boundingPoly": [group, group]}]}})
    assert [mark.external_id for mark in found] == ["s/JOB/m", "s/JOB/m~2"]
    assert [mark.native_id for mark in found] == ["m", "m"]
    assert {mark.value for mark in found} == {Polygon(rings=(TRIANGLE_RING,), unit=N)}


def test_pixels_beside_fractions_stay_readable() -> None:
    """The pixel vertices that the SDK adds to exports stay in the attributes; alone they are the value."""
    pixels = [{"x": 10, "y": 20}, {"x": 50, "y": 20}, {"x": 30, "y": 60}]
    both = one({"type": "polygon", "boundingPoly": [{"normalizedVertices": TRIANGLE, "vertices": pixels}]})
    assert both.value == Polygon(rings=(TRIANGLE_RING,), unit=N)
    assert both.attributes["boundingPoly"] == [{"vertices": pixels}]
    alone = one({"type": "polygon", "boundingPoly": [{"vertices": pixels}]})
    assert isinstance(alone.value, Polygon)
    assert (alone.value.unit, alone.value.rings[0][0]) == (PX, Coordinate(10, 20))


def test_marker_line_and_degrees() -> None:
    """Points and lines; in geospatial assets their unit is the degree."""
    assert one({"type": "marker", "point": {"x": 0.5, "y": 1}}).value == Point(at=Coordinate(0.5, 1.0), unit=N)
    for kind in ("polyline", "vector"):
        assert one({"type": kind, "polyline": TRIANGLE}).value == Polyline(points=TRIANGLE_RING, unit=N)
    assert one({"type": "marker", "point": {"x": 4.4, "y": 52.2}}, unit=DEG).value == Point(
        at=Coordinate(4.4, 52.2), unit=DEG
    )


def test_pose_and_its_keypoints() -> None:
    """A pose is one mark with its points as they are, and every keypoint a mark of its own that names the pose."""
    points = [
        {"code": "NOSE", "point": {"x": 0.5, "y": 0.5}, "mid": "p1", "type": "marker", "children": {}},
        {"code": "TAIL", "name": "Tail", "point": {"x": 0.9, "y": 0.5}, "children": {"SEEN": {"text": "yes"}}},
    ]
    found = map_response({"JOB": {"annotations": [{"type": "pose", "mid": "m", "points": points}]}})
    assert [(mark.external_id, mark.label) for mark in found] == [
        ("s/JOB/m", None),
        ("s/JOB/m/NOSE", "NOSE"),
        ("s/JOB/m/TAIL", "TAIL"),
        ("s/JOB/m/TAIL/SEEN", None),
    ]
    assert found[0].value == UnmappedValue(shape="pose", json=points)
    assert found[1].value == Point(at=Coordinate(0.5, 0.5), unit=N)
    assert (found[1].native_id, found[1].attributes["parent"]) == ("p1", "s/JOB/m")
    assert found[3].value == Transcription(text="yes")


def test_relations() -> None:
    """Relations of entities and of objects name marks by Kili's own ids."""
    for start, end in (("startEntities", "endEntities"), ("startObjects", "endObjects")):
        mark = one(
            {"mid": "r", "categories": [{"name": "NEAR"}], start: [{"mid": "a"}], end: [{"mid": 7}, {"mid": "c"}]}
        )
        assert mark.value == Relation(from_ids=("a",), to_ids=("7", "c"))
        assert (mark.label, mark.attributes) == ("NEAR", {"job": "JOB"})


# --- text ----------------------------------------------------------------------------------------------------


def test_entity_ends_after_its_content() -> None:
    """The end is begin + length of the content, in code points."""
    mark = one(
        {"beginOffset": 3, "endOffset": 7, "endId": "main/[0]", "content": "äb🐟d", "categories": [{"name": "X"}]}
    )
    assert mark.value == TextSpan(start=3, end=7, text="äb🐟d")
    assert mark.attributes == {"job": "JOB", "endOffset": 7, "endId": "main/[0]"}


def test_entity_in_a_later_chunk() -> None:
    """``endOffset`` counts in its chunk of 1000 characters and ``beginOffset`` in the text: the trap of long texts."""
    chunked = {"beginOffset": 2995, "beginId": "main/[2]", "endId": "main/[3]", "endOffset": 4}
    assert one(chunked | {"content": "Fortuna B"}).value == TextSpan(start=2995, end=3004, text="Fortuna B")
    assert one(chunked).value == TextSpan(start=2995, end=3004)


@pytest.mark.parametrize(
    "mark",
    [
        {"beginOffset": "3", "content": "x"},
        {"beginOffset": -1, "content": "x"},
        {"beginOffset": 9, "endOffset": 4},
        {"beginOffset": 9},
    ],
)
def test_entity_without_a_place_stays_visible(mark: dict[str, Any]) -> None:
    """Offsets that make no span are kept as an unmapped value, not guessed."""
    assert one(mark).value == UnmappedValue(shape="annotation", json=mark)


# --- documents -----------------------------------------------------------------------------------------------


def pdf(pages: list[int], *rings: dict[str, Any], **fields: Any) -> dict[str, Any]:
    quads = [{"normalizedVertices": [one_ring["normalizedVertices"] for one_ring in rings]}]
    return {"pageNumberArray": pages, "boundingPoly": quads, "polys": quads} | fields


def test_boxes_in_documents_carry_their_page() -> None:
    """Marks of a PDF lie one level deeper; each part is a box on its page, counted from 1."""
    quad = ring((0.1, 0.1), (0.1, 0.2), (0.4, 0.2), (0.4, 0.1))
    parts = [pdf([1], quad), pdf([2], quad)]
    found = map_response(
        {"JOB": {"annotations": [{"mid": "m", "content": "Ada", "categories": [{"name": "N"}], "annotations": parts}]}}
    )
    assert [mark.value for mark in found] == [
        BoundingBox(left=0.1, top=0.1, width=pytest.approx(0.3), height=0.1, unit=N, page=page) for page in (1, 2)
    ]
    assert {mark.native_id for mark in found} == {"m"}
    assert found[0].attributes == {"job": "JOB", "content": "Ada"}


def test_lines_of_an_entity_in_a_document_stay_readable() -> None:
    """Where the lines of an entity differ from its whole area, the area is the value and the lines are attributes."""
    area, line = ring((0.1, 0.1), (0.9, 0.2)), ring((0.1, 0.1), (0.9, 0.15))
    lines = [{"normalizedVertices": [line["normalizedVertices"]]}]
    mark = one({"annotations": [pdf([3], area, polys=lines)]})
    assert isinstance(mark.value, BoundingBox)
    assert (mark.value.page, mark.value.height) == (3, 0.1)
    assert mark.attributes["polys"] == lines


def test_pixels_in_documents_stay_readable() -> None:
    """The SDK's pixel vertices of a page are attributes, as they are in images."""
    quads = [{"normalizedVertices": [[{"x": 0, "y": 0}, {"x": 1, "y": 1}]], "vertices": [[{"x": 0, "y": 0}]]}]
    mark = one({"annotations": [{"pageNumberArray": [1], "boundingPoly": quads, "polys": quads}]})
    assert mark.attributes == {"job": "JOB", "boundingPoly": [{"vertices": [[{"x": 0, "y": 0}]]}]}


def test_several_areas_take_the_page_at_their_place() -> None:
    """Two areas with two pages lie on one each; with one page both lie on it; pages without a place stay readable."""
    quad = ring((0.1, 0.1), (0.9, 0.2))
    for pages, expected in (([4, 5], [4, 5]), ([4], [4, 4]), ([4, 5, 6], [4, 4]), ([], [None, None])):
        found = map_response({"JOB": {"annotations": [{"annotations": [pdf(pages, quad, quad)]}]}})
        assert [mark.value.page for mark in found if isinstance(mark.value, BoundingBox)] == expected
        assert ({mark.attributes.get("pageNumberArray") == [4, 5, 6] for mark in found} == {True}) is (len(pages) == 3)


# --- jobs ----------------------------------------------------------------------------------------------------


def test_classification_with_several_answers() -> None:
    """A job is one mark with all its categories; the first is the label, its confidence counts to 100."""
    categories = [{"name": "B", "confidence": 88.75}, {"name": "A", "confidence": -42.289}]
    (mark,) = map_response({"JOB": {"categories": categories}})
    assert mark.external_id == "s/JOB"
    assert mark.value == Classification(categories=("B", "A"))
    assert (mark.label, mark.confidence) == ("B", Confidence(level=88.75, max_level=100.0))
    assert mark.attributes == {"job": "JOB", "categories": categories}


def test_score_counts_to_one() -> None:
    """A model's score is a confidence up to 1 and goes before the confidence of the category."""
    scored = one({"score": 0.62, "categories": [{"name": "A", "confidence": 100}], "point": {"x": 0, "y": 0}})
    assert scored.confidence == Confidence(level=0.62, max_level=1.0)
    assert one({"score": 12, "point": {"x": 0, "y": 0}}).confidence == Confidence(level=12.0, max_level=None)
    assert one({"score": None, "point": {"x": 0, "y": 0}}).confidence is None


@pytest.mark.parametrize("inside", [True, False])
def test_nested_jobs_become_marks(inside: bool) -> None:
    """A job nested in a category, or beside the categories as older data has it, is a mark that names its parent."""
    nested = {"WHY": {"text": "fog"}, "HOW": {"categories": [{"name": "BAD"}]}}
    category: dict[str, Any] = {"name": "NO"}
    job: dict[str, Any] = {"categories": [category]}
    (category if inside else job)["children"] = nested
    found = map_response({"JOB": job})
    assert [(mark.external_id, mark.attributes.get("parent")) for mark in found] == [
        ("s/JOB", None),
        ("s/JOB/WHY", "s/JOB"),
        ("s/JOB/HOW", "s/JOB"),
    ]
    assert [mark.value for mark in found[1:]] == [Transcription(text="fog"), Classification(categories=("BAD",))]


def test_nesting_ends_somewhere() -> None:
    """Jobs below the limit stay in the attributes of the last mark above them, so depth can stop nobody."""
    response: dict[str, Any] = {"text": "deepest"}
    for level in range(MAX_NESTING + 10):
        response = {"categories": [{"name": f"L{level}", "children": {"J": response}}]}
    found = map_response({"J": response})
    assert len(found) == MAX_NESTING + 1
    assert "deepest" in json.dumps(found[-1].attributes)


def test_pseudo_jobs_and_unanswered_jobs_give_no_marks() -> None:
    """Rotation, counters and empty answers are no marks."""
    pseudo = {
        "ROTATION_JOB": {"rotation": 90},
        "ANNOTATION_JOB_COUNTER": {"JOB": {"A": 1}},
        "ANNOTATION_NAMES_JOB": {"m": "A1"},
    }
    empty = {
        "A": {},
        "B": None,
        "C": {"annotations": []},
        "D": {"categories": []},
        "E": {"text": ""},
        "F": {"isKeyFrame": True},
    }
    assert map_response(pseudo | empty) == []


def test_unknown_answers_stay_visible() -> None:
    """Rankings, files, ranges, bare values: the value is kept and named by the mark's type or the job's task."""
    found = map_response(
        {
            "ORDER": {"orders": [{"rank": 1, "elements": ["a"]}]},
            "UPLOAD": {"fileId": "f", "fileName": "x.csv"},
            "BARE": 7,
            "SOUND": {"annotations": [{"type": "range", "from": 1}, "odd"]},
        },
        jobs={"ORDER": {"mlTask": "RANKING"}, "UPLOAD": {"mlTask": "FILE"}},
    )
    assert [mark.value for mark in found] == [
        UnmappedValue(shape="RANKING", json={"orders": [{"rank": 1, "elements": ["a"]}]}),
        UnmappedValue(shape="FILE", json={"fileId": "f", "fileName": "x.csv"}),
        UnmappedValue(shape="annotation", json=7),
        UnmappedValue(shape="range", json={"type": "range", "from": 1}),
        UnmappedValue(shape="annotation", json="odd"),
    ]


# --- video ---------------------------------------------------------------------------------------------------


def test_frames_of_a_video() -> None:
    """Every frame's marks carry the frame and one ``mid`` across frames; ``assetLevel`` speaks of the whole clip."""
    mark = {"type": "marker", "mid": "m", "point": {"x": 0.5, "y": 0.5}, "isKeyFrame": False}
    frame = {
        "JOB": {"annotations": [mark]},
        "LIGHT": {"categories": [{"name": "DAY"}], "isKeyFrame": True, "annotations": []},
    }
    found = map_response({"0": {}, "11": frame, "12": frame, "assetLevel": {"NOTE": {"text": "ok"}}})
    assert [mark.external_id for mark in found] == [
        "s/JOB/m@11", "s/LIGHT@11", "s/JOB/m@12", "s/LIGHT@12", "s/NOTE",
    ]  # fmt: skip
    assert found[0].value == Point(at=Coordinate(0.5, 0.5), unit=N, frame=11)
    assert found[0].attributes == {"job": "JOB", "frame": 11, "type": "marker", "isKeyFrame": False}
    assert found[3].attributes == {"job": "LIGHT", "frame": 12, "isKeyFrame": True}
    assert [mark.native_id for mark in found] == ["m", None, "m", None, None]


def test_numbers_are_jobs_outside_videos() -> None:
    """In a project known to hold no video, a key of digits is a job like any other."""
    (mark,) = map_response({"7": {"categories": [{"name": "A"}]}}, frames=False)
    assert (mark.external_id, mark.attributes) == ("s/7", {"job": "7"})


# --- ids and totality ----------------------------------------------------------------------------------------


def test_repeated_mids_get_ids_of_their_own() -> None:
    """Parts of one object share a ``mid``; a mark without one is named by its index; nothing collides."""
    point = {"type": "marker", "point": {"x": 0, "y": 0}}
    mids: list[dict[str, Any]] = [{"mid": "m"}, {"mid": "m"}, {"mid": 1}, {"mid": "m~2"}, {}]
    found = map_response({"JOB": {"annotations": [point | mid for mid in mids]}})
    assert [mark.external_id for mark in found] == ["s/JOB/m", "s/JOB/m~2", "s/JOB/1", "s/JOB/m~2~2", "s/JOB/4"]
    assert [mark.native_id for mark in found] == ["m", "m", "1", "m~2", None]


def test_marks_point_to_their_answer() -> None:
    """Each mark names task, asset, submission, author and the document that holds its payload."""
    mark = map_response({"JOB": {"text": "x"}}, author="u", campaign="c", is_current=False)[0]
    assert (mark.task, mark.asset, mark.submission, mark.author, mark.campaign) == ("t", "t", "s", "u", "c")
    assert (mark.is_current, mark.raw_of) == (False, Ref(Kind.SUBMISSION, "s"))


WORDS = (
    "annotations categories children name mid type boundingPoly normalizedVertices vertices point points polyline x y "
    "text beginOffset content endOffset endId startEntities endEntities startObjects endObjects pageNumberArray polys "
    "score confidence code assetLevel ROTATION_JOB 0 7 ² JOB"
)
words = st.sampled_from(WORDS.split())
shaped_values = st.recursive(
    json_values | st.sampled_from(["rectangle", "polygon", "pose", "main/[3]", 0.5, 1, -1, 10**400, "m"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=5),
    max_leaves=40,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(words | st.text(max_size=5), shaped_values, max_size=5))
def test_any_response_maps(response: dict[str, Any]) -> None:
    """No JSON whatever makes the mapping fail; ids are unique and the same at the second reading."""
    found = map_response(response)
    ids = [mark.external_id for mark in found]
    assert len(ids) == len(set(ids))
    assert ids == [mark.external_id for mark in map_response(response)]
    assert all(external_id.startswith("s/") for external_id in ids)


RICH: dict[str, Any] = {
    "BOXES": {"annotations": [
        {"type": "rectangle", "mid": "a", "boundingPoly": [ring((0, 0), (1, 1))], "categories": [{"name": "A"}]},
        {"type": "semantic", "mid": "b", "boundingPoly": [[ring((0, 0), (1, 1), (0, 1))]], "children": {"C": {"text": "x"}}},
        {"type": "pose", "mid": "c", "points": [{"code": "NOSE", "point": {"x": 0, "y": 0}}]},
        {"type": "polyline", "mid": "d", "polyline": [{"x": 0, "y": 0}]},
        {"type": "marker", "mid": "e", "point": {"x": 0, "y": 0}, "score": 0.5},
    ]},
    "PAGES": {"annotations": [{"mid": "f", "content": "x", "annotations": [
        {"pageNumberArray": [1, 2], "boundingPoly": [ring((0, 0), (1, 1)), {"normalizedVertices": [[{"x": 0, "y": 0}]]}]},
    ]}]},
    "WORDS": {"annotations": [{"mid": "g", "beginOffset": 1, "endOffset": 3, "endId": "main/[1]", "content": "xy"}]},
    "LINKS": {"annotations": [{"mid": "h", "startEntities": [{"mid": "g"}], "endEntities": [{"mid": "g"}]}]},
    "CLASS": {"categories": [{"name": "A", "confidence": 5, "children": {"D": {"categories": [{"name": "B"}]}}}]},
    "TEXT": {"text": "x"},
    "7": {"BOXES": {"annotations": [{"type": "marker", "point": {"x": 0, "y": 0}, "isKeyFrame": True}]}},
}  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside ``value``."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, entry in entries for place in ((*path, key), *places(entry, (*path, key)))]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10_000), json_values), min_size=1, max_size=4))
def test_damaged_responses_keep_their_marks(damage: list[tuple[int, Any]]) -> None:
    """Whatever single value of a good response is replaced by junk, each entry in a list of marks is still a mark."""
    response = json.loads(json.dumps(RICH))
    for number, junk in damage:
        spots = places(response)
        *path, last = spots[number % len(spots)]
        functools.reduce(lambda value, key: value[key], path, response)[last] = junk
    found = map_response(response)
    for name, job in response.items():
        if isinstance(job, dict) and isinstance(job.get("annotations"), list):
            own = [mark for mark in found if mark.attributes["job"] == name and "parent" not in mark.attributes]
            assert len(own) >= len(job["annotations"])


def shared_responses() -> list[Any]:
    found = []
    for name in ("test_resp_parsing.json", "test_resp_parsing_children.json"):
        path = SHARED / "sdk_json_response_by_job_type" / name
        for case, content in json.loads(path.read_bytes()).items() if path.is_file() else []:
            interface = content.get("json_interface") or content.get("job_interface")
            found += [
                pytest.param(content[key], interface["jobs"], id=case)
                for key in ("json_response", "json_resp", "json_response_dict")
                if key in content
            ]
    return found


@needs_shared
def test_every_shared_response_is_tried() -> None:
    """The recorded responses by job type: 27 of 36 cases hold an answer."""
    assert len(shared_responses()) == 27


@pytest.mark.parametrize(("response", "jobs"), shared_responses())
def test_nothing_of_a_recorded_response_is_lost(response: dict[str, Any], jobs: dict[str, Any]) -> None:
    """Every object in a list of marks, every answered job and every leaf of the answer shows in some annotation."""
    found = map_response(response, jobs=jobs)
    mids = [str(mark["mid"]) for mark in mark_objects(response)]
    assert set(mids) <= {mark.native_id for mark in found}
    for name, job in jobs_answered(response):
        if "text" in job:
            assert Transcription(text=job["text"]) in [mark.value for mark in found if mark.attributes["job"] == name]
        else:
            named = tuple(category["name"] for category in job["categories"])
            assert named in [
                mark.value.categories if isinstance(mark.value, Classification) else (mark.label,) for mark in found
            ]
    assert not [mark for mark in found if isinstance(mark.value, UnmappedValue) and mark.value.shape != "pose"]
    shown = {alike(leaf) for mark in found for leaf in leaves(told(mark))}
    assert {alike(leaf) for leaf in leaves(response)} - shown == set()


def alike(leaf: Any) -> Any:
    """Numbers by value: 100 is 100.0, and a box's right edge is the sum of two floats."""
    return round(float(leaf), 12) if isinstance(leaf, int | float) and not isinstance(leaf, bool) else leaf


def told(mark: Annotation) -> Any:
    """What an annotation tells, as JSON; a box tells its two vertices."""
    value: Any = mark.value
    shown: list[Any] = [mark.label, mark.native_id, mark.attributes, mark.confidence and mark.confidence.level]
    match value:
        case BoundingBox():
            shown += [value.left, value.top, value.left + value.width, value.top + value.height]
        case Polygon():
            shown += [[point.x, point.y] for ring_ in value.rings for point in ring_]
        case Polyline():
            shown += [[point.x, point.y] for point in value.points]
        case Point():
            shown += [value.at.x, value.at.y]
        case TextSpan():
            shown += [value.start, value.end, value.text]
        case Relation():
            shown += [*value.from_ids, *value.to_ids]
        case Classification():
            shown += value.categories
        case Transcription():
            shown.append(value.text)
        case UnmappedValue():
            shown.append(value.json)
    return json.loads(json.dumps(shown))
