"""Single points stand far above the curve and the next one is back.

## What it checks
Train and eval points at least half as high again as the level around them and 8 σ above it, whose neighbours are not.
Points a thousand times above it, again and again, are a fault: no batch is that hard.

## Why it matters
Mostly it does not: one odd batch. Many of them hint at bad samples in the data.

## What to do
Nothing for one or two. If they come again and again, look at the batches at these steps.

## When it is wrong
Each logged point may be one batch: then outliers are the batches' own spread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, stats
from tb_evalguide.case import Case, Curve
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Rule, Severity, Skip, Text, Tier


@dataclass(frozen=True)
class Limits:
    factor: float = 1.5  # times the level around it; smaller outliers are a batch's own spread; own choice
    sigmas: float = 8.0  # failure-modes.md #10 asks 7 where points are averages; one more for single batches
    points: int = 20  # fewer points give no level to stand out from
    recurrent: float = 0.01  # of the evaluations: so many outliers on a fixed set are a fault …
    often: int = 10  # … but not fewer than that; own choice
    height: float = 2.0  # times the level: recurrent outliers that count; own choice
    absurd: float = 1000.0  # times the level: no batch of the same data is that hard; own choice
    absurd_start: float = 10.0  # times the first level, too: near 0 a thousand times the level is nothing; own choice
    absurd_count: int = 2  # of these in a row of single batches are a fault; own choice
    absurd_points: int = 10  # points that show such a level, where they do not show a spread; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    losses = [c for c in (case.train, case.evals) if c is not None]
    curves = [c for c in losses if len(c) >= limits.points]
    blown = [found for c in losses if len(c) >= limits.absurd_points for found in blow_ups(c, limits)]
    if blown:
        return blown
    if not curves:
        return Skip(Text(N_("fewer than {points} points of any loss"), {"points": limits.points}))
    found = []
    for curve in curves:
        hits = outliers(curve, limits)
        if not len(hits):
            continue
        level = stats.running_median(curve.values, 7)
        found.append(
            Evidence(
                steps=(int(curve.steps[hits[0]]), int(curve.steps[hits[-1]])),
                tags=(curve.tag,),
                numbers=heights(curve, hits, level),
                confidence=0.9,
                # train points are batches, and some batches are hard; an eval set is the same every time
                severity=Severity.MEDIUM if curve is case.evals and recurrent(curve, hits, level, limits) else None,
                variant="" if len(hits) == 1 else "many",
            )
        )
    return found


def heights(curve: Curve, hits: np.ndarray, level: np.ndarray) -> dict[str, float]:
    """How many points stand out, and the highest of them above its level."""
    top = hits[int(np.argmax(curve.values[hits] - level[hits]))]
    where, peak = int(curve.steps[top]), float(curve.values[top])
    return {"count": len(hits), "step": where, "peak": peak, "level": float(level[top])}


def blow_ups(curve: Curve, limits: Limits) -> Sequence[Evidence]:
    """Single points a thousand times above the seven around them, again and again: a computation that overflows."""
    if (curve.values <= 0).any():
        return ()  # a score about 0, or a loss of nothing for most batches: no factor means anything there
    level = stats.running_median(curve.values, 7)
    # above where the run began as well: a thousand times next to nothing may be an ordinary hard batch
    floor = limits.absurd_start * abs(curve.start)
    high = curve.values > np.maximum(limits.absurd * np.maximum(level, 1e-300), floor)
    high[:2] = False  # the first fall
    hits = np.flatnonzero(high)
    if len(hits) < limits.absurd_count or not (level[hits] > 0).all():
        return ()
    return [
        Evidence(
            steps=(int(curve.steps[hits[0]]), int(curve.steps[hits[-1]])),
            tags=(curve.tag,),
            numbers=heights(curve, hits, level),
            confidence=0.8,
            severity=Severity.MEDIUM,
            variant="absurd",
        )
    ]


def recurrent(evals: Curve, hits: np.ndarray, level: np.ndarray, limits: Limits) -> bool:
    """The evaluations jump again and again, and far; smaller jumps between those take nothing from them."""
    far = evals.values[hits] >= limits.height * np.maximum(np.abs(level[hits]), 1e-300)
    return bool(far.sum() >= max(limits.often, limits.recurrent * len(evals)))


def outliers(curve: Curve, limits: Limits) -> np.ndarray:
    """Indices of points that stand alone (at most two in a row) far above the median of the seven around them."""
    level = stats.running_median(curve.values, 7)
    excess = curve.values - level
    sigma = max(curve.noise, 0.002 * float(stats.median(np.abs(curve.values))))
    relative = curve.log_noise
    high = (excess > limits.sigmas * sigma) & (excess > (limits.factor - 1) * np.abs(level))
    if (curve.values > 0).all():
        high &= np.log(curve.values / np.maximum(level, 1e-300)) > limits.sigmas * relative
    high[: max(3, len(curve) // 50)] = False  # the first fall
    alone = [np.arange(a, b) for a, b in stats.runs_of(high) if b - a <= 2]
    return np.concatenate(alone) if alone else np.empty(0, int)


RULE = Rule(
    id="STB004",
    label="spike",
    severity=Severity.INFO,
    tier=Tier.INSTABILITY,
    doc=__doc__,
    limits=Limits(),
    check=check,
    message=N_(
        "One isolated spike at step {step}: {peak:.3g} where the curve lies at {level:.3g}; the next point is back."
    ),
    variants={
        "absurd": N_(
            "The loss blows up on single batches: {count} times between steps {first} and {last}, to {peak:.3g} at "
            "step {step}, where the curve lies at {level:.3g}."
        ),
        "many": N_(
            "{count} isolated spikes between steps {first} and {last}, the highest {peak:.3g} at step {step} "
            "over a level of {level:.3g}; each recovers at once."
        ),
    },
    remedies=(remedies.CHECK_BATCHES,),
    not_in=("rl",),
)
