"""GRD002: gradient norms above 10 (guide, V3)."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.large_grad_norm import RULE

from ..support.checks import decay, found, norms, severity, skipped, train
from ..support.phases import case


def levels(level, n=40, **more):
    return case(train(decay(n)), grad=norms(np.full(n, level)), **more)


@pytest.mark.parametrize(("level", "fires"), [(9.9, False), (10.0, False), (10.1, True)])
def test_the_guide_s_ten_is_strict(level, fires):
    it = found(RULE, levels(level))
    assert bool(it) is fires
    if fires:
        assert severity(RULE, it[0]) is Severity.MEDIUM


def test_clipping_takes_the_alarm_away():
    (evidence,) = found(RULE, levels(30.0, arguments={"max_grad_norm": 1.0}))
    assert severity(RULE, evidence) is Severity.INFO and evidence.variant == "clipped"
    (evidence,) = found(RULE, levels(30.0, arguments={"max_grad_norm": 0.0}))
    assert severity(RULE, evidence) is Severity.MEDIUM, "0 means that nothing is clipped"


def test_high_when_the_loss_suffers():
    rising = train(np.linspace(2.5, 4.0, 40))
    (evidence,) = found(RULE, case(rising, grad=norms(np.full(40, 50.0))))
    assert severity(RULE, evidence) is Severity.HIGH


@pytest.mark.parametrize(("high", "fires"), [(1, False), (2, True)])
def test_single_high_norms_are_information(high, fires):
    values = np.ones(40)
    values[:high] = 50.0
    it = found(RULE, case(train(decay(40)), grad=norms(values)))
    assert [severity(RULE, e) for e in it] == [Severity.INFO] * fires


def test_only_information_outside_the_guide_and_nothing_outside_language():
    (evidence,) = found(RULE, levels(50.0, profile="pretrain"))
    assert severity(RULE, evidence) is Severity.INFO
    assert "profile" in skipped(RULE, levels(50.0, profile="vision"))
    assert "grad norm" in skipped(RULE, case(train(decay(20))))


@pytest.mark.parametrize(("rise", "expected"), [(0.018, Severity.MEDIUM), (0.022, Severity.HIGH)])
def test_a_loss_that_ends_two_per_cent_above_its_start_suffers(rise, expected):
    loss = train(np.repeat([2.0, 2.0 * (1 + rise)], 20))
    (evidence,) = found(RULE, case(loss, grad=norms(np.full(40, 50.0))))
    assert severity(RULE, evidence) is expected
