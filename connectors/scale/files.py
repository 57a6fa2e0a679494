"""Reads tasks and projects from files, as the API or a callback writes them.

Known are: a JSON array, page objects (``{"docs": [...]}``), JSON Lines and single objects, of tasks, of callback bodies
(fact sheet ``platforms/scale.md`` §9) and of projects. A file says nothing about tasks that it does not hold. Of a task
that comes several times the newest state counts: the later one in the files, unless its ``updated_at`` is older.

A callback is stored as the task it carries, which says everything that the callback's other fields say; where they
say more or something else, that is reported as a skipped record which keeps them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from connectors import jsonstream
from connectors.coerce import mapping, moment, text
from connectors.contract import ImportOptions, Input
from connectors.documents import JSON, AnyDocument, Page, SkippedRecord
from connectors.errors import SkipRecord
from connectors.scale.mapping import project_document, task_documents

PAGE_TASKS: Final = 200
PAGE_DOCUMENTS: Final = 5_000
PAGE_BYTES: Final = 8 * 2**20
"""A page ends with whatever of these it reaches first."""


async def read(inputs: Sequence[Input], options: ImportOptions) -> AsyncIterator[Page]:
    """The pages of all inputs in order; see ``connectors.contract.Reader``."""
    for page in _Run(inputs, options).pages():
        yield page
        await asyncio.sleep(0)


@dataclass(slots=True)
class _Batch:
    """One page on its way: of each record the documents, of a task that comes again only the last ones."""

    records: dict[tuple[str, str], list[AnyDocument]] = field(default_factory=dict)
    skipped: list[SkippedRecord] = field(default_factory=list)
    count: int = 0
    documents: int = 0

    @property
    def is_full(self) -> bool:
        return max(self.count, len(self.skipped)) >= PAGE_TASKS or self.documents >= PAGE_DOCUMENTS

    def page(self, done: int, total: int | None) -> Page:
        # Tasks of a page share campaigns, assets and auditors: each is stated once.
        documents = {
            (document.kind, document.external_id, document.facet): document
            for record in self.records.values()
            for document in record
        }
        return Page(
            documents=tuple(documents.values()),
            skipped=tuple(self.skipped),
            records=self.count,
            done=done,
            total=total,
        )


class _Run:
    def __init__(self, inputs: Sequence[Input], options: ImportOptions) -> None:
        self._inputs = inputs
        self._campaign = options.campaign
        sizes = [source.size for source in inputs]
        self._total = None if None in sizes else sum(size for size in sizes if size)
        self._newest: dict[int, float] = {}
        """By hash of a task's id the ``updated_at`` of its newest state so far."""

    def pages(self) -> Iterator[Page]:
        before = 0
        for source in self._inputs:
            batch, start, end = _Batch(), 0, 0
            for item in _items(source):
                if isinstance(item, jsonstream.Problem):
                    batch.skipped.append(SkippedRecord(reason=item.reason, where=item.where, raw=item.raw))
                else:
                    end = item.end
                    batch.count += 1
                    self._add(batch, item.value, f"{source.name}, item {item.index + 1}")
                if batch.is_full or end - start >= PAGE_BYTES:
                    yield batch.page(before + end, self._total)
                    batch, start = _Batch(), end
            before += end if source.size is None else source.size
            if batch.count or batch.skipped:
                yield batch.page(before, self._total)

    def _add(self, batch: _Batch, value: JSON, where: str) -> None:
        try:
            key, documents = self._read(value, batch, where)
        except SkipRecord as skip:
            batch.skipped.append(
                SkippedRecord(
                    reason=skip.message, where=where, field=skip.field, external_id=skip.external_id, raw=skip.raw
                )
            )
            return
        batch.records.pop(key, None)
        batch.records[key] = documents
        batch.documents += len(documents)

    def _read(self, value: JSON, batch: _Batch, where: str) -> tuple[tuple[str, str], list[AnyDocument]]:
        record = mapping(value)
        if "task_id" not in record and "param_history" in record:
            project = project_document(record)
            return ("project", project.external_id), [project]
        task = value
        if is_callback(record):
            task = record["task"]
            batch.skipped += _beside(record, where)
        elif "task_id" not in record:
            raise SkipRecord(_what(value), field="task_id", raw=value)
        documents = task_documents(task, campaign=self._campaign)
        task_id = str(text(task["task_id"]))
        self._keep_newest(task_id, task)
        return ("task", task_id), documents

    def _keep_newest(self, task_id: str, task: Mapping[str, JSON]) -> None:
        at = moment(task.get("updated_at"))
        if at is None:
            return
        key, time = hash(task_id), at.timestamp()
        if time < self._newest.get(key, time):
            raise SkipRecord("an older state of a task that was read before", external_id=task_id, raw=task)
        self._newest[key] = time


def is_callback(record: Mapping[str, JSON]) -> bool:
    """A callback body (fact sheet §9): ``{task_id, response, task}``, with ``status`` in the docs' field table."""
    return "task_id" in mapping(record.get("task")) and "type" not in record and "params" not in record


def beside_task(callback: Mapping[str, JSON]) -> dict[str, JSON]:
    """What a callback says that its task does not say in the same words."""
    task = mapping(callback.get("task"))
    return {key: value for key, value in callback.items() if key != "task" and value != task.get(key)}


def _beside(callback: Mapping[str, JSON], where: str) -> Iterator[SkippedRecord]:
    more = beside_task(callback)
    if more:
        yield SkippedRecord(
            reason="the callback says more than its task, or something else; the task was taken",
            where=where,
            field=next(iter(more)),
            external_id=text(mapping(callback.get("task")).get("task_id")),
            raw=more,
        )


def _items(source: Input) -> Iterator[jsonstream.Item | jsonstream.Problem]:
    try:
        with source.open() as stream:
            yield from jsonstream.items(stream, name=source.name, keys=("docs",))
    except OSError as error:
        yield jsonstream.Problem(source.name, f"cannot be opened: {error}")


def _what(value: JSON) -> str:
    """Says of what is no task what it seems to be."""
    if not isinstance(value, dict):
        return f"not a task: a JSON object is expected, not {_JSON_NAMES[type(value)]}"
    if value.keys() >= {"status_code", "error"}:
        return f"an error answer of the API, not a task: {text(value['error']) or value['status_code']}"
    if value.keys() >= {"request", "response"}:
        return "a recorded exchange of request and response, not a task: only the response's body is one"
    if value.keys() >= {"name", "project", "status"}:
        return "a batch, not a task: batches are read from their tasks"
    return "not a task: it has no task_id"


_JSON_NAMES: Final[Mapping[type, str]] = {
    list: "an array",
    str: "a string",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
}
