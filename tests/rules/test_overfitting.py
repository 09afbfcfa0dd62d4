"""OVF001: eval loss rises while train loss still falls."""

import dataclasses

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.overfitting import RULE, memorises, worse_than_first

from ..support.checks import decay, evals, found, severity, skipped, train
from ..support.phases import case, series


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


def parted(rise, ratio, n=14, best=8):
    """Train goes on falling to `ratio` of the eval loss, which has turned and lies `rise` above its lowest for 5."""
    turned = np.concatenate([np.linspace(2.0, 0.5, best + 1), np.full(n - best - 1, 0.5 * (1 + rise))])
    falls = np.interp(np.arange(n), [0, best, n - 1], [2.0, 0.45, ratio * turned[-1]])
    return case(train(falls, interval=100), evals(turned))


@pytest.mark.parametrize(("rise", "ratio", "fires"), [
    (0.025, 0.3, True),
    (0.015, 0.3, False),  # the eval loss has hardly turned
    (0.025, 0.6, False),  # train is not far below it
])  # fmt: skip
def test_train_far_below_a_turned_eval_loss_needs_no_noise_statistics(rise, ratio, fires):
    loud = [e for e in found(RULE, parted(rise, ratio)) if severity(RULE, e) is not Severity.INFO]
    assert [(severity(RULE, e), e.variant) for e in loud] == [(Severity.MEDIUM, "begins")] * fires


@pytest.mark.parametrize(("before", "expected"), [(1.03, Severity.MEDIUM), (1.09, Severity.HIGH)])
def test_a_single_evaluation_far_above_is_a_warning_until_the_next_one(before, expected):
    values = [2.0, 1.6, 1.4, 1.2, 1.1, 1.05, 1.0, before, 1.15]
    (evidence,) = found(RULE, case(train(decay(90, 2.0, 0.9)), evals(values), profile="generic"))
    assert severity(RULE, evidence) is expected


@pytest.mark.parametrize(("end", "fires"), [(1.25, False), (0.9, True)])
def test_a_train_loss_that_rose_with_it_is_something_else(end, fires):
    both = np.concatenate([np.linspace(2.0, 1.0, 80), np.linspace(1.0, end, 120)])
    loud = [
        e for e in found(RULE, case(train(both), evals(u_shape(0.2)))) if severity(RULE, e) is not Severity.INFO
    ]
    assert bool(loud) is fires


@pytest.mark.parametrize(("values", "fires"), [
    ([2.55, 2.15, 1.8, 1.55, 1.60, 1.75], True),  # the guide's C2
    ([2.55, 2.15, 1.8, 1.55, 1.75, 1.60], False),  # one high evaluation, on its way down again
    ([2.55, 1.6, 2.1, 1.55, 1.60, 1.75], False),  # it moves by as much everywhere
])  # fmt: skip
@pytest.mark.parametrize("with_train", [True, False])
def test_a_turn_that_the_eye_sees_in_six_evaluations(values, fires, with_train):
    steps = [10, 50, 100, 150, 200, 250]
    falls = series("train/loss", steps, [2.5, 2.1, 1.7, 1.4, 1.15, 0.9]) if with_train else None
    loud = [
        e for e in found(RULE, case(falls, series("eval/loss", steps, values), profile="generic"))
        if severity(RULE, e) is not Severity.INFO
    ]  # fmt: skip
    assert [e.steps for e in loud] == [(150, 250)] * fires


@pytest.mark.parametrize(("rates", "fires"), [
    ([14.3, 12.5, 12.4, 11.5, 11.2, 10.6, 10.5, 10.4, 10.2, 10.0, 9.9, 9.85, 9.8, 9.6], False),  # it still learns
    ([14.3, 12.5, 12.4, 11.5, 11.2, 10.6, 10.5, 10.4, 10.2, 10.3, 10.3, 10.4, 10.3, 10.4], True),
])  # fmt: skip
def test_a_metric_at_its_best_at_the_end_contradicts_memorising(rates, fires):
    run = parted(0.025, 0.3)
    wer = series("eval/wer", run.evals.steps.tolist(), rates)
    run = case(run.train.series, run.evals.series, metrics=[(wer, False)])
    loud = [e for e in found(RULE, run) if severity(RULE, e) is not Severity.INFO]
    assert bool(loud) is fires


@pytest.mark.parametrize(("last", "expected"), [([1.43, 1.56, 1.42], True), ([1.25, 1.29, 1.22], False)])
def test_evaluations_that_end_above_the_first_gained_nothing(last, expected):
    """However restless they are: no noise is asked for."""
    run = case(train(decay(100, 1.7, 1.0)), evals([1.31, 1.29, 1.17, 1.35, 1.29, 1.25, 1.27, *last]), profile="generic")
    assert worse_than_first(run, run.evals, RULE.limits) is expected
    growing = series("val/accuracy", run.evals.steps.tolist(), np.linspace(0.3, 0.5, 10))
    run = case(run.train.series, run.evals.series, metrics=[(growing, True)], profile="generic")
    assert not worse_than_first(run, run.evals, RULE.limits)


def test_a_lowest_evaluation_that_was_luck_is_no_turn():
    """The last ones lie above it by no more than evaluations differ by themselves."""
    noisy = [0.0814, 0.263, 0.0735, 0.0807, 0.0826, 0.058, 0.0759, 0.0654, 0.0657]
    run = case(train(np.geomspace(0.18, 0.016, 90)), evals(noisy), profile="classification")
    assert not memorises(run, run.evals, 5, dataclasses.replace(RULE.limits, heart_noise=2.0))
    assert memorises(run, run.evals, 5, dataclasses.replace(RULE.limits, heart_noise=0.0))


@pytest.mark.parametrize(("end", "fires"), [(0.053, True), (0.06, True), (0.1, False)])
def test_a_train_loss_that_creeps_up_does_not_excuse_an_eval_loss_that_doubles(end, fires):
    falls = np.concatenate([np.geomspace(0.2, 0.05, 100), np.linspace(0.05, end, 100)])
    evaluated = np.concatenate([np.linspace(0.2, 0.1, 10), np.linspace(0.11, 0.2, 10)])
    loud = [e for e in found(RULE, case(train(falls), evals(evaluated))) if severity(RULE, e) is Severity.HIGH]
    assert bool(loud) is fires
