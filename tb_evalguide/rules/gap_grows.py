"""The gap between train and eval loss grows.

## What it checks
The trend of eval loss minus train level over the evaluations (Mann–Kendall, corrected for autocorrelation), and by
how much the gap has grown as a share of the eval loss.

## Why it matters
A gap that widens is the first sign of overfitting, before the eval loss turns up. As long as the eval loss still
falls, the model still gets better on new data, too.

## What to do
Watch the eval loss and keep the best checkpoint. If it turns up, stop there and regularise.

## When it is wrong
A train loss that is averaged over a long window lags behind; the windows are matched here as far as the log allows.
Some growth belongs to every training that sees its data more than once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, stats
from tb_evalguide.case import Case
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Need, Role, Rule, Severity, Skip, Tier


@dataclass(frozen=True)
class Limits:
    p: float = 0.01  # one-sided, of a rising trend of the gap; usual
    growth: float = 0.05  # of the eval loss at the end; the guide's ideal run (C1) grows by 0.10 of 1.10; own choice
    table: float = 0.10  # the same for the few evaluations of a short log, where no trend can be tested; guide C2
    evals: int = 8  # from which on the trend is tested; with fewer, p < .01 asks for a perfect order; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    evals, train = case.evals, case.train
    assert evals is not None and train is not None  # needs
    good = np.isfinite(case.gaps)
    gaps, steps = case.gaps[good], evals.steps[good]
    if len(gaps) < 4:
        return ()
    k = max(1, len(gaps) // 5)
    early, late = float(stats.median(gaps[:k])), float(stats.median(gaps[-k:]))
    level = abs(float(stats.median(evals.values[-k:])))
    # a gap that was negative at first (a lagging train average, dropout) grows from zero on
    growth = (late - max(early, 0.0)) / level if level else 0.0
    if late <= 0:
        return ()
    if len(gaps) >= limits.evals:
        grows = growth > limits.growth and stats.mann_kendall(gaps).p_up < limits.p
    else:
        grows = growth > limits.table and int(np.count_nonzero(np.diff(gaps) < -0.01 * level)) == 0
    if not grows:
        return ()
    return [
        Evidence(
            steps=(int(steps[0]), int(steps[-1])),
            tags=(train.tag, evals.tag),
            numbers={"early": early, "late": late, "growth": growth},
            confidence=0.8,
        )
    ]


RULE = Rule(
    id="OVF002",
    guide=("V4", "C2", "L4"),
    label="overfitting",
    severity=Severity.INFO,
    tier=Tier.GENERALISATION,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.TRAIN_LOSS, 4), Need(Role.EVAL_LOSS, 4)),
    message=N_("The gap between eval and train loss grows: {early:+.3g} early, {late:+.3g} at the end."),
    remedies=(remedies.EARLY_STOPPING, remedies.WEIGHT_DECAY),
    not_in=("rl",),
)
