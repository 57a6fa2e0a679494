"""How v2.5.7 takes a task: the destructive POST (fact sheet §6, last line).

In Verification the list speaks for *every* row of the file in both phases, the caller's own Annotation rows and other
verifiers' rows included, and each row's list of validations replaces all of them: what a client did not send is gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.aplose.sandbox import rows
from connectors.aplose.sandbox.clean import NULL, REQUIRED, Errors, clean_bounds, clean_comment, pick
from connectors.aplose.sandbox.model import (
    ANNOTATION,
    FEATURES,
    VERIFICATION,
    Annotation,
    Comment,
    Phase,
    Spectrogram,
    User,
)
from connectors.aplose.sandbox.store import Refusal, Store
from connectors.aplose.sandbox.submit import Place, task_comments
from connectors.aplose.sandbox.v2_json import FEATURES_V2

Items = Sequence[Mapping[str, Any]]


class Invalid(Exception):
    """Field errors: one entry an item."""

    def __init__(self, errors: list[Errors]) -> None:
        super().__init__(errors)
        self.errors = errors


def submit_v2(at: Place, results: Items, comments: Items) -> tuple[list[Annotation], list[Comment]]:
    """Rows, task comments, then the task is Finished; submitting an Annotation task reopens the verifiers'."""
    store, phase, file = at.store, at.phase, at.spectrogram
    cleaned = [_clean(at, item) for item in results]
    wrong = [errors for _, errors in cleaned]
    comment_errors = [clean_comment(item) for item in comments]
    if any(wrong) or any(comment_errors):
        raise Invalid(wrong if any(wrong) else comment_errors)
    columns = [values for values, _ in cleaned]
    _check_writes(at, results, columns)
    written = _write(at, results, columns)
    told = _write_comments(at, None, task_comments(at.user, phase, file), comments, author=at.user)
    store.finish(phase, file, at.user)
    if phase.phase == ANNOTATION:
        store.reopen_verification(phase.annotation_campaign, {file.id}, but=at.user)
    return written, told


def scope_v2(phase: Phase, file: Spectrogram, user: User) -> dict[int, Annotation]:
    if phase.phase == ANNOTATION:
        return {key: row for key, row in phase.cells.get(file.id, {}).items() if row.annotator is user}
    phases = phase.annotation_campaign.phases.values()
    return {key: row for each in phases for key, row in each.cells.get(file.id, {}).items()}


def _clean(at: Place, item: Mapping[str, Any]) -> tuple[dict[str, Any], Errors]:
    store, errors = at.store, Errors()
    label = next((each for each in store.labels.values() if each.name == item.get("label")), None)
    if label is None:
        errors["label"] = [f"Object with name={item['label']} does not exist." if "label" in item else REQUIRED]
    named = item.get("confidence_indicator")
    confidence = next((each for each in store.confidences.values() if each.label == named), None)
    if named is not None and confidence is None:
        errors["confidence_indicator"] = [f"Object with label={named} does not exist."]
    key = item.get("annotation_campaign_phase")
    if key is None:
        errors["annotation_campaign_phase"] = [NULL if "annotation_campaign_phase" in item else REQUIRED]
    values = {
        "label": label,
        "confidence": confidence,
        "annotation_phase": pick(store.phases, key or at.phase.id, "annotation_campaign_phase", errors),
        "analysis": at.phase.annotation_campaign.analysis[0],
        "detector_configuration": _detector(store, item.get("detector_configuration")),
        **clean_bounds(item, at.spectrogram.duration, at.spectrogram.nyquist, errors),
    }
    if not (at.phase.phase == VERIFICATION and values["detector_configuration"] is not None):
        values["annotator"] = pick(store.users, item.get("annotator"), "annotator", errors)
    pick(store.annotations, item.get("is_update_of"), "is_update_of", errors)
    comments = [error for error in map(clean_comment, item.get("comments") or []) if error]
    if comments:
        errors["comments"] = [str(error) for error in comments]
    for given in item.get("validations") or []:
        if not isinstance(given.get("is_valid"), bool):
            errors["validations"] = [str({"is_valid": [REQUIRED]})]
        pick(store.users, given.get("annotator"), "validations", errors)
    return values, errors


def _check_writes(at: Place, results: Items, values: list[dict[str, Any]]) -> None:
    """What the database would refuse, before the first write: upstream's POST is one transaction."""
    within = scope_v2(at.phase, at.spectrogram, at.user)
    for item, columns in zip(results, values, strict=True):
        key = item.get("id") or -1
        old = {name: getattr(within[key], name) for name in rows.CONTENT} if key in within else {}
        rows.check({**old, **columns})
        if key in at.store.annotations and key not in within:
            raise Refusal(f"Key (id)=({key}) already exists.")


def _detector(store: Store, given: Mapping[str, Any] | None) -> Any:
    return store.detector_configuration(given["detector"], given["configuration"]) if given else None


def _write(at: Place, results: Items, values: list[dict[str, Any]]) -> list[Annotation]:
    store, within = at.store, scope_v2(at.phase, at.spectrogram, at.user)
    written: list[Annotation] = []
    for item, columns in zip(results, values, strict=True):
        row = within.get(item.get("id") or -1)
        features = item.get("acoustic_features")
        if row is None:
            label, phase, analysis = (columns.pop(name) for name in ("label", "annotation_phase", "analysis"))
            columns["acoustic_features"] = rows.features(store, features)
            columns["is_update_of"] = store.annotations.get(item.get("is_update_of") or -1)
            row = rows.create(store, label, phase, at.spectrogram, analysis, key=item.get("id"), **columns)
        else:
            columns.pop("analysis")
            rows.change(store, row, columns)
            rows.set_features(store, row, _unseen(row) | features if features else None)
            rows.link(row, store.annotations.get(item.get("is_update_of") or -1))
        _write_comments(at, row, list(row.comments.values()), item.get("comments") or [], author=at.user)
        _write_validations(at, row, item)
        written.append(row)
    kept = {row.id for row in written}
    for key, row in within.items():
        if key not in kept:
            rows.delete(store, row)
    return written


def _unseen(row: Annotation) -> dict[str, Any]:
    """Features that v2 has no columns for: the store may have been made with v3's data."""
    known = row.acoustic_features
    return {name: getattr(known, name) for name in FEATURES if name not in FEATURES_V2} if known else {}


def _write_validations(at: Place, row: Annotation, item: Mapping[str, Any]) -> None:
    """All verdicts of the row are what the list says, whoever's they were; on one's own rows none are taken."""
    foreign = "annotator" in item and item["annotator"] != at.user.id
    sent = {v.get("annotator") or at.user.id: v for v in item.get("validations") or []} if foreign else {}
    for user_id, verdict in list(row.validations.items()):
        if user_id not in sent:
            rows.unvalidate(at.store, row, verdict.annotator)
        elif sent[user_id].get("id") != verdict.id:
            # A verdict sent without its id replaces the old one under a new id.
            verdict.id = at.store.next_id("validation")
            verdict.created_at = at.store.now()
    for user_id, given in sent.items():
        rows.validate(at.store, row, at.store.users[user_id], is_valid=bool(given["is_valid"]))


def _write_comments(
    at: Place, row: Annotation | None, old: list[Comment], items: Items, *, author: User
) -> list[Comment]:
    """Comments keep their ids and authors, and move to the phase that was posted (upstream's slip)."""
    known, texts = {each.id: each for each in old}, [each.comment for each in old]
    for each in old:
        rows.uncomment(each)
    kept: list[Comment] = []
    for item in items:
        comment: Comment | None = known.get(item.get("id") or -1)
        if comment is None:
            writer = at.store.users.get(item.get("author") or -1, author)
            comment = rows.comment_on(at.store, item["comment"], writer, at.phase, at.spectrogram, row=row)
        else:
            comment.comment, comment.annotation_phase = item["comment"], at.phase
            at.phase.annotation_comments[comment.id] = comment
            if row is not None:
                row.comments[comment.id] = comment
        kept.append(comment)
    rows.tell_comments(at.store, row.id if row else at.key, texts, [each.comment for each in kept])
    return kept
