"""Metrics for Prometheus. Labels are bounded: an operation's name counts only while there are few of them."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

from gateway.engine import utcnow
from gateway.operations import Prepared
from gateway.store.store import Store

MOST_OPERATIONS: Final = 100
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_COSTS: Final = (1, 10, 50, 100, 500, 1_000, 5_000, 10_000, 50_000)
_WAITING: Final = ("PENDING", "SENDING")


class Metrics:
    """What one process counts, and what it reads from MongoDB when it is asked."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter(
            "labelgate_http_requests", "HTTP requests by route and status.", ["route", "method", "status"], **own
        )
        self.request_seconds = Histogram(
            "labelgate_http_request_seconds", "Time to answer, by route.", ["route"], buckets=_SECONDS, **own
        )
        self._operations = Counter(
            "labelgate_graphql_operations", "Operations by name and outcome.", ["operation", "type", "outcome"], **own
        )
        self._operation_seconds = Histogram(
            "labelgate_graphql_operation_seconds", "Time to execute, by name.", ["operation"], buckets=_SECONDS, **own
        )
        self._cost = Histogram("labelgate_graphql_cost", "Cost, by name.", ["operation"], buckets=_COSTS, **own)
        self._events = Counter("labelgate_subscription_events", "Events sent, by name.", ["operation"], **own)
        live: dict[str, Any] = {**own, "multiprocess_mode": "livesum"}
        self.subscriptions = Gauge("labelgate_subscriptions", "Open subscriptions.", **live)
        self.sockets = Gauge("labelgate_websockets", "Open WebSockets.", **live)
        self._commands = Histogram(
            "labelgate_mongodb_command_seconds", "MongoDB commands.", ["command"], buckets=_SECONDS, **own
        )
        self._failures = Counter("labelgate_mongodb_failures", "MongoDB commands that failed.", ["command"], **own)
        self._names: set[str] = set()

    def operation(self, prepared: Prepared, outcome: str, seconds: float, cost: int | None = None) -> None:
        name = self._label(prepared)
        self._operations.labels(name, prepared.kind.value, outcome).inc()
        self._operation_seconds.labels(name).observe(seconds)
        if cost is not None:
            self._cost.labels(name).observe(cost)

    def event(self, prepared: Prepared) -> None:
        self._events.labels(self._label(prepared)).inc()

    def command(self, name: str, seconds: float, ok: bool) -> None:
        self._commands.labels(name).observe(seconds)
        if not ok:
            self._failures.labels(name).inc()

    def _label(self, prepared: Prepared) -> str:
        name = prepared.name[:80] or "anonymous"
        if name not in self._names:
            if len(self._names) >= MOST_OPERATIONS:
                return "other"
            self._names.add(name)
        return name

    async def text(self, store: Store) -> bytes:
        """The exposition: of this process (of all, where prometheus-client shares files), and of the database."""
        database = await _database(store)
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            shared = CollectorRegistry()
            multiprocess.MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
            return generate_latest(shared) + generate_latest(database)
        return generate_latest(self.registry) + generate_latest(database)


async def _database(store: Store) -> CollectorRegistry:
    """The state that all processes share, read now: outbox, hints, sources, runs, workers."""
    registry, db, now = CollectorRegistry(), store.db, utcnow()

    def gauge(name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=registry)

    outbox = gauge("labelgate_outbox_audits", "Audits on their way to a platform, by state.", "state")
    for state in (*_WAITING, "FAILED", "REFUSED"):
        outbox.labels(state).set(await db["audits"].count_documents({"delivery.state": state}, maxTimeMS=2000))
    oldest = await db["audits"].find_one({"delivery.state": {"$in": list(_WAITING)}}, sort=[("audited_at", 1)])
    gauge("labelgate_outbox_oldest_seconds", "Age of the oldest audit that waits.").set(
        _age(now, oldest and oldest.get("audited_at"))
    )
    gauge("labelgate_hints", "Webhook hints that wait.").set(await db["hints"].count_documents({}, maxTimeMS=2000))
    health = gauge("labelgate_source_health", "1 for the health a source has now.", "source", "platform", "health")
    synced = gauge("labelgate_source_synced_seconds", "Time since the last run that was noted.", "source", "platform")
    async for source in db["sources"].find({}, limit=1000):
        health.labels(source["_id"], source["platform"], source["health"]).set(1)
        synced.labels(source["_id"], source["platform"]).set(_age(now, source.get("checked_at")))
    running = gauge("labelgate_sync_runs", "Runs that wait or go on, by state.", "state")
    for state in ("QUEUED", "RUNNING"):
        running.labels(state).set(await db["sync_runs"].count_documents({"state": state}, maxTimeMS=2000))
    beats = gauge("labelgate_workers", "Workers whose last beat is not older than a minute.")
    count = 0
    async for worker in db["workers"].find({}, limit=1000):
        count += _age(now, worker.get("at")) < 60
    beats.set(count)
    return registry


def _age(now: datetime, then: datetime | None) -> float:
    return 0.0 if then is None else max(0.0, (now - then).total_seconds())
