"""Who sees and who may edit what on an APLOSE v3 server (fact sheet §5.1, §5.4). The REST list of §5.3 never asks."""

from __future__ import annotations

from connectors.aplose.sandbox.model import (
    ANNOTATION,
    VERIFICATION,
    Annotation,
    Campaign,
    Comment,
    FileRange,
    Phase,
    Spectrogram,
    User,
)
from connectors.aplose.sandbox.store import forbidden, not_found


def sees_phase(user: User, phase: Phase) -> bool:
    """Ended and archived phases stay visible to their annotators."""
    return (
        user.is_admin
        or phase.annotation_campaign.owner is user
        or phase.created_by is user
        or any(file_range.annotator is user for file_range in phase.annotation_file_ranges)
    )


def edits_phase(user: User, phase: Phase) -> bool:
    return phase.is_editable and (user.is_admin or phase.annotation_campaign.owner is user)


def sees_campaign(user: User, campaign: Campaign) -> bool:
    return user.is_admin or campaign.owner is user or any(sees_phase(user, each) for each in campaign.phases.values())


def edits_campaign(user: User, campaign: Campaign) -> bool:
    return campaign.archive is None and (user.is_admin or campaign.owner is user)


def sees_range(user: User, file_range: FileRange) -> bool:
    """Annotators lose sight of their ranges when the phase ends: that is why they cannot submit any more."""
    phase = file_range.annotation_phase
    rules = user.is_admin or phase.annotation_campaign.owner is user or phase.created_by is user
    return rules or (file_range.annotator is user and phase.is_editable)


def has_range(user: User, phase: Phase, spectrogram: Spectrogram) -> bool:
    """A range of the user's own covers the file in this phase, and he sees it."""
    file_range = phase.range_of(user, spectrogram)
    return file_range is not None and sees_range(user, file_range)


def sees_annotation(user: User, row: Annotation) -> bool:
    phase = row.annotation_phase
    campaign = phase.annotation_campaign
    if user.is_admin or campaign.owner is user or phase.created_by is user:
        return True
    if not phase.is_editable:
        return False
    own = row.annotator is user
    if own and has_range(user, phase, row.spectrogram):
        return True
    verification = campaign.phases.get(VERIFICATION)
    return (
        not (own and phase.phase == ANNOTATION)
        and verification is not None
        and has_range(user, verification, row.spectrogram)
    )


def sees_comment(user: User, comment: Comment) -> bool:
    phase = comment.annotation_phase
    if user.is_admin or phase.annotation_campaign.owner is user or phase.created_by is user:
        return True
    return any(sees_annotation(user, row) for row in phase.cells.get(comment.spectrogram.id, {}).values())


def viewable_phase(user: User, phase: Phase | None) -> Phase:
    if phase is None or not sees_phase(user, phase):
        raise not_found()
    return phase


def editable_phase(user: User, phase: Phase | None) -> Phase:
    if not edits_phase(user, phase := viewable_phase(user, phase)):
        raise forbidden()
    return phase


def editable_campaign(user: User, campaign: Campaign | None) -> Campaign:
    if campaign is None or not sees_campaign(user, campaign):
        raise not_found()
    if not edits_campaign(user, campaign):
        raise forbidden()
    return campaign
