"""GRD003: most gradients are clipped."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.grad_clipped import RULE

from ..support.checks import decay, found, norms, severity, skipped, train
from ..support.phases import case


@pytest.mark.parametrize(("above", "fires"), [(50, False), (51, True)])
def test_more_than_half_above_the_clip_value(above, fires):
    values = np.concatenate([np.full(above, 1.5), np.full(100 - above, 0.5)])
    values *= 1 + 0.2 * np.random.default_rng(0).random(100)
    it = found(RULE, case(train(decay(100)), grad=norms(values), arguments={"max_grad_norm": 1.0}))
    assert [severity(RULE, e) for e in it] == [Severity.INFO] * fires


def test_pinned_to_one_value_needs_no_argument():
    values = np.minimum(1.0, np.random.default_rng(0).uniform(0.5, 2.5, 100))
    (evidence,) = found(RULE, case(train(decay(100)), grad=norms(values)))
    assert evidence.variant == "pinned" and evidence.numbers["clip"] == 1.0


def test_constant_norms_are_not_pinned():
    assert not found(RULE, case(train(decay(100)), grad=norms(np.ones(100))))


def test_unknown_or_switched_off_clipping_says_nothing():
    values = np.random.default_rng(0).uniform(1, 3, 100)
    assert not found(RULE, case(train(decay(100)), grad=norms(values)))
    assert not found(RULE, case(train(decay(100)), grad=norms(values), arguments={"max_grad_norm": 0}))
    assert "not enough" in skipped(RULE, case(train(decay(100)), grad=norms(values[:49])))


@pytest.mark.parametrize(("at", "fires"), [(0.994, False), (0.996, True)])
def test_how_near_to_one_value_is_at_it(at, fires):
    values = np.repeat([0.5, at, 1.0], [40, 59, 1])
    assert bool(found(RULE, case(train(decay(100)), grad=norms(values)))) is fires
