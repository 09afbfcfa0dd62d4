"""OVF005: eval loss below train loss."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.eval_below_train import RULE

from ..support.checks import decay, evals, found, severity, skipped, train
from ..support.phases import case

E = decay(10, 2.5, 1.0, noise=0.0)


def above(share):
    return case(train(np.interp(np.arange(1, 101), np.arange(10, 101, 10), E) * (1 + share)), evals(E))


@pytest.mark.parametrize(("share", "fires"), [(-0.1, False), (0.0, False), (0.015, False), (0.03, True), (0.5, True)])
def test_by_how_much(share, fires):
    assert [severity(RULE, e) for e in found(RULE, above(share))] == [Severity.INFO] * fires


@pytest.mark.parametrize(("below", "fires"), [(7, False), (8, True)])
def test_at_most_evaluations(below, fires):
    t = E * np.where(np.arange(10) < below, 1.1, 0.9)
    assert bool(found(RULE, case(train(t, 100), evals(E)))) is fires


def test_skipped_with_two_evaluations():
    assert "eval loss" in skipped(RULE, case(train(decay(20)), evals([2.0, 1.0])))
