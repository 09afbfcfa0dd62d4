"""Suites of labelled runs: what a label accepts, and the figures that answers to them give.

A suite is a folder with `labels.jsonl`, one line a run: `run` (its folder), `accept` (headlines that count as right),
`accept_finding` (labels that also count when only a finding says so), `primary`, `healthy`, `confidence` of the label,
`second` (what a second, blind reader of the same curves said), `repo` or `framework` (where the run comes from).
"""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tb_evalguide.model import RunReport, Severity, Training
from tb_evalguide.sources import read_trainings

QUIET = frozenset({"healthy", "insufficient_data"})
LOUD = (Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL)
BINS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)  # edges of the reliability table


@dataclass(frozen=True)
class Unit:
    """One labelled run."""

    suite: str
    run: str
    path: Path
    label: Mapping[str, Any] = field(repr=False)

    @property
    def accept(self) -> list[str]:
        return list(self.label["accept"])

    @property
    def primary(self) -> str:
        return str(self.label["primary"])

    @property
    def healthy(self) -> bool:
        return bool(self.label["healthy"])

    @property
    def origin(self) -> str:
        """The project a real run comes from, or the framework that a trained one was written with."""
        return str(self.label.get("repo") or self.label.get("framework"))


@dataclass(frozen=True)
class Answer:
    """What a tool said of one run. headline: None where it names no first cause. error: why it could not answer."""

    headline: str | None
    labels: frozenset[str]
    loud: tuple[str, ...] = ()
    confidence: float | None = None
    sentence: str = ""
    error: str = ""


def read_suite(folder: str | Path, low: bool = False) -> list[Unit]:
    """The labelled runs of a suite; those labelled with low confidence only on request."""
    folder = Path(folder)
    lines = (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    labels = [json.loads(line) for line in lines if line.strip()]
    return [
        Unit(folder.resolve().name, label["run"], folder / label["run"], label)
        for label in labels
        if low or label.get("confidence") != "low"
    ]


def main_training(folder: str | Path) -> Training:
    """The training of a folder; the one with most events where it holds several."""
    return max(read_trainings(str(folder)), key=lambda t: sum(s.events for s in t.sources))


def answer_of(report: RunReport, sentence: str = "") -> Answer:
    verdict = report.verdict
    loud = tuple(f.rule for f in report.findings if f.explained_by is None and f.severity in LOUD)
    labels = frozenset({verdict.label, *(f.label for f in report.findings)})
    return Answer(verdict.label, labels, loud, verdict.confidence, sentence)


def is_right(unit: Unit, answer: Answer) -> bool:
    """Whether the label accepts the answer. A tool without a headline is right when any of its labels is accepted."""
    if answer.error:
        return False
    if answer.headline is None:
        return not answer.labels.isdisjoint(unit.accept)
    if answer.headline in unit.accept:
        return True
    extra = frozenset(unit.label.get("accept_finding") or ())
    return bool(extra & answer.labels) and answer.headline in QUIET | extra


def is_alarm(answer: Answer) -> bool:
    """Whether the answer says that something is wrong, or fails to say anything."""
    said = {answer.headline} if answer.headline is not None else answer.labels
    return bool(answer.error) or not said <= QUIET


def wilson(k: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval of a share k/n (Wilson 1927), 95 % by default."""
    if n == 0:
        return math.nan, math.nan
    share, spread = k / n, 1 + z * z / n
    centre = (share + z * z / (2 * n)) / spread
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / spread
    return max(0.0, centre - half), min(1.0, centre + half)


@dataclass(frozen=True)
class ByLabel:
    """How runs of one primary label were judged."""

    runs: int
    recall: float
    precision: float

    @property
    def f1(self) -> float:
        total = self.recall + self.precision
        return 2 * self.recall * self.precision / total if total else 0.0


@dataclass(frozen=True)
class Score:
    """Figures over a set of runs."""

    runs: int
    right: int
    healthy: int
    alarms: int
    noisy: int
    answered: int  # runs that the tool could read and say something of
    labels: Mapping[str, ByLabel]
    brier: float
    ece: float
    mean_confidence: float

    @property
    def accuracy(self) -> float:
        return self.right / self.runs if self.runs else math.nan

    @property
    def macro_f1(self) -> float:
        return statistics.fmean(label.f1 for label in self.labels.values()) if self.labels else math.nan


def score(pairs: Sequence[tuple[Unit, Answer]]) -> Score:
    """As score.py: a wrong answer counts against the precision of what it said, a right one for the run's own label."""
    hits = [is_right(unit, answer) for unit, answer in pairs]
    good: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for (unit, answer), hit in zip(pairs, hits):
        (good if hit else missed)[unit.primary] += 1
        if not hit:
            wrong.update([answer.headline] if answer.headline is not None else sorted(answer.labels))
    labels = {
        name: ByLabel(
            good[name] + missed[name],
            good[name] / (good[name] + missed[name]),
            good[name] / (good[name] + wrong[name]) if good[name] + wrong[name] else 0.0,
        )
        for name in sorted({*good, *missed})
    }
    well = [answer for unit, answer in pairs if unit.healthy]
    sure = [(a.confidence, hit) for (_, a), hit in zip(pairs, hits) if a.confidence is not None]
    return Score(
        runs=len(pairs),
        right=sum(hits),
        healthy=len(well),
        alarms=sum(map(is_alarm, well)),
        noisy=sum(bool(answer.loud) for answer in well),
        answered=sum(not answer.error for _, answer in pairs),
        labels=labels,
        brier=statistics.fmean((c - hit) ** 2 for c, hit in sure) if sure else math.nan,
        ece=calibration_error(sure),
        mean_confidence=statistics.fmean(c for c, _ in sure) if sure else math.nan,
    )


def reliability(sure: Iterable[tuple[float, bool]]) -> list[tuple[float, float, int, float, float]]:
    """(from, to, runs, mean confidence, share right) of every bin that holds a run; the last bin is closed above."""
    pairs = list(sure)
    confidences = np.array([c for c, _ in pairs])
    hits = np.array([hit for _, hit in pairs], float)
    bins = np.clip(np.searchsorted(BINS, confidences, side="right") - 1, 0, len(BINS) - 2)
    return [
        (
            BINS[k],
            BINS[k + 1],
            int((bins == k).sum()),
            float(confidences[bins == k].mean()),
            float(hits[bins == k].mean()),
        )
        for k in sorted(set(bins.tolist()))
    ]


def calibration_error(sure: Iterable[tuple[float, bool]]) -> float:
    """Expected calibration error over the same bins: mean of |confidence − share right|, weighted by runs."""
    pairs = list(sure)
    if not pairs:
        return math.nan
    return sum(runs * abs(mean - share) for _, _, runs, mean, share in reliability(pairs)) / len(pairs)
