"""OVF004: eval loss rises while the metric improves."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.loss_metric_disagree import RULE

from ..support.checks import decay, evals, every, found, severity, skipped, train
from ..support.phases import case, series

N = 20
U_SHAPE = np.concatenate([np.linspace(1.0, 0.5, 6), np.linspace(0.52, 0.8, N - 6)])


def with_metric(values, up=True, losses=U_SHAPE):
    metric = series("eval/accuracy", every(N, 100), values)
    return case(train(decay(N * 10, 1.0, 0.1)), evals(losses), metrics=[(metric, up)], profile="classification")


def test_accuracy_still_rises():
    (evidence,) = found(RULE, with_metric(np.linspace(0.6, 0.9, N)))
    assert severity(RULE, evidence) is Severity.INFO
    assert evidence.words["metric"] == "eval/accuracy" and evidence.steps[0] in (600, 700)


def test_a_metric_that_is_better_when_smaller():
    assert found(RULE, with_metric(np.linspace(0.4, 0.1, N), up=False))
    assert not found(RULE, with_metric(np.linspace(0.1, 0.4, N), up=False))


@pytest.mark.parametrize(
    "values", [np.linspace(0.9, 0.8, N), np.full(N, 0.8), np.concatenate([np.linspace(0.5, 0.9, 6), np.full(14, 0.9)])]
)
def test_both_got_worse_or_stood_still(values):
    assert not found(RULE, with_metric(values))


def test_a_metric_that_jitters_proves_nothing():
    jitter = 0.8 + 0.03 * np.random.default_rng(0).standard_normal(N)
    assert not found(RULE, with_metric(jitter))


def test_a_falling_eval_loss_passes():
    assert not found(RULE, with_metric(np.linspace(0.6, 0.9, N), losses=decay(N, 1.0, 0.3)))


def test_skipped_without_a_metric_or_its_direction():
    assert "metric" in skipped(RULE, case(train(decay(20)), evals(U_SHAPE)))
    assert "direction" in skipped(RULE, with_metric(np.linspace(0.6, 0.9, N), up=None))


def up_again(rise, jitter=0.0):
    """Down to 0.5, and up by that share of it; the second half jitters."""
    losses = np.concatenate([np.linspace(1.0, 0.55, 5), np.full(3, 0.5), np.full(N - 8, 0.5 * (1 + rise))])
    losses[N // 2 :] += jitter * (-1.0) ** np.arange(N // 2)
    return losses


@pytest.mark.parametrize(("losses", "fires"), [
    (up_again(0.018), False),
    (up_again(0.022), True),
    (up_again(0.20, jitter=0.021), False),  # within the noise
    (up_again(0.20, jitter=0.017), True),
])  # fmt: skip
def test_either_side_of_the_rise_of_the_loss(losses, fires):
    assert bool(found(RULE, with_metric(np.linspace(0.6, 0.9, N), losses=losses))) is fires


@pytest.mark.parametrize(("jitter", "fires"), [(0.016, False), (0.012, True)])
def test_the_metric_must_gain_more_than_its_noise(jitter, fires):
    metric = np.linspace(0.7, 0.8, N) + jitter * (-1.0) ** np.arange(N)
    assert bool(found(RULE, with_metric(metric))) is fires
