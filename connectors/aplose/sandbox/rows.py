"""Annotations, verdicts and comments as rows: the few primitive writes, each telling what lasting effect it had.

Both versions' submissions, the import and the control actions are built of these. Effects: ``annotation``,
``correction``, ``changed``, ``deleted``, ``validation``, ``validation_deleted``, ``comment``, ``comment_deleted``
(the last four only where content really differs: a verdict sent again is no second effect).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from connectors.aplose.sandbox.model import (
    FEATURES,
    Analysis,
    Annotation,
    Comment,
    Features,
    Label,
    Phase,
    Spectrogram,
    User,
    Validation,
)
from connectors.aplose.sandbox.store import Refusal, Store

BOUNDS = ("start_time", "end_time", "start_frequency", "end_frequency")
CONTENT = (*BOUNDS, "label", "confidence", "annotation_phase", "annotator", "analysis", "detector_configuration")


def picture(row: Annotation) -> dict[str, Any]:
    """What a row says, as JSON: for effects and snapshots."""
    signal = row.acoustic_features
    return {
        "id": row.id,
        **{name: getattr(row, name) for name in BOUNDS},
        "type": row.type,
        "label": row.label.name,
        "confidence": row.confidence.label if row.confidence else None,
        "phase": row.annotation_phase.id,
        "spectrogram": row.spectrogram.id,
        "analysis": row.analysis.id,
        "annotator": row.annotator.username if row.annotator else None,
        "detector_configuration": row.detector_configuration.id if row.detector_configuration else None,
        "is_update_of": row.is_update_of.id if row.is_update_of else None,
        "acoustic_features": {name: getattr(signal, name) for name in FEATURES} if signal else None,
        "validations": {v.annotator.username: v.is_valid for v in row.validations.values()},
        "comments": [[comment.author.username, comment.comment] for comment in row.comments.values()],
    }


def check(values: Mapping[str, Any]) -> None:
    """The two check constraints of the table (§1); raises what PostgreSQL would say."""
    given = tuple(values.get(name) is not None for name in BOUNDS)
    if given not in {(False,) * 4, (True, False, True, False), (True,) * 4}:
        raise Refusal('new row for relation "api_annotation" violates check constraint "Annotation type"')
    if (values.get("annotator") is None) == (values.get("detector_configuration") is None):
        raise Refusal('new row for relation "api_annotation" violates check constraint "require_user_or_detector"')


def create(
    store: Store,
    label: Label,
    phase: Phase,
    spectrogram: Spectrogram,
    analysis: Analysis,
    *,
    key: int | None = None,
    **values: Any,
) -> Annotation:
    """A new row; ``key`` brings back a row under its old id."""
    check(values)
    if key is None:
        key = store.next_id("annotation")
        while key in store.annotations:
            key = store.next_id("annotation")
    now = store.now()
    origin: Annotation | None = values.pop("is_update_of", None)
    row = Annotation(key, label, phase, spectrogram, analysis, now, now, **values)
    row.is_update_of = origin
    if origin is not None:
        origin.updated_to[row.id] = row
    store.annotations[row.id] = row
    _shelve(row)
    save(store, row)
    store.effect("annotation" if origin is None else "correction", row.id, picture(row))
    return row


def change(store: Store, row: Annotation, values: Mapping[str, Any]) -> None:
    """New content for a row; saved even where nothing differs, as the server does."""
    check({**{name: getattr(row, name) for name in CONTENT}, **values})
    differing = sorted(name for name, value in values.items() if getattr(row, name) != value)
    _unshelve(row)
    for name, value in values.items():
        setattr(row, name, value)
    _shelve(row)
    save(store, row)
    if differing:
        store.effect("changed", row.id, {"fields": differing, "now": picture(row)})


def link(row: Annotation, origin: Annotation | None) -> None:
    """A correction's original; the server never clears it."""
    if origin is not None and row.is_update_of is not origin:
        if row.is_update_of is not None:
            row.is_update_of.updated_to.pop(row.id, None)
        row.is_update_of = origin
        origin.updated_to[row.id] = row


def save(store: Store, row: Annotation) -> None:
    """Copies the author's expertise and moves ``last_updated_at``: a re-save is not a change of content (§1)."""
    row.annotator_expertise_level = row.annotator.expertise if row.annotator else None
    row.last_updated_at = store.now()


def delete(store: Store, row: Annotation) -> None:
    """With its verdicts and comments; corrections of it stay and lose their reference."""
    _unshelve(row)
    del store.annotations[row.id]
    for comment in row.comments.values():
        comment.annotation_phase.annotation_comments.pop(comment.id, None)
    for correction in row.updated_to.values():
        correction.is_update_of = None
    if row.is_update_of is not None:
        row.is_update_of.updated_to.pop(row.id, None)
    store.effect("deleted", row.id, picture(row))


def features(store: Store, values: Mapping[str, Any] | None, before: Features | None = None) -> Features | None:
    """A record of features, complete; it keeps the id of the one before."""
    if values is None:
        return None
    return Features(before.id if before else store.next_id("features"), **_signal(values))


def _signal(values: Mapping[str, Any]) -> dict[str, Any]:
    """Every column, with frequencies as floats."""
    given = {name: values.get(name) for name in FEATURES}
    return {n: float(v) if n.endswith("_frequency") and v is not None else v for n, v in given.items()}


def set_features(store: Store, row: Annotation, values: Mapping[str, Any] | None) -> None:
    """Replaces all features; None deletes them."""
    before = row.acoustic_features
    old = {name: getattr(before, name) for name in FEATURES} if before else None
    row.acoustic_features = features(store, values, before)
    if old != (None if values is None else _signal(values)):
        store.effect("changed", row.id, {"fields": ["acoustic_features"], "now": picture(row)})


def validate(store: Store, row: Annotation, annotator: User, *, is_valid: bool) -> Validation:
    """A verifier's verdict on a row: one each, updated in place."""
    now, verdict = store.now(), row.validations.get(annotator.id)
    if verdict is None:
        verdict = Validation(store.next_id("validation"), row, annotator, is_valid, now, now)
        row.validations[annotator.id] = verdict
    elif verdict.is_valid == is_valid:
        verdict.last_updated_at = now
        return verdict
    verdict.is_valid, verdict.last_updated_at = is_valid, now
    store.effect("validation", row.id, {"user": annotator.username, "is_valid": is_valid})
    return verdict


def unvalidate(store: Store, row: Annotation, annotator: User) -> None:
    if row.validations.pop(annotator.id, None) is not None:
        store.effect("validation_deleted", row.id, {"user": annotator.username})


def comment_on(
    store: Store, text: str, author: User, phase: Phase, spectrogram: Spectrogram, *, row: Annotation | None = None
) -> Comment:
    """A comment on an annotation, or on the task where ``row`` is None. Tells no effect by itself."""
    made = Comment(store.next_id("comment"), text, author, phase, spectrogram, store.now(), row)
    phase.annotation_comments[made.id] = made
    if row is not None:
        row.comments[made.id] = made
    return made


def uncomment(comment: Comment) -> None:
    comment.annotation_phase.annotation_comments.pop(comment.id, None)
    if comment.annotation is not None:
        comment.annotation.comments.pop(comment.id, None)


def tell_comments(store: Store, key: object, old: list[str], new: list[str]) -> None:
    """One effect for each text that came or went: comments are rewritten under new ids at each submission."""
    before, after = Counter(old), Counter(new)
    for text in (after - before).elements():
        store.effect("comment", key, {"comment": text})
    for text in (before - after).elements():
        store.effect("comment_deleted", key, {"comment": text})


def _shelve(row: Annotation) -> None:
    row.annotation_phase.annotations[row.id] = row
    row.annotation_phase.cells.setdefault(row.spectrogram.id, {})[row.id] = row


def _unshelve(row: Annotation) -> None:
    row.annotation_phase.annotations.pop(row.id, None)
    row.annotation_phase.cells.get(row.spectrogram.id, {}).pop(row.id, None)
