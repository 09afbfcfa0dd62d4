"""The eval loss of the reference model lies more than 0.5 above the train loss.

## What it checks
The gap at the last evaluation against the guide's 0.5 (strictly above). The train loss is the level around that
evaluation, so that a lagging average is not read as a gap.

## Why it matters
The guide calls this overfitting: the model does far better on what it has seen than on what it has not.

## What to do
Use the checkpoint with the lowest eval loss, then regularise or stop earlier.

## When it is wrong
Train and eval data of different kinds or difficulty have a gap from the first evaluation on; watch whether it grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, stats
from tb_evalguide.case import Case
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Need, Role, Rule, Severity, Skip, Text, Tier


@dataclass(frozen=True)
class Limits:
    gap: float = 0.5  # guide M8 and Z3, strict
    constant: float = (
        0.8  # of the last gap: one this large from the first evaluation on is a shift between the sets; own
    )


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    evals = case.evals
    assert evals is not None  # needs
    gaps = case.gaps
    known = np.flatnonzero(np.isfinite(gaps))
    if not len(known):
        return Skip(Text(N_("no train loss near any evaluation")))
    gap = float(gaps[known[-1]])
    if not stats.above(gap, limits.gap):
        return ()
    first = known[int(np.flatnonzero(gaps[known] > limits.gap)[0])]
    shifted = len(known) >= 4 and float(gaps[known[0]]) > limits.constant * gap
    falling = float(evals.values[-1]) <= float(np.min(evals.values)) * 1.01
    return [
        Evidence(
            steps=(int(evals.steps[first]), int(evals.steps[-1])),
            tags=(evals.tag,),
            numbers={"gap": gap, "limit": limits.gap, "eval": float(evals.values[-1])},
            confidence=0.6 if falling else 0.85,
            severity=Severity.INFO if shifted and falling else (Severity.MEDIUM if falling else None),
            variant="falling" if falling else "",
        )
    ]


RULE = Rule(
    id="OVF007",
    guide=("M8", "V4", "Z3"),
    label="overfitting",
    severity=Severity.HIGH,
    tier=Tier.GENERALISATION,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.EVAL_LOSS, 1), Need(Role.TRAIN_LOSS, 1)),
    message=N_("Overfitting: eval loss {eval:.3g} lies {gap:.2f} above train loss, more than {limit:g}."),
    variants={
        "falling": N_(
            "Eval loss {eval:.3g} lies {gap:.2f} above train loss, more than {limit:g}, though it still falls."
        )
    },
    remedies=(
        remedies.USE_BEST_CHECKPOINT,
        remedies.EARLY_STOPPING,
        remedies.LORA_DROPOUT,
        remedies.WEIGHT_DECAY,
        remedies.FEWER_EPOCHS,
    ),
    profiles=("guide",),
)
