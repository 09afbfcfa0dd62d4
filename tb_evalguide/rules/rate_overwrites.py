"""A learning rate so large that every step overwrites the weights.

## What it checks
Adam moves every weight by about the learning rate at each step, whatever its gradient, and weights are some hundredths
large: at 0.05 and more a step overwrites them. It fires where the log names an optimizer of the Adam family, the rate
stood at 0.05 or more for most of the first half of the run, and the loss did not fall after the first fifth; at 0.5 it
fires whatever the loss did then. Of any other optimizer it asks for a rate of 0.2 and for a first loss fifty times as
high as the level after a fifth of the run, too high for any guess, half of which was still there at the end (or five
hundred times as high): the first steps threw the model far away.

## Why it matters
The loss looks settled, for it moves no more. But what it has settled on is what a model with saturated weights gives,
mostly the same answer for every example.

## What to do
Start again with a hundredth of the learning rate (Adam: 1e-3 for small models from the start, 1e-5 … 2e-4 for
fine-tuning), with a warm-up. Nothing of this run is worth keeping.

## When it is wrong
Prompt tuning and other trainings of a few inputs use Adam with 0.05 … 0.3; they improve throughout, and then the rule
stays silent below 0.5. A logged learning rate that is only a schedule's factor (1.0 at its peak) is no rate, and
optimizers that find their own rate (D-Adaptation) are given 1.0. A regression on large targets may begin as high.
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
    thrown: float = 50.0  # first loss over the level after the first fifth; own choice
    thrown_far: float = 500.0  # … so far that it need not stand there: no target is that large; own choice
    guess: float = 15.0  # nats of a first loss that are no guess: ln of three million classes; own choice
    raw: float = 500.0  # first loss where no classes bound it; own choice
    level: float = 0.1  # share of the loss by which it may fall after the first fifth and stand level; own choice
    thrown_level: float = 0.5  # … after it was thrown up by a whole `thrown`; own choice
    points: int = 10  # of the loss; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    lr, train = case.lr, case.train
    assert lr is not None and train is not None  # needs
    rate = float(stats.median(lr.values[: max(1, len(lr) // 2)]))
    stated = case.number("learning_rate", "lr")
    if stated is not None and 0 < stated < min(limits.adam, limits.rate) <= rate:
        return ()  # the logged series is the schedule's factor
    if rate < min(limits.adam, limits.rate) or len(train) < limits.points:
        return ()
    early, end = levels(train)
    if not early > 0 or not end > 0:
        return ()
    fall = 1 - end / early
    if is_adam(case) and (rate >= limits.adam_any or (rate >= limits.adam and fall < limits.level)):
        variant = "" if abs(fall) < limits.level else "any"
    elif (
        rate >= limits.rate
        and thrown_up(case, train, early, limits)
        and (fall < limits.thrown_level or train.values[0] >= limits.thrown_far * early)
    ):
        variant = "thrown"
    else:
        return ()
    return [
        Evidence(
            steps=(int(train.steps[0]), int(train.steps[-1])),
            tags=(train.tag, lr.tag),
            numbers={"rate": rate, "start": float(train.values[0]), "early": early, "end": end},
            confidence=0.97,
            variant=variant,
            rival="divergence",
        )
    ]


def is_adam(case: Case) -> bool:
    """The log names an optimizer of the Adam family that takes the rate it is given."""
    names = [case.argument(name) for name in ("optim", "optimizer", "optimizer_type")]
    name = next((n.lower() for n in names if isinstance(n, str) and n), "")
    return "adam" in name and "adapt" not in name


def thrown_up(case: Case, train: Curve, early: float, limits: Limits) -> bool:
    """The first loss is many times what the run came down to, and higher than that of any model before training."""
    bounded = case.profile.id in ("classification", "pretrain", "guide", "llm-sft")
    first = float(train.values[0])
    return first >= limits.thrown * early and first >= (limits.guess if bounded else limits.raw)


def levels(train: Curve) -> tuple[float, float]:
    """(median of the tenth of the points that follows the first fifth, level at the end)."""
    fifth = len(train) // 5
    return float(stats.median(train.values[fifth : fifth + max(2, len(train) // 10)])), train.tail(0.1, 3)


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
        "any": N_(
            "Learning rate too high: at {rate:.2g} every step of Adam overwrites the weights (train loss {early:.3g} "
            "after a fifth of the run, {end:.3g} at the end)."
        ),
        "thrown": N_(
            "Learning rate too high: at {rate:.2g} train loss began at {start:.3g}, where the first steps had thrown "
            "it, and came down to {early:.3g} ({end:.3g} at the end)."
        ),
    },
    remedies=(remedies.LR_HUNDREDTH, remedies.WARMUP, remedies.CLIP_GRADIENTS),
    not_in=("rl",),
)
