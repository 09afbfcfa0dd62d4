"""LRS004: the learning rate climbs back after its schedule was over."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.schedule_past_end import RULE

from ..support.checks import decay, evals, found, rate, severity, skipped, train
from ..support.phases import case


def stepped_past(periods=2.0, n=200, peak=1e-2):
    """A cosine over `periods` of its half-length: PyTorch's CosineAnnealingLR, stepped beyond T_max."""
    return peak * (1 + np.cos(np.pi * periods * np.arange(n) / (n - 1))) / 2


@pytest.mark.parametrize(("rise", "variant", "expected"), [
    (0.02, "unharmed", Severity.INFO),
    (0.10, "", Severity.MEDIUM),
])  # fmt: skip
@pytest.mark.parametrize("periods", [2.0, 4.0])
def test_a_schedule_stepped_past_its_last_step(periods, rise, variant, expected):
    level = np.concatenate([np.linspace(1.0, 0.4, 8), np.full(12, 0.4)])
    level[-3:] *= 1 + rise
    (evidence,) = found(RULE, case(train(decay(200)), evals(level), lr=rate(stepped_past(periods))))
    assert (severity(RULE, evidence), evidence.variant) == (expected, variant)
    assert 1000 <= evidence.steps[0] < evidence.steps[1] == 2000
    assert evidence.numbers["before"] <= 1e-3 and evidence.numbers["after"] == pytest.approx(1e-2)


@pytest.mark.parametrize("values", [
    stepped_past(1.0),  # as it ought to be
    stepped_past(1.4),  # it ends below half of the peak
    stepped_past(2.0)[::-1] * np.linspace(0.4, 1, 200),  # it did not begin at its peak
    np.tile(np.linspace(1e-2, 1e-4, 100), 2),  # a restart
    np.zeros(200),
    np.full(200, 1e-3),
    1e-2 - stepped_past(2.0),  # a cycle from low to low
])  # fmt: skip
def test_other_schedules_were_not_stepped_past_their_end(values):
    level = decay(20, 1.0, 0.4, noise=0.0)
    level[-3:] *= 1.2
    assert not found(RULE, case(train(decay(200)), evals(level), lr=rate(values)))


def test_a_divergence_is_the_finding_and_the_schedule_its_reason():
    loss = np.concatenate([decay(120, 3.0, 1.0), np.linspace(1.0, 4.0, 80)])
    level = loss[9::10]
    (evidence,) = found(RULE, case(train(loss), evals(level), lr=rate(stepped_past())))
    assert severity(RULE, evidence) is Severity.INFO


def test_skipped():
    assert "20" in skipped(RULE, case(train(decay(40)), lr=rate(stepped_past(n=19))))


def there_and_back(up, first=1.0, low=0.0):
    """From that share of the peak down to a lowest one in twenty points, and up again by these."""
    return rate(1e-2 * np.concatenate([np.linspace(first, low, 20), up]))


UP = np.linspace(0.2, 1.0, 9)


@pytest.mark.parametrize(("lr", "fires"), [
    (there_and_back(UP, first=0.45), False),
    (there_and_back(UP, first=0.55), True),
    (there_and_back(0.45 * UP), False),
    (there_and_back(0.55 * UP), True),
    (there_and_back(UP, low=0.12), False),
    (there_and_back(UP, low=0.09), True),
    (there_and_back(np.linspace(0.25, 1.0, 4)), False),  # few points on the way up
    (there_and_back(np.linspace(0.2, 1.0, 5)), True),
    (there_and_back([0.1, 0.15, 0.2, 0.25, 0.57, 0.6]), False),  # a restart
    (there_and_back([0.1, 0.15, 0.2, 0.25, 0.53, 0.6]), True),
])  # fmt: skip
def test_either_side_of_each_limit_of_the_schedule(lr, fires):
    assert bool(found(RULE, case(train(decay(40)), lr=lr))) is fires


@pytest.mark.parametrize(("rise", "jitter", "expected"), [
    (0.045, 0.0, Severity.INFO),
    (0.055, 0.0, Severity.MEDIUM),
    (0.100, 0.011, Severity.INFO),
    (0.100, 0.007, Severity.MEDIUM),
])  # fmt: skip
def test_harm_is_a_rise_beyond_the_noise_of_the_evaluations(rise, jitter, expected):
    level = 0.4 * (1 + jitter * (-1.0) ** np.arange(20))
    level[-4:] *= 1 + rise
    (evidence,) = found(RULE, case(train(decay(200)), evals(level), lr=rate(stepped_past())))
    assert severity(RULE, evidence) is expected
