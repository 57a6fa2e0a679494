"""What a verifier's list on one recording is made of: read, written back unchanged, and compared (fact sheet §5.4).

The list that a client sends is the whole truth: what it leaves out is deleted. In a Verification phase it speaks for
everybody else's Annotation rows and for the caller's own rows. So everything that was read goes back as it was, with
its own author, configuration, features and reference; of verdicts and comments only the caller's own, since a verdict
left out is lost and a foreign comment sent back is doubled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from connectors.coerce import many, mapping, number, text
from connectors.documents import JSON
from connectors.errors import Refused

Row = Mapping[str, JSON]

BOUNDS: Final = ("startTime", "endTime", "startFrequency", "endFrequency")
CORRECTED: Final = frozenset({*BOUNDS, "label", "confidence", "acousticFeatures"})
"""What ``fixedResponse`` of a FIXED verdict may say; what it leaves out stays as in the original."""
LONGEST_COMMENT: Final = 255

_FEATURES: Final = (
    "trend",
    "startFrequency",
    "endFrequency",
    "relativeMinFrequencyCount",
    "relativeMaxFrequencyCount",
    "stepsCount",
    "hasHarmonics",
    "hasSidebands",
    "hasSubharmonics",
    "hasFrequencyJumps",
    "frequencyJumpsCount",
    "hasDeterministicChaos",
    "isIntensityTooLow",
    "doesOverlapOtherSignals",
)
LIST: Final = f"""query($spectrogram: ID!, $campaign: ID!) {{
  currentUser {{ id username }}
  annotationPhaseByCampaignPhase(campaignId: $campaign, phaseType: Verification) {{
    id isOpen annotationCampaign {{ isArchived }}
  }}
  annotationSpectrogramById(id: $spectrogram) {{
    id
    isAssigned(campaignId: $campaign, phase: Verification)
    annotationTasks(first: 100) {{
      edges {{ node {{ status annotator {{ username }} annotationPhase {{ annotationCampaignId phase }} }} }}
    }}
    task(campaignId: $campaign, phase: Verification) {{
      userAnnotations {{ results {{ ...row }} }}
      annotationsToCheck {{ results {{ ...row }} }}
    }}
  }}
}}
fragment row on AnnotationNode {{
  id {" ".join(BOUNDS)}
  label {{ name }} confidence {{ label }} annotator {{ id username }} analysis {{ id }} annotationPhase {{ id }}
  detectorConfiguration {{ id }} isUpdateOf {{ id }} acousticFeatures {{ id {" ".join(_FEATURES)} }}
  comments {{ results {{ id comment author {{ id }} }} }}
  validations {{ results {{ isValid annotator {{ id }} }} }}
}}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One recording as a verifier has it before him."""

    me: str
    username: str
    phase: str
    is_open: bool
    assigned: bool
    own: Mapping[str, Row]
    to_check: Mapping[str, Row]
    finished: frozenset[str]
    """Who has submitted the recording in the Annotation phase."""

    @classmethod
    def read(cls, data: Mapping[str, JSON], campaign: str) -> Sheet:
        """Raises ``Refused`` where there is nothing to judge."""
        user, phase = mapping(data.get("currentUser")), mapping(data.get("annotationPhaseByCampaignPhase"))
        file = mapping(data.get("annotationSpectrogramById"))
        task = mapping(file.get("task"))
        own, to_check = (mapping(task.get(name)).get("results") for name in ("userAnnotations", "annotationsToCheck"))
        if not isinstance(own, list) or not isinstance(to_check, list) or not text(user.get("id")):
            raise Refused("APLOSE does not show the recording's annotations, so nothing can be sent back safely")
        nodes = [mapping(mapping(edge).get("node")) for edge in many(mapping(file.get("annotationTasks")).get("edges"))]
        return cls(
            me=text(user.get("id")) or "",
            username=text(user.get("username")) or "",
            phase=text(phase.get("id")) or "",
            is_open=bool(phase.get("isOpen")) and not mapping(phase.get("annotationCampaign")).get("isArchived"),
            assigned=bool(file.get("isAssigned")),
            own={str(row["id"]): row for row in own},
            to_check={str(row["id"]): row for row in to_check},
            finished=frozenset(
                text(mapping(node.get("annotator")).get("username")) or ""
                for node in nodes
                if node.get("status") == "Finished"
                and mapping(node.get("annotationPhase")).get("phase") == "Annotation"
                and text(mapping(node.get("annotationPhase")).get("annotationCampaignId")) == campaign
            ),
        )

    def verdict(self, annotation: str) -> bool | None:
        """Ours."""
        return _verdict(self.to_check.get(annotation, {}), self.me)

    def corrections(self, annotation: str) -> dict[str, Row]:
        """Ours of an annotation."""
        return {key: row for key, row in self.own.items() if _id(row, "isUpdateOf") == annotation}

    def corrected(self, annotation: str, fields: Mapping[str, JSON], but: Sequence[str] = ()) -> str | None:
        """The id of our correction that says exactly this, other than those in ``but``."""
        wanted = _said(correction(self.to_check[annotation], fields)) if annotation in self.to_check else None
        found = (
            key for key, row in self.corrections(annotation).items() if key not in but and _said(_plain(row)) == wanted
        )
        return next(found, None)

    def back(self, annotation: str, *, is_valid: bool) -> list[dict[str, Any]]:
        """The whole list, as it was but for our verdict on one annotation."""
        rows = [_item(row, self.me, comments=False) for row in self.to_check.values()]
        for item in rows:
            if str(item["id"]) == annotation:
                item["validations"] = [{"isValid": is_valid}]
        return [*rows, *(_item(row, self.me, comments=True) for row in self.own.values())]

    def differences(self, after: Sheet, but: str) -> list[str]:
        """Ids of rows that a later sheet lacks or shows otherwise, apart from our own verdict on ``but``."""
        before, now = {**self.own, **self.to_check}, {**after.own, **after.to_check}
        return [
            key
            for key, row in before.items()
            if key not in now or _picture(row, self.me, key == but) != _picture(now[key], self.me, key == but)
        ]

    def submitted_meanwhile(self, after: Sheet) -> list[str]:
        """Who submitted the recording between two looks, with no row to show for it: perhaps it was overwritten."""
        shown = {_name(row) for key, row in after.to_check.items() if key not in self.to_check}
        return sorted(after.finished - self.finished - shown)


def correction(original: Row, fields: Mapping[str, JSON]) -> dict[str, Any]:
    """The content of a corrected row. Raises ``Refused`` for what no annotation has."""
    unknown = sorted(set(fields) - CORRECTED)
    if unknown:
        raise Refused(f"a corrected annotation has no field {unknown[0]!r}; there are {', '.join(sorted(CORRECTED))}")
    for name in BOUNDS:
        if fields.get(name) is not None and number(fields[name]) is None:
            raise Refused(f"{name} of a corrected annotation is a number of seconds or Hz, or null")
    if "label" in fields and not (isinstance(fields["label"], str) and fields["label"]):
        raise Refused("the label of a corrected annotation is the name of a label of the campaign")
    features = mapping(fields["acousticFeatures"]) if "acousticFeatures" in fields else original.get("acousticFeatures")
    kept = {name: value for name, value in mapping(features).items() if name in _FEATURES}
    return {**_plain(original), **fields, "acousticFeatures": kept or None}


def _plain(row: Row) -> dict[str, Any]:
    return {
        **{name: row.get(name) for name in BOUNDS},
        "label": mapping(row.get("label")).get("name"),
        "confidence": mapping(row.get("confidence")).get("label"),
    }


def _said(content: Mapping[str, JSON]) -> tuple[Any, ...]:
    return (content["label"], content["confidence"], *(number(content[name]) for name in BOUNDS))


def _item(row: Row, me: str, *, comments: bool) -> dict[str, Any]:
    """A row as ``AnnotationInput``: ids of rows and features are numbers there, those of everything else texts."""
    features = mapping(row.get("acousticFeatures"))
    own = [one for one in map(mapping, _results(row, "comments")) if _id(one, "author") == me] if comments else []
    verdict = _verdict(row, me)
    item: dict[str, Any] = {
        "id": int(str(row["id"])),
        **_plain(row),
        "annotationPhase": _id(row, "annotationPhase"),
        "analysis": _id(row, "analysis"),
        "annotator": _id(row, "annotator"),
        "detectorConfiguration": _id(row, "detectorConfiguration"),
        "isUpdateOf": _id(row, "isUpdateOf"),
        "acousticFeatures": {**features, "id": int(str(features["id"]))} if features else None,
        "validations": [] if verdict is None else [{"isValid": verdict}],
    }
    if own:
        item["comments"] = [{"id": int(str(one["id"])), "comment": one["comment"]} for one in own]
    return item


def _picture(row: Row, me: str, judged: bool) -> Any:
    """A row without the ids that the server gives anew at each writing."""
    verdicts = {str(_id(one, "annotator")): one.get("isValid") for one in map(mapping, _results(row, "validations"))}
    if judged:
        verdicts.pop(me, None)
    features = {name: value for name, value in mapping(row.get("acousticFeatures")).items() if name != "id"}
    said = sorted((str(_id(one, "author")), str(one.get("comment"))) for one in map(mapping, _results(row, "comments")))
    kept = {name: value for name, value in row.items() if name not in ("validations", "acousticFeatures", "comments")}
    return kept, verdicts, features, said


def _verdict(row: Row, who: str) -> bool | None:
    mine = (one.get("isValid") for one in map(mapping, _results(row, "validations")) if _id(one, "annotator") == who)
    return next((found for found in mine if isinstance(found, bool)), None)


def _results(row: Row, name: str) -> list[JSON]:
    return many(mapping(row.get(name)).get("results"))


def _id(row: Row, name: str) -> str | None:
    return text(mapping(row.get(name)).get("id"))


def _name(row: Row) -> str:
    return text(mapping(row.get("annotator")).get("username")) or ""
