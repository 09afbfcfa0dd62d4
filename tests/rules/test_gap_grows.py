"""OVF002: the gap between train and eval loss grows."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.gap_grows import RULE

from ..support.checks import decay, evals, found, severity, skipped, train
from ..support.phases import C1, C2, case, table


def widening(growth, n=20, noise=0.002, seed=0):
    e = decay(n, 2.5, 1.5, noise=0.0)
    rng = np.random.default_rng(seed)
    t = e - 0.05 - growth * 1.5 * np.linspace(0, 1, n)
    return case(train(t, 100), evals(e * (1 + noise * rng.standard_normal(n))))


@pytest.mark.parametrize(("growth", "fires"), [(0.0, False), (0.03, False), (0.12, True), (0.4, True)])
def test_growth(growth, fires):
    it = found(RULE, widening(growth))
    assert [severity(RULE, e) for e in it] == [Severity.INFO] * fires


def test_the_guide_s_tables():
    assert not found(RULE, case(*table(C1)))
    assert found(RULE, case(*table(C2)))


@pytest.mark.parametrize("seed", range(10))
def test_noise_is_no_trend(seed):
    assert not found(RULE, widening(0.0, noise=0.05, seed=seed))


def test_eval_below_train_is_not_a_growing_gap():
    e = decay(20, 2.5, 1.0, noise=0.0)
    assert not found(RULE, case(train(e * np.linspace(1.5, 1.05, 20), 100), evals(e)))


def test_skipped_with_three_evaluations():
    assert "eval loss" in skipped(RULE, case(train(decay(30)), evals([3.0, 2.0, 1.0])))


def gaps(values):
    """These gaps below an eval loss that falls to 1."""
    e = np.linspace(2.0, 1.0, len(values))
    return case(train(e - values, 100), evals(e))


@pytest.mark.parametrize(("points", "growth", "fires"), [
    (8, 0.045, False),
    (8, 0.055, True),
    (7, 0.090, False),  # few evaluations: twice as much is asked for
    (7, 0.110, True),
])  # fmt: skip
def test_either_side_of_the_growth(points, growth, fires):
    assert bool(found(RULE, gaps(0.05 + np.linspace(0, growth, points)))) is fires


@pytest.mark.parametrize(("order", "fires"), [
    ([0, 1, 3, 2, 6, 5, 4, 7], True),  # p = 0.009
    ([0, 1, 2, 6, 4, 5, 3, 7], False),  # p = 0.018
])  # fmt: skip
def test_a_trend_is_beyond_chance_in_a_hundred(order, fires):
    assert bool(found(RULE, gaps(0.05 + 0.05 * np.array(order)))) is fires
