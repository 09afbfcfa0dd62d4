"""The gradients vanish while the loss is still high.

## What it checks
The gradient norm's level at the end: below 1e-7, or a hundredth of its level early in the run; and whether the loss
has fallen in return. It is a fault only when the loss stayed above half of its start and stands still.

## Why it matters
Without gradients nothing is learned: dead units, saturated activations, a bad initialisation, or a graph that was cut
off by a detached tensor.

## What to do
Check the initialisation, the normalisation and the activations; check that the trained parameters are reached by the
gradient; if one early jump killed the model, start again with a lower learning rate and a warm-up.

## When it is wrong
A model that has learned its data by heart has no gradient left; a loss near zero explains it. A norm that is logged
after scaling or averaging may be small by definition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, stats
from tb_evalguide.case import Case, Curve
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Need, Role, Rule, Severity, Skip, Tier


@dataclass(frozen=True)
class Limits:
    tiny: float = 1e-7  # an absolute norm below which nothing moves in fp32 (failure-modes.md #18)
    factor: float = 100.0  # fall of the median (failure-modes.md #18)
    loss_left: float = 0.5  # of the first loss; below it the gradients had something to show for it; own choice
    still: float = 0.02  # relative change of the loss over the stretch with no gradient that counts as none; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    grad, loss = case.grad, case.train
    assert grad is not None and loss is not None  # needs
    # the very first norms are often the largest of all: the level after them says what was usual
    skip = min(len(grad) // 20, 10)
    early = float(stats.median(grad.values[skip : skip + max(5, len(grad) // 5)]))
    end = grad.tail(0.2, 4)
    fell = end < early / limits.factor
    if not (fell or end < limits.tiny):
        return ()
    onset = onset_of(grad, max(limits.tiny, early / limits.factor if fell else 0.0))
    during = loss.between(onset, float(loss.steps[-1]))
    start, last = float(loss.values[0]), loss.tail(0.1, 2)
    high = start > 0 and last > limits.loss_left * start
    still = len(during) >= 4 and abs(during.head(0.25, 2) - during.tail(0.25, 2)) <= limits.still * abs(last)
    fault = high and still
    if not fault and not fell:
        return ()  # norms that were as small from the first on say nothing of what was learned
    return [
        Evidence(
            steps=(onset, int(grad.steps[-1])),
            tags=(grad.tag, loss.tag),
            numbers={"early": early, "end": end, "loss_start": start, "loss_end": last},
            confidence=0.85 if fault else 0.6,
            severity=None if fault else Severity.INFO,
            variant="" if fault else "learned",
        )
    ]


def onset_of(grad: Curve, limit: float) -> int:
    """First step from which on the level of the norm stays at or below the limit."""
    above = np.flatnonzero(grad.level > limit)
    return int(grad.steps[min(int(above[-1]) + 1, len(grad) - 1)]) if len(above) else int(grad.steps[0])


RULE = Rule(
    id="GRD004",
    guide=("V3",),
    label="vanishing_gradients",
    severity=Severity.HIGH,
    tier=Tier.INSTABILITY,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.GRAD_NORM, 20), Need(Role.TRAIN_LOSS, 20)),
    message=N_(
        "The gradients vanished at step {first} ({early:.2g} → {end:.2g}) while the loss stands at {loss_end:.3g}: "
        "nothing is learned any more."
    ),
    variants={
        "learned": N_(
            "The gradient norm fell from {early:.2g} to {end:.2g} as the loss went from {loss_start:.3g} to "
            "{loss_end:.3g}."
        ),
    },
    remedies=(remedies.CHECK_INIT, remedies.CHECK_FROZEN, remedies.WARMUP),
    not_in=("rl",),
)
