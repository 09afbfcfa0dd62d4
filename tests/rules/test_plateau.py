"""CNV001: the loss stands still, or creeps up, for most of the run."""

import numpy as np
import pytest

from tb_evalguide.model import Role, Severity
from tb_evalguide.rules.plateau import RULE

from ..support.checks import decay, evals, every, found, severity, skipped, train
from ..support.phases import case, series


def creeping(creep, low=0.2, n=200, start=2.0, floor=1.4, noise=0.005):
    k = round(low * n)
    values = np.concatenate([decay(k, start, floor, noise=0, rate=6), np.linspace(floor, floor * (1 + creep), n - k)])
    return values * (1 + noise * np.random.default_rng(0).standard_normal(n))


def loud(it):
    return [e for e in it if severity(RULE, e) is not Severity.INFO]


@pytest.mark.parametrize(("creep", "fires"), [(0.015, False), (0.06, True)])
def test_limit_of_the_creep(creep, fires):
    assert bool(loud(found(RULE, case(train(creeping(creep)))))) is fires


@pytest.mark.parametrize(("low", "fires"), [(0.25, True), (0.6, False)])
def test_limit_of_early(low, fires):
    assert bool(loud(found(RULE, case(train(creeping(0.06, low)))))) is fires


@pytest.mark.parametrize(("floor", "fires"), [(1.3, True), (1.0, False)])
def test_limit_of_what_had_been_learned(floor, fires):
    """Dropped by 35 % and by 50 % of the start."""
    assert bool(loud(found(RULE, case(train(creeping(0.06, floor=floor)))))) is fires


@pytest.mark.parametrize(("spread", "fires"), [(0.004, True), (0.008, False)])
def test_evaluations_that_never_moved(spread, fires):
    values = 21.4 * (1 + spread * np.linspace(-0.5, 0.5, 12)[np.random.default_rng(1).permutation(12)])
    flat = np.concatenate([[43.0], np.full(119, 21.0) * (1 + 0.01 * np.random.default_rng(0).standard_normal(119))])
    it = loud(found(RULE, case(train(flat), evals(values))))
    assert [e.variant for e in it] == ["stuck"] * fires


def test_a_metric_that_moves_means_that_something_is_learned():
    flat = np.full(120, 21.0) * (1 + 0.01 * np.random.default_rng(0).standard_normal(120))
    better = series("acc", every(12, 100), np.linspace(0.3, 0.6, 12))
    moving = case(train(flat), evals(np.full(12, 21.4)), metrics=[(better, True)], roles={Role.EVAL_ACCURACY: better})
    assert not loud(found(RULE, moving))


def test_convergence_is_information():
    (evidence,) = found(RULE, case(train(decay(300, 3.0, 0.5, rate=30))))
    assert severity(RULE, evidence) is Severity.INFO and evidence.variant == "converged"


def test_a_falling_loss_passes():
    assert not found(RULE, case(train(decay(200))))


def test_needs_thirty_points():
    assert "not enough data" in skipped(RULE, case(train(decay(29))))


@pytest.mark.parametrize(("rate", "fires"), [(1.0, True), (0.6, False)])
def test_an_error_rate_pinned_at_its_worst(rate, fires):
    level = np.concatenate(
        [[8.0, 5.0, 3.5], np.full(97, 2.92) * (1 + 0.01 * np.random.default_rng(0).standard_normal(97))]
    )
    wer = series("wer", every(8, 120), np.full(8, rate))
    evaluated = evals(2.9 * (1 + 0.008 * np.linspace(-0.5, 0.5, 8)), 120)
    it = loud(found(RULE, case(train(level), evaluated, metrics=[(wer, False)])))
    assert [e.variant for e in it] == ["stuck"] * fires


@pytest.mark.parametrize(("creep", "fires"), [(0.019, False), (0.025, True)])
def test_either_side_of_the_creep(creep, fires):
    assert bool(loud(found(RULE, case(train(creeping(creep, noise=0.001)))))) is fires


@pytest.mark.parametrize(("rise", "converged"), [(0.008, True), (0.012, False)])
def test_limit_of_the_level_half(rise, converged):
    values = np.concatenate([decay(100, 3.0, 0.5, noise=0.0), np.linspace(0.5, 0.5 * (1 + rise), 100)])
    assert [e.variant for e in found(RULE, case(train(values)))] == ["converged"] * converged


@pytest.mark.parametrize(("n", "fires"), [(9, False), (10, True)])
def test_limit_of_the_evaluations_that_never_moved(n, fires):
    flat = np.concatenate([[43.0], np.full(119, 21.0)])
    it = loud(found(RULE, case(train(flat), evals(np.full(n, 21.4)))))
    assert [e.variant for e in it] == ["stuck"] * fires


@pytest.mark.parametrize(("n", "fires"), [(3, False), (4, True)])
def test_limit_of_the_evaluations_beside_a_pinned_error_rate(n, fires):
    wer = series("wer", every(n, 100), np.ones(n))
    it = loud(found(RULE, case(train(np.full(60, 2.9)), evals(np.full(n, 2.9)), metrics=[(wer, False)])))
    assert [e.variant for e in it] == ["stuck"] * fires


@pytest.mark.parametrize(("slope", "fires"), [
    (0.020, False),  # p = 0.013
    (0.025, True),  # p = 0.007
])  # fmt: skip
def test_limit_of_the_significance_of_the_creep(slope, fires):
    scatter = 0.03 * np.random.default_rng(2).standard_normal(25)
    values = np.concatenate([np.linspace(2.0, 1.45, 10), np.full(3, 1.4), 1.43 + np.linspace(0, slope, 25) + scatter])
    assert bool(loud(found(RULE, case(train(values))))) is fires
