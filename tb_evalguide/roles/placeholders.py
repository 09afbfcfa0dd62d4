"""Zeros that were written at steps where nothing was measured, and a series without them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tb_evalguide.model import Series

STRETCHES = 2  # of zeros, each followed by a value that is not 0 …
SHARE = 0.3  # … and of all points, at least, before zeros are taken for placeholders; own choice
LEVEL = 0.05  # of the first value: a loss whose later values lie below it has come near 0 by itself; as INT002


def placeholders(series: Series) -> NDArray[np.bool_]:
    """(n,) bool: which points are exactly 0 although later ones are not, again and again.

    A loss that reaches 0 stays near it; of placeholders several stretches lie between values far from 0.
    """
    none = np.zeros(len(series), bool)
    zero: NDArray[np.bool_] = series.values == 0
    real = np.isfinite(series.values) & ~zero
    if np.count_nonzero(zero[:-1] & real[1:]) < STRETCHES or zero.mean() < SHARE or np.count_nonzero(real) < 2:
        return none
    later = series.values[real & (np.arange(len(series)) > np.argmax(zero))]
    return zero if float(np.median(np.abs(later))) >= LEVEL * abs(float(series.values[real][0])) else none


def measured(series: Series) -> Series:
    """The series without its placeholders; itself where it has none.

    What a restart wrote again is left out, too: between few points a resume would look like another training.
    """
    kept = ~placeholders(series)
    if kept.all():
        return series
    return Series(
        series.tag, series.run, series.steps[kept], series.values[kept], series.wall_times[kept], parts=series.parts
    )
