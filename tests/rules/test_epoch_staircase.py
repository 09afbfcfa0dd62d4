"""OVF003: the train loss falls in steps at the ends of epochs."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.epoch_staircase import RULE

from ..support.checks import decay, every, found, severity, skipped
from ..support.phases import case, series


def stairs(drop, epochs=4, per_epoch=40, noise=0.01, seed=0, slope=0.05):
    n = epochs * per_epoch
    x = np.arange(n) / per_epoch
    level = 2.0 * (1 - drop) ** np.floor(x) - slope * x
    loss = level * (1 + noise * np.random.default_rng(seed).standard_normal(n))
    steps = every(n)
    return case(series("loss", steps, loss), epoch=series("epoch", steps, (np.arange(n) + 1) / per_epoch))


@pytest.mark.parametrize(("drop", "fires"), [(0.0, False), (0.02, False), (0.05, True), (0.2, True)])
def test_steps_at_the_ends(drop, fires):
    it = found(RULE, stairs(drop))
    assert [severity(RULE, e) for e in it] == [Severity.INFO] * fires
    if fires:
        assert it[0].numbers["ends"] == 3 and 380 <= it[0].steps[0] <= 410


def test_a_steep_but_smooth_fall_is_none():
    n = 160
    smooth = case(
        series("loss", every(n), decay(n, 4.0, 0.5, rate=3.0)),
        epoch=series("epoch", every(n), np.arange(1, n + 1) / 40),
    )
    assert not found(RULE, smooth)


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_none(seed):
    assert not found(RULE, stairs(0.0, noise=0.3, seed=seed))


def test_skipped_without_epochs_or_with_one():
    assert "where epochs end" in skipped(RULE, case(series("loss", every(60), decay(60))))
    assert "fewer than two epochs" in skipped(RULE, stairs(0.1, epochs=1))
    assert "fewer than two epochs" in skipped(RULE, stairs(0.1, epochs=6, per_epoch=4))


def level_stairs(drops, per_epoch=20, jitter=0.0):
    """A level loss that drops by these shares at the ends of its epochs."""
    level = 2.0 * np.repeat(np.cumprod([1.0, *(1 - np.array(drops))]), per_epoch)
    n = len(level)
    loss = level * (1 + jitter * (-1.0) ** np.arange(n))
    return case(series("loss", every(n), loss), epoch=series("epoch", every(n), np.arange(1, n + 1) / per_epoch))


@pytest.mark.parametrize(("run", "fires"), [
    (level_stairs([0.027] * 3), False),
    (level_stairs([0.033] * 3), True),
    (level_stairs([0.10] * 3, jitter=0.020), False),  # within the noise
    (level_stairs([0.10] * 3, jitter=0.014), True),
    (level_stairs([0.10, 0.0, 0.10, 0.0, 0.0]), False),  # at fewer than half of the ends
    (level_stairs([0.10, 0.0, 0.10, 0.0, 0.10]), True),
    (level_stairs([0.10] * 3, per_epoch=10), True),
])  # fmt: skip
def test_either_side_of_each_limit(run, fires):
    assert bool(found(RULE, run)) is fires


def test_fewer_than_five_points_on_either_side_tell_no_step():
    assert "5 points" in skipped(RULE, level_stairs([0.10] * 3, per_epoch=9))
