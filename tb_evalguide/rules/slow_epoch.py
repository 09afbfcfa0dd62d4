"""One epoch takes five hours or more.

## What it checks
The time of one epoch, from the wall times in the log with pauses taken out. It needs a log that tells how many steps an
epoch has, and a tenth of an epoch at least. Where one epoch is the whole run (pretraining), it is information.

## Why it matters
A run that takes days is hard to correct: every mistake costs as long again.

## What to do
A larger batch if memory allows, data loaded in parallel from pinned memory, fewer evaluations, less logging.

## When it is wrong
The data set is so large that one epoch is meant to take days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tb_evalguide import remedies, stats
from tb_evalguide.case import Case
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Rule, Severity, Skip, Text, Tier


@dataclass(frozen=True)
class Limits:
    hours: float = 5.0  # guide P3: one epoch takes 5 hours or more
    epochs: float = 0.1  # least part of an epoch to go by (failure-modes.md #38)


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    time, cost = case.timing, case.cost
    if cost.seconds_per_epoch is None or cost.active_seconds is None:
        return Skip(Text(N_("the log does not tell how long an epoch takes")))
    covered = cost.active_seconds / cost.seconds_per_epoch
    if covered < limits.epochs:
        return Skip(Text(N_("only {share:.0%} of an epoch was logged"), {"share": covered}))
    hours = cost.seconds_per_epoch / 3600
    if stats.below(hours, limits.hours):  # the epochs are float32: five hours come back as 4.999999995
        return ()
    whole = case.profile.id in ("pretrain", "rl")
    return [
        Evidence(
            steps=(int(time.steps[0]), int(time.steps[-1])),
            tags=(case.loss.tag,) if case.loss is not None else (),
            numbers={"hours": hours, "seconds_per_step": cost.seconds_per_step or 0.0, "epochs": covered},
            confidence=0.95,
            severity=Severity.INFO if whole else None,
        )
    ]


RULE = Rule(
    id="CST001",
    guide=("P3",),
    label="slow",
    severity=Severity.MEDIUM,
    tier=Tier.COST,
    doc=__doc__,
    limits=Limits(),
    check=check,
    message=N_("One epoch takes {hours:.1f} hours ({seconds_per_step:.3g} s a step)."),
    remedies=(
        remedies.LARGER_BATCH_FOR_SPEED,
        remedies.MORE_WORKERS,
        remedies.PIN_MEMORY,
        remedies.EVALUATE_LESS,
        remedies.LOG_LESS,
    ),
)
