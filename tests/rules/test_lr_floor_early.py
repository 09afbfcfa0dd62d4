"""LRS001: the learning rate is at its floor long before the end; healthy schedules stay silent."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.lr_floor_early import RULE

from ..support.checks import cosine, decay, evals, found, label, rate, severity, skipped, train
from ..support.phases import case

N = 200


def stalls(at, n=N):
    """A loss that stops moving at that point."""
    rng = np.random.default_rng(7)
    falls = decay(at, 3.0, 2.4, rate=2.0)
    return train(np.concatenate([falls, falls[-1] * (1 + 0.01 * rng.standard_normal(n - at))]))


@pytest.mark.parametrize(
    ("at", "severities"), [(20, [Severity.HIGH]), (96, [Severity.HIGH]), (110, [Severity.INFO]), (170, [])]
)
def test_a_rate_cut_to_nothing(at, severities):
    values = np.full(N, 1e-3)
    values[at:] = 1e-8
    it = found(RULE, case(stalls(at), lr=rate(values)))
    assert [severity(RULE, e) for e in it] == severities
    if severities == [Severity.HIGH]:
        assert label(RULE, it[0]) == "lr_too_low" and it[0].steps[0] == 10 * (at + 1)


@pytest.mark.parametrize("times", [2, 4, 8])
def test_a_schedule_stepped_k_times(times):
    fast = cosine(N // times)
    it = found(RULE, case(stalls(N // times), lr=rate(np.concatenate([fast, np.zeros(N - len(fast))]))))
    assert [label(RULE, e) for e in it] == ["lr_schedule"]
    assert it[0].numbers["times"] == times and it[0].variant == "k_times"


def test_a_loss_that_still_falls_at_the_floor_is_no_fault():
    values = np.full(N, 1e-3)
    values[60:] = 1e-8
    (evidence,) = found(RULE, case(train(decay(N, 3.0, 1.0, rate=1.0)), lr=rate(values)))
    assert severity(RULE, evidence) is Severity.INFO


SCHEDULES = {
    "constant": np.full(N, 1e-3),
    "cosine": cosine(N, warmup=10),
    "linear": np.linspace(1e-3, 0.0, N),
    "warm-up, stable, decay": np.concatenate(
        [np.linspace(1e-5, 1e-3, 10), np.full(150, 1e-3), np.linspace(1e-3, 0, 40)]
    ),
    "cosine to a constant tenth": np.concatenate([cosine(N // 2, floor=0.1), np.full(N // 2, 1e-4)]),
    "cosine to a hundredth": np.concatenate([cosine(N // 3, floor=0.01), np.full(N - N // 3, 1e-5)]),
    "steps": np.repeat([1e-3, 3e-4, 1e-4, 1e-5], N // 4),
    "inverse root": 1e-3 / np.sqrt(1 + np.arange(N)),
    "exponential": 1e-3 * 0.98 ** np.arange(N),
    "one cycle": np.concatenate([np.linspace(4e-5, 1e-3, 60), cosine(140)]),
    "only warm-up": np.linspace(0, 1e-3, N),
    "never anything": np.zeros(N),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_healthy_schedules_are_silent(name):
    assert not found(RULE, case(train(decay(N)), evals(decay(20)), lr=rate(SCHEDULES[name])))


def test_skipped_without_a_rate():
    assert "learning rate" in skipped(RULE, case(train(decay(N))))


def test_a_rate_lowered_because_the_loss_had_settled_is_information():
    """ReduceLROnPlateau: three times a tenth within the first 45 % of a run that has learned what it can."""
    values = np.repeat([1e-2, 1e-3, 1e-4, 1e-5], [40, 25, 25, N - 90])
    settled = train(decay(N, 3.0, 0.6, rate=16))
    (evidence,) = found(RULE, case(settled, lr=rate(values)))
    assert severity(RULE, evidence) is Severity.INFO
    cut = np.full(N, 1e-3)
    cut[20:] = 1e-9
    level = 0.6 * (1 + 0.01 * np.random.default_rng(8).standard_normal(N - 20))
    (evidence,) = found(RULE, case(train(np.concatenate([decay(20, 3.0, 0.6), level])), lr=rate(cut)))
    assert severity(RULE, evidence) is Severity.HIGH, "nine tenths of the run"


@pytest.mark.parametrize(("low", "fires"), [(0.9e-6, True), (1.1e-6, False)])
def test_a_thousandth_of_the_peak_is_next_to_nothing(low, fires):
    assert bool(found(RULE, case(stalls(60), lr=rate(np.repeat([1e-3, low], [60, N - 60]))))) is fires


@pytest.mark.parametrize(("at", "fires"), [(164, False), (156, True)])
def test_a_fifth_of_the_run_is_worth_a_word(at, fires):
    assert bool(found(RULE, case(stalls(at), lr=rate(np.repeat([1e-3, 0.0], [at, N - at]))))) is fires


@pytest.mark.parametrize(("at_the_cut", "end", "expected"), [
    (0.900, 0.884, Severity.HIGH),  # it falls by little …
    (0.900, 0.876, Severity.INFO),
    (0.638, 0.600, Severity.HIGH),  # … or by a small part of what it gained
    (0.652, 0.600, Severity.INFO),
    (0.540, 0.540, Severity.HIGH),
    (0.460, 0.460, Severity.INFO),  # it had learned what it could
])  # fmt: skip
def test_a_loss_that_stands_still_at_the_floor(at_the_cut, end, expected):
    loss = np.concatenate([np.linspace(1.0, at_the_cut, 60), np.linspace(at_the_cut, end, N - 60)])
    (evidence,) = found(RULE, case(train(loss), lr=rate(np.repeat([1e-3, 0.0], [60, N - 60]))))
    assert severity(RULE, evidence) is expected
