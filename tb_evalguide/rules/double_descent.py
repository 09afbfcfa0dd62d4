"""Eval loss rises for a while, then falls to a new low.

## What it checks
A climb of the eval loss of at least 5 % and several σ that lasts three evaluations or more and is followed by a
minimum clearly below the one before it.

## Why it matters
Stopping at the first minimum would have lost the better model: large models that fit noisy data may get worse before
they get better (double descent). Early stopping with little patience ends such runs too soon.

## What to do
Give early stopping more patience, and judge the run by its lowest evaluation, not by its first turn.

## When it is wrong
A spike with its recovery, a cyclic learning rate, or a change of the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, shape, stats
from tb_evalguide.case import Case
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Need, Role, Rule, Severity, Skip, Tier


@dataclass(frozen=True)
class Limits:
    climb: float = 0.05  # of the first minimum; own choice
    significance: float = 1.0  # multiple of crit(n) of the evaluation noise (failure-modes.md #23)
    new_low: float = 2.0  # σ below the first minimum; usual
    lasting: int = 3  # evaluations above the first minimum; two are a spike (failure-modes.md #32)
    fine: int = 200  # windows into which a longer curve is taken together: narrower rises are spikes; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    evals = case.evals
    assert evals is not None  # needs
    steps, values = evals.steps.astype(np.float64), stats.running_median(evals.values, 3)
    if len(values) > limits.fine:
        steps, values, _ = stats.bins(evals.steps, evals.values, limits.fine)
    sigma = case.eval_noise
    for rise in shape.rises(values, limits.climb):
        if rise.peak_value - rise.low_value < limits.significance * stats.critical_rise(len(values)) * sigma:
            continue
        after = values[rise.peak :]
        lowest = rise.peak + int(np.argmin(after))
        above = int(np.count_nonzero(values[rise.low + 1 : lowest + 1] > rise.low_value))
        if above < limits.lasting or float(values[lowest]) > rise.low_value - limits.new_low * sigma:
            continue
        return [
            Evidence(
                steps=(int(steps[rise.low]), int(steps[lowest])),
                tags=(evals.tag,),
                numbers={"first_low": rise.low_value, "peak": rise.peak_value, "second_low": float(values[lowest])},
                confidence=0.7,
            )
        ]
    return ()


RULE = Rule(
    id="CNV003",
    guide=("M2",),
    label="overfitting",
    severity=Severity.INFO,
    tier=Tier.CONVERGENCE,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.EVAL_LOSS, 12),),
    message=N_(
        "Eval loss rose from {first_low:.3g} at step {first} to {peak:.3g} and then fell to a new low of "
        "{second_low:.3g}: stopping early would have been too early."
    ),
    remedies=(remedies.USE_BEST_CHECKPOINT,),
    not_in=("rl",),
)
