"""RWD002: most updates of a policy have no gradient."""

import numpy as np
import pytest

from tb_evalguide.model import Role, Severity
from tb_evalguide.rules.no_reward_spread import RULE

from ..support.checks import every, found, norms, severity, skipped
from ..support.phases import case, series


def policy(zeros, points=20, rewards=None, profile="rl"):
    """A run whose last `zeros` gradient norms are 0."""
    values = np.exp(0.3 * np.random.default_rng(1).standard_normal(points))
    values[points - zeros :] = 0
    roles = {} if rewards is None else {Role.REWARD: series("train/reward", every(len(rewards)), rewards)}
    return case(grad=norms(values), roles=roles, profile=profile)


@pytest.mark.parametrize(("zeros", "fires"), [(9, False), (10, True), (18, True)])
def test_half_of_the_norms(zeros, fires):
    it = found(RULE, policy(zeros))
    assert [severity(RULE, e) for e in it] == [Severity.MEDIUM] * fires
    if fires:
        assert it[0].numbers == {"share": zeros / 20, "count": zeros, "points": 20}


def test_a_beginning_without_gradient_that_is_over_is_none():
    values = np.concatenate([np.zeros(12), np.ones(8)])
    assert not found(RULE, case(grad=norms(values), profile="rl"))


@pytest.mark.parametrize(("slope", "expected"), [(0.0, Severity.MEDIUM), (0.05, Severity.INFO)])
def test_prompts_that_are_solved_need_no_gradient(slope, expected):
    rewards = slope * np.arange(20) + 0.05 * np.random.default_rng(2).standard_normal(20)
    (evidence,) = found(RULE, policy(12, rewards=rewards))
    assert severity(RULE, evidence) is expected
    assert evidence.variant == ("solved" if slope else "") and evidence.tags == ("train/grad_norm", "train/reward")


def test_small_norms_are_not_zero():
    assert not found(RULE, case(grad=norms(np.full(20, 1e-9)), profile="rl"))


def test_skipped():
    assert "profile" in skipped(RULE, policy(12, profile="llm-sft"))
    assert "10" in skipped(RULE, policy(5, points=9))
