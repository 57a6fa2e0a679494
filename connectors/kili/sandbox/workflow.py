"""Where an asset stands and where it may go: V1's statuses, and the steps of V2 and V3 (fact sheet §10).

Functions change the asset they are given and say what moved; they neither write events nor ask the time.
Transitions that the fact sheet marks as inference are ours to choose and said so here.
"""

from __future__ import annotations

from dataclasses import dataclass

from connectors.kili.sandbox.store import HUMAN, Asset, Label, Project, Step, User

WAITING = frozenset({"TO_DO", "REWORK"})
OPEN = frozenset({"TO_DO", "IN_PROGRESS", "PARTIALLY_DONE", "REWORK"})
STEP_ALIASES = {"DOING": "IN_PROGRESS", "REDO": "REWORK"}


class LockedError(Exception):
    """A label is refused; ``reason`` is one of the twelve the SDK knows (fact sheet §4)."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Move:
    """One change of state: ``before`` and ``after`` are steps, equal (or None on V1) when only the status changed."""

    before: Step | None
    after: Step | None
    status: str


def status_of(asset: Asset) -> str:
    """``Asset.status``: V1's own, and on V2/V3 the same five words told from the step (inferred, §10)."""
    if asset.step is None:
        return asset.status
    review = asset.step.type == "REVIEW"
    if asset.step_status in ("DONE", "SKIPPED"):
        return "REVIEWED" if review and asset.step_status == "DONE" else "LABELED"
    if review:
        return "TO_REVIEW"
    return "TODO" if asset.step_status == "TO_DO" else "ONGOING"


def enter(asset: Asset) -> None:
    """A new asset: V1's TODO, else TO_DO in the first step."""
    asset.status = "TODO"
    asset.step = asset.project.steps[0] if asset.project.steps else None
    asset.step_status = "TO_DO"


def drafted(asset: Asset) -> list[Move]:
    """An AUTOSAVE: what waited is being worked on now."""
    if asset.step is None:
        return _status(asset, "ONGOING") if asset.status == "TODO" else []
    return _step_status(asset, "IN_PROGRESS") if asset.step_status in WAITING else []


def labelled(asset: Asset) -> list[Move]:
    """A DEFAULT label came in: with consensus, the asset stays until enough labelers have answered."""
    project = asset.project
    enough = not asset.is_used_for_consensus or len(_labelers(asset)) >= project.min_consensus_size
    if asset.step is None:
        if asset.status in ("LABELED", "TO_REVIEW", "REVIEWED"):
            return []
        if not enough:
            return _status(asset, "ONGOING")
        moves = _status(asset, "LABELED")
        project.labelled += 1
        sampled = _sampled(project.labelled, project.review_coverage)
        return moves + (_status(asset, "TO_REVIEW") if sampled else [])
    if asset.step.type != "DEFAULT" or asset.step_status == "DONE":
        return []
    return _finished(asset) if enough else _step_status(asset, "PARTIALLY_DONE")


def reviewed(asset: Asset) -> list[Move]:
    """A REVIEW label came in: V1's REVIEWED, else the review step is done."""
    if asset.step is None:
        return _status(asset, "REVIEWED")
    return _finished(asset) if asset.step.type == "REVIEW" else []


def may_send_back(asset: Asset) -> bool:
    """Not while it still has to be labelled and, on V2/V3, not when skipped."""
    if asset.step is None:
        return asset.status in ("LABELED", "TO_REVIEW", "REVIEWED")
    if asset.step_status == "SKIPPED":
        return False
    return asset.step.type == "REVIEW" or asset.step_status == "DONE"


def sent_back(asset: Asset) -> list[Move]:
    """V1's ONGOING; else REWORK in the step's own send-back step, or the labelling step before it."""
    if asset.step is None:
        return _status(asset, "ONGOING")
    return _to_step(asset, _target_of_send_back(asset.project, asset.step), "REWORK")


def may_go_to_review(asset: Asset) -> bool:
    """With a label, its step done, a next one there, and nobody labelling."""
    if not any(label.label_type in HUMAN for label in asset.labels) or asset.lock is not None:
        return False
    if asset.step is None:
        return asset.status == "LABELED"
    return asset.step_status == "DONE" and next_step(asset) is not None


def to_review(asset: Asset) -> list[Move]:
    if asset.step is None:
        return _status(asset, "TO_REVIEW")
    step = next_step(asset)
    assert step is not None
    return _to_step(asset, step, "TO_DO")


def may_prioritise(asset: Asset) -> bool:
    """Only while the current step awaits work."""
    return asset.status in ("TODO", "ONGOING") if asset.step is None else asset.step_status in WAITING


def skip(asset: Asset) -> list[Move]:
    asset.skipped = True
    return [] if asset.step is None else _step_status(asset, "SKIPPED")


def unskip(asset: Asset) -> list[Move]:
    asset.skipped = False
    return _step_status(asset, "TO_DO") if asset.step is not None and asset.step_status == "SKIPPED" else []


def next_step(asset: Asset) -> Step | None:
    assert asset.step is not None
    steps = asset.project.steps
    following = steps.index(asset.step) + 1
    return steps[following] if following < len(steps) else None


def check(asset: Asset, label_type: str, author: User, step: Step | None) -> None:
    """Raises ``LockedError`` when ``author`` may not add such a label now; ``step`` is the one the caller named.

    The reasons' names are known, their conditions are inferred from the texts the SDK has for them. Drafts and
    model labels are never refused. On V1 only locks and assignments count.
    """
    if label_type not in HUMAN:
        return
    if asset.lock is not None and asset.lock.author is not author:
        raise LockedError(asset.lock.reason)
    if label_type == "DEFAULT" and asset.assignees and author not in asset.assignees:
        raise LockedError("AssetAlreadyAssigned")
    if asset.step is None:
        return
    steps = asset.project.steps
    mine = [label for label in asset.labels if label.author is author and label.label_type in HUMAN]
    if step is not None and step is not asset.step:
        if steps.index(step) > steps.index(asset.step):
            raise LockedError("LabelNotEditable")
        return
    if label_type == "DEFAULT":
        _check_default(asset, mine)
    else:
        _check_review(asset, author, mine)


def _check_default(asset: Asset, mine: list[Label]) -> None:
    assert asset.step is not None
    if asset.step.type == "REVIEW" and asset.step_status != "DONE":
        raise LockedError("AssetInNextStepWithCorrectAction" if mine else "NotInStepAssignees")
    if asset.step_status == "DONE":
        raise LockedError("AssetInDoneStepStatusWithCorrectAction" if mine else "AssetInDoneStepStatus")
    if any(label.step is asset.step and label.label_type == "DEFAULT" and not label.is_sent_back for label in mine):
        raise LockedError("AlreadyHaveLabelOnCurrentStep")


def _check_review(asset: Asset, author: User, mine: list[Label]) -> None:
    assert asset.step is not None
    if asset.step_status == "DONE":
        raise LockedError("AssetInDoneStepStatusWithReviewAction")
    if asset.step.type != "REVIEW" or asset.step_status not in OPEN:
        raise LockedError("NotInStepAssignees")
    if asset.step.assignees and author not in asset.step.assignees:
        raise LockedError("NotInStepAssignees")
    if asset.project.enforce_step_separation and any(label.step is not asset.step for label in mine):
        raise LockedError("BlockedByEnforceStepSeparation")


def _labelers(asset: Asset) -> set[str]:
    return {
        label.author.id
        for label in asset.labels
        if label.label_type == "DEFAULT" and not label.is_sent_back and not label.is_ground_truth
    }


def _target_of_send_back(project: Project, step: Step) -> Step:
    if step.send_back_step_id is not None:
        return next(known for known in project.steps if known.id == step.send_back_step_id)
    before = project.steps[: project.steps.index(step) + 1]
    return next((known for known in reversed(before) if known.type == "DEFAULT"), project.steps[0])


def _finished(asset: Asset) -> list[Move]:
    """The step is done; a sampled asset goes on to wait in the next one, another is SKIPPED there (inferred)."""
    moves = _step_status(asset, "DONE")
    step = next_step(asset)
    if step is None or step.coverage == 0:
        return moves
    step.seen += 1
    return moves + _to_step(asset, step, "TO_DO" if _sampled(step.seen, step.coverage) else "SKIPPED")


def _sampled(count: int, percent: int) -> bool:
    """Spreads ``percent`` evenly over the assets in the order they come, without chance."""
    return count * percent // 100 > (count - 1) * percent // 100


def _status(asset: Asset, status: str) -> list[Move]:
    if asset.status == status:
        return []
    asset.status = status
    return [Move(None, None, status)]


def _step_status(asset: Asset, status: str) -> list[Move]:
    if asset.step_status == status:
        return []
    asset.step_status = status
    return [Move(asset.step, asset.step, status)]


def _to_step(asset: Asset, step: Step, status: str) -> list[Move]:
    before = asset.step
    asset.step, asset.step_status = step, status
    return [Move(before, step, status)]
