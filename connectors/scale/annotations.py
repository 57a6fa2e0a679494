"""The marks of a task's answers as annotations with ids of their own, and the way from a native id back to one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from connectors.documents import Annotation, Kind, Ref
from connectors.scale.answers import marks
from connectors.scale.audits import Locate
from connectors.scale.shapes import Place
from connectors.scale.submissions import Answer


def annotation_documents(
    task_id: str, campaign: str | None, found: Sequence[Answer], assets: Sequence[str], place: Place
) -> tuple[list[Annotation], Locate]:
    """The annotations, oldest answer first, and what finds one of them by its native id.

    The newest answer that has the native id wins; within it the mark of the frame asked for, else the first.
    """
    out: list[Annotation] = []
    names = _Names()
    payload = Ref(Kind.TASK, task_id)
    known: dict[tuple[str, int | None], str] = {}
    for answer in found:
        newer: dict[tuple[str, int | None], str] = {}
        for mark in marks(answer.response, place):
            external_id = names.claim(f"{answer.external_id}/{mark.key}")
            out.append(
                Annotation(
                    external_id=external_id,
                    raw_of=payload,
                    task=task_id,
                    asset=_asset(assets, mark.frame),
                    campaign=campaign,
                    submission=answer.external_id,
                    native_id=mark.native_id,
                    is_current=answer.is_current,
                    label=mark.label,
                    value=mark.value,
                    time_span=mark.time_span,
                    attributes=mark.attributes,
                )
            )
            if mark.native_id is not None:
                newer.setdefault((mark.native_id, mark.frame), external_id)
                newer.setdefault((mark.native_id, None), external_id)
        known |= newer
    return out, lambda native_id, frame: known.get((native_id, frame)) or known.get((native_id, None))


def _asset(assets: Sequence[str], frame: int | None) -> str | None:
    """The only asset, or the one of the frame; a mark on one of several others belongs to none for sure."""
    if len(assets) == 1:
        return assets[0]
    return assets[frame] if frame is not None and 0 <= frame < len(assets) else None


class _Names:
    """Each name once: a uuid that comes again in one answer is ``uuid#2``."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._count: Counter[str] = Counter()

    def claim(self, wanted: str) -> str:
        name = wanted
        while name in self._taken:
            self._count[wanted] += 1
            name = f"{wanted}#{self._count[wanted] + 1}"
        self._taken.add(name)
        return name
