"""The loss of the reference model is still above 3.0.

## What it checks
The last level of the eval loss, or of the train loss where there is none, against the guide's 3.0 (strictly above).
An eval loss that climbed there while train loss fell is overfitting.

## Why it matters
In the guide's fine-tuning a loss above 3.0 is the initial state: the model has not begun to learn.

## What to do
Check the chat template, the tokenizer and the labels, then the learning rate.

## When it is wrong
For any other model, tokenizer or language: the number is the reference model's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tb_evalguide import remedies, stats
from tb_evalguide.case import Case
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Rule, Severity, Skip, Text, Tier
from tb_evalguide.rules import overfitting


@dataclass(frozen=True)
class Limits:
    loss: float = 3.0  # guide M7, strict


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    curve = case.evals if case.evals is not None else case.train
    if curve is None or len(curve) < 4:
        return Skip(Text(N_("fewer than {points} points of any loss"), {"points": 4}))
    end = curve.tail()
    if not stats.above(end, limits.loss) or overfitting.turned_away(case):
        return ()
    return [
        Evidence(
            steps=(int(curve.steps[0]), int(curve.steps[-1])),
            tags=(curve.tag,),
            numbers={"end": end, "limit": limits.loss},
            confidence=0.8,
        )
    ]


RULE = Rule(
    id="LRN005",
    guide=("M7",),
    label="underfitting",
    severity=Severity.HIGH,
    tier=Tier.NOT_LEARNING,
    doc=__doc__,
    limits=Limits(),
    check=check,
    message=N_("Not learning: the loss is still {end:.3g}, above {limit:g}, the initial state of the reference model."),
    remedies=(remedies.CHECK_LABELS, remedies.LR_RAISE),
    profiles=("guide",),
)
