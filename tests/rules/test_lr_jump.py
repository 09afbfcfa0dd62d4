"""LRS003: the learning rate jumps up off its schedule."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.lr_jump import RULE

from ..support.checks import cosine, decay, evals, every, found, label, rate, resumed, severity, skipped, train
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


def jumped(loss_after, factor=10.0):
    """A constant rate that jumps half-way, and what the loss does then."""
    rates = np.concatenate([np.full(50, 1e-3), np.full(50, factor * 1e-3)])
    losses = np.concatenate([decay(50, 4.0, 2.0), loss_after])
    return case(train(losses), lr=rate(rates))


@pytest.mark.parametrize(("after", "expected"), [
    (np.linspace(2.0, 1.6, 50), Severity.INFO),  # it does not mind
    (np.concatenate([np.linspace(2.9, 2.05, 40), np.full(10, 2.05)]), Severity.MEDIUM),  # never back
    (np.concatenate([np.linspace(2.9, 1.7, 25), np.full(25, 1.5)]), Severity.INFO),  # it paid off
])  # fmt: skip
def test_a_jump_off_a_constant_rate_is_a_fault_when_what_was_learned_is_lost(after, expected):
    noise = 1 + 0.002 * np.random.default_rng(0).standard_normal(50)
    (evidence,) = found(RULE, jumped(after * noise))
    assert severity(RULE, evidence) is expected and evidence.steps[0] == 510


def test_a_short_constant_start_is_a_warm_up():
    rates = np.concatenate([np.full(4, 1e-4), np.full(96, 1e-3)])
    assert not found(RULE, case(train(decay(100)), lr=rate(rates)))


def stepped_past(periods=2.0, n=200, peak=1e-2):
    """A cosine over `periods` of its half-length: PyTorch's CosineAnnealingLR, stepped beyond T_max."""
    return peak * (1 + np.cos(np.pi * periods * np.arange(n) / (n - 1))) / 2


@pytest.mark.parametrize(("rise", "variant", "expected"), [
    (0.02, "past", Severity.INFO),
    (0.10, "past_harm", Severity.MEDIUM),
])  # fmt: skip
@pytest.mark.parametrize("periods", [2.0, 4.0])
def test_a_schedule_stepped_past_its_last_step(periods, rise, variant, expected):
    level = np.concatenate([np.linspace(1.0, 0.4, 8), np.full(12, 0.4)])
    level[-3:] *= 1 + rise
    (evidence,) = found(RULE, case(train(decay(200)), evals(level), lr=rate(stepped_past(periods))))
    assert (severity(RULE, evidence), evidence.variant) == (expected, variant)
    assert 1000 <= evidence.steps[0] < evidence.steps[1] == 2000
    assert evidence.numbers["before"] <= 1e-3 and evidence.numbers["after"] == pytest.approx(1e-2)


@pytest.mark.parametrize("values", [
    stepped_past(1.0),  # as it ought to be
    stepped_past(1.4),  # it ends below half of the peak
    stepped_past(2.0)[::-1] * np.linspace(0.4, 1, 200),  # it did not begin at its peak
    np.tile(np.linspace(1e-2, 1e-4, 100), 2),  # a restart
    1e-2 - stepped_past(2.0),  # a cycle from low to low
])  # fmt: skip
def test_other_schedules_were_not_stepped_past_their_end(values):
    level = decay(20, 1.0, 0.4, noise=0.0)
    level[-3:] *= 1.2
    it = found(RULE, case(train(decay(200)), evals(level), lr=rate(values)))
    assert not any(e.variant.startswith("past") for e in it)


def test_a_divergence_is_the_finding_and_the_schedule_its_reason():
    loss = np.concatenate([decay(120, 3.0, 1.0), np.linspace(1.0, 4.0, 80)])
    level = loss[9::10]
    for evidence in found(RULE, case(train(loss), evals(level), lr=rate(stepped_past()))):
        assert severity(RULE, evidence) is Severity.INFO
