"""Memory use climbs during training.

## What it checks
The logged memory use: the median of its last fifth against the median of its second fifth, which leaves out the
allocation of the first steps, and whether it rises nearly throughout.

## Why it matters
Memory that climbs without end runs out, often hours later and without a checkpoint near.

## What to do
Look for tensors that are kept: losses summed without `.item()`, outputs gathered for a metric, hooks, caches that grow.
Evaluate in smaller portions, and save often until the leak is found.

## When it is wrong
Later batches are longer (a curriculum), or the allocator keeps more without needing it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tb_evalguide import remedies, stats
from tb_evalguide.case import Case
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Need, Remedy, Role, Rule, Severity, Skip, Tier


@dataclass(frozen=True)
class Limits:
    climb: float = 0.20  # of the early use; allocators vary by some percent from batch to batch; own choice
    tau: float = 0.6  # Kendall's tau: a leak climbs nearly throughout, a new level does not; own choice
    trend_p: float = 0.01  # one-sided Mann–Kendall p of the climb


FREE_WHAT_IS_KEPT = Remedy(
    N_("Free what is kept from step to step: call .item() on losses before summing them"), guide=("L2",)
)


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    memory = case.curve(Role.MEMORY)
    assert memory is not None  # needs
    fifth = len(memory) // 5
    early = float(stats.median(memory.values[fifth : 2 * fifth]))
    late = float(stats.median(memory.values[-fifth:]))
    if early <= 0:
        return ()
    climb = late / early - 1
    trend = stats.mann_kendall(memory.values[fifth:])
    if climb < limits.climb or trend.tau < limits.tau or trend.p_up > limits.trend_p:
        return ()
    return [
        Evidence(
            steps=(int(memory.steps[fifth]), int(memory.steps[-1])),
            tags=(memory.tag,),
            numbers={"early": early, "late": late, "climb": climb, "tau": trend.tau},
            confidence=0.8,
        )
    ]


RULE = Rule(
    id="MEM002",
    guide=("P2", "L2"),
    label="out_of_memory",
    severity=Severity.MEDIUM,
    tier=Tier.COST,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.MEMORY, 20),),
    message=N_(
        "Memory use climbed from {early:.3g} to {late:.3g} ({climb:+.0%}) and was still climbing at step {last}."
    ),
    remedies=(FREE_WHAT_IS_KEPT, remedies.SMALLER_BATCH, remedies.GRADIENT_CHECKPOINTING),
)
