"""Writes pages: finds what is new or changed by id and content hash, and stores it with its page in one transaction.

The unchanged is skipped, so a second run writes nothing. A page, the tasks folded anew because of it, its payloads
and its checkpoint become visible together or not at all: a crash repeats a page and never leaves half of one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

from pymongo import DeleteOne, ReplaceOne, UpdateMany, UpdateOne

from connectors.documents import UNSET, AnyDocument, Kind, Page, Ref, Scope
from connectors.ids import gid
from gateway.fold import FOLDED, fold, said_of
from gateway.store.codec import COLLECTIONS, Stored, clean, content_hash, encode, shape
from schema.jsontext import json_text

CHILD_KINDS: Final = (Kind.SUBMISSION, Kind.ANNOTATION, Kind.AUDIT, Kind.COMMENT)
_SYSTEM: Final = frozenset({"h", "fetched_at", "run", "weak"})
_SAID: Final = ("review_status", "review_comments")


@dataclass(slots=True)
class Counts:
    """What a page did, by kind."""

    created: Counter[Kind] = field(default_factory=Counter)
    updated: Counter[Kind] = field(default_factory=Counter)
    unchanged: Counter[Kind] = field(default_factory=Counter)
    deleted: Counter[Kind] = field(default_factory=Counter)

    def add(self, other: Counts) -> None:
        self.created += other.created
        self.updated += other.updated
        self.unchanged += other.unchanged
        self.deleted += other.deleted


@dataclass(slots=True)
class _Statement:
    """One document on its way: its id, what it states, its hash."""

    id: str
    document: AnyDocument
    stated: Stored
    raw: str | bytes | None
    hash: bytes

    @property
    def facet(self) -> str:
        return self.document.facet or "whole"


@dataclass(slots=True)
class _Batch:
    """The operations of one page, gathered before any is sent."""

    inserts: dict[str, list[Stored]] = field(default_factory=lambda: defaultdict(list))
    operations: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    touched: set[str] = field(default_factory=set)
    """Tasks to fold anew."""
    new_tasks: dict[str, Stored] = field(default_factory=dict)
    changed_tasks: dict[str, Stored] = field(default_factory=dict)
    children: dict[str, list[Stored]] = field(default_factory=lambda: defaultdict(list))
    """New documents of this page by the task they hang on."""
    counts: Counts = field(default_factory=Counts)


class Writer:
    """Stores the pages of one source during one run. ``now`` is the time that ``fetched_at`` shows."""

    def __init__(self, database: Any, *, source: str, run: str) -> None:
        self._db = database
        self._source = source
        self._run = run

    def prepare(self, page: Page) -> list[_Statement]:
        """Encodes and hashes the documents of a page: pure work, done while an earlier page is being written."""
        out = []
        source = self._source
        for document in page.documents:
            raw = None if document.raw is UNSET else json_text(document.raw)
            stated = encode(source, document)
            id_ = gid(source, document.kind.value, clean(document.external_id))
            out.append(_Statement(id_, document, stated, raw, content_hash(stated, raw)))
        return out

    async def write(self, page: Page, statements: Sequence[_Statement], *, now: datetime, session: Any) -> Counts:
        """Stores a prepared page inside the caller's transaction."""
        batch = _Batch()
        by_kind: dict[Kind, dict[str, list[_Statement]]] = defaultdict(dict)
        for statement in statements:
            by_kind[statement.document.kind].setdefault(statement.id, []).append(statement)
        for kind, groups in by_kind.items():
            await self._sort(kind, groups, batch, now, session)
        await self._replace_children(statements, batch, now, session)
        await self._tombstone([(ref.kind, self._gid(ref)) for ref in page.gone], batch, now, session)
        await self._fold(batch, session)
        await self._flush(batch, session)
        return batch.counts

    async def _flush(self, batch: _Batch, session: Any) -> None:
        for collection in batch.inserts.keys() | batch.operations.keys():
            await self._flush_one(collection, batch, session)

    async def _flush_one(self, collection: str, batch: _Batch, session: Any) -> None:
        new = batch.inserts.pop(collection, None)
        if new:
            await self._db[collection].insert_many(new, ordered=False, session=session)
        operations = batch.operations.pop(collection, None)
        if operations:
            await self._db[collection].bulk_write(operations, ordered=False, session=session)

    async def tombstone(self, gone: Sequence[tuple[Kind, str]], *, now: datetime, session: Any) -> Counts:
        """Marks documents (by global id) as deleted, with everything that hangs on them."""
        batch = _Batch()
        await self._tombstone(gone, batch, now, session)
        await self._flush(batch, session)
        await self._fold(batch, session)
        await self._flush(batch, session)
        return batch.counts

    # --- new, changed, unchanged ------------------------------------------------------------------------------

    async def _sort(
        self, kind: Kind, groups: Mapping[str, list[_Statement]], batch: _Batch, now: datetime, session: Any
    ) -> None:
        collection = COLLECTIONS[kind]
        known = {
            doc["_id"]: doc
            async for doc in self._db[collection].find(
                {"_id": {"$in": list(groups)}},
                {"h": 1, "deleted_at": 1},
                session=session,
                batch_size=len(groups) + 1,
            )
        }
        if kind is Kind.AUDIT:
            groups = await self._without_echoes(groups, batch, session)
        changed: list[str] = []
        for id_, group in groups.items():
            stored = known.get(id_)
            if stored is None:
                self._insert(kind, id_, group, batch, now)
            elif stored.get("deleted_at") or any(stored["h"].get(s.facet) != s.hash for s in group):
                changed.append(id_)
            else:
                batch.counts.unchanged[kind] += 1
        if changed:
            cursor = self._db[collection].find({"_id": {"$in": changed}}, session=session, batch_size=len(changed) + 1)
            async for doc in cursor:
                self._update(kind, doc, groups[doc["_id"]], batch, now)

    async def _without_echoes(
        self, groups: Mapping[str, list[_Statement]], batch: _Batch, session: Any
    ) -> Mapping[str, list[_Statement]]:
        """Takes out the platform's echoes of audits made here: one audit, not two. The first sight of one refolds."""
        where = {"alias": {"$in": list(groups)}}
        echoed: set[str] = set()
        async for audit in self._db["audits"].find(
            where, {"alias": 1, "task": 1, "echoed": 1, "fix": 1}, session=session
        ):
            echoed.add(audit["alias"])
            batch.counts.unchanged[Kind.AUDIT] += 1
            if not audit.get("echoed"):
                change = UpdateOne({"_id": audit["_id"]}, {"$set": {"echoed": True}})
                batch.operations["audits"].append(change)
                batch.touched.add(audit["task"])
                if "fix" in audit:  # the platform's own answer takes the place of the one laid over it
                    batch.operations["submissions"].append(DeleteOne({"_id": audit["fix"]}))
        return {id_: group for id_, group in groups.items() if id_ not in echoed} if echoed else groups

    def _insert(self, kind: Kind, id_: str, group: Sequence[_Statement], batch: _Batch, now: datetime) -> None:
        new: Stored = {"_id": id_, "source": self._source, "external_id": clean(group[0].document.external_id)}
        new |= shape(kind).initial
        if group[0].document.facet or group[0].document.assumed:
            new["weak"] = sorted(shape(kind).initial)
        for statement in group:
            merge(new, statement)
        new["fetched_at"] = now
        new["run"] = self._run
        batch.counts.created[kind] += 1
        payload = next((s.raw for s in reversed(group) if s.raw is not None), None)
        if payload is not None:
            batch.inserts["raws"].append({"_id": id_, "json": payload})
        if kind is Kind.SUBMISSION:
            new["said_current"] = new["is_current"]
        if kind is Kind.TASK:
            batch.new_tasks[id_] = new
            batch.touched.add(id_)
        else:
            batch.inserts[COLLECTIONS[kind]].append(new)
            self._touch(kind, new, None, batch)

    def _update(self, kind: Kind, stored: Stored, group: Sequence[_Statement], batch: _Batch, now: datetime) -> None:
        merged = dict(stored)
        merged["h"] = dict(stored["h"])
        if kind is Kind.TASK:
            merged |= {name: stored.get("said", {}).get(name) for name in _SAID}
        if kind is Kind.SUBMISSION:
            merged["is_current"] = stored.get("said_current", False)
        for statement in group:
            merge(merged, statement)
        merged.pop("deleted_at", None)
        if kind is Kind.SUBMISSION:
            merged["said_current"] = merged["is_current"]
        if kind is Kind.TASK:
            _keep_said(merged)
            merged["said"] |= {name: stored["said"].get(name) for name in ("answer", "submission")}
            same = _content(merged, drop=FOLDED) == _content(stored, drop=FOLDED)
        else:
            drop = ("is_current",) if kind is Kind.SUBMISSION else ()
            same = _content(merged, drop=drop) == _content(stored, drop=drop)
        payload_changed = any(s.raw is not None and stored["h"].get(s.facet) != s.hash for s in group)
        if same and not payload_changed:
            batch.counts.unchanged[kind] += 1
            return
        merged["fetched_at"] = now
        merged["run"] = self._run
        batch.counts.updated[kind] += 1
        self._payload(group, batch)
        if kind is Kind.TASK:
            merged |= {name: stored.get(name) for name in FOLDED}
            batch.changed_tasks[merged["_id"]] = merged
            batch.touched.add(merged["_id"])
        else:
            batch.operations[COLLECTIONS[kind]].append(ReplaceOne({"_id": merged["_id"]}, merged))
            self._touch(kind, merged, stored, batch)

    def _payload(self, group: Sequence[_Statement], batch: _Batch) -> None:
        for statement in group:
            if statement.raw is not None:
                batch.operations["raws"].append(
                    ReplaceOne({"_id": statement.id}, {"_id": statement.id, "json": statement.raw}, upsert=True)
                )

    def _touch(self, kind: Kind, new: Stored, old: Stored | None, batch: _Batch) -> None:
        if kind not in CHILD_KINDS:
            return
        task = new.get("task")
        if task is not None:
            batch.touched.add(task)
            if old is None:
                batch.children[task].append(new)
        if old is not None and old.get("task") is not None:
            batch.touched.add(old["task"])

    # --- what is gone -------------------------------------------------------------------------------------------

    async def _replace_children(
        self, statements: Iterable[_Statement], batch: _Batch, now: datetime, session: Any
    ) -> None:
        """Tombstones the children that a task's whole statement no longer names."""
        parents: dict[Kind, set[str]] = defaultdict(set)
        present: set[str] = set()
        for statement in statements:
            present.add(statement.id)
            document = statement.document
            if document.kind is Kind.TASK and statement.id not in batch.new_tasks:
                for kind in document.children:  # type: ignore[union-attr]
                    parents[kind].add(statement.id)
        for kind, tasks in parents.items():
            cursor = self._db[COLLECTIONS[kind]].find(
                {"task": {"$in": sorted(tasks)}, "deleted_at": None, "origin": {"$ne": "GATEWAY"}},
                {"_id": 1},
                session=session,
            )
            gone = [(kind, doc["_id"]) async for doc in cursor if doc["_id"] not in present]
            await self._tombstone(gone, batch, now, session)

    async def _tombstone(self, gone: Sequence[tuple[Kind, str]], batch: _Batch, now: datetime, session: Any) -> None:
        by_kind: dict[Kind, list[str]] = defaultdict(list)
        for kind, id_ in gone:
            by_kind[kind].append(id_)
        for kind, ids in by_kind.items():
            where = {"_id": {"$in": ids}, "deleted_at": None}
            alive = self._db[COLLECTIONS[kind]].find(where, {"task": 1}, session=session)
            found = [doc async for doc in alive]
            if not found:
                continue
            dead = [doc["_id"] for doc in found]
            batch.counts.deleted[kind] += len(dead)
            mark = {"$set": {"deleted_at": now, "run": self._run}}
            batch.operations[COLLECTIONS[kind]].append(UpdateMany({"_id": {"$in": dead}}, mark))
            batch.touched.update(doc["task"] for doc in found if doc.get("task"))
            if kind is Kind.TASK:
                for child in CHILD_KINDS:
                    batch.operations[COLLECTIONS[child]].append(
                        UpdateMany({"task": {"$in": dead}, "deleted_at": None, "origin": {"$ne": "GATEWAY"}}, mark)
                    )

    # --- the fold -------------------------------------------------------------------------------------------------

    async def _fold(self, batch: _Batch, session: Any) -> None:
        if not batch.touched:
            return
        tasks = batch.new_tasks | batch.changed_tasks
        missing = sorted(batch.touched - tasks.keys())
        if missing:
            cursor = self._db["tasks"].find({"_id": {"$in": missing}}, session=session)
            tasks |= {doc["_id"]: doc async for doc in cursor}
        # A new task has, as a rule, all its children in this page; the others are read back once the page's are there.
        fresh = batch.new_tasks.keys() - await self._with_children(list(batch.new_tasks), session)
        if len(fresh) < len(tasks):
            await self._flush_children(batch, session)
        children = await self._children([id_ for id_ in tasks if id_ not in fresh], session)
        operations = batch.operations["tasks"]
        for id_, task in tasks.items():
            before = dict(task)
            if id_ in batch.new_tasks:
                _keep_said(task)
            summary = summarize(batch.children.get(id_, ())) if id_ in fresh else children[id_]
            refold(task, summary)
            if id_ in batch.new_tasks:
                batch.inserts["tasks"].append(task)
            elif id_ in batch.changed_tasks or task != before:
                operations.append(ReplaceOne({"_id": id_}, task))
            self._mark_response(task, summary, batch)

    def _mark_response(self, task: Stored, summary: Children, batch: _Batch) -> None:
        """Sees to it that exactly the answer that counts says so."""
        for submission in summary.submissions:
            current = submission["_id"] == task.get("response_of")
            if submission.get("is_current", False) is not current:
                batch.operations["submissions"].append(
                    UpdateOne({"_id": submission["_id"]}, {"$set": {"is_current": current}})
                )

    async def _with_children(self, tasks: list[str], session: Any) -> set[str]:
        found: set[str] = set()
        if tasks:
            for kind in CHILD_KINDS[:3]:
                where = {"task": {"$in": tasks}}
                found.update(await self._db[COLLECTIONS[kind]].distinct("task", where, session=session))
        return found

    async def _flush_children(self, batch: _Batch, session: Any) -> None:
        for kind in CHILD_KINDS:
            await self._flush_one(COLLECTIONS[kind], batch, session)

    async def _children(self, tasks: list[str], session: Any) -> dict[str, Children]:
        return await read_children(self._db, tasks, session)

    def _gid(self, ref: Ref) -> str:
        return gid(self._source, ref.kind.value, clean(ref.external_id))


def merge(stored: Stored, statement: _Statement) -> None:
    """Applies what a document states to what is stored: None removes, assumed fields yield to stated ones.

    ``weak`` names the stored fields that hold an assumed or an initial value.
    """
    stored.setdefault("h", {})[statement.facet] = statement.hash
    assumed = statement.document.assumed
    weak = stored.get("weak")
    if not assumed and not weak:
        stored.update(statement.stated)
        for name, value in statement.stated.items():
            if value is None:
                del stored[name]
        return
    weak = set(weak or ())
    for name, value in statement.stated.items():
        if name in assumed:
            if name in stored and name not in weak:
                continue
            weak.add(name)
        else:
            weak.discard(name)
        if value is None:
            stored.pop(name, None)
        else:
            stored[name] = value
    stored["weak"] = sorted(weak)
    if not weak:
        del stored["weak"]


def seen_hash(id_: str) -> bytes:
    """Eight bytes that stand for an id in the record of what a pass has seen."""
    return blake2b(id_.encode(), digest_size=8).digest()


def _content(doc: Stored, drop: Sequence[str] = ()) -> Stored:
    return {
        name: value for name, value in doc.items() if name not in _SYSTEM and name not in drop and value is not None
    }


def _keep_said(task: Stored) -> None:
    """Moves the platform's own review words aside: readers see the folded ones."""
    said = {name: task.pop(name, None) for name in _SAID}
    task["said"] = {name: value for name, value in said.items() if value}


@dataclass(slots=True)
class Children:
    """What hangs on a task: labels and content hashes of its current marks, its answers, its audits."""

    labels: set[str] = field(default_factory=set)
    annotation_count: int = 0
    hashes: list[bytes] = field(default_factory=list)
    submissions: list[Stored] = field(default_factory=list)
    audits: list[Stored] = field(default_factory=list)

    def add(self, kind: Kind, doc: Stored) -> None:
        if kind is Kind.ANNOTATION and doc.get("is_current", True):
            self.annotation_count += 1
            self.hashes.extend(doc["h"].values())
            if doc.get("label") is not None:
                self.labels.add(doc["label"])
        elif kind is Kind.SUBMISSION:
            self.submissions.append(doc)
            if doc.get("said_current"):
                self.hashes.extend(doc["h"].values())
        elif kind is Kind.AUDIT:
            self.audits.append(doc)

    def answer(self) -> str:
        """A digest of the present answer with all its marks."""
        digest = blake2b(digest_size=12)
        for one in sorted(self.hashes):
            digest.update(one)
        return digest.hexdigest()

    def said_current(self) -> str | None:
        found = [one for one in self.submissions if one.get("said_current")]
        return max(found, key=lambda one: one.get("position", 0))["_id"] if found else None


def summarize(documents: Sequence[Stored]) -> Children:
    out = Children()
    for doc in documents:
        out.add(Kind(doc["_id"].split("/", 4)[3]), doc)
    return out


_AUDIT_FIELDS: Final = (
    *("task", "result", "auditor", "annotation", "submission", "audited_at", "origin", "delivery.state"),
    *("echoed", "seq", "comments", "fixed_response", "fix"),
)


async def read_children(database: Any, tasks: list[str], session: Any) -> dict[str, Children]:
    """The living children of tasks, as far as the fold looks at them."""
    out = {task: Children() for task in tasks}
    if not tasks:
        return out
    where = {"task": {"$in": tasks}, "deleted_at": None}
    for kind, fields in (
        (Kind.ANNOTATION, ("task", "label", "is_current", "h")),
        (Kind.SUBMISSION, ("task", "is_current", "said_current", "position", "h")),
        (Kind.AUDIT, _AUDIT_FIELDS),
    ):
        projection = dict.fromkeys(fields, 1)
        async for doc in database[COLLECTIONS[kind]].find(where, projection, session=session):
            out[doc["task"]].add(kind, doc)
    return out


def refold(task: Stored, children: Children) -> None:
    """Brings the derived fields of a stored task up to date with its children."""
    task["labels"] = sorted(children.labels)
    task["annotation_count"] = children.annotation_count
    task["said"] = (task.get("said") or {}) | {"answer": children.answer(), "submission": children.said_current()}
    task.update(fold(said_of(task), children.audits))


__all__ = ["CHILD_KINDS", "Children", "Counts", "Scope", "Writer", "merge", "read_children", "refold", "seen_hash"]
