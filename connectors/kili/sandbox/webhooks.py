"""Webhooks: who listens to which projects, what they are sent, and the thread that sends it (fact sheet §14).

Two styles exist: handlers (``onSubmit`` …) with an envelope, and event patterns with the event as such. One try
each, in order, as the platform's own retry policy is unknown; ``replay`` sends again.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import httpx

from connectors.kili.sandbox.events import Event, EventLog
from connectors.kili.sandbox.marks import category_counts, parse
from connectors.kili.sandbox.scalars import show
from connectors.kili.sandbox.store import Asset, Label, Store

Style: TypeAlias = Literal["handler", "event", "wrapped"]
DEFAULT_HANDLERS = ("onSubmit", "onReview")
_INTERNAL = ("asset.analytics.labelMetric.", "label.analytics.", "label.jsonResponse.")
"""System events are in the trail but not delivered."""


@dataclass(slots=True)
class Webhook:
    name: str
    url: str
    header: str | None = None
    handler_types: Sequence[str] = DEFAULT_HANDLERS
    event_matcher: Sequence[str] = ()
    wrapped: bool = False
    """Event style inside the handlers' envelope: which of both is sent is undocumented."""
    projects: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Delivery:
    webhook: str
    url: str
    headers: dict[str, str]
    body: dict[str, Any]
    status: int | None = None
    error: str | None = None


class Webhooks:
    def __init__(self, store: Store, events: EventLog) -> None:
        self._store = store
        self._events = events
        self._queue: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.registered: dict[str, Webhook] = {}
        self.deliveries: list[Delivery] = []
        events.listeners.append(self._on_event)
        events.label_listeners.append(self._on_label)
        events.send_back_listeners.append(self._on_send_back)

    def replay(self, last: int | None = None) -> int:
        """Sends earlier deliveries again, oldest first; answers how many."""
        again = self.deliveries if last is None else self.deliveries[len(self.deliveries) - last :]
        for delivery in list(again):
            self._send(Delivery(delivery.webhook, delivery.url, delivery.headers, delivery.body))
        return len(again)

    def _on_event(self, event: Event) -> None:
        for hook in self._listening(event.project_id):
            wanted = any(matches(pattern, event.event) for pattern in hook.event_matcher)
            if wanted and not event.event.startswith(_INTERNAL):
                body = event.wire()
                self._deliver(hook, self._envelope(event.event, event.project_id, body) if hook.wrapped else body)

    def _on_label(self, label: Label) -> None:
        kind = {"DEFAULT": "onSubmit", "REVIEW": "onReview"}.get(label.label_type)
        project = label.asset.project.id
        for hook in self._listening(project):
            if kind in hook.handler_types and not hook.event_matcher and label.version == 0:
                payload = {"label": label_payload(label), "asset_id": label.asset.id}
                self._deliver(hook, self._envelope(str(kind), project, payload))

    def _on_send_back(self, asset: Asset) -> None:
        for hook in self._listening(asset.project.id):
            if "onSendBackToQueue" in hook.handler_types and not hook.event_matcher:
                self._deliver(hook, self._envelope("onSendBackToQueue", asset.project.id, {"asset_id": asset.id}))

    def _listening(self, project_id: str) -> list[Webhook]:
        return [hook for hook in self.registered.values() if project_id in hook.projects]

    def _envelope(self, kind: str, project_id: str, payload: dict[str, Any]) -> dict[str, Any]:
        run = self._store.new_id()
        return {"eventType": kind, "logPayload": {"runId": run, "projectId": project_id}, "payload": payload}

    def _deliver(self, hook: Webhook, body: dict[str, Any]) -> None:
        headers = {} if hook.header is None else {"Authorization": hook.header}
        self._send(Delivery(hook.name, hook.url, headers, body))

    def _send(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()
        self._queue.put(delivery)

    def _work(self) -> None:
        with httpx.Client(timeout=10, trust_env=False) as client:
            while True:
                delivery = self._queue.get()
                headers = [(name.encode(), value.encode()) for name, value in delivery.headers.items()]
                try:
                    delivery.status = client.post(delivery.url, json=delivery.body, headers=headers).status_code
                except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
                    delivery.error = type(error).__name__


def matches(pattern: str, subject: str) -> bool:
    """Dot-separated names; ``*`` stands for one or more whole names and never comes first."""

    def fit(wanted: list[str], names: list[str]) -> bool:
        if not wanted:
            return not names
        if wanted[0] == "*":
            return any(fit(wanted[1:], names[end:]) for end in range(1, len(names) + 1))
        return names[:1] == wanted[:1] and fit(wanted[1:], names[1:])

    return not pattern.startswith("*") and fit(pattern.split("."), subject.split("."))


def label_payload(label: Label) -> dict[str, Any]:
    """The ``label`` of handler-style calls (fact sheet §14)."""
    counts = category_counts(parse(label))
    mine = [other for other in label.asset.labels if other.author is label.author]
    return {
        "id": label.id,
        "labelType": label.label_type,
        "numberOfAnnotations": sum(counts.values()),
        "authorId": label.author.id,
        "modelName": label.model_name,
        "jsonResponse": parse(label),
        "secondsToLabel": label.seconds_to_label,
        "isSentBackToQueue": label.is_sent_back,
        "search": {"numberOfAnnotationsByObject": dict(counts)}
        | ({"id": label.referenced_label_id} if label.label_type == "REVIEW" else {}),
        "createdAt": show(label.created_at),
        "updatedAt": show(label.updated_at),
        "version": label.version,
        "isLatestLabelForUser": mine[-1] is label,
        "isLatestDefaultLabelForUser": [x for x in mine if x.label_type == "DEFAULT"][-1:] == [label],
        "isLatestReviewLabelForUser": [x for x in mine if x.label_type == "REVIEW"][-1:] == [label],
        "readPermissionsFromProject": [],
    }
