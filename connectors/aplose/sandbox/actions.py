"""What the people on an APLOSE server do while a test runs: control actions, which count as no client's effect."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from connectors.aplose.sandbox import rows
from connectors.aplose.sandbox.auth import Tokens
from connectors.aplose.sandbox.model import ANNOTATION, VERIFICATION, Phase, Spectrogram, User
from connectors.aplose.sandbox.store import Store
from connectors.sandbox import Control

JSON = Any


class Actions:
    """Ids and usernames in, JSON out; every public method is an action of the same name."""

    def __init__(self, store: Store, tokens: Tokens) -> None:
        self._store = store
        self._tokens = tokens

    def annotate(self, campaign: int, spectrogram: int, label: str, user: str | None = None, **more: JSON) -> int:
        """A new annotation; ``detector`` and ``configuration`` instead of a user make it a detection.

        ``more``: phase, the four bounds, confidence, analysis, features, comment, finish (default true).
        """
        store, place = self._store, self._store.campaigns[campaign]
        phase, file = place.phases[more.get("phase", ANNOTATION)], store.spectrograms[spectrogram]
        bounds: dict[str, Any] = {n: None if more.get(n) is None else float(more[n]) for n in rows.BOUNDS}
        confidences = place.confidence_set.indicators if place.confidence_set else []
        row = rows.create(
            store,
            store.import_label(place, label),
            phase,
            file,
            store.analysis[more.get("analysis", place.analysis[0].id)],
            **bounds,
            confidence=next((c for c in confidences if c.label == more.get("confidence")), None),
            annotator=store.user_named(user) if user else None,
            detector_configuration=None
            if user
            else store.detector_configuration(more["detector"], more.get("configuration", "default")),
            acoustic_features=rows.features(store, more.get("features")),
        )
        if row.annotator is not None:
            if more.get("comment"):
                rows.comment_on(store, more["comment"], row.annotator, phase, file, row=row)
            if more.get("finish", True):
                store.finish(phase, file, row.annotator)
        return row.id

    def verify(self, annotation: int, user: str, is_valid: bool = True) -> None:
        """A verdict; as upstream, it re-saves the row."""
        row = self._store.annotations[annotation]
        rows.validate(self._store, row, self._store.user_named(user), is_valid=is_valid)
        rows.save(self._store, row)

    def correct(self, annotation: int, user: str, **changes: JSON) -> int:
        """Invalid, with a new row of the Verification phase in its place. ``changes``: label, bounds, comment."""
        store, old = self._store, self._store.annotations[annotation]
        campaign = old.annotation_phase.annotation_campaign
        phase, author = campaign.phases[VERIFICATION], store.user_named(user)
        self.verify(annotation, user, is_valid=False)
        row = rows.create(
            store,
            store.import_label(campaign, changes.get("label", old.label.name)),
            phase,
            old.spectrogram,
            old.analysis,
            **{name: changes.get(name, getattr(old, name)) for name in rows.BOUNDS},
            confidence=old.confidence,
            annotator=author,
            is_update_of=old,
        )
        if changes.get("comment"):
            rows.comment_on(store, changes["comment"], author, phase, old.spectrogram, row=row)
        store.finish(phase, old.spectrogram, author)
        return row.id

    def change(self, annotation: int, **changes: JSON) -> None:
        """Other content for a row: ``label`` and the bounds."""
        row = self._store.annotations[annotation]
        values: dict[str, Any] = {name: changes[name] for name in rows.BOUNDS if name in changes}
        if "label" in changes:
            campaign = row.annotation_phase.annotation_campaign
            values["label"] = self._store.import_label(campaign, changes["label"])
        rows.change(self._store, row, values)

    def comment(self, text: str, user: str, annotation: int | None = None, **task: JSON) -> int:
        """On an annotation (a second one breaks the CSV, §8) or on a task: ``campaign``, ``spectrogram``, ``phase``."""
        author = self._store.user_named(user)
        if annotation is not None:
            row = self._store.annotations[annotation]
            return rows.comment_on(self._store, text, author, row.annotation_phase, row.spectrogram, row=row).id
        phase, file = self._task(task["campaign"], task.get("phase", ANNOTATION), task["spectrogram"])
        return rows.comment_on(self._store, text, author, phase, file).id

    def uncomment(self, annotation: int) -> None:
        """Takes all comments off an annotation."""
        for comment in list(self._store.annotations[annotation].comments.values()):
            rows.uncomment(comment)

    def delete_annotation(self, annotation: int) -> None:
        rows.delete(self._store, self._store.annotations[annotation])

    def resave(self, annotation: int) -> None:
        """Moves ``last_updated_at`` and nothing else."""
        rows.save(self._store, self._store.annotations[annotation])

    def finish(self, campaign: int, spectrogram: int, user: str, phase: str = ANNOTATION) -> None:
        """Submitted, perhaps with nothing found."""
        place, file = self._task(campaign, phase, spectrogram)
        self._store.finish(place, file, self._store.user_named(user))

    def create_spectrograms(self, campaign: int, count: int = 1) -> list[int]:
        """More files in the campaign's dataset, after its last one."""
        place = self._store.campaigns[campaign]
        last = place.spectrograms[-1]
        made = self._store.add_spectrograms(
            place.dataset,
            count,
            lambda _, start: start.strftime("%Y_%m_%d_%H_%M_%S_%f"),
            last.start + timedelta(hours=1),
            duration=last.duration,
        )
        return [file.id for file in made]

    def assign(self, phase: int, user: str, first: int, last: int) -> int:
        return self._store.add_range(self._store.phases[phase], self._store.user_named(user), first, last).id

    def end_phase(self, phase: int, user: str | None = None) -> None:
        place = self._store.phases[phase]
        self._store.end_phase(place, self._rules(place, user))

    def archive(self, campaign: int, user: str | None = None) -> None:
        place = self._store.campaigns[campaign]
        self._store.archive(place, self._store.user_named(user) if user else place.owner)

    def add_user(self, username: str, password: str = "pelagic", **more: JSON) -> int:
        return self._store.add_user(username, password, **more).id

    def deactivate(self, user: str) -> None:
        """The account cannot log in any more, and its tokens are refused."""
        self._store.user_named(user).is_active = False

    def forget_tokens(self) -> None:
        """Every token issued so far turns invalid, as after a change of the server's secret."""
        self._tokens.forget()

    def snapshot(self, campaign: int | None = None) -> list[dict[str, JSON]]:
        """All annotations with verdicts and comments: compare two to prove what a client did."""
        found = self._store.annotations.values()
        wanted = (row for row in found if campaign in {None, row.annotation_phase.annotation_campaign.id})
        return [rows.picture(row) for row in sorted(wanted, key=lambda row: row.id)]

    def campaigns(self) -> list[dict[str, JSON]]:
        """What there is, by id."""
        return [
            {
                "id": campaign.id,
                "name": campaign.name,
                "phases": {name: phase.id for name, phase in campaign.phases.items()},
                "spectrograms": [file.id for file in campaign.spectrograms],
            }
            for campaign in self._store.campaigns.values()
        ]

    def _task(self, campaign: int, phase: str, spectrogram: int) -> tuple[Phase, Spectrogram]:
        return self._store.campaigns[campaign].phases[phase], self._store.spectrograms[spectrogram]

    def _rules(self, phase: Phase, user: str | None) -> User:
        return self._store.user_named(user) if user else phase.annotation_campaign.owner


def register(control: Control, store: Store, tokens: Tokens) -> None:
    """Offers every action on the control surface."""
    actions = Actions(store, tokens)
    for name in vars(Actions):
        if not name.startswith("_"):
            control.actions[name] = _muted(store, getattr(actions, name))


def _muted(store: Store, action: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(action)
    def act(**arguments: Any) -> Any:
        store.muted = True
        try:
            return action(**arguments)
        finally:
            store.muted = False

    return act
