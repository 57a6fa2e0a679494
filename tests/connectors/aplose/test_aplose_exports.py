"""Exports of every layout and dialect with whatever people write in them: all rows come back, nothing is reported."""

from __future__ import annotations

import csv
from collections import Counter

from aplose_checks import (
    Row,
    assert_consistent,
    assert_counts,
    assert_resolved,
    assert_same_rows,
    ingest,
    row_payloads,
    source,
    table,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.aplose.layouts import A14, LAYOUTS
from connectors.documents import Annotation, Annotator, Audit, Comment

NASTY = [
    "|- ",
    " |- ",
    " : ",
    "@",
    '"',
    '""',
    ",",
    ";",
    "|",
    "\t",
    "\n",
    "\r\n",
    "é",
    "鯨",
    "\u2028",
    "\x85",
    "\x1f",
    "/",
    "#",
]
text = st.lists(
    st.sampled_from(NASTY) | st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=3)
).map("".join)
name = st.sampled_from(["ana", "bo b", "PAMGuard 2.0", "zoë", "a,b", "x/y", "it's |- me"])
number = st.floats(0, 1e5, allow_nan=False).map(repr) | st.sampled_from(["", "0", "10", "ten"])
moment = st.datetimes().map(lambda at: at.isoformat(timespec="milliseconds") + "+00:00") | st.sampled_from(
    ["", "2024-05-01 10:00:00", "x"]
)
CELLS: dict[str, st.SearchStrategy[str]] = {
    "dataset": st.sampled_from(["Gulf", "GLIDER/2024 (600_500)", "a, b", ""]),
    "filename": st.sampled_from(["a.wav", "990694", "b/c.wav"]),
    "annotation": st.sampled_from(["Whistle", "Bm, D call", '"Z"']) | text,
    "annotator": name,
    "annotator_expertise": st.sampled_from(["", "NOVICE", "EXPERT", "MASTER"]),
    "is_box": st.sampled_from(["0", "1", "", "x"]),
    "type": st.sampled_from(["WEAK", "POINT", "BOX", "", "LASSO"]),
    "confidence_indicator_label": text,
    "confidence_indicator_level": st.sampled_from(["", "0/1", "1/0", "01-janv", "?"]),
    "created_at_phase": st.sampled_from(["ANNOTATION", "VERIFICATION", ""]),
    "result_id": st.sampled_from(["", "1", "2", "3.0", "x-1"]),
    "annotation_id": st.sampled_from(["", "1", "2", "3.0", "x-1"]),
    "is_update_of_id": st.sampled_from(["", "1"]),
    "signal_steps_count": st.sampled_from(["", "0", "2.0", "few"]),
    "signal_frequency_jumps": st.sampled_from(["", "True", "3"]),
}
KINDS = ((("time", "frequency"), number), (("datetime",), moment))


def cell(column: str) -> st.SearchStrategy[str]:
    if column in CELLS:
        return CELLS[column]
    return next((kind for ends, kind in KINDS if column.endswith(ends)), text)


@st.composite
def exports(draw: st.DrawFn) -> list[Row]:
    """Rows of one layout, verifiers behind, each with a label or a comment."""
    columns = LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))]
    verifiers = draw(st.lists(st.sampled_from(["vera", "v.r@x", "Zed"]), unique=True))
    fields = {column: cell(column) for column in columns} | dict.fromkeys(
        verifiers, st.sampled_from(["True", "False", ""])
    )
    rows = draw(st.lists(st.fixed_dictionaries(fields), min_size=1, max_size=8))
    rows = [{column: row[column] for column in fields} for row in rows]
    for row in rows:
        if not row["annotation"] and not row.get("comments"):
            row["annotation"] = "x"
    return rows


@settings(max_examples=100)
@given(
    exports(),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from([("\r\n", csv.QUOTE_MINIMAL), ("\r\n", csv.QUOTE_ALL), ("\n", csv.QUOTE_ALL)]),
)
async def test_every_export_can_be_rebuilt(
    rows: list[Row], delimiter: str, encoding: str, style: tuple[str, int]
) -> None:
    """Quotes, separators, line breaks, unreadable cells: each row is kept, field for field, and counted once."""
    content = table(*rows, delimiter=delimiter, end=style[0], quoting=style[1]).encode(encoding)
    run = await ingest(source("x.csv", content))
    assert run.skipped == []
    assert_same_rows(row_payloads(run.documents), rows)
    keyed = [{**row, "annotation": row["annotation"] or "id"} for row in rows if row["annotation"] or key_of(row)]
    assert len(run.of(Annotation)) == len(keyed)
    assert len(run.of(Comment)) == len(rows) - len(keyed)
    if all(row["annotation"] or not key_of(row) for row in rows):
        assert_counts(run.documents, rows)
    ids = Counter((type(d), d.external_id) for d in run.documents if isinstance(d, (Annotation, Comment, Audit)))
    assert set(ids.values()) <= {1}
    assert_consistent(run.documents)
    assert_resolved([d for d in run.documents if not isinstance(d, Annotator)] + run.of(Annotator))
    assert (await ingest(source("x.csv", content))).pages == run.pages


def key_of(row: Row) -> str:
    return row.get("annotation_id") or row.get("result_id") or ""


spoken = st.lists(st.sampled_from(["a", "B c", ",", ", ", '"', "\n", "é", "|- ", ";", "@"]), max_size=8).map("".join)


@st.composite
def unquoted(draw: st.DrawFn) -> list[Row]:
    """Rows as servers before 2.0 write them: labels with commas, comments with anything and their author."""
    rows = []
    for number in range(draw(st.integers(1, 6))):
        start = draw(st.floats(0, 500).map(repr))
        author = draw(st.sampled_from(["ana", "bo b", "zoë"]))
        said = draw(spoken)
        row = dict.fromkeys(A14, "") | {
            "dataset": "Gulf",
            "filename": f"{number}.wav",
            "annotator": author,
            "comments": f"{said} |- {author}" if said else "",
        }
        if not said or draw(st.booleans()):
            row |= {
                "start_time": start,
                "end_time": start,
                "start_frequency": "0",
                "end_frequency": "72000.0",
                "annotation": draw(st.sampled_from(["Click", "Bm, D call", "a,b,c"])),
                "start_datetime": "2024-05-01T10:00:10.500+00:00",
                "end_datetime": "2024-05-01T10:00:20.250+00:00",
                "is_box": "1",
            }
        rows.append(row)
    return rows


@settings(max_examples=100)
@given(unquoted())
async def test_every_export_of_version_1_can_be_rebuilt(rows: list[Row]) -> None:
    """Nothing is quoted, and commas and line breaks stand where they like in labels and comments."""
    content = "\n".join([",".join(A14), *(",".join(row.values()) for row in rows)])
    run = await ingest(source("x.csv", content))
    assert row_payloads(run.documents) == rows
    assert run.skipped == []


@settings(max_examples=100)
@given(st.binary(max_size=300), st.integers(0, 400))
async def test_no_bytes_make_the_reader_fail(noise: bytes, position: int) -> None:
    """Bytes thrown anywhere into an export: pages come, and what is missing is reported."""
    whole = table(
        *({**dict.fromkeys(LAYOUTS["A11"], ""), "filename": "a", "annotator": "b", "annotation": "c"} for _ in "12")
    ).encode()
    run = await ingest(source("x.csv", whole[:position] + noise + whole[position:]))
    assert run.skipped or run.of(Annotation)
