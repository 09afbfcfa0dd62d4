"""Where a training was interrupted and went on, and where another one was begun in its place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tb_evalguide import stats
from tb_evalguide.case import Case
from tb_evalguide.model import Floats, Ints, Restart, Role, Series

# A fresh training writes its first point where the one before it did; one that goes on starts later. Half a logging
# interval is left for loggers that count from 0 in one version and from 1 in the next.
FRESH_WITHIN = 0.5
NO_PAUSE = 3.0  # usual intervals between two points: a process does not start again in less …
NO_PAUSE_SECONDS = 1.0  # … nor in a second, where points are written faster than that; own choice
EPOCH_RESET = 0.5  # of the epoch before: rounding and several loggers never halve it; own choice
LEAST_RESET = 0.1  # epochs; own choice


@dataclass(frozen=True)
class Resume:
    """A place where the loss was interrupted and went on.

    step: first step written afterwards. last_step: highest step written before. forward: nothing was written twice.
    """

    step: int
    last_step: int
    gap_seconds: float
    forward: bool


def resumes(case: Case) -> tuple[Resume, ...]:
    """Interruptions of the train loss (else of the eval loss), in order of steps; fresh starts are left out."""
    series = case.roles.get(Role.TRAIN_LOSS)
    if series is None:
        series = case.roles.get(Role.EVAL_LOSS)
    if series is None or len(series) < 2:
        return ()
    again = [r for r in series.restarts if not is_fresh(series, r) and not _only_a_new_file(series, r)]
    found = {r.step: Resume(r.step, r.last_step, r.gap_seconds, r.forward) for r in again}
    for reset in _epoch_resets(case, series):
        found.setdefault(reset.step, reset)
    return tuple(found[step] for step in sorted(found))


def _only_a_new_file(series: Series, restart: Restart) -> bool:
    """Nothing was written twice and no time went by: a writer that begins another file, not another process."""
    if not restart.forward:
        return False
    pace = float(stats.median(np.diff(series.wall_times)))
    return bool(restart.gap_seconds <= max(NO_PAUSE * pace, NO_PAUSE_SECONDS))


def _epoch_resets(case: Case, series: Series) -> list[Resume]:
    """Places where the epoch falls back while the steps go on: continued on other data, or with another batch size."""
    epoch = case.epoch
    if epoch is None or len(series.restarts):
        return []
    before, after = epoch.values[:-1], epoch.values[1:]
    if float(epoch.values.max()) <= 1.0:
        return []  # it counts within an epoch: it falls back at the end of each
    back = np.flatnonzero((after < EPOCH_RESET * before) & (before - after > LEAST_RESET))
    gaps = epoch.wall_times[back + 1] - epoch.wall_times[back]
    steps = epoch.steps.tolist()
    return [Resume(steps[k + 1], steps[k], float(gap), True) for k, gap in zip(back.tolist(), gaps)]


def is_fresh(series: Series, restart: Restart) -> bool:
    """The writing went back to where the series had begun: another training, not the same one resumed."""
    if restart.forward:
        return False
    first = int(min(series.steps[:1].min(initial=restart.step), series.superseded_steps.min(initial=restart.step)))
    return restart.step <= first + FRESH_WITHIN * _interval(series)


def fresh_starts(series: Series) -> tuple[Restart, ...]:
    return tuple(r for r in series.restarts if is_fresh(series, r))


def _interval(series: Series) -> float:
    return float(stats.median(np.diff(series.steps))) if len(series) > 1 else 1.0


def written_before(series: Series, resume: Resume) -> tuple[Ints, Floats]:
    """Steps and finite values that had been written when the training was resumed, in order of steps.

    Includes what the resumed training wrote again.
    """
    kept = series.steps < resume.step
    old = (series.superseded_steps >= resume.step) & (series.superseded_steps <= resume.last_step)
    steps = np.concatenate([series.steps[kept], series.superseded_steps[old]])
    values = np.concatenate([series.values[kept], series.superseded_values[old]])
    order = np.argsort(steps, kind="stable")
    order = order[np.isfinite(values[order])]
    return steps[order], values[order]
