"""The limit in Python: an endpoint written by hand for exactly the queries of the benchmark, on the stock driver.

It reads no GraphQL: the operation's name says which function answers. It has no auth, no limits and no checks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Doc = dict[str, Any]
_ONE = dict.fromkeys(
    "external_id source asset_name batch type status native_status priority tags annotation_count labels review_status "
    "created_at updated_at".split(),
    1,
)


def _moment(value: Any) -> str | None:
    return None if value is None else value.isoformat(timespec="milliseconds") + "Z"


def _task(doc: Doc) -> Doc:
    get = doc.get
    return {
        "id": doc["_id"],
        "externalId": doc["external_id"],
        "sourceName": doc["source"],
        "assetName": get("asset_name"),
        "batch": get("batch"),
        "type": get("type"),
        "status": doc["status"],
        "nativeStatus": get("native_status"),
        "priority": get("priority"),
        "tags": doc["tags"],
        "annotationCount": doc["annotation_count"],
        "labels": doc["labels"],
        "reviewStatus": doc["review_status"],
        "createdAt": _moment(get("created_at")),
        "updatedAt": _moment(get("updated_at")),
    }


def create_app(db: Any) -> Starlette:
    async def tasks(where: Doc, fields: Doc, count: int) -> list[Doc]:
        cursor = db["tasks"].find(
            {**where, "deleted_at": None}, fields, sort=[("_id", 1)], limit=count + 1, batch_size=count + 2
        )
        return (await cursor.to_list(None))[:count]

    async def by_ids(collection: str, ids: Any, fields: Doc) -> dict[str, Doc]:
        wanted = list(set(ids))
        cursor = db[collection].find({"_id": {"$in": wanted}}, fields, batch_size=len(wanted) + 1)
        return {doc["_id"]: doc for doc in await cursor.to_list(None)}

    async def q1(given: Doc) -> Doc:
        found = await tasks({"campaign": given["campaign"], "status": given["status"]}, _ONE, 100)
        return {"tasks": {"nodes": [_task(doc) for doc in found]}}

    async def q2(given: Doc) -> Doc:
        fields = {"status": 1, "priority": 1, "asset": 1, "campaign": 1}
        found = await tasks({"campaign": given["campaign"]}, fields, 50)
        assets = await by_ids("assets", [d["asset"] for d in found], {"name": 1, "input_type": 1, "content_url": 1})
        campaigns = await by_ids("campaigns", [d["campaign"] for d in found], {"name": 1, "status": 1})
        cursor = db["audits"].find(
            {"task": {"$in": [d["_id"] for d in found]}, "deleted_at": None},
            {"task": 1, "result": 1, "comments": 1, "audited_at": 1, "auditor": 1},
            sort=[("audited_at", -1), ("_id", -1)],
            batch_size=1000,
        )
        audits: dict[str, list[Doc]] = defaultdict(list)
        for doc in await cursor.to_list(None):
            audits[doc["task"]].append(doc)
        people = await by_ids("annotators", [a["auditor"] for some in audits.values() for a in some], {"name": 1})

        def audit(doc: Doc) -> Doc:
            who = people[doc["auditor"]]
            return {
                "id": doc["_id"],
                "result": doc["result"],
                "comments": doc["comments"],
                "auditedAt": _moment(doc.get("audited_at")),
                "auditor": {"id": who["_id"], "name": who.get("name")},
            }

        def node(doc: Doc) -> Doc:
            asset, campaign = assets[doc["asset"]], campaigns[doc["campaign"]]
            return {
                "id": doc["_id"],
                "status": doc["status"],
                "priority": doc.get("priority"),
                "asset": {
                    "id": asset["_id"],
                    "name": asset["name"],
                    "inputType": asset["input_type"],
                    "contentUrl": asset.get("content_url"),
                },
                "campaign": {"id": campaign["_id"], "name": campaign["name"], "status": campaign["status"]},
                "audits": {"nodes": [audit(one) for one in audits[doc["_id"]][:5]]},
            }

        return {"tasks": {"nodes": [node(doc) for doc in found]}}

    async def q3(given: Doc) -> Doc:
        return {"task": _task(await db["tasks"].find_one({"_id": given["id"]}, _ONE))}

    async def q4(given: Doc) -> Doc:
        found = await tasks({"campaign": given["campaign"]}, {"_id": 1}, 50)
        cursor = db["annotations"].find(
            {"task": {"$in": [d["_id"] for d in found]}, "deleted_at": None},
            {"task": 1, "label": 1, "confidence": 1, "value": 1},
            sort=[("_id", 1)],
            batch_size=1000,
        )
        marks: dict[str, list[Doc]] = defaultdict(list)
        for doc in await cursor.to_list(None):
            marks[doc["task"]].append(doc)

        def mark(doc: Doc) -> Doc:
            value = doc["value"]
            return {
                "id": doc["_id"],
                "label": doc.get("label"),
                "confidence": {"level": doc["confidence"]["level"]},
                "value": {
                    "__typename": value["type"],
                    "left": value["left"],
                    "top": value["top"],
                    "width": value["width"],
                    "height": value["height"],
                    "unit": value["unit"],
                },
            }

        nodes = [{"id": d["_id"], "annotations": {"nodes": [mark(m) for m in marks[d["_id"]][:10]]}} for d in found]
        return {"tasks": {"nodes": nodes}}

    async def q6(given: Doc) -> Doc:
        campaign = await db["campaigns"].find_one({"_id": given["id"]}, {"name": 1})
        pipeline = [
            {"$match": {"campaign": given["id"], "deleted_at": None}},
            {"$group": {"_id": "$status", "n": {"$sum": 1},
                        "audited": {"$sum": {"$cond": [{"$gt": ["$audit_count", 0]}, 1, 0]}}}},
        ]  # fmt: skip
        cursor = db["tasks"].aggregate(pipeline)
        rows = await (await cursor if hasattr(cursor, "__await__") else cursor).to_list(None)
        order = ["PENDING", "COMPLETED"]
        rows.sort(key=lambda row: order.index(row["_id"]))
        progress = {
            "total": sum(row["n"] for row in rows),
            "audited": sum(row["audited"] for row in rows),
            "byStatus": [{"status": row["_id"], "count": row["n"]} for row in rows],
        }
        return {"campaign": {"name": campaign["name"], "progress": progress}}

    answers: dict[str, Callable[[Doc], Awaitable[Doc]]] = {"Q1": q1, "Q2": q2, "Q3": q3, "Q4": q4, "Q6": q6}

    async def endpoint(request: Request) -> Response:
        asked = orjson.loads(await request.body())
        data = await answers[asked["operationName"]](asked["variables"])
        return Response(orjson.dumps({"data": data}), media_type="application/json")

    return Starlette(routes=[Route("/graphql", endpoint, methods=["POST"])])
