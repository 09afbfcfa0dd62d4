"""Zeros that were written at steps where nothing was measured, and a series without them."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from tb_evalguide.model import Series

STRETCHES = 2  # of zeros, each followed by a value that is not 0 …
SHARE = 0.3  # … and of all points, at least, before zeros are taken for placeholders; own choice


def placeholders(series: Series) -> NDArray[np.bool_]:
    """(n,) bool: which points are exactly 0 although later ones are not, again and again.

    A loss that reaches 0 stays there or ends there; of placeholders several stretches lie between real values.
    """
    zero: NDArray[np.bool_] = series.values == 0
    back = np.count_nonzero(zero[:-1] & ~zero[1:])
    if back < STRETCHES or np.count_nonzero(~zero) < 2 or zero.mean() < SHARE:
        return np.zeros(len(series), bool)
    return zero


def measured(series: Series) -> Series:
    """The series without its placeholders; itself where it has none."""
    kept = ~placeholders(series)
    if kept.all():
        return series
    return dataclasses.replace(
        series, steps=series.steps[kept], values=series.values[kept], wall_times=series.wall_times[kept]
    )
