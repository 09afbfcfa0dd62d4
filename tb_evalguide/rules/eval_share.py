"""Evaluation takes a large part of the time.

## What it checks
The share of the active wall time that went into evaluations: as stated by the log (Hugging Face's `eval/runtime`), else
what passed between a train point and the evaluation written after it. Pauses are left out.

## Why it matters
Time spent on evaluating more often than anything changes is time not spent on training.

## What to do
Evaluate less often, or on a fixed sample of the validation set.

## When it is wrong
Evaluation generates text, and its samples are what the run is made for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tb_evalguide import remedies
from tb_evalguide.case import Case
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Need, Role, Rule, Severity, Skip, Text, Tier


@dataclass(frozen=True)
class Limits:
    share: float = 0.20  # of active wall time (failure-modes.md #38)
    seconds: float = 600.0  # total time in evaluation below which nothing is to be gained; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    cost = case.cost
    if cost.eval_share is None or cost.active_seconds is None:
        return Skip(Text(N_("the log does not tell evaluation from training time")))
    spent = cost.eval_share * cost.active_seconds
    if cost.eval_share <= limits.share or spent < limits.seconds:
        return ()
    evals = case.evals
    assert evals is not None  # needs
    numbers = {"share": cost.eval_share, "minutes": spent / 60, "each": spent / len(evals), "evals": len(evals)}
    return [
        Evidence(
            steps=(int(evals.steps[0]), int(evals.steps[-1])),
            tags=(evals.tag,),
            numbers=numbers,
            confidence=0.85,
            # the guide asks for fewer evaluations (P3); elsewhere how often to evaluate is the user's choice
            severity=None if case.is_guide else Severity.INFO,
        )
    ]


RULE = Rule(
    id="CST002",
    guide=("P3",),
    label="slow",
    severity=Severity.MEDIUM,
    tier=Tier.COST,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.EVAL_LOSS, 2),),
    message=N_(
        "Evaluation takes {share:.0%} of the time: {evals} evaluations of {each:.0f} s, {minutes:.0f} minutes in all."
    ),
    remedies=(remedies.EVALUATE_LESS, remedies.SMALLER_EVAL_SET),
)
