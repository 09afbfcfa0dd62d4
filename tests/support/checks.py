"""Runs one rule on one case, and simulated curves whose faults are known by construction."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tb_evalguide.case import Case
from tb_evalguide.diagnosis import check_rule, message_of
from tb_evalguide.i18n import LANGUAGES, render
from tb_evalguide.model import Evidence, Floats, Role, Rule, Series, Severity
from tb_evalguide.sources.merge import series_from_points

from .phases import series


def found(rule: Rule, case: Case, **limits: Any) -> list[Evidence]:
    """What the rule says; empty when it passed.

    Fails when it was skipped, fell over, or has a message that does not render.
    """
    outcome = check_rule(rule, _with(rule, case, limits))
    assert outcome.result.outcome in ("fired", "passed"), (outcome.result.outcome, render(outcome.result.reason))
    for evidence in outcome.evidence:
        assert evidence.steps[0] <= evidence.steps[1], evidence.steps
        assert 0 < evidence.confidence <= 1
        for lang in LANGUAGES:
            text = render(message_of(rule, evidence), lang)
            # a missing number prints as nan, the word is spelled NaN
            assert "{" not in text and "nan" not in text, text
    return list(outcome.evidence)


def skipped(rule: Rule, case: Case) -> str:
    """Why the rule was skipped. Fails when it was not."""
    outcome = check_rule(rule, case)
    assert outcome.result.outcome == "skipped", outcome.result.outcome
    return render(outcome.result.reason)


def severity(rule: Rule, evidence: Evidence) -> Severity:
    return evidence.severity or rule.severity


def label(rule: Rule, evidence: Evidence) -> str:
    return evidence.label or rule.label


def _with(rule: Rule, case: Case, limits: dict[str, Any]) -> Case:
    if not limits:
        return case
    return dataclasses.replace(case, config=dataclasses.replace(case.config, limits={rule.id: limits}))


# --- curves -----------------------------------------------------------------------------------------------------------


def decay(
    n: int, start: float = 3.0, end: float = 1.0, noise: float = 0.01, seed: int = 0, rate: float = 4.0
) -> Floats:
    """An exponential fall from `start` to `end` with relative white noise."""
    x = np.linspace(0, 1, n)
    level = end + (start - end) * (np.exp(-rate * x) - np.exp(-rate)) / (1 - np.exp(-rate))
    return level * (1 + noise * np.random.default_rng(seed).standard_normal(n))


def accuracy_that_rises(first: float, last: float, tag: str, in_role: bool) -> dict[str, Any]:
    """For `case`: ten evaluations, the last three at their highest; as the evaluated accuracy or as another metric."""
    values = [first, *np.linspace((first + last) / 2, last, 6), last, last, last]
    accuracy = series(tag, every(10, 100), values)
    return {"roles": {Role.EVAL_ACCURACY: accuracy}} if in_role else {"metrics": [(accuracy, True)]}


def every(n: int, interval: int = 10, first: int | None = None) -> list[int]:
    """n steps, `interval` apart."""
    first = interval if first is None else first
    return [first + i * interval for i in range(n)]


def train(values: Sequence[float] | Floats, interval: int = 10) -> Series:
    return series("train/loss", every(len(values), interval), values)


def evals(values: Sequence[float] | Floats, interval: int = 100) -> Series:
    return series("eval/loss", every(len(values), interval), values)


def rate(values: Sequence[float] | Floats, interval: int = 10) -> Series:
    return series("train/learning_rate", every(len(values), interval), values)


def norms(values: Sequence[float] | Floats, interval: int = 10) -> Series:
    return series("train/grad_norm", every(len(values), interval), values)


def resumed(tag: str, parts: Sequence[tuple[Sequence[int], Sequence[float]]], pause: float = 3600.0) -> Series:
    """One series written in several goes, with a pause of `pause` seconds between them."""
    steps: list[int] = []
    values: list[float] = []
    walls: list[float] = []
    now = 1.7e9
    for part_steps, part_values in parts:
        for step, value in zip(part_steps, part_values, strict=True):
            steps.append(step)
            values.append(float(value))
            walls.append(now)
            now += 1.0
        now += pause
    return series_from_points(tag, ".", steps, values, walls)


def cosine(n: int, peak: float = 1e-3, warmup: int = 0, floor: float = 0.0) -> Floats:
    """Linear warm-up, then half a cosine down to floor × peak."""
    up = peak * np.arange(1, warmup + 1) / max(1, warmup)
    x = np.linspace(0, 1, n - warmup)
    return np.concatenate([up, peak * (floor + (1 - floor) * 0.5 * (1 + np.cos(np.pi * x)))])
