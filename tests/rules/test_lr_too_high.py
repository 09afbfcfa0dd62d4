"""STB001: the loss climbs from the start instead of falling."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.lr_too_high import RULE

from ..support.checks import decay, evals, found, severity, skipped, train
from ..support.phases import case, series

C4A = ([10, 50, 100, 150], [2.50, 3.10, 2.80, 3.50])


def test_the_guides_table():
    (evidence,) = found(RULE, case(series("train/loss", *C4A)))
    assert evidence.steps == (50, 150)


@pytest.mark.parametrize(("values", "fires"), [
    ([2.5, 2.62, 2.5, 2.62], False),  # rises of 4.8 %
    ([2.5, 2.64, 2.5, 2.64], True),  # of 5.6 %
    ([2.5, 3.1, 2.8, 2.49], False),  # one rise, and a net fall
    ([2.5, 3.1, 2.8, 3.0], True),
])  # fmt: skip
def test_limits_in_a_short_log(values, fires):
    assert bool(found(RULE, case(series("train/loss", C4A[0], values)))) is fires


def wild(n=100, start=2.0, low=1.7, end=2.6, noise=0.01, seed=0):
    values = np.concatenate([np.linspace(start, low, n // 5), np.linspace(low, end, n - n // 5)])
    return values * (1 + noise * np.random.default_rng(seed).standard_normal(n))


@pytest.mark.parametrize("n", [30, 100, 1000])
def test_long_logs(n):
    assert found(RULE, case(train(wild(n))))


@pytest.mark.parametrize(("end", "fires"), [(1.96, False), (2.2, True)])
def test_limit_of_the_net_rise(end, fires):
    assert bool(found(RULE, case(train(wild(end=end))))) is fires


def test_half_of_the_run_above_its_start_needs_no_significance():
    noisy = np.concatenate([[12.0, 80.0, 130.0], 20 * (1 + 0.08 * np.random.default_rng(1).standard_normal(97))])
    assert found(RULE, case(train(noisy)))


def test_evaluations_that_improve_forbid_it():
    assert not found(RULE, case(train(wild()), evals(decay(8, 2.0, 1.0))))
    alternating = series("loss", range(50, 500, 50), [3.2, 5.6, 3.1, 5.7, 3.1, 5.7, 3.2, 6.3, 3.3])
    assert not found(RULE, case(alternating, series("val_loss", range(100, 500, 100), [4.1, 3.8, 3.5, 3.2])))


@pytest.mark.parametrize("seed", range(4))
def test_a_healthy_fall_passes(seed):
    assert not found(RULE, case(train(decay(100, noise=0.1, seed=seed))))


def test_needs_a_train_loss():
    assert "no train loss" in skipped(RULE, case(None, evals(decay(10))))


@pytest.mark.parametrize("seed", range(8))
def test_one_easy_first_batch_is_no_start(seed):
    flat = 2.2 * (1 + 0.15 * np.random.default_rng(seed).standard_normal(60))
    flat[0] = 1.9
    assert not found(RULE, case(train(flat), evals([2.33, 2.32, 2.31, 2.31])))


def test_a_critic_may_climb():
    assert not found(RULE, case(train(np.linspace(-22, -3, 60))))


def test_both_losses_ending_higher_is_never_passed_over():
    noisy = 8 * (1 + 0.3 * np.random.default_rng(0).standard_normal(30)) + np.linspace(0, 4, 30)
    noisy[0] = 8.0
    assert found(RULE, case(train(noisy), evals([8.0, 8.5, 9.0, 9.5])))


@pytest.mark.parametrize(("resets", "fires"), [(True, False), (False, True)])
def test_an_early_resume_on_other_data_sets_the_start_anew(resets, fires):
    """The epoch falls back while the steps go on: what was trained before is no start to compare with."""
    steps = [500 * (i + 1) for i in range(60)]
    values = np.concatenate([[2.12, 2.13, 2.15], decay(57, 2.5, 2.3, noise=0.002)])
    epochs = np.arange(1, 61) * 0.2
    if resets:
        epochs[3:] = np.arange(1, 58) * 0.04
    run = case(series("train/loss", steps, values), epoch=series("train/epoch", steps, epochs))
    assert bool(found(RULE, run)) is fires


@pytest.mark.parametrize(("values", "fires"), [
    ([2.0, 2.1, 2.2, 2.3, 2.4, 2.5], True),
    ([2.0, 2.02, 2.04, 2.06, 2.08, 2.1], False),  # 5 %
    ([2.0, 2.08, 2.0, 2.09, 2.0, 2.1], False),  # up and down
])  # fmt: skip
def test_a_short_log_that_only_climbs(values, fires):
    assert bool(found(RULE, case(series("train/loss", [10, 50, 100, 150, 200, 250], values)))) is fires


@pytest.mark.parametrize(("values", "fires"), [
    ([0.109, 0.124, 0.114, 0.126], False),  # batches scatter
    ([0.109, 0.124, 0.135, 0.150], True),  # it climbs
    ([0.109, 0.124, 0.119, 0.129], False),  # it climbs, but by less than a fifth
])  # fmt: skip
def test_outside_the_guide_a_short_log_must_climb(values, fires):
    assert bool(found(RULE, case(series("train/loss", C4A[0], values), profile="generic"))) is fires


def test_or_its_evaluations_must():
    loss = series("train/loss", range(500, 3000, 500), [1.24, 2.03, 2.16, 1.98, 1.79])
    assert not found(RULE, case(loss, profile="llm-sft"))
    assert found(RULE, case(loss, evals([2.55, 3.6, 3.5, 3.2, 3.9, 3.4]), profile="llm-sft"))


def hump(height, end, n=60):
    """Up by `height` within a quarter of the run, then down to `end` times the start."""
    return np.concatenate([np.linspace(1.0, 1 + height, n // 4), np.linspace(1 + height, end, n - n // 4)]) * 2.3


@pytest.mark.parametrize(("height", "end", "fires"), [
    (0.2, 0.98, True),
    (0.05, 0.98, False),  # no climb to speak of
    (0.2, 0.85, False),  # more than that was gained
])  # fmt: skip
def test_a_run_that_only_wins_back_its_first_climb(height, end, fires):
    it = found(RULE, case(train(hump(height, end)), evals(hump(height, end, 13), interval=50)))
    assert [(severity(RULE, e), e.variant) for e in it] == [(Severity.MEDIUM, "won_back")] * fires


def test_losses_that_had_halved_meanwhile_won_more_than_that_back():
    waves = np.interp(np.linspace(0, 5, 60), range(6), [1.0, 1.3, 0.5, 1.3, 0.5, 1.03])
    judged = np.interp(np.linspace(0, 5, 16), range(6), [1.0, 1.3, 0.5, 1.3, 0.5, 1.03])
    assert not [e for e in found(RULE, case(train(waves), evals(judged, 40))) if e.variant == "won_back"]


@pytest.mark.parametrize("values", [
    list(np.linspace(1.0, 1.12, 10)),  # small steps up and up, but less than a fifth
    [-2.0, -1.9, -2.1, -1.95, -2.0, -1.85, -1.95, -1.8],  # a score without a floor
])  # fmt: skip
def test_a_short_log_outside_the_guide_that_hardly_climbs(values):
    assert not found(RULE, case(train(values), profile="generic"))


@pytest.mark.parametrize(("scatter", "fires"), [(0.02, True), (0.6, False)])
def test_evaluations_that_scatter_do_not_confirm_a_climb(scatter, fires):
    """Two odd batches at the start; whether the last evaluations lie above the first is a matter of their noise."""
    n = 50
    loss = 0.055 + 0.035 * np.sin(np.arange(n) * 2.4)
    loss[1:4] = 0.012
    level = 0.036 * (1 + 0.12 * np.linspace(0, 1, 10)) * (1 + scatter * np.sin(np.arange(10) * 2.1))
    level[0] = 0.036
    assert bool(found(RULE, case(train(loss), evals(level, 50)))) is fires


@pytest.mark.parametrize(("values", "fires"), [
    ([2.5, 3.1, 3.1, 3.1], False),  # a single rise
    ([2.5, 2.64] * 6, True),
    ([2.5, 2.64] * 6 + [2.5], False),  # 13 points are a long log, which ends where it began
])  # fmt: skip
def test_limits_of_rises_and_of_a_short_log(values, fires):
    assert bool(found(RULE, case(train(values)))) is fires


@pytest.mark.parametrize(("values", "fires"), [
    ([2.0, 2.06, 2.05, 2.14, 2.13, 2.22, 2.23], True),  # p = 0.008
    ([2.0, 2.06, 2.05, 2.14, 2.13, 2.23, 2.22], False),  # p = 0.018
])  # fmt: skip
def test_limit_of_the_significance_of_small_steps(values, fires):
    assert bool(found(RULE, case(train(values)))) is fires


@pytest.mark.parametrize(("order", "fires"), [
    ([0, 3, 1, 4, 2, 5], True),  # p = 0.07
    ([0, 4, 1, 3, 2, 5], False),  # p = 0.13
])  # fmt: skip
def test_limit_of_the_significance_of_a_climb_outside_the_guide(order, fires):
    assert bool(found(RULE, case(train(2.0 + 0.15 * np.array(order)), profile="generic"))) is fires


@pytest.mark.parametrize(("net", "fires"), [(0.018, False), (0.022, True)])
def test_either_side_of_the_net_rise(net, fires):
    """The second half is clearly above the start, but for its end."""
    values = 2.0 * np.repeat([1.0, 1.2, 1 + net], [40, 40, 20])
    assert bool(found(RULE, case(train(values)))) is fires


def scattered(levels, counts, seed):
    """Levels with σ = 0.2; the first point is 2.0."""
    values = np.repeat(levels, counts) + 0.2 * np.random.default_rng(seed).standard_normal(sum(counts))
    values[0] = 2.0
    return values


@pytest.mark.parametrize(("sigmas", "fires"), [(2, False), (3, True)])
def test_limit_of_the_noise_that_the_second_half_must_exceed(sigmas, fires):
    assert bool(found(RULE, case(train(scattered([2.0, 2.0 + 0.2 * sigmas, 2.1], [50, 40, 10], 2))))) is fires


@pytest.mark.parametrize(("low", "fires"), [
    (1.6, True),  # the end lies 4.2 σ above the lowest level
    (1.9, False),  # 2.6 σ
])  # fmt: skip
def test_limit_of_the_significance_of_the_end(low, fires):
    assert bool(found(RULE, case(train(scattered([2.0, low, 2.3], [2, 34, 4], 1))))) is fires


@pytest.mark.parametrize(("height", "peak", "n", "fires"), [
    (0.09, 0.25, 60, False),
    (0.12, 0.25, 60, True),
    (0.20, 0.37, 60, True),
    (0.20, 0.43, 60, False),  # most of the run went into the climb
    (0.20, 0.25, 19, False),
    (0.20, 0.25, 21, True),
])  # fmt: skip
def test_limits_of_a_first_climb_that_is_won_back(height, peak, n, fires):
    x = [0.0, peak, 1.0], 2.3 * np.array([1.0, 1 + height, 0.98])
    loss, judged = (np.interp(np.linspace(0, 1, count), *x) for count in (n, 41))
    assert [e.variant for e in found(RULE, case(train(loss, 10), evals(judged, 15)))] == ["won_back"] * fires


@pytest.mark.parametrize(("at", "fires"), [(10, False), (14, True)])
def test_limit_of_an_early_resume(at, fires):
    """At point 10 or 14 of 60 training starts anew, higher, and falls from there."""
    steps = [500 * (i + 1) for i in range(60)]
    epochs = np.concatenate([np.arange(1, at + 1) * 0.2, np.arange(1, 61 - at) * 0.04])
    loss = series("train/loss", steps, np.concatenate([np.full(at, 2.1), np.linspace(2.5, 2.3, 60 - at)]))
    assert bool(found(RULE, case(loss, epoch=series("train/epoch", steps, epochs)))) is fires


def tossed(height=12.0, top=3, back=30, end=0.8, n=100, start=2.0):
    """Up to `height` times the start at point `top`, below the start again at point `back`, then down to `end`."""
    return start * np.interp(np.arange(n), [0, top, top + 4, back, n - 1], [1.0, height, height, 0.99, end])


def toss(values, judged=None):
    return [e for e in found(RULE, case(train(values), judged)) if e.variant == "thrown"]


@pytest.mark.parametrize(("shape", "fires"), [
    ({"height": 7.8}, False),
    ({"height": 8.2}, True),
    ({"top": 19}, True),
    ({"top": 21}, False),  # a climb later on is no start
    ({"back": 9, "height": 9.0}, False),  # hardly anything was lost
    ({"back": 11, "height": 9.0}, True),
    ({"back": 90, "end": 0.9}, True),
    ({"end": 0.98}, True),
    ({"end": 1.02}, False),  # it is not there at the end
    ({"n": 19, "back": 10}, False),
    ({"n": 20, "back": 10}, True),
])  # fmt: skip
def test_limits_of_a_first_throw(shape, fires):
    assert bool(toss(tossed(**shape))) is fires


@pytest.mark.parametrize(("far", "count", "fires"), [
    (9.8, 5, False),
    (10.2, 5, True),  # so far that it does not matter how soon it was back
    (10.2, 3, True),  # the median of five
    (10.2, 2, False),
])  # fmt: skip
def test_limit_of_a_throw_that_is_soon_made_good(far, count, fires):
    values = np.concatenate([[2.0], np.full(count, 2 * far), np.full(5, 2.5), np.linspace(1.9, 1.0, 94 - count)])
    assert bool(toss(values)) is fires


def test_a_run_that_was_thrown_at_first_is_warned_of():
    (evidence,) = toss(tossed())
    assert severity(RULE, evidence) is Severity.MEDIUM and evidence.steps == (10, 310)
    assert evidence.numbers["start"] == 2.0 and evidence.numbers["peak"] == 24.0
    assert evidence.numbers["end"] == pytest.approx(1.6, rel=0.02)


def test_also_where_the_evaluations_improve_since():
    assert toss(tossed(), evals(np.linspace(3.0, 1.6, 10)))


def test_a_score_without_a_floor_is_not_thrown():
    values = np.concatenate([[-2.0] * 5, [30.0] * 10, np.linspace(-2.5, -4.0, 85)])
    assert not toss(values)


def test_one_odd_batch_is_no_throw():
    values = decay(100, 2.0, 1.0)
    values[3] = 40.0
    assert not toss(values)


def test_two_last_batches_do_not_bring_a_level_back():
    values = np.array([1.0] + [20.0] * 6 + [1.3] * 11 + [1.4, 0.5])
    assert not toss(values)


@pytest.mark.parametrize(("sigmas", "fires"), [(0.6, False), (0.8, True)])
def test_evaluations_that_worsen_need_a_train_loss_that_rose_beyond_its_noise(sigmas, fires):
    """The train loss scatters by σ = 0.2 and ends by a part of that above its start, the evaluations by a third."""
    loss = 2.0 + 0.2 * np.random.default_rng(0).standard_normal(1000)
    loss[:50] = 2.0
    loss[-100:] += 2.0 + 0.2 * sigmas - np.median(loss[-100:])
    assert bool(found(RULE, case(train(loss), evals(np.linspace(2.0, 2.6, 10), 1000)))) is fires
    assert not found(RULE, case(train(loss)))


def test_a_loss_of_mostly_nothing_has_no_start_to_climb_from():
    """The line through its first points begins at 0."""
    loss = np.zeros(20)
    loss[[0, 11, 14, 17]] = 1.0
    assert not found(RULE, case(train(loss, 1), evals([1.0, 0.0, 0.0, 1.0], 1)))
