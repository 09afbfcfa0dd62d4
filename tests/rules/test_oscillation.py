"""STB007: the loss swings up and down instead of settling."""

import numpy as np
import pytest

from tb_evalguide.case import Curve
from tb_evalguide.diagnosis import check_rule
from tb_evalguide.model import Role, Severity
from tb_evalguide.rules.oscillation import RULE, gains, in_step, restless, sinks, still_swings, waves

from ..support.checks import decay, evals, every, found, rate, severity, skipped, train
from ..support.phases import case, series


def swinging(height, times, n=40, until=1.0):
    """Falls from 2 to 1 with `times` swings of `height` above it, in the part of the run before `until`."""
    x = np.linspace(0, 1, n)
    wave = np.where(x <= until, np.sin(np.pi * times * x / until) ** 2, 0.0)
    return decay(n, 2.0, 1.0, noise=0.002) * (1 + height * wave)


@pytest.mark.parametrize(("height", "times", "fires"), [
    (0.45, 4, True),  # large swings
    (0.45, 1, False),  # a single one is a spike
    (0.22, 6, True),  # small ones, often
    (0.08, 8, False),  # too small
])  # fmt: skip
def test_size_and_number_of_swings(height, times, fires):
    """About a level, so that nothing is gained: a run that gains may swing, as long as it ends well."""
    level = swinging(height, times) / decay(40, 2.0, 1.0, noise=0)
    it = found(RULE, case(train(swinging(0.3, 2, 200)), evals(level)))
    assert [severity(RULE, e) for e in it] == [Severity.MEDIUM] * fires


@pytest.mark.parametrize(("height", "expected"), [(0.4, Severity.INFO), (0.75, Severity.MEDIUM)])
def test_an_eval_set_that_swings_alone_is_a_fault_only_where_its_swings_eat_up_the_gain(height, expected):
    (evidence,) = found(RULE, case(train(decay(200)), evals(swinging(height, 4))))
    assert severity(RULE, evidence) is expected


@pytest.mark.parametrize(("end", "late", "bump", "expected"), [
    (1.2, 0.99, 2.3, Severity.INFO),
    (1.3, 0.99, 2.3, Severity.MEDIUM),  # a quarter above the lowest evaluation
    (1.2, 1.01, 2.3, Severity.MEDIUM),  # nothing was gained in the last third
    (1.2, 0.99, 2.7, Severity.MEDIUM),  # the train level was thrown up to more than 2.5 times its low
])  # fmt: skip
def test_a_run_that_gained_and_ends_well_has_its_swings_behind_it(end, late, bump, expected):
    loss = decay(200, 3.0, 1.0, noise=0.001)
    loss[80:110] *= bump
    values = [5.4, 5.0, 4.6, 4.2, 3.8, 3.4, 3.0, 2.0, 1.6, 1.2, 1.8, 1.1, 1.05, 1.0, 1.0, 1.5, late, 1.02, end, end]
    (evidence,) = found(RULE, case(train(loss), evals(values)))
    assert severity(RULE, evidence) is expected


def test_or_when_nothing_is_gained():
    flat = swinging(0.4, 4) / decay(40, 2.0, 1.0, noise=0)
    (evidence,) = found(RULE, case(train(decay(200)), evals(flat)))
    assert severity(RULE, evidence) is Severity.MEDIUM


@pytest.mark.parametrize(("until", "expected"), [(0.55, Severity.INFO), (1.0, Severity.MEDIUM)])
def test_a_curve_that_settled_is_information(until, expected):
    (evidence,) = found(RULE, case(None, evals(swinging(0.5, 4, until=until))))
    assert severity(RULE, evidence) is expected
    assert (evidence.variant == "settled") is (expected is Severity.INFO)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("noise", [0.1, 0.5])
def test_noise_from_batch_to_batch_is_none(noise, seed):
    assert not found(RULE, case(train(decay(400, noise=noise, seed=seed)), evals(decay(20, noise=0.01, seed=seed))))


def test_batches_that_alternate_are_none():
    values = decay(200)
    values[::2] *= 3
    assert not found(RULE, case(train(values), evals(decay(20))))


def test_waves_of_the_train_level_count():
    wave = decay(200, 3.0, 2.0) * (1 + 0.12 * np.sign(np.sin(np.linspace(0, 16 * np.pi, 200))))
    (evidence,) = found(RULE, case(train(wave)))
    assert evidence.tags == ("train/loss",)


@pytest.mark.parametrize("noise", [0.005, 0.02])
def test_a_loss_near_nothing_may_swing(noise):
    """Relative swings of a loss that went to a thousandth of its start mean nothing."""
    values = np.geomspace(1, 1e-4, 200) * (1 + 0.5 * np.sin(np.linspace(0, 20 * np.pi, 200)) ** 2)
    values[:20] = decay(20, 1.0, 0.9, noise=noise)
    assert not found(RULE, case(train(values)))


def test_skipped_without_enough_points():
    assert "8" in skipped(RULE, case(train(decay(29)), evals(decay(7))))
    assert not found(RULE, case(train(decay(30)), evals(decay(7))))


def test_a_last_climb_under_a_falling_train_loss_is_no_swing():
    """Stairs of overfitting: the eval loss climbs at every epoch, comes half back once, and stays up at the end."""
    stairs = [0.36, 0.26, 0.196, 0.226, 0.199, 0.246, 0.226, 0.211, 0.206, 0.242, 0.279, 0.282, 0.284, 0.285, 0.288]
    falls = np.interp(np.arange(150), [0, 40, 50, 60, 100, 110, 149], [0.31, 0.24, 0.22, 0.12, 0.12, 0.055, 0.053])
    assert not found(RULE, case(train(falls), evals(stairs)))
    assert found(RULE, case(train(np.full(150, 0.2)), evals(stairs)))


def test_a_restless_eval_loss_that_climbs_away_from_train_overfits():
    rng = np.random.default_rng(0)
    climbs = np.interp(np.arange(24), [0, 3, 23], [1.6, 0.9, 2.2]) * (1 + 0.18 * rng.standard_normal(24))
    (evidence,) = found(RULE, case(train(decay(240, 1.7, 0.2)), evals(climbs)))
    assert severity(RULE, evidence) is Severity.INFO
    (evidence,) = found(RULE, case(train(np.full(240, 1.0)), evals(climbs)))
    assert severity(RULE, evidence) is Severity.MEDIUM


@pytest.mark.parametrize(("low", "count"), [(5.0, 1), (8.0, 0)])
def test_two_huge_swings_of_a_short_log(low, count):
    values = [9, 8.8, 8.5, 7.5, low, low, 9.6, 9.8, 9.6, 9.4, low, low, 9.0, 8.8]
    it = check_rule(RULE, case(train(values))).evidence
    assert len(it) == count
    alternating = [9, low] * 7
    assert not check_rule(RULE, case(train(alternating))).evidence


def test_a_run_that_ends_at_its_best_is_information():
    hump = [0.63, 0.64, 1.13, 0.71, 1.4, 1.0, 1.1, 1.25, 0.63, 0.34, 0.5, 0.28]
    (evidence,) = found(RULE, case(train(decay(200, 1.0, 0.1)), evals(hump)))
    assert severity(RULE, evidence) is Severity.INFO


def test_evaluations_that_leap_up_for_single_epochs_are_spikes():
    leaps = decay(50, 0.6, 0.43, noise=0.005)
    leaps[[6, 14, 39]] *= [2.1, 1.6, 1.5]
    (evidence,) = found(RULE, case(train(decay(200)), evals(leaps)))
    assert severity(RULE, evidence) is Severity.INFO


def test_a_restless_fall_gains():
    rng = np.random.default_rng(2)
    restless = np.linspace(1.2, 0.86, 53) * (1 + 0.07 * rng.standard_normal(53))
    loud = [e for e in found(RULE, case(train(decay(200)), evals(restless))) if severity(RULE, e) is not Severity.INFO]
    assert not loud


def test_swings_of_a_loss_that_has_come_down_far_are_next_to_nothing():
    values = decay(50, 2.5, 0.05, noise=0.02, rate=8)
    values[20:] *= 1 + 0.8 * np.sin(np.linspace(0, 8 * np.pi, 30)) ** 2
    assert all(severity(RULE, e) is Severity.INFO for e in found(RULE, case(train(decay(200)), evals(values))))


@pytest.mark.parametrize(("gains", "expected"), [(True, Severity.INFO), (False, Severity.MEDIUM)])
def test_cycles_of_the_rate_are_meant_as_long_as_they_gain(gains, expected):
    """Every pulse of the rate throws the loss up; the later ones end no lower any more."""
    lows = np.array([1.0, 0.8, 0.65, 0.5, 0.42, 0.36]) if gains else np.array([1.0, 0.5, 0.62, 0.6, 0.65, 0.6])
    losses = np.concatenate([[low] * 30 + [1.6 * low] * 10 for low in lows] + [[lows[-1] * 0.98] * 10])
    rates = np.concatenate([([1e-3] * 28 + [1e-2] * 12) for _ in lows] + [[1e-3] * 10])
    it = found(RULE, case(train(losses), lr=rate(rates)))
    assert [severity(RULE, e) for e in it] == [expected]


@pytest.mark.parametrize(("width", "expected"), [(1.1, Severity.MEDIUM), (0.9, Severity.INFO)])
def test_evaluations_that_scatter_to_the_end_over_all_that_was_gained_have_not_settled(width, expected):
    values = decay(60, 2.0, 1.0, noise=0.0, rate=8) + width * np.where(np.arange(60) % 6 < 3, 1.0, 0.0)
    values[0] = 2.0
    (evidence,) = found(RULE, case(train(decay(600)), evals(values)))
    assert severity(RULE, evidence) is expected


@pytest.mark.parametrize(("height", "expected"), [(1.5, Severity.INFO), (5.0, Severity.MEDIUM)])
def test_no_cycle_of_the_learning_rate_is_meant_to_multiply_the_loss(height, expected):
    """Four cycles, each of which ends a quarter lower than the one before."""
    cycle = np.linspace(1 + height, 1.0, 25)
    values = np.concatenate([cycle * 0.75**k for k in range(4)])
    restarts = rate(np.tile(np.linspace(1e-3, 1e-5, 25), 4))
    (evidence,) = found(RULE, case(train(values), evals(values[4::5], interval=50), lr=restarts))
    assert severity(RULE, evidence) is expected


@pytest.mark.parametrize(("wiggle", "expected"), [(1.15, Severity.INFO), (1.6, Severity.MEDIUM)])
def test_a_wiggle_of_a_short_train_loss_is_no_swing_with_the_evaluations(wiggle, expected):
    loss = [1.6, 0.84, 0.52, 0.41, 0.39, 0.37, 0.32, 0.32 * wiggle, 0.26]
    values = [1.85, 0.43, 0.62, 0.40, 0.54, 0.54, 0.41, 0.52, 0.52]
    (evidence,) = found(RULE, case(train(loss, 100), evals(values)))
    assert severity(RULE, evidence) is expected


def in_waves(height, n=40, noise=0.002, seed=0, shift=0.0):
    """Falls from 3 to 1.8 and then goes up and down by `height` five times."""
    x = np.linspace(0, 1, n)
    wave = 1 + height * np.where(x > 0.25, np.sin(2 * np.pi * (5 * x + shift)) / 2 + 0.5, 0.0)
    return decay(n, 3.0, 1.8, noise=0, rate=12) * wave * (1 + noise * np.random.default_rng(seed).standard_normal(n))


@pytest.mark.parametrize(("height", "fires"), [(0.04, False), (0.12, True)])
def test_small_swings_of_both_losses_in_step_are_waves(height, fires):
    run = case(train(in_waves(height, 400, 0.05)), evals(in_waves(height)), profile="generic")
    assert [severity(RULE, e) for e in found(RULE, run)] == [Severity.MEDIUM] * fires


@pytest.mark.parametrize("height", [0.0, 0.08])
def test_but_not_where_each_goes_its_own_way(height):
    run = case(train(in_waves(height, 400, 0.05, shift=0.5)), evals(in_waves(0.12)), profile="generic")
    assert not found(RULE, run)


@pytest.mark.parametrize("seed", range(8))
def test_scatter_of_both_losses_makes_no_waves(seed):
    run = case(
        train(decay(400, noise=0.05, seed=seed)), evals(decay(40, noise=0.03, seed=seed + 50)), profile="generic"
    )
    assert not [e for e in found(RULE, run) if severity(RULE, e) is not Severity.INFO]


@pytest.mark.parametrize("seed", range(20))
def test_two_smooth_falls_are_not_in_step(seed):
    rng = np.random.default_rng(seed)
    fall = 2 * np.exp(-3 * np.linspace(0, 1, 30))
    dense = 2 * np.exp(-3 * np.linspace(0, 1, 300))
    run = case(train(dense * (1 + 0.01 * rng.standard_normal(300))), evals(fall * (1 + 0.05 * rng.standard_normal(30))))
    assert not in_step(run, RULE.limits)


@pytest.mark.parametrize(("height", "expected"), [(0.3, Severity.INFO), (0.9, Severity.MEDIUM)])
def test_a_restart_of_the_rate_may_multiply_a_loss_that_is_nearly_gone(height, expected):
    """Bumps of ten times the low, a few evaluations after each restart; small or large beside where it all began."""
    lows = [0.3, 0.03, 0.01]
    values = np.concatenate([[2.0, 1.2, 0.6], *([low, low, low + height, low + height / 3, low, low] for low in lows)])
    rates = np.concatenate([np.linspace(5e-3, 1e-5, 4), *([np.linspace(5e-3, 1e-5, 6)] * 3)])[: len(values)]
    (evidence,) = found(RULE, case(train(np.repeat(values, 5)), evals(values, 50), lr=rate(np.repeat(rates, 5))))
    assert severity(RULE, evidence) is expected


@pytest.mark.parametrize(("late", "expected"), [(1, Severity.INFO), (4, Severity.MEDIUM)])
def test_a_restart_answers_for_a_swing_within_two_points(late, expected):
    """Two bumps of a half; the rate was raised `late` evaluations before the loss began to climb."""
    values = np.array([2, 1.4, 1.2, 1.15, 1.1, 1.05, 1, 1.5, 1.2, 1, 0.95, 0.9, 0.85, 0.8, 1.3, 1.1, 1.03, 1.02])
    rates = np.full(len(values), 1e-4)
    for low in (6, 13):
        rates[low - late : low + 2] = 1e-3  # … and held until the peak
    run = case(train(np.repeat(values, 5)), evals(values, 50), lr=rate(np.repeat(rates, 5)))
    (evidence,) = found(RULE, run)
    assert severity(RULE, evidence) is expected


def blocks(lengths, high=9.0, low=4.0):
    """Rows of high and low points in turn."""
    return np.concatenate([[low if k % 2 else high] * length for k, length in enumerate(lengths)])


@pytest.mark.parametrize(("values", "fires"), [
    (blocks([3, 3, 3, 3, 2], high=1.45, low=1.0), False),  # climbs of less than a half
    (blocks([3, 3, 3, 3, 2], high=1.55, low=1.0), True),
    ([11.8] * 5 + [4, 4, 4, 9, 9, 9] * 2, False),  # back to 76 % of the start
    ([10.7] * 5 + [4, 4, 4, 9, 9, 9] * 2, True),  # to 84 %
    ([5, 4, 4, 6, 9, 9, 6, 4, 4, 6, 9], False),  # eleven points
    ([5, 4, 4, 6, 9, 9, 6, 4, 4, 6, 9, 9], True),
    (blocks([2, 2, 3, 2, 3, 2]), False),  # a lag-1 correlation of 0.2: hardly in rows
    (blocks([3, 2, 3, 3, 3]), True),  # 0.34
])  # fmt: skip
def test_limits_of_the_swings_of_a_short_log(values, fires):
    assert check_rule(RULE, case(train(values))).result.outcome == ("fired" if fires else "skipped")


def steps_up(height, times, n=200):
    """Lies at 1 and, `times` times, for a while higher by `height`."""
    return 1 + height * ((np.arange(n) * (2 * times + 1) // n) % 2)


@pytest.mark.parametrize(("height", "times", "fires"), [
    (0.09, 4, False),
    (0.11, 4, True),
    (0.30, 2, False),
    (0.30, 3, True),
])  # fmt: skip
def test_limits_of_swings_of_the_train_level(height, times, fires):
    assert bool(found(RULE, case(train(steps_up(height, times))))) is fires


def as_curve(values):
    return Curve.of(evals(values))


@pytest.mark.parametrize(("values", "expected"), [
    (np.interp(np.arange(20), [0, 17], [2.0, 1.82]), False),  # falls all along, but by less than a tenth
    (np.interp(np.arange(20), [0, 17], [2.0, 1.78]), True),
    ([2.8, 2.9, 2.6, 2.7, 2.2, 2.5, 2.4, 2.3], False),  # 23 of 28 pairs fall: p is 0.018
    ([2.8, 2.9, 2.6, 2.7, 2.4, 2.5, 2.2, 2.3], True),  # 24 of 28: 0.009
])  # fmt: skip
def test_limits_of_a_restless_fall_that_gains(values, expected):
    assert gains(as_curve(values), RULE.limits) is expected


def cycled(lows, peak, held=0):
    """Evaluations that begin at 2 and are thrown up to `peak` from each of these lows, where the rate is raised.

    held: evaluations before the low, from which on it had been raised.
    """
    bend = np.array([1.10, 1.08, 1.06, 1.04, 1.02, 1.0])
    values = np.concatenate([[2.0], *([*(low * bend), peak] for low in lows), [0.99 * lows[-1]]])
    rates = [1e-4, *([1e-4] * (5 - held) + [1e-3] * (2 + held)) * len(lows), 1e-4]
    return case(None, evals(values), lr=rate(rates, 100))


@pytest.mark.parametrize(("run", "expected"), [
    (cycled([1.0, 0.96, 0.92], peak=1.7), Severity.MEDIUM),  # less than a tenth gained by the last
    (cycled([1.0, 0.94, 0.88], peak=1.7), Severity.INFO),
    (cycled([0.13, 0.12, 0.11], peak=0.55), Severity.MEDIUM),  # four times the low, and more than a quarter of 2
    (cycled([0.13, 0.12, 0.11], peak=0.45), Severity.INFO),
    (cycled([1.0, 0.9, 0.8], peak=1.7, held=2), Severity.MEDIUM),  # raised too long before the loss climbed
    (cycled([1.0, 0.9, 0.8], peak=1.7, held=1), Severity.INFO),
])  # fmt: skip
def test_limits_of_cycles_of_the_rate_that_are_meant(run, expected):
    (evidence,) = found(RULE, run)
    assert severity(RULE, evidence) is expected


@pytest.mark.parametrize(("n", "expected"), [(19, False), (20, True)])
def test_twenty_evaluations_show_that_they_are_restless(n, expected):
    values = np.where(np.arange(n) % 3 == 0, 2.1, 1.0)
    values[0] = 2.0
    assert restless(as_curve(values), RULE.limits) is expected


@pytest.mark.parametrize(("n", "to", "expected"), [(39, 0.55, True), (39, 0.65, False), (18, 0.55, False)])
def test_limits_of_a_level_that_sinks_under_its_scatter(n, to, expected):
    """From its first third to its last."""
    level = np.repeat([1.0, (1 + to) / 2, to], n // 3)
    assert sinks(as_curve(level * np.tile([0.6, 1.0, 1.5], n // 3)), RULE.limits) is expected


@pytest.mark.parametrize(("correlation", "expected"), [(0.65, False), (0.75, True)])
def test_limit_of_losses_in_step(correlation, expected):
    angle = 2 * np.pi * np.arange(80) / 16
    loss, judged = (2 * np.exp(0.05 * np.sin(angle + shift)) for shift in (0.0, np.arccos(correlation)))
    assert in_step(case(train(loss, 100), evals(judged)), RULE.limits) is expected


@pytest.mark.parametrize(("height", "noise", "count"), [
    (0.054, 0.0, 0),
    (0.066, 0.0, 4),
    (0.08, 0.02, 0),  # within 4 σ of an evaluation, which are 0.13
    (0.14, 0.02, 4),
])  # fmt: skip
def test_limits_of_waves(height, noise, count):
    scatter = 1 + noise * np.sin(2.4 * np.arange(55))
    assert len(waves(as_curve(steps_up(height, 4, 55) * scatter), RULE.limits)) == count


@pytest.mark.parametrize(("height", "expected"), [(0.045, False), (0.055, True)])
def test_limit_of_smaller_swings_that_go_on(height, expected):
    assert still_swings(as_curve(steps_up(height, 15)), RULE.limits) is expected


@pytest.mark.parametrize(("n", "expected"), [(18, Severity.MEDIUM), (22, Severity.MEDIUM)])
def test_swings_of_both_losses_are_never_behind_a_run(n, expected):
    """Too few evaluations to correlate, or in step: every fourth evaluation lies 80 % higher, train loss with it."""
    level = np.linspace(3.0, 1.0, n) * np.where(np.arange(n) % 4 == 2, 1.8, 1.0)
    level[-2:] = 1.0
    losses = np.interp(np.arange(10 * n), 10 * np.arange(n) + 9, level)
    (evidence,) = found(RULE, case(train(losses), evals(level), profile="generic"))
    assert severity(RULE, evidence) is expected


@pytest.mark.parametrize(("height", "last", "gain", "expected"), [
    (1.45, [1.02, 1.00], 3.0, Severity.INFO),
    (1.45, [1.00, 1.02], 3.0, Severity.INFO),  # the lowest but one
    (1.45, [1.00, 1.02, 1.01], 3.0, Severity.MEDIUM),
    (1.55, [1.02, 1.00], 3.0, Severity.MEDIUM),  # a huge swing on the way
    (1.45, [1.02, 1.00], 1.1, Severity.MEDIUM),  # nothing was gained
])  # fmt: skip
def test_swings_of_both_losses_are_behind_a_run_that_ends_at_its_lowest(height, last, gain, expected):
    """Every fourth evaluation lies about half above the one before it, and the train loss goes along."""
    level = np.concatenate([np.repeat(np.geomspace(gain, 1.1, 4), 4), last])
    level[2:16:4] *= height
    losses = np.interp(np.arange(10 * len(level)), 10 * np.arange(len(level)) + 9, level)
    (evidence,) = found(RULE, case(train(losses), evals(level), profile="generic"))
    assert severity(RULE, evidence) is expected


@pytest.mark.parametrize(("right", "profile", "expected"), [
    ([0.80, 0.955, 0.955, 0.955], "classification", Severity.MEDIUM),
    ([0.80, 0.965, 0.965, 0.965], "classification", Severity.INFO),
    ([0.80, 0.978, 0.970, 0.970], "classification", Severity.INFO),
    ([0.80, 0.985, 0.970, 0.970], "classification", Severity.MEDIUM),  # not as many as ever
    ([0.80, 0.965, 0.965, 0.965], "vision", Severity.MEDIUM),
])  # fmt: skip
@pytest.mark.parametrize("swings", ["evals", "train"])
def test_a_classifier_that_is_right_as_often_as_ever_may_swing(swings, right, profile, expected):
    """About a level, so that nothing is gained."""
    accuracy = {Role.EVAL_ACCURACY: series("eval/accuracy", every(4, 500), right)}
    loss, judged = train(steps_up(0.3, 3)), None
    if swings == "evals":
        loss, judged = train(decay(200)), evals(steps_up(0.4, 4, 40) / 10, 50)
    (evidence,) = found(RULE, case(loss, judged, roles=accuracy, profile=profile))
    assert evidence.tags == (f"{swings.removesuffix('s')}/loss",) and evidence.variant == ""
    assert severity(RULE, evidence) is expected


@pytest.mark.parametrize(("climbed_by", "expected"), [(34, 0), (46, 1)])
def test_a_climb_out_of_the_first_points_is_the_start_s(climbed_by, expected):
    """Of 200 points; two waves of the train level follow, and three make it swing."""
    level = np.ones(200)
    level[:climbed_by] = np.linspace(1.0, 2.0, climbed_by)
    level[climbed_by : climbed_by + 20] = np.linspace(2.0, 1.0, 20)
    level[80:100] = level[140:160] = 1.5
    assert len(found(RULE, case(train(level)))) == expected
