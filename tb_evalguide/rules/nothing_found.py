"""What the model should find it never finds: F1, recall, IoU or mAP stay at nothing.

## What it checks
The evaluated metrics that count what was found: F1, precision, recall, IoU, Dice and mAP. It fires where none of them
ever exceeded 1 % in at least eight evaluations. Accuracy is left out, as it is high where most answers are "no", and so
is a recall or precision at k, which is small by nature.

## Why it matters
A loss can fall far while the model only learns to answer "no" or "background", which is right nearly always. A run
that looks well by its loss alone then delivers nothing.

## What to do
Check that labels reach the loss and the metric (class ids, mask values, box format), weigh the rare class more or
sample it more often, look at the threshold of the metric, and overfit ten samples first.

## When it is wrong
Detectors that start from nothing may need many epochs for their first hit; a metric that is computed wrongly says
nothing about the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tb_evalguide import remedies
from tb_evalguide.case import Case, Curve
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Rule, Severity, Skip, Text, Tier
from tb_evalguide.roles.names import words_of

COUNTS_FOUND = frozenset({"f1", "precision", "recall", "iou", "miou", "meaniou", "jaccard", "dice", "map", "map50"})


@dataclass(frozen=True)
class Limits:
    evals: int = 8  # labelled runs: every healthy one but one of low confidence had found something by its seventh
    nothing: float = 0.01  # of all there is to find; labelled runs: all but one that stayed below were read as faults


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    counts = [choice for choice in case.metrics if choice.greater_is_better and counts_found(choice.tag)]
    curves = [curve for curve in (Curve.of(choice.series) for choice in counts) if len(curve) >= limits.evals]
    if not curves:
        return Skip(
            Text(N_("no F1, precision, recall, IoU, Dice or mAP with {evals} evaluations"), {"evals": limits.evals})
        )
    # one class of many, or a threshold of many, may find nothing where the others do
    best = max(float(curve.values.max()) for curve in curves)
    if best > limits.nothing or min(float(curve.values.min()) for curve in curves) < 0:
        return ()
    curve = max(curves, key=lambda c: float(c.values.max()))
    return [
        Evidence(
            steps=(int(curve.steps[0]), int(curve.steps[-1])),
            tags=tuple(c.tag for c in curves),
            numbers={"best": best, "evals": len(curve)},
            words={"metric": curve.tag},
            confidence=0.75,
            variant="" if best > 0 else "zero",
        )
    ]


def counts_found(tag: str) -> bool:
    """The metric counts what was found, and not among the first k answers, of which few can be right."""
    words = words_of(tag)
    first_k = "@" in tag or any(a in {"precision", "recall"} and b.isdigit() for a, b in zip(words, words[1:]))
    return not COUNTS_FOUND.isdisjoint(words) and not first_k


RULE = Rule(
    id="LRN006",
    guide=("K4",),
    label="underfitting",
    severity=Severity.MEDIUM,
    # anything else that is wrong says why nothing is found
    tier=Tier.CONVERGENCE,
    doc=__doc__,
    limits=Limits(),
    check=check,
    message=N_("Nothing is found: {metric} never exceeded {best:.2%} in {evals} evaluations, whatever the loss says."),
    variants={"zero": N_("Nothing is found: {metric} was 0 at all {evals} evaluations, whatever the loss says.")},
    remedies=(remedies.CHECK_TARGETS, remedies.RARE_CLASS, remedies.OVERFIT_TEN),
    not_in=("rl",),
)
