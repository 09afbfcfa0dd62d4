"""How a loss curve moves, told as few facts: rises and recoveries, progress, lateness of the fall, flatness.

All of it works on local levels (medians), so that batch noise, aliased batches and logging density do not matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tb_evalguide import stats
from tb_evalguide.case import Case, Curve
from tb_evalguide.model import Floats, Role
from tb_evalguide.roles.names import words_of

TOSS = math.log(2)  # cross-entropy of a coin toss: who is right in nearly all answers has less
_ACCURACY = frozenset({"acc", "accuracy", "top1"})
_OVERLAP = frozenset({"iou", "miou", "jaccard", "dice", "f1"})


@dataclass(frozen=True)
class Rise:
    """A climb of the level from a low to a peak. Indices point into the curve that was searched.

    factor: peak over low (positive curves), else 1 + climb in units of the curve's range. end: index where the level
    was back within a third of the climb, None when it never came back.
    """

    low: int
    peak: int
    low_value: float
    peak_value: float
    factor: float
    end: int | None


def rises(level: Floats, threshold: float, signed: bool = False) -> list[Rise]:
    """Climbs of at least `threshold` (relative: 0.25 = a quarter) from the lowest point since the last recovery.

    A climb ends when the level has given back two thirds of it. Levels that are not all positive, and those of a curve
    that is not (`signed`), are measured in units of their range.
    """
    y = np.asarray(level, np.float64)
    if len(y) < 3:
        return []
    relative = bool((y > 0).all()) and not signed
    if relative:
        scaled, step = np.log(y), math.log1p(threshold)
    else:
        spread = float(np.ptp(y))
        if spread == 0:
            return []
        scaled, step = y / spread, threshold
    found: list[Rise] = []
    low = 0
    i = 1
    while i < len(y):
        if scaled[i] < scaled[low]:
            low = i
        elif scaled[i] >= scaled[low] + step:
            peak = i
            end: int | None = None
            j = i
            while j < len(y):
                if scaled[j] > scaled[peak]:
                    peak = j
                if scaled[j] <= scaled[peak] - 2 / 3 * (scaled[peak] - scaled[low]) and j > peak:
                    end = j
                    break
                j += 1
            climb = float(scaled[peak] - scaled[low])
            factor = math.exp(climb) if relative else 1 + climb
            found.append(Rise(low, peak, float(y[low]), float(y[peak]), factor, end))
            if end is None:
                break
            low = i = end
        i += 1
    return found


@dataclass(frozen=True)
class Ending:
    """Where a curve ends against where it began and its lowest level. All levels are medians.

    rise: (end − low) / |low|; share: (end − low) / (start − low), ∞ when nothing was gained; log_share: the same of the
    logarithms, for losses that fall by decades (0 where they are not positive); significance: (end − low) in σ of the
    difference of the two medians.
    """

    start: float
    low: float
    low_step: int
    end: float
    rise: float
    share: float
    log_share: float
    significance: float

    @property
    def progress(self) -> float:
        """Relative drop from start to end; NaN when the start is not positive."""
        return 1 - self.end / self.start if self.start > 0 else math.nan


def ending(curve: Curve, tail_share: float = 0.1) -> Ending:
    """The curve's start, lowest level and end. Needs at least two points."""
    n = len(curve)
    level = curve.level
    width = max(5, n // 20) if n >= 20 else (3 if n >= 8 else 1)
    count = max(1 if n < 8 else 2, round(n * tail_share))
    end = float(stats.median(curve.values[-count:]))
    search = level[: max(1, n - count)]
    low_index = int(np.argmin(search))
    low = min(float(search[low_index]), end)
    low_step = int(curve.steps[low_index]) if low == float(search[low_index]) else int(curve.steps[-1])
    start = curve.start
    gained = start - low
    sigma = 1.2533 * curve.noise * math.sqrt(1 / width + 1 / count)
    rise = (end - low) / abs(low) if low else (math.inf if end > low else 0.0)
    share = (end - low) / gained if gained > 0 else (math.inf if end > low else 0.0)
    significance = (end - low) / sigma if sigma > 0 else (math.inf if end > low else 0.0)
    decades = start > 0 and low > 0 and start > 20 * low
    log_share = math.log(end / low) / math.log(start / low) if decades and end > 0 else 0.0
    return Ending(start, low, low_step, end, rise, share, log_share, significance)


def lateness(curve: Curve) -> float:
    """Fall in the last third of the points over the fall in the first third; 1.0 for a straight line, 0 when level.

    Each third's fall is Theil–Sen slope × span, so that a single odd point does not matter. NaN when the first third
    does not fall.
    """
    third = len(curve) // 3
    if third < 3:
        return math.nan
    x = np.arange(len(curve), dtype=np.float64)
    early = -stats.theil_sen(x[:third], curve.values[:third])
    late = -stats.theil_sen(x[-third:], curve.values[-third:])
    # the first third of a convex fall is steeper than its median slope says: take the larger of slope and end points
    early = max(early, float(curve.values[0] - stats.median(curve.values[third - max(1, third // 4) : third])) / third)
    return late / early if early > 0 else math.nan


def late_fall(curve: Curve) -> float:
    """Pace of the fall in the last third of the points over that in the first, as `lateness`, for few points as well.

    A curve too short for thirds is told by its halves: where their paces have the ratio q, those of the thirds of an
    exponential have q^(4/3). Needs three points.
    """
    n = len(curve)
    if n >= 9:
        return lateness(curve)
    middle = float(np.interp((n - 1) / 2, np.arange(n), curve.values))
    early, late = float(curve.values[0]) - middle, middle - float(curve.values[-1])
    return math.copysign(abs(late / early) ** (4 / 3), late) if early > 0 else math.nan


def last_third(values: Floats) -> float:
    """Median of the last third of the values, three of them at least: where a metric that scatters ends."""
    return float(stats.median(values[-max(3, len(values) // 3) :]))


def gained(curve: Curve) -> bool:
    """The curve ends clearly lower than it began: by a fifth of its start, near its lowest level."""
    end = ending(curve, 0.2)
    return end.start > 0 and end.end < 0.8 * end.start and end.share < 0.25


def flat_since(curve: Curve, tolerance: float) -> float:
    """Share of the curve's points, counted from the end, whose level stays within ±tolerance·|end level|."""
    end = curve.tail(0.1, 2)
    inside = np.abs(curve.level - end) <= tolerance * abs(end)
    outside = np.flatnonzero(~inside)
    first = int(outside[-1]) + 1 if len(outside) else 0
    return 1 - first / len(curve)


HIDDEN_SIGMAS = 4.0  # of a point, between both ends, below which batch noise hides how far a curve fell; own choice


def hidden_line(curve: Curve) -> tuple[float, float] | None:
    """(start, end) along one straight line, for a curve whose whole drop is lost in batch noise; else None.

    The two ends alone would say little then, and no bend can be seen; Theil–Sen over all points says the most.
    """
    n = len(curve)
    if n < 12 or curve.noise == 0 or abs(curve.start - curve.tail(0.1, 2)) > HIDDEN_SIGMAS * curve.noise:
        return None
    # windows, so that every point of a long curve counts: Theil–Sen by itself would pair 400 of them
    centres, medians, _ = stats.bins(curve.steps, curve.values, 400)
    start, end = _line(curve, centres, medians)
    if min(start, end) <= 0 < curve.values.min():
        # batches over decades: a straight line would leave the losses that there are
        start, end = (math.exp(y) for y in _line(curve, centres, np.log(medians)))
    return start, end


def _line(curve: Curve, centres: Floats, medians: Floats) -> tuple[float, float]:
    slope = stats.theil_sen(centres, medians)
    start = float(stats.median(medians - slope * (centres - curve.steps[0])))
    return start, start + slope * float(curve.steps[-1] - curve.steps[0])


def ends(curve: Curve) -> tuple[float, float]:
    """(start, end) as a sentence about the whole curve should name them: two levels that its drop agrees with."""
    return hidden_line(curve) or (curve.start, curve.tail())


def progress(case: Case) -> float:
    """Relative drop of the loss over the run: the larger one of the train and the eval loss.

    NaN when there is no loss or it does not start positive. Where the evaluations began only after the train loss had
    fallen, the eval loss fell from where that began: with dropout or label noise the train loss stays above it.
    """
    told = progress_told(case)
    return 1 - told[2] / told[1] if told is not None else math.nan


def progress_told(case: Case) -> tuple[Curve, float, float] | None:
    """(the curve that tells how far the loss fell, its start, its end), for sentences that name them; or None."""
    curve = case.loss
    if curve is None or len(curve) < 2:
        return None
    evals = case.evals if case.evals is not None and len(case.evals) >= 2 and case.evals is not curve else None
    line = hidden_line(curve)
    told = []
    if line is not None and line[0] > 0:
        told.append((curve, *line))
    elif curve.start > 0:
        told.append((curve, curve.start, _last(curve)))
    if evals is not None and evals.values[0] > 0:
        first = float(evals.values[0])
        if line is None and told and _missed_the_fall(curve, evals):
            first = told[0][1]
        told.append((evals, first, _last(evals)))
    return min(told, key=lambda one: one[2] / one[1], default=None)


def _missed_the_fall(train: Curve, evals: Curve) -> bool:
    """The first evaluation came when a part of the run was over, and lies below where the train loss began."""
    return bool(evals.steps[0] > train.steps[0] and evals.values[0] < train.start)


def _last(curve: Curve) -> float:
    return curve.tail(0.1, 2 if len(curve) >= 8 else 1)


CUT_SHORT = 0.6  # of the planned steps, or of the peak learning rate: beyond it a run can be judged by where it got


def unfinished(case: Case) -> bool:
    """The learning rate is still well inside a decaying schedule, or fewer steps were taken than planned."""
    planned = case.planned_steps
    if planned is not None:
        return case.last_step < CUT_SHORT * planned
    lr = case.lr
    if lr is None or len(lr) < 5:
        return False
    peak = float(lr.values.max())
    at_peak = int(np.argmax(lr.values))
    decaying = (
        at_peak < 0.8 * len(lr) and lr.values[-1] < 0.97 * peak and lr.values[-1] < lr.values[-max(2, len(lr) // 10)]
    )
    return bool(decaying and lr.values[-1] > CUT_SHORT * peak)


WARMUP_START = 0.5  # of the peak: a learning rate that starts above this has no warm-up worth the name; as LRS002


def in_warmup(case: Case) -> bool:
    """Every logged step lies inside the warm-up: the learning rate only rises, from near zero, to the last point."""
    lr = case.lr
    if lr is None or len(lr) < 3:
        return False
    rising = bool((np.diff(lr.values) > 0).all())
    return rising and lr.values[0] < WARMUP_START * lr.values[-1]


def warmup_end(case: Case) -> int | None:
    """The step at which the learning rate reached its peak, if it rose to it in the first half; None otherwise."""
    lr = case.lr
    if lr is None or len(lr) < 3:
        return None
    top = int(np.argmax(lr.values))
    early = 0 < top < len(lr) // 2 and lr.values[0] < WARMUP_START * lr.values[top]
    return int(lr.steps[top]) if early and bool((np.diff(lr.values[: top + 1]) >= 0).all()) else None


def eval_accuracy(case: Case) -> Curve | None:
    """The evaluated accuracy of a classifier: by its role, or a metric of that name. Not that of tokens."""
    if case.profile.id != "classification":
        return None
    named = (c.series for c in case.metrics if c.greater_is_better and _names_accuracy(c.tag))
    curves = (case.curve(Role.EVAL_ACCURACY), *(Curve.of(series) for series in named))
    return next((curve for curve in curves if curve is not None and len(curve)), None)


def _names_accuracy(tag: str) -> bool:
    """Of the first answer: right among five is another thing."""
    words = words_of(tag)
    return not _ACCURACY.isdisjoint(words) and not any(word.startswith("top") and word != "top1" for word in words)


def solved(case: Case, least: float, near: float) -> tuple[float, float] | None:
    """(right, best): shares of right answers in the last three evaluations and at best, of a task that is solved.

    None where the last ones lie below `least` or more than `near` below the best, where the accuracy never moved short
    of 1, as guessing one class does not, or where the eval loss is one of guesses. What such a loss does, it does on
    the few examples that are still wrong.
    """
    accuracy = eval_accuracy(case)
    if accuracy is None or len(accuracy) < 3:
        return None
    right = accuracy.values / whole(accuracy)
    last, best = float(stats.median(right[-3:])), float(right.max())
    moved = best == 1 or float(np.ptp(right)) > 0
    guesses = case.evals is not None and len(case.evals) > 0 and float(stats.median(case.evals.values[-3:])) >= TOSS
    return (last, best) if moved and not guesses and last >= max(least, best - near) else None


def gets_right(case: Case, gained: float, least: float) -> bool:
    """The evaluated accuracy, or an overlap, rose by so much of the whole and to so much: the task is being learned."""
    named = [c.series for c in case.metrics if c.greater_is_better and not _OVERLAP.isdisjoint(words_of(c.tag))]
    curves = [eval_accuracy(case), *(Curve.of(series) for series in named)]
    return any(curve is not None and _rose(curve, gained, least) for curve in curves)


def _rose(quality: Curve, gained: float, least: float) -> bool:
    if len(quality) < 3:
        return False
    right = quality.values / whole(quality)
    last = float(stats.median(right[-3:]))
    return last >= least and last - quality.start / whole(quality) >= gained


def whole(accuracy: Curve) -> float:
    """What stands for all answers right in an accuracy: 1, or 100 where it is logged in per cent."""
    return 100.0 if accuracy.values.max() > 1 + 1e-3 else 1.0  # a share that was averaged may lie a hair above 1


def reference_level(curve: Curve) -> float:
    """|level| once the first 5 % of the points are over: what later swings are measured against.

    The very first points may be far higher (an untrained head, a huge first batch), and a loss that went to nothing
    swings by factors that mean nothing.
    """
    n = len(curve)
    return abs(float(curve.level[min(n - 1, max(1, n // 20))]))


LEVEL_SIGMAS = 6.0  # a swing of the level must exceed this many σ of the level, so that batch noise is none


def level_rises(curve: Curve, least: float, share: float = 0.05) -> list[Rise]:
    """Climbs of the local level by `least` (relative) or 6 σ of that level, whichever is more, after the start.

    Climbs smaller than `share` of the reference level are left out.
    """
    n = len(curve)
    if n < 5:
        return []
    if n < 60:
        # evaluations and epoch means: every point is already an average; three points steady a noisy dense curve
        level, width = (curve.values, 1) if n < 20 else (curve.level, 5)
    else:
        level, width = curve.level, max(5, n // 20)
    sigma = curve.log_noise * 1.2533 / math.sqrt(width) if width > 1 else 0.0
    # near 0 a share of the level means nothing: a loss that crosses it has no zero of its own
    signed = bool(curve.values.min() < 0)
    found = rises(level, max(least, math.expm1(min(LEVEL_SIGMAS * sigma, 50.0))), signed)
    scale = reference_level(curve)
    return [r for r in found if r.peak_value - r.low_value >= share * scale]


def eval_rises(curve: Curve, least: float, share: float = 0.05) -> list[Rise]:
    """Climbs of the raw evaluations (of their running median of three from 60 on): each is a mean over a whole set."""
    values = curve.values if len(curve) < 60 else stats.running_median(curve.values, 3)
    if len(curve) > 400:
        values = curve.level
    scale = reference_level(curve)
    return [r for r in rises(values, least) if r.peak_value - r.low_value >= share * scale]
