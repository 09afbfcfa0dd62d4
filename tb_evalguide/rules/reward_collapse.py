"""The reward ends below where it began.

## What it checks
The level of the reward (medians, so that single episodes do not count) at its best against its start and its end. It
fires when the end lies below the start and has lost most of the range that the reward moved in, by far more than the
noise between points.

## Why it matters
The policy has unlearned what it knew, or broke in an update. Losses say little in reinforcement learning; this curve is
the one to trust.

## What to do
Go back to the checkpoint at the best reward. Then lower the learning rate, clip the gradients or the size of a policy
update, and look at the losses around the step where the reward fell.

## When it is wrong
A curriculum or an environment that gets harder, exploration raised on purpose, or a reward whose scale changed.
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
    lost: float = 0.7  # of the range of the level, from the best to the end; own choice
    below: float = 0.2  # of that range, by which the end lies below the start; own choice
    sigmas: float = 4.0  # of the difference of two medians; as RST002
    tail: float = 0.15  # of the points, whose median is the end; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    reward = case.curve(Role.REWARD)
    assert reward is not None  # needs
    width = max(5, len(reward) // 10)
    level = stats.running_median(reward.values, width)
    count = max(5, round(limits.tail * len(reward)))
    start, end = float(stats.median(reward.values[:count])), float(stats.median(reward.values[-count:]))
    best = int(np.argmax(level[: -count or None]))
    top, spread = float(level[best]), float(np.ptp(level))
    sigma = 1.2533 * reward.noise * float(np.sqrt(2 / count))
    if spread <= 0 or top - end < limits.lost * spread:
        return ()
    if start - end < max(limits.below * spread, limits.sigmas * sigma):
        return ()
    below = np.flatnonzero(level > (top + end) / 2)
    onset = int(reward.steps[min(len(reward) - 1, int(below[-1]) + 1)])
    return [
        Evidence(
            steps=(onset, int(reward.steps[-1])),
            tags=(reward.tag,),
            numbers={"start": start, "best": top, "end": end},
            confidence=0.75,
        )
    ]


RULE = Rule(
    id="RWD001",
    guide=("M1",),
    label="divergence",
    severity=Severity.MEDIUM,
    tier=Tier.INSTABILITY,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.REWARD, 20),),
    message=N_(
        "The reward collapsed at step {first}: it began at {start:.3g}, was {best:.3g} at its best, and ends at "
        "{end:.3g}."
    ),
    remedies=(remedies.ROLL_BACK, remedies.LR_TENTH, remedies.CLIP_GRADIENTS),
    profiles=("rl",),
)
