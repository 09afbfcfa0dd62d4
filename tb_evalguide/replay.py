"""A training as it stood at a step: for `--at-step` and for replaying runs evaluation by evaluation."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from tb_evalguide.model import CheckpointFile, Run, Series, Source, TrainerState, Training


def truncate(training: Training, step: int) -> Training:
    """What was known of `training` when step `step` had been written for the last time, and nothing that came later.

    Where the log has wall times they decide what of a restart's overwritten points had been seen by then.
    """
    last = max((int(s.steps[-1]) for run in training.runs for s in run.series.values() if len(s)), default=0)
    if step >= last:
        return training
    until = _wall_time_of(training, step)
    state = training.trainer_state
    return dataclasses.replace(
        training,
        runs=tuple(_run(run, step, until) for run in training.runs),
        trainer_state=_state(state, step) if state is not None else None,
        # A fault in a log file and the files of a final evaluation belong to the end of the run.
        log_faults=(),
        result_files=(),
        checkpoint_files=tuple(f for f in training.checkpoint_files if _existed(f, step, until)),
        ratings=tuple(rating for rating in training.ratings if rating.step <= step),
        notes=tuple(note for note in training.notes if note.step is None or note.step <= step),
    )


def _wall_time_of(training: Training, step: int) -> float:
    """When the last point at or before `step` was written; infinity where the log has no wall times."""
    times = [
        float(series.wall_times[: np.searchsorted(series.steps, step, side="right")].max(initial=0.0))
        for run in training.runs
        for series in run.series.values()
    ]
    latest = max((time for time in times if not math.isnan(time)), default=0.0)
    return latest if latest > 0 and math.isfinite(latest) else math.inf


def _run(run: Run, step: int, until: float) -> Run:
    series = {tag: _series(one, step, until) for tag, one in run.series.items()}
    return dataclasses.replace(
        run,
        series={tag: one for tag, one in series.items() if len(one)},
        texts=tuple(text for text in run.texts if text.step <= step),
        sources=tuple(_source(source, step, until) for source in run.sources),
        status=None,
    )


def _series(series: Series, step: int, until: float) -> Series:
    n = int(np.searchsorted(series.steps, step, side="right"))
    # A time that is not known (a table has none) is not after anything.
    seen = ~(series.superseded_wall_times > until)
    restarts = tuple(r for r in series.restarts if r.step <= step and not r.wall_time > until)
    if not restarts:
        # Before its first restart a series has overwritten nothing yet.
        seen = np.zeros(len(series.superseded_steps), bool)
    return dataclasses.replace(
        series,
        steps=series.steps[:n],
        values=series.values[:n],
        wall_times=series.wall_times[:n],
        superseded_steps=series.superseded_steps[seen],
        superseded_values=series.superseded_values[seen],
        superseded_wall_times=series.superseded_wall_times[seen],
        restarts=restarts,
    )


def _source(source: Source, step: int, until: float) -> Source:
    last = source.last_wall_time
    return dataclasses.replace(
        source,
        notes=tuple(note for note in source.notes if note.step is None or note.step <= step),
        last_wall_time=min(last, until) if last is not None else None,
    )


def _state(state: TrainerState, step: int) -> TrainerState:
    """The plan of the run stays; its state and the best checkpoint are those of the end, so they go."""
    reached = state.global_step
    epoch = state.epoch * step / reached if state.epoch is not None and reached else None
    return dataclasses.replace(state, best_model_checkpoint=None, best_metric=None, global_step=step, epoch=epoch)


def _existed(file: CheckpointFile, step: int, until: float) -> bool:
    if file.step is not None:
        return file.step <= step
    # Named by epoch, or final: only its time tells, and a copied folder's times are those of the copy.
    return math.isfinite(until) and file.modified <= until
