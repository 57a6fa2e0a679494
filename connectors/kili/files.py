"""Reads Kili exports: JSON of assets, a zip with ``data.json``, a zip with ``labels/<externalId>.json``.

Assets are read one at a time and mapped as the API's are (mapping.py). Nothing claims to be all there is: an export
is a selection (by label type, by asset filter, without unlabeled assets), so what is missing in it is not gone. Within
one file the first of two different assets with one id is kept, the other is reported; a later file wins over an
earlier one.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import BinaryIO, Final

from connectors import jsonstream
from connectors.contract import ImportOptions, Input
from connectors.documents import JSON, Annotator, AnyDocument, Asset, Page, SkippedRecord
from connectors.errors import SkipRecord
from connectors.kili import archive
from connectors.kili.exports import (
    LABELS,
    README,
    README_LIMIT,
    Export,
    campaign_document,
    export_of,
    named_by,
    wanted,
)
from connectors.kili.fields import Mapped
from connectors.kili.mapping import asset_documents

PAGE_ASSETS: Final = 100
PAGE_DOCUMENTS: Final = 5_000
PAGE_BYTES: Final = 8 * 2**20


async def read(inputs: Sequence[Input], options: ImportOptions) -> AsyncIterator[Page]:
    """The pages of all inputs in order; see ``connectors.contract.Reader``."""
    run = _Run(options.campaign, total=_total(inputs))
    folders = _Folders(inputs)
    told = 0
    for source in inputs:
        for page in _pages(source, run, folders):
            told = page.done
            yield page
    if run.done != told:
        yield Page(done=run.done, total=run.total)


@dataclass(frozen=True, slots=True)
class _Record:
    """One JSON value that should be an asset. ``attached``: perhaps a file-job's attachment that only ends in .json."""

    value: JSON
    where: str
    export: Export
    size: int
    done: int
    attached: bool = False


@dataclass(slots=True)
class _Run:
    """What the pages of a run share."""

    campaign: str | None
    total: int | None
    done: int = 0
    people: set[tuple[str, str]] = field(default_factory=set)
    campaigns: set[str] = field(default_factory=set)


# --- pages ---------------------------------------------------------------------------------------------------


def _pages(source: Input, run: _Run, folders: _Folders) -> Iterator[Page]:
    batch = _Batch(run)
    digests: dict[str, bytes] = {}
    for record in _records(source, run, folders):
        if isinstance(record, SkippedRecord):
            batch.skipped.append(record)
            continue
        batch.add(record, digests)
        if batch.full:
            yield batch.page(run.done + record.done)
            batch = _Batch(run)
    run.done += source.size or 0
    if batch.records or batch.skipped:
        yield batch.page(run.done)


@dataclass(slots=True)
class _Batch:
    run: _Run
    documents: list[AnyDocument] = field(default_factory=list)
    skipped: list[SkippedRecord] = field(default_factory=list)
    records: int = 0
    size: int = 0

    @property
    def full(self) -> bool:
        return self.records >= PAGE_ASSETS or len(self.documents) >= PAGE_DOCUMENTS or self.size >= PAGE_BYTES

    def add(self, record: _Record, digests: dict[str, bytes]) -> None:
        export = named_by(record.value, record.export)
        try:
            mapped = asset_documents(record.value, campaign=export.campaign, where=record.where)
        except SkipRecord as skip:
            if not record.attached:
                self.skipped.append(skipped(skip))
            return
        self.records += 1
        self.size += record.size
        asset = next(document for document in mapped.documents if isinstance(document, Asset))
        digest = hashlib.blake2b(repr(record.value).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if asset.external_id in digests:
            if digests[asset.external_id] != digest:
                reason = "another asset of this file has the same id; the first one was kept"
                self.skipped.append(
                    SkippedRecord(
                        reason=reason,
                        where=record.where,
                        field="id",
                        external_id=asset.external_id,
                        raw=record.value,
                    )
                )
            return
        digests[asset.external_id] = digest
        if export.campaign not in self.run.campaigns:
            self.run.campaigns.add(export.campaign)
            self.documents.append(campaign_document(export, asset))
        self._take(mapped)

    def _take(self, mapped: Mapped) -> None:
        people = self.run.people
        for document in mapped.documents:
            if isinstance(document, Annotator):
                if (person := (document.external_id, document.facet)) in people:
                    continue
                people.add(person)
            self.documents.append(document)
        self.skipped += mapped.skipped

    def page(self, done: int) -> Page:
        return Page(
            documents=self.documents, skipped=self.skipped, records=self.records, done=done, total=self.run.total
        )


def skipped(error: SkipRecord) -> SkippedRecord:
    return SkippedRecord(
        reason=error.message, where=error.where, field=error.field, external_id=error.external_id, raw=error.raw
    )


# --- inputs --------------------------------------------------------------------------------------------------


def _records(source: Input, run: _Run, folders: _Folders) -> Iterator[_Record | SkippedRecord]:
    if folders.passes_over(source.name):
        return
    try:
        with source.open() as stream:
            head = stream.read(archive.HEAD)
        if archive.is_zip(head):
            with source.open() as stream:
                yield from _from_zip(source, stream, run)
        elif reason := _refusal(source.name, head):
            yield SkippedRecord(reason=reason, where=source.name)
        else:
            export = export_of(source.name, folders.readme(source.name), run.campaign)
            with source.open() as stream:
                yield from _from_json(stream, source.name, export, attached=folders.attached(source.name))
    except OSError as error:
        yield SkippedRecord(reason=f"cannot be read: {error.strerror or error}", where=source.name)


def _refusal(name: str, head: bytes) -> str | None:
    if name.lower().endswith(".zip"):
        return "named .zip, but no zip archive"
    content = head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\x1e")
    return None if not content or content[:1] in b"[{" else "neither JSON nor a zip archive"


def _from_json(
    stream: BinaryIO, name: str, export: Export, *, attached: bool = False
) -> Iterator[_Record | SkippedRecord]:
    end = 0
    for item in jsonstream.items(stream, name=name):
        if isinstance(item, jsonstream.Item):
            where = f"{name}, item {item.index + 1}"
            yield _Record(item.value, where, export, item.end - end, item.end, attached)
            end = item.end
        elif not attached:
            yield SkippedRecord(reason=item.reason, where=item.where, raw=item.raw)


def _from_zip(source: Input, stream: BinaryIO, run: _Run) -> Iterator[_Record | SkippedRecord]:
    if not stream.seekable():
        with tempfile.TemporaryFile() as spool:
            shutil.copyfileobj(stream, spool)
            yield from _from_zip(source, spool, run)
        return
    found = list(archive.members(stream, source.name, wanted))
    files = [member for member in found if isinstance(member, archive.Member)]
    names = {member.name for member in files}
    yield from (member for member in found if isinstance(member, SkippedRecord))
    readme, damage = _readme(files, source.name)
    yield from damage
    export = export_of(source.name, readme, run.campaign)
    data = [member for member in files if PurePosixPath(member.name).name != README]
    if not data and not any(isinstance(member, SkippedRecord) for member in found):
        other = f" (its README says format {export.format})" if export.format not in (None, "kili") else ""
        reason = f"the archive holds neither data.json nor {LABELS}/*.json{other}"
        yield SkippedRecord(reason=reason, where=source.name)
    done = 0
    for member in data:
        where = f"{source.name}/{member.name}"
        try:
            with member.open() as inner:
                for record in _from_json(inner, where, export, attached=_is_attached(member.name, names)):
                    yield _at(record, done)
        except OSError as error:
            yield SkippedRecord(reason=f"cannot be read: {error}", where=where)
        done += member.packed


def _readme(files: Sequence[archive.Member], name: str) -> tuple[bytes | None, list[SkippedRecord]]:
    for member in files:
        if PurePosixPath(member.name).name == README:
            try:
                with member.open() as inner:
                    return inner.read(README_LIMIT), []
            except OSError as error:
                return None, [SkippedRecord(reason=f"cannot be read: {error}", where=f"{name}/{member.name}")]
    return None, []


def _at(record: _Record | SkippedRecord, done: int) -> _Record | SkippedRecord:
    """Inside an archive progress counts packed bytes of whole members."""
    if isinstance(record, SkippedRecord):
        return record
    return _Record(record.value, record.where, record.export, record.size, done, record.attached)


def _is_attached(name: str, names: set[str]) -> bool:
    """In the folder of another asset: an attachment of a file job, or an external id with a slash (fact sheet §13)."""
    return f"{PurePosixPath(name).parent}.json" in names


class _Folders:
    """Inputs that are an unpacked archive: the README names the project of the files beside and below it."""

    def __init__(self, inputs: Sequence[Input]) -> None:
        self._names = {source.name for source in inputs}
        self._readmes: dict[PurePosixPath, bytes] = {}
        for source in inputs:
            path = PurePosixPath(source.name)
            if path.name == README:
                try:
                    with source.open() as stream:
                        self._readmes[path.parent] = stream.read(README_LIMIT)
                except OSError:
                    # Without it the files are named after their folder; it is reported when its turn comes.
                    continue

    def readme(self, name: str) -> bytes | None:
        root = self._root(name)
        return None if root is None else self._readmes[root]

    def attached(self, name: str) -> bool:
        return self._root(name) is not None and _is_attached(name, self._names)

    def passes_over(self, name: str) -> bool:
        """The README itself, and media and attachments beside the labels."""
        root = self._root(name)
        if root is None:
            return False
        inside = PurePosixPath(name).relative_to(root).as_posix()
        return PurePosixPath(name).name == README or not wanted(inside)

    def _root(self, name: str) -> PurePosixPath | None:
        return next((parent for parent in PurePosixPath(name).parents if parent in self._readmes), None)


def _total(inputs: Sequence[Input]) -> int | None:
    sizes = [source.size for source in inputs]
    return None if None in sizes else sum(size for size in sizes if size is not None)
