"""LRS002: a warm-up that takes long, or all of the run."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.long_warmup import RULE

from ..support.checks import cosine, decay, found, rate, severity, skipped, train
from ..support.phases import case


@pytest.mark.parametrize(("warmup", "fires"), [(3, False), (10, False), (12, True), (50, True)])
def test_a_tenth_of_the_run(warmup, fires):
    it = found(RULE, case(train(decay(100)), lr=rate(cosine(100, warmup=warmup))))
    assert [severity(RULE, e) for e in it] == [Severity.INFO] * fires


def test_planned_steps_are_what_counts_in_an_unfinished_run():
    rates = cosine(40, warmup=10)
    assert found(RULE, case(train(decay(40)), lr=rate(rates)))
    assert not found(RULE, case(train(decay(40)), lr=rate(rates), arguments={"max_steps": 4000}))


def test_only_warm_up_in_a_finished_run_is_a_fault():
    rising = rate(np.linspace(1e-6, 1e-3, 40))
    (evidence,) = found(RULE, case(train(decay(40)), lr=rising, arguments={"max_steps": 400}))
    assert severity(RULE, evidence) is Severity.MEDIUM and evidence.variant == "never"
    assert not found(RULE, case(train(decay(40)), lr=rising, arguments={"max_steps": 40000}))
    (evidence,) = found(RULE, case(train(decay(40)), lr=rising))
    assert severity(RULE, evidence) is Severity.INFO, "perhaps it is not finished"


@pytest.mark.parametrize(
    "values", [np.full(50, 1e-3), np.linspace(1e-3, 0, 50), np.linspace(8e-4, 1e-3, 50), np.zeros(50)]
)
def test_no_warm_up_no_word(values):
    assert not found(RULE, case(train(decay(50)), lr=rate(values)))


def test_skipped_without_a_rate():
    assert "learning rate" in skipped(RULE, case(train(decay(50))))


@pytest.mark.parametrize(("points", "bent", "planned", "expected"), [
    (200, 2.0, None, Severity.MEDIUM),
    (90, 2.0, None, Severity.INFO),  # too few to say that it goes on so
    (200, 0.7, None, Severity.INFO),  # it falls ever more slowly: the rate is high enough
    (200, 2.0, 10_000, Severity.INFO),  # more is to come
])  # fmt: skip
def test_a_long_log_of_nothing_but_warm_up(points, bent, planned, expected):
    loss = 2.9 - 0.8 * np.linspace(0, 1, points) ** bent
    arguments = {"max_steps": planned} if planned else {}
    (evidence,) = found(RULE, case(train(loss), lr=rate(np.linspace(1e-7, 4e-5, points)), arguments=arguments))
    assert severity(RULE, evidence) is expected and evidence.variant == "never"


@pytest.mark.parametrize(("start", "fires"), [(0.45, True), (0.55, False)])
def test_a_rate_that_starts_at_half_of_the_peak_has_no_warm_up(start, fires):
    rates = np.concatenate([np.linspace(start, 1.0, 30), np.linspace(1.0, 0.0, 70)])
    assert bool(found(RULE, case(train(decay(100)), lr=rate(1e-3 * rates)))) is fires


@pytest.mark.parametrize(("points", "expected"), [(19, Severity.INFO), (20, Severity.MEDIUM)])
def test_a_fault_takes_twenty_logged_rates(points, expected):
    plan = {"max_steps": 10 * points}
    (evidence,) = found(RULE, case(train(decay(40)), lr=rate(np.linspace(1e-6, 1e-3, points)), arguments=plan))
    assert severity(RULE, evidence) is expected


@pytest.mark.parametrize(("points", "quicker", "expected"), [
    (110, 1.7, Severity.MEDIUM),
    (110, 1.3, Severity.INFO),
    (90, 1.7, Severity.INFO),
])  # fmt: skip
def test_a_loss_that_falls_faster_in_the_last_third_than_in_the_first(points, quicker, expected):
    loss = 2.9 - 0.2 * np.interp(np.linspace(0, 3, points), [0, 1, 2, 3], [0, 1, 2, 2 + quicker])
    (evidence,) = found(RULE, case(train(loss), lr=rate(np.linspace(1e-7, 4e-5, points))))
    assert severity(RULE, evidence) is expected


def grows(times, n=60, held=30):
    """Constant for `held` points, then exponentially up to so many times the rate."""
    return rate(1e-3 * np.concatenate([np.ones(held), np.geomspace(1, times, n - held + 1)[1:]]))


@pytest.mark.parametrize(("times", "n", "fires"), [(95, 60, False), (105, 60, True), (105, 20, True), (105, 19, False)])
def test_limits_of_a_rate_that_runs_away(times, n, fires):
    it = found(RULE, case(train(decay(n)), lr=grows(times, n, n // 2)))
    assert [e.variant for e in it if severity(RULE, e) is Severity.MEDIUM] == ["grows"] * fires


def test_where_the_loss_diverges_of_it_that_is_the_finding():
    lost = decay(60)
    lost[40:] = np.linspace(0.5, 5.0, 20)
    (evidence,) = found(RULE, case(train(lost), lr=grows(1000)))
    assert evidence.variant == "grows" and severity(RULE, evidence) is Severity.INFO
    assert evidence.steps == (330, 600) and evidence.numbers["after"] == pytest.approx(1.0)


def test_a_warm_up_from_next_to_nothing_does_not_run_away():
    assert [e.variant for e in found(RULE, case(train(decay(60)), lr=rate(np.linspace(0, 1e-3, 60))))] == ["never"]
    late = rate(np.concatenate([np.zeros(30), np.full(30, 1e-3)]))
    assert not [e for e in found(RULE, case(train(decay(60)), lr=late)) if e.variant == "grows"]
