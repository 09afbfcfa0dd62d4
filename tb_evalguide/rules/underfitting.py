"""The loss falls little and stays high.

## What it checks
The drop of the better of the two losses from its start. In the guide profile less than 10 % with a loss above 1.5
(guide, C3: 6 %). For models that begin untrained less than 25 %, or 30 % (language models 60 %) where 95 % of the run
and all evaluations stood level; for two classes 12 %, as their floor may lie near guessing; for classifiers whose first
loss lies far below guessing 10 %, and 2.5 % for those whose first accuracy is 70 % already. A drop below 2.5 % without
any trend counts, too. Outside the guide this is a warning, a run that has just begun and still falls is left alone, and
a few points whose noise hides the fall are not judged unless evaluations tell. A loss that had fallen far enough and
came back is no such case, nor is one that falls within the warm-up, nor a fall of at least 2.5 % with a training
accuracy that rose by five points, to half or not only at first, an evaluated one (or an overlap: IoU, Dice, F1) that
rose by eight to more than half, or with both losses bending down to a floor on a scale of their own. Where eval loss
has turned up away from a falling train loss, that is overfitting.

## Why it matters
The model has not learned what the data hold; more of the same will not help when the curve has levelled off.

## What to do
Raise the learning rate (2e-5 → 5e-5), train for more epochs, use a larger model, or adjust the batch size. When the
curve is flat from early on, check inputs and labels first.

## When it is wrong
A pretrained model on data it knows has little to gain; so has a run that starts from a checkpoint. Very noisy labels
put a floor under the loss. On runs that nobody had seen, one headline of this rule in five was wrong: nearly always
such a run. Where guessing the largest class is right in 70 %, a model that only does that is missed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, shape, stats
from tb_evalguide.case import LEAST_CURVE, Case, Curve
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Role, Rule, Severity, Skip, Text, Tier
from tb_evalguide.rules import lr_too_low, overfitting


@dataclass(frozen=True)
class Limits:
    guide_drop: float = 0.10  # guide C3 falls by 6 %; failure-modes.md #29: 2.5–10 %
    guide_loss: float = 1.5  # guide M5: 0.5–1.5 is the target at the end
    drop: float = 0.25  # untrained models; labelled runs: faults drop at most 22 %, healthy ones at least 29 %
    two_near: float = 0.1  # of ln 2, within which a first loss is that of guessing between two classes: whose floor …
    two_drop: float = 0.12  # … may be near, where a quarter cannot be told; labelled runs: faults 10.5 %, healthy 14 %
    generic_drop: float = 0.10  # losses without a known level of guessing; own choice
    rising: float = 0.05  # a loss that ends this far above its start does not underfit: it climbs (lr_too_high)
    sft_loss: float = (
        2.0  # fine-tuning outside the guide's model: only a loss this high can be underfitting; own choice
    )
    hidden: int = 30  # points that show a drop smaller than their noise; two readers called 20 such points healthy
    hidden_sigmas: float = 1.64  # one-sided 95 % bound of a drop hidden in noise, for fewer points than `hidden`; usual
    flat: float = 0.95  # of the run, that the loss stood level …
    flat_gain: float = 0.07  # … while no evaluation lay further than this share from the first: then …
    flat_drop: float = 0.30  # … such a drop is little, too; labelled runs: healthy ones stood at most 93 %
    flat_tokens: float = 0.60  # likewise of a language model, which learns how frequent tokens are at once; own choice
    learned: float = 0.35  # half of ln 2: a classifier's first loss below it is no loss of guessing; own choice
    able: float = 0.7  # first accuracy of a model that knows the task already; labelled runs: one fault of 46 has it
    climb_sigmas: float = 3.0  # of the climb after the lowest level, by which a loss that fell came back; as STB001
    level_evals: int = 8  # evaluations that tell a level eval loss …
    level_noise: float = 0.01  # … whose points scatter by no more than that share of it; own choice
    accuracy: float = 0.05  # by which the train accuracy rose: something is being learned; own choice
    later: float = 0.02  # … and this much of it after the first third, where it ends below half; own choice
    gained: float = 0.08  # of all answers, by which the evaluated accuracy rose …
    right: float = 0.5  # … to so many at least; labelled runs: no fault has both
    bend_points: int = 8  # of either loss, in which a bend can be seen; own choice
    bend_sigmas: float = 12.0  # of a point, by which either fell: two readers called such runs healthy
    bend: float = 0.5  # last third's fall over the first third's: a straight line has 1; own choice
    going: float = 0.005  # of the loss, by which its last third, or each of the last evaluations, falls on …
    going_share: float = 0.1  # … or this much of the whole drop, where that is less; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    curve = case.loss
    if curve is None or len(curve) < 4:
        return Skip(Text(N_("fewer than {points} points of any loss"), {"points": 4}))
    slow = lr_too_low.Limits()
    if not lr_too_low.enough(case, slow):
        params = {"points": slow.points, "evals": slow.evals}
        return Skip(Text(N_("not enough data: {points} train points or {evals} evaluations needed"), params))
    if shape.unfinished(case):
        return Skip(Text(N_("the run was cut short inside its schedule")))
    drop = shape.progress(case)
    if math.isnan(drop):
        return Skip(Text(N_("the loss is not positive")))
    if drop >= slow.warm and shape.in_warmup(case):
        return Skip(Text(N_("the learning rate is still rising: only the warm-up was logged")))
    limit = least_drop(case, curve, limits)
    hidden = len(curve) < limits.hidden and drop < limit <= at_most(curve, drop, limits)
    if not case.is_guide and hidden and not evals_tell(case, limits):
        return Skip(Text(N_("the noise between points hides how far the loss fell")))
    learns = accuracy_grows(case, limits) or shape.gets_right(case, limits.gained, limits.right)
    if drop >= slow.drop and (learns or converges(case, limits)):
        return ()
    if came_back(curve, limit, limits):
        return ()
    of, start, reached = shape.progress_told(case) or (curve, *shape.ends(curve))
    end = curve.tail()
    if case.evals is not None and len(case.evals) >= 2:
        end = min(end, case.evals.tail())
    floor = {"guide": limits.guide_loss, "llm-sft": limits.sft_loss}.get(case.profile.id, 0.0)
    flat = shape.flat_since(of, 0.02 + 2 * of.log_noise / max(1.0, (len(of) / 20) ** 0.5))
    base = limit
    if limit in (limits.drop, limits.two_drop) and stood_still(case, curve, flat, limits):
        limit = limits.flat_tokens if case.profile.id == "pretrain" else limits.flat_drop
    if drop >= limit or end <= floor or drop < -limits.rising or overfitting.turned_away(case):
        return ()
    # outside the guide's tables a young run that still falls may yet get there
    falls_on = not case.is_guide and still_falls(case, curve, limits)
    first_evals = case.evals is not None and len(case.evals) < LEAST_CURVE and not lr_too_low.finished(case, slow)
    if falls_on and (first_evals or lr_too_low.young(case, curve, slow)):
        return ()
    return [
        Evidence(
            steps=(int(of.steps[0]), int(of.steps[-1])),
            tags=(of.tag,),
            numbers={"start": start, "end": reached, "drop": drop, "flat": flat},
            confidence=0.95 if drop < 0.8 * limit else 0.65,
            severity=Severity.HIGH if case.is_guide else None,
            variant="none" if reached >= start else "early" if drop >= base else "flat" if flat > 0.5 else "",
            rival="lr_too_low",
        )
    ]


def least_drop(case: Case, curve: Curve, limits: Limits) -> float:
    """The relative drop that a model of this profile shows when it learns."""
    if case.profile.id in ("guide", "llm-sft"):
        return limits.guide_drop
    if case.profile.id == "classification" and begins_able(case, limits):
        return lr_too_low.Limits().drop
    # no loss of guessing: it is not known, or the first logged value lies far below it already
    if case.profile.id == "generic" or (case.profile.id == "classification" and curve.values[0] < limits.learned):
        return limits.generic_drop
    if case.profile.id == "classification" and abs(curve.start / math.log(2) - 1) < limits.two_near:
        return limits.two_drop
    return limits.drop


def begins_able(case: Case, limits: Limits) -> bool:
    """The first accuracy is that of a model which knows the task already: there is little left to gain."""
    accuracy = case.curve(Role.EVAL_ACCURACY) or case.curve(Role.TRAIN_ACCURACY)
    return accuracy is not None and float(accuracy.values[0]) >= limits.able * shape.whole(accuracy)


def stood_still(case: Case, curve: Curve, flat: float, limits: Limits) -> bool:
    """All that was learned was learned in the first twentieth of the run, and the evaluations stood level, too."""
    evals = case.evals
    if evals is None or len(evals) < limits.level_evals or len(curve) < limits.hidden or flat < limits.flat:
        return False
    level = stats.running_median(evals.values, 3)
    return bool(level[0] > 0 and np.abs(level / level[0] - 1).max() < limits.flat_gain)


def at_most(curve: Curve, drop: float, limits: Limits) -> float:
    """The drop that batch noise may hide, as an upper bound; `drop` itself where the noise hides none."""
    line = shape.hidden_line(curve)
    if line is None or line[0] <= 0:
        return drop
    # standard error of the rise of a line over n points: sqrt(12 / n) of a point's
    return drop + limits.hidden_sigmas * curve.noise * math.sqrt(12 / len(curve)) / line[0]


def came_back(curve: Curve, limit: float, limits: Limits) -> bool:
    """The loss had fallen far enough before it climbed again: whatever that was, the model could learn."""
    if len(curve) < limits.bend_points:
        return False
    end = shape.ending(curve)
    climbed = end.significance >= limits.climb_sigmas and end.end > end.low * (1 + limit)
    return bool(climbed and end.low < (1 - limit) * end.start)


def evals_tell(case: Case, limits: Limits) -> bool:
    """Evaluations that hardly scatter show that nothing is gained, where the noise of the train loss hides it."""
    evals = case.evals
    if evals is None or evals is case.loss or len(evals) < limits.level_evals or evals.values[0] <= 0:
        return False
    return case.eval_noise < limits.level_noise * abs(float(evals.values[0]))


def converges(case: Case, limits: Limits) -> bool:
    """Both losses bend down to a floor, far beyond their noise, on a scale of their own (a likelihood's constant).

    Where nothing tells what guessing would cost, a small share of the loss may be all there is to gain.
    """
    there = [curve for curve in (case.train, case.evals) if curve is not None]
    curves = [curve for curve in there if len(curve) >= limits.bend_points]
    if case.profile.id != "generic" or not curves or len(curves) < len(there):
        return False
    clear = all(c.values[0] - c.tail(0.1, 2) > limits.bend_sigmas * c.noise for c in curves)
    return clear and all(shape.late_fall(curve) < limits.bend for curve in curves)


def accuracy_grows(case: Case, limits: Limits) -> bool:
    """Accuracy on the training data rose clearly: it learns, on a loss that has little room, as a Dice loss."""
    accuracy = case.curve(Role.TRAIN_ACCURACY)
    if accuracy is None or len(accuracy) < 8:
        return False
    end, whole = accuracy.tail(), shape.whole(accuracy)
    later = end - float(stats.median(accuracy.values[: len(accuracy) // 3]))
    # what rose in the first steps only, and to less than half, has come to the largest class
    grows = end >= limits.right * whole or later > limits.later * whole
    return bool(grows and end - accuracy.start > limits.accuracy * whole)


def still_falls(case: Case, curve: Curve, limits: Limits) -> bool:
    """The last third still falls by more than noise, and by a part of the loss or its drop; or the evaluations do."""
    evals = case.evals
    if evals is not None and len(evals) >= 4:
        last = evals.values[-4:]
        if (np.diff(last) < -limits.going * abs(last[-1])).all():
            return True
    third = curve.values[-max(4, len(curve) // 3) :]
    fall = float(stats.median(third[:2])) - float(stats.median(third[-2:]))
    drop = curve.start - curve.tail()
    least = min(limits.going * abs(float(third[0])), limits.going_share * drop)
    return stats.mann_kendall(third).p_down < 0.05 and fall > least


RULE = Rule(
    id="LRN004",
    guide=("C3", "M1"),
    label="underfitting",
    severity=Severity.MEDIUM,
    tier=Tier.NOT_LEARNING,
    doc=__doc__,
    limits=Limits(),
    check=check,
    message=N_("Underfitting: the loss fell only from {start:.4g} to {end:.4g} ({drop:.0%}) and stays high."),
    variants={
        "none": N_("Underfitting: the loss has not fallen at all ({start:.4g} at the start, {end:.4g} at the end)."),
        "early": N_(
            "Underfitting: the loss fell from {start:.4g} to {end:.4g} ({drop:.0%}) in its first steps and has stood "
            "there for {flat:.0%} of the run, the eval loss with it."
        ),
        "flat": N_(
            "Underfitting: the loss fell only from {start:.4g} to {end:.4g} ({drop:.0%}) and has been level for "
            "{flat:.0%} of the run."
        ),
    },
    remedies=(remedies.LR_RAISE, remedies.MORE_EPOCHS, remedies.LARGER_MODEL, remedies.ADJUST_BATCH),
    not_in=("rl",),
)
