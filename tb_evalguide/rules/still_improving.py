"""The loss was still falling at the end.

## What it checks
The fall over the last fifth of the evaluations (of the train loss where there are too few): more than 1 % and 2 σ.

## Why it matters
The run could have gone further; its last checkpoint is not the best that this setting can give.

## What to do
Train longer, with a learning-rate schedule that is as long as the run.

## When it is wrong
A learning rate that is lowered to zero makes the loss fall at the end; a longer run does not repeat that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, stats
from tb_evalguide.case import Case
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Rule, Severity, Skip, Text, Tier
from tb_evalguide.status import run_status


@dataclass(frozen=True)
class Limits:
    fall: float = 0.01  # of the level a fifth of the run earlier (failure-modes.md #31)
    significance: float = 2.0  # σ of one evaluation (failure-modes.md #31)
    share: float = 0.2  # of the run (failure-modes.md #31)
    evals: int = 5  # (failure-modes.md #31)
    points: int = 50  # of the train loss, where evaluations are few: ten in the last fifth; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    if run_status(case, case.now).state == "running":
        return Skip(Text(N_("the run is still going on")))
    if case.evals is not None and len(case.evals) >= limits.evals:
        curve, sigma = case.evals, case.eval_noise
    elif case.train is not None and len(case.train) >= limits.points:
        curve, sigma = case.train, case.train_noise
    else:
        params = {"evals": limits.evals, "points": limits.points}
        return Skip(Text(N_("fewer than {evals} evaluations and {points} train points"), params))
    span = float(curve.steps[-1] - curve.steps[0])
    at = int(np.searchsorted(curve.steps, curve.steps[-1] - limits.share * span, side="right")) - 1
    late = len(curve) - at
    width = max(1, late // 4)
    begin = float(stats.median(curve.values[max(0, at - width // 2) : at - width // 2 + width]))
    end = float(stats.median(curve.values[-width:]))
    fall = (begin - end) / abs(begin) if begin else 0.0
    error = sigma if width == 1 else 1.2533 * sigma * math.sqrt(2 / width)
    if fall <= limits.fall or begin - end <= limits.significance * error:
        return ()
    # the lowest value must belong to the end: a fall after a climb is a recovery
    if float(np.min(curve.level[:-width])) < end - limits.significance * error:
        return ()
    if late >= 8 and stats.mann_kendall(curve.values[at:]).p_down > 0.05:
        return ()
    lr = case.lr
    annealed = lr is not None and len(lr) >= 5 and float(lr.values[-1]) < 0.1 * float(lr.values.max())
    return [
        Evidence(
            steps=(int(curve.steps[at]), int(curve.steps[-1])),
            tags=(curve.tag,),
            numbers={"begin": begin, "end": end, "fall": fall},
            confidence=0.7 if annealed else 0.8,
            variant="annealed" if annealed else "",
        )
    ]


RULE = Rule(
    id="CNV002",
    guide=("C1", "C3"),
    label="underfitting",
    severity=Severity.INFO,
    tier=Tier.CONVERGENCE,
    doc=__doc__,
    limits=Limits(),
    check=check,
    message=N_(
        "Still improving at the end: the loss fell from {begin:.3g} to {end:.3g} ({fall:.1%}) over the last fifth "
        "of the run."
    ),
    variants={
        "annealed": N_(
            "The loss fell by {fall:.1%} over the last fifth of the run ({begin:.3g} → {end:.3g}), while the "
            "learning rate was lowered to its end."
        )
    },
    remedies=(remedies.TRAIN_LONGER,),
    not_in=("rl",),
)
