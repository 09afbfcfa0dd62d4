"""OVF001: eval loss rises while train loss still falls."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.overfitting import RULE

from ..support.checks import decay, evals, found, severity, skipped, train
from ..support.phases import case


def u_shape(rise, n=20, low=8, start=2.0, floor=1.0, noise=0.002, seed=0):
    """Falls from start to floor at index `low`, then rises by the share `rise` of the floor."""
    down = np.linspace(start, floor, low + 1)
    up = np.linspace(floor, floor * (1 + rise), n - low)
    values = np.concatenate([down, up[1:]])
    return values * (1 + noise * np.random.default_rng(seed).standard_normal(n))


@pytest.mark.parametrize("seed", range(4))
def test_fires_on_a_u_while_train_falls(seed):
    (evidence,) = found(RULE, case(train(decay(200, 2.0, 0.2, seed=seed)), evals(u_shape(0.4, seed=seed))))
    assert severity(RULE, evidence) is Severity.HIGH and evidence.variant == ""
    assert 700 <= evidence.steps[0] <= 1100 and evidence.steps[1] == 2000


@pytest.mark.parametrize(("rise", "expected"), [(0.11, Severity.MEDIUM), (0.17, Severity.HIGH)])
def test_limit_of_the_rise(rise, expected):
    """Started so high that the share of the drop does not count; the median of the last three is the end."""
    (evidence,) = found(RULE, case(train(decay(200, 9.0, 0.5)), evals(u_shape(rise, start=9.0, noise=0.0005))))
    assert severity(RULE, evidence) is expected


@pytest.mark.parametrize(("rise", "expected"), [(0.045, Severity.MEDIUM), (0.06, Severity.HIGH)])
def test_limit_of_the_share_of_the_drop(rise, expected):
    """A drop of 0.25: 20 % of it is a rise of 5 % of the loss."""
    run = case(train(decay(200, 1.25, 0.6)), evals(u_shape(rise, start=1.25, noise=0.0005)))
    (evidence,) = found(RULE, run)
    assert severity(RULE, evidence) is expected


@pytest.mark.parametrize("seed", range(6))
def test_noise_about_a_flat_end_is_none(seed):
    flat = decay(30, 2.0, 1.0, noise=0.03, rate=12, seed=seed)
    loud = [
        e for e in found(RULE, case(train(decay(300, 2.0, 0.8)), evals(flat))) if severity(RULE, e) is not Severity.INFO
    ]
    assert not loud


def test_one_last_evaluation_on_another_set_is_none():
    values = decay(40, 6.0, 1.0, noise=0.0005, rate=10)
    values[-1] *= 1.025
    assert all(
        severity(RULE, e) is Severity.INFO for e in found(RULE, case(train(decay(400, 6.0, 1.0)), evals(values)))
    )


def test_a_rise_in_the_last_digits_of_a_loss_that_fell_by_decades_is_none():
    values = np.concatenate([np.geomspace(100, 0.5, 15), np.linspace(0.5, 0.6, 6)])
    assert all(
        severity(RULE, e) is Severity.INFO for e in found(RULE, case(train(decay(200, 100, 0.4)), evals(values)))
    )


def test_both_losses_climbing_is_divergence():
    climb = np.concatenate([decay(100, 3.0, 1.0), np.linspace(1.0, 2.5, 100)])
    assert not found(RULE, case(train(climb), evals(u_shape(1.0))))


def test_without_a_train_loss_it_says_so():
    (evidence,) = found(RULE, case(None, evals(u_shape(0.4))))
    assert evidence.variant == "no_train"


def test_a_level_train_loss_is_not_said_to_fall():
    (evidence,) = found(RULE, case(train(decay(200, 2.0, 0.9, rate=40)), evals(u_shape(0.4))))
    assert evidence.variant == "level"


@pytest.mark.parametrize(("values", "fires"), [
    ([1.0, 1.12, 1.25], True),
    ([1.0, 1.12, 1.20], False),  # a last rise of 7 %
    ([2.0, 1.0, 1.5], False),
])  # fmt: skip
def test_three_evaluations_are_a_warning_only_when_each_rises_steeply(values, fires):
    it = found(RULE, case(train(decay(30)), evals(values)))
    assert [(severity(RULE, e), e.variant) for e in it] == [(Severity.MEDIUM, "begins")] * fires


def test_two_evaluations_prove_nothing():
    assert "not enough data" in skipped(RULE, case(train(decay(50)), evals([1.0, 1.5])))
    assert "no eval loss" in skipped(RULE, case(train(decay(50))))
