"""Cost of a run: pauses taken out, time an epoch, share of evaluation, slow-down."""

import numpy as np
import pytest

from tb_evalguide.cost import intervals, measure_cost, slowdown, timing

from .support.phases import case, series, timed


def walls(steps, per_step, start=1.7e9):
    return start + np.cumsum(np.full(len(steps), per_step))


def test_a_night_s_pause_is_no_training_time():
    steps = np.arange(10, 1010, 10)
    times = 1.7e9 + steps * 2.0
    times[50:] += 8 * 3600
    cost = measure_cost(case(timed("loss", steps, times)))
    assert cost.wall_seconds == pytest.approx(990 * 2 + 8 * 3600)
    assert cost.active_seconds == pytest.approx(990 * 2)
    assert cost.seconds_per_step == pytest.approx(2.0)


def test_a_gap_below_a_minute_is_work():
    steps = np.arange(100)
    times = 1.7e9 + steps * 0.1
    times[50:] += 59
    assert not timing(case(timed("loss", steps, times))).pauses.any()
    times[50:] += 2
    assert timing(case(timed("loss", steps, times))).pauses.sum() == 1


def test_long_evaluations_are_no_pauses_but_a_pause_beside_them_is():
    steps = np.arange(10, 510, 10)
    took = np.full(50, 10.0)
    took[5::10] = 600.0  # the interval after every tenth point holds an evaluation
    took[27] = 7200.0
    times = 1.7e9 + np.cumsum(took)
    evals = times[4::10] + 590
    time = intervals(steps, times, evals)
    assert time.evals.sum() == 5 and time.pauses.tolist().count(True) == 1 and bool(time.pauses[26])
    assert time.active_seconds == pytest.approx(took[1:].sum() - 7200 + 10)


def test_seconds_an_epoch_from_the_epoch_series_and_from_a_step_axis_of_epochs():
    steps = np.arange(10, 210, 10)
    epoch = series("epoch", steps, steps / 50)
    cost = measure_cost(case(timed("loss", steps, 1.7e9 + steps * 3.0), epoch=epoch))
    assert cost.seconds_per_epoch == pytest.approx(150)
    keras = measure_cost(case(timed("epoch_loss", range(10), 1.7e9 + np.arange(10) * 60.0)))
    assert keras.seconds_per_epoch == pytest.approx(60)
    unknown = measure_cost(case(timed("loss", steps, 1.7e9 + steps * 3.0)))
    assert unknown.seconds_per_epoch is None


def test_share_of_evaluation_from_what_passed_before_each_was_written():
    steps = np.arange(10, 1010, 10)
    times, clock, evals = [], 1.7e9, []
    for step in steps:
        clock += 10
        times.append(clock)
        if step % 100 == 0:
            clock += 50
            evals.append(clock)
    cost = measure_cost(
        case(timed("loss", steps, times), timed("val", steps[9::10], evals, np.linspace(2, 1, len(evals))))
    )
    assert cost.eval_share == pytest.approx(500 / (times[-1] - times[0]), rel=0.01)


def test_share_of_evaluation_is_what_hugging_face_states():
    steps = np.arange(10, 1010, 10)
    evals = series("eval/loss", [500, 1000], [2, 1])
    runtime = series("eval/runtime", [500, 1000], [99.0, 99.0])
    cost = measure_cost(case(timed("train/loss", steps, 1.7e9 + steps * 1.0), evals, extra=[runtime]))
    assert cost.eval_share == pytest.approx(0.2)


def test_without_train_points_between_evaluations_their_share_is_unknown():
    train = timed("loss", range(20), 1.7e9 + np.arange(20) * 60.0)
    evals = timed("val", range(20), 1.7e9 + np.arange(20) * 60.0 + 5)
    assert measure_cost(case(train, evals)).eval_share is None


@pytest.mark.parametrize(("late", "ratio"), [(1.0, 1.0), (2.0, 2.0)])
def test_slow_down_compares_the_end_with_the_start(late, ratio):
    seconds = np.concatenate([[9, 9, 9], np.full(60, 1.0), np.full(60, late)])
    time = intervals(np.arange(len(seconds) + 1), 1.7e9 + np.concatenate([[0], np.cumsum(seconds)]), np.empty(0))
    assert slowdown(time) == pytest.approx(ratio)


def test_slow_down_needs_fifty_intervals():
    time = intervals(np.arange(50), 1.7e9 + np.arange(50.0), np.empty(0))
    assert len(time.seconds) == 49 and slowdown(time) is None


def test_times_that_are_missing_or_run_backwards_are_left_out():
    steps = np.arange(6)
    nan = intervals(steps, np.full(6, np.nan), np.empty(0))
    assert len(nan.seconds) == 0 and nan.active_seconds == 0.0
    mixed = intervals(steps, np.array([100.0, 101, 50, 102, 0, 103]), np.empty(0))
    assert (mixed.seconds >= 0).all() and mixed.steps.tolist() == [1, 3, 5]
    assert measure_cost(case(timed("loss", steps, np.zeros(6)))).active_seconds is None
    assert measure_cost(case()).wall_seconds is None


def test_steps_without_a_usable_loss_took_their_time_as_well():
    values = np.linspace(2, 1, 20)
    values[10:] = np.nan
    cost = measure_cost(case(timed("loss", range(20), 1.7e9 + np.arange(20.0), values)))
    assert cost.active_seconds == pytest.approx(19)
