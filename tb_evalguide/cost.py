"""What a run costs in time, measured from wall times with pauses taken out (guide P3)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tb_evalguide import stats
from tb_evalguide.model import Cost, Floats, Ints, Role

if TYPE_CHECKING:
    from tb_evalguide.case import Case

PAUSE_FACTOR = 10.0  # an interval this many times its like is a pause (failure-modes.md #36)
PAUSE_SECONDS = 60.0  # below a minute nothing is a pause: slow saving of a checkpoint is work
WINDOW_POINTS = 20  # points on each side of a slow-down (failure-modes.md #37)
LEAST_SLOWDOWN = 50  # intervals without which no slow-down is measured (failure-modes.md #37)
LEAST_TRAIN_PER_EVAL = 4  # train points an evaluation below which the rest of an epoch passes for evaluation


@dataclass(frozen=True, eq=False)
class Timing:
    """The intervals between logged train points. All arrays (n,), one entry an interval, by step.

    steps: where the interval ends; lengths: steps it covers; seconds: wall time; evals: an evaluation fell inside;
    pauses: nobody was training for most of it.
    """

    steps: Ints
    lengths: Ints
    seconds: Floats
    evals: npt.NDArray[np.bool_]
    pauses: npt.NDArray[np.bool_]

    @property
    def plain(self) -> npt.NDArray[np.bool_]:
        """Intervals of training and nothing else."""
        mask: npt.NDArray[np.bool_] = ~self.evals & ~self.pauses
        return mask

    @property
    def active_seconds(self) -> float:
        """Wall time with each pause replaced by what such an interval usually takes."""
        return float(_without_pauses(self.lengths, self.seconds, self.evals, self.pauses).sum())


def intervals(steps: Ints, wall_times: Floats, eval_times: Floats) -> Timing:
    """Timing of points at `steps` written at `wall_times` (n,), with evaluations written at `eval_times`.

    Points without a usable wall time, or written before their predecessor (two sources joined), are left out.
    """
    usable = np.isfinite(wall_times) & (wall_times > 0)
    steps, wall_times = steps[usable], wall_times[usable]
    if len(steps):
        forward = wall_times >= np.maximum.accumulate(wall_times)
        steps, wall_times = steps[forward], wall_times[forward]
    if len(steps) < 2:
        none = np.empty(0, np.bool_)
        return Timing(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), none, none)
    seconds, lengths = np.diff(wall_times), np.diff(steps)
    # An evaluation is written when it is over: it lies between the train point before it and the one after it.
    times = eval_times[np.isfinite(eval_times) & (eval_times > 0)]
    after = np.searchsorted(wall_times, times, side="right")
    evals = np.zeros(len(seconds), np.bool_)
    inside = after[(after > 0) & (after < len(wall_times))]
    evals[inside - 1] = True
    return Timing(steps[1:], lengths, seconds, evals, _pauses(lengths, seconds, evals))


def timing(case: Case) -> Timing:
    """The intervals of the train loss, else of the eval loss."""
    # the series, not their finite points: a step whose loss is NaN took its time as well
    train, evals = case.roles.get(Role.TRAIN_LOSS), case.roles.get(Role.EVAL_LOSS)
    if train is None or len(train) < 2:
        if evals is None:
            return intervals(np.empty(0, np.int64), np.empty(0), np.empty(0))
        return intervals(evals.steps, evals.wall_times, np.empty(0))
    return intervals(train.steps, train.wall_times, evals.wall_times if evals is not None else np.empty(0))


def measure_cost(case: Case) -> Cost:
    """Everything that the wall times of a training tell about its cost."""
    time = case.timing
    first, last = wall_span(case)
    wall = last - first if first is not None and last is not None and last > first else None
    if not len(time.seconds) or wall is None:
        return Cost(wall_seconds=wall)
    active = time.active_seconds
    steps = int(time.lengths.sum())
    per_step_all_in = active / steps if steps > 0 and active > 0 else None
    plain = time.seconds[time.plain] / time.lengths[time.plain]
    per_epoch: float | None = None
    if per_step_all_in is not None:
        if case.steps_are_epochs:
            per_epoch = per_step_all_in
        elif case.steps_per_epoch and math.isfinite(case.steps_per_epoch):
            per_epoch = per_step_all_in * case.steps_per_epoch
    return Cost(
        wall_seconds=wall,
        active_seconds=active if active > 0 else None,
        seconds_per_step=float(stats.median(plain)) if len(plain) else per_step_all_in,
        seconds_per_epoch=per_epoch,
        eval_share=eval_share(case, time),
        slowdown=slowdown(time),
    )


def wall_span(case: Case) -> tuple[float | None, float | None]:
    """Wall time of the first and of the last scalar of the training; None where no point has one."""
    first: float | None = None
    last: float | None = None
    for run in case.training.runs:
        for series in run.series.values():
            times = series.wall_times[np.isfinite(series.wall_times) & (series.wall_times > 0)]
            if len(times):
                low, high = float(times.min()), float(times.max())
                first = low if first is None else min(first, low)
                last = high if last is None else max(last, high)
    return first, last


def eval_share(case: Case, time: Timing) -> float | None:
    """Share of the active time that went into evaluation, 0 … 1; None where evaluation cannot be told from training.

    Hugging Face states the seconds of each evaluation. Elsewhere an evaluation took what passed between the train
    point before it and its own writing, less the training in between; what comes after (saving, restarting the data
    loader) is not its fault.
    """
    active = time.active_seconds
    train, evals = case.roles.get(Role.TRAIN_LOSS), case.roles.get(Role.EVAL_LOSS)
    if active <= 0 or evals is None or not len(evals):
        return None
    runtimes = _eval_runtimes(case)
    if runtimes is not None:
        return float(min(1.0, runtimes.sum() / active))
    plain = time.plain
    if train is None or plain.sum() < 3 or len(train) < LEAST_TRAIN_PER_EVAL * len(evals):
        return None
    per_step = float(stats.median(time.seconds[plain] / time.lengths[plain]))
    before = np.searchsorted(train.wall_times, evals.wall_times, side="right") - 1
    known = before >= 0
    waited = evals.wall_times[known] - train.wall_times[before[known]]
    steps = np.maximum(evals.steps[known] - train.steps[before[known]], 0)
    took = np.maximum(waited - per_step * steps, 0.0)
    # a pause that fell into an evaluation is no evaluation
    usual = float(stats.median(took)) if len(took) else 0.0
    took = np.where(took > max(PAUSE_FACTOR * usual, PAUSE_SECONDS), usual, took)
    return float(min(1.0, took.sum() / active))


def slowdown(time: Timing) -> float | None:
    """Time per step at the end ÷ time per step at the start, medians of plain intervals; None with too few of them.

    The first intervals are left out: compiling, filling caches and warming up belong to every start.
    """
    plain = time.plain
    rates = time.seconds[plain] / time.lengths[plain]
    if len(rates) < LEAST_SLOWDOWN:
        return None
    rates = rates[max(2, len(rates) // 50) :]
    width = max(WINDOW_POINTS, len(rates) // 5)
    early, late = float(stats.median(rates[:width])), float(stats.median(rates[-width:]))
    return late / early if early > 0 else None


def _pauses(lengths: Ints, seconds: Floats, evals: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Intervals far longer than their like: with an evaluation inside compared with those, without with the others."""
    pauses = np.zeros(len(seconds), np.bool_)
    for group in (evals, ~evals):
        if group.sum() >= 3:
            usual = float(stats.median(seconds[group] / lengths[group]))
            limit = np.maximum(PAUSE_FACTOR * usual * lengths[group], PAUSE_SECONDS)
            pauses[group] = seconds[group] > limit
    return pauses


def _without_pauses(
    lengths: Ints, seconds: Floats, evals: npt.NDArray[np.bool_], pauses: npt.NDArray[np.bool_]
) -> Floats:
    out = seconds.astype(np.float64, copy=True)
    for group in (evals, ~evals):
        kept, cut = group & ~pauses, group & pauses
        if cut.any() and kept.any():
            out[cut] = np.minimum(seconds[cut], float(stats.median(seconds[kept] / lengths[kept])) * lengths[cut])
    return out


def _eval_runtimes(case: Case) -> Floats | None:
    """Seconds of each evaluation, where they are logged beside its loss."""
    evals = case.roles.get(Role.EVAL_LOSS)
    if evals is None:
        return None
    stem = evals.tag[: -len("loss")] if evals.tag.endswith("loss") else ""
    for run in case.training.runs:
        for tag in (f"{stem}runtime", "eval/runtime", "eval_runtime"):
            series = run.series.get(tag)
            if series is not None and len(series):
                values = series.values[np.isfinite(series.values) & (series.values >= 0)]
                return values if len(values) else None
    return None
