"""The loss does not change any more, to the last digit.

## What it checks
Evaluations that are the same to one part in ten thousand over at least half of the run (at least six of them), although
the learning rate is not known to be zero there; or a train loss whose whole range is below that. Fewer than ten points
are only warned of. Where the train loss went on falling meanwhile, it is the evaluation that is broken.

## Why it matters
An eval set gives the same loss again only when the weights are the same: nothing is being trained, or another model
is evaluated than the one that is.

## What to do
Check that the optimizer holds the model's parameters, that they require gradients, that the learning rate is above
zero, and that the loss scaler does not skip every step.

## When it is wrong
Losses rounded to a few digits in the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tb_evalguide import remedies, shape
from tb_evalguide.case import Case, Curve
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Rule, Severity, Skip, Text, Tier
from tb_evalguide.rules import divergence


@dataclass(frozen=True)
class Limits:
    spread: float = 1e-4  # of the loss (failure-modes.md #6)
    points: int = 6  # evaluations that must agree; failure-modes.md #6 says 3, which rounding can do
    settled: int = 10  # points before which it is a warning: it may yet start; as LRN001
    sure: int = 20  # points that agree to the last digit: no rounding hides the noise of so many batches; own choice
    share: float = 0.5  # of the run over which they agree; own choice
    fell: float = 0.05  # of the train level, by which it fell since: then something is trained; own choice
    axis: float = 4.0  # times the last step of the other curve: further apart, they count different steps; own choice
    steps: int = 20  # fewer steps than this prove nothing; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    curve = case.evals if case.evals is not None and len(case.evals) >= limits.points else case.train
    if curve is None or len(curve) < limits.points:
        return Skip(Text(N_("fewer than {points} points of any loss"), {"points": limits.points}))
    if shape.in_warmup(case) or (case.last_step - case.first_step < limits.steps and not case.steps_are_epochs):
        return ()
    if abs(float(curve.values[-1])) > divergence.Limits().absurd:
        return ()  # no learning rate that is too low leads there: that is divergence
    if not curve.values.any() and (curve is case.train or train_fell(case, 0, limits) is None):
        return ()  # another term, or masked labels: diagnosis says that nothing can be judged by it
    first = constant_from(curve.values, limits.spread)
    count = len(curve) - first
    span = (curve.steps[-1] - curve.steps[first]) / max(1, int(curve.steps[-1]) - case.first_step)
    if count < limits.points or span < limits.share:
        return ()
    if rounded(curve, limits) and (count < limits.sure or first > 0):
        return ()  # it may have converged: what still changes is lost in the last digit
    found = Evidence(
        steps=(int(curve.steps[first]), int(curve.steps[-1])),
        tags=(curve.tag,),
        numbers={"value": float(curve.values[-1]), "count": count},
        confidence=0.9,
        severity=Severity.MEDIUM if len(curve) < limits.settled else None,
    )
    fell = train_fell(case, first, limits) if curve is not case.train else None
    if fell is None:
        return [found]
    numbers = {**found.numbers, "then": fell[0], "now": fell[1]}
    broken = replace(found, numbers=numbers, confidence=0.8, label="data_integrity", variant="evals_only")
    return [replace(broken, remedies=(remedies.CHECK_EVALUATION,))]


def train_fell(case: Case, first: int, limits: Limits) -> tuple[float, float] | None:
    """(train level at that evaluation, at the end) where it went on falling from there; else None."""
    train, evals = case.train, case.evals
    if train is None or evals is None or len(train) < limits.points:
        return None
    if not 1 / limits.axis <= (train.steps[-1] + 1) / (evals.steps[-1] + 1) <= limits.axis:
        return None  # the two count different steps
    then, now = float(case.train_at(evals.steps)[first]), train.tail()
    return (then, now) if now < (1 - limits.fell) * then and then - now > train.noise else None


def constant_from(values: np.ndarray, spread: float) -> int:
    """First index from which on all values lie within `spread` of their level."""
    reverse = values[::-1]
    width = np.maximum.accumulate(reverse) - np.minimum.accumulate(reverse)
    wide = np.flatnonzero(width > spread * abs(float(values[-1])))
    return len(values) - int(wide[0]) if len(wide) else 0


def rounded(curve: Curve, limits: Limits) -> bool:
    """All values are multiples of a step so coarse that a real change could hide below it."""
    values = curve.values
    for digits in range(7):  # float32 has seven
        if np.allclose(values, np.round(values, digits), rtol=0, atol=1e-3 * 10.0**-digits):
            return bool(10.0**-digits > limits.spread * abs(float(values[-1])))
    return False


RULE = Rule(
    id="LRN002",
    guide=("M1", "V1"),
    label="plateau",
    severity=Severity.HIGH,
    tier=Tier.DEAD_OR_SCHEDULE,
    doc=__doc__,
    limits=Limits(),
    check=check,
    message=N_("Nothing is being trained: the loss has been exactly {value:.4g} since step {first} ({count} points)."),
    variants={
        "evals_only": N_(
            "Eval loss has been exactly {value:.4g} since step {first} ({count} evaluations) while train loss fell "
            "from {then:.3g} to {now:.3g}: it does not measure what is trained."
        )
    },
    remedies=(remedies.CHECK_FROZEN, remedies.LR_RAISE),
    not_in=("rl",),
)
