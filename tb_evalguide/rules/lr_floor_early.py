"""The learning rate is at its floor long before the end.

## What it checks
The stretch at the end during which the learning rate stays at its lowest value. When that is next to nothing (a
thousandth of the peak) for half of the run or more and the loss stands still there, it is a fault; a shorter stretch,
or one in which the loss still falls, is information. A floor that is a sizeable share of the peak is a schedule of
its own and no fault.

## Why it matters
Those steps train nothing. Often the scheduler was stepped once per process or micro-batch and so ran k times too
fast, or its total number of steps was set too low.

## What to do
Step the scheduler once per optimizer step, and give it the number of steps that are really taken. Then run again:
most of the planned training has not taken place.

## When it is wrong
A run that was prolonged on purpose after its schedule had ended, or parameter groups of which only one is logged. A
rate that was lowered because the loss had settled (after it had fallen by half or more) is information."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, shape, stats
from tb_evalguide.case import Case, Curve
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Need, Role, Rule, Severity, Skip, Tier


@dataclass(frozen=True)
class Limits:
    floor: float = 1e-3  # of the peak: below this the rate moves nothing that the rate before it did not; own choice
    share: float = 0.5  # of the run at the floor that makes it a fault: k = 2 processes (failure-modes.md #20)
    told: float = 0.2  # of the run at the floor that is worth an information; own choice
    still: float = 0.02  # fall of the loss level during that stretch that counts as none; own choice
    learned: float = 0.5  # drop of the loss by which a run may have converged before its rate fell; own choice
    most: float = 0.8  # of the run at the floor: that early no run has converged; own choice
    gained: float = 0.1  # that fall as a share of all that the run gained; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    lr = case.lr
    assert lr is not None  # needs
    peak = float(lr.values.max())
    if peak <= 0:
        return ()
    low = lr.values <= limits.floor * peak
    if not low[-1]:
        return ()
    above = np.flatnonzero(~low)
    first = int(above[-1]) + 1  # the peak itself is above
    first_step, last_step = int(lr.steps[first]), int(lr.steps[-1])
    begun = min(case.first_step, int(lr.steps[0]))
    share = (last_step - first_step) / max(1, last_step - begun)
    if share < limits.told:
        return ()
    fall, gained = progress_during(case, first_step)
    stands = fall < limits.still or gained < limits.gained
    drop = shape.progress(case)
    converged = drop > limits.learned and share < limits.most
    fault = share >= limits.share and stands and not converged
    k = (last_step - begun) / max(1, first_step - begun)
    whole = round(k)
    stepped = fault and 2 <= whole <= 64 and abs(k - whole) < 0.1 * whole and decays_smoothly(lr, first)
    return [
        Evidence(
            steps=(first_step, last_step),
            tags=(lr.tag,),
            numbers={"peak": peak, "floor": float(lr.values[-1]), "share": share, "fall": fall, "times": whole},
            confidence=0.93 if fault else 0.6,
            severity=None if fault else Severity.INFO,
            label="lr_schedule" if stepped else None,
            variant=("k_times" if stepped else "") if fault else "late",
        )
    ]


def progress_during(case: Case, step: int) -> tuple[float, float]:
    """(relative fall of the loss level from that step to the end, that fall as a share of the whole run's)."""
    loss = case.loss
    if loss is None:
        return 0.0, 0.0
    during = loss.between(step, float(loss.steps[-1]))
    if len(during) < 4:
        return 0.0, 0.0
    begin, end = during.head(0.1, 2), during.tail(0.1, 2)
    all_gained = float(loss.values[0]) - end
    fall = begin - end
    if stats.mann_kendall(during.values).p_down > 0.05:
        fall = 0.0
    return fall / abs(begin) if begin else 0.0, fall / all_gained if all_gained > 0 else 0.0


def decays_smoothly(lr: Curve, first: int) -> bool:
    """The rate came down in many steps, as linear and cosine schedules do, and was not cut off at once."""
    down = lr.values[int(np.argmax(lr.values)) : first + 1]
    return len(down) >= 5 and float(np.max(-np.diff(down))) < 0.5 * float(lr.values.max())


RULE = Rule(
    id="LRS001",
    guide=("M4", "V2", "C4b"),
    label="lr_too_low",
    severity=Severity.HIGH,
    tier=Tier.DEAD_OR_SCHEDULE,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.LEARNING_RATE, 10),),
    message=N_(
        "The learning rate is next to nothing ({floor:.2g}, peak {peak:.2g}) from step {first} on, {share:.0%} of "
        "the run, and the loss stands still."
    ),
    variants={
        "k_times": N_(
            "The learning-rate schedule ended at step {first}, {times} times too early: it was probably stepped "
            "{times} times per step."
        ),
        "late": N_(
            "The last {share:.0%} of the run were done at a learning rate next to nothing ({floor:.2g}, peak "
            "{peak:.2g})."
        ),
    },
    remedies=(remedies.FIX_SCHEDULER, remedies.CHECK_SCHEDULE),
)
