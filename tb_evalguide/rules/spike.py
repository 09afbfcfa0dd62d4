"""The loss jumps for a while and comes back.

## What it checks
Climbs of the train loss's local level by 25 % and 7 σ that last several points and recover, or jumped and were on their
way back in both losses when the log ended. It speaks up when the climb takes a twelfth of the run to recover and shows
in the evaluations, too, or when it takes both losses back above where the run began; a short one is information, and so
is one after which the losses got back well below where they had been, unless it had multiplied both. So is one after
which a classifier is right in 96 % of the answers, within one in a hundred of its best, and which had not cost it a
fifth of them meanwhile.

## Why it matters
A lasting spike costs the steps until the loss is back, and often leaves the model a little worse. It is the usual
forerunner of a divergence.

## What to do
Look at the batches just before the spike, clip the gradients, and lower the learning rate or lengthen the warm-up if
spikes come again.

## When it is wrong
A change of data or of the learning rate at that step, or a resume from an older checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tb_evalguide import remedies, shape, stats
from tb_evalguide.case import Case, Curve
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Floats, Ints, Need, Role, Rule, Severity, Skip, Tier


@dataclass(frozen=True)
class Window:
    """Steps of a spike: the lowest point before it, its first high one, and where it was back or the log ends."""

    low: int
    first: int
    last: int


@dataclass(frozen=True)
class Climb:
    """A rise of the level; indices of its first high point, and of where it was back or the log ends."""

    rise: shape.Rise
    first: int
    last: int


@dataclass(frozen=True)
class Limits:
    climb: float = 0.25  # of the level before; healthy labelled runs stay below it at any logging density
    points: int = 3  # shorter ones are isolated (failure-modes.md #10: 3 of 5 points)
    lingers: float = 0.08  # of the run until it is back (failure-modes.md #12: 50 of 500 points, the climb with them)
    eval_climb: float = 0.10  # of the eval loss before; own choice
    devastating: float = 4.0  # times the level before, where the eval loss at least doubles, too; own choice
    doubled: float = 1.0  # of the eval loss before, by which it rose then; own choice
    sunk: float = 0.1  # of the climb, on a logarithmic axis: it is on its way back; own choice
    apart: float = 2.0  # times train loss before it, above which an eval loss says nothing of it; as STB002
    at_once: float = 0.05  # of the points, within which such a loss reached its peak; own choice
    learned: float = 0.5  # of the first level that was left before a climb above it: all of that is undone; own choice
    sigmas: float = 7.0  # σ of a point of the logarithm, which a climb must exceed; own choice
    least: float = 0.05  # of the level once the start is over: a climb in the last digits is none; own choice
    start: float = 0.05  # of the points: a climb out of those is the start's; own choice
    most: int = 5  # spikes that are told one by one; own choice
    lr_rise: float = 0.20  # of the learning rate before: a rise of the rate explains one of the loss; own choice
    grad_jump: float = 3.0  # times the median gradient norm before, to which it jumps with the loss; own choice …
    grad_points: int = 5  # … of so many logged norms; own choice
    solved: float = 0.96  # right answers at the end: nothing was lost; as OVF001 …
    solved_near: float = 0.01  # … if they are as many as at best but for this share; as OVF001
    forgot: float = 0.2  # of all answers, by which accuracy fell in between: much was lost for a time; own choice
    regained: float = 0.02  # below the level before the climb at the end of the run: nothing was lost; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    train = case.train
    assert train is not None  # needs
    light = shape_curve(train)
    noise, scale = train.log_noise, shape.reference_level(train)
    climbs = [
        Climb(rise, begin(light, rise, limits.climb), rise.end if rise.end is not None else len(light) - 1)
        for rise in shape.rises(light, limits.climb)
        if stands_out(rise, len(train), noise, scale, limits)
    ]
    found = [spike(case, train, light, climb, limits) for climb in climbs if lasts(case, train, light, climb, limits)]
    told = sorted(found, key=lambda e: (e.severity is Severity.INFO, -e.numbers["factor"]))[: limits.most]
    return sorted(told, key=lambda e: e.steps)


def stands_out(rise: shape.Rise, points: int, noise: float, scale: float, limits: Limits) -> bool:
    """Not the first fall's, not in the last digits, and no noise. noise: σ of a point of the logarithm."""
    if rise.low < int(limits.start * points) or rise.peak_value - rise.low_value < limits.least * scale:
        return False
    return rise.factor >= 1 + limits.climb and np.log(rise.factor) >= limits.sigmas * noise


def lasts(case: Case, train: Curve, light: Floats, climb: Climb, limits: Limits) -> bool:
    """Several points high, and back again; or at least on its way there."""
    if climb.last - climb.first < limits.points:
        return False
    return climb.rise.end is not None or sinks(case, train, light, climb, limits)


def spike(case: Case, train: Curve, light: Floats, climb: Climb, limits: Limits) -> Evidence:
    """What is told of one climb that stands out and lasts."""
    rise, start, end = climb.rise, climb.first, climb.last
    window = Window(int(train.steps[rise.low]), int(train.steps[start]), int(train.steps[end]))
    lingers = end - start >= limits.lingers * len(train) or undone(case, rise, window, limits)
    hurt = case.evals is None or eval_hurt(case.evals, window, limits.eval_climb)
    upward = train.steps[foot(light, rise, limits.climb) : start + 3]
    to_the_end = replace(window, last=case.last_step)
    back = not eval_hurt(case.evals, to_the_end, limits.eval_climb, at_end=True)
    harmless = lr_rose(case.lr, upward, limits.lr_rise) or (back and regained(train, rise, limits.regained))
    harmless = harmless and not devastating(case.evals, rise, window, limits)
    harmless = harmless or (
        shape.solved(case, limits.solved, limits.solved_near) is not None and not forgot(case, window, limits.forgot)
    )
    torn = gradients_spike(case, window, limits)
    return Evidence(
        steps=(window.first, window.last),
        tags=(train.tag,),
        numbers={
            "before": rise.low_value,
            "peak": float(train.values[start:end].max()),
            "factor": rise.factor,
            "length": end - start,
        },
        confidence=0.9 if torn else 0.8,
        severity=Severity.MEDIUM if lingers and hurt and not harmless else Severity.INFO,
        variant="" if rise.end is not None else "sinks",
        # gradients that stayed as they were speak for the batches (failure-modes.md, #10 without #15)
        remedies=(remedies.CHECK_BATCHES, remedies.WARMUP) if torn is False else None,
    )


def gradients_spike(case: Case, window: Window, limits: Limits) -> bool | None:
    """The gradient norm jumped with the loss; None where it was not logged about there."""
    grad = case.curve(Role.GRAD_NORM)
    if grad is None:
        return None
    before = grad.values[grad.steps <= window.low][-limits.grad_points :]
    during = grad.between(window.low + 1, window.last).values
    if len(before) < limits.grad_points or not len(during):
        return None
    return bool(during.max() > limits.grad_jump * stats.median(before))


def sinks(case: Case, train: Curve, light: Floats, climb: Climb, limits: Limits) -> bool:
    """It jumped and is on its way back, and both losses were not there when the log ended.

    What climbs slowly or stays up is a divergence.
    """
    evals, rise = case.evals, climb.rise
    if (
        rise.low_value <= 0
        or evals is None
        or rise.peak - climb.first > max(limits.points, limits.at_once * len(train))
    ):
        return False
    judged = float(np.interp(train.steps[rise.low], evals.steps, evals.values))
    if judged > limits.apart * rise.low_value:
        return False  # far above train loss the evaluations rise for reasons of their own
    last = float(stats.median(light[rise.peak :][-3:]))
    sunk = last <= rise.peak_value * (rise.low_value / rise.peak_value) ** limits.sunk
    window = Window(int(train.steps[rise.low]), int(train.steps[climb.first]), int(evals.steps[-1]))
    return sunk and eval_hurt(evals, window, limits.eval_climb, at_end=True)


def begin(level: Floats, rise: shape.Rise, climb: float) -> int:
    """Index of the first of the points that lie above the level before all the way to the peak."""
    return rise.low + 1 + last_below(level, rise, climb)


def undone(case: Case, rise: shape.Rise, window: Window, limits: Limits) -> bool:
    """Both losses had fallen well below where the run began, and are above that again: nothing is left of it."""
    assert case.train is not None  # needs
    start = case.train.start
    if case.evals is None or start <= 0 or rise.low_value > limits.learned * start or rise.peak_value < start:
        return False
    during = case.evals.between(window.low + 1, window.last).values
    above = during.max(initial=-np.inf) >= case.evals.start
    return bool(above) and eval_hurt(case.evals, window, limits.doubled)


def forgot(case: Case, window: Window, limit: float) -> bool:
    """The evaluated accuracy fell far during the spike."""
    accuracy = shape.eval_accuracy(case)
    if accuracy is None:
        return False
    during = accuracy.between(window.low + 1, window.last)
    fell = float(accuracy.values.max()) - float(during.values.min(initial=np.inf))
    return fell > limit * shape.whole(accuracy)


def devastating(evals: Curve | None, rise: shape.Rise, window: Window, limits: Limits) -> bool:
    """Several times as high, and the evaluations show it as well: what was regained was lost altogether before."""
    return rise.factor >= limits.devastating and eval_hurt(evals, window, limits.doubled)


def lr_rose(lr: Curve | None, climb: Ints, limit: float) -> bool:
    """The learning rate was raised where the loss climbed: a restart of its schedule. climb: the steps of that."""
    if lr is None or not len(climb):
        return False
    before = lr.values[lr.steps <= climb[0]][-3:]
    during = lr.values[(lr.steps > climb[0]) & (lr.steps <= climb[-1])]
    return bool(len(before) and len(during) and during.max() > (1 + limit) * before.min())


def foot(level: Floats, rise: shape.Rise, climb: float) -> int:
    """Index of the last point before the peak that is not yet half as far up as a climb must be."""
    return rise.low + last_below(level, rise, climb / 2)


def last_below(level: Floats, rise: shape.Rise, climb: float) -> int:
    """The last point before the peak, counted from the low, that is not yet so far up.

    climb: a share of the low, or of the whole climb where the low is no loss to take a share of.
    """
    unit = rise.low_value if rise.low_value > 0 else rise.peak_value - rise.low_value
    return int(np.flatnonzero(level[rise.low : rise.peak] <= rise.low_value + climb * unit)[-1])


def regained(train: Curve, rise: shape.Rise, limit: float) -> bool:
    """The run ends clearly below the level it had before the climb."""
    margin = max(limit * abs(rise.low_value), train.noise)
    return train.tail() < rise.low_value - margin


def shape_curve(train: Curve) -> Floats:
    """Raw points up to 60, above that their running median of three: a single odd batch is no spike of the level."""
    return train.values if len(train) < 60 else stats.running_median(train.values, 3)


def eval_hurt(evals: Curve | None, window: Window, climb: float, *, at_end: bool = False) -> bool:
    """An evaluation during the spike, or the last one of it, lies clearly above the last one before it.

    One between the lowest train point and the first high one may have been made on either side of the jump.
    """
    if evals is None:
        return False
    until, between = evals.values[evals.steps <= window.low], evals.between(window.low + 1, window.first - 1).values
    before = np.concatenate([until[-1:], between])
    during = evals.between(window.low + 1, window.last).values
    during = during[-1:] if at_end else during
    if not len(before) or not len(during):
        return False
    return bool(during.max() > before.min() + climb * abs(before.min()))


RULE = Rule(
    id="STB003",
    guide=("Z7",),
    label="spike",
    severity=Severity.MEDIUM,
    tier=Tier.INSTABILITY,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.TRAIN_LOSS, 12),),
    message=N_("Loss spike at step {first}: {before:.3g} → {peak:.3g}, back at step {last}."),
    variants={
        "sinks": N_(
            "Loss spike at step {first}: {before:.3g} → {peak:.3g}, and not back when the log ends at step {last}."
        ),
    },
    remedies=(remedies.CLIP_GRADIENTS, remedies.CHECK_BATCHES, remedies.WARMUP),
    not_in=("rl",),
)
