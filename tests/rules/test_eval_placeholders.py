"""INT008: zeros where no evaluation was made."""

import numpy as np
import pytest

from tb_evalguide.model import Role, Run, Severity, Training
from tb_evalguide.roles import choose_roles
from tb_evalguide.rules import oscillation
from tb_evalguide.rules.eval_placeholders import RULE

from ..support.checks import decay, evals, every, found, resumed, severity, skipped, train
from ..support.phases import case, series


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


def zeros_between(values, gap):
    """Each value after `gap` zeros."""
    out = np.zeros(len(values) * (gap + 1))
    out[gap :: gap + 1] = values
    return out


@pytest.mark.parametrize(("values", "fires"), [
    (zeros_between([2.0, 1.5, 1.2], 1), True),
    (np.concatenate([[2.0], np.zeros(3), [1.5, 1.2, 1.1, 1.0]]), False),  # one stretch only
    (np.concatenate([[2.0, 0, 1.8, 0], np.linspace(1.7, 1.0, 4)]), False),  # a quarter of the points
    (np.concatenate([[2.0, 0, 1.8, 0, 0], np.linspace(1.7, 1.0, 4)]), True),  # a third
    (zeros_between([2.0, 0.09, 0.08, 0.07], 1), False),  # it came near 0 by itself
    (zeros_between([2.0, 0.12, 0.11, 0.11], 1), True),
])  # fmt: skip
def test_limits(values, fires):
    assert bool(found(RULE, case(train(decay(40)), evals(values, 10)))) is fires


def test_a_resume_between_placeholders_is_no_second_training():
    zeros = resumed(
        "eval/loss",
        [
            (every(60), zeros_between(decay(6, 2.0, 1.5), 9)),
            (every(100)[40:], np.r_[zeros_between(decay(6, 1.6, 1.2), 9)]),
        ],
    )
    roles = choose_roles(Training("run", (Run(".", {"eval/loss": zeros, "train/loss": train(decay(100))}),)))
    kept = roles.get(Role.EVAL_LOSS)
    assert kept is not None and not kept.restarts and len(kept) == 10


def test_a_metric_of_which_less_is_better_loses_them_too():
    tags = {"train/mse": train(decay(100)), "val/mse": zeros_between(decay(10, 2.0, 1.5), 9)}
    made = {
        "train/mse": series("train/mse", every(100), decay(100)),
        "val/mse": series("val/mse", every(100), tags["val/mse"]),
        "val/wer": series("val/wer", every(100), zeros_between(decay(10, 0.9, 0.5), 9)),
    }
    roles = choose_roles(Training("run", (Run(".", made),)))
    assert [(choice.tag, len(choice.series)) for choice in roles.metrics] == [("val/wer", 10)]
