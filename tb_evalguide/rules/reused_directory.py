"""Two trainings were written into one folder.

## What it checks
A loss (or the epoch, or a metric) that starts again from its first step although much had been written before. Where
the first attempt was short (fewer than four points, or a fifth of the later one's), or the later one is a single point
after fewer than three fresh starts, it is information.

## Why it matters
Tools that draw all points show a zigzag; averages, minima and the best checkpoint mix two models. Only the later
training is judged here, and it may be far shorter than the log looks.

## What to do
Give every run a log folder of its own (with a date or a number in its name), and move the older event files away.

## When it is wrong
A step counter that starts again on purpose, for example at every fold of a cross-validation, or a fine-tuning that
goes on with the same weights. Its parts are better kept in folders of their own, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, segments
from tb_evalguide.case import Case
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Restart, Role, Rule, Series, Severity, Skip, Text, Tier


@dataclass(frozen=True)
class Limits:
    points: int = 4  # fewer points before it are a false start, not a training; own choice
    begun: int = 2  # fewer points after it are a last test, not another training; own choice
    several: int = 3  # fresh starts, after which even a single point is another training; own choice
    share: float = 0.2  # of the later training's points, below which the first one was a false start; own choice


TOLD_BY = (Role.TRAIN_LOSS, Role.EVAL_LOSS, Role.EPOCH)
# Where none of these was logged a metric tells; beside them it may be written by the batch of each evaluation.
METRICS = (Role.TRAIN_ACCURACY, Role.EVAL_ACCURACY, Role.EVAL_METRIC, Role.REWARD)


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    series = logged(case, TOLD_BY) or logged(case, METRICS)
    if not series:
        return Skip(Text(N_("neither a loss nor a metric in the log")))
    for one in series:
        fresh = segments.fresh_starts(one)
        if fresh:
            return [evidence(one, fresh, limits)]
    return ()


def logged(case: Case, roles: Sequence[Role]) -> list[Series]:
    return [s for s in (case.roles.get(role) for role in roles) if s is not None and len(s)]


def evidence(series: Series, fresh: tuple[Restart, ...], limits: Limits) -> Evidence:
    abandoned = len(np.unique(series.superseded_steps))
    later = len(series)
    another = later >= limits.begun or len(fresh) >= limits.several
    much = another and abandoned >= max(limits.points, limits.share * later)
    old_end = float(series.superseded_values[-1]) if abandoned else float("nan")
    return Evidence(
        steps=(int(series.steps[0]), max(r.last_step for r in fresh)),
        tags=(series.tag,),
        numbers={
            "starts": len(fresh),
            "abandoned": abandoned,
            "later": later,
            "reached": max(r.last_step for r in fresh),
            "gap_hours": max(r.gap_seconds for r in fresh) / 3600,
            "old_end": old_end,
            "new_start": float(series.values[0]),
        },
        confidence=0.95 if any(r.new_file for r in fresh) else 0.93,
        severity=None if much else Severity.INFO,
        variant=("repeated" if len(fresh) > 2 else "") if much else "short",
    )


RULE = Rule(
    id="RST003",
    label="data_integrity",
    severity=Severity.MEDIUM,
    tier=Tier.INTEGRITY,
    doc=__doc__,
    limits=Limits(),
    check=check,
    message=N_(
        "Two trainings share this folder: {abandoned} points up to step {reached} were written before it began again "
        "at step {first}. Only the later one ({later} points) is judged."
    ),
    variants={
        "repeated": N_(
            "The step counter began again {starts} times: only the last pass can be judged (points: {later})."
        ),
        "short": N_(
            "A first attempt of {abandoned} points was abandoned and begun again in the same folder; the later one "
            "is judged."
        ),
    },
    remedies=(remedies.SEPARATE_FOLDERS,),
)
