"""What the Kili tests share: reading exports, putting objects together again, walking JSON without our mapping."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st

from connectors.contract import ImportOptions, Input
from connectors.documents import Annotation, AnyDocument, Asset, Page, SkippedRecord, Submission
from connectors.kili import CONNECTOR
from connectors.kili.annotations import Answer, marks
from connectors.kili.raw import rebuilt

T = TypeVar("T")

ROOT = Path(__file__).parents[3]
OURS = ROOT / "connectors" / "kili" / "samples"
SHARED = Path(os.environ.get("LABELGATE_SAMPLES", ROOT.parent / "shared" / "samples")) / "kili"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="shared samples are not here")

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["\ud800", "\udfff@x", 2**70]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)
"""Any JSON, lone surrogates and numbers of any size included."""


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

    def of(self, kind: type[T]) -> list[T]:
        return of(self.documents, kind)

    @property
    def reasons(self) -> list[str]:
        return [f"{record.where}: {record.reason}" for record in self.skipped]


def of(documents: Iterable[Any], kind: type[T]) -> list[T]:
    return [document for document in documents if isinstance(document, kind)]


def source(name: str, content: bytes) -> Input:
    return Input(name, lambda: io.BytesIO(content), len(content))


def path_source(path: Path, name: str | None = None) -> Input:
    return Input(name or path.name, lambda: path.open("rb"), path.stat().st_size)


async def ingest(*inputs: Input, campaign: str | None = None) -> Import:
    assert CONNECTOR.read is not None
    return Import([page async for page in CONNECTOR.read(inputs, ImportOptions(campaign=campaign))])


def rebuild(documents: Iterable[AnyDocument]) -> list[Any]:
    """The platform's assets, from nothing but what the documents keep raw."""
    kept = list(documents)
    answers = {submission.external_id: submission.raw for submission in of(kept, Submission)}
    return [rebuilt(asset.raw, answers.__getitem__) for asset in of(kept, Asset)]


def content_of(path: Path) -> list[Any]:
    """The assets of an export, read with nothing of ours."""
    if path.suffix != ".zip":
        value = json.loads(path.read_bytes())
        return value if isinstance(value, list) else [value]
    with zipfile.ZipFile(path) as archive:
        values = [json.loads(archive.read(name)) for name in archive.namelist() if name.endswith(".json")]
    return [asset for value in values for asset in (value if isinstance(value, list) else [value])]


def labels_of(asset: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for key in ("labels", "latestLabels"):
        yield from (label for label in asset.get(key) or [] if label is not None)
    if asset.get("latestLabel"):
        yield asset["latestLabel"]


def leaves(value: Any) -> Iterator[Any]:
    """Every scalar in a JSON value."""
    if isinstance(value, dict):
        for entry in value.values():
            yield from leaves(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from leaves(entry)
    else:
        yield value


def mark_objects(value: Any, *, inside_mark: bool = False) -> Iterator[dict[str, Any]]:
    """Every object that stands in a list ``annotations`` of a job, wherever the job is nested."""
    if isinstance(value, dict):
        for key, entry in value.items():
            if key == "annotations" and isinstance(entry, list) and not inside_mark:
                yield from (mark for mark in entry if isinstance(mark, dict))
                for mark in entry:
                    yield from mark_objects(mark, inside_mark=True)
            elif key == "children":
                yield from mark_objects(entry)
            else:
                yield from mark_objects(entry, inside_mark=inside_mark)
    elif isinstance(value, list):
        for entry in value:
            yield from mark_objects(entry, inside_mark=inside_mark)


def jobs_answered(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every job that classifies or transcribes, by name, wherever it is nested."""
    if isinstance(value, dict):
        for key, entry in value.items():
            if isinstance(entry, dict) and (entry.get("categories") or entry.get("text")):
                yield key, entry
            yield from jobs_answered(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from jobs_answered(entry)


def map_response(response: dict[str, Any], **answer: Any) -> list[Annotation]:
    return marks(response, Answer(submission="s", task="t", **answer))


def zipped(members: Mapping[str, bytes | str], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def asset(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {"id": f"asset-{number}", "externalId": f"file {number}.jpg", "content": "", "labels": []} | fields


def label(**fields: Any) -> dict[str, Any]:
    return {
        "author": {"id": "user-1", "email": "rosa@example.com", "name": "Rosa Aalto"},
        "createdAt": "2025-01-02T03:04:05.678Z",
        "jsonResponse": {"JOB": {"categories": [{"name": "A"}]}},
        "labelType": "DEFAULT",
    } | fields
