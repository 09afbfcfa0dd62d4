"""INT003: train loss that is a whole multiple of the eval loss."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.loss_ratio import RULE

from ..support.checks import decay, evals, found, severity, skipped, train
from ..support.phases import case


def pair(k: float, n: int = 10, noise: float = 0.005):
    e = decay(n, 2.5, 1.0, noise=0.0, rate=2.0)
    t = np.interp(np.arange(1, n * 10 + 1), np.arange(10, n * 10 + 1, 10), e)
    return train(k * t * (1 + noise * np.random.default_rng(1).standard_normal(len(t)))), evals(e)


def test_fires_high_when_the_arguments_say_so():
    (evidence,) = found(RULE, case(*pair(4.0), arguments={"gradient_accumulation_steps": 4}))
    assert severity(RULE, evidence) is Severity.HIGH and evidence.numbers["whole"] == 4


def test_processes_times_steps_count_too():
    arguments = {"gradient_accumulation_steps": 2, "world_size": 4}
    (evidence,) = found(RULE, case(*pair(8.0), arguments=arguments))
    assert evidence.variant == "stated"


def test_warns_without_arguments_only_in_language_modelling():
    (evidence,) = found(RULE, case(*pair(4.0)))
    assert severity(RULE, evidence) is Severity.MEDIUM
    (evidence,) = found(RULE, case(*pair(4.0), profile="vision"))
    assert severity(RULE, evidence) is Severity.INFO


def test_inverse_is_information():
    (evidence,) = found(RULE, case(*pair(1 / 3)))
    assert severity(RULE, evidence) is Severity.INFO and evidence.variant == "inverse"


@pytest.mark.parametrize(
    ("ratio", "fires"), [(1.0, False), (1.75, False), (1.85, True), (2.15, True), (2.25, False), (7.5, False)]
)
def test_near_an_integer(ratio, fires):
    assert bool(found(RULE, case(*pair(ratio, noise=0.0)))) is fires


def test_overfitting_ratios_grow_from_one_and_are_left_alone():
    e = np.linspace(2.0, 2.4, 10)
    t = np.repeat(np.linspace(2.0, 1.2, 10), 10)
    assert not found(RULE, case(train(t), evals(e)))


def test_augmentation_starts_at_one():
    """Both losses start at ln(classes); harder training images hold the train loss at twice the eval loss later on."""
    e = decay(20, 2.3, 0.4, noise=0.0)
    t = np.repeat(np.minimum(2.3, 2 * e), 10)
    assert not found(RULE, case(train(t), evals(e), profile="vision"))


def test_skipped_with_two_evaluations():
    assert "eval loss" in skipped(RULE, case(train(decay(20)), evals([2.0, 1.0])))


@pytest.mark.parametrize(("ratio", "fires"), [(3.15, True), (3.25, False)])
def test_large_integers_must_be_met_as_closely(ratio, fires):
    assert bool(found(RULE, case(*pair(ratio, noise=0.0)))) is fires


def matched(ratios, fall=0.6):
    """An eval loss that falls by that much, and one train point at each evaluation, that many times as high."""
    e = np.linspace(2.5, 2.5 * (1 - fall), len(ratios))
    return case(train(e * ratios, 100), evals(e))


@pytest.mark.parametrize(("ratios", "fires"), [
    (4 * (1 + 0.09 * (-1.0) ** np.arange(10)), True),
    (4 * (1 + 0.11 * (-1.0) ** np.arange(10)), False),  # they scatter
    (4 * np.array([1.23] + 9 * [1.0]), True),
    (4 * np.array([1.27] + 9 * [1.0]), False),  # it was no multiple at first
])  # fmt: skip
def test_how_far_single_ratios_may_be_off(ratios, fires):
    assert bool(found(RULE, matched(ratios))) is fires


@pytest.mark.parametrize(("points", "off", "fall", "expected"), [
    (5, 0.045, 0.33, Severity.MEDIUM),
    (4, 0.045, 0.33, Severity.INFO),
    (5, 0.055, 0.33, Severity.INFO),
    (5, 0.045, 0.27, Severity.INFO),
])  # fmt: skip
def test_a_warning_without_arguments_needs_evaluations_that_agree_while_the_loss_falls(points, off, fall, expected):
    ratios = 4 * np.array([1.0] * (points - 1) + [1 + off])
    (evidence,) = found(RULE, matched(ratios, fall))
    assert severity(RULE, evidence) is expected
