"""STB007: the loss swings up and down instead of settling."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.oscillation import RULE

from ..support.checks import decay, evals, found, severity, skipped, train
from ..support.phases import case


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
    it = found(RULE, case(train(swinging(0.3, 2, 200)), evals(swinging(height, times))))
    assert [severity(RULE, e) for e in it] == [Severity.MEDIUM] * fires


@pytest.mark.parametrize(("height", "expected"), [(0.4, Severity.INFO), (0.75, Severity.MEDIUM)])
def test_an_eval_set_that_swings_alone_is_a_fault_only_when_it_is_huge(height, expected):
    (evidence,) = found(RULE, case(train(decay(200)), evals(swinging(height, 4))))
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
