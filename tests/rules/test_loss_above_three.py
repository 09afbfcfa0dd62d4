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


def test_an_eval_loss_that_climbed_to_it_while_train_fell_is_overfitting():
    assert not found(RULE, case(train(decay(50, 2.4, 1.0, rate=1)), evals([2.4, 2.3, 2.6, 2.8, 3.1, 3.2], interval=80)))


def test_one_lucky_evaluation_excuses_nothing():
    judged = [4.9, 4.91, 4.89, 4.9, 4.6, 4.9, 4.91, 4.9, 4.89, 4.9]
    assert found(RULE, case(train(decay(50, 5.0, 4.2, rate=1)), evals(judged, 50)))
