"""The loss is exactly zero, or the gradients are NaN while the loss is not.

## What it checks
Train-loss points that are exactly 0 after the loss had been clearly above zero, for most of the rest of the run, or
from the first logged point to the last; and gradient norms that are NaN or infinite for most of the rest of the run
although the loss stays finite and does not fall.

## Why it matters
Hugging Face's `logging_nan_inf_filter` writes 0 in place of NaN: the curve looks perfect while the weights are NaN. A
gradient norm that stays NaN means that no step changes the model any more, or that every step breaks it.

## What to do
Set `logging_nan_inf_filter=False` to see the truth, go back to a checkpoint before that step, use bf16 in place of
fp16, lower the learning rate, and check that not every label is masked (−100).

## When it is wrong
Losses that reach exactly zero by design (hinge or triplet losses, rounded logs); these fall to it gradually or touch
it only now and then. A few infinite gradient norms in fp16 are the loss scaler at work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, stats
from tb_evalguide.case import Case
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Need, Role, Rule, Series, Severity, Skip, Tier


@dataclass(frozen=True)
class Limits:
    zeros: int = 3  # points that are exactly 0 (failure-modes.md #2)
    share: float = 0.8  # of the points from the first zero (or NaN norm) on; a state that lasts, not an odd batch
    level: float = 0.05  # of the first loss: a curve that comes from below this has converged to zero; own choice
    rounding: float = 1e-3  # a loss below it may be rounded to 0: Hugging Face logs four decimals
    norms: int = 5  # gradient norms that are not finite; a loss scaler skips one or two in a row
    progress: float = 0.05  # relative fall of the loss afterwards that shows that steps still work; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    series = case.roles.get(Role.TRAIN_LOSS)
    assert series is not None  # needs
    return zeros(case, series, limits) or norms(case, series, limits) or all_zero(case, series, limits)


def zeros(case: Case, series: Series, limits: Limits) -> list[Evidence]:
    zero = series.values == 0
    if zero.sum() < limits.zeros or zero.all():
        return []
    start = lasting(zero, limits.share)
    if start is None or zero[start:].sum() < limits.zeros:
        return []
    before = series.values[:start]
    before = before[np.isfinite(before) & (before != 0)]
    if not len(before):
        return []
    level = float(stats.median(before[-5:]))
    if abs(level) < max(limits.rounding, limits.level * abs(float(before[0]))):
        return []
    step = int(series.steps[start])
    return [
        Evidence(
            steps=(step, int(series.steps[-1])),
            tags=(series.tag,),
            numbers={"count": int(zero.sum()), "points": len(series), "level": level},
            confidence=0.97 if not evals_finite_after(case, step) else 0.7,
            severity=None if not evals_finite_after(case, step) else Severity.INFO,
            variant="" if not evals_finite_after(case, step) else "evals_go_on",
        )
    ]


def all_zero(case: Case, series: Series, limits: Limits) -> list[Evidence]:
    """Never anything but 0: whatever it is, nothing of it can be learned from."""
    if len(series) < limits.zeros or series.values.any():
        return []
    go_on = evals_finite_after(case, int(series.steps[0]))
    return [
        Evidence(
            steps=(int(series.steps[0]), int(series.steps[-1])),
            tags=(series.tag,),
            numbers={"count": len(series)},
            words={"tag": series.tag},
            confidence=0.7 if go_on else 0.8,
            severity=Severity.MEDIUM if go_on else Severity.HIGH,
            label="data_integrity",
            variant="evals_go_on" if go_on else "all",
            # a train loss that was never measured explains nothing of what the evaluations say
            tier=Tier.CONVERGENCE if go_on else None,
        )
    ]


def evals_finite_after(case: Case, step: int) -> bool:
    """Evaluations after that step are finite and not zero: the weights are not NaN, whatever the train loss says."""
    evals = case.roles.get(Role.EVAL_LOSS)
    if evals is None:
        return False
    after = evals.values[evals.steps >= step]
    return bool(len(after) >= 2 and np.isfinite(after).all() and (after != 0).all())


def norms(case: Case, series: Series, limits: Limits) -> list[Evidence]:
    grad = case.roles.get(Role.GRAD_NORM)
    if grad is None:
        return []
    bad = ~np.isfinite(grad.values)
    start = lasting(bad, limits.share)
    if start is None or bad[start:].sum() < limits.norms:
        return []
    step = int(grad.steps[start])
    loss = series.values[series.steps >= step]
    if not len(loss) or np.isfinite(loss).mean() < 0.5:
        return []  # the loss itself is NaN: that is INT001
    loss = loss[np.isfinite(loss)]
    third = max(1, len(loss) // 3)
    early, late = float(stats.median(loss[:third])), float(stats.median(loss[-third:]))
    learns = len(loss) >= 6 and early - late > limits.progress * abs(early)
    return [
        Evidence(
            steps=(step, int(grad.steps[-1])),
            tags=(grad.tag, series.tag),
            numbers={"count": int(bad.sum()), "points": len(grad), "level": late},
            confidence=0.9,
            severity=Severity.INFO if learns else None,
            variant="norm_only" if learns else "norm",
        )
    ]


def lasting(mask: np.ndarray, share: float) -> int | None:
    """First index of the mask from which on at least `share` of all points hold it, or None."""
    hits = np.flatnonzero(mask)
    if not len(hits):
        return None
    shares = np.cumsum(mask[::-1])[::-1] / np.arange(len(mask), 0, -1)
    good = hits[shares[hits] >= share]
    return int(good[0]) if len(good) else None


RULE = Rule(
    id="INT002",
    guide=("P1", "Z5"),
    label="nan",
    severity=Severity.CRITICAL,
    tier=Tier.INTEGRITY,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.TRAIN_LOSS, 4),),
    message=N_(
        "Train loss is exactly 0 from step {first} on ({count} points) after {level:.3g}: zeros written in place "
        "of NaN."
    ),
    variants={
        "all": N_(
            "{tag} is exactly 0 at all {count} points: no sample counts (all labels masked), zeros were written in "
            "place of NaN, or it is another term (then name the loss with --role train_loss=TAG)."
        ),
        "evals_go_on": N_(
            "Train loss is exactly 0 from step {first} on ({count} points), while the eval loss goes on: check how "
            "it is logged."
        ),
        "norm": N_(
            "The gradient norm is NaN or infinite from step {first} on ({count} points) and the loss stands at "
            "{level:.3g}: no step works."
        ),
        "norm_only": N_(
            "The gradient norm is NaN or infinite at {count} of {points} points, yet the loss goes on falling: "
            "check how it is logged."
        ),
    },
    remedies=(remedies.SHOW_NAN, remedies.LR_TENTH, remedies.USE_BF16, remedies.CHECK_LABELS, remedies.CHECK_PRECISION),
    not_in=("rl",),
)
