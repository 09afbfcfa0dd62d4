"""The train loss falls in steps at the ends of epochs.

## What it checks
The train level just before and just after each epoch's end, against what the slope on either side explains: drops of
more than 4 σ and 3 % at most of the ends.

## Why it matters
The model meets each sample again and already knows some of it: it begins to learn the training set by heart. By
itself that is normal in fine-tuning over several epochs and no fault.

## What to do
Look at the eval loss. If it rises as well, train for fewer epochs.

## When it is wrong
A learning rate that is lowered at the end of each epoch makes the same steps, and so does a logger that averages
since the epoch's beginning."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, stats
from tb_evalguide.case import Case
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Need, Role, Rule, Severity, Skip, Text, Tier


@dataclass(frozen=True)
class Limits:
    significance: float = 4.0  # σ of the difference (failure-modes.md #25)
    drop: float = 0.03  # of the level before (failure-modes.md #25)
    points: int = 5  # on either side of an epoch's end (failure-modes.md #25)
    share: float = 0.5  # of the ends that show it; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    train = case.train
    assert train is not None  # needs
    epochs = [case.epochs_at(float(train.steps[0])), case.epochs_at(float(train.steps[-1]))]
    per_epoch = case.steps_per_epoch
    told = [per_epoch, *epochs]
    if not all(number is not None and math.isfinite(number) for number in told):
        return Skip(Text(N_("the log does not say where epochs end")))
    assert per_epoch is not None and epochs[0] is not None and epochs[1] is not None  # as just told
    first = math.floor(epochs[0]) + 1
    ends = np.arange(first, min(math.ceil(epochs[1]), first + 200)) * per_epoch
    seen, drops, where = 0, [], []
    for end in ends.tolist():
        at = int(np.searchsorted(train.steps, end, side="right"))
        width = min(at, len(train) - at, max(limits.points, int(per_epoch * len(train) / max(1, train.steps[-1])) // 4))
        if width < limits.points or epoch_points(train.steps, end, per_epoch) < 2 * limits.points:
            continue
        seen += 1
        step, sigma = stats.level_step(
            train.steps[at - width : at + width], train.values[at - width : at + width], width
        )
        drop = -step
        level = float(stats.median(train.values[at - width : at]))
        if level > 0 and drop > limits.drop * level and drop > limits.significance * sigma:
            drops.append(drop / level)
            where.append(end)
    if not seen:
        return Skip(Text(N_("fewer than two epochs with {points} points on either side"), {"points": limits.points}))
    if len(drops) < limits.share * seen or (len(drops) < 2 and seen > 1):
        return ()
    return [
        Evidence(
            steps=(int(where[0]), int(where[-1])),
            tags=(train.tag,),
            numbers={"drop": float(stats.median(np.array(drops))), "count": len(drops), "ends": seen},
            confidence=0.8,
        )
    ]


def epoch_points(steps: np.ndarray, end: float, per_epoch: float) -> int:
    """Points in the epoch before that end."""
    return int(np.count_nonzero((steps > end - per_epoch) & (steps <= end)))


RULE = Rule(
    id="OVF003",
    guide=("V1",),
    label="overfitting",
    severity=Severity.INFO,
    tier=Tier.GENERALISATION,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.TRAIN_LOSS, 20),),
    message=N_(
        "Train loss drops by {drop:.0%} at the end of each epoch ({count} of {ends}): samples are recognised. "
        "Normal unless eval loss rises."
    ),
    remedies=(remedies.FEWER_EPOCHS,),
    not_in=("rl",),
)
