"""Training has become slower.

## What it checks
The time a step takes, from the wall times of the train loss without pauses and evaluations: the median of the last part
of the run against that of the first, and where it changed. It fires for a lasting slow-down that has cost time worth
the name: a warning while the run is running, information once it has ended.

## Why it matters
A slow-down in the middle of a run is seldom the model's: the disk, the network, a hot card or another job on the same
machine takes the time.

## What to do
Look at the machine at the step where it began; load data in parallel, and pin the memory of the loader.

## When it is wrong
A schedule that grows the batch or the sequence length makes steps longer on purpose: healthy runs were up to 2.5 times
slower at their end. Where the log tells of such a schedule, it is information.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, stats
from tb_evalguide.case import Case
from tb_evalguide.cost import LEAST_SLOWDOWN, WINDOW_POINTS, slowdown, wall_span
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Need, Role, Rule, Severity, Skip, Text, Tier
from tb_evalguide.status import live_window


@dataclass(frozen=True)
class Limits:
    ratio: float = 1.4  # late ÷ early step time (failure-modes.md #37)
    seconds: float = 600.0  # time lost below which it is not worth a word; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    time = case.timing
    ratio = slowdown(time)
    if ratio is None:
        return Skip(
            Text(
                N_("not enough data: {have} intervals between train points, {need} needed"),
                {"have": int(time.plain.sum()), "need": LEAST_SLOWDOWN},
            )
        )
    if ratio < limits.ratio:
        return ()
    plain = time.plain
    rates = time.seconds[plain] / time.lengths[plain]
    steps, lengths = time.steps[plain], time.lengths[plain]
    # logarithms: a single slow interval must not draw the change to itself
    onset, _ = stats.change_point(np.log(np.maximum(rates, 1e-9)), WINDOW_POINTS)
    onset = min(onset, len(rates) - 1)
    early, late = float(stats.median(rates[:onset])), float(stats.median(rates[onset:]))
    lost = float(np.maximum(rates[onset:] - early, 0.0) @ lengths[onset:])
    if early <= 0 or late / early < limits.ratio or lost < limits.seconds:
        return ()
    scheduled = grows(case)
    return [
        Evidence(
            steps=(int(steps[onset]), int(steps[-1])),
            tags=(case.train.tag,) if case.train is not None else (),
            numbers={"early": early, "late": late, "ratio": late / early, "minutes": lost / 60},
            confidence=0.6 if scheduled else 0.8,
            # what slowed a run that has ended cannot be mended any more, and says nothing about what it learned
            severity=None if not scheduled and is_live(case) else Severity.INFO,
            variant="scheduled" if scheduled else "",
        )
    ]


def is_live(case: Case) -> bool:
    """The last event is recent enough for somebody to act on it."""
    _, last = wall_span(case)
    return case.now is not None and last is not None and case.now - last <= live_window(case)


def grows(case: Case) -> bool:
    """The tokens a step rise with the steps: a schedule of batch or sequence length."""
    tokens = case.curve(Role.TOKENS)
    if tokens is None or len(tokens) < 8:
        return False
    speed = np.diff(tokens.values) / np.maximum(np.diff(tokens.steps), 1)
    half = len(speed) // 2
    return float(stats.median(speed[half:])) > 1.2 * float(stats.median(speed[:half])) > 0


RULE = Rule(
    id="CST003",
    guide=("P3",),
    label="slow",
    severity=Severity.MEDIUM,
    tier=Tier.COST,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.TRAIN_LOSS, LEAST_SLOWDOWN + 1),),
    message=N_(
        "Steps are {ratio:.1f} times as long since step {first}: {early:.3g} s → {late:.3g} s ({minutes:.0f} min lost)."
    ),
    variants={
        "scheduled": N_("Steps take {ratio:.1f} times as long since step {first}, as the tokens a step grew as well.")
    },
    remedies=(remedies.CHECK_MACHINE, remedies.MORE_WORKERS, remedies.PIN_MEMORY),
)
