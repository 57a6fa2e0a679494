"""``connectors.jsonstream``: every container form, every encoding, every kind of damage."""

import codecs
import gzip
import io
import itertools
import json
import math
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.jsonstream import Item, Problem, items

KEYS = ("docs",)
WORDS = st.text(alphabet='ab"\\[]{},:\n\r\t é€😀\x00', max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.just("docs"), inner, max_size=4),
    max_leaves=12,
)
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")


class Dribble(io.RawIOBase):
    """A stream that gives as many bytes at once as ``sizes`` says, in turn."""

    def __init__(self, data, sizes=(1,)):
        self._data = io.BytesIO(data)
        self._sizes = itertools.cycle(sizes)

    def read(self, size=-1):
        return self._data.read(min(size, next(self._sizes)))


def read(data, **options):
    data = data.encode() if isinstance(data, str) else data
    return list(items(io.BytesIO(data), name="f.json", **options))


def values(found):
    return [one.value for one in found if isinstance(one, Item)]


def problems(found):
    return [one for one in found if isinstance(one, Problem)]


# --- whole files --------------------------------------------------------------------------------------------------


def holds_items(value):
    """A value that the top level takes apart."""
    return isinstance(value, list) or (isinstance(value, dict) and isinstance(value.get("docs"), list))


@st.composite
def files(draw):
    """A list of values, a text that holds them in one of the forms, and how to read it."""
    form = draw(st.sampled_from(("array", "page", "lines", "concatenated")))
    wanted = draw(st.lists(VALUES, max_size=5))
    style = {"indent": draw(st.sampled_from((None, None, 0, 2))), "ensure_ascii": draw(st.booleans())}
    if form == "array":
        return wanted, json.dumps(wanted, **style)
    if form == "page":
        before = draw(st.dictionaries(st.sampled_from(("total", "limit", "next")), VALUES, max_size=2))
        after = draw(st.dictionaries(st.sampled_from(("offset", "has_more")), VALUES, max_size=2))
        return wanted, json.dumps(before | {"docs": wanted} | after, **style)
    wanted = [value for value in wanted if not holds_items(value)]
    if form == "lines":
        return wanted, "".join(json.dumps(value, ensure_ascii=style["ensure_ascii"]) + "\n" for value in wanted)
    between = draw(st.sampled_from((" ", "\n", "\r\n", "\x1e", "\n\n ")))
    return wanted, between.join(json.dumps(value, **style) for value in wanted)


@settings(max_examples=250)
@given(files(), st.sampled_from(ENCODINGS), st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_any_list_in_any_form_comes_back_equal(file, encoding, sizes):
    """Whatever the form, the encoding and the size of the chunks: the same values, in order, and no problem."""
    wanted, text = file
    if not text[:2].isascii() or len(text) < 2 or "\0" in text[:2]:
        encoding = "utf-8"  # without a mark, other encodings show by two ASCII characters at the beginning
    data = text.encode(encoding)
    found = list(items(Dribble(data, sizes), name="f.json", keys=KEYS))
    if text.strip(" \r\n\x1e"):
        assert values(found) == wanted
        assert problems(found) == []
        assert [item.index for item in found] == list(range(len(wanted)))
        ends = [item.end for item in found]
        assert ends == sorted(ends)
        assert all(0 < end <= len(data) for end in ends)
    else:
        assert [one.reason for one in found] == ["the file is empty"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_end_is_the_offset_in_the_file_as_it_is(encoding):
    """Cutting the file at an item's ``end`` leaves the item whole, in every encoding."""
    data = '["€😀", {"ä": 1}, 22]'.encode(encoding)
    ends = [item.end for item in read(data)]
    name = {"utf-16": "utf-16-le", "utf-32": "utf-32-le", "utf-8-sig": "utf-8"}.get(encoding, encoding)
    mark = {"utf-8-sig": 3, "utf-16": 2, "utf-32": 4}.get(encoding, 0)
    parts = [data[mark:end].decode(name) for end in ends]
    assert parts == ['["€😀"', '["€😀", {"ä": 1}', '["€😀", {"ä": 1}, 22']


def test_the_container_is_the_page_without_its_lists():
    """What stands before and after the list is in one mapping that all its items share."""
    found = read('{"total": 2, "docs": [1, 2], "next": {"a": []}} {"docs": [3]} {"other": []}', keys=KEYS)
    assert values(found) == [1, 2, 3, {"other": []}]
    assert found[0].container == {"total": 2, "next": {"a": []}}
    assert found[0].container is found[1].container
    assert found[2].container == {}
    assert found[3].container is None


def test_several_lists_of_one_page_are_read_in_turn():
    """Each list under one of the keys counts, and a key whose value is no list belongs to the container."""
    found = read('{"a": [1], "b": 5, "x": 0, "c": [2]}', keys=("a", "b", "c"))
    assert values(found) == [1, 2]
    assert found[1].container == {"b": 5, "x": 0}


def test_a_page_list_deeper_down_is_no_page():
    """Only the object's own members are looked at."""
    assert values(read('{"data": {"docs": [1]}}', keys=KEYS)) == [{"data": {"docs": [1]}}]


@pytest.mark.parametrize("text", ["", "  \n ", "\ufeff", "\x1e\n"])
def test_an_empty_file_is_said_to_be_empty(text):
    """One problem that names the file."""
    assert read(text) == [Problem("f.json", "the file is empty")]


@pytest.mark.parametrize("text", ["[]", " [ ] ", '{"docs": []}', '{"docs": [], "total": 0}'])
def test_an_empty_list_is_no_problem(text):
    """Nothing is in it, and nothing is wrong with it."""
    assert read(text, keys=KEYS) == []


def test_concatenated_exports_with_marks_of_their_own():
    """``cat`` of two files that each begin with a byte order mark."""
    one = codecs.BOM_UTF8 + b'[{"a": 1}]'
    for sizes in ((1,), (2,), (1000,)):
        found = list(items(Dribble(one + b"\n" + one, sizes), name="f"))
        assert values(found) == [{"a": 1}, {"a": 1}]
        assert problems(found) == []


# --- numbers and names -----------------------------------------------------------------------------------------


def test_integers_are_exact():
    """No float between: 400 digits come back as they went."""
    big = 7**473
    assert values(read(f"[{big}, -{big}]")) == [big, -big]


def test_an_integer_beyond_pythons_limit_is_reported():
    """5,000 digits cost one item, not the file."""
    found = read(f'[1, {{"n": {"9" * 5000}}}, 2]')
    assert values(found) == [1, 2]
    assert "4300 digits" in problems(found)[0].reason


def test_nan_and_infinity_are_floats():
    """What pandas and Python write."""
    nan, up, down = values(read("[NaN, Infinity, -Infinity]"))
    assert math.isnan(nan)
    assert (up, down) == (math.inf, -math.inf)


def test_a_repeated_name_keeps_its_last_value_and_reports_the_others():
    """Also deep inside; the lost values stand in the report."""
    found = read('[{"a": 1, "b": {"x": 1, "x": 2, "x": 3}, "a": null}]')
    assert values(found) == [{"a": None, "b": {"x": 3}}]
    assert [problem.raw for problem in problems(found)] == [{"x": [1, 2]}, {"a": [1]}]
    assert problems(found)[0].where == "f.json, item 1, byte 1"


def test_a_repeated_name_of_the_page_object_is_reported():
    """Before the list, after it, and on both sides of it."""
    found = read('{"t": 1, "t": 2, "docs": [0], "t": 3, "u": {"v": 1, "v": 2}}', keys=KEYS)
    (item,) = (one for one in found if isinstance(one, Item))
    assert (item.value, item.container) == (0, {"t": 3, "u": {"v": 2}})
    assert [problem.raw for problem in problems(found)] == [{"t": [1]}, {"t": [2]}, {"v": [1]}]


# --- damage ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form", ['[{"a": 1}, [2, "]"], "x}", {"b": {"c": []}}]', '{"t": 1, "docs": [{"a": 1}, [2], "x"]}']
)
def test_a_truncated_file_gives_its_whole_items_and_one_problem(form):
    """At every byte: what ends before the cut is read, and one problem names the place."""
    whole = read(form, keys=KEYS)
    for cut in range(1, len(form)):
        found = read(form[:cut], keys=KEYS)
        assert values(found) == [item.value for item in whole if item.end <= cut] or form[:cut].endswith("2")
        assert len(problems(found)) == 1, form[:cut]
        assert problems(found)[0].where.startswith("f.json, ")
        assert found[-1] == problems(found)[0]


DAMAGE = {
    "text, not JSON": ("id;name\n1;2\n3;4\n", [], "item 1, byte 0", "not JSON"),
    "quoted text": ('"1","2"\n' * 9, ["1"], "item 2, byte 3", "not JSON (unexpected ',')"),
    "a web page": ("<!doctype html>\n<p>Sign in", [], "item 1, byte 0", "not JSON"),
    "NUL between": ('{"a":\x00 1}\n{"b": 2}\n', [{"b": 2}], "item 1, byte 0", "not JSON (Expecting value"),
    "NUL in a string": ('["a\x00b", 3]', [3], "item 1, byte 1", "not JSON (Invalid control character"),
    "invalid UTF-8": (b'{"a": 1}\n{"b": "\xff"}\n{"c": 2}', [{"a": 1}, {"c": 2}], "item 2, byte 9", "not UTF-8"),
    "single quotes": ("{'a': 1}\n{\"b\": 2}", [{"b": 2}], "item 1, byte 0", "not JSON"),
    "a word in a list": ("[1, undefined, 2]", [1, 2], "item 2, byte 4", "not JSON"),
    "cut line": ('{"a": [1, 2\n{"b": 2}\n{"c": 3}\n', [{"b": 2}, {"c": 3}], "item 1, byte 0", "the text ends inside"),
    "cut line in a string": ('{"z": 0}\n{"a": "x\n{"b": 2}\n', [{"z": 0}, {"b": 2}], "item 2, byte 9", "the text ends"),
    "cut line after a comma": (
        '{"z": 0}\n{"a": [1,\n{"b": 2}\n',
        [{"z": 0}, {"b": 2}],
        "item 2, byte 9",
        "the text ends",
    ),
    "wrong bracket": (
        '[\n {"a": 1},\n {"b": [1},\n {"c": 2}\n]',
        [{"a": 1}, {"c": 2}],
        "item 2",
        "brackets do not match",
    ),
    "wrong bracket, one line": ('[{"a": 1}, {"b": [1}, {"c": 2}]', [{"a": 1}], "item 2", "brackets do not match"),
    "wrong bracket, then lines": (
        '[{"a": [}},\n{"b": 2},\n{"c": 3}',
        [{"b": 2}, {"c": 3}],
        "item 1",
        "brackets do not match",
    ),
    "wrong bracket in a page": (
        '{"docs": [1}, 2]\n{"docs": [3]}',
        [1, 3],
        "item 2, byte 11",
        "not JSON (unexpected '}')",
    ),
    "too many brackets": ('[1] ]]]\n{"a": 1}', [1, {"a": 1}], "item 2, byte 4", "not JSON (unexpected ']')"),
    "page not closed": ('{"docs": [1]', [1], "byte 12", "the object around the list"),
    "page goes wrong": ('{"docs": [1], x\n{"docs": [2]}', [1, 2], "byte 14", "the object around the list"),
    "a member of the page": ('{"docs": [1], "t": tru, "u": 1}', [1], "byte 22", "'t' of the object around the list"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_reported_once_and_the_rest_is_read(name):
    """The report names file, item and byte, and says what is wrong."""
    data, wanted, where, reason = DAMAGE[name]
    found = read(data, keys=KEYS)
    assert values(found) == wanted
    (problem,) = problems(found)
    assert problem.where.startswith(f"f.json, {where}")
    assert problem.reason.startswith(reason)


def test_a_damaged_item_counts():
    """Items after it keep the place they have in the file."""
    found = read('[1, {"a" 2}, 3]')
    assert [item.index for item in found if isinstance(item, Item)] == [0, 2]


@pytest.mark.parametrize("bracket", ["[", '{"a":', '[{"a":'])
def test_a_hundred_thousand_levels_are_one_problem(bracket):
    """No RecursionError, neither for a cut value nor for a whole one."""
    deep = bracket * 100_000
    closed = deep + "1" + "".join({"[": "]", "{": "}"}[sign] for sign in reversed(deep) if sign in "[{")
    for text in (f"[0, {deep}", f"[0, {closed}, 2]"):
        found = read(text)
        assert len(problems(found)) == 1
        assert values(found) == ([0, 2] if text.endswith("]") else [0])


def test_depth_within_the_limit_is_fine():
    """150 levels are unusual and legal; 300 are over the default limit."""
    assert problems(read(f"[{'[' * 150}{']' * 150}]")) == []
    (problem,) = problems(read(f"[{'[' * 300}{']' * 300}]"))
    assert problem.reason == "nested more than 200 levels deep"


@settings(max_examples=200)
@given(files(), st.data())
def test_no_damage_raises_or_hides_what_lies_before_it(file, data):
    """Bytes overwritten at random, limits at random: an end is reached, offsets never go back."""
    text = bytearray(file[1].encode())
    for _ in range(data.draw(st.integers(1, 4)) if text else 0):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.sampled_from(b'{}[]",:\\\n\x00\xff1a'))
    limit = data.draw(st.sampled_from((10, 60, 10**6)))
    found = list(items(Dribble(bytes(text), (7, 1, 30)), name="f", keys=KEYS, max_item=limit))
    ends = [item.end for item in found if isinstance(item, Item)]
    assert ends == sorted(ends)
    assert all(problem.where and problem.reason for problem in problems(found))


# --- size --------------------------------------------------------------------------------------------------------


class Produced(io.RawIOBase):
    """A file that exists only piece by piece."""

    def __init__(self, pieces):
        self._pieces = iter(pieces)
        self._rest = b""

    def read(self, size=-1):
        while not self._rest:
            self._rest = next(self._pieces, None)
            if self._rest is None:
                self._rest = b""
                return b""
        out, self._rest = self._rest[:size], self._rest[size:]
        return out


MEGABYTE = b"x" * 2**20


@pytest.mark.parametrize(
    ("before", "after"),
    [('{"n": 1}\n', '\n{"n": 2}\n'), ('[{"n": 1},', ', {"n": 2}]'), ('{"docs": [{"n": 1},', ', {"n": 2}]}')],
)
def test_an_item_of_fifty_megabytes_is_skipped_in_flat_memory(before, after):
    """It is reported with its beginning, its neighbours are read, and memory stays near the limit for items."""
    pieces = [before.encode(), b'{"big": "', *[MEGABYTE] * 50, b'"}', after.encode()]
    tracemalloc.start()
    found = list(items(Produced(pieces), name="f.json", keys=KEYS, max_item=2 * 2**20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert values(found) == [{"n": 1}, {"n": 2}]
    (problem,) = problems(found)
    assert problem.reason == "larger than the limit of 2097152 bytes for one item"
    assert problem.raw == '{"big": "' + "x" * 191
    assert peak < 24 * 2**20


def test_a_long_file_is_read_in_flat_memory():
    """5 MB of page objects: memory follows the chunk, not the file."""
    page = json.dumps({"docs": [{"n": n, "text": "y" * 500} for n in range(400)], "total": 400}).encode() + b"\n"
    tracemalloc.start()
    count = sum(isinstance(one, Item) for one in items(Produced([page] * 25), name="f", keys=KEYS))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 10_000
    assert peak < 3 * 2**20


def test_an_unclosed_first_line_does_not_swallow_what_follows_the_limit():
    """The scan gives up at the limit when another item has begun meanwhile, and reads that one."""
    lines = ['{"a": [1'] + [f'{{"n": {n}}}' for n in range(500)]
    found = read("\n".join(lines), max_item=1000)
    assert values(found) == [{"n": n} for n in range(500)]
    assert [problem.reason[:12] for problem in problems(found)] == ["never closed"]


def test_every_second_line_broken():
    """Each broken line is one report, each whole one an item; the text is not read again for each."""
    lines = [f'{{"n": {n}}}' if n % 2 else f'{{"n": [{n}' for n in range(2000)]
    found = read("\n".join(lines))
    assert values(found) == [{"n": n} for n in range(1, 2000, 2)]
    assert len(problems(found)) == 1000


# --- streams that end badly ----------------------------------------------------------------------------------------


def test_a_stream_that_breaks_off_is_reported_after_its_whole_items():
    """A gzip file cut in the middle."""
    packed = gzip.compress(json.dumps([{"n": n, "x": str(n**30)} for n in range(5000)]).encode())
    found = list(items(gzip.GzipFile(fileobj=io.BytesIO(packed[: len(packed) // 2])), name="f.json.gz"))
    assert values(found) == [{"n": n, "x": str(n**30)} for n in range(len(values(found)))]
    assert len(values(found)) > 100
    (problem,) = problems(found)
    assert problem.reason.startswith("the file cannot be read on: Compressed file ended")


def test_utf_16_that_ends_within_a_character_is_reported():
    """Half a code unit at the end."""
    found = read("[1, 2".encode("utf-16") + b"\x00")
    assert values(found) == [1]
    assert "not utf-16-le" in problems(found)[0].reason
