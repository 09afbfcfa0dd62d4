"""Puts the points of a curve together: from write order, from two sources, from restarts in folders of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_evalguide.model import Restart, Run, Series


def series_from_points(
    tag: str, run: str, steps: npt.ArrayLike, values: npt.ArrayLike, wall_times: npt.ArrayLike | None = None
) -> Series:
    """A resolved series from points in write order. Without wall times they are NaN: not known is not 1970.

    A point stays when every later one has a higher step: the later write of a step wins, and what a restart went back
    over is superseded, also where the new writer stopped short of it.
    """
    step = np.array(steps, dtype=np.int64).reshape(-1)
    value = np.array(values, dtype=np.float64).reshape(-1)
    wall = np.full(len(step), np.nan) if wall_times is None else np.array(wall_times, dtype=np.float64).reshape(-1)
    if len(step) < 2 or bool((np.diff(step) > 0).all()):
        return Series(tag, run, _locked(step), _locked(value), _locked(wall))
    keep = np.ones(len(step), dtype=bool)
    lowest_after = np.minimum.accumulate(step[::-1])[::-1]
    keep[:-1] = step[:-1] < lowest_after[1:]
    highest_before = np.maximum.accumulate(step)
    back = np.flatnonzero((np.diff(step) < 0) & (step[1:] < highest_before[:-1])) + 1
    restarts = tuple(
        Restart(int(step[i]), int(highest_before[i - 1]), float(wall[i]), float(wall[i] - wall[i - 1]), new_file=False)
        for i in back[:1000]
    )
    gone = ~keep
    return Series(
        tag,
        run,
        _locked(step[keep]),
        _locked(value[keep]),
        _locked(wall[keep]),
        _locked(step[gone]),
        _locked(value[gone]),
        _locked(wall[gone]),
        restarts,
    )


def fill(main: Series, extra: Series) -> Series:
    """`main` with the points of `extra` at steps it lacks; `main` wins at equal steps and keeps its name."""
    new = ~np.isin(extra.steps, main.steps)
    if not new.any():
        return main
    steps = np.concatenate([main.steps, extra.steps[new]])
    order = np.argsort(steps, kind="stable")
    values = np.concatenate([main.values, extra.values[new]])[order]
    wall_times = np.concatenate([main.wall_times, extra.wall_times[new]])[order]
    return replace(main, steps=_locked(steps[order]), values=_locked(values), wall_times=_locked(wall_times))


def fill_run(main: Run, extra: Run) -> Run:
    """`main` with what only `extra` holds: series, points, arguments, texts. The sources of both are kept."""
    series = dict(main.series)
    for tag, other in extra.series.items():
        series[tag] = fill(series[tag], other) if tag in series else replace(other, run=main.name)
    return replace(
        main,
        series=series,
        sources=main.sources + extra.sources,
        texts=main.texts + extra.texts,
        hparams={**extra.hparams, **main.hparams},
        model_config={**extra.model_config, **main.model_config},
    )


def renamed(run: Run, name: str) -> Run:
    """The same run under another name."""
    return replace(run, name=name, series={tag: replace(s, run=name) for tag, s in run.series.items()})


def first_step(run: Run) -> int | None:
    """The lowest step of a run's curves; single points (a summary, a metric at step 0) count only if all are such."""
    curves = [s for s in run.series.values() if len(s) > 1] or [s for s in run.series.values() if len(s)]
    return min((int(s.steps[0]) for s in curves), default=None)


def last_step(run: Run) -> int | None:
    return max((int(s.steps[-1]) for s in run.series.values() if len(s)), default=None)


def first_wall_time(run: Run) -> float:
    """When the run's first point was written; infinity when that is not known."""
    told = [source.first_wall_time for source in run.sources if source.first_wall_time is not None]
    if told:
        return min(told)
    times = [float(np.nanmin(s.wall_times)) for s in run.series.values() if np.isfinite(s.wall_times).any()]
    return min(times, default=float("inf"))


def last_wall_time(run: Run) -> float:
    """When the run's last point was written; minus infinity when that is not known."""
    told = [source.last_wall_time for source in run.sources if source.last_wall_time is not None]
    if told:
        return max(told)
    times = [float(np.nanmax(s.wall_times)) for s in run.series.values() if np.isfinite(s.wall_times).any()]
    return max(times, default=float("-inf"))


def chain(runs: Sequence[Run]) -> tuple[Run, ...]:
    """Restarts of one training, each written to a folder of its own, in time order: one curve a tag in the last run.

    Each run takes over at its first step; what earlier runs had written from there on is superseded. The earlier runs
    stay in the result with what is theirs alone (files, texts), their curves move on to the last.
    """
    if len(runs) < 2:
        return tuple(runs)
    newest = runs[-1]
    merged: dict[str, Series] = {}
    for run in runs:
        cut = first_step(run)
        if cut is None:
            continue
        for tag, old in list(merged.items()):
            if tag in run.series or (len(old) and int(old.steps[-1]) >= cut):
                merged[tag] = _cut(old, cut)
        for tag, new in run.series.items():
            previous = merged.get(tag)
            if previous is None:
                merged[tag] = replace(new, run=newest.name)
                continue
            if not len(new):
                continue
            highest = int(max(_last(previous.steps), _last(previous.superseded_steps)))
            written = max(_last(previous.wall_times), _last(previous.superseded_wall_times))
            start, began = int(new.steps[0]), float(new.wall_times[0])
            restart = Restart(start, highest, began, began - float(written), new_file=True, forward=highest < start)
            merged[tag] = _join(previous, new, restart, newest.name)
    earlier = tuple(replace(run, series={}) for run in runs[:-1])
    return (*earlier, replace(newest, series=merged))


def merge_arguments(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Flat arguments of several sources; the first that states one wins."""
    merged: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            if merged.get(key) is None:
                merged[key] = value
    return merged


def _last(array: npt.NDArray[Any]) -> Any:
    return array[-1] if len(array) else -1


def _cut(series: Series, step: int) -> Series:
    n = int(np.searchsorted(series.steps, step))
    if n == len(series):
        return series
    return replace(
        series,
        steps=series.steps[:n],
        values=series.values[:n],
        wall_times=series.wall_times[:n],
        superseded_steps=_locked(np.concatenate([series.superseded_steps, series.steps[n:]])),
        superseded_values=_locked(np.concatenate([series.superseded_values, series.values[n:]])),
        superseded_wall_times=_locked(np.concatenate([series.superseded_wall_times, series.wall_times[n:]])),
    )


def _join(old: Series, new: Series, restart: Restart, run: str) -> Series:
    old = _cut(old, int(new.steps[0])) if len(new) else old
    names = ("steps", "values", "wall_times", "superseded_steps", "superseded_values", "superseded_wall_times")
    arrays: dict[str, Any] = {name: _locked(np.concatenate([getattr(old, name), getattr(new, name)])) for name in names}
    return Series(old.tag, run, **arrays, restarts=(*old.restarts, restart, *new.restarts))


def _locked(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    array.flags.writeable = False
    return array
