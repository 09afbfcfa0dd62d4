"""Eval loss lies below train loss.

## What it checks
The gap at every evaluation: below −2 % of the eval loss at four fifths of them.

## Why it matters
Usually it is harmless: dropout and augmentation make training harder than evaluation, and a train loss averaged over
an epoch lags half an epoch behind. It hides overfitting, because the gap starts below zero.

## What to do
Nothing, when dropout, augmentation or label smoothing are in use. Otherwise check that no validation sample is in the
training set and that the two sets are equally hard.

## When it is wrong
An eval set that is easier by its nature (shorter texts, cleaner images).
"""

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
    gap: float = 0.02  # of the eval loss; below it the sign of the gap means nothing; own choice
    share: float = 0.8  # of the evaluations; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    evals, train = case.evals, case.train
    assert evals is not None and train is not None  # needs
    good = np.isfinite(case.gaps)
    gaps, level = case.gaps[good], np.abs(evals.values[good])
    if len(gaps) < 3 or (gaps < -limits.gap * level).mean() < limits.share:
        return ()
    return [
        Evidence(
            steps=(int(evals.steps[good][0]), int(evals.steps[good][-1])),
            tags=(train.tag, evals.tag),
            numbers={"gap": float(stats.median(gaps)), "share": float((gaps < 0).mean())},
            confidence=0.8,
        )
    ]


RULE = Rule(
    id="OVF005",
    guide=("V4",),
    label="data_integrity",
    severity=Severity.INFO,
    tier=Tier.GENERALISATION,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.TRAIN_LOSS, 3), Need(Role.EVAL_LOSS, 3)),
    message=N_(
        "Eval loss lies below train loss ({gap:+.3g}, at {share:.0%} of the evaluations): normal with dropout or "
        "augmentation, else check for leakage."
    ),
    remedies=(remedies.CHECK_LEAKAGE,),
    not_in=("rl",),
)
