"""CNV004: the loss comes and goes in a fixed rhythm."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.periodic_eval import RULE, autocorrelation

from ..support.checks import decay, evals, found, severity, skipped, train
from ..support.phases import case


@pytest.mark.parametrize("period", [2, 3, 5, 8])
def test_evaluations_in_a_rhythm(period):
    values = decay(60, 2.0, 1.0, noise=0.005)
    values *= 1 + 0.1 * (np.arange(60) % period == 0)
    (evidence,) = found(RULE, case(None, evals(values)))
    assert severity(RULE, evidence) is Severity.INFO and evidence.numbers["period"] == period
    assert evidence.numbers["every"] == 100 * period


def test_the_same_small_last_batch_logged_again_and_again():
    values = decay(200, 2.0, 1.0, noise=0.02)
    values[::7] *= 1.5
    (evidence,) = found(RULE, case(train(values)))
    assert evidence.variant == "train" and evidence.numbers["period"] == 7


@pytest.mark.parametrize("seed", range(20))
def test_noise_trends_and_slow_wandering_have_none(seed):
    rng = np.random.default_rng(seed)
    assert not found(RULE, case(train(decay(300, noise=0.2, seed=seed)), evals(decay(30, noise=0.1, seed=seed))))
    walk = 2 + 0.05 * np.cumsum(rng.standard_normal(300))
    assert not found(RULE, case(train(np.abs(walk) + 0.1)))


def test_a_few_spikes_have_none():
    values = decay(300)
    values[[30, 77, 150, 200]] *= 5
    assert not found(RULE, case(train(values)))


def test_a_rhythm_too_small_to_matter():
    values = decay(60, 2.0, 1.0, noise=0.0) * (1 + 0.005 * (np.arange(60) % 4 == 0))
    assert not found(RULE, case(None, evals(values)))


def test_autocorrelation_against_its_definition():
    values = np.random.default_rng(1).standard_normal(50)
    d = values - values.mean()
    slow = [np.mean(d[: 50 - k] * d[k:]) / np.mean(d * d) for k in range(11)]
    assert autocorrelation(values, 10) == pytest.approx(slow)


def test_skipped_with_few_points():
    assert "fewer than" in skipped(RULE, case(train(decay(29)), evals(decay(15))))


def rhythm(points, period, swing=0.1):
    """One point of each period is higher than the others by so much."""
    return 1 + swing * (np.arange(points) % period == 0)


def test_sixteen_evaluations_or_thirty_train_points_are_enough():
    assert found(RULE, case(None, evals(rhythm(16, 3))))
    assert found(RULE, case(train(rhythm(30, 3))))


@pytest.mark.parametrize(("values", "fires"), [
    (rhythm(60, 3, swing=0.018), False),
    (rhythm(60, 3, swing=0.022), True),
    (np.tile(np.random.default_rng(3).uniform(1.0, 1.2, 20), 4)[:76], False),  # 3.8 times the same
    (np.tile(np.random.default_rng(3).uniform(1.0, 1.2, 20), 5)[:84], True),
    (np.tile(np.random.default_rng(3).uniform(1.0, 1.2, 450), 5), True),  # a long epoch in an order that never changes
])  # fmt: skip
def test_either_side_of_what_is_a_rhythm(values, fires):
    assert bool(found(RULE, case(None, evals(values)))) is fires


@pytest.mark.parametrize(("noise", "fires"), [(0.05, False), (0.04, True)])
def test_the_rhythm_must_be_most_of_what_moves(noise, fires):
    values = rhythm(400, 5) + noise * np.random.default_rng(4).standard_normal(400)
    assert bool(found(RULE, case(None, evals(values)))) is fires


@pytest.mark.filterwarnings("error")
def test_two_periods_are_the_fewest_that_can_be_asked_for():
    """Twice the longest period is all that there is: no lag beyond it is looked up."""
    assert not found(RULE, case(train(decay(60, noise=0.05))), periods=2)
