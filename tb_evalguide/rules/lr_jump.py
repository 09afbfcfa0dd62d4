"""The learning rate jumps up off its schedule.

## What it checks
Rises of the learning rate after its warm-up by more than a tenth of its range and a quarter of its value between two
logged points. Jumps that come again and again are a cyclic schedule and are left out. At a resume the schedule was
probably not restored; that is a fault when the loss rises with it, otherwise information. So is a jump anywhere else
after which the loss never gets back to where it was, and one to five times the rate that is taken back within three
points and throws the loss to twice what it was. Where the loss diverges for good, such a jump is information.

## Why it matters
Late in training the weights sit in a narrow place. A sudden return to a high rate throws them out of it, and what was
learned since the rate was last so high is lost.

## What to do
Save and load the scheduler's state with the checkpoint. When the jump is meant, raise the rate over some steps.

## When it is wrong
Warm restarts and cyclic schedules, or a second phase of training with a schedule of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, segments, stats
from tb_evalguide.case import Case, Curve
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Floats, Need, Role, Rule, Severity, Skip, Tier
from tb_evalguide.rules import divergence


@dataclass(frozen=True)
class Limits:
    jump: float = 0.10  # of the range (failure-modes.md #22)
    relative: float = 0.25  # of the value before; a tenth of a narrow range is nothing; own choice
    constant: int = 5  # points, and a tenth of the run, at one rate: it was no warm-up; own choice
    repeats: int = 2  # that many jumps are a cyclic schedule; own choice
    blip: float = 5.0  # times the rate before: no cycle rises so far from one point to the next …
    blip_points: int = 3  # … and is back after as many points; own choice
    blip_back: float = 1.5  # times the rate before, which is back; own choice
    blip_loss: float = 2.0  # times the level of the points before, to which the loss is thrown …
    blip_beyond: float = 1.5  # … and times the highest of them; own choice …
    blip_before: int = 10  # … of so many; own choice
    blip_restless: float = 0.2  # of the points, at which a rate that changes is a schedule of ups and downs; own choice
    harm: float = 4.0  # σ by which the loss level rises with it (failure-modes.md #35)
    harm_share: float = 0.10  # of the loss, at least; as RST002


@dataclass(frozen=True)
class Blip:
    """A rate that jumps up and back at once: its steps, the rate before and at its height, the loss that it led to."""

    first: int
    last: int
    before: float
    after: float
    peak: float


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    lr = case.lr
    assert lr is not None  # needs
    up = np.diff(lr.values)
    spread = float(np.ptp(lr.values))
    if spread == 0:
        return ()
    found, told = blips(case, lr, limits)
    jumps = np.flatnonzero((up > limits.jump * spread) & (up > limits.relative * np.maximum(lr.values[:-1], 0)))
    # a warm-up, however coarsely logged, rises before the rate has ever fallen
    fell = np.flatnonzero(up < 0)
    settled = fell[0] if len(fell) else constant_until(lr.values, limits)
    jumps = jumps[jumps > settled] if settled is not None else jumps[:0]
    jumps = jumps[np.concatenate([[True], np.diff(jumps) > 1])] if len(jumps) else jumps  # a second warm-up is one jump
    jumps = np.array([i for i in jumps.tolist() if i not in told], int)
    resumed = segments.resumes(case)
    interval = float(stats.median(np.diff(lr.steps)))
    for i in jumps.tolist():
        step = int(lr.steps[i + 1])
        at_resume = any(abs(step - r.step) <= 2 * interval for r in resumed)
        if not at_resume and len(jumps) >= limits.repeats:
            continue
        rise, significance = loss_rise(case, step)
        harm = rise >= limits.harm_share and significance >= limits.harm
        harm = harm and (at_resume or lost(case, step))
        found.append(
            Evidence(
                steps=(step, int(lr.steps[-1])),
                tags=(lr.tag,),
                numbers={"before": float(lr.values[i]), "after": float(lr.values[i + 1]), "loss_rise": rise},
                confidence=0.93,
                severity=Severity.MEDIUM if harm else Severity.INFO,
                label="resume_jump" if at_resume else None,
                variant=("harm" if harm else "resume") if at_resume else ("lost" if harm else ""),
            )
        )
    return found[:3]


def blips(case: Case, lr: Curve, limits: Limits) -> tuple[list[Evidence], set[int]]:
    """The rate jumps far up and back at once, and the loss is thrown up with it; the indices before these jumps.

    Not a schedule that goes up and down all the time. Where the loss diverges for good, that is the finding, and the
    jump only the reason for it.
    """
    train = case.train
    rate = lr.values
    if train is None or (train.values <= 0).any():
        return [], set()
    turns = np.abs(np.diff(np.log(rate[rate > 0]))) > np.log1p(limits.relative)
    if not len(turns) or turns.mean() > limits.blip_restless:
        return [], set()
    interval = float(stats.median(np.diff(lr.steps)))
    told: dict[int, Blip] = {}
    hurt = False
    for i in np.flatnonzero((rate[:-1] > 0) & (rate[1:] > limits.blip * rate[:-1])).tolist():
        after = rate[i + 1 : i + 2 + limits.blip_points]
        back = np.flatnonzero(after <= limits.blip_back * rate[i])
        if not len(back):
            continue
        first, last = int(lr.steps[i + 1]), int(lr.steps[i + 1 + back[0]])
        before = train.values[train.steps < first][-limits.blip_before :]
        during = train.between(first, last + interval)
        if len(before) < limits.blip_before // 2 or not len(during):
            continue
        peak = float(during.values.max())
        # and above all that the batches before it scattered to
        hurt = hurt or peak >= max(limits.blip_loss * stats.median(before), limits.blip_beyond * before.max())
        told[i] = Blip(first, last, float(rate[i]), float(after[: back[0]].max()), peak)
    if not hurt:
        return [], set()
    worst = max(told.values(), key=lambda blip: blip.peak)
    found = Evidence(
        steps=(min(blip.first for blip in told.values()), max(blip.last for blip in told.values())),
        tags=(lr.tag, train.tag),
        numbers={
            "count": len(told),
            "before": worst.before,
            "after": worst.after,
            "peak": worst.peak,
            "step": worst.first,
        },
        confidence=0.93,
        severity=Severity.INFO if divergence.diverged(case) else Severity.MEDIUM,
        variant="blip" if len(told) == 1 else "blips",
        remedies=(remedies.FIND_RATE_STEP,),
    )
    return [found], set(told)


def constant_until(values: Floats, limits: Limits) -> int | None:
    """Index before the first change of a rate that had been constant for long; None where it never was."""
    changes = np.flatnonzero(np.diff(values) != 0)
    if not len(changes) or values[0] <= 0 or changes[0] + 1 < max(limits.constant, 0.1 * len(values)):
        return None
    return int(changes[0]) - 1


def lost(case: Case, step: int) -> bool:
    """The loss never got back below the level it had before the step: a warm restart that is meant to pays off.

    Where the loss diverges for good, that is the finding, and the jump only the reason for it.
    """
    train = case.train
    if train is None or divergence.diverged(case):
        return False
    before = train.between(float(train.steps[0]), step - 1)
    return len(before) >= 5 and train.tail() >= before.tail()


def loss_rise(case: Case, step: int) -> tuple[float, float]:
    """(relative rise of the train level over ten points on either side of the step, the same in σ)."""
    train = case.train
    if train is None:
        return 0.0, 0.0
    at = int(np.searchsorted(train.steps, step))
    before, after = train.values[max(0, at - 10) : at], train.values[at : at + 10]
    if len(before) < 5 or len(after) < 5:
        return 0.0, 0.0
    low, high = float(stats.median(before)), float(stats.median(after))
    sigma = 1.2533 * case.train_noise * float(np.sqrt(1 / len(before) + 1 / len(after)))
    return (high - low) / abs(low) if low else 0.0, stats.sigmas(high - low, sigma)


RULE = Rule(
    id="LRS003",
    guide=("M4",),
    label="lr_schedule",
    severity=Severity.INFO,
    tier=Tier.DEAD_OR_SCHEDULE,
    doc=__doc__,
    limits=Limits(),
    check=check,
    needs=(Need(Role.LEARNING_RATE, 10),),
    message=N_("The learning rate jumps from {before:.2g} to {after:.2g} at step {first}, off its schedule."),
    variants={
        "blip": N_(
            "The learning rate jumps from {before:.2g} to {after:.2g} at step {first} and back at once, and throws the "
            "loss up to {peak:.3g}."
        ),
        "blips": N_(
            "The learning rate jumps up and back at once {count} times, first at step {first}: from {before:.2g} to "
            "{after:.2g} at step {step}, which throws the loss up to {peak:.3g}."
        ),
        "lost": N_(
            "The learning rate jumps from {before:.2g} to {after:.2g} at step {first}, off its schedule, and the loss "
            "rises by {loss_rise:.0%}: it never gets back to where it was."
        ),
        "resume": N_(
            "The learning rate jumps from {before:.2g} to {after:.2g} at the resume at step {first}: the scheduler "
            "was not restored. The loss hardly shows it."
        ),
        "harm": N_(
            "The learning rate jumps from {before:.2g} to {after:.2g} at the resume at step {first} and the loss "
            "rises by {loss_rise:.0%}: the scheduler was not restored."
        ),
    },
    remedies=(remedies.RESTORE_STATE, remedies.CHECK_SCHEDULE),
)
