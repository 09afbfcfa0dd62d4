"""A share of right answers lies above one.

## What it checks
IoU and Dice of training or evaluation, and where a loss lies below 0 accuracy, F1, precision, recall and AUC, too:
three values or more between 0.3 and 1, and three or more between 1.02 and 3, as hardly any score in per cent has.

## Why it matters
The targets are on another scale than the model's outputs: masks of 0 to 255 in place of 0 to 1 are the usual cause. The
loss is then wrong in the same way (a cross-entropy below 0), and what is learned is not what was meant.

## What to do
Scale masks and labels to 0 and 1 (divide images of masks by 255, or compare with a threshold), and check the metric's
own code. Then train again.

## When it is wrong
A score in per cent of a model that never gets beyond 3 %, or a metric that only shares its name with these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies
from tb_evalguide.case import Case
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Rule, Severity, Skip, Text, Tier
from tb_evalguide.roles.names import LOSS_WORDS, read_name, word_set

OVERLAPS = word_set("iou miou jaccard dice")
SHARES = OVERLAPS | word_set("accuracy acc f1 precision recall sensitivity specificity auc auroc")
# What else such a name may hold. Any other word may make it something else: a threshold, a rate, a part of a loss.
BESIDE = word_set(
    "score coef coefficient index macro micro binary categorical sparse class classifier segmentation mask"
)
AXES = word_set("x y z")


@dataclass(frozen=True)
class Limits:
    points: int = 3  # on either side of 1; own choice
    least: float = 0.3  # scores below it may be a few per cent; own choice
    above: float = 1.02  # rounding and smoothing terms of a Dice score reach a little above 1; own choice
    most: float = 3.0  # scores in per cent lie beyond; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    shares = SHARES if negative_loss(case) else OVERLAPS
    scores = [
        series for run in case.training.runs for tag, series in sorted(run.series.items()) if is_share(tag, shares)
    ]
    if not scores:
        return Skip(
            Text(N_("no score of overlap in the log, nor another share of right answers beside a loss below 0"))
        )
    for series in scores:
        finite = np.isfinite(series.values)
        values = series.values[finite]
        possible = np.count_nonzero((values >= limits.least) & (values <= 1))
        above = finite & (series.values > limits.above)
        if values.max(initial=0.0) > limits.most or min(possible, np.count_nonzero(above)) < limits.points:
            continue
        return [
            Evidence(
                steps=(int(series.steps[above][0]), int(series.steps[-1])),
                tags=(series.tag,),
                numbers={"value": float(values.max()), "count": int(np.count_nonzero(above))},
                words={"tag": series.tag},
                confidence=0.85,
            )
        ]
    return ()


def is_share(tag: str, shares: frozenset[str]) -> bool:
    """The name says a share of right answers and nothing that could make it another quantity."""
    words = read_name(tag)
    plain = words.kind == "" and not words.derived and AXES.isdisjoint(words.words)
    return plain and LOSS_WORDS.isdisjoint(words.words) and bool(words.rest & shares) and words.rest <= SHARES | BESIDE


def negative_loss(case: Case) -> bool:
    """A loss falls below 0, as a cross-entropy does where the targets exceed 1: a second witness."""
    return any(curve is not None and len(curve) and curve.values.min() < 0 for curve in (case.train, case.evals))


RULE = Rule(
    id="INT007",
    label="data_integrity",
    severity=Severity.MEDIUM,
    tier=Tier.CONVERGENCE,  # it explains nothing else that is found
    doc=__doc__,
    limits=Limits(),
    check=check,
    message=N_(
        "{tag} reaches {value:.3g}, and a share of right answers cannot exceed 1: check the scale of the targets."
    ),
    remedies=(remedies.SCALE_TARGETS,),
)
