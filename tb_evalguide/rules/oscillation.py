"""The loss swings up and down instead of settling.

## What it checks
How often the level of the eval loss (or, without enough evaluations, of the train loss) climbs and falls back: twice by
25 %, or three times by 15 %. For the train loss three swings of the level beyond 6 σ of its batch noise count, too.
Swings of 6 % do where both losses make them in step. Noise from batch to batch is not counted, however large. A curve
that has been calm for the last third of the run has settled, unless smaller swings go on in it: that is information,
and so are swings of the eval loss alone while train loss falls smoothly, unless it gains nothing or scatters to the end
over all that was gained without its level sinking by two fifths. A run that gained to the last and ends within a
quarter of its lowest evaluation has its swings behind it, unless train loss swung in step or was thrown up; so has one
that ends at its lowest evaluation after swings below 50 %, and a classifier that ends with 96 % right answers, within
one in a hundred of its best. A last climb away from a falling train loss is overfitting. In a short log two huge swings
back to where it began are enough.

## Why it matters
The steps are too large for the place the model is in, or the data come in an order. Which checkpoint is good becomes a
matter of luck, and the loss ends higher than it need be.

## What to do
Lower the learning rate or let it decay, use a larger batch, and shuffle the data anew every epoch.

## When it is wrong
Cyclic learning rates swing by intent; the evaluations at the low points are then the ones to look at. Very small eval
sets swing by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, shape, stats
from tb_evalguide.case import Case, Curve
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Rule, Severity, Skip, Text, Tier
from tb_evalguide.rules import overfitting


@dataclass(frozen=True)
class Limits:
    large: float = 0.25  # of the low: a swing that two of make an oscillation; no healthy labelled run has one
    small: float = 0.15  # of the low: a swing that three of make one; healthy labelled runs have at most one
    huge: float = 0.50  # of the low: two of these are believed of a short log; own choice
    train: float = 0.10  # of the low, and 6 σ of the level: a swing of the train level
    train_count: int = 3  # swings of the train level; own choice …
    start: float = 0.10  # … of which one that was half-way up by this share of the points is the start's; own choice
    evals: int = 8  # fewer evaluations tell no swing from noise
    points: int = 30  # fewer train points likewise
    few_points: int = 12  # … but for two huge swings that last for several points each; own choice
    regress: float = 0.8  # of the first loss: a short log's swings must lead back there; own choice
    p: float = 0.01  # one-sided Mann–Kendall p of a fall all along; usual
    fall: float = 0.10  # of the first evaluation, at least; own choice
    in_rows: float = 0.3  # lag-1 correlation of a curve whose points are high and low in rows; own choice
    cycle: float = 0.10  # of the first low: what cycles of the learning rate must have gained at the last; own choice
    cycle_most: float = 3.0  # times the low: no cycle of the learning rate is meant to cost that much; own choice
    cycle_lag: int = 2  # points of the loss, within which it answers a learning rate that is raised; own choice
    cycle_peak: float = 0.25  # of the first loss, unless its peak stays below that; own choice
    many: int = 20  # evaluations, of which the last third show whether they calm down …
    restless: float = 1.0  # … or scatter over this much of what was gained, from the 10 % to the 90 % point; own choice
    sinks: float = 0.6  # of the level in the first third, where that of the last third shows a gain; own choice
    near: float = 0.25  # above the lowest evaluation, within which a run that gained ends well; as `large` …
    thrown: float = 1.5  # … unless the train level once rose by so many times its low; own choice
    in_step: float = 0.7  # correlation of train level and evaluations without their trends; own choice
    wave: float = 0.06  # of the low: swings of both losses in step, several of which are no scatter; own choice …
    wave_sigmas: float = 4.0  # … and σ of an evaluation's logarithm; own choice
    damped: float = 0.05  # of the low: three such swings in its last part, and a curve has not settled; own choice
    solved: float = 0.96  # right answers at the end: what the loss does then is no fault; as OVF001 …
    solved_near: float = 0.01  # … if they are as many as at best but for this share; as OVF001
    settled: float = 0.30  # share of the curve at its end without any swing: it has settled; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    enough_evals = case.evals is not None and len(case.evals) >= limits.evals
    enough_train = case.train is not None and len(case.train) >= limits.points
    if not enough_evals and not enough_train:
        wide = short_swings(case, limits)
        params = {"evals": limits.evals, "points": limits.points}
        return wide or Skip(Text(N_("fewer than {evals} evaluations and {points} train points"), params))
    if enough_evals:
        assert case.evals is not None
        swings = [r for r in shape.eval_rises(case.evals, limits.small) if not overfits(case, case.evals, r)]
        large = [r for r in swings if r.factor >= 1 + limits.large]
        # a last climb that has not come back counts as a swing only beside one that has
        back = sum(r.end is not None for r in swings)
        if (len(large) >= 2 and back >= 1) or (len(swings) >= 3 and back >= 2):
            # a validation set swings by itself while the weights are noisy (batch norm, a high learning rate), and a
            # small one scatters: that is a fault only where the train loss swings with it, or where nothing is gained
            gained = gains(case.evals, limits)
            alone = (not gained or restless(case.evals, limits)) and not sinks(case.evals, limits)
            real = train_swings(case, limits) or alone
            low = ends_low(case, case.evals, limits) or ends_lowest(case.evals, swings, limits)
            real = real and not (gained and low)
            real = real and not by_design(case, case.evals, swings, limits)
            real = real and shape.solved(case, limits.solved, limits.solved_near) is None
            real = real and not overfitting.is_plain(case, overfitting.RULE.limits)
            return [evidence(case, case.evals, swings, 0.82, limits, mild=not real)]
        if len(case.evals) >= limits.many and in_step(case, limits):
            swings = [r for r in waves(case.evals, limits) if r.end is not None]
            if len(swings) >= limits.train_count and not by_design(case, case.evals, swings, limits):
                return [evidence(case, case.evals, swings, 0.7, limits)]
    if enough_train:
        assert case.train is not None
        swings = [r for r in shape.level_rises(case.train, limits.train) if r.end is not None]
        swings = [r for r in swings if not of_the_start(case.train, r, limits)]
        if len(swings) >= limits.train_count:
            mild = by_design(case, case.train, swings, limits)
            mild = mild or shape.solved(case, limits.solved, limits.solved_near) is not None
            return [evidence(case, case.train, swings, 0.75, limits, mild=mild)]
    return ()


def short_swings(case: Case, limits: Limits) -> Sequence[Evidence]:
    """Two huge swings of a short log back to about where it began, several points high and several low.

    Batches scatter one by one, and what falls on the whole swings on its way.
    """
    train = case.train
    if train is None or len(train) < limits.few_points or stats.lag1(train.values) < limits.in_rows:
        return ()
    high = limits.regress * train.start
    swings = shape.rises(stats.running_median(train.values, 3), limits.huge)
    swings = [r for r in swings if r.low > 0 and r.peak_value >= high]
    return [evidence(case, train, swings, 0.6, limits)] if len(swings) >= 2 and swings[0].end is not None else ()


def by_design(case: Case, curve: Curve, swings: list[shape.Rise], limits: Limits) -> bool:
    """The learning rate was raised at most of the swings, and each cycle ends lower than the one before it."""
    lr = case.lr
    lows = [swing.low_value for swing in swings]
    start = curve.start
    if any(s.factor > limits.cycle_most and s.peak_value > limits.cycle_peak * start for s in swings):
        return False
    if lr is None or lows[-1] > (1 - limits.cycle) * lows[0]:
        return False
    half = len(lows) // 2
    if len(lows) >= 4 and min(lows[half:]) >= min(lows[:half]):
        return False  # the later cycles gained nothing
    raised = 0
    for swing in swings:
        # a loss answers within a point or two of its own
        around = curve.steps[[max(0, swing.low - limits.cycle_lag), swing.peak]]
        before = lr.values[(lr.steps >= around[0]) & (lr.steps <= around[1])].min(initial=np.inf)
        raised += bool(np.interp(around[1], lr.steps, lr.values) > 1.2 * before)
    return raised > len(swings) / 2


def gains(evals: Curve, limits: Limits) -> bool:
    """It ends clearly lower than it began, or falls all along however restlessly."""
    falls = stats.mann_kendall(evals.values).p_down < limits.p
    return shape.gained(evals) or (falls and evals.tail() < (1 - limits.fall) * float(evals.values[0]))


def waves(evals: Curve, limits: Limits) -> list[shape.Rise]:
    """Swings too small to be one alone, yet far beyond what single evaluations scatter by."""
    beyond = limits.wave_sigmas * evals.log_noise
    return shape.eval_rises(evals, max(limits.wave, float(np.expm1(min(beyond, 50.0)))))


def in_step(case: Case, limits: Limits) -> bool:
    """The train level goes up and down with the evaluations about their common course, once the first fall is over."""
    evals = case.evals
    if evals is None or len(evals) < limits.many or evals.values.min() <= 0:
        return False
    later = slice(len(evals) // 4, None)
    levels = case.train_at(evals.steps)[later]
    if not (np.isfinite(levels) & (levels > 0)).all():
        return False
    width = max(5, len(levels) // 3)
    logs = (np.log(levels), np.log(evals.values[later]))
    # the window is cut at the edges, where what is left of two falling curves is their fall
    inner = slice(width // 2, len(levels) - width // 2)
    rests = [(y - stats.running_median(y, width))[inner] for y in logs]
    if min(float(np.std(rest)) for rest in rests) == 0:
        return False
    return float(np.corrcoef(rests[0], rests[1])[0, 1]) > limits.in_step


def sinks(evals: Curve, limits: Limits) -> bool:
    """The level of many evaluations that scatter one by one sinks far: its last third lies far below its first."""
    third = len(evals) // 3
    if len(evals) < limits.many or evals.values.min() <= 0 or stats.lag1(evals.values[third:]) >= limits.in_rows:
        return False
    return bool(stats.median(evals.values[-third:]) < limits.sinks * stats.median(evals.values[:third]))


def restless(evals: Curve, limits: Limits) -> bool:
    """To the very end the evaluations scatter over as much as all that was gained."""
    last = evals.values[-max(limits.evals, len(evals) // 3) :]
    low, middle, high = np.quantile(last, (0.1, 0.5, 0.9))
    return bool(len(evals) >= limits.many and high - low > limits.restless * (float(evals.values[0]) - middle) > 0)


def ends_low(case: Case, evals: Curve, limits: Limits) -> bool:
    """It ends near a lowest evaluation that came late, and train loss neither swung in step nor was thrown up."""
    low = float(evals.values.min())
    if np.argmin(evals.values) < (1 - limits.settled) * len(evals):
        return False  # it swings on without gaining
    if len(evals) < limits.many and train_swings(case, limits):
        return False  # too few to tell whether both swing in step
    if low <= 0 or evals.tail(0.1, 2) >= (1 + limits.near) * low or in_step(case, limits):
        return False
    return case.train is None or not shape.level_rises(case.train, limits.thrown)


def ends_lowest(evals: Curve, swings: list[shape.Rise], limits: Limits) -> bool:
    """The lowest evaluation is one of the last two, and no swing on the way was huge."""
    return bool(np.argmin(evals.values) >= len(evals) - 2 and max(s.factor for s in swings) < 1 + limits.huge)


def of_the_start(train: Curve, rise: shape.Rise, limits: Limits) -> bool:
    """The loss climbed from its first points on, as it does at a rate that is too high at first."""
    half = (rise.low_value + rise.peak_value) / 2
    above = rise.low + int(np.argmax(train.level[rise.low :] >= half))
    return above < limits.start * len(train)


def overfits(case: Case, evals: Curve, rise: shape.Rise) -> bool:
    """A last climb that stayed up while the train loss went on falling is no swing: the evaluations part from it."""
    if rise.end is not None or case.train is None:
        return False
    then, now = case.train_at(evals.steps[[rise.low, len(evals) - 1]])
    return bool(now < then - case.train_noise)


def train_swings(case: Case, limits: Limits) -> bool:
    """The train level climbs, too, or there is no train loss to tell."""
    if case.train is None or len(case.train) < 8 or in_step(case, limits):
        return True
    least = limits.train if len(case.train) >= limits.points else limits.large  # few points are not steadied by a level
    return bool(shape.level_rises(case.train, least))


def still_swings(curve: Curve, limits: Limits) -> bool:
    """Smaller swings go on to the end, several points up and several down: damped, but not settled."""
    rest = curve.values[round((1 - limits.settled) * len(curve)) :]
    if len(rest) < limits.points or stats.lag1(rest) < limits.in_rows:
        return False
    return sum(r.end is not None for r in shape.rises(rest, limits.damped)) >= limits.train_count


def evidence(
    case: Case, curve: Curve, swings: list[shape.Rise], confidence: float, limits: Limits, mild: bool = False
) -> Evidence:
    last = swings[-1].end
    settled = last is not None and last < (1 - limits.settled) * len(curve)
    settled = settled and not any(still_swings(c, limits) for c in (case.train, case.evals) if c is not None)
    top = max(swings, key=lambda r: r.factor)
    return Evidence(
        steps=(int(curve.steps[swings[0].low]), int(curve.steps[last if last is not None else -1])),
        tags=(curve.tag,),
        numbers={"count": len(swings), "low": top.low_value, "peak": top.peak_value, "factor": top.factor},
        confidence=confidence,
        severity=Severity.INFO if settled or mild else None,
        variant="settled" if settled else "",
    )


RULE = Rule(
    id="STB007",
    guide=("Z7",),
    label="oscillation",
    severity=Severity.MEDIUM,
    tier=Tier.INSTABILITY,
    doc=__doc__,
    limits=Limits(),
    check=check,
    message=N_("The loss oscillates: {count} swings since step {first}, the largest from {low:.3g} to {peak:.3g}."),
    variants={
        "settled": N_(
            "The loss swung {count} times between steps {first} and {last}, at most from {low:.3g} to {peak:.3g}, "
            "and has settled since."
        )
    },
    remedies=(remedies.LR_LOWER, remedies.LARGER_BATCH, remedies.SHUFFLE),
    not_in=("rl",),
)
