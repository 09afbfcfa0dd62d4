"""The eval metric falls past its best while training goes on improving.

## What it checks
Only where no eval loss was logged: an evaluated metric whose direction is known, smoothed by a median of three,
against its end. It fires when the loss of quality is several times the metric's own noise and at least 5 % of its best
value, and the same metric on the training data (else the train loss) did not get worse with it. An accuracy below 70 %
that never gained anything, as no other metric did, while train loss went to less than a twentieth of its start, is the
same fault.

## Why it matters
The model learns the training examples by heart. Without an eval loss the metric is the only witness of it.

## What to do
Use the checkpoint at the best metric, log the eval loss as well, and regularise or train for fewer epochs.

## When it is wrong
A tiny eval set, whose metric jumps by itself, or a metric with a threshold that drifts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, shape, stats
from tb_evalguide.case import Case, Curve
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Role, RoleChoice, Rule, Severity, Skip, Text, Tier


@dataclass(frozen=True)
class Limits:
    evals: int = 8  # fewer tell no fall from noise; as OVF001, whose prior for few evaluations metrics do not have
    sigmas: float = 4.0  # of the metric's own noise, for the end against the best; own choice
    relative: float = 0.05  # of the best value: a fall that anybody would see; own choice
    by_heart: float = 0.05  # of its start, below which train loss has gone to nearly nothing; own choice
    room: float = 0.7  # first accuracy from which on there was little to gain; as LRN004's `able`
    after: int = 3  # evaluations after the best; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    if case.evals is not None:
        return Skip(Text(N_("there is an eval loss: it is judged instead")))
    known = [c for c in _evaluated(case) if len(Curve.of(c.series)) >= limits.evals]
    if not known:
        return Skip(Text(N_("no quality metric with a known direction is evaluated")))
    for choice in known:
        found = falls(case, choice, limits)
        if found is not None:
            return [found]
    accuracy = case.roles.choices.get(Role.EVAL_ACCURACY)
    if accuracy is None or accuracy not in known or any(gained(choice, limits) for choice in known):
        return ()
    return learned_by_heart(case, accuracy, limits)


def _evaluated(case: Case) -> list[RoleChoice]:
    """The evaluated metrics, better ones first: the accuracy, then what else has a known direction."""
    accuracy = case.roles.choices.get(Role.EVAL_ACCURACY)
    others = [choice for choice in case.metrics if choice.greater_is_better is not None]
    return ([accuracy] if accuracy is not None else []) + [c for c in others if c is not accuracy]


def falls(case: Case, choice: RoleChoice, limits: Limits) -> Evidence | None:
    curve = Curve.of(choice.series)
    sign = -1.0 if choice.greater_is_better is False else 1.0
    quality = sign * stats.running_median(curve.values, 3)
    best = int(np.argmax(quality))
    if len(curve) - 1 - best < limits.after:
        return None
    top, end = float(curve.values[best]), float(stats.median(curve.values[-max(3, len(curve) // 10) :]))
    lost = float(quality[best]) - sign * end
    if lost <= 0 or lost < max(limits.sigmas * curve.noise, limits.relative * abs(top)):
        return None
    if _train_falls(case, curve, best):
        return None
    return Evidence(
        steps=(int(curve.steps[best]), int(curve.steps[-1])),
        tags=(curve.tag,),
        numbers={"best": top, "end": end, "evals": len(curve)},
        words={"metric": curve.tag},
        confidence=0.55,
    )


def gained(choice: RoleChoice, limits: Limits) -> bool:
    """The metric was better than at first, at its end or for three evaluations in between."""
    curve = Curve.of(choice.series)
    quality = curve.values if choice.greater_is_better is not False else -curve.values
    first, end = float(quality[0]), shape.last_third(quality)
    best = float(stats.running_median(quality, 3).max())
    return end > first or best > first + limits.relative * abs(first)


def learned_by_heart(case: Case, accuracy: RoleChoice, limits: Limits) -> Sequence[Evidence]:
    """The train loss went to nearly nothing, and the accuracy, which had room to grow, ends no better than it began."""
    train, curve = case.train, Curve.of(accuracy.series)
    if train is None or len(train) < limits.evals or not 0 < train.tail() < limits.by_heart * train.start:
        return ()
    first = float(curve.values[0])
    if first >= limits.room * shape.whole(curve):
        return ()
    return [
        Evidence(
            steps=(int(curve.steps[0]), int(curve.steps[-1])),
            tags=(train.tag, curve.tag),
            numbers={
                "then": train.start,
                "now": train.tail(),
                "begin": first,
                "end": shape.last_third(curve.values),
            },
            words={"metric": curve.tag},
            confidence=0.7,
            variant="no_gain",
        )
    ]


def _train_falls(case: Case, evaluated: Curve, best: int) -> bool:
    """The train accuracy (else the train loss) got worse as well since then: not a matter of generalisation."""
    since = float(evaluated.steps[best])
    for curve, sign in ((case.curve(Role.TRAIN_ACCURACY), 1.0), (case.train, -1.0)):
        if curve is not None and len(curve) >= 4:
            then, now = np.interp([since, float(curve.steps[-1])], curve.steps, sign * curve.level)
            return bool(now < then - curve.noise)
    return False


RULE = Rule(
    id="OVF008",
    guide=("C2", "P4", "K4"),
    label="overfitting",
    severity=Severity.MEDIUM,
    tier=Tier.GENERALISATION,
    doc=__doc__,
    limits=Limits(),
    check=check,
    message=N_(
        "Overfitting, as far as can be told without an eval loss: {metric} was best at step {first} ({best:.3g}) and "
        "has got worse since ({end:.3g})."
    ),
    variants={
        "no_gain": N_(
            "Nothing that is learned generalises: train loss fell from {then:.3g} to {now:.3g}, but {metric} gained "
            "nothing ({begin:.3g} at first, {end:.3g} at the end)."
        )
    },
    remedies=(
        remedies.USE_BEST_BY_METRIC,
        remedies.EARLY_STOPPING,
        remedies.FEWER_EPOCHS,
        remedies.WEIGHT_DECAY,
        remedies.AUGMENT_DATA,
    ),
    not_in=("rl",),
)
