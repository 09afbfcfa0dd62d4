"""The loss stands still, or creeps up, for most of the run.

## What it checks
Whether the train loss reached its lowest level in the first third of the run, dropped by less than 40 % by then, and
has crept up significantly since, with the eval loss (where there is one) no better than it was. Evaluations that never
moved at all count, too. A loss that is merely level after most of the drop is done has converged: that is information.

## Why it matters
Most of the run was spent without learning anything.

## What to do
Raise or re-warm the learning rate, check whether most parameters are frozen, look for a bottleneck in the model, or
stop the run.

## When it is wrong
Label noise puts a floor under the loss; a run may also pause on a plateau and then fall again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, shape, stats
from tb_evalguide.case import Case, Curve
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Need, Role, Rule, Severity, Skip, Tier


@dataclass(frozen=True)
class Limits:
    early: float = 0.34  # of the points, in which the lowest level is reached; own choice
    drop: float = 0.40  # of the start: less was learned by then; own choice
    creep: float = 0.02  # of the lowest level: how far it has crept up; own choice
    p: float = 0.01  # one-sided Mann–Kendall p, corrected for autocorrelation (failure-modes.md #30)
    level: float = 0.01  # Theil–Sen change over the second half that counts as level (failure-modes.md #30)
    stuck: float = 0.005  # of the eval loss: whole range of evaluations that never moved; own choice
    pinned: int = (
        4  # evaluations in which a metric stood at its worst (an error rate of 1) beside such a loss; own choice
    )
    evals: int = 10  # evaluations that must not have moved; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    train = case.train
    assert train is not None  # needs
    end = shape.ending(train)
    drop = shape.progress(case)
    low = int(np.searchsorted(train.steps, end.low_step))
    numbers = {"low": end.low, "end": end.end, "drop": drop, "share": 1 - low / len(train)}
    if low < limits.early * len(train) and drop < limits.drop and end.rise > limits.creep:
        _, medians, _ = stats.bins(train.steps[low:], train.values[low:], 30)
        evals_stand = case.evals is None or float(np.mean(case.evals.values[-2:])) > float(np.min(case.evals.values))
        if stats.mann_kendall(medians).p_up < limits.p and evals_stand:
            return [
                Evidence(
                    steps=(end.low_step, int(train.steps[-1])), tags=(train.tag,), numbers=numbers, confidence=0.75
                )
            ]
    evals = case.evals
    if evals is not None and stuck(case, evals, limits):
        late = train.between(float(evals.steps[0]), float(evals.steps[-1]))
        if len(late) >= 10 and stats.mann_kendall(late.values).p_down > limits.p and not metric_moves(case):
            level = {**numbers, "level": float(stats.median(evals.values)), "evals": len(evals)}
            span = (int(evals.steps[0]), int(evals.steps[-1]))
            return [Evidence(steps=span, tags=(train.tag, evals.tag), numbers=level, confidence=0.85, variant="stuck")]
    half = train.values[len(train) // 2 :]
    steps = train.steps[len(train) // 2 :]
    change = stats.theil_sen(steps, half) * float(steps[-1] - steps[0])
    if abs(change) < limits.level * abs(float(stats.median(half))) and stats.mann_kendall(half).p_down > 0.2:
        return [
            Evidence(
                steps=(int(steps[0]), int(steps[-1])),
                tags=(train.tag,),
                numbers=numbers,
                confidence=0.7,
                severity=Severity.INFO,
                variant="converged",
            )
        ]
    return ()


def stuck(case: Case, evals: Curve, limits: Limits) -> bool:
    """The eval loss never moved; with a metric pinned at its worst fewer and less equal evaluations are enough."""
    spread = float(np.ptp(evals.values)) / max(abs(float(stats.median(evals.values))), 1e-300)
    if len(evals) >= limits.evals and spread < limits.stuck:
        return True
    return len(evals) >= limits.pinned and spread < 4 * limits.stuck and metric_pinned(case, limits)


def metric_pinned(case: Case, limits: Limits) -> bool:
    """An error rate of one, or an accuracy of nothing, in every evaluation."""
    for choice in case.metrics:
        values = choice.series.values[np.isfinite(choice.series.values)]
        if len(values) < limits.pinned or choice.greater_is_better is None or float(np.ptp(values)) > 0.02:
            continue
        worst = float(stats.median(values))
        if worst < 0.02 if choice.greater_is_better else 0.98 < worst < 1.05:
            return True
    return False


def metric_moves(case: Case) -> bool:
    """An evaluated metric changed while the loss did not: something is being learned."""
    for choice in case.metrics:
        values = choice.series.values[np.isfinite(choice.series.values)]
        if len(values) >= 4 and np.ptp(values) > 0.05 * max(abs(float(stats.median(values))), 1e-300):
            return True
    return False


RULE = Rule(
    id="CNV001",
    guide=("M1", "V1"),
    label="plateau",
    severity=Severity.MEDIUM,
    tier=Tier.CONVERGENCE,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.TRAIN_LOSS, 30),),
    message=N_(
        "Plateau: the loss was lowest ({low:.3g}) at step {first} and has crept up to {end:.3g} over the last "
        "{share:.0%} of the run."
    ),
    variants={
        "stuck": N_(
            "Plateau: the eval loss has not moved from {level:.4g} in any of {evals} evaluations since step {first}."
        ),
        "converged": N_("The loss has been level at {end:.3g} for the second half of the run: it has converged."),
    },
    remedies=(remedies.LR_RAISE, remedies.CHECK_FROZEN, remedies.LARGER_MODEL),
    not_in=("rl",),
)
