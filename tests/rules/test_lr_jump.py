"""LRS003: the learning rate jumps up off its schedule."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.lr_jump import RULE

from ..support.checks import cosine, decay, every, found, label, rate, resumed, severity, skipped, train
from ..support.phases import case

N = 120


def jump(factor):
    values = np.linspace(1e-3, 1e-4, N)
    values[80:] *= factor
    return values


@pytest.mark.parametrize(("factor", "fires"), [(1.2, False), (1.4, True), (2.5, True)])
def test_a_single_jump_is_information(factor, fires):
    it = found(RULE, case(train(decay(N)), lr=rate(jump(factor))))
    assert [(severity(RULE, e), label(RULE, e)) for e in it] == [(Severity.INFO, "lr_schedule")] * fires
    if fires:
        assert it[0].steps[0] == 810


def test_a_resume_that_lost_the_scheduler_and_hurt_the_loss():
    steps = every(N)
    schedule = np.linspace(1e-3, 1e-5, N)
    rates = resumed("lr", [(steps[:80], schedule[:80]), (steps[76:], np.linspace(1e-3, 6e-4, N - 76))])
    low = decay(80, 3.0, 1.0)
    worse = resumed("loss", [(steps[:80], low), (steps[76:], decay(N - 76, 1.8, 1.3, seed=2))])
    (evidence,) = found(RULE, case(worse, lr=rates))
    assert severity(RULE, evidence) is Severity.MEDIUM and label(RULE, evidence) == "resume_jump"
    unhurt = resumed("loss", [(steps[:80], low), (steps[76:], np.full(N - 76, 1.0))])
    (evidence,) = found(RULE, case(unhurt, lr=rates))
    assert severity(RULE, evidence) is Severity.INFO and evidence.variant == "resume"


SCHEDULES = {
    "warm-up in five coarse points": cosine(N, warmup=5),
    "warm restarts": np.tile(cosine(N // 4), 4),
    "cyclic": np.tile(np.concatenate([np.linspace(1e-4, 1e-3, 10), np.linspace(1e-3, 1e-4, 10)]), 6),
    "steps down": np.repeat([1e-3, 1e-4, 1e-5], 40),
    "constant": np.full(N, 1e-3),
    "linear": np.linspace(1e-3, 0, N),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_that_move_by_design(name):
    assert not found(RULE, case(train(decay(N)), lr=rate(SCHEDULES[name])))


def test_skipped_without_a_rate():
    assert "learning rate" in skipped(RULE, case(train(decay(N))))
