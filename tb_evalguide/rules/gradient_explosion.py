"""The gradient norm explodes.

## What it checks
Points of the gradient norm more than 5 σ (on a log scale) and ten times above the median of the fifty before them, at
least two within five. It is a fault when the loss jumps with them and does not come straight back, and a warning when
the norm ends a thousand times above what was usual; otherwise it is information, and nothing within the warm-up.

## Why it matters
One huge step can undo thousands of small ones. What looks like bad luck in the loss is then seen where it starts.

## What to do
Clip the gradients (`max_grad_norm=1.0`, or near the 90th percentile of the norms of a quiet stretch), lower the
learning rate, and look at the batches at that step.

## When it is wrong
The first steps of a run, and norms logged before clipping: there high values are clipped away and do no harm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, shape, stats
from tb_evalguide.case import Case
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Need, Role, Rule, Severity, Skip, Tier


@dataclass(frozen=True)
class Limits:
    sigmas: float = 5.0  # on the log scale (ZClip; failure-modes.md #15)
    factor: float = 10.0  # times the median before; smaller ones are met in healthy runs; labelled runs
    window: int = 50  # points before that say what is usual; own choice
    of_five: int = 2  # that many of five neighbouring points (failure-modes.md #15)
    first: int = 10  # points at the start that are left out (failure-modes.md #15: 25 points; fewer for sparse logs)
    last: int = 5  # norms at the end whose median says where they stay; own choice
    beyond: float = 1000.0  # times the usual, at the end: about to break, though the loss does not show it; own choice
    large: float = 10.0  # guide V3: a norm above 10 is too large
    loss_rise: float = 0.10  # the loss level after, above that before: the jump did harm (as divergence)


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    grad = case.grad
    assert grad is not None  # needs
    positive = np.maximum(grad.values, 1e-300)
    high = unusual(np.log(positive), limits)
    near = np.convolve(high.astype(int), np.ones(5, int), "same") >= limits.of_five
    hits = np.flatnonzero(high & near)
    if not len(hits):
        return ()
    first = hits[0]
    usual = float(stats.median(grad.values[max(0, first - limits.window) : first]))
    step = int(grad.steps[first])
    harm = loss_after(case, step)
    last = float(stats.median(grad.values[-limits.last :]))
    ends_high = last > limits.beyond * max(usual, 1e-300) and last > limits.large
    harmless = harm <= limits.loss_rise and not ends_high
    warm = shape.warmup_end(case)
    if harmless and warm is not None and grad.steps[hits[-1]] < warm:
        return ()  # the warm-up mutes it (failure-modes.md, Suppressions)
    numbers = {
        "usual": usual,
        "peak": float(grad.values[hits].max()),
        "factor": float(grad.values[hits].max()) / max(usual, 1e-300),
        "count": len(hits),
        "loss_rise": harm,
    }
    return [
        Evidence(
            steps=(step, int(grad.steps[hits[-1]])),
            tags=(grad.tag,),
            numbers=numbers,
            confidence=0.93,
            severity=None if harm > limits.loss_rise else Severity.MEDIUM if ends_high else Severity.INFO,
            variant="" if harm > limits.loss_rise else "high" if ends_high else "harmless",
        )
    ]


def unusual(logs: np.ndarray, limits: Limits) -> np.ndarray:
    """Where a log-norm exceeds the median of the window before it by `sigmas` and by the factor."""
    high = np.zeros(len(logs), bool)
    usual: list[float] = []  # the window holds usual values only, so that an explosion does not become the norm
    block = max(1, len(logs) // 400)  # what is usual changes slowly: it is looked at anew 400 times a run
    threshold = np.inf
    for start in range(0, len(logs), block):
        if start >= limits.first and len(usual) >= limits.first:
            window = np.array(usual[-limits.window :])
            spread = max(stats.mad_sigma(window), 0.1)
            threshold = float(stats.median(window)) + max(limits.sigmas * spread, float(np.log(limits.factor)))
        part = logs[start : start + block]
        high[start : start + block] = part > threshold
        usual.extend(part[part <= threshold][-limits.window :].tolist())
    return high


def loss_after(case: Case, step: int) -> float:
    """Relative change of the loss's level at the end of the run against just before `step`; 0.0 when unknown."""
    curve = case.train
    if curve is None:
        return 0.0
    before = curve.values[curve.steps < step][-5:]
    after = curve.values[curve.steps >= step]
    if len(before) < 3 or len(after) < 3:
        return 0.0
    level = float(stats.median(before))
    tail = float(stats.median(after[-max(3, len(after) // 5) :]))
    return (tail - level) / abs(level) if level else 0.0


RULE = Rule(
    id="GRD001",
    guide=("P1", "V3"),
    label="exploding_gradients",
    severity=Severity.HIGH,
    tier=Tier.INSTABILITY,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.GRAD_NORM, 20),),
    message=N_(
        "Gradients exploded at step {first}: the norm went from {usual:.3g} to {peak:.3g}, and the loss has not "
        "come back since."
    ),
    variants={
        "high": N_(
            "Gradients explode from step {first} on: the norm went from {usual:.3g} to {peak:.3g} and stays there; the "
            "loss does not show it yet."
        ),
        "harmless": N_(
            "{count} gradient norms far above the usual {usual:.3g} (up to {peak:.3g}); the loss recovered."
        ),
    },
    remedies=(remedies.CLIP_GRADIENTS, remedies.LR_TENTH, remedies.CHECK_BATCHES),
)
