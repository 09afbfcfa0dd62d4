"""The learning rate takes long to reach its peak, never does, or runs away.

## What it checks
The share of the run (of the planned steps, where they are known) during which the learning rate rises. Above a tenth
it is information. A run that took all its steps and never reached the peak is a fault of the schedule, and so is a long
log without a plan whose loss falls faster to the very end while the rate only rises. A rate that ends a hundred times
as high as it was over the first third of the run is a fault wherever the loss did not diverge of it.

## Why it matters
During warm-up the model learns at a fraction of the intended rate. A warm-up as long as the run means that the
intended training never took place.

## What to do
Shorten the warm-up to 3–10 % of the steps, and check that the scheduler's total number of steps fits the run.

## When it is wrong
One-cycle schedules rise for a third of the run by design, and a run that is not finished yet has more steps to come.
A range test of the learning rate lets it grow on purpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, shape, stats
from tb_evalguide.case import Case, Curve
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Need, Role, Rule, Severity, Skip, Tier
from tb_evalguide.rules import divergence


@dataclass(frozen=True)
class Limits:
    share: float = 0.10  # of the steps (failure-modes.md #21)
    start: float = 0.5  # of the peak: a rate that starts above this has no warm-up worth the name; own choice
    many: int = 100  # logged rates, where no plan is known, …
    quickens: float = 1.5  # … and the last third's fall over the first third's: it learns faster the later; own choice
    points: int = 20  # logged rates for more than an information; own choice
    grows: float = 100.0  # times its median over the first third: no warm-up, but a rate that runs away; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    lr = case.lr
    assert lr is not None  # needs
    usual = float(stats.median(lr.values[: len(lr) // 3]))
    if usual > 0 and lr.values[-1] >= limits.grows * usual and len(lr) >= limits.points:
        return [runs_away(case, lr, usual)]
    top = int(np.argmax(lr.values))
    peak = float(lr.values[top])
    if peak <= 0 or top < 2 or lr.values[0] > limits.start * peak or (np.diff(lr.values[: top + 1]) < 0).any():
        return ()
    planned = case.planned_steps
    # counted from the first logged rate, so that a log that does not begin at 0 is read alike
    begun = int(lr.steps[0]) - int(stats.median(np.diff(lr.steps)))
    total = max(int(lr.steps[-1]), planned or 0) - begun
    share = (int(lr.steps[top]) - begun) / max(1, total)
    if share <= limits.share:
        return ()
    never = top == len(lr) - 1
    finished = planned is not None and lr.steps[-1] >= 0.99 * planned
    fault = never and len(lr) >= limits.points and (finished or speeds_up(case, lr, limits))
    return [
        Evidence(
            steps=(int(lr.steps[0]), int(lr.steps[top])),
            tags=(lr.tag,),
            numbers={"share": share, "peak": peak},
            confidence=0.93 if fault else 0.8,
            severity=Severity.MEDIUM if fault else Severity.INFO,
            variant="never" if never else "",
        )
    ]


def runs_away(case: Case, lr: Curve, usual: float) -> Evidence:
    """Where the loss diverges for good, that is the finding, and the rate only the reason for it."""
    first = int(np.flatnonzero(lr.values <= 2 * usual)[-1])
    return Evidence(
        steps=(int(lr.steps[first]), int(lr.steps[-1])),
        tags=(lr.tag,),
        numbers={"before": usual, "after": float(lr.values[-1])},
        confidence=0.93,
        severity=Severity.INFO if divergence.diverged(case) else Severity.MEDIUM,
        variant="grows",
        remedies=(remedies.CHECK_SCHEDULE,),
    )


def speeds_up(case: Case, lr: Curve, limits: Limits) -> bool:
    """No plan says that more is to come, and the loss falls faster the higher the rate gets: all of it was warm-up."""
    curve = case.loss
    if case.planned_steps is not None or len(lr) < limits.many or curve is None or len(curve) < limits.many:
        return False
    return shape.lateness(curve) > limits.quickens and curve.tail() < curve.head()


RULE = Rule(
    id="LRS002",
    guide=("V2",),
    label="lr_schedule",
    severity=Severity.INFO,
    tier=Tier.DEAD_OR_SCHEDULE,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.LEARNING_RATE, 10),),
    message=N_(
        "The learning rate rises for {share:.0%} of the run before it reaches its peak {peak:.2g} at step {last}."
    ),
    variants={
        "grows": N_(
            "The learning rate grows out of all proportion: from {before:.2g} at step {first} to {after:.2g} at step "
            "{last}."
        ),
        "never": N_(
            "The learning rate only rises: it has reached {peak:.2g} at step {last} and was never held or lowered."
        ),
    },
    remedies=(remedies.SHORTER_WARMUP, remedies.CHECK_SCHEDULE),
)
