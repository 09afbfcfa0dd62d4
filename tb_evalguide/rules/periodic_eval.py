"""The loss comes and goes in a fixed rhythm.

## What it checks
The autocorrelation of the losses about their local level: a lag at which it is high, again at twice that lag, and not
at half of it. Both the evaluations and the train loss are looked at.

## Why it matters
A rhythm comes from the order of the data: they are not shuffled anew, evaluations fall at different places of an
epoch, or the logging interval and the length of an epoch have a common divisor, so that the same odd last batch is
logged again and again. What looks like noise or spikes is then none.

## What to do
Shuffle the training data in every epoch, evaluate at a fixed place of the epoch, and log the mean since the last
logged step instead of a single batch.

## When it is wrong
A cyclic learning rate has a rhythm by design.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, stats
from tb_evalguide.case import Case, Curve
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Floats, Rule, Severity, Skip, Text, Tier


@dataclass(frozen=True)
class Limits:
    evals: int = 16  # (failure-modes.md #33)
    points: int = 30  # of the train loss; own choice
    correlation: float = 0.5  # at the period; and at least 4/√n, which noise reaches at no lag of thousands; own choice
    periods: int = 4  # of that rhythm in the log, else it is a wave or two; own choice
    swing: float = 0.02  # of the level: a rhythm smaller than this is of no interest; own choice
    longest: int = 500  # points of period looked for: longer rhythms are trends to the eye; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    found: list[Evidence] = []
    looked = False
    for curve, least, variant in ((case.evals, limits.evals, ""), (case.train, limits.points, "train")):
        if curve is None or len(curve) < least:
            continue
        looked = True
        hit = rhythm(curve, limits)
        if hit is not None:
            period, correlation, swing = hit
            steps = (int(curve.steps[0]), int(curve.steps[-1]))
            every = period * float(stats.median(np.diff(curve.steps)))
            numbers = {"period": period, "every": every, "correlation": correlation, "swing": swing}
            found.append(Evidence(steps=steps, tags=(curve.tag,), numbers=numbers, confidence=0.7, variant=variant))
    if not looked:
        params = {"evals": limits.evals, "points": limits.points}
        return Skip(Text(N_("fewer than {evals} evaluations and {points} train points"), params))
    return found


def rhythm(curve: Curve, limits: Limits) -> tuple[int, float, float] | None:
    """(period in points, autocorrelation there, size of the swing as a share of the level), or None."""
    values = curve.values[-2000:]
    n = len(values)
    longest = min(n // limits.periods, limits.longest, (n - 2) // 2)  # its double must be a lag, too
    level = abs(float(stats.median(values)))
    # differences leave no trend; a rhythm of sharp steps stays what it was
    steps = np.diff(values)
    cap = 5 * stats.mad_sigma(steps)
    if longest < 2 or cap <= 0 or level == 0:
        return None
    acf = autocorrelation(np.clip(steps, -cap, cap), 2 * longest)
    need = max(limits.correlation, 4 / math.sqrt(n))
    lags = np.arange(2, longest + 1)
    peaks = acf[lags]
    higher = (peaks >= acf[lags - 1]) & (peaks >= acf[lags + 1])
    good = lags[higher & (peaks > need) & (acf[2 * lags] > 0.7 * need) & (acf[lags // 2] < 0.5 * peaks)]
    if not len(good):
        return None
    period = int(good[0])
    size = swing(values, period) / level
    return (period, float(acf[period]), size) if size >= limits.swing else None


def swing(values: Floats, period: int) -> float:
    """Distance between the highest and the lowest phase of the rhythm, each the median of its points off the level."""
    rest = values - stats.running_median(values, 2 * period + 1)
    phases = [float(stats.median(rest[k::period])) for k in range(period)]
    return max(phases) - min(phases)


def autocorrelation(values: Floats, lags: int) -> Floats:
    """Autocorrelation at lags 0 … lags, by FFT; unbiased by the shrinking overlap."""
    n = len(values)
    d = values - values.mean()
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(d, size)
    raw = np.fft.irfft(np.abs(spectrum) ** 2, size)[: lags + 1]
    variance = raw[0] / n
    if variance <= 0:
        return np.zeros(lags + 1)
    out: Floats = raw / (n - np.arange(len(raw))) / variance
    return out


RULE = Rule(
    id="CNV004",
    guide=("Z7",),
    label="oscillation",
    severity=Severity.INFO,
    tier=Tier.CONVERGENCE,
    doc=__doc__,
    limits=Limits(),
    check=check,
    message=N_(
        "Eval loss has a rhythm of {period} evaluations ({every:.0f} steps), ±{swing:.0%}: shuffle the data, "
        "evaluate at a fixed place of the epoch."
    ),
    variants={
        "train": N_(
            "Train loss has a rhythm of {period} logged points ({every:.0f} steps), ±{swing:.0%}: probably the "
            "same batches are logged again and again."
        ),
    },
    remedies=(remedies.SHUFFLE,),
    not_in=("rl",),
)
