"""CST002: evaluation's share of the time."""

import numpy as np
import pytest

from tb_evalguide.rules.eval_share import RULE

from ..support.phases import case, series, timed
from ..support.rules import fired, outcome


def run(each, pace=10.0, evals=10):
    """1000 steps in 100 points at `pace` seconds a point; `each` seconds an evaluation, as Hugging Face states them."""
    steps = np.arange(10, 1010, 10)
    at = np.linspace(100, 1000, evals).astype(int)
    train = timed("train/loss", steps, 1.7e9 + np.arange(100) * pace)
    runtime = series("eval/runtime", at, np.full(evals, each))
    return case(train, series("eval/loss", at, np.linspace(2, 1, evals)), extra=[runtime])


def test_fires_with_the_run_s_own_numbers():
    evidence = fired(RULE, run(400.0, pace=100.0))
    assert evidence.numbers["share"] == pytest.approx(4000 / 9900)
    assert evidence.numbers["each"] == pytest.approx(400)


@pytest.mark.parametrize(("each", "said"), [(197.0, "passed"), (199.0, "fired")])
def test_either_side_of_a_fifth(each, said):
    # 99 intervals of 100 s: a fifth is 1980 s
    assert outcome(RULE, run(each, pace=100.0)) == said


@pytest.mark.parametrize(("each", "said"), [(59.0, "passed"), (61.0, "fired")])
def test_either_side_of_ten_minutes_in_all(each, said):
    assert outcome(RULE, run(each, pace=10.0)) == said


def test_skipped_without_a_second_evaluation_or_a_train_loss_beside_it():
    assert outcome(RULE, run(400.0, evals=1)) == "skipped"
    times = 1.7e9 + np.arange(20) * 600.0
    keras = case(timed("epoch_loss", range(20), times), timed("val", range(20), times + 1))
    assert outcome(RULE, keras) == "skipped"
