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
    (0.10, -0.30, True),  # nor is a climb any better
])  # fmt: skip
def test_adam(lr, fall, fires):
    it = found(RULE, run(level(fall), lr))
    assert [e.variant for e in it] == ["" if abs(fall) < 0.1 else "any"] * fires
    for evidence in it:
        assert severity(RULE, evidence) is Severity.HIGH
        assert evidence.numbers["rate"] == pytest.approx(lr) and evidence.numbers["early"] == pytest.approx(2.0)


@pytest.mark.parametrize("optim", ["sgd", "adafactor", None])
def test_another_optimizer_may_take_such_rates(optim):
    assert not found(RULE, run(level(0.05), 0.4, optim))


@pytest.mark.parametrize(("arguments", "fires"), [
    ({"optim": "adamw_torch", "learning_rate": 0.5}, True),
    ({"optim": "adamw_torch", "learning_rate": 1e-4}, False),  # the logged series is the schedule's factor
    ({"optimizer": "DAdaptAdam"}, False),  # it is meant to be given 1.0
    ({"optim": "", "optimizer": "adam"}, True),
    ({"optim": {"name": "SGD", "notes": "no adam"}}, False),
    ({"optim": 7}, False),
])  # fmt: skip
def test_what_the_arguments_say(arguments, fires):
    loss = level(0.05)
    assert bool(found(RULE, case(train(loss), lr=rate(np.full(100, 1.0)), arguments=arguments))) is fires


@pytest.mark.parametrize("name", ["optim", "optimizer", "optimizer_type"])
def test_the_optimizer_goes_by_several_names(name):
    loss = level(0.05)
    assert found(RULE, case(train(loss), lr=rate(np.full(100, 0.2)), arguments={name: "AdamW"}))


@pytest.mark.parametrize(("lr", "start", "fall", "profile", "fires"), [
    (0.21, 101.0, 0.1, "classification", True),
    (0.19, 101.0, 0.1, "classification", False),
    (0.21, 99.0, 0.1, "classification", False),  # below fifty times the level of 2
    (0.21, 101.0, 0.49, "classification", True),
    (0.21, 101.0, 0.52, "classification", False),  # it goes on learning
    (0.21, 990.0, 0.8, "classification", False),
    (0.21, 1010.0, 0.8, "classification", True),  # no target is five hundred times as large as what is reached
    (0.21, 510.0, 0.1, "generic", True),
    (0.21, 490.0, 0.1, "generic", False),  # a regression may begin there
])  # fmt: skip
def test_any_optimizer_that_threw_the_loss_up(lr, start, fall, profile, fires):
    loss = level(fall, start=start)
    it = found(RULE, case(train(loss), lr=rate(np.full(100, lr)), arguments={}, profile=profile))
    assert [e.variant for e in it] == ["thrown"] * fires


@pytest.mark.parametrize(("start", "fires"), [(16.0, True), (14.0, False)])
def test_a_first_loss_that_is_no_guess(start, fires):
    """A quick fall from ln 10 to a hundredth of it is a good run."""
    loss = level(0.1, start=start, early=0.2)
    assert bool(found(RULE, case(train(loss), lr=rate(np.full(100, 0.3)), profile="classification"))) is fires


def test_a_rate_that_was_high_for_a_moment_only():
    """The median over the first half of the logged rates counts, not their peak."""
    lr = np.full(100, 0.01)
    lr[:24] = 0.5
    assert not found(RULE, case(train(level(0.05)), lr=rate(lr), arguments={"optim": "adamw_torch"}))


@pytest.mark.parametrize(("n", "fires"), [(10, True), (9, False)])
def test_points_of_the_loss(n, fires):
    loss = np.concatenate([[7.0], np.full(n - 1, 2.0)])
    assert bool(found(RULE, run(loss, 0.2))) is fires


def test_a_loss_below_zero_has_no_share():
    assert not found(RULE, run(level(0.05) - 5, 0.2))


def test_skipped():
    assert "learning rate" in skipped(RULE, case(train(decay(100)), arguments={"optim": "adamw_torch"})).lower()
