"""Train loss is a whole multiple of the eval loss.

## What it checks
The ratio of train loss to eval loss (or its inverse) at every evaluation. It fires when the ratio is an integer of
two or more from the first evaluation on, stays so while the loss falls, and is a fault when that integer is the
number of accumulation steps or processes that the log states.

## Why it matters
A loss that is summed over micro-batches or processes and not divided again gives gradients that are as many times too
large: the learning rate is in effect that many times higher. And no gap between the two curves can be read.

## What to do
Divide the loss by the number of accumulation steps (newer versions of transformers do), and log the mean per token or
sample for both curves.

## When it is wrong
Augmentation, dropout or label smoothing put train above eval too, but not by the same factor all run long. The two
losses may simply be defined differently.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, stats
from tb_evalguide.case import Case
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Need, Role, Rule, Severity, Skip, Tier


@dataclass(frozen=True)
class Limits:
    tolerance: float = 0.10  # of the integer (failure-modes.md #3), but never more than `nearest`
    nearest: float = 0.2  # distance from the integer; 10 % of 5 and more would take in every number; own choice
    spread: float = 0.10  # MAD of the ratios over their median (failure-modes.md #3)
    first: float = 0.25  # of the integer, at the first evaluation, where a train average still lags; own choice
    fall: float = 0.30  # the eval loss must have fallen this far, else a stable ratio says nothing; own choice
    sure_points: int = 5  # evaluations for a warning without the run's own arguments; own choice
    sure_tolerance: float = 0.05  # and this close to the integer at each of them; own choice


ACCUMULATION = ("gradient_accumulation_steps", "accumulate_grad_batches", "grad_accum_steps", "accumulation_steps")
PROCESSES = ("world_size", "num_processes", "n_gpu", "num_gpus", "devices")


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    evals, train = case.evals, case.train
    assert evals is not None and train is not None  # needs
    level = case.train_at(evals.steps)
    good = np.isfinite(level) & (level > 0) & (evals.values > 0)
    if good.sum() < 3 or not good[0]:
        return ()
    ratios = level[good] / evals.values[good]
    inverse = float(stats.median(ratios)) < 1
    if inverse:
        ratios = 1 / ratios
    middle = float(stats.median(ratios))
    if not math.isfinite(middle):
        return ()  # a loss next to nothing: the ratio is beyond any number
    whole = round(middle)
    if whole < 2 or abs(middle - whole) > min(limits.tolerance * whole, limits.nearest):
        return ()
    spread = float(stats.median(np.abs(ratios - middle))) / middle
    if spread > limits.spread or abs(ratios[0] - whole) > limits.first * whole:
        return ()
    fall = 1 - float(evals.values[-1]) / float(evals.values[0])
    stated = whole in divisors(case) and not inverse
    steady = bool((np.abs(ratios - whole) <= limits.sure_tolerance * whole).all())
    clear = case.is_nats and steady and len(ratios) >= limits.sure_points and fall >= limits.fall and not inverse
    severity = Severity.HIGH if stated and fall > 0 else Severity.MEDIUM if clear else Severity.INFO
    return [
        Evidence(
            steps=(int(evals.steps[0]), int(evals.steps[-1])),
            tags=(train.tag, evals.tag),
            numbers={"ratio": middle, "whole": whole, "spread": spread, "evals": len(ratios)},
            confidence=0.95 if stated else 0.75 if clear else 0.5,
            severity=severity,
            variant="stated" if stated else "inverse" if inverse else "",
        )
    ]


def divisors(case: Case) -> set[int]:
    """The numbers by which a summed loss ought to have been divided, as the log states them."""
    steps, processes = case.number(*ACCUMULATION), case.number(*PROCESSES)
    stated = {int(n) for n in (steps, processes) if n is not None and n >= 2 and n == int(n)}
    return stated | ({int(steps * processes)} if steps is not None and processes is not None else set())


RULE = Rule(
    id="INT003",
    guide=("V4",),
    label="data_integrity",
    severity=Severity.HIGH,
    tier=Tier.INTEGRITY,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.TRAIN_LOSS, 3), Need(Role.EVAL_LOSS, 3)),
    message=N_(
        "Train loss is {whole} times the eval loss at every evaluation (ratio {ratio:.3g}): it looks like a sum "
        "that was not divided."
    ),
    variants={
        "stated": N_(
            "Train loss is {ratio:.3g} times the eval loss, and {whole} is the number of accumulation steps or "
            "processes: the loss is not divided by it."
        ),
        "inverse": N_(
            "Eval loss is {whole} times the train loss at every evaluation (ratio {ratio:.3g}): the two may be "
            "averaged differently."
        ),
    },
    remedies=(remedies.DIVIDE_LOSS,),
    not_in=("rl",),
)
