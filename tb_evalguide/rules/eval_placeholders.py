"""Zeros stand where no evaluation was made.

## What it checks
An eval loss that is exactly 0 at 30 % of its points or more, in several stretches between values far from 0. These
points are left out of every judgement.

## Why it matters
Drawn as they are, the zeros hide the real curve, and the lowest value, which early stopping and the choice of a
checkpoint go by, is one of them.

## What to do
Log the eval loss only at the steps where an evaluation was made.

## When it is wrong
A loss that can reach exactly 0 on a small eval set (hinge, triplet), and comes back from it again and again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tb_evalguide import remedies
from tb_evalguide.case import Case
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Need, Role, Rule, Severity, Skip, Tier
from tb_evalguide.roles.placeholders import placeholders


def check(case: Case, limits: None) -> Sequence[Evidence] | Skip:
    chosen = case.roles.get(Role.EVAL_LOSS)
    assert chosen is not None  # needs
    # the role has them taken out already; the log has them still
    written = [
        s for run in case.training.runs for s in run.series.values() if (s.run, s.tag) == (chosen.run, chosen.tag)
    ]
    for series in written:
        zero = placeholders(series)
        if zero.any():
            return [
                Evidence(
                    steps=(int(series.steps[zero][0]), int(series.steps[-1])),
                    tags=(series.tag,),
                    numbers={"count": int(np.count_nonzero(zero)), "points": len(series)},
                    confidence=0.9,
                )
            ]
    return ()


RULE = Rule(
    id="INT008",
    guide=("V4",),
    label="data_integrity",
    severity=Severity.INFO,
    tier=Tier.INTEGRITY,
    doc=__doc__,
    check=check,
    needs=(Need(Role.EVAL_LOSS, 2),),
    message=N_(
        "Eval loss is exactly 0 at {count} of {points} points, where no evaluation was made; these are left out."
    ),
    remedies=(remedies.LOG_REAL_EVALS,),
    not_in=("rl",),
)
