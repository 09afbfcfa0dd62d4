"""Most gradients are clipped.

## What it checks
The share of gradient norms above the clip value that the log states; or, where the norm was logged after clipping,
the share that sits exactly at the largest value.

## Why it matters
When nearly every step is clipped, its length is set by the clip value and no longer by the gradient: the effective
learning rate is lower than the one in the settings, and it changes when the clip value does.

## What to do
Usually nothing: many good runs are clipped most of the time. If the loss is unstable, lower the learning rate; if
learning is slow, raise the clip value towards the median of the norms.

## When it is wrong
A norm above the clip value does not mean that clipping failed: what is logged is almost always the norm before
clipping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, stats
from tb_evalguide.case import Case
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Need, Role, Rule, Severity, Skip, Tier


@dataclass(frozen=True)
class Limits:
    share: float = 0.5  # of the points above the clip value (failure-modes.md #17)
    pinned: float = 0.005  # distance from the clip value that counts as "at it" (failure-modes.md #17)


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    grad = case.grad
    assert grad is not None  # needs
    clip = case.number("max_grad_norm", "gradient_clip_val", "grad_clip", "clip_grad", "clip_grad_norm", "clip_norm")
    steps = (int(grad.steps[0]), int(grad.steps[-1]))
    top = float(grad.values.max())
    at_top = float((grad.values >= top * (1 - limits.pinned)).mean())
    if at_top > limits.share and top > 0 and float(np.ptp(grad.values)) > limits.pinned * top:
        numbers = {"clip": top, "share": at_top, "median": float(stats.median(grad.values))}
        return [Evidence(steps=steps, tags=(grad.tag,), numbers=numbers, confidence=0.9, variant="pinned")]
    if clip is None or clip <= 0:
        return ()
    above = float((grad.values > clip).mean())
    if above <= limits.share:
        return ()
    numbers = {"clip": clip, "share": above, "median": float(stats.median(grad.values))}
    return [Evidence(steps=steps, tags=(grad.tag,), numbers=numbers, confidence=0.9)]


RULE = Rule(
    id="GRD003",
    guide=("V3",),
    label="exploding_gradients",
    severity=Severity.INFO,
    tier=Tier.INSTABILITY,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.GRAD_NORM, 50),),
    message=N_(
        "{share:.0%} of the steps are clipped at {clip:g} (median norm before clipping {median:.3g}): clipping "
        "sets the step size."
    ),
    variants={
        "pinned": N_(
            "{share:.0%} of the logged gradient norms are exactly {clip:.3g}: the norm is logged after clipping, "
            "and clipping sets the step size."
        ),
    },
    remedies=(remedies.LR_TENTH,),
)
