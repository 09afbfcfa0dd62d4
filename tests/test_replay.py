"""A training cut at a step knows what was known then and nothing of what came later."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tb_evalguide.model import (
    CheckpointFile,
    LogFault,
    ReadNote,
    Restart,
    Run,
    SampleRating,
    Series,
    Source,
    Text,
    TextPoint,
    TrainerState,
    Training,
)
from tb_evalguide.replay import truncate
from tb_evalguide.sources.merge import series_from_points

STEPS = np.arange(10, 101, 10)
TIMES = 1000.0 + STEPS


def series(**changes: object) -> Series:
    return dataclasses.replace(Series("loss", "r", STEPS, STEPS / 100.0, TIMES), **changes)  # type: ignore[arg-type]


def training(one: Series, **changes: object) -> Training:
    late = Series("late", "r", np.array([90, 100]), np.array([1.0, 2.0]), np.array([1090.0, 1100.0]))
    run = Run(
        "r",
        {"loss": one, "late": late},
        sources=(Source("f", "tfevents", 12, (ReadNote("x", Text("x"), step=80),), 1010.0, 1100.0),),
        texts=(TextPoint("t", 20, 1020.0, "a"), TextPoint("t", 80, 1080.0, "b")),
        status="success",
    )
    given = {
        "trainer_state": TrainerState("s", "checkpoint-90", 0.1, 100, 100, 2.0, 2.0),
        "log_faults": (LogFault("python", "nohup.out", 1, "boom"),),
        "checkpoint_files": (
            CheckpointFile("checkpoint-50", 50, None, 1, 1050.0, "hf"),
            CheckpointFile("checkpoint-90", 90, None, 1, 1090.0, "hf"),
            CheckpointFile("early", None, 0.5, 1, 1030.0, "keras"),
            CheckpointFile("final_model", None, None, 1, 1101.0, "final"),
        ),
        "result_files": ("eval_results.json",),
        "ratings": (SampleRating(50, "good"), SampleRating(90, "poor")),
        "notes": (ReadNote("n", Text("n"), step=90), ReadNote("m", Text("m"))),
        **changes,
    }
    return Training("r", (run,), **given)  # type: ignore[arg-type]


def test_nothing_later_is_left() -> None:
    cut = truncate(training(series()), 60)
    (run,) = cut.runs
    assert run.series["loss"].steps.tolist() == [10, 20, 30, 40, 50, 60]
    assert len(run.series["loss"].values) == len(run.series["loss"].wall_times) == 6
    assert "late" not in run.series
    assert [text.step for text in run.texts] == [20]
    assert run.status is None
    assert run.sources[0].last_wall_time == 1060.0 and run.sources[0].notes == ()
    assert cut.log_faults == () and cut.result_files == ()
    assert [file.path for file in cut.checkpoint_files] == ["checkpoint-50", "early"]
    assert [rating.step for rating in cut.ratings] == [50]
    assert [note.kind for note in cut.notes] == ["m"]
    state = cut.trainer_state
    assert state is not None
    assert (state.global_step, state.max_steps, state.best_model_checkpoint, state.best_metric) == (60, 100, None, None)
    assert state.epoch == pytest.approx(1.2)


def test_the_last_step_and_any_later_one_change_nothing() -> None:
    whole = training(series())
    assert truncate(whole, 100) is whole
    assert truncate(whole, 10**9) is whole


def test_before_the_first_step_nothing_is_known() -> None:
    assert truncate(training(series()), 5).runs[0].series == {}


def test_a_restart_is_known_only_after_it_happened() -> None:
    restart = Restart(step=50, last_step=70, wall_time=1200.0, gap_seconds=130.0, new_file=True)
    times = np.where(STEPS < 50, 1000.0 + STEPS, 1150.0 + STEPS)
    one = series(
        wall_times=times,
        superseded_steps=np.array([50, 60, 70]),
        superseded_values=np.array([5.0, 6.0, 7.0]),
        superseded_wall_times=np.array([1050.0, 1060.0, 1070.0]),
        restarts=(restart,),
    )
    before = truncate(training(one), 40).runs[0].series["loss"]
    assert before.restarts == () and len(before.superseded_steps) == 0
    after = truncate(training(one), 60).runs[0].series["loss"]
    assert after.restarts == (restart,)
    assert after.superseded_steps.tolist() == [50, 60, 70]
    assert after.steps.tolist() == [10, 20, 30, 40, 50, 60]


def test_without_wall_times_steps_decide() -> None:
    one = series(wall_times=np.zeros(len(STEPS)))
    bare = dataclasses.replace(training(one), runs=(Run("r", {"loss": one}),))
    cut = truncate(bare, 30)
    assert cut.runs[0].series["loss"].steps.tolist() == [10, 20, 30]
    assert [file.path for file in cut.checkpoint_files] == []


def test_a_restart_without_wall_times_is_still_seen() -> None:
    """A resumed table: what had been written again by that step is known from the steps alone."""
    steps = [*range(1, 101), *range(60, 121)]
    series = series_from_points("loss", ".", steps, [3 - step / 100 for step in steps])
    (run,) = truncate(Training(".", (Run(".", {"loss": series}),)), 110).runs
    assert run.series["loss"].steps[-1] == 110
    assert [r.step for r in run.series["loss"].restarts] == [60] and len(run.series["loss"].superseded_steps) == 41
