"""GRD004: gradients vanish while the loss is still high."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.vanishing_gradients import RULE

from ..support.checks import decay, found, norms, severity, skipped, train
from ..support.phases import case


def falling(factor, n=100, at=40):
    values = np.exp(0.1 * np.random.default_rng(3).standard_normal(n))
    values[at:] /= factor
    return norms(values)


def stuck(n=100, level=2.2):
    return train(level * (1 + 0.002 * np.random.default_rng(4).standard_normal(n)))


@pytest.mark.parametrize(("factor", "fires"), [(70, False), (140, True)])
def test_a_hundredth_while_the_loss_stands(factor, fires):
    it = found(RULE, case(stuck(), grad=falling(factor), profile="generic"))
    assert [severity(RULE, e) for e in it] == [Severity.HIGH] * fires
    if fires:
        assert 350 <= it[0].steps[0] <= 450


def test_norms_below_any_use():
    assert found(RULE, case(stuck(), grad=norms(np.full(100, 5e-8))))
    assert not found(RULE, case(stuck(), grad=norms(np.full(100, 2e-7))))


def test_a_loss_that_went_to_zero_explains_it():
    (evidence,) = found(RULE, case(train(decay(100, 2.0, 0.001)), grad=falling(1000)))
    assert severity(RULE, evidence) is Severity.INFO and evidence.variant == "learned"


def test_a_loss_that_still_falls_is_no_fault():
    (evidence,) = found(RULE, case(train(decay(100, 3.0, 1.8, rate=0.5)), grad=falling(1000)))
    assert severity(RULE, evidence) is Severity.INFO


def test_first_norms_do_not_count():
    values = np.full(100, 0.5)
    values[:4] = 400.0
    assert not found(RULE, case(stuck(), grad=norms(values)))


def test_skipped_without_a_norm():
    assert "grad norm" in skipped(RULE, case(stuck()))
