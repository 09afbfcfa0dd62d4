"""CST003: a lasting slow-down."""

import numpy as np
import pytest

from tb_evalguide.model import Role, Severity
from tb_evalguide.rules.throughput import RULE

from ..support.phases import case, series, timed
from ..support.rules import fired, outcome


def run(late, n=200, pace=60.0, seed=None, tokens=None):
    """`n` intervals, the second half `late` times as long."""
    seconds = np.where(np.arange(n) < n // 2, pace, pace * late)
    if seed is not None:
        seconds = seconds * np.random.default_rng(seed).lognormal(0, 0.2, n)
    train = timed("train/loss", np.arange(n + 1), 1.7e9 + np.concatenate([[0.0], np.cumsum(seconds)]))
    return case(train, roles={Role.TOKENS: tokens} if tokens is not None else None)


def test_fires_where_it_began():
    evidence = fired(RULE, run(2.0))
    assert evidence.steps[0] == pytest.approx(101, abs=2)
    assert evidence.numbers["ratio"] == pytest.approx(2) and evidence.numbers["minutes"] == pytest.approx(100)


@pytest.mark.parametrize("seed", range(5))
def test_noise_of_a_fifth_hides_nothing_and_alarms_nobody(seed):
    assert outcome(RULE, run(1.8, seed=seed)) == "fired"
    assert outcome(RULE, run(1.0, seed=seed)) == "passed"


@pytest.mark.parametrize(("late", "said"), [(1.39, "passed"), (1.41, "fired")])
def test_either_side_of_the_ratio(late, said):
    assert outcome(RULE, run(late)) == said


@pytest.mark.parametrize(("pace", "said"), [(5.9, "passed"), (6.1, "fired")])
def test_either_side_of_ten_minutes_lost(pace, said):
    # a hundred steps, each twice as long
    assert outcome(RULE, run(2.0, pace=pace)) == said


def test_a_schedule_of_the_batch_is_information():
    tokens = np.cumsum(np.where(np.arange(201) < 100, 1000, 2000))
    evidence = fired(RULE, run(2.0, tokens=series("tokens", np.arange(201), tokens)))
    assert evidence.severity is Severity.INFO and evidence.variant == "scheduled"


@pytest.mark.parametrize(("n", "said"), [(49, "skipped"), (50, "fired")])
def test_fifty_intervals_are_needed(n, said):
    assert outcome(RULE, run(3.0, n=n)) == said
