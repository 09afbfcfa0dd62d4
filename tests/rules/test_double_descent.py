"""CNV003: eval loss rises for a while, then falls to a new low."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.double_descent import RULE

from ..support.checks import decay, evals, found, severity, skipped
from ..support.phases import case


def hump(height, end=0.6, width=8):
    values = np.concatenate(
        [np.linspace(2, 1, 10), 1 + height * np.sin(np.linspace(0, np.pi, width)), np.linspace(1, end, 12)]
    )
    return case(None, evals(values * (1 + 0.002 * np.random.default_rng(0).standard_normal(len(values)))))


@pytest.mark.parametrize(("height", "fires"), [(0.02, False), (0.2, True)])
def test_the_climb(height, fires):
    assert [severity(RULE, e) for e in found(RULE, hump(height))] == [Severity.INFO] * fires


@pytest.mark.parametrize(("end", "fires"), [(1.0, False), (0.8, True)])
def test_a_new_low_is_needed(end, fires):
    assert bool(found(RULE, hump(0.2, end))) is fires


def test_spikes_are_none():
    values = decay(40, 2.0, 1.0)
    values[[12, 25]] *= 2
    assert not found(RULE, case(None, evals(values)))


def test_spikes_in_a_dense_curve_are_none():
    values = decay(4000, 2.0, 0.5, noise=0.05)
    values[500:508] *= 10
    assert not found(RULE, case(None, evals(values)))


def test_overfitting_is_none():
    assert not found(RULE, case(None, evals(np.concatenate([np.linspace(2, 1, 10), np.linspace(1, 2, 20)]))))


def test_skipped_with_few_evaluations():
    assert "eval loss" in skipped(RULE, case(None, evals(decay(11))))
