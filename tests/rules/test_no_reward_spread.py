"""RWD002: most updates of a policy have no gradient."""

import numpy as np
import pytest

from tb_evalguide.model import Role, Severity
from tb_evalguide.rules.no_reward_spread import RULE

from ..support.checks import every, found, norms, severity, skipped
from ..support.phases import case, series


def policy(zeros, points=20, rewards=None, profile="rl", more=()):
    """A run whose last `zeros` gradient norms are 0."""
    values = np.exp(0.3 * np.random.default_rng(1).standard_normal(points))
    values[points - zeros :] = 0
    roles = {} if rewards is None else {Role.REWARD: series("train/reward", every(len(rewards)), rewards)}
    return case(grad=norms(values), roles=roles, profile=profile, extra=[*GROUPS, *more])


GROUPS = [series("train/completions/mean_length", every(20), np.full(20, 4.0))]


def spread(tag, value, points=20):
    return series(tag, every(points), np.full(points, value))


@pytest.mark.parametrize(("zeros", "fires"), [(9, False), (10, True), (18, True)])
def test_half_of_the_norms(zeros, fires):
    it = found(RULE, policy(zeros))
    assert [severity(RULE, e) for e in it] == [Severity.MEDIUM] * fires
    if fires:
        assert it[0].numbers == {"share": zeros / 20, "count": zeros, "points": 20}


def test_a_beginning_without_gradient_that_is_over_is_none():
    values = np.concatenate([np.zeros(12), np.ones(8)])
    assert not found(RULE, case(grad=norms(values), profile="rl", extra=GROUPS))


@pytest.mark.parametrize(("slope", "expected"), [(0.0, Severity.MEDIUM), (0.05, Severity.INFO)])
def test_prompts_that_are_solved_need_no_gradient(slope, expected):
    rewards = slope * np.arange(20) + 0.05 * np.random.default_rng(2).standard_normal(20)
    (evidence,) = found(RULE, policy(12, rewards=rewards))
    assert severity(RULE, evidence) is expected
    assert evidence.variant == ("solved" if slope else "") and evidence.tags == ("train/grad_norm", "train/reward")


def test_small_norms_are_not_zero():
    assert not found(RULE, case(grad=norms(np.full(20, 1e-9)), profile="rl", extra=GROUPS))


@pytest.mark.parametrize(("tag", "value", "fires"), [
    ("train/frac_reward_zero_std", 0.45, False),
    ("train/frac_reward_zero_std", 0.55, True),
    ("train/reward_std", 0.3, False),
    ("train/reward_std", 0.0, True),
])  # fmt: skip
def test_the_logged_spread_of_rewards_decides(tag, value, fires):
    assert bool(found(RULE, policy(12, more=[spread(tag, value)]))) is fires


@pytest.mark.parametrize(("reward", "expected"), [(1.0, Severity.INFO), (0.0, Severity.MEDIUM)])
def test_a_reward_that_never_changed(reward, expected):
    """Always solved, or never."""
    (evidence,) = found(RULE, policy(20, rewards=np.full(20, reward)))
    assert severity(RULE, evidence) is expected


def test_a_reward_that_rose_at_once_has_risen():
    rewards = np.concatenate([np.linspace(-200, 200, 5), np.full(15, 200.0)])
    (evidence,) = found(RULE, policy(12, rewards=rewards))
    assert severity(RULE, evidence) is Severity.INFO


def test_skipped():
    assert "profile" in skipped(RULE, policy(12, profile="llm-sft"))
    assert "10" in skipped(RULE, policy(5, points=9))
    delayed = np.tile([1.0, 0.0], 10)  # TD3 updates its policy every other step
    assert "answers" in skipped(RULE, case(grad=norms(delayed), profile="rl"))


@pytest.mark.parametrize(("slope", "expected"), [(0.0036, Severity.MEDIUM), (0.0042, Severity.INFO)])
def test_a_reward_that_rises_beyond_chance_in_twenty(slope, expected):
    rewards = slope * np.arange(20) + 0.05 * np.random.default_rng(2).standard_normal(20)
    (evidence,) = found(RULE, policy(12, rewards=rewards))
    assert severity(RULE, evidence) is expected


@pytest.mark.parametrize(("end", "expected"), [(0.45, Severity.MEDIUM), (0.55, Severity.INFO)])
def test_a_reward_that_ends_by_half_of_its_range_above_its_start_has_risen(end, expected):
    rewards = np.concatenate([np.zeros(4), np.linspace(1.0, end, 12), np.full(4, end)])
    (evidence,) = found(RULE, policy(12, rewards=rewards))
    assert severity(RULE, evidence) is expected


def alike(tag, zeros, points=20, rewards=None, first=0):
    """A KL term keeps the norms above 0; from `first` on in `zeros` steps all answers earned the same."""
    same, apart = (1.0, 0.4) if "frac" in tag else (0.0, 0.3)
    values = np.full(points, apart)
    values[first : first + zeros] = same
    return policy(0, rewards=rewards, more=[series(tag, every(points), values)])


@pytest.mark.parametrize("tag", ["train/frac_reward_zero_std", "train/reward_std"])
@pytest.mark.parametrize(("zeros", "points", "first", "fires"), [
    (9, 20, 11, False),
    (10, 20, 10, True),
    (20, 20, 0, True),
    (14, 20, 0, False),  # a beginning that is over
    (15, 20, 0, True),
    (9, 9, 0, False),  # too few
    (10, 10, 0, True),
])  # fmt: skip
def test_half_of_the_spreads_tell_it_where_a_kl_term_keeps_the_norms_up(tag, zeros, points, first, fires):
    it = found(RULE, alike(tag, zeros, points, first=first))
    assert [(severity(RULE, e), e.variant) for e in it] == [(Severity.MEDIUM, "spread")] * fires
    if fires:
        assert it[0].numbers == {"share": zeros / points, "count": zeros, "points": points}
        assert it[0].steps == (10 * (first + 1), 10 * points)


@pytest.mark.parametrize(("rewards", "variant", "expected"), [
    (np.linspace(0, 1, 20), "spread_solved", Severity.INFO),
    (np.full(20, 1.0), "spread_solved", Severity.INFO),
    (np.full(20, 0.0), "spread", Severity.MEDIUM),
    (np.linspace(1, 0, 20), "spread", Severity.MEDIUM),
    (np.full(3, 1.0), "spread", Severity.MEDIUM),  # three rewards show nothing
    (np.full(4, 1.0), "spread_solved", Severity.INFO),
])  # fmt: skip
def test_answers_that_earn_the_same_since_they_are_all_right(rewards, variant, expected):
    (evidence,) = found(RULE, alike("train/reward_std", 20, rewards=rewards))
    assert (evidence.variant, severity(RULE, evidence)) == (variant, expected)


def test_nothing_is_told_of_spreads_that_are_not_logged():
    assert not found(RULE, policy(0))


@pytest.mark.parametrize(("tag", "values"), [
    ("train/frac_reward_zero_std", np.full(20, 0.99)),  # one prompt in a hundred still teaches
    ("train/reward_std", np.full(20, 1e-6)),
])  # fmt: skip
def test_a_spread_that_is_nearly_none_is_one(tag, values):
    assert not found(RULE, policy(0, more=[series(tag, every(20), values)]))


def test_the_share_of_prompts_decides_before_the_spread_of_the_rewards():
    both = [spread("train/frac_reward_zero_std", 0.3), spread("train/reward_std", 0.0)]
    assert not found(RULE, policy(0, more=both))


def test_norms_of_zero_that_the_share_of_prompts_confirms_are_named_and_not_the_spread():
    (evidence,) = found(RULE, policy(12, more=[spread("train/frac_reward_zero_std", 1.0)]))
    assert evidence.variant == "" and evidence.numbers["count"] == 12


def test_norms_of_zero_that_are_over_leave_it_to_the_spread():
    values = np.concatenate([np.zeros(12), np.ones(8)])
    run = case(grad=norms(values), profile="rl", extra=[spread("train/frac_reward_zero_std", 1.0)])
    assert [e.variant for e in found(RULE, run)] == ["spread"]
