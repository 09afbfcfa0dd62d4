"""Pure functions over arrays: noise, level, slope, trend, change points and spikes, each with its source.

Every statistic here is computed on raw values, never on smoothed ones: an exponential moving average turns lag-1
correlation ≈ 0 into 0.6–0.9 and a naive trend test on it is wrong in 30–60 % of flat curves (failure-modes.md).
The obvious slow twin of each function stands in tests/test_stats.py, beside scipy, statsmodels and ruptures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tb_evalguide.model import Floats, Ints

NORMAL_MAD = 1.4826  # MAD → standard deviation for a normal distribution
PRIOR_EVALS = 4.0  # ν0, pseudo-observations of the prior on eval noise (failure-modes.md)
PRIOR_NOISE = 0.003  # s0, prior eval noise as a share of the loss (failure-modes.md)


# np.unique is not used here: its first call imports numpy.ma, a tenth of a small report's whole time.


def spread(count: int, most: int) -> Ints:
    """At most `most` of the indices 0 … count − 1, evenly spread, with the first and the last one."""
    if count <= most:
        return np.arange(count)
    picked: Ints = np.linspace(0, count - 1, most).round().astype(np.int64)
    return picked


def median(values: Floats | Ints) -> float:
    """The median as np.median has it, NaN when any value is NaN or none is there; quicker on short arrays.

    np.median imports numpy.ma as np.unique does, and takes ten times as long where there are few values.
    """
    n = len(values)
    if n == 0:
        return math.nan
    middle = n // 2
    # the last place tells whether there is a NaN: sorting puts them there
    ordered = np.sort(values) if n < 1000 else np.partition(values, [max(middle - 1, 0), middle, n - 1])
    if np.isnan(ordered[-1]):
        return math.nan
    return float(ordered[middle]) if n % 2 else float(ordered[middle - 1] + ordered[middle]) / 2


def tie_counts(values: Floats) -> Ints:
    """How often each distinct value occurs, by rising value."""
    ordered = np.sort(values)
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    counts: Ints = np.diff(np.append(starts, len(ordered)))
    return counts


def mad_sigma(values: Floats) -> float:
    """Standard deviation estimated by the median absolute deviation; 0.0 for fewer than two values."""
    if len(values) < 2:
        return 0.0
    return NORMAL_MAD * float(median(np.abs(values - median(values))))


def second_differences(steps: Ints | Floats, values: Floats) -> Floats:
    """Each inner point against the line through its neighbours, scaled so that white noise of σ gives σ.

    For even spacing this is (½·y[i−1] + ½·y[i+1] − y[i]) / √1.5. Shape (n − 2,); empty for n < 3.
    """
    if len(values) < 3:
        return np.empty(0)
    x = np.asarray(steps, np.float64)
    span = x[2:] - x[:-2]
    weight = np.where(span > 0, (x[1:-1] - x[:-2]) / np.where(span > 0, span, 1.0), 0.5)
    expected = (1 - weight) * values[:-2] + weight * values[2:]
    scaled: Floats = (expected - values[1:-1]) / np.sqrt(1 + weight**2 + (1 - weight) ** 2)
    return scaled


def eval_noise(steps: Ints | Floats, values: Floats, scale: float | None = None) -> float:
    """σ of one evaluation, from second differences, shrunk to a prior when there are few of them.

    σ² = (ν0·(s0·level)² + Σ d²) / (ν0 + m) with the m second differences capped at 3 robust σ, so that the bend of the
    first evaluations and single outliers do not pass for noise. Source: failure-modes.md, notation σe.
    """
    level = abs(float(median(values))) if scale is None else scale
    floor = max(PRIOR_NOISE * level, 1e-150)  # its square must not vanish
    d = second_differences(steps, values)
    if len(d) == 0:
        return floor
    if len(d) >= 5:
        cap = 3 * max(float(median(np.abs(d))) * NORMAL_MAD, floor)
        d = np.clip(d, -cap, cap)
    # in units of the largest, so that the squares of a loss that went to 1e200 stay finite
    unit = max(floor, float(np.abs(d).max()))
    squares = PRIOR_EVALS * (floor / unit) ** 2 + float(np.sum((d / unit) ** 2))
    return unit * math.sqrt(squares / (PRIOR_EVALS + len(d)))


def running_median(values: Floats, width: int) -> Floats:
    """Centred running median, the window cut at the edges. Shape as `values`; width is made odd.

    Wide windows over long series are computed at an eighth of a window's spacing and joined by straight lines.
    """
    n = len(values)
    half = max(0, min(width, n) // 2)
    if half == 0 or n == 0:
        return values.astype(np.float64, copy=True)
    stride = (2 * half + 1) // 8
    if stride > 1 and n > 2000:
        at = np.arange(0, n, stride)
        if at[-1] != n - 1:
            at = np.append(at, n - 1)
        medians = [float(median(values[max(0, i - half) : i + half + 1])) for i in at.tolist()]
        joined: Floats = np.interp(np.arange(n), at, medians)
        return joined
    padded = np.concatenate([np.full(half, np.nan), values, np.full(half, np.nan)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    out = np.empty(n)
    inner = slice(half, n - half)
    if n > 2 * half:
        # windows hold an odd number of values; NaN, which sorts last, does not occur inside
        out[inner] = np.sort(windows[inner], axis=1)[:, half]
    for i in [*range(min(half, n)), *range(max(n - half, half), n)]:
        out[i] = median(values[max(0, i - half) : i + half + 1])
    return out


def theil_sen(x: Ints | Floats, y: Floats) -> float:
    """Median of the slopes between all pairs (Theil 1950, Sen 1968). At most 400 points, taken evenly, are paired."""
    if len(y) > 400:
        pick = spread(len(y), 400)
        x, y = np.asarray(x, np.float64)[pick], y[pick]
    at = np.asarray(x, np.float64)
    i, j = np.triu_indices(len(y), 1)
    dx = at[j] - at[i]
    keep = dx != 0
    return float(median((y[j] - y[i])[keep] / dx[keep])) if keep.any() else 0.0


def lag1(values: Floats) -> float:
    """Lag-1 autocorrelation of the values about their mean; 0.0 where it is undefined."""
    d = values - values.mean() if len(values) else values
    peak = float(np.abs(d).max()) if len(d) else 0.0
    if peak > 0:  # it has no unit: in this one, the squares of a loss that went to 1e200 stay finite
        d = d / peak
    denominator = float(np.dot(d, d))
    return float(np.dot(d[:-1], d[1:]) / denominator) if denominator > 0 and len(values) > 2 else 0.0


@dataclass(frozen=True)
class Trend:
    """Mann–Kendall: z, one-sided p of a rise (p_up) and of a fall (p_down), Kendall's tau."""

    z: float
    p_up: float
    p_down: float
    tau: float


def mann_kendall(values: Floats) -> Trend:
    """Trend test corrected for ties and for AR(1) correlation (Mann 1945, Kendall 1975, Yue & Wang 2004).

    The effective sample size uses the lag-1 correlation of the detrended series, only where it is positive. What
    detrending takes away from it, about (2 + 4r)/n, is not put back: the bend of a smooth fall is no noise.
    """
    n = len(values)
    if n > 400:
        values = values[spread(n, 400)]
        n = len(values)
    if n < 3:
        return Trend(0.0, 0.5, 0.5, 0.0)
    i, j = np.triu_indices(n, 1)
    s = float(np.sign(values[j] - values[i]).sum())
    counts = tie_counts(values)
    variance = (n * (n - 1) * (2 * n + 5) - float((counts * (counts - 1) * (2 * counts + 5)).sum())) / 18
    x = np.arange(n, dtype=np.float64)
    r = lag1(values - theil_sen(x, values) * x)
    plain = variance
    if r > 0:
        k = np.arange(1, n)
        variance *= 1 + 2 * float(((1 - k / n) * r**k).sum())
    if variance <= 0:
        return Trend(0.0, 0.5, 0.5, 0.0)
    z, p_up = _normal(s, variance)
    if abs(s) == n * (n - 1) / 2:
        # What detrending leaves of a smooth fall is its bend, no correlation. A walk whose steps are as often up as
        # down takes n − 1 of them in one direction with a chance of 2^(1 − n): what only falls is as sure as that.
        chance = max(0.5 * math.erfc(abs(_normal(s, plain)[0]) / math.sqrt(2)), 2.0 ** (1 - n))
        p_up = min(p_up, chance) if s > 0 else max(p_up, 1 - chance)
    return Trend(z, p_up, 1 - p_up, s / (n * (n - 1) / 2))


def _normal(s: float, variance: float) -> tuple[float, float]:
    """(z of Kendall's S, corrected for continuity; its one-sided p of a rise)."""
    z = (s - math.copysign(1, s)) / math.sqrt(variance) if s else 0.0
    return z, 0.5 * math.erfc(z / math.sqrt(2))


def sigmas(difference: float, noise: float) -> float:
    """The difference in units of the noise; beside no noise at all (a smoothed log) any difference is beyond it."""
    if noise > 0:
        return difference / noise
    return math.copysign(math.inf, difference) if difference else 0.0


def critical_rise(n: int) -> float:
    """σ above the minimum that the mean of the last two of n evaluations reaches by chance in 1 % of flat curves.

    Simulated with σ known; table and figures in failure-modes.md (crit(n) for #23).
    """
    table_n = (4, 5, 6, 8, 12, 20, 40)
    table = (3.14, 3.31, 3.42, 3.58, 3.74, 3.95, 4.19)
    return float(np.interp(math.log(max(n, 4)), np.log(table_n), table))


def bins(steps: Ints, values: Floats, count: int) -> tuple[Floats, Floats, Ints]:
    """Medians of at most `count` windows of equal numbers of points: (centre step, median, points in window).

    Windows of equal numbers make the result the same whether a run was logged densely or sparsely.
    """
    n = len(values)
    if n == 0:
        return np.empty(0), np.empty(0), np.empty(0, np.int64)
    k = max(1, min(count, n))
    edges = np.linspace(0, n, k + 1).round().astype(int)
    # steps are sorted, so the median of a window is its middle
    centres = (steps[(edges[:-1] + edges[1:] - 1) // 2].astype(np.float64) + steps[(edges[:-1] + edges[1:]) // 2]) / 2
    medians = np.array([float(median(values[a:b])) for a, b in zip(edges, edges[1:])])
    return centres, medians, np.diff(edges).astype(np.int64)


def change_point(values: Floats, margin: int = 2) -> tuple[int, float]:
    """Index where the mean changes most (least squares, one change) and the share of variance that explains, 0 … 1.

    The change lies before the returned index; `margin` points are kept on each side. Source: Hinkley 1970.
    """
    n = len(values)
    if n < 2 * margin:
        return n, 0.0
    total = float(((values - values.mean()) ** 2).sum())
    if total <= 0:
        return n, 0.0
    cumulative = np.cumsum(values)
    k = np.arange(margin, n - margin + 1)
    left = cumulative[k - 1] / k
    right = (cumulative[-1] - cumulative[k - 1]) / (n - k)
    between = k * (n - k) / n * (left - right) ** 2
    best = int(np.argmax(between))
    return int(k[best]), float(between[best] / total)


def level_step(steps: Ints | Floats, values: Floats, index: int) -> tuple[float, float]:
    """(step of the level before `index` that a common slope does not explain, its standard error).

    Least squares on a constant, a slope and the step; at least four values, of which one lies on each side.
    """
    x = np.asarray(steps, np.float64) - float(steps[index])
    x = x / max(1.0, float(np.abs(x).max()))
    design = np.column_stack([np.ones(len(x)), x, (np.arange(len(x)) >= index).astype(np.float64)])
    inverse = np.linalg.inv(design.T @ design)
    solution = inverse @ (design.T @ values)
    rest = values - design @ solution
    variance = float(rest @ rest) / (len(x) - 3) * float(inverse[2, 2])
    return float(solution[2]), math.sqrt(max(0.0, variance))


FLOAT32_ROUNDING = 1e-6  # event files store scalars as float32: 1.6 − 1.1 comes back as 0.50000012


def above(value: float, limit: float) -> bool:
    """value > limit, strictly, with float32's rounding allowed for: what was exactly at the limit is not above it."""
    return value > limit + FLOAT32_ROUNDING * max(1.0, abs(limit))


def below(value: float, limit: float) -> bool:
    """value < limit, strictly, with float32's rounding allowed for."""
    return value < limit - FLOAT32_ROUNDING * max(1.0, abs(limit))


def runs_of(mask: np.ndarray) -> list[tuple[int, int]]:
    """Half-open index ranges where the mask holds without a break."""
    if not len(mask):
        return []
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask.astype(bool), [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2])]
