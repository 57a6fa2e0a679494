"""Filters, orderings and pages of the reader mean what plain Python says, nulls included."""

from __future__ import annotations

import dataclasses
import random
from datetime import datetime, timedelta
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.store.keyset import order_keys
from gateway.store.store import Store
from schema import comparators, filters
from schema.ports import BadCursor, Order, Query, Viewer, Window
from schema.where import FILTER, Comparator, Direction, Where
from tests import oracle

COLLECTIONS: dict[str, tuple[type[Where], type | None]] = {
    "campaigns": (filters.CampaignWhere, filters.CampaignOrder),
    "tasks": (filters.TaskWhere, filters.TaskOrder),
    "assets": (filters.AssetWhere, filters.AssetOrder),
    "annotations": (filters.AnnotationWhere, filters.AnnotationOrder),
    "annotators": (filters.AnnotatorWhere, filters.AnnotatorOrder),
    "audits": (filters.AuditWhere, filters.AuditOrder),
}
VIEWER = Viewer(scopes=frozenset({"admin"}))
BASE = datetime(2024, 5, 1, 12)

texts = st.sampled_from(
    [
        "",
        "a",
        "A",
        "ab",
        "Ab",
        "b",
        "ß",
        "SS",
        "ſ",
        "K",
        "k",
        "É",
        "é",
        "é",
        "a.b",
        "a*",
        "\n",
        "🐋",
        "x\0y",
        "$a",
        "zz",
    ]
)
floats = st.sampled_from([-1.5, 0.0, 0.5, 1.0, 2.0, 3.25])
integers = st.integers(-2, 4)
moments = st.integers(-5, 5).map(lambda n: BASE + timedelta(milliseconds=n))
finer = st.integers(-50, 50).map(lambda n: BASE + timedelta(microseconds=100 * n))
ids = st.integers(0, 6).map(lambda n: f"gid://s/X/{n}")

LISTS = {"tags", "labels", "assignees"}
SUBLISTS = {"errors.type": ("errors", "type")}


def fields_of(where: type[Where]) -> dict[str, tuple[Any, type]]:
    """Filter fields: attribute → (declaration, comparator type or bool)."""
    hints = get_type_hints(where)
    out = {}
    for field in where.__strawberry_definition__.fields:  # type: ignore[attr-defined]
        declared = field.metadata.get(FILTER)
        if declared is not None:
            out[field.python_name] = (declared, get_args(hints[field.python_name])[0])
    return out


def value_strategy(comparator: type, path: str) -> st.SearchStrategy[Any]:
    if comparator is bool:
        return st.booleans()
    hint = get_type_hints(comparator)
    base = hint["eq"] if "eq" in hint else hint["gt"]
    kind = next(arg for arg in get_args(base) if arg is not type(None))
    if kind is str or comparator is comparators.IDFilter:
        return ids if comparator is comparators.IDFilter else texts
    plain = {int: integers, float: floats, datetime: moments}
    return plain[kind] if kind in plain else st.sampled_from([word.value for word in kind])


@st.composite
def documents(draw: st.DrawFn, where: type[Where]) -> list[dict[str, Any]]:
    out = []
    for number in range(draw(st.integers(0, 14))):
        doc: dict[str, Any] = {"_id": f"gid://s/X/{number:02d}", "source": draw(st.sampled_from(["s", "t"]))}
        for declared, comparator in fields_of(where).values():
            path = declared.path
            if path in ("_id", "source"):
                continue
            strategy = ids if declared.through else value_strategy(comparator, path)
            if path in LISTS:
                doc[path] = draw(st.lists(strategy, max_size=3))
            elif path in SUBLISTS:
                outer, inner = SUBLISTS[path]
                doc[outer] = [{inner: v} for v in draw(st.lists(strategy, max_size=2))]
            elif draw(st.integers(0, 3)):
                target = doc
                *parents, last = path.split(".")
                for parent in parents:
                    target = target.setdefault(parent, {})
                target[last] = draw(strategy)
        if draw(st.integers(0, 9)) == 0:
            doc["deleted_at"] = BASE
        out.append(doc)
    return out


@st.composite
def comparison(draw: st.DrawFn, comparator: type, declared: Any) -> Any:
    if comparator is bool:
        return draw(st.booleans())
    value = value_strategy(comparator, declared.path)
    if value is moments:
        value = finer
    if declared.path == "source" and not declared.through:
        value = st.sampled_from(["s", "t", "u"])
    enum = next((a for a in get_args(get_type_hints(comparator)["eq"]) if a is not type(None)), None)
    if isinstance(enum, type) and issubclass(enum, filters.Enum) and not issubclass(enum, str):
        value = st.sampled_from(list(enum))
    made: dict[str, Any] = {}
    names = [f.name for f in dataclasses.fields(comparator) if f.name != "ignore_case"]
    for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True)):
        made[name] = draw(
            st.booleans() if name == "null" else st.lists(value, max_size=3) if name in ("in_", "nin") else value
        )
    if any(f.name == "ignore_case" for f in dataclasses.fields(comparator)):
        made["ignore_case"] = draw(st.booleans())
    return comparator(**made)


@st.composite
def wheres(draw: st.DrawFn, where: type[Where], depth: int = 2) -> Where:
    made: dict[str, Any] = {}
    fields = fields_of(where)
    for name in draw(st.lists(st.sampled_from(sorted(fields)), max_size=2, unique=True)):
        declared, comparator = fields[name]
        made[name] = draw(comparison(comparator, declared))
    if depth:
        for word in draw(st.lists(st.sampled_from(["and_", "or_", "not_"]), max_size=1)):
            inner = wheres(where, depth - 1)
            made[word] = draw(inner if word == "not_" else st.lists(inner, max_size=2))
    if depth == 2:
        made["with_deleted"] = draw(st.booleans())
    return where(**made)


def related_documents(draw: st.DrawFn) -> dict[str, list[dict[str, Any]]]:
    people = [
        {"_id": f"gid://s/X/{n}", "source": "s"} | ({"email": e} if (e := draw(st.none() | texts)) is not None else {})
        for n in range(5)
    ]
    campaigns = [{"_id": f"gid://s/X/{n}", "source": "s", "name": draw(texts)} for n in range(5)]
    platforms = [{"_id": "s", "platform": draw(texts)}, {"_id": "t", "platform": draw(texts)}]
    return {"annotators": people, "campaigns": campaigns, "sources": platforms}


async def fill(store: Store, collection: str, docs: list[dict[str, Any]], others: dict[str, Any]) -> None:
    for name, found in {**others, collection: docs}.items():
        await store.db[name].delete_many({})
        if found:
            await store.db[name].insert_many([dict(doc) for doc in found])


@pytest.mark.parametrize("collection", sorted(COLLECTIONS))
@settings(max_examples=100, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data())
async def test_filters_and_orders_mean_what_python_says(collection: str, store: Store, data: st.DataObject) -> None:
    """Any filter with any ordering gives exactly the documents, in exactly the order, that plain Python gives."""
    where_type, order_type = COLLECTIONS[collection]
    docs = data.draw(documents(where_type))
    where = data.draw(wheres(where_type))
    order = data.draw(orders(order_type))
    others = related_documents(data.draw)
    others.pop(collection, None)
    await compare(store, collection, docs, where, order, others)


def orders(order_type: Any) -> st.SearchStrategy[tuple[Order, ...]]:
    field = get_type_hints(order_type)["field"]
    one = st.builds(
        lambda f, d: order_type(field=f, direction=d).order(),
        st.sampled_from(list(field)),
        st.sampled_from(list(Direction)),
    )
    return st.lists(one, max_size=2, unique_by=lambda o: o.path).map(tuple)


async def compare(store: Store, collection: str, docs: Any, where: Where, order: Any, others: Any) -> None:
    await fill(store, collection, docs, others)
    predicate = where.predicate(VIEWER)
    known = {**others, collection: docs}
    alive = [d for d in docs if where.include_deleted or not d.get("deleted_at")]
    expected = [d["_id"] for d in oracle.ordered([d for d in alive if oracle.fits(d, predicate, known)], order)]
    query = Query(collection, predicate, order, Window(first=500), include_deleted=where.include_deleted)
    assert [d["_id"] for d in (await store.reader.page(query)).docs] == expected
    assert await store.reader.count(query) == len(expected)
    assert await walked(store, query, 3) == expected
    assert await walked(store, query, 2, backward=True) == expected


async def walked(store: Store, query: Query, size: int, *, backward: bool = False) -> list[str]:
    """All ids, by following cursors to the end one way."""
    found: list[str] = []
    cursor = None
    for _ in range(100):
        window = Window(last=size, before=cursor) if backward else Window(first=size, after=cursor)
        page = await store.reader.page(dataclasses.replace(query, window=window))
        page_ids = [doc["_id"] for doc in page.docs]
        found = page_ids + found if backward else found + page_ids
        if not (page.has_previous if backward else page.has_next):
            return found
        assert page.docs
        cursor = page.cursor(page.docs[0] if backward else page.docs[-1])
    raise AssertionError("the pages do not end")


async def test_untouched_documents_are_seen_once_while_others_change(store: Store) -> None:
    """Paging sees every document that nobody touches exactly once, also while others come, go and move."""
    chance = random.Random(7)
    order = (Order("updated_at", descending=True),)
    docs = [
        {
            "_id": f"gid://s/Task/{n:03d}",
            "source": "s",
            **({"updated_at": BASE + timedelta(seconds=chance.randrange(40))} if n % 5 else {}),
        }
        for n in range(120)
    ]
    await fill(store, "tasks", docs, {})
    movers = {doc["_id"] for doc in docs[::7]}
    query, seen, cursor = Query("tasks", order=order), [], None
    for turn in range(100):
        page = await store.reader.page(dataclasses.replace(query, window=Window(first=7, after=cursor)))
        seen += [doc["_id"] for doc in page.docs]
        if not page.has_next:
            break
        cursor = page.cursor(page.docs[-1])
        for id_ in chance.sample(sorted(movers), 5):
            moved = {"$set": {"updated_at": BASE + timedelta(seconds=chance.randrange(60))}}
            await store.db["tasks"].update_one({"_id": id_}, moved)
        new = {
            "_id": f"gid://s/Task/new{turn}",
            "source": "s",
            "updated_at": BASE + timedelta(seconds=chance.randrange(60)),
        }
        await store.db["tasks"].insert_one(new)
    untouched = [doc["_id"] for doc in docs if doc["_id"] not in movers]
    assert sorted(id_ for id_ in seen if id_ in set(untouched)) == untouched


async def test_a_cursor_of_another_question_is_refused(store: Store) -> None:
    """A cursor works with the filter and order it came from, and with no other."""
    docs = [{"_id": f"gid://s/Task/{n}", "source": "s", "status": "PENDING"} for n in range(5)]
    await fill(store, "tasks", docs, {})
    query = Query("tasks", order=(Order("status"),), window=Window(first=2))
    page = await store.reader.page(query)
    window = Window(first=2, after=page.cursor(page.docs[-1]))
    assert len((await store.reader.page(dataclasses.replace(query, window=window))).docs) == 2
    for other in (
        dataclasses.replace(query, order=(Order("status", descending=True),), window=window),
        dataclasses.replace(query, collection="assets", window=window),
        dataclasses.replace(query, include_deleted=True, window=window),
    ):
        with pytest.raises(BadCursor, match="another filter"):
            await store.reader.page(other)


@pytest.mark.parametrize(
    "cursor", ["", "x", "####", "bnVsbA", "W10", "WzFd", "e30", "é", "A" * 5000, "WyJhIix7Im1zIjoxZTk5OX1d"]
)
async def test_forged_cursors_are_refused(cursor: str, store: Store) -> None:
    """Whatever is sent as a cursor, the answer is a clear refusal."""
    with pytest.raises(BadCursor):
        await store.reader.page(Query("tasks", window=Window(first=2, after=cursor)))


def _explained_filters() -> list[Any]:
    out = []
    for collection, (where_type, _) in COLLECTIONS.items():
        for name, (declared, comparator) in fields_of(where_type).items():
            if not declared.through:
                out.append(pytest.param(collection, where_type, name, comparator, id=f"{collection}-{name}"))
    return out


@pytest.mark.parametrize(("collection", "where_type", "name", "comparator"), _explained_filters())
async def test_every_filter_is_served_by_an_index(
    collection: str, where_type: Any, name: str, comparator: type, store: Store
) -> None:
    """No operator of any filter field, used alone, scans its collection."""
    await store.prepare()
    value: dict[type, Any] = {str: "x", int: 1, float: 1.0, datetime: BASE}
    made = []
    if comparator is bool:
        made.append(True)
    else:
        for op, hint in get_type_hints(comparator).items():
            if op == "ignore_case":
                continue
            kind = next(a for a in get_args(hint) if a is not type(None)) if get_args(hint) else hint
            if get_args(kind):
                kind = get_args(kind)[0]
                made.append(
                    comparator(
                        **{
                            op: [
                                value.get(kind) or next(iter(kind), "x")
                                if isinstance(kind, type) and kind not in value
                                else value.get(kind, "x")
                            ]
                        }
                    )
                )
            else:
                one = (
                    True
                    if op == "null"
                    else value.get(kind)
                    if kind in value
                    else (next(iter(kind)) if isinstance(kind, type) and issubclass(kind, filters.Enum) else "x")
                )
                made.append(comparator(**{op: one}))
    for comparison_ in made:
        predicate = where_type(**{name: comparison_}).predicate(VIEWER)
        where = await store.reader._where(Query(collection, predicate))
        plan = await store.db.command(
            "explain", {"find": collection, "filter": where, "sort": {"_id": 1}}, verbosity="queryPlanner"
        )
        assert "COLLSCAN" not in str(plan["queryPlanner"]["winningPlan"]), (where, comparison_)


@pytest.mark.parametrize("collection", sorted(COLLECTIONS))
async def test_every_ordering_is_served_by_an_index(collection: str, store: Store) -> None:
    """No ordering sorts in memory or scans its collection, on the first page or on a later one, either way."""
    await store.prepare()
    order_type = COLLECTIONS[collection][1]
    for field in get_type_hints(order_type)["field"]:
        for direction in Direction:
            keys = order_keys((order_type(field=field, direction=direction).order(),))
            sort = {key.path: -1 if key.descending else 1 for key in keys}
            plan = await store.db.command(
                "explain", {"find": collection, "filter": {"deleted_at": None}, "sort": sort}, verbosity="queryPlanner"
            )
            winning = str(plan["queryPlanner"]["winningPlan"])
            assert "COLLSCAN" not in winning, field
            assert "'SORT'" not in winning, field


def test_comparators_are_all_known() -> None:
    """Every comparator input of the schema is exercised by the property test through some field."""
    used = {comparator for where, _ in COLLECTIONS.values() for _, comparator in fields_of(where).values()}
    declared = {
        cls
        for cls in vars(comparators).values()
        if isinstance(cls, type) and issubclass(cls, Comparator) and cls is not Comparator
    }
    assert declared - used == set()
