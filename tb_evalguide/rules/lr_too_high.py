"""The loss climbs from the start instead of falling.

## What it checks
Whether the train loss ends above where it began although it was lower in between, or spends the second half of the run
above it. In a short log (guide, C4a): two rises of more than 5 % and no net fall, or a steady climb of 10 %; outside
the guide the log, or its evaluations with it, must climb by a fifth, for batches scatter. The start is that after an
early resume, where there was one. Where both losses climbed at first and the rest only won that back, or where the loss
was thrown to eight times its first value and took a tenth of the run to come back, or stood at ten times its first
value for the next points, it warns.

## Why it matters
Steps that are too large throw the weights past every minimum. What was pretrained is lost within a few hundred steps.

## What to do
Start again with a tenth of the learning rate, with a warm-up, and with gradient clipping. No checkpoint of this run is
worth keeping.

## When it is wrong
A curriculum that gets harder, a loss whose weights change during training, or adversarial and reinforcement learning,
where the loss is not meant to fall.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tb_evalguide import remedies, segments, shape, stats
from tb_evalguide.case import Case, Curve
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Need, Role, Rule, Severity, Skip, Tier


@dataclass(frozen=True)
class Limits:
    rise: float = 0.05  # a rise that counts, of the value before; guide C4a (+24 %, +25 %), failure-modes.md #8
    rises: int = 2  # that many rises in a short log; guide C4a, failure-modes.md #8
    short: int = 12  # points up to which single points are read as the guide's table reads them; own choice
    noise: float = 2.5  # σ of a point between start and second half: one batch that was easy is no start; own choice
    worse_noise: float = 0.7  # σ of a point, by which the train loss must lie above its start beside them; own choice
    net: float = 0.02  # the loss must end at least this far above its start when the log is long; own choice
    p: float = 0.01  # one-sided Mann–Kendall p of a short log that climbs in small steps; usual
    climb: float = 0.2  # of the first loss, outside the guide's table: two odd batches are no climb; own choice
    short_p: float = 0.1  # one-sided Mann–Kendall p of such a climb; own choice
    hump: float = 0.1  # of the first value of both losses, by which they climbed before they came back; own choice
    hump_by: float = 0.4  # of the points, until when the climb must have reached its peak; own choice
    hump_points: int = 20  # train points that tell it; own choice
    thrown: float = 8.0  # times the first value, to which the level was thrown at first; healthy labelled runs: 5.6, …
    thrown_by: float = 0.2  # … by this much of the points, …
    thrown_back: float = 0.1  # … and of the points until it was below that value again; own choice
    thrown_far: float = 10.0  # times the first value, at which the median of the next points stands: …
    thrown_points: int = 5  # … so many, however soon it was back; healthy labelled runs: 6.4
    early: float = 0.2  # of the points: a resume that early sets the start anew; own choice
    significance: float = 3.0  # σ of the difference between the end and the lowest level; swings pass for noise here


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    train = case.train
    assert train is not None  # needs
    train = since_early_resume(case, train, limits)
    evals = case.evals
    if len(train) <= limits.short:
        if evals is not None and len(evals) >= 3 and evals.values[-1] <= evals.values[0]:
            return ()  # batches may alternate; a whole eval set does not
        return short_log(train, limits, alone=not case.is_guide and not evals_climb(evals, limits))
    tossed = thrown(train, limits)
    if tossed is not None and train.tail() < tossed.numbers["start"]:
        return [tossed]
    if evals is not None and eval_improves(evals, float(train.values[0])):
        return ()
    hump = won_back(train, evals, limits)
    if hump is not None:
        return [hump]
    end = shape.ending(train)
    if end.start <= 0:
        return ()  # a score without a floor, as a critic's, may climb
    net = end.end / end.start - 1
    half = float(stats.median(train.values[len(train) // 2 :]))
    above = half > end.start + max(limits.rise * end.start, limits.noise * train.noise)
    clear = (
        end.end > end.start + train.noise and end.rise >= 2 * limits.rise and end.significance >= limits.significance
    )
    worse = evals is not None and len(evals) >= 4 and evals_worse(case, evals, limits)
    worse = worse and end.end > end.start + limits.worse_noise * train.noise  # else the train loss says nothing
    if net < limits.net or not (clear or above or worse):
        return ()
    return [evidence(train, end.low_step, end.start, end.end, float(train.level.max()), 0.9)]


def evals_worse(case: Case, evals: Curve, limits: Limits) -> bool:
    """The last evaluations lie above the first by a rise that counts, and by more than evaluations scatter."""
    first = float(evals.values[0])
    return evals.tail() > first + max(limits.rise * first, limits.noise * case.eval_noise)


def won_back(train: Curve, evals: Curve | None, limits: Limits) -> Evidence | None:
    """Both losses climbed at first, and all the rest of the run only won that back: a warning."""
    if evals is None or len(evals) < 4 or len(train) < limits.hump_points:
        return None
    # few evaluations are not steadied by a level, which would cut their peak
    peaks = [float(c.level.max()) if len(c) >= 20 else float(c.values.max()) for c in (train, evals)]
    starts, ends = [c.start for c in (train, evals)], [c.tail() for c in (train, evals)]
    if min(*starts, train.values[0], evals.values[0]) <= 0:
        return None
    if evals.steps[0] > train.steps[0] and starts[1] > starts[0]:
        starts[1] = starts[0]  # the first evaluation came when the loss was climbing already
    early = all(int(np.argmax(c.level)) <= len(c) * limits.hump_by for c in (train, evals))
    above = all(float(c.level.min()) >= (1 - limits.hump) * s for c, s in zip((train, evals), starts))
    climbed = early and above and all(p > (1 + limits.hump) * s for p, s in zip(peaks, starts))
    back = all(abs(e / s - 1) < limits.rise for e, s in zip(ends, starts))
    if not climbed or not back:
        return None
    climb = (int(train.steps[0]), int(train.steps[np.argmax(train.level)]))
    found = evidence(train, climb[0], starts[0], ends[0], peaks[0], 0.7)
    return replace(found, steps=climb, severity=Severity.MEDIUM, variant="won_back")


def thrown(train: Curve, limits: Limits) -> Evidence | None:
    """The first steps threw the loss many times as high, and a good part of the run went by until it was back.

    It climbed there over some points: a single low one at the start was an easy batch. No batch is ten times as easy as
    the five after it.
    """
    start, level = float(train.values[0]), train.level
    top = int(np.argmax(level))
    if len(train) < limits.hump_points or start <= 0 or level[top] < limits.thrown * start:
        return None
    far = float(stats.median(train.values[1 : 1 + limits.thrown_points])) >= limits.thrown_far * start
    if not far and not start < train.values[1] < level[top] / 2:
        return None
    back = top + int(np.argmax(np.append(level[top:] < start, True)))
    least = 0 if far else limits.thrown_back * len(train)
    if top > limits.thrown_by * len(train) or not least <= back < len(train):
        return None
    found = evidence(train, int(train.steps[0]), start, train.tail(), float(level[top]), 0.7)
    steps = (int(train.steps[0]), int(train.steps[back]))
    return replace(found, steps=steps, severity=Severity.MEDIUM, variant="thrown")


def since_early_resume(case: Case, train: Curve, limits: Limits) -> Curve:
    """The curve from the last resume within its beginning on: what was trained before that is another start."""
    early = train.steps[min(len(train) - 1, int(limits.early * len(train)))]
    starts = [resume.step for resume in segments.resumes(case) if resume.step <= early]
    return train.between(starts[-1], float(train.steps[-1])) if starts else train


def evals_climb(evals: Curve | None, limits: Limits) -> bool:
    """The last two evaluations lie a fifth above the first."""
    if evals is None or len(evals) < 3:
        return False
    return bool(evals.values[-2:].min() > (1 + limits.climb) * evals.values[0] > 0)


def short_log(train: Curve, limits: Limits, *, alone: bool) -> Sequence[Evidence]:
    """Two rises and no net fall, or a steady climb. alone: neither the guide's table nor evaluations vouch for it."""
    before, after = train.values[:-1], train.values[1:]
    up = np.flatnonzero(after > before + limits.rise * np.abs(before))
    first, last = float(train.values[0]), float(train.values[-1])
    if alone and not last >= (1 + limits.climb) * first > 0:
        return ()  # batches scatter, and a score without a floor may climb
    if last >= first * (1 + 2 * limits.rise) > 0 and stats.mann_kendall(train.values).p_up < limits.p:
        up = np.flatnonzero(after > before)  # small steps, but up and up
    elif len(up) < limits.rises or last < first:
        return ()
    elif alone and stats.mann_kendall(train.values).p_up > limits.short_p:
        return ()  # outside the guide's table only a climb that goes on is one
    return [
        evidence(
            train,
            int(train.steps[up[0] + 1]),
            float(train.values[0]),
            float(train.values[-1]),
            float(train.values.max()),
            0.85,
        )
    ]


def eval_improves(evals: Curve, start: float) -> bool:
    """The evaluations fell clearly, also below where the train loss began: whatever the train loss does."""
    return len(evals) >= 2 and float(evals.values[-1]) < 0.95 * min(float(evals.values[0]), start)


def evidence(train: Curve, onset: int, start: float, end: float, peak: float, confidence: float) -> Evidence:
    return Evidence(
        steps=(onset, int(train.steps[-1])),
        tags=(train.tag,),
        numbers={"start": start, "end": end, "peak": peak, "net": end / start - 1 if start else 0.0},
        confidence=confidence,
        rival="divergence",
    )


RULE = Rule(
    id="STB001",
    guide=("C4a", "M1", "V1"),
    label="lr_too_high",
    severity=Severity.HIGH,
    tier=Tier.INSTABILITY,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.TRAIN_LOSS, 4),),
    message=N_(
        "Learning rate too high: train loss went from {start:.3g} up to {peak:.3g} and ends at {end:.3g}, above "
        "its start."
    ),
    variants={
        "won_back": N_(
            "Learning rate too high at first: train loss went from {start:.3g} up to {peak:.3g}, and the rest of the "
            "run only won that back ({end:.3g})."
        ),
        "thrown": N_(
            "Learning rate too high at first: train loss was thrown from {start:.3g} up to {peak:.3g} and was not back "
            "before step {last}."
        ),
    },
    remedies=(remedies.LR_TENTH, remedies.WARMUP, remedies.CLIP_GRADIENTS),
    not_in=("rl",),
)
