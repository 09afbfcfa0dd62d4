"""What the model should find it never finds: F1, recall, IoU or mAP stay at nothing.

## What it checks
The metrics that count what was found: F1, precision, recall, IoU, Dice and mAP. It fires where none of them in the
whole log ever exceeded 1 %, one of them in at least eight evaluations, and where no other metric rose. Accuracy is not
among them, as it is high where most answers are "no", and neither is a recall or precision at k, which is small by
nature. Metrics that are still rising are left alone, and so are warm-ups and runs that stopped inside their schedule.

## Why it matters
A loss can fall far while the model only learns to answer "no" or "background", which is right nearly always. A run
that looks good by its loss alone then delivers nothing.

## What to do
Check that labels reach the loss and the metric (class ids, mask values, box format), weight the rare class more or
sample it more often, look at the threshold of the metric, and overfit ten samples first.

## When it is wrong
Detectors that start from nothing may need many epochs for their first hit; a metric that is computed wrongly says
nothing about the model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, shape, stats
from tb_evalguide.case import Case, Curve
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Role, Rule, Severity, Skip, Text, Tier
from tb_evalguide.roles.names import words_of

COUNTS_FOUND = frozenset(
    {
        *("f1", "f1score", "f1macro", "f1micro", "fscore", "fbeta", "precision", "recall", "iou", "miou", "meaniou"),
        *("jaccard", "dice", "dicescore", "map", "map50", "map75", "ap", "ap50", "ap75"),
    }
)
# a difference or a spread is good when it is small; a setting, a complement or a picture is none of these metrics
OTHERWISE = frozenset(
    {
        *("gap", "drop", "stderr", "se", "std", "diff", "delta", "hparams", "hp", "bits", "loss"),
        *("depth", "saliency", "entropy", "attention", "heat", "feature", "x", "y"),
    }
)
_COMPLEMENT = re.compile(r"\b1 ?- ?[a-z]")  # 1-dice
_FIRST_K = re.compile(r"k|(at|k|top)\d+|top")


@dataclass(frozen=True)
class Limits:
    evals: int = 8  # labelled runs: every healthy one but one of low confidence had found something by its seventh
    nothing: float = 0.01  # of all there is to find; labelled runs: all but one that stayed below were read as faults
    rising_p: float = 0.01  # one-sided Mann–Kendall p of a metric whose best evaluation is one of the last two; usual
    gained: float = 0.02  # of the whole, by which the last third of any other metric lies above its first; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    evaluated = [Curve.of(c.series) for c in case.metrics if c.greater_is_better and counts_found(c.tag)]
    curves = [curve for curve in evaluated if len(curve) >= limits.evals and is_share(curve)]
    if not curves:
        params = {"evals": limits.evals}
        return Skip(Text(N_("no F1, precision, recall, IoU, Dice or mAP with {evals} evaluations"), params))
    if shape.in_warmup(case):
        return Skip(Text(N_("the learning rate is still rising: only the warm-up was logged")))
    if shape.unfinished(case):
        return Skip(Text(N_("the run was cut short inside its schedule")))
    # one class of many, or a threshold of many, may find nothing where the others do; so may one split
    if best_found(case) > limits.nothing or any(rises(curve, limits) for curve in curves) or gains(case, limits):
        return ()
    curve = max(curves, key=lambda c: float(c.values.max()))
    best = float(curve.values.max())
    return [
        Evidence(
            steps=(int(curve.steps[0]), int(curve.steps[-1])),
            tags=tuple(c.tag for c in curves),
            numbers={"best": best, "evals": len(curve)},
            words={"metric": curve.tag},
            confidence=0.75,
            variant="" if best > 0 else "zero",
        )
    ]


def counts_found(tag: str) -> bool:
    """The metric counts what was found, and not among the first k answers, of which few can be right."""
    words = words_of(tag)
    named = not COUNTS_FOUND.isdisjoint(words) and OTHERWISE.isdisjoint(words) and not _COMPLEMENT.search(tag)
    return named and not among_first(tag, words)


def among_first(tag: str, words: Sequence[str]) -> bool:
    """recall@20, map_at_10, precision_k: so many answers were looked at. mAP@0.5 and mAP@50 name an overlap."""
    if any(_FIRST_K.fullmatch(word) for word in words):
        return True
    pairs = [(a, int(b)) for a, b in zip(words, words[1:]) if b.isdigit()]
    answers = [k for a, k in pairs if a == "at"] + [int(k) for k in re.findall(r"@(\d+)(?![\d.])", tag)]
    if any(word.startswith("map") for word in words):
        answers = [k for k in answers if k not in (50, 75)]
    # up to four it is a class, or Keras' second metric of that name
    return bool(answers) or any(k >= 5 for a, k in pairs if a in {"precision", "recall"})


def is_share(curve: Curve) -> bool:
    """No sentinel (-1 where there is nothing to find) and no setting (16 bits) that happens to have such a name."""
    values = curve.values
    return bool(len(values) and values.min() >= 0 and (values.max() <= 1 + 1e-3 or np.ptp(values) > 0))


def best_found(case: Case) -> float:
    """The most that any such metric ever showed, on any data, however few its points."""
    named = (s for run in case.training.runs for s in run.series.values() if counts_found(s.tag))
    return max((float(c.values.max()) for c in (Curve.of(s) for s in named) if is_share(c)), default=0.0)


def rises(curve: Curve, limits: Limits) -> bool:
    """It has begun to find something: it rises, and the best of its evaluations is one of the last two."""
    at_best = int(np.argmax(curve.values)) >= len(curve) - 2 and curve.values.max() > 0
    return bool(at_best and stats.mann_kendall(curve.values).p_up < limits.rising_p)


def gains(case: Case, limits: Limits) -> bool:
    """Another metric rose: the model does answer, as an accuracy tells, or an area under a curve without threshold."""
    others = [c.series for c in case.metrics if c.greater_is_better and not counts_found(c.tag)]
    accuracy = case.curve(Role.EVAL_ACCURACY)
    curves = [*(Curve.of(series) for series in others), *([accuracy] if accuracy is not None else [])]
    return any(
        len(curve) >= 3
        and curve.values.min() >= 0
        and shape.last_third(curve.values) - float(curve.values[0]) > limits.gained * shape.whole(curve)
        for curve in curves
    )


RULE = Rule(
    id="LRN006",
    guide=("K4",),
    label="underfitting",
    severity=Severity.MEDIUM,
    # the last of the causes: a run that diverged or overfits has a headline that says more
    tier=Tier.CONVERGENCE,
    doc=__doc__,
    limits=Limits(),
    check=check,
    message=N_("Nothing is found: in {evals} evaluations {metric} never exceeded {best:.2g}."),
    variants={"zero": N_("Nothing is found: in {evals} evaluations {metric} was never above 0.")},
    remedies=(remedies.CHECK_TARGETS, remedies.RARE_CLASS, remedies.OVERFIT_TEN),
    not_in=("rl",),
)
