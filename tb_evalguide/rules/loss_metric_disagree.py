"""Eval loss rises while the task metric still improves.

## What it checks
The evaluations after the lowest eval loss: the loss has risen significantly, and a quality metric whose direction is
known ends better than it was there.

## Why it matters
A classifier that grows overconfident pays for its few mistakes with a higher loss although it decides better. Ranked
by eval loss, the wrong checkpoint would be chosen.

## What to do
Rank the checkpoints by the metric that matters in use. If probabilities matter, calibrate them (temperature scaling)
or use label smoothing.

## When it is wrong
A metric on a small eval set improves by chance as easily as it worsens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, stats
from tb_evalguide.case import Case, Curve
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Floats, Need, Role, Rule, Severity, Skip, Text, Tier


@dataclass(frozen=True)
class Limits:
    rise: float = 0.02  # of the lowest eval loss; below this no checkpoint would be chosen differently; as OVF001
    significance: float = 1.0  # multiple of crit(n) (failure-modes.md #23)
    metric_sigmas: float = 2.0  # of the metric's own noise by which its end must be better; usual


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    evals = case.evals
    assert evals is not None  # needs
    known = [choice for choice in case.metrics if choice.greater_is_better is not None and len(choice.series) >= 4]
    if not known:
        return Skip(Text(N_("no quality metric with a known direction is evaluated")))
    best = case.best_eval
    if len(evals) - 1 - best < 2:
        return ()
    low, end = float(evals.values[best]), float(np.mean(evals.values[-2:]))
    beyond = limits.significance * stats.critical_rise(len(evals)) * case.eval_noise
    if low <= 0 or end / low - 1 < limits.rise or end - low < beyond:
        return ()
    for choice in known:
        curve = Curve.of(choice.series)
        sign = 1.0 if choice.greater_is_better else -1.0
        if len(curve) < 4:
            continue
        then, now = around(curve, float(evals.steps[best])), float(np.mean(curve.values[-2:]))
        noise = metric_noise(curve.values)
        if sign * (now - then) > max(limits.metric_sigmas * noise, 1e-9 * abs(then)):
            return [
                Evidence(
                    steps=(int(evals.steps[best]), int(evals.steps[-1])),
                    tags=(evals.tag, curve.tag),
                    numbers={"low": low, "end": end, "metric_then": then, "metric_now": now},
                    words={"metric": curve.tag},
                    confidence=0.75,
                )
            ]
    return ()


def around(curve: Curve, step: float) -> float:
    """Mean of the metric at that step and its neighbours."""
    at = int(np.argmin(np.abs(curve.steps - step)))
    return float(np.mean(curve.values[max(0, at - 1) : at + 2]))


def metric_noise(values: Floats) -> float:
    """σ of the difference of two means of two to three points."""
    d = stats.second_differences(np.arange(len(values)), values)
    return stats.mad_sigma(np.concatenate([d, -d])) if len(d) >= 3 else 0.0


RULE = Rule(
    id="OVF004",
    guide=("K4",),
    label="overfitting",
    severity=Severity.INFO,
    tier=Tier.GENERALISATION,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.EVAL_LOSS, 4),),
    message=N_(
        "Eval loss rises from {low:.3g} to {end:.3g} after step {first}, yet {metric} improves from "
        "{metric_then:.3g} to {metric_now:.3g}: rank by the metric."
    ),
    remedies=(remedies.RANK_ON_METRIC,),
    not_in=("rl",),
)
