"""Most updates of a policy have no gradient: all answers to a prompt earned the same reward.

## What it checks
Where the log speaks of groups of answers (the spread of their rewards, or completions), how many of the logged gradient
norms are exactly 0: at least half of ten or more, and still half of the later ones, and the logged spread does not say
otherwise. Where the norms are not, because a KL term pulls as well, how many of the logged spreads are. Where the
reward rose meanwhile, or was never anything but one figure above 0, the prompts may simply be solved: that is
information.

## Why it matters
Methods that compare the answers of a group (GRPO and its kin) learn from differences of reward alone. Where a group's
answers earn the same, its advantage is 0, the step changes nothing, and the run costs time for nothing.

## What to do
Sample more answers per prompt or at a higher temperature, choose prompts that are solved sometimes, and reward in finer
steps. If answers became short or alike at the same time, the policy has collapsed: go back to an earlier checkpoint.

## When it is wrong
A norm that is rounded to 0 when logged, or one that is logged for a part of the model that is not trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, stats
from tb_evalguide.case import Case, Curve
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Flags, Ints, Need, Role, Rule, Series, Severity, Skip, Text, Tier
from tb_evalguide.roles.names import read_name

# TRL's names: the share of groups whose rewards are all the same, and the spread of the rewards
ZERO_SPREAD, SPREAD = "frac_reward_zero_std", "reward_std"


@dataclass(frozen=True)
class Limits:
    points: int = 10  # logged spreads that tell it; as the gradient norms
    share: float = 0.5  # of the logged norms, all in all and in the later half, that are exactly 0; own choice
    p: float = 0.05  # one-sided Mann–Kendall p of a reward that rose: what is solved needs no gradient; usual
    risen: float = 0.5  # of the reward's range, by which its last fifth lies above its first: risen, too; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    grad = case.grad
    assert grad is not None  # needs
    names = {
        tag.rsplit("/", 1)[-1]: series
        for run in case.training.runs
        for tag, series in run.series.items()
        if read_name(tag, run.name).split not in ("eval", "test")
    }
    if not {ZERO_SPREAD, SPREAD}.intersection(names) and not completions(case):
        return Skip(Text(N_("nothing in the log says that answers to one prompt are compared")))
    # the curve leaves out values that are not finite; a norm of NaN is no zero
    zero = grad.values == 0
    steps, told, variant = grad.steps, grad.tag, ""
    if not often(zero, limits) or not no_spread(names, limits):
        # a KL term pulls at the weights though no answer was better than another
        steps, zero, told = spreads(names)
        variant = "spread"
        if len(zero) < limits.points or not often(zero, limits):
            return ()
    reward = case.curve(Role.REWARD)
    solved = reward is not None and len(reward) >= 4 and is_solved(reward, limits)
    return [
        Evidence(
            steps=(int(steps[zero][0]), int(steps[-1])),
            tags=(told,) if reward is None else (told, reward.tag),
            numbers={"share": float(zero.mean()), "count": int(zero.sum()), "points": len(zero)},
            confidence=0.8,
            severity=Severity.INFO if solved else None,
            variant=variant if not solved else "spread_solved" if variant == "spread" else "solved",
        )
    ]


def often(zero: Flags, limits: Limits) -> bool:
    """As often in the later half as all in all: a start at which nothing was solved yet is over."""
    return min(float(zero.mean()), float(zero[len(zero) // 2 :].mean())) >= limits.share


def spreads(names: Mapping[str, Series]) -> tuple[Ints, Flags, str]:
    """(steps, whether all answers to every prompt of the step earned the same, the tag that tells)."""
    if ZERO_SPREAD in names:
        series = names[ZERO_SPREAD]
        return series.steps, series.values == 1, series.tag
    if SPREAD in names:
        series = names[SPREAD]
        return series.steps, series.values == 0, series.tag
    return np.empty(0, np.int64), np.empty(0, bool), ""


def completions(case: Case) -> bool:
    return any("completions" in tag.split("/") for run in case.training.runs for tag in run.series)


def no_spread(names: Mapping[str, Series], limits: Limits) -> bool:
    """What the log says of the rewards' spread in a group; True where it says nothing."""
    if ZERO_SPREAD in names:
        shares = names[ZERO_SPREAD].values
        shares = shares[np.isfinite(shares)]
        return bool(len(shares) and shares.mean() >= limits.share)
    if SPREAD in names:
        return bool((names[SPREAD].values == 0).mean() >= limits.share)
    return True


def is_solved(reward: Curve, limits: Limits) -> bool:
    """The reward rose, or never was anything but one figure above 0."""
    spread = float(np.ptp(reward.values))
    if spread == 0:
        return float(reward.values[0]) > 0
    risen = reward.tail(0.2, 2) - reward.head(0.2, 2) > limits.risen * spread
    return risen or stats.mann_kendall(reward.values).p_up < limits.p


RULE = Rule(
    id="RWD002",
    guide=("V3",),
    label="vanishing_gradients",
    severity=Severity.MEDIUM,
    tier=Tier.NOT_LEARNING,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.GRAD_NORM, 10),),
    message=N_(
        "In {share:.0%} of the logged steps the gradient is exactly 0: all answers to a prompt earned the same reward, "
        "and nothing was learned from them."
    ),
    variants={
        "spread": N_(
            "In {share:.0%} of the logged steps all answers to every prompt earned the same reward: nothing was "
            "learned from them."
        ),
        "spread_solved": N_(
            "In {share:.0%} of the logged steps all answers to every prompt earned the same reward, and the reward has "
            "risen or stands at one figure: the prompts are probably solved by all their answers."
        ),
        "solved": N_(
            "In {share:.0%} of the logged steps the gradient is exactly 0, and the reward has risen or stands at one "
            "figure: the prompts are probably solved by all their answers."
        ),
    },
    remedies=(remedies.GROUP_SPREAD, remedies.ROLL_BACK),
    profiles=("rl",),
)
