"""The loss falls, then climbs for good.

## What it checks
The last tenth of the train loss against the lowest level before it: higher by 10 % of that level and by 10 % of all
that had been gained, by at least 5 σ, and never back. Where there are evaluations, they must have risen, too; a smaller
climb will do where both losses gave back a good part of what they had gained, each far beyond its noise, or where five
evaluations each rise, by half in all, and train loss climbs with them. Both losses that climb side by side, each by a
tenth and far beyond its noise, need give back only half as much of what was gained (fewer than eight evaluations must
only rise); without evaluations a tenfold climb will do that is a quarter of the fall on a logarithmic axis. Few points
are enough where one leap doubles the loss and all points after it stay up there. Nothing is said where an evaluation
among the last batches kept nearly all that it had gained. Where two climbs at least half as high went back before, it
is oscillation, unless train accuracy was lost with the loss. A negative loss that runs away has diverged, too, and so
has one that stands at a figure from which nothing can be learned.

## Why it matters
The run has left the region it had learned. Steps after the lowest level made the model worse on the training data
itself; more of them will not bring it back.

## What to do
Go back to the last checkpoint before the climb, lower the learning rate, and clip the gradients. If the climb came
within a few steps, look at the batches just before it.

## When it is wrong
A spike that is still recovering at the end of the log, a curriculum, or a change of the data during the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, shape
from tb_evalguide.case import Case, Curve
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Need, Role, Rule, Severity, Skip, Tier


@dataclass(frozen=True)
class Limits:
    rise: float = 0.10  # of the lowest level (failure-modes.md #9: min + max(10 %, 5σ))
    share: float = 0.10  # of the drop from the start to the lowest level, so that a rise at 1 % of the start is none
    significance: float = 5.0  # σ of the difference between the end and the lowest level (failure-modes.md #9)
    eval_rise: float = 0.05  # the evaluations must have risen by this much above their lowest; own choice
    log_share: float = 0.25  # of the drop on a logarithmic axis, where both losses rose by `sure_rise`; own choice
    evals: int = 8  # evaluations that can tell a small climb of both losses; own choice
    few_evals: int = 4  # evaluations that tell one of a tenth; own choice
    gave_back: float = 0.25  # of the drop: a good part of it; own choice
    kept: float = 0.15  # of the drop of the evaluations, that they lost at most: batches scatter; own choice
    unlearned: float = 0.2  # of the best train accuracy, lost again at the end; own choice
    apart: float = 2.0  # eval over train loss at the end, beyond which they do not climb together; own choice
    sure_rise: float = 0.50  # of the lowest level: with evaluations that rose as clearly, 1 σ is enough; own choice
    in_a_row: int = 5  # evaluations that each rise, from the lowest on: no scatter, however slow; own choice
    points: int = (
        20  # fewer train points are believed only beside evaluations that lost as clearly (failure-modes.md #9)
    )
    leap: float = (
        2.0  # times the highest before: all points after it stand so high, and few points prove it; own choice
    )
    leapt: int = 4  # points that do; own choice
    tenfold: float = 10.0  # times the lowest level: no share in per cent says more than the two values; own choice
    no_floor: float = 1e4  # times the first loss, and beyond −10,000: no likelihood gets there; own choice
    absurd: float = 1e10  # no loss that anything can be learned from, at its lowest; own choice
    as_high: float = 0.5  # of the climb at the end: earlier ones so high that went back, so may this; own choice
    swings: int = 2  # that many recovered swings before the end are oscillation, not divergence; own choice
    lost: float = 0.50  # of the drop: so much lost at the end is divergence however it swung before; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    train, evals = case.train, case.evals
    assert train is not None  # needs
    end = shape.ending(train)
    if end.low > limits.absurd or min(abs(end.start), abs(end.low), abs(end.end)) > limits.absurd:
        return [
            Evidence(
                steps=(int(train.steps[0]), int(train.steps[-1])),
                tags=(train.tag,),
                numbers={"value": end.end, "count": len(train)},
                confidence=0.95,
                variant="absurd",
            )
        ]
    if runs_away(end, limits):
        return [
            Evidence(
                steps=(int(train.steps[0]), int(train.steps[-1])),
                tags=(train.tag,),
                numbers={"start": end.start, "end": end.end},
                confidence=0.85,
                variant="no_floor",
            )
        ]
    ends = shape.ending(evals) if evals is not None and len(evals) >= limits.evals else None
    large = end.rise >= limits.rise and (end.share >= limits.share or (evals is None and by_decades(end, limits)))
    if not large and not both_climb(case, end, ends, limits):
        return ()
    if end.low <= 0 and (end.share < 1 or end.start <= 0) and not both_lost(end, ends, limits):
        return ()  # a loss without a floor (a critic's score, a likelihood) may climb: only losing all of it is telling
    seen = (end.significance >= limits.significance and len(train) >= limits.points) or leaps(train, limits)
    if not seen and not (evals is not None and eval_lost(evals, limits) and confirms(end, limits)):
        return ()
    if end.end > end.start:
        variant = "above_start"
        if end.start > 0 and end.start - end.low < limits.rise * end.start:
            return ()  # nothing had been learned that could be lost: that is a learning rate too high from the start
    else:
        variant = "" if end.low > 0 and end.rise < limits.tenfold else "far"  # no share of what lies below zero
    lost_all = end.share > limits.lost and end.rise > 1 and end.significance >= limits.significance
    if evals is not None and len(evals) >= 3 and not lost_all:
        low = float(np.min(evals.values))
        if low > 0 and float(np.mean(evals.values[-2:])) < low * (1 + limits.eval_rise):
            return ()
    if ends is not None and evals is not None and scatters(train, evals, end, ends, limits):
        return ()
    swung = [
        r
        for c, find in ((evals, shape.eval_rises), (train, shape.level_rises))
        if c
        for r in find(c, limits.as_high * end.rise)
        if r.end is not None
    ]
    kept = end.share < limits.lost and not half_as_much_again(end, ends, limits) and not unlearned(case, limits)
    if len(swung) >= limits.swings and variant != "above_start" and kept:
        return ()
    climbs = [r for r in shape.level_rises(train, limits.rise) if r.end is None]
    onset = int(train.steps[climbs[-1].low]) if climbs else end.low_step
    return [
        Evidence(
            steps=(onset, int(train.steps[-1])),
            tags=(train.tag,) if evals is None else (train.tag, evals.tag),
            numbers={
                "low": end.low,
                "end": end.end,
                "start": end.start,
                "rise": end.rise,
                "share": min(end.share, 1e6),
            },
            confidence=0.97 if end.rise > 2 * limits.rise else 0.9,
            variant=variant,
        )
    ]


def diverged(case: Case) -> bool:
    """What this rule says, for rules that leave a divergence to it."""
    return case.train is not None and len(case.train) >= 8 and bool(check(case, RULE.limits))


def by_decades(end: shape.Ending, limits: Limits) -> bool:
    """Tenfold, and a good part of the fall on a logarithmic axis: evaluations would tell if that is little."""
    return end.rise >= limits.tenfold - 1 and end.log_share >= limits.log_share


def both_lost(end: shape.Ending, ends: shape.Ending | None, limits: Limits) -> bool:
    """Both losses gave back a good part of what they had gained, each far beyond its noise; a critic's is one loss.

    end, ends: of the train loss and of the evaluations, None where these are too few.
    """
    if ends is None:
        return False
    return all(e.share >= limits.gave_back and e.significance >= limits.significance for e in (end, ends))


def scatters(train: Curve, evals: Curve, end: shape.Ending, ends: shape.Ending, limits: Limits) -> bool:
    """The last batches lie high, but an evaluation made among them kept nearly all that it had gained."""
    if end.end > end.start or end.share <= limits.gave_back or ends.share >= limits.kept:
        return False
    low = np.flatnonzero(train.level <= (end.low + end.end) / 2)  # from the last of these on the climb is half done
    return bool(len(low) and low[-1] + 1 < len(train) and evals.steps[-1] >= train.steps[low[-1] + 1])


def leaps(train: Curve, limits: Limits) -> bool:
    """From one point on the loss stands at twice the highest of all before it, and all stay there."""
    highest, lowest = np.maximum.accumulate(train.values), np.minimum.accumulate(train.values[::-1])[::-1]
    after = slice(2, max(2, len(train) - limits.leapt + 1))  # the point that the leap leads to, after two or more
    before = highest[after.start - 1 : after.stop - 1]
    return bool(((before > 0) & (lowest[after] >= limits.leap * before)).any())


def unlearned(case: Case, limits: Limits) -> bool:
    """The accuracy on the training data fell far from its best, too: no swing of a loss that still learns."""
    accuracy = case.curve(Role.TRAIN_ACCURACY)
    if accuracy is None or len(accuracy) < limits.evals:
        return False
    best, end = float(accuracy.level.max()), accuracy.tail()
    return bool(end < (1 - limits.unlearned) * best and best - end > limits.significance * accuracy.noise)


def runs_away(end: shape.Ending, limits: Limits) -> bool:
    """A negative loss that grows by orders of magnitude: it has no floor, and nothing is learned by following it."""
    return end.end < 0 and abs(end.end) > limits.no_floor * max(abs(end.start), 1.0)


def half_as_much_again(end: shape.Ending, ends: shape.Ending | None, limits: Limits) -> bool:
    """Both losses rose by half, each far beyond its noise, and it can be seen beside what they had gained.

    end, ends: of the train loss and of the evaluations, None where these are too few.
    """
    if ends is None:
        return False
    seen = end.log_share > limits.log_share or end.share > limits.share / 2
    clear = end.significance > limits.significance and ends.significance > limits.significance / 2
    return seen and clear and min(end.rise, ends.rise) > limits.sure_rise


def both_climb(case: Case, end: shape.Ending, ends: shape.Ending | None, limits: Limits) -> bool:
    """Both losses gave back a good part of what they had gained, each far beyond its noise: small, but no accident.

    Not where eval loss lies far above train loss. Of evaluations too few to tell their own noise (`ends` is None then)
    it is enough that they only rise since the lowest, beside a train loss that is sure.
    """
    evals = case.evals
    if evals is None or len(evals) < limits.few_evals or end.significance < limits.significance:
        return False
    last = ends.end if ends is not None else float(np.mean(evals.values[-2:]))
    if last > limits.apart * end.end:
        return False  # that is overfitting, whatever the last digits of the train loss do
    if half_as_much_again(end, ends, limits) or (ends is not None and turns_up(end, evals, ends, limits)):
        return True
    # each evaluation is a mean over a whole set: the lowest one counts even where it stands alone, as the first may
    low = float(evals.values.min())
    gained, lost = float(evals.values[0]) - low, last - low
    since = np.diff(evals.values[int(np.argmin(evals.values)) :])
    # few evaluations do not tell their own noise; that they only rise must do beside a train loss that is sure
    rises = ends is None and len(since) >= 2 and bool((since > 0).all())
    clear = rises or lost > limits.significance * case.eval_noise
    large = lost > limits.eval_rise * abs(low) and lost > 2 * limits.share * gained
    if ends is not None and clear and large and end.rise > limits.eval_rise and end.share > limits.share:
        return True
    # each by as much as a loss must climb, and together: of what was gained half as much will do
    return clear and min(end.rise, lost / abs(low)) >= limits.rise and end.share >= limits.share / 2


def turns_up(end: shape.Ending, evals: Curve, ends: shape.Ending, limits: Limits) -> bool:
    """Every evaluation since the lowest lies above the one before, the last by half; train loss climbs as surely."""
    since = evals.values[int(np.argmin(evals.values)) :]
    climbs = len(since) > limits.in_a_row and bool((np.diff(since) > 0).all())
    half = since[-1] > (1 + limits.sure_rise) * since[0] > 0
    return climbs and half and end.rise > limits.sure_rise / 2 and ends.significance > limits.significance


def confirms(end: shape.Ending, limits: Limits) -> bool:
    """The train loss agrees with evaluations that lost what they had gained, though its own noise hides the climb."""
    large = end.rise > limits.sure_rise or end.share > 2 * limits.share
    return large and end.significance > 1


def eval_lost(evals: Curve, limits: Limits) -> bool:
    """The evaluations, too, gave back a good part of what they had gained."""
    if len(evals) < 4:
        return False
    end = shape.ending(evals)
    return end.rise > limits.sure_rise / 2 and end.share > 2 * limits.share and end.significance > 3


RULE = Rule(
    id="STB002",
    guide=("C4a", "M1"),
    label="divergence",
    severity=Severity.HIGH,
    tier=Tier.INSTABILITY,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.TRAIN_LOSS, 8),),
    message=N_(
        "Diverged: train loss climbs from {low:.3g} at step {first} to {end:.3g} ({rise:+.0%}) and does not come back."
    ),
    variants={
        "absurd": N_(
            "The loss has stood at {value:.3g} since step {first} ({count} points): it had diverged before it was "
            "logged."
        ),
        "no_floor": N_(
            "The loss runs away below zero, from {start:.3g} to {end:.3g}: it has no floor. A cross-entropy gets there "
            "when its targets lie outside 0 … 1."
        ),
        "far": N_("Diverged: train loss climbs from {low:.3g} at step {first} to {end:.3g} and does not come back."),
        "above_start": N_(
            "Diverged: train loss climbs from {low:.3g} at step {first} to {end:.3g}, above its start {start:.3g}."
        ),
    },
    remedies=(remedies.ROLL_BACK, remedies.LR_TENTH, remedies.CLIP_GRADIENTS, remedies.WARMUP),
    not_in=("rl",),
)
