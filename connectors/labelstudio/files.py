"""Reads tasks from JSON exports (fact sheet ``platforms/labelstudio.md`` §7), and as the API lists them.

An export knows neither the project's title nor its labels, nor users beside their ids; predictions are ids only.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final

from connectors import jsonstream
from connectors.coerce import many, mapping, text
from connectors.contract import ImportOptions, Input
from connectors.documents import Annotator, AnnotatorKind, AnyDocument, Asset, Campaign, Page, SkippedRecord
from connectors.errors import SkipRecord
from connectors.labelstudio.mapping import Context, annotator, person, task_documents

PAGE_TASKS: Final = 100


async def read(inputs: Sequence[Input], options: ImportOptions) -> AsyncIterator[Page]:
    """The pages of all inputs in order; see ``connectors.contract.Reader``."""
    sizes = [source.size for source in inputs]
    total, before = None if None in sizes else sum(size or 0 for size in sizes), 0
    for source in inputs:
        documents, skipped, count, end = list[AnyDocument](), list[SkippedRecord](), 0, 0
        for item in _items(source):
            if isinstance(item, jsonstream.Problem):
                skipped.append(SkippedRecord(reason=item.reason, where=item.where, raw=item.raw))
                continue
            count, end = count + 1, item.end
            try:
                documents += _documents(item.value, options.campaign)
            except SkipRecord as skip:
                where = f"{source.name}, item {item.index + 1}"
                skipped.append(
                    SkippedRecord(reason=skip.message, where=where, external_id=skip.external_id, raw=skip.raw)
                )
            if count == PAGE_TASKS:
                yield _page(documents, skipped, count, before + end, total)
                documents, skipped, count = [], [], 0
                await asyncio.sleep(0)
        before += end if source.size is None else source.size
        if count or skipped:
            yield _page(documents, skipped, count, before, total)


def _page(found: list[AnyDocument], skipped: list[SkippedRecord], count: int, done: int, total: int | None) -> Page:
    documents = {(one.kind, one.external_id, one.facet): one for one in found}
    return Page(documents=tuple(documents.values()), skipped=skipped, records=count, done=done, total=total)


def _documents(task: object, campaign: str | None) -> Iterator[AnyDocument]:
    found = task_documents(task, {}, Context())
    if project := text(mapping(task).get("project")):
        yield Campaign(
            external_id=project,
            facet="stub",
            assumed=frozenset({"input_type"} if campaign else {"input_type", "name"}),
            name=campaign or f"Project {project}",
            input_type=next(one.input_type for one in found if isinstance(one, Asset)),
        )
    for answer in many(mapping(task).get("annotations")):
        for user in (mapping(answer).get(key) for key in ("completed_by", "updated_by", "last_created_by")):
            if isinstance(user, dict) and person(user):
                yield annotator(user)
            elif name := person(user):
                yield Annotator(external_id=name, facet="stub", annotator_kind=AnnotatorKind.HUMAN)
    yield from found


def _items(source: Input) -> Iterator[jsonstream.Item | jsonstream.Problem]:
    try:
        with source.open() as stream:
            yield from jsonstream.items(stream, name=source.name, keys=("tasks",))
    except OSError as error:
        yield jsonstream.Problem(source.name, f"cannot be opened: {error}")
