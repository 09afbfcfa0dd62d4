"""GRD001: the gradient norm explodes."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.gradient_explosion import RULE

from ..support.checks import decay, found, norms, rate, severity, skipped, train
from ..support.phases import case

N = 200


def exploding(factor, at=100, length=3, n=N):
    values = np.exp(0.2 * np.random.default_rng(0).standard_normal(n))
    values[at : at + length] *= factor
    return values


def jumped(to, at=100, n=N):
    values = decay(n)
    values[at:] *= to
    return values


def test_fires_when_the_loss_does_not_come_back():
    (evidence,) = found(RULE, case(train(jumped(2.0)), grad=norms(exploding(1e4))))
    assert severity(RULE, evidence) is Severity.HIGH and evidence.steps[0] == 1010


@pytest.mark.parametrize(("to", "expected"), [(1.0, Severity.INFO), (1.25, Severity.INFO), (2.0, Severity.HIGH)])
def test_limit_of_the_harm(to, expected):
    """The loss falls on by a fifth after the jump, so that a step up by a quarter is made good."""
    (evidence,) = found(RULE, case(train(jumped(to)), grad=norms(exploding(1e4))))
    assert severity(RULE, evidence) is expected


@pytest.mark.parametrize(("factor", "fires"), [(4, False), (40, True)])
def test_limit_of_the_factor(factor, fires):
    assert bool(found(RULE, case(train(jumped(2.0)), grad=norms(exploding(factor))))) is fires


@pytest.mark.parametrize(("length", "fires"), [(1, False), (2, True)])
def test_a_single_norm_is_none(length, fires):
    assert bool(found(RULE, case(train(decay(N)), grad=norms(exploding(1e3, length=length))))) is fires


def test_the_first_points_are_left_out():
    assert not found(RULE, case(train(decay(N)), grad=norms(exploding(1e3, at=0, length=8))))


def test_a_lasting_explosion_does_not_become_the_norm():
    (evidence,) = found(RULE, case(train(jumped(2.0)), grad=norms(exploding(1e4, length=100))))
    assert evidence.numbers["count"] >= 95


def test_long_series_are_read_in_blocks():
    n = 50_000
    (evidence,) = found(RULE, case(train(jumped(2.0, n // 2, n)), grad=norms(exploding(1e4, n // 2, 40, n))))
    assert evidence.steps[0] == pytest.approx(10 * (n // 2 + 1), abs=50)


def test_needs_twenty_norms():
    assert "not enough data" in skipped(RULE, case(train(decay(N)), grad=norms(exploding(1, n=19))))
    assert "no grad norm" in skipped(RULE, case(train(decay(N))))


@pytest.mark.parametrize(("last", "expected"), [(1e6, Severity.MEDIUM), (500.0, Severity.INFO)])
def test_norms_that_end_beyond_everything_are_a_warning_before_the_loss_shows_it(last, expected):
    values = np.concatenate([np.full(30, 1.0), np.geomspace(100, last, 10)])
    (evidence,) = found(RULE, case(train(decay(40)), grad=norms(values)))
    assert severity(RULE, evidence) is expected


def usual(*last, n=60, level=1.0):
    """Norms that have always been the same, but for the last ones."""
    return norms(np.concatenate([np.full(n, level), last]))


@pytest.mark.parametrize(("factor", "fires"), [(9, False), (11, True)])
def test_either_side_of_the_factor(factor, fires):
    assert bool(found(RULE, case(train(decay(63)), grad=usual(factor, factor, 1)))) is fires


@pytest.mark.parametrize(("sigmas", "fires"), [(4, False), (6, True)])
def test_limit_of_the_noise(sigmas, fires):
    logs = np.random.default_rng(0).standard_normal(N)
    logs[100:103] = sigmas
    assert bool(found(RULE, case(train(decay(N)), grad=norms(np.exp(logs))))) is fires


@pytest.mark.parametrize(("at", "fires"), [(8, False), (10, True)])
def test_limit_of_the_first_points(at, fires):
    assert bool(found(RULE, case(train(decay(N)), grad=norms(exploding(1e3, at=at, length=2))))) is fires


@pytest.mark.parametrize(("points", "fires"), [(22, True), (28, False)])
def test_limit_of_the_window_that_says_what_is_usual(points, fires):
    """Thirty times the old norm and six times the new one, which makes up less or more than half of fifty points."""
    values = np.concatenate([np.full(100, 1.0), np.full(points, 5.0), np.full(3, 30.0)])
    assert bool(found(RULE, case(train(decay(len(values))), grad=norms(values)))) is fires


@pytest.mark.parametrize(("level", "last", "count", "variant"), [
    (1.0, 1e4, 2, "harmless"),
    (1.0, 1e4, 3, "high"),  # most of the last five
    (1.0, 900.0, 3, "harmless"),
    (1.0, 1100.0, 3, "high"),
    (1e-3, 9.0, 3, "harmless"),  # however far beyond the usual
    (1e-3, 11.0, 3, "high"),
])  # fmt: skip
def test_limits_of_norms_that_end_high(level, last, count, variant):
    (evidence,) = found(RULE, case(train(decay(60)), grad=usual(*[last] * count, level=level)))
    assert evidence.variant == variant


@pytest.mark.parametrize(("to", "variant"), [(1.09, "harmless"), (1.11, "")])
def test_either_side_of_the_harm(to, variant):
    loss = np.repeat([2.0, 2.0 * to], 30)
    (evidence,) = found(RULE, case(train(loss), grad=norms(np.repeat([1.0, 50.0, 1.0], [30, 5, 25]))))
    assert evidence.variant == variant


@pytest.mark.parametrize(("at", "to", "fires"), [
    (40, 1.0, False),  # within the warm-up, and the loss knows nothing of it
    (40, 9.0, True),
    (70, 1.0, True),  # after it
])  # fmt: skip
def test_the_warm_up_mutes_what_did_no_harm(at, to, fires):
    lr = rate(np.concatenate([np.linspace(0, 1e-3, 60), np.full(140, 1e-3)]))
    run = case(train(jumped(to, at)), grad=norms(exploding(1e4, at)), lr=lr)
    assert bool(found(RULE, run)) is fires
    assert found(RULE, case(train(jumped(to, at)), grad=norms(exploding(1e4, at)))), "without a warm-up it is told"
