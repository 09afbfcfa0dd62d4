"""INT002: zeros written in place of NaN, and gradient norms that stay NaN."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.zero_loss import RULE

from ..support.checks import decay, evals, found, label, norms, severity, skipped, train
from ..support.phases import case


def dead(n: int = 60, zeros: int = 20, level: float = 1.0) -> np.ndarray:
    return np.concatenate([decay(n - zeros, end=level, rate=8.0), np.zeros(zeros)])


def test_fires_when_the_loss_becomes_zero_and_stays():
    (evidence,) = found(RULE, case(train(dead())))
    assert severity(RULE, evidence) is Severity.CRITICAL
    assert evidence.steps == (410, 600) and evidence.numbers["count"] == 20


@pytest.mark.parametrize(("zeros", "fires"), [(2, False), (3, True)])
def test_needs_three_zeros(zeros, fires):
    assert bool(found(RULE, case(train(dead(zeros=zeros))))) is fires


@pytest.mark.parametrize(("level", "fires"), [(0.12, False), (0.20, True)])
def test_a_loss_that_was_nearly_zero_before_has_converged(level, fires):
    """Limit: 0.05 of the first loss, which is 3."""
    assert bool(found(RULE, case(train(dead(level=level))))) is fires


def test_odd_zeros_between_good_points_are_no_fault():
    values = decay(60)
    values[[10, 20, 30, 40, 50]] = 0.0
    assert not found(RULE, case(train(values)))


@pytest.mark.parametrize(("good", "fires"), [(5, False), (3, True)])
def test_zeros_must_hold_for_four_fifths_of_the_points_since(good, fires):
    assert bool(found(RULE, case(train([*dead(60, 20 - good), *np.ones(good)])))) is fires


@pytest.mark.parametrize(("level", "fires"), [(0.0009, False), (0.0011, True)])
def test_a_loss_below_a_thousandth_may_have_been_rounded_to_zero(level, fires):
    assert bool(found(RULE, case(train([level] * 40 + [0.0] * 20)))) is fires


def test_a_series_that_is_zero_throughout_is_broken_or_some_other_term():
    (evidence,) = found(RULE, case(train(np.zeros(50))))
    assert (label(RULE, evidence), evidence.variant) == ("data_integrity", "all")
    broken = norms(np.full(50, np.nan))
    (evidence,) = found(RULE, case(train(np.zeros(50)), grad=broken))
    assert (label(RULE, evidence), evidence.variant) == ("nan", "norm"), "the norms tell more"


def test_finite_evaluations_show_that_the_weights_are_not_nan():
    (evidence,) = found(RULE, case(train(dead()), evals(decay(6))))
    assert severity(RULE, evidence) is Severity.INFO and evidence.variant == "evals_go_on"


def test_norms_that_stay_nan_over_a_standing_loss():
    g = np.ones(60)
    g[20:] = np.nan
    flat = np.concatenate([decay(20, end=2.0), np.full(40, 2.0)])
    (evidence,) = found(RULE, case(train(flat), grad=norms(g)))
    assert severity(RULE, evidence) is Severity.CRITICAL and evidence.variant == "norm"
    (evidence,) = found(RULE, case(train(decay(60, rate=1.0)), grad=norms(g)))
    assert severity(RULE, evidence) is Severity.INFO, "a loss that goes on falling is being trained"


@pytest.mark.parametrize(("bad", "fires"), [(4, False), (5, True)])
def test_five_norms_that_are_not_finite_are_no_loss_scaler(bad, fires):
    g = np.where(np.arange(60) < 60 - bad, 1.0, np.nan)
    assert bool(found(RULE, case(train(np.full(60, 2.0)), grad=norms(g)))) is fires


@pytest.mark.parametrize(("end", "variant"), [(1.92, "norm"), (1.88, "norm_only")])
def test_a_loss_that_falls_by_five_per_cent_beside_such_norms_is_being_trained(end, variant):
    loss = np.repeat([2.0, 2.0, (2.0 + end) / 2, end], 20)
    (evidence,) = found(RULE, case(train(loss), grad=norms(np.where(np.arange(80) < 20, 1.0, np.nan))))
    assert evidence.variant == variant


def test_infinite_norms_in_the_first_steps_of_fp16_are_normal():
    g = np.ones(60)
    g[:4] = np.inf
    g[30] = np.inf
    assert not found(RULE, case(train(decay(60)), grad=norms(g)))


def test_skipped_without_a_train_loss():
    assert "train loss" in skipped(RULE, case(None, evals(decay(10))))


def test_a_loss_of_the_size_of_its_rounding():
    """GRPO without a KL term: the loss is 0.0, now and then 0.0001."""
    values = np.zeros(60)
    values[[0, 1, 7]] = 1e-4
    assert not found(RULE, case(train(values)))


def test_zeros_throughout_beside_evaluations_that_go_on_are_a_broken_log():
    """Whatever the evaluations say, a train loss that never was anything but 0 is not what was trained on."""
    (evidence,) = found(RULE, case(train(np.zeros(50)), evals(decay(6))))
    assert severity(RULE, evidence) is Severity.MEDIUM and evidence.variant == "evals_go_on"
    assert evidence.label == "data_integrity"
