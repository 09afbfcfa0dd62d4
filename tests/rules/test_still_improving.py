"""CNV002: the loss was still falling at the end."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.still_improving import RULE

from ..support.checks import cosine, decay, evals, found, label, rate, severity, skipped, train
from ..support.phases import case


@pytest.mark.parametrize(("end", "fires"), [(2.0, True), (2.85, True), (2.97, False), (3.0, False), (3.3, False)])
def test_the_last_fifth(end, fires):
    """A straight line from 3: the last fifth falls by a fifth of it all, 1 % from 2.86 on."""
    it = found(RULE, case(train(decay(200)), evals(np.linspace(3.0, end, 20))))
    assert [(severity(RULE, e), label(RULE, e)) for e in it] == [(Severity.INFO, "underfitting")] * fires


def test_train_loss_speaks_where_evaluations_are_few():
    assert found(RULE, case(train(decay(200, 3.0, 1.0, rate=0.5)), evals([3.0, 2.0])))
    assert not found(RULE, case(train(decay(200, 3.0, 1.0, rate=30.0)), evals([3.0, 2.0])))


@pytest.mark.parametrize("seed", range(10))
def test_a_level_noisy_curve_has_converged(seed):
    noisy = 1.0 + 0.05 * np.random.default_rng(seed).standard_normal(200)
    assert not found(RULE, case(train(noisy)))


def test_a_recovery_is_no_improvement():
    values = np.concatenate([np.linspace(3, 1, 10), np.full(5, 2.5), np.linspace(2.4, 1.6, 10)])
    assert not found(RULE, case(None, evals(values)))


def test_an_annealed_rate_is_said():
    (evidence,) = found(RULE, case(None, evals(np.linspace(3.0, 2.0, 20)), lr=rate(cosine(200))))
    assert evidence.variant == "annealed"


def test_skipped_with_little_data():
    assert "fewer than" in skipped(RULE, case(train(decay(49)), evals(decay(4))))


@pytest.mark.parametrize(("age", "told"), [(60.0, False), (10 * 86_400.0, True)])
def test_of_a_run_that_goes_on_it_says_nothing(age, told):
    losses = evals(np.linspace(2.0, 1.0, 20))
    run = case(train(np.linspace(2.0, 0.9, 200)), losses, now=float(losses.wall_times[-1]) + age)
    if told:
        assert found(RULE, run)
    else:
        assert "going on" in skipped(RULE, run)


@pytest.mark.parametrize(("losses", "fires"), [
    (np.linspace(3.0, 2.87, 20), False),  # 0.9 % in the last fifth
    (np.linspace(3.0, 2.84, 20), True),
    (np.interp(np.arange(20), [0, 14, 19], [3.0, 2.0, 2.0]), False),  # it stood still for longer than a fifth
    (np.interp(np.arange(20), [0, 17, 19], [3.0, 2.0, 2.0]), True),
])  # fmt: skip
def test_either_side_of_the_fall(losses, fires):
    assert bool(found(RULE, case(None, evals(losses)))) is fires


@pytest.mark.parametrize(("jitter", "fires"), [(0.085, False), (0.062, True)])
def test_the_fall_must_stand_out_from_the_noise(jitter, fires):
    losses = np.linspace(3.0, 2.0, 21) + jitter * (-1.0) ** np.arange(21)
    assert bool(found(RULE, case(None, evals(losses)))) is fires


def test_five_evaluations_or_fifty_train_points_are_enough():
    assert found(RULE, case(None, evals(np.linspace(3.0, 2.0, 5))))
    assert found(RULE, case(train(np.linspace(3.0, 2.0, 50))))
