"""Most updates of a policy have no gradient: all answers to a prompt earned the same reward.

## What it checks
In reinforcement learning, how many of the logged gradient norms are exactly 0: at least half of ten or more, and still
half of the later ones. Where the reward rose meanwhile, the prompts may simply be solved: that is information.

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

from collections.abc import Sequence
from dataclasses import dataclass

from tb_evalguide import remedies, stats
from tb_evalguide.case import Case
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Need, Role, Rule, Severity, Skip, Tier


@dataclass(frozen=True)
class Limits:
    share: float = 0.5  # of the logged norms, all in all and in the later half, that are exactly 0; own choice
    p: float = 0.05  # one-sided Mann–Kendall p of a reward that rose: what is solved needs no gradient; usual


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    # the curve leaves out values that are not finite; a norm of NaN is no zero
    grad = case.grad
    assert grad is not None  # needs
    zero = grad.values == 0
    share = float(zero.mean())
    if share < limits.share or float(zero[len(zero) // 2 :].mean()) < limits.share:
        return ()
    reward = case.curve(Role.REWARD)
    solved = reward is not None and len(reward) >= 4 and stats.mann_kendall(reward.values).p_up < limits.p
    return [
        Evidence(
            steps=(int(grad.steps[zero][0]), int(grad.steps[-1])),
            tags=(grad.tag,) if reward is None else (grad.tag, reward.tag),
            numbers={"share": share, "count": int(zero.sum()), "points": len(grad)},
            confidence=0.8,
            severity=Severity.INFO if solved else None,
            variant="solved" if solved else "",
        )
    ]


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
        "solved": N_(
            "In {share:.0%} of the logged steps the gradient is exactly 0 while the reward rose: more and more prompts "
            "are solved by all their answers."
        )
    },
    remedies=(remedies.GROUP_SPREAD, remedies.ROLL_BACK),
    profiles=("rl",),
)
