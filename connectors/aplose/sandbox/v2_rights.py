"""Who sees what over v2's REST: staff all, owners theirs, annotators what an open campaign assigns to them (§6)."""

from __future__ import annotations

from connectors.aplose.sandbox.auth import Denied
from connectors.aplose.sandbox.model import Annotation, Campaign, Comment, FileRange, Phase, User


def _works_in(user: User, phase: Phase) -> bool:
    return any(file_range.annotator is user for file_range in phase.annotation_file_ranges)


def sees_campaign(user: User, campaign: Campaign) -> bool:
    works = any(_works_in(user, phase) for phase in campaign.phases.values())
    return user.is_staff or campaign.owner is user or (campaign.archive is None and works)


def sees_phase(user: User, phase: Phase) -> bool:
    campaign = phase.annotation_campaign
    return user.is_staff or campaign.owner is user or (campaign.archive is None and _works_in(user, phase))


def sees_range(user: User, file_range: FileRange) -> bool:
    return sees_phase(user, file_range.annotation_phase)


def sees_result(user: User, row: Annotation) -> bool:
    campaign = row.annotation_phase.annotation_campaign
    if user.is_staff or campaign.owner is user:
        return True
    ranges = (each for phase in campaign.phases.values() for each in phase.annotation_file_ranges)
    return campaign.archive is None and any(r.annotator is user and r.covers(row.spectrogram) for r in ranges)


def sees_comment(user: User, comment: Comment) -> bool:
    campaign = comment.annotation_phase.annotation_campaign
    return user.is_staff or campaign.owner is user or campaign.archive is None


def demand_rule(user: User, campaign: Campaign, *, editable: bool = True) -> None:
    """Owner or staff, and the thing still open; ``Denied`` with 403 otherwise."""
    if not editable or not (user.is_staff or campaign.owner is user):
        raise Denied({"detail": "You do not have permission to perform this action."}, 403)
