"""Agreement marks, computed some time after the labels they compare (fact sheet §11)."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any

from connectors.kili.sandbox.events import EventLog
from connectors.kili.sandbox.store import Asset, Label, Store


def parse(label: Label) -> dict[str, Any]:
    parsed = json.loads(label.response)
    return parsed if isinstance(parsed, dict) else {}


def category_counts(response: dict[str, Any]) -> Counter[str]:
    """``JOB.CATEGORY`` → how often: chosen classes count one, marks one each (fact sheet §14, search)."""
    counts: Counter[str] = Counter()
    for job, answer in response.items():
        if not isinstance(answer, dict):
            continue
        if job.isdigit() or job == "assetLevel":
            counts.update(category_counts(answer))
            continue
        marks = answer.get("annotations")
        for holder in marks if isinstance(marks, list) else [answer]:
            counts.update(f"{job}.{category['name']}" for category in holder.get("categories") or ())
    return counts


def agreement(one: Label, other: Label) -> float:
    """How alike two answers are, 0 to 1: shared category counts over all, where both are empty 1. Ours, not Kili's."""
    left, right = category_counts(parse(one)), category_counts(parse(other))
    total = sum((left | right).values())
    return round(sum((left & right).values()) / total, 4) if total else 1.0


class Marks:
    """A queue of assets whose marks are due. ``run`` computes what is due by now; the platform calls it often."""

    def __init__(self, store: Store, events: EventLog, seconds: float) -> None:
        self._store = store
        self._events = events
        self._delay = timedelta(seconds=seconds)
        self._due: list[tuple[datetime, int, Asset]] = []
        self._queued = 0

    def expect(self, asset: Asset) -> None:
        if asset.is_honeypot or asset.is_used_for_consensus or any(x.label_type == "INFERENCE" for x in asset.labels):
            self._queued += 1
            heapq.heappush(self._due, (self._store.now() + self._delay, self._queued, asset))

    def run(self, *, everything: bool = False) -> None:
        now = self._store.now()
        while self._due and (everything or self._due[0][0] <= now):
            asset = heapq.heappop(self._due)[2]
            if asset.id in self._store.assets:
                self._consensus(asset)
                self._honeypot(asset)
                self._inference(asset)
                self._store.changed += 1

    def _consensus(self, asset: Asset) -> None:
        answers = _latest_answers(asset)
        if not asset.is_used_for_consensus or len(answers) < 2:
            return
        pairs = {(one.id, other.id): agreement(one, other) for one, other in combinations(answers, 2)}
        for label in answers:
            label.consensus_mark = _mean([mark for pair, mark in pairs.items() if label.id in pair])
        score = _mean(list(pairs.values()))
        if score != asset.consensus_mark:
            asset.consensus_mark = score
            self._tell("consensus", asset, answers, score)

    def _honeypot(self, asset: Asset) -> None:
        """The ground truth is a honeypot label, else the last REVIEW label of an asset marked as honeypot."""
        gold = [label for label in asset.labels if label.is_ground_truth] or [
            label for label in asset.labels if label.label_type == "REVIEW"
        ]
        answers = _latest_answers(asset)
        if not asset.is_honeypot or not gold or not answers:
            return
        for label in answers:
            label.honeypot_mark = agreement(label, gold[-1])
        score = _mean([label.honeypot_mark for label in answers if label.honeypot_mark is not None])
        if score != asset.honeypot_mark:
            asset.honeypot_mark = score
            self._tell("honeypot", asset, answers, score)

    def _inference(self, asset: Asset) -> None:
        answers = _latest_answers(asset)
        guesses = [label for label in asset.labels if label.label_type == "INFERENCE"]
        if answers and guesses:
            for label in guesses:
                label.inference_mark = agreement(label, answers[-1])
            asset.inference_mark = _mean([x.inference_mark for x in guesses if x.inference_mark is not None])

    def _tell(self, metric: str, asset: Asset, labels: list[Label], score: float) -> None:
        step = labels[-1].step
        self._events.about(
            f"asset.analytics.{metric}.computed",
            asset,
            labels[-1].author,
            comparedLabelIds=[label.id for label in labels],
            score=score,
            stepId="" if step is None else step.id,
        )


def _latest_answers(asset: Asset) -> list[Label]:
    """Each labeler's latest DEFAULT label, ground truth excluded."""
    latest = {
        label.author.id: label
        for label in asset.labels
        if label.label_type == "DEFAULT" and not label.is_ground_truth and not label.is_sent_back
    }
    return list(latest.values())


def _mean(marks: list[float]) -> float:
    return round(sum(marks) / len(marks), 4)
