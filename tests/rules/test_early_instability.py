"""STB006: the loss jumps in the first steps and settles."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.early_instability import RULE

from ..support.checks import cosine, decay, found, rate, severity, skipped, train
from ..support.phases import case


def unstable(at, height=1.0, n=400, length=40):
    values = decay(n, 3.0, 1.0, rate=6)
    bump = np.sin(np.linspace(0, np.pi, length))
    values[at : at + length] *= 1 + height * bump
    return values


@pytest.mark.parametrize(("at", "fires"), [(10, True), (150, False)])
def test_limit_of_early(at, fires):
    it = found(RULE, case(train(unstable(at))))
    assert [severity(RULE, e) for e in it] == [Severity.INFO] * fires


@pytest.mark.parametrize(("height", "fires"), [(0.15, False), (0.8, True)])
def test_limit_of_the_climb(height, fires):
    assert bool(found(RULE, case(train(unstable(10, height))))) is fires


def test_the_warm_up_counts_as_early():
    slow = rate(cosine(400, warmup=120))
    assert found(RULE, case(train(unstable(70)), lr=slow))
    assert not found(RULE, case(train(unstable(70))))


def test_passes_and_needs_thirty_points():
    assert not found(RULE, case(train(decay(100))))
    assert "not enough data" in skipped(RULE, case(train(decay(29))))


def lifted(at, by):
    """400 points of a loss that falls, but for 60 points higher by that share than 2, which it had reached."""
    values = np.concatenate([np.linspace(2.01, 2.0, at), np.full(60, 2.0 * (1 + by)), np.linspace(2.0, 1.0, 340 - at)])
    return case(train(values))


@pytest.mark.parametrize(("at", "by", "fires"), [
    (20, 0.23, False),
    (20, 0.27, True),
    (46, 1.0, True),
    (54, 1.0, False),
])  # fmt: skip
def test_either_side_of_the_climb_and_of_the_first_tenth(at, by, fires):
    """The level, a median of 21 points, is lowest some ten points before the loss is lifted."""
    assert bool(found(RULE, lifted(at, by))) is fires
