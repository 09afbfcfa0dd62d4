"""Each statistic against an obvious slow twin, and against scipy, statsmodels or ruptures where they have it."""

import math

import numpy as np
import pytest
import ruptures
import scipy.ndimage
import scipy.stats
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tb_evalguide import stats

SEEDS = range(8)
values_of = arrays(
    np.float64,
    st.integers(0, 60),
    elements=st.floats(-1e6, 1e6, allow_nan=False, width=32),
)


def noisy(seed: int, n: int = 80) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 2 + np.exp(-np.arange(n) / 20) + 0.1 * rng.standard_normal(n)


def gappy_steps(seed: int, n: int = 80) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).integers(1, 30, n)).astype(np.int64)


# --- noise ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_mad_sigma_against_scipy(seed):
    values = noisy(seed)
    theirs = scipy.stats.median_abs_deviation(values, scale="normal")
    assert stats.mad_sigma(values) == pytest.approx(theirs, rel=1e-4)


@pytest.mark.parametrize("values", [[], [1.0]])
def test_mad_sigma_of_too_few(values):
    assert stats.mad_sigma(np.array(values)) == 0.0


def slow_second_differences(x, y):
    out = []
    for i in range(1, len(y) - 1):
        w = (x[i] - x[i - 1]) / (x[i + 1] - x[i - 1])
        line = (1 - w) * y[i - 1] + w * y[i + 1]
        out.append((line - y[i]) / math.sqrt(1 + w * w + (1 - w) ** 2))
    return out


@pytest.mark.parametrize("seed", SEEDS)
def test_second_differences_against_the_slow_twin(seed):
    x, y = gappy_steps(seed), noisy(seed)
    assert stats.second_differences(x, y) == pytest.approx(slow_second_differences(x, y))


def test_second_differences_of_even_spacing_are_the_catalogue_s():
    y = noisy(1)
    theirs = (0.5 * y[:-2] + 0.5 * y[2:] - y[1:-1]) / math.sqrt(1.5)
    assert stats.second_differences(np.arange(len(y)), y) == pytest.approx(theirs)


def test_second_differences_see_no_trend_and_keep_sigma():
    x = np.cumsum(np.random.default_rng(0).integers(1, 9, 20_000))
    white = 0.3 * np.random.default_rng(1).standard_normal(len(x))
    assert np.std(stats.second_differences(x, 5 - 0.01 * x + white)) == pytest.approx(0.3, rel=0.03)
    assert stats.second_differences(np.arange(50), 7 - 0.1 * np.arange(50)) == pytest.approx(np.zeros(48), abs=1e-12)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_second_differences_of_too_few(n):
    assert len(stats.second_differences(np.arange(n), np.ones(n))) == 0


@pytest.mark.parametrize("sigma", [0.02, 0.1])
def test_eval_noise_finds_the_noise_of_many(sigma):
    rng = np.random.default_rng(3)
    values = 2 + sigma * rng.standard_normal(400)
    assert stats.eval_noise(np.arange(400), values) == pytest.approx(sigma, rel=0.15)


def test_eval_noise_of_few_leans_on_the_prior():
    prior = stats.PRIOR_NOISE * 2.0
    assert stats.eval_noise(np.arange(2), np.array([2.0, 2.0])) == pytest.approx(prior)
    # four evaluations without any noise: (ν0·s0² + 0) / (ν0 + 2)
    assert stats.eval_noise(np.arange(4), np.full(4, 2.0)) == pytest.approx(prior * math.sqrt(4 / 6))


def test_eval_noise_is_never_zero_and_scales_with_the_loss():
    assert stats.eval_noise(np.arange(10), np.zeros(10)) > 0
    y = noisy(2, 12)
    assert stats.eval_noise(np.arange(12), 100 * y) == pytest.approx(100 * stats.eval_noise(np.arange(12), y))


def test_eval_noise_is_not_ruled_by_one_outlier():
    y = 2 + 0.01 * np.random.default_rng(4).standard_normal(40)
    clean = stats.eval_noise(np.arange(40), y)
    y[20] = 20.0
    assert stats.eval_noise(np.arange(40), y) < 3 * clean


# --- level ----------------------------------------------------------------------------------------------------------


@given(values_of, st.integers(0, 25))
@settings(max_examples=150, deadline=None)
def test_running_median_against_the_slow_twin(values, width):
    half = max(0, min(width, len(values)) // 2)
    slow = [np.median(values[max(0, i - half) : i + half + 1]) for i in range(len(values))]
    assert stats.running_median(values, width) == pytest.approx(slow)


def test_running_median_against_scipy_inside():
    y = noisy(5, 300)
    theirs = scipy.ndimage.median_filter(y, 15, mode="nearest")
    assert stats.running_median(y, 15)[7:-7] == pytest.approx(theirs[7:-7])


def test_running_median_of_a_long_series_is_close_to_the_exact_one():
    y = noisy(6, 6000)
    exact = scipy.ndimage.median_filter(y, 301, mode="nearest")
    assert np.abs(stats.running_median(y, 301)[150:-150] - exact[150:-150]).max() < 0.02


@pytest.mark.parametrize(("n", "count"), [(1, 5), (7, 3), (50, 40), (400, 40)])
def test_bins_against_the_slow_twin(n, count):
    steps, y = gappy_steps(0, n), noisy(0, n)
    centres, medians, sizes = stats.bins(steps, y, count)
    assert sizes.sum() == n and sizes.max() - sizes.min() <= 1 and len(sizes) == min(n, count)
    at = np.concatenate([[0], np.cumsum(sizes)])
    assert centres == pytest.approx([np.median(steps[a:b]) for a, b in zip(at, at[1:])])
    assert medians == pytest.approx([np.median(y[a:b]) for a, b in zip(at, at[1:])])


def test_bins_of_nothing():
    assert [len(part) for part in stats.bins(np.empty(0, np.int64), np.empty(0), 10)] == [0, 0, 0]


# --- trend ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_theil_sen_against_scipy_and_the_slow_twin(seed):
    x, y = gappy_steps(seed, 60), noisy(seed, 60)
    slopes = [(y[j] - y[i]) / (x[j] - x[i]) for i in range(60) for j in range(i + 1, 60)]
    assert stats.theil_sen(x, y) == pytest.approx(float(np.median(slopes)))
    assert stats.theil_sen(x, y) == pytest.approx(scipy.stats.theilslopes(y, x).slope)


def test_theil_sen_of_a_long_series_by_every_so_many_th_point():
    x = np.arange(5000)
    y = 3 - 1e-4 * x + 0.05 * np.random.default_rng(7).standard_normal(5000)
    assert stats.theil_sen(x, y) == pytest.approx(-1e-4, rel=0.05)


@pytest.mark.parametrize("values", [[], [1.0]])
def test_theil_sen_of_too_few(values):
    assert stats.theil_sen(np.arange(len(values)), np.array(values)) == 0.0


@pytest.mark.parametrize("seed", SEEDS)
def test_lag1_against_statsmodels(seed):
    y = noisy(seed)
    assert stats.lag1(y) == pytest.approx(sm.tsa.acf(y, nlags=1, fft=False)[1])


def test_lag1_of_constants_and_too_few():
    assert stats.lag1(np.full(9, 2.0)) == 0.0 and stats.lag1(np.array([1.0, 2.0])) == 0.0


def slow_mann_kendall(y, corrected=True):
    """S, its variance with ties, and the AR(1) inflation, by their definitions."""
    n = len(y)
    s = sum(np.sign(y[j] - y[i]) for i in range(n) for j in range(i + 1, n))
    variance = n * (n - 1) * (2 * n + 5)
    for value in set(y.tolist()):
        t = int((y == value).sum())
        variance -= t * (t - 1) * (2 * t + 5)
    variance /= 18
    slope = scipy.stats.theilslopes(y, np.arange(n)).slope
    rest = y - slope * np.arange(n)
    r = sm.tsa.acf(rest, nlags=1, fft=False)[1] if np.ptp(rest) > 0 else 0.0
    if corrected and r > 0:
        variance *= 1 + 2 * sum((1 - k / n) * r**k for k in range(1, n))
    return (s - np.sign(s)) / math.sqrt(variance) if variance > 0 and s else 0.0


@pytest.mark.parametrize("seed", SEEDS)
def test_mann_kendall_against_the_slow_twin(seed):
    y = np.round(noisy(seed, 40), 1)  # ties
    trend = stats.mann_kendall(y)
    z = slow_mann_kendall(y)
    assert trend.z == pytest.approx(z)
    assert trend.p_up == pytest.approx(scipy.stats.norm.sf(z)) and trend.p_down == pytest.approx(
        scipy.stats.norm.cdf(z)
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_mann_kendall_s_tau_against_scipy(seed):
    y = noisy(seed, 30)
    assert stats.mann_kendall(y).tau == pytest.approx(scipy.stats.kendalltau(np.arange(30), y).statistic)


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e9])
@pytest.mark.parametrize("n", [8, 13, 20, 100])
def test_mann_kendall_of_an_exactly_straight_line(n, scale):
    """What rounding leaves of it once detrended is no autocorrelation; nor is it surer than a walk's chance."""
    trend = stats.mann_kendall(scale * np.linspace(2.0, 1.9, n))
    uncorrected = (n * (n - 1) / 2 - 1) / math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    chance = max(scipy.stats.norm.sf(uncorrected), 2.0 ** (1 - n))
    assert trend.tau == -1 and trend.p_down <= chance * 1.0001 + 1e-12
    assert stats.mann_kendall(-scale * np.linspace(2.0, 1.9, n)).p_up == pytest.approx(trend.p_down, abs=1e-9)


@pytest.mark.parametrize("n", [5, 8, 20])
def test_mann_kendall_of_a_smooth_bend_is_as_sure_as_a_walk_that_only_falls(n):
    bend = np.exp(-3 * np.linspace(0, 1, n))
    assert stats.mann_kendall(bend).p_down <= max(2.0 ** (1 - n), 1e-4)


def test_sigmas_beside_no_noise():
    assert stats.sigmas(1.0, 0.5) == 2 and stats.sigmas(-1.0, 0.0) == -math.inf
    assert stats.sigmas(1.0, 0.0) == math.inf and stats.sigmas(0.0, 0.0) == 0


def test_mann_kendall_calls_few_flat_curves_a_trend():
    rng = np.random.default_rng(8)
    called = np.mean([stats.mann_kendall(rng.standard_normal(40)).p_up < 0.05 for _ in range(800)])
    assert 0.02 < called < 0.07


@pytest.mark.parametrize(("smoothing", "naive_least", "most"), [(0.6, 0.25, 0.12), (0.9, 0.5, 0.25)])
def test_mann_kendall_is_hardly_fooled_by_smoothing(smoothing, naive_least, most):
    """An EMA makes a naive test call 30 to 60 % of all flat curves a trend (failure-modes.md)."""
    rng = np.random.default_rng(9)
    naive = corrected = 0
    for _ in range(300):
        x = rng.standard_normal(100)
        y = np.empty(100)
        y[0] = x[0]
        for i in range(1, 100):
            y[i] = smoothing * y[i - 1] + (1 - smoothing) * x[i]
        naive += abs(slow_mann_kendall(y, corrected=False)) > 1.96
        corrected += abs(stats.mann_kendall(y).z) > 1.96
    assert naive > naive_least * 300
    assert corrected < most * 300


@pytest.mark.parametrize("values", [[], [1.0, 2.0], [3.0] * 10])
def test_mann_kendall_of_nothing_to_tell(values):
    trend = stats.mann_kendall(np.array(values))
    assert (trend.z, trend.p_up, trend.p_down) == (0.0, 0.5, 0.5)


@pytest.mark.parametrize("n", [4, 5, 6, 8, 12, 20, 40])
def test_critical_rise_is_met_by_chance_in_one_flat_curve_of_a_hundred(n):
    flat = np.random.default_rng(n).standard_normal((200_000, n))
    rise = flat[:, -2:].mean(axis=1) - flat.min(axis=1)
    assert np.mean(rise > stats.critical_rise(n)) == pytest.approx(0.01, rel=0.25)


def test_critical_rise_grows_with_n_and_is_bounded():
    rises = [stats.critical_rise(n) for n in range(2, 200)]
    assert rises == sorted(rises) and rises[0] == 3.14 and rises[-1] == 4.19


# --- change point ---------------------------------------------------------------------------------------------------


def slow_change_point(y, margin):
    best, where = -1.0, len(y)
    total = ((y - y.mean()) ** 2).sum()
    for k in range(margin, len(y) - margin + 1):
        left, right = y[:k], y[k:]
        inside = ((left - left.mean()) ** 2).sum() + ((right - right.mean()) ** 2).sum() if len(right) else total
        if total - inside > best:
            best, where = total - inside, k
    return where, best / total


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("margin", [2, 5])
def test_change_point_against_ruptures_and_the_slow_twin(seed, margin):
    rng = np.random.default_rng(seed)
    at = int(rng.integers(10, 50))
    y = rng.standard_normal(60) + 3 * (np.arange(60) >= at)
    index, share = stats.change_point(y, margin)
    assert (index, share) == (slow_change_point(y, margin)[0], pytest.approx(slow_change_point(y, margin)[1]))
    theirs = ruptures.Dynp(model="l2", min_size=margin, jump=1).fit(y).predict(n_bkps=1)[0]
    assert index == theirs
    assert abs(index - at) <= 3


def test_change_point_of_nothing_to_find():
    assert stats.change_point(np.full(20, 1.0)) == (20, 0.0)
    assert stats.change_point(np.array([1.0, 2.0, 3.0])) == (3, 0.0)


# --- the rest -------------------------------------------------------------------------------------------------------


def test_limits_are_strict_and_forgive_float32():
    gap = float(np.float32(0.6)) - float(np.float32(0.1))
    assert gap > 0.5 and not stats.above(gap, 0.5)
    assert stats.above(0.50001, 0.5) and not stats.above(0.5, 0.5)
    assert (
        stats.below(2.99999, 3.0) and not stats.below(3.0, 3.0) and not stats.below(float(np.float32(2.9999999)), 3.0)
    )


@given(st.lists(st.booleans(), max_size=40))
def test_runs_of_against_the_slow_twin(mask):
    slow, start = [], None
    for i, value in enumerate([*mask, False]):
        if value and start is None:
            start = i
        if not value and start is not None:
            slow.append((start, i))
            start = None
    assert stats.runs_of(np.array(mask, bool)) == slow


@pytest.mark.parametrize("seed", SEEDS)
def test_level_step_against_statsmodels(seed):
    x, at = gappy_steps(seed, 30), 12
    y = 0.02 * x + noisy(seed, 30) + 1.5 * (np.arange(30) >= at)
    fit = sm.OLS(y, np.column_stack([np.ones(30), x, np.arange(30) >= at]).astype(float)).fit()
    step, error = stats.level_step(x, y, at)
    assert (step, error) == (pytest.approx(fit.params[2]), pytest.approx(fit.bse[2]))


def test_level_step_of_a_straight_line_is_none():
    x = np.arange(20)
    assert stats.level_step(x, 3 - 0.1 * x, 9) == (pytest.approx(0.0, abs=1e-12), pytest.approx(0.0, abs=1e-9))
