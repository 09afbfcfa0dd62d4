"""INT008: zeros where no evaluation was made."""

import numpy as np
import pytest

from tb_evalguide.model import Role, Severity
from tb_evalguide.roles import choose_roles
from tb_evalguide.rules import oscillation
from tb_evalguide.rules.eval_placeholders import RULE

from ..support.checks import decay, evals, found, severity, skipped, train
from ..support.phases import case


def every_tenth(n=49, every=10):
    values = decay(n, 990.0, 700.0, noise=0.0)
    values[np.arange(1, n + 1) % every != 0] = 0.0
    return values


def test_they_are_told_and_left_out():
    run = case(train(decay(49, 1800.0, 700.0)), evals(every_tenth(), 10))
    (evidence,) = found(RULE, run)
    assert severity(RULE, evidence) is Severity.INFO and evidence.numbers == {"count": 45, "points": 49}
    left = choose_roles(run.training).get(Role.EVAL_LOSS)
    assert left is not None and left.steps.tolist() == [100, 200, 300, 400]
    assert found(oscillation.RULE, run), "with the zeros in it"
    assert not found(oscillation.RULE, case(train(decay(49, 1800.0, 700.0)), left))


@pytest.mark.parametrize("values", [
    decay(40, 2.0, 1.0),
    np.concatenate([decay(20, 2.0, 0.1), np.zeros(20)]),  # it reached 0, or broke: another rule's matter
    np.concatenate([decay(38, 2.0, 1.0), [0.0, 1.0]]),  # one odd point
    np.zeros(40),
])  # fmt: skip
def test_other_zeros_are_none(values):
    run = case(train(decay(40)), evals(values, 10))
    assert not found(RULE, run)
    kept = choose_roles(run.training).get(Role.EVAL_LOSS)
    assert kept is not None and len(kept) == len(values)


def test_skipped():
    assert "eval loss" in skipped(RULE, case(train(decay(40))))
