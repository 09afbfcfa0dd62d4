"""The learning rate climbs back after its schedule was over.

## What it checks
A learning rate that begins at its peak, decays to a tenth of it, and climbs back smoothly to half of the peak or more
at the end. It is a fault when the loss rises by 5 % with it, far beyond its noise.

## Why it matters
A cosine that is stepped beyond its last step goes up again (PyTorch's CosineAnnealingLR after `T_max`): the run ends at
the rate that it began with, and what the low rates had settled is shaken up once more.

## What to do
Give the scheduler the run's whole number of steps, and step it as often as that number counts: once a batch or once an
epoch. Until then, use the checkpoint from where the rate was lowest.

## When it is wrong
Cyclic schedules that begin at their peak by intent. They gain with every cycle; look at the low points only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, stats
from tb_evalguide.case import Case
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Need, Role, Rule, Severity, Skip, Tier
from tb_evalguide.rules import divergence


@dataclass(frozen=True)
class Limits:
    back: float = 0.5  # of the peak, near which a schedule that was stepped past its end begins and ends; own choice …
    bottom: float = 0.1  # … after it had decayed to this much of it; own choice
    climb: int = 5  # logged rates on the way back up; own choice
    leap: float = 0.3  # of the peak, between two logged rates: a restart, not a climb; own choice
    rise: float = 0.05  # of the loss about the lowest rate, by which it ends higher; own choice
    harm: float = 4.0  # σ by which the loss level rises with it (failure-modes.md #35)


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    lr = case.lr
    assert lr is not None  # needs
    peak = float(lr.values.max())
    first = float(lr.values[: len(lr) // 10 + 1].max())
    if peak <= 0 or min(first, lr.values[-1]) < limits.back * peak:
        return ()
    decayed = np.flatnonzero(lr.values <= limits.bottom * peak)
    if not len(decayed):
        return ()
    low = int(decayed[-1])
    climb = np.diff(lr.values[low:])
    if len(climb) < limits.climb or (climb < 0).any() or climb.max() > limits.leap * peak:
        return ()
    step = int(lr.steps[low])
    rise, significance = since_lowest_rate(case, step)
    harm = rise >= limits.rise and significance >= limits.harm and not divergence.diverged(case)
    return [
        Evidence(
            steps=(step, int(lr.steps[-1])),
            tags=(lr.tag,),
            numbers={"before": float(lr.values[low]), "after": float(lr.values[-1]), "loss_rise": rise},
            confidence=0.8,
            severity=None if harm else Severity.INFO,
            variant="" if harm else "unharmed",
        )
    ]


def since_lowest_rate(case: Case, step: int) -> tuple[float, float]:
    """(relative rise of the loss from its level about the step to its end, the same in σ); evaluations before train."""
    curve, noise = (case.evals, case.eval_noise) if case.evals is not None else (case.train, case.train_noise)
    if curve is None or len(curve) < 8:
        return 0.0, 0.0
    at = int(np.searchsorted(curve.steps, step))
    width = max(2, len(curve) // 10)
    about = curve.values[max(0, at - width) : at + width]
    if not len(about) or about.min() <= 0:
        return 0.0, 0.0
    low, high = float(stats.median(about)), curve.tail(0.1, 2)
    return high / low - 1, stats.sigmas(high - low, noise)


RULE = Rule(
    id="LRS004",
    guide=("M4", "V2"),
    label="lr_schedule",
    severity=Severity.MEDIUM,
    tier=Tier.DEAD_OR_SCHEDULE,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.LEARNING_RATE, 20),),
    message=N_(
        "The learning rate climbs back from {before:.2g} at step {first} to {after:.2g} at the end, and the loss "
        "rises by {loss_rise:.0%} with it: the schedule was stepped past its last step."
    ),
    variants={
        "unharmed": N_(
            "The learning rate climbs back from {before:.2g} at step {first} to {after:.2g} at the end: the schedule "
            "was stepped past its last step, or is cyclic."
        ),
    },
    remedies=(remedies.CHECK_SCHEDULE, remedies.FIX_SCHEDULER),
)
