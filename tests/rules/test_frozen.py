"""LRN002: the loss does not change any more, to the last digit."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.frozen import RULE

from ..support.checks import cosine, decay, evals, found, rate, severity, skipped, train
from ..support.phases import case


def stuck(level=3.2037645, n=14, spread=0.0, falling=0):
    values = level * (1 + spread * np.linspace(-0.5, 0.5, n))
    values[:falling] += np.linspace(1, 0.1, falling)
    return values


def test_fires_on_the_same_evaluation_again_and_again():
    (evidence,) = found(RULE, case(train(decay(140, 4.7, 3.1, noise=0.05)), evals(stuck())))
    assert evidence.steps == (100, 1400) and evidence.numbers["count"] == 14


@pytest.mark.parametrize(("spread", "fires"), [(0.8e-4, True), (2.5e-4, False)])
def test_limit_of_the_spread(spread, fires):
    assert bool(found(RULE, case(train(decay(140)), evals(stuck(spread=spread))))) is fires


@pytest.mark.parametrize(("points", "expected"), [(9, Severity.MEDIUM), (10, Severity.HIGH)])
def test_a_few_points_are_a_warning(points, expected):
    (evidence,) = found(RULE, case(train(decay(140)), evals(stuck(n=points))))
    assert severity(RULE, evidence) is expected


@pytest.mark.parametrize(("falling", "fires"), [(6, True), (8, False)])
def test_limit_of_the_share_of_the_run(falling, fires):
    assert bool(found(RULE, case(train(decay(140)), evals(stuck(falling=falling))))) is fires


def test_losses_rounded_in_the_log_are_none():
    assert not found(RULE, case(train(decay(140)), evals(np.full(14, 0.693))))


def test_evaluations_that_settle_are_none():
    assert not found(RULE, case(train(decay(140)), evals(decay(14, 3.0, 1.0, noise=0, rate=8))))


def test_a_run_inside_its_warm_up_is_none():
    up = rate(np.linspace(1e-8, 1e-6, 140))
    assert not found(RULE, case(train(decay(140)), evals(stuck()), lr=up))
    assert found(RULE, case(train(decay(140)), evals(stuck()), lr=rate(cosine(140))))


def test_a_few_steps_prove_nothing():
    assert not found(RULE, case(train(decay(14), 1), evals(stuck(n=7), 2)))


def test_skipped_below_six_points():
    assert "6" in skipped(RULE, case(train(decay(5)), evals(stuck(n=5))))
    assert found(RULE, case(train(stuck(n=6), 20)))


@pytest.mark.parametrize(("points", "fires"), [(19, False), (20, True)])
def test_a_constant_round_number_is_believed_after_many_points(points, fires):
    assert bool(found(RULE, case(train([2.5] * points, interval=50)))) is fires


def test_zeros_throughout_are_some_other_term():
    assert not found(RULE, case(train(np.zeros(60))))


@pytest.mark.parametrize(("spread", "fires"), [(0.9e-4, True), (1.1e-4, False)])
def test_values_that_go_to_and_fro(spread, fires):
    values = stuck() * (1 + 0.5 * spread * (-1.0) ** np.arange(14))
    assert bool(found(RULE, case(train(decay(140)), evals(values)))) is fires


@pytest.mark.parametrize(("interval", "fires"), [(2, False), (3, True)])
def test_twenty_steps_prove_something(interval, fires):
    """Nine evaluations, 16 or 24 steps from the first to the last."""
    assert bool(found(RULE, case(None, evals(stuck(n=9), interval)))) is fires
