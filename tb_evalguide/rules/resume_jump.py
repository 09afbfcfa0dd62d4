"""The loss stands higher after a resume than before it.

## What it checks
At every place where the training was resumed, the level of the ten points after it against the points before it
(where steps were done twice, against the old values of the same steps). It speaks up when the rise is beyond 4 σ of
the batch noise, at least 10 %, and not made good soon; a smaller or shorter one is information.

## Why it matters
Something was not restored with the weights: the state of the optimizer, the learning-rate schedule, the order of the
data, or the weights themselves. The steps until the loss is back are lost, and the loss may never be as low again.

## What to do
Save and load optimizer, scheduler, scaler and random state together with the weights, and check which checkpoint was
loaded. Go on from a checkpoint that has all of it.

## When it is wrong
The data or the loss were changed on purpose at that point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, segments, stats
from tb_evalguide.case import Case
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Floats, Need, Role, Rule, Severity, Skip, Tier


@dataclass(frozen=True)
class Limits:
    significance: float = 4.0  # σ of the difference of the two levels (failure-modes.md #35)
    rise: float = 0.10  # of the level before; smaller jumps are met in clean resumes of noisy runs; own choice
    slight: float = 0.03  # of the level before, from which on it is worth an information; own choice
    points: int = 10  # on either side (failure-modes.md #35)
    abrupt: float = 0.5  # of the rise that must come at once, where no steps were done twice; own choice
    lasting: float = 0.05  # of the run's points until the level is back within `rise`, at least `points`; own choice
    scratch: float = 0.8  # of the run's first loss: a resume that begins there has new weights; own choice
    learned: float = 0.5  # of the first loss: had less been learned, the two could not be told apart; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    train = case.train
    assert train is not None  # needs
    found = []
    for resume in segments.resumes(case):
        at = int(np.searchsorted(train.steps, resume.step))
        after = train.values[at : at + limits.points]
        steps, old = segments.written_before(train.series, resume)
        before = matching(steps, old, train.steps[at : at + limits.points])
        if len(after) < limits.points // 2 or len(before) < limits.points // 2:
            continue
        level, jumped = float(stats.median(before)), float(stats.median(after))
        sigma = 1.2533 * case.train_noise * float(np.sqrt(1 / len(before) + 1 / len(after)))
        rise = (jumped - level) / abs(level) if level else 0.0
        if rise < limits.slight or jumped - level < limits.significance * sigma:
            continue
        if not np.isin(train.steps[at : at + limits.points], steps).any() and at >= 4:
            # nothing to compare at the same steps: a climb that was under way before is no jump
            window = slice(max(0, at - limits.points), at + limits.points)
            step, _ = stats.level_step(train.steps[window], train.values[window], at - window.start)
            if step < limits.abrupt * (jumped - level):
                continue
        back = points_until_back(train.values[at:], level + limits.rise * abs(level))
        lasts = back > max(limits.points, limits.lasting * len(train))
        last = min(at + back, len(train) - 1)
        fault = rise >= limits.rise and lasts
        start = float(train.values[0])
        from_scratch = fault and level < limits.learned * start and float(train.values[at]) > limits.scratch * start
        found.append(
            Evidence(
                steps=(resume.step, int(train.steps[last])),
                tags=(train.tag,),
                numbers={"before": level, "after": jumped, "rise": rise, "points": back, "start": start},
                confidence=0.93,
                severity=None if fault else Severity.INFO,
                variant=("scratch" if from_scratch else "") if fault else "short",
            )
        )
    return found


def matching(steps: np.ndarray, values: Floats, wanted: np.ndarray) -> Floats:
    """The old values of the same steps where at least half of them were done twice, else the last old values."""
    if not len(wanted):
        return values[:0]
    same = values[np.isin(steps, wanted)]
    return same if 2 * len(same) >= len(wanted) else values[-len(wanted) :]


def points_until_back(values: Floats, threshold: float) -> int:
    """Points until the median of five neighbours lies below the threshold; all of them when it never does."""
    if len(values) < 5:
        return len(values)
    medians = np.median(np.lib.stride_tricks.sliding_window_view(values, 5), axis=1)
    below = np.flatnonzero(medians < threshold)
    return int(below[0]) if len(below) else len(values)


RULE = Rule(
    id="RST002",
    label="resume_jump",
    severity=Severity.MEDIUM,
    tier=Tier.INTEGRITY,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.TRAIN_LOSS, 20),),
    message=N_(
        "The loss jumped at the resume at step {first}: {before:.3g} → {after:.3g} ({rise:+.0%}), not made good "
        "before step {last}."
    ),
    variants={
        "scratch": N_(
            "After the resume at step {first} the loss began at its first value again ({start:.3g}, before the resume "
            "{before:.3g}): the weights were not loaded."
        ),
        "short": N_(
            "The loss was {rise:.0%} higher just after the resume at step {first} ({before:.3g} → {after:.3g}) and "
            "came back."
        ),
    },
    remedies=(remedies.RESTORE_STATE, remedies.ROLL_BACK),
    not_in=("rl",),
)
