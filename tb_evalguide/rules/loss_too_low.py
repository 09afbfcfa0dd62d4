"""The train loss of the reference model is below 0.3.

## What it checks
The last level of the train loss against the guide's 0.3 (strictly below). When the eval loss is as low, it is
information: the task is easy, or the eval set leaks into the training set. So is it without an eval loss, unless you
named the guide's profile: a low loss alone proves nothing about other models.

## Why it matters
So low a loss on text usually means that the training samples are known by heart.

## What to do
Compare samples from the eval set, look for duplicates between the two sets, and prefer an earlier checkpoint.

## When it is wrong
Short or templated answers, classification by a language model, and code: there 0.3 is nothing special.
"""

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
    loss: float = 0.3  # guide M6, strict
    gap: float = 0.15  # guide C1: a steady gap; below it the low loss holds on new data, too


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    train = case.train
    assert train is not None  # needs
    end = train.tail()
    if not stats.below(end, limits.loss):
        return ()
    level = np.flatnonzero(train.level < limits.loss)
    first = int(train.steps[level[0]]) if len(level) else int(train.steps[-1])
    gaps = case.gaps[np.isfinite(case.gaps)]
    small_gap = len(gaps) > 0 and float(gaps[-1]) <= limits.gap
    # the guide's limit is its reference model's: where nobody said that this is one, a low loss alone proves nothing
    alone = len(gaps) == 0 and case.profile.chosen_by != "user"
    return [
        Evidence(
            steps=(first, int(train.steps[-1])),
            tags=(train.tag,),
            numbers={"end": end, "limit": limits.loss},
            confidence=0.6,
            severity=Severity.INFO if small_gap or alone else None,
            variant="small_gap" if small_gap else "alone" if alone else "",
        )
    ]


RULE = Rule(
    id="OVF006",
    guide=("M6",),
    label="overfitting",
    severity=Severity.MEDIUM,
    tier=Tier.GENERALISATION,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.TRAIN_LOSS, 4),),
    message=N_("Possible overfitting: train loss is {end:.3g}, below {limit:g}."),
    variants={
        "alone": N_(
            "Train loss is {end:.3g}, below {limit:g}: an easy or templated task, or memorising. Only an eval loss can "
            "tell."
        ),
        "small_gap": N_(
            "Train loss is {end:.3g}, below {limit:g}, and eval loss as low: an easy task, or eval samples in "
            "the training set."
        ),
    },
    remedies=(remedies.CHECK_LEAKAGE, remedies.USE_BEST_CHECKPOINT),
    profiles=("guide",),
)
