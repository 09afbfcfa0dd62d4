"""CNV003: eval loss rises for a while, then falls to a new low."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.double_descent import RULE

from ..support.checks import decay, evals, found, severity, skipped
from ..support.phases import case


def hump(height, end=0.6, width=8):
    values = np.concatenate(
        [np.linspace(2, 1, 10), 1 + height * np.sin(np.linspace(0, np.pi, width)), np.linspace(1, end, 12)]
    )
    return case(None, evals(values * (1 + 0.002 * np.random.default_rng(0).standard_normal(len(values)))))


@pytest.mark.parametrize(("height", "fires"), [(0.02, False), (0.2, True)])
def test_the_climb(height, fires):
    assert [severity(RULE, e) for e in found(RULE, hump(height))] == [Severity.INFO] * fires


@pytest.mark.parametrize(("end", "fires"), [(1.0, False), (0.8, True)])
def test_a_new_low_is_needed(end, fires):
    assert bool(found(RULE, hump(0.2, end))) is fires


def test_spikes_are_none():
    values = decay(40, 2.0, 1.0)
    values[[12, 25]] *= 2
    assert not found(RULE, case(None, evals(values)))


def test_spikes_in_a_dense_curve_are_none():
    values = decay(4000, 2.0, 0.5, noise=0.05)
    values[500:508] *= 10
    assert not found(RULE, case(None, evals(values)))


def test_overfitting_is_none():
    assert not found(RULE, case(None, evals(np.concatenate([np.linspace(2, 1, 10), np.linspace(1, 2, 20)]))))


def test_skipped_with_few_evaluations():
    assert "eval loss" in skipped(RULE, case(None, evals(decay(11))))


OFF_ONE_IN_THREE = np.resize([0.0, 0.0, 1.0], 40)  # a running median of three does not see it; the noise does


def plateau(height, end=0.6, lasting=8, off=0.0):
    """Down to 1, up to 1 + height for so many evaluations, and then `end`; one in three is off by `off`."""
    down = np.concatenate([np.linspace(2.0, 1.1, 7), np.full(3, 1.0)])
    values = np.concatenate([down, np.full(lasting, 1 + height), np.full(30 - lasting, end)])
    return case(None, evals(values + off * OFF_ONE_IN_THREE))


@pytest.mark.parametrize(("height", "off", "fires"), [
    (0.046, 0.0, False),
    (0.055, 0.0, True),
    (0.20, 0.10, False),  # within the noise of 40 evaluations
    (0.20, 0.07, True),
])  # fmt: skip
def test_either_side_of_the_climb(height, off, fires):
    assert bool(found(RULE, plateau(height, off=off))) is fires


@pytest.mark.parametrize(("end", "fires"), [(0.95, False), (0.90, True)])
def test_the_new_low_must_stand_out_from_the_noise(end, fires):
    assert bool(found(RULE, plateau(0.3, end, off=0.06))) is fires


@pytest.mark.parametrize(("lasting", "fires"), [(2, False), (3, True)])
def test_two_high_evaluations_are_a_spike(lasting, fires):
    assert bool(found(RULE, plateau(0.3, lasting=lasting))) is fires


@pytest.mark.parametrize(("lasting", "fires"), [(4, False), (8, True)])
def test_of_a_long_curve_two_hundredths_are_a_spike(lasting, fires):
    values = np.linspace(2.0, 1.0, 400)
    values[200 : 200 + lasting] *= 1.5
    assert bool(found(RULE, case(None, evals(values)))) is fires
