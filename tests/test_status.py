"""Finished, running, stalled, crashed, unknown; and the phase L1 … L5."""

import numpy as np
import pytest

from tb_evalguide.i18n import render
from tb_evalguide.model import LogFault, TrainerState
from tb_evalguide.status import duration, planned_steps, run_status

from .support.phases import case, file, series, timed

LAST = 1.7e9 + 36000.0  # the last event after ten hours of training


def ten_hours(planned=None, **more):
    steps = np.arange(100, 3700, 100)
    arguments = {"max_steps": planned} if planned else {}
    arguments |= more.pop("arguments", {})
    return case(timed("train/loss", steps, 1.7e9 + steps * 10.0), arguments=arguments, **more)


@pytest.mark.parametrize(
    ("planned", "age", "state"),
    [
        (3600, 60, "finished"),
        (3601, 60, "finished"),  # no further point is due before the end
        (7200, 60, "running"),
        (7200, 9_999, "running"),
        (7200, 10_001, "stalled"),
        (7200, 9.5 * 3600, "stalled"),
        (None, 60, "running"),
        (None, 9 * 3600, "unknown"),
        (None, None, "unknown"),
        (7200, None, "unknown"),
    ],
)
def test_state_by_plan_and_age_of_the_last_event(planned, age, state):
    # points every 1000 s, so that ten intervals are 10 000 s
    status = run_status(ten_hours(planned), None if age is None else LAST + age)
    assert status.state == state, render(status.reason)


def test_an_archived_log_that_stopped_early_is_not_news():
    status = run_status(ten_hours(7200), LAST + 30 * 86400)
    assert status.state == "stalled" and status.phase == "L5"
    assert render(status.reason) == "Stopped early at step 3600 of 7200, 30 days ago; no error found."


def test_a_crash_is_told_by_its_log_line_unless_the_run_went_on_or_finished():
    fault = LogFault("out_of_memory", "nohup.out", 12, "CUDA out of memory {evil}", LAST + 5)
    crashed = run_status(ten_hours(7200, log_faults=(fault,)), LAST + 60)
    assert crashed.state == "crashed" and crashed.phase == "L5"
    assert render(crashed.reason) == "Crashed at step 3600: nohup.out, line 12: CUDA out of memory {evil}"
    old = LogFault("out_of_memory", "nohup.out", 12, "CUDA out of memory", LAST - 5000)
    assert run_status(ten_hours(7200, log_faults=(old,)), LAST + 60).state == "running"
    assert run_status(ten_hours(3600, log_faults=(fault,)), LAST + 60).state == "finished"


def test_what_else_marks_an_end():
    closing = series("train/train_runtime", [3600], [36000.0])
    assert run_status(ten_hours(extra=[closing])).state == "finished"
    resumed = series("train/train_runtime", [2000], [20000.0])
    assert run_status(ten_hours(extra=[resumed])).state == "unknown"
    assert run_status(ten_hours(run_status="SUCCESS")).state == "finished"
    assert run_status(ten_hours(run_status="FAILURE")).state == "crashed"
    assert run_status(ten_hours(checkpoint_files=(file(None, "final", path="final_model"),))).state == "finished"
    steps = np.arange(100, 3700, 100)
    assert run_status(ten_hours(lr=series("lr", steps, 1e-4 * (1 - steps / 3601)))).state == "finished"
    assert run_status(ten_hours(lr=series("lr", steps, np.full(36, 1e-4)))).state == "unknown"
    epoch = series("epoch", steps, steps / 1201)
    assert run_status(ten_hours(epoch=epoch, arguments={"num_train_epochs": 3})).state == "finished"
    assert run_status(ten_hours(epoch=epoch, arguments={"num_train_epochs": 4})).state == "unknown"


def test_epochs_that_a_number_of_steps_overrides_mark_no_end():
    """Hugging Face's arguments say three epochs by default; a positive `max_steps` is what counts."""
    steps = np.arange(100, 3700, 100)
    epoch = series("epoch", steps, steps / 100)
    by_steps = {"max_steps": 30_000, "num_train_epochs": 3.0}
    assert run_status(ten_hours(epoch=epoch, arguments=by_steps)).state == "unknown"
    assert run_status(ten_hours(epoch=epoch, arguments={**by_steps, "max_steps": -1})).state == "finished"
    crash = LogFault("out_of_memory", "train.log", 7, "CUDA out of memory", LAST + 5)
    assert run_status(ten_hours(epoch=epoch, arguments=by_steps, log_faults=(crash,)), LAST + 60).state == "crashed"


def test_phases():
    assert run_status(case(), LAST).phase == "L1"
    now = LAST - 700
    train = timed("train/loss", np.arange(100, 3700, 100), 1.7e9 + np.arange(100, 3700, 100) * 10.0)
    for n, phase in ((0, "L2"), (1, "L3"), (2, "L4"), (5, "L4")):
        evals = series("eval/loss", range(500, 500 + 500 * n, 500), np.linspace(2, 1, n)) if n else None
        assert run_status(case(train, evals), now).phase == phase
    assert run_status(ten_hours(3600), now).phase == "L5"


def test_progress_and_remaining_time():
    status = run_status(ten_hours(7200), LAST)
    assert status.progress == pytest.approx(0.5) and status.planned_steps == 7200
    assert status.remaining_seconds == pytest.approx(36000, rel=1e-3)
    assert run_status(ten_hours(3600), LAST).remaining_seconds is None


def test_the_plan_of_a_run_whose_steps_are_epochs():
    keras = case(series("epoch_loss", range(5), [5, 4, 3, 2, 1]), arguments={"epochs": 5})
    assert planned_steps(keras) == 4 and run_status(keras).state == "finished"
    started = case(series("epoch_loss", range(3), [5, 4, 3]), arguments={"epochs": 5})
    assert run_status(started, 1.7e9 + 10).state == "running"


def test_iterations_beside_epochs_do_not_move_the_last_step():
    keras = case(series("epoch_loss", range(5), [5, 4, 3, 2, 1]), extra=[series("iterations", [750], [1.0])])
    assert run_status(keras).last_step == 4


def test_trainer_state_states_the_plan():
    state = TrainerState("trainer_state.json", max_steps=7200)
    assert run_status(ten_hours(trainer_state=state), LAST).planned_steps == 7200


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(40, "40 s"), (600, "10 min"), (5400, "1.5 h"), (200000, "2 days"), (float("nan"), "an unknown time")],
)
def test_lengths_of_time_in_the_unit_that_fits(seconds, said):
    assert render(duration(seconds)) == said
