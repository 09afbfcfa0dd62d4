"""RWD001: the reward ends below where it began."""

import numpy as np
import pytest

from tb_evalguide.model import Role, Severity
from tb_evalguide.rules.reward_collapse import RULE

from ..support.checks import every, found, severity, skipped
from ..support.phases import case, series


def agent(values, noise=0.3, seed=0, profile="rl"):
    values = np.asarray(values) + noise * np.random.default_rng(seed).standard_normal(len(values))
    return case(roles={Role.REWARD: series("rollout/ep_rew_mean", every(len(values), 1000), values)}, profile=profile)


@pytest.mark.parametrize("seed", range(4))
def test_fires_where_everything_is_lost(seed):
    collapse = np.concatenate([np.full(120, -6.0), np.full(60, -11.0)])
    (evidence,) = found(RULE, agent(collapse, seed=seed))
    assert severity(RULE, evidence) is Severity.MEDIUM and 115_000 <= evidence.steps[0] <= 135_000


@pytest.mark.parametrize(("end", "fires"), [
    (-7.5, False),  # lower than at its best, but no lower than at first
    (-13.0, True),
])  # fmt: skip
def test_the_start_is_what_it_is_measured_by(end, fires):
    learned = np.interp(np.arange(150), [0, 70, 100, 149], [-9.0, -2.0, end, end])
    assert bool(found(RULE, agent(learned))) is fires


def test_a_dip_that_recovers_is_none():
    assert not found(RULE, agent(np.interp(np.arange(150), [0, 60, 75, 90, 149], [-9.0, -2.0, -14.0, -2.0, -1.0])))


@pytest.mark.parametrize("seed", range(6))
def test_noise_is_none(seed):
    assert not found(RULE, agent(np.full(60, 1.0), noise=1.0, seed=seed))


def test_skipped():
    assert "profile" in skipped(RULE, agent(np.zeros(40), profile="generic"))
    assert "20" in skipped(RULE, agent(np.zeros(19)))


@pytest.mark.parametrize("level", [0.0, -21.0])
def test_a_reward_that_never_moves_has_not_collapsed(level):
    assert not found(RULE, agent(np.full(60, level), noise=0.0))


@pytest.mark.parametrize(("end", "fires"), [(0.25, True), (0.35, False)])
def test_limit_of_what_is_lost(end, fires):
    """From its best, 1, all the way down to 0, and by 75 % or 65 % of that at the end."""
    assert bool(found(RULE, agent(np.repeat([1.0, 0.0, end], 50), noise=0.0))) is fires


@pytest.mark.parametrize(("share", "fires"), [(0.18, False), (0.22, True)])
def test_limit_of_how_far_below_the_start_it_ends(share, fires):
    """From 0 up to the best, 1 − share, and down to −share: a range of 1."""
    assert bool(found(RULE, agent(np.repeat([0.0, 1 - share, -share], 50), noise=0.0))) is fires


@pytest.mark.parametrize(("sigmas", "fires"), [(3.0, False), (5.0, True)])
def test_limit_of_the_noise_that_hides_a_fall(sigmas, fires):
    """Both ends are medians of 15 points with σ = 1, whose difference scatters by 1.25 · √(2/15) = 0.46."""
    assert bool(found(RULE, agent(np.repeat([0.0, -0.46 * sigmas], 50), noise=1.0, seed=0))) is fires


@pytest.mark.parametrize(("low", "fires"), [(12, False), (18, True)])
def test_limit_of_the_points_that_are_the_end(low, fires):
    """Most of the last 30 of 200 points must be low."""
    assert bool(found(RULE, agent(np.repeat([0.0, 1.0, -1.0], [100, 100 - low, low]), noise=0.0))) is fires
