"""The loss jumps in the first steps and settles.

## What it checks
A climb of the train loss's level by 25 % within the first tenth of the run or the warm-up, recovered later.

## Why it matters
The learning rate rises faster than the model can follow; a slightly larger one would diverge.

## What to do
Lengthen the warm-up or lower the peak learning rate a little.

## When it is wrong
The first points are single batches of very different difficulty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, shape
from tb_evalguide.case import Case
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Need, Role, Rule, Severity, Skip, Tier


@dataclass(frozen=True)
class Limits:
    climb: float = 0.25  # of the level before, as for a spike; own choice
    share: float = 0.10  # of the points: what counts as early (failure-modes.md #13 says 5 % or the warm-up)


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    train = case.train
    assert train is not None  # needs
    early = max(3, round(limits.share * len(train)))
    lr = case.lr
    if lr is not None and len(lr) >= 5:
        peak_step = int(lr.steps[int(np.argmax(lr.values))])
        if peak_step < train.steps[len(train) // 2]:
            early = max(early, int(np.searchsorted(train.steps, peak_step)))
    for rise in shape.level_rises(train, limits.climb):
        if rise.low < early and rise.end is not None and rise.end < len(train) // 2 and rise.peak - rise.low >= 1:
            return [
                Evidence(
                    steps=(int(train.steps[rise.low]), int(train.steps[rise.end])),
                    tags=(train.tag,),
                    numbers={"before": rise.low_value, "peak": rise.peak_value},
                    confidence=0.7,
                )
            ]
    return ()


RULE = Rule(
    id="STB006",
    label="spike",
    severity=Severity.INFO,
    tier=Tier.INSTABILITY,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.TRAIN_LOSS, 30),),
    message=N_(
        "Unstable start: train loss climbs from {before:.3g} to {peak:.3g} after step {first} and is back by "
        "step {last}."
    ),
    remedies=(remedies.WARMUP,),
    not_in=("rl",),
)
