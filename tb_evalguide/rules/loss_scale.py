"""The loss scale of fp16 training collapses.

## What it checks
The logged loss scale after its first settling: a fall by 2⁵ without a rise in between, within twenty points, or a
scale that ends at 1 or below.

## Why it matters
The scaler halves its scale at every step whose gradients overflow, and skips that step. Five halvings in a row mean
that overflow has become the rule: the model is no longer trained, or is about to become NaN.

## What to do
Use bf16, whose range is that of fp32. Otherwise lower the learning rate and clip the gradients, and look for layers
whose activations grow.

## When it is wrong
The first steps, in which a scaler looks for its scale from a deliberately high value; these are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies
from tb_evalguide.case import Case
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Floats, Need, Role, Rule, Severity, Skip, Tier


@dataclass(frozen=True)
class Limits:
    halvings: int = 5  # in a row (failure-modes.md #19)
    window: int = 20  # points within which they happen; slower falls are the usual play of halving and doubling
    floor: float = 1.0  # the scale below which fp16 gains nothing from scaling; PyTorch's scaler may go on below it
    settled: int = 3  # equal or rising points that end the scaler's first search; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    curve = case.curve(Role.LOSS_SCALE)
    assert curve is not None  # needs
    values = curve.values
    first = search_end(values, limits.settled)
    rest = values[first:]
    if len(rest) < 2 or (rest <= 0).any():
        return ()
    peak, low = steepest(np.log2(rest), limits.window)
    fall = float(np.log2(rest[peak]) - np.log2(rest[low]))
    at_floor = bool((rest[-2:] <= limits.floor).all() and rest.max() >= 2**limits.halvings * limits.floor)
    if fall < limits.halvings and not at_floor:
        return ()
    recovered = bool(rest[-1] > rest[low] * 2**limits.halvings / 2) and not at_floor
    return [
        Evidence(
            steps=(int(curve.steps[first + peak]), int(curve.steps[first + low])),
            tags=(curve.tag,),
            numbers={"high": float(rest[peak]), "low": float(rest[low]), "halvings": round(fall)},
            confidence=0.9,
            severity=Severity.INFO if recovered else None,
            variant="recovered" if recovered else "",
        )
    ]


def search_end(values: Floats, settled: int) -> int:
    """Index at which the first search is over: the first of `settled` points in a row without a fall."""
    calm = np.concatenate([[False], np.diff(values) >= 0])
    count = 0
    for i, ok in enumerate(calm.tolist()):
        count = count + 1 if ok else 0
        if count >= settled:
            return i - settled
    return len(values)


def steepest(logs: Floats, window: int) -> tuple[int, int]:
    """(start, end) of the largest fall without a rise in between, at most `window` points long."""
    best, where = 0.0, (0, 0)
    start = 0
    for i in range(1, len(logs)):
        if logs[i] > logs[i - 1]:
            start = i
        start = max(start, i - window)
        if logs[start] - logs[i] > best:
            best, where = float(logs[start] - logs[i]), (start, i)
    return where


RULE = Rule(
    id="INT005",
    guide=("P1",),
    label="exploding_gradients",
    severity=Severity.CRITICAL,
    tier=Tier.INTEGRITY,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.LOSS_SCALE, 5),),
    message=N_(
        "The fp16 loss scale collapsed from {high:.0f} to {low:.3g} between steps {first} and {last}: gradients "
        "overflow at nearly every step."
    ),
    variants={"recovered": N_("The fp16 loss scale fell from {high:.0f} to {low:.3g} at step {last} and recovered.")},
    remedies=(remedies.USE_BF16, remedies.LR_TENTH, remedies.CLIP_GRADIENTS),
)
