"""STB004: single points stand far above the curve and the next one is back."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.isolated_spike import RULE

from ..support.checks import decay, evals, found, severity, skipped, train
from ..support.phases import case


def outliers(factor, at, n=200, noise=0.01):
    values = decay(n, noise=noise)
    values[at] *= factor
    return values


@pytest.mark.parametrize(("factor", "fires"), [(1.4, False), (1.7, True), (36.0, True)])
def test_limit_of_the_height(factor, fires):
    it = found(RULE, case(train(outliers(factor, [100]))))
    assert [severity(RULE, e) for e in it] == [Severity.INFO] * fires
    if fires:
        assert it[0].steps == (1010, 1010) and it[0].variant == ""


@pytest.mark.parametrize(("noise", "fires"), [(0.01, True), (0.4, False)])
def test_a_batch_s_own_spread_is_none(noise, fires):
    assert bool(found(RULE, case(train(outliers(2.5, [100], noise=noise))))) is fires


def test_three_in_a_row_are_not_isolated():
    assert not found(RULE, case(train(outliers(3.0, [100, 101, 102]))))
    assert found(RULE, case(train(outliers(3.0, [100, 101]))))


def test_the_first_fall_is_none():
    assert not found(RULE, case(train(outliers(5.0, [0, 1]))))


def test_recurrent_outliers_of_an_eval_set_are_a_fault_those_of_batches_are_not():
    often = list(range(10, 200, 9))
    (evidence,) = found(RULE, case(train(outliers(5.0, often))))
    assert severity(RULE, evidence) is Severity.INFO and evidence.variant == "many"
    (evidence,) = found(RULE, case(None, evals(outliers(5.0, often))))
    assert severity(RULE, evidence) is Severity.MEDIUM
    (evidence,) = found(RULE, case(None, evals(outliers(5.0, often[:8]))))
    assert severity(RULE, evidence) is Severity.INFO  # fewer than ten


def test_small_outliers_between_the_far_ones_take_nothing_from_them():
    values = outliers(5.0, list(range(20, 200, 18)))
    values[list(range(12, 200, 9))] *= 1.6
    (evidence,) = found(RULE, case(None, evals(values)))
    assert severity(RULE, evidence) is Severity.MEDIUM and evidence.numbers["count"] > 20


def test_skipped_below_twenty_points():
    assert "20" in skipped(RULE, case(train(decay(19))))
    assert not found(RULE, case(train(decay(20))))


def test_losses_of_any_sign_are_read():
    values = np.linspace(1, -3, 100) + 0.01 * np.random.default_rng(0).standard_normal(100)
    values[50] += 4
    (evidence,) = found(RULE, case(train(values)))
    assert evidence.numbers["step"] == 510


@pytest.mark.parametrize(("factor", "at", "expected"), [
    (1e6, [3, 7, 10], Severity.MEDIUM),
    (1e6, [7], None),  # once
    (500.0, [3, 7, 10], None),  # a hard batch may be that hard
    (1e6, [0, 1], None),  # the first fall
])  # fmt: skip
def test_blow_ups_are_a_fault_in_a_short_log(factor, at, expected):
    run = case(train(outliers(factor, at, n=14)))
    if expected is None:
        assert "20" in skipped(RULE, run)
        return
    (evidence,) = found(RULE, run)
    assert severity(RULE, evidence) is expected and evidence.variant == "absurd"


@pytest.mark.parametrize("seed", range(5))
def test_a_curve_about_zero_does_not_blow_up(seed):
    """A critic's score, a likelihood: the level is next to nothing here and there."""
    noise = np.random.default_rng(seed).standard_normal(2000)
    assert all(severity(RULE, e) is Severity.INFO for e in found(RULE, case(train(noise))))


def test_a_hard_batch_of_a_well_fitted_model_is_none():
    values = np.geomspace(1.5, 1e-4, 200)
    values[[150, 170, 190]] = 1.58
    assert all(severity(RULE, e) is Severity.INFO for e in found(RULE, case(train(values))))


@pytest.mark.parametrize(("sigmas", "fires"), [(7.2, False), (8.8, True)])
def test_limit_of_the_height_above_the_noise(sigmas, fires):
    """Batches that scatter by a tenth: twice the level is not yet beyond them."""
    values = np.exp(0.1 * np.random.default_rng(1).standard_normal(1000))
    values[500] = np.exp(0.1 * sigmas)
    assert bool(found(RULE, case(train(values)))) is fires


@pytest.mark.parametrize(("factor", "count", "n", "expected"), [
    (1.9, 20, 400, Severity.INFO),  # they recur, but each is less than twice the level
    (2.1, 20, 400, Severity.MEDIUM),
    (3.0, 14, 1500, Severity.INFO),  # less than one in a hundred
    (3.0, 16, 1500, Severity.MEDIUM),
])  # fmt: skip
def test_limits_of_recurrent_outliers(factor, count, n, expected):
    at = np.linspace(40, n - 10, count).astype(int)
    (evidence,) = found(RULE, case(None, evals(outliers(factor, at, n))))
    assert severity(RULE, evidence) is expected


@pytest.mark.parametrize(("level", "peak", "absurd"), [
    (1.0, 900.0, False),
    (1.0, 1100.0, True),
    (1e-3, 9.0, False),  # nine thousand times the level, but only nine times the first loss
    (1e-3, 11.0, True),
])  # fmt: skip
def test_limits_of_a_blow_up(level, peak, absurd):
    values = np.concatenate([np.geomspace(1.0, level, 20), np.full(30, level)])
    values[[30, 40]] = peak
    (evidence,) = found(RULE, case(train(values)))
    assert (evidence.variant == "absurd") is absurd


@pytest.mark.parametrize("n", [9, 10])
def test_ten_points_show_a_blow_up(n):
    run = case(train(outliers(1e6, [3, 7], n)))
    if n < 10:
        assert "20" in skipped(RULE, run)
    else:
        assert [e.variant for e in found(RULE, run)] == ["absurd"]
