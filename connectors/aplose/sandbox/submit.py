"""How v3 takes a task: ``submitAnnotationTask``, ``updateAnnotations``, ``updateAnnotationComments`` (fact sheet §5.4).

The list a client sends is the whole truth of its scope: what is left out is deleted. Everything is checked before
the first write, which is what the server's transaction amounts to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from connectors.aplose.sandbox import rows
from connectors.aplose.sandbox.clean import Draft, Errors, clean_annotation, clean_comment
from connectors.aplose.sandbox.model import ANNOTATION, VERIFICATION, Annotation, Comment, Phase, Spectrogram, User
from connectors.aplose.sandbox.rights import has_range, sees_annotation, viewable_phase
from connectors.aplose.sandbox.store import Refusal, Store, not_found

Items: TypeAlias = Sequence[Mapping[str, Any]]


@dataclass(slots=True)
class Place:
    """Where a caller works: his view of one spectrogram in one phase."""

    store: Store
    user: User
    phase: Phase
    spectrogram: Spectrogram

    @property
    def key(self) -> str:
        return f"{self.phase.id}/{self.spectrogram.id}/{self.user.username}"


@dataclass(slots=True)
class Outcome:
    ok: bool = True
    annotation_errors: list[Errors] | None = None
    task_comments_errors: list[Errors] | None = None


def place(store: Store, user: User, campaign_id: object, phase_type: str, spectrogram_id: object) -> Place:
    campaign = store.find(store.campaigns, campaign_id)
    phase = viewable_phase(user, campaign.phases.get(phase_type) if campaign else None)
    spectrogram = store.find(store.spectrograms, spectrogram_id)
    if spectrogram is None:
        raise not_found()
    return Place(store, user, phase, spectrogram)


def submit(at: Place, annotations: Items, comments: Items) -> Outcome:
    """Rows, task comments, then the caller's task is Finished. Needs a range of the caller's own, for an admin too."""
    drafts, errors = _drafts(at, annotations)
    if errors:
        return Outcome(ok=False, annotation_errors=errors)
    comment_errors = [clean_comment(item) for item in comments]
    if any(comment_errors):
        # The server answers without undoing: the annotations stay written.
        _write(at, drafts)
        return Outcome(ok=False, task_comments_errors=comment_errors)
    if not has_range(at.user, at.phase, at.spectrogram):
        raise not_found()
    _write(at, drafts)
    _replace_task_comments(at, comments)
    at.store.finish(at.phase, at.spectrogram, at.user)
    return Outcome()


def update_annotations(at: Place, annotations: Items) -> list[Errors] | None:
    """Saves without finishing; asks for no range."""
    drafts, errors = _drafts(at, annotations)
    if errors:
        return errors
    _write(at, drafts)
    return None


def update_comments(at: Place, annotation_id: object, comments: Items) -> list[Errors] | None:
    errors = [clean_comment(item) for item in comments]
    if annotation_id:
        # The server's own filter asks for a null that its database layer refuses.
        raise Refusal("Cannot use None as a query value")
    if any(errors):
        return errors
    _replace_task_comments(at, comments)
    return None


def scope(at: Place) -> dict[int, Annotation]:
    """The rows that the caller's list speaks for."""
    if at.phase.phase == ANNOTATION:
        cell = at.phase.cells.get(at.spectrogram.id, {})
        return {key: row for key, row in cell.items() if row.annotator is at.user}
    found: dict[int, Annotation] = {}
    for phase in at.phase.annotation_campaign.phases.values():
        for key, row in phase.cells.get(at.spectrogram.id, {}).items():
            mine = row.annotator is at.user
            if mine == (phase.phase == VERIFICATION) and sees_annotation(at.user, row):
                found[key] = row
    return found


def _drafts(at: Place, items: Items) -> tuple[list[Draft], list[Errors]]:
    cleaned = [clean_annotation(at.store, at.phase, at.spectrogram, at.user, item) for item in items]
    if any(errors for _, errors in cleaned):
        return [], [errors for _, errors in cleaned]
    drafts = [draft for draft, _ in cleaned]
    within, returning = scope(at), set[int]()
    for draft in drafts:
        old = within.get(draft.id) if draft.id is not None else None
        columns = {**(_columns(old) if old else {}), **draft.values}
        rows.check(columns)
        if draft.comments and columns.get("annotator") is None:
            raise Refusal("'NoneType' object has no attribute 'id'")
        if old is None and draft.id is not None:
            if draft.id in at.store.annotations or draft.id in returning:
                raise Refusal(
                    'duplicate key value violates unique constraint "api_annotation_pkey"\n'
                    f"DETAIL:  Key (id)=({draft.id}) already exists.\n"
                )
            returning.add(draft.id)
    return drafts, []


def _columns(row: Annotation) -> dict[str, Any]:
    return {name: getattr(row, name) for name in rows.CONTENT}


def _write(at: Place, drafts: Sequence[Draft]) -> None:
    store, within, kept = at.store, scope(at), set[int]()
    for draft in drafts:
        values = dict(draft.values)
        if draft.id is not None and draft.id in within:
            row = within[draft.id]
            rows.change(store, row, values)
            rows.link(row, draft.is_update_of)
            rows.set_features(store, row, draft.features)
        else:
            label, phase, analysis = values.pop("label"), values.pop("annotation_phase"), values.pop("analysis")
            values |= {"is_update_of": draft.is_update_of, "acoustic_features": rows.features(store, draft.features)}
            row = rows.create(store, label, phase, at.spectrogram, analysis, key=draft.id, **values)
        _replace_comments(at, row, draft.comments)
        if draft.validation is None:
            rows.unvalidate(store, row, at.user)
        else:
            rows.validate(store, row, at.user, is_valid=draft.validation)
        kept.add(row.id)
    for key, row in within.items():
        if key not in kept:
            rows.delete(store, row)


def _replace_comments(at: Place, row: Annotation, texts: Sequence[str]) -> None:
    """Only comments that are the caller's and the author's own are rewritten; new ones are in the author's name."""
    old = [
        comment
        for comment in row.comments.values()
        if comment.author is at.user and row.annotator is at.user and comment.annotation_phase is row.annotation_phase
    ]
    for comment in old:
        rows.uncomment(comment)
    for text in texts:
        assert row.annotator is not None
        rows.comment_on(at.store, text, row.annotator, row.annotation_phase, at.spectrogram, row=row)
    rows.tell_comments(at.store, row.id, [comment.comment for comment in old], list(texts))


def _replace_task_comments(at: Place, comments: Items) -> None:
    old = task_comments(at.user, at.phase, at.spectrogram)
    for comment in old:
        rows.uncomment(comment)
    texts = [str(item["comment"]).strip() for item in comments]
    for text in texts:
        rows.comment_on(at.store, text, at.user, at.phase, at.spectrogram)
    rows.tell_comments(at.store, at.key, [comment.comment for comment in old], texts)


def task_comments(author: User, phase: Phase, spectrogram: Spectrogram) -> list[Comment]:
    return [
        comment
        for comment in phase.annotation_comments.values()
        if comment.author is author and comment.spectrogram is spectrogram and comment.annotation is None
    ]


def to_check(phase: Phase, spectrogram: Spectrogram, user: User) -> list[Annotation]:
    """``annotationsToCheck``: the Annotation phase's rows on a file that are not the caller's."""
    annotation = phase.annotation_campaign.phases.get(ANNOTATION)
    if phase.phase == ANNOTATION or annotation is None:
        return []
    return [row for row in annotation.cells.get(spectrogram.id, {}).values() if row.annotator is not user]
