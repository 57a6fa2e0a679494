"""What the tests of APLOSE's files share: reading exports, building them again, and counting without our reader."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from connectors.aplose import CONNECTOR
from connectors.aplose.layouts import LAYOUTS
from connectors.contract import ImportOptions, Input
from connectors.documents import Annotation, AnyDocument, Asset, Comment, Page, SkippedRecord

T = TypeVar("T")

ROOT = Path(__file__).parents[3]
OURS = ROOT / "connectors" / "aplose" / "samples"
SHARED = Path(os.environ.get("LABELGATE_SAMPLES", ROOT.parent / "shared" / "samples")) / "aplose"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="shared samples are not here")

Row = dict[str, str]


@dataclass
class Import:
    """Everything that one run of the reader gave."""

    pages: list[Page] = field(default_factory=list)

    @property
    def documents(self) -> list[AnyDocument]:
        return [document for page in self.pages for document in page.documents]

    @property
    def skipped(self) -> list[SkippedRecord]:
        return [record for page in self.pages for record in page.skipped]

    @property
    def records(self) -> int:
        return sum(page.records for page in self.pages)

    @property
    def reasons(self) -> list[str]:
        return [f"{record.where}: {record.reason}" for record in self.skipped]

    def of(self, cls: type[T]) -> list[T]:
        return [document for document in self.documents if isinstance(document, cls)]

    def one(self, cls: type[T], **fields: object) -> T:
        """The only document of a type with these fields."""
        found = [d for d in self.of(cls) if all(getattr(d, name) == value for name, value in fields.items())]
        assert len(found) == 1, found
        return found[0]


def source(name: str, content: str | bytes) -> Input:
    data = content.encode() if isinstance(content, str) else content
    return Input(name, lambda: io.BytesIO(data), len(data))


def file_source(path: Path, name: str | None = None) -> Input:
    return Input(name or path.name, lambda: path.open("rb"), path.stat().st_size)


async def ingest(*sources: Input, campaign: str | None = None, **options: str) -> Import:
    read = CONNECTOR.read
    assert read is not None
    return Import([page async for page in read(sources, ImportOptions(campaign=campaign, options=options))])


def row(layout: str = "A27", **cells: object) -> Row:
    """A whole BOX row of a layout, with some cells changed."""
    usual: Mapping[str, object] = {
        "dataset": "Gulf",
        "analysis": "fft",
        "filename": "a.wav",
        "start_time": "10.5",
        "end_time": "20.25",
        "start_frequency": "100.0",
        "end_frequency": "2000.0",
        "annotation": "Whistle",
        "annotator": "ana",
        "start_datetime": "2024-05-01T10:00:10.500+00:00",
        "end_datetime": "2024-05-01T10:00:20.250+00:00",
        "is_box": "1",
        "type": "BOX",
        "created_at_phase": "ANNOTATION",
    }
    return {name: str(cells.get(name, usual.get(name, ""))) for name in (*LAYOUTS[layout], *(cells.keys()))}


def comment_row(layout: str = "A27", **cells: object) -> Row:
    """A task comment as version 2 and 3 write it (fact sheet §2.5)."""
    empty = dict.fromkeys(("start_time", "end_time", "start_frequency", "end_frequency", "annotation"), "")
    empty |= dict.fromkeys(("analysis", "is_box", "type", "created_at_phase"), "")
    span = {"start_datetime": "2024-05-01T10:00:00.000+00:00", "end_datetime": "2024-05-01T10:15:00.000+00:00"}
    return {
        name: value
        for name, value in row(layout, **{**empty, **span, "comments": "loud |- ana", **cells}).items()
        if name in LAYOUTS[layout] or name in cells
    }


def table(*rows: Mapping[str, str], delimiter: str = ",", end: str = "\r\n", quoting: int = csv.QUOTE_MINIMAL) -> str:
    """A CSV text with the columns of the first row."""
    out = io.StringIO()
    columns = list(dict.fromkeys(name for one in rows for name in one))
    writer = csv.DictWriter(out, columns, restval="", delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


async def mark(layout: str = "A27", **cells: object) -> Annotation:
    """The mark that a row of these cells is."""
    return (await ingest(source("x.csv", table(row(layout, **cells))))).one(Annotation)


# --- checks that need no reader of ours; the store's tests use them too ---------------------------------------------


def csv_rows(path: Path) -> list[Row]:
    """Rows by the csv module alone. The delimiter is the one that cuts the header into most cells."""
    text = path.read_text(encoding="utf-8-sig")
    first = text.partition("\n")[0]
    delimiter = max(",;\t|", key=first.count)
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream, delimiter=delimiter))


def is_results(rows: Sequence[Row]) -> bool:
    return bool(rows) and "annotation" in rows[0]


def assert_same_rows(raws: Iterable[Mapping[str, Any]], rows: Iterable[Mapping[str, str]]) -> None:
    """The payloads kept are the rows of the file, field for field, each as often."""
    found = Counter(tuple(raw.items()) for raw in raws)
    expected = Counter(tuple(one.items()) for one in rows)
    assert found == expected


def row_payloads(documents: Iterable[AnyDocument]) -> list[Row]:
    """The rows that documents keep: marks and task comments hold results rows, recordings hold status rows."""
    return [
        document.raw
        for document in documents
        if isinstance(document, (Annotation, Comment, Asset)) and isinstance(document.raw, dict)
    ]


def assert_counts(documents: Sequence[AnyDocument], rows: Sequence[Row]) -> None:
    """Marks per label, annotator and file, and task comments, are as many as in the file."""
    marks = [document for document in documents if isinstance(document, Annotation)]
    labelled = [one for one in rows if one["annotation"]]
    assert len(marks) == len(labelled)
    assert Counter(mark.label for mark in marks) == Counter(one["annotation"] for one in labelled)
    assert Counter(mark.author for mark in marks) == Counter(one["annotator"] for one in labelled)
    names = {d.external_id: d.name for d in documents if isinstance(d, Asset)}
    assert Counter(names[str(mark.asset)] for mark in marks) == Counter(one["filename"] for one in labelled)
    assert sum(isinstance(d, Comment) for d in documents) == len(rows) - len(labelled)


def assert_consistent(documents: Iterable[AnyDocument]) -> None:
    """Whatever is stated more than once is the same each time, so that reading again changes nothing."""
    said: dict[tuple[str, str, str], AnyDocument] = {}
    for document in documents:
        key = (document.kind.value, document.external_id, document.facet)
        assert said.setdefault(key, document) == document, key


def assert_resolved(documents: Sequence[AnyDocument]) -> None:
    """Every reference but ``replaces`` names a document of the same run."""
    known = {(document.kind.value, document.external_id) for document in documents}
    kinds = {"campaign": "Campaign", "asset": "Asset", "task": "Task", "submission": "Submission"}
    kinds |= {"annotation": "Annotation", "author": "Annotator", "auditor": "Annotator"}
    for document in documents:
        for name, kind in kinds.items():
            value = getattr(document, name, None)
            assert not isinstance(value, str) or (kind, value) in known, (document.kind, name, value)
        for assignee in getattr(document, "assignees", None) or ():
            assert ("Annotator", assignee) in known
