"""MEM002: memory that climbs throughout."""

import numpy as np
import pytest

from tb_evalguide.model import Role
from tb_evalguide.rules.memory_climbs import RULE

from ..support.phases import C1, case, series, table
from ..support.rules import fired, outcome


def run(values):
    return case(*table(C1), roles={Role.MEMORY: series("memory", range(len(values)), values)})


def climb(by, n=100):
    x = np.linspace(0, 1, n)
    # early is the median at 0.3, late the one at 0.9
    return 10 * (1 + by * (x - 0.3) / 0.6)


def test_fires_on_a_leak():
    evidence = fired(RULE, run(climb(0.5)))
    assert evidence.numbers["climb"] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("by", "said"), [(0.195, "passed"), (0.205, "fired")])
def test_either_side_of_the_limit(by, said):
    assert outcome(RULE, run(climb(by))) == said


def test_the_allocation_of_the_first_steps_and_a_single_new_level_are_no_leak():
    first = np.concatenate([np.linspace(1, 10, 10), np.full(90, 10.0)])
    assert outcome(RULE, run(first)) == "passed"
    level = np.concatenate([np.full(75, 10.0), np.full(25, 13.0)])
    assert outcome(RULE, run(level)) == "passed"


@pytest.mark.parametrize("seed", range(20))
def test_passes_on_noise(seed):
    assert outcome(RULE, run(10 + np.random.default_rng(seed).normal(0, 2, 100))) == "passed"


def test_skipped_without_memory_or_with_too_little():
    assert outcome(RULE, case(*table(C1))) == "skipped"
    assert outcome(RULE, run(np.ones(19))) == "skipped"


@pytest.mark.parametrize(("swing", "said"), [(0.9, "fired"), (1.2, "passed")])
def test_a_leak_climbs_nearly_throughout(swing, said):
    """Kendall's tau is 0.64 and 0.57."""
    assert outcome(RULE, run(climb(0.3) + swing * (-1.0) ** np.arange(100))) == said


@pytest.mark.parametrize(("until", "said"), [(0.70, "passed"), (0.76, "fired")])
def test_a_climb_that_is_long_over_is_no_leak(until, said):
    """p is 0.016 and 0.008."""
    assert outcome(RULE, run(10 + 5 * np.interp(np.linspace(0, 1, 100), [0.2, until], [0, 1]))) == said
