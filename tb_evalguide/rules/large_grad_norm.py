"""The gradient norm is large throughout.

## What it checks
The median of the gradient norms against 10 (guide, V3), in fine-tuning and language-model training only; elsewhere
the size of a norm means nothing by itself. Without clipping in the log it is a warning in the guide's profile;
otherwise, and where only single norms are above, it is information.

## Why it matters
Steps in proportion to such gradients move the weights far from what was pretrained. Clipping keeps their length in
check.

## What to do
Clip the gradients (`max_grad_norm=1.0`). Where that is set already, the large norms are clipped before they do harm:
then look at the learning rate and at the data, or leave it.

## When it is wrong
The logged norm is usually the one before clipping. Losses that are summed over tokens, not averaged, have large
gradients by definition."""

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
    norm: float = 10.0  # guide V3: too large above it
    share: float = 0.05  # of the points above it that is worth an information (failure-modes.md #16: p95)
    unstable: float = 0.02  # the loss ends this far above its start: the large norms do harm; as STB001's net rise


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    grad = case.grad
    assert grad is not None  # needs
    high = grad.values > limits.norm
    if high.mean() < limits.share:
        return ()
    median = float(stats.median(grad.values))
    throughout = median > limits.norm
    clip = case.number("max_grad_norm", "gradient_clip_val", "grad_clip", "clip_grad", "clip_grad_norm", "clip_norm")
    clipped = clip is not None and 0 < clip <= limits.norm
    loss = case.train
    harm = loss is not None and len(loss) >= 10 and loss.tail() > (1 + limits.unstable) * abs(float(loss.values[0]))
    if throughout and not clipped and case.is_guide:
        severity = Severity.HIGH if harm else Severity.MEDIUM
    else:
        severity = Severity.INFO
    return [
        Evidence(
            steps=(int(grad.steps[np.argmax(high)]), int(grad.steps[-1])),
            tags=(grad.tag,),
            numbers={"median": median, "share": float(high.mean()), "limit": limits.norm, "clip": clip or 0.0},
            confidence=0.8,
            severity=severity,
            variant="clipped" if clipped else "" if throughout else "single",
        )
    ]


RULE = Rule(
    id="GRD002",
    guide=("V3", "P1"),
    label="exploding_gradients",
    severity=Severity.MEDIUM,
    tier=Tier.INSTABILITY,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.GRAD_NORM, 10),),
    message=N_("The gradient norm is large throughout (median {median:.3g}, above {limit:g}): clipping is needed."),
    variants={
        "single": N_("{share:.0%} of the gradient norms are above {limit:g} (median {median:.3g})."),
        "clipped": N_(
            "{share:.0%} of the gradient norms are above {limit:g} before clipping at {clip:g}, which takes effect "
            "on them."
        ),
    },
    remedies=(remedies.CLIP_GRADIENTS, remedies.LR_TENTH),
    profiles=("guide", "llm-sft", "pretrain"),
)
