"""The loss became NaN or infinite.

## What it checks
Every point of the train and eval losses. It fires when one of them is NaN or infinite; when the loss is finite again
afterwards, it says so and is milder. Another loss that ends in NaN counts as well where these two have no later point,
and so do all losses of a log without these two. NaN in any other curve is information.

## Why it matters
From the first NaN on, the weights are usually NaN too: every later step is lost, and so is every checkpoint after it.

## What to do
Go back to the last checkpoint before the first NaN. Lower the learning rate to a tenth, clip the gradients
(`max_grad_norm=1.0`), and look for empty, broken or infinite samples in the data. Prefer bf16 to fp16.

## When it is wrong
Some loggers write NaN where a value is missing, for example a metric that was not computed at that step. Infinite
gradient norms in the first steps of fp16 training are the loss scaler at work and are not counted here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies
from tb_evalguide.case import Case
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Role, Rule, Series, Severity, Skip, Text, Tier
from tb_evalguide.roles.names import read_name


@dataclass(frozen=True)
class Limits:
    lost: int = 3  # NaN points at the end of another loss, after which the judged losses have no point; own choice
    recovered: float = 0.5  # share of finite points after the first NaN above which the loss has recovered; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    series = [s for s in (case.roles.get(Role.TRAIN_LOSS), case.roles.get(Role.EVAL_LOSS)) if s is not None and len(s)]
    if not series:
        return unjudged(case, limits) or Skip(Text(N_("no loss in the log")))
    broken = [s for s in series if not np.isfinite(s.values).all()]
    if not broken:
        return lost(case, series, limits) or elsewhere(case)
    # by series and not by tag: Keras' train and validation run have the same tags
    head = min(broken, key=lambda s: int(s.steps[~np.isfinite(s.values)][0]))
    bad = ~np.isfinite(head.values)
    first = int(np.flatnonzero(bad)[0])
    start = int(head.steps[first])
    after = head.values[first:]
    count = int(bad.sum())
    numbers = {"count": count, "points": len(head), "last_finite": last_finite(head.values, first)}
    finite_share = float(np.isfinite(after).mean())
    # a single odd point, or one that is surrounded by finite ones, did not take the weights with it
    recovered = len(after) >= 3 and finite_share > limits.recovered and bool(np.isfinite(after[-1]))
    return [
        Evidence(
            steps=(start, int(head.steps[np.flatnonzero(bad)[-1]])),
            tags=tuple(s.tag for s in broken),
            numbers=numbers,
            confidence=0.99 if not recovered else 0.9,
            severity=Severity.MEDIUM if recovered else None,
            variant=variant_of(case, broken, recovered, first == 0),
        )
    ]


def lost(case: Case, series: Sequence[Series], limits: Limits) -> list[Evidence]:
    """Another loss that turned NaN for good, where the train and eval losses say nothing any more after that step."""
    last = max(int(s.steps[-1]) for s in series)
    for one in all_losses(case):
        first = lost_from(one.values)
        count = len(one) - first
        if first > 0 and one not in series and count >= limits.lost and one.steps[first] > last:
            return [
                Evidence(
                    steps=(int(one.steps[first]), int(one.steps[-1])),
                    tags=(one.tag,),
                    numbers={"count": count, "points": len(one), "last_finite": float(one.values[first - 1])},
                    words={"tag": one.tag},
                    confidence=0.95,
                    variant="other",
                )
            ]
    return []


def all_losses(case: Case) -> list[Series]:
    """Whatever in the log is named a loss, in a role or not."""
    logged = [(run, one) for run in case.training.runs for one in run.series.values() if len(one)]
    return [one for run, one in logged if read_name(one.tag, run.name).is_loss]


def unjudged(case: Case, limits: Limits) -> list[Evidence]:
    """All losses of a log without a train or an eval loss, as those of a GAN, are NaN to the end.

    A metric that changed after that says that the model lives.
    """
    losses = all_losses(case)
    firsts = [lost_from(s.values) for s in losses]
    if not losses or any(len(s) == first for first, s in zip(firsts, losses)):
        return []
    first, head = max(zip(firsts, losses), key=lambda one: len(one[1]) - one[0])
    step = int(head.steps[first])
    if len(head) - first < limits.lost or lives(case, step):
        return []
    return [
        Evidence(
            steps=(step, int(head.steps[-1])),
            tags=tuple(s.tag for s in losses[:5]),
            numbers={"count": len(head) - first, "points": len(head)},
            words={"tag": head.tag},
            confidence=0.95,
            variant="unjudged",
        )
    ]


def lives(case: Case, step: int) -> bool:
    """A metric or a reward went on changing after the step."""
    reward = case.roles.get(Role.REWARD)
    others = [choice.series for choice in case.metrics] + ([reward] if reward is not None else [])
    later = [s.values[(s.steps > step) & np.isfinite(s.values)] for s in others]
    return any(len(values) > 1 and np.ptp(values) > 0 for values in later)


def lost_from(values: np.ndarray) -> int:
    """Index after the last finite value; 0 when there is none."""
    finite = np.flatnonzero(np.isfinite(values))
    return int(finite[-1]) + 1 if len(finite) else 0


def variant_of(case: Case, broken: Sequence[Series], recovered: bool, from_start: bool) -> str:
    if recovered:
        return "recovered"
    if case.train is not None and all(s is case.roles.get(Role.EVAL_LOSS) for s in broken):
        return "evals"
    return "from_start" if from_start else ""


def elsewhere(case: Case) -> Sequence[Evidence]:
    """NaN in a curve that is no loss (failure-modes.md #1: any series): information, as metrics divide 0 by 0."""
    known = {case.roles.get(role) for role in (Role.GRAD_NORM, Role.LOSS_SCALE)}  # INT002 and INT006 look at these
    others = [s for run in case.training.runs for s in run.series.values() if len(s) and s not in known]
    broken = [s for s in others if np.isnan(s.values).any()]
    if not broken:
        return ()
    first = min(broken, key=lambda s: int(s.steps[np.flatnonzero(np.isnan(s.values))[0]]))
    bad = np.flatnonzero(np.isnan(first.values))
    return [
        Evidence(
            steps=(int(first.steps[bad[0]]), int(first.steps[bad[-1]])),
            tags=tuple(s.tag for s in broken[:5]),
            numbers={"count": len(bad), "points": len(first)},
            words={"tag": first.tag},
            confidence=0.9,
            severity=Severity.INFO,
            variant="elsewhere",
        )
    ]


def last_finite(values: np.ndarray, first: int) -> float:
    """The value just before index `first`; NaN when there is none."""
    return float(values[first - 1]) if first else float("nan")


RULE = Rule(
    id="INT001",
    guide=("P1", "Z5"),
    label="nan",
    severity=Severity.CRITICAL,
    tier=Tier.INTEGRITY,
    doc=__doc__,
    limits=Limits(),
    check=check,
    message=N_(
        "The loss became NaN at step {first} (last finite value {last_finite:.3g}); nothing after that step was "
        "learned."
    ),
    variants={
        "other": N_(
            "{tag} became NaN at step {first} (last finite value {last_finite:.3g}) and stays so; the other losses "
            "have no point after that step."
        ),
        "unjudged": N_(
            "{tag} is NaN or infinite from step {first} to the end ({count} of {points} points): nothing was learned "
            "after that."
        ),
        "elsewhere": N_("{tag} is NaN at {count} of {points} points, first at step {first}; the losses are finite."),
        "from_start": N_("The loss is NaN from the first logged step {first} on; nothing was learned."),
        "evals": N_(
            "Eval loss is not a number at {count} of {points} evaluations, first at step {first}, while train loss is "
            "finite."
        ),
        "recovered": N_(
            "The loss was NaN at {count} of {points} points, first at step {first}, and became finite again."
        ),
    },
    remedies=(remedies.LR_TENTH, remedies.CLIP_GRADIENTS, remedies.CHECK_DATA, remedies.USE_BF16),
)
