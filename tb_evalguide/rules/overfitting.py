"""Eval loss rises while train loss still falls.

## What it checks
The mean of the last two evaluations against the lowest level of the eval loss, in units of the noise between
evaluations. It fires when the rise is significant for the number of evaluations, large enough to see (12 % of the
loss, or a fifth of everything that had been gained), and eval loss has parted from train loss: that fell meanwhile
and lies 15 % below it (50 % if it did not fall), or, after twelve evaluations, by half of the train loss's own
fall. A train loss that rose with it is another fault. With few evaluations a steadily growing gap stands in for
significance, and so do two or more evaluations in a row that rise far beyond what the others move by, as in the guide's
C2, and the ranks of seven evaluations. A rise no higher than an earlier one that went back is waited for. It is a
warning until it has lasted three evaluations and train loss has fallen far.

A train loss that went on falling far below an eval loss that has turned is a warning, unless a metric is still at its
best; so are four evaluations in a row that each rise, fifteen that drift up, a small rise while a metric got much
worse, an eval loss that gains nothing at all while train loss falls far below it, and one of which 70 % are left at the
end, and 60 % at the lowest, at four times a train loss that fell by half. No warning is given of a classifier that ends
with 96 % right answers, within one in a hundred of its best: that is information.

## Why it matters
The model now learns the training examples by heart. Checkpoints after the lowest eval loss are worse on new data,
though the train loss looks better and better.

## What to do
Use the checkpoint at the lowest eval loss. Then train for fewer epochs or stop early, and regularise: dropout,
weight decay, more or augmented data.

## When it is wrong
The eval set is tiny, or it changed during the run. In classification the loss may rise from overconfidence alone
while accuracy still improves: then rank the checkpoints by accuracy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tb_evalguide import remedies, shape, stats
from tb_evalguide.case import LEAST_CURVE, Case, Curve
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Floats, Ints, Need, Role, Rule, Severity, Skip, Tier
from tb_evalguide.rules import divergence


@dataclass(frozen=True)
class Limits:
    rise: float = 0.12  # of the lowest loss; C2 ends 13 % above its minimum; leave-one-project-out on the labelled runs
    share: float = 0.20  # of the drop from the first evaluation to the lowest; a U that the eye sees; C2: 0.20
    least_rise: float = 0.02  # below this no rise is worth a headline (final evaluations on another set: 2.5 % once)
    significance: float = 1.0  # multiple of crit(n), the 1 % point of the rise by chance (failure-modes.md, #23)
    trend_p: float = 0.01  # one-sided Mann–Kendall p of the growing gap that stands in for significance
    many: int = 12  # evaluations from which on the lowest is a median of three, no lucky epoch; own choice
    ranked: int = 7  # evaluations after the lowest, from which on their ranks can stand in for significance; own choice
    rank_sigmas: float = 1.96  # one-sided 2.5 % point of Mann–Whitney's U; usual
    near: float = 5.0  # times the rise above the lowest: earlier evaluations higher than that belong to the first fall
    least_share: float = 0.01  # of the drop; where the loss fell by decades a rise in the last digits is not one to see
    sure_rise: float = 0.50  # of the lowest loss: large whatever its share of the drop; own choice
    each: float = 0.10  # of the evaluation before: three in a row that rise by this much each need no statistics; own
    begins: float = 0.03  # of the lowest loss: both last evaluations this far and significantly above it; own choice
    learned_by_heart: float = 0.5  # train over eval loss below which the train set is being memorised; own choice …
    heart_fall: float = 0.2  # … while train fell by this much since the lowest evaluation; labelled runs as they grew …
    heart_rise: float = 0.02  # … and the last three evaluations lie this far above it; a healthy run: 1.7 % at its end
    heart_noise: float = 1.25  # … their mean by as many σ of one evaluation; own choice
    numerous: int = 40  # evaluations from which on the train level about two of them is a median; own choice
    plenty: int = 20  # evaluations from which on the lowest is a median of its neighbours for memorising; own choice
    around: int = 2  # … of these on either side, …
    parts: int = 6  # … or of this part of all, with which the last ones are compared; own choice
    handful: int = 5  # evaluations at most, for which it is enough that …
    few_rise: float = 0.1  # … the last lies this far above the lowest, those between half as far …
    few_fall: float = 0.2  # … and train loss fell by this much since, in …
    few_train: int = 3  # … so many points at least; own choice
    nothing: float = 0.03  # of the first evaluations: gaining less than that is gaining nothing …
    worlds: float = 10.0  # times the train level: eval loss in another world, where …
    nothing_since: float = (
        0.12  # … gaining so much is gaining nothing, if it is level since its first third; own choice
    )
    falling: float = 0.4  # Kendall's τ of evaluations that fall on, and so gain; own choice
    gained_once: float = 0.08  # … where it was never more than that in between; own choice
    left: float = 0.7  # of the first two evaluations, in the last third …
    ever_left: float = 0.6  # … and at the lowest: an eval loss that is left behind …
    quarter: float = 4.0  # … at so many times the train level …
    left_fall: float = 0.5  # … which fell by this much since the first one; labelled runs: no healthy one has all four
    clear: float = 3.0  # σ of a train point, by which train loss must have fallen meanwhile; own choice
    gained_evals: int = 6  # evaluations of which the last three lie above the first two; own choice
    gained_fall: float = 0.1  # of the train loss at the first evaluation, by which it fell meanwhile; own choice
    before: float = 0.5  # share of the rise that the evaluation before the last one has as well; own choice
    turn: float = 4.0  # times the usual bend of the other evaluations by which two or more in a row rose; own choice
    in_a_row: int = 4  # evaluations that each rise above the one before, from the lowest on; own choice
    drift: float = 0.04  # of the lowest loss, by which so many evaluations after it rose on and on …
    drift_evals: int = 15  # … own choice
    drift_p: float = 0.01  # one-sided Mann–Kendall p of their rise; usual
    drift_fall: float = 0.1  # of the train level meanwhile; own choice
    with_metric: float = 0.05  # of the lowest loss: enough of a rise where a metric fell with it; own choice …
    metric_lost: float = 0.1  # … by this much of what it had been, at both last evaluations; own choice
    train_part: float = 0.5  # of the share by which the eval loss rose, that must show in train as well; own choice
    back: float = 0.25  # of the highest rise since, within which the last evaluation is back at the lowest; own choice
    patience: int = 3  # evaluations after the lowest, before which a rise is no more than a warning; own choice
    again: float = 1.25  # times the height of an earlier rise that went back: a rise no higher may go back, too …
    longer: float = 1.5  # … unless it lasts that many times as long; own choice
    train_fall: float = 0.02  # of the train level at the lowest evaluation, by which it fell since; own choice
    apart: float = 0.15  # of the train level, by which eval loss lies above it at the end; labelled runs as they grew
    apart_fall: float = 0.5  # … or by this much of all that the train loss fell; own choice
    far: float = 0.5  # of the train level: so far above that train need not have fallen; own choice
    widened: float = 1.5  # times eval over train loss at the lowest, where train had been above; own choice
    torn_fall: float = 0.3  # of the train level since the lowest: a rise beside it is more than a warning; own choice
    halved: float = 0.5  # of it: a fall after which no earlier swing excuses a rise; own choice
    long: int = 8  # evaluations since the lowest, from which on a growing gap stands in for significance; own choice …
    nearly: float = 0.6  # … of the limit of significance, that must be there nevertheless; own choice
    lasting: int = 12  # evaluations since the lowest, from which on the rise speaks for itself; own choice …
    beyond: float = 1.5  # … times the limit of significance, where only the eval loss tells; own choice
    far_beyond: float = 5.0  # … with half as many evaluations; own choice
    train_rise: float = 0.05  # of the train level at the lowest evaluation: a train loss that rose too; own choice
    solved: float = 0.96  # right answers at the end: no warning by the loss alone; labelled runs …
    solved_near: float = 0.01  # … if they are as many as at best but for this share; own choice


@dataclass(frozen=True)
class Climb:
    """How far the eval loss ends above its lowest level.

    best: index of the lowest evaluation. low, end, last: its level, the mean of the last evaluations, the last one.
    rise: of the lowest; share: of all that had been gained until then. sigmas: the rise in units of the evaluations'
    noise; sure: more of them than chance gives. few: so few evaluations that the eye may stand in for statistics.
    """

    best: int
    low: float
    end: float
    last: float
    rise: float
    share: float
    sigmas: float
    noise: float
    sure: bool
    few: bool


def climb(case: Case, evals: Curve, limits: Limits) -> Climb | None:
    """None where the lowest evaluation is too near the end to tell."""
    n = len(evals)
    few = n < limits.many  # with more evaluations the noise is known, and scatter no longer passes for a rise
    level = evals.values if few else stats.running_median(evals.values, 3)
    best = int(np.argmin(level))
    if n - 1 - best < (1 if n <= 6 else 2):
        return None
    low = float(level[best])
    end, last = float(np.mean(evals.values[-2:])), float(evals.values[-1])
    if not few:
        end = last = float(stats.median(evals.values[-max(3, n // 10) :]))
    noise = max(noise_around(case, best, limits), 1e-300)
    sigmas = (end - low) / noise
    rise = last / low - 1 if low > 0 else (last - low) / max(float(np.ptp(evals.values)), 1e-300)
    gained = float(evals.values[0]) - low
    share = (last - low) / gained if gained > 0 else math.inf
    sure = sigmas > limits.significance * stats.critical_rise(n) and end > low
    return Climb(best, low, end, last, rise, share, sigmas, noise, sure, few)


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    evals = case.evals
    assert evals is not None  # needs
    if divergence.diverged(case):
        return ()  # both losses climb, whatever the gap does
    if len(evals) == 3:
        up, found = None, three_in_a_row(case, evals, limits)
    else:
        up = climb(case, evals, limits)
        found = judged(case, evals, up, limits) if up is not None else []
    right = shape.solved(case, limits.solved, limits.solved_near)
    if not found or found[0].severity is Severity.INFO:
        nothing = gains_nothing(case, evals, limits) if right is None else ()
        found = handful_rises(case, evals, limits) or nothing or found
    if right is None:
        return found
    return [as_solved(evidence, right) if evidence.severity is Severity.MEDIUM else evidence for evidence in found]


def as_solved(warning: Evidence, right: tuple[float, float]) -> Evidence:
    """Information in place of a warning: the classifier is as often right as ever, only surer of what it gets wrong."""
    numbers = {**warning.numbers, "accuracy": right[0], "best": right[1]}
    return replace(warning, numbers=numbers, severity=Severity.INFO, variant="solved")


def judged(case: Case, evals: Curve, up: Climb, limits: Limits) -> Sequence[Evidence]:
    """What the rise from the lowest evaluation to the last ones says."""
    seen = up.share >= limits.least_share or up.rise >= limits.sure_rise
    large = (up.rise >= limits.rise and seen) or (up.share >= limits.share and up.rise >= limits.least_rise)
    large = large and not blip(evals, up, limits)
    again = recovers(evals, up, limits) and not torn(case, evals, up, limits.halved, limits)
    if large and not again and proven(case, evals, up, limits):
        if train_rises(case, evals, up, limits):
            return []
        if lasts(evals, up, limits) or parted(case, evals, up, limits):
            return [fault(case, evals, up, limits)]
    begins = (
        (seen and begins_to_rise(case, evals, up, limits))
        or keeps_rising(case, evals, up, limits)
        or metric_worsens(case, evals, up, limits)
        or drifts(case, evals, up, limits)
    )
    if (begins and not again) or memorises(case, evals, up.best, limits) or worse_than_first(case, evals, limits):
        return [finding(evals, up, Severity.MEDIUM, 0.82, "begins")]
    if up.sure and up.rise >= limits.least_rise:
        return [finding(evals, up, Severity.INFO, 0.6, "slight")]
    return []


# a rise from below zero, or from next to nothing, is no share of the lowest loss
WITHOUT_SHARE = {
    "": "bare",
    "level": "bare_level",
    "begins": "bare_begins",
    "slight": "bare_slight",
    "no_train": "bare_no_train",
}


def finding(
    evals: Curve, up: Climb, severity: Severity | None, confidence: float, variant: str, train: Curve | None = None
) -> Evidence:
    # the decision is by medians; what is said is the lowest evaluation about the lowest median, or of all where the
    # sentence calls it the lowest
    start, stop = max(0, up.best - 1), up.best + 2
    if up.few or variant in ("begins", "slight"):
        start, stop = 0, len(evals)
    lowest_at = start + int(np.argmin(evals.values[start:stop]))
    lowest = float(evals.values[lowest_at])
    rise = up.last / lowest - 1 if lowest > 0 else math.inf
    told = rise < divergence.RULE.limits.tenfold
    return Evidence(
        steps=(int(evals.steps[lowest_at]), int(evals.steps[-1])),
        tags=(evals.tag,) if train is None else (train.tag, evals.tag),
        numbers={
            "low": lowest,
            "end": up.last,
            **({"rise": rise} if told else {}),
            "share": min(up.share, 1e6),
            "significance": up.sigmas,
            "evals": len(evals),
        },
        confidence=confidence,
        severity=severity,
        variant=variant if told else WITHOUT_SHARE[variant],
    )


def proven(case: Case, evals: Curve, up: Climb, limits: Limits) -> bool:
    """No chance: by the noise of the evaluations, by their ranks, or, where few or long risen, by what the eye sees."""
    if up.sure or shifted(evals, up, limits):
        return True
    since = len(evals) - 1 - up.best
    nearly = up.sigmas > limits.nearly * stats.critical_rise(len(evals))
    trusted = up.few or (since >= limits.long and nearly)
    return trusted and (gap_grows(case, evals, up, limits) or turns(case, evals, up.best, limits))


def fault(case: Case, evals: Curve, up: Climb, limits: Limits) -> Evidence:
    """A large rise beyond doubt. A single evaluation far above the others may be a blip: a warning until the next."""
    alone = up.few and float(evals.values[-2]) < up.low + limits.before * (up.last - up.low)
    young = len(evals) - 1 - up.best < limits.patience
    plain = lasts(evals, up, limits) or torn(case, evals, up, limits.torn_fall, limits)
    sharp = min(1.0, up.rise / (2 * limits.rise)) if up.rise < limits.rise else 1.0
    confidence = 0.97 if up.sure and up.rise > 2 * limits.rise else 0.85 + 0.1 * sharp * up.sure
    variant = "no_train" if case.train is None else ("" if train_falls(case, evals, up.best, limits) else "level")
    if not case.is_guide and (alone or young or not plain):
        confidence = min(confidence, 0.8 if alone or young else 0.9)
        return finding(evals, up, Severity.MEDIUM, confidence, variant, case.train)
    return finding(evals, up, None, confidence, variant, case.train)


def blip(evals: Curve, up: Climb, limits: Limits) -> bool:
    """Of the few evaluations since the lowest the highest stands alone, and the last one is back near the lowest."""
    after = evals.values[up.best + 1 :]
    if not up.few or not 2 <= len(after) <= limits.patience:
        return False
    return bool(after[-1] - up.low < limits.back * (after.max() - up.low))


def recovers(evals: Curve, up: Climb, limits: Limits) -> bool:
    """The eval loss rose as far before, near its present level, and came back: it may do so again.

    Not said of a rise that lasts longer than any of those did.
    """
    values, since = evals.values[: up.best + 1], len(evals) - 1 - up.best
    floor = np.minimum.accumulate(values)
    lows = np.flatnonzero(values <= floor)  # each new low is where the rise since the one before had gone back
    if len(lows) < 2:
        return False
    heights = np.maximum.reduceat(values, lows)[:-1] - values[lows[:-1]]
    lengths = np.diff(lows)
    near = values[lows[:-1]] <= up.low + limits.near * (up.end - up.low)
    as_far = up.end - up.low <= limits.again * heights
    return bool((near & (lengths >= 2) & as_far & (since <= limits.longer * lengths)).any())


def parted(case: Case, evals: Curve, up: Climb, limits: Limits) -> bool:
    """The train loss fell on since the lowest evaluation and now lies well below the eval loss: that is memorising.

    A rise by half, and one beside which no train loss was logged, need no such witness.
    """
    if case.train is None or up.rise >= limits.sure_rise:
        return True
    then, now = then_and_now(case, evals, up.best, limits)
    if not (then > 0 and now > 0 and up.low > 0):
        return bool(now < then)
    above = up.end / now
    widened = above >= 1 and above * then > limits.widened * up.low
    # a loss with a high floor shows a small share of itself: beside all that the train loss fell it is much
    gap = up.end - now > limits.apart_fall * (case.train.start - now) > 0
    gap = gap and up.sure and len(evals) - 1 - up.best >= limits.lasting
    fell = now < (1 - limits.train_fall) * then
    return bool((fell and (above > 1 + limits.apart or widened or gap)) or above > 1 + limits.far)


def then_and_now(case: Case, evals: Curve, best: int, limits: Limits) -> tuple[float, float]:
    """Train level at the lowest evaluation and at the last one; with many evaluations, medians about these."""
    k = len(evals) // 20 if len(evals) >= limits.numerous else 0
    levels = case.train_at(evals.steps)
    then, now = (x[np.isfinite(x)] for x in (levels[max(0, best - k) : best + k + 1], levels[-1 - k :]))
    return (float(stats.median(then)) if len(then) else math.nan, float(stats.median(now)) if len(now) else math.nan)


def torn(case: Case, evals: Curve, up: Climb, fall: float, limits: Limits) -> bool:
    """Train fell so far meanwhile, and lies so far below, that the eval loss will hardly come back."""
    if case.train is None:
        return False
    then, now = then_and_now(case, evals, up.best, limits)
    return bool(0 < now < (1 - fall) * then and up.end > (1 + limits.far) * now)


def lasts(evals: Curve, up: Climb, limits: Limits) -> bool:
    """So many evaluations since the lowest, the last three all clearly above it, that no train loss need tell more."""
    since = len(evals) - 1 - up.best
    sigmas = up.sigmas / stats.critical_rise(len(evals))
    clear = since >= limits.lasting and sigmas > limits.beyond
    clear = clear or (since >= limits.lasting // 2 and sigmas > limits.far_beyond)
    return bool(clear and evals.values[-3:].min() > up.low * (1 + limits.rise / 2))


def begins_to_rise(case: Case, evals: Curve, up: Climb, limits: Limits) -> bool:
    """Both last evaluations lie clearly above the lowest, though not far, and train fell meanwhile."""
    both = float(np.min(evals.values[-2:])) if len(evals) < limits.numerous else up.end
    clear = (both - up.low) / up.noise > limits.significance * stats.critical_rise(len(evals))
    risen = clear and up.low > 0 and both / up.low - 1 >= limits.begins
    return risen and train_falls(case, evals, up.best, limits) and parted(case, evals, up, limits)


def shifted(evals: Curve, up: Climb, limits: Limits) -> bool:
    """The evaluations after the lowest rank above as many before it, however much each of them scatters."""
    best = int(np.argmin(evals.values))
    after = evals.values[best + 1 :]
    before = evals.values[max(0, best - len(after)) : best + 1]
    if up.few or len(after) < limits.ranked:
        return False
    if len(before) < 4:  # the lowest came at once: all that is left is whether they rise on and on
        return stats.mann_kendall(after).p_up < limits.trend_p
    above = float(np.searchsorted(np.sort(before), after).mean()) / len(before)
    sigma = math.sqrt((len(after) + len(before) + 1) / (12 * len(after) * len(before)))  # Mann–Whitney's U over n·m
    return above - 0.5 > limits.rank_sigmas * sigma


def keeps_rising(case: Case, evals: Curve, up: Climb, limits: Limits) -> bool:
    """So many evaluations in a row that each lie above the one before, while train fell far: a turn, however slow."""
    after = evals.values[int(np.argmin(evals.values)) :]
    if len(after) <= limits.in_a_row or (np.diff(after) <= 0).any() or after[-1] < after[0] * (1 + limits.least_rise):
        return False
    then, now = then_and_now(case, evals, len(evals) - len(after), limits)
    return bool(after[0] > 0 and now < (1 - limits.heart_fall) * then and parted(case, evals, up, limits))


def drifts(case: Case, evals: Curve, up: Climb, limits: Limits) -> bool:
    """Many evaluations rise on and on from the lowest, by little each, while train fell far: no one of them tells."""
    after = evals.values[up.best :]
    if len(after) <= limits.drift_evals or up.rise < limits.drift or not parted(case, evals, up, limits):
        return False
    then, now = then_and_now(case, evals, up.best, limits)
    return bool(
        up.low > 0 and 0 < now < (1 - limits.drift_fall) * then and stats.mann_kendall(after).p_up < limits.drift_p
    )


def metric_worsens(case: Case, evals: Curve, up: Climb, limits: Limits) -> bool:
    """The eval loss rose by a little, and an evaluated metric got much worse with it while train loss fell."""
    if up.rise < limits.with_metric or case.train is None or not parted(case, evals, up, limits):
        return False
    for steps, quality in qualities(case):
        before = quality[steps <= evals.steps[up.best]]
        if len(quality) >= 4 and steps[-1] >= evals.steps[-1] and len(before):
            top = float(before.max())
            if float(quality[-2:].max()) < top - limits.metric_lost * abs(top):
                return True
    return False


def gap_grows(case: Case, evals: Curve, up: Climb, limits: Limits) -> bool:
    """A steadily growing gap stands in for significance, where the evaluations after the lowest rise as well."""
    return gap_trend(case) < limits.trend_p and min(up.end, up.last) > up.low and rises_after(evals, up.best)


def three_in_a_row(case: Case, evals: Curve, limits: Limits) -> Sequence[Evidence]:
    """Three evaluations prove no trend; only ones that each rise steeply while train falls are worth a warning."""
    first, second, third = evals.values.tolist()
    if first <= 0 or second < first * (1 + limits.each) or third < second * (1 + limits.each):
        return ()
    return [few_that_rose(evals, 0)] if train_falls(case, evals, 0, limits) else ()


def handful_rises(case: Case, evals: Curve, limits: Limits) -> Sequence[Evidence]:
    """Three to five evaluations, two or more after the lowest all above it, while train fell far: worth a warning."""
    best = int(np.argmin(evals.values))
    low, after = float(evals.values[best]), evals.values[best + 1 :]
    if len(evals) > limits.handful or len(after) < 2 or low <= 0:
        return ()
    if after.min() < low * (1 + limits.few_rise / 2) or after[-1] < low * (1 + limits.few_rise):
        return ()
    if case.train is None or len(case.train) < limits.few_train or metric_improves(case, evals, best):
        return ()
    then, now = then_and_now(case, evals, best, limits)
    fell = 0 < now < (1 - limits.few_fall) * then and now * (1 + limits.apart) < after[-1]
    return [few_that_rose(evals, best)] if fell else ()


def few_that_rose(evals: Curve, best: int) -> Evidence:
    """A warning of evaluations too few for any statistics, that rose from the one at `best` to the last."""
    low, end = float(evals.values[best]), float(evals.values[-1])
    return Evidence(
        steps=(int(evals.steps[best]), int(evals.steps[-1])),
        tags=(evals.tag,),
        numbers={"low": low, "end": end, "rise": end / low - 1, "evals": len(evals)},
        confidence=0.65,
        severity=Severity.MEDIUM,
        variant="begins",
    )


def gains_nothing(case: Case, evals: Curve, limits: Limits) -> Sequence[Evidence]:
    """Train loss fell on and on, far below an eval loss that ends where it began: nothing learned generalises."""
    if case.train is None or len(evals) < limits.gained_evals or evals.values.min() <= 0 or metric_gains(case):
        return ()
    first, last = float(stats.median(evals.values[:2])), float(stats.median(evals.values[-3:]))
    then, now = then_and_now(case, evals, 0, limits)
    fell = 0 < now < (1 - limits.heart_fall) * then and then - now > limits.clear * case.train_noise
    # far above the train loss a few per cent more are nothing, too
    nothing, once = limits.nothing, limits.gained_once
    worlds = last >= limits.worlds * now
    if apart_throughout(case, evals, worlds, limits):
        nothing = once = limits.nothing_since
    elif worlds:
        nothing = limits.gained_once
    gained = last < (1 - nothing) * first or float(evals.values.min()) < (1 - once) * first
    gained = gained and not left_behind(case, evals, limits)
    if not fell or gained or last < (1 + limits.far) * now:
        return ()
    begin = float(evals.values[0])
    return [
        Evidence(
            steps=(int(evals.steps[0]), int(evals.steps[-1])),
            tags=(case.train.tag, evals.tag),
            numbers={"then": then, "now": now, "begin": begin, "end": last, "rise": last / begin - 1},
            confidence=0.75,
            severity=Severity.MEDIUM,
            variant="no_gain" if last > (1 - limits.nothing) * begin else "little_gain",
        )
    ]


def apart_throughout(case: Case, evals: Curve, worlds: bool, limits: Limits) -> bool:
    """Eval loss is level since its first third, and lies in another world or never came to where train loss began."""
    assert case.train is not None
    if falls_on(evals, limits):
        return False
    return worlds or float(evals.values.min()) >= case.train.start


def left_behind(case: Case, evals: Curve, limits: Limits) -> bool:
    """Most of the first eval loss is left, and train loss fell to a quarter of that: learned by heart, most of it."""
    first, late = float(stats.median(evals.values[:2])), float(stats.median(evals.values[-(len(evals) // 3) :]))
    then, now = then_and_now(case, evals, 0, limits)
    left = late >= limits.left * first and float(evals.values.min()) >= limits.ever_left * first
    far = late >= limits.quarter * now and 0 < now < (1 - limits.left_fall) * then
    return left and far and not falls_on(evals, limits)


def falls_on(evals: Curve, limits: Limits) -> bool:
    """Eval loss goes on falling after its first third: it gains."""
    return stats.mann_kendall(evals.values[len(evals) // 3 :]).tau < -limits.falling


def noise_around(case: Case, best: int, limits: Limits) -> float:
    """σ of one evaluation near the lowest: with few of them, those of the first steep fall are left out."""
    evals = case.evals
    assert evals is not None
    if len(evals) >= limits.many:
        return case.eval_noise
    noise = near_noise(evals, best, limits)
    return min(case.eval_noise, noise) if noise else case.eval_noise


def near_noise(evals: Curve, best: int, limits: Limits) -> float:
    """σ of one evaluation from the first one near the lowest on; 0.0 where fewer than four are left."""
    low = float(evals.values[best])
    near = evals.values <= low + limits.near * (float(evals.values[best:].max()) - low)
    first = int(np.flatnonzero(~near[: best + 1])[-1]) + 1 if not near[: best + 1].all() else 0
    return stats.eval_noise(evals.steps[first:], evals.values[first:]) if len(evals) - first >= 4 else 0.0


def gap_trend(case: Case) -> float:
    """One-sided p of a growing train/eval gap; 1.0 where there are fewer than six gaps."""
    gaps = case.gaps[np.isfinite(case.gaps)]
    return stats.mann_kendall(gaps).p_up if len(gaps) >= 6 else 1.0


def rises_after(evals: Curve, best: int) -> bool:
    """The evaluations after the lowest do not merely scatter: a train loss that falls widens the gap all by itself."""
    after = evals.values[best + 1 :]
    return len(after) < 5 or stats.mann_kendall(after).p_up < 0.05


def loud(case: Case, limits: Limits) -> list[Evidence]:
    """What this rule says beyond mere information."""
    found = check(case, limits)
    return [] if isinstance(found, Skip) else [e for e in found if e.severity is not Severity.INFO]


def turned_away(case: Case) -> bool:
    """Eval loss turned up while train loss falls on: whatever else, the train loss does not stay high."""
    if case.train is None or case.evals is None or len(case.evals) < LEAST_CURVE:
        return False
    return any(e.variant in ("", "begins", "bare", "bare_begins") for e in loud(case, RULE.limits))


def is_plain(case: Case, limits: Limits) -> bool:
    """Overfitting that no other reading of a restless eval loss can rival: it goes up and leaves train far below."""
    if case.evals is None or len(case.evals) < limits.many:
        return False
    if not loud(case, limits):
        return False
    best = int(np.argmin(stats.running_median(case.evals.values, 3)))
    memorised = memorises(case, case.evals, best, limits) or never_back(case, case.evals, best, limits)
    return memorised and rises_after(case.evals, best)


def never_back(case: Case, evals: Curve, best: int, limits: Limits) -> bool:
    """However restless, the later half lies above the first evaluation and the lowest one far back; train fell on."""
    later = evals.values[len(evals) // 2 :]
    return bool(best < len(evals) // 4 and later.min() > evals.values[0]) and train_falls(case, evals, best, limits)


def worse_than_first(case: Case, evals: Curve, limits: Limits) -> bool:
    """The last evaluations lie above the first one and well above the lowest, while train fell: nothing was gained."""
    if case.train is None or len(evals) < limits.gained_evals or evals.values.min() <= 0:
        return False
    last, first = float(stats.median(evals.values[-3:])), float(stats.median(evals.values[:2]))
    then, now = then_and_now(case, evals, 0, limits)
    risen = last > first and last > (1 + limits.rise) * float(evals.values.min())
    return bool(risen and not metric_gains(case) and now < (1 - limits.gained_fall) * then)


def qualities(case: Case) -> list[tuple[Ints, Floats]]:
    """(steps, values) of each evaluated metric whose direction is known, turned so that more is better."""
    known = [(Curve.of(c.series), c.greater_is_better) for c in case.metrics if c.greater_is_better is not None]
    return [(curve.steps, curve.values if greater else -curve.values) for curve, greater in known]


def metric_gains(case: Case) -> bool:
    """An evaluated metric ends clearly better than it began: the loss alone does not tell what was learned."""
    for _, quality in qualities(case):
        if len(quality) >= 6:
            first, last = float(stats.median(quality[:3])), float(stats.median(quality[-3:]))
            if last - first > 0.1 * max(abs(first), 1e-9):
                return True
    return False


def metric_improves(case: Case, evals: Curve, best: int) -> bool:
    """An evaluated metric is at its best at the end, though the eval loss is not: the model still learns the task."""
    for steps, quality in qualities(case):
        if len(quality) < 4 or steps[-1] < evals.steps[-1]:
            continue
        before, later = quality[steps <= evals.steps[best]], quality[steps > evals.steps[best]]
        if len(before) and len(later) and later[-1] >= quality.max() and later[-1] > before.max():
            return True
    return False


def turns(case: Case, evals: Curve, best: int, limits: Limits) -> bool:
    """The guide's C2, read by eye: a fall to the lowest, then at least two evaluations that only rise, train falling.

    The turn itself is no noise, though second differences take it for some; what is left of them must be small.
    """
    after = evals.values[best:]
    if len(after) < 3 or best < 2 or (np.diff(after) <= 0).any():
        return False
    if case.train is not None and not train_falls(case, evals, best, limits):
        return False
    bends = np.abs(stats.second_differences(evals.steps, evals.values))
    others = np.delete(bends, best - 1) if 0 < best <= len(bends) else bends
    return bool(after[-1] - after[0] > limits.turn * (float(stats.median(others)) if len(others) else 0.0))


def train_rises(case: Case, evals: Curve, up: Climb, limits: Limits) -> bool:
    """The train level climbed with the eval loss, by more than its noise and by a good part of the same share.

    Whatever that is, nothing is memorised. A train loss that creeps up while the eval loss doubles is no excuse.
    """
    if case.train is None:
        return False
    then, now = np.interp([evals.steps[up.best], evals.steps[-1]], case.train.steps, case.train.level)
    least = max(limits.train_rise, limits.train_part * up.rise) * abs(then)
    return bool(now > then + max(least, 2 * case.train_noise))


def memorises(case: Case, evals: Curve, best: int, limits: Limits) -> bool:
    """The train loss went on falling far below the eval loss, which has turned: no noise does that to both at once."""
    low, turned, last = float(np.min(evals.values)), float(np.min(evals.values[-3:])), float(np.mean(evals.values[-3:]))
    noise = case.eval_noise
    if len(evals) < limits.many:
        noise = max(noise, near_noise(evals, int(np.argmin(evals.values)), limits))
    elif len(evals) >= limits.plenty:  # so many that the lowest may be one lucky epoch: its neighbours are the level
        width = max(2 * limits.around + 1, len(evals) // limits.parts)
        low = max(low, float(np.min(stats.running_median(evals.values, width))))
        if len(evals) >= limits.numerous:
            last = float(stats.median(evals.values[-width:]))
    if last - low < limits.heart_noise * noise:
        return False
    if case.train is None or low <= 0 or turned < low * (1 + limits.heart_rise) or metric_improves(case, evals, best):
        return False
    then, now = then_and_now(case, evals, best, limits)
    return bool(0 < now < min(limits.learned_by_heart * float(evals.values[-1]), then * (1 - limits.heart_fall)))


def train_falls(case: Case, evals: Curve, best: int, limits: Limits) -> bool:
    """The train level is lower at the last evaluation than at the best one."""
    if case.train is None:
        return False
    then, now = then_and_now(case, evals, best, limits)
    return bool(now < then - max(case.train_noise / 2, limits.train_fall * abs(then)))


RULE = Rule(
    id="OVF001",
    guide=("C2", "M2", "P4", "V4"),
    label="overfitting",
    severity=Severity.HIGH,
    tier=Tier.GENERALISATION,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.EVAL_LOSS, 3),),
    message=N_(
        "Overfitting since step {first}: eval loss rose from {low:.3g} to {end:.3g} ({rise:+.0%}) while train "
        "loss kept falling."
    ),
    variants={
        "level": N_(
            "Overfitting since step {first}: eval loss rose from {low:.3g} to {end:.3g} ({rise:+.0%}); "
            "train loss did not rise with it."
        ),
        "begins": N_(
            "Overfitting begins: eval loss was lowest ({low:.3g}) at step {first} and has risen to {end:.3g} "
            "({rise:+.1%}) since."
        ),
        "bare": N_(
            "Overfitting since step {first}: eval loss rose from {low:.3g} to {end:.3g} while train loss kept falling."
        ),
        "bare_level": N_(
            "Overfitting since step {first}: eval loss rose from {low:.3g} to {end:.3g}; train loss did not rise with "
            "it."
        ),
        "bare_begins": N_(
            "Overfitting begins: eval loss was lowest ({low:.3g}) at step {first} and has risen to {end:.3g} since."
        ),
        "bare_slight": N_(
            "Eval loss is slightly past its lowest value: {low:.3g} at step {first}, {end:.3g} at the end."
        ),
        "bare_no_train": N_(
            "Eval loss rose from {low:.3g} at step {first} to {end:.3g}: overfitting, as far as can be told without a "
            "train loss."
        ),
        "solved": N_(
            "Eval loss has risen from {low:.3g} at step {first} to {end:.3g}, but {accuracy:.1%} of the answers are "
            "right ({best:.1%} at best): the model is mostly surer of its few errors."
        ),
        "slight": N_(
            "Eval loss is slightly past its lowest value: {low:.3g} at step {first}, {end:.3g} at the end "
            "({rise:+.1%})."
        ),
        "no_gain": N_(
            "Nothing that is learned generalises: train loss fell from {then:.3g} to {now:.3g}, but eval loss gained "
            "nothing ({begin:.3g} at first, {end:.3g} at the end)."
        ),
        "little_gain": N_(
            "Hardly anything that is learned generalises: train loss fell from {then:.3g} to {now:.3g}, but eval loss "
            "only from {begin:.3g} to {end:.3g} ({rise:+.0%}), early on."
        ),
        "no_train": N_(
            "Eval loss rose from {low:.3g} at step {first} to {end:.3g} ({rise:+.0%}): overfitting, as far as "
            "can be told without a train loss."
        ),
    },
    remedies=(
        remedies.USE_BEST_CHECKPOINT,
        remedies.EARLY_STOPPING,
        remedies.FEWER_EPOCHS,
        remedies.LORA_DROPOUT,
        remedies.WEIGHT_DECAY,
        remedies.AUGMENT_DATA,
    ),
)
