"""What rows say in words: kind of mark, phase, expertise, confidence, features. The same words come in most rows."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Final, NamedTuple

from connectors.aplose.layouts import Header
from connectors.aplose.values import BOOLEANS, MEMO, confidence, feature, level, mended_level
from connectors.documents import JSON, Confidence, Phase, PhaseKind

ANNOTATION: Final = Phase(name="Annotation", kind=PhaseKind.ANNOTATION, position=0)
VERIFICATION: Final = Phase(name="Verification", kind=PhaseKind.REVIEW, position=1)
PHASES: Final[Mapping[str, Phase]] = {phase.name: phase for phase in (ANNOTATION, VERIFICATION)}
"""At most one of each per campaign (fact sheet §1); the keys are also the API's words."""

SHAPES: Final = frozenset({"WEAK", "POINT", "BOX"})
_MADE_IN: Final[Mapping[str, Phase]] = {"VERIFICATION": VERIFICATION}
_TRAITS: Final = (
    "type",
    "is_box",
    "created_at_phase",
    "annotator_expertise",
    "analysis",
    "confidence_indicator_label",
    "confidence_indicator_level",
)
_SIGNAL: Final = "signal_"


class Trait(NamedTuple):
    """Shared by all rows with the same words: copy ``attributes`` before adding to them."""

    shape: str
    """WEAK, POINT or BOX; empty where the row does not say; anything else is a word of a server to come."""
    phase: Phase
    confidence: Confidence | None
    level: str
    """The part of the level that identifies a row (§2.6)."""
    attributes: Mapping[str, JSON]


def trait(words: tuple[str, ...]) -> Trait:
    """From the cells of ``_TRAITS``. ``is_box`` counts only where there is no ``type`` (§2.3)."""
    kind, is_box, made_in, expertise, analysis, label, level_text = words
    box = BOOLEANS.get(is_box)
    shape = kind.strip().upper() or ("" if box is None else "BOX" if box else "WEAK")
    notes: dict[str, dict[str, str]] = {"repaired": {}, "unreadable": {}}
    if is_box and box is None:
        notes["unreadable"]["is_box"] = is_box
    at = _level(level_text, notes)
    attributes: dict[str, JSON] = {
        "type": kind or None,
        "is_box": box,
        "annotator_expertise": expertise or None,
        "analysis": analysis or None,
        "created_at_phase": made_in or None,
        **{name: note or None for name, note in notes.items()},
    }
    return Trait(
        shape=shape,
        phase=_MADE_IN.get(made_in, ANNOTATION),
        confidence=confidence(label, at),
        level=f"{at[0]:g}" if at else level_text,
        attributes={name: value for name, value in attributes.items() if value is not None},
    )


def _level(text: str, notes: dict[str, dict[str, str]]) -> tuple[float, float | None] | None:
    if not text.strip():
        return None
    try:
        return level(text)
    except ValueError:
        mended = mended_level(text)
    notes["unreadable" if mended is None else "repaired"]["confidence_indicator_level"] = text
    return None if mended is None else level(mended)


class Traits(dict[tuple[str, ...], Trait]):
    """``trait`` with a memory."""

    def __init__(self, header: Header) -> None:
        super().__init__()
        self.cells: itemgetter[Any] = itemgetter(*(header.index(name) for name in _TRAITS))
        """The cells of a row that are the key."""

    def __missing__(self, words: tuple[str, ...]) -> Trait:
        if len(self) >= MEMO:
            self.clear()
        value = self[words] = trait(words)
        return value


class FeatureSet(NamedTuple):
    """The acoustic features of a mark, typed and without their prefix; and the cells that cannot be read."""

    features: Mapping[str, bool | int | float | str]
    unreadable: Mapping[str, str]


_NONE: Final = FeatureSet({}, {})


class Features(dict[tuple[str, ...], FeatureSet]):
    """Features by the cells of all columns ``signal_…``, also of those that servers to come may add."""

    def __init__(self, header: Header) -> None:
        super().__init__()
        self.columns = tuple(index for index, name in enumerate(header.columns) if name.strip().startswith(_SIGNAL))
        self._names = tuple(header.columns[index].strip() for index in self.columns)
        self.cells: itemgetter[Any] = itemgetter(*self.columns, len(header.columns))

    def __missing__(self, cells: tuple[str, ...]) -> FeatureSet:
        if len(self) >= MEMO:
            self.clear()
        value = self[cells] = self._read(cells) if any(cells) else _NONE
        return value

    def _read(self, cells: tuple[str, ...]) -> FeatureSet:
        features: dict[str, bool | int | float | str] = {}
        unreadable: dict[str, str] = {}
        for name, text in zip(self._names, cells, strict=False):
            if text:
                try:
                    features[name.removeprefix(_SIGNAL)] = feature(name, text)
                except ValueError:
                    unreadable[name] = text
        return FeatureSet(features, unreadable)
