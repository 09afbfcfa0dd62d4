"""A learning rate so large that every step overwrites the weights.

## What it checks
Adam moves every weight by about the learning rate at each step, whatever its gradient, and weights are some hundredths
large: at 0.05 and more a step overwrites them. It fires where the log names an optimizer of the Adam family, the rate
stood at 0.05 or more over half of the schedule, and the loss stood level after the first fifth of the run; at 0.5 it
fires whatever the loss did then. Of any other optimizer it asks for a rate of 0.2 and for a first loss fifty times as
high as the level on which the loss then stood: the first steps threw the model far
away, and it hardly learned from there.

## Why it matters
The loss looks settled, for it moves no more. But what it has settled on is what a model with saturated weights gives,
mostly the same answer for every example.

## What to do
Start again with a hundredth of the learning rate (Adam: 1e-3 for small models from the start, 1e-5 … 2e-4 for
fine-tuning), with a warm-up. Nothing of this run is worth keeping.

## When it is wrong
Prompt tuning and other trainings of a few inputs use Adam with 0.05 … 0.3; they improve throughout, and then the rule
stays silent below 0.5. A logged learning rate that is only a schedule's factor (1.0 at its peak) is no rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tb_evalguide import remedies, stats
from tb_evalguide.case import Case, Curve
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Need, Role, Rule, Severity, Skip, Tier


@dataclass(frozen=True)
class Limits:
    adam: float = 0.05  # a step of Adam is about the rate (Kingma & Ba 2015, 2.1); weights begin at some hundredths
    adam_any: float = 0.5  # … beyond which the loss need not stand level: prompt tuning goes to 0.3; own choice
    rate: float = 0.2  # of any optimizer, with a loss that was thrown up; a common rate of SGD is 0.1
    thrown: float = 50.0  # first loss over the level after the first fifth: no initialisation does that; own choice
    level: float = 0.1  # share of the loss by which it may fall after the first fifth and stand level; own choice
    thrown_level: float = 0.5  # … after it was thrown up by a whole `thrown`; own choice
    points: int = 10  # of the loss; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    lr, train = case.lr, case.train
    assert lr is not None and train is not None  # needs
    rate = float(stats.median(lr.values[: max(1, len(lr) // 2)]))
    if rate < min(limits.adam, limits.rate) or len(train) < limits.points:
        return ()
    early, end = levels(train)
    if not early > 0 or not end > 0:
        return ()
    fall = 1 - end / early
    adam = "adam" in str(case.argument("optim", "optimizer", "optimizer_type") or "").lower()
    overwrites = adam and (rate >= limits.adam_any or (rate >= limits.adam and fall < limits.level))
    thrown = rate >= limits.rate and train.values[0] >= limits.thrown * early and fall < limits.thrown_level
    if not overwrites and not thrown:
        return ()
    return [
        Evidence(
            steps=(int(train.steps[0]), int(train.steps[-1])),
            tags=(train.tag, lr.tag),
            numbers={"rate": rate, "start": float(train.values[0]), "early": early, "end": end},
            confidence=0.85,
            variant="" if overwrites else "thrown",
            rival="divergence",
        )
    ]


def levels(train: Curve) -> tuple[float, float]:
    """(median of the tenth of the points that follows the first fifth, level at the end)."""
    fifth = len(train) // 5
    return float(stats.median(train.values[fifth : fifth + max(2, len(train) // 10)])), train.tail()


RULE = Rule(
    id="STB008",
    guide=("M1", "V1"),
    label="lr_too_high",
    severity=Severity.HIGH,
    tier=Tier.INSTABILITY,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.TRAIN_LOSS, 4), Need(Role.LEARNING_RATE, 2)),
    message=N_(
        "Learning rate too high: at {rate:.2g} every step of Adam overwrites the weights, and train loss stands at "
        "{end:.3g} (after a fifth of the run: {early:.3g})."
    ),
    variants={
        "thrown": N_(
            "Learning rate too high: at {rate:.2g} train loss began at {start:.3g}, came down to {early:.3g} and "
            "hardly fell from there ({end:.3g} at the end)."
        )
    },
    remedies=(remedies.LR_HUNDREDTH, remedies.WARMUP, remedies.CLIP_GRADIENTS),
    not_in=("rl",),
)
