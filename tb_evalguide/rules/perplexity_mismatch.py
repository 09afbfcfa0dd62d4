"""The logged perplexity is not exp(eval loss).

## What it checks
The perplexity against the exponential of the eval loss at the same steps: more than 1 % apart in the median.

## Why it matters
One of the two is of another data set, another step or another unit; checkpoints ranked by one may not be the best by
the other, and limits on the perplexity (the guide: below 3) mean something else.

## What to do
Find out over what each is averaged. The mean of exp(loss) over batches is always above exp(mean loss); a perplexity
per word or per byte is exp(loss) to a constant power.

## When it is wrong
Both may be right in their own unit. Such cases are recognised where the log allows, and told as information.
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
    off: float = 0.01  # of exp(eval loss) (failure-modes.md #39)
    batches: float = 0.25  # above exp(loss) by up to this: a mean over batches explains it; own choice
    unit: float = 0.02  # spread of ln(perplexity)/loss below which another unit explains it; own choice
    points: int = 4  # common steps for more than an information; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    evals, perplexity = case.evals, case.curve(Role.EVAL_PERPLEXITY)
    assert evals is not None and perplexity is not None  # needs
    common, i, j = np.intersect1d(evals.steps, perplexity.steps, return_indices=True)
    loss, shown = evals.values[i], perplexity.values[j]
    good = (loss > 0) & (loss < 50) & (shown > 0)
    if good.sum() < 2:
        return Skip(Text(N_("fewer than two steps have both an eval loss and a perplexity")))
    steps, loss, shown = common[good], loss[good], shown[good]
    excess = shown / np.exp(loss) - 1
    off = float(stats.median(np.abs(excess)))
    if off <= limits.off:
        return ()
    power = np.log(shown) / loss
    middle = float(stats.median(power))
    if middle > 0 and float(stats.median(np.abs(power - middle))) <= limits.unit * middle and abs(middle - 1) > 0.05:
        variant = "unit"
    elif (excess > 0).all() and float(stats.median(excess)) <= limits.batches:
        variant = "batches"
    else:
        variant = ""
    opposite = len(loss) >= limits.points and opposed(loss, shown)
    return [
        Evidence(
            steps=(int(steps[0]), int(steps[-1])),
            tags=(perplexity.tag, evals.tag),
            numbers={"off": off, "shown": float(shown[-1]), "expected": float(np.exp(loss[-1])), "power": middle},
            confidence=0.9,
            severity=Severity.MEDIUM if opposite and not variant and case.is_nats else Severity.INFO,
            variant=variant,
        )
    ]


def opposed(loss: np.ndarray, shown: np.ndarray) -> bool:
    """One rises where the other falls, beyond chance."""
    a, b = stats.mann_kendall(loss), stats.mann_kendall(shown)
    return max(a.p_up, b.p_down) < 0.05 or max(a.p_down, b.p_up) < 0.05


RULE = Rule(
    id="INT006",
    guide=("M3",),
    label="data_integrity",
    severity=Severity.INFO,
    tier=Tier.INTEGRITY,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.EVAL_LOSS, 2), Need(Role.EVAL_PERPLEXITY, 2)),
    message=N_(
        "The logged perplexity ({shown:.3g}) is not exp(eval loss) ({expected:.3g}): {off:.0%} apart. The two are "
        "of different data or units."
    ),
    variants={
        "unit": N_(
            "The logged perplexity is exp(loss) to the power {power:.3g}: it counts in another unit (words, bytes "
            "or base 2)."
        ),
        "batches": N_("The logged perplexity is {off:.1%} above exp(eval loss), as a mean over batches is."),
    },
    remedies=(remedies.SAME_EVAL_SET,),
)
