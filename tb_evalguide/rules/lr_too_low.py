"""The loss falls so slowly that the learning rate must be too low.

## What it checks
The drop of the loss over the run, which for this rule must be a steady one. Below 2.5 % after 100 steps it is too slow
anywhere. Where the loss began at the level of guessing and the run is not cut short, a drop below 35 % (65 % where the
rate of a model that begins untrained stayed below 2e-5) whose last third still falls about a third as fast as the first
third, or faster, is too slow, too: the curve never bent. In fine-tuning both losses must fall along such a line and
still be high. A loss that falls by 15 % at most and along a ruler, evaluations where there are eight, is too slow
whatever its scale and however few its points. An evaluated accuracy or overlap that rose by eight points to more than
half says that it is not too slow. A run that took all its planned steps is judged by the few points that it logged; one
whose learning rate still rises, only where it has gained less than 5 %.

## Why it matters
Such a run wastes its time: the same steps with a larger learning rate would reach a far lower loss.

## What to do
Raise the learning rate two to five times (2e-5 → 5e-5), or look for a schedule that keeps it near zero.

## When it is wrong
A model that was already trained on these data, or a resumed run: there is little left to learn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, shape, stats
from tb_evalguide.case import Case, Curve
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Role, Rule, Severity, Skip, Text, Tier


@dataclass(frozen=True)
class Limits:
    drop: float = 0.025  # guide C4b falls by 1.2 %, C3 by 6 %; their geometric midpoint is 2.7 % (failure-modes.md #7)
    slow_drop: float = 0.35  # own choice; healthy labelled runs that began at guessing and finished drop by more
    tiny: float = 2e-5  # the rates at which pretrained models are tuned begin here: below it an untrained one crawls …
    tiny_drop: float = 0.65  # … so that a fall along a line may be larger; labelled runs: healthy ones fell by 77 %
    lateness: float = 0.35  # last third's fall over the first third's; 1 is a straight line; own choice
    line: float = 0.5  # … in fine-tuning, where a pretrained model may begin near its floor; own choice
    high: float = 2.0  # nats, as LRN004: fine-tuning that ends lower may be near its floor; own choice
    steps: int = 100  # failure-modes.md #7
    clear: float = 5.0  # σ of a point between start and end, above which no test is needed
    p: float = 0.01  # one-sided Mann–Kendall p of the fall
    flat: float = 0.6  # of the run within half of `drop` of its end; own choice
    later: float = 0.25  # of the drop in the later half; a straight line has 0.5 of it there; own choice
    straight_points: int = 30  # train points …
    straight_evals: int = 12  # … or evaluations, before which a straight fall is a young run's; own choice
    finished: float = 0.9  # of the planned steps: the run is over, and few points must do; own choice
    finished_points: int = 5  # points of the loss that such a run must have nevertheless; own choice
    bend_evals: int = 8  # evaluations, or points of the loss, that show whether their fall bent; own choice
    ruler: float = 0.99  # R² of a straight line through the loss …
    ruler_late: float = 0.85  # … whose last third falls so many times as fast as its first …
    ruler_drop: float = 0.15  # … and all of it by this much at most; labelled runs: no healthy one has all three
    gained: float = 0.08  # of all answers, by which the evaluated accuracy rose …
    right: float = 0.5  # … to so many at least: such a line leads somewhere; as LRN004
    warm: float = 0.05  # of the loss: a run that gained as much while its rate still rises is not slow; own choice
    points: int = 20  # train points outside the guide profile
    evals: int = 8  # or evaluations


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    curve = case.loss
    if curve is None or len(curve) < 4:
        return Skip(Text(N_("fewer than {points} points of any loss"), {"points": 4}))
    if not enough(case, limits):
        params = {"points": limits.points, "evals": limits.evals}
        return Skip(Text(N_("not enough data: {points} train points or {evals} evaluations needed"), params))
    drop = shape.progress(case)
    if math.isnan(drop):
        return Skip(Text(N_("the loss is not positive")))
    if drop >= limits.warm and shape.in_warmup(case):
        return Skip(Text(N_("the learning rate is still rising: only the warm-up was logged")))
    values = curve.coarse[1] if len(curve) >= 60 else curve.values
    p = max(limits.p, 0.05) if len(curve) < 8 else limits.p
    # a curve far above its noise falls without a test; the test's correction for autocorrelation takes bends for noise
    clear = curve.start - curve.tail() > limits.clear * curve.noise
    falls = clear or stats.mann_kendall(values).p_down < p
    of, start, end = shape.progress_told(case) or (curve, *shape.ends(curve))
    numbers = {
        "start": start,
        "end": end,
        "drop": drop,
        "steps": case.last_step - case.first_step,
    }
    steps = (int(of.steps[0]), int(of.steps[-1]))
    # outside the guide's tables a loss that still falls may yet get there: a warning, not a verdict
    level = None if case.is_guide else Severity.MEDIUM
    # in fine-tuning the guide decides the label: C4b falls by 1.2 %, significant or not
    tuning = case.profile.id in ("guide", "llm-sft")
    # level since early on: it does not learn slowly, it does not learn (LRN004)
    level_early = not tuning and shape.flat_since(curve, limits.drop / 2) > limits.flat and not goes_on(curve, limits)
    if abs(drop) < limits.drop and (tuning or (falls and drop >= 0 and not level_early)):
        return [
            Evidence(
                steps=steps,
                tags=(of.tag,),
                numbers=numbers,
                confidence=0.97,
                severity=level,
                variant="none" if end >= start else "",
                rival="underfitting",
            )
        ]
    return slow_line(case, curve, clear, numbers, limits) or dead_straight(case, limits)


def slow_line(
    case: Case, curve: Curve, clear: bool, numbers: Mapping[str, float], limits: Limits
) -> Sequence[Evidence]:
    """A loss that began at the level of guessing, or is still high, and fell so little that its curve never bent."""
    too_young = young(case, curve, limits)  # before the evaluations stand in for a train loss of many more points
    of, start, end = shape.progress_told(case) or (curve, *shape.ends(curve))
    drop = numbers["drop"]
    if not clear and case.evals is not None and len(case.evals) >= limits.evals:
        of = curve = case.evals  # a mean over a whole set shows the shape that the noise of batches hides
        start, end = shape.ends(curve)
        drop = 1 - end / start if start > 0 else math.nan
        clear = start - end > limits.clear * case.eval_noise
    if (
        not limits.drop <= drop <= (limits.tiny_drop if tiny(case, limits) else limits.slow_drop)
        or not clear  # the shape of a fall that its noise hides cannot be told
        or not (began_at_guessing(case) or far_from_floor(case, curve, limits))
        or too_young
        or leads_somewhere(case, limits)
    ):
        return ()
    lates = [shape.late_fall(curve) if len(curve) >= limits.bend_evals else math.nan]
    if case.evals is not None and len(case.evals) >= limits.bend_evals:
        lates.append(shape.late_fall(case.evals))  # noise can make one of the two look straight, hardly both
    if not all(late >= limits.lateness for late in lates):
        return ()
    return [straight(of, {**numbers, "start": start, "end": end, "drop": drop, "late": min(lates)})]


def dead_straight(case: Case, limits: Limits) -> Sequence[Evidence]:
    """The loss falls little and along a ruler: of all that can be gained nothing is used up yet, whatever it is."""
    judged = case.evals is not None and len(case.evals) >= limits.bend_evals
    curve = case.evals if judged else case.train
    if curve is None or len(curve) < limits.bend_evals or curve.values[0] <= 0 or leads_somewhere(case, limits):
        return ()
    start, end = float(curve.values[0]), float(curve.values[-1])
    drop, late = 1 - end / start, shape.late_fall(curve)
    if not 0 < drop <= limits.ruler_drop or not late >= limits.ruler_late:
        return ()
    if np.corrcoef(curve.steps, curve.values)[0, 1] ** 2 < limits.ruler:
        return ()
    steps = case.last_step - case.first_step
    return [straight(curve, {"start": start, "end": end, "drop": drop, "steps": steps, "late": late})]


def leads_somewhere(case: Case, limits: Limits) -> bool:
    """The run is not over, or its accuracy rises, or it is no loss for all we know: no slowness can be told."""
    return (
        shape.unfinished(case)
        or not surely_loss(case)
        or shape.gets_right(case, limits.gained, limits.right)
        or (case.planned_steps is not None and case.last_step < limits.finished * case.planned_steps)
    )


def straight(of: Curve, numbers: Mapping[str, float]) -> Evidence:
    return Evidence(
        steps=(int(of.steps[0]), int(of.steps[-1])),
        tags=(of.tag,),
        numbers=dict(numbers),
        confidence=0.95,
        severity=Severity.MEDIUM,
        variant="straight",
        rival="underfitting",
    )


def tiny(case: Case, limits: Limits) -> bool:
    """The learning rate was never as high as one at which pretrained models are tuned, nor is this one of those."""
    pretrained = case.roles.framework == "hf" or any("pretrained" in k or "model_name" in k for k in case.arguments)
    return not pretrained and case.lr is not None and len(case.lr) > 0 and 0 < case.lr.values.max() < limits.tiny


def surely_loss(case: Case) -> bool:
    """A curve only taken for the loss because nothing else is there tells no level of guessing."""
    choices = [case.roles.choices.get(role) for role in (Role.TRAIN_LOSS, Role.EVAL_LOSS)]
    return any(choice is not None and choice.certain for choice in choices)


def goes_on(curve: Curve, limits: Limits) -> bool:
    """The later half fell by its share as well: a straight line, however slow."""
    start, middle, end = curve.head(), float(stats.median(curve.values[len(curve) // 2 :][:3])), curve.tail()
    return bool(middle - end > limits.later * (start - end))


def far_from_floor(case: Case, curve: Curve, limits: Limits) -> bool:
    """Fine-tuning whose losses both fall along a line and are still high: the curve does not even begin to bend."""
    if case.profile.id not in ("guide", "llm-sft") or case.evals is None or len(case.evals) < limits.evals:
        return False
    # lateness is NaN, and so not above the limit, for a curve too short to tell or one that did not fall at first
    along = all(shape.lateness(c) > limits.line for c in (curve, case.evals))
    return along and min(curve.tail(), case.evals.tail()) > limits.high


def enough(case: Case, limits: Limits) -> bool:
    """The guide's own tables have four points; elsewhere more are needed before slowness can be told."""
    if finished(case, limits):
        return True
    if taken(case) < limits.steps and not case.steps_are_epochs:
        return False
    if case.is_guide:
        return True
    evals = len(case.evals) if case.evals is not None else 0
    train = len(case.train) if case.train is not None else 0
    return train >= limits.points or evals >= limits.evals


def finished(case: Case, limits: Limits) -> bool:
    """The run took all the steps that it had planned, and logged a few points of them: no more will come."""
    planned, curve = case.planned_steps, case.loss
    if planned is None or curve is None or len(curve) < limits.finished_points:
        return False
    return taken(case) >= limits.steps and case.last_step >= limits.finished * planned


def taken(case: Case) -> int:
    """Steps since the first logged one, and those that led up to it."""
    curve = case.loss
    each = int(stats.median(np.diff(curve.steps))) if curve is not None and len(curve) > 1 else 0
    return case.last_step - case.first_step + each


def young(case: Case, curve: Curve, limits: Limits) -> bool:
    """So few points that the run has only begun, unless it says that it is over."""
    few = len(curve) < limits.straight_points and len(case.evals or ()) < limits.straight_evals
    return few and not finished(case, limits)


def began_at_guessing(case: Case) -> bool:
    """The profile says that the model began untrained, so that the first loss is that of guessing."""
    return case.profile.id in ("pretrain", "classification", "vision", "generic")


RULE = Rule(
    id="LRN003",
    guide=("C4b", "M1"),
    label="lr_too_low",
    severity=Severity.HIGH,
    tier=Tier.NOT_LEARNING,
    doc=__doc__,
    limits=Limits(),
    check=check,
    message=N_(
        "Learning rate too low: the loss fell only from {start:.4g} to {end:.4g} ({drop:.1%}) in {steps} steps."
    ),
    variants={
        "none": N_(
            "Learning rate too low: the loss has not fallen in {steps} steps ({start:.4g} at the start, {end:.4g} at "
            "the end)."
        ),
        "straight": N_(
            "Learning rate too low: the loss fell from {start:.4g} to {end:.4g} ({drop:.0%}) almost along a "
            "straight line and is nowhere near its floor."
        ),
    },
    remedies=(remedies.LR_RAISE, remedies.MORE_EPOCHS),
    not_in=("rl",),
)
