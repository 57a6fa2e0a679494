"""The audit trail: what happened, in order, with the subjects and payloads of fact sheet §14."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connectors.kili.sandbox.cache import Cache
from connectors.kili.sandbox.store import Asset, Label, Project, Store, User

PAGE = 100


@dataclass(frozen=True, slots=True)
class Event:
    id: str
    event: str
    created_at: datetime
    organization_id: str
    project_id: str
    user_id: str
    payload: Mapping[str, Any]

    def wire(self) -> dict[str, Any]:
        """The event as a webhook carries it."""
        return {
            "event": self.event,
            "organizationId": self.organization_id,
            "projectId": self.project_id,
            "userId": self.user_id,
            "payload": dict(self.payload),
        }


class EventLog:
    """Events by creation time, then as they came. Listeners hear each event and each saved label at once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._all: list[Event] = []
        self._of_project: dict[str, list[Event]] = {}
        self._found: Cache[list[Event]] = Cache()
        self.listeners: list[Callable[[Event], None]] = []
        self.label_listeners: list[Callable[[Label], None]] = []
        self.send_back_listeners: list[Callable[[Asset], None]] = []

    def add(self, event: str, project: Project, user: User, payload: Mapping[str, Any] | None = None) -> None:
        now = self._store.now()
        entry = Event(
            self._store.new_id(),
            event,
            now,
            self._store.organization["id"],
            project.id,
            user.id,
            {key: value for key, value in (payload or {}).items() if value is not None},
        )
        self._store.changed += 1
        for events in (self._all, self._of_project.setdefault(project.id, [])):
            insort(events, entry, key=_when)
        for listener in self.listeners:
            listener(entry)

    def about(self, event: str, asset: Asset, user: User, **payload: Any) -> None:
        """An event of an asset: its payload names the asset, and its external id also where that is null."""
        self.add(event, asset.project, user, {"assetId": asset.id, "externalId": asset.external_id, **payload})

    def saved(self, label: Label) -> None:
        for listener in self.label_listeners:
            listener(label)

    def sent_back(self, asset: Asset) -> None:
        for listener in self.send_back_listeners:
            listener(asset)

    def find(self, where: Mapping[str, Any], pagination: Mapping[str, Any], order: str | None) -> list[Event]:
        """``events``: filtered, ordered, then paged. Both id bounds are inclusive, which nobody outside knows (§14)."""
        project = where.get("projectId")
        events = self._all if project is None else self._of_project.get(project, [])
        bounds = (pagination.get("fromEventId"), pagination.get("untilEventId"))

        def make() -> list[Event]:
            since = where.get("createdAtGte")
            start = bisect_left(events, since, key=_when) if since else 0
            found = [event for event in events[start:] if _fits(event, where)]
            if order == "desc":
                found.reverse()
            return _between(found, *bounds)

        found = self._found.get((repr(where), order, bounds), len(events), make)
        skip, first = pagination.get("skip") or 0, pagination.get("first")
        return found[skip : skip + (PAGE if first is None else first)]


def _when(event: Event) -> datetime:
    return event.created_at


def _fits(event: Event, where: Mapping[str, Any]) -> bool:
    until = where.get("createdAtLte")
    return (
        (until is None or event.created_at <= until)
        and where.get("event") in (None, event.event)
        and where.get("userId") in (None, event.user_id)
        and where.get("organizationId") in (None, event.organization_id)
    )


def _between(events: list[Event], start: str | None, end: str | None) -> list[Event]:
    ids = [event.id for event in events] if start is not None or end is not None else []
    first = ids.index(start) if start in ids else 0
    last = ids.index(end) + 1 if end in ids else len(events)
    return events[first:last]
