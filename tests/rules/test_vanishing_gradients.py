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


@pytest.mark.parametrize(("level", "fires"), [(0.9e-7, True), (1.1e-7, False)])
def test_limit_of_a_norm_below_any_use(level, fires):
    assert bool(found(RULE, case(stuck(), grad=norms(np.full(100, level))))) is fires


def two_levels(start, before, after):
    """Begins at `start` and lies at `before` until the norms have vanished for a while, then at `after`."""
    return train(np.concatenate([[start] * 5, [before] * 65, [after] * 30]))


@pytest.mark.parametrize(("loss", "expected"), [
    (two_levels(2.0, 1.1, 1.1), Severity.HIGH),  # above half of its start …
    (two_levels(2.0, 0.9, 0.9), Severity.INFO),  # … and below: something was learned
    (two_levels(2.0, 2.036, 2.0), Severity.HIGH),  # 1.8 %: it stands still
    (two_levels(2.0, 2.044, 2.0), Severity.INFO),  # 2.2 %: it still falls
])  # fmt: skip
def test_a_loss_that_is_high_and_stands_still(loss, expected):
    (evidence,) = found(RULE, case(loss, grad=falling(1000)))
    assert severity(RULE, evidence) is expected
