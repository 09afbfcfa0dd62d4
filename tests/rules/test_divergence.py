"""STB002: the loss falls, then climbs for good."""

import numpy as np
import pytest

from tb_evalguide.model import Role
from tb_evalguide.rules.divergence import RULE, unlearned

from ..support.checks import decay, evals, every, found, skipped, train
from ..support.phases import case, series


def climb(to, n=100, low=1.0, start=3.0, noise=0.005, seed=0):
    """Falls to `low` in the first half and climbs to `to` in the second."""
    values = np.concatenate([decay(n // 2, start, low, noise=0), np.linspace(low, to, n - n // 2)])
    return values * (1 + noise * np.random.default_rng(seed).standard_normal(n))


@pytest.mark.parametrize("interval", [1, 10])
@pytest.mark.parametrize("n", [40, 100, 1000])
def test_fires_at_any_density(n, interval):
    (evidence,) = found(RULE, case(train(climb(2.0, n=n), interval)))
    assert 0.4 * n * interval <= evidence.steps[0] <= 0.75 * n * interval
    assert evidence.numbers["rise"] == pytest.approx(0.95, abs=0.15)


@pytest.mark.parametrize(("to", "fires"), [(1.15, False), (1.45, True)])
def test_limit_of_the_share(to, fires):
    """A drop of 2: a tenth of it is 0.2; the last tenth of the points ends slightly below the last point."""
    assert bool(found(RULE, case(train(climb(to))))) is fires


@pytest.mark.parametrize(("limit", "fires"), [(0.4, True), (0.6, False)])
def test_limit_of_the_rise(limit, fires):
    assert bool(found(RULE, case(train(climb(1.5))), rise=limit, share=0.05)) is fires


def test_above_the_start():
    (evidence,) = found(RULE, case(train(climb(4.0))))
    assert evidence.variant == "above_start"


def test_evaluations_that_still_fall_forbid_it():
    assert not found(RULE, case(train(climb(2.0)), evals(decay(10, 3.0, 1.0))))
    assert found(RULE, case(train(climb(2.0)), evals(climb(2.0, n=10))))


def test_a_spike_that_recovers_is_none():
    values = decay(200)
    values[100:110] *= 3
    assert not found(RULE, case(train(values)))


def test_swings_that_come_back_are_oscillation():
    swings = decay(200) * (1 + 0.5 * np.sin(np.linspace(0, 20 * np.pi, 200)) ** 2)
    assert not found(RULE, case(train(swings)))


@pytest.mark.parametrize("seed", range(4))
def test_batch_noise_is_none(seed):
    assert not found(RULE, case(train(decay(60, 3.0, 1.0, noise=0.3, seed=seed))))


def test_few_points_are_believed_only_beside_evaluations():
    few = climb(2.5, n=12, noise=0)
    assert not found(RULE, case(train(few)))
    assert found(RULE, case(train(few), evals(climb(2.5, n=12, noise=0))))
    assert "not enough data" in skipped(RULE, case(train(few[:6])))


@pytest.mark.parametrize(("after", "fires"), [
    ([0.29] * 6, True),
    ([0.27] * 6, False),  # less than twice the highest before
    ([0.29] * 4, True),
    ([0.29] * 3, False),  # may yet come back
    ([0.29, 0.29, 0.26, 0.29, 0.29], False),
])  # fmt: skip
def test_one_leap_to_a_level_on_which_all_points_stay(after, fires):
    """Twice the 0.14 of the first epoch; no evaluations."""
    assert bool(found(RULE, case(train([0.14, 0.12, 0.10, 0.09, 0.08, *after])))) is fires


def test_a_score_without_a_floor_may_climb():
    assert not found(RULE, case(train(np.linspace(-22, -3, 60))))


def test_losing_everything_needs_no_evaluations():
    stale = evals([2.0, 1.5, 1.4, 1.39])
    assert found(RULE, case(train(climb(6.0)), stale))


@pytest.mark.parametrize(("level", "fires"), [(9e34, True), (2.3, False)])
def test_a_number_that_no_loss_has_is_a_divergence_before_the_log(level, fires):
    values = level * (1 + 0.3 * np.random.default_rng(0).standard_normal(60)) if fires else np.full(60, level)
    it = found(RULE, case(train(np.abs(values)), profile="generic"))
    assert [e.variant for e in it] == ["absurd"] * fires


@pytest.mark.parametrize(("end", "fires"), [(1.03, False), (1.09, True)])
def test_a_small_climb_is_believed_where_both_losses_gave_back_a_fifth(end, fires):
    """A drop of 0.3 from 1.3: 9 % of the loss are 30 % of it, but less than the train loss alone must rise by."""
    both = [climb(end, n=n, low=1.0, start=1.3, noise=0.001) for n in (100, 20)]
    assert bool(found(RULE, case(train(both[0]), evals(both[1])))) is fires
    assert not found(RULE, case(train(both[0])))


def test_an_eval_loss_far_above_is_overfitting_whatever_the_last_digits_of_train_do():
    tiny = np.concatenate([decay(60, 1.0, 0.001, noise=0.3), 0.002 * np.ones(40)])
    assert not found(RULE, case(train(tiny), evals(np.concatenate([decay(5, 1.0, 0.4), np.linspace(0.4, 1.5, 15)]))))


def ramp(n, end):
    """Falls from 3.3 to 0.28 over two thirds of the run and climbs to `end`."""
    return np.concatenate([decay(2 * n // 3, 3.3, 0.28, noise=0.001), np.geomspace(0.28, end, n - 2 * n // 3)])


@pytest.mark.parametrize(("end", "fires"), [(0.40, False), (0.65, True)])
def test_half_as_much_again_is_seen_beside_a_drop_twelve_times_as_large(end, fires):
    assert bool(found(RULE, case(train(ramp(30, end)), evals(ramp(30, end), 10)))) is fires


def square(n, high=26.0, low=21.0, periods=4):
    wave = np.where((np.arange(n) * 2 * periods // n) % 2 == 0, low, high)
    return np.concatenate([np.linspace(44, low, n // 5), wave]) * (
        1 + 0.002 * np.random.default_rng(0).standard_normal(n + n // 5)
    )


@pytest.mark.parametrize(("periods", "fires"), [(1, True), (4, False)])
def test_a_climb_from_which_the_loss_came_back_before_is_oscillation(periods, fires):
    run = case(train(square(250, periods=periods)), evals(square(50, periods=periods), 50))
    assert bool(found(RULE, run)) is fires


def test_an_eval_loss_that_was_best_at_its_first_evaluation():
    """Both settle for good well above where they had been when the first evaluation was made."""
    loss = np.concatenate([[3.9, 2.1, 2.1, 2.1, 2.1], np.full(95, 2.35)])
    rng = np.random.default_rng(0)
    loss[5:] += 0.03 * rng.standard_normal(95)
    judged = np.concatenate([[2.02], 2.33 + 0.004 * rng.standard_normal(19)])
    assert found(RULE, case(train(loss), evals(judged, 50)))


@pytest.mark.parametrize(("end", "fires"), [(-5e3, False), (-6.5e4, True)])
def test_a_negative_loss_that_runs_away_has_no_floor(end, fires):
    it = found(RULE, case(train(np.linspace(-5.0, end, 50))))
    assert [e.variant for e in it] == ["no_floor"] * fires


@pytest.mark.parametrize("start", [3e-5, 1e-8, -1e-6, 0.0])
def test_a_likelihood_that_begins_near_zero_has_not_run_away(start):
    assert not found(RULE, case(train(np.linspace(start, -1.5, 40))))


def test_a_climb_from_zero_is_told_without_a_share():
    values = np.concatenate([np.linspace(1.0, 0.0, 20), np.zeros(10), np.linspace(0.0, 0.6, 40)])
    values += 1e-4 * np.abs(np.random.default_rng(0).standard_normal(70))
    (evidence,) = found(RULE, case(train(values)))
    assert evidence.variant == "far"


@pytest.mark.parametrize(("shift", "variant"), [(0.0, ""), (2.0, "far")])
def test_a_climb_from_below_zero_is_told_without_a_share(shift, variant):
    """Both losses give back most of what they gained, from -1 or from 1 on."""
    values = np.concatenate([np.linspace(5.0, 1.0, 30), np.linspace(1.0, 4.0, 60)]) - shift
    (evidence,) = found(RULE, case(train(values), evals(values[::3] + 0.1, 30), profile="generic"))
    assert evidence.variant == variant


@pytest.mark.parametrize(("kept", "fires"), [(0.12, False), (0.3, True)])
def test_batches_that_scatter_high_at_the_end_beside_an_evaluation_that_kept_its_gain(kept, fires):
    """The train loss seems to lose most of its drop; the evaluations lose a small or a larger part of theirs."""
    loss = np.concatenate([np.linspace(0.7, 0.2, 70), np.linspace(0.2, 0.55, 30)])
    level = np.concatenate([np.linspace(0.7, 0.3, 14), np.linspace(0.3, 0.3 + 0.4 * kept, 6)])
    assert bool(found(RULE, case(train(loss), evals(level, 50)))) is fires
    # none among the last batches: what they say is not known
    assert found(RULE, case(train(loss), evals(level, 40)))


@pytest.mark.parametrize(("end", "fires"), [(0.40, False), (0.30, True)])
def test_swings_are_no_excuse_where_the_train_accuracy_is_lost_as_well(end, fires):
    """Two evaluations leap and come back while the train loss climbs by a sixth of what it had gained."""
    loss = np.concatenate([decay(10, 2.5, 1.62, rate=2), np.linspace(1.65, 1.9, 20)])
    level = np.full(30, 1.6) + np.concatenate([np.zeros(10), np.linspace(0, 0.25, 20)])
    level[[14, 20]] *= 1.5
    accuracy = series("accuracy", every(30), np.concatenate([np.linspace(0.1, 0.45, 10), np.linspace(0.45, end, 20)]))
    run = case(train(loss), evals(level, 10), roles={Role.TRAIN_ACCURACY: accuracy}, profile="classification")
    assert bool(found(RULE, run)) is fires


def test_an_evaluation_made_before_the_climb_says_nothing_of_it():
    values = decay(500, 3.0, 1.0, noise=0.02)
    values[465:] = np.linspace(1.0, 60.0, 35)
    run = case(train(values), evals(decay(20, 3.0, 1.02, noise=0.003), 230), profile="llm-sft")
    assert run.evals is not None and run.evals.steps[-1] == 4600, "among the last tenth of the train points"
    (evidence,) = found(RULE, run)
    assert evidence.variant == "above_start"


@pytest.mark.parametrize("train_ends", [-0.46, -1.05])
@pytest.mark.parametrize(("ends", "fires"), [(-0.2, True), (-0.85, True), (-0.93, False)])
def test_likelihoods_below_zero_that_lose_what_they_gained(train_ends, ends, fires):
    """Both losses give back a quarter of their gain or more; a train loss alone may be a critic's score."""
    loss = np.concatenate([np.linspace(-0.64, -1.33, 14), np.full(14, train_ends)])
    level = np.concatenate([np.linspace(-0.70, -1.01, 14), np.full(14, ends)])
    level += 0.004 * np.sin(2.4 * np.arange(28))
    assert bool(found(RULE, case(train(loss), evals(level, 10)))) is fires
    assert not found(RULE, case(train(loss)))


def test_losses_of_no_size_that_anything_is_learned_at():
    (evidence,) = found(RULE, case(train(np.linspace(1e13, -7e12, 28)), evals(np.linspace(1.1e13, -6e12, 28), 10)))
    assert evidence.variant == "absurd"


def settles(end, n=100, low=1.0, start=3.0, noise=0.0):
    """Falls to `low` in the first quarter, is level there until half way, and at `end` from then on."""
    fall = np.linspace(start, low, n // 4)
    values = np.concatenate([fall, np.full(n // 2 - n // 4, low), np.full(n - n // 2, end)])
    return values * (1 + noise * np.sin(2.4 * np.arange(n)))


def both_settle(end, low=1.0, start=3.0, apart=1.0, noise=0.0):
    """Train and eval loss on the same course, the eval loss `apart` times as high."""
    judged = apart * settles(end, 20, low, start, noise)
    return case(train(settles(end, 100, low, start, noise)), evals(judged, 50))


@pytest.mark.parametrize(("end", "fires"), [(1.28, False), (1.34, True)])
def test_limit_of_the_significance(end, fires):
    """Large enough in either case; 5 σ of the difference of the two levels are 0.31."""
    assert bool(found(RULE, case(train(settles(end, noise=0.05))))) is fires


@pytest.mark.parametrize(("end", "fires"), [(1.045, False), (1.055, True)])
def test_evaluations_must_have_risen_by_a_twentieth(end, fires):
    assert bool(found(RULE, case(train(settles(1.8)), evals(settles(end, 7), 140)))) is fires


@pytest.mark.parametrize(("end", "fires"), [(0.1 * 300**0.22, False), (0.1 * 300**0.28, True)])
def test_a_quarter_of_a_drop_over_decades(end, fires):
    """Both losses fell from 30 to 0.1 and climbed again, by little of the drop but on a logarithmic axis."""
    assert bool(found(RULE, both_settle(end, low=0.1, start=30.0))) is fires


@pytest.mark.parametrize(("end", "start", "fires"), [
    (1.09, 2.6, False),
    (1.11, 2.6, True),  # a tenth of the lowest loss, and 7 % of the drop
    (1.15, 4.2, False),  # … which must be a twentieth of it
    (1.15, 3.8, True),
])  # fmt: skip
def test_limits_of_two_losses_that_climb_side_by_side(end, start, fires):
    assert bool(found(RULE, both_settle(end, start=start))) is fires
    assert not found(RULE, case(train(settles(end, start=start)))), "alone it takes a tenth of the drop"


@pytest.mark.parametrize(("end", "fires"), [(1.09, False), (1.11, True)])
def test_the_evaluations_must_climb_by_a_tenth_beside_them(end, fires):
    run = case(train(settles(1.15, start=3.0)), evals(settles(end, 20, start=3.0), 50))
    assert bool(found(RULE, run)) is fires


@pytest.mark.parametrize(("end", "fires"), [(1.45, False), (1.55, True)])
def test_limit_of_half_as_much_again(end, fires):
    """Earlier swings are no excuse where both losses end half as high again."""
    loss = settles(end, 400, start=8.0)
    for first in (110, 155):
        loss[first : first + 20] += 0.4
    judged = settles(end, 20, start=8.0)
    assert bool(found(RULE, case(train(loss), evals(judged, 200)))) is fires


@pytest.mark.parametrize(("end", "fires"), [(0.9, False), (1.1, True)])
def test_limit_of_a_climb_by_decades_without_evaluations(end, fires):
    """From 1e4 down to 0.1: tenfold, and a quarter of the way on a logarithmic axis, but nothing of the drop."""
    assert bool(found(RULE, case(train(settles(end, low=0.1, start=1000.0))))) is fires
    run = case(train(settles(end, low=0.1, start=1000.0)), evals(settles(0.1, 20, low=0.1, start=1000.0), 50))
    assert not found(RULE, run), "evaluations would have risen with it"


@pytest.mark.parametrize(("start", "fires"), [(0.1 * 10.1**4.2, False), (0.1 * 10.1**3.8, True)])
def test_limit_of_the_share_of_such_a_climb(start, fires):
    assert bool(found(RULE, case(train(settles(1.01, low=0.1, start=start))))) is fires


@pytest.mark.parametrize(("n", "last", "fires"), [
    (8, 1.7, True),
    (7, 1.7, False),  # they do not tell their own noise …
    (7, 2.0, True),  # … and that they only rise must do
    (4, 2.0, True),
    (3, 2.0, False),
])  # fmt: skip
def test_how_many_evaluations_tell_a_climb_of_both_losses(n, last, fires):
    judged = np.concatenate([np.linspace(8.0, 1.0, n - 2), [1.75, last]])
    if n == 8:
        judged = np.interp(np.arange(n), [0, 1, 3, n - 1], [8.0, 1.0, 1.0, last])
    run = case(train(settles(1.6, start=8.0)), evals(judged, 800 // n), profile="vision")
    assert bool(found(RULE, run)) is fires


@pytest.mark.parametrize(("judged", "fires"), [([1.0, 1.2, 1.4], False), ([1.0, 1.1, 1.2, 1.4], True)])
def test_three_evaluations_that_rise_are_too_few(judged, fires):
    assert bool(found(RULE, case(train(settles(1.6, start=8.0)), evals(judged, 200), profile="vision"))) is fires


@pytest.mark.parametrize(("end", "fires"), [(1.08, False), (1.12, True)])
def test_few_evaluations_that_only_rise_must_rise_by_a_tenth(end, fires):
    """The mean of the last two above the lowest."""
    judged = [5.0, 2.0, 1.0, 1.03, 2 * end - 1.03]
    assert bool(found(RULE, case(train(settles(1.5, start=8.0)), evals(judged, 200)))) is fires


@pytest.mark.parametrize(("apart", "fires"), [(1.9, True), (2.1, False)])
def test_losses_that_climb_together_lie_within_a_factor_of_two(apart, fires):
    assert bool(found(RULE, both_settle(1.08, start=1.3, apart=apart))) is fires


@pytest.mark.parametrize(("lost", "fires"), [(0.22, False), (0.28, True)])
def test_likelihoods_must_lose_a_quarter_of_what_they_gained(lost, fires):
    assert bool(found(RULE, both_settle(-1.6 + lost, low=-1.6, start=-0.6, noise=0.001))) is fires


@pytest.mark.parametrize(("lost", "expected"), [(0.18, False), (0.22, True)])
def test_a_fifth_of_the_train_accuracy_is_lost(lost, expected):
    accuracy = series("accuracy", every(60), [0.8] * 30 + [0.8 * (1 - lost)] * 30)
    run = case(train(settles(1.5, 60)), roles={Role.TRAIN_ACCURACY: accuracy}, profile="classification")
    assert unlearned(run, RULE.limits) is expected


@pytest.mark.parametrize(("end", "variant"), [(1.05, ""), (1.15, "far")])
def test_a_rise_of_more_than_tenfold_is_told_without_a_share(end, variant):
    (evidence,) = found(RULE, case(train(settles(end, low=0.1))))
    assert evidence.variant == variant


@pytest.mark.parametrize(("start", "end", "fires"), [
    (-5.0, -4.5e4, False),  # ten thousand times the first loss …
    (-5.0, -5.5e4, True),
    (-0.1, -0.9e4, False),  # … and ten thousand
    (-0.1, -1.1e4, True),
])  # fmt: skip
def test_limits_of_a_loss_without_a_floor(start, end, fires):
    it = found(RULE, case(train(settles(end, low=2 * start, start=start))))
    assert [e.variant for e in it] == ["no_floor"] * fires


@pytest.mark.parametrize(("level", "fires"), [(0.9e10, False), (1.1e10, True)])
def test_limit_of_a_number_that_no_loss_has(level, fires):
    assert bool(found(RULE, case(train(np.full(60, level))))) is fires


@pytest.mark.parametrize(("height", "times", "end", "fires"), [
    (0.27, 2, 1.6, True),  # less than half as high as the last climb
    (0.33, 2, 1.6, False),  # more than half: the last one may go back, too …
    (0.33, 1, 1.6, True),  # … unless there was one such swing only …
    (0.60, 2, 1.9, False),
    (0.60, 2, 2.1, True),  # … or more than half of the drop from 3 to 1 is lost
])  # fmt: skip
def test_limits_of_earlier_swings(height, times, end, fires):
    loss = np.concatenate([np.linspace(3.0, 1.0, 100), np.full(100, 1.0), np.full(200, end)])
    for first in (110, 155)[:times]:
        loss[first : first + 20] += height
    assert bool(found(RULE, case(train(loss)))) is fires


@pytest.mark.parametrize(("evaluations", "top", "train_top", "fires"), [
    (5, 1.55, 1.30, True),
    (4, 1.65, 1.30, False),  # too few in a row
    (6, 1.45, 1.30, False),  # the evaluations did not rise by half
    (6, 1.55, 1.20, False),  # train loss did not climb by a quarter
])  # fmt: skip
def test_evaluations_that_each_rise_beside_a_train_loss_that_climbs(evaluations, top, train_top, fires):
    """From 20 down to 1.0 and slowly up again: a twentieth of the drop, however far beyond the noise."""
    down = [20.0, 8.0, 3.0, 1.6, 1.2, 1.05, 1.02, 1.0]
    level = np.concatenate([down, np.linspace(1.0, top, evaluations + 1)[1:]])
    losses = np.interp(np.arange(10 * len(level)), 10 * np.arange(len(level)) + 9, level)
    climb = losses[79:] - 1.0
    losses[79:] = 1.0 + climb / climb[-1] * (train_top - 1.0)
    losses[-int(0.1 * len(losses)) :] = train_top
    run = case(train(losses * (1 + 0.004 * np.sin(2.4 * np.arange(len(losses))))), evals(level), profile="generic")
    assert bool(found(RULE, run)) is fires


@pytest.mark.parametrize("leapt", [4, 6, 7, 11, 12, 13, 50])
def test_more_points_after_a_leap_than_there_are_prove_none(leapt):
    loss = train([0.14, 0.12, 0.10, 0.09, 0.08, *[0.29] * 6])
    assert bool(found(RULE, case(loss), leapt=leapt)) is (leapt <= 6)
