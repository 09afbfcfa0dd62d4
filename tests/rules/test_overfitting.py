"""OVF001: eval loss rises while train loss still falls."""

import dataclasses

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.overfitting import RULE, Climb, memorises, recovers, shifted, worse_than_first

from ..support.checks import decay, evals, every, found, severity, skipped, train
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
    ([1.0, 1.06, 1.08], False),
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


@pytest.mark.parametrize(("after", "expected"), [
    ([1.03, 1.15], Severity.MEDIUM),  # one alone far above the others
    ([1.09, 1.15], Severity.MEDIUM),  # not three evaluations yet
    ([1.02, 1.03, 1.15], Severity.MEDIUM),
    ([1.09, 1.12, 1.15], Severity.HIGH),
])  # fmt: skip
def test_a_rise_is_a_warning_until_it_has_lasted_three_evaluations(after, expected):
    values = [2.0, 1.6, 1.4, 1.2, 1.1, 1.05, 1.0, *after]
    falls = np.concatenate([np.linspace(2.0, 0.9, 70), np.linspace(0.9, 0.5, 10 * len(after))])
    (evidence,) = found(RULE, case(train(falls), evals(values), profile="generic"))
    assert severity(RULE, evidence) is expected


@pytest.mark.parametrize(("end", "fires"), [(1.25, False), (0.9, True)])
def test_a_train_loss_that_rose_with_it_is_something_else(end, fires):
    both = np.concatenate([np.linspace(2.0, 1.0, 80), np.linspace(1.0, end, 120)])
    loud = [e for e in found(RULE, case(train(both), evals(u_shape(0.2)))) if severity(RULE, e) is not Severity.INFO]
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


def turned(rise, train_end, n=20, low=8, train_low=0.9):
    """Eval loss 2 → 1 at evaluation `low`, then up by `rise`; train loss `train_low` then, `train_end` at the end."""
    falls = np.concatenate([np.linspace(2.0, train_low, 10 * low), np.linspace(train_low, train_end, 10 * (n - low))])
    return case(train(falls), evals(u_shape(rise, n=n, low=low)), profile="generic")


def loud(run):
    return [e for e in found(RULE, run) if severity(RULE, e) is not Severity.INFO]


@pytest.mark.parametrize(("train_end", "expected"), [
    (0.5, [Severity.HIGH]),  # fell by 44 %, eval 2.4 times as high
    (0.75, [Severity.MEDIUM]),  # fell by 17 %, eval 1.6 times as high
    (0.95, []),  # did not fall
])  # fmt: skip
def test_a_rise_is_overfitting_only_where_the_train_loss_parts_from_it(train_end, expected):
    assert [severity(RULE, e) for e in loud(turned(0.25, train_end, n=13))] == expected


@pytest.mark.parametrize(("start", "fires"), [(1.4, False), (0.9, True)])
def test_an_eval_loss_still_below_train_loss_is_no_overfitting_yet(start, fires):
    """As under dropout or augmentation, where train lies above eval all along."""
    assert bool(loud(turned(0.25, 0.85 * start, n=13, train_low=start))) is fires


@pytest.mark.parametrize(("rise", "fires"), [(0.2, False), (0.6, True)])
def test_a_rise_no_higher_than_one_that_went_back_is_waited_for(rise, fires):
    values = [2.0, 1.5, 1.2, 1.05, 1.2, 1.35, 1.2, 1.0, 1 + 0.7 * rise, 1 + 0.9 * rise, 1 + rise]
    assert bool(loud(case(train(np.linspace(2.0, 0.8, 110)), evals(values), profile="generic"))) is fires


def test_unless_train_loss_has_halved_meanwhile():
    values = [2.0, 1.5, 1.2, 1.05, 1.2, 1.35, 1.2, 1.0, 1.14, 1.18, 1.2]
    falls = np.concatenate([np.linspace(2.0, 0.8, 80), np.linspace(0.8, 0.3, 30)])
    assert loud(case(train(falls), evals(values), profile="generic"))


@pytest.mark.parametrize(("start", "train_end", "gain", "fires"), [
    (12_000.0, 6000.0, 0.11, True),
    (12_000.0, 6000.0, 0.13, False),
    (13_500.0, 6000.0, 0.11, False),  # it came to where the train loss began
    (13_500.0, 500.0, 0.11, True),  # … but lies in another world
])  # fmt: skip
def test_an_eval_loss_level_since_its_first_third_far_from_the_train_loss(start, train_end, gain, fires):
    level = 15_000 * (1 - gain * np.array([0.0, 0.0, 0.6, 0.9] + [1.0] * 16))
    run = case(train(decay(200, start, train_end, noise=0.0)), evals(level), profile="generic")
    assert any(e.variant == "no_gain" for e in found(RULE, run)) is fires


def test_an_eval_loss_that_falls_on_gains():
    level = 15_000 * np.linspace(1.0, 0.89, 20)
    assert not found(RULE, case(train(decay(200, 12_000, 6000, noise=0.0)), evals(level), profile="generic"))


@pytest.mark.parametrize(("n", "rise", "train_end", "fires"), [
    (19, 0.06, 0.8, True),
    (11, 0.06, 0.8, False),  # too few evaluations since the lowest
    (19, 0.02, 0.8, False),
    (19, 0.06, 0.94, False),  # train has hardly fallen meanwhile
])  # fmt: skip
def test_many_evaluations_that_drift_up(n, rise, train_end, fires):
    up = 1 + rise * np.arange(n) / (n - 1) + 0.012 * np.tile([1, -1], n)[:n]
    level = np.concatenate([np.linspace(1.4, 1.05, 8), [1.0, 1.0, 1.0], up])
    falls = np.concatenate([np.linspace(1.2, 1.0, 10 * 10), np.linspace(1.0, train_end, 10 * (n + 1))])
    it = found(RULE, case(train(0.8 * falls), evals(level), profile="generic"))
    assert any(e.variant == "begins" for e in it) is fires


@pytest.mark.parametrize("step", [1, 7, 100])
def test_going_back_is_told_in_one_pass_whatever_the_length(step):
    """The vectorised search says what a search from each new low says."""
    for seed in range(40):
        rng = np.random.default_rng(1000 * step + seed)
        values = 1 + np.abs(np.cumsum(rng.normal(0, 0.1, 30)))
        curve = case(None, evals(values)).evals
        best = int(np.argmin(values))
        end = float(np.mean(values[-2:]))
        up = Climb(best, float(values[best]), end, float(values[-1]), 0.2, 0.5, 9.0, 0.01, True, False)
        limits, since, expected = RULE.limits, len(values) - 1 - best, False
        for first in range(best):
            if values[first] > values[: first + 1].min():
                continue
            back = next(j for j in range(first + 1, best + 1) if values[j] <= values[first])
            height = values[first:back].max() - values[first]
            near = values[first] <= up.low + limits.near * (up.end - up.low)
            as_far = up.end - up.low <= limits.again * height
            expected |= near and back - first >= 2 and as_far and since <= limits.longer * (back - first)
        assert recovers(curve, up, limits) is bool(expected)


@pytest.mark.parametrize("shift", [0.0, 0.05, 0.2])
def test_ranks_are_those_of_mann_and_whitney(shift):
    stats = pytest.importorskip("scipy.stats")
    for seed in range(20):
        rng = np.random.default_rng(seed)
        values = 1 + 0.1 * np.abs(rng.standard_normal(24))
        values[10] = 0.99
        values[11:] += shift
        after, before = values[11:], values[:11]
        u = stats.mannwhitneyu(after, before, alternative="greater", method="asymptotic", use_continuity=False)
        up = Climb(10, 0.99, 1.2, 1.2, 0.2, 0.5, 0.1, 0.1, False, False)
        assert shifted(case(None, evals(values)).evals, up, RULE.limits) is bool(u.pvalue < stats.norm.sf(1.96))


@pytest.mark.parametrize(("rises", "fires"), [(3, False), (4, True), (5, True)])
def test_evaluations_that_rise_in_a_row_begin_to_overfit_however_slowly(rises, fires):
    values = [7.0, 6.2, 5.6, 5.3, 5.1, 5.08, 5.05, *(5.05 * (1 + 0.007 * np.arange(1, rises + 1)))]
    falls = np.linspace(6.5, 3.0, 10 * len(values))
    (evidence,) = loud(case(train(falls), evals(values), profile="pretrain")) or [None]
    assert (evidence is not None and evidence.variant == "begins") is fires


@pytest.mark.parametrize(
    ("accuracy", "fires"),
    [([0.4, 0.5, 0.54, 0.55, 0.46, 0.41, 0.4], True), ([0.4, 0.5, 0.54, 0.55, 0.53, 0.54, 0.54], False)],
)
def test_a_small_rise_with_a_metric_that_fell_begins_to_overfit(accuracy, fires):
    values = [1.54, 0.81, 0.71, 0.697, 0.75, 0.73, 0.77]
    rates = [(series("val_acc", every(7, 100), accuracy), True)]
    run = case(train(np.linspace(1.44, 0.39, 70)), evals(values), metrics=rates, profile="classification")
    assert bool(loud(run)) is fires


@pytest.mark.parametrize(("end", "fires"), [(2.0, False), (0.4, True)])
def test_three_evaluations_that_rise_a_little_beside_a_train_loss_that_fell(end, fires):
    assert (
        bool(found(RULE, case(train(np.linspace(2.2, end, 30)), evals([1.0, 1.06, 1.12]), profile="generic"))) is fires
    )


@pytest.mark.parametrize(("values", "train_end", "fires"), [
    ([2.87, 2.89, 3.03, 2.88, 3.07, 3.09, 2.85, 2.73, 2.86, 2.91, 2.92, 2.9], 1.5, True),
    ([2.87, 2.89, 3.03, 2.88, 3.07, 3.09, 2.85, 2.73, 2.86, 2.91, 2.92, 2.9], 1.95, False),  # train hardly fell
    ([2.87, 2.89, 2.83, 2.78, 2.77, 2.79, 2.75, 2.73, 2.76, 2.71, 2.72, 2.7], 1.5, False),  # 6 % were gained
    ([2.87, 2.89, 2.63, 2.58, 2.47, 2.59, 2.65, 2.73, 2.76, 2.81, 2.82, 2.8], 1.5, None),  # … and lost again
])  # fmt: skip
def test_an_eval_loss_that_gains_nothing_while_train_falls_far_below_it(values, train_end, fires):
    it = loud(case(train(np.linspace(2.2, train_end, 120)), evals(values), profile="classification"))
    if fires is None:
        assert [e.variant for e in it] != ["no_gain"]
    else:
        assert [(severity(RULE, e), e.variant) for e in it] == [(Severity.MEDIUM, "no_gain")] * fires


def test_a_train_loss_that_was_zero_divides_nothing():
    """Four decimals may round it to nothing."""
    rng = np.random.default_rng(8)
    loss = np.concatenate([np.geomspace(0.5, 1e-4, 100), np.zeros(20), rng.integers(0, 3, 80) / 10_000])
    judged = np.concatenate([np.linspace(0.9, 0.5, 11), np.linspace(0.5, 0.564, 10)[1:]])
    found(RULE, case(train(loss), evals(judged), profile="generic"))


def test_the_evaluation_that_is_called_lowest_is_the_lowest():
    values = np.concatenate([np.linspace(2.0, 1.0, 10), np.full(15, 1.0)]) + 0.004 * np.random.default_rng(
        0
    ).standard_normal(25)
    values[-6:] += 0.05
    values[5] = 0.97
    (evidence,) = found(RULE, case(train(decay(250, 2.0, 0.2, rate=1)), evals(values), profile="generic"))
    assert evidence.variant in ("begins", "slight")
    assert evidence.numbers["low"] == 0.97 and evidence.steps[0] == 600


@pytest.mark.parametrize("offset", [0.0, -3.0])
def test_a_metric_below_zero_falls_as_one_above_it(offset):
    values = [1.54, 0.81, 0.71, 0.697, 0.75, 0.73, 0.77]
    better = series("eval/r2", every(7, 100), np.array([0.4, 0.5, 0.54, 0.55, 0.56, 0.57, 0.58]) + offset)
    run = case(train(np.linspace(1.44, 0.39, 70)), evals(values), metrics=[(better, True)], profile="generic")
    assert not loud(run)


@pytest.mark.parametrize(("last", "fires"), [(0.049, False), (0.065, True)])
def test_one_odd_evaluation_after_the_lowest_is_no_rise_where_the_next_is_back(last, fires):
    level = [0.43, 0.23, 0.12, 0.099, 0.072, 0.067, 0.040, 0.103, last]
    loss = [0.58, 0.36, 0.21, 0.13, 0.11, 0.094, 0.069, 0.064, 0.059]
    run = case(train(loss, 100), evals(level), profile="classification")
    assert any(severity(RULE, e) is not Severity.INFO for e in found(RULE, run)) is fires


@pytest.mark.parametrize(("train_end", "gain", "fires"), [
    (5.0, 0.05, True),
    (5.0, 0.1, False),
    (2000.0, 0.05, False),
])  # fmt: skip
def test_a_few_per_cent_are_nothing_where_eval_loss_lies_in_another_world(train_end, gain, fires):
    level = np.linspace(15_000.0, 15_000.0 * (1 - gain), 20)
    run = case(train(decay(200, 4000.0, train_end, noise=0.0)), evals(level), profile="generic")
    assert any(e.variant == "no_gain" for e in found(RULE, run)) is fires
