"""STB008: a learning rate so large that every step overwrites the weights."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.rate_overwrites import RULE

from ..support.checks import decay, found, rate, severity, skipped, train
from ..support.phases import case


def level(share: float, n: int = 100, start: float = 7.0, early: float = 2.0):
    """A loss that is at `early` after a fifth of the run and falls by `share` of it from there to the end."""
    first = n // 5
    fall = np.concatenate([np.full(n // 10, early), np.linspace(early, early * (1 - share), n - first - n // 10 - 10)])
    return np.concatenate([np.linspace(start, early, first), fall, np.full(10, early * (1 - share))])


def run(loss, lr, optim="adamw_torch"):
    return case(train(loss), lr=rate(np.full(len(loss), lr)), arguments={"optim": optim} if optim else {})


@pytest.mark.parametrize(("lr", "fall", "fires"), [
    (0.050, 0.05, True),
    (0.045, 0.05, False),
    (0.10, 0.09, True),
    (0.10, 0.11, False),  # it learns: prompt tuning
    (0.49, 0.30, False),
    (0.50, 0.30, True),  # no training goes well at that
])  # fmt: skip
def test_adam(lr, fall, fires):
    it = found(RULE, run(level(fall), lr))
    assert [e.variant for e in it] == [""] * fires
    for evidence in it:
        assert severity(RULE, evidence) is Severity.HIGH
        assert evidence.numbers["rate"] == pytest.approx(lr) and evidence.numbers["early"] == pytest.approx(2.0)


@pytest.mark.parametrize("optim", ["sgd", "adafactor", None])
def test_another_optimizer_may_take_such_rates(optim):
    assert not found(RULE, run(level(0.05), 0.4, optim))


@pytest.mark.parametrize("name", ["optim", "optimizer", "optimizer_type"])
def test_the_optimizer_goes_by_several_names(name):
    loss = level(0.05)
    assert found(RULE, case(train(loss), lr=rate(np.full(100, 0.2)), arguments={name: "AdamW"}))


@pytest.mark.parametrize(("lr", "start", "fall", "fires"), [
    (0.21, 101.0, 0.1, True),
    (0.19, 101.0, 0.1, False),
    (0.21, 99.0, 0.1, False),  # below fifty times the level of 2
    (0.21, 101.0, 0.49, True),
    (0.21, 101.0, 0.52, False),  # it goes on learning
])  # fmt: skip
def test_any_optimizer_that_threw_the_loss_up(lr, start, fall, fires):
    it = found(RULE, run(level(fall, start=start), lr, None))
    assert [e.variant for e in it] == ["thrown"] * fires


def test_a_rate_that_was_high_for_a_moment_only():
    """The median over the first half of the logged rates counts, not their peak."""
    lr = np.full(100, 0.01)
    lr[:20] = 0.5
    assert not found(RULE, case(train(level(0.05)), lr=rate(lr), arguments={"optim": "adamw_torch"}))


@pytest.mark.parametrize(("n", "fires"), [(10, True), (9, False)])
def test_points_of_the_loss(n, fires):
    loss = np.concatenate([[7.0], np.full(n - 1, 2.0)])
    assert bool(found(RULE, run(loss, 0.2))) is fires


def test_a_loss_below_zero_has_no_share():
    assert not found(RULE, run(level(0.05) - 5, 0.2))


def test_skipped():
    assert "learning rate" in skipped(RULE, case(train(decay(100)), arguments={"optim": "adamw_torch"})).lower()
