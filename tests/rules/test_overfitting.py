"""OVF001: eval loss rises while train loss still falls."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest

from tb_evalguide.diagnosis import check_rule, findings
from tb_evalguide.i18n import render
from tb_evalguide.model import Role, Severity
from tb_evalguide.rules.overfitting import (
    RULE,
    Climb,
    apart_throughout,
    climb,
    drifts,
    gains_nothing,
    gap_grows,
    handful_rises,
    is_plain,
    lasts,
    left_behind,
    memorises,
    proven,
    recovers,
    shifted,
    then_and_now,
    train_rises,
    turned_away,
    turns,
    worse_than_first,
)
from tb_evalguide.stats import critical_rise

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


@pytest.mark.parametrize(("losses", "rise", "shift", "variant"), [
    (train(decay(200, 2.0, 0.2) - 1.5), 0.3, 1.5, "bare"),
    (train(np.full(200, -1.0)), 0.8, 1.5, "bare_level"),
    (None, 0.3, 1.5, "bare_no_train"),
    (train(decay(200, 2.0, 0.2) - 1.5), 0.12, 1.5, "bare_slight"),
    (train(decay(200, 2.0, 0.02) - 1.0), 0.4, 0.98, "bare"),  # twenty times the lowest
    (train(decay(200, 2.0, 0.2) - 1.0), 0.4, 0.94, ""),  # more than six times
])  # fmt: skip
def test_a_rise_from_nothing_or_less_is_no_share_of_the_lowest(losses, rise, shift, variant):
    """A likelihood may be negative."""
    run = case(losses, evals(u_shape(rise, noise=0.0005) - shift), profile="generic")
    (evidence,) = found(RULE, run)
    assert evidence.variant == variant and ("rise" in evidence.numbers) is (variant == "")
    told = render(findings([check_rule(RULE, run)], run)[0].message)
    assert ("%" in told) is (variant == "")


def test_a_metric_that_worsens_beside_a_loss_below_zero_begins_to_overfit():
    values = [0.0, -0.5, -0.9, -1.0, -0.98, -0.96, -0.95]
    right = (series("eval/f1", every(7, 100), [0.3, 0.5, 0.7, 0.8, 0.7, 0.6, 0.5]), True)
    run = case(train(np.linspace(0.5, -3.0, 70)), evals(values), metrics=[right], profile="generic")
    (evidence,) = found(RULE, run)
    assert evidence.variant == "bare_begins" and turned_away(run)


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
    assert any(e.variant in ("no_gain", "little_gain") for e in found(RULE, run)) is fires


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
    assert any(e.variant in ("no_gain", "little_gain") for e in found(RULE, run)) is fires


# --- just either side of each limit -----------------------------------------------------------------------------------


def beside(values, then, now, best, start=2.0, zigzag=0.0, **more):
    """Evaluations beside a train loss of `start` at first, `then` at evaluation `best`, `now` at the last one.

    Two train points an evaluation, the first of each pair off by `zigzag`.
    """
    n = len(values)
    falls = np.interp(np.arange(1, 2 * n + 1), [0, 2 * best + 2, 2 * n], [start, then, now])
    return case(train(falls + zigzag * np.tile([1, 0], n), 50), evals(values), profile="generic", **more)


def climbed(run, **known):
    """Its climb, with some of it as `known`."""
    return dataclasses.replace(climb(run, run.evals, RULE.limits), **known)


FALL = [2.0, 1.8, 1.6, 1.4, 1.2, 1.1, 1.0]


def u_of_11(rise, before_last=1.0):
    """2 → 1 at the seventh evaluation, and up by `rise` in four more."""
    return [*FALL, *(1 + rise * np.array([0.4, 0.5, before_last, 1.0]))]


@pytest.mark.parametrize(("rise", "then", "now", "fires"), [
    (0.25, 0.9, 0.9 * 0.982, False), (0.25, 0.9, 0.9 * 0.978, True),  # train fell by 2 %
    (0.25, 1.15, 1.25 / 1.135, False), (0.25, 1.15, 1.25 / 1.165, True),  # eval lies 15 % above it
    (0.25, 1.27, 1.25 / 1.1, False), (0.25, 1.46, 1.25 / 1.1, True),  # or half as much again as at the lowest
    (0.45, 1.1, 1.1, False), (0.55, 1.1, 1.1, True),  # a rise by half needs none of it
])  # fmt: skip
def test_limits_of_parting_from_the_train_loss(rise, then, now, fires):
    assert bool(loud(beside(u_of_11(rise), then, now, 6))) is fires


@pytest.mark.parametrize(("before_last", "fall", "expected"), [
    (0.45, 0.45, Severity.MEDIUM), (0.55, 0.45, Severity.HIGH),  # the evaluation before rose half as far
    (1.0, 0.27, Severity.MEDIUM), (1.0, 0.33, Severity.HIGH),  # train fell by 30 %
])  # fmt: skip
def test_limits_of_what_is_more_than_a_warning(before_last, fall, expected):
    (evidence,) = loud(beside(u_of_11(0.25, before_last), 0.8, 0.8 * (1 - fall), 6))
    assert severity(RULE, evidence) is expected


@pytest.mark.parametrize(("rise", "expected"), [(0.018, []), (0.022, ["slight"])])
def test_a_rise_below_two_per_cent_is_not_worth_a_word(rise, expected):
    values = [*np.linspace(2.0, 1.0, 9), 1.0, *np.full(8, 1 + rise)]
    assert [e.variant for e in found(RULE, beside(values, 0.9, 0.9, 8))] == expected


@pytest.mark.parametrize(("rise", "sigmas", "expected"), [(0.039, 3.6, []), (0.048, 4.3, ["slight"])])
def test_a_rise_of_less_than_four_sigmas_in_twenty_evaluations_is_chance(rise, sigmas, expected):
    """3.95 is what flat curves of twenty reach in 1 % of all cases."""
    values = np.array([*np.linspace(2.0, 1.1, 6), *(1 + 0.01 * np.tile([1, -1], 7))])
    values[-3:] = 0.99 + rise
    run = case(None, evals(values))
    assert climbed(run).sigmas == pytest.approx(sigmas, abs=0.15)
    assert [e.variant for e in found(RULE, run)] == expected


@pytest.mark.parametrize(("rise", "variant"), [(0.027, "slight"), (0.033, "begins")])
def test_a_rise_of_three_per_cent_beyond_the_noise_is_a_beginning(rise, variant):
    values = [*np.linspace(2.0, 1.0, 9), 1.0, *np.full(6, 1 + rise)]
    assert [e.variant for e in found(RULE, beside(values, 0.85, 0.8, 8))] == [variant]


@pytest.mark.parametrize(("start", "fires"), [(15.5, False), (13.0, True)])
def test_a_rise_of_less_than_a_hundredth_of_the_drop_is_none_to_see(start, fires):
    values = [start, 4.0, 2.0, 1.3, 1.1, 1.03, 1.0, *np.full(4, 1.13)]
    assert bool(loud(beside(values, 0.9, 0.75, 6, start=start))) is fires


@pytest.mark.parametrize(("n", "low"), [(11, 0.7), (12, 1.0)])
def test_from_twelve_evaluations_on_a_single_low_one_is_luck(n, low):
    values = np.ones(n)
    values[5] = 0.7
    assert climbed(case(None, evals(values))).low == low


@pytest.mark.parametrize(("after", "expected"), [(6, False), (7, True)])
def test_ranks_need_seven_evaluations_after_the_lowest(after, expected):
    run = case(None, evals([1.3, 1.0, 1.1, 1.0, 1.2, 1.0, 1.1, 1.0, 0.99, *np.full(after, 1.25)]))
    assert shifted(run.evals, climbed(run), RULE.limits) is expected


@pytest.mark.parametrize(("slope", "expected"), [(0.05, True), (0.0, False)])
def test_after_a_lowest_evaluation_at_once_they_must_rise_on_and_on(slope, expected):
    """There are none before it to rank them against; how far each of them scatters grows with them."""
    scatter = 1 + 0.3 * np.random.default_rng(2).standard_normal(30)
    run = case(None, evals([1.02, 1.0, *(1.2 + slope * np.arange(30) * scatter + 0.1 * (scatter - 1))]))
    assert shifted(run.evals, climbed(run), RULE.limits) is expected


@pytest.mark.parametrize(("lowest", "dips", "falls", "plain"), [
    (2, 1.1, True, True),
    (2, 0.98, True, False),  # an evaluation of the later half came back below the first
    (9, 1.1, True, False),  # the lowest is no early one
    (2, 1.1, False, False),  # nor did train fall on: it stays where it is
])  # fmt: skip
def test_wild_evaluations_that_never_come_back_are_plain_overfitting(lowest, dips, falls, plain):
    values = np.concatenate([np.linspace(1.0, 0.5, lowest + 1), np.geomspace(1.2, 30, 31 - lowest)])
    values[12::3] *= 0.4
    values[24] = dips
    losses = np.linspace(0.9, -2.0, 320) if falls else np.full(320, 0.4)
    run = case(train(losses), evals(values), profile="generic")
    assert is_plain(run, RULE.limits) is plain


@pytest.mark.parametrize(("swapped", "expected"), [(2, True), (3, False)])
def test_a_gap_of_seven_evaluations_grows_where_no_more_than_two_pairs_of_them_fall(swapped, expected):
    """Mann–Kendall's p is 0.8 % then, with a third one 1.8 %."""
    gaps = np.array([[1, 0, 3, 2, 4, 5, 6], [1, 0, 3, 2, 4, 6, 5]][swapped - 2]) / 20
    values = np.array([1.8, 1.5, 1.2, 1.0, 1.02, 1.04, 1.06])
    run = case(train(values - gaps, 100), evals(values))
    assert gap_grows(run, run.evals, climbed(run), RULE.limits) is expected


@pytest.mark.parametrize(("since", "sigmas", "expected"), [
    (7, 0.9, False), (8, 0.9, True),
    (8, 0.55, False), (8, 0.65, True),  # in units of the limit of significance
])  # fmt: skip
def test_a_growing_gap_is_trusted_where_eight_evaluations_nearly_prove_the_rise(since, sigmas, expected):
    values = np.array([*np.linspace(2.0, 1.1, 9), 1.0, *(1 + 0.02 * np.arange(1, since + 1))])
    gaps = 0.1 * np.arange(len(values)) + 0.02 * np.tile([0, 1], 10)[: len(values)]
    run = case(train(values - gaps, 100), evals(values))
    up = climbed(run, sigmas=sigmas * critical_rise(len(values)), sure=False)
    assert len(values) - 1 - up.best == since and not up.few
    assert proven(run, run.evals, up, RULE.limits) is expected


@pytest.mark.parametrize(("since", "sigmas", "expected"), [
    (11, 1.6, False), (12, 1.6, True),
    (12, 1.4, False),
    (5, 5.5, False), (6, 5.5, True),
    (6, 4.5, False),
])  # fmt: skip
def test_a_rise_that_lasts_speaks_for_itself(since, sigmas, expected):
    """In units of the limit of significance: 1.5 after twelve evaluations, 5 after six."""
    run = case(None, evals([*np.linspace(2.0, 1.0, 9), 1.0, *np.full(since - 1, 1.3)]))
    up = climbed(run, sigmas=sigmas * critical_rise(len(run.evals)))
    assert lasts(run.evals, up, RULE.limits) is expected


@pytest.mark.parametrize(("low", "end", "since", "waits"), [
    (1.05, 1.34, 4, True), (1.05, 1.41, 4, False),  # a quarter above the height of the rise that went back
    (1.05, 1.2, 6, True), (1.05, 1.2, 7, False),  # half as long again
    (1.9, 1.2, 4, True), (2.1, 1.2, 4, False),  # it began near the lowest, or in the first fall
])  # fmt: skip
def test_limits_of_an_earlier_rise_that_excuses_this_one(low, end, since, waits):
    """The earlier one rose by 0.3 and was back after four evaluations."""
    run = case(None, evals([3.0, low, low + 0.2, low + 0.3, low + 0.2, 1.0, *np.full(since, end)]))
    assert recovers(run.evals, climbed(run), RULE.limits) is waits


@pytest.mark.parametrize(("fall", "fires"), [(0.45, False), (0.55, True)])
def test_no_earlier_rise_excuses_one_beside_a_train_loss_that_halved(fall, fires):
    values = [2.0, 1.5, 1.2, 1.05, 1.2, 1.35, 1.2, 1.0, 1.14, 1.18, 1.2]
    assert bool(loud(beside(values, 1.4, 1.4 * (1 - fall), 7, start=3.0))) is fires


@pytest.mark.parametrize(("values", "fires"), [
    ([1.0, 1.09, 1.21], False), ([1.0, 1.11, 1.23], True),
    ([1.0, 1.11, 1.20], False),
])  # fmt: skip
def test_three_evaluations_must_rise_by_a_tenth_each_where_train_fell_by_little(values, fires):
    assert bool(found(RULE, beside(values, 1.0, 0.93, 0))) is fires


@pytest.mark.parametrize(("last", "fall", "fires"), [
    (1.09, 0.25, False), (1.11, 0.25, True),
    (1.11, 0.18, False), (1.11, 0.22, True),
])  # fmt: skip
def test_limits_of_a_handful_that_rose_beside_a_train_loss_that_fell(last, fall, fires):
    assert bool(found(RULE, beside([1.0, 1.06, last], 0.9, 0.9 * (1 - fall), 0))) is fires


@pytest.mark.parametrize(("n", "fires"), [(5, True), (6, False)])
def test_six_evaluations_are_more_than_a_handful(n, fires):
    run = beside([1.0, *np.linspace(1.06, 1.12, n - 1)], 0.9, 0.6, 0)
    assert bool(handful_rises(run, run.evals, RULE.limits)) is fires


@pytest.mark.parametrize(("fall", "fires"), [(0.18, False), (0.22, True)])
def test_a_train_loss_far_below_must_have_fallen_by_a_fifth_since_the_lowest(fall, fires):
    values = [*np.linspace(2.0, 0.5, 9), *np.full(5, 0.5125)]
    assert bool(loud(beside(values, 0.28, 0.28 * (1 - fall), 8))) is fires


@pytest.mark.parametrize(("rise", "sigmas", "expected"), [(0.061, 1.15, False), (0.076, 1.4, True)])
def test_what_has_turned_lies_more_than_the_noise_of_one_evaluation_above_the_lowest(rise, sigmas, expected):
    values = [*np.linspace(3.0, 1.1, 8), 1.0, 1.1, 1.0, 1.1, 1.0, 1.1, 1.0, *np.full(3, 1 + rise)]
    run = beside(values, 0.5, 0.3, 8)
    assert rise / run.eval_noise == pytest.approx(sigmas, abs=0.05)
    assert memorises(run, run.evals, 8, RULE.limits) is expected


@pytest.mark.parametrize(("n", "lucky", "expected"), [
    (19, 1, True), (20, 1, False),  # one of twenty may be luck
    (20, 2, False), (24, 2, False), (24, 3, True),  # so may two, not three
])  # fmt: skip
def test_a_lucky_epoch_of_twenty_or_more_is_no_turn(n, lucky, expected):
    values = np.array([*np.linspace(2.0, 1.1, 6), *np.ones(n - 6)])
    values[8 : 8 + lucky] = 0.95
    run = beside(values, 0.5, 0.3, 8)
    assert memorises(run, run.evals, 8, RULE.limits) is expected


@pytest.mark.parametrize(("n", "now"), [(39, 0.1), (40, 1.0)])
def test_from_forty_evaluations_on_an_odd_train_point_at_the_last_one_is_left_out(n, now):
    run = case(train([*np.ones(n - 1), 0.1], 100), evals(np.ones(n)))
    assert then_and_now(run, run.evals, 5, RULE.limits) == (1.0, now)


@pytest.mark.parametrize(("values", "now", "expected"), [
    (np.linspace(1.0, 0.975, 8), 0.5, True), (np.linspace(1.0, 0.955, 8), 0.5, False),  # 3 % were gained
    ([1.0, 1.0, 0.93, *[1.0] * 5], 0.5, True), ([1.0, 1.0, 0.91, *[1.0] * 5], 0.5, False),  # 8 % in between
    (np.linspace(1.0, 0.94, 8), 0.11, False), (np.linspace(1.0, 0.94, 8), 0.09, True),  # unless ten times as high
    (np.linspace(1.0, 0.93, 8), 0.05, True), (np.linspace(1.0, 0.91, 8), 0.05, False),  # 8 % there
    (np.ones(5), 0.5, False), (np.ones(6), 0.5, True),
])  # fmt: skip
def test_limits_of_gaining_nothing(values, now, expected):
    run = beside(values, 2.0, now, 0)
    assert bool(gains_nothing(run, run.evals, RULE.limits)) is expected


@pytest.mark.parametrize(("zigzag", "expected"), [(0.15, True), (0.19, False)])
def test_a_train_loss_must_fall_by_three_times_its_noise(zigzag, expected):
    """It falls by 0.6; its noise is 1.21 times the zigzag."""
    run = beside(np.ones(10), 1.1, 0.5, 0, start=1.1, zigzag=zigzag)
    assert run.train_noise == pytest.approx(1.21 * zigzag, rel=0.05)
    assert bool(gains_nothing(run, run.evals, RULE.limits)) is expected


@pytest.mark.parametrize(("order", "level"), [([5, 4, 1, 0, 2, 3], True), ([5, 4, 1, 2, 0, 3], False)])
def test_an_eval_loss_is_level_unless_kendalls_tau_is_below_minus_two_fifths(order, level):
    """Ten and eleven of fifteen pairs fall: τ is −0.33 and −0.47."""
    run = beside([1.3, 1.2, 1.1, *(1 + np.array(order) / 100)], 0.2, 0.05, 0)
    assert apart_throughout(run, run.evals, True, RULE.limits) is level


@pytest.mark.parametrize(("fall", "expected"), [(0.09, False), (0.11, True)])
def test_worse_than_the_first_is_told_beside_a_train_loss_that_fell_by_a_tenth(fall, expected):
    run = beside([1.31, 1.29, 1.17, 1.35, 1.29, 1.25, 1.27, 1.43, 1.56, 1.42], 1.5, 1.5 * (1 - fall), 0)
    assert worse_than_first(run, run.evals, RULE.limits) is expected


@pytest.mark.parametrize(("rise", "expected"), [(0.147, False), (0.18, True)])
def test_a_turn_rises_by_four_times_the_usual_bend(rise, expected):
    """Falls of 0.4 and 0.5 by turns are bends of 0.041."""
    values = [3.0, 2.6, 2.1, 1.7, 1.2, 1.0, 1 + rise / 2, 1 + rise]
    run = beside(values, 0.9, 0.6, 5)
    assert turns(run, run.evals, 5, RULE.limits) is expected


@pytest.mark.parametrize(("swing", "fall", "expected"), [
    (0.022, 0.15, True), (0.028, 0.15, False),  # Mann–Kendall's p: 0.6 % and 1.4 %
    (0.01, 0.09, False), (0.01, 0.11, True),
])  # fmt: skip
def test_limits_of_a_drift(swing, fall, expected):
    drifting = 1 + 0.06 * np.arange(16) / 15 + swing * np.tile([1, -1], 8)
    run = beside([1.4, 1.3, 1.2, 1.1, *drifting], 0.8, 0.8 * (1 - fall), 4)
    assert drifts(run, run.evals, climbed(run, best=4, rise=0.06), RULE.limits) is expected


@pytest.mark.parametrize(("rise", "lost", "fires"), [
    (0.045, 0.15, False), (0.055, 0.15, True),
    (0.055, 0.09, False), (0.055, 0.11, True),
])  # fmt: skip
def test_limits_of_a_small_rise_with_a_metric_that_fell(rise, lost, fires):
    values = [1.54, 0.81, 0.71, 0.7, 0.705, 0.71, 0.7 * (1 + rise)]
    accuracy = series("val_acc", every(7, 100), [0.4, 0.5, 0.6, 0.6, *[0.6 * (1 - lost)] * 3])
    assert bool(loud(beside(values, 0.6, 0.4, 3, metrics=[(accuracy, True)]))) is fires


@pytest.mark.parametrize(("rise", "train_rise", "expected"), [
    (0.5, 0.22, False), (0.5, 0.28, True),  # half of the share by which the eval loss rose
    (0.08, 0.045, False), (0.08, 0.055, True),  # and 5 %
])  # fmt: skip
def test_limits_of_a_train_loss_that_rose_too(rise, train_rise, expected):
    run = case(train(np.repeat([0.5, 0.5 * (1 + train_rise)], [16, 6]), 50), evals(u_of_11(rise)))
    assert train_rises(run, run.evals, climbed(run), RULE.limits) is expected


@pytest.mark.parametrize(("gap", "late", "expected"), [
    (0.27, 13, [Severity.MEDIUM]),
    (0.23, 13, []),  # less than half of the 0.5 that train loss fell
    (0.27, 9, []),  # too few evaluations since the lowest
])  # fmt: skip
def test_a_loss_with_a_high_floor_parts_by_a_part_of_its_fall(gap, late, expected):
    """Both began at 4.0; train fell by 0.5, and eval loss lost again all that it had gained."""
    losses = np.concatenate([np.linspace(4.0, 3.6, 60), np.linspace(3.6, 3.5, 10 * late)])
    low, end = 3.4 + gap, 3.5 + gap
    level = np.concatenate([np.linspace(3.8, low, 6), np.linspace(low, end, late + 1)[1:]])
    it = [e for e in found(RULE, case(train(losses), evals(level), profile="generic")) if e.variant == ""]
    assert [severity(RULE, e) for e in it] == expected


@pytest.mark.parametrize(("gain", "variant"), [(0.025, "no_gain"), (0.035, "little_gain")])
def test_what_was_gained_is_not_called_nothing(gain, variant):
    level = 15_000 * (1 - gain * np.array([0.0, 0.6, 0.9] + [1.0] * 17))
    (evidence,) = found(RULE, case(train(decay(200, 12_000, 6000, noise=0.0)), evals(level), profile="generic"))
    assert evidence.variant == variant and evidence.numbers["begin"] == 15_000


def test_likelihoods_below_zero_do_not_drift():
    losses = np.linspace(-9.75, -10.1, 200)
    level = np.concatenate([np.linspace(-4.0, -5.0, 8), np.linspace(-5.0, -4.63, 19)[1:]])
    assert not any(e.variant == "begins" for e in found(RULE, case(train(losses), evals(level), profile="generic")))


def right(values, interval):
    """For `case`: these shares of right answers, an evaluation each."""
    return {Role.EVAL_ACCURACY: series("eval/accuracy", every(len(values), interval), values)}


def small(run, roles, profile="classification"):
    """The same curves at a tenth of their height, as they are where nearly all answers are right."""
    scaled = [replace(one.series, values=one.series.values / 10) for one in (run.train, run.evals)]
    return case(*scaled, roles=roles, profile=profile)


@pytest.mark.parametrize(("accuracy", "profile", "expected"), [
    ([0.80, 0.955, 0.955, 0.955], "classification", (Severity.MEDIUM, "begins")),
    ([0.80, 0.965, 0.965, 0.965], "classification", (Severity.INFO, "solved")),
    ([80.0, 96.5, 96.5, 96.5], "classification", (Severity.INFO, "solved")),  # in per cent
    ([0.80, 0.978, 0.970, 0.970], "classification", (Severity.INFO, "solved")),
    ([0.80, 0.985, 0.970, 0.970], "classification", (Severity.MEDIUM, "begins")),  # not as many as ever
    ([0.80, 0.965, 0.965, 0.965], "generic", (Severity.MEDIUM, "begins")),
])  # fmt: skip
def test_no_warning_is_given_of_a_classifier_that_is_right_as_often_as_ever(accuracy, profile, expected):
    run = small(turned(0.11, 0.8), right(accuracy, 500), profile)
    (evidence,) = found(RULE, run)
    assert (severity(RULE, evidence), evidence.variant) == expected
    assert evidence.numbers["low"] == run.evals.values.min() < 0.101 < 0.11 < evidence.numbers["end"]
    whole = 100 if max(accuracy) > 1 else 1
    told = {"accuracy": pytest.approx(accuracy[-1] / whole), "best": pytest.approx(max(accuracy) / whole)}
    assert {name: evidence.numbers.get(name) for name in told} == (
        told if evidence.variant == "solved" else dict.fromkeys(told)
    )


@pytest.mark.parametrize(("train_end", "expected"), [
    (0.75, (Severity.INFO, "solved")),  # fell by 17 %: a warning without the accuracy
    (0.50, (Severity.HIGH, "")),  # by 44 %
])  # fmt: skip
def test_a_large_rise_away_from_a_train_loss_that_fell_far_stays_a_fault(train_end, expected):
    run = small(turned(0.25, train_end, n=13), right([0.9, 0.98, 0.98], 400))
    (evidence,) = found(RULE, run)
    assert (severity(RULE, evidence), evidence.variant) == expected


def test_information_stays_what_it_is_where_the_answers_are_right():
    run = beside([*np.linspace(2.0, 1.0, 9), 1.0, *np.full(8, 1.022)], 0.9, 0.9, 8)
    assert [e.variant for e in found(RULE, small(run, right([0.9, 0.98, 0.98], 500)))] == ["slight"]


def test_a_handful_that_rose_is_information_where_the_answers_are_right():
    run = beside([1.2, 1.0, 1.06, 1.12], 0.9, 0.6, 1)
    for last, expected in [(0.955, "begins"), (0.965, "solved")]:
        told = right([0.9, 0.97, last, last], 100)
        assert [e.variant for e in found(RULE, small(run, told))] == [expected]


@pytest.mark.parametrize(("last", "variants"), [(0.955, ["no_gain"]), (0.965, [])])
def test_a_classifier_that_is_right_as_often_as_ever_has_nothing_to_gain(last, variants):
    """Its eval loss ends where it began, its train loss fell by three quarters."""
    run = small(beside(np.ones(10), 2.0, 0.5, 0), right([0.95, last, last, last], 250))
    assert [e.variant for e in found(RULE, run)] == variants


@pytest.mark.parametrize(("last", "expected"), [(0.955, "begins"), (0.965, "solved")])
def test_three_evaluations_of_a_solved_task_are_no_warning_either(last, expected):
    run = case(train(np.linspace(2.2, 0.4, 30)), evals([1.0, 1.12, 1.25]), profile="classification")
    assert [e.variant for e in found(RULE, small(run, right([0.95, last, last], 100)))] == [expected]


@pytest.mark.parametrize(("points", "fires"), [(2, False), (3, True)])
def test_two_train_points_say_nothing_of_a_handful_of_evaluations(points, fires):
    falls = series("train/loss", np.linspace(100, 300, points), np.linspace(0.9, 0.5, points))
    assert bool(found(RULE, case(falls, evals([1.0, 1.06, 1.12]), profile="generic"))) is fires


@pytest.mark.parametrize(("values", "then", "now", "expected"), [
    ([1.0, 1.0, 0.97, 1.1, 1.2, 1.25, 1.3, 1.3], 1.0, 0.5, ""),  # a fault is told before all else
    ([1.0, 1.0, 0.965, *[1.02] * 6, 0.99], 0.675, 0.675, "no_gain"),  # a warning before what is information
])  # fmt: skip
def test_an_eval_loss_that_gained_nothing_is_told_where_no_rise_is(values, then, now, expected):
    run = beside(values, then, now, 2)
    assert [e.variant for e in gains_nothing(run, run.evals, RULE.limits)] == ["no_gain"]
    assert [e.variant for e in found(RULE, run)] == [expected]


@pytest.mark.parametrize("n", [80, 140, 300])
def test_the_lowest_of_many_evaluations_that_scatter_about_a_floor_is_no_turn(n):
    """Train goes on falling far below it; of forty such runs hardly one may be warned of (one in three once was)."""
    falls = train(decay(10 * n, 2.0, 0.1, rate=3))
    level = decay(n, 2.0, 1.0, rate=12, noise=0.0)
    told = 0
    for seed in range(40):
        scatter = 1 + 0.05 * np.random.default_rng(seed).standard_normal(n)
        told += bool(loud(case(falls, evals(level * scatter), profile="vision")))
    assert told <= 2


@pytest.mark.parametrize("n", [40, 140])
def test_many_evaluations_that_have_turned_are_told_all_the_same(n):
    falls = train(decay(10 * n, 2.0, 0.1, rate=3))
    turned = np.interp(np.arange(n), [0, n // 5, n - 1], [2.0, 1.0, 1.1])
    scatter = 1 + 0.02 * np.random.default_rng(0).standard_normal(n)
    assert loud(case(falls, evals(turned * scatter), profile="vision"))


@pytest.mark.parametrize(("late", "lowest", "train_end", "before", "fires"), [
    (0.72, 0.62, 0.15, 1.0, True),  # of the first eval loss, which is 1
    (0.68, 0.62, 0.15, 1.0, False),  # something was gained
    (0.72, 0.58, 0.15, 1.0, False),
    (0.80, 0.70, 0.19, 1.0, True),
    (0.80, 0.70, 0.21, 1.0, False),  # train is not so far below
    (0.80, 0.70, 0.15, 0.32, True),
    (0.80, 0.70, 0.15, 0.28, False),  # nor did it fall so far since the first evaluation
])  # fmt: skip
@pytest.mark.parametrize("scale", [1.0, 50.0])
def test_limits_of_an_eval_loss_that_is_left_behind(late, lowest, train_end, before, fires, scale):
    judged = np.concatenate([[1.0, 1.0, lowest], np.full(12, late)])
    falls = np.concatenate([np.full(15, before), np.full(135, train_end)])
    run = case(train(scale * falls), evals(scale * judged), profile="vision")
    assert left_behind(run, run.evals, RULE.limits) is fires
    assert not fires or [e.variant for e in gains_nothing(run, run.evals, RULE.limits)] == ["little_gain"]


@pytest.mark.parametrize(("zigzag", "fires"), [(0.0, False), (0.1, True)])
def test_an_eval_loss_that_falls_on_is_not_left_behind(zigzag, fires):
    """However slowly; up and down about the same slope it does not."""
    judged = np.linspace(1.0, 0.85, 15) + np.resize([zigzag, -zigzag], 15)
    falls = np.concatenate([np.full(15, 1.0), np.full(135, 0.1)])
    run = case(train(falls), evals(judged), profile="vision")
    assert left_behind(run, run.evals, RULE.limits) is fires
