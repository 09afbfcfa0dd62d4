"""Eval loss rises while train loss still falls.

## What it checks
The mean of the last two evaluations against the lowest level of the eval loss, in units of the noise between
evaluations. It fires when the rise is significant for the number of evaluations, large enough to see (12 % of the
loss, or a fifth of everything that had been gained), and the train loss did not rise with it. With few
evaluations a steadily growing gap stands in for significance, and so do two or more evaluations in a row that
rise far beyond what the others move by, as in the guide's C2. A train loss that went on falling far below an eval
loss that has turned is a warning, unless a metric is still at its best.

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
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, stats
from tb_evalguide.case import Case, Curve
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Need, Role, Rule, Severity, Skip, Tier
from tb_evalguide.rules import divergence


@dataclass(frozen=True)
class Limits:
    rise: float = 0.12  # of the lowest loss; C2 ends 13 % above its minimum; leave-one-project-out on the labelled runs
    share: float = 0.20  # of the drop from the first evaluation to the lowest; a U that the eye sees; C2: 0.20
    least_rise: float = 0.02  # below this no rise is worth a headline (final evaluations on another set: 2.5 % once)
    significance: float = 1.0  # multiple of crit(n), the 1 % point of the rise by chance (failure-modes.md, #23)
    trend_p: float = 0.01  # one-sided Mann–Kendall p of the growing gap that stands in for significance
    many: int = 12  # evaluations from which on the lowest is a median of three, no lucky epoch; own choice
    near: float = 5.0  # times the rise above the lowest: earlier evaluations higher than that belong to the first fall
    least_share: float = 0.01  # of the drop; where the loss fell by decades a rise in the last digits is not one to see
    sure_rise: float = 0.50  # of the lowest loss: large whatever its share of the drop; own choice
    each: float = 0.10  # of the evaluation before: three in a row that rise by this much each need no statistics; own
    begins: float = 0.03  # of the lowest loss: both last evaluations this far and significantly above it; own choice
    learned_by_heart: float = 0.5  # train over eval loss below which the train set is being memorised; own choice …
    heart_fall: float = 0.2  # … while train fell by this much since the lowest evaluation; labelled runs as they grew …
    heart_rise: float = 0.02  # … and the last three evaluations lie this far above it; a healthy run: 1.7 % at its end
    heart_noise: float = 1.25  # … their mean by as many σ of one evaluation; own choice
    gained_evals: int = 6  # evaluations of which the last three lie above the first two; own choice
    gained_fall: float = 0.1  # of the train loss at the first evaluation, by which it fell meanwhile; own choice
    before: float = 0.5  # share of the rise that the evaluation before the last one has as well; own choice
    turn: float = 4.0  # times the usual bend of the other evaluations by which two or more in a row rose; own choice
    train_part: float = 0.5  # of the share by which the eval loss rose, that must show in train as well; own choice
    train_rise: float = 0.05  # of the train level at the lowest evaluation: a train loss that rose too; own choice


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
    if len(evals) == 3:
        return three_in_a_row(case, evals, limits)
    up = climb(case, evals, limits)
    if up is None or diverged(case):
        return ()
    proven = up.sure or (up.few and (gap_grows(case, evals, up, limits) or turns(case, evals, up.best, limits)))
    seen = up.share >= limits.least_share or up.rise >= limits.sure_rise
    large = (up.rise >= limits.rise and seen) or (up.share >= limits.share and up.rise >= limits.least_rise)
    if proven and large:
        return () if train_rises(case, evals, up, limits) else [fault(case, evals, up, limits)]
    begins = seen and begins_to_rise(case, evals, up, limits)
    if begins or memorises(case, evals, up.best, limits) or worse_than_first(case, evals, limits):
        return [finding(evals, up, Severity.MEDIUM, 0.7, "begins")]
    if up.sure and up.rise >= limits.least_rise:
        return [finding(evals, up, Severity.INFO, 0.6, "slight")]
    return ()


def finding(
    evals: Curve, up: Climb, severity: Severity | None, confidence: float, variant: str, train: Curve | None = None
) -> Evidence:
    # the decision is by medians; what is said is the lowest evaluation itself, the one whose checkpoint is to be used
    first = up.best if up.few else max(0, up.best - 1)
    lowest_at = first + int(np.argmin(evals.values[first : up.best + (1 if up.few else 2)]))
    lowest = float(evals.values[lowest_at])
    return Evidence(
        steps=(int(evals.steps[lowest_at]), int(evals.steps[-1])),
        tags=(evals.tag,) if train is None else (train.tag, evals.tag),
        numbers={
            "low": lowest,
            "end": up.last,
            "rise": up.last / lowest - 1 if lowest > 0 else up.rise,
            "share": min(up.share, 1e6),
            "significance": up.sigmas,
            "evals": len(evals),
        },
        confidence=confidence,
        severity=severity,
        variant=variant,
    )


def fault(case: Case, evals: Curve, up: Climb, limits: Limits) -> Evidence:
    """A large rise beyond doubt. A single evaluation far above the others may be a blip: a warning until the next."""
    alone = up.few and not case.is_guide and float(evals.values[-2]) < up.low + limits.before * (up.last - up.low)
    sharp = min(1.0, up.rise / (2 * limits.rise)) if up.rise < limits.rise else 1.0
    confidence = 0.97 if up.sure and up.rise > 2 * limits.rise else 0.7 + 0.2 * sharp * up.sure
    variant = "no_train" if case.train is None else ("" if train_falls(case, evals, up.best) else "level")
    if alone:
        return finding(evals, up, Severity.MEDIUM, 0.6, variant, case.train)
    return finding(evals, up, None, confidence, variant, case.train)


def begins_to_rise(case: Case, evals: Curve, up: Climb, limits: Limits) -> bool:
    """Both last evaluations lie clearly above the lowest, though not far, and train fell meanwhile."""
    both = float(np.min(evals.values[-2:])) if len(evals) < 40 else up.end
    clear = (both - up.low) / up.noise > limits.significance * stats.critical_rise(len(evals))
    return clear and up.low > 0 and both / up.low - 1 >= limits.begins and train_falls(case, evals, up.best)


def gap_grows(case: Case, evals: Curve, up: Climb, limits: Limits) -> bool:
    """A steadily growing gap stands in for significance, where the evaluations after the lowest rise as well."""
    return gap_trend(case) < limits.trend_p and min(up.end, up.last) > up.low and rises_after(evals, up.best)


def three_in_a_row(case: Case, evals: Curve, limits: Limits) -> Sequence[Evidence]:
    """Three evaluations prove no trend; only ones that each rise steeply while train falls are worth a warning."""
    first, second, third = evals.values.tolist()
    if first <= 0 or second < first * (1 + limits.each) or third < second * (1 + limits.each):
        return ()
    if not train_falls(case, evals, 0):
        return ()
    numbers = {"low": first, "end": third, "rise": third / first - 1, "evals": 3}
    steps = (int(evals.steps[0]), int(evals.steps[-1]))
    return [
        Evidence(
            steps=steps, tags=(evals.tag,), numbers=numbers, confidence=0.5, severity=Severity.MEDIUM, variant="begins"
        )
    ]


def noise_around(case: Case, best: int, limits: Limits) -> float:
    """σ of one evaluation near the lowest: with few of them, those of the first steep fall are left out."""
    evals = case.evals
    assert evals is not None
    if len(evals) >= limits.many:
        return case.eval_noise
    low = float(evals.values[best])
    near = evals.values <= low + limits.near * (float(evals.values[best:].max()) - low)
    first = int(np.flatnonzero(~near[: best + 1])[-1]) + 1 if not near[: best + 1].all() else 0
    if len(evals) - first < 4:
        return case.eval_noise
    return min(case.eval_noise, stats.eval_noise(evals.steps[first:], evals.values[first:]))


def gap_trend(case: Case) -> float:
    """One-sided p of a growing train/eval gap; 1.0 where there are fewer than six gaps."""
    gaps = case.gaps[np.isfinite(case.gaps)]
    return stats.mann_kendall(gaps).p_up if len(gaps) >= 6 else 1.0


def rises_after(evals: Curve, best: int) -> bool:
    """The evaluations after the lowest do not merely scatter: a train loss that falls widens the gap all by itself."""
    after = evals.values[best + 1 :]
    return len(after) < 5 or stats.mann_kendall(after).p_up < 0.05


def is_plain(case: Case, limits: Limits) -> bool:
    """Overfitting that no other reading of a restless eval loss can rival: it goes up and leaves train far below."""
    if case.evals is None or len(case.evals) < limits.many:
        return False
    found = check(case, limits)
    if isinstance(found, Skip) or not any(e.severity is not Severity.INFO for e in found):
        return False
    best = int(np.argmin(stats.running_median(case.evals.values, 3)))
    return memorises(case, case.evals, best, limits) and rises_after(case.evals, best)


def worse_than_first(case: Case, evals: Curve, limits: Limits) -> bool:
    """The last evaluations lie above the first one and well above the lowest, while train fell: nothing was gained."""
    if case.train is None or len(evals) < limits.gained_evals or evals.values.min() <= 0:
        return False
    last, first = float(stats.median(evals.values[-3:])), float(stats.median(evals.values[:2]))
    then, now = case.train_at(evals.steps[[0, -1]])
    risen = last > first and last > (1 + limits.rise) * float(evals.values.min())
    return bool(risen and not metric_gains(case) and now < (1 - limits.gained_fall) * then)


def metric_gains(case: Case) -> bool:
    """An evaluated metric ends clearly better than it began: the loss alone does not tell what was learned."""
    for choice in case.metrics:
        values = Curve.of(choice.series).values
        if choice.greater_is_better is not None and len(values) >= 6:
            gain = float(stats.median(values[-3:]) - stats.median(values[:3])) * (1 if choice.greater_is_better else -1)
            if gain > 0.1 * max(abs(float(stats.median(values[:3]))), 1e-9):
                return True
    return False


def metric_improves(case: Case, evals: Curve, best: int) -> bool:
    """An evaluated metric is at its best at the end, though the eval loss is not: the model still learns the task."""
    for choice in case.metrics:
        curve = Curve.of(choice.series)
        if choice.greater_is_better is None or len(curve) < 4 or curve.steps[-1] < evals.steps[-1]:
            continue
        quality = curve.values if choice.greater_is_better else -curve.values
        before = quality[curve.steps <= evals.steps[best]]
        later = quality[curve.steps > evals.steps[best]]
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
    if case.train is not None and not train_falls(case, evals, best):
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
    low, turned = float(np.min(evals.values)), float(np.min(evals.values[-3:]))
    if float(np.mean(evals.values[-3:])) - low < limits.heart_noise * case.eval_noise:
        return False
    if case.train is None or low <= 0 or turned < low * (1 + limits.heart_rise) or metric_improves(case, evals, best):
        return False
    then, now = case.train_at(np.array([evals.steps[best], evals.steps[-1]]))
    return bool(0 < now < min(limits.learned_by_heart * float(evals.values[-1]), then * (1 - limits.heart_fall)))


def diverged(case: Case) -> bool:
    """Both losses climb: that is divergence, whatever the gap does."""
    return case.train is not None and len(case.train) >= 8 and bool(divergence.check(case, divergence.RULE.limits))


def train_falls(case: Case, evals: Curve, best: int) -> bool:
    """The train level is lower at the last evaluation than at the best one."""
    if case.train is None:
        return False
    then, now = case.train_at(np.array([evals.steps[best], evals.steps[-1]]))
    return bool(now < then - case.train_noise / 2)


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
        "slight": N_(
            "Eval loss is slightly past its lowest value: {low:.3g} at step {first}, {end:.3g} at the end "
            "({rise:+.1%})."
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
