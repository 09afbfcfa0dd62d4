"""LRN005: the loss of the reference model is still above 3.0 (M7)."""

import pytest

from tb_evalguide.rules.loss_above_three import RULE

from ..support.checks import decay, evals, found, skipped, train
from ..support.phases import case


@pytest.mark.parametrize(("end", "fires"), [(2.99, False), (3.0, False), (3.01, True)])
def test_the_limit_is_strict(end, fires):
    assert bool(found(RULE, case(train(decay(50, 5.0, 2.0)), evals([5.0, 4.0, 3.5, end])))) is fires
    assert bool(found(RULE, case(train([5.0, 4.0, 3.5, end])))) is fires


def test_only_for_the_reference_model():
    assert "profile" in skipped(RULE, case(train(decay(50, 9.0, 5.0)), profile="pretrain"))
    assert "4" in skipped(RULE, case(train([5.0, 4.0, 3.5])))
